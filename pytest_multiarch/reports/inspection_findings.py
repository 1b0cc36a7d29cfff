"""What is wrong with an image, as lines: alike things together, the first few of many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_multiarch.core.audit import FindingKind, explain_finding
from pytest_multiarch.core.static_parity import StaticPart
from pytest_multiarch.reports.diff import clean, cut
from pytest_multiarch.reports.wording import (
    count,
    name_platform,
    name_platforms,
    shorten_digest,
    wrap,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_multiarch.core.audit import FileFinding
    from pytest_multiarch.core.index_checks import IndexFinding
    from pytest_multiarch.core.inspection import InspectedVariant, Inspection
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.static_parity import StaticDifference
    from pytest_multiarch.reports.paint import Paint

_MOST_ALIKE = 8
"""Files, or differences, of one kind that are listed; --json has all."""
_LABEL = 10

_KIND_WORDS = {
    FindingKind.WRONG_ARCHITECTURE: "for another platform",
    FindingKind.WRONG_ABI: "for another ABI",
    FindingKind.MISSING_LOADER: "cannot start: its loader is missing",
    FindingKind.MISSING_INTERPRETER: "cannot start: its interpreter is missing",
    FindingKind.OTHER_SYSTEM: "of another operating system",
    FindingKind.STRAY: "for another platform, and on no PATH",
}
_PART_WORDS = {
    StaticPart.CONFIG: "configs",
    StaticPart.TREE: "files",
    StaticPart.PACKAGES: "packages",
}


def list_findings(inspection: Inspection, paint: Paint) -> Iterator[str]:
    """List what is wrong with the index, and with the files of each variant."""
    for finding in inspection.index_findings:
        yield from _show_index_finding(finding, paint)
    for variant in inspection.variants:
        groups = _group(variant.open_findings)
        last = {alike[0].kind: alike for alike in groups}
        for alike in groups:
            yield from _show_files(variant, alike, paint)
            if last[alike[0].kind] is alike:
                yield from _show_cure(inspection, variant, alike[0])


def _show_index_finding(finding: IndexFinding, paint: Paint) -> Iterator[str]:
    yield paint.bad(f"index: {cut(clean(finding.what), 300)}")
    yield from wrap(cut(clean(finding.cure), 300), indent=2)


def _name(variant: InspectedVariant) -> str:
    return name_platform(variant.platform) if variant.platform else "an entry"


def _group(findings: Iterable[FileFinding]) -> list[list[FileFinding]]:
    alike: dict[tuple[object, ...], list[FileFinding]] = {}
    for each in findings:
        alike.setdefault((each.kind, each.found, each.expected, each.layer), []).append(each)
    return list(alike.values())


def _show_files(
    variant: InspectedVariant, alike: Sequence[FileFinding], paint: Paint
) -> Iterator[str]:
    first = alike[0]
    yield paint.bad(f"{_name(variant)}: {count(len(alike), 'file')} {_KIND_WORDS[first.kind]}")
    yield from _field("found", first.found)
    yield from _field("expected", first.expected)
    for label, each in zip(("files", *[""] * _MOST_ALIKE), alike[:_MOST_ALIKE], strict=False):
        reached = f" ({cut(clean(each.started_by), 100)})" if each.started_by else ""
        yield f"  {label:{_LABEL}}{cut(clean(each.path), 200)}{reached}"
    if len(alike) > _MOST_ALIKE:
        yield f"  {'':{_LABEL}}... and {len(alike) - _MOST_ALIKE:,} more, which --json lists"
    if first.layer:
        yield from _field("layer", f"{shorten_digest(first.layer)} {first.instruction}")


def _show_cure(
    inspection: Inspection, variant: InspectedVariant, finding: FileFinding
) -> Iterator[str]:
    if variant.platform:
        _, cure = explain_finding(inspection.reference, variant.platform, finding)
        yield from wrap(cut(clean(cure), 400), indent=2)


def _field(label: str, value: str) -> Iterator[str]:
    yield from wrap(f"{label:{_LABEL}}{cut(clean(value), 300)}", indent=2, hanging=_LABEL)


def list_differences(inspection: Inspection, paint: Paint, *, is_full: bool) -> Iterator[str]:
    """List what differs between the variants, part by part."""
    for part, words in _PART_WORDS.items():
        found = [e for e in inspection.differences if e.part is part and not e.allowed]
        if not found:
            continue
        decides = part in inspection.deciding
        number = count(len(found), "difference")
        title = f"{words}: {number} between variants"
        yield paint.bad(title) if decides else f"{title} (a finding only with --static-parity)"
        shown = found if is_full or len(found) <= _MOST_ALIKE else found[:_MOST_ALIKE]
        for each in shown:
            yield from _show_difference(each)
        if len(shown) < len(found):
            yield f"  ... and {len(found) - len(shown)} more, which --static-parity lists"


def _show_difference(difference: StaticDifference) -> Iterator[str]:
    values = "; ".join(
        f"{cut(clean(value), 100)} on {name_platforms(platforms)}"
        for value, platforms in _join_alike(difference.values).items()
    )
    subject = f"{cut(clean(difference.subject), 120)} ({difference.aspect})"
    yield from wrap(f"{subject}: {values}", indent=2, hanging=2)


def _join_alike(values: Mapping[Platform, str]) -> Mapping[str, Sequence[Platform]]:
    alike: dict[str, list[Platform]] = {}
    for platform, value in values.items():
        alike.setdefault(value, []).append(platform)
    return alike


def list_allowed(inspection: Inspection, paint: Paint) -> Iterator[str]:
    """List what was found and is allowed, by the reasons."""
    reasons: dict[str, list[str]] = {}
    for variant in inspection.variants:
        for finding in variant.audit.findings if variant.audit else ():
            if finding.allowed:
                what = f"{finding.path} ({_name(variant)})"
                reasons.setdefault(finding.allowed, []).append(what)
    for each in inspection.differences:
        if each.allowed:
            reasons.setdefault(each.allowed, []).append(each.subject)
    if reasons:
        yield paint.strong("allowed")
    for reason, subjects in reasons.items():
        more = f" and {len(subjects) - 1} more" if len(subjects) > 1 else ""
        text = f"{cut(clean(subjects[0]), 120)}{more}: {cut(clean(reason), 200)}"
        yield from wrap(text, indent=2, hanging=2)


def list_notes(inspection: Inspection, paint: Paint) -> Iterator[str]:
    """List what else is to be known, once where it holds for several variants."""
    notes: dict[str, list[str]] = {each: [] for each in inspection.notes}
    for variant in inspection.variants:
        for each in variant.audit.notes if variant.audit else ():
            notes.setdefault(each, []).append(_name(variant))
    if notes:
        yield paint.strong("notes")
    for note, platforms in notes.items():
        where = f"{', '.join(platforms)}: " if 0 < len(platforms) < len(inspection.variants) else ""
        yield from wrap(f"{where}{cut(clean(note), 300)}", indent=2, hanging=2)
