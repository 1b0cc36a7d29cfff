"""Texts that somebody wrote to do harm, in every place of a record: shown, they do none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.files.sample_records import FULL, HOSTILE, load_document, shorten

COMMAND = Path(sys.executable).with_name("pytest-multiarch")
HARM = HOSTILE + "]]>&<x a='\"'>"
SHORT = ("id", "run", "worker", "digest", "config_digest", "index", "commit", "history")
"""Places of at most 200 characters."""
FIXED = ("format", "platform", "kind", "outcome", "ended", "baseline", "sha256", "skeleton",
         "json", "normalized", "version", "part")  # fmt: skip
FIXED_LISTS = ("declared", "selected", "platforms", "parts")
FREE_KEYS = ("machine", "job", "versions", "sources", "images", "nodes")


def spoil(value: Any, name: str = "") -> Any:
    """Add a text to all texts that can be any, and to the keys of tables."""
    if isinstance(value, dict):
        tail = HARM if name in FREE_KEYS else ""
        free = {key: key + tail for key in value if key not in ("name", "host")}
        return {free.get(key, key): spoil(each, key) for key, each in value.items()}
    if isinstance(value, list) and name not in FIXED_LISTS:
        return [spoil(each, name) for each in value]
    if isinstance(value, str) and name not in FIXED:
        return f"{value}{HARM}"[: 199 if name in SHORT else None]
    return value


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """A record spoilt all over, which can be read all the same."""
    document = spoil(load_document(shorten(FULL), folder=tmp_path))
    path = tmp_path / "spoilt.json"
    path.write_text(json.dumps(document))
    return path


def list_unprintable(text: str) -> set[str]:
    return {each for each in text if not each.isprintable() and each != "\n"}


def test_a_merge_prints_and_writes_clean_text(record: Path, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("m.json", "m.xml", "m.md")]
    names = ("--record", "--junit", "--markdown")
    options = [word for pair in zip(names, files, strict=True) for word in pair]
    ignored = [f"--ignore-mismatch={each}" for each in ("commit", "tests", "image")]
    command = [COMMAND, "merge", *options, *ignored, record]
    done = subprocess.run(command, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (1, b"")
    assert list_unprintable(done.stdout.decode()) == set()
    assert list_unprintable(files[2].read_text()) == set()
    assert len(list(ET.parse(files[1]).iter("testcase"))) >= len(FULL.members)
    assert len(json.loads(files[0].read_text())["members"]) == len(FULL.members)


def test_a_refusal_is_clean_text(record: Path) -> None:
    done = subprocess.run([COMMAND, "merge", record], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
    assert list_unprintable(done.stderr.decode()) == set()


def test_pytest_shows_clean_text(record: Path, tmp_path: Path) -> None:
    options = ("-p", "no:cacheprovider", "--junitxml=j.xml", "--multiarch-ignore-mismatch=commit")
    command = [sys.executable, "-m", "pytest", *options, "--multiarch-merge", record.name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 1
    assert list_unprintable(done.stdout.decode()) == set()
    assert list(ET.parse(tmp_path / "j.xml").iter("failure"))
