"""What tests of users do on Docker, on Podman's Docker-compatible service."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e import test_calls, test_containers
from tests.e2e.test_cleanup import start_sleeping, wait_until_clean
from tests.e2e.test_testcontainers import SERVERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

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


OPTIONS = """
    import pathlib
    import pytest
    from pytest_multiarch import service, source

    pytestmark = [
        pytest.mark.image("{sample}"),
        pytest.mark.platforms("linux/amd64", "linux/arm64"),
    ]
    HERE = pathlib.Path(__file__).parent
    MACHINES = {{"amd64": "x86_64", "arm64": "aarch64"}}

    @pytest.mark.container("app", "sleep", "99", network_aliases="me", with_={{
        "one": service("{sample}", "httpd", "-f", "-p", "8080", "-h", "/bin", wait=8080),
        "two": service("{sample}", "app", "sleep", "99", platform="same"),
    }})
    def test_services(container, platform):
        one, two = container.services["one"], container.services["two"]
        assert str(one.platform) == "linux/amd64"
        assert two.exec("uname", "-m").stdout.strip() == MACHINES[platform.architecture]
        assert container.exec("ping", "-c", "1", "one", observe=False).exit_code == 0
        assert two.exec("ping", "-c", "1", "me").exit_code == 0

    def test_compose(variant, platform):
        with variant.compose(HERE / "compose.yaml", service="app", wait="up") as container:
            machine = container.exec("uname", "-m", observe=False).stdout.strip()
            assert machine == MACHINES[platform.architecture]
            assert container.services["db"].exec("uname", "-m").stdout.strip() == "x86_64"
            assert container.exec("ping", "-c", "1", "db", observe=False).exit_code == 0

    def test_files(variant):
        script = "cat /in/file; touch /in/x || echo refused; stat -c '%a %u %g' /key; hostname"
        result = variant.run(
            "sh", "-c", script, volumes=[("{data}", "/in")], tmpfs={{"/t": "size=3m"}},
            files={{"/key": source(b"k", mode=0o600, uid=9, gid=9)}}, hostname="web-1",
            cap_drop=["ALL"], shm_size="5m",
        )
        assert result.stdout.split() == ["here", "refused", "600", "9", "9", "web-1"]

    def test_limits(variant):
        result = variant.run(
            "sh", "-c", "ulimit -n", ulimits={{"nofile": (64, 128)}}, mem_limit="64m",
            nano_cpus=500_000_000,
        )
        assert result.stdout == "64\\n"
"""
COMPOSE = """
    services:
      app:
        image: acme/app:1.4
        command: ["sh", "-c", "echo up; exec sleep 99"]
      db:
        image: {sample}
        command: ["app", "sleep", "99"]
"""


@pytest.fixture
def readable_folder() -> Iterator[Path]:
    """A folder that everybody may look into, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_services_and_options(
    podman_suite: Suite, registry_images: Mapping[str, str], readable_folder: Path
) -> None:
    """Names on a network, a compose file, files and limits; a limit is never left out silently."""
    podman_suite.write("compose.yaml", COMPOSE.format(**registry_images))
    (readable_folder / "file").write_text("here\n")
    text = OPTIONS.format(**registry_images, data=readable_folder)
    podman_suite.write("test_it.py", text)
    finished = podman_suite.run("-v", timeout_s=400)
    failed = {name: case.message for name, case in finished.cases.items() if case.message}
    if podman_suite.engine == "podman-rootless":  # with cgroups v1 it cannot limit
        failed = {
            name: message for name, message in failed.items()
            if "makes containers without mem_limit and nano_cpus and ulimits" not in message
        }  # fmt: skip
    assert failed == {}
    assert len(finished.cases) >= 8
    assert podman_suite.list_left_behind() == []


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


def test_an_image_that_was_built_here(
    podman_suite: Suite, engines: KnownEngines, registry_images: Mapping[str, str]
) -> None:
    """Podman calls it `localhost/...`, the test need not; it is there for one platform."""
    engine, sample = podman_suite.engine, registry_images["sample"]
    engines.run_docker(engine, "pull", "--quiet", "--platform", "linux/amd64", sample)
    engines.run_docker(engine, "tag", sample, "localhost/multiarch-built-here:1")
    podman_suite.write(
        "test_it.py",
        """
        import pytest

        pytestmark = [
            pytest.mark.image("multiarch-built-here:1"),
            pytest.mark.platforms("linux/amd64", "linux/arm64"),
        ]

        def test_it(variant):
            assert variant.run("app", "arch").stdout == "amd64\\n"
        """,
    )
    finished = podman_suite.run()
    engines.run_docker(engine, "rmi", "localhost/multiarch-built-here:1")
    assert finished.cases["test_it[linux/amd64]"].status == "passed", finished.output
    message = finished.cases["test_it[linux/arm64]"].message
    assert "Podman keeps one platform under a name" in message


WITHOUT_DOCKER = """
mount -t tmpfs tmpfs /run
mkdir /run/podman
test -z "$ROOTFUL" || ln -s "$ROOTFUL" /run/podman/podman.sock
exec "$@"
"""


def test_podman_is_found_without_configuration(
    podman_suite: Suite,
    engines: KnownEngines,
    registry_images: Mapping[str, str],
    tmp_path: Path,
) -> None:
    """At its usual place, of a user or of root, if there is no Docker.

    The suite has a `/run` of its own, in a mount namespace.
    """
    behind = engines.by_name[podman_suite.engine].host.removeprefix("unix://")
    for name in ("DOCKER_HOST", "DOCKER_CONFIG", "XDG_RUNTIME_DIR"):
        podman_suite.environ.pop(name, None)
    podman_suite.environ |= {"HOME": str(tmp_path), "ROOTFUL": ""}
    found = "/run/podman/podman.sock"
    if podman_suite.engine == "podman":
        podman_suite.environ["ROOTFUL"] = behind
    else:
        found = f"{tmp_path}/podman/podman.sock"
        (tmp_path / "podman").mkdir()
        (tmp_path / "podman" / "podman.sock").symlink_to(behind)
        podman_suite.environ["XDG_RUNTIME_DIR"] = str(tmp_path)
    podman_suite.write(
        "test_it.py",
        f"""
        import pytest

        pytestmark = [
            pytest.mark.image("{registry_images["sample"]}"),
            pytest.mark.platforms("linux/amd64"),
        ]

        def test_it(variant):
            assert variant.node.name == "unix://{found}"
            variant.run("app", "arch")
        """,
    )
    command = ["unshare", "--mount", "sh", "-ec", WITHOUT_DOCKER, "sh", sys.executable]
    done = subprocess.run(
        [*command, "-m", "pytest", "-p", "no:cacheprovider"], check=False, capture_output=True,
        text=True, timeout=120, cwd=podman_suite.folder, env=podman_suite.environ,
    )  # fmt: skip
    assert "1 passed" in done.stdout, done.stdout + done.stderr
