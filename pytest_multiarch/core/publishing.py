"""What of a record may be published: the variants that were tested, or why not.

A pure decision: what it needs of registries and engines comes later, by the digests it gives.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.merging import find_mismatches, judge_record, list_missing
from pytest_multiarch.core.parity import VerdictKind
from pytest_multiarch.core.shown_text import show_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_multiarch.core.inspected import ImageVerdict
    from pytest_multiarch.core.member import Member, VariantIdentity
    from pytest_multiarch.core.merging import Judgement
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.record import Record
    from pytest_multiarch.core.variant import DigestKind

_MOST_LISTED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One reason why nothing is published: what is wrong, and what mends it."""

    what: str
    cure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestedVariant:
    """One variant as the record says that it was tested.

    `digest` is of `kind`; `config_digest` and `index` (the digest of the index that it was found
    by) are empty where the record does not know them. `pin` and `reference` are what it was found
    under. `executions` say how it ran (`native`, `qemu 7.2.22`), `tests` how many tests passed on
    it.
    """

    __test__ = False  # pytest would take it for a class of tests

    platform: Platform
    reference: str
    kind: DigestKind
    digest: str
    config_digest: str = ""
    index: str = ""
    pin: str = ""
    executions: tuple[str, ...] = ()
    is_native: bool = False
    tests: int = 0

    @property
    def came_from_registry(self) -> bool:
        """Whether it was found by its own digest in a registry, not under a name in an engine."""
        return self.kind == "manifest" and self.pin.endswith(f"@{self.digest}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishPlan:
    """What would be published of a record: `variants`, unless there are `refusals`.

    `image` is the reference that was tested; `notes` are worth saying.
    """

    image: str
    variants: tuple[TestedVariant, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedVariant:
    """A variant as it was published.

    `digest` is that of its manifest, `config_digest` that of its config. `source` says where its
    content came from. Sizes are in bytes: of all its content, and of what had to be sent; what is
    `sent` of content that variants share counts for the first of them.
    """

    tested: TestedVariant
    digest: str
    config_digest: str
    source: str
    attestations: tuple[str, ...] = ()
    size: int = 0
    sent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What became of a plan.

    `digest` is that of the index, `previous` what the tag named before, empty for nothing.
    `is_as_tested`: the index is, byte by byte, the one that was tested. `is_done`: the tag names
    it; else it was refused, or only tried (a dry run).
    """

    tag: str
    digest: str = ""
    previous: str = ""
    is_as_tested: bool = False
    is_done: bool = False
    variants: tuple[PublishedVariant, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()


def plan_publication(
    record: Record,
    *,
    image: str = "",
    required: Sequence[Platform] = (),
    requires_native: bool = False,
    is_strict: bool = False,
) -> PublishPlan:
    """Decide what of a record may be published.

    `required` are platforms that have to be tested, beside those that its tests declare;
    `requires_native` refuses platforms that were tested under emulation only; `is_strict` also
    groups of which nothing was compared.

    Raises:
        UsageError: the record is of several images, or not of `image`.
    """
    chosen = _choose_image(record, image)
    judgement = judge_record(record, is_strict=is_strict)
    planner = _Planner(judgement, chosen)
    planner.look_at_run()
    platforms = tuple(dict.fromkeys((*planner.list_tested(), *required)))
    variants = tuple(filter(None, (planner.look_at(each, requires_native) for each in platforms)))
    planner.look_at_comparison(variants)
    return PublishPlan(
        image=chosen,
        variants=variants,
        refusals=tuple(planner.refusals),
        notes=tuple(planner.notes),
    )


def _choose_image(record: Record, image: str) -> str:
    tested = tuple(dict.fromkeys(m.variant.reference for m in record.members if m.variant))
    if image:
        if image not in tested:
            raise UsageError(
                f"the record is not of {image}; it is of {_list(tested) or 'no image'}",
                cure="give --image one of these",
            )
        return image
    if len(tested) > 1:
        raise UsageError(
            f"the record is of several images: {_list(tested)}",
            cure="say which of them to publish: --image REF",
        )
    return tested[0] if tested else ""


@dataclass(kw_only=True)
class _Findings:
    refusals: list[Refusal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def refuse(self, what: str, cure: str) -> None:
        self.refusals.append(Refusal(what=what, cure=cure))


class _Planner(_Findings):
    def __init__(self, judgement: Judgement, image: str) -> None:
        super().__init__()
        self._judgement = judgement
        self._image = image
        self._members = [
            member
            for member in judgement.record.members
            if member.variant and member.variant.reference == image
        ]

    def list_tested(self) -> tuple[Platform, ...]:
        """Give the platforms that tests of the image declare, or ran on, in their order."""
        declared = (platform for member in self._members for platform in member.declared)
        return tuple(dict.fromkeys((*declared, *(member.platform for member in self._members))))

    def look_at_run(self) -> None:
        """Refuse what is wrong with the record as a whole."""
        judgement = self._judgement
        if not self._members:
            self.refuse(
                "the record says of no image that a test ran on it",
                "run the tests of the image with pytest --multiarch-record=FILE",
            )
        for mismatch in find_mismatches(judgement.record):
            found = "; ".join(
                f"{show_text(digest)} in {_list(runs)}" for digest, runs in mismatch.runs.items()
            )
            self.refuse(
                f"the runs disagree about {show_text(mismatch.what)}: {found}",
                "test one commit and one image in all jobs, and publish their records alone",
            )
        for run in judgement.interrupted:
            how = "was interrupted" if run.ended else "was killed, or still goes on"
            self.refuse(
                f"the run {show_text(run.name)} {how}: what it would have found is not known",
                "let the tests run to their end, and give the record of that",
            )
        self._refuse_failures()
        self._refuse_gaps()

    def _refuse_failures(self) -> None:
        judgement = self._judgement
        look = "pytest-multiarch report RECORD shows it in full"
        if judgement.diverged:
            names = _list(each.group for each in judgement.diverged)
            self.refuse(f"the platforms diverged in {names}", look)
        if judgement.failed:
            self.refuse(f"tests failed: {_list(each.node_id for each in judgement.failed)}", look)
        if judgement.foreign_failures:
            names = _list(judgement.foreign_failures)
            self.refuse(f"tests that do not run on platforms failed: {names}", look)
        if judgement.broken_budgets:
            names = _list(each.member.node_id for each in judgement.broken_budgets)
            self.refuse(f"overhead budgets did not hold in {names}", look)
        if judgement.uncompared:
            names = _list(each.group for each in judgement.uncompared)
            self.refuse(f"nothing could be compared in {names}", "publish without --strict")
        for image in judgement.wrong_images:
            found = (
                *(each.what for each in image.index),
                *(f"{each.subject} differs" for each in image.open_differences),
                *(image.notes if judgement.is_strict else ()),
            )
            self.refuse(f"{show_text(image.reference)} is not in order: {_list(found)}", look)

    def _refuse_gaps(self) -> None:
        judgement = self._judgement
        missing: dict[Platform, list[str]] = {}
        for verdict in judgement.incomplete:
            for platform in list_missing(verdict):
                missing.setdefault(platform, []).append(verdict.group)
        for idle in judgement.idle:
            for platform in idle.declared:
                missing.setdefault(platform, []).append(idle.group)
        for platform, groups in missing.items():
            self.refuse(
                f"{platform} was not tested by {_list(groups)}, which declare it",
                f"run them there too (--multiarch-platforms={platform}), and give both records",
            )

    def look_at(self, platform: Platform, requires_native: bool) -> TestedVariant | None:
        """Give the variant of a platform, or refuse."""
        members = [each for each in self._members if each.platform == platform]
        passed = [each for each in members if each.outcome.is_comparable and not each.has_failed]
        if not passed:
            what = "no test passed on it" if members else "it was not tested"
            self.refuse(
                f"{platform} is required, and {what}",
                f"test it: pytest --multiarch-platforms={platform} --multiarch-record=FILE",
            )
            return None
        identity = self._choose_identity(platform, members)
        if identity is None:
            return None
        is_native = any(each.is_native for each in passed)
        executions = tuple(dict.fromkeys(str(m.execution) for m in passed if m.execution))
        if requires_native and not is_native:
            self.refuse(
                f"{platform} was tested only under emulation ({_list(executions)}), and "
                "--require-native asks for more",
                "run its tests on a machine of that architecture, and give that record too",
            )
        self._look_at_audit(platform)
        return TestedVariant(
            platform=platform,
            reference=self._image,
            kind="manifest" if identity.kind == "manifest" else "config",
            digest=identity.digest,
            config_digest=identity.config_digest,
            index=identity.index,
            pin=identity.pin,
            executions=executions,
            is_native=is_native,
            tests=len({each.group for each in passed}),
        )

    def _choose_identity(
        self, platform: Platform, members: Iterable[Member]
    ) -> VariantIdentity | None:
        """Give the one image that all members of a platform ran.

        Where some know its manifest and others its config only, the configs are compared.
        """
        found = {(m.variant.kind, m.variant.digest): m.variant for m in members if m.variant}
        manifests = [each for each in found.values() if each.kind == "manifest"]
        configs = {each.config_digest for each in found.values()}
        if len(found) == 1 or (len(manifests) == 1 and len(configs) == 1 and "" not in configs):
            return manifests[0] if manifests else next(iter(found.values()))
        self.refuse(
            f"tests of {platform} ran on different images: "
            f"{_list(each.digest for each in found.values())}",
            "test one image, and publish the record of that alone",
        )
        return None

    def _look_at_audit(self, platform: Platform) -> None:
        verdict: ImageVerdict | None = next(
            (each for each in self._judgement.images if each.reference == self._image), None
        )
        audits = [each for each in verdict.audits if each.platform == platform] if verdict else []
        if not audits:
            why = "; ".join(show_text(each) for each in verdict.notes) if verdict else ""
            self.refuse(
                f"the files of {platform} were not audited{f' ({why})' if why else ''}",
                "test with the audit on: no --multiarch-audit=off, no scope off in multiarch.yaml",
            )
        for audit in audits:
            if audit.open_findings:
                names = _list(f"{each.path} ({each.found})" for each in audit.open_findings)
                self.refuse(
                    f"{platform} holds files that are wrong for it: {names}",
                    f"mend them, or allow them with a reason; pytest-multiarch inspect "
                    f"{self._image} shows more",
                )

    def look_at_comparison(self, variants: Sequence[TestedVariant]) -> None:
        """Refuse platforms of which nothing was compared with another; note what was not."""
        if len(variants) > 1:
            for variant in variants:
                if variant.platform not in self._list_compared():
                    self.refuse(
                        f"nothing of {variant.platform} was compared with another platform",
                        "have a test run on it and on another platform, with the same image",
                    )
        vacuous = [each.group for each in self._judgement.verdicts if each.is_vacuous]
        if vacuous:
            self.notes.append(f"not compared: {_list(vacuous)}")
        for variant in variants:
            if not variant.is_native:
                how = _list(variant.executions) or "nobody knows how"
                self.notes.append(f"{variant.platform} was tested only under emulation ({how})")
        if untested := self._list_untested(variants):
            self.notes.append(f"not tested, and left out: {_list(untested)}")

    def _list_compared(self) -> frozenset[Platform]:
        return frozenset(
            member.platform
            for verdict in self._judgement.verdicts
            if verdict.kind in (VerdictKind.EQUAL, VerdictKind.DIVERGED)  # refused for itself
            for member in verdict.compared
            if member.variant and member.variant.reference == self._image
        )

    def _list_untested(self, variants: Sequence[TestedVariant]) -> tuple[str, ...]:
        """Give the platforms of the tested index that are left out."""
        there = {str(each.platform) for each in variants}
        runs = self._judgement.record.runs
        tables = [(run.images.get(self._image) or {}).get("platforms", {}) for run in runs]
        return tuple(sorted({name for table in tables for name in table} - there))


def _list(names: Iterable[str]) -> str:
    shown = [show_text(each) for each in dict.fromkeys(names)]
    more = f" and {len(shown) - _MOST_LISTED} more" if len(shown) > _MOST_LISTED else ""
    return ", ".join(shown[:_MOST_LISTED]) + more
