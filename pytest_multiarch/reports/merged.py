"""Merged records as text: what a terminal shows of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_multiarch.reports.account import (
    Section,
    describe_result,
    list_emulation,
    list_failed,
    list_gaps,
    list_present,
    list_runs,
    name_result,
)
from pytest_multiarch.reports.diff import clean
from pytest_multiarch.reports.divergence import render_divergence
from pytest_multiarch.reports.summary import render_summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_multiarch.core.merging import Judgement

_WIDTH = 80
_MOST_LISTED = 200


def render_merged(judgement: Judgement) -> Iterator[str]:
    """Give the lines of the whole: verdicts first, every divergence in full, the result last."""
    yield from _summarize(judgement)
    for verdict in judgement.diverged:
        yield ""
        yield f" DIVERGED {clean(verdict.group)} ".center(_WIDTH, "_")
        yield from render_divergence(verdict)[1].splitlines()
    sections = (list_failed(judgement), *_list_surroundings(judgement))
    lines = tuple(_render_sections(sections))
    yield from ("", *lines) if lines else ()
    yield from ("", f"{name_result(judgement)}: {describe_result(judgement)}")


def render_overview(judgement: Judgement) -> Iterator[str]:
    """Give the lines of the whole without the divergences and failures themselves."""
    yield from _summarize(judgement)
    yield from _render_sections(_list_surroundings(judgement))
    yield f"{name_result(judgement)}: {describe_result(judgement)}"


def _summarize(judgement: Judgement) -> tuple[str, ...]:
    return render_summary(judgement.verdicts, judgement.members, selected=())


def _list_surroundings(judgement: Judgement) -> tuple[Section, ...]:
    return (*list_gaps(judgement), *list_emulation(judgement), list_runs(judgement))


def _render_sections(sections: Iterable[Section]) -> Iterator[str]:
    for section in list_present(sections):
        yield f"{section.title}:"
        yield from (f"  {line}" for line in section.lines[:_MOST_LISTED])
        left = len(section.lines) - _MOST_LISTED
        if left > 0:
            yield f"  ... and {left} more"
