"""One measurement at a time on a machine."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.core.errors import DeadlineError
from pytest_multiarch.engine.machine_lock import hold_measure_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_multiarch.core.ports import TellBytes

HOLD = """
import contextlib, pathlib, sys
from pytest_multiarch.engine.machine_lock import hold_measure_lock
folder = pathlib.Path(sys.argv[1])
with hold_measure_lock(lambda task: contextlib.nullcontext(print), folder=folder):
    print("held", flush=True)
    input()
"""


class Shown:
    """Takes down what was shown."""

    def __init__(self) -> None:
        self.told: list[str] = []

    @contextlib.contextmanager
    def show(self, task: str) -> Iterator[TellBytes]:
        """Show a task."""
        yield lambda done, total: self.told.append(task)


def test_another_process_waits_and_says_so(tmp_path: Path) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    shown = Shown()
    with (
        pytest.raises(DeadlineError, match=f"process {other.pid} is measuring"),
        hold_measure_lock(shown.show, timeout_s=1.5, folder=tmp_path),
    ):
        pass
    assert set(shown.told) == {"waiting until another process has measured"}
    other.communicate("\n")
    shown = Shown()
    with hold_measure_lock(shown.show, timeout_s=5, folder=tmp_path):
        pass
    assert not shown.told
