"""What looking at images came to: their files, their indexes, how their variants differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_multiarch.reports.page.text import show

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_multiarch.core.audit import AuditReport, FileFinding
    from pytest_multiarch.core.inspected import ImageVerdict
    from pytest_multiarch.core.merging import Judgement
    from pytest_multiarch.core.platform import Platform

_MOST_IMAGES = 100
_MOST_ROWS = 200


@dataclass(frozen=True, slots=True)
class FindingView:
    """What is wrong with a file, and whether nothing allows it."""

    text: str
    is_open: bool


@dataclass(frozen=True, slots=True)
class AuditView:
    """An audited variant: what was looked at, and what is wrong."""

    platform: str
    looked_at: str
    findings: tuple[FindingView, ...]


@dataclass(frozen=True, slots=True)
class DifferenceView:
    """Something that differs between variants; `cells` are by platform, `allowed` a reason."""

    subject: str
    aspect: str
    cells: tuple[str, ...]
    allowed: str


@dataclass(frozen=True, slots=True)
class CheckedImage:
    """All that was found in one image; `platforms` head the cells of `differences`."""

    reference: str
    is_wrong: bool
    index: tuple[str, ...]
    audits: tuple[AuditView, ...]
    platforms: tuple[str, ...]
    differences: tuple[DifferenceView, ...]
    more: int
    notes: tuple[str, ...]


def view_images(judgement: Judgement) -> tuple[CheckedImage, ...]:
    """View the images, those that are not in order first."""
    ordered = sorted(judgement.images, key=lambda each: (not _is_wrong(each), each.reference))
    return tuple(map(_view_image, ordered[:_MOST_IMAGES]))


def _is_wrong(verdict: ImageVerdict) -> bool:
    return verdict.is_failure or any(each.open_findings for each in verdict.audits)


def _view_image(verdict: ImageVerdict) -> CheckedImage:
    platforms = tuple(sorted({each for found in verdict.differences for each in found.values}))
    shown = sorted(verdict.differences, key=lambda each: bool(each.allowed))[:_MOST_ROWS]
    return CheckedImage(
        reference=show(verdict.reference),
        is_wrong=_is_wrong(verdict),
        index=tuple(f"{show(each.what)}: {show(each.cure)}" for each in verdict.index),
        audits=tuple(map(_view_audit, verdict.audits)),
        platforms=tuple(map(str, platforms)),
        differences=tuple(
            DifferenceView(
                subject=f"{each.part.value}: {show(each.subject)}",
                aspect=show(each.aspect, 60),
                cells=tuple(_list_cells(each.values, platforms)),
                allowed=show(each.allowed),
            )
            for each in shown
        ),
        more=len(verdict.differences) - len(shown),
        notes=tuple(_list_notes(verdict)),
    )


def _list_notes(verdict: ImageVerdict) -> Iterator[str]:
    yield from map(show, verdict.notes)
    for report in verdict.audits:
        yield from (f"{report.platform}: {show(each)}" for each in report.notes)


def _list_cells(values: Mapping[Platform, str], platforms: tuple[Platform, ...]) -> Iterator[str]:
    yield from (show(values[each]) if each in values else "" for each in platforms)


def _view_audit(report: AuditReport) -> AuditView:
    programs = f"{report.programs:,} program{'s' if report.programs != 1 else ''}"
    files = f"{report.files:,} file{'s' if report.files != 1 else ''}"
    scope = "what it starts and has on PATH" if report.scope.value == "program" else "all files"
    return AuditView(
        platform=str(report.platform),
        looked_at=f"{programs} of {files} ({scope})",
        findings=tuple(
            FindingView(_describe(each), is_open=not each.allowed)
            for each in report.findings[:_MOST_ROWS]
        ),
    )


def _describe(finding: FileFinding) -> str:
    """Say what is wrong with a file, where it came from, and why it may be."""
    parts = [f"{show(finding.path)} is {show(finding.found)}, expected {show(finding.expected)}"]
    parts += [f"started by {show(finding.started_by)}"] if finding.started_by else []
    parts += [f"from {show(finding.instruction)}"] if finding.instruction else []
    parts += [f"allowed: {show(finding.allowed)}"] if finding.allowed else []
    return "; ".join(parts)
