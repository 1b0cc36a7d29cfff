"""Merged records as text: what a terminal shows of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_multiarch.reports.account import (
    Section,
    describe_result,
    list_broken_budgets,
    list_emulation,
    list_failed,
    list_gaps,
    list_present,
    list_runs,
    name_result,
)
from pytest_multiarch.reports.builds import list_builds, list_of_runs
from pytest_multiarch.reports.diff import clean
from pytest_multiarch.reports.divergence import render_divergence
from pytest_multiarch.reports.images import list_images, render_image
from pytest_multiarch.reports.job_log import JobLog
from pytest_multiarch.reports.overhead import list_overhead
from pytest_multiarch.reports.summary import list_summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_multiarch.core.merging import Judgement

_WIDTH = 80
_MOST_LISTED = 200
_TERMINAL = JobLog()


def render_merged(judgement: Judgement, log: JobLog = _TERMINAL) -> Iterator[str]:
    """Give the lines of the whole: verdicts first, every divergence in full, the result last."""
    yield from log.write(list_summary(judgement.verdicts, selected=()))
    for verdict in judgement.diverged:
        title = f"DIVERGED {clean(verdict.group)}"
        lines = render_divergence(verdict)[1].splitlines()
        if log.folds:
            yield from log.fold(title, lines)
        else:
            yield from ("", f" {title} ".center(_WIDTH, "_"), *lines)
    for image in judgement.wrong_images:
        yield from ("", f" IMAGE {clean(image.reference)} ".center(_WIDTH, "_"))
        yield from render_image(image).splitlines()
    sections = (
        list_failed(judgement),
        list_broken_budgets(judgement),
        *_list_surroundings(judgement),
    )
    lines = list(log.write(_shorten(sections)))
    yield from ("", *lines) if lines else ()
    yield from ("", f"{name_result(judgement)}: {describe_result(judgement)}")


def render_overview(judgement: Judgement, log: JobLog = _TERMINAL) -> Iterator[str]:
    """Give the lines of the whole without the divergences and failures themselves."""
    yield from log.write(list_summary(judgement.verdicts, selected=()))
    yield from log.write(_shorten(_list_surroundings(judgement)))
    yield f"{name_result(judgement)}: {describe_result(judgement)}"


def _list_surroundings(judgement: Judgement) -> tuple[Section, ...]:
    return (
        *list_images(judgement.images),
        *list_gaps(judgement),
        *list_overhead(judgement.record.members, judgement.budgets),
        *list_builds(list_of_runs(judgement.record.runs)),
        *list_emulation(judgement),
        list_runs(judgement),
    )


def _shorten(sections: Iterable[Section]) -> Iterator[Section]:
    for section in list_present(sections):
        left = len(section.lines) - _MOST_LISTED
        more = (f"... and {left} more",) if left > 0 else ()
        yield Section(section.title, (*section.lines[:_MOST_LISTED], *more))
