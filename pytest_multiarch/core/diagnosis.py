"""Diagnosis: why members of a group did not do the same, and what becomes of their verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.blame import (
    Case,
    Cause,
    FaultFound,
    Side,
    blame_case,
    blame_missing,
    describe_fault,
)
from pytest_multiarch.core.comparison import Comparison, Finding
from pytest_multiarch.core.member import Refusal
from pytest_multiarch.core.parity import Difference, Verdict, VerdictKind, choose_baseline
from pytest_multiarch.core.rules import PARTS

if TYPE_CHECKING:
    from pytest_multiarch.core.member import Member
    from pytest_multiarch.core.observation import Observation
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.repeats import Repeats


__all__ = ["Cause", "Diagnosis", "FaultFound", "FindFaults", "diagnose"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Why one platform differs from the baseline in one call, or failed where others passed.

    `label`, `kind`, `number` and `part` name the observation as in `Difference`; `label` is empty
    for a member that failed by itself, with no call that tells why. `evidence` are sentences.
    `proposals` are lines that a user can add to the test so that the next run is quiet.
    """

    platform: Platform
    cause: Cause
    is_proven: bool = False
    evidence: tuple[str, ...] = ()
    proposals: tuple[str, ...] = ()
    label: str = ""
    kind: str = ""
    number: int = 1
    part: str = ""

    def __str__(self) -> str:
        if self.cause in (Cause.UNSTABLE, Cause.UNCONFIRMED):
            return str(self.cause.value)
        return f"{self.cause.value} ({'proven' if self.is_proven else 'likely'})"

    def is_about(self, difference: Difference) -> bool:
        """Whether it is about a difference, on one of its platforms."""
        ours = self.label, self.kind, self.number, self.part
        theirs = difference.label, difference.kind, difference.number, difference.part
        return ours == theirs and self.platform in difference.others

    def to_mapping(self) -> dict[str, Any]:
        """Give the JSON form."""
        certainty = "proven" if self.is_proven else "likely"
        is_blame = self.cause in (Cause.IMAGE, Cause.EMULATOR)
        return {
            "platform": str(self.platform),
            "cause": self.cause.value,
            **({"certainty": certainty} if is_blame else {}),
            **(
                {
                    "label": self.label,
                    "kind": self.kind,
                    "part": self.part,
                    "number": self.number,
                }
                if self.label
                else {}
            ),
            "evidence": list(self.evidence),
            **({"proposals": list(self.proposals)} if self.proposals else {}),
        }


FindFaults = Callable[["Member", "Observation | None"], Iterable[FaultFound]]
"""Finds the faults of which a call of a member shows signs; None is for the member as a whole."""


def find_no_faults(member: Member, observation: Observation | None) -> tuple[FaultFound, ...]:
    """Know no faults."""
    del member, observation
    return ()


def diagnose(
    verdict: Verdict,
    repeats: Iterable[Repeats],
    *,
    find_faults: FindFaults = find_no_faults,
    fails_unstable: bool = False,
) -> Verdict:
    """Settle a verdict by what its calls did when they were made again.

    What proves to be unstable is no difference any more, but `verdict.unstable`, unless
    `fails_unstable`; a group of which all that is left is proven to be the emulator's doing is not
    compared. The same evidence gives the same verdict, whoever gathered it: the session that ran
    the tests, or a merge of records.
    """
    judge = _Judge(verdict, tuple(repeats), find_faults)
    failures = tuple(map(judge.judge_failure, _list_failed(verdict)))
    if verdict.kind is not VerdictKind.DIVERGED:
        return replace(verdict, diagnoses=failures) if failures else verdict
    found = {
        (_name(difference), platform): judge.judge(difference, platform)
        for difference in verdict.differences
        for platform in difference.others
    }
    found |= _follow_ends(found)
    unstable = _select(verdict, found, lambda each: each.cause is Cause.UNSTABLE)
    emulated = _select(verdict, found, _is_emulators)
    left = _select(
        verdict,
        found,
        lambda each: (
            (fails_unstable or each.cause is not Cause.UNSTABLE) and not _is_emulators(each)
        ),
    )
    kind = VerdictKind.DIVERGED
    if not left:
        kind = VerdictKind.NOT_COMPARED if emulated else VerdictKind.EQUAL
        kind = VerdictKind.FAILED_APART if failures else kind
    return replace(
        verdict,
        kind=kind,
        differences=left,
        unstable=() if fails_unstable else unstable,
        emulated=emulated,
        diagnoses=(*found.values(), *failures),
    )


_Name = tuple[str, str, int, str]
_Found = dict[tuple[_Name, "Platform"], Diagnosis]


