"""Nothing is left behind, however a session ends."""

from __future__ import annotations

import os
import re
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.suite import Suite, is_alive, wait_for

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping

    from tests.e2e.engine_proxy import EngineProxy

pytestmark = pytest.mark.needs_engine("main")

WITHIN_S = 10.0
SLEEPS = """
    import os, pathlib, time
    import pytest

    pytestmark = [
        pytest.mark.image("{image}"),
        pytest.mark.platforms("linux/amd64", "linux/arm64"),
    ]

    @pytest.mark.container("app", "sleep", "3600")
    @pytest.mark.parametrize("number", [1, 2])
    def test_sleeps(container, variant, number):
        {first}
        pathlib.Path(f"asleep-{{os.getpid()}}").touch()
        variant.run("app", "sleep", "3600", timeout=100)
"""
FORKS = """
        if os.fork() == 0:
            pathlib.Path("child").write_text(str(os.getpid()))
            time.sleep(60)
            os._exit(0)
"""


def start_sleeping(
    suite: Suite, image: str, *arguments: str, first: str = "pass", processes: int = 1
) -> subprocess.Popen[str]:
    """Start a suite and wait until its tests have a container and run another one."""
    suite.write("test_it.py", SLEEPS.format(image=image, first=first.strip()))
    process = suite.start(*arguments)

    def are_asleep() -> bool:
        assert process.poll() is None, suite.read_output()
        notes = len(list(suite.folder.glob("asleep-*")))
        return notes == processes and len(suite.list_left_behind()) >= 2 * processes

    wait_for(are_asleep, timeout_s=120, what="containers")
    return process


def wait_until_clean(suite: Suite, *, within_s: float = WITHIN_S) -> None:
    """Wait until nothing carries the suite's label any more, and see that it stays so."""
    wait_for(lambda: not suite.list_left_behind(), timeout_s=within_s, what="nothing left")
    time.sleep(0.5)
    assert suite.list_left_behind() == []


def test_interrupt(suite: Suite, images: Mapping[str, str]) -> None:
    """After Ctrl-C, nothing is left when pytest has ended, not even a watchdog."""
    process = start_sleeping(suite, images["sample"])
    process.send_signal(signal.SIGINT)
    finished = suite.finish(process, timeout_s=60)
    assert finished.exit_code == 2
    assert suite.list_left_behind() == []
    assert suite.list_watchdogs() == []


def test_kill(suite: Suite, images: Mapping[str, str]) -> None:
    """After SIGKILL while it waits for a container, all is gone within 10 s."""
    process = start_sleeping(suite, images["sample"])
    process.kill()
    process.wait()
    wait_until_clean(suite)


def test_kill_with_xdist(suite: Suite, images: Mapping[str, str]) -> None:
    """After SIGKILL of all processes of `-n 2`."""
    process = start_sleeping(suite, images["sample"], "-n", "2", processes=2)
    for pid in suite.list_pids():
        os.kill(pid, signal.SIGKILL)
    process.wait()
    wait_until_clean(suite)


def test_kill_of_the_controller(suite: Suite, images: Mapping[str, str]) -> None:
    """After SIGKILL of the process that started the workers: they notice, and clean up."""
    process = start_sleeping(suite, images["sample"], "-n", "2", processes=2)
    process.kill()
    process.wait()
    # The workers end by themselves first, once they miss it.
    wait_until_clean(suite, within_s=2 * WITHIN_S)


def test_kill_with_a_child_alive(suite: Suite, images: Mapping[str, str]) -> None:
    """A child that a test forked has all open files of its parent, and lives on."""
    process = start_sleeping(suite, images["sample"], first=FORKS)
    child = int((suite.folder / "child").read_text())
    process.kill()
    process.wait()
    try:
        wait_until_clean(suite)
        assert is_alive(child)
    finally:
        os.kill(child, signal.SIGKILL)


ONE_CALL = """
    import pytest

    pytestmark = [
        pytest.mark.image("{image}"),
        pytest.mark.platforms("{platform}"),
    ]

    def test_it(variant):
        variant.run("app", "sleep", "3600")
"""


