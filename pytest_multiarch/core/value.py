"""A user's own observation: a value that JSON holds, and when two of them are equal."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.names import mask_own_names, texts_agree

if TYPE_CHECKING:
    from pytest_multiarch.core.platform import Platform

VALUE_LIMIT = 256 * 1024
"""How many characters a value's canonical JSON may have."""
_DEPTH_LIMIT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedValue:
    """A value as canonical JSON: ASCII, keys sorted, no spaces; `NaN` and `Infinity` as such.

    Numbers may differ by `rel` times the larger one, or by `abs`. `normalized` is the value with
    its texts normalized, None where that changes nothing.
    """

    canonical: str = field(repr=False)
    normalized: str | None = field(default=None, repr=False)
    rel: float = 0.0
    abs: float = 0.0

    def read(self) -> Any:
        """Give the value that is compared."""
        return json.loads(self.canonical if self.normalized is None else self.normalized)

    def map_texts(self, change: Callable[[str], str]) -> ObservedValue:
        """Give it with the texts in it changed, keys too."""

        def apply(canonical: str) -> str:
            return _dump(_map_texts(json.loads(canonical), change, with_keys=True))

        normalized = None if self.normalized is None else apply(self.normalized)
        return replace(self, canonical=apply(self.canonical), normalized=normalized)

    def to_mapping(self) -> dict[str, object]:
        """Give the JSON form; the value is JSON within a text, since NaN is not JSON."""
        document: dict[str, object] = {"json": self.canonical}
        if self.normalized is not None:
            document["normalized"] = self.normalized
        return document | {k: v for k, v in (("rel", self.rel), ("abs", self.abs)) if v}

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any]) -> ObservedValue:
        """Read what `to_mapping` gave."""
        normalized = document.get("normalized")
        return cls(
            canonical=str(document["json"]),
            normalized=None if normalized is None else str(normalized),
            rel=float(document.get("rel", 0.0)),
            abs=float(document.get("abs", 0.0)),
        )


def observe_value(
    value: object,
    *,
    what: str,
    rel: float = 0.0,
    abs: float = 0.0,
    normalize: Callable[[str], str] | None = None,
) -> ObservedValue:
    """Take down a value; `what` names it in messages, `normalize` is applied to its texts.

    Raises:
        UsageError: JSON cannot hold it, it is too large, or a tolerance is no number >= 0.
    """
    for name, tolerance in (("rel", rel), ("abs", abs)):
        if not _is_number(tolerance) or not 0 <= tolerance < math.inf:
            raise UsageError(f"{what}: {name}={tolerance!r} is not a tolerance, a number >= 0")
    plain = _make_plain(value, what)
    canonical = _dump(plain)
    if len(canonical) > VALUE_LIMIT:
        raise UsageError(
            f"{what} has {len(canonical)} characters as JSON, at most {VALUE_LIMIT} are kept",
            cure="check parts of it under labels of their own, or a digest of it",
        )
    normalized = canonical if normalize is None else _dump(_map_texts(plain, normalize))
    return ObservedValue(
        canonical=canonical,
        normalized=None if normalized == canonical else normalized,
        rel=float(rel),
        abs=float(abs),
    )


def _dump(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _make_plain(value: object, what: str, path: str = "", depth: int = 0) -> Any:
    """Copy a value of JSON's own types; subclasses (enums, str subclasses) become their base."""
    if depth > _DEPTH_LIMIT:
        raise UsageError(f"{what}{path[:200]}: nested deeper than {_DEPTH_LIMIT} levels")
    match value:
        case None | bool():
            return value
        case str():
            return str.__str__(value)
        case int():
            return int(value)
        case float():
            return float(value)
        case list() | tuple():
            return [
                _make_plain(each, what, f"{path}[{position}]", depth + 1)
                for position, each in enumerate(value)
            ]
        case Mapping():
            return {
                _check_key(key, what, path): _make_plain(each, what, f"{path}.{key}", depth + 1)
                for key, each in value.items()
            }
    raise UsageError(f"{what}{path}: JSON cannot hold {_name_type(value)}", cure=_suggest(value))


def _name_type(value: object) -> str:
    name = type(value).__name__
    return f"an {name}" if name[:1].lower() in "aeiou" else f"a {name}"


def _suggest(value: object) -> str:
    match value:
        case bytes() | bytearray():
            return "pass its .hex(), or a digest of it"
        case set() | frozenset():
            return "pass sorted(...) of it: a set has no order"
        case _:
            return "pass text, numbers, booleans, None, or lists and dicts of them"


def _check_key(key: object, what: str, path: str) -> str:
    if not isinstance(key, str):
        raise UsageError(
            f"{what}{path}: JSON keys are text, found {key!r}", cure=f"write str({key!r})"
        )
    return str.__str__(key)


def _map_texts(value: Any, change: Callable[[str], str], *, with_keys: bool = False) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_map_texts(each, change, with_keys=with_keys) for each in value]
    if isinstance(value, dict):
        return {
            change(key) if with_keys else key: _map_texts(each, change, with_keys=with_keys)
            for key, each in value.items()
        }
    return value


