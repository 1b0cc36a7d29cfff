"""Two outputs in two columns, with the difference inside each line marked.

A platform's own names are no difference and never marked. Work is bounded: what is equal at both
ends is taken off line by line, a window of what is left is aligned, and of long lines only the
part around their difference is shown. All texts that come out are safe to show.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

from pytest_multiarch.core.names import (
    MARK,
    is_own_name,
    names_agree,
    split_names,
    texts_agree,
)
from pytest_multiarch.reports.diff import NO_NEWLINE, Side, clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_multiarch.core.platform import Platform

LINE_LIMIT = 400
"""How many characters of a line are shown."""
_LEAD = 60
_CONTEXT = 3
_WINDOW = 120
_MOST_ROWS = 60
_MOST_EQUAL = 2 * _CONTEXT + 1
_MOST_PAIRS = 2500
_HEX_ROWS = 6
_TOKEN = re.compile(r"\d+|[^\W\d]+|\s+|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a line."""

    text: str
    is_marked: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """A line on one side; `label` is its number, or its offset in bytes."""

    label: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """Two lines beside each other, one of them None where the other side has nothing like it.

    `is_changed`: they are not equal. A row that has no lines is a `note` on what is left out
    there.
    """

    ours: Cell | None = None
    theirs: Cell | None = None
    is_changed: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Token:
    """A part of a line that is equal to another one, or not: by its key."""

    text: str
    key: str
    is_name: bool = False


def align_texts(ours: Side, theirs: Side) -> Iterator[Row]:
    """Put two texts side by side: the lines that differ, and some around them."""
    a, b = ours.split_lines(), theirs.split_lines()
    if a[-1:] == b[-1:] == [NO_NEWLINE]:
        a, b = a[:-1], b[:-1]
    start = _count_agreeing(zip(a, b, strict=False), ours, theirs)
    rest = zip(reversed(a[start:]), reversed(b[start:]), strict=False)
    end = _count_agreeing(rest, ours, theirs)
    stop, other_stop = len(a) - end, len(b) - end
    pairs = [
        *_pair_equal(a, b, range(max(start - _CONTEXT, 0), start), 0),
        *_pair_changed(a[start:stop][:_WINDOW], b[start:other_stop][:_WINDOW], start),
    ]
    left = max(stop - start, other_stop - start) - _WINDOW
    if left <= 0:
        after = range(stop, min(stop + _CONTEXT, len(a)))
        pairs += _pair_equal(a, b, after, other_stop - stop)
    if start > _CONTEXT:
        yield Row(note=_count_lines(start - _CONTEXT, "equal line"))
    yield from _make_rows(pairs, a, b, ours, theirs, left=max(left, 0))
    if left <= 0 and end > _CONTEXT:
        yield Row(note=_count_lines(end - _CONTEXT, "equal line"))


def _count_agreeing(pairs: Iterable[tuple[str, str]], ours: Side, theirs: Side) -> int:
    count = 0
    for one, two in pairs:
        if not texts_agree(one, two, ours.platform, theirs.platform):
            break
        count += 1
    return count


