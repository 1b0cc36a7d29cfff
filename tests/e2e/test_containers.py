"""The `container` fixture: started, ready, shared, removed, and its log where it matters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.e2e.suite import Finished, Suite

pytestmark = pytest.mark.needs_engine("main")

WAITS = """
    import socket, time, urllib.request
    import pytest
    from pytest_multiarch.core import wait
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy, PortWaitStrategy

    pytestmark = [
        pytest.mark.image("{sample}"),
        pytest.mark.platforms("linux/amd64", "linux/arm64"),
    ]
    SERVE = ("sh", "-c", "sleep 0.5; echo ready; exec httpd -f -p 8080 -h /etc")

    def is_served(container):
        host, port = container.address(8080)
        with urllib.request.urlopen(f"http://{{host}}:{{port}}/passwd", timeout=60) as answer:
            return b"postgres" in answer.read()

    @pytest.mark.container(*SERVE, ports=[8080], wait="^ready$")
    def test_log(container):
        assert "ready" in container.logs().stdout

    @pytest.mark.container(*SERVE, ports=[8080], wait=8080)
    def test_port(container):
        assert is_served(container)

    @pytest.mark.container(*SERVE, ports=[8080])
    def test_declared_ports_are_waited_for(container):
        assert is_served(container)

    @pytest.mark.container(*SERVE, ports=[8080], wait="http://:8080/passwd")
    def test_http(container):
        assert is_served(container)

    @pytest.mark.container(*SERVE, ports=[8080], wait=is_served)
    def test_callable(container):
        assert is_served(container)

    @pytest.mark.container(*SERVE, ports=[8080], wait=LogMessageWaitStrategy("ready"))
    def test_strategy_log(container):
        container.wait_until(8080)

    @pytest.mark.container(*SERVE, ports=[8080], wait=[PortWaitStrategy(8080), 8080])
    def test_strategy_port(container):
        assert is_served(container)

    @pytest.mark.container(*SERVE, ports=[8080], wait=["ready", 8080])
    def test_several(container):
        assert is_served(container)

    @pytest.mark.image("{health}")
    @pytest.mark.container()
    def test_healthcheck(container):
        assert container.inspect().health == "healthy"

    @pytest.mark.image("{health}")
    @pytest.mark.container(wait=wait.healthy())
    def test_healthcheck_by_name(container):
        assert container.inspect().health == "healthy"

    @pytest.mark.container("sh", "-c", "for i in 1 2 3; do sleep 1; echo tick; done; sleep 99")
    def test_wait_until(container):
        container.wait_until(wait.log("tick", times=2))
        assert container.logs().stdout.count("tick") >= 2
"""
TESTS = (
    "test_log", "test_port", "test_declared_ports_are_waited_for", "test_http", "test_callable",
    "test_strategy_log", "test_strategy_port", "test_several", "test_healthcheck",
    "test_healthcheck_by_name", "test_wait_until",
)  # fmt: skip


@pytest.fixture(scope="module")
def waited(make_suite: Callable[..., Suite], images: Mapping[str, str]) -> tuple[Suite, Finished]:
    """One run of all waits."""
    suite = make_suite()
    suite.write("test_waits.py", WAITS.format(**images))
    return suite, suite.run("-v", "-n", "3")


@pytest.mark.parametrize("name", TESTS)
def test_ready(waited: tuple[Suite, Finished], name: str) -> None:
    """Each container is ready natively and emulated, and is no difference."""
    _, finished = waited
    for platform in ("linux/amd64", "linux/arm64"):
        assert finished.cases[f"{name}[{platform}]"].message == ""
    assert name not in finished.cases, finished.cases[name].message


def test_containers_are_gone(waited: tuple[Suite, Finished]) -> None:
    """Also the shared one."""
    suite, _ = waited
    assert suite.list_left_behind() == []
    assert suite.list_watchdogs() == []


NEVER = """
    import pytest

    pytestmark = [
        pytest.mark.image("{sample}"),
        pytest.mark.platforms("linux/amd64"),
    ]
    START = ("sh", "-c", "echo at the start; sleep 99")

    @pytest.mark.container(*START)
    def test_fails(container):
        container.exec("sh", "-c", "echo said in the test > /proc/1/fd/1")
        assert False

    @pytest.mark.container(*START, scope="session")
    def test_shared(container):
        container.exec("sh", "-c", "echo said before > /proc/1/fd/1")

    @pytest.mark.container(*START, scope="session")
    def test_shared_fails(container):
        container.exec("sh", "-c", "echo said after > /proc/1/fd/1")
        assert False

    @pytest.mark.container("sh", "-c", "echo no configuration >&2; exit 9", wait="ready")
    def test_exits_at_once(container):
        pass

    @pytest.mark.container(*START, wait="never printed", timeout=1)
    def test_never_ready(container):
        pass

    @pytest.mark.container(*START, ports=[8080], timeout=1)
    def test_never_listens(container):
        pass

    @pytest.mark.container(*START, wait=lambda container: 1 / 0, timeout=1)
    def test_never_true(container):
        pass

    @pytest.mark.container(*START)
    def test_unharmed(container):
        assert container.exec("echo", "hi").stdout == "hi\\n"
