"""One pull at a time on a machine."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.core.errors import DeadlineError, EngineError
from pytest_multiarch.engine.pull_lock import hold_pull_lock

if TYPE_CHECKING:
    from pathlib import Path

HOLD = """
import pathlib, sys
from pytest_multiarch.engine.pull_lock import hold_pull_lock
with hold_pull_lock("engine", "image", folder=pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    input()
"""


def test_another_process_waits_and_is_told_who_holds_it(tmp_path: Path) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout.readline() == "held\n"
    with (
        pytest.raises(DeadlineError, match=f"process {other.pid} is at it"),
        hold_pull_lock("engine", "image", timeout_s=0.2, folder=tmp_path),
    ):
        pass
    with hold_pull_lock("engine", "another", timeout_s=0.2, folder=tmp_path):
        pass
    other.communicate("\n")
    with hold_pull_lock("engine", "image", timeout_s=5, folder=tmp_path):
        pass


def test_threads_take_turns(tmp_path: Path) -> None:
    inside: list[int] = []
    most = []

    def pull() -> None:
        with hold_pull_lock("engine", "image", folder=tmp_path):
            inside.append(1)
            most.append(len(inside))
            inside.pop()

    threads = [threading.Thread(target=pull) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 8


def test_a_failed_pull_frees_the_lock(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), hold_pull_lock("e", "i", folder=tmp_path):
        raise ZeroDivisionError
    with hold_pull_lock("e", "i", timeout_s=0.2, folder=tmp_path):
        pass


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with (
        pytest.raises(EngineError, match="TMPDIR"),
        hold_pull_lock("e", "i", folder=tmp_path / "link"),
    ):
        pass


def test_the_folder_is_private(tmp_path: Path) -> None:
    with hold_pull_lock("e", "i", folder=tmp_path / "locks"):
        assert (tmp_path / "locks").stat().st_mode & 0o777 == 0o700
