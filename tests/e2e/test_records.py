"""A suite whose platforms ran in separate jobs is judged as if one process had run it all.

Each job has a folder and a process of its own, as on CI; what they have in common is the source.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from tests.e2e.suite import Suite

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.e2e.suite import Finished
    from tests.known_engines import KnownEngines

pytestmark = pytest.mark.needs_engine("main")

PLATFORMS = ("linux/amd64", "linux/arm64", "linux/s390x")
RERUNS = ("--reruns", "1", "--only-rerun", "not yet")
HEAD = """
    import pathlib
    import pytest
    from pytest_multiarch import allow

    pytestmark = [
        pytest.mark.image("{image}"),
        pytest.mark.platforms("linux/amd64", "linux/arm64", "linux/s390x"),
    ]
    SHARED = pytest.mark.container("app", "sleep", "3600", scope="session")

    def is_big(variant):
        return variant.platform.architecture == "s390x"
"""
EVERY_KIND = """
    # equal

    def test_equal(variant):
        variant.run("app", "arch")

    @pytest.mark.parametrize("words", [("a", "b"), ("c d",)], ids=["two", "one"])
    def test_words(variant, words):
        variant.run("app", "args", *words)

    def test_unobserved(variant):
        variant.run("app", "--version", observe=False)

    def test_close(variant, parity):
        parity.check("mean", 1.0 + is_big(variant) * 1e-12, rel=1e-9)

    @pytest.mark.parity(allow=[allow("*char*", reason="the platform's choice")])
    def test_allowed(variant):
        variant.run("app", "char")

    @pytest.mark.parity(compare="exit")
    def test_exit_alone(variant):
        variant.run("app", "char")

    # diverged

    def test_stdout(variant):
        variant.run("app", "char")

    def test_stderr(variant):
        variant.run("sh", "-c", "app endian >&2")

    def test_exit(variant):
        variant.run("sh", "-c", "app endian | grep -q little")

    @pytest.mark.parametrize("key", ["mean", "a[b] - c"])
    def test_value(variant, parity, key):
        parity.check(key, 1.0 + is_big(variant), rel=1e-9)

    def test_calls(variant):
        variant.run("app", "--version")
        if is_big(variant):
            variant.run("app", "report")

    def test_flood(variant):
        variant.run("sh", "-c", "app flood 1; app endian")

    # all platforms at once

    def test_all_equal(variants):
        for each in variants.values():
            each.run("app", "arch")

    def test_all_diverge(variants):
        for each in variants.values():
            each.run("app", "endian")

    def test_all_fail(variants):
        for each in variants.values():
            assert each.run("app", "exit", "3").exit_code == 0

    # in a shared container

    @SHARED
    def test_shared_equal(container):
        container.exec("app", "--version")

    @SHARED
    def test_shared_diverges(container):
        container.exec("app", "endian")

    # failed

    def test_fails(variant):
        assert variant.run("app", "exit", "3").exit_code == 0, "everywhere"

    def test_fails_apart(variant):
        assert not is_big(variant), "big-endian"

    @pytest.fixture
    def broken(variant):
        if is_big(variant):
            raise RuntimeError("no setup")

    def test_error(broken, variant):
        variant.run("app", "--version")

    # excused

    def test_skips(variant):
        if is_big(variant):
            pytest.skip("not on s390x")
        variant.run("app", "--version")

    @pytest.mark.skip(reason="nowhere")
    def test_skipped(variant):
        pass

    @pytest.mark.platforms("linux/amd64", "linux/arm64",
                           pytest.param("linux/s390x", marks=pytest.mark.xfail(reason="known")))
    def test_xfails(variant):
        variant.run("app", "endian")
        assert not is_big(variant)

    @pytest.mark.platforms("linux/amd64", "linux/arm64",
                           pytest.param("linux/s390x", marks=pytest.mark.xfail(reason="known")))
    def test_xpasses(variant):
        variant.run("app", "endian")

    # run again

    def test_flaky(variant, parity):
        note = pathlib.Path(__file__).with_name(f"seen-{{variant.platform.slug}}")
        first, _ = not note.exists(), note.touch()
        parity.check("first", first and is_big(variant))
        assert not first, "not yet"

    # for one platform

    @pytest.mark.platforms("linux/amd64")
    def test_one_platform(variant):
        variant.run("app", "arch")