"""
SHARED = """
    import pytest

    pytestmark = [
        pytest.mark.image("{sample}"),
        pytest.mark.platforms("linux/amd64", "linux/arm64"),
        pytest.mark.container("app", "sleep", "3600", scope="session"),
    ]
    ids = {{}}

    def test_shared_first(container, platform):
        ids[platform] = container.id
        container.exec("app", "--version")

    def test_shared_again(container, platform):
        assert container.id == ids[platform]
        container.exec("app", "--version")
"""


@pytest.fixture(scope="module")
def never(make_suite: Callable[..., Suite], images: Mapping[str, str]) -> tuple[Suite, Finished]:
    """One run of containers that are shared, and of some that fail."""
    suite = make_suite()
    suite.write("test_it.py", NEVER.format(**images))
    suite.write("test_shared.py", SHARED.format(**images))
    return suite, suite.run("-v")


def get_message(run: tuple[Suite, Finished], name: str) -> str:
    """Give what a test on amd64 failed with."""
    return run[1].cases[f"{name}[linux/amd64]"].message


def test_shared_container(never: tuple[Suite, Finished]) -> None:
    """Two tests of a platform get one container, and are no difference."""
    for name in ("test_shared_first", "test_shared_again"):
        for platform in ("linux/amd64", "linux/arm64"):
            assert never[1].cases[f"{name}[{platform}]"].message == ""
        assert name not in never[1].cases


def test_failure_shows_the_log(never: tuple[Suite, Finished]) -> None:
    """What a container wrote is in the report of a test that failed."""
    assert "at the start\nsaid in the test" in never[1].output


def test_failure_shows_the_log_since_the_test_began(never: tuple[Suite, Finished]) -> None:
    """What a shared container wrote in earlier tests is not."""
    begin = never[1].output.index("_ test_shared_fails")
    report = never[1].output[begin:].partition("\n____")[0]
    assert "said after" in report
    assert "said before" not in report.replace("echo said before", "")


def test_exits_at_once(never: tuple[Suite, Finished]) -> None:
    """The error has its exit code, what was waited for, its log and the cure."""
    message = get_message(never, "test_exits_at_once")
    assert "while waiting for 'ready' in its log" in message
    assert "ended with exit code 9" in message
    assert "no configuration" in message
    assert "must stay in the foreground" in message


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("test_never_ready", "waited for 'never printed' in its log"),
        ("test_never_listens", "waited for port 8080 to accept connections"),
        ("test_never_true", "it raised ZeroDivisionError"),
    ],
)
def test_never_ready(never: tuple[Suite, Finished], name: str, said: str) -> None:
    """The error says what was waited for, how long, and the last lines of the log."""
    message = get_message(never, name)
    assert "was not ready within 1 s" in message
    assert said in message
    assert "at the start" in message
    assert "timeout=SECONDS" in message


def test_others_are_unharmed(never: tuple[Suite, Finished]) -> None:
    """The test after them passes, and nothing is left."""
    suite, finished = never
    assert finished.cases["test_unharmed[linux/amd64]"].status == "passed"
    assert suite.list_left_behind() == []