def _name(difference: Difference) -> _Name:
    return difference.kind, difference.label, difference.number, difference.part


def _is_emulators(diagnosis: Diagnosis) -> bool:
    return diagnosis.cause is Cause.EMULATOR and diagnosis.is_proven


def _select(
    verdict: Verdict, found: _Found, is_wanted: Callable[[Diagnosis], bool]
) -> tuple[Difference, ...]:
    """Give the differences of which some platforms are wanted, with these alone."""
    selected = []
    for each in verdict.differences:
        seen = {
            platform: what
            for platform, what in each.seen.items()
            if platform == each.baseline or is_wanted(found[_name(each), platform])
        }
        if len(seen) > 1:
            selected.append(replace(each, seen=seen))
    return tuple(selected)


def _follow_ends(found: _Found) -> _Found:
    """Say of the outputs of a call that the emulator ended that they follow from this."""
    ended = {
        (name[:3], platform): each
        for (name, platform), each in found.items()
        if each.part == "exit" and _is_emulators(each)
    }
    followed = {}
    for (name, platform), each in found.items():
        end = ended.get((name[:3], platform))
        is_open = each.cause in (Cause.EMULATOR, Cause.UNCONFIRMED) and not each.is_proven
        if end is not None and is_open:
            evidence = ("the emulator ended the program, see its exit code", *each.evidence)
            followed[name, platform] = replace(
                each, cause=Cause.EMULATOR, is_proven=True, evidence=evidence
            )
    return followed


def _list_failed(verdict: Verdict) -> tuple[Member, ...]:
    """Give the members that failed where another one passed, if their errors leave it open why."""
    if not any(each.outcome.is_comparable for each in verdict.members):
        return ()
    failed = (each for each in verdict.members if each.outcome.is_failure)
    return tuple(each for each in failed if each.refusal is not Refusal.OTHER)


def find_suspects(verdict: Verdict, member: Member) -> tuple[Difference, ...]:
    """Find in what calls a failed member differs from the baseline of those that passed.

    The last one that it made comes first: a test ends where it fails. A call that it did not make
    any more is told as `calls`, at the end.
    """
    baseline = choose_baseline(e for e in verdict.members if e.outcome.is_comparable)
    comparison = Comparison(baseline, member)
    comparison.run()
    made = tuple(member.observations)

    def rank(finding: Finding) -> tuple[int, int]:
        position = made.index(finding.theirs) if finding.theirs in made else -1
        return -position, PARTS.index(finding.part)

    ours, theirs = baseline.platform, member.platform
    return tuple(
        Difference(
            label=each.label,
            kind=each.kind,
            part=each.part,
            number=each.number,
            seen={ours: each.ours, theirs: each.theirs},
            counts={ours: each.counts[0], theirs: each.counts[1]},
        )
        for each in sorted(comparison.findings, key=rank)
    )


