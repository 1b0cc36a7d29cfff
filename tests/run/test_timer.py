"""Reports of the timer, and what is made of anything else that comes on its stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_multiarch.core.errors import ContainerError, ProgramNotFoundError, UsageError
from pytest_multiarch.core.overhead import Sample
from pytest_multiarch.run.timer import (
    TIMER_PATH,
    Launch,
    Report,
    TimerSession,
    explain_errno,
    parse_report,
    put_timer,
)
from tests.fake_engine import AMD64, Ending, FakeEngine, FakeImage, start_container

if TYPE_CHECKING:
    from pytest_multiarch.run.started import StartedContainer


def start(engine: FakeEngine, says: bytes) -> StartedContainer:
    """Start a container in which the timer says something."""
    image = FakeImage(platform=AMD64, commands={f"{TIMER_PATH} app": Ending(out=says)})
    started = start_container(engine, image)._started
    started.node.tools.probes[AMD64] = image  # type: ignore[attr-defined]
    return started


def open_session(engine: FakeEngine, says: bytes) -> TimerSession:
    session = TimerSession(start(engine, says), Launch(argv=("app",)))
    session.open()
    return session


def test_a_run_is_read() -> None:
    expected = Sample(wall_s=1.5, user_s=0.25, system_s=2.000001, exit_code=3)
    assert parse_report(b"ran 1 1dcd6500 0 3d090 2 1 300") == Report(sample=expected)


def test_a_late_run_was_killed() -> None:
    report = parse_report(b"late 0 1 0 0 0 0 9")
    assert report is not None
    assert report.is_late
    assert report.sample is not None
    assert report.sample.exit_code == 137


@pytest.mark.parametrize(
    "line",
    [
        b"", b"ready", b"ran", b"ran 0 0 0 0 0 0", b"ran 0 0 0 0 0 0 0 0", b"RAN 0 0 0 0 0 0 0",
        b"ran 0 0 0 0 0 0 -1", b"ran 0 0 0 0 0 0 0\r", b"ran  0 0 0 0 0 0 0", b"refused",
        b"refused 12345", b"ran " + b"1" * 17 + b" 0 0 0 0 0 0", b" ran 0 0 0 0 0 0 0",
    ],
)  # fmt: skip
def test_anything_else_is_no_report(line: bytes) -> None:
    assert parse_report(line) is None


@given(st.binary(max_size=200))
def test_no_bytes_are_an_accident(line: bytes) -> None:
    report = parse_report(line)
    assert report is None or line.startswith((b"ran ", b"late ", b"refused ", b"failed "))


def test_reports_come_in_their_order() -> None:
    says = b"ready\nran 1 0 0 0 0 0 0\nran 2 0 0 0 0 0 0\n"
    session = open_session(FakeEngine(), says)
    reports = session.run(runs=2, limit_s=1)
    assert [each.sample.wall_s for each in reports if each.sample] == [1, 2]


@pytest.mark.parametrize("says", [b"", b"OCI runtime exec failed\n", b"ready", b"x" * 100_000])
def test_a_timer_that_does_not_start_is_quoted(says: bytes) -> None:
    with pytest.raises(ContainerError, match="'app' on linux/amd64: the timer ended") as caught:
        open_session(FakeEngine(), says)
    assert len(str(caught.value)) < 1500


@pytest.mark.parametrize("says", [b"ready\n", b"ready\nran 1\n", b"ready\n" + b"\n" * 10])
def test_what_is_no_report_ends_the_session(says: bytes) -> None:
    engine = FakeEngine()
    session = open_session(engine, says)
    with pytest.raises(ContainerError, match="the timer ended"):
        session.run(runs=1, limit_s=1)
    session.close()
    assert engine.open_attachments == 0


def test_a_container_that_has_ended_says_how() -> None:
    engine = FakeEngine()
    session = open_session(engine, b"ready\n")
    engine.stop_container(session._started.id, timeout_s=0)
    with pytest.raises(ContainerError, match="has ended with exit code 143"):
        session.run(runs=1, limit_s=1)


def test_a_container_that_was_removed() -> None:
    engine = FakeEngine()
    session = open_session(engine, b"ready\n")
    engine.remove_container(session._started.id)
    with pytest.raises(ContainerError, match="was removed while it was measured"):
        session.run(runs=1, limit_s=1)


def test_a_root_that_is_read_only() -> None:
    engine = FakeEngine()
    started = start(engine, b"")
    engine.fail["put_files"] = [ContainerError("container rootfs is marked read-only")]
    with pytest.raises(ContainerError, match="marked read-only") as caught:
        put_timer(started)
    assert "root is not read-only" in caught.value.cure


def test_a_node_without_a_timer() -> None:
    started = start(FakeEngine(), b"")
    started.node.tools.probes.clear()  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="for which pytest-multiarch has no timer"):
        put_timer(started)


def test_a_refusal_is_named() -> None:
    assert isinstance(explain_errno(("x",), 2), ProgramNotFoundError)
    error = explain_errno(("x",), 8)
    assert "Exec format error (ENOEXEC)" in error.what
