"""A value that JSON holds, such as a user's own observation, and when two of them are equal."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice, zip_longest
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.names import mask_own_names, texts_agree

if TYPE_CHECKING:
    from pytest_multiarch.core.platform import Platform

VALUE_LIMIT = 256 * 1024
"""How many characters a value's canonical JSON may have."""
_DEPTH_LIMIT = 100
EVERYWHERE = "*"
"""The path of all lists in a value."""
_MOST_MATCHED = 200
"""Of how many elements without an equal it is tried which of them belong together."""
_SHOWN_BYTES = 32
CONTENT_KEYS = frozenset(("size", "sha256", "masked"))
"""What a file's content is in a value: its size, its digest, and that of its text masked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedValue:
    """A value as canonical JSON: ASCII, keys sorted, no spaces; `NaN` and `Infinity` as such.

    Numbers may differ by `rel` times the larger one, or by `abs`. `unordered` are the paths of
    lists whose order does not count, such as `$.rows[*].tags`, or `EVERYWHERE`. `normalized` is the
    value with its texts normalized, None where that changes nothing.
    """

    canonical: str = field(repr=False)
    normalized: str | None = field(default=None, repr=False)
    rel: float = 0.0
    abs: float = 0.0
    unordered: tuple[str, ...] = ()

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
        document |= {"unordered": list(self.unordered)} if self.unordered else {}
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
            unordered=tuple(map(str, document.get("unordered", ()))),
        )


def observe_value(
    value: object,
    *,
    what: str,
    rel: float = 0.0,
    abs: float = 0.0,
    unordered: object = False,
    without: tuple[str, ...] = (),
    normalize: Callable[[str], str] | None = None,
) -> ObservedValue:
    """Take down a value; `what` names it in messages, `normalize` is applied to its texts.

    `without` are paths of members to leave out. A set is a list whose order does not count; of
    bytes the size and the digest are kept.

    Raises:
        UsageError: JSON cannot hold it, it is too large, or a tolerance is no number >= 0.
    """
    check_tolerances(rel, abs, what=what)
    paths = list(parse_unordered(unordered, what=what))
    plain = leave_out(_make_plain(value, what, paths), without)
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
        unordered=(EVERYWHERE,) if EVERYWHERE in paths else tuple(dict.fromkeys(paths)),
    )


def read_document(text: str) -> Any:
    """Read JSON, or JSON Lines as a list of what the lines say.

    Raises:
        ValueError: it is neither, nested too deeply, or a key is given twice.
    """
    try:
        try:
            value = json.loads(text, object_pairs_hook=_refuse_twins)
        except json.JSONDecodeError:
            lines = [each for each in text.splitlines() if each.strip()]
            if len(lines) < 2:
                raise
            value = [json.loads(each, object_pairs_hook=_refuse_twins) for each in lines]
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return value


def _refuse_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is given twice")
    return found


def lay_out(value: Any) -> str:
    """Write a value as JSON for people, each member on a line of its own, keys sorted."""
    text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False)
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        text = json.dumps(value, sort_keys=True, indent=1)
    return f"{text}\n"


def map_texts(value: Any, change: Callable[[str], str]) -> Any:
    """Give a value with the texts in it changed, keys too."""
    return _map_texts(value, change, with_keys=True)


def leave_out(value: Any, paths: tuple[str, ...]) -> Any:
    """Give a value without its members at some paths, such as `$.rows[*].time`."""
    return _leave_out(value, _compile_paths(paths), "$") if paths else value


def _leave_out(value: Any, paths: re.Pattern[str], path: str) -> Any:
    if isinstance(value, dict):
        places = {key: f"{path}{_name_key(key)}" for key in value}
        return {
            key: _leave_out(each, paths, places[key])
            for key, each in value.items()
            if not paths.fullmatch(places[key])
        }
    if isinstance(value, list):
        elements = ((each, f"{path}[{at}]") for at, each in enumerate(value))
        return [
            _leave_out(each, paths, place) for each, place in elements if not paths.fullmatch(place)
        ]
    return value


def check_tolerances(rel: float, abs: float, *, what: str) -> None:
    """Check tolerances.

    Raises:
        UsageError: one is no number >= 0.
    """
    for name, tolerance in (("rel", rel), ("abs", abs)):
        if not _is_number(tolerance) or not 0 <= tolerance < math.inf:
            raise UsageError(f"{what}: {name}={tolerance!r} is not a tolerance, a number >= 0")


def parse_unordered(value: object, *, what: str) -> tuple[str, ...]:
    """Read `unordered=`: True for all lists, or the path of one, or several paths.

    Raises:
        UsageError: it is neither.
    """
    if isinstance(value, bool):
        return (EVERYWHERE,) if value else ()
    paths = (value,) if isinstance(value, str) else value
    if isinstance(paths, (list, tuple, set, frozenset)) and all(
        isinstance(each, str) and (each.startswith("$") or each == EVERYWHERE) for each in paths
    ):
        return tuple(paths)
    raise UsageError(
        f"{what}: unordered={value!r}",
        cure='valid are True, and paths of lists such as "$.tags" or "$.rows[*].tags"',
    )


def _dump(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _make_plain(value: object, what: str, sets: list[str], path: str = "$", depth: int = 0) -> Any:
    """Copy a value of JSON's own types; subclasses (enums, str subclasses) become their base.

    The paths of sets in it are added to `sets`.
    """
    if depth > _DEPTH_LIMIT:
        raise UsageError(f"{what}: {path[:200]}: nested deeper than {_DEPTH_LIMIT} levels")
    match value:
        case None | bool():
            return value
        case str():
            return str.__str__(value)
        case int():
            return int(value)
        case float():
            return float(value)
        case bytes() | bytearray():
            return {"bytes": _describe_bytes(bytes(value))}
        case list() | tuple():
            return [
                _make_plain(each, what, sets, f"{path}[{position}]", depth + 1)
                for position, each in enumerate(value)
            ]
        case set() | frozenset():
            sets.append(path)
            elements = (_make_plain(each, what, sets, f"{path}[*]", depth + 1) for each in value)
            return sorted(elements, key=_dump)
        case Mapping():
            return {
                _check_key(key, what, path): _make_plain(
                    each, what, sets, f"{path}{_name_key(str(key))}", depth + 1
                )
                for key, each in value.items()
            }
    raise UsageError(
        f"{what}: {path}: JSON cannot hold {_name_type(value)}",
        cure="pass text, numbers, booleans, None, bytes, or lists, sets and dicts of them",
    )


def _describe_bytes(data: bytes) -> dict[str, Any]:
    described = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return described | {"begins": data[:_SHOWN_BYTES].hex(" ")}


def _name_type(value: object) -> str:
    name = type(value).__name__
    return f"an {name}" if name[:1].lower() in "aeiou" else f"a {name}"


def _check_key(key: object, what: str, path: str) -> str:
    if not isinstance(key, str):
        raise UsageError(
            f"{what}: {path}: JSON keys are text, found {key!r}", cure=f"write str({key!r})"
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
    """Members of two values that differ.

    `path` is such as `$.rows[2].name`, `$` for the values as wholes; `ours` and `theirs` are the
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
    return next(iter(list_mismatches(ours, theirs, our_platform, their_platform, most=1)), None)