def _count_lines(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' if number != 1 else ''}"


_Pair = tuple["int | None", "int | None"]
"""The positions of two lines that stand beside each other."""


def _pair_equal(a: list[str], b: list[str], positions: range, shift: int) -> list[_Pair]:
    return [(at, at + shift) for at in positions if at < len(a) and at + shift < len(b)]


def _pair_changed(a: list[str], b: list[str], start: int) -> Iterator[_Pair]:
    """Align the lines of a window; the positions given are those in the whole texts."""
    # Own names are masked for aligning only: whether lines agree is looked at afterwards.
    left, right = ([_mask(line) for line in lines] for lines in (a, b))
    for tag, i, i_end, j, j_end in difflib.SequenceMatcher(None, left, right).get_opcodes():
        ours, theirs = range(start + i, start + i_end), range(start + j, start + j_end)
        yield from zip(ours, theirs, strict=True) if tag == "equal" else zip_longest(ours, theirs)


def _mask(line: str) -> str:
    return split_names(line[: 4 * LINE_LIMIT]).skeleton + line[4 * LINE_LIMIT :]


def _make_rows(
    pairs: list[_Pair], a: list[str], b: list[str], ours: Side, theirs: Side, *, left: int
) -> Iterator[Row]:
    """Make the rows of paired lines; a long stretch of equal ones is a note."""
    rows = (_make_row(pair, a, b, ours, theirs) for pair in pairs[:_MOST_ROWS])
    equal: list[Row] = []
    for row in rows:
        if not row.is_changed:
            equal.append(row)
            continue
        yield from _fold(equal)
        equal = []
        yield row
    yield from _fold(equal)
    left += max(len(pairs) - _MOST_ROWS, 0)
    if left:
        yield Row(note=f"{_count_lines(left, 'more line')}, not shown")


def _fold(equal: list[Row]) -> Iterator[Row]:
    if len(equal) <= _MOST_EQUAL:
        yield from equal
        return
    yield from equal[:_CONTEXT]
    yield Row(note=_count_lines(len(equal) - 2 * _CONTEXT, "equal line"))
    yield from equal[-_CONTEXT:]


def _make_row(pair: _Pair, a: list[str], b: list[str], ours: Side, theirs: Side) -> Row:
    at, other_at = pair
    if at is None or other_at is None:
        return Row(_make_cell(at, a, is_marked=True), _make_cell(other_at, b, is_marked=True), True)
    one, two = a[at], b[other_at]
    if texts_agree(one, two, ours.platform, theirs.platform):
        return Row(_make_cell(at, a), _make_cell(other_at, b))
    left, right = mark_lines(one, two, ours.platform, theirs.platform)
    return Row(Cell(str(at + 1), left), Cell(str(other_at + 1), right), True)


def _make_cell(at: int | None, lines: list[str], *, is_marked: bool = False) -> Cell | None:
    if at is None:
        return None
    return Cell(str(at + 1), crop_pieces([Piece(lines[at], is_marked)]))


def mark_lines(
    ours: str, theirs: str, our_platform: Platform, their_platform: Platform
) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Mark where two lines differ, each platform's own names aside; long lines are cut."""
    a, b = _split(ours, our_platform), _split(theirs, their_platform)
    agree = _Agreement(our_platform, their_platform)
    start = agree.count(a, b)
    end = agree.count(a[start:][::-1], b[start:][::-1])
    left, right = [Piece(_join(a[:start]))], [Piece(_join(b[:start]))]
    middle, other_middle = a[start : len(a) - end], b[start : len(b) - end]
    for one, two, is_equal in agree.align(middle, other_middle):
        if is_equal:
            left.append(Piece(_join(one)))
            right.append(Piece(_join(two)))
        else:
            mine, its = _narrow(one, two)
            left += mine
            right += its
    left.append(Piece(_join(a[len(a) - end :])))
    right.append(Piece(_join(b[len(b) - end :])))
    return crop_pieces(left), crop_pieces(right)


def _split(line: str, platform: Platform) -> list[_Token]:
    """Split a line into words, numbers, spaces and signs; the names in it stay whole."""
    split = split_names(line)
    tokens: list[_Token] = []
    for piece, name in zip_longest(split.skeleton.split(MARK), split.names, fillvalue=""):
        tokens += [_Token(each, each) for each in _TOKEN.findall(piece)]
        if name:
            is_own = is_own_name(name.strip(" "), platform)
            tokens.append(_Token(name, MARK if is_own else name, is_name=True))
    return tokens


def _join(tokens: Sequence[_Token]) -> str:
    return "".join(each.text for each in tokens)


@dataclass(frozen=True, slots=True)
class _Agreement:
    """Which tokens of two platforms are equal."""

    ours: Platform
    theirs: Platform

    def _hold(self, one: _Token, two: _Token) -> bool:
        if one.key != two.key:
            return False
        return one.key != MARK or names_agree(one.text, two.text, self.ours, self.theirs)

    def count(self, a: list[_Token], b: list[_Token]) -> int:
        """Count the equal ones at the beginning."""
        number = 0
        for one, two in zip(a, b, strict=False):
            if not self._hold(one, two):
                break
            number += 1
        return number

    def align(
        self, a: list[_Token], b: list[_Token]
    ) -> Iterator[tuple[list[_Token], list[_Token], bool]]:
        """Give the parts of two sequences, and whether they are equal."""
        if not a or not b or len(a) * len(b) > _MOST_PAIRS:
            yield a, b, False
            return
        keys, other_keys = [each.key for each in a], [each.key for each in b]
        matcher = difflib.SequenceMatcher(None, keys, other_keys, autojunk=False)
        for tag, i, i_end, j, j_end in matcher.get_opcodes():
            if tag != "equal":
                yield a[i:i_end], b[j:j_end], False
                continue
            for one, two in zip(a[i:i_end], b[j:j_end], strict=True):
                yield [one], [two], self._hold(one, two)


def _narrow(ours: list[_Token], theirs: list[_Token]) -> tuple[list[Piece], list[Piece]]:
    """Mark what differs; of two words that begin or end alike, what is between."""
    one, two = _join(ours), _join(theirs)
    if len(ours) != 1 or len(theirs) != 1:
        return [Piece(one, True)], [Piece(two, True)]
    is_whole = ours[0].is_name or theirs[0].is_name  # of names, only the spaces around them count
    least = min(len(one), len(two))
    start = _count_equal(one, two, least, is_whole=is_whole)
    end = _count_equal(one[::-1], two[::-1], least - start, is_whole=is_whole)
    return _mark_between(one, start, end), _mark_between(two, start, end)


def _count_equal(ours: str, theirs: str, most: int, *, is_whole: bool) -> int:
    for number in range(most):
        if ours[number] != theirs[number] or (is_whole and ours[number] != " "):
            return number
    return most


def _mark_between(text: str, start: int, end: int) -> list[Piece]:
    stop = len(text) - end
    return [Piece(text[:start]), Piece(text[start:stop], True), Piece(text[stop:])]


def crop_pieces(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """Make a line safe to show, and cut it to the limit: what is marked first stays."""
    given = [each for each in pieces if each.text]
    size = sum(len(each.text) for each in given)
    start = 0
    if size > LINE_LIMIT:
        before = 0
        for each in given:
            if each.is_marked:
                start = max(before - _LEAD, 0)
                break
            before += len(each.text)
    kept = [Piece(f"({start:,} characters) \N{HORIZONTAL ELLIPSIS}")] if start else []
    at = 0
    for each in given:
        shown = each.text[max(start - at, 0) : max(start + LINE_LIMIT - at, 0)]
        if shown:
            kept.append(Piece(clean(shown), each.is_marked))
        at += len(each.text)
    left = size - start - LINE_LIMIT
    if left > 0:
        kept.append(Piece(f"\N{HORIZONTAL ELLIPSIS} ({left:,} more characters)"))
    return tuple(kept)


def align_bytes(ours: bytes, theirs: bytes, *, offset: int = 0) -> Iterator[Row]:
    """Put two outputs that are no text side by side, from the first byte that differs.

    `offset` is how many bytes before them are not kept.
    """
    pairs = zip(ours, theirs, strict=False)
    common = min(len(ours), len(theirs))
    at = next((place for place, (a, b) in enumerate(pairs) if a != b), common)
    first = max(at - at % 16 - 16, 0)
    if offset + first:
        yield Row(note=f"{offset + first:,} equal bytes")
    longest = max(len(ours), len(theirs))
    last = min(first + 16 * _HEX_ROWS, longest)
    for start in range(first, last, 16):
        one, two = ours[start : start + 16], theirs[start : start + 16]
        yield Row(
            _make_hex_cell(offset + start, one, two),
            _make_hex_cell(offset + start, two, one),
            is_changed=one != two,
        )
    if last < longest:
        yield Row(note=f"{longest - last:,} more bytes, not shown")


def _make_hex_cell(start: int, row: bytes, other: bytes) -> Cell | None:
    if not row:
        return None
    pieces: list[Piece] = []
    for number, byte in enumerate(row):
        is_marked = number >= len(other) or byte != other[number]
        pieces += [Piece(f"{byte:02x}", is_marked), Piece(" ")]
    text = "".join(chr(each) if 0x20 <= each < 0x7F else "." for each in row)
    return Cell(f"{start:x}", (*pieces, Piece(f" {text}")))
