"""One pull of an image at a time on a machine.

Workers of a parallel run, and runs beside each other, would otherwise all fetch the same layers.
"""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from pytest_multiarch.core.errors import DeadlineError, EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    folder = _make_private_folder(folder or _name_folder())
    name = hashlib.sha256(f"{engine_id}\n{pin}".encode()).hexdigest()[:32]
    holder = folder / f"{name}.holder"
    lock = FileLock(folder / f"{name}.lock")
    try:
        lock.acquire(timeout=timeout_s)
    except Timeout:
        raise DeadlineError(
            f"{pin} was not pulled within {timeout_s:.0f} s: {_describe_holder(holder)} is at it",
            cure="look what that process does, or pull the image beforehand with docker pull",
        ) from None
    try:
        holder.write_text(str(os.getpid()), "ascii")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _name_folder() -> Path:
    user = str(os.getuid()) if hasattr(os, "getuid") else getpass.getuser()
    return Path(tempfile.gettempdir()) / f"pytest-multiarch-{user}"


def _make_private_folder(folder: Path) -> Path:
    """Make a folder that nobody else can write to, or check that it is one."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise _refuse_folder(folder, str(error)) from error
    is_ours = not hasattr(os, "getuid") or status.st_uid == os.getuid()
    if not stat.S_ISDIR(status.st_mode) or not is_ours:
        raise _refuse_folder(folder, "it belongs to somebody else")
    return folder


def _refuse_folder(folder: Path, why: str) -> EngineError:
    return EngineError(
        f"{folder}, which holds the locks of image pulls, cannot be used: {why}",
        cure="remove it, or set TMPDIR to a folder of your own",
    )


def _describe_holder(holder: Path) -> str:
    try:
        return f"process {holder.read_text('ascii')}"
    except OSError:
        return "another process"
