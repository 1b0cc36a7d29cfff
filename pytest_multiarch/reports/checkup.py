"""A checkup as a screen of text: what was found, what each platform does, and what mends it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from pytest_multiarch.core.checkup import CheckState
from pytest_multiarch.reports.diff import clean
from pytest_multiarch.reports.paint import Paint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.core.checkup import Check, Checkup, Outlook

_WIDTH = 80
_STATE = 8
_NAME = 13
_PLAIN = Paint()
_CONCLUSIONS = {
    CheckState.OK: "All is well.",
    CheckState.WARNING: "No problem; the warnings above may matter to you.",
    CheckState.PROBLEM: "There are problems, with their cures above.",
}


def render_checkup(checkup: Checkup, *, paint: Paint = _PLAIN) -> Iterator[str]:
    """Give the lines, at most 80 columns wide but for long words such as paths."""
    yield ", ".join(f"{name} {version}" for name, version in checkup.versions.items())
    yield ""
    for check in checkup.checks:
        yield from _render_check(check, paint)
    if checkup.outlooks:
        yield ""
        yield from _render_outlooks(checkup, paint)
    yield ""
    yield _paint_state(checkup.state, _CONCLUSIONS[checkup.state], paint)


def _render_check(check: Check, paint: Paint) -> Iterator[str]:
    first, *others = _wrap(check.found)
    state = _paint_state(check.state, f"{check.state.value:{_STATE}}", paint)
    yield f"{state}{check.name:{_NAME}}{first}".rstrip()
    indent = " " * (_STATE + _NAME)
    yield from (f"{indent}{line}" for line in others)
    if check.cure:
        yield from (f"{indent}{paint.strong(line)}" for line in _wrap(f"cure: {check.cure}"))


def _wrap(text: str) -> list[str]:
    # Paths and commands are to be copied: nothing is broken within a word.
    return textwrap.wrap(
        clean(" ".join(text.split())),
        _WIDTH - _STATE - _NAME,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [""]


def _paint_state(state: CheckState, text: str, paint: Paint) -> str:
    paints = {
        CheckState.OK: paint.good,
        CheckState.WARNING: paint.doubtful,
        CheckState.PROBLEM: paint.bad,
    }
    return paints[state](text)


def _render_outlooks(checkup: Checkup, paint: Paint) -> Iterator[str]:
    yield f"How platforms {_describe_evidence(checkup)}:"
    width = max(len(str(each.platform)) for each in checkup.outlooks) + 2
    for each in checkup.outlooks:
        yield f"  {each.platform!s:{width}}{_describe_outlook(each, paint)}".rstrip()


def _describe_evidence(checkup: Checkup) -> str:
    if checkup.facts is None:
        return "would run with an engine on this machine"
    if any(each.is_tried for each in checkup.outlooks):
        return "run here (a container of each was started)"
    return "would run here (--try starts a container of each)"


def _describe_outlook(outlook: Outlook, paint: Paint) -> str:
    where = f" on {clean(outlook.node)}" if outlook.node else ""
    return f"{_describe_way(outlook, paint)}{where}"


def _describe_way(outlook: Outlook, paint: Paint) -> str:
    execution = outlook.execution
    if execution is None:
        return paint.faint("not to be said without a container")
    if not execution.is_available:
        colour = paint.bad if outlook.is_required else paint.faint
        why = clean(execution.evidence[-1]) if execution.evidence else ""
        return colour(f"{execution}: {why}"[: _WIDTH - 20])
    shown = f"{clean(str(execution)):14}"
    if execution.is_emulated and outlook.emulator:
        shown += f"flags {outlook.emulator.flags}"
    return paint.good(shown.rstrip())
