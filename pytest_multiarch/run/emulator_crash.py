"""A program that crashed under QEMU as process 1, and therefore never ends.

QEMU ends itself by the signal that killed the program it emulates. The kernel discards such a
signal for process 1 of a container, so QEMU waits for ever (`dump_core_and_abort` in
linux-user/signal.c), where a native program would have ended with 128 + the signal's number.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_multiarch.core.ports import Engine, StreamName

QUIET_S = 2.0
"""How long a container is silent after QEMU's last words until it is looked at."""
OVERTAKING_S = 1.0
"""For how long what comes on stdout may have been said before QEMU's last words."""

_LAST_WORDS = re.compile(rb"qemu: uncaught target signal (\d+) \([^\n]*\) - [^\n]*\n\Z")
_TAIL = 200


class CrashWatch:
    """Watches a container's output for QEMU's last words."""

    def __init__(self, engine: Engine, container_id: str) -> None:
        self._engine = engine
        self._id = container_id
        self._tail = b""
        self._signal: int | None = None
        self._said = 0.0

    def feed(self, stream: StreamName, chunk: bytes) -> None:
        """Take the next bytes in; anything said afterwards shows that somebody is alive.

        The engine carries the streams apart: what was said on stdout before may come after.
        """
        now = time.monotonic()
        if stream == "stderr":
            self._tail = (self._tail + chunk)[-_TAIL:]
            found = _LAST_WORDS.search(self._tail)
            self._signal, self._said = (int(found[1]) if found else None), now
        elif now - self._said > OVERTAKING_S:
            self._signal = None

    @property
    def is_suspicious(self) -> bool:
        """Whether QEMU's last words were the last thing that was said."""
        return self._signal is not None

    def limit(self, deadline: float) -> float:
        """Give until when to read: not for long, once there is a suspicion."""
        return min(deadline, time.monotonic() + QUIET_S) if self.is_suspicious else deadline

    def confirm(self) -> int | None:
        """Give the exit code of the program, if process 1 is all that is left; else forget it.

        A shell whose child crashed goes on, and has another child, an end, or something to say.
        """
        signal, self._signal = self._signal, None
        if signal is None or len(self._engine.list_processes(self._id)) != 1:
            return None
        return 128 + signal
