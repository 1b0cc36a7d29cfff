"""A mapping by platform that also takes a platform as it is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from pytest_multiarch.core.platform import Platform

T = TypeVar("T")


class ByPlatform(Mapping[Platform, T]):
    """Gives what belongs to a platform: `variants["linux/arm64"]`."""

    def __init__(self, values: Mapping[Platform, T]) -> None:
        self._values = dict(values)

    def __getitem__(self, key: Platform | str) -> T:
        return self._values[Platform.parse(key) if isinstance(key, str) else key]

    def __iter__(self) -> Iterator[Platform]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"{{{', '.join(f'{key}: {value!r}' for key, value in self._values.items())}}}"
