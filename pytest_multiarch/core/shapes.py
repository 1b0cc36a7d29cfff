"""Shapes: what the values of one varying part have in common, from lines a program printed again.

A line is taken apart into tokens. What is the same in all lines stays as it is; what varies becomes
a shape, as narrow as the values seen allow: a number of about so many digits, a time written in one
way, a random word of this alphabet and length. What lies between two values counts as seen; a word
that was never seen counts only where words that were seen once are common.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import comb
from typing import TYPE_CHECKING

from pytest_multiarch.core.normalize import get_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_NUMBER = (
    r"(?:(?<![\w.)\]-])-)?(?<![\w.])"
    r"(?:\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?!\w)(?!\.\w)"  # not 1.2.3
    r"|\d+\.\d+(?=[A-Za-z]{1,3}\b))"  # 1.5K
)
_BARS = "#=*.|~>"
"""What bars are drawn with."""
_TOKEN = re.compile(
    rf"(?P<time>{get_pattern('timestamps')}|{get_pattern('dates')})"
    rf"|(?P<uuid>{get_pattern('uuids')})"
    rf"|(?P<duration>{get_pattern('durations')})"
    r"|(?P<address>\b0x[0-9a-fA-F]{1,16}\b)"
    rf"|(?P<number>{_NUMBER})"
    r"|(?P<word>\w+)"
    r"|(?P<space>[ \t]+)"
    rf"|(?P<mark>(?P<bar>[{_BARS}])(?P=bar)*|[\s\S])"
)
_VALUES = ("time", "uuid", "duration", "address", "number", "word")
"""The kinds of tokens of which one can stand in another's place."""
_DIGIT = re.compile(r"\d")
_TIME_WORD = re.compile(r"[A-Za-z]+")
_FRACTION = re.compile(r"(0[:0]*)[.,]0+")
_LEAST_RANDOM = 6
_FEW = 8
"""Of more values several are of one run, and tell less than as many runs."""
_RARE = 0.05
_SHORT = 300
"""Up to how many characters lines are remembered with their tokens."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a line, and what it looks like."""

    kind: str
    text: str


def split_tokens(line: str) -> tuple[Token, ...]:
    """Take a line apart; nothing of it is lost."""
    return _split_short(line) if len(line) <= _SHORT else tuple(_list_tokens(line))


def _list_tokens(line: str) -> Iterator[Token]:
    return (Token(str(each.lastgroup), each[0]) for each in _TOKEN.finditer(line))


