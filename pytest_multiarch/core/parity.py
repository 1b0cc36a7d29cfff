"""Comparing the members of a group: one verdict, whatever order they come in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from pytest_multiarch.core.execution import ExecutionKind
from pytest_multiarch.core.member import Member, Outcome, resolve_duplicates
from pytest_multiarch.core.names import texts_agree
from pytest_multiarch.core.observation import (
    Observation,
    find_value_difference,
    streams_agree,
)
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.rules import Allowance


class VerdictKind(Enum):
    """What a group's comparison came to."""

    EQUAL = "equal"
    DIVERGED = "diverged"
    FAILED_APART = "failed-apart"
    FAILED = "failed"
    NOT_COMPARED = "not-compared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that members did differently.

    `part` is `exit`, `stdout`, `stderr`, `value`, `calls` (one made more calls) or `label` (only
    some made the call at all). `number` counts the calls of one label from 1. `seen` maps
    platforms to what they observed there, None for nothing; the baseline is the first of them and
    agrees with the platforms that are not in it.
    """

    label: str
    part: str
    number: int
    seen: Mapping[Platform, Observation | None]

    @property
    def others(self) -> tuple[Platform, ...]:
        """The platforms that differ from the baseline."""
        return tuple(self.seen)[1:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a group.

    `compared` are the members whose observations were compared, the baseline first. `allowed` are
    differences that the rules excuse; `notes` say what else was not compared, and why.
    """

    group: str
    kind: VerdictKind
    members: tuple[Member, ...]
    compared: tuple[Member, ...] = ()
    differences: tuple[Difference, ...] = ()
    allowed: tuple[tuple[Difference, Platform, Allowance], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def baseline(self) -> Platform | None:
        return self.compared[0].platform if self.compared else None

    @property
    def is_vacuous(self) -> bool:
        """Whether nothing was compared that was to be: what `--multiarch-strict` fails.

        A member that is expected to fail is excused for good, by its mark.
        """
        return self.kind is VerdictKind.NOT_COMPARED and not any(
            each.outcome is Outcome.XFAILED for each in self.members
        )

    @property
    def is_unobserved(self) -> bool:
        """Whether the members were equal in outcome only: none of them observed anything."""
        return self.kind is VerdictKind.EQUAL and not any(
            each.observations for each in self.compared
        )

    def list_deviating(self) -> tuple[str, ...]:
        """Give the ids of the tests that differ from the baseline."""
        platforms = {platform for each in self.differences for platform in each.others}
        return tuple(dict.fromkeys(m.node_id for m in self.members if m.platform in platforms))

    def list_node_ids(self) -> tuple[str, ...]:
        """Give the ids of all tests of the group that were to run."""
        return tuple(dict.fromkeys(m.node_id for m in self.members))

    def find_member(self, platform: Platform) -> Member:
        """Give the member of a platform."""
        return next(each for each in self.members if each.platform == platform)


def compare_group(members: Iterable[Member]) -> Verdict:
    """Compare the members of one group, given in any order, at least one.

    Only members whose body ran to its end are compared; with fewer than two of them, nothing is,
    and the verdict says so. A member that failed where another passed is a failure already.
    """
    known = _order(resolve_duplicates(members))
    comparable = [each for each in known if each.outcome.is_comparable]
    if len(comparable) >= 2:
        verdict = _compare(known, comparable)
        if verdict.kind is VerdictKind.DIVERGED:
            return verdict
    else:
        verdict = Verdict(group=known[0].group, kind=VerdictKind.NOT_COMPARED, members=known)
    if not any(each.outcome.is_failure for each in known):
        return verdict
    kind = VerdictKind.FAILED_APART if comparable else VerdictKind.FAILED
    return Verdict(
        group=verdict.group,
        kind=kind,
        members=known,
        compared=verdict.compared,
        allowed=verdict.allowed,
        notes=verdict.notes,
    )


def _order(members: tuple[Member, ...]) -> tuple[Member, ...]:
    declared = members[0].declared
    rank = {platform: position for position, platform in enumerate(declared)}
    return tuple(sorted(members, key=lambda m: (rank.get(m.platform, len(rank)), m.platform)))


def choose_baseline(members: list[Member]) -> Member:
    """Choose what the others are compared with: the mark's, else the first declared native one,
    else the first declared. Members are in the order declared."""
    for member in members:
        if member.platform == member.baseline:
            return member
    for member in members:
        if member.execution is not None and member.execution.kind is ExecutionKind.NATIVE:
            return member
    return members[0]


def _compare(known: tuple[Member, ...], comparable: list[Member]) -> Verdict:
    baseline = choose_baseline(comparable)
    others = [each for each in comparable if each is not baseline]
    notes: list[str] = []
    found: dict[tuple[str, int, str], dict[Platform, Observation | None]] = {}
    ours = _sort_by_label(baseline)
    for other in others:
        for label, number, part, one, two in _compare_pair(baseline, ours, other, notes):
            seen = found.setdefault((label, number, part), {baseline.platform: one})
            seen[other.platform] = two
    differences, allowed = _excuse(found, {each.platform: each for each in others})
    return Verdict(
        group=baseline.group,
        kind=VerdictKind.DIVERGED if differences else VerdictKind.EQUAL,
        members=known,
        compared=(baseline, *others),
        differences=differences,
        allowed=allowed,
        notes=tuple(dict.fromkeys(notes)),
    )


def _sort_by_label(member: Member) -> dict[str, list[Observation]]:
    """Give a member's observations by label, consecutive identical ones as one.

    A loop that polls makes as many calls as it takes, which says nothing.
    """
    by_label: dict[str, list[Observation]] = {}
    for observation in member.observations:
        known = by_label.setdefault(observation.label, [])
        if not known or not _is_repeat(known[-1], observation, member.platform):
            known.append(observation)
    return by_label


def _is_repeat(one: Observation, other: Observation, platform: Platform) -> bool:
    if one.kind != other.kind or one.command != other.command or one.exit_code != other.exit_code:
        return False
    if one.kind == "check":
        return find_value_difference(one.value, other.value, rel=0, abs=0) is None
    return all(
        a is not None and b is not None and streams_agree(a, b, platform, platform)
        for a, b in ((one.stdout, other.stdout), (one.stderr, other.stderr))
    )


_Finding = tuple[str, int, str, Observation | None, Observation | None]


def _compare_pair(
    baseline: Member, ours: Mapping[str, list[Observation]], other: Member, notes: list[str]
) -> Iterable[_Finding]:
    if baseline.rules.is_off:
        return
    theirs = _sort_by_label(other)
    for label in dict.fromkeys((*ours, *theirs)):
        one, two = ours.get(label, []), theirs.get(label, [])
        if not one or not two:
            yield label, 1, "label", one[0] if one else None, two[0] if two else None
            continue
        for number, (a, b) in enumerate(zip(one, two, strict=False), start=1):
            if a.history != b.history and not baseline.rules.stateless:
                notes.append(
                    f"{label}: the shared containers had seen other calls before "
                    "(stateless=True in the mark compares all the same)"
                )
                continue
            for part in _find_parts(a, b, baseline, other):
                yield label, number, part, a, b
        if len(one) != len(two):
            number = min(len(one), len(two))
            yield label, number + 1, "calls", one[-1], two[-1]


def _find_parts(
    ours: Observation, theirs: Observation, baseline: Member, other: Member
) -> Iterable[str]:
    if ours.kind == "check" or theirs.kind == "check":
        rel, absolute = max(ours.rel, theirs.rel), max(ours.abs, theirs.abs)
        path = find_value_difference(
            ours.value,
            theirs.value,
            rel=rel,
            abs=absolute,
            texts_agree=lambda a, b: texts_agree(a, b, baseline.platform, other.platform),
        )
        if path is not None:
            yield "value"
        return
    parts = baseline.rules.parts
    if "exit" in parts and ours.exit_code != theirs.exit_code:
        yield "exit"
    for part, one, two in (
        ("stdout", ours.stdout, theirs.stdout),
        ("stderr", ours.stderr, theirs.stderr),
    ):
        if part not in parts or one is None or two is None:
            continue
        if not streams_agree(one, two, baseline.platform, other.platform):
            yield part


def _excuse(
    found: Mapping[tuple[str, int, str], Mapping[Platform, Observation | None]],
    others: Mapping[Platform, Member],
) -> tuple[tuple[Difference, ...], tuple[tuple[Difference, Platform, Allowance], ...]]:
    differences: list[Difference] = []
    allowed: list[tuple[Difference, Platform, Allowance]] = []
    for (label, number, part), seen in found.items():
        difference = Difference(label=label, part=part, number=number, seen=seen)
        left = dict(seen)
        for platform in difference.others:
            allowance = others[platform].rules.find_allowance(label, part, platform)
            if allowance is not None:
                allowed.append((difference, platform, allowance))
                del left[platform]
        if len(left) > 1:
            differences.append(Difference(label=label, part=part, number=number, seen=left))
    return tuple(differences), tuple(allowed)
