"""Waiting: each kind of condition, deadlines, and what is said when it does not come."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.core.errors import (
    ContainerError,
    DeadlineError,
    EngineGoneError,
    NotReadyError,
    ProgramNotFoundError,
    UsageError,
)
from pytest_multiarch.core.execution import Execution, ExecutionKind
from pytest_multiarch.core.index import HealthCheck, ImageConfig
from pytest_multiarch.core.wait import EMULATION_STRETCH, healthy, http, log
from pytest_multiarch.run import calls, waiting
from pytest_multiarch.run.container import Container, ContainerSettings
from pytest_multiarch.run.started import StartedContainer
from tests.fake_engine import AMD64, Ending, FakeEngine, FakeImage, make_variant, start_container

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def running(engine: FakeEngine | None = None, **ending: Any) -> Container:
    """A container that goes on for ever, unless told otherwise."""
    image = FakeImage(platform=AMD64, commands={"": Ending(**{"exit_code": None, **ending})})
    return start_container(engine or FakeEngine(), image)


@contextmanager
def serving(
    answer: Callable[[socket.socket], None], *, product: str = "Docker"
) -> Iterator[Container]:
    """A container whose port 80 is a server here that does this with each connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        engine = FakeEngine()
        engine.ports = {80: server.getsockname()}
        engine.facts = replace(engine.facts, product=product)
        yield start_container(engine, ports=(80,), waits=(waiting.CallableWait(lambda c: True),))
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def answer_http(text: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(text)

    return answer


# The log


@pytest.mark.parametrize(
    "pattern", ["Ready", "^Ready$", r"(?i)READY", "Ready|Done", r"\bready to\b|Ready"]
)
def test_a_line_of_the_log(pattern: str) -> None:
    running(out=b"Starting\r\nReady\r\n").wait_until(pattern, timeout=0.5)


def test_a_line_on_stderr() -> None:
    running(err=b"Ready\n").wait_until("Ready", timeout=0.5)


def test_the_log_is_text() -> None:
    running(out="✓ größer\n".encode()).wait_until(r"\u2713 gr[öo]ßer", timeout=0.5)


def test_a_line_that_has_to_come_twice() -> None:
    with pytest.raises(NotReadyError, match="seen 1 of 2 times"):
        running(out=b"Ready\n").wait_until(log("Ready", times=2), timeout=0.1)
    running(out=b"Ready\n", err=b"Ready\n").wait_until(log("Ready", times=2), timeout=0.5)


def test_a_line_among_the_last_words() -> None:
    running(out=b"Ready\n", exit_code=0).wait_until("Ready", timeout=0.5)


def test_only_the_end_of_a_long_log_is_read() -> None:
    """All of a log of 1 GB with each poll would take minutes."""
    engine = FakeEngine()
    container = running(engine)
    tails: list[int | None] = []
    engine.read_logs = (  # type: ignore[method-assign]
        lambda container_id, *, tail=None, since_s=None: tails.append(tail) or (b"Ready", b"")
    )
    container.wait_until("Ready")
    assert tails == [20_000]


# Running out of time


def test_what_was_waited_for_is_said() -> None:
    with pytest.raises(NotReadyError) as caught:
        running(out=b"still at it\x07\n").wait_until("Ready", timeout=0.1)
    assert "not ready within 0.1 s: waited for 'Ready' in its log" in caught.value.what
    assert "still at it\\x07" in caught.value.what
    assert "timeout=SECONDS" in caught.value.cure


def test_a_deadline_holds() -> None:
    begun = time.monotonic()
    with pytest.raises(NotReadyError):
        running().wait_until("Ready", timeout=0.3)
    assert 0.3 <= time.monotonic() - begun < 0.8


def test_an_exec_of_a_poll_ends_with_the_wait() -> None:
    """Without that it would hold for its own two minutes, or twenty under emulation."""
    hangs = Ending(exit_code=None)
    image = FakeImage(platform=AMD64, commands={"": Ending(exit_code=None), "app": hangs})
    container = start_container(FakeEngine(), image)
    begun = time.monotonic()
    with pytest.raises(NotReadyError, match="did not end within"):
        container.wait_until(lambda c: c.exec("app").exit_code == 0, timeout=0.3)
    assert time.monotonic() - begun < 1


def limit(execution: ExecutionKind, written_s: float | None, check: HealthCheck | None) -> float:
    config = ImageConfig(platform=AMD64, healthcheck=check)
    variant = make_variant(FakeEngine(), FakeImage(platform=AMD64, config=config))
    settings = ContainerSettings(call=replace(calls.Call(), timeout_s=written_s))
    how = Execution(kind=execution)
    return StartedContainer(variant.node, variant.resolved, how, settings).ready_limit_s


@pytest.mark.parametrize(
    ("execution", "written_s", "check", "limit_s"),
    [
        (ExecutionKind.NATIVE, None, None, 60),
        (ExecutionKind.QEMU, None, None, 60 * EMULATION_STRETCH),
        (ExecutionKind.QEMU, 5.0, None, 5),
        (ExecutionKind.NATIVE, None, HealthCheck(start_period_s=100, retries=1), 160),
        (ExecutionKind.NATIVE, 5.0, HealthCheck(start_period_s=100), 5),
    ],
)
def test_how_long_a_container_may_take(
    execution: ExecutionKind, written_s: float | None, check: HealthCheck | None, limit_s: float
) -> None:
    assert limit(execution, written_s, check) == limit_s


# Containers that end


def test_a_container_that_ends_while_it_is_waited_for() -> None:
    container = running(err=b"fatal: no database\n", exit_code=2, takes_s=0.1)
    with pytest.raises(NotReadyError, match="while waiting for 'Ready' in its log") as caught:
        container.wait_until("Ready", timeout=5)
    assert "ended with exit code 2" in caught.value.what
    assert "fatal: no database" in caught.value.what
    assert "variant.run" in caught.value.cure


# Ports


def test_a_port_of_a_server_that_waits_for_its_client() -> None:
    with serving(lambda connection: time.sleep(2)) as container:
        container.wait_until(80, timeout=2)


def test_a_port_of_a_server_that_speaks_first() -> None:
    with serving(lambda connection: connection.sendall(b"220 mail\r\n")) as container:
        container.wait_until(80, timeout=2)


def test_a_port_that_hangs_up_is_not_ready() -> None:
    """So does Docker's proxy while nothing listens in the container."""
    with (
        serving(lambda connection: None) as container,
        pytest.raises(NotReadyError, match="hangs up"),
    ):
        container.wait_until(80, timeout=0.3)


def test_podman_takes_its_time_to_hang_up() -> None:
    with (
        serving(lambda connection: time.sleep(0.35), product="Podman") as container,
        pytest.raises(NotReadyError, match="hangs up"),
    ):
        container.wait_until(80, timeout=0.3)


def test_a_connection_that_times_out_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    def time_out(address: object, timeout: float) -> socket.socket:
        raise TimeoutError("timed out")

    monkeypatch.setattr(waiting.socket, "create_connection", time_out)
    engine = FakeEngine()
    engine.ports = {80: ("127.0.0.1", 1)}
    container = start_container(engine, ports=(80,), waits=(waiting.CallableWait(lambda c: True),))
    with pytest.raises(NotReadyError, match="timed out"):
        container.wait_until(80, timeout=0.1)


def test_a_port_that_is_not_published_is_said_at_once() -> None:
    with pytest.raises(UsageError, match="not published"):
        running().wait_until(80, timeout=60)


# HTTP


@pytest.mark.parametrize(
    "status", [b"200 OK", b"204 No", b"302 Found\r\nLocation: http://nowhere/"]
)
def test_an_http_answer(status: bytes) -> None:
    with serving(answer_http(b"HTTP/1.0 " + status + b"\r\n\r\n")) as container:
        container.wait_until("http://:80/health", timeout=2)


def test_an_http_answer_of_another_status() -> None:
    with serving(answer_http(b"HTTP/1.0 503 Busy\r\n\r\n")) as container:
        with pytest.raises(NotReadyError, match="it answers 503"):
            container.wait_until("http://:80/", timeout=0.2)
        container.wait_until(http(80, status=503), timeout=2)


def test_what_is_no_http_is_not_ready() -> None:
    with serving(answer_http(b"220 mail\r\n\r\n")) as container, pytest.raises(NotReadyError):
        container.wait_until("http://:80/", timeout=0.2)


# HEALTHCHECK


def with_health(health: str, *, execution: Execution | None = None) -> Container:
    engine = FakeEngine()
    engine.health = health
    container = running(engine)
    if execution is not None:
        container._started.execution = execution
    return container


def test_healthy() -> None:
    with_health("healthy").wait_until(healthy(), timeout=0.5)


def test_unhealthy_is_said_at_once() -> None:
    with pytest.raises(NotReadyError, match="calls it unhealthy"):
        with_health("unhealthy").wait_until(healthy(), timeout=60)


def test_unhealthy_under_emulation_may_recover() -> None:
    container = with_health("unhealthy", execution=Execution(kind=ExecutionKind.QEMU))
    with pytest.raises(NotReadyError, match="it says unhealthy"):
        container.wait_until(healthy(), timeout=0.1)


def test_an_image_without_healthcheck() -> None:
    with pytest.raises(NotReadyError, match="app:1 has no HEALTHCHECK"):
        with_health("").wait_until(healthy(), timeout=60)


# Callables


def test_a_callable_that_becomes_true() -> None:
    asked: list[int] = []
    running().wait_until(lambda container: asked.append(1) or len(asked) > 2, timeout=2)
    assert len(asked) == 3


@pytest.mark.parametrize(
    "error", [ConnectionRefusedError("refused"), ContainerError("no"), DeadlineError("late")]
)
def test_a_callable_that_raises_is_not_ready_yet(error: Exception) -> None:
    answers: list[Exception | None] = [error, None]

    def ask(container: Container) -> bool:
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        return True

    running().wait_until(ask, timeout=2)


def test_what_a_callable_raised_last_is_said() -> None:
    def ask(container: Container) -> bool:
        raise ConnectionRefusedError("port 5432")

    with pytest.raises(NotReadyError, match="it raised ConnectionRefusedError: port 5432"):
        running().wait_until(ask, timeout=0.1)


@pytest.mark.parametrize(
    "error", [UsageError("wrong"), EngineGoneError("gone"), ProgramNotFoundError("redis-cli ping")]
)
def test_what_no_time_mends_is_said_at_once(error: Exception) -> None:
    def ask(container: Container) -> bool:
        raise error

    begun = time.monotonic()
    with pytest.raises(type(error)):
        running().wait_until(ask, timeout=60)
    assert time.monotonic() - begun < 1


# Strategies of testcontainers, and several conditions


class Strategy:
    """A wait strategy that raises, or not."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def wait_until_ready(self, container: Container) -> None:
        """Wait."""
        if self.error is not None:
            raise self.error


def test_a_strategy() -> None:
    running().wait_until(Strategy())


def test_a_strategy_that_gives_up() -> None:
    with pytest.raises(NotReadyError, match="waited for Strategy: not after 60 s"):
        running().wait_until(Strategy(TimeoutError("not after 60 s")))


def test_a_strategy_on_an_engine_that_is_gone() -> None:
    with pytest.raises(EngineGoneError):
        running().wait_until(Strategy(EngineGoneError("gone")))


def test_all_of_several_conditions() -> None:
    with pytest.raises(NotReadyError, match="'Second'"):
        running(out=b"First\n").wait_until(["First", "Second"], timeout=0.1)
