"""Variation: what of an output varies by itself, learned from the same call made again and again.

What the baseline's outputs have in common is compared by value, what varies among them by its shape
(`core.shapes`). Nothing is learned from the other platform: a part that is the same in all outputs
of the baseline has to be the same there, every time.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.names import (
    mask_own_names,
    sequences_agree,
    split_names,
    texts_agree,
)
from pytest_multiarch.core.shapes import LinePattern, Shape, is_chance, learn_line, mask_volatile
from pytest_multiarch.core.stream import encode_output

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Sequence

    from pytest_multiarch.core.platform import Platform

_SEPARATORS = (", ", ",", "; ", ";", "&", "|", ":", " ")
_BRACKETS = r"[\[\](){}<>]"
_MOST_SHOWN = 3
_ANY_WORD = 3


@dataclass(frozen=True, slots=True)
class Unlike:
    """How outputs are unlike what was learned.

    `reason` is for people. `lines` are the numbers, from 0, of the lines that are, where lines of
    one number are each other's counterparts; None where it is the whole.
    """

    reason: str
    lines: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class VaryingLine:
    """A line that is not the same each time, on one platform."""

    samples: tuple[str, ...]
    platform: Platform
    raw: LinePattern
    masked: LinePattern
    items: ItemOrder | None = None

    @classmethod
    def learn(cls, samples: tuple[str, ...], platform: Platform) -> VaryingLine:
        """Learn from lines; own names of the platform in them are each other's counterparts."""
        masked = tuple(mask_own_names(each, platform) for each in samples)
        return cls(
            samples=samples,
            platform=platform,
            raw=learn_line(samples),
            masked=learn_line(masked),
            items=ItemOrder.learn(masked),
        )

    def describe(self) -> str:
        """Show it with names in place of what varies."""
        if self.items is not None:
            return f"{self.samples[0]} (the order varies)"
        return self.raw.describe()

    def explain_unlike(self, lines: Sequence[str], platform: Platform) -> str:
        """Say what is odd about lines of another platform; empty if they fit."""
        masked = [mask_own_names(each, platform) for each in lines]
        if self.items is not None:
            return "" if all(map(self.items.fits, masked)) else self._quote(lines[0])
        groups: list[tuple[str, ...]] = []
        pattern = self.raw
        for raw, line in zip(lines, masked, strict=True):
            found = self.raw.match(raw)
            if found is None and self._names_agree(raw, platform):
                pattern = self.masked
                found = self.masked.match(line)
            if found is None:
                return self._quote(raw)
            groups.append(found)
        for shape, values in zip(pattern.shapes, zip(*groups, strict=False), strict=False):
            why = shape.explain_unlike(values)
            if why:
                return why
        return ""

    def _names_agree(self, line: str, platform: Platform) -> bool:
        """Whether names of architectures are each other's; a number can look like one (386)."""
        ours, theirs = split_names(self.samples[0]).names, split_names(line).names
        if len(ours) != len(theirs):
            return True
        return sequences_agree(ours, theirs, self.platform, platform)

    def _quote(self, line: str) -> str:
        return f"{line[:200]!r} does not fit {self.describe()[:200]!r}"


@dataclass(frozen=True, slots=True)
class ItemOrder:
    """A line of items in any order: a set, the keys of a mapping."""

    pattern: re.Pattern[str]
    items: tuple[tuple[str, int], ...]
    marks: tuple[str, ...]

    @classmethod
    def learn(cls, lines: Sequence[str]) -> ItemOrder | None:
        """Find what separates items that only change places; None if nothing does."""
        for separator in _SEPARATORS:
            pattern = re.compile(f"({_BRACKETS}|{re.escape(separator)})")
            rows = [_split_items(line, pattern) for line in lines]
            if len(set(rows)) == 1 and len(rows[0][0]) > 1:
                return cls(pattern, *rows[0])
        return None

    def fits(self, line: str) -> bool:
        """Whether a line has the same items."""
        return _split_items(line, self.pattern) == (self.items, self.marks)


