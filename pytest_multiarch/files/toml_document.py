"""The table of pyproject.toml that is ours, with the lines of its keys as far as they show."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from pytest_multiarch.core.config_document import ConfigDocument
from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.settings import Source

if TYPE_CHECKING:
    from pytest_multiarch.core.config_kinds import Path

_TABLE = "pytest-multiarch"
SECTION = f"[tool.{_TABLE}]"
_PART = r"""(?:[\w-]+|"[^"]*"|'[^']*')"""
_DOTTED = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_DOTTED})\s*\]")
_KEY = re.compile(rf"\s*({_DOTTED})\s*=")


def read_toml(text: str, *, name: str) -> ConfigDocument | None:
    """Read our table out of a pyproject.toml called `name`; None if it has none.

    Raises:
        UsageError: not TOML.
    """
    if _TABLE not in text:
        return None
    if sys.version_info >= (3, 11):
        import tomllib
    else:  # pytest itself brings it along there
        import tomli as tomllib
    try:
        tools = tomllib.loads(text).get("tool")
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{name}: not valid TOML: {error}") from None
    except RecursionError:
        raise UsageError(f"{name}: not valid TOML: nested too deeply") from None
    if not isinstance(tools, dict) or _TABLE not in tools:
        return None
    return ConfigDocument(
        value=tools[_TABLE],
        source=Source.PYPROJECT,
        name=name,
        section=SECTION,
        lines=_find_lines(text),
    )


def _find_lines(text: str) -> dict[Path, int]:
    """Find the lines of keys that begin one, which is how nearly everybody writes them."""
    lines: dict[Path, int] = {}
    table: tuple[str | int, ...] = ()
    counts: dict[Path, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        header = _HEADER.match(line)
        key = _KEY.match(line)
        if header is not None:
            table = _split(header[2])
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            path = table
        elif key is not None:
            path = (*table, *_split(key[1]))
        else:
            continue
        if path[:2] == ("tool", _TABLE):
            for end in range(3, len(path) + 1):
                lines.setdefault(path[2:end], number)
    return lines


def _split(dotted: str) -> tuple[str | int, ...]:
    return tuple(part.strip("\"'") for part in re.findall(_PART, dotted))
