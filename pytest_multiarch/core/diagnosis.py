"""Diagnosis: why members of a group did not do the same, and by what evidence.

Three things look alike: the variants really behave differently, the emulator did it, or the
program varies by itself. Calls made again tell them apart. What varies on the baseline by itself is
learned from its repeats (`core.variation`), and no difference if it varies in the same way
elsewhere. What is left is the emulator's if the baseline's own variant does it too once it is
emulated (the control).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from pytest_multiarch.core.comparison import Comparison
from pytest_multiarch.core.observation import find_differing_parts
from pytest_multiarch.core.parity import Difference, Verdict, VerdictKind, choose_baseline
from pytest_multiarch.core.proposals import propose
from pytest_multiarch.core.shapes import is_likely
from pytest_multiarch.core.variation import Unlike, Variation, learn_text

if TYPE_CHECKING:
    from pytest_multiarch.core.member import Member
    from pytest_multiarch.core.observation import Observation
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.repeats import Repeats


class Cause(Enum):
    """Whose doing a difference is; the values are what users read.

    `UNSTABLE`: the program does the same everywhere, and varies by itself. `UNCONFIRMED`: there is
    no evidence, and the diagnosis says why.
    """

    IMAGE = "image"
    EMULATOR = "emulator"
    UNSTABLE = "unstable"
    UNCONFIRMED = "unconfirmed"


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


class FaultFound(Protocol):
    """A fault of an emulator's that its words or an exit code show."""

    @property
    def name(self) -> str: ...
    @property
    def says(self) -> str: ...
    @property
    def cure(self) -> str: ...
    @property
    def is_random(self) -> bool: ...


FindFaults = Callable[[str, "int | None"], Iterable[FaultFound]]
"""Finds the faults that a stderr (or the reason of a failure) and an exit code show."""


def find_no_faults(text: str, exit_code: int | None) -> tuple[FaultFound, ...]:
    """Know no faults."""
    del text, exit_code
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
    evidence = _Evidence(verdict, tuple(repeats), find_faults)
    if verdict.kind is VerdictKind.FAILED_APART:
        failed = tuple(evidence.judge_failure(each) for each in _list_failed(verdict))
        return replace(verdict, diagnoses=failed)
    if verdict.kind is not VerdictKind.DIVERGED:
        return verdict
    left: list[Difference] = []
    unstable: list[Difference] = []
    emulated: list[Difference] = []
    diagnoses: list[Diagnosis] = []
    for difference in verdict.differences:
        found = {each: evidence.judge(difference, each) for each in difference.others}
        diagnoses += found.values()
        for kept, is_wanted in (
            (unstable, _is_unstable),
            (emulated, _is_emulators),
            (left, _is_open),
        ):
            platforms = {p for p, each in found.items() if is_wanted(each)}
            seen = {
                p: what
                for p, what in difference.seen.items()
                if p == difference.baseline or p in platforms
            }
            if platforms:
                kept.append(replace(difference, seen=seen))
    if fails_unstable:
        left, unstable = _restore(verdict.differences, [*left, *unstable]), []
    failed = tuple(evidence.judge_failure(each) for each in _list_failed(verdict))
    kind = VerdictKind.DIVERGED
    if not left:
        kind = VerdictKind.NOT_COMPARED if emulated else VerdictKind.EQUAL
    if kind is VerdictKind.EQUAL and failed:
        kind = VerdictKind.FAILED_APART
    return replace(
        verdict,
        kind=kind,
        differences=tuple(left),
        unstable=tuple(unstable),
        emulated=tuple(emulated),
        diagnoses=(*diagnoses, *failed),
    )


def _is_unstable(diagnosis: Diagnosis) -> bool:
    return diagnosis.cause is Cause.UNSTABLE


def _is_emulators(diagnosis: Diagnosis) -> bool:
    return diagnosis.cause is Cause.EMULATOR and diagnosis.is_proven


