"""Recipes in a private folder: what comes back is what was written, and nobody else reads it."""

from __future__ import annotations

import re
import stat
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.core.call import Call, FileToCopy
from pytest_multiarch.core.container_options import parse_options
from pytest_multiarch.core.errors import RecordError
from pytest_multiarch.core.recipe import ContainerRecipe, Recipe, RecordedCall, Step
from pytest_multiarch.core.rules import make_rules
from pytest_multiarch.core.wait import CallableWait, parse_wait
from pytest_multiarch.files.recipe_file import RecipeFolder
from tests.samples import AMD64

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = b"s3cret" * 100
CALL = Call(
    argv=("app", "x"),
    entrypoint=("sh",),
    env={"TOKEN": "hunter22"},
    stdin=SECRET,
    user="app",
    workdir="/srv",
    files=(
        FileToCopy(path="/etc/a", content=b"\x00\xff", mode=0o600, uid=70, gid=7),
        FileToCopy(path="/etc/d", mode=0o700, is_folder=True),
    ),
    network="none",
    init=True,
    timeout_s=2.5,
    options=parse_options(
        {
            "volumes": [("/data", "/data")],
            "tmpfs": {"/run": "size=1m"},
            "ulimits": {"nofile": (64, 128)},
            "mem_limit": "64m",
            "cap_drop": ["ALL"],
            "read_only": True,
        },
        what="run",
    ),
)
CONTAINER = ContainerRecipe(
    call=Call(argv=("serve",)),
    ports=(6379,),
    waits=parse_wait(["Ready", 6379, "http://:8080/health"]),
    steps=(
        Step(call=Call(argv=("put",), stdin=SECRET)),
        Step(files=(FileToCopy(path="/b", content=SECRET),)),
        Step(waits=parse_wait("again")),
    ),
)
RECIPE = Recipe(
    platform=AMD64,
    reference="app:1",
    digest="sha256:" + "ab" * 32,
    rules=make_rules(
        compare="stdout",
        ignore=["^DEBUG"],
        normalize=["pids", ("n=([0-9]+)", r"n=<\1>"), re.compile("x+", re.IGNORECASE)],
    ),
    calls=(
        RecordedCall(kind="run", call=CALL, position=0),
        RecordedCall(kind="exec", call=CALL, position=None, container=0, step=0),
    ),
    containers=(CONTAINER,),
    secrets={"hunter22": "<TOKEN>"},
)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[RecipeFolder]:
    folder = RecipeFolder(tmp_path / "recipes")
    yield folder
    folder.close()


def test_what_is_written_is_read(folder: RecipeFolder) -> None:
    first = folder.write("gw0", replace(RECIPE, reference="other:1"))
    place = folder.write("gw0", RECIPE)
    found = folder.read("gw0", place)
    assert replace(found, rules=RECIPE.rules) == RECIPE
    assert folder.read("gw0", first).reference == "other:1"
    text = "pid 12 n=7 XX"
    for ours, theirs in zip(RECIPE.rules.normalizers, found.rules.normalizers, strict=True):
        assert ours.function(text) == theirs.function(text)
    assert found.rules.ignore == RECIPE.rules.ignore
    assert found.rules.parts == ("stdout",)


def test_only_its_user_reads_it(folder: RecipeFolder) -> None:
    folder.write("gw0", RECIPE)
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert [stat.S_IMODE(each.stat().st_mode) for each in folder.path.iterdir()] == [0o600]
    folder.remove()
    assert not folder.path.exists()


def test_a_folder_that_others_can_read_is_not_used(folder: RecipeFolder) -> None:
    folder.path.mkdir(mode=0o755)
    with pytest.raises(PermissionError):
        folder.write("gw0", RECIPE)
    assert list(folder.path.iterdir()) == []


def test_what_calls_were_given_is_written_once(folder: RecipeFolder) -> None:
    for _ in range(3):
        folder.write("gw0", RECIPE)
    assert (folder.path / "gw0").read_bytes().count(SECRET) == 1


def test_functions_stay_in_their_process(folder: RecipeFolder) -> None:
    waiting = replace(CONTAINER, waits=(CallableWait(bool),))
    found = folder.read("gw0", folder.write("gw0", replace(RECIPE, containers=(waiting,))))
    assert "waits by a function" in found.containers[0].problem
    rules = make_rules(normalize=[str.lower])
    found = folder.read("gw0", folder.write("gw0", replace(RECIPE, rules=rules)))
    assert found.problem


@pytest.mark.parametrize("place", [[0, 10**9], [5, 3], [10**9, 4]])
def test_what_is_damaged_is_said(folder: RecipeFolder, place: Any) -> None:
    folder.write("gw0", RECIPE)
    with pytest.raises(RecordError, match="cannot be read"):
        folder.read("gw0", place)


@pytest.mark.parametrize("worker", ["../x", "", "a/b"])
def test_a_worker_is_no_path(folder: RecipeFolder, worker: str) -> None:
    with pytest.raises(RecordError):
        folder.read(worker, [0, 1])