def list_mismatches(
    ours: ObservedValue,
    theirs: ObservedValue,
    our_platform: Platform,
    their_platform: Platform,
    *,
    most: int,
) -> tuple[Mismatch, ...]:
    """List the first members that differ, at most so many, keys in sorted order."""
    search = _Search(
        our_platform,
        their_platform,
        min(ours.rel, theirs.rel),
        min(ours.abs, theirs.abs),
        frozenset(ours.unordered) & frozenset(theirs.unordered),
    )
    return tuple(islice(search.walk(ours.read(), theirs.read(), "$"), most))


_MISSING = object()
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")


def _name_key(key: str) -> str:
    """Write a key as a step of a path: `.name`, or `["a name"]`."""
    return f".{key}" if _PLAIN_KEY.match(key) else f"[{json.dumps(key, ensure_ascii=False)}]"


@lru_cache(maxsize=64)
def _compile_paths(paths: tuple[str, ...]) -> re.Pattern[str]:
    """Compile patterns of paths: `[*]` is any element, `.*` any key."""
    patterns = (
        re.escape(each)
        .replace(r"\[\*\]", r"\[\d+\]")
        .replace(r"\.\*", r"(?:\.[^.\[]+|\[\"[^\n]*?\"\])")
        for each in paths
    )
    return re.compile("|".join(patterns))


def _show(value: Any) -> str | None:
    return None if value is _MISSING else json.dumps(value, ensure_ascii=False, sort_keys=True)


