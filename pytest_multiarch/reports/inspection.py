"""An inspection as a screen of text: what the image is, what it costs, what is wrong with it.

80 columns; all that comes from the image is cleaned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_multiarch.reports.diff import clean, cut
from pytest_multiarch.reports.inspection_findings import (
    list_allowed,
    list_differences,
    list_findings,
    list_notes,
)
from pytest_multiarch.reports.paint import Paint
from pytest_multiarch.reports.wording import (
    count,
    lay_out,
    name_platform,
    name_platforms,
    name_size,
    shorten_digest,
    wrap,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_multiarch.core.inspection import InspectedVariant, Inspection, Sizes

_LABEL = 8
_PLAIN = Paint()
_COLUMNS = ("platform", "digest", "created", "stored", "unpacked", "would run here")
_NOT_COMPRESSED = "Layers are not compressed here: a pull from a registry mostly transfers less."
_RIGHT = (3, 4)
"""The columns that hold numbers."""


def render_inspection(
    inspection: Inspection, *, is_full: bool = False, paint: Paint = _PLAIN
) -> Iterator[str]:
    """Give the lines; `is_full` lists every difference of files and packages."""
    yield from _render_head(inspection)
    yield ""
    yield from _render_table(inspection, paint)
    yield from _list_unseen(inspection, paint)
    yield ""
    yield from wrap(_describe_cost(inspection))
    for block in (
        *list_findings(inspection, paint),
        *list_differences(inspection, paint, is_full=is_full),
        *list_allowed(inspection, paint),
        *list_notes(inspection, paint),
    ):
        yield from ("", *block)
    yield ""
    yield _conclude(inspection, paint)


def _render_head(inspection: Inspection) -> Iterator[str]:
    index = inspection.index
    kind = "a single image" if index.is_single else ""
    yield from _field("image", inspection.reference)
    yield from _field("found", _shorten_source(inspection))
    yield from _field("digest", index.digest)
    yield from _field("type", ", ".join(filter(None, (index.media_type, kind))))
    for system in _describe_systems(inspection):
        yield from _field("system", system)
    if inspection.base_name:
        yield from _field("base", inspection.base_name)
    attestations = [each for each in index.entries if each.is_attestation]
    if attestations:
        number = count(len(attestations), "attestation")
        yield from _field("beside", f"{number}, which nothing runs")


def _shorten_source(inspection: Inspection) -> str:
    """Say where it was found; its name stands above."""
    name = inspection.reference.removeprefix("docker://").removeprefix("docker-daemon:")
    return inspection.source.replace(f"{name} ", "")


def _field(label: str, value: str) -> list[str]:
    return lay_out(label, cut(clean(value), 200), width=_LABEL)


def _describe_systems(inspection: Inspection) -> Iterator[str]:
    """Say which system the files are of; by platform only where that differs."""
    systems = inspection.systems
    for name, variants in systems.items():
        where = name_platforms(each.platform for each in variants if each.platform)
        shown = name or "not named: there is no os-release"
        yield f"{shown} ({where})" if len(systems) > 1 else shown


def _render_table(inspection: Inspection, paint: Paint) -> Iterator[str]:
    columns = len(_COLUMNS) if any(each.execution for each in inspection.variants) else -1
    rows = [_COLUMNS, *map(_make_row, inspection.variants)]
    rows = [row[:columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        cells = [
            f"{cell:>{width}}" if column in _RIGHT else f"{cell:{width}}"
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        line = "  ".join(cells).rstrip()
        yield line if number else paint.strong(line)


def _make_row(variant: InspectedVariant) -> tuple[str, ...]:
    stored = sum(variant.layers.values())
    return (
        name_platform(variant.platform) if variant.platform else "none named",
        shorten_digest(variant.entry.digest) or "-",
        clean(variant.created[:10]) or "-",
        name_size(stored) if stored else "-",
        name_size(variant.unpacked) if not variant.problem else "-",
        str(variant.execution or "not known"),
    )


def _list_unseen(inspection: Inspection, paint: Paint) -> Iterator[str]:
    for variant in inspection.unseen:
        what, _, cure = variant.problem.partition("\n")
        yield ""
        yield paint.doubtful(f"{_name(variant)} could not be looked at:")
        for line in (what, *cure.splitlines()):
            yield from wrap(cut(clean(line), 400), indent=2)


def _name(variant: InspectedVariant) -> str:
    return name_platform(variant.platform) if variant.platform else "an entry without a platform"


def _describe_cost(inspection: Inspection) -> str:
    """Say what one platform costs to pull, and all of them to store."""
    sizes = [each for each in (sum(v.layers.values()) for v in inspection.variants) if each]
    if not sizes:
        return "What a pull costs is not known: a classic image store keeps no layers as stored."
    pull = _describe_pull(sizes) if inspection.is_compressed else _NOT_COMPRESSED
    return f"{pull} {_describe_sharing(inspection.measure_stored(), sizes)}".rstrip()


def _describe_pull(sizes: Sequence[int]) -> str:
    least, most = name_size(min(sizes)), name_size(max(sizes))
    if least == most:
        return f"A pull is of one platform: {most}."
    return f"A pull is of one platform: {least} to {most}."


def _describe_sharing(sizes: Sizes, each: Sequence[int]) -> str:
    if len(each) < 2:
        return ""
    whole, most = name_size(sizes.together), max(each)
    shared = f"{name_size(sizes.shared)} of that is shared" if sizes.shared else "nothing is shared"
    return f"Together they are {whole} to store, {sizes.together / most:.1f} times one; {shared}."


def _conclude(inspection: Inspection, paint: Paint) -> str:
    seen = [each.audit for each in inspection.variants if each.audit]
    files = sum(each.files for each in seen)
    looked_at = f"{files:,} files of {count(len(seen), 'variant')} looked at"
    if inspection.count:
        return paint.bad(f"{count(inspection.count, 'finding')}; {looked_at}")
    if inspection.unseen or not seen:
        unseen = name_platforms(each.platform for each in inspection.unseen if each.platform)
        return paint.doubtful(f"could not look at {unseen or 'any variant'}; {looked_at}")
    return paint.good(f"no findings; {looked_at}")
