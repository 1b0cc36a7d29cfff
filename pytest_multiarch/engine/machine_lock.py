"""Locks that all processes of a user on this machine share."""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import os
import stat
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from pytest_multiarch.core.errors import DeadlineError, EngineError
from pytest_multiarch.core.ports import ignore_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from pytest_multiarch.core.ports import TellBytes

MEASURE_DEADLINE_S = 3600.0
_LOOK_EVERY_S = 1.0


@contextlib.contextmanager
def hold_measure_lock(
    show_progress: Callable[[str], AbstractContextManager[TellBytes]],
    *,
    timeout_s: float = MEASURE_DEADLINE_S,
    folder: Path | None = None,
) -> Iterator[None]:
    """Hold the lock of measuring, which one process of this machine has at a time.

    Two measurements at once, as workers of a parallel run would make them, measure each other.
    While another process holds it, `show_progress` tells the user.

    Raises:
        DeadlineError: another process has held it for longer than `timeout_s`.
        EngineError: the folder of the locks cannot be used.
    """

    def explain(holder: str) -> DeadlineError:
        return DeadlineError(
            f"no measurement began within {timeout_s:.0f} s: {holder} is measuring on this machine",
            cure="look what that process does, or end it",
        )

    task = "waiting until another process has measured"
    with hold_lock(
        "measure", timeout_s=timeout_s, explain=explain,
        show_waiting=lambda: show_progress(task), folder=folder,
    ):  # fmt: skip
        yield


@contextlib.contextmanager
def hold_lock(
    name: str,
    *,
    timeout_s: float,
    explain: Callable[[str], DeadlineError],
    show_waiting: Callable[[], AbstractContextManager[TellBytes]] = lambda: contextlib.nullcontext(
        ignore_bytes
    ),
    folder: Path | None = None,
) -> Iterator[None]:
    """Hold the lock of a name; `explain` makes the error of who holds it for too long.

    Raises:
        DeadlineError: another process has held it for longer than `timeout_s`.
        EngineError: the folder of the locks cannot be used.
    """
    folder = make_private_folder(folder or name_folder())
    name = hashlib.sha256(name.encode()).hexdigest()[:32]
    holder = folder / f"{name}.holder"
    lock = FileLock(folder / f"{name}.lock")
    with show_waiting() as tell:
        if not _acquire(lock, timeout_s, tell):
            raise explain(_describe_holder(holder))
    try:
        holder.write_text(str(os.getpid()), "ascii")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _acquire(lock: FileLock, timeout_s: float, tell: TellBytes) -> bool:
    deadline = time.monotonic() + timeout_s
    while True:
        left_s = deadline - time.monotonic()
        try:
            lock.acquire(timeout=max(min(left_s, _LOOK_EVERY_S), 0))
            return True
        except Timeout:
            if time.monotonic() >= deadline:
                return False
            tell(0, 0)


def name_folder() -> Path:
    user = str(os.getuid()) if hasattr(os, "getuid") else getpass.getuser()
    return Path(tempfile.gettempdir()) / f"pytest-multiarch-{user}"


def make_private_folder(folder: Path) -> Path:
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
        f"{folder}, which holds the locks that processes share, cannot be used: {why}",
        cure="remove it, or set TMPDIR to a folder of your own",
    )


def _describe_holder(holder: Path) -> str:
    try:
        return f"process {holder.read_text('ascii')}"
    except OSError:
        return "another process"