@pytest.mark.parametrize(
    ("platform", "request_pattern"),
    [
        ("linux/arm64", "^POST .*/images/load"),
        ("linux/arm64", "^POST .*/containers/create"),
        ("linux/amd64", "^POST .*/containers/create"),
        ("linux/amd64", "^POST .*/attach"),
        ("linux/amd64", "^POST .*/start"),
        ("linux/amd64", "^POST .*/wait"),
    ],
    ids=["load-of-probe", "create-of-probe", "create", "attach", "start", "wait"],
)
def test_kill_during(
    suite: Suite,
    proxy: EngineProxy,
    images: Mapping[str, str],
    platform: str,
    request_pattern: str,
) -> None:
    """After SIGKILL at the moment in which the engine is asked for something."""
    suite.write("test_it.py", ONE_CALL.format(image=images["sample"], platform=platform))
    killed: list[str] = []

    def kill(request: str) -> None:
        if not killed and re.search(request_pattern, request):
            os.kill(suite.list_pids()[0], signal.SIGKILL)
            killed.append(request)

    proxy.on_request = kill
    process = suite.start()
    if request_pattern.endswith("/wait"):
        # The wait begins when the output has ended, which it does when the program is killed.
        wait_for(lambda: proxy.list_requests("/start$"), timeout_s=60, what="a start")
        wait_for(lambda: _kill_program(suite), timeout_s=30, what="the program's end")
    process.wait(timeout=60)
    assert killed, suite.read_output()
    wait_until_clean(suite)


def _kill_program(suite: Suite) -> bool:
    found = [each.split()[1] for each in suite.list_left_behind() if each.startswith("container")]
    return bool(found) and suite.engines.run_docker("main", "kill", *found, check=False) != ""


def test_failed_start(suite: Suite, images: Mapping[str, str]) -> None:
    """A container whose program is not there, or that never is ready, is removed at once."""
    suite.write(
        "test_it.py",
        f"""
        import pytest, subprocess

        pytestmark = [
            pytest.mark.image("{images["sample"]}"),
            pytest.mark.platforms("linux/amd64"),
        ]

        @pytest.mark.container("no-such-program")
        def test_no_program(container):
            pass

        @pytest.mark.container("app", "sleep", "99", wait="never", timeout=0.5)
        def test_never_ready(container):
            pass

        @pytest.mark.container("app", "sleep", "99", wait="never", timeout=0.5, scope="session")
        def test_never_ready_shared(container):
            pass

        def test_none_left(request):
            import os
            label = f"label=org.pytest-multiarch.pid={{os.getpid()}}"
            docker = ["{suite.engines.docker}", "ps", "--all", "--quiet", "--filter", label]
            assert subprocess.check_output(docker) == b""
        """,
    )
    finished = suite.run("-v")
    assert "1 passed, 3 errors" in finished.output
    assert suite.list_left_behind() == []
    assert suite.list_watchdogs() == []


def test_a_forked_child_holds_nobody_up(suite: Suite, images: Mapping[str, str]) -> None:
    """A child inherits the sockets to the engine: an answer given up half-way must end for it too.

    Else the engine keeps the first platform's container locked, and the next platform waits.
    """
    suite.write(
        "test_it.py",
        f"""
        import os, pathlib, time
        import pytest

        pytestmark = [
            pytest.mark.image("{images["sample"]}"),
            pytest.mark.platforms("linux/amd64", "linux/arm64"),
        ]

        def test_forks(variant):
            variant.run("app", "--version")
            if variant.platform.architecture == "amd64" and os.fork() == 0:
                pathlib.Path("child").write_text(str(os.getpid()))
                time.sleep(120)
                os._exit(0)
        """,
    )
    process = suite.start()
    try:
        assert suite.finish(process, timeout_s=60).exit_code == 0
        assert suite.list_left_behind() == []
    finally:
        os.kill(int((suite.folder / "child").read_text()), signal.SIGKILL)
