"""The terminal summary: what was compared, what was not, and how each platform ran."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_multiarch.core.member import Member, Outcome
from pytest_multiarch.core.parity import Verdict, VerdictKind
from pytest_multiarch.reports.diff import clean
from pytest_multiarch.reports.divergence import render_divergence
from pytest_multiarch.reports.wording import (
    count,
    count_verdicts,
    describe_failed_apart,
    describe_member_outcome,
    explain_not_compared,
    name_difference,
    name_platforms,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_multiarch.core.platform import Platform

_MOST_LISTED = 20
_MOST_ALIKE = 3


def render_summary(
    verdicts: tuple[Verdict, ...],
    members: tuple[Member, ...],
    *,
    selected: Iterable[Platform],
    reports_divergences: bool = False,
) -> tuple[str, ...]:
    """Give the lines of the summary: verdicts first, then platforms.

    `selected` are the platforms that the command line selects, empty for all.
    `reports_divergences`: list them here, where they are no failures.
    """
    return (
        *_count_verdicts(verdicts),
        *(_list_diverged(verdicts) if reports_divergences else ()),
        *_list_apart(verdicts),
        *_list_not_compared(verdicts),
        *_list_excused(verdicts),
        *_list_notes(verdicts),
        *_tabulate_platforms(members, tuple(selected)),
    )


def _count_verdicts(verdicts: tuple[Verdict, ...]) -> list[str]:
    if not verdicts:
        return []
    lines = [count_verdicts(verdicts)]
    unobserved = sum(each.is_unobserved for each in verdicts)
    if unobserved:
        lines.append(f"  {unobserved} of them equal in outcome only: nothing was observed")
    retried = [
        f"{clean(verdict.group)}: "
        + ", ".join(
            f"attempt {m.attempt} on {m.platform}" for m in verdict.members if m.attempt > 1
        )
        for verdict in verdicts
        if any(m.attempt > 1 for m in verdict.members)
    ]
    return [*lines, *_list("run again, the last attempt counts:", retried)]


def _list_diverged(verdicts: tuple[Verdict, ...]) -> list[str]:
    diverged = [each for each in verdicts if each.kind is VerdictKind.DIVERGED]
    return _list(
        "diverged:", [f"{clean(each.group)}: {render_divergence(each)[0]}" for each in diverged]
    )


def _list_apart(verdicts: tuple[Verdict, ...]) -> list[str]:
    apart = [each for each in verdicts if each.kind is VerdictKind.FAILED_APART]
    return _list("failed on some platforms:", [describe_failed_apart(each) for each in apart])


def _list_not_compared(verdicts: tuple[Verdict, ...]) -> list[str]:
    left = [each for each in verdicts if each.kind is VerdictKind.NOT_COMPARED]
    return _list("not compared:", _join_alike([(v, explain_not_compared(v)) for v in left]))


def _join_alike(reasons: list[tuple[Verdict, str]]) -> list[str]:
    """Give a line for each group, and a single one for many groups with one reason."""
    groups: dict[str, list[str]] = {}
    for verdict, why in reasons:
        groups.setdefault(why, []).append(clean(verdict.group))
    return [
        line
        for why, names in groups.items()
        for line in (
            [f"{name}: {why}" for name in names]
            if len(names) <= _MOST_ALIKE
            else [f"{len(names)} groups: {why}"]
        )
    ]


def _list_excused(verdicts: tuple[Verdict, ...]) -> list[str]:
    """List differences that are allowed, allowances without one, members left out."""
    allowed = [
        f"{clean(verdict.group)}: {name_difference(each.difference)} on {each.platform}: "
        f"{clean(each.allowance.reason)}"
        for verdict in verdicts
        for each in verdict.allowed
    ]
    used = {each.allowance for verdict in verdicts for each in verdict.allowed}
    stale = dict.fromkeys(a for verdict in verdicts for a in verdict.stale if a not in used)
    partly = [
        (verdict, why)
        for verdict in verdicts
        if verdict.kind in (VerdictKind.EQUAL, VerdictKind.DIVERGED)
        for why in _explain_partly(verdict)
    ]
    return [
        *_list("allowed to differ:", allowed),
        *_list(
            "allowed to differ, and equal (take it out):",
            [f"{clean(a.label)}: {clean(a.reason)}" for a in stale],
        ),
        *_list("compared without:", _join_alike(partly)),
    ]


def _explain_partly(verdict: Verdict) -> list[str]:
    missing = verdict.not_selected
    lines = [f"{name_platforms(missing)} not selected"] if missing else []
    excused = (Outcome.SKIPPED, Outcome.XFAILED, Outcome.NOT_RUN)
    return lines + [describe_member_outcome(m) for m in verdict.members if m.outcome in excused]


def _list_notes(verdicts: tuple[Verdict, ...]) -> list[str]:
    notes = [
        f"{clean(each.group)}: {clean(note)}"
        for each in verdicts
        if each.kind is not VerdictKind.NOT_COMPARED
        for note in each.notes
    ]
    stripped: Counter[Platform] = Counter()
    for verdict in verdicts:
        for member in verdict.members:
            stripped[member.platform] += member.emulator_lines
    lines = [
        f"{count(number, 'line')} of the emulator's own left out of stderr on {platform}"
        for platform, number in stripped.items()
        if number
    ]
    return [*_list("calls not compared:", notes), *lines]


def _list(title: str, items: list[str]) -> list[str]:
    if not items:
        return []
    more = len(items) - _MOST_LISTED
    shown = [f"  {each}" for each in items[:_MOST_LISTED]]
    return [title, *shown, *([f"  ... and {more} more"] if more > 0 else [])]


def _tabulate_platforms(members: tuple[Member, ...], selected: tuple[Platform, ...]) -> list[str]:
    """Say of each platform how it was executed, on how many tests, and how they ended."""
    ends: dict[Platform, Counter[str]] = {}
    executions: dict[Platform, dict[str, None]] = {}
    declared = dict.fromkeys(platform for each in members for platform in each.declared)
    awaited = {platform for each in members for platform in each.selected}
    for member in members:
        ends.setdefault(member.platform, Counter())[member.outcome.value] += 1
        if member.execution is not None:
            executions.setdefault(member.platform, {})[str(member.execution)] = None
    platforms = list(dict.fromkeys((*declared, *selected)))
    ways = {each: _name_ways(executions.get(each, {}), ends[each]) for each in ends}
    width = max((len(str(each)) for each in platforms), default=0)
    column = max(map(len, ways.values()), default=0)
    lines = []
    for platform in platforms:
        if platform in ends:
            counts = ends[platform]
            odd = ", ".join(f"{n} {word}" for word, n in counts.items() if word != "passed")
            tests = f"{count(sum(counts.values()), 'test')}{f' ({odd})' if odd else ''}"
            lines.append(f"{platform!s:{width}}  {ways[platform]:{column}}  {tests}")
        elif platform in declared:
            why = "selected" if platform in awaited else "declared, but not selected"
            lines.append(f"{platform!s:{width}}  {why}: nothing ran")
        else:
            lines.append(f"{platform!s:{width}}  selected, but no test declares it")
    return lines


def _name_ways(executions: Iterable[str], ends: Counter[str]) -> str:
    idle = ends[Outcome.NOT_RUN.value] + ends[Outcome.SKIPPED.value]
    return ", ".join(executions) or ("nothing ran" if idle == ends.total() else "no image was run")
