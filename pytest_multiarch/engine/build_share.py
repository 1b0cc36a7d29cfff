"""One build of an image per run: the processes of a run share what came of it."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.errors import DeadlineError
from pytest_multiarch.engine.build_command import BUILD_DEADLINE_S
from pytest_multiarch.engine.machine_lock import hold_lock, make_private_folder, name_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pytest_multiarch.core.ports import TellBytes

_KEPT_S = 7 * 24 * 3600.0
"""What a run that was killed left there is removed by a later one."""


class BuildShare:
    """What the processes of one run know of its builds: files in a private folder of the run's."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id

    @contextlib.contextmanager
    def open(
        self, key: str, show_waiting: Callable[[], AbstractContextManager[TellBytes]]
    ) -> Iterator[SharedResult]:
        """Give the place of one result, to this process alone until it is let go.

        Raises:
            DeadlineError: another process has held it for too long.
        """

        def explain(holder: str) -> DeadlineError:
            return DeadlineError(
                f"an image was not built within {BUILD_DEADLINE_S:.0f} s: {holder} is at it",
                cure="look what that process does, or end it",
            )

        with hold_lock(
            f"build {self._run_id} {key}", timeout_s=BUILD_DEADLINE_S, explain=explain,
            show_waiting=show_waiting,
        ):  # fmt: skip
            yield SharedResult(self._make_folder() / f"{key}.json")

    def _make_folder(self) -> Path:
        builds = make_private_folder(make_private_folder(name_folder()) / "builds")
        folder = builds / self._run_id
        if not folder.exists():
            for each in builds.iterdir():
                with contextlib.suppress(OSError):
                    if time.time() - each.stat().st_mtime > _KEPT_S:
                        shutil.rmtree(each, ignore_errors=True)
        return make_private_folder(folder)

    def close(self) -> None:
        """Forget all of it; the process that owns the run does so at its end."""
        shutil.rmtree(name_folder() / "builds" / self._run_id, ignore_errors=True)


class SharedResult:
    """A JSON document that one process makes and the others read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, Any] | None:
        """Give it, None if nobody has made it yet."""
        try:
            document: dict[str, Any] = json.loads(self._path.read_text("ascii"))
        except (OSError, ValueError):
            return None
        return document

    def write(self, document: dict[str, Any]) -> None:
        """Keep it for the others."""
        beside = self._path.with_suffix(".new")
        beside.write_text(json.dumps(document), "ascii")
        beside.replace(self._path)