@dataclass(frozen=True, slots=True)
class _Judge:
    """Judges a group by what is known of its calls."""

    verdict: Verdict
    repeats: tuple[Repeats, ...]
    find_faults: FindFaults

    def judge(self, difference: Difference, platform: Platform) -> Diagnosis:
        """Say why a platform differs from the baseline."""
        return replace(
            self._judge(difference, platform),
            label=difference.label,
            kind=difference.kind,
            number=difference.number,
            part=difference.part,
        )

    def judge_failure(self, member: Member) -> Diagnosis:
        """Say why a member failed where another one passed: by the last call that tells."""
        if member.refusal is Refusal.IMAGE:
            return Diagnosis(
                platform=member.platform,
                cause=Cause.IMAGE,
                is_proven=True,
                evidence=("its image, or a program of it, was refused, as its error says",),
            )
        suspects = find_suspects(self.verdict, member)
        found = [self.judge(each, member.platform) for each in suspects]
        missed = [e for e in found if e.part == "calls" and e.cause is not Cause.UNCONFIRMED]
        if missed and _NO_END in member.reason:
            return missed[0]
        for causes in ((Cause.IMAGE, Cause.EMULATOR), (Cause.UNSTABLE,), (Cause.UNCONFIRMED,)):
            for each in found:
                if each.cause in causes and each.part != "calls":
                    return each
        if missed:
            return missed[0]
        faults = tuple(self.find_faults(member, None)) if member.is_emulated else ()
        is_known = any(not each.is_general for each in faults)
        return Diagnosis(
            platform=member.platform,
            cause=Cause.EMULATOR if is_known else Cause.UNCONFIRMED,
            evidence=(*map(describe_fault, faults), *self._explain_nothing(member, suspects)),
        )

    def _explain_nothing(self, member: Member, suspects: Iterable[Difference]) -> tuple[str, ...]:
        """Say why no call tells why a member failed."""
        missing = next(iter(suspects), None)
        if missing is None and member.observations:
            return ("nothing that it recorded differs from the baseline",)
        if missing is None:
            return ("no call of it was recorded",)
        why = f"it did not come to {_describe_call(missing)}, which the baseline made"
        if _NO_END in member.reason:
            why = f"{_describe_call(missing)} did not end, and the baseline's did"
        tried = next((e.problem for e in self._find_controls(missing) if e.problem), "")
        return (why, *([f"there was no control run: {tried}"] if tried else []))

    def _judge(self, difference: Difference, platform: Platform) -> Diagnosis:
        if difference.part == "calls":
            return self._judge_missing(difference, platform)
        case = self._gather(difference, platform)
        if isinstance(case, str):
            return Diagnosis(platform=platform, cause=Cause.UNCONFIRMED, evidence=(case,))
        found = blame_case(case)
        return Diagnosis(
            platform=platform,
            cause=found.cause,
            is_proven=found.is_proven,
            evidence=found.evidence,
            proposals=found.proposals,
        )

    def _judge_missing(self, difference: Difference, platform: Platform) -> Diagnosis:
        """Judge a call that was not made, or not observed since it did not end."""
        made = difference.seen[difference.baseline]
        if difference.seen[platform] is None and made is not None:
            reason = self.verdict.find_member(platform).reason
            for each in self._find_controls(difference):
                found = blame_missing(made, each, platform, has_no_end=_NO_END in reason)
                if found is not None:
                    return Diagnosis(
                        platform=platform,
                        cause=found.cause,
                        is_proven=found.is_proven,
                        evidence=found.evidence,
                    )
        return Diagnosis(
            platform=platform,
            cause=Cause.UNCONFIRMED,
            evidence=("how often a call is made is the test's own doing; no call tells why",),
        )

    def _find_controls(self, difference: Difference) -> Iterator[Repeats]:
        return (e for e in self.repeats if e.is_control and _is_of(e, difference, ()))

    def _gather(self, difference: Difference, platform: Platform) -> Case | str:
        """Gather what a call did each time; or say why that is not enough."""
        if difference.kind == "check":
            return "parity.check: a value of the test's own cannot be made again"
        home = difference.baseline
        ours, theirs = difference.seen[home], difference.seen[platform]
        if ours is None or theirs is None:
            return "the call was made on one platform only"
        again = [e for e in self.repeats if _is_of(e, difference, (ours, theirs))]
        sides = tuple(
            Side(
                self.verdict.find_member(where),
                (seen, *_list_made(e for e in again if e.platform == where and not e.is_control)),
            )
            for where, seen in ((home, ours), (platform, theirs))
        )
        if len(sides[0].made) < 2:
            problem = next((each.problem for each in again if each.problem), "")
            return f"the call could not be made again: {problem}" if problem else _NOT_REPEATED
        controls = [each for each in again if each.is_control]
        emulated = next((each for each in sides if each.member.is_emulated), None)
        faults = tuple(self.find_faults(emulated.member, emulated.made[0])) if emulated else ()
        return Case(
            part=difference.part,
            ours=sides[0],
            theirs=sides[1],
            control=tuple(_list_made(e for e in controls if e.platform in difference.seen)),
            is_whole_tree=all(each.is_whole_tree for each in controls),
            problem=next((each.problem for each in controls if each.problem), ""),
            faults=faults,
            is_fresh=difference.kind == "run",
            static_causes=tuple(
                dict.fromkeys(
                    cause
                    for each in again
                    if each.platform == platform
                    for cause in each.static_causes.get(home, ())
                )
            ),
            control_faults=frozenset(
                fault.name
                for each in _list_made(controls)
                if emulated is not None
                for fault in self.find_faults(emulated.member, each)
            ),
        )


_NO_END = "did not end within"
"""What a test's error says of a call that was not over by its deadline."""
_NOT_REPEATED = "the call was not made again (--multiarch-repeat 3 has every job do so)"


def _list_made(repeats: Iterable[Repeats]) -> tuple[Observation, ...]:
    return tuple(made for each in repeats for made in each.observations)


def _is_of(repeats: Repeats, difference: Difference, seen: Iterable[Observation]) -> bool:
    """Whether a call is the one that differs; a label can hold a platform's own names."""
    if (repeats.kind, repeats.number) != (difference.kind, difference.number):
        return False
    return repeats.label in (difference.label, *(each.label for each in seen))


def _describe_call(difference: Difference) -> str:
    label = difference.label.removeprefix(f"{difference.kind}: ")
    return f'"{label}"' + (f", call {difference.number}" if difference.number > 1 else "")
