"""Images and platforms that cannot be what was asked for: an error before anything runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.e2e.engine_proxy import EngineProxy
    from tests.e2e.suite import Finished, Suite

pytestmark = pytest.mark.needs_engine("main")

LIAR = """
    import pytest

    pytestmark = [
        pytest.mark.image("{image}"),
        pytest.mark.platforms("linux/amd64", "linux/arm64"),
    ]

    def test_run(variant):
        variant.run("sh", "-c", "echo it ran")

    @pytest.mark.container("app", "sleep", "3600")
    def test_container(container):
        container.exec("app", "--version")
"""


@pytest.fixture
def lied_to(suite: Suite, proxy: EngineProxy, images: Mapping[str, str]) -> Finished:
    """A run on an image with amd64 programs in its arm64 entry, which is not audited."""
    suite.write("test_it.py", LIAR.format(image=images["liar"]))
    return suite.run("-v", "-rA", "--multiarch-audit=off")


def test_liar_is_found_out(lied_to: Finished, suite: Suite, proxy: EngineProxy) -> None:
    """The arm64 member is an error that names the file, before it ran; amd64 is unharmed."""
    statuses = lied_to.list_statuses()
    assert statuses["test_run[linux/amd64]"] == "passed"
    assert statuses["test_container[linux/amd64]"] == "passed"
    assert statuses["test_run[linux/arm64]"] == "failed"
    assert statuses["test_container[linux/arm64]"] == "error"
    message = lied_to.cases["test_run[linux/arm64]"].message
    assert "the variant for linux/arm64 holds a program for another architecture" in message
    assert "/bin/busybox" in message
    assert "build that file for linux/arm64" in message
    assert lied_to.output.count("diagnosis: image (proven)") == 2
    assert suite.list_left_behind() == []
    # Two containers start for amd64, and one for arm64: the probe's.
    assert len(proxy.list_requests(r"^POST .*/containers/[0-9a-f]+/start")) == 3


UNAVAILABLE = """
    import pytest

    pytestmark = [
        pytest.mark.image("{image}"),
        pytest.mark.platforms("linux/amd64", "{platform}"),
    ]

    def test_first(variant):
        variant.run("app", "--version")

    def test_second(variant):
        variant.run("app", "--version")
"""


def find_unavailable() -> str:
    """Find a platform that this machine has no emulator for."""
    registered = Path("/proc/sys/fs/binfmt_misc/qemu-loongarch64")
    return "linux/mips64" if registered.exists() else "linux/loong64"


class TestUnavailable:
    """A platform that the engine can run neither natively nor emulated."""

    def test_error(self, suite: Suite, proxy: EngineProxy, images: Mapping[str, str]) -> None:
        """It is an error with the cure, and no container of the user's image is created for it."""
        platform = find_unavailable()
        text = UNAVAILABLE.format(image=images["sample"], platform=platform)
        suite.write("test_it.py", text)
        finished = suite.run("-v")
        assert finished.exit_code == 1
        assert finished.list_statuses() == {
            "test_first[linux/amd64]": "passed",
            f"test_first[{platform}]": "error",
            "test_second[linux/amd64]": "passed",
            f"test_second[{platform}]": "error",
        }
        first = finished.cases[f"test_first[{platform}]"].message
        assert re.search(f"{platform} cannot (run|be tested) on", first)
        assert "--multiarch-unavailable=skip" in first
        second = finished.cases[f"test_second[{platform}]"].message
        assert "--multiarch-unavailable=skip" not in second
        assert "the same as in test_it.py::test_first" in second
        created = proxy.list_requests("^POST .*/containers/create")
        assert not [each for each in created if f"platform={platform.replace('/', '%2F')}" in each]
        assert suite.list_left_behind() == []

    def test_skip(self, suite: Suite, images: Mapping[str, str]) -> None:
        """It is skipped if the user says so, and the summary says what was not compared."""
        platform = find_unavailable()
        text = UNAVAILABLE.format(image=images["sample"], platform=platform)
        suite.write("test_it.py", text)
        finished = suite.run("-v", "--multiarch-unavailable=skip")
        assert finished.exit_code == 0
        assert finished.list_statuses()[f"test_first[{platform}]"] == "skipped"
        assert "not compared:" in finished.output
        assert f"{platform} was skipped" in finished.output


@pytest.mark.needs_engine("registry")
def test_one_pull_per_machine(
    suite: Suite,
    proxy: EngineProxy,
    copy_in_registry: Callable[[str], str],
) -> None:
    """Four processes that need the same two variants pull each of them once."""
    image = copy_in_registry("e2e-pulls")
    suite.write(
        "test_it.py",
        f"""
        import pytest

        pytestmark = [
            pytest.mark.image("{image}"),
            pytest.mark.platforms("linux/amd64", "linux/arm64"),
        ]

        @pytest.mark.parametrize("number", range(4))
        def test_it(variant, number):
            variant.run("app", "--version")
        """,
    )
    finished = suite.run("-n", "4")
    assert "8 passed" in finished.output
    assert len(suite.list_pids()) == 5
    assert len(proxy.list_requests("^POST .*/images/create")) == 2
