"""One pull of an image at a time on a machine.

Workers of a parallel run, and runs beside each other, would otherwise all fetch the same layers.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from pytest_multiarch.core.errors import DeadlineError
from pytest_multiarch.engine.machine_lock import hold_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PULL_DEADLINE_S = 1800.0


@contextlib.contextmanager
def hold_pull_lock(
    engine_id: str, pin: str, *, timeout_s: float = PULL_DEADLINE_S, folder: Path | None = None
) -> Iterator[None]:
    """Hold the lock of one image on one engine; look again for the image once it is held.

    Raises:
        DeadlineError: another process has held it for longer than `timeout_s`.
        EngineError: the folder of the locks cannot be used.
    """

    def explain(holder: str) -> DeadlineError:
        return DeadlineError(
            f"{pin} was not pulled within {timeout_s:.0f} s: {holder} is at it",
            cure="look what that process does, or pull the image beforehand with docker pull",
        )

    with hold_lock(f"{engine_id}\n{pin}", timeout_s=timeout_s, explain=explain, folder=folder):
        yield
