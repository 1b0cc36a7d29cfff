"""Appending to the summary of a GitHub step."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_multiarch.core.errors import RecordError
from pytest_multiarch.files.step_summary import append_step_summary


def test_what_is_there_stays_and_counts(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("# Mine\n")
    rooms: list[int] = []
    append_step_summary(path, lambda room: rooms.append(room) or "ours \udcff\n")
    assert path.read_text() == "# Mine\n\nours \\udcff\n"
    assert rooms == [1_000_000 - 7]


def test_a_file_that_is_not_there_is_made(tmp_path: Path) -> None:
    append_step_summary(tmp_path / "summary.md", lambda room: "ours\n")
    assert (tmp_path / "summary.md").read_text() == "ours\n"


def test_no_room_is_said(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("x")
    with pytest.raises(RecordError, match="has no room left"):
        append_step_summary(path, lambda room: "")
    assert path.read_text() == "x"


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=f"the step summary {tmp_path} cannot be written"):
        append_step_summary(tmp_path, lambda room: "x")