"""
CRASHES = """
    import os

    def test_first(variant):
        variant.run("app", "--version")

    def test_crashes_apart(variant):
        variant.run("app", "--version")
        if is_big(variant):
            os._exit(3)

    def test_crashes(variant):
        os._exit(3)

    def test_all_crash(variants):
        os._exit(3)

    def test_last(variant):
        variant.run("app", "endian")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What a merge came to, and the documents that it wrote."""

    exit_code: int
    output: str
    record: dict[str, Any]
    junit: Path


def merge(folder: Path, *arguments: str | Path) -> Merged:
    """Run `pytest-multiarch merge`, and have it write all it can."""
    folder.mkdir(exist_ok=True)
    record, junit, markdown = (folder / name for name in ("m.json", "m.xml", "m.md"))
    command = Path(sys.executable).with_name("pytest-multiarch")
    options = ["--record", record, "--junit", junit, "--markdown", markdown]
    done = subprocess.run(
        [command, "merge", *options, *arguments], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    document = json.loads(record.read_text()) if record.exists() else {}
    return Merged(
        exit_code=done.returncode, output=done.stdout + done.stderr, record=document, junit=junit
    )


def list_verdicts(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the verdicts without why nothing is known: a merge has other reasons than a run."""
    verdicts = [{**each, "diagnoses": ()} for each in record["verdicts"]]
    return sorted(verdicts, key=lambda each: str(each["group"]))


def list_members(record: dict[str, Any]) -> list[tuple[str, ...]]:
    """Give what two runs of one suite have in common.

    A test of all variants that fails says so for all of them, and does not come to the later ones.
    """
    names = ["group", "platform", "node_id", "outcome", "declared", "baseline", "rules"]
    alone = [*names, "variant", "reason", "line"]
    return sorted(
        tuple(
            strip(json.dumps(each[name]))
            for name in (names if each["group"] == each["node_id"] else alone)
        )
        for each in record["members"]
    )


def list_cases(junit: Path, *tags: str) -> list[tuple[str, ...]]:
    """Give the tests of a JUnit report that failed, or were skipped, each with how and why."""
    return sorted(
        (case.get("classname", ""), case.get("name", ""), bad.tag, strip(bad.get("message", "")))
        for case in ET.parse(junit).iter("testcase")
        for bad in case
        if bad.tag in tags
    )


def strip(message: str) -> str:
    """Take out which of its workers xdist gave a test, and why nothing is known of a cause."""
    message = message.partition("\ndiagnosis on ")[0]
    message = re.sub(r"\[\+\d+ more lines?", "[+ more lines", message)
    return re.sub(r"'gw\d+'", "'gw'", message)


# The whole suite


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """One suite, run whole and platform by platform."""

    whole: Finished
    record: dict[str, Any]
    junit: Path
    parts: Mapping[str, Finished]
    paths: Mapping[str, Path]
    merged: Merged


def run_jobs(make_suite: Callable[..., Suite], source: str, folder: Path, *options: str) -> Jobs:
    """Run a suite whole, and in one job for each platform, all at once; merge the jobs' records."""
    suites = {name: make_suite() for name in ("", *PLATFORMS)}
    started = {}
    for platform, suite in suites.items():
        suite.write("test_it.py", source)
        chosen = [f"--multiarch-platforms={platform}"] if platform else []
        started[platform] = suite.start(
            "--multiarch-record=r.json", "--multiarch-replay=0", *chosen, *options
        )
    parts = {
        platform: suite.finish(started[platform], timeout_s=600)
        for platform, suite in suites.items()
    }
    paths = {platform: suite.folder / "r.json" for platform, suite in suites.items()}
    whole, record = parts.pop(""), json.loads(paths.pop("").read_text())
    return Jobs(
        whole=whole,
        record=record,
        junit=suites[""].folder / "junit.xml",
        parts=parts,
        paths=paths,
        merged=merge(folder, *paths.values()),
    )


