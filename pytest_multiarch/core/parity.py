"""Comparing the members of a group: one verdict, whatever order they come in."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING

from pytest_multiarch.core.comparison import Comparison, Finding
from pytest_multiarch.core.known_differences import excuses
from pytest_multiarch.core.member import (
    Member,
    Outcome,
    choose_members,
    resolve_duplicates,
)
from pytest_multiarch.core.rules import Allowance

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_multiarch.core.diagnosis import Diagnosis
    from pytest_multiarch.core.observation import Observation
    from pytest_multiarch.core.platform import Platform


class VerdictKind(Enum):
    """What a group's comparison came to.

    `DIVERGED`: members that ran to their end did not do the same. `FAILED_APART`: nothing
    diverged, and the test failed on some platforms, not on all. `NOT_COMPARED`: fewer than two
    members can be compared, or none of what they observed can. `ONE_PLATFORM`: the test is
    declared for one platform, so there is nothing to compare.
    """

    EQUAL = "equal"
    DIVERGED = "diverged"
    FAILED_APART = "failed-apart"
    FAILED = "failed"
    NOT_COMPARED = "not-compared"
    ONE_PLATFORM = "one-platform"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that members did differently.

    `part` is one of `core.rules.PARTS`; `calls` means that one made a call, or one more, that
    another did not make. `number` counts the calls of one label from 1, identical ones in a row
    as one. `seen` maps platforms to what they observed there, None for nothing; the baseline is
    the first of them and agrees with the platforms that are not in it. `counts` says how many
    such calls each made.
    """

    label: str
    kind: str
    part: str
    number: int
    seen: Mapping[Platform, Observation | None]
    counts: Mapping[Platform, int] = field(default_factory=dict)

    @property
    def baseline(self) -> Platform:
        return next(iter(self.seen))

    @property
    def others(self) -> tuple[Platform, ...]:
        """The platforms that differ from the baseline."""
        return tuple(self.seen)[1:]

    def shrink(self) -> Difference:
        """Keep no excerpts of what was seen."""
        seen = {platform: each and each.shrink(0) for platform, each in self.seen.items()}
        return replace(self, seen=seen)


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedDifference:
    """A difference of one platform that an allowance covers."""

    difference: Difference
    platform: Platform
    allowance: Allowance


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a group.

    `members` are all that are known, `compared` those whose observations were compared, the
    baseline first. `pairs` is how many pairs of observations were. `allowed` are differences that
    the rules excuse, `stale` the allowances of things that were compared and equal. `notes` say
    which observations were not compared, and why.

    A verdict that was diagnosed says why in `diagnoses`. What is `unstable`, or `emulated` (proven
    to be the emulator's doing), is then no longer among its differences.
    """

    group: str
    kind: VerdictKind
    members: tuple[Member, ...]
    compared: tuple[Member, ...] = ()
    pairs: int = 0
    differences: tuple[Difference, ...] = ()
    allowed: tuple[AllowedDifference, ...] = ()
    stale: tuple[Allowance, ...] = ()
    notes: tuple[str, ...] = ()
    unstable: tuple[Difference, ...] = ()
    emulated: tuple[Difference, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()

    @property
    def baseline(self) -> Platform | None:
        return self.compared[0].platform if self.compared else None

    @property
    def declared(self) -> tuple[Platform, ...]:
        """The platforms that the test is for, in its order."""
        return _join_declared(self.members)

    @property
    def not_selected(self) -> tuple[Platform, ...]:
        """The declared platforms that were not to run."""
        selected = {platform for each in self.members for platform in each.selected}
        return tuple(each for each in self.declared if each not in selected)

    @property
    def is_vacuous(self) -> bool:
        """Whether nothing was compared that was to be: what `--multiarch-strict` fails.

        A member that is expected to fail is excused for good, by its mark.
        """
        excused = {m.platform for m in self.members if m.outcome is Outcome.XFAILED}
        return self.kind is VerdictKind.NOT_COMPARED and len(set(self.declared) - excused) > 1

    @property
    def needs_diagnosis(self) -> bool:
        """Whether it matters why members did not do the same."""
        return self.kind in (VerdictKind.DIVERGED, VerdictKind.FAILED_APART)

    @property
    def is_unobserved(self) -> bool:
        """Whether the members were equal in outcome only, with nothing observed or measured."""
        is_measured = any(each.overhead for each in self.members)
        return self.kind is VerdictKind.EQUAL and not self.pairs and not is_measured

    def list_deviating(self) -> tuple[str, ...]:
        """Give the ids of the tests that differ from the baseline."""
        platforms = {platform for each in self.differences for platform in each.others}
        return tuple(m.node_id for m in self.members if m.platform in platforms)

    def list_node_ids(self) -> tuple[str, ...]:
        """Give the ids of all tests of the group that were to run."""
        return tuple(dict.fromkeys(m.node_id for m in self.members))

    def find_member(self, platform: Platform) -> Member:
        """Give the member of a platform."""
        return next(each for each in self.members if each.platform == platform)


def compare_group(members: Iterable[Member]) -> Verdict:
    """Compare the members of one group, given in any order, at least one.

    Only members whose body ran to its end are compared; with fewer than two of them, nothing is,
    and the verdict says so. A member that failed where another passed is a failure already. A
    platform that ran natively and emulated is judged by its native run.
    """
    known = _order(choose_members(resolve_duplicates(members)))
    comparable = [each for each in known if each.outcome.is_comparable]
    if len(comparable) >= 2:
        verdict = _compare(known, comparable)
    else:
        is_single = len(_join_declared(known)) == 1
        kind = VerdictKind.ONE_PLATFORM if is_single else VerdictKind.NOT_COMPARED
        verdict = Verdict(group=known[0].group, kind=kind, members=known)
    if verdict.kind is VerdictKind.DIVERGED or not any(m.outcome.is_failure for m in known):
        return verdict
    kind = VerdictKind.FAILED_APART if comparable else VerdictKind.FAILED
    return replace(verdict, kind=kind, stale=())


def _join_declared(members: Iterable[Member]) -> tuple[Platform, ...]:
    """Give what the longest declaration names, then what others add: no order of members shows."""
    declarations = sorted({each.declared for each in members}, key=lambda d: (-len(d), d))
    return tuple(dict.fromkeys(platform for each in declarations for platform in each))


def _order(members: tuple[Member, ...]) -> tuple[Member, ...]:
    rank = {platform: position for position, platform in enumerate(_join_declared(members))}
    return tuple(sorted(members, key=lambda m: (rank.get(m.platform, len(rank)), m.platform)))


def choose_baseline(members: Iterable[Member]) -> Member:
    """Choose what the others are compared with, of members in the order declared.

    The mark's, else the first native one, else the first.
    """
    candidates = tuple(members)
    for member in candidates:
        if member.platform == member.baseline:
            return member
    for member in candidates:
        if member.is_native:
            return member
    return candidates[0]


def _compare(known: tuple[Member, ...], comparable: list[Member]) -> Verdict:
    baseline = choose_baseline(comparable)
    others = [each for each in comparable if each is not baseline]
    comparisons = [Comparison(baseline, other) for other in others]
    for each in comparisons:
        each.run()
    differences, allowed = _excuse(_merge_findings(comparisons), comparisons)
    pairs = sum(each.pairs for each in comparisons)
    notes = tuple(dict.fromkeys(note for each in comparisons for note in each.notes))
    kind = VerdictKind.EQUAL
    if differences:
        kind = VerdictKind.DIVERGED
    elif notes and not pairs:
        kind = VerdictKind.NOT_COMPARED
    return Verdict(
        group=baseline.group,
        kind=kind,
        members=known,
        compared=(baseline, *others),
        pairs=pairs,
        differences=differences,
        allowed=allowed,
        stale=_find_stale(comparisons, allowed),
        notes=notes,
    )


def _merge_findings(comparisons: list[Comparison]) -> Iterator[Difference]:
    """Put findings about one thing together, in the order of the baseline's calls."""
    found: dict[tuple[str, str, int, str], list[tuple[Comparison, Finding]]] = {}
    for comparison in comparisons:
        for finding in comparison.findings:
            key = finding.kind, finding.label, finding.number, finding.part
            found.setdefault(key, []).append((comparison, finding))
    for several in sorted(found.values(), key=lambda each: min(f.order for _, f in each)):
        comparison, first = several[0]
        baseline = comparison.baseline.platform
        yield Difference(
            label=first.label,
            kind=first.kind,
            part=first.part,
            number=first.number,
            seen={baseline: first.ours} | {c.other.platform: f.theirs for c, f in several},
            counts={baseline: first.counts[0]}
            | {c.other.platform: f.counts[1] for c, f in several},
        )


def _excuse(
    differences: Iterable[Difference], comparisons: list[Comparison]
) -> tuple[tuple[Difference, ...], tuple[AllowedDifference, ...]]:
    """Take out what an allowance covers, platform by platform."""
    allowances = {
        each.other.platform: (*_excuse_xfail(each.other), *each.allowances) for each in comparisons
    }
    left: list[Difference] = []
    allowed: list[AllowedDifference] = []
    for difference in differences:
        excused: set[Platform] = set()
        for platform in difference.others:
            for allowance in allowances[platform]:
                if _is_excused(difference, platform, allowance):
                    excused.add(platform)
                    allowed.append(
                        AllowedDifference(
                            difference=difference, platform=platform, allowance=allowance
                        )
                    )
                    break
        seen = {each: what for each, what in difference.seen.items() if each not in excused}
        if len(seen) > 1:
            left.append(replace(difference, seen=seen))
    return tuple(left), tuple(allowed)


def _is_excused(difference: Difference, platform: Platform, allowance: Allowance) -> bool:
    baseline, seen = difference.baseline, difference.seen
    return allowance.covers(difference.label, difference.part, baseline, platform) and excuses(
        allowance, difference.part, (baseline, seen[baseline]), (platform, seen[platform])
    )


def _excuse_xfail(member: Member) -> tuple[Allowance, ...]:
    """What a mark expects to fail may also differ: its reason is the reason."""
    if member.outcome is not Outcome.XPASSED:
        return ()
    return (Allowance(reason=f"expected to fail: {member.reason}" if member.reason else "xfail"),)


def _find_stale(
    comparisons: list[Comparison], allowed: tuple[AllowedDifference, ...]
) -> tuple[Allowance, ...]:
    """Give the allowances of something that was compared, on their platforms, and was equal."""
    used = {each.allowance for each in allowed}
    stale: dict[Allowance, None] = {}
    for comparison in comparisons:
        platforms = comparison.baseline.platform, comparison.other.platform
        for allowance in comparison.allowances:
            is_about = not allowance.platforms or set(platforms) & set(allowance.platforms)
            if allowance not in used and is_about and any(map(allowance.names, comparison.labels)):
                stale[allowance] = None
    return tuple(stale)


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleAllowance:
    """An allowance that nothing needed in a whole run, and the first group that declares it.

    `was_compared`: what it is for was compared, and was equal; else nothing of that name was.
    """

    allowance: Allowance
    group: str
    was_compared: bool

    @property
    def origin(self) -> str:
        """Where it is declared: in a file, or by the mark of a test."""
        return self.allowance.where or self.group


def list_stale(
    verdicts: Iterable[Verdict], *, is_whole: bool = False
) -> tuple[StaleAllowance, ...]:
    """List the allowances that no group of a run needed.

    With `is_whole`, where all tests ran, also those of which nothing of the name was compared.
    """
    given = tuple(verdicts)
    used = {each.allowance for verdict in given for each in verdict.allowed}
    found: dict[Allowance, StaleAllowance] = {}
    for verdict in given:
        for each in verdict.stale:
            if each not in used and each not in found:
                found[each] = StaleAllowance(allowance=each, group=verdict.group, was_compared=True)
    for verdict in given if is_whole else ():
        for each in (a for member in verdict.compared for a in member.rules.allowances):
            if each not in used and each not in found:
                found[each] = StaleAllowance(
                    allowance=each, group=verdict.group, was_compared=False
                )
    return tuple(found.values())
