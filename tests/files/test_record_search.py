"""Records are found where they are named, and in folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_multiarch.core.errors import RecordError
from pytest_multiarch.core.record import Record
from pytest_multiarch.files.record_file import Journal, write_record
from pytest_multiarch.files.record_search import find_records


def write(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_record(path, Record(), ())
    return path


def test_files_are_taken_as_they_are_named(tmp_path: Path) -> None:
    paths = tmp_path / "b", tmp_path / "gone"
    assert find_records(paths) == paths


def test_a_file_counts_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json")
    assert find_records([path, tmp_path / "x" / ".." / "a.json", tmp_path]) == (path,)


def test_a_folder_has_all_records_below_it(tmp_path: Path) -> None:
    """As artifacts come: each in a folder of its own, with other files beside it."""
    expected = write(tmp_path / "arm64" / "r.json"), write(tmp_path / "amd64" / "deep" / "r.json")
    for name in ("other.json", "arm64/merged.xml", "coverage.json"):
        (tmp_path / name).write_text('{"format": "another"}')
    assert set(find_records([tmp_path])) == set(expected)


def test_a_folder_has_journals(tmp_path: Path) -> None:
    Journal(tmp_path / "r.json").close()
    (tmp_path / "other.partial.jsonl").write_text("{}\n")
    assert find_records([tmp_path]) == (tmp_path / "r.json.partial.jsonl",)


def test_a_folder_without_records_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(RecordError, match=r"holds no record: none of its 1 files"):
        find_records([tmp_path])
