"""Judged records as Markdown, for the summary of a CI job.

Everything that comes from outside stands in code, where Markdown, HTML and mentions mean nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_multiarch.reports.account import (
    Section,
    describe_result,
    list_broken_budgets,
    list_emulation,
    list_failed,
    list_gaps,
    list_not_compared,
    list_platforms,
    list_present,
    list_quiet,
    list_runs,
    name_result,
)
from pytest_multiarch.reports.builds import list_builds, list_of_runs
from pytest_multiarch.reports.diff import clean, cut
from pytest_multiarch.reports.divergence import render_divergence
from pytest_multiarch.reports.emulator_faults import list_faults
from pytest_multiarch.reports.images import list_images
from pytest_multiarch.reports.nodes import list_nodes
from pytest_multiarch.reports.overhead import list_overhead
from pytest_multiarch.reports.speed import APART, describe_ratios, list_pairs
from pytest_multiarch.reports.wording import count_verdicts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_multiarch.core.merging import Judgement
    from pytest_multiarch.core.parity import Verdict

_MOST_LISTED = 100
_MOST_LINES = 1000
_LINE_LIMIT = 1000
_DIFFS_LIMIT = 500_000
"""GitHub takes a summary of 1 MiB."""
_BACKTICKS = re.compile("`+")


def render_markdown(judgement: Judgement) -> str:
    """Give a Markdown document: the result, the platforms, and whatever is not in order."""
    return "\n".join(_render(judgement)) + "\n"


def _render(judgement: Judgement) -> Iterator[str]:
    yield f"## Platforms: {name_result(judgement)}"
    yield from ("", f"{describe_result(judgement)}.")
    if describe_result(judgement) != count_verdicts(judgement.verdicts):
        yield from ("", f"{count_verdicts(judgement.verdicts)}.")
    yield from _render_table(judgement)
    yield from _render_diverged(judgement.diverged)
    yield from _render_overhead(judgement)
    sections = (
        list_failed(judgement),
        *list_images(judgement.images),
        *list_builds(list_of_runs(judgement.record.runs)),
        list_broken_budgets(judgement),
        list_not_compared(judgement),
        list_quiet(judgement),
        Section("known of the emulator", tuple(list_faults(judgement.verdicts))),
        *list_gaps(judgement),
        *list_emulation(judgement),
        Section("nodes", tuple(f"{p}: {node}" for p, node in list_nodes(judgement.members))),
        list_runs(judgement),
    )
    yield from _render_sections(sections)


def _render_table(judgement: Judgement) -> Iterator[str]:
    rows = list_platforms(judgement)
    if not rows:
        return
    pairs = [each for each in list_pairs(judgement.verdicts) if each.is_of_platforms]
    ratios = describe_ratios(pairs)
    yield from ("", "| platform | executed | tests | failed | time |", "|---|---|---:|---:|---:|")
    for platform, way, tests, failed in rows:
        ratio = ratios.get(platform, "").replace("*", "\\*")
        cells = (_write_cell(str(platform)), _write_cell(way), str(tests), str(failed), ratio)
        yield f"| {' | '.join(cells)} |"
    if any(each.is_apart for each in pairs):
        yield from ("", f"\\{APART}")


def _render_overhead(judgement: Judgement) -> Iterator[str]:
    """Give what was measured as the terminal shows it."""
    for section in list_overhead(judgement.record.members, judgement.budgets):
        if section.lines:
            yield from ("", f"### {section.title[:1].upper()}{section.title[1:]}", "")
            yield from write_block("\n".join(section.lines[:_MOST_LINES]), "text")


def _write_cell(text: str) -> str:
    return write_code(text).replace("|", "\\|")


def _render_diverged(diverged: tuple[Verdict, ...]) -> Iterator[str]:
    """Show every divergence in full, as far as there is room, and name the others."""
    if not diverged:
        return
    yield from ("", "### Diverged")
    room = _DIFFS_LIMIT
    for position, verdict in enumerate(diverged):
        text = render_divergence(verdict)[1]
        room -= len(text.encode("utf-8", "replace"))
        if room < 0:
            names = (clean(each.group) for each in diverged[position:])
            yield from ("", "and without room for what differs:")
            yield from _render_list(tuple(names))
            return
        yield from ("", f"#### {write_code(clean(verdict.group))}", "", *write_block(text, "diff"))


def _render_sections(sections: Iterable[Section]) -> Iterator[str]:
    for section in list_present(sections):
        yield from ("", f"### {section.title[:1].upper()}{section.title[1:]}")
        yield from _render_list(section.lines)


def _render_list(lines: tuple[str, ...]) -> Iterator[str]:
    yield ""
    yield from (f"- {write_code(line)}" for line in lines[:_MOST_LISTED])
    if len(lines) > _MOST_LISTED:
        yield f"- and {len(lines) - _MOST_LISTED} more"


def write_code(text: str) -> str:
    """Write one line as code within text, whatever it holds."""
    shown = cut(clean(text), _LINE_LIMIT)
    mark = "`" * (_find_longest_run(shown) + 1)
    return f"{mark} {shown} {mark}" if "`" in shown or not shown.strip() else f"`{shown}`"


def write_block(text: str, language: str) -> Iterator[str]:
    """Write lines as a block of code, in a fence that none of them can end."""
    fence = "`" * max(_find_longest_run(text) + 1, 3)
    yield f"{fence}{language}"
    yield from (clean(line) for line in text.splitlines())
    yield fence


def _find_longest_run(text: str) -> int:
    return max(map(len, _BACKTICKS.findall(text)), default=0)
