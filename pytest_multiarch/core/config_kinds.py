"""Kinds of values that a configuration file holds: each reads a value, and has a JSON Schema.

A reader goes on after a problem, so that a file's problems are all found at once. What it gives
then is of no use.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pytest_multiarch.core.errors import UsageError

Path = tuple[str | int, ...]
"""Where a value is: the keys and positions that lead to it."""
_SHOWN = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong with a value, and what mends it."""

    path: Path
    what: str
    cure: str = ""


class Kind(Protocol):
    """A kind of value; `what` names it in messages."""

    @property
    def what(self) -> str: ...

    def make_schema(self) -> dict[str, Any]:
        """Give the JSON Schema."""

    def read(self, value: object, path: Path, problems: list[Problem]) -> Any:
        """Read a value; what is wrong is added to `problems`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text that `parse` reads, raising UsageError.

    What `pattern` (for `re.search` and ECMAScript alike) does not fit, `parse` must refuse.
    `known` are texts that an editor proposes.
    """

    what: str
    parse: Callable[[str], Any]
    pattern: str = r"\S"
    known: tuple[str, ...] = ()

    def make_schema(self) -> dict[str, Any]:
        """Give the JSON Schema."""
        schema: dict[str, Any] = {"type": "string", "pattern": self.pattern}
        if self.known:
            return {"anyOf": [{"enum": list(self.known)}, schema]}
        return schema

    def read(self, value: object, path: Path, problems: list[Problem]) -> Any:
        """Parse a text."""
        if not isinstance(value, str):
            problems.append(_refuse_kind(value, self.what, path))
            return value
        try:
            return self.parse(value)
        except UsageError as error:
            problems.append(Problem(path=path, what=error.what, cure=error.cure))
            return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of several texts."""

    values: tuple[str, ...]

    @property
    def what(self) -> str:
        return f"one of {', '.join(self.values)}"

    def make_schema(self) -> dict[str, Any]:
        """Give the JSON Schema."""
        return {"enum": list(self.values)}

    def read(self, value: object, path: Path, problems: list[Problem]) -> Any:
        """Check a text."""
        if value not in self.values:
            meant = _suggest(value, self.values) if isinstance(value, str) else ""
            what = f"expected {self.what}, found {show_found(value)}"
            problems.append(Problem(path=path, what=what, cure=meant.rstrip()))
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """True or false; in YAML, where every value is its text, the words."""

    what: str = "true or false"

    def make_schema(self) -> dict[str, Any]:
        """Give the JSON Schema."""
        return {"enum": [True, False, "true", "false"]}

    def read(self, value: object, path: Path, problems: list[Problem]) -> bool:
        """Read a truth value."""
        if isinstance(value, bool):
            return value
        if value not in ("true", "false"):
            problems.append(_refuse_kind(value, self.what, path))
        return value == "true"


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number >= 0; in YAML, where every value is its text, the digits."""

    what: str = "a number >= 0"
    is_whole: bool = False

    def make_schema(self) -> dict[str, Any]:
        """Give the JSON Schema."""
        pattern = r"^\d+$" if self.is_whole else r"^(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$"
        kind = "integer" if self.is_whole else "number"
        return {"anyOf": [{"type": kind, "minimum": 0}, {"type": "string", "pattern": pattern}]}

    def read(self, value: object, path: Path, problems: list[Problem]) -> float:
        """Read a number."""
        try:
            found = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            found = math.nan
        is_whole = not isinstance(value, str) or value.isdecimal()
        if not 0 <= found < math.inf or (self.is_whole and not (is_whole and found.is_integer())):
            problems.append(_refuse_kind(value, self.what, path))
            return 0.0
        return int(found) if self.is_whole else found


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOf:
    """A list, read to a tuple; no two values may be the same."""

    what: str
    item: Kind
    can_be_empty: bool = True

    def make_schema(self) -> dict[str, Any]:
        """Give the JSON Schema."""
        schema: dict[str, Any] = {"type": "array", "items": self.item.make_schema()}
        return schema | {"uniqueItems": True} | ({} if self.can_be_empty else {"minItems": 1})

    def read(self, value: object, path: Path, problems: list[Problem]) -> tuple[Any, ...]:
        """Read each item."""
        if not isinstance(value, list) or not (value or self.can_be_empty):
            problems.append(_refuse_kind(value, self.what, path))
            return ()
        found = [self.item.read(each, (*path, n), problems) for n, each in enumerate(value)]
        for position, each in enumerate(found):
            if each in found[:position]:
                shown = each if isinstance(each, Hashable) else "the same"
                problems.append(Problem(path=(*path, position), what=f"{shown} is named twice"))
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A key of a record."""

    kind: Kind
    description: str
    is_required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A mapping with known keys, read to a dict of those that are there."""

    what: str
    fields: Mapping[str, Field]

    def make_schema(self) -> dict[str, Any]:
        """Give the JSON Schema."""
        required = [name for name, each in self.fields.items() if each.is_required]
        return {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                name: {"description": each.description, **each.kind.make_schema()}
                for name, each in self.fields.items()
            },
            **({"required": required} if required else {}),
        }

    def read(self, value: object, path: Path, problems: list[Problem]) -> dict[str, Any]:
        """Read the value of each key."""
        if not isinstance(value, Mapping):
            problems.append(_refuse_kind(value, self.what, path))
            return {}
        found = {}
        for key, each in value.items():
            if key in self.fields:
                found[key] = self.fields[key].kind.read(each, (*path, key), problems)
            else:
                problems.append(self._refuse_key(key, path))
        for key, field in self.fields.items():
            if field.is_required and key not in value:
                missing = Problem(path=path, what=f"{key} is missing", cure=f"add {key}: ...")
                problems.append(missing)
        return found

    def _refuse_key(self, key: object, path: Path) -> Problem:
        cure = f"{_suggest(str(key), self.fields)}valid are {', '.join(self.fields)}"
        return Problem(path=(*path, str(key)), what="unknown setting", cure=cure)


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingOf:
    """A mapping whose keys are the user's, read to a dict; no two keys may mean the same."""

    what: str
    key: Text
    item: Kind

    def make_schema(self) -> dict[str, Any]:
        """Give the JSON Schema; keys that an editor proposes are properties."""
        item = self.item.make_schema()
        return {
            "type": "object",
            "propertyNames": {"pattern": self.key.pattern},
            "additionalProperties": item,
            **({"properties": dict.fromkeys(self.key.known, item)} if self.key.known else {}),
        }

    def read(self, value: object, path: Path, problems: list[Problem]) -> dict[Any, Any]:
        """Read each key and its value."""
        if not isinstance(value, Mapping):
            problems.append(_refuse_kind(value, self.what, path))
            return {}
        found: dict[Any, Any] = {}
        for key, each in value.items():
            here = (*path, str(key))
            name = self.key.read(key, here, problems)
            if name in found:
                problems.append(Problem(path=here, what=f"{name} is named twice"))
            found[name] = self.item.read(each, here, problems)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class TextOr:
    """A text, or something that is no text."""

    text: Text
    other: Kind

    @property
    def what(self) -> str:
        return f"{self.text.what} or {self.other.what}"

    def make_schema(self) -> dict[str, Any]:
        """Give the JSON Schema."""
        return {"anyOf": [self.text.make_schema(), self.other.make_schema()]}

    def read(self, value: object, path: Path, problems: list[Problem]) -> Any:
        """Read what is there."""
        if isinstance(value, str):
            return self.text.read(value, path, problems)
        if isinstance(value, (list, Mapping)):
            return self.other.read(value, path, problems)
        problems.append(_refuse_kind(value, self.what, path))
        return value


def show_found(value: object) -> str:
    """Say what was found, briefly."""
    match value:
        case None:
            return "nothing"
        case Mapping():
            return "a mapping"
        case []:
            return "an empty list"
        case list():
            return "a list"
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _refuse_kind(value: object, what: str, path: Path) -> Problem:
    return Problem(path=path, what=f"expected {what}, found {show_found(value)}")


def _suggest(text: str, valid: Mapping[str, object] | tuple[str, ...]) -> str:
    near = difflib.get_close_matches(text, valid, n=1)
    return f"did you mean {near[0]!r}? " if near else ""
