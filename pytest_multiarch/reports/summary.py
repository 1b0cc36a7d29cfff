"""The terminal summary: what was compared, what was not, and how each platform ran."""

from __future__ import annotations

import textwrap
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_multiarch.core.member import Outcome
from pytest_multiarch.core.parity import Verdict, VerdictKind, list_stale
from pytest_multiarch.core.shown_text import shorten
from pytest_multiarch.reports.account import Section
from pytest_multiarch.reports.diagnosis import list_diagnosed, list_unstable
from pytest_multiarch.reports.diff import clean, cut
from pytest_multiarch.reports.divergence import make_headline
from pytest_multiarch.reports.emulator_faults import list_faults
from pytest_multiarch.reports.speed import (
    APART,
    Pair,
    describe_ratios,
    describe_times,
    find_slowest,
    list_pairs,
    name_ratio,
)
from pytest_multiarch.reports.wording import (
    count,
    count_verdicts,
    describe_member_outcome,
    explain_failed_apart,
    explain_not_compared,
    name_difference,
    name_platforms,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_multiarch.core.member import Member
    from pytest_multiarch.core.platform import Platform

_MOST_LISTED = 20
_MOST_ALIKE = 3
_WAYS_WIDTH = 40
_LEAST_NAME = 12
_OFF = "--multiarch-parity=off: nothing was compared"

_Item = tuple[str, str]
"""A line of a list: a name, empty for none, and what there is to say of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How much a summary says, and in how many columns.

    `width` is 0 where lines may be of any length. `verbosity` is pytest's: below 0 only counts,
    what fails or is not compared, and platforms; above 0 whole names, and lists without an end.
    """

    width: int = 0
    verbosity: int = 0

    @property
    def is_brief(self) -> bool:
        """Whether only the gravest is said."""
        return self.verbosity < 0

    @property
    def room(self) -> int:
        """The columns of an indented line, 0 for any number."""
        return max(self.width - 2, 2 * _LEAST_NAME) if self.width else 0

    @property
    def has_whole_names(self) -> bool:
        """Whether names are never cut, and longer ones than the terminal stand on their own."""
        return not self.width or self.verbosity > 0

    def fit(self, name: str, text: str) -> list[str]:
        """Give a line, or several where it is too long; its name is cut before anything else."""
        line = f"{name}: {text}" if name else text
        if not self.room or len(line) <= self.room:
            return [line]
        if name and not self.has_whole_names:
            line = f"{shorten(name, max(self.room - len(text) - 2, self.room // 2))}: {text}"
        return textwrap.wrap(
            line,
            self.room,
            subsequent_indent="  ",
            break_on_hyphens=False,
            break_long_words=not self.has_whole_names,
        )

    def list_items(self, title: str, items: Iterable[_Item]) -> Iterator[Section]:
        """Put items under a title, if there are any."""
        given = list(items)
        shown = given if self.verbosity > 0 else given[:_MOST_LISTED]
        lines = [line for name, text in shown for line in self.fit(name, text)]
        more = len(given) - len(shown)
        if lines:
            yield Section(title, (*lines, *([f"... and {more} more"] if more else [])))


UNBOUNDED = Layout()
"""Lines of any length, as a log has them."""


def list_summary(
    verdicts: tuple[Verdict, ...],
    *,
    selected: Iterable[Platform],
    parity: str = "fail",
    layout: Layout = UNBOUNDED,
    durations: int | None = None,
    wall_s: float = 0.0,
    beside: Iterable[Section] = (),
    is_whole: bool = False,
) -> Iterator[Section]:
    """Give the parts of the summary: verdicts first, then platforms; a part without a title is not
    to be indented.

    `selected` are the platforms that the command line selects, empty for all. `parity` is what a
    difference does: under `report` differences are listed here, since they are no failures; under
    `off` nothing was compared. `durations` is how many of the slowest tests are listed, 0 for all
    and None for the usual number; `wall_s` is what the session took, 0 if that is not known.
    `beside` is what fails beside the verdicts, and comes with them. `is_whole`: all tests ran.
    """
    judged = verdicts
    if parity == "off" and verdicts:
        yield Section("", (_OFF,))
        judged = tuple(each for each in verdicts if any(m.outcome.is_failure for m in each.members))
    yield Section("", tuple(_count_verdicts(judged, layout)))
    if not layout.is_brief:
        yield from layout.list_items("run again, the last attempt counts", _list_retried(judged))
    if parity == "report":
        diverged = [each for each in judged if each.kind is VerdictKind.DIVERGED]
        items = [(clean(each.group), make_headline(each)) for each in diverged]
        yield from layout.list_items("diverged", items)
    if not layout.is_brief:
        yield from layout.list_items("diagnosis", list_diagnosed(judged))
    yield from _list_incomparable(judged, layout)
    yield from layout.list_items("unstable, so no difference", list_unstable(judged))
    yield from beside
    if not layout.is_brief:
        yield from layout.list_items(
            "known of the emulator", (("", text) for text in list_faults(judged))
        )
        yield from _list_excused(judged, layout, is_whole=is_whole)
    yield from layout.list_items("compared without", _join_alike(_list_partly(judged)))
    if not layout.is_brief:
        yield from _list_notes(judged, layout)
    timed = () if parity == "off" else verdicts
    pairs = tuple(each for each in list_pairs(timed) if each.is_of_platforms)
    yield from _tabulate_platforms(verdicts, tuple(selected), pairs, layout)
    if not layout.is_brief or durations is not None:
        members = [member for each in timed for member in each.members]
        times = describe_times(members, wall_s)
        yield Section("", tuple(line for text in times for line in layout.fit("", text)))
        yield from _list_slowest(find_slowest(pairs, most=durations), layout)


def _count_verdicts(verdicts: tuple[Verdict, ...], layout: Layout) -> Iterator[str]:
    if not verdicts:
        return
    yield from layout.fit("", count_verdicts(verdicts))
    unobserved = sum(each.is_unobserved for each in verdicts)
    if unobserved:
        yield f"  {unobserved} of them equal in outcome only: nothing was observed"


def _list_retried(verdicts: tuple[Verdict, ...]) -> Iterator[_Item]:
    for verdict in verdicts:
        again = [f"attempt {m.attempt} on {m.platform}" for m in verdict.members if m.attempt > 1]
        if again:
            yield clean(verdict.group), ", ".join(again)


def _list_incomparable(verdicts: tuple[Verdict, ...], layout: Layout) -> Iterator[Section]:
    apart = [each for each in verdicts if each.kind is VerdictKind.FAILED_APART]
    failed = [(clean(each.group), explain_failed_apart(each)) for each in apart]
    yield from layout.list_items("failed on some platforms", failed)
    left = [each for each in verdicts if each.kind is VerdictKind.NOT_COMPARED]
    items = _join_alike((each, explain_not_compared(each)) for each in left)
    yield from layout.list_items("not compared", items)


def _join_alike(reasons: Iterable[tuple[Verdict, str]]) -> Iterator[_Item]:
    """Give an item for each group, and a single one for many groups with one reason."""
    groups: dict[str, list[str]] = {}
    for verdict, why in reasons:
        groups.setdefault(why, []).append(clean(verdict.group))
    for why, names in groups.items():
        shown = names if len(names) <= _MOST_ALIKE else [f"{len(names)} groups"]
        yield from ((name, why) for name in shown)


def _list_excused(
    verdicts: tuple[Verdict, ...], layout: Layout, *, is_whole: bool
) -> Iterator[Section]:
    """List differences that are allowed, and allowances without one."""
    allowed = []
    for verdict in verdicts:
        for each in verdict.allowed:
            what = f"{name_difference(each.difference)} on {each.platform}"
            allowed.append((clean(verdict.group), f"{what}: {clean(each.allowance.reason)}"))
    yield from layout.list_items("allowed to differ", allowed)
    stale = list_stale(verdicts, is_whole=is_whole)
    for was_compared, title in (
        (True, "allowed to differ, and equal (take it out)"),
        (False, "allowed to differ, and nothing of that name was compared (take it out)"),
    ):
        of_kind = [each for each in stale if each.was_compared is was_compared]
        items = [
            (clean(e.allowance.label), f"{clean(e.allowance.reason)} ({clean(e.origin)})")
            for e in of_kind
        ]
        yield from layout.list_items(title, items)


def _list_partly(verdicts: tuple[Verdict, ...]) -> Iterator[tuple[Verdict, str]]:
    """Say which members comparisons went without."""
    excused = (Outcome.SKIPPED, Outcome.XFAILED, Outcome.NOT_RUN)
    for verdict in verdicts:
        if verdict.kind in (VerdictKind.EQUAL, VerdictKind.DIVERGED):
            if verdict.not_selected:
                yield verdict, f"{name_platforms(verdict.not_selected)} not selected"
            for member in verdict.members:
                if member.outcome in excused:
                    yield verdict, describe_member_outcome(member)


def _list_notes(verdicts: tuple[Verdict, ...], layout: Layout) -> Iterator[Section]:
    notes = [
        (clean(each.group), clean(note))
        for each in verdicts
        if each.kind is not VerdictKind.NOT_COMPARED
        for note in each.notes
    ]
    yield from layout.list_items("calls not compared", notes)
    stripped: Counter[Platform] = Counter()
    for verdict in verdicts:
        for member in verdict.members:
            stripped[member.platform] += member.emulator_lines
    lines = [
        f"{count(number, 'line')} of the emulator's own left out of stderr on {platform}"
        for platform, number in stripped.items()
        if number
    ]
    yield Section("", tuple(lines))


def _tabulate_platforms(
    verdicts: tuple[Verdict, ...],
    selected: tuple[Platform, ...],
    pairs: tuple[Pair, ...],
    layout: Layout,
) -> Iterator[Section]:
    """Say of each platform how it was executed, on how many tests, how they ended, how fast."""
    members = [member for each in verdicts for member in each.members]
    ends: dict[Platform, Counter[str]] = {}
    executions: dict[Platform, dict[str, None]] = {}
    for member in members:
        ends.setdefault(member.platform, Counter())[_name_end(member)] += 1
        if member.execution is not None:
            executions.setdefault(member.platform, {})[clean(str(member.execution))] = None
    declared = dict.fromkeys(platform for each in members for platform in each.declared)
    awaited = {platform for each in members for platform in each.selected}
    ratios = describe_ratios(pairs)
    rows: list[tuple[str, ...]] = []
    for platform in dict.fromkeys((*declared, *selected)):
        if platform in ends:
            ways = cut(_name_ways(executions.get(platform, {}), ends[platform]), _WAYS_WIDTH)
            tests = count(ends[platform].total(), "test")
            ratio = (ratios.get(platform, ""),) if ratios else ()
            rows.append((str(platform), ways, tests, *ratio, _list_ends(ends[platform])))
        elif platform in declared:
            why = "selected" if platform in awaited else "declared, but not selected"
            rows.append((str(platform), f"{why}: nothing ran"))
        else:
            rows.append((str(platform), "selected, but no test declares it"))
    lines = [line for row in _align(rows) for line in layout.fit("", row)]
    note = (APART,) if any(each.is_apart for each in pairs) else ()
    yield Section("", (*lines, *note))


def _name_end(member: Member) -> str:
    if member.teardown_error and not member.outcome.is_failure:
        return "failed in teardown"
    return member.outcome.value


def _list_ends(ends: Counter[str]) -> str:
    odd = ", ".join(f"{number} {word}" for word, number in ends.items() if word != "passed")
    return f"({odd})" if odd else ""


def _align(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Put cells below each other; what stands last in a row takes no part in that."""
    full = [row for row in rows if len(row) > 2]
    widths = [max((len(row[0]) for row in rows), default=0)]
    widths += [max(map(len, column)) for column in list(zip(*full, strict=True))[1:-1]]
    for row in rows:
        cells = [f"{cell:{width}}" for cell, width in zip(row[:-1], widths, strict=False)]
        yield "  ".join((*cells, row[-1])).rstrip()


def _name_ways(executions: Iterable[str], ends: Counter[str]) -> str:
    idle = ends[Outcome.NOT_RUN.value] + ends[Outcome.SKIPPED.value]
    return ", ".join(executions) or ("nothing ran" if idle == ends.total() else "no image was run")


def _list_slowest(slowest: tuple[Pair, ...], layout: Layout) -> Iterator[Section]:
    """Name the tests that emulation slows down most, with their times."""
    if not slowest:
        return
    times = [f"{each.other.inside_s:,.1f} s, {name_ratio(each.ratio)}" for each in slowest]
    platforms = [str(each.other.platform) for each in slowest]
    column = max(map(len, platforms))
    taken = column + max(map(len, times)) + 4
    names = [clean(each.other.group) for each in slowest]
    if not layout.has_whole_names:
        names = [shorten(each, max(layout.room - taken, _LEAST_NAME)) for each in names]
    width = max(map(len, names))
    lines = (
        f"{name:{width}}  {platform:{column}}  {time}"
        for name, platform, time in zip(names, platforms, times, strict=True)
    )
    yield Section("slowest under emulation", tuple(lines))
