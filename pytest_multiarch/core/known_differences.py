"""Numbers that may differ between architectures, and nothing else around them.

An allowance that says which (`allow("app limits", only="word-size", ...)`) excuses an output whose
numbers differ in that way alone. So what it is for is declared once, and hides no other difference.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.names import split_names, texts_agree
from pytest_multiarch.core.stream import encode_output
from pytest_multiarch.core.value import list_mismatches

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_multiarch.core.observation import Observation
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.rules import Allowance
    from pytest_multiarch.core.stream import ObservedStream
    from pytest_multiarch.core.value import ObservedValue

_MOST_MEMBERS = 1000
_PAGES = (4096, 8192, 16384, 32768, 65536)
_LARGEST_SIZE = 4096
_WORDS = frozenset(
    ((4, 8), (32, 64), (2**31 - 1, 2**63 - 1), (2**31, 2**63), (-(2**31), -(2**63)),
     (2**32 - 1, 2**64 - 1), (2**32, 2**64))
)  # fmt: skip
_NUMBER = re.compile(
    r"(?<![\w.])[-+]?(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
    r"|(?:[nN]a[nN]|NAN|inf(?:inity)?|INF)\b)(?!\w)"
)
_MARK = "\x00"
_SPACES = re.compile(r" +")


def excuses(
    allowance: Allowance,
    part: str,
    ours: tuple[Platform, Observation | None],
    theirs: tuple[Platform, Observation | None],
) -> bool:
    """Tell whether what differs in a part of two observations is as an allowance says.

    Of an output that is not kept as a whole nobody can tell whether only numbers differ.
    """
    if not (allowance.only or allowance.rel or allowance.abs):
        return True
    (our_platform, one_seen), (their_platform, two_seen) = ours, theirs
    if one_seen is None or two_seen is None:
        return False
    comparer = _Comparer(allowance, our_platform, their_platform)
    if part == "value" and one_seen.value is not None and two_seen.value is not None:
        return comparer.excuse_values(one_seen.value, two_seen.value)
    one, two = one_seen.find_stream(part), two_seen.find_stream(part)
    return one is not None and two is not None and comparer.excuse_streams(one, two)


@dataclass(frozen=True, slots=True)
class _Comparer:
    allowance: Allowance
    our_platform: Platform
    their_platform: Platform

    def excuse_values(self, ours: ObservedValue, theirs: ObservedValue) -> bool:
        found = list_mismatches(
            ours, theirs, self.our_platform, self.their_platform, most=_MOST_MEMBERS
        )
        return len(found) < _MOST_MEMBERS and all(
            each.ours is not None
            and each.theirs is not None
            and self._excuse_members(each.ours, each.theirs)
            for each in found
        )

    def excuse_streams(self, ours: ObservedStream, theirs: ObservedStream) -> bool:
        if ours.value is not None and theirs.value is not None:
            return self.excuse_values(ours.value, theirs.value)
        if not (ours.is_whole and theirs.is_whole):
            return False
        if not (ours.excerpt.is_whole and theirs.excerpt.is_whole):
            return False
        one, two = ours.excerpt.head, theirs.excerpt.head
        if any(b"\0" in encode_output(each) for each in (one, two)):
            return False
        return self.excuse_texts(one, two)

    def _excuse_members(self, ours: str, theirs: str) -> bool:
        try:
            one, two = json.loads(ours), json.loads(theirs)
        except ValueError:  # a content, which is described in words
            return False
        if isinstance(one, str) and isinstance(two, str):
            return self.excuse_texts(one, two)
        if any(isinstance(each, bool) or not isinstance(each, (int, float)) for each in (one, two)):
            return False
        return self._excuse_numbers(ours, theirs)

    def excuse_texts(self, ours: str, theirs: str) -> bool:
        """Tell whether two texts are equal but for numbers, and these are excused."""
        a, b = split_names(ours), split_names(theirs)
        if (a.names or b.names) and not texts_agree(
            _mark_numbers(ours), _mark_numbers(theirs), self.our_platform, self.their_platform
        ):
            return False
        one, two = _NUMBER.findall(a.skeleton), _NUMBER.findall(b.skeleton)
        return (
            len(one) == len(two)
            and _mark_numbers(a.skeleton) == _mark_numbers(b.skeleton)
            and all(map(self._excuse_numbers, one, two))
        )

    def _excuse_numbers(self, ours: str, theirs: str) -> bool:
        if ours == theirs:
            return True
        one, two = _read_number(ours), _read_number(theirs)
        if one is None or two is None:
            return False
        if any(_WAYS[name](one, two) for name in self.allowance.only):
            return True
        rel, absolute = self.allowance.rel, self.allowance.abs
        if not (rel or absolute) or math.isnan(one) or math.isnan(two):
            return False
        try:
            return math.isclose(one, two, rel_tol=rel, abs_tol=absolute)
        except OverflowError:
            return False


def _mark_numbers(text: str) -> str:
    """Put a mark in the place of each number; columns may be padded to other widths then."""
    return _SPACES.sub(" ", _NUMBER.sub(_MARK, text))


def _read_number(text: str) -> int | float | None:
    try:
        if "x" in text or "X" in text:
            return int(text, 16)
        return int(text) if text.lstrip("+-").isdigit() else float(text)
    except ValueError:
        return None


def _differ_in_word_size(one: Any, two: Any) -> bool:
    if not isinstance(one, int) or not isinstance(two, int):
        return False
    small, large = sorted((one, two), key=abs)
    is_size = 0 < small <= _LARGEST_SIZE and small % 4 == 0 and large == 2 * small
    return is_size or (small, large) in _WORDS


def _differ_in_page_size(one: Any, two: Any) -> bool:
    if not isinstance(one, int) or not isinstance(two, int) or min(one, two) <= 0:
        return False
    return any(
        one % ours == 0 and two % theirs == 0 and one // ours == two // theirs
        for ours in _PAGES
        for theirs in _PAGES
        if ours != theirs
    )


def _differ_in_char(one: Any, two: Any) -> bool:
    if not isinstance(one, int) or not isinstance(two, int):
        return False
    small, large = sorted((one, two))
    return -128 <= small < 0 and large == small + 256


def _differ_in_nan_sign(one: Any, two: Any) -> bool:
    return all(isinstance(each, float) and math.isnan(each) for each in (one, two))


_WAYS: Mapping[str, Callable[[Any, Any], bool]] = {
    "word-size": _differ_in_word_size,
    "page-size": _differ_in_page_size,
    "char": _differ_in_char,
    "nan-sign": _differ_in_nan_sign,
}
