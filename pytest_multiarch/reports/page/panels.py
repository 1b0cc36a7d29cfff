"""A difference as the page shows it: two columns for each way in which platforms deviate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from pytest_multiarch.core.stream import ObservedStream, locate_byte, locate_difference
from pytest_multiarch.core.value import ObservedValue, list_mismatches
from pytest_multiarch.reports.diff import Side, find_kept_bytes, is_binary
from pytest_multiarch.reports.divergence import (
    MOST_MISMATCHES,
    cut_alike,
    group_alike,
    is_blank,
    name_exit_code,
    read_end,
)
from pytest_multiarch.reports.page.text import shorten, show
from pytest_multiarch.reports.sidebyside import (
    LINE_LIMIT,
    Cell,
    Piece,
    Row,
    align_bytes,
    align_texts,
    crop_pieces,
    mark_lines,
)
from pytest_multiarch.reports.wording import name_difference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.core.member import Member
    from pytest_multiarch.core.observation import Observation
    from pytest_multiarch.core.parity import Difference, Verdict
    from pytest_multiarch.core.platform import Platform

_TAIL_LINES = 20
_VALUE_LIMIT = 20_000
_MOST_LINES = 8


@dataclass(frozen=True, slots=True)
class SideView:
    """The head of a column: a platform and how it was executed."""

    platform: str
    execution: str
    is_baseline: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """The baseline beside the platforms that deviate from it in one way."""

    ours: SideView
    theirs: tuple[SideView, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @property
    def cost(self) -> int:
        """How many characters it takes on the page, roughly."""
        cells = [each for row in self.rows for each in (row.ours, row.theirs) if each]
        pieces = [piece for each in cells for piece in each.pieces]
        return 600 + 90 * len(self.rows) + 20 * len(pieces) + sum(len(p.text) for p in pieces)


@dataclass(frozen=True, slots=True)
class DifferenceView:
    """One thing that differs: `stdout of "app char"`."""

    title: str
    panels: tuple[Panel, ...]


def name_bounded(difference: Difference) -> str:
    """Name a difference, however long its label is."""
    return name_difference(replace(difference, label=shorten(difference.label)))


def view_difference(difference: Difference, verdict: Verdict) -> DifferenceView:
    """Show a difference."""
    panels = (_make_panel(difference, verdict, platforms) for platforms in group_alike(difference))
    return DifferenceView(name_bounded(difference), tuple(panels))


def view_side(member: Member, *, is_baseline: bool = False) -> SideView:
    """Name a member by its platform and how that was executed."""
    execution = show(str(member.execution), 80) if member.execution else "no image was run"
    return SideView(str(member.platform), execution, is_baseline)


def _make_panel(difference: Difference, verdict: Verdict, platforms: list[Platform]) -> Panel:
    shown = list(_show(difference, platforms[0]))
    return Panel(
        ours=view_side(verdict.find_member(difference.baseline), is_baseline=True),
        theirs=tuple(view_side(verdict.find_member(each)) for each in platforms),
        rows=tuple(each for each in shown if isinstance(each, Row)),
        notes=(
            *(each for each in shown if isinstance(each, str)),
            *_count_emulator_lines(difference, platforms[0]),
        ),
    )


def _count_emulator_lines(difference: Difference, platform: Platform) -> Iterator[str]:
    for each in (difference.baseline, platform):
        seen = difference.seen[each]
        stream = seen.find_stream(difference.part) if seen else None
        if stream is not None and stream.emulator_lines:
            count = stream.emulator_lines
            yield f"{count} line{'s' if count > 1 else ''} of the emulator's left out on {each}"


def _show(difference: Difference, platform: Platform) -> Iterator[Row | str]:
    """Give the rows of a comparison with the baseline, and notes on it."""
    baseline = difference.baseline
    ours, theirs = difference.seen[baseline], difference.seen[platform]
    if difference.part == "calls":
        counts = (difference.counts.get(each, 0) for each in (baseline, platform))
        yield _make_row(*(f"{n or 'no'} call{'s' if n != 1 else ''}" for n in counts))
        return
    if ours is None or theirs is None:
        return
    if difference.part == "exit":
        yield from _show_exit_codes(ours, theirs)
    elif ours.value is not None and theirs.value is not None:
        yield from _show_values(ours.value, theirs.value, baseline, platform)
    one, two = (each.find_stream(difference.part) for each in (ours, theirs))
    if one is not None and two is not None:
        yield from _show_streams(one, two, baseline, platform)


def _make_row(ours: str, theirs: str) -> Row:
    return Row(_make_cell(ours), _make_cell(theirs), is_changed=True)


def _pair_cells(ours: list[Cell], theirs: list[Cell]) -> Iterator[Row]:
    for one, two in zip_longest(ours, theirs):
        yield Row(one, two, is_changed=True)


def _make_cell(text: str, *, is_marked: bool = True) -> Cell:
    return Cell("", crop_pieces([Piece(text, is_marked)]))


def _show_exit_codes(ours: Observation, theirs: Observation) -> Iterator[Row | str]:
    yield _make_row(name_exit_code(ours.exit_code), name_exit_code(theirs.exit_code))
    one, two = (
        [_make_cell(shorten(line, 2 * LINE_LIMIT), is_marked=False) for line in read_end(each)]
        for each in (ours, theirs)
    )
    if one != two:
        yield Row(note="its stderr ends with")
        yield from _pair_cells(one, two)


def _show_values(
    ours: ObservedValue, theirs: ObservedValue, our_platform: Platform, their_platform: Platform
) -> Iterator[Row | str]:
    found = list_mismatches(ours, theirs, our_platform, their_platform, most=MOST_MISMATCHES + 1)
    for each in found[:MOST_MISMATCHES]:
        if each.path != "$" or len(found) > 1:
            yield Row(note=f"at {show(each.path)}")
        if each.ours is None or each.theirs is None:
            texts = ("(nothing there)" if m is None else m for m in (each.ours, each.theirs))
            yield _make_row(*(shorten(text, 2 * LINE_LIMIT) for text in texts))
        else:
            one, two = each.ours[:_VALUE_LIMIT], each.theirs[:_VALUE_LIMIT]
            left, right = mark_lines(one, two, our_platform, their_platform)
            yield Row(Cell("", left), Cell("", right), is_changed=True)
    if len(found) > MOST_MISMATCHES:
        yield "and more members"
    tolerances = ("rel", min(ours.rel, theirs.rel)), ("abs", min(ours.abs, theirs.abs))
    beyond = [f"{name}={tolerance:g}" for name, tolerance in tolerances if tolerance]
    if beyond:
        yield f"beyond the tolerance, {', '.join(beyond)}"


def _show_streams(
    ours: ObservedStream,
    theirs: ObservedStream,
    our_platform: Platform,
    their_platform: Platform,
) -> Iterator[Row | str]:
    if ours.value is not None and theirs.value is not None:
        yield from _show_values(ours.value, theirs.value, our_platform, their_platform)
        return
    if not ours.is_whole or not theirs.is_whole:
        yield "too large to be kept: compared byte for byte, nothing normalized"
    if is_blank(ours) or is_blank(theirs):
        yield from _show_one_sided(ours, theirs)
    elif is_binary(ours.excerpt.head) or is_binary(theirs.excerpt.head):
        yield from _measure(ours, theirs)
        kept = find_kept_bytes(ours, theirs)
        if kept is not None:
            yield from align_bytes(kept[0], kept[1], offset=kept[2])
        elif (place := locate_byte(ours, theirs)) is not None:
            yield f"first different between bytes {place[0]:,} and {place[1]:,}, which are not kept"
    elif ours.excerpt.is_whole and theirs.excerpt.is_whole:
        yield from align_texts(
            Side(ours.excerpt.head, our_platform), Side(theirs.excerpt.head, their_platform)
        )
    else:
        yield from _show_ends(ours, theirs, our_platform, their_platform)


def _measure(*streams: ObservedStream) -> Iterator[Row]:
    """Give the sizes and digests of two outputs that are not shown as a whole."""
    texts = (f"{each.size:,} bytes, sha256 {each.sha256[:16]}" for each in streams)
    ours, theirs = (_make_cell(each, is_marked=False) for each in texts)
    yield Row(ours, theirs, is_changed=True)


def _show_one_sided(ours: ObservedStream, theirs: ObservedStream) -> Iterator[Row | str]:
    """Show an output of which the other side has nothing at all."""
    yield from _pair_cells(_list_first_lines(ours), _list_first_lines(theirs))
    for stream in (ours, theirs):
        if stream.excerpt.gap or stream.excerpt.head.count("\n") > _MOST_LINES:
            yield Row(note=f"{stream.size:,} bytes in all")


def _list_first_lines(stream: ObservedStream) -> list[Cell]:
    if is_blank(stream):
        return [_make_cell("(nothing)", is_marked=False)]
    lines = stream.excerpt.head.removesuffix("\n").split("\n")[:_MOST_LINES]
    return [
        Cell(str(number), crop_pieces([Piece(line, True)])) for number, line in enumerate(lines, 1)
    ]


def _show_ends(
    ours: ObservedStream,
    theirs: ObservedStream,
    our_platform: Platform,
    their_platform: Platform,
) -> Iterator[Row | str]:
    """Show what differs at the beginning of long outputs, else where it does and their ends."""

    def align(one: str, two: str) -> list[Row]:
        return list(align_texts(Side(one, our_platform), Side(two, their_platform)))

    beginning = align(*cut_alike(ours.excerpt.head, theirs.excerpt.head))
    if any(each.is_changed for each in beginning):
        yield from beginning
        return
    place = locate_difference(ours, theirs)
    if place is not None:
        yield f"first different between lines {place[0]:,} and {place[1]:,}, which are not kept"
    yield from _measure(ours, theirs)
    one, two = (each.excerpt.tail.split("\n")[1:][-_TAIL_LINES:] for each in (ours, theirs))
    lines = min(len(one), len(two))
    ends = align("\n".join(one[len(one) - lines :]), "\n".join(two[len(two) - lines :]))
    if any(each.is_changed for each in ends):
        yield Row(note="at their ends, counted from there")
        yield from ends
