"""The terminal summary: what was compared, what was not, and how each platform ran."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pytest_multiarch.core.member import Member, Outcome
from pytest_multiarch.core.parity import Verdict, VerdictKind
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.reports.divergence import (
    clean,
    describe_failed_apart,
    describe_kind,
    describe_member_outcome,
    describe_not_compared,
)

_MOST_LISTED = 20


def render_summary(
    verdicts: tuple[Verdict, ...], members: tuple[Member, ...], *, selected: Iterable[Platform]
) -> tuple[str, ...]:
    """Give the lines of the summary: verdicts first, then platforms."""
    return (
        *_count_verdicts(verdicts),
        *_list_apart(verdicts),
        *_list_not_compared(verdicts),
        *_list_excused(verdicts),
        *_list_notes(verdicts),
        *_tabulate_platforms(members, tuple(selected)),
    )


def _count_verdicts(verdicts: tuple[Verdict, ...]) -> list[str]:
    counts = Counter(describe_kind(each) for each in verdicts)
    words = ", ".join(f"{number} {word}" for word, number in counts.items())
    total = len(verdicts)
    lines = [f"{total} group{'s' if total != 1 else ''} of platforms: {words}"]
    unobserved = sum(each.is_unobserved for each in verdicts)
    if unobserved:
        lines.append(f"  {unobserved} of them equal in outcome only: nothing was observed")
    attempts = [each for each in verdicts if any(m.attempt > 1 for m in each.members)]
    for verdict in attempts[:_MOST_LISTED]:
        tries = ", ".join(f"{m.platform} {m.attempt}" for m in verdict.members if m.attempt > 1)
        lines.append(f"  {verdict.group}: the last attempt counts ({tries} attempts)")
    return lines


def _list_apart(verdicts: tuple[Verdict, ...]) -> list[str]:
    apart = [each for each in verdicts if each.kind is VerdictKind.FAILED_APART]
    return _list("failed on some platforms:", [describe_failed_apart(each) for each in apart])


def _list_not_compared(verdicts: tuple[Verdict, ...]) -> list[str]:
    left = [each for each in verdicts if each.kind is VerdictKind.NOT_COMPARED]
    return _list("not compared:", [describe_not_compared(each) for each in left])


def _list_excused(verdicts: tuple[Verdict, ...]) -> list[str]:
    """List differences that are allowed, and members that their marks excuse."""
    allowed = [
        f"{verdict.group}: {platform}, {difference.part} of {clean(difference.label)}: "
        f"{clean(allowance.reason)}"
        for verdict in verdicts
        for difference, platform, allowance in verdict.allowed
    ]
    partly = [
        f"{verdict.group}: {describe_member_outcome(member)}"
        for verdict in verdicts
        if verdict.kind in (VerdictKind.EQUAL, VerdictKind.DIVERGED)
        for member in verdict.members
        if member.outcome in (Outcome.SKIPPED, Outcome.XFAILED, Outcome.NOT_RUN)
    ]
    return [
        *_list("allowed to differ:", allowed),
        *_list("compared without:", partly),
    ]


def _list_notes(verdicts: tuple[Verdict, ...]) -> list[str]:
    notes = [f"{each.group}: {clean(note)}" for each in verdicts for note in each.notes]
    stripped: Counter[Platform] = Counter()
    for verdict in verdicts:
        for member in verdict.members:
            for seen in member.observations:
                stripped[member.platform] += seen.stderr.emulator_lines if seen.stderr else 0
    lines = [
        f"{number} line{'s' if number != 1 else ''} of the emulator's own left out of stderr "
        f"on {platform}"
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
    ran: dict[Platform, Counter[str]] = {}
    executions: dict[Platform, dict[str, None]] = {}
    for member in members:
        counts = ran.setdefault(member.platform, Counter())
        counts[member.outcome.value] += 1
        if member.execution is not None:
            executions.setdefault(member.platform, {})[str(member.execution)] = None
    width = max([len(str(each)) for each in (*ran, *selected)], default=0)
    lines = []
    for platform, counts in sorted(ran.items()):
        how = ", ".join(executions.get(platform, {})) or "nothing ran"
        total = sum(counts.values())
        ends = ", ".join(f"{n} {word}" for word, n in counts.items() if word != "passed")
        tests = f"{total} test{'s' if total != 1 else ''}"
        lines.append(f"{platform!s:{width}}  {how:<16}  {tests}{f' ({ends})' if ends else ''}")
    for platform in selected:
        if platform not in ran:
            lines.append(f"{platform!s:{width}}  selected, but no test declares it")
    return lines
