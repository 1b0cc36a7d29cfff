"""Which sessions are certainly over."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from pytest_multiarch.engine.sessions import (
    SessionLabels,
    find_stale,
    is_process_over,
    read_process_start,
)

HERE = SessionLabels.for_this_process("here")


def test_labels_say_all_and_come_back() -> None:
    assert SessionLabels.from_labels(HERE.to_labels()) == HERE
    assert HERE.to_labels()["org.pytest-multiarch.session"] == "here"


def test_a_living_session_is_not_over() -> None:
    assert not HERE.is_certainly_over(here=HERE)


@pytest.fixture
def ended() -> SessionLabels:
    """A session whose process has ended."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    start = read_process_start(process.pid)
    process.communicate(b"\n")
    return replace(HERE, session="ended", pid=str(process.pid), pid_start=start)


def test_a_session_is_over_with_its_process(ended: SessionLabels) -> None:
    assert ended.is_certainly_over(here=HERE)


def test_a_pid_that_somebody_else_has_now_is_over() -> None:
    assert replace(HERE, pid_start="1").is_certainly_over(here=HERE)


def test_an_earlier_boot_of_this_machine_is_over() -> None:
    assert replace(HERE, boot_id="another").is_certainly_over(here=HERE)


@pytest.mark.parametrize(
    "change",
    [
        {"host": "another"},
        {"host": ""},
        {"pid_namespace": "another"},
        {"boot_id": ""},
        {"pid": ""},
        {"session": ""},
        {"host": "another", "boot_id": "another"},
    ],
    ids=str,
)
def test_what_cannot_be_known_from_here_is_left_alone(
    ended: SessionLabels, change: dict[str, str]
) -> None:
    assert not replace(ended, **change).is_certainly_over(here=HERE)


def test_stale_sessions_are_found_among_what_is_labelled(ended: SessionLabels) -> None:
    things = [ended.to_labels(), HERE.to_labels(), {"somebody": "else"}, ended.to_labels()]
    assert find_stale(things, here=HERE) == {"ended"}


def test_a_process_that_was_not_reaped_is_over() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert is_process_over(process.pid, "")
    process.wait()


def test_process_1_is_alive() -> None:
    assert not is_process_over(1, read_process_start(1))
