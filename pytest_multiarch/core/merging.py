"""Merging records of separate jobs, and judging what they make together.

Merging is a union in which duplicates are resolved by an order: associative, commutative,
idempotent. Verdicts are computed from what is left, by the comparison that judges one process.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING

from pytest_multiarch.core.blame import Cause
from pytest_multiarch.core.budgets import judge_budgets
from pytest_multiarch.core.comparison import Comparison, Finding
from pytest_multiarch.core.diagnosis import Diagnosis
from pytest_multiarch.core.inspected import ImageVerdict, judge_images
from pytest_multiarch.core.known_differences import excuses
from pytest_multiarch.core.member import Member, Outcome, resolve_duplicates
from pytest_multiarch.core.parity import Verdict, VerdictKind
from pytest_multiarch.core.record import IdleGroup, Record, Run, order_runs
from pytest_multiarch.core.settling import judge_group

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pytest_multiarch.core.budgets import JudgedBudget
    from pytest_multiarch.core.platform import Platform


def merge_records(records: Iterable[Record]) -> Record:
    """Merge records, given in any order, also those that were merged before."""
    given = tuple(records)
    members = resolve_duplicates(member for each in given for member in each.members)
    groups = {each.group for each in members}
    idle = {each for record in given for each in record.idle if each.group not in groups}
    used = {each.run for each in members} | {each.run for each in idle}
    runs: dict[str, Run] = {}
    for run in (run for each in given for run in each.runs):
        if run.id in used or not run.tests:
            known = runs.get(run.id)
            runs[run.id] = run if known is None else max(run, known, key=order_runs)
    return Record(
        runs=tuple(sorted(runs.values(), key=lambda run: (run.started_at_s, run.id))),
        members=members,
        idle=tuple(sorted(idle)),
    )


def name_runs(runs: Iterable[Run]) -> dict[str, str]:
    """Give runs' names by their ids; of several with one name, each says a part of its id."""
    given = tuple(runs)
    counts = Counter(each.name for each in given)
    return {
        each.id: each.name if counts[each.name] == 1 else f"{each.name} ({each.id[:8]})"
        for each in given
    }


class MismatchKind(Enum):
    """Why runs say nothing about each other; the values are what the command line allows."""

    COMMIT = "commit"
    TESTS = "tests"
    IMAGE = "image"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """Something that runs disagree about: `what`, and what each of the `runs` has of it."""

    kind: MismatchKind
    what: str
    runs: Mapping[str, tuple[str, ...]]


def find_mismatches(record: Record) -> tuple[Mismatch, ...]:
    """Find what makes a comparison of runs nonsense.

    That is another commit, another text of a test file that both have, or other images under one
    name: one run found another digest for a platform than its index in another run says, or than
    another run of that platform found.
    """
    return (
        *_find_differing(MismatchKind.COMMIT, "the commit", record.runs, lambda run: run.commit),
        *_find_differing(
            MismatchKind.TESTS, "the root folder of the tests", record.runs, _name_root
        ),
        *_find_differing_sources(record.runs),
        *_find_differing_images(record),
    )


def _find_differing(
    kind: MismatchKind, what: str, runs: Iterable[Run], read: Callable[[Run], str]
) -> Iterator[Mismatch]:
    given = tuple(runs)
    names = name_runs(given)
    found: dict[str, list[str]] = {}
    for run in given:
        value = read(run)
        if value:
            found.setdefault(value, []).append(names[run.id])
    if len(found) > 1:
        yield Mismatch(kind=kind, what=what, runs={v: tuple(n) for v, n in found.items()})


def _find_differing_sources(runs: tuple[Run, ...]) -> Iterator[Mismatch]:
    for path in sorted({path for run in runs for path in run.sources}):
        yield from _find_differing(MismatchKind.TESTS, path, runs, partial(_read_source, path))


def _name_root(run: Run) -> str:
    """Give the folder that ids start at, where it is known."""
    return f"/{run.root}" if run.commit else ""


def _read_source(path: str, run: Run) -> str:
    return run.sources.get(path, "")


