"""A line for what takes long: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol, TextIO

from pytest_multiarch.core.ports import TellBytes, TellPlatform, ignore_bytes
from pytest_multiarch.core.shown_text import shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pytest_multiarch.core.platform import Platform

_PATIENCE_S = 1.0
"""Nothing is shown of what is done sooner."""
_LIVE_EVERY_S = 0.2
_PLAIN_EVERY_S = 10.0
_LEAST_TASK = 12
_WIDEST_STEP = 60


class ShowProgress(Protocol):
    """Shows a task until it is done, and how far it is: in `unit`, or in bytes."""

    def __call__(self, task: str, *, unit: str = "") -> AbstractContextManager[TellBytes]:
        """Show it; what is given is told how much is done, and of how much."""


def show_nothing(task: str, *, unit: str = "") -> AbstractContextManager[TellBytes]:
    """Show nothing of a task."""
    del task, unit
    return nullcontext(ignore_bytes)


def ignore_platform(platform: Platform, done: int, total: int, what: str) -> None:
    """Tell nobody."""
    del platform, done, total, what


@contextmanager
def show_no_build(task: str, platforms: Iterable[Platform]) -> Iterator[TellPlatform]:
    """Show nothing of a build."""
    del task, platforms
    yield ignore_platform


class ShowBuild(Protocol):
    """Shows how far a task is that is done for several platforms at once."""

    def __call__(
        self, task: str, platforms: Iterable[Platform]
    ) -> AbstractContextManager[TellPlatform]:
        """Show it; what is given is told of each platform how many steps are done."""


class Progress:
    """Shows tasks: one line that is written again and again, or a plain one now and then.

    `live_width` is that of the terminal in columns, 0 where there is none.
    """

    def __init__(
        self,
        uncapture: Callable[[], AbstractContextManager[None]],
        start_line: Callable[[], TextIO],
        *,
        live_width: int,
    ) -> None:
        self._uncapture = uncapture
        self._start_line = start_line
        self._live_width = live_width
        self._lock = threading.Lock()

    @contextmanager
    def show(self, task: str, *, unit: str = "") -> Iterator[TellBytes]:
        """Show a task until it is done; `unit` is what is counted, if not bytes."""
        begun = last = time.monotonic()
        every_s = _LIVE_EVERY_S if self._live_width else _PLAIN_EVERY_S
        is_shown = False

        def tell(done: int, total: int) -> None:
            nonlocal last, is_shown
            now = time.monotonic()
            if now - begun < _PATIENCE_S or (is_shown and now - last < every_s):
                return
            last, is_shown = now, True
            self._write(task, describe_state(done, total, unit), is_last=False)

        try:
            yield tell
        finally:
            if is_shown:
                self._write(task, f"{time.monotonic() - begun:.0f} s", is_last=True)

    @contextmanager
    def show_platforms(self, task: str, platforms: Iterable[Platform]) -> Iterator[TellPlatform]:
        """Show a task that is done for several platforms at once, a line for each."""
        begun = last = time.monotonic()
        states = dict.fromkeys(platforms, "...")
        written: dict[Platform, str] = {}
        lines = 0

        def tell(platform: Platform, done: int, total: int, what: str) -> None:
            nonlocal last, lines
            now = time.monotonic()
            count = f"{done} of {total} steps"
            room = self._live_width - len(f"{task} for {platform}: {count}, ") - 1
            room = min(max(room, _LEAST_TASK), _WIDEST_STEP) if self._live_width else _WIDEST_STEP
            at = f", {shorten(' '.join(what.split()), room)}" if what else ""
            states[platform] = f"{count}{at}" if total else "..."
            if now - begun < _PATIENCE_S:
                return
            if self._live_width:
                if not lines or now - last >= _LIVE_EVERY_S:
                    last, lines = now, self._write_block(task, states, lines)
            elif (
                total
                and states[platform] != written.get(platform)
                and (platform not in written or now - last >= _PLAIN_EVERY_S or done == total)
            ):
                last, written[platform] = now, states[platform]
                self._write(f"{task} for {platform}", states[platform], is_last=False)

        try:
            yield tell
        finally:
            took = f"{time.monotonic() - begun:.0f} s"
            if lines:
                self._write_block(task, states, lines)
                self._write(task, took, is_last=True)
            elif written:
                self._write(task, took, is_last=True)

    def _write_block(self, task: str, states: dict[Platform, str], lines: int) -> int:
        """Write a line for each platform, over those that were written before."""
        with self._lock, self._uncapture():
            file = self._start_line()
            if lines:
                file.write(f"\x1b[{lines}A")
            for platform, state in states.items():
                line = shorten(f"{task} for {platform}: {state}", self._live_width - 1)
                file.write(f"\r\x1b[K{line}\n")
            file.flush()
        return len(states)

    def _write(self, task: str, state: str, *, is_last: bool) -> None:
        with self._lock, self._uncapture():
            file = self._start_line()
            if self._live_width:
                # A line that wraps cannot be written again.
                room = max(self._live_width - len(state) - 3, _LEAST_TASK)
                file.write(f"\r\x1b[K{shorten(task, room)}: {state}" + ("\n" if is_last else ""))
            else:
                file.write(f"{task}: {state}\n")
            file.flush()


def describe_state(done: int, total: int, unit: str = "") -> str:
    """Say how far it is: `12.3 of 45.6 MB`, or `3 of 7 rounds`."""
    if not total:
        return "..."
    if unit:
        return f"{done} of {total} {unit}"
    return f"{done / 1e6:.1f} of {total / 1e6:.1f} MB"
