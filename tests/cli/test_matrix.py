"""`pytest-multiarch matrix` on suites as they are, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

Run = Callable[..., "subprocess.CompletedProcess[str]"]
SUITE = """
import pytest

@pytest.mark.platforms("linux/amd64", "linux/arm64")
def test_x(platform): pass

@pytest.mark.platforms("linux/amd64", "linux/s390x", baseline="linux/s390x")
def test_all(variants): pass

@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.platforms("linux/amd64")
def test_n(platform, n): pass

def test_of_somebody_else(): pass
"""
WORKFLOW = """
jobs:
  test:
    runs-on: ubuntu-latest
    strategy:
      matrix:
        platform: [linux/amd64, linux/arm64, linux/s390x]
    steps:
      - run: pytest --multiarch-platforms ${{ matrix.platform }}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a suite."""
    tmp_path.joinpath("pytest.ini").write_text("[pytest]\n")
    tmp_path.joinpath("test_a.py").write_text(SUITE)
    return tmp_path


@pytest.fixture
def matrix(project: Path) -> Run:
    """Run the command there: with no engine, and nothing on PATH."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", "from pytest_multiarch.cli.main import main; exit(main())",
             "matrix", *arguments],
            cwd=project, check=False, capture_output=True, text=True, timeout=60,
            env={"PATH": "/nowhere", "DOCKER_HOST": "unix:///nowhere/docker.sock"},
        )  # fmt: skip

    return run


def read_rows(done: subprocess.CompletedProcess[str]) -> list[tuple[str, str, int]]:
    """Give name, execution and number of tests of each printed row."""
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["include"]
    return [(row["name"], row["execution"], row["tests"]) for row in rows]


def test_prints_one_line_for_github(matrix: Run) -> None:
    done = matrix()
    assert read_rows(done) == [
        ("linux-amd64", "native", 4),
        ("linux-arm64", "emulated", 1),
        ("linux-s390x", "emulated", 1),
    ]
    assert (done.stdout.count("\n"), done.stderr) == (1, "")


def test_takes_runners_from_the_configuration(matrix: Run, project: Path) -> None:
    project.joinpath("multiarch.yaml").write_text("runners: {aarch64: [self-hosted, ARM64]}")
    row = json.loads(matrix().stdout)["include"][1]
    assert (row["runner"], row["execution"]) == (["self-hosted", "ARM64"], "native")


def test_has_a_row_for_each_configured_image(matrix: Run, project: Path) -> None:
    project.joinpath("test_a.py").write_text("def test_x(variant): pass\ndef test_y(variants): 1")
    project.joinpath("multiarch.yaml").write_text(
        "platforms: [linux/amd64, linux/arm64]\n"
        "images:\n  alpine: app:alpine\n  debian: {image: app:debian, platforms: [linux/amd64]}\n"
    )
    assert read_rows(matrix()) == [
        ("alpine-linux-amd64", "native", 2),
        ("debian-linux-amd64", "native", 2),
        ("alpine-linux-arm64", "emulated", 2),
    ]


def test_prints_yaml_for_gitlab(matrix: Run, project: Path) -> None:
    project.joinpath("multiarch.yaml").write_text("runners: {default: small}")
    job = yaml.safe_load(matrix("--format", "gitlab").stdout)[".multiarch"]
    assert [each["PLATFORM"] for each in job["parallel"]["matrix"]] == [
        "linux/amd64", "linux/arm64", "linux/s390x",
    ]  # fmt: skip


def test_prints_a_list(matrix: Run) -> None:
    assert [row["platform"] for row in json.loads(matrix("--format=json").stdout)] == [
        "linux/amd64", "linux/arm64", "linux/s390x",
    ]  # fmt: skip


def test_gives_arguments_to_pytest(matrix: Run) -> None:
    assert read_rows(matrix("--", "-k", "test_x")) == [
        ("linux-amd64", "native", 1), ("linux-arm64", "emulated", 1),
    ]  # fmt: skip


