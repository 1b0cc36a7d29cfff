"""`--multiarch-report FORMAT=FILE`, and the hook that gives formats."""

from __future__ import annotations

import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from .conftest import Run

SUITE = """
pytestmark += [pytest.mark.image("app:1")]
def test_x(variant): variant.run("bits")
def test_y(variant): variant.run("machine")
def test_foreign(): pass
"""
HEAD = "import pytest\npytestmark = [pytest.mark.platforms('linux/amd64', 'linux/arm64')]\n"


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))


@pytest.mark.parametrize("options", [(), ("-n", "2")])
def test_built_in_formats(run_fake: Run, pytester: pytest.Pytester, options: tuple[str]) -> None:
    reports = "--multiarch-report", "junit=out/r.xml", "--multiarch-report", "markdown=r.md"
    result = run_fake(SUITE, *reports, *options, head=HEAD)
    result.assert_outcomes(passed=5, failed=1)
    result.stdout.fnmatch_lines(["report: *r.xml", "report: *r.md"])
    cases = ET.parse(pytester.path / "out" / "r.xml").iter("testcase")
    assert sorted(each.get("name") for each in cases) == [
        "test_x", "test_x[linux/amd64]", "test_x[linux/arm64]",
        "test_y[linux/amd64]", "test_y[linux/arm64]",
    ]  # fmt: skip
    assert pytester.path.joinpath("r.md").read_text().startswith("## Platforms: diverged\n")


def test_without_a_record_nothing_is_left(
    run_fake: Run, pytester: pytest.Pytester, tmp_path: Path
) -> None:
    result = run_fake(SUITE, "--multiarch-report", "junit=r.xml", head=HEAD)
    result.stdout.no_fnmatch_line("record: *")
    assert {each.name for each in pytester.path.iterdir() if each.suffix != ""} >= {"r.xml"}
    assert not list(pytester.path.glob("*.json*"))
    assert not list((tmp_path / "temporary").glob("pytest-multiarch-*"))


def test_with_a_record_both_are_written(run_fake: Run, pytester: pytest.Pytester) -> None:
    options = "--multiarch-record", "r.json", "--multiarch-report", "junit=r.xml"
    run_fake(SUITE, *options, head=HEAD).stdout.fnmatch_lines(["record: *", "report: *"])
    assert pytester.path.joinpath("r.json").is_file()
    assert pytester.path.joinpath("r.xml").is_file()


@pytest.mark.parametrize("other", ["--multiarch-record=r.xml", "--multiarch-report=markdown=r.xml"])
def test_no_file_is_written_twice(run_fake: Run, other: str) -> None:
    result = run_fake(SUITE, "--multiarch-report=junit=r.xml", other, head=HEAD)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*r.xml is to be written twice"])


def test_of_merged_records(run_fake: Run, pytester: pytest.Pytester) -> None:
    run_fake(SUITE, "--multiarch-record", "r.json", head=HEAD)
    run_fake(None, "--multiarch-merge", "r.json", "--multiarch-report", "markdown=r.md")
    assert pytester.path.joinpath("r.md").read_text().startswith("## Platforms: diverged\n")


def test_strict_holds_in_reports(run_fake: Run, pytester: pytest.Pytester) -> None:
    options = "--multiarch-platforms", "linux/amd64", "--multiarch-strict"
    run_fake(SUITE, "--multiarch-report", "junit=r.xml", *options, head=HEAD)
    cases = ET.parse(pytester.path / "r.xml").iter("testcase")
    assert [each.get("name") for each in cases if each.find("failure") is not None] == [
        "test_x",
        "test_y",
    ]


def test_a_session_without_our_tests_has_no_report(run: Run, pytester: pytest.Pytester) -> None:
    result = run("def test_x(): pass", "--multiarch-report", "junit=r.xml", head="")
    result.stdout.fnmatch_lines(["no report was written: no test ran on platforms"])
    assert result.ret == 0
    assert not pytester.path.joinpath("r.xml").exists()