def _find_differing_images(record: Record) -> Iterator[Mismatch]:
    """Compare what was run, and what an index offered, platform by platform; name one that ran."""
    names = name_runs(record.runs)
    found: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for member in record.members:
        variant = member.variant
        if variant is not None and variant.kind == "manifest":
            key = variant.reference, str(member.platform)
            found[key][variant.digest].add(names.get(member.run, member.run))
    ran = set(found)
    for run in record.runs:
        for reference, image in run.images.items():
            for platform, digest in image["platforms"].items():
                found[reference, platform][digest].add(names[run.id])
    differing: dict[str, tuple[str, dict[str, set[str]]]] = {}
    for reference, platform in sorted(found, key=lambda each: (each not in ran, each)):
        digests = found[reference, platform]
        if len(digests) > 1:
            differing.setdefault(reference, (platform, digests))
    for reference, (platform, digests) in differing.items():
        yield Mismatch(
            kind=MismatchKind.IMAGE,
            what=f"{reference} for {platform}",
            runs={digest: tuple(sorted(runs)) for digest, runs in digests.items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Twins:
    """One test on one platform, run natively and emulated.

    `is_alike`: both did the same, or nothing of them can be compared; `findings` are what they did
    differently, without what varies by itself. `ratio` is emulated to native time inside the
    containers, None where there was none.
    """

    native: Member
    emulated: Member
    is_alike: bool
    findings: tuple[Finding, ...] = ()
    ratio: float | None

    @property
    def diagnosis(self) -> Diagnosis | None:
        """Whose doing it is that one variant was not alike; None where it was, or there are two."""
        one, other = self.native.variant, self.emulated.variant
        if self.is_alike or one is None or other is None:
            return None
        if (one.kind, one.digest) != (other.kind, other.digest):
            return None
        return Diagnosis(
            platform=self.native.platform,
            cause=Cause.EMULATOR,
            evidence=("the same variant does not do it natively",),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignFailure:
    """A failed test that does not run on platforms; `outcome` is `failed` or `error`.

    `line` is where it stands in its file, 0 if that is not known.
    """

    run: Run
    outcome: str
    reason: str
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a record comes to.

    `images` is what looking at images came to. `idle` are groups that ran on no platform,
    `untested` the declared platforms on which nothing ran at all, `budgets` what became of the
    budgets of groups. `is_strict`: groups of which nothing could be compared are failures, and
    budgets that could not be decided.
    """

    record: Record
    verdicts: tuple[Verdict, ...]
    twins: tuple[Twins, ...]
    untested: tuple[Platform, ...]
    images: tuple[ImageVerdict, ...] = ()
    budgets: tuple[JudgedBudget, ...] = ()
    is_strict: bool = False

    @property
    def members(self) -> tuple[Member, ...]:
        """The members that count: one of each platform of a group."""
        return tuple(member for each in self.verdicts for member in each.members)

    @property
    def idle(self) -> tuple[IdleGroup, ...]:
        return tuple({each.group: each for each in self.record.idle}.values())

    @property
    def interrupted(self) -> tuple[Run, ...]:
        """The runs that did not come to their end."""
        return tuple(each for each in self.record.runs if not each.is_complete)

    @property
    def failed_twins(self) -> tuple[Member, ...]:
        """The members that failed emulated where the native run counts."""
        return tuple(t.emulated for t in self.twins if t.emulated.has_failed)

    @property
    def diverged(self) -> tuple[Verdict, ...]:
        return tuple(each for each in self.verdicts if each.kind is VerdictKind.DIVERGED)

    @property
    def uncompared(self) -> tuple[Verdict, ...]:
        """The groups that are failures since nothing of them could be compared."""
        return tuple(each for each in self.verdicts if self.is_strict and each.is_vacuous)

    @property
    def broken_budgets(self) -> tuple[JudgedBudget, ...]:
        """The budgets that are failures; in a strict run also those that could not be decided."""
        return tuple(
            each for each in self.budgets if each.is_exceeded or (self.is_strict and each.is_open)
        )

    @property
    def failed(self) -> tuple[Member, ...]:
        """The members that failed, whether they count or have a native twin that does."""
        return (*(each for each in self.members if each.has_failed), *self.failed_twins)

    @property
    def foreign_failures(self) -> Mapping[str, ForeignFailure]:
        """The failed tests that do not run on platforms, by id, each once."""
        found: dict[str, ForeignFailure] = {}
        for run in self.record.runs:
            for node_id, failure in run.failures.items():
                found.setdefault(node_id, ForeignFailure(run=run, **failure))
        return found

    @property
    def wrong_images(self) -> tuple[ImageVerdict, ...]:
        """The images that are failures; strictly, also those that could not be looked at."""
        return tuple(
            each for each in self.images if each.is_failure or (self.is_strict and each.notes)
        )

    @property
    def incomplete(self) -> tuple[Verdict, ...]:
        """The groups to which another job could add a platform."""
        return tuple(each for each in self.verdicts if list_missing(each))

    @property
    def has_failed(self) -> bool:
        """Whether something diverged, a test or a budget failed, or an image is not in order."""
        is_broken = self.uncompared or self.broken_budgets or self.wrong_images
        return bool(self.diverged or self.failed or is_broken or self.foreign_failures)

    @property
    def is_complete(self) -> bool:
        """Whether there are tests, every declared platform of each ran, and every run ended."""
        is_open = self.incomplete or self.untested or self.idle or self.interrupted
        return bool(self.verdicts) and not is_open


def judge_record(
    record: Record, *, is_strict: bool = False, fails_unstable: bool = False
) -> Judgement:
    """Compare every group of a record, its duplicates resolved, and settle what it comes to.

    With `fails_unstable` what varies by itself is a difference all the same.
    """
    groups = record.list_groups()
    verdicts = tuple(
        judge_group(groups[name], fails_unstable=fails_unstable) for name in sorted(groups)
    )
    judged = zip(sorted(groups), verdicts, strict=True)
    declared = {platform for each in record.members for platform in each.declared}
    declared |= {platform for each in record.idle for platform in each.declared}
    ran = {each.platform for each in record.members if each.outcome.has_run}
    return Judgement(
        record=record,
        verdicts=verdicts,
        twins=tuple(
            twins for name, verdict in judged for twins in _pair_twins(groups[name], verdict)
        ),
        untested=tuple(sorted(declared - ran)),
        images=judge_images((each.inspected for each in record.runs), record.members),
        budgets=tuple(one for name in sorted(groups) for one in judge_budgets(groups[name])),
        is_strict=is_strict,
    )


def is_failure(verdict: Verdict) -> bool:
    """Whether a verdict is one that fails a run: a divergence, or a test that failed."""
    return verdict.kind is VerdictKind.DIVERGED or any(each.has_failed for each in verdict.members)


def list_missing(verdict: Verdict) -> tuple[Platform, ...]:
    """Give the declared platforms of a group on which no job ran, or skipped, its test."""
    settled = {m.platform for m in verdict.members if m.outcome is not Outcome.NOT_RUN}
    return tuple(each for each in verdict.declared if each not in settled)


def _pair_twins(members: list[Member], verdict: Verdict) -> Iterator[Twins]:
    varying = {(each.kind, each.label, each.number, each.part) for each in verdict.unstable}
    native = {each.platform: each for each in members if each.is_native}
    for emulated in members:
        other = native.get(emulated.platform)
        if other is None or not emulated.is_emulated:
            continue
        if not (other.outcome.has_run and emulated.outcome.has_run):
            continue
        has_times = other.inside_s > 0 and emulated.inside_s > 0
        is_comparable = other.outcome.is_comparable and emulated.outcome.is_comparable
        found = _find_findings(other, emulated) if is_comparable else ()
        findings = tuple(e for e in found if (e.kind, e.label, e.number, e.part) not in varying)
        yield Twins(
            native=other,
            emulated=emulated,
            is_alike=not findings if is_comparable else other.outcome is emulated.outcome,
            findings=findings,
            ratio=emulated.inside_s / other.inside_s if has_times else None,
        )


def _find_findings(native: Member, emulated: Member) -> tuple[Finding, ...]:
    comparison = Comparison(native, emulated)
    comparison.run()
    return tuple(
        each
        for each in comparison.findings
        if not any(
            allowance.covers(each.label, each.part, native.platform)
            and excuses(
                allowance, each.part, (native.platform, each.ours), (native.platform, each.theirs)
            )
            for allowance in comparison.allowances
        )
    )