def _split_items(
    line: str, pattern: re.Pattern[str]
) -> tuple[tuple[tuple[str, int], ...], tuple[str, ...]]:
    pieces = pattern.split(line)
    return tuple(sorted(Counter(pieces[::2]).items())), tuple(sorted(pieces[1::2]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """What outputs of one call on one platform have in common, and how they vary.

    `how` says it in a few words, empty where they do not vary.
    """

    samples: tuple[str, ...] = field(repr=False)
    platform: Platform
    how: str = ""

    @property
    def is_constant(self) -> bool:
        return not self.how

    def show(self) -> tuple[str, ...]:
        """Show what varies, marked."""
        return ()

    def list_patterns(self) -> tuple[LinePattern, ...]:
        """Give what was learned of the lines in which something varies."""
        return ()

    def find_unlike(self, texts: Sequence[str], platform: Platform) -> Unlike | None:
        """Say how outputs of another platform are unlike these; None if they are not."""
        odd = [
            _list_unlike(self.samples[0], text, self.platform, platform)
            for text in texts
            if not texts_agree(self.samples[0], text, self.platform, platform)
        ]
        if not odd:
            return None
        known = [each for each in odd if each is not None]
        lines = sorted({at for each in known for at in each})
        return Unlike("", tuple(lines) if len(known) == len(odd) else None)


def _list_unlike(
    ours: str, theirs: str, our_platform: Platform, their_platform: Platform
) -> tuple[int, ...] | None:
    one, two = ours.split("\n"), theirs.split("\n")
    if len(one) != len(two):
        return None
    return tuple(
        at
        for at, (a, b) in enumerate(zip(one, two, strict=True))
        if not texts_agree(a, b, our_platform, their_platform)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class VaryingParts(Variation):
    """Parts of lines vary; each line has its counterpart."""

    lines: tuple[str | VaryingLine, ...] = ()

    def show(self) -> tuple[str, ...]:
        shown = [
            f"line {number}: {each.describe()}"
            for number, each in enumerate(self.lines, start=1)
            if isinstance(each, VaryingLine)
        ]
        return _shorten(shown)

    def list_patterns(self) -> tuple[LinePattern, ...]:
        lines = [each for each in self.lines if isinstance(each, VaryingLine)]
        return () if any(each.items for each in lines) else tuple(each.raw for each in lines)

    def find_unlike(self, texts: Sequence[str], platform: Platform) -> Unlike | None:
        rows = [text.split("\n") for text in texts]
        for row in rows:
            if len(row) != len(self.lines):
                return Unlike(f"{_count_lines(row)}, where it is {_count_lines(self.lines)}")
        odd: dict[int, str] = {}
        for at, (line, others) in enumerate(zip(self.lines, zip(*rows, strict=True), strict=True)):
            if isinstance(line, VaryingLine):
                why = line.explain_unlike(others, platform)
                if why:
                    odd[at] = f"line {at + 1}: {why}"
            elif not all(texts_agree(line, e, self.platform, platform) for e in others):
                odd[at] = f"line {at + 1} is always the same on {self.platform}"
        if not odd:
            return None
        return Unlike(next(iter(odd.values())), tuple(odd))


def _count_lines(lines: Sequence[object]) -> str:
    number = len(lines) - (lines[-1] == "")
    return f"{number} line{'s' if number != 1 else ''}"


def _shorten(lines: Sequence[str]) -> tuple[str, ...]:
    more = len(lines) - _MOST_SHOWN
    return (*lines[:_MOST_SHOWN], *([f"and {more} more lines"] if more > 0 else []))


@dataclass(frozen=True, slots=True, kw_only=True)
class VaryingLines(Variation):
    """Lines change places, or come more or less often.

    Lines are alike if they are once what varies in most outputs is masked, at `level`. `alike` are
    what lines that are alike have in common, `counts` how often they come, at least and at most.
    `loose` are kinds of lines that change places. `order` is that of all others; `places` says of
    loose lines after how many of those they come, if that is always the same.
    """

    level: int
    alike: dict[str, VaryingLine | tuple[str, ...]] = field(default_factory=dict)
    counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    loose: frozenset[str] = frozenset()
    places: dict[str, int] = field(default_factory=dict)
    order: tuple[str, ...] = ()

    def show(self) -> tuple[str, ...]:
        shown = [
            each.describe() if isinstance(each, VaryingLine) else key
            for key, each in self.alike.items()
            if self._is_varying(key)
        ]
        return _shorten(shown)

    def _is_varying(self, key: str) -> bool:
        least, most = self.counts[key]
        is_loose = mask_volatile(key, _ANY_WORD) in self.loose
        return is_loose or least != most or isinstance(self.alike[key], VaryingLine)

    def find_unlike(self, texts: Sequence[str], platform: Platform) -> Unlike | None:
        found: dict[str, list[str]] = {}
        absent: Counter[str] = Counter()
        for text in texts:
            lines = _split_loose(text, platform)
            keys = [mask_volatile(each, self.level) for each in lines]
            counts = Counter(keys)
            missing = self._list_missing(counts)
            why = self._explain_counts(counts, missing)
            if why:
                return Unlike(why)
            absent.update(missing)
            if self._list_fixed(keys) != tuple(e for e in self.order if e not in missing):
                return Unlike("the lines that have an order have another")
            places = _find_places(keys, self.loose, self.counts)
            if any(places[kind] != {at} for kind, at in self.places.items() if kind in places):
                return Unlike("lines that change places are beyond lines that do not")
            for key, line in zip(keys, lines, strict=True):
                found.setdefault(key, []).append(line)
        for key, number in absent.items():
            if not is_chance(number, len(self.samples), len(texts)):
                return Unlike(f"{key[:200]!r} comes {_count_times(0)}")
        for key, lines in found.items():
            why = self._compare_alike(key, lines, len(texts), platform)
            if why:
                return Unlike(why)
        return None

    def _list_missing(self, counts: Counter[str]) -> frozenset[str]:
        """List lines that do not come, and came once, or more often, on the baseline."""
        often = (key for key, (least, most) in self.counts.items() if least == 1 < most)
        return frozenset(often).difference(counts)

    def _explain_counts(self, counts: Counter[str], missing: frozenset[str]) -> str:
        for key in (*self.counts, *counts):
            least, most = self.counts.get(key, (0, 0))
            number = counts[key]
            is_enough = number >= min(least, 1) if least < most else number == least
            if not is_enough and key not in missing:
                return f"{key[:200]!r} comes {_count_times(number)}"
        return ""

    def _compare_alike(self, key: str, lines: list[str], number: int, platform: Platform) -> str:
        known = self.alike[key]
        if isinstance(known, VaryingLine):
            return known.explain_unlike(lines, platform)
        expected = Counter(known)
        if self.counts[key][0] != self.counts[key][1]:
            return "" if set(lines) <= set(expected) else f"{lines[0][:200]!r} is new"
        is_same = Counter(lines) == Counter({e: n * number for e, n in expected.items()})
        return "" if is_same else f"{lines[0][:200]!r} is not what comes on {self.platform}"

    def _list_fixed(self, keys: Iterable[str]) -> tuple[str, ...]:
        return tuple(_list_fixed(keys, self.loose, self.counts))


def _count_times(number: int) -> str:
    return f"{number} time{'s' if number != 1 else ''}"


def _list_fixed(
    keys: Iterable[str], loose: frozenset[str], counts: dict[str, tuple[int, int]]
) -> Iterator[str]:
    """Give the lines that have an order, one that comes more or less often once in a row."""
    before = None
    for key in keys:
        if mask_volatile(key, _ANY_WORD) in loose:
            continue
        least, most = counts.get(key, (0, 0))
        if least != most and (not least or key == before):
            before = key
            continue
        before = key
        yield key


def _find_places(
    keys: Iterable[str], loose: frozenset[str], counts: dict[str, tuple[int, int]]
) -> dict[str, set[int]]:
    """Give after how many lines with an order loose ones come, by their kind."""
    places: dict[str, set[int]] = {}
    before = 0
    for key in keys:
        kind = mask_volatile(key, _ANY_WORD)
        if kind in loose:
            places.setdefault(kind, set()).add(before)
        elif counts.get(key, (1, 1)) == (1, 1):
            before += 1
    return places


def _split_loose(text: str, platform: Platform) -> list[str]:
    """Give lines as they are compared in any order: a list's last item has no comma."""
    return [
        mask_own_names(each.rstrip(","), platform) for each in text.removesuffix("\n").split("\n")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class VaryingWhole(Variation):
    """All of it varies: outputs have not a line in common."""

    whole: VaryingLine

    def show(self) -> tuple[str, ...]:
        return (self.whole.raw.describe(),)

    def find_unlike(self, texts: Sequence[str], platform: Platform) -> Unlike | None:
        why = self.whole.explain_unlike(texts, platform)
        return Unlike(why) if why else None


@dataclass(frozen=True, slots=True, kw_only=True)
class VaryingKeys(Variation):
    """JSON, of which keys change places; `inner` is learned with the keys sorted."""

    inner: Variation

    def show(self) -> tuple[str, ...]:
        return self.inner.show() or ("JSON, its keys in any order",)

    def find_unlike(self, texts: Sequence[str], platform: Platform) -> Unlike | None:
        found = [_sort_keys(text) for text in texts]
        known = [each[0] for each in found if each is not None]
        if len(known) < len(found):
            return Unlike("it is not JSON")
        return self.inner.find_unlike(known, platform)


@dataclass(frozen=True, slots=True, kw_only=True)
class VaryingRedraws(Variation):
    """A line that is drawn anew in its place; `inner` is learned with each drawing as a line."""

    inner: Variation

    def show(self) -> tuple[str, ...]:
        return self.inner.show()

    def find_unlike(self, texts: Sequence[str], platform: Platform) -> Unlike | None:
        if not all(map(_REDRAW.search, texts)):
            return Unlike("it draws no line anew")
        found = self.inner.find_unlike(list(map(_split_redraws, texts)), platform)
        return Unlike(found.reason) if found else None


_REDRAW = re.compile(r"\r(?!\n)")


def _split_redraws(text: str) -> str:
    return _REDRAW.sub("\n", text)


def _sort_keys(text: str) -> tuple[str, Hashable] | None:
    """Give JSON with its keys sorted, and their order; numbers stay as they are written."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    orders: list[tuple[str, ...]] = []

    def note_order(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        orders.append(tuple(key for key, _ in pairs))
        return dict(pairs)

    try:
        value = json.loads(
            text,
            object_pairs_hook=note_order,
            parse_float=_keep_number,
            parse_int=_keep_number,
        )
        return json.dumps(value, sort_keys=True, indent=1), tuple(sorted(orders))
    except (ValueError, RecursionError):
        return None


def _keep_number(text: str) -> dict[str, str]:
    return {"number": text}


def learn_text(samples: Iterable[str], platform: Platform) -> Variation:
    """Learn from outputs of one call on one platform, at least one."""
    return _learn(tuple(samples), platform)


@lru_cache(maxsize=8)  # for each difference the same is asked several times
def _learn(texts: tuple[str, ...], platform: Platform) -> Variation:
    if len(set(texts)) == 1:
        return Variation(samples=texts, platform=platform)
    documents = [_sort_keys(text) for text in texts]
    known = [each for each in documents if each is not None]
    if len(known) == len(texts) and len({each[1] for each in known}) > 1:
        inner = _learn_plain(tuple(each[0] for each in known), platform)
        how = "the order of keys"
        return VaryingKeys(samples=texts, platform=platform, how=how, inner=inner)
    if all(map(_REDRAW.search, texts)) and not all(map(_is_binary, texts)):
        inner = _learn_plain(tuple(map(_split_redraws, texts)), platform)
        if inner.how:
            return VaryingRedraws(samples=texts, platform=platform, how=inner.how, inner=inner)
    return _learn_plain(texts, platform)


def _learn_plain(texts: tuple[str, ...], platform: Platform) -> Variation:
    if len(set(texts)) == 1:
        return Variation(samples=texts, platform=platform)
    loose = [_split_loose(text, platform) for text in texts]
    has_same_number = len(set(map(len, loose))) == 1
    for level in (0, 1, 2) if has_same_number else ():
        rows = [[mask_volatile(each, level) for each in lines] for lines in loose]
        is_same_lines = len({_freeze(Counter(row)) for row in rows}) == 1
        if is_same_lines and any(row != rows[0] for row in rows):
            return _learn_lines(texts, platform, level)
    if all(map(_is_binary, texts)) and len(set(texts)) == len(texts):
        noise = LinePattern((_make_noise(texts),))
        line = VaryingLine(texts, platform, noise, noise)
        return VaryingWhole(samples=texts, platform=platform, how="all of it", whole=line)
    split = [text.split("\n") for text in texts]
    if len({len(lines) for lines in split}) == 1:
        return _learn_parts(texts, platform)
    for level in (0, 1, 2):
        rows = [[mask_volatile(each, level) for each in lines] for lines in loose]
        if len({frozenset(row) for row in rows}) == 1:
            return _learn_lines(texts, platform, level)
    has_common = set(loose[0]).intersection(*loose[1:]) - {""}
    if not has_common and len(set(texts)) == len(texts) > 2:
        whole = VaryingLine.learn(texts, platform)
        if whole.raw.pieces and not isinstance(whole.raw.pieces[0], str):
            return VaryingWhole(samples=texts, platform=platform, how="all of it", whole=whole)
    return _learn_lines(texts, platform, 2)


def _is_binary(text: str) -> bool:
    """Whether at least one in five characters is no text."""
    odd = sum("\udc80" <= each <= "\udcff" or (each < " " and each not in "\t\n") for each in text)
    return 5 * odd >= len(text) > 0


def _make_noise(texts: tuple[str, ...]) -> Shape:
    """Make a shape of random bytes, which are decoded to more or fewer characters."""
    sizes = [len(encode_output(each)) for each in texts]
    least, most = min(sizes), max(sizes)
    return Shape(
        name="bytes", pattern=rf"[\s\S]{{{least // 3},{most}}}", seen=texts, is_random=True
    )


def _freeze(counts: Counter[str]) -> Hashable:
    return frozenset(counts.items())


def _learn_parts(texts: tuple[str, ...], platform: Platform) -> VaryingParts:
    rows = [text.split("\n") for text in texts]
    lines = tuple(
        column[0] if len(set(column)) == 1 else VaryingLine.learn(column, platform)
        for column in zip(*rows, strict=True)
    )
    return VaryingParts(samples=texts, platform=platform, how="parts of lines", lines=lines)


def _learn_lines(texts: tuple[str, ...], platform: Platform, level: int) -> VaryingLines:
    rows = [_split_loose(text, platform) for text in texts]
    keys = [[mask_volatile(each, level) for each in row] for row in rows]
    by_key: dict[str, list[tuple[str, ...]]] = {}
    counts: dict[str, tuple[int, int]] = {}
    for key in dict.fromkeys(key for row in keys for key in row):
        found = [
            tuple(sorted(line for line, k in zip(row, names, strict=True) if k == key))
            for row, names in zip(rows, keys, strict=True)
        ]
        by_key[key] = found
        counts[key] = min(map(len, found)), max(map(len, found))
    loose = _find_loose(keys, counts)
    alike: dict[str, VaryingLine | tuple[str, ...]] = {}
    for key, found in by_key.items():
        present = [each for each in found if each]
        every = tuple(line for each in found for line in each)
        is_same = len(set(present)) == 1 or len(set(every)) == 1
        alike[key] = present[0] if is_same else VaryingLine.learn(every, platform)
    found_places = [_find_places(row, loose, counts) for row in keys]
    places = {
        kind: at.pop()
        for kind in loose
        if len(at := set().union(*(each.get(kind, set()) for each in found_places))) == 1
    }
    is_counted = any(least != most for least, most in counts.values())
    return VaryingLines(
        samples=texts,
        platform=platform,
        how="how often lines come" if is_counted else "the order of lines",
        level=level,
        alike=alike,
        counts=counts,
        loose=loose,
        places=places,
        order=tuple(_list_fixed(keys[0], loose, counts)),
    )


def _find_loose(
    rows: Sequence[Sequence[str]], counts: dict[str, tuple[int, int]]
) -> frozenset[str]:
    """Find the kinds of lines that have no place of their own, so that all others have one."""
    loose: set[str] = set()
    while True:
        fixed = [tuple(_list_fixed(row, frozenset(loose), counts)) for row in rows]
        other = next((each for each in fixed if each != fixed[0]), None)
        if other is None:
            return frozenset(loose)
        moved = next(
            (a, b) for a, b in zip((*fixed[0], None), (*other, None), strict=False) if a != b
        )
        loose |= {mask_volatile(each, _ANY_WORD) for each in moved if each is not None}
