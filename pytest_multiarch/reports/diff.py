"""Two outputs side by side: the lines that differ, the first difference marked.

Removed and added lines start with `- ` and `+ ` in the first column, all else with two spaces or
`@@`. Work is bounded: what is equal at both ends is taken off line by line, and only a window of
what is left is aligned.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from pytest_multiarch.core.names import (
    MARK,
    is_own_name,
    mask_own_names,
    names_agree,
    split_names,
    texts_agree,
)
from pytest_multiarch.core.stream import encode_output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.stream import ObservedStream

T = TypeVar("T")

WIDTH = 78
"""How many columns of a line are shown, its sign not counted."""
_CONTEXT = 2
_WINDOW = 120
_MOST_LINES = 40
_MOST_OF_A_KIND = 12
NO_NEWLINE = "\\ no newline at the end"
_UNSHOWN = re.compile(r"[^\x20-\x7e]")


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison: its text, and the platform whose names in it are its own."""

    text: str
    platform: Platform

    def split_lines(self) -> list[str]:
        """Give the lines; a text that ends without a newline says so in a line of its own."""
        if not self.text:
            return []
        lines = self.text.split("\n")
        return lines[:-1] if lines[-1] == "" else [*lines, NO_NEWLINE]


def clean(text: str) -> str:
    """Make text safe to show: control characters and undecodable bytes are spelled out."""
    return _UNSHOWN.sub(lambda match: _spell(match[0]), text)