def _is_open(diagnosis: Diagnosis) -> bool:
    return not _is_unstable(diagnosis) and not _is_emulators(diagnosis)


def _restore(differences: Iterable[Difference], parts: list[Difference]) -> list[Difference]:
    """Give differences, of their platforms those that are in some part."""
    restored = []
    for each in differences:
        platforms = {p for part in parts if _name(part) == _name(each) for p in part.seen}
        if platforms:
            restored.append(
                replace(each, seen={p: e for p, e in each.seen.items() if p in platforms})
            )
    return restored


def _name(difference: Difference) -> tuple[str, str, int, str]:
    return difference.kind, difference.label, difference.number, difference.part


def list_suspects(verdict: Verdict) -> tuple[Difference, ...]:
    """List the calls that are worth making again: what differs, and what failed members did.

    A test that failed on some platform is about the calls in which it differs from one that passed.
    """
    failed = (find_suspects(verdict, each) for each in _list_failed(verdict))
    return (*verdict.differences, *(each for several in failed for each in several))


def _list_failed(verdict: Verdict) -> tuple[Member, ...]:
    """Give the members that failed where another one passed."""
    if not any(each.outcome.is_comparable for each in verdict.members):
        return ()
    return tuple(each for each in verdict.members if each.outcome.is_failure)


def find_suspects(verdict: Verdict, member: Member) -> tuple[Difference, ...]:
    """Find in what calls a failed member differs from the baseline of those that passed.

    A call that it did not make any more is one in which it may have ended.
    """
    baseline = choose_baseline(e for e in verdict.members if e.outcome.is_comparable)
    comparison = Comparison(baseline, member)
    comparison.run()
    findings = sorted(comparison.findings, key=lambda each: each.order)
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
        for each in findings
    )


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What is known of a group's calls."""

    verdict: Verdict
    repeats: tuple[Repeats, ...]
    find_faults: FindFaults

    def judge(self, difference: Difference, platform: Platform) -> Diagnosis:
        """Say why a platform differs from the baseline."""
        found = self._judge(difference, platform)
        return replace(
            found,
            label=difference.label,
            kind=difference.kind,
            number=difference.number,
            part=difference.part,
        )

    def judge_failure(self, member: Member) -> Diagnosis:
        """Say why a member failed where another one passed: by the first call that tells."""
        suspects = find_suspects(self.verdict, member)
        found = [self.judge(each, member.platform) for each in suspects]
        certain = [each for each in found if each.cause is not Cause.UNCONFIRMED]
        blamed = [each for each in certain if each.cause is not Cause.UNSTABLE]
        if blamed or certain or found:
            return (blamed or certain or found)[0]
        faults = self._name_faults(member, member.reason, None)
        if faults:
            return Diagnosis(platform=member.platform, cause=Cause.EMULATOR, evidence=faults)
        return Diagnosis(
            platform=member.platform,
            cause=Cause.UNCONFIRMED,
            evidence=("no recorded call did anything else there than on the baseline",),
        )

    def _judge(self, difference: Difference, platform: Platform) -> Diagnosis:
        case = self._gather(difference, platform)
        if isinstance(case, str):
            return Diagnosis(platform=platform, cause=Cause.UNCONFIRMED, evidence=(case,))
        faults = self._find_faults(case)
        unlike = case.find_unlike()
        if unlike is None:
            return _call_unstable(case)
        told = _describe_repeats(case, unlike)
        if case.is_native:
            return Diagnosis(
                platform=platform,
                cause=Cause.IMAGE,
                is_proven=True,
                evidence=(*told, f"{platform} ran natively"),
            )
        return _blame(case, told, faults)

    def _gather(self, difference: Difference, platform: Platform) -> _Case | str:
        """Gather what a call did each time; or say why that is not enough."""
        if difference.kind == "check":
            return "a value that the test checks itself cannot be made again"
        if difference.part == "calls":
            return "how often a call is made is the test's own doing, and cannot be made again"
        baseline = difference.baseline
        ours, theirs = difference.seen[baseline], difference.seen[platform]
        if ours is None or theirs is None:
            return "the call was made on one side only"
        again = [e for e in self.repeats if _is_of(e, difference, ours, theirs)]
        problems = [each.problem for each in again if each.problem]
        mine = [e for e in again if e.platform == baseline and not e.is_control]
        its = [e for e in again if e.platform == platform and not e.is_control]
        control = [e for e in again if e.platform == baseline and e.is_control]
        if not any(each.observations for each in mine):
            return (
                problems[0]
                if problems
                else (
                    "the call was not made again (--multiarch-repeat 3 has every job repeat its calls)"
                )
            )
        return _Case(
            part=difference.part,
            baseline=self._find_member(baseline),
            other=self._find_member(platform),
            ours=(ours, *(o for each in mine for o in each.observations)),
            theirs=(theirs, *(o for each in its for o in each.observations)),
            control=tuple(o for each in control for o in each.observations),
            is_whole_tree=all(each.is_whole_tree for each in control),
            problems=tuple(dict.fromkeys(each.problem for each in control if each.problem)),
        )

    def _find_member(self, platform: Platform) -> Member:
        return self.verdict.find_member(platform)

    def _find_faults(self, case: _Case) -> tuple[str, ...]:
        observation = case.theirs[0]
        stream = observation.stderr
        excerpt = stream and (stream.raw or stream.excerpt)
        text = f"{excerpt.head}{excerpt.tail}" if excerpt else ""
        return self._name_faults(case.other, text, observation.exit_code)

    def _name_faults(self, member: Member, text: str, exit_code: int | None) -> tuple[str, ...]:
        if not member.is_emulated:
            return ()
        return tuple(f"{e.says}; {e.cure}" for e in self.find_faults(text, exit_code))


