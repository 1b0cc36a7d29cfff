"""Output as it streams in: digested whole, kept up to a limit."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pytest_multiarch.core.call import OUTPUT_LIMIT, Output

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_multiarch.core.ports import Attachment, StreamName


class OutputCollector:
    """Collects one stream in bounded memory."""

    def __init__(self, *, limit: int = OUTPUT_LIMIT) -> None:
        self._limit = limit
        self._hash = hashlib.sha256()
        self._size = 0
        self._kept = bytearray()

    def add(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._hash.update(chunk)
        self._size += len(chunk)
        room = self._limit - len(self._kept)
        if room > 0:
            self._kept += chunk[:room]

    def finish(self) -> Output:
        """Give what was collected."""
        return Output(size=self._size, sha256=self._hash.hexdigest(), head=bytes(self._kept))


def drain(
    attachment: Attachment, *, deadline: float, collect: Callable[[StreamName], OutputCollector]
) -> None:
    """Read both streams to their end. Raises `TimeoutError` at the deadline."""
    while (chunk := attachment.read(deadline=deadline)) is not None:
        collect(chunk[0]).add(chunk[1])
