"""The line for what takes long: nothing for what is quick, live on a terminal, plain elsewhere."""

from __future__ import annotations

import io
from contextlib import nullcontext

import pytest

from pytest_multiarch.core.platform import Platform
from pytest_multiarch.run import progress
from pytest_multiarch.run.progress import Progress, describe_state

AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that a test sets."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def show(clock: list[float], steps: list[tuple[float, int]], *, live_width: int) -> str:
    """Give what is written of a task that tells of bytes after so many seconds."""
    file = io.StringIO()
    display = Progress(nullcontext, lambda: file, live_width=live_width)
    with display.show("pulling app:1 for linux/arm64") as tell:
        for after_s, done in steps:
            clock[0] = 100.0 + after_s
            tell(done, 50_000_000)
    return file.getvalue()


@pytest.mark.parametrize("live_width", [80, 0])
def test_what_is_quick_is_not_shown(clock: list[float], live_width: int) -> None:
    assert show(clock, [(0.1, 1), (0.9, 50_000_000)], live_width=live_width) == ""


def test_a_terminal_has_one_line_that_is_written_again(clock: list[float]) -> None:
    shown = show(clock, [(1.5, 5_000_000), (1.6, 5_500_000), (2.5, 40_000_000)], live_width=80)
    assert shown == (
        "\r\x1b[Kpulling app:1 for linux/arm64: 5.0 of 50.0 MB"
        "\r\x1b[Kpulling app:1 for linux/arm64: 40.0 of 50.0 MB"
        "\r\x1b[Kpulling app:1 for linux/arm64: 2 s\n"
    )


def test_a_line_that_is_written_again_does_not_wrap(clock: list[float]) -> None:
    """The next one could not take its place."""
    (line,) = show(clock, [(1.5, 5_000_000)], live_width=40).split("\r\x1b[K")[1:2]
    assert len(line) < 40
    assert line == "pulling ap...inux/arm64: 5.0 of 50.0 MB"


def test_elsewhere_there_is_a_plain_line_now_and_then(clock: list[float]) -> None:
    shown = show(clock, [(1.5, 5_000_000), (5.0, 9_000_000), (12.0, 40_000_000)], live_width=0)
    assert shown.splitlines() == [
        "pulling app:1 for linux/arm64: 5.0 of 50.0 MB",
        "pulling app:1 for linux/arm64: 40.0 of 50.0 MB",
        "pulling app:1 for linux/arm64: 12 s",
    ]


def test_what_is_told_of() -> None:
    assert describe_state(12_300_000, 45_600_000) == "12.3 of 45.6 MB"
    assert describe_state(3, 7, "rounds") == "3 of 7 rounds"
    assert describe_state(0, 0) == "..."


def test_a_task_that_fails_ends_its_line(clock: list[float]) -> None:
    """What is written next, the failure for example, does not go on in it."""
    file = io.StringIO()
    display = Progress(nullcontext, lambda: file, live_width=80)

    def pull() -> None:
        with display.show("pulling app:1") as tell:
            clock[0] = 102.0
            tell(1_000_000, 2_000_000)
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        pull()
    assert file.getvalue().endswith("pulling app:1: 2 s\n")


def show_platforms(
    clock: list[float], steps: list[tuple[float, Platform, int, str]], *, live_width: int
) -> str:
    """Give what is written of a build that tells of steps after so many seconds."""
    file = io.StringIO()
    display = Progress(nullcontext, lambda: file, live_width=live_width)
    with display.show_platforms("building app/Dockerfile", (AMD64, ARM64)) as tell:
        for after_s, platform, done, what in steps:
            clock[0] = 100.0 + after_s
            tell(platform, done, 3, what)
    return file.getvalue()


def test_a_quick_build_is_not_shown(clock: list[float]) -> None:
    for live_width in (80, 0):
        assert show_platforms(clock, [(0.5, AMD64, 3, "")], live_width=live_width) == ""


def test_a_terminal_has_a_line_for_each_platform(clock: list[float]) -> None:
    steps = [
        (1.5, AMD64, 1, "RUN make"),
        (1.6, ARM64, 0, "RUN make"),
        (2.5, AMD64, 3, ""),
    ]
    shown = show_platforms(clock, steps, live_width=80)
    assert shown == (
        "\r\x1b[Kbuilding app/Dockerfile for linux/amd64: 1 of 3 steps, RUN make\n"
        "\r\x1b[Kbuilding app/Dockerfile for linux/arm64: ...\n"
        "\x1b[2A"
        "\r\x1b[Kbuilding app/Dockerfile for linux/amd64: 3 of 3 steps\n"
        "\r\x1b[Kbuilding app/Dockerfile for linux/arm64: 0 of 3 steps, RUN make\n"
        "\x1b[2A"
        "\r\x1b[Kbuilding app/Dockerfile for linux/amd64: 3 of 3 steps\n"
        "\r\x1b[Kbuilding app/Dockerfile for linux/arm64: 0 of 3 steps, RUN make\n"
        "\r\x1b[Kbuilding app/Dockerfile: 2 s\n"
    )


def test_lines_of_platforms_do_not_wrap(clock: list[float]) -> None:
    """The step gives way first, not how many are done."""
    for live_width, begins in (
        (80, "building app/Dockerfile for linux/amd64: 1 of 3 steps, RUN xxx"),
        (40, "building"),
    ):
        clock[0] = 100.0
        steps = [(1.5, AMD64, 1, "RUN " + "x" * 200)]
        shown = show_platforms(clock, steps, live_width=live_width)
        lines = shown.replace("\r\x1b[K", "").replace("\x1b[2A", "").splitlines()
        assert max(map(len, lines)) == live_width - 1
        assert lines[0].startswith(begins)


def test_elsewhere_a_platform_has_plain_lines_now_and_then(clock: list[float]) -> None:
    steps = [
        (1.5, AMD64, 1, "RUN make"),
        (1.6, ARM64, 0, ""),
        (2.0, AMD64, 2, "RUN test"),
        (3.0, AMD64, 3, ""),
        (14.0, ARM64, 1, "RUN make"),
    ]
    assert show_platforms(clock, steps, live_width=0).splitlines() == [
        "building app/Dockerfile for linux/amd64: 1 of 3 steps, RUN make",
        "building app/Dockerfile for linux/arm64: 0 of 3 steps",
        "building app/Dockerfile for linux/amd64: 3 of 3 steps",
        "building app/Dockerfile for linux/arm64: 1 of 3 steps, RUN make",
        "building app/Dockerfile: 14 s",
    ]
