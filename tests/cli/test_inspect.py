"""`pytest-multiarch inspect`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_multiarch.cli.main import main
from tests.fake_engine import make_elf
from tests.images.build import find_cache
from tests.images.layouts import write_layout
from tests.known_engines import KnownEngines
from tests.sample_layouts import Blobs, write_folder

Capture = pytest.CaptureFixture[str]
IMAGE_CACHE = find_cache()  # before the tests are given a cache of their own
NO_ENGINE = "unix:///nonexistent/docker.sock"
LAYOUTS = {
    "sample": (0, "28 files of 7 variants looked at"),
    "debian": (0, "no findings; "),
    "mislabelled": (1, "linux/arm64: 2 files for another platform"),
    "mixed": (1, "/usr/local/bin/tool (PATH)"),
    "amd64-only": (1, "index: linux/arm64 is required and missing"),
    "same-digest": (1, "index: linux/amd64, linux/arm64 are one and the same image"),
    "wrong-config": (1, "index: the entry for linux/arm64 holds an image whose config says"),
    "missing-loader": (1, "linux/arm64: 1 file cannot start: its loader is missing"),
    "missing-interpreter": (1, "linux/arm64: 1 file cannot start: its interpreter is missing"),
    "stray": (1, "or, if it belongs there: --allow /opt/helper/run=REASON"),
}
"""Images, the exit status of looking at each, and what is said."""


@pytest.fixture(autouse=True)
def _be_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in a folder without configuration, with a cache of one's own and no engine."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("DOCKER_HOST", NO_ENGINE)


def write_image(folder: Path, **programs: str) -> Path:
    """Write an index with a variant for each architecture, and a program for another one in it."""
    blobs = Blobs()
    entries = [
        blobs.add_variant(
            name,
            {"etc/os-release": b"PRETTY_NAME='Test 1'\n"},
            {"usr/bin/app": make_elf(program)},
            config={"Cmd": ["/usr/bin/app"]},
            created="2026-08-01T12:00:00Z",
        )
        for name, program in programs.items()
    ]
    return write_folder(folder, blobs.write_files(blobs.add_index(*entries)))


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """A layout in which all is well."""
    return write_image(tmp_path / "good", amd64="amd64", arm64="arm64")


@pytest.fixture
def mislabelled(tmp_path: Path) -> Path:
    """A layout whose arm64 entry holds an amd64 program."""
    return write_image(tmp_path / "mislabelled", amd64="amd64", arm64="amd64")


def inspect(*words: object) -> int:
    return main(["inspect", *map(str, words)])


def test_a_good_image(good: Path, capsys: Capture) -> None:
    assert inspect(good, "--no-engine") == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines()[0] == f"image   {good}"
    assert "\nsystem  Test 1\n" in shown.out
    assert shown.out.endswith("\nno findings; 4 files of 2 variants looked at\n")
    assert shown.err == ""


def test_a_mislabelled_image(mislabelled: Path, capsys: Capture) -> None:
    assert inspect(mislabelled, "--no-engine") == 1
    shown = capsys.readouterr().out
    assert "\nlinux/arm64: 1 file for another platform\n" in shown
    assert "\n  files     /usr/bin/app" in shown


def test_json(mislabelled: Path, capsys: Capture) -> None:
    assert inspect(mislabelled, "--no-engine", "--json") == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["exit"], document["findings"]) == (1, 1)
    assert document["variants"][1]["audit"]["findings"][0]["kind"] == "wrong-architecture"


def test_without_an_engine_it_says_so(good: Path, capsys: Capture) -> None:
    assert inspect(good) == 0
    note = "notes\n  how its platforms would run here is not known: no Docker engine answers"
    assert note in capsys.readouterr().out


def test_a_second_look_reads_no_layer(good: Path, capsys: Capture) -> None:
    assert inspect(good) == 0
    first = capsys.readouterr().out
    index = json.loads((good / "index.json").read_bytes())
    for blob in (good / "blobs" / "sha256").iterdir():
        if blob.read_bytes().startswith(b"\x1f\x8b"):
            blob.write_bytes(b"")
    assert index["manifests"]
    assert inspect(good) == 0
    assert capsys.readouterr().out == first


def test_a_required_platform(good: Path, capsys: Capture) -> None:
    assert inspect(good, "--no-engine", "--required", "linux/amd64,s390x") == 1
    assert "linux/s390x" in capsys.readouterr().out
    assert inspect(good, "--no-engine", "--required", "linux/amd64", "--required", "arm64") == 0


def test_some_platforms(mislabelled: Path, capsys: Capture) -> None:
    assert inspect(mislabelled, "--no-engine", "--platforms", "linux/amd64") == 0
    assert "linux/arm64" not in capsys.readouterr().out
    assert inspect(mislabelled, "--no-engine", "--platforms", "linux/s390x") == 2
    assert "has no variant for linux/s390x" in capsys.readouterr().err


def test_an_allowed_file(mislabelled: Path, capsys: Capture) -> None:
    assert inspect(mislabelled, "--no-engine", "--allow", "/usr/**=it is a demo") == 0
    assert "allowed\n  /usr/bin/app (linux/arm64): it is a demo\n" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["/usr/**", "/usr/**=", "=why", "/usr/**= "])
def test_an_allowance_needs_a_pattern_and_a_reason(text: str, good: Path, capsys: Capture) -> None:
    assert inspect(good, "--allow", text) == 2
    assert "cure" not in capsys.readouterr().out


def test_what_is_configured_holds(mislabelled: Path, capsys: Capture) -> None:
    Path("multiarch.yaml").write_text(
        "audit: {allow: [{path: /usr/**, reason: it is a demo}]}\n"
        "index: {required: [linux/s390x]}\n"
    )
    assert inspect(mislabelled, "--no-engine") == 1
    shown = capsys.readouterr().out
    assert "it is a demo" in shown
    assert "\n1 finding; " in shown


def test_differences_of_files_decide_on_request_only(tmp_path: Path, capsys: Capture) -> None:
    blobs = Blobs()
    names = {"amd64": "one", "s390x": "two"}
    entries = [blobs.add_variant(key, {f"etc/{name}": b""}) for key, name in names.items()]
    folder = write_folder(tmp_path / "layout", blobs.write_files(blobs.add_index(*entries)))
    assert inspect(folder, "--no-engine") == 0
    assert "--static-parity lists them" in capsys.readouterr().out
    assert inspect(folder, "--no-engine", "--static-parity") == 1


@pytest.mark.parametrize("name", LAYOUTS)
def test_images_that_are_wrong_in_every_way(name: str, capsys: Capture) -> None:
    write_layout(name, Path(name), cache=IMAGE_CACHE)
    expected, said = LAYOUTS[name]
    assert inspect(name, "--no-engine", "--required", "amd64,arm64") == expected
    shown = capsys.readouterr().out
    assert said in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_what_does_not_exist(capsys: Capture) -> None:
    assert inspect("./nothing.tar") == 2
    assert capsys.readouterr().err.startswith("pytest-multiarch inspect: there is no file")


def test_it_needs_neither_docker_nor_an_engine(mislabelled: Path) -> None:
    """With docker-py and testcontainers not installed, as an import sees it."""
    program = (
        "import sys\n"
        "sys.modules.update(docker=None, testcontainers=None)\n"
        "from pytest_multiarch.cli.main import main\n"
        f"sys.exit(main(['inspect', {str(mislabelled)!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "linux/arm64: 1 file for another platform" in done.stdout


@pytest.fixture
def on_main(engines: KnownEngines, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use engine `main`."""
    for name, value in engines.make_environ("main").items():
        monkeypatch.setenv(name, value)


@pytest.mark.needs_engine("main")
def test_an_image_in_the_engine(images: Any, on_main: None, capsys: Capture) -> None:
    assert inspect(images["sample"], "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert len(document["variants"]) == 7
    assert len(document["attestations"]) == 7
    kinds = {each["platform"]: each["execution"]["kind"] for each in document["variants"]}
    assert kinds["linux/amd64"] == "native"
    assert document["source"].startswith(f"{images['sample']} on ")


@pytest.mark.needs_engine("main", "registry")
def test_an_image_in_a_registry_without_an_engine(registry_images: Any, capsys: Capture) -> None:
    assert inspect(registry_images["liar"]) == 1
    shown = capsys.readouterr().out
    assert "in the registry" in shown
    assert "linux/arm64: 2 files for another platform\n" in shown


@pytest.mark.needs_engine("main")
def test_an_archive_of_docker_save(
    images: Any, engines: KnownEngines, on_main: None, tmp_path: Path, capsys: Capture
) -> None:
    archive = tmp_path / "liar.tar"
    engines.run_docker("main", "save", images["liar"], "-o", str(archive))
    assert inspect(archive) == 1
    assert "linux/arm64: 2 files for another platform\n" in capsys.readouterr().out
