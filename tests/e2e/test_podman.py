"""What tests of users do on Docker, on Podman's Docker-compatible service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e import test_calls, test_containers
from tests.e2e.test_cleanup import start_sleeping, wait_until_clean
from tests.e2e.test_testcontainers import SERVERS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.e2e.suite import Suite
    from tests.known_engines import KnownEngines

# Podman does not see the HEALTHCHECK of an image in the OCI format, and takes note of a start
# milliseconds after it.
NOT_ON_PODMAN = ("test_healthcheck", "test_timings")
pytestmark = pytest.mark.needs_engine("main", "registry")


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.needs_engine(name))
        for name in ("podman", "podman-rootless")
    ]
)
def podman_suite(request: pytest.FixtureRequest, make_suite: Callable[..., Suite]) -> Suite:
    """A suite on Podman, of root and of a user."""
    return make_suite(request.param)


@pytest.mark.parametrize(
    ("text", "tests"),
    [
        pytest.param(test_calls.CALLS, test_calls.TESTS, id="calls"),
        pytest.param(test_containers.WAITS, test_containers.TESTS, id="waits"),
    ],
)
def test_all_that_works_on_docker(
    podman_suite: Suite, registry_images: Mapping[str, str], text: str, tests: tuple[str, ...]
) -> None:
    """Natively and emulated, without a difference."""
    podman_suite.write("test_it.py", text.format(**registry_images))
    left_out = " and ".join(f"not {name}" for name in NOT_ON_PODMAN)
    finished = podman_suite.run("-v", "-n", "2", "-k", left_out, timeout_s=400)
    failed = {name: case.message for name, case in finished.cases.items() if case.message}
    assert failed == {}
    ran = {name.partition("[")[0] for name in finished.cases}
    assert ran == {name for name in tests if not name.startswith(NOT_ON_PODMAN)}
    assert "linux/arm64  qemu" in finished.output
    assert podman_suite.list_left_behind() == []
    assert podman_suite.list_watchdogs() == []


def test_servers_through_testcontainers(
    podman_suite: Suite, registry_images: Mapping[str, str]
) -> None:
    """Redis and PostgreSQL, by classes that know nothing of Podman."""
    podman_suite.write("test_it.py", SERVERS.format(**registry_images))
    finished = podman_suite.run("-v", timeout_s=400)
    assert finished.exit_code == 0, finished.output
    assert podman_suite.list_left_behind() == []


def test_kill(podman_suite: Suite, registry_images: Mapping[str, str]) -> None:
    """After SIGKILL all is gone."""
    process = start_sleeping(podman_suite, registry_images["sample"])
    process.kill()
    process.wait()
    wait_until_clean(podman_suite, within_s=60)


def test_a_difference_is_caught(podman_suite: Suite, registry_images: Mapping[str, str]) -> None:
    podman_suite.write(
        "test_it.py",
        f"""
        import pytest

        pytestmark = [
            pytest.mark.image("{registry_images["sample"]}"),
            pytest.mark.platforms("linux/amd64", "linux/arm64", "linux/arm/v7"),
        ]

        def test_char(variant):
            variant.run("app", "char")

        def test_missing(variant):
            variant.run("no-such-program")

        @pytest.mark.container("app", "sleep", "60")
        def test_missing_in_exec(container):
            container.exec("/no/such/program")
        """,
    )
    finished = podman_suite.run("-v")
    assert "linux/arm64, linux/arm/v7 differ" in finished.cases["test_char"].message
    for name in ("test_missing", "test_missing_in_exec"):
        for platform in ("linux/amd64", "linux/arm64", "linux/arm/v7"):
            assert "is not in the image" in finished.cases[f"{name}[{platform}]"].message
    assert podman_suite.list_left_behind() == []


def test_an_image_that_lies_is_caught(
    podman_suite: Suite, registry_images: Mapping[str, str]
) -> None:
    """Its arm64 entry holds amd64 programs, which Podman runs natively, and says nothing."""
    podman_suite.write(
        "test_it.py",
        f"""
        import pytest

        pytestmark = [
            pytest.mark.image("{registry_images["liar"]}"),
            pytest.mark.platforms("linux/arm64"),
        ]

        def test_it(variant):
            variant.run("app", "arch")
        """,
    )
    (case,) = podman_suite.run("-v").cases.values()
    assert "another architecture" in case.message


def test_podman_is_found_without_configuration(
    podman_suite: Suite,
    engines: KnownEngines,
    registry_images: Mapping[str, str],
    tmp_path: Path,
) -> None:
    """By its socket in the user's runtime folder, if there is no Docker."""
    (tmp_path / "podman").mkdir()
    behind = engines.by_name[podman_suite.engine].host.removeprefix("unix://")
    (tmp_path / "podman" / "podman.sock").symlink_to(behind)
    for name in ("DOCKER_HOST", "DOCKER_CONFIG"):
        podman_suite.environ.pop(name, None)
    podman_suite.environ |= {"XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)}
    podman_suite.write(
        "test_it.py",
        f"""
        import pathlib
        import pytest

        pytestmark = [
            pytest.mark.image("{registry_images["sample"]}"),
            pytest.mark.platforms("linux/amd64"),
            pytest.mark.skipif(
                pathlib.Path("/var/run/docker.sock").exists(), reason="Docker is there"
            ),
        ]

        def test_it(variant):
            assert variant.node.name == "unix://{tmp_path}/podman/podman.sock"
            variant.run("app", "arch")
        """,
    )
    finished = podman_suite.run("-rs")
    assert finished.exit_code == 0, finished.output
