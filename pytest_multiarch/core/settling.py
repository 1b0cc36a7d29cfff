"""Settling a verdict: which calls to make again for it, and what they say about it.

One way for all who judge: a lone process, the owner of a parallel session, a merge of records.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_multiarch.core.comparison import Comparison
from pytest_multiarch.core.diagnosis import diagnose
from pytest_multiarch.core.parity import VerdictKind, compare_group

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_multiarch.core.member import Member
    from pytest_multiarch.core.observation import Observation
    from pytest_multiarch.core.parity import Difference, Verdict
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.repeats import Repeats

_UNSETTLED = (VerdictKind.DIVERGED, VerdictKind.FAILED_APART)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallInQuestion:
    """A call of a member that a verdict turns on.

    `label` and `number` are as in `Difference`, `own_label` and `own_number` as the member itself
    counts: every call of one kind and label. `position` is that of its observation. `is_controlled`:
    the platform ran it natively, another one under an emulator.
    """

    platform: Platform
    position: int
    kind: str
    label: str
    number: int
    own_label: str
    own_number: int
    is_controlled: bool = False


def needs_diagnosis(verdict: Verdict) -> bool:
    """Whether it matters why members did not do the same."""
    return verdict.kind in _UNSETTLED


def list_questions(verdict: Verdict) -> tuple[CallInQuestion, ...]:
    """Give the calls that a verdict turns on, each once for each platform."""
    asked: dict[tuple[Platform, int, str, int], CallInQuestion] = {}
    for call in (*_list_differing(verdict), *_list_failing(verdict)):
        key = call.platform, call.position, call.label, call.number
        known = asked.get(key)
        if known is None or (call.is_controlled and not known.is_controlled):
            asked[key] = call
    return tuple(asked.values())


def _list_differing(verdict: Verdict) -> Iterator[CallInQuestion]:
    for difference in verdict.differences:
        if difference.part == "calls":
            continue
        members = [verdict.find_member(each) for each in difference.seen]
        yield from _ask(members, difference)


def _ask(members: list[Member], difference: Difference) -> Iterator[CallInQuestion]:
    controlled = _choose_controlled(members)
    for member in members:
        seen = difference.seen[member.platform]
        if seen is not None:
            yield _make_question(
                member, seen, difference.label, difference.number, member is controlled
            )


def _choose_controlled(members: list[Member]) -> Member | None:
    """Give the one to run under an emulator, where another has been: the baseline if it can be."""
    if not any(each.is_emulated for each in members):
        return None
    return next((each for each in members if each.is_native), None)


def _make_question(
    member: Member, seen: Observation, label: str, number: int, is_controlled: bool
) -> CallInQuestion:
    observations = tuple(member.observations)
    position = observations.index(seen)
    before = observations[: position + 1]
    return CallInQuestion(
        platform=member.platform,
        position=position,
        kind=seen.kind,
        label=label,
        number=number,
        own_label=seen.label,
        own_number=sum((each.kind, each.label) == (seen.kind, seen.label) for each in before),
        is_controlled=is_controlled,
    )


def _list_failing(verdict: Verdict) -> Iterator[CallInQuestion]:
    """Give the calls in which members that failed differ from one that passed; else their last."""
    passed = next((each for each in verdict.members if each.outcome.is_comparable), None)
    if verdict.compared:
        passed = verdict.compared[0]
    if passed is None:
        return
    for member in verdict.members:
        if member.outcome.is_failure and member.observations:
            yield from _compare_failed(passed, member)


def _compare_failed(passed: Member, failed: Member) -> Iterator[CallInQuestion]:
    comparison = Comparison(passed, failed)
    comparison.run()
    passed, failed = passed.read_observations(), failed.read_observations()
    pairs = [
        (each.ours, each.theirs, each.label, each.number)
        for each in comparison.findings
        if each.part != "calls" and each.ours is not None and each.theirs is not None
    ] or _pair_last(passed, failed)
    controlled = _choose_controlled([passed, failed])
    for ours, theirs, label, number in pairs:
        yield _make_question(passed, ours, label, number, passed is controlled)
        yield _make_question(failed, theirs, label, number, failed is controlled)


def _pair_last(passed: Member, failed: Member) -> list[tuple[Observation, Observation, str, int]]:
    last = failed.observations[-1]
    name = last.kind, last.label
    number = sum((each.kind, each.label) == name for each in failed.observations)
    same = [each for each in passed.observations if (each.kind, each.label) == name]
    return [(same[number - 1], last, last.label, number)] if len(same) >= number else []


def gather_repeats(verdict: Verdict) -> tuple[Repeats, ...]:
    """Give what the members' calls did when they were made again, named as in the differences."""
    found: list[Repeats] = []
    questions = list_questions(verdict)
    for member in verdict.members:
        own = {
            (each.kind, each.own_label, each.own_number): each
            for each in questions
            if each.platform == member.platform
        }
        for repeats in member.repeats:
            asked = own.get((repeats.kind, repeats.label, repeats.number))
            if asked is not None:
                found.append(replace(repeats, label=asked.label, number=asked.number))
    return tuple(found)


def add_repeats(verdict: Verdict, repeats: Iterable[Repeats]) -> Verdict:
    """Give a verdict whose members have these repeats too, which are named as members count."""
    given = tuple(repeats)
    if not given:
        return verdict
    members = {
        each.platform: replace(
            each,
            repeats=(*each.repeats, *(one for one in given if one.platform == each.platform)),
        )
        for each in verdict.members
    }
    return replace(
        verdict,
        members=tuple(members.values()),
        compared=tuple(members[each.platform] for each in verdict.compared),
    )


def settle_verdict(verdict: Verdict) -> Verdict:
    """Say why members did not do the same, by what their calls did when they were made again."""
    if not needs_diagnosis(verdict):
        return verdict
    return diagnose(verdict, gather_repeats(verdict))


def judge_group(members: Iterable[Member]) -> Verdict:
    """Compare the members of a group, and settle what it comes to by what is known of them."""
    return settle_verdict(compare_group(members))
