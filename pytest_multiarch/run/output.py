"""Output as it streams in: digested whole, kept up to a limit."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pytest_multiarch.core.call import OUTPUT_LIMIT, Output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_multiarch.core.ports import Attachment, StreamName
    from pytest_multiarch.run.emulator_crash import CrashWatch


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
    attachment: Attachment,
    *,
    deadline: float,
    collectors: Mapping[StreamName, OutputCollector],
    watch: CrashWatch | None = None,
) -> int | None:
    """Read both streams to their end. Raises `TimeoutError` at the deadline.

    Gives None, or the exit code of a program whose emulator said that it crashed and hangs.
    """
    while True:
        try:
            chunk = attachment.read(deadline=watch.limit(deadline) if watch else deadline)
        except TimeoutError:
            if watch is None or not watch.is_suspicious:
                raise
            exit_code = watch.confirm()
            if exit_code is not None:
                return exit_code
            continue
        if chunk is None:
            return None
        stream, data = chunk
        collectors[stream].add(data)
        if watch is not None:
            watch.feed(stream, data)
