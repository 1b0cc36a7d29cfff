"""A crash under QEMU as process 1 is told from a program that goes on."""

from __future__ import annotations

import time

import pytest

from pytest_multiarch.run.emulator_crash import OVERTAKING_S, QUIET_S, CrashWatch
from tests.fake_engine import FakeEngine

LAST_WORDS = b"qemu: uncaught target signal 11 (Segmentation fault) - core dumped\n"


class _Processes(FakeEngine):
    """An engine whose container has the given processes left."""

    def __init__(self, *command_lines: str) -> None:
        super().__init__()
        self._command_lines = command_lines

    def list_processes(self, container_id: str) -> tuple[str, ...]:
        return self._command_lines


def make(*command_lines: str) -> CrashWatch:
    return CrashWatch(_Processes(*command_lines), "c1")


def test_last_words_and_a_lone_process_are_a_crash() -> None:
    watch = make("/usr/bin/qemu-aarch64 /bin/app")
    watch.feed("stderr", b"some text\n" + LAST_WORDS)
    assert watch.is_suspicious
    assert watch.confirm() == 139


def test_last_words_may_come_in_pieces() -> None:
    watch = make("/usr/bin/qemu-aarch64 /bin/app")
    watch.feed("stderr", LAST_WORDS[:20])
    assert not watch.is_suspicious
    watch.feed("stderr", LAST_WORDS[20:])
    assert watch.confirm() == 139


def test_a_shell_with_another_child_goes_on() -> None:
    watch = make("qemu-aarch64 sh", "qemu-aarch64 sleep")
    watch.feed("stderr", LAST_WORDS)
    assert watch.confirm() is None
    assert not watch.is_suspicious


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_whoever_speaks_afterwards_is_alive(stream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = make("qemu-aarch64 sh")
    watch.feed("stderr", LAST_WORDS)
    later = time.monotonic() + 1.1 * OVERTAKING_S
    monkeypatch.setattr(time, "monotonic", lambda: later)
    watch.feed(stream, b"still here\n")  # type: ignore[arg-type]
    assert not watch.is_suspicious


def test_what_was_said_before_on_stdout_may_come_after_the_last_words() -> None:
    watch = make("qemu-s390x app")
    watch.feed("stderr", LAST_WORDS)
    watch.feed("stdout", b"about to crash\n")
    assert watch.confirm() == 139


def test_reading_is_cut_short_only_under_suspicion() -> None:
    watch = make("qemu-aarch64 app")
    deadline = time.monotonic() + 100
    assert watch.limit(deadline) == deadline
    watch.feed("stderr", LAST_WORDS)
    assert watch.limit(deadline) <= time.monotonic() + QUIET_S
