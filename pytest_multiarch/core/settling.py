"""Settling a verdict: which calls to make again for it, and what they say about it.

One way for all who judge: a lone process, the owner of a parallel session, a merge of records.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_multiarch.core.blame import Cause
from pytest_multiarch.core.diagnosis import diagnose, find_suspects
from pytest_multiarch.core.emulator_faults import find_named_faults, find_observed_faults
from pytest_multiarch.core.observation import find_differing_parts
from pytest_multiarch.core.parity import choose_baseline, compare_group
from pytest_multiarch.core.rules import CALL_PARTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_multiarch.core.emulator_faults import Fault
    from pytest_multiarch.core.member import Member
    from pytest_multiarch.core.observation import Observation
    from pytest_multiarch.core.parity import Difference, Verdict
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.repeats import Repeats

_FEWEST = 3
_ORPHANED = (
    "made again, it ends otherwise than in the test, and the same each time: what the test had set "
    "up for it is gone"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallInQuestion:
    """A call of a member that a verdict turns on.

    `label` and `number` are as in `Difference`, `own_label` and `own_number` as the member itself
    counts: every call of one kind and label. `position` is that of its observation.
    `is_controlled`: it is native, another one is emulated. `is_repeated`: it is to be made again as
    it was, too.
    """

    platform: Platform
    position: int
    kind: str
    label: str
    number: int
    own_label: str
    own_number: int
    is_controlled: bool = False
    is_repeated: bool = True


def list_questions(verdict: Verdict) -> tuple[CallInQuestion, ...]:
    """Give the calls that a verdict turns on, each once for each platform."""
    asked: dict[tuple[Platform, int, str, int], CallInQuestion] = {}
    for difference in _list_suspects(verdict):
        members = [verdict.find_member(each) for each in difference.seen]
        for call in _ask(members, difference):
            key = call.platform, call.position, call.label, call.number
            known = asked.get(key)
            asked[key] = _join(known, call) if known else call
    return tuple(asked.values())


def _join(one: CallInQuestion, other: CallInQuestion) -> CallInQuestion:
    return replace(
        one,
        is_controlled=one.is_controlled or other.is_controlled,
        is_repeated=one.is_repeated or other.is_repeated,
    )


def _list_suspects(verdict: Verdict) -> Iterator[Difference]:
    """Give what differs between members that passed, and what members that failed did otherwise."""
    yield from (each for each in verdict.differences if each.part != "calls")
    if any(each.outcome.is_comparable for each in verdict.members):
        for member in verdict.members:
            if member.outcome.is_failure and member.refusal is None:
                yield from find_suspects(verdict, member)


def _ask(members: list[Member], difference: Difference) -> Iterator[CallInQuestion]:
    """Ask of each platform that made the call; of one that others did not make, for control only:
    it may have had no end there."""
    controlled = _choose_controlled(members)
    is_missing = difference.part == "calls"
    for member in members:
        seen = difference.seen[member.platform]
        if seen is None or (is_missing and member is not controlled):
            continue
        observations = tuple(member.observations)
        position = observations.index(seen)
        name = seen.kind, seen.label
        before = observations[: position + 1]
        yield CallInQuestion(
            platform=member.platform,
            position=position,
            kind=seen.kind,
            label=difference.label,
            number=difference.number,
            own_label=seen.label,
            own_number=sum((each.kind, each.label) == name for each in before),
            is_controlled=member is controlled,
            is_repeated=not is_missing,
        )


def list_open_pairs(
    settled: Verdict, questions: Iterable[CallInQuestion]
) -> tuple[tuple[CallInQuestion, CallInQuestion], ...]:
    """Give the calls, of the baseline and of another platform, that may differ by their images.

    These are those of which a settled verdict does not prove whose doing it is. `questions` are
    those of the verdict before it was settled.
    """
    passed = [each for each in settled.members if each.outcome.is_comparable]
    if not passed:
        return ()
    calls = (each for each in questions if each.is_repeated and each.kind != "check")
    asked = {(each.platform, each.kind, each.label, each.number): each for each in calls}
    home = choose_baseline(passed).platform
    found: dict[tuple[Platform, str, str, int], tuple[CallInQuestion, CallInQuestion]] = {}
    for each in settled.diagnoses:
        key = each.kind, each.label, each.number
        ours, theirs = asked.get((home, *key)), asked.get((each.platform, *key))
        is_open = each.cause in (Cause.IMAGE, Cause.UNCONFIRMED) and not each.is_proven
        if is_open and ours is not None and theirs is not None:
            found.setdefault((each.platform, *key), (ours, theirs))
    return tuple(found.values())


def _choose_controlled(members: list[Member]) -> Member | None:
    """Give the one to run under an emulator, where another has been: the baseline if it can be."""
    if not any(each.is_emulated for each in members):
        return None
    return next((each for each in members if each.is_native), None)


def list_own_questions(
    platform: Platform, observations: Iterable[Observation], *, is_controlled: bool
) -> tuple[CallInQuestion, ...]:
    """Give all calls that were observed on a platform, to be made again whatever comes of them."""
    counts: Counter[tuple[str, str]] = Counter()
    questions = []
    for position, each in enumerate(observations):
        counts[each.kind, each.label] += 1
        number = counts[each.kind, each.label]
        if each.kind != "check":
            questions.append(
                CallInQuestion(
                    platform=platform,
                    position=position,
                    kind=each.kind,
                    label=each.label,
                    number=number,
                    own_label=each.label,
                    own_number=number,
                    is_controlled=is_controlled,
                )
            )
    return tuple(questions)


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
                known = _drop_orphans(repeats, member.observations[asked.position])
                found.append(replace(known, label=asked.label, number=asked.number))
    return tuple(found)


def _drop_orphans(repeats: Repeats, first: Observation) -> Repeats:
    """Drop what says only that the test had set up something for the call that is gone by now.

    A call that varies by itself does not do one thing in the test, and then another one each time.
    """
    again = repeats.observations
    if repeats.is_control or len(again) < _FEWEST:
        return repeats
    platform = repeats.platform
    is_same = all(_agree(again[0], each, platform) for each in again)
    if not is_same or _agree(again[0], first, platform) or again[0].exit_code == first.exit_code:
        return repeats
    return replace(repeats, observations=(), problem=_ORPHANED)


def _agree(one: Observation, other: Observation, platform: Platform) -> bool:
    return not find_differing_parts(one, other, platform, platform, parts=CALL_PARTS)


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


def settle_verdict(verdict: Verdict, *, fails_unstable: bool = False) -> Verdict:
    """Say why members did not do the same, by what their calls did when they were made again.

    With `fails_unstable` what varies by itself is a difference all the same.
    """
    if not verdict.needs_diagnosis:
        return verdict
    return diagnose(
        verdict,
        gather_repeats(verdict),
        find_faults=_find_faults,
        fails_unstable=fails_unstable,
    )


def _find_faults(member: Member, observation: Observation | None) -> tuple[Fault, ...]:
    """Find the emulator's faults of which a call shows signs, or a member as a whole."""
    if observation is None:
        return find_named_faults(member.faults)
    if member.execution is None:
        return ()
    return find_observed_faults(observation, execution=member.execution, platform=member.platform)


def judge_group(members: Iterable[Member], *, fails_unstable: bool = False) -> Verdict:
    """Compare the members of a group, and settle what it comes to by what is known of them."""
    return settle_verdict(compare_group(members), fails_unstable=fails_unstable)
