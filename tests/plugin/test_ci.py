"""What a CI service is told of a session: found from the environment, switched off by an option."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

from .conftest import Run
from .test_light import LIST_MODULES

SUITE = """
pytestmark += [pytest.mark.image("app:1")]
def test_x(variant): variant.run("bits")
def test_y(variant): variant.run("machine")
def test_foreign(): pass
"""
HEAD = "import pytest\npytestmark = [pytest.mark.platforms('linux/amd64', 'linux/arm64')]\n"
DIVERGED = (
    "::error file=test_a.py,line=5,title=DIVERGED test_a.py%3A%3Atest_x::"
    'linux/arm64 differs from linux/amd64 (baseline): stdout of "bits stdin"; '
    "diagnosis: image (likely)"
)


@pytest.fixture
def summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in a job of GitHub; give the file of its step summary."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    path = tmp_path / "step.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    return path


@pytest.mark.parametrize("options", [(), ("-n", "2"), ("--multiarch-record", "r.json"), ("-q",)])
def test_github_is_told(run_fake: Run, summary: Path, options: tuple[str, ...]) -> None:
    result = run_fake(SUITE, *options, head=HEAD)
    result.assert_outcomes(passed=5, failed=1)
    assert [line for line in result.outlines if line.startswith("::")] == [DIVERGED]
    assert result.outlines[-1] == DIVERGED
    text = summary.read_text()
    assert text.startswith("## Platforms: diverged\n")
    assert "`test_a.py::test_x`" in text


def test_nothing_is_left(run_fake: Run, pytester: pytest.Pytester, summary: Path) -> None:
    result = run_fake(SUITE, head=HEAD)
    result.stdout.no_fnmatch_line("record: *")
    assert not list(pytester.path.glob("*.json*"))
    assert not list(Path(tempfile.gettempdir()).glob("pytest-multiarch-*"))


@pytest.mark.parametrize("option", ["--multiarch-ci=off", "--multiarch-ci=gitlab"])
def test_it_is_switched_off(run_fake: Run, summary: Path, option: str) -> None:
    result = run_fake(SUITE, option, head=HEAD)
    result.stdout.no_fnmatch_line("::*")
    assert not summary.exists()


@pytest.mark.parametrize("options", [("--multiarch-parity=off",), ("--collect-only",)])
def test_there_is_nothing_to_tell(run_fake: Run, summary: Path, options: tuple[str]) -> None:
    result = run_fake(SUITE, *options, head=HEAD)
    result.stdout.no_fnmatch_line("::*")
    assert not summary.exists()


def test_it_can_be_asked_for_anywhere(run_fake: Run) -> None:
    result = run_fake(SUITE, "--multiarch-ci=github", head=HEAD)
    assert result.outlines[-1] == DIVERGED


def test_differences_that_are_only_reported_are_warnings(run_fake: Run, summary: Path) -> None:
    result = run_fake(SUITE, "--multiarch-parity=report", head=HEAD)
    assert result.ret == 0
    assert result.outlines[-1] == DIVERGED.replace("::error", "::warning")


def test_a_failure_of_another_test_is_in_the_summary(run_fake: Run, summary: Path) -> None:
    """Also one that came before the first test on platforms."""
    source = """
    pytestmark += [pytest.mark.image("app:1")]
    def test_a_foreign(): assert 0
    def test_y(variant): variant.run("machine")
    """
    run_fake(source, head=HEAD)
    assert "test_a.py::test_a_foreign failed: assert 0" in summary.read_text()


def test_a_failure_of_another_test_is_an_annotation_at_its_line(
    run_fake: Run, summary: Path
) -> None:
    source = """
    pytestmark += [pytest.mark.image("app:1")]
    def test_y(variant): variant.run("machine")

    def test_a_foreign(): assert 0
    """
    assert run_fake(source, head=HEAD).outlines[-1] == (
        "::error file=test_a.py,line=7,title=FAILED test_a.py%3A%3Atest_a_foreign::failed: assert 0"
    )


def test_so_is_a_file_that_cannot_be_collected(
    run_fake: Run, pytester: pytest.Pytester, summary: Path
) -> None:
    pytester.path.joinpath("test_b.py").write_text("nothing_of_this_name\n")
    result = run_fake(SUITE, "--continue-on-collection-errors", head=HEAD)
    assert [line for line in result.outlines if line.startswith("::")] == [
        DIVERGED,
        (
            "::error file=test_b.py,line=1,title=FAILED test_b.py::error: "
            "NameError: name 'nothing_of_this_name' is not defined"
        ),
    ]


def test_one_platform_of_several_jobs_leaves_the_summary_to_the_last(
    run_fake: Run, summary: Path
) -> None:
    result = run_fake(SUITE, "--multiarch-platforms", "linux/amd64", head=HEAD)
    assert result.ret == 0
    assert not summary.exists()
    result.stdout.no_fnmatch_line("::error*")


def test_and_merging_tells_of_them_all(run_fake: Run, summary: Path) -> None:
    options = "--multiarch-platforms", "linux/amd64", "--multiarch-record", "r.json"
    run_fake(SUITE, *options, head=HEAD)
    result = run_fake(None, "--multiarch-merge", "r.json")
    assert summary.read_text().startswith("## Platforms: incomplete\n")
    assert result.outlines[-1] == (
        "::error title=INCOMPLETE::2 groups without all their platforms, nothing ran on linux/arm64"
    )


def test_a_summary_that_cannot_be_written_hides_no_result(
    run_fake: Run, summary: Path, tmp_path: Path
) -> None:
    summary.mkdir()
    result = run_fake(SUITE, head=HEAD)
    result.assert_outcomes(passed=5, failed=1)
    result.stdout.fnmatch_lines([DIVERGED.replace("[", "[[]"), "the step summary * cannot be *"])


def test_without_a_place_to_record_it_is_said(
    run_fake: Run, summary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: str, prefix: str = "", **options: str) -> str:
        if prefix == "pytest-multiarch-":
            raise OSError("no space left")
        return make(*args, prefix=prefix, **options)

    make = tempfile.mkdtemp
    monkeypatch.setattr(tempfile, "mkdtemp", fail)
    result = run_fake(SUITE, head=HEAD)
    result.assert_outcomes(passed=5, failed=1)
    result.stdout.fnmatch_lines(["GitHub is not told of the platforms: no space left"])


HOSTILE = """
pytestmark += [pytest.mark.image("app:1")]
def test_x(platform, parity, variant):
    variant.run("echo", "::error::injected")
    bits = {"amd64": 8, "arm64": 7}[platform.architecture]
    parity.check("text", f"same\\n::error::injected\\n##[error]{bits}\\n")