def _is_of(
    repeats: Repeats, difference: Difference, ours: Observation, theirs: Observation
) -> bool:
    """Whether a call is the one that differs; a label can hold a platform's own names."""
    if (repeats.kind, repeats.number) != (difference.kind, difference.number):
        return False
    return repeats.label in (difference.label, ours.label, theirs.label)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """What one part of a call did each time: on the baseline, on another platform, as control.

    The first of each is what the test saw. `problems` say why there is no control.
    """

    part: str
    baseline: Member
    other: Member
    ours: tuple[Observation, ...]
    theirs: tuple[Observation, ...]
    control: tuple[Observation, ...]
    is_whole_tree: bool
    problems: tuple[str, ...]
    _learned: list[Variation] = field(default_factory=list)

    @property
    def is_native(self) -> bool:
        """Whether no emulator had a part in it."""
        return self.baseline.is_native and self.other.is_native

    @property
    def platforms(self) -> tuple[Platform, Platform]:
        return self.baseline.platform, self.other.platform

    def learn(self) -> Variation | None:
        """Learn how the output varies on the baseline; None if it is too long to be looked at."""
        if not self._learned:
            texts = [read_text(each, self.part) for each in self.ours]
            known = [each for each in texts if each is not None]
            if len(known) < len(texts):
                return None
            self._learned.append(learn_text(known, self.baseline.platform))
        return self._learned[0]

    def agree(self, one: Observation, other: Observation, *platforms: Platform) -> bool:
        """Tell whether two observations are the same in this part."""
        return self.part not in find_differing_parts(one, other, *platforms, parts=(self.part,))

    def is_constant(self) -> bool:
        """Tell whether the baseline did the same each time."""
        home = self.baseline.platform
        return all(self.agree(self.ours[0], each, home, home) for each in self.ours)

    def find_unlike(
        self, others: tuple[Observation, ...] = (), *, home: bool = False
    ) -> Unlike | None:
        """Say how others are unlike what the baseline does; None if they vary as it does."""
        given = others or self.theirs
        platform = self.platforms[0 if home else 1]
        if self.is_constant():
            odd = [e for e in given if not self.agree(self.ours[0], e, self.platforms[0], platform)]
            if not odd:
                return None
        if self.part == "exit":
            ours, theirs = ([str(e.exit_code) for e in each] for each in (self.ours, given))
            new = [each for each in theirs if each not in ours]
            if is_likely(theirs, ours) and not any(map(_is_signal, new)):
                return None
            return Unlike(f"{new[0]} never comes on {self.platforms[0]}")
        learned = self.learn()
        texts = [read_text(each, self.part) for each in given]
        known = [each for each in texts if each is not None]
        if learned is None or len(known) < len(texts):
            return Unlike("it is too long to be looked at")
        return learned.find_unlike(known, platform)


