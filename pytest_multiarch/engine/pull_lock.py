"""One pull of an image per machine: processes of one user take turns."""

from __future__ import annotations

import getpass
import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pytest_multiarch.core.errors import DeadlineError

_DEADLINE_S = 1800.0


@contextmanager
def hold_pull_lock(engine_id: str, pin: str) -> Iterator[None]:
    """Hold the lock of one image on one engine.

    Raises:
        DeadlineError: another process held it for half an hour.
    """
    from filelock import FileLock, Timeout

    folder = Path(tempfile.gettempdir()) / f"pytest-multiarch-{getpass.getuser()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    name = hashlib.sha256(f"{engine_id}\n{pin}".encode()).hexdigest()[:32]
    lock = FileLock(folder / f"pull-{name}.lock", timeout=_DEADLINE_S)
    try:
        with lock:
            yield
    except Timeout:
        raise DeadlineError(
            f"another process has been pulling {pin} for {_DEADLINE_S:.0f} s",
            cure=f"end it, or remove {lock.lock_file} if there is none",
        ) from None