@dataclass(frozen=True, slots=True)
class _Search:
    our_platform: Platform
    their_platform: Platform
    rel: float
    abs: float
    unordered: frozenset[str] = frozenset()

    def walk(self, ours: Any, theirs: Any, path: str) -> Iterator[Mismatch]:
        """Give what differs, in order."""
        if isinstance(ours, dict) and isinstance(theirs, dict):
            if ours.keys() == theirs.keys() == CONTENT_KEYS:
                if not _have_one_content(ours, theirs):
                    yield Mismatch(path, _show_content(ours), _show_content(theirs))
                return
            yield from self._walk_mapping(ours, theirs, path)
        elif isinstance(ours, list) and isinstance(theirs, list):
            if self._is_unordered(path):
                yield from self._walk_unordered(ours, theirs, path)
                return
            pairs = zip_longest(ours, theirs, fillvalue=_MISSING)
            for at, (one, two) in enumerate(pairs):
                yield from self.walk(one, two, f"{path}[{at}]")
        elif not self._leaves_agree(ours, theirs):
            yield Mismatch(path, _show(ours), _show(theirs))

    def agree(self, ours: Any, theirs: Any, path: str) -> bool:
        """Tell whether nothing differs."""
        return next(self.walk(ours, theirs, path), None) is None

    def _walk_mapping(
        self, ours: dict[str, Any], theirs: dict[str, Any], path: str
    ) -> Iterator[Mismatch]:
        common = ours.keys() & theirs.keys()
        left = _key_by_mask(ours, common, self.our_platform)
        right = _key_by_mask(theirs, common, self.their_platform)
        for key in sorted(left.keys() | right.keys()):
            a = ours[left[key]] if key in left else _MISSING
            b = theirs[right[key]] if key in right else _MISSING
            name = left[key] if key in left else right[key]
            yield from self.walk(a, b, f"{path}{_name_key(name)}")

    def _is_unordered(self, path: str) -> bool:
        if path in self.unordered or EVERYWHERE in self.unordered:
            return True
        patterns = tuple(sorted(each for each in self.unordered if "*" in each))
        return bool(patterns) and _compile_paths(patterns).fullmatch(path) is not None

    def _walk_unordered(self, ours: list[Any], theirs: list[Any], path: str) -> Iterator[Mismatch]:
        """Give what has no counterpart."""
        left, right = list(range(len(ours))), list(range(len(theirs)))
        has_tolerance = bool(self.rel or self.abs)
        is_small = max(len(ours), len(theirs)) <= _MOST_MATCHED
        if not has_tolerance or not (is_small or all(map(_is_number, (*ours, *theirs)))):
            left, right = _take_out_equal(ours, theirs)
        if max(len(left), len(right)) <= _MOST_MATCHED:
            left, right = self._match(ours, theirs, left, right, path)
        left.sort(key=lambda at: _rank(ours[at]))
        right.sort(key=lambda at: _rank(theirs[at]))
        is_told = len(left) == len(right) == 1 or len(left) > _MOST_MATCHED
        for one, two in zip_longest(left, right):
            a = _MISSING if one is None else ours[one]
            b = _MISSING if two is None else theirs[two]
            place = f"{path}[{two if one is None else one}]"
            if is_told:
                yield from self.walk(a, b, place)
            else:
                yield Mismatch(place, _show(a), _show(b))

    def _match(
        self, ours: list[Any], theirs: list[Any], left: list[int], right: list[int], path: str
    ) -> tuple[list[int], list[int]]:
        """Pair off as many as agree (augmenting paths), and give what is left of both sides."""
        agreeing = {
            one: [two for two in right if self.agree(ours[one], theirs[two], f"{path}[{one}]")]
            for one in left
        }
        taken: dict[int, int] = {}

        def find_place(one: int, tried: set[int]) -> bool:
            for two in agreeing[one]:
                if two not in tried:
                    tried.add(two)
                    if two not in taken or find_place(taken[two], tried):
                        taken[two] = one
                        return True
            return False

        unpaired = [one for one in left if not find_place(one, set())]
        return unpaired, [two for two in right if two not in taken]

    def _leaves_agree(self, ours: Any, theirs: Any) -> bool:
        if isinstance(ours, str) and isinstance(theirs, str):
            return texts_agree(ours, theirs, self.our_platform, self.their_platform)
        if (self.rel or self.abs) and _is_number(ours) and _is_number(theirs):
            return _is_close(ours, theirs, self.rel, self.abs)
        return type(ours) is type(theirs) and (ours == theirs or _are_nan(ours, theirs))


def _take_out_equal(ours: list[Any], theirs: list[Any]) -> tuple[list[int], list[int]]:
    """Pair off what is equal as it stands, and give the places of what is left of both sides."""
    waiting: dict[str, list[int]] = {}
    for at, each in enumerate(theirs):
        waiting.setdefault(_dump(each), []).append(at)
    left: list[int] = []
    for at, each in enumerate(ours):
        equal = waiting.get(_dump(each))
        if equal:
            equal.pop()
        else:
            left.append(at)
    return left, sorted(at for several in waiting.values() for at in several)


def _have_one_content(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """Tell whether two files are equal byte for byte, or but for the platforms' own names."""
    if ours["sha256"] == theirs["sha256"]:
        return True
    return bool(ours["masked"]) and ours["masked"] == theirs["masked"]


def _show_content(content: dict[str, Any]) -> str:
    return f"{content['size']} bytes, sha256 {str(content['sha256'])[:16]}"


def _rank(value: Any) -> tuple[str, float, str]:
    """Sort numbers by value, and all else by what it is as JSON."""
    try:
        return ("", float(value), "") if _is_number(value) else ("json", 0.0, _dump(value))
    except OverflowError:
        return ("json", 0.0, _dump(value))


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