def values_agree(
    ours: ObservedValue,
    theirs: ObservedValue,
    our_platform: Platform,
    their_platform: Platform,
) -> bool:
    """Tell whether two values are equal.

    As JSON: 1, 1.0 and true are three values, NaN equals NaN, the order of keys does not count.
    With a tolerance, numbers of both kinds are compared as numbers. Texts and keys are equal
    but for the platforms' own names. Of two tolerances the smaller holds.
    """
    if ours.canonical == theirs.canonical:
        return True
    return find_mismatch(ours, theirs, our_platform, their_platform) is None


def check_canonical(text: str) -> None:
    """Check that a text is JSON of a value as `observe_value` takes one down.

    Raises:
        ValueError: it is not, or is nested too deeply.
    """
    try:
        value = json.loads(text)
        is_flat = text.count("[") + text.count("{") <= _DEPTH_LIMIT
        if is_flat or not _is_deep(value):
            return
    except RecursionError:
        pass
    raise ValueError(f"it is nested deeper than {_DEPTH_LIMIT} levels")


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEPTH_LIMIT + 1):
        level = [inner for each in level for inner in _list_inner(each)]
    return bool(level)


def _list_inner(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The first members of two values that differ.

    `path` is such as `.rows[2].name`, empty for the values as wholes; `ours` and `theirs` are the
    members as JSON, None where one side has no such member.
    """

    path: str
    ours: str | None
    theirs: str | None


def find_mismatch(
    ours: ObservedValue,
    theirs: ObservedValue,
    our_platform: Platform,
    their_platform: Platform,
) -> Mismatch | None:
    """Find the first members that differ, keys in sorted order; None if the values are equal."""
    tolerances = min(ours.rel, theirs.rel), min(ours.abs, theirs.abs)
    search = _Search(our_platform, their_platform, *tolerances)
    return search.find(ours.read(), theirs.read(), "")


_MISSING = object()


def _show(value: Any) -> str | None:
    return None if value is _MISSING else json.dumps(value, ensure_ascii=False, sort_keys=True)


@dataclass(frozen=True, slots=True)
class _Search:
    our_platform: Platform
    their_platform: Platform
    rel: float
    abs: float

    def find(self, ours: Any, theirs: Any, path: str) -> Mismatch | None:
        if isinstance(ours, dict) and isinstance(theirs, dict):
            return self._find_in_mapping(ours, theirs, path)
        if isinstance(ours, list) and isinstance(theirs, list):
            pairs = zip_longest(ours, theirs, fillvalue=_MISSING)
            found = (self.find(a, b, f"{path}[{at}]") for at, (a, b) in enumerate(pairs))
            return next((each for each in found if each is not None), None)
        if self._leaves_agree(ours, theirs):
            return None
        return Mismatch(path, _show(ours), _show(theirs))

    def _find_in_mapping(
        self, ours: dict[str, Any], theirs: dict[str, Any], path: str
    ) -> Mismatch | None:
        common = ours.keys() & theirs.keys()
        left = _key_by_mask(ours, common, self.our_platform)
        right = _key_by_mask(theirs, common, self.their_platform)
        for key in sorted(left.keys() | right.keys()):
            a = ours[left[key]] if key in left else _MISSING
            b = theirs[right[key]] if key in right else _MISSING
            found = self.find(a, b, f"{path}.{left[key] if key in left else right[key]}")
            if found is not None:
                return found
        return None

    def _leaves_agree(self, ours: Any, theirs: Any) -> bool:
        if isinstance(ours, str) and isinstance(theirs, str):
            return texts_agree(ours, theirs, self.our_platform, self.their_platform)
        if (self.rel or self.abs) and _is_number(ours) and _is_number(theirs):
            return _is_close(ours, theirs, self.rel, self.abs)
        return type(ours) is type(theirs) and (ours == theirs or _are_nan(ours, theirs))


def _key_by_mask(document: dict[str, Any], common: set[str], platform: Platform) -> dict[str, str]:
    """Give each key under the name by which the other side has it; ambiguous ones stay."""
    keys: dict[str, str] = {key: key for key in common}
    for key in sorted(document.keys() - common):
        masked = mask_own_names(key, platform)
        keys[key if masked in keys else masked] = key
    return keys


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _are_nan(ours: Any, theirs: Any) -> bool:
    return all(isinstance(each, float) and math.isnan(each) for each in (ours, theirs))


def _is_close(ours: float, theirs: float, rel: float, abs: float) -> bool:
    if ours == theirs or _are_nan(ours, theirs):
        return True
    try:
        return math.isclose(ours, theirs, rel_tol=rel, abs_tol=abs)
    except OverflowError:  # an int beyond what a float holds
        return False
