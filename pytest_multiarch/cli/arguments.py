"""Arguments that several commands take, read in one way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Iterable


def parse_platforms(option: str, values: Iterable[str]) -> tuple[Platform, ...]:
    """Read platforms from lists with commas, each once; none if the option was not given.

    Raises:
        UsageError: one is no platform, or the option names none.
    """
    given = tuple(values)
    words = [word for value in given for word in value.split(",") if word.strip()]
    if given and not words:
        raise UsageError(f"{option} names no platform", cure=f"write for example {option} arm64")
    try:
        return tuple(dict.fromkeys(map(Platform.parse, words)))
    except UsageError as error:
        raise UsageError(f"{option}: {error.what}", cure=error.cure) from None
