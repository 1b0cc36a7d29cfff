"""What was read of images, kept across sessions: what is kept is found; all else is nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_multiarch.core.audit import AuditReport, AuditScope, FileFinding, FindingKind
from pytest_multiarch.core.elf import ElfFile, ElfHeader
from pytest_multiarch.core.filetree import FileEntry, FileKind, ForeignFormat, Layer, Script
from pytest_multiarch.core.packages import Package
from pytest_multiarch.files import layer_cache
from pytest_multiarch.files.layer_cache import LayerCache, find_cache_folder
from tests.samples import ARM64

HEADER = ElfHeader(machine=183, is_64bit=True, is_little_endian=True, flags=0)
LAYER = Layer(
    digest="sha256:stored",
    diff_id="sha256:unpacked",
    size=10_240,
    compression="zstd",
    entries=(
        FileEntry("/etc", FileKind.FOLDER, 0o755, 1, 2),
        FileEntry("/l\udcff\x1b", FileKind.LINK, target="ä\udc80"),
        FileEntry("/p", FileKind.FILE, 0o4755, size=3, digest="ab", program=ElfFile(HEADER, "/ld")),
        FileEntry("/q", FileKind.FILE, program=ElfFile(HEADER, "/ld")),
        FileEntry("/s", FileKind.FILE, program=Script("/bin/sh", "-e")),
        FileEntry("/m", FileKind.FILE, program=ForeignFormat("Mach-O")),
        FileEntry("/d", FileKind.DEVICE),
    ),
    hard_links=(("/h", "/below"),),
    whiteouts=("/gone",),
    opaque=("/empty",),
    packages={"/db": (Package("dpkg", "bash", "5.2", "arm64"),), "/none": ()},
    texts={"/etc/os-release": "ID=x\n"},
    notes=("something",),
)
REPORT = AuditReport(
    platform=ARM64,
    scope=AuditScope.IMAGE,
    findings=(
        FileFinding(kind=FindingKind.STRAY, path="/q", found="amd64", expected="arm64", layer="x"),
    ),
    files=7,
    programs=3,
    notes=("a note",),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "pytest-multiarch" / "layers"


def list_kept(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.suffix)


# Keeping


def test_a_layer_that_is_kept_is_found_by_another(folder: Path) -> None:
    LayerCache(folder).keep(LAYER)
    assert LayerCache(folder).find("sha256:unpacked") == LAYER
    assert LayerCache(folder).find("sha256:other") is None


def test_an_audit_that_is_kept_is_found(folder: Path) -> None:
    LayerCache(folder).keep_report("image of arm64", REPORT)
    assert LayerCache(folder).find_report("image of arm64") == REPORT
    assert LayerCache(folder).find_report("other") is None


def test_a_layer_and_an_audit_of_one_name_are_two(folder: Path) -> None:
    cache = LayerCache(folder)
    cache.keep(LAYER)
    assert cache.find_report(LAYER.diff_id) is None


def test_a_layer_without_a_diff_id_is_not_kept(folder: Path) -> None:
    cache = LayerCache(folder)
    cache.keep(replace(LAYER, diff_id=""))
    assert cache.find("") is None


@pytest.mark.parametrize("name", ["../../up", "a/b", "\0", "\udcff", "x" * 10_000])
def test_names_never_lead_out_of_the_folder(folder: Path, name: str) -> None:
    cache = LayerCache(folder)
    cache.keep(replace(LAYER, diff_id=name))
    assert cache.find(name) is not None
    assert len(list_kept(folder)) == 1


TEXT = st.text(st.characters(codec=None), max_size=8)


@given(
    st.lists(st.builds(FileEntry, TEXT, st.sampled_from(FileKind), target=TEXT, digest=TEXT)),
    st.dictionaries(TEXT, TEXT),
)
def test_any_text_comes_back(
    tmp_path_factory: pytest.TempPathFactory, entries: list[FileEntry], texts: dict[str, str]
) -> None:
    cache = LayerCache(tmp_path_factory.mktemp("any") / "a" / "b")
    layer = Layer(digest="", diff_id="x", entries=tuple(entries), texts=texts)
    cache.keep(layer)
    assert cache.find("x") == layer


# What cannot be used


@pytest.mark.parametrize("cut", [0, 1, 20, 60, -1])
def test_a_file_that_is_cut_short_is_nothing(folder: Path, cut: int) -> None:
    cache = LayerCache(folder)
    cache.keep(LAYER)
    (path,) = list_kept(folder)
    path.write_bytes(path.read_bytes()[:cut])
    assert cache.find(LAYER.diff_id) is None


@given(st.integers(0), st.integers(1, 255))
def test_a_file_in_which_a_bit_is_wrong_is_nothing(
    tmp_path_factory: pytest.TempPathFactory, position: int, change: int
) -> None:
    folder = tmp_path_factory.mktemp("bits") / "a" / "b"
    LayerCache(folder).keep(LAYER)
    (path,) = list_kept(folder)
    data = bytearray(path.read_bytes())
    data[position % len(data)] ^= change
    path.write_bytes(data)
    assert LayerCache(folder).find(LAYER.diff_id) is None


def test_what_another_version_kept_is_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    LayerCache(folder).keep(LAYER)
    monkeypatch.setattr(layer_cache, "FORMAT", layer_cache.FORMAT + 1)
    assert LayerCache(folder).find(LAYER.diff_id) is None
    LayerCache(folder).keep(LAYER)
    assert LayerCache(folder).find(LAYER.diff_id) == LAYER


def test_a_file_under_another_name_is_nothing(folder: Path) -> None:
    cache = LayerCache(folder)
    cache.keep(LAYER)
    (path,) = list_kept(folder)
    cache.keep(replace(LAYER, diff_id="b"))
    (other,) = set(list_kept(folder)) - {path}
    path.rename(other)
    assert cache.find("b") is None


@pytest.mark.skipif(sys.platform == "win32", reason="modes tell nothing there")
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o722])
@pytest.mark.parametrize("level", ["layers", "pytest-multiarch"])
def test_a_folder_that_others_can_write_to_is_not_used(folder: Path, mode: int, level: str) -> None:
    LayerCache(folder).keep(LAYER)
    (folder if level == "layers" else folder.parent).chmod(mode)
    cache = LayerCache(folder)
    assert cache.find(LAYER.diff_id) is None
    cache.keep(replace(LAYER, diff_id="b"))
    assert len(list_kept(folder)) == 1


def test_a_folder_that_is_a_link_is_not_used(folder: Path, tmp_path: Path) -> None:
    folder.parent.mkdir(parents=True)
    folder.symlink_to(tmp_path, target_is_directory=True)
    LayerCache(folder).keep(LAYER)
    assert [each for each in tmp_path.iterdir() if each.is_file()] == []


def test_a_file_in_the_place_of_the_folder_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    cache = LayerCache(tmp_path / "cache" / "pytest-multiarch" / "layers")
    cache.keep(LAYER)
    assert cache.find(LAYER.diff_id) is None


def test_no_folder_keeps_nothing() -> None:
    cache = LayerCache(None)
    cache.keep(LAYER)
    cache.keep_report("x", REPORT)
    assert cache.find(LAYER.diff_id) is cache.find_report("x") is None


@pytest.mark.skipif(sys.platform == "win32", reason="modes tell nothing there")
def test_nobody_else_can_write_to_or_read_what_is_made(folder: Path) -> None:
    LayerCache(folder).keep(LAYER)
    (path,) = list_kept(folder)
    assert folder.stat().st_mode & 0o777 == folder.parent.stat().st_mode & 0o777 == 0o700
    assert path.stat().st_mode & 0o777 == 0o600


# Several at once


def test_threads_and_processes_keep_and_find_at_once(folder: Path) -> None:
    """A reader sees nothing, or all of it."""
    script = (
        "import sys; from pathlib import Path; from tests.files.test_layer_cache import *\n"
        "cache = LayerCache(Path(sys.argv[1]))\n"
        "for _ in range(60):\n"
        "    cache.keep(LAYER)\n"
        "    assert cache.find(LAYER.diff_id) == LAYER\n"
    )
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", script, folder]
    others = [subprocess.Popen(command, cwd=root) for _ in range(2)]
    cache = LayerCache(folder)
    cache.keep(LAYER)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: cache.find(LAYER.diff_id), range(200)))
    assert found == [LAYER] * 200
    assert [each.wait(timeout=60) for each in others] == [0, 0]
    assert len(list_kept(folder)) == 1


# Throwing away


def prune(folder: Path) -> None:
    """Have the cache look through its folder, as it does once a day."""
    (folder / "pruned").unlink()
    LayerCache(folder).keep(replace(LAYER, diff_id="new"))


def test_what_nobody_asked_for_in_two_months_is_removed(folder: Path) -> None:
    cache = LayerCache(folder)
    for name in ("old", "asked for"):
        cache.keep(replace(LAYER, diff_id=name))
    for path in list_kept(folder):
        os.utime(path, (0, time.time() - layer_cache.KEPT_S - 60))
    assert cache.find("asked for") is not None
    prune(folder)
    assert [cache.find(name) is None for name in ("old", "asked for", "new")] == [
        True,
        False,
        False,
    ]


def test_the_oldest_of_what_is_too_much_is_removed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = LayerCache(folder)
    for age, name in enumerate("abcd"):
        before = set(list_kept(folder)) if folder.exists() else set()
        cache.keep(replace(LAYER, diff_id=name))
        (path,) = set(list_kept(folder)) - before
        os.utime(path, (0, time.time() - 1000 * (age + 1)))
    monkeypatch.setattr(layer_cache, "KEPT_SIZE", int(path.stat().st_size * 3.5))
    prune(folder)
    assert [cache.find(name) is not None for name in ("new", *"abcd")] == [True] * 3 + [False] * 2


def test_it_looks_through_its_folder_once_a_day(folder: Path) -> None:
    cache = LayerCache(folder)
    cache.keep(LAYER)
    (path,) = list_kept(folder)
    os.utime(path, (0, 0))
    cache.keep(replace(LAYER, diff_id="b"))
    assert path.exists()


# Where


@pytest.mark.parametrize(
    ("environ", "system", "expected"),
    [
        ({"HOME": "/h"}, "linux", "/h/.cache"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "/x"}, "linux", "/x"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "relative"}, "linux", "/h/.cache"),
        ({"HOME": "/h"}, "darwin", "/h/Library/Caches"),
        ({"USERPROFILE": "/u", "LOCALAPPDATA": "/l"}, "win32", "/l"),
        ({"USERPROFILE": "/u"}, "win32", "/u/AppData/Local"),
    ],
)
def test_it_is_where_the_system_has_caches(
    environ: dict[str, str], system: str, expected: str
) -> None:
    found = find_cache_folder(environ, system=system)
    assert found == Path(expected, "pytest-multiarch", "layers")


@pytest.mark.parametrize("environ", [{}, {"HOME": ""}, {"HOME": "relative"}])
def test_without_a_home_there_is_none(environ: dict[str, str]) -> None:
    assert find_cache_folder(environ, system="linux") is None