@lru_cache(maxsize=4096)
def _spell(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    named = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(character)
    return named or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def cut(text: str, width: int = WIDTH) -> str:
    """Shorten a line to a width; says how long it was."""
    if len(text) <= width:
        return text
    note = f"... ({len(text):,} characters)"
    return text[: max(width - len(note), 0)] + note


def is_binary(text: str) -> bool:
    """Tell whether a text is rather shown as bytes: more than three in ten are no text."""
    sample = text[:4096]
    odd = sum(1 for each in sample if "\udc80" <= each <= "\udcff" or _is_control(each))
    return odd * 10 > 3 * len(sample)


def _is_control(character: str) -> bool:
    return character < " " and character not in "\n\t\r\x1b"


def diff_texts(ours: Side, theirs: Side, *, first_line: int = 1) -> Iterator[str]:
    """Show what differs between two texts; `first_line` is the number of their first lines.

    Lines that differ only by the platforms' own names are equal, and shown as ours.
    """
    a, b = ours.split_lines(), theirs.split_lines()
    if a[-1:] == b[-1:] == [NO_NEWLINE]:
        a, b = a[:-1], b[:-1]

    def agree(one: str, two: str) -> bool:
        return texts_agree(one, two, ours.platform, theirs.platform)

    start = _count_equal(zip(a, b, strict=False), agree)
    a_rest, b_rest = a[start:], b[start:]
    end = _count_equal(zip(reversed(a_rest), reversed(b_rest), strict=False), agree)
    a_rest, b_rest = a_rest[: len(a_rest) - end], b_rest[: len(b_rest) - end]
    yield f"@@ line {first_line + start} @@"
    yield from (f"  {_show(line)}" for line in a[max(start - _CONTEXT, 0) : start])
    changes = list(_list_changes(a_rest[:_WINDOW], b_rest[:_WINDOW], ours, theirs))
    yield from changes[:_MOST_LINES]
    left = max(len(changes) - _MOST_LINES, 0) + sum(
        max(len(rest) - _WINDOW, 0) for rest in (a_rest, b_rest)
    )
    if left:
        yield f"  ... {left:,} more lines, not shown"
    else:
        after = a[start + len(a_rest) :][:_CONTEXT]
        yield from (f"  {_show(line)}" for line in after)


def _count_equal(pairs: Iterable[tuple[T, T]], agree: Callable[[T, T], bool]) -> int:
    count = 0
    for one, two in pairs:
        if not agree(one, two):
            break
        count += 1
    return count


def _list_changes(a: list[str], b: list[str], ours: Side, theirs: Side) -> Iterator[str]:
    """Align the lines of a window, and show what changed with the equal ones between."""
    left, right = (
        [mask_own_names(line, side.platform) for line in lines]
        for lines, side in ((a, ours), (b, theirs))
    )
    is_first = True
    for tag, i, i_end, j, j_end in difflib.SequenceMatcher(None, left, right).get_opcodes():
        if tag == "equal":
            yield from _show_between(a[i:i_end])
            continue
        removed, added = a[i:i_end], b[j:j_end]
        if is_first and removed and added:
            yield from _show_first_pair(removed[0], added[0], ours, theirs)
            removed, added = removed[1:], added[1:]
        is_first = False
        yield from _show_changed("-", removed)
        yield from _show_changed("+", added)


def _show_changed(sign: str, lines: list[str]) -> Iterator[str]:
    yield from (f"{sign} {_show(line)}" for line in lines[:_MOST_OF_A_KIND])
    if len(lines) > _MOST_OF_A_KIND:
        yield f"{sign} ... {len(lines) - _MOST_OF_A_KIND} more"


def _show_between(lines: list[str]) -> Iterator[str]:
    if len(lines) <= 2 * _CONTEXT + 1:
        yield from (f"  {_show(line)}" for line in lines)
        return
    yield from (f"  {_show(line)}" for line in lines[:_CONTEXT])
    yield f"  ... {len(lines) - 2 * _CONTEXT} equal lines"
    yield from (f"  {_show(line)}" for line in lines[-_CONTEXT:])


def _show(line: str) -> str:
    """Give a line as it is shown; only what may be seen of it is looked at."""
    if len(line) <= WIDTH:
        return cut(clean(line))
    note = f"... ({len(line):,} characters)"
    return clean(line[:WIDTH])[: WIDTH - len(note)] + note


def _show_first_pair(removed: str, added: str, ours: Side, theirs: Side) -> Iterator[str]:
    """Show the first two lines that differ, with a caret below the first different column."""
    at, other_at, foreign = _find_column(removed, added, ours.platform, theirs.platform)
    line, column = _open_window(removed, at)
    other_line, other_column = _open_window(added, other_at)
    yield f"- {line}"
    if column != other_column:
        yield f"  {' ' * column}^"
    yield f"+ {other_line}"
    position = f"column {other_at + 1}" if other_at else ""
    yield f"  {' ' * other_column}^ {position}".rstrip()
    if foreign:
        yield f"  {foreign}"


def _open_window(line: str, at: int) -> tuple[str, int]:
    """Give the part of a line around a position, made visible, and the position's column."""
    if len(clean(line[: 4 * WIDTH])) <= WIDTH and len(line) <= WIDTH:
        return clean(line), len(clean(line[:at]))
    start = max(at - WIDTH // 2, 0)
    lead = "..." if start else ""
    before = clean(line[start:at])[-(WIDTH // 2) :]
    room = WIDTH - len(lead) - len(before) - len("...")
    rest = clean(line[at : at + WIDTH])
    is_all = len(line) <= at + WIDTH and len(rest) <= room
    after, tail = (rest, "") if is_all else (rest[:room], "...")
    return f"{lead}{before}{after}{tail}", len(lead) + len(before)


def _find_column(
    ours: str, theirs: str, our_platform: Platform, their_platform: Platform
) -> tuple[int, int, str]:
    """Find where two lines differ first, own names aside; say so if it is at a foreign name."""
    a, b = split_names(ours), split_names(theirs)
    a_pieces, b_pieces = a.skeleton.split(MARK), b.skeleton.split(MARK)
    at = other_at = 0
    for position, (one, two) in enumerate(zip(a_pieces, b_pieces, strict=False)):
        same = _count_equal(zip(one, two, strict=False), str.__eq__)
        if same < max(len(one), len(two)):
            return at + same, other_at + same, ""
        at, other_at = at + len(one), other_at + len(two)
        if position >= min(len(a.names), len(b.names)):
            break
        name, other_name = a.names[position], b.names[position]
        if not names_agree(name, other_name, our_platform, their_platform):
            at, other_at = at + _count_lead(name), other_at + _count_lead(other_name)
            return at, other_at, _explain_name(name, other_name, our_platform, their_platform)
        at, other_at = at + len(name), other_at + len(other_name)
    return at, other_at, ""


def _count_lead(name: str) -> int:
    return len(name) - len(name.lstrip(" "))


def _explain_name(ours: str, theirs: str, our_platform: Platform, their_platform: Platform) -> str:
    for name, platform in ((theirs.strip(), their_platform), (ours.strip(), our_platform)):
        if not is_own_name(name, platform):
            return f"{name} is not a name of {platform}'s own"
    return ""


def diff_bytes(ours: bytes, theirs: bytes, *, offset: int = 0) -> Iterator[str]:
    """Show the rows of 16 bytes around the first byte that differs; `offset` is of both."""
    at = _count_equal(zip(ours, theirs, strict=False), int.__eq__)
    row = at - at % 16
    yield f"@@ byte {offset + at:,} (0x{offset + at:x}) @@"
    if row:
        yield f"  {_show_row(ours, row - 16, offset)}"
    yield f"- {_show_row(ours, row, offset)}"
    yield f"+ {_show_row(theirs, row, offset)}"
    yield f"  {' ' * (10 + 3 * (at - row))}^^"


def _show_row(data: bytes, start: int, offset: int) -> str:
    row = data[start : start + 16]
    text = "".join(chr(each) if 0x20 <= each < 0x7F else "." for each in row)
    place = f"{offset + start:08x}"
    return f"{place}  {row.hex(' '):<47}  {text}" if row else f"{place}  (the end)"


def find_kept_bytes(
    ours: ObservedStream, theirs: ObservedStream
) -> tuple[bytes, bytes, int] | None:
    """Give the kept bytes of both in which the first difference is, and their offset.

    None where it is between the ends that are kept.
    """
    one, two = (each.raw or each.excerpt for each in (ours, theirs))
    heads = encode_output(one.head), encode_output(two.head)
    least = min(map(len, heads))
    if one.is_whole or two.is_whole or heads[0][:least] != heads[1][:least]:
        return *heads, 0
    tails = encode_output(one.tail), encode_output(two.tail)
    is_aligned = ours.size == theirs.size and len(tails[0]) == len(tails[1])
    if not is_aligned or ours.blocks[:-1] != theirs.blocks[:-1] or tails[0] == tails[1]:
        return None
    return *tails, ours.size - len(tails[0])