@pytest.fixture(scope="module")
def jobs(
    make_suite: Callable[..., Suite],
    images: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Jobs:
    """A suite of every kind of test there is, but those that end their process."""
    source = (HEAD + EVERY_KIND).format(image=images["sample"])
    return run_jobs(make_suite, source, tmp_path_factory.mktemp("merged"), *RERUNS)


@pytest.fixture(scope="module")
def crashed_jobs(
    make_suite: Callable[..., Suite],
    images: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Jobs:
    """A suite whose tests end their process, which xdist survives."""
    source = (HEAD + CRASHES).format(image=images["sample"])
    return run_jobs(make_suite, source, tmp_path_factory.mktemp("crashed"), "-n", "2")


class TestEveryKind:
    """Divergences of every kind, failures, skips, xfails, reruns, all variants at once."""

    def test_the_verdicts_are_those_of_one_process(self, jobs: Jobs) -> None:
        assert list_verdicts(jobs.merged.record) == list_verdicts(jobs.record)

    def test_it_has_verdicts_of_every_kind(self, jobs: Jobs) -> None:
        """Else the comparison would say little."""
        kinds = {each["verdict"] for each in jobs.record["verdicts"]}
        assert kinds == {
            "equal", "diverged", "failed-apart", "failed", "not-compared", "one-platform",
        }  # fmt: skip
        parts = {each["part"] for v in jobs.record["verdicts"] for each in v["differences"]}
        assert parts == {"exit", "stdout", "stderr", "value", "calls"}

    def test_the_members_are_those_of_one_process(self, jobs: Jobs) -> None:
        assert list_members(jobs.merged.record) == list_members(jobs.record)

    def test_junit_has_the_failures_of_one_process(self, jobs: Jobs) -> None:
        tags = ("failure", "error")
        assert list_cases(jobs.merged.junit, *tags) == list_cases(jobs.junit, *tags)
        assert len(list_cases(jobs.junit, *tags)) == 15

    def test_junit_has_the_skips_of_one_process(self, jobs: Jobs) -> None:
        assert list_cases(jobs.merged.junit, "skipped") == list_cases(jobs.junit, "skipped")

    def test_no_job_alone_finds_a_divergence(self, jobs: Jobs) -> None:
        for finished in jobs.parts.values():
            assert "DIVERGED" not in finished.output
            assert "not compared" in finished.output

    def test_the_merge_fails_as_the_whole_run_did(self, jobs: Jobs) -> None:
        assert (jobs.merged.exit_code, jobs.whole.exit_code) == (1, 1)

    def test_what_was_run_again_counts_as_it_ended(self, jobs: Jobs) -> None:
        found = [each for each in jobs.merged.record["members"] if "test_flaky" in each["group"]]
        assert [(each["outcome"], each["attempt"]) for each in found] == [("passed", 2)] * 3

    def test_without_a_job_its_platform_is_missed(self, jobs: Jobs, tmp_path: Path) -> None:
        """And what the others find is said all the same."""
        paths = [path for platform, path in jobs.paths.items() if platform != "linux/s390x"]
        found = merge(tmp_path / "merged", *paths)
        assert found.exit_code == 1
        assert "linux/s390x" in found.output
        diverged = [v for v in found.record["verdicts"] if v["verdict"] == "diverged"]
        assert {v["group"] for v in diverged} == {"test_it.py::test_stdout"}

    def test_merging_step_by_step_gives_the_same_bytes(self, jobs: Jobs, tmp_path: Path) -> None:
        first, second, third = jobs.paths.values()
        merge(tmp_path / "a", third, first)
        found = merge(tmp_path / "b", second, tmp_path / "a" / "m.json", first)
        assert found.record == jobs.merged.record

    def test_pytest_finds_the_same_in_the_records(self, jobs: Jobs, tmp_path: Path) -> None:
        """In a folder without sources, and with any report that pytest has."""
        for number, path in enumerate(jobs.paths.values()):
            shutil.copy(path, tmp_path / f"{number}.json")
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--junitxml=j.xml"]
        done = subprocess.run(
            [*command, "--multiarch-merge", "0.json", "1.json", "2.json"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        failing = {"diverged", "failed", "failed-apart"}
        expected = [v["group"] for v in jobs.record["verdicts"] if v["verdict"] in failing]
        cases = list_cases(tmp_path / "j.xml", "failure")
        assert sorted(f"{file}.py::{name}" for file, name, *_ in cases) == sorted(expected)


class TestCrashes:
    """Tests that end their process, on one platform and on all."""

    def test_the_verdicts_are_those_of_one_run(self, crashed_jobs: Jobs) -> None:
        jobs = crashed_jobs
        assert list_verdicts(jobs.merged.record) == list_verdicts(jobs.record)
        assert list_members(jobs.merged.record) == list_members(jobs.record)

    def test_junit_has_the_failures_of_one_run(self, crashed_jobs: Jobs) -> None:
        tags = ("failure", "error")
        found = list_cases(crashed_jobs.merged.junit, *tags)
        assert found == list_cases(crashed_jobs.junit, *tags)
        assert sum("crashed while running" in message for *_, message in found) >= 5


# Jobs that did not come to their end


STOPS = """
    import os, signal

    def test_first(variant):
        variant.run("app", "endian")

    def test_stops(variant):
        if pathlib.Path("stop").exists():
            os.kill(os.getpid(), signal.{signal})

    def test_last(variant):
        variant.run("app", "--version")
"""


@pytest.mark.parametrize("signal", ["SIGINT", "SIGKILL"])
def test_a_job_that_was_stopped_adds_what_it_learned(
    make_suite: Callable[..., Suite],
    images: Mapping[str, str],
    tmp_path: Path,
    signal: str,
) -> None:
    """The groups that it did not come to are missing; started again, it makes all complete."""
    source = (HEAD + STOPS).format(image=images["sample"], signal=signal)
    suites = {platform: make_suite() for platform in PLATFORMS[1:]}
    for platform, suite in suites.items():
        suite.write("test_it.py", source.replace('"linux/amd64", ', ""))
        stopped = suite.folder / "stop"
        if platform == "linux/s390x":
            stopped.touch()
        suite.run(f"--multiarch-platforms={platform}", "--multiarch-record=r.json")
    whole, partly = (each.folder / "r.json" for each in suites.values())
    name = f"{partly}.partial.jsonl" if signal == "SIGKILL" else partly
    found = merge(tmp_path / "first", whole, name)
    verdicts = {v["group"].partition("::")[2]: v["verdict"] for v in list_verdicts(found.record)}
    assert verdicts["test_first"] == "diverged"
    assert {verdicts["test_stops"], verdicts["test_last"]} == {"not-compared"}
    assert found.record["complete"] is False
    again = suites["linux/s390x"]
    (again.folder / "stop").unlink()
    again.run("--multiarch-platforms=linux/s390x", "--multiarch-record=again.json")
    found = merge(tmp_path / "second", whole, name, again.folder / "again.json")
    assert found.record["complete"] is True
    kinds = [v["verdict"] for v in list_verdicts(found.record)]
    assert kinds == ["diverged", "equal", "equal"]
    assert again.list_left_behind() == []


# Runs that do not belong together


def test_jobs_of_other_sources_or_images_are_refused(
    make_suite: Callable[..., Suite],
    copy_in_registry: Callable[[str], str],
    engines: KnownEngines,
    images: Mapping[str, str],
    tmp_path: Path,
) -> None:
    """Unless one says that it is meant."""
    test = "    def test_x(variant):\n        variant.run('app', 'arch')\n"
    source = HEAD.format(image=images["sample"]) + test
    paths = []
    for number, platform in enumerate(PLATFORMS):
        suite = make_suite()
        suite.write("test_it.py", source + "    #" * number)
        suite.run(f"--multiarch-platforms={platform}", "--multiarch-record=r.json")
        paths.append(suite.folder / "r.json")
    refused = merge(tmp_path / "refused", *paths)
    assert refused.exit_code == 2
    assert "test_it.py" in refused.output
    assert "--ignore-mismatch tests" in refused.output
    assert list((tmp_path / "refused").iterdir()) == []
    accepted = merge(tmp_path / "accepted", "--ignore-mismatch", "tests", *paths)
    assert accepted.exit_code == 0, accepted.output


# No secrets


def test_no_value_of_a_variable_is_in_any_file(
    suite: Suite, images: Mapping[str, str], tmp_path: Path
) -> None:
    """However it comes out: printed, in a log, as an argument, in what a test says."""
    suite.write(
        "test_it.py",
        HEAD.format(image=images["sample"])
        + """
    def spell():
        return "".join(["hunter2", "hunter2"])

    def test_prints(variant):
        secret = spell()
        words = "echo $PASSWORD; echo x$PASSWORD-y >&2; app endian"
        variant.run("sh", "-c", words, env={"PASSWORD": secret})

    def test_passes_on(variant):
        secret = spell()
        variant.run("app", "args", f"--password={secret}", env={"PASSWORD": secret})
        variant.run("app", "args", secret)

    def test_fails(variant):
        secret = spell()
        result = variant.run("sh", "-c", "echo $PASSWORD", env={"PASSWORD": secret})
        assert result.stdout == "", f"{secret!r}"

    @pytest.mark.container("sh", "-c", "echo $PASSWORD; app sleep 3600", wait="hunter",
                           env={"PASSWORD": spell()})
    def test_container(container, parity):
        container.exec("sh", "-c", "echo $PASSWORD; app endian")
        parity.check("log", container.logs().stdout)
        assert container.logs().stdout == ""
    """,
    )
    finished = suite.run("--multiarch-record=r.json")
    found = merge(tmp_path / "merged", suite.folder / "r.json")
    assert len(found.record["members"]) == 4 * len(PLATFORMS), finished.output
    files = [suite.folder / "r.json", *(tmp_path / "merged").iterdir()]
    for path in files:
        assert "PASSWORD" in path.read_text()
        assert "hunter2hunter2" not in path.read_text(), path