def _is_signal(code: str) -> bool:
    return code.isdigit() and 128 < int(code) < 128 + 32


def read_text(observation: Observation, part: str) -> str | None:
    """Give an output as it is compared; None if it was not kept whole."""
    stream = observation.find_stream(part)
    if stream is None or not stream.is_whole or not stream.excerpt.is_whole:
        return None
    return stream.excerpt.head


def _call_unstable(case: _Case) -> Diagnosis:
    learned = case.learn() if case.part != "exit" else None
    codes = ", ".join(sorted({str(each.exit_code) for each in case.ours}))
    shown = learned.show() if learned else (f"exit codes on {case.baseline.platform}: {codes}",)
    how = f", in {learned.how}" if learned and learned.how else ""
    told = f"it varies by itself on {case.baseline.platform}{how}: made {len(case.ours)} times"
    return Diagnosis(
        platform=case.other.platform,
        cause=Cause.UNSTABLE,
        evidence=(told, *shown),
        proposals=propose(case.part, case.ours, case.theirs, case.platforms),
    )


def _describe_repeats(case: _Case, unlike: Unlike) -> tuple[str, ...]:
    home, other = case.platforms
    odd = sum(case.find_unlike((each,)) is not None for each in case.theirs)
    same = "it did the same each time" if case.is_constant() else "it varies by itself"
    number = len(case.theirs)
    times = "every time" if odd == number else f"{odd} of {number} times"
    return (
        f"made {len(case.ours)} times on {home}, {same}",
        f"made {number} time{'s' if number != 1 else ''} on {other}, it differed {times}",
        *((unlike.reason,) if unlike.reason and not case.is_constant() else ()),
    )


def _blame(case: _Case, told: tuple[str, ...], faults: tuple[str, ...]) -> Diagnosis:
    """Tell the emulator from the image by what the baseline's own variant does emulated."""
    home, platform = case.platforms

    def call(cause: Cause, *evidence: str, is_proven: bool = False) -> Diagnosis:
        return Diagnosis(
            platform=platform,
            cause=cause,
            is_proven=is_proven,
            evidence=(*told, *faults, *evidence),
        )

    if not case.baseline.is_native:
        return call(Cause.UNCONFIRMED, f"{home}, the baseline, was emulated itself")
    if not case.control:
        why = case.problems[0] if case.problems else "there was no control run"
        return call(Cause.EMULATOR if faults else Cause.UNCONFIRMED, why)
    deviating = [each for each in case.control if case.find_unlike((each,), home=True)]
    number = f"{len(deviating)} of {len(case.control)} times"
    if not deviating:
        return call(
            Cause.IMAGE,
            f"{home}'s own variant does not do it under the emulator; that says nothing of how "
            f"the emulator runs {platform}",
        )
    if any(case.agree(e, t, home, platform) for e in deviating for t in case.theirs):
        return call(
            Cause.EMULATOR,
            f"{home}'s own variant does the same under the emulator, {number}",
            is_proven=True,
        )
    return call(
        Cause.EMULATOR,
        f"{home}'s own variant differs under the emulator too, {number}, in another way",
    )