"""


def test_what_a_test_observed_is_no_command(run_fake: Run, summary: Path) -> None:
    result = run_fake(HOSTILE, head=HEAD)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*injected*"])
    for line in result.outlines:
        assert not line.lstrip().startswith("::") or "title=DIVERGED" in line
        assert "##[" not in line


MANY = """
@pytest.mark.parametrize("n", range(8))
def test_x(platform, n):
    if platform.architecture == "arm64":
        pytest.skip(f"reason {n}")
"""


def test_long_lists_are_folded_on_github(run: Run, summary: Path) -> None:
    lines = run(MANY).outlines
    start = lines.index("::group::not compared")
    assert lines.index("::endgroup::") == start + 9
    assert lines[start + 1].startswith("test_a.py::test_x[0]: linux/arm64 was skipped: reason 0")


def test_long_lists_are_folded_on_gitlab(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITLAB_CI", "true")
    result = run(MANY)
    result.stdout.re_match_lines([r"\x1b\[0Ksection_start:\d+:multiarch_\w+\[collapsed=true\]"])
    result.stdout.no_fnmatch_line("::*")


def test_code_quality_is_a_format(run_fake: Run, pytester: pytest.Pytester) -> None:
    run_fake(SUITE, "--multiarch-report", "codequality=q.json", head=HEAD)
    (finding,) = json.loads(pytester.path.joinpath("q.json").read_text())
    assert finding["location"] == {"path": "test_a.py", "lines": {"begin": 5}}


def test_a_suite_of_others_pays_for_nothing(
    run: Run, pytester: pytest.Pytester, summary: Path
) -> None:
    """No record is begun, and what records are made with is not imported."""
    result = pytester.runpytest_subprocess(pytester.makepyfile(test_a=LIST_MODULES))
    assert result.ret == 0
    modules = json.loads(pytester.path.joinpath("modules.json").read_text())
    assert "pytest_multiarch.plugin.ci" in modules
    assert not {"pytest_multiarch.plugin.recording", "fastjsonschema"} & set(modules)
    assert [each for each in modules if each.startswith("pytest_multiarch.core")] == []
    assert not summary.exists()