@lru_cache(maxsize=16_384)
def _split_short(line: str) -> tuple[Token, ...]:
    return tuple(_list_tokens(line))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the values of one varying part look like.

    `name` is for people. `pattern` fits all of them. `seen` are the values, each as often as it
    came. `is_named`: they are words that mean something, so a new one does too. `is_random`: they
    are drawn at random, so one and the same again and again is something else.
    """

    name: str
    pattern: str
    seen: tuple[str, ...] = field(repr=False)
    is_named: bool = False
    is_random: bool = False

    def explain_unlike(self, values: Sequence[str]) -> str:
        """Say what is odd about values that all fit the pattern, empty if nothing is."""
        if self.is_named and not is_likely(values, self.seen):
            new = next(each for each in values if each not in self.seen)
            return f"{new!r}, which never came where {_list_values(self.seen)} did"
        is_always_new = len(self.seen) >= 4 and len(set(self.seen)) == len(self.seen)
        if self.is_random and is_always_new and len(values) >= 4 and len(set(values)) == 1:
            return f"always {values[0]!r}, where it is never the same twice"
        return ""


def is_likely(values: Sequence[str], seen: Sequence[str]) -> bool:
    """Tell whether values may be of what others were drawn from.

    The chance that the next value is a new one is about the share of those that came once (Good,
    1953, https://doi.org/10.1093/biomet/40.3-4.237). So many of the values may be new ones; and of
    one value a run, as many as chance deals to one side alone in one of twenty times.
    """
    counts = Counter(seen)
    once = sum(1 for number in counts.values() if number == 1)
    new = sum(1 for each in values if each not in counts)
    if new * len(seen) <= once * len(values):
        return True
    if len(counts) < 2 or len(seen) > _FEW:
        return False
    return is_chance(new, len(seen), len(values))


def is_chance(number: int, ours: int, theirs: int) -> bool:
    """Whether chance may well deal so many of all values to one side alone: their side."""

    def deal(some: int) -> float:
        return comb(ours + theirs - some, ours) / comb(ours + theirs, ours)

    return deal(theirs) <= _RARE < deal(number)


def _list_values(values: Iterable[str]) -> str:
    return ", ".join(repr(each) for each in sorted(set(values))[:4])


@dataclass(frozen=True, slots=True)
class LinePattern:
    """What lines have in common: texts, and shapes where they vary."""

    pieces: tuple[str | Shape, ...]

    @property
    def shapes(self) -> tuple[Shape, ...]:
        return tuple(each for each in self.pieces if isinstance(each, Shape))

    @property
    def is_constant(self) -> bool:
        return not self.shapes

    def describe(self) -> str:
        """Write it with a name in place of each varying part."""
        return "".join(map(_describe_piece, self.pieces))

    def match(self, line: str) -> tuple[str, ...] | None:
        """Give what stands in a line where it varies; None if it does not fit."""
        found = _compile(self.pieces).fullmatch(line)
        return None if found is None else found.groups()


def _describe_piece(piece: str | Shape) -> str:
    if isinstance(piece, str):
        return piece
    return piece.seen[0] if piece.name == "space" else f"<{piece.name}>"


@lru_cache(maxsize=1024)
def _compile(pieces: tuple[str | Shape, ...]) -> re.Pattern[str]:
    return re.compile(
        "".join(
            re.escape(each) if isinstance(each, str) else f"({each.pattern})" for each in pieces
        ),
        re.DOTALL,
    )


def learn_line(lines: Sequence[str]) -> LinePattern:
    """Learn what lines have in common, at least one; each of them fits what is learned."""
    if len(set(lines)) == 1:
        return LinePattern((lines[0],))
    rows = [split_tokens(line) for line in lines]
    return LinePattern(_join(_learn_rows(rows)))


def _learn_rows(rows: Sequence[Sequence[Token]]) -> list[str | Shape]:
    rows = _add_empty_bars(rows)
    if _are_aligned(rows):
        pieces = _learn_columns(rows)
        if not _is_cut_by_chance(_join(pieces)):
            return pieces
    anchor = _find_anchor(rows)
    if anchor is None:
        return _learn_span(rows)
    places = [next(at for at, each in enumerate(row) if each == anchor) for row in rows]
    before = [row[:at] for row, at in zip(rows, places, strict=True)]
    after = [row[at + 1 :] for row, at in zip(rows, places, strict=True)]
    return [*_learn_side(before), anchor.text, *_learn_side(after)]


def _add_empty_bars(rows: Sequence[Sequence[Token]]) -> Sequence[Sequence[Token]]:
    """End all rows with a bar if some do: of nothing there is none."""
    marks = {row[-1].text[0] for row in rows if row and _is_bar(row[-1])}
    if len(marks) != 1:
        return rows
    return [row if row and _is_bar(row[-1]) else [*row, Token("mark", "")] for row in rows]


def _is_bar(token: Token) -> bool:
    return token.kind == "mark" and token.text[:1] in _BARS


def _learn_side(rows: Sequence[Sequence[Token]]) -> list[str | Shape]:
    texts = {"".join(each.text for each in row) for row in rows}
    return [texts.pop()] if len(texts) == 1 else _learn_rows(rows)


def _find_anchor(rows: Sequence[Sequence[Token]]) -> Token | None:
    """Find a value that stands once in each line, so that what is around it can be told apart.

    The longest is the least likely to be there by chance; with few lines a short one may be.
    """
    once = [
        {each for each, number in Counter(row).items() if number == 1 and each.kind in _VALUES}
        for row in rows
    ]
    common = set.intersection(*once)
    known = [e for e in rows[0] if e in common and len(e.text) * (len(rows) - 1) >= _LEAST_RANDOM]
    return max(known, key=lambda each: len(each.text), default=None)


def _is_cut_by_chance(pieces: Sequence[str | Shape]) -> bool:
    """Whether marks of Base64 stand in all lines, within ids that are equally long together."""
    for one, mark, other in zip(pieces, pieces[1:], pieces[2:], strict=False):
        is_cut = isinstance(mark, str) and set(mark) <= set("+/-_")
        if is_cut and isinstance(one, Shape) and isinstance(other, Shape):
            names = {one.name, other.name}
            sizes = [len(a) + len(b) for a, b in zip(one.seen, other.seen, strict=False)]
            if (
                "id" in names
                and "space" not in names
                and len(set(sizes)) == 1
                and len(set(map(len, one.seen))) > 1
            ):
                return True
    return False


def _are_aligned(rows: Sequence[Sequence[Token]]) -> bool:
    """Whether lines have the same marks between as many values, spaces aside."""
    solid = [[each for each in row if each.kind != "space"] for row in rows]
    if len({len(row) for row in solid}) != 1:
        return False
    for column in zip(*solid, strict=True):
        kinds = {each.kind for each in column}
        if not kinds <= set(_VALUES) and not _is_run({each.text for each in column}):
            return False
    return True


def _is_run(texts: set[str]) -> bool:
    """Whether marks are the same, or bars of one mark that are longer or shorter."""
    return len(texts) == 1 or len({each for text in texts for each in text}) == 1


def _learn_columns(rows: Sequence[Sequence[Token]]) -> list[str | Shape]:
    spaced = [_space_out(row) for row in rows]
    pieces: list[str | Shape] = []
    for column in zip(*spaced, strict=True):
        texts = tuple(each.text for each in column)
        if len(set(texts)) == 1:
            pieces.append(texts[0])
        elif column[0].kind == "space":
            pieces.append(_make_space(texts))
        else:
            pieces += _learn_value(column)
    pieces = _read_dump(pieces)
    return [
        _loosen(each, pieces[at + 1 : at + 2]) if each or not at else each
        for at, each in enumerate(pieces)
    ]


def _read_dump(pieces: list[str | Shape]) -> list[str | Shape]:
    """Take a column of numbers for hexadecimal if the others of the row are, and as wide.

    A byte of a dump (`3a a9 74 62`) is two digits in one of three draws.
    """
    dumped = [each for each in pieces if isinstance(each, Shape) and each.name == "hex"]
    widths = {len(text) for each in dumped for text in each.seen}
    if len(dumped) < 2 or len(widths) != 1:
        return pieces
    (width,) = widths
    return [
        replace(dumped[0], seen=each.seen)
        if isinstance(each, Shape)
        and each.name == "number"
        and all(len(text) == width and text.isdigit() for text in each.seen)
        else each
        for each in pieces
    ]


def _space_out(row: Sequence[Token]) -> list[Token]:
    """Give tokens with what is between them, which may be nothing; it is a space each time."""
    spaced: list[Token] = []
    for token in row:
        if token.kind != "space" and not (spaced and spaced[-1].kind == "space"):
            spaced.append(Token("space", ""))
        spaced.append(token)
    return spaced if spaced and spaced[-1].kind == "space" else [*spaced, Token("space", "")]


def _make_space(seen: tuple[str, ...]) -> Shape:
    return Shape(name="space", pattern="[ \\t]+" if all(seen) else "[ \\t]*", seen=seen)


def _loosen(piece: str | Shape, after: Sequence[str | Shape]) -> str | Shape:
    """Let a column of numbers be as wide as its numbers are, and a bar be none."""
    is_space = isinstance(piece, str) and not piece.strip(" ")
    is_number = any(isinstance(each, Shape) and each.name == "number" for each in after)
    is_bar = any(isinstance(each, Shape) and each.pattern.endswith("{0,}") for each in after)
    if is_space and is_bar:
        return _make_space(("",))
    return _make_space((str(piece),)) if is_space and is_number else piece


def _learn_value(column: Sequence[Token]) -> list[str | Shape]:
    """Learn a token that varies; what words share at their beginning and end stays."""
    kinds = {each.kind for each in column}
    texts = tuple(each.text for each in column)
    if kinds == {"time"}:
        forms = "|".join(sorted({_write_time(each) for each in texts}))
        return [Shape(name="time", pattern=f"(?:{forms})", seen=texts)]
    if kinds == {"uuid"}:
        pattern = "[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
        return [Shape(name="uuid", pattern=pattern, seen=texts, is_random=True)]
    if kinds == {"duration"}:
        pattern = get_pattern("durations").replace("(?<![\\w.])", "")
        return [Shape(name="duration", pattern=pattern, seen=texts)]
    if kinds == {"address"}:
        # As wide as the platform's own addresses are.
        return [Shape(name="address", pattern="0x[0-9a-fA-F]{1,16}", seen=texts)]
    if all(map(_is_number, texts)):
        return [_learn_number(texts)]
    start, end = _measure_shared(texts)
    middles = tuple(text[start : len(text) - end] for text in texts)
    if (start or end) and all(middles):
        inner = _learn_number(middles) if all(map(_is_number, middles)) else _learn_word(middles)
        tail = texts[0][len(texts[0]) - end :]
        return [each for each in (texts[0][:start], inner, tail) if each]
    return [_learn_word(texts)]


def _is_number(text: str) -> bool:
    return re.fullmatch(_NUMBER, text) is not None


def _write_time(text: str) -> str:
    """Give an expression for times that are written in the same way."""
    form = _DIGIT.sub("0", text)
    escaped = re.escape(_FRACTION.sub(r"\1~", form))
    words = _TIME_WORD.sub(lambda match: _write_time_word(match[0]), escaped)
    return words.replace("0", r"\d").replace("\\~", r"[.,]\d{1,9}").replace("~", r"[.,]\d{1,9}")


def _write_time_word(word: str) -> str:
    return "[A-Z][a-z]{2}" if len(word) == 3 and word.istitle() else word


def _learn_number(texts: tuple[str, ...]) -> Shape:
    """Learn a number: its sign and its form as seen, its size within three digits."""
    parts = [re.fullmatch(r"(-?)(\d+)(\.\d+)?([eE][-+]?\d+)?", each) for each in texts]
    found = [each for each in parts if each is not None]
    sizes = [len(each[2]) for each in found]
    is_padded = len(set(sizes)) == 1 and any(e[2][0] == "0" and len(e[2]) > 1 for e in found)
    least, most = (min(sizes), max(sizes)) if is_padded else (1, max(sizes) + 3)
    if not is_padded and min(sizes) > 6:
        least = min(sizes) - 3
    sign = "-?" if any(each[1] for each in found) or _are_scattered(texts) else ""
    has_fraction, has_exponent = any(e[3] for e in found), any(e[4] for e in found)
    fraction = r"(?:\.\d+)" + ("" if all(e[3] for e in found) else "?") if has_fraction else ""
    exponent = r"(?:[eE][-+]?\d+)?" if has_exponent or has_fraction else ""
    return Shape(
        name="number",
        pattern=rf"{sign}\d{{{least},{most}}}{fraction}{exponent}",
        seen=texts,
        is_random=min(sizes) > 6,
    )


def _are_scattered(texts: Sequence[str]) -> bool:
    """Whether numbers are large and far apart, as random ones are and times are not."""
    values = [abs(float(each)) for each in texts]
    is_fine = max(values) >= 1e6 or all("." in each for each in texts)
    return is_fine and min(values) < 0.8 * max(values)


def _measure_shared(texts: Sequence[str]) -> tuple[int, int]:
    """Give how many characters words share at their beginning and end, as a word of their own.

    Letters that random words have in common by chance are none.
    """
    shortest = min(map(len, texts))
    start = _count_shared(texts, shortest)
    lead = re.match(r"(?:[^\W\d]{2,}[_\d]*?(?=[\d_]|\Z)|[^\W\d]{3,})", texts[0][:start])
    start = len(lead[0]) if lead and len(lead[0]) * (len(texts) - 1) >= _LEAST_RANDOM else 0
    end = _count_shared([each[::-1] for each in texts], shortest - start)
    trail = re.match(r"[^\W\d]{1,}", texts[0][::-1][:end])
    is_unit = trail is not None and all(
        each[len(each) - len(trail[0]) - 1].isdigit() for each in texts if len(each) > len(trail[0])
    )
    return start, len(trail[0]) if trail and is_unit else 0


def _count_shared(texts: Sequence[str], most: int) -> int:
    count = 0
    while count < most and len({each[count] for each in texts}) == 1:
        count += 1
    return count


_ALPHABETS = (
    ("number", r"\d"),
    ("hex", "[0-9a-f]"),
    ("hex", "[0-9A-F]"),
    ("word", "[a-z]"),
    ("word", "[A-Z]"),
    ("word", "[A-Za-z]"),
    ("id", "[0-9a-z_]"),
    ("id", "[0-9A-Z_]"),
    ("id", "[0-9A-Za-z+/=_-]"),
    ("text", r"\w"),
    ("text", r"\S"),
    ("text", r"[^\n]"),
    ("text", r"[\s\S]"),
)
"""Narrow to wide; what is in Base64 of either kind goes with letters and digits."""
_RANDOM_ALPHABETS = {"[a-z]": "[0-9a-z_]", "[A-Z]": "[0-9A-Z_]", "[A-Za-z]": "[0-9A-Za-z+/=_-]"}
"""What random words are drawn from of which some happen to be letters alone."""


def _learn_word(texts: tuple[str, ...]) -> Shape:
    characters = {each for text in texts for each in text}
    if len(characters) == 1 and not characters & set(string.ascii_letters + string.digits):
        lengths = set(map(len, texts))
        least = 0 if len(lengths) > 2 else min(1, *lengths)
        pattern = f"{re.escape(characters.pop())}{{{least},}}"
        return Shape(name="run", pattern=pattern, seen=texts)
    name, alphabet = next(
        each for each in _ALPHABETS if all(re.fullmatch(f"(?:{each[1]})*", t) for t in texts)
    )
    sizes = [len(each) for each in texts]
    least, most = min(sizes), max(sizes)
    has_new_each = len(set(texts)) == len(texts)
    is_fixed = least == most >= 4 and has_new_each
    if name == "word" and is_fixed and most >= _LEAST_RANDOM:
        alphabet = _RANDOM_ALPHABETS.get(alphabet, alphabet)
    if name in ("hex", "number"):
        least, most = max(least - 2, min(least, 1)), most + 2
    elif not is_fixed:
        least, most = min(least, 1), 3 * most
    elif name == "id":
        least, most = least - 2, most + 2
    return Shape(
        name=name,
        pattern=f"{alphabet}{{{least},{most}}}",
        seen=texts,
        is_named=name in ("word", "text"),
        is_random=name in ("id", "word") and is_fixed and least >= _LEAST_RANDOM,
    )


def _learn_span(rows: Sequence[Sequence[Token]]) -> list[str | Shape]:
    """Learn lines that share only how they begin and end."""
    shortest = min(map(len, rows))
    start = _count_shared_tokens(rows, shortest)
    end = _count_shared_tokens([row[::-1] for row in rows], shortest - start)
    middles = tuple("".join(each.text for each in row[start : len(row) - end]) for row in rows)
    lead = "".join(each.text for each in rows[0][:start])
    tail = "".join(each.text for each in rows[0][len(rows[0]) - end :])
    characters = {each for text in middles for each in text}
    if len(characters) == 1:  # of a run, what all have is no text of its own
        (run,) = characters
        before, after = lead.rstrip(run), tail.lstrip(run)
        first, last = lead[len(before) :], tail[: len(tail) - len(after)]
        middles = tuple(f"{first}{each}{last}" for each in middles)
        lead, tail = before, after
    return [each for each in (lead, _learn_word(middles), tail) if each]


def _count_shared_tokens(rows: Sequence[Sequence[Token]], most: int) -> int:
    count = 0
    while count < most and len({row[count] for row in rows}) == 1:
        count += 1
    return count


def _join(pieces: Iterable[str | Shape]) -> tuple[str | Shape, ...]:
    """Put texts that follow each other together."""
    joined: list[str | Shape] = []
    for each in pieces:
        if isinstance(each, str) and joined and isinstance(joined[-1], str):
            joined[-1] += each
        else:
            joined.append(each)
    return tuple(joined)


def mask_volatile(line: str, level: int) -> str:
    """Put a name in place of what often varies: at level 1 times, addresses and the like, at level
    2 every number too, and bars and spaces have one length, at level 3 every word.
    """
    if not level:
        return line
    return "".join(_mask_token(each, level) for each in split_tokens(line))


def _mask_token(token: Token, level: int) -> str:
    kind, text = token.kind, token.text
    if kind in ("time", "uuid", "duration", "address"):
        return f"<{kind}>"
    has_digits = any(each.isdigit() for each in text)
    if kind in ("mark", "space"):
        return text[0] if level >= 2 else text
    if kind == "number" and (level >= 2 or "." in text):
        return "<number>"
    if kind == "word" and level >= 3:
        return "<word>"
    if kind == "word" and has_digits and (level >= 2 or (len(text) >= 8 and not text.isdigit())):
        return "<id>"
    return text
