"""What is known of an emulator's faults, where a test showed the signs of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_multiarch.core.emulator_faults import Fault, find_named_faults
from pytest_multiarch.core.parity import VerdictKind
from pytest_multiarch.reports.diff import clean
from pytest_multiarch.reports.wording import count, name_member, wrap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_multiarch.core.member import Member
    from pytest_multiarch.core.parity import Verdict

_MOST_NAMED = 3


def describe_faults(faults: Iterable[Fault]) -> Iterator[str]:
    """Say of each fault what is known, what mends it, and where it is known from."""
    for fault in faults:
        yield from wrap(f"{fault.name}: {fault.says}", hanging=2)
        yield from wrap(f"cure: {fault.cure}", indent=2, hanging=2)
        yield from wrap(f"source: {fault.source}", indent=2, hanging=2)


def describe_members_faults(members: Iterable[Member]) -> Iterator[str]:
    """Say what is known of the emulators of members, each fault once for all that showed it."""
    showing: dict[Fault, list[str]] = {}
    for member in members:
        for fault in find_named_faults(member.faults):
            showing.setdefault(fault, []).append(name_member(member))
    for fault, names in showing.items():
        yield f"known of the emulator on {', '.join(names)}:"
        yield from (f"  {line}" for line in describe_faults([fault]))


def list_faults(verdicts: Iterable[Verdict]) -> Iterator[str]:
    """Say of each fault and emulator what is known, and of how many tests, for a summary.

    Only of tests that failed, and of those that did something else than the baseline.
    """
    showing: dict[tuple[Fault, str], list[str]] = {}
    for verdict in verdicts:
        for member in find_suspicious(verdict):
            for fault in find_named_faults(member.faults):
                tests = showing.setdefault((fault, name_member(member)), [])
                tests.append(clean(member.node_id))
    for (fault, name), tests in showing.items():
        several = dict.fromkeys(tests)
        named = ", ".join(list(several)[:_MOST_NAMED])
        more = len(several) - _MOST_NAMED
        where = f"{count(len(several), 'test')}: {named}{f' and {more} more' if more > 0 else ''}"
        yield f"{fault.name} on {name}, {where}: {fault.says}; cure: {fault.cure}"


def find_suspicious(verdict: Verdict) -> tuple[Member, ...]:
    """Give the members of a group that failed, or did something else than the baseline."""
    deviating = {platform for each in verdict.differences for platform in each.others}
    is_diverged = verdict.kind is VerdictKind.DIVERGED
    return tuple(
        each
        for each in verdict.members
        if each.has_failed or (is_diverged and each.platform in deviating)
    )