def test_finds_the_configuration_of_the_suite(matrix: Run, project: Path) -> None:
    """pytest's rootdir counts, not the folder one stands in."""
    inner = project / "inner"
    inner.mkdir()
    inner.joinpath("pytest.ini").write_text("[pytest]\n")
    inner.joinpath("multiarch.yaml").write_text("platforms: [linux/386]")
    inner.joinpath("test_b.py").write_text("def test_x(platform): pass")
    assert read_rows(matrix("--", "inner")) == [("linux-386", "native", 1)]


def test_does_without_xdist(matrix: Run, project: Path) -> None:
    project.joinpath("pytest.ini").write_text("[pytest]\naddopts = -n 2\n")
    assert len(read_rows(matrix())) == 3


def test_says_what_is_configured_and_not_tested(matrix: Run, project: Path) -> None:
    project.joinpath("multiarch.yaml").write_text(
        "platforms: [linux/amd64, linux/386]\nrunners: {linux/ppc64le: power}"
    )
    assert matrix().stderr == (
        "linux/386 is configured, and no collected test runs on it\n"
        "linux/ppc64le is configured, and no collected test runs on it\n"
    )


class TestErrors:
    def test_collection_error_is_shown(self, matrix: Run, project: Path) -> None:
        project.joinpath("test_b.py").write_text("import no_such_module")
        done = matrix()
        assert (done.returncode, done.stdout) == (2, "")
        assert "No module named 'no_such_module'" in done.stderr
        assert "could not collect the tests: it exited with 2" in done.stderr

    def test_wrong_option_of_pytest_is_shown(self, matrix: Run) -> None:
        done = matrix("--", "--no-such-option")
        assert (done.returncode, done.stdout) == (2, "")
        assert "unrecognized arguments: --no-such-option" in done.stderr

    def test_wrong_configuration(self, matrix: Run, project: Path) -> None:
        project.joinpath("multiarch.yaml").write_text("runner: x")
        done = matrix()
        assert (done.returncode, done.stdout) == (2, "")
        assert "did you mean 'runners'?" in done.stderr

    def test_suite_without_platforms(self, matrix: Run, project: Path) -> None:
        project.joinpath("test_a.py").write_text("def test_x(): pass")
        done = matrix()
        assert (done.returncode, done.stdout) == (2, "")
        assert "no collected test runs on platforms" in done.stderr

    def test_file_that_cannot_be_written(self, project: Path) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "--co", "--multiarch-collected=/nowhere/file"],
            cwd=project, check=False, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 4
        assert "--multiarch-collected: " in done.stderr


class TestCheck:
    def test_covered(self, matrix: Run, project: Path) -> None:
        project.joinpath("ci.yml").write_text(WORKFLOW)
        done = matrix("--check", "ci.yml")
        assert (done.returncode, done.stdout) == (
            0, "ci.yml covers linux/amd64, linux/arm64, linux/s390x\n",
        )  # fmt: skip

    def test_not_covered(self, matrix: Run, project: Path) -> None:
        project.joinpath("ci.yml").write_text(WORKFLOW.replace(", linux/arm64", ", linux/386"))
        done = matrix("--check", "ci.yml")
        assert done.returncode == 1
        assert done.stdout == (
            "ci.yml: linux/arm64: no job runs it (1 test)\n"
            "`pytest-multiarch matrix` prints what is needed.\n"
        )
        assert done.stderr == "ci.yml: linux/386: a job runs it, and no test does\n"

    def test_wrong_runner(self, matrix: Run, project: Path) -> None:
        project.joinpath("multiarch.yaml").write_text("runners: {linux/arm64: arm}")
        project.joinpath("ci.yml").write_text(WORKFLOW)
        done = matrix("--check=ci.yml")
        assert done.returncode == 1
        assert "linux/arm64: job test runs it on ubuntu-latest, not on arm" in done.stdout

    def test_two_files(self, matrix: Run, project: Path) -> None:
        project.joinpath("a.yml").write_text(WORKFLOW.replace(", linux/arm64", ""))
        project.joinpath("b.yml").write_text(WORKFLOW.replace("linux/amd64, ", ""))
        assert matrix("--check", "a.yml", "--check", "b.yml").returncode == 0

    def test_unreadable(self, matrix: Run) -> None:
        done = matrix("--check", "ci.yml")
        assert (done.returncode, done.stdout) == (2, "")
        assert "ci.yml: No such file" in done.stderr
