"""`pytest-multiarch publish`, as far as it goes without a registry."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.cli.main import main
from pytest_multiarch.files.record_file import Journal, name_journal, write_record
from tests.core.test_publishing import make_record, member
from tests.samples import AMD64, ARM64

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_multiarch.core.record import Record

Capture = pytest.CaptureFixture[str]
TAG = "127.0.0.1:1/acme/app:1"


@pytest.fixture(autouse=True)
def _no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/absent.sock")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))


def save(path: Path, record: Record | None = None) -> Path:
    write_record(path, record or make_record(), ())
    return path


def publish(*words: object) -> int:
    return main(["publish", *map(str, words)])


def test_a_refusal_says_why(tmp_path: Path, capsys: Capture) -> None:
    record = save(tmp_path / "r.json", make_record(member(AMD64), member(ARM64, "2")))
    assert publish(record, "--tag", TAG) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        f"not published: {TAG}",
        "  - the platforms diverged in test_app.py::test_x",
        "    pytest-multiarch report RECORD shows it in full",
    ]
    assert lines[-1] == "Nothing was pushed."


def test_a_refusal_in_json(tmp_path: Path, capsys: Capture) -> None:
    record = save(tmp_path / "r.json")
    assert publish(record, "--tag", TAG, "--require-native", "--json") == 1
    document = json.loads(capsys.readouterr().out)
    assert not document["published"]
    assert document["sign"] == []
    assert document["refusals"][0]["what"].startswith("linux/arm64 was tested only under emulation")


def test_required_platforms_come_from_the_command_line_and_the_settings(
    tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "multiarch.yaml").write_text("index:\n  required: [linux/s390x]\n")
    assert publish(save(tmp_path / "r.json"), "--tag", TAG, "--require", "arm/v7") == 1
    said = capsys.readouterr().out
    assert "linux/s390x is required, and it was not tested" in said
    assert "linux/arm/v7 is required, and it was not tested" in said


def test_records_of_several_jobs_are_merged(tmp_path: Path, capsys: Capture) -> None:
    for platform in (AMD64, ARM64):
        run = f"r-{platform.architecture}"
        save(tmp_path / f"{run}.json", make_record(member(platform, run=run), id=run))
    assert publish(tmp_path / "r-amd64.json", "--tag", TAG) == 1
    assert "linux/arm64 was not tested by" in capsys.readouterr().out
    assert publish(tmp_path, "--tag", TAG) == 2  # nothing is wrong with it, and no registry answers
    assert "cannot be reached" in capsys.readouterr().err


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_a_registry_that_is_not_there(tmp_path: Path, capsys: Capture, options: list[str]) -> None:
    assert publish(save(tmp_path / "r.json"), "--tag", TAG, *options) == 2
    said = capsys.readouterr().err
    assert "127.0.0.1:1 broke off, or cannot be reached: Connection refused" in said


def test_a_journal_is_not_enough(tmp_path: Path, capsys: Capture) -> None:
    journal = Journal(tmp_path / "r.json")
    journal.add_run({"id": "r1", "inspected": make_record().runs[0].inspected})
    for platform in (AMD64, ARM64):
        journal.add_member(member(platform))
    journal.close()
    assert publish(name_journal(tmp_path / "r.json"), "--tag", TAG) == 1
    assert "was killed, or still goes on" in capsys.readouterr().out


def test_a_record_without_its_checksum(tmp_path: Path, capsys: Capture) -> None:
    path = save(tmp_path / "r.json")
    document = json.loads(path.read_text())
    del document["sha256"]
    path.write_text(json.dumps(document))
    assert publish(path, "--tag", TAG) == 2
    assert "it has no checksum" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tag", "app@sha256:" + "0" * 64], "names a digest, which nobody can choose"),
        (["--tag", "App:1"], "is not an image reference"),
        (["--tag", TAG, "--require", "arm64/x/y/z"], "--require"),
        (["--tag", TAG, "--image", "other:1"], "the record is not of other:1"),
    ],
)
def test_what_is_written_wrongly(
    tmp_path: Path, capsys: Capture, words: list[str], said: str
) -> None:
    assert publish(save(tmp_path / "r.json"), *words) == 2
    assert said in capsys.readouterr().err


def test_help_has_examples(capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        publish("--help")
    said = capsys.readouterr().out
    assert "examples:" in said
    assert "pytest-multiarch publish record.json --tag ghcr.io/acme/app:1.4" in said
    assert "exit status: 0 published, 1 refused" in said