def test_collecting_writes_nothing(run_fake: Run, pytester: pytest.Pytester) -> None:
    run_fake(SUITE, "--multiarch-report", "junit=r.xml", "--collect-only", head=HEAD)
    assert not pytester.path.joinpath("r.xml").exists()


@pytest.mark.parametrize("value", ["junit", "junit=", "=r.xml"])
def test_what_is_not_a_format_and_a_file(run: Run, value: str) -> None:
    result = run("def test_x(): pass", f"--multiarch-report={value}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*--multiarch-report: '{value}' is not FORMAT=FILE"])


def test_an_unknown_format_is_found_at_the_start(run_fake: Run) -> None:
    result = run_fake(SUITE, "--multiarch-report", "markdwon=r.md", head=HEAD)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            "ERROR: pytest-multiarch: --multiarch-report: there is no format 'markdwon'",
            "did you mean 'markdown'? formats are badge, codequality, html, junit, markdown",
        ]
    )


def give(pytester: pytest.Pytester, body: str) -> None:
    """Have a conftest file give formats."""
    pytester.makeconftest(f"def pytest_multiarch_report_formats(config):\n    {body}\n")


def test_a_format_of_another_plugin(run_fake: Run, pytester: pytest.Pytester) -> None:
    body = "'\\n'.join(f'{each.group} {each.kind.value}' for each in judgement.verdicts)"
    give(pytester, f"return {{'groups': lambda judgement: {body}}}")
    run_fake(SUITE, "--multiarch-report", "groups=r.txt", head=HEAD)
    assert pytester.path.joinpath("r.txt").read_text() == (
        "test_a.py::test_x diverged\ntest_a.py::test_y equal"
    )


def test_a_format_replaces_a_built_in_one(run_fake: Run, pytester: pytest.Pytester) -> None:
    give(pytester, "return {'junit': lambda judgement: 'mine \\udcff'}")
    run_fake(SUITE, "--multiarch-report", "junit=r.xml", head=HEAD)
    assert pytester.path.joinpath("r.xml").read_text() == "mine \\udcff"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return {'x': lambda judgement: 1 / 0}",
         "*r.txt was not written: the report format x failed: ZeroDivisionError: division by zero"),
        ("return {'x': lambda judgement: 5}", "*r.txt was not written: the report format x gave 5"),
        ("return {'x': print}", "*r.txt was not written: the report format x gave None"),
    ],
)  # fmt: skip
def test_a_format_that_fails_hides_no_result(
    run_fake: Run, pytester: pytest.Pytester, body: str, message: str
) -> None:
    give(pytester, body)
    options = "--multiarch-report", "x=r.txt", "--multiarch-report", "junit=r.xml"
    result = run_fake(SUITE, *options, head=HEAD)
    result.assert_outcomes(passed=5, failed=1)
    result.stdout.fnmatch_lines([message, "report: *r.xml"])
    assert "pytest_multiarch/" not in result.stdout.str()
    assert not pytester.path.joinpath("r.txt").exists()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return ['x']", "*the hook pytest_multiarch_report_formats gave [[]'x'[]]"),
        ("raise OSError('no')", "*the hook pytest_multiarch_report_formats failed: OSError: no"),
    ],
)
def test_a_hook_that_fails_is_named(
    run_fake: Run, pytester: pytest.Pytester, body: str, message: str
) -> None:
    give(pytester, body)
    result = run_fake(SUITE, "--multiarch-report", "junit=r.xml", head=HEAD)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


def test_a_file_that_cannot_be_written_hides_no_result(
    run_fake: Run, pytester: pytest.Pytester
) -> None:
    pytester.mkdir("folder")
    result = run_fake(SUITE, "--multiarch-report", "junit=folder", head=HEAD)
    result.assert_outcomes(passed=5, failed=1)
    result.stdout.fnmatch_lines(["the report *folder was not written: *folder cannot be written*"])
