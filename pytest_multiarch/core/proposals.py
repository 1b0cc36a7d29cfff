"""Proposals: what to add to a test so that what varies by itself is quiet in the next run."""

from __future__ import annotations

import re
from itertools import combinations
from typing import TYPE_CHECKING

from pytest_multiarch.core.names import texts_agree
from pytest_multiarch.core.normalize import BUILT_IN
from pytest_multiarch.core.rules import CALL_PARTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.shapes import LinePattern, Shape

_MOST_TOGETHER = 3
_MOST_PATTERNS = 4
_MOST_ENTRIES = 8
_LEAD = 20
_LEAST_START = 3
_NAMED = {"time": "timestamps", "uuid": "uuids", "duration": "durations", "address": "addresses"}
_SIMPLE = {"number": r"\d+", "hex": r"\w+", "word": r"\w+", "id": r"[\w+/=-]+", "text": ".+"}
"""Expressions that a person reads at a glance, for shapes by name."""
_SPACES = "\0"

Platforms = tuple["Platform", "Platform"]


def propose_parts(part: str) -> tuple[str, ...]:
    """Propose to compare the other parts of a call."""
    others = ", ".join(f'"{each}"' for each in CALL_PARTS if each != part)
    return (f"@pytest.mark.parity(compare=[{others}])",)


def propose(
    part: str,
    ours: Sequence[str],
    theirs: Sequence[str],
    platforms: Platforms,
    patterns: Iterable[LinePattern] = (),
) -> tuple[str, ...]:
    """Propose the line that makes outputs equal, and hides as little as can be.

    That is the fewest of the named normalizers, else expressions for the parts that vary, else for
    the lines to leave out, else to compare the other parts of the call only. `patterns` are what
    was learned of the lines that vary.
    """
    names = find_normalizers(ours, theirs, platforms)
    if names:
        return (_write_mark("normalize", names),)
    given = tuple(patterns)
    if len(given) <= _MOST_PATTERNS:
        for argument, entries, change in (
            ("normalize", tuple(_write_parts(given)), _replace),
            ("ignore", tuple(_write_starts(given)), _leave_out),
        ):
            if not 0 < len(entries) <= _MOST_ENTRIES:
                continue
            one, other = ([_change(text, entries, change) for text in s] for s in (ours, theirs))
            if _are_equal(one, other, platforms):
                return (_write_mark(argument, dict.fromkeys(entries)),)
    return propose_parts(part)


def _write_mark(argument: str, entries: Iterable[str]) -> str:
    listed = ", ".join(f'"{each}"' if each in BUILT_IN else _quote(each) for each in entries)
    return f"@pytest.mark.parity({argument}=[{listed}])"


def find_normalizers(
    ours: Sequence[str], theirs: Sequence[str], platforms: Platforms
) -> tuple[str, ...]:
    """Find the smallest set of named normalizers that makes texts equal; empty if there is none."""
    texts = [*ours, *theirs]
    useful = [n for n, change in BUILT_IN.items() if any(change(text) != text for text in texts)]
    for number in range(1, _MOST_TOGETHER + 1):
        for names in combinations(useful, number):
            if all(
                _are_equal(
                    [_normalize(text, names) for text in some_ours],
                    [_normalize(text, names) for text in some_theirs],
                    platforms,
                )
                for some_ours, some_theirs in ((ours[:1], theirs[:1]), (ours, theirs))
            ):
                return names
    return ()


def _normalize(text: str, names: tuple[str, ...]) -> str:
    for name in names:
        text = BUILT_IN[name](text)
    return text


def _are_equal(ours: Sequence[str], theirs: Sequence[str], platforms: Platforms) -> bool:
    first = ours[0]
    return all(each == first for each in ours) and all(
        texts_agree(first, each, *platforms) for each in theirs
    )


def _write_parts(patterns: Iterable[LinePattern]) -> Iterator[str]:
    """Write what varies in lines: a normalizer's name, or an expression with what is before it."""
    for pattern in patterns:
        before = ""
        for piece in pattern.pieces:
            if isinstance(piece, str):
                before = piece
            elif piece.name == "space":
                before += piece.seen[0] if len(set(piece.seen)) == 1 else _SPACES
            else:
                yield _NAMED.get(piece.name) or _write_part(before, piece)
                before = ""


def _write_part(before: str, shape: Shape) -> str:
    if shape.name == "run":
        return f"{re.escape(max(shape.seen)[:1])}+"
    simple = _SIMPLE.get(shape.name, shape.pattern)
    if shape.name == "number":
        simple = r"\d+\.\d+" if any("." in each for each in shape.seen) else simple
        simple = f"-?{simple}" if any(each[0] == "-" for each in shape.seen) else simple
    lead = re.search(r"[^\s\0]*[\s\0]*[^\s\w\0]*\Z", before[-_LEAD:])
    start = lead[0] if lead else ""
    return f"{_escape(start)}{simple}" if start.strip(" \0") else f"^{_escape(before)}{simple}"


def _escape(text: str) -> str:
    """Escape a text for an expression, spaces left as they are."""
    parts = (re.escape(each).replace("\\ ", " ") for each in text.split(_SPACES))
    return " *".join(parts).replace("\\-", "-")


def _write_starts(patterns: Iterable[LinePattern]) -> Iterator[str]:
    """Write expressions for lines that vary, by how they begin."""
    for pattern in patterns:
        first = pattern.pieces[0]
        if isinstance(first, str) and len(first.strip()) >= _LEAST_START:
            yield f"^{_escape(first.rstrip())}"


def _change(
    text: str, entries: Iterable[str], change: Callable[[str, re.Pattern[str]], str]
) -> str:
    for entry in entries:
        named = BUILT_IN.get(entry)
        text = named(text) if named else change(text, re.compile(entry, re.MULTILINE))
    return text


def _replace(text: str, pattern: re.Pattern[str]) -> str:
    return pattern.sub("<...>", text)


def _leave_out(text: str, pattern: re.Pattern[str]) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(each for each in lines if not pattern.search(each.removesuffix("\n")))


def _quote(text: str) -> str:
    """Write an expression as Python does."""
    if '"' not in text:
        return f'r"{text}"'
    return f"r'{text}'" if "'" not in text else repr(text)
