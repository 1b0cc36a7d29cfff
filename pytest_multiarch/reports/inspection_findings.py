"""What is wrong with an image, as blocks of lines: alike together, the first few of many."""

from __future__ import annotations

import shlex
from collections import Counter
from typing import TYPE_CHECKING

from pytest_multiarch.core.audit import FindingKind, explain_finding
from pytest_multiarch.core.shown_text import shorten
from pytest_multiarch.core.static_parity import StaticPart
from pytest_multiarch.reports.diff import clean, cut
from pytest_multiarch.reports.wording import (
    count,
    lay_out,
    name_platform,
    name_platforms,
    shorten_digest,
    wrap,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_multiarch.core.audit import FileFinding
    from pytest_multiarch.core.inspection import InspectedVariant, Inspection
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.static_parity import StaticDifference
    from pytest_multiarch.reports.paint import Paint

Block = list[str]
"""Lines that belong together."""
_MOST_ALIKE = 8
"""Files that are wrong in the same way and are listed; --json has all."""
_MOST_DIFFERING = 20
_MOST_IN_BRIEF = 5
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


def list_findings(inspection: Inspection, paint: Paint) -> Iterator[Block]:
    """List what is wrong with the index, and with the files of each variant."""
    for finding in inspection.index_findings:
        title = wrap(f"index: {cut(clean(finding.what), 300)}", hanging=2)
        yield [*map(paint.bad, title), *wrap(cut(clean(finding.cure), 300), indent=2)]
    for variant in inspection.variants:
        groups = _group(variant.open_findings)
        last = {alike[0].kind: alike for alike in groups}
        for alike in groups:
            cure = _list_cures(inspection, variant, alike[0]) if alike in last.values() else ()
            yield [*_show_files(variant, alike, paint), *cure]


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


def _list_cures(
    inspection: Inspection, variant: InspectedVariant, finding: FileFinding
) -> Iterator[str]:
    if variant.platform is None:
        return
    _, cure = explain_finding(inspection.reference, variant.platform, finding)
    yield from wrap(cut(clean(cure), 400), indent=2)
    if finding.kind is FindingKind.STRAY:
        option = shlex.quote(f"{finding.path}=REASON")
        yield f"  or, if it belongs there: --allow {cut(clean(option), 200)}"


def _field(label: str, value: str) -> list[str]:
    return lay_out(label, cut(clean(value), 300), width=_LABEL, indent=2)


def list_differences(inspection: Inspection, paint: Paint, *, is_full: bool) -> Iterator[Block]:
    """List what differs between the variants: in full what are findings, the rest in brief."""
    for part, words in _PART_WORDS.items():
        found = [e for e in inspection.differences if e.part is part and not e.allowed]
        if not found:
            continue
        title = f"{words}: {count(len(found), 'difference')} between variants"
        if part in inspection.deciding:
            yield [paint.bad(title), *_list_deciding(found, is_full=is_full)]
        else:
            yield [title, *_list_in_brief(found)]


def _list_deciding(found: Sequence[StaticDifference], *, is_full: bool) -> Iterator[str]:
    shown = found if is_full else found[:_MOST_DIFFERING]
    for each in shown:
        yield from _show_difference(each)
    if len(shown) < len(found):
        yield f"  ... and {len(found) - len(shown):,} more, which --static-parity lists"
    yield "  what is right is allowed with a reason, in multiarch.yaml:"
    subject = cut(clean(found[0].subject), 100)
    yield f'  static_parity: {{allow: [{{subject: "{subject}", reason: "..."}}]}}'


def _list_in_brief(found: Sequence[StaticDifference]) -> Iterator[str]:
    aspects = Counter(each.aspect for each in found)
    for each in found[:_MOST_IN_BRIEF]:
        yield f"  {each.aspect:8}  {shorten(clean(each.subject), 68)}"
    if len(found) > _MOST_IN_BRIEF:
        yield f"  ... in all {', '.join(f'{number:,} {name}' for name, number in aspects.items())}"
    yield "  --static-parity lists them, and makes them findings"


def _show_difference(difference: StaticDifference) -> Iterator[str]:
    yield f"  {cut(clean(difference.subject), 120)} ({difference.aspect})"
    for value, platforms in _join_alike(difference.values).items():
        shown = f"{name_platforms(platforms)}: {cut(clean(value), 200)}"
        yield from wrap(shown, indent=4, hanging=2)


def _join_alike(values: Mapping[Platform, str]) -> Mapping[str, Sequence[Platform]]:
    alike: dict[str, list[Platform]] = {}
    for platform, value in values.items():
        alike.setdefault(value, []).append(platform)
    return alike


def list_allowed(inspection: Inspection, paint: Paint) -> Iterator[Block]:
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
        lines = [_join_allowed(*each) for each in reasons.items()]
        yield [paint.strong("allowed"), *(line for each in lines for line in each)]


def _join_allowed(reason: str, subjects: Sequence[str]) -> list[str]:
    more = f" and {len(subjects) - 1:,} more" if len(subjects) > 1 else ""
    text = f"{cut(clean(subjects[0]), 120)}{more}: {cut(clean(reason), 200)}"
    return wrap(text, indent=2, hanging=2)


def list_notes(inspection: Inspection, paint: Paint) -> Iterator[Block]:
    """List what else is to be known, once where it holds for several variants."""
    notes: dict[str, list[str]] = {each: [] for each in inspection.notes}
    for variant in inspection.variants:
        for each in variant.audit.notes if variant.audit else ():
            notes.setdefault(each, []).append(_name(variant))
    if not notes:
        return
    lines = [paint.strong("notes")]
    for note, platforms in notes.items():
        where = f"{', '.join(platforms)}: " if 0 < len(platforms) < len(inspection.variants) else ""
        lines += wrap(f"{where}{cut(clean(note), 300)}", indent=2, hanging=2)
    yield lines
