"""Colour, where there is a terminal that shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Paint:
    """Colours text, or leaves it alone."""

    is_on: bool = False

    def strong(self, text: str) -> str:
        """Paint what stands out: a title."""
        return self._wrap("1", text)

    def good(self, text: str) -> str:
        """Paint what is as it should be."""
        return self._wrap("32", text)

    def doubtful(self, text: str) -> str:
        """Paint what deserves a look."""
        return self._wrap("33", text)

    def bad(self, text: str) -> str:
        """Paint what is wrong."""
        return self._wrap("31;1", text)

    def faint(self, text: str) -> str:
        """Paint what matters less."""
        return self._wrap("2", text)

    def _wrap(self, codes: str, text: str) -> str:
        return f"\x1b[{codes}m{text}\x1b[0m" if self.is_on and text else text


def choose_paint(environ: Mapping[str, str], *, is_terminal: bool) -> Paint:
    """Paint on terminals, unless the user does not want it (https://no-color.org)."""
    if environ.get("NO_COLOR") or environ.get("TERM") == "dumb":
        return Paint()
    return Paint(is_on=is_terminal or bool(environ.get("FORCE_COLOR")))
