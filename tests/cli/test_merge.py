"""`pytest-multiarch merge`."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from pytest_multiarch.cli.main import main
from pytest_multiarch.core.member import Member, VariantIdentity
from pytest_multiarch.core.record import Record, Run
from pytest_multiarch.files.record_file import Journal, read_record, write_record
from tests.samples import AMD64, ARM64, NATIVE, PIN, make_member, observe

Capture = pytest.CaptureFixture[str]


def write(path: Path, *members: Member, **fields: Any) -> Path:
    """Write the record of a run that is named by its file."""
    run = Run(**{"id": path.stem, "ended": "complete", "job": {"name": path.stem}, **fields})
    own = tuple(replace(each, run=run.id) for each in members)
    write_record(path, Record(runs=(replace(run, tests=len(own)),), members=own), ())
    return path


@pytest.fixture
def equal(tmp_path: Path) -> tuple[Path, Path]:
    """Two jobs that saw the same."""
    amd64 = write(tmp_path / "amd64.json", make_member(AMD64, observe("1")))
    return amd64, write(tmp_path / "arm64.json", make_member(ARM64, observe("1")))


@pytest.fixture
def diverged(tmp_path: Path) -> tuple[Path, Path]:
    """Two jobs that did not."""
    amd64 = write(tmp_path / "amd64.json", make_member(AMD64, observe("1")))
    return amd64, write(tmp_path / "arm64.json", make_member(ARM64, observe("2")))


def merge(*words: object) -> int:
    return main(["merge", *map(str, words)])


def test_parity(equal: tuple[Path, Path], capsys: Capture) -> None:
    assert merge(*equal) == 0
    assert capsys.readouterr().out.splitlines()[0] == "1 group of platforms: 1 equal"


def test_a_divergence(diverged: tuple[Path, Path], capsys: Capture) -> None:
    assert merge(*diverged) == 1
    said = capsys.readouterr().out
    assert "DIVERGED test_app.py::test_x" in said
    assert said.endswith("\n\ndiverged: 1 group diverged\n")


def test_a_failed_test_is_a_failure(tmp_path: Path, equal: tuple[Path, Path]) -> None:
    failed = make_member(AMD64, group="y", declared=(AMD64,), outcome="failed")
    assert merge(*equal, write(tmp_path / "more.json", failed)) == 1


def test_a_missing_platform_is_incomplete(equal: tuple[Path, Path]) -> None:
    assert merge(equal[0]) == 3


def test_a_failure_wins_over_what_is_missing(tmp_path: Path) -> None:
    assert merge(write(tmp_path / "r.json", make_member(AMD64, outcome="failed"))) == 1


def test_an_interrupted_run_is_incomplete(tmp_path: Path) -> None:
    members = make_member(AMD64), make_member(ARM64)
    assert merge(write(tmp_path / "r.json", *members, ended="interrupted")) == 3


def test_no_test_is_incomplete(tmp_path: Path) -> None:
    assert merge(write(tmp_path / "r.json")) == 3


def test_not_compared_fails_only_when_strict(tmp_path: Path) -> None:
    members = make_member(AMD64), make_member(ARM64, outcome="skipped")
    other = make_member(ARM64, group="y", declared=(ARM64,))
    record = write(tmp_path / "r.json", *members, other)
    assert (merge(record), merge(record, "--strict")) == (0, 1)


def test_a_file_that_is_to_be_written_twice_is_refused(
    tmp_path: Path, equal: tuple[Path, Path], capsys: Capture
) -> None:
    assert merge(*equal, "--record", tmp_path / "out", "--junit", tmp_path / "out") == 2
    assert "is to be written twice" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_no_report_is_written_over_a_record(equal: tuple[Path, Path], capsys: Capture) -> None:
    """Not even over one that is found in a folder."""
    before = equal[0].read_bytes()
    assert merge(equal[0].parent, "--html", equal[0]) == 2
    assert "a report is to be written over it" in capsys.readouterr().err
    assert equal[0].read_bytes() == before


def test_the_merged_record_can_take_the_place_of_one(equal: tuple[Path, Path]) -> None:
    assert merge(*equal, "--record", equal[0]) == 0
    assert len(read_record(equal[0]).runs) == 2


def test_a_record_given_twice_counts_once(equal: tuple[Path, Path], capsys: Capture) -> None:
    merge(*equal)
    once = capsys.readouterr().out
    assert merge(*equal, *equal) == 0
    assert capsys.readouterr().out == once


def test_a_journal_is_as_good(tmp_path: Path, equal: tuple[Path, Path], capsys: Capture) -> None:
    """All that a killed run had seen counts, and that it was killed is said."""
    journal = Journal(tmp_path / "killed.json")
    journal.add_run({"id": "killed"})
    journal.add_member(make_member(ARM64, observe("2"), run="killed", started_at_s=9.0))
    journal.close()
    assert merge(equal[0], tmp_path / "killed.json.partial.jsonl") == 1
    assert "killed: killed, or still going" in capsys.readouterr().out


def test_a_folder_says_what_was_in_it(equal: tuple[Path, Path], capsys: Capture) -> None:
    assert merge(equal[0].parent) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:4] == ["records:", f"  {equal[0]}", f"  {equal[1]}", ""]


def test_the_merged_record_is_one(tmp_path: Path, diverged: tuple[Path, Path]) -> None:
    merged = tmp_path / "merged.json"
    assert merge(*diverged, "--record", merged) == 1
    found = read_record(merged)
    assert {each.id for each in found.runs} == {"amd64", "arm64"}
    assert [each["verdict"] for each in json.loads(merged.read_text())["verdicts"]] == ["diverged"]
    assert merge(merged) == 1


def test_reports_are_written(tmp_path: Path, diverged: tuple[Path, Path]) -> None:
    junit, markdown = tmp_path / "out" / "m.xml", tmp_path / "out" / "m.md"
    assert merge(*diverged, "--junit", junit, "--markdown", markdown) == 1
    assert [each.get("name") for each in ET.parse(junit).iter("testcase")] == [
        "test_x[linux/amd64]",
        "test_x[linux/arm64]",
        "test_x",
    ]
    assert markdown.read_text().startswith("## Platforms: diverged\n")


def test_an_unreadable_record_leaves_nothing_half_done(
    tmp_path: Path, equal: tuple[Path, Path], capsys: Capture
) -> None:
    (tmp_path / "bad.json").write_text("{")
    outputs = [tmp_path / name for name in ("m.json", "m.xml", "m.md")]
    options = zip(("--record", "--junit", "--markdown"), outputs, strict=True)
    words = [word for option in options for word in option]
    assert merge(*equal, tmp_path / "bad.json", *words) == 2
    said = capsys.readouterr()
    assert (said.out, "bad.json is no usable record" in said.err) == ("", True)
    assert not any(each.exists() for each in outputs)


def test_a_file_that_cannot_be_written_is_said(
    tmp_path: Path, equal: tuple[Path, Path], capsys: Capture
) -> None:
    tmp_path.joinpath("folder").mkdir()
    assert merge(*equal, "--junit", tmp_path / "folder") == 2
    assert f"{tmp_path / 'folder'} cannot be written" in capsys.readouterr().err


def identify(digest: str) -> VariantIdentity:
    return VariantIdentity(
        reference="app:1", kind="manifest", digest=f"sha256:{digest}", config_digest="", pin=PIN
    )


def make_mismatch(folder: Path, kind: str) -> tuple[Path, Path]:
    """Write two records that disagree about one thing."""
    fields: list[dict[str, Any]] = [{}, {}]
    variants = identify("aa"), None
    images: list[dict[str, Any]] = [{}, {}]
    match kind:
        case "commit":
            fields = [{"commit": "c1" * 20}, {"commit": "c2" * 20}]
        case "tests":
            fields = [{"sources": {"test_app.py": "11"}}, {"sources": {"test_app.py": "22"}}]
        case "image":
            index = {"digest": "sha256:cc", "platforms": {"linux/amd64": "sha256:bb"}}
            images = [{}, {"images": {"app:1": index}}]
    members = [
        make_member(platform, observe("1"), variant=variant)
        for platform, variant in zip((AMD64, ARM64), variants, strict=True)
    ]
    first, second = (
        write(folder / f"job{n}.json", members[n], **fields[n], **images[n]) for n in (0, 1)
    )
    return first, second


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("commit", "  the commit is not the same:\n    c1c1c1c1c1c1c1c1 in job0\n"),
        ("tests", "  the text of test_app.py is not the same:\n    11 in job0\n    22 in job1\n"),
        ("image", "  app:1 for linux/amd64 is not the same image:\n    sha256:aa in job0\n"),
    ],
)
def test_records_that_do_not_belong_together(
    tmp_path: Path, capsys: Capture, kind: str, what: str
) -> None:
    paths = make_mismatch(tmp_path, kind)
    assert merge(*paths, "--record", tmp_path / "m.json") == 2
    said = capsys.readouterr().err
    assert what in said
    assert f"--ignore-mismatch {kind} compares them all the same" in said
    assert not (tmp_path / "m.json").exists()
    assert merge(*paths, "--ignore-mismatch", kind) == 0


def test_every_mismatch_that_is_ignored_is_named(tmp_path: Path) -> None:
    paths = make_mismatch(tmp_path, "commit")
    assert merge(*paths, "--ignore-mismatch", "image", "--ignore-mismatch", "tests") == 2
    assert merge(*paths, "--ignore-mismatch", "image", "--ignore-mismatch", "commit") == 0


def test_native_and_emulated_in_two_jobs(tmp_path: Path, capsys: Capture) -> None:
    fields: dict[str, Any] = {"declared": (ARM64,)}
    native = make_member(ARM64, observe("1"), execution=NATIVE, inside_s=1.0, **fields)
    slow = make_member(ARM64, observe("1"), inside_s=7.0, **fields)
    machines = [{"machine": {"host": name}} for name in ("desk", "graviton")]
    paths = [
        write(tmp_path / "desk.json", slow, **machines[0]),
        write(tmp_path / "arm.json", native, **machines[1]),
    ]
    assert merge(*paths) == 0
    assert (
        "7.00 s emulated (qemu 7.2.22) on desk, 1.00 s native on graviton: 7.0 times"
        in capsys.readouterr().out
    )


def test_output_that_a_terminal_cannot_show_is_spelled_out(tmp_path: Path) -> None:
    member = make_member(AMD64, node_id="t.py::\xe9", declared=(AMD64,), outcome="failed")
    command = "import sys; from pytest_multiarch.cli.main import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", command, "merge", write(tmp_path / "r.json", member)],
        check=False, capture_output=True, env={"PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, b"")
    assert b"t.py::\\xe9 failed on linux/amd64" in done.stdout


def write_large(folder: Path) -> Path:
    """Write a record in which six groups were not compared, and one diverged."""
    members = [
        make_member(AMD64, observe("1\n::error::injected")),
        make_member(ARM64, observe("2\n::error::injected")),
    ]
    for n in range(6):
        skipped = make_member(ARM64, group=f"g{n}", outcome="skipped", reason=f"why {n}")
        members += [make_member(AMD64, group=f"g{n}"), skipped]
    return write(folder / "r.json", *members)


def test_github_is_told(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lists and each divergence are folded, the test is annotated, the step has a summary."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "step.md"))
    assert merge(write_large(tmp_path)) == 1
    lines = capsys.readouterr().out.splitlines()
    commands = [line for line in lines if line.lstrip().startswith("::")]
    assert commands == [
        "::group::not compared",
        "::endgroup::",
        "::group::DIVERGED test_app.py::test_x",
        "::endgroup::",
        lines[-1],
    ]
    assert lines[-1].startswith("::error file=test_app.py,line=1,title=DIVERGED")
    assert (tmp_path / "step.md").read_text().startswith("## Platforms: diverged\n")


@pytest.mark.parametrize("choice", ["auto", "off"])
def test_nobody_is_told(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, choice: str
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "step.md"))
    if choice == "off":
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert merge(write_large(tmp_path), "--ci", choice) == 1
    assert "::group::" not in capsys.readouterr().out
    assert not (tmp_path / "step.md").exists()


def test_gitlab_gets_groups(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITLAB_CI", "true")
    merge(write_large(tmp_path))
    said = capsys.readouterr().out
    assert (said.count("\x1b[0Ksection_start:"), said.count("\x1b[0Ksection_end:")) == (2, 2)


def test_a_step_summary_that_cannot_be_written_changes_no_verdict(
    tmp_path: Path, equal: tuple[Path, Path], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))
    assert merge(*equal, "--ci", "github") == 0
    assert f"the step summary {tmp_path} cannot be written" in capsys.readouterr().out


def test_code_quality_is_written(tmp_path: Path, diverged: tuple[Path, Path]) -> None:
    assert merge(*diverged, "--codequality", tmp_path / "q.json") == 1
    (finding,) = json.loads((tmp_path / "q.json").read_text())
    assert finding["location"]["path"] == "test_app.py"
