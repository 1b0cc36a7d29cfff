"""What the processes of a run share of its builds: made once, forgotten at the end."""

from __future__ import annotations

import os
import secrets
import threading
import time
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.core.ports import TellBytes, ignore_bytes
from pytest_multiarch.engine import build_share, machine_lock
from pytest_multiarch.engine.build_share import BuildShare

if TYPE_CHECKING:
    from pathlib import Path


def show_nothing() -> AbstractContextManager[TellBytes]:
    return nullcontext(ignore_bytes)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the user's in a place of the test's."""
    place = tmp_path / "shared"
    for module in (machine_lock, build_share):
        monkeypatch.setattr(module, "name_folder", lambda: place)
    return place


def test_one_makes_it_and_the_others_read_it() -> None:
    made = []

    def work() -> None:
        with BuildShare("run").open("key", show_nothing) as shared:
            if shared.read() is None:
                time.sleep(0.2)
                made.append(1)
                shared.write({"name": "größe"})
            else:
                assert shared.read() == {"name": "größe"}

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert made == [1]


def test_runs_and_keys_are_apart() -> None:
    with BuildShare("one").open("key", show_nothing) as shared:
        shared.write({})
    for run, key in (("two", "key"), ("one", "other")):
        with BuildShare(run).open(key, show_nothing) as shared:
            assert shared.read() is None


def test_nothing_is_left(folder: Path) -> None:
    share = BuildShare(secrets.token_hex(4))
    with share.open("key", show_nothing) as shared:
        shared.write({})
    assert list((folder / "builds").iterdir())
    share.close()
    assert not list((folder / "builds").iterdir())
    share.close()


def test_what_a_killed_run_left_goes_with_a_later_one(folder: Path) -> None:
    for name, age_s in (("old", 30 * 86400), ("new", 60)):
        with BuildShare(name).open("key", show_nothing) as shared:
            shared.write({})
        os.utime(folder / "builds" / name, (time.time() - age_s,) * 2)
    with BuildShare("later").open("key", show_nothing):
        pass
    assert sorted(each.name for each in (folder / "builds").iterdir()) == ["later", "new"]
