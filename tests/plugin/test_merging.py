"""`pytest --multiarch-merge`, and that merged records say what one process says."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from _pytest import junitxml

from pytest_multiarch.cli.main import main
from pytest_multiarch.core.member import Member
from pytest_multiarch.core.record import IdleGroup, Record
from pytest_multiarch.core.record import Run as RecordedRun
from pytest_multiarch.files.record_file import write_record
from tests.samples import AMD64, ARM64, NATIVE, make_member, observe

from .conftest import Run

HEAD = """
import pytest
pytestmark = [pytest.mark.platforms("linux/amd64", "linux/arm64"), pytest.mark.image("app:1")]
"""
EVERYTHING = """
def test_equal(variant): variant.run("machine")
def test_diverges(variant): variant.run("bits")
def test_fails_apart(variant, platform): assert str(platform) == "linux/amd64", "many\\nlines"
def test_fails(variant): assert variant.run("echo", "x" * 900).stdout == "y"
def test_says_much(variant): pytest.fail("\\n".join("line %d" % n for n in range(200)))

class TestClass:
    def test_diverges(self, variant): variant.run("bits")

@pytest.mark.parametrize("value", ["a]", "b<&\\x1b", "linux/amd64"])
def test_parameter(variant, value): assert value == "a]", value

@pytest.fixture
def broken(platform): assert platform.architecture == "amd64", "in setup"
def test_setup(variant, broken): pass

@pytest.fixture
def messy(variant):
    yield
    raise ValueError("left \\x1b[31m behind")
def test_teardown(messy): pass
def test_call_and_teardown(messy): pytest.fail("in the call", pytrace=False)

@pytest.mark.skip(reason="no time")
def test_skipped(variant): pass
def test_skipped_apart(platform): platform.architecture == "amd64" or pytest.skip("not here")
@pytest.mark.xfail(reason="known")
def test_expected(variant): assert 0
@pytest.mark.xfail(reason="known", strict=True)
def test_unexpected(variant): pass

def test_of_others(): assert 0, "not on platforms"
@pytest.fixture
def torn(): assert 0, "before it"
def test_of_others_error(torn): pass

def test_all(variants): [each.run("bits") for each in variants.values()]
def test_all_equal(variants): [each.run("machine") for each in variants.values()]
def test_all_fail(variants): assert 0, "all"
@pytest.fixture
def litter():
    yield
    assert 0, "litter"
def test_all_litter(variants, litter): [each.run("bits") for each in variants.values()]

@pytest.mark.image("missing:1")
def test_missing(variant): pass
@pytest.mark.platforms("linux/amd64")
def test_one_platform(variant): pass
"""
CRASHES = """
import os
def test_crashes(variant, platform):
    if platform.architecture == "arm64": os._exit(1)
def test_all_crash(variants): os._exit(1)
"""


def list_failures(path: Path) -> Counter[tuple[str, ...]]:
    """Give class name, name, element and message of every failure in a JUnit file.

    Before 9.2 pytest did not shorten messages: then their first lines are compared.
    """
    return Counter(
        (case.get("classname"), case.get("name"), mark.tag, bound_message(mark.get("message")))
        for case in ET.parse(path).iter("testcase")
        for mark in case
        if mark.tag in ("failure", "error")
    )


def bound_message(message: str) -> str:
    """Leave out why nothing is known: a merge has other reasons for that than a run."""
    message = message.partition("\ndiagnosis on ")[0]
    shortens = hasattr(junitxml, "shorten_message")
    return message if shortens else message.partition("\n")[0][:400]


def record_jobs(run: Run, source: str, *options: str) -> tuple[str, str]:
    """Run a suite as CI does, a job for each platform."""
    for name in ("amd64", "arm64"):
        job = "--multiarch-platforms", f"linux/{name}", "--multiarch-record", f"{name}.json"
        run(source, *job, *options, head=HEAD)
    return "amd64.json", "arm64.json"


@pytest.fixture(autouse=True)
def _root_folder(pytester: pytest.Pytester) -> None:
    """A project has a configuration, by which pytest finds the folder that ids start at."""
    pytester.makeini("[pytest]")


@pytest.fixture
def jobs(run_fake: Run) -> tuple[str, str]:
    """The records of two jobs that ran everything there is."""
    return record_jobs(run_fake, EVERYTHING)


@pytest.mark.parametrize("options", [(), ("--multiarch-strict",)])
def test_junit_has_the_failures_of_one_process(
    run_fake: Run, pytester: pytest.Pytester, jobs: tuple[str, str], options: tuple[str, ...]
) -> None:
    run_fake(EVERYTHING, "--junitxml", "one.xml", "--multiarch-replay=0", *options, head=HEAD)
    strict = ["--strict"] if options else []
    assert main(["merge", *jobs, "--junit", "merged.xml", *strict]) == 1
    expected = list_failures(pytester.path / "one.xml")
    assert len(expected) > 20
    assert list_failures(pytester.path / "merged.xml") == expected


def test_junit_has_the_failures_of_one_process_of_which_workers_crash(
    run_fake: Run, pytester: pytest.Pytester
) -> None:
    options = "-n", "1"
    jobs = record_jobs(run_fake, CRASHES, *options)
    run_fake(CRASHES, "--junitxml", "one.xml", *options, head=HEAD)
    assert main(["merge", *jobs, "--junit", "merged.xml"]) == 1

    def list_names(name: str) -> set[tuple[str, ...]]:
        """Messages name the worker: xdist starts another one for each crash."""
        return {failure[:3] for failure in list_failures(pytester.path / name)}

    assert len(list_names("one.xml")) == 2
    assert list_names("merged.xml") == list_names("one.xml")


def test_every_group_is_a_test(run: Run, jobs: tuple[str, str]) -> None:
    result = run(None, "--multiarch-merge", *jobs, "-v")
    result.assert_outcomes(passed=4, failed=17, skipped=3)
    result.stdout.fnmatch_lines_random(
        [
            "test_a.py::test_equal PASSED *",
            "test_a.py::test_diverges DIVERGED *",
            "test_a.py::test_all DIVERGED *",
            "test_a.py::test_fails_apart FAILED *",
            "test_a.py::test_teardown FAILED *",
            "test_a.py::test_skipped SKIPPED *",
            "test_a.py::test_one_platform PASSED *",
        ]
    )
    assert result.ret == 1


def test_a_divergence_reads_as_in_one_process(run: Run, jobs: tuple[str, str]) -> None:
    result = run(None, "--multiarch-merge", *jobs, "-k", "test_diverges and not TestClass")
    result.assert_outcomes(failed=1, deselected=23)
    result.stdout.fnmatch_lines(
        [
            "collected 24 items / 23 deselected / 1 selected",
            "*_ test_diverges _*",
            'linux/arm64 differs from linux/amd64 (baseline): stdout of "bits*"*',
            "- bits: 8",
            "*= platforms =*",
            "DIVERGED test_a.py::test_diverges - linux/arm64 differs from linux/amd64*",
        ]
    )


def test_a_failure_says_where_and_why_and_in_which_run(run: Run, jobs: tuple[str, str]) -> None:
    result = run(None, "--multiarch-merge", *jobs, "-k", "test_fails_apart")
    result.stdout.fnmatch_lines(
        [
            "failed on linux/arm64 (qemu 7.2): AssertionError: many",
            "test_a.py::test_fails_apart[[]linux/arm64] on linux/arm64 (qemu 7.2), run: *",
            "  AssertionError: many",
            "    lines",
            "passed on linux/amd64 (native)",
            "FAILED test_a.py::test_fails_apart - failed on linux/arm64*",
        ]
    )


def test_reports_of_pytest_have_the_groups(
    run: Run, pytester: pytest.Pytester, jobs: tuple[str, str]
) -> None:
    run(None, "--multiarch-merge", *jobs, "--junitxml", "merged.xml")
    failures = list_failures(pytester.path / "merged.xml")
    what = 'linux/arm64 differs from linux/amd64 (baseline): stdout of "bits stdin"'
    headline = f"{what}; diagnosis: unconfirmed"
    assert failures["test_a", "test_diverges", "failure", headline] == 1


def test_the_first_failure_can_end_it(run: Run, jobs: tuple[str, str]) -> None:
    run(None, "--multiarch-merge", *jobs, "-x").assert_outcomes(failed=1)


def test_groups_can_be_listed(run: Run, jobs: tuple[str, str]) -> None:
    result = run(None, "--multiarch-merge", *jobs, "--collect-only", "-q")
    result.stdout.fnmatch_lines(["test_a.py::TestClass::test_diverges", "24 tests collected*"])
    assert result.ret == 0


def test_neither_sources_nor_their_folder_are_needed(
    run: Run, jobs: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for record in jobs:
        shutil.copy(record, tmp_path)
    monkeypatch.chdir(tmp_path)
    result = run(None, "--multiarch-merge", ".", "-k", "test_equal")
    result.assert_outcomes(passed=1, deselected=23)


def write(path: Path, *members: Member, idle: tuple[IdleGroup, ...] = (), ended: str = "") -> str:
    """Write the record of a run that is named by its file."""
    own = tuple(replace(each, run=path.stem) for each in members)
    run = RecordedRun(id=path.stem, ended=ended or "complete", tests=len(own))
    write_record(path, Record(runs=(run,), members=own, idle=idle), ())
    return str(path)


def test_last_failed_is_not_told_of_groups(run: Run, pytester: pytest.Pytester) -> None:
    """Groups cannot be collected: `--lf` would never be done with them."""
    record = write(pytester.path / "r.json", make_member(AMD64, outcome="failed"))
    run(None, "--multiarch-merge", record).assert_outcomes(failed=1)
    assert not list(pytester.path.glob(".pytest_cache/v/cache/*"))


def test_a_group_that_misses_a_platform_fails(run: Run, pytester: pytest.Pytester) -> None:
    record = write(pytester.path / "r.json", make_member(AMD64, selected=(AMD64,)))
    result = run(None, "--multiarch-merge", record, "-v")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "test_app.py::test_x UNCOMPARED *",
            "UNCOMPARED test_app.py::test_x - linux/arm64 not selected",
        ]
    )


def test_a_group_that_ran_nowhere_fails(run: Run, pytester: pytest.Pytester) -> None:
    idle = IdleGroup(group="test_app.py::test_y", run="r", declared=(AMD64, ARM64))
    record = write(pytester.path / "r.json", make_member(AMD64, declared=(AMD64,)), idle=(idle,))
    result = run(None, "--multiarch-merge", record)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["UNCOMPARED test_app.py::test_y - no job ran it on any*"])


def test_what_was_skipped_is_skipped_unless_strict(run: Run, pytester: pytest.Pytester) -> None:
    record = write(
        pytester.path / "r.json",
        make_member(AMD64),
        make_member(ARM64, outcome="skipped", reason="no time"),
        make_member(ARM64, group="test_app.py::test_y", declared=(ARM64,)),
    )
    result = run(None, "--multiarch-merge", record, "-rs")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED [[]1] test_app.py: linux/arm64 was skipped: no time"])
    assert result.ret == 0
    run(None, "--multiarch-merge", record, "--multiarch-strict").assert_outcomes(passed=1, failed=1)


def test_a_failed_twin_fails_its_group(run: Run, pytester: pytest.Pytester) -> None:
    native = write(
        pytester.path / "native.json", make_member(ARM64, execution=NATIVE, declared=(ARM64,))
    )
    emulated = write(
        pytester.path / "emulated.json",
        make_member(ARM64, declared=(ARM64,), outcome="failed", reason="slow"),
    )
    result = run(None, "--multiarch-merge", native, emulated)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["failed on linux/arm64 (qemu 7.2.22): slow"])


def test_a_failed_test_that_is_not_on_platforms_fails(
    run_fake: Run, pytester: pytest.Pytester
) -> None:
    source = "def test_x(variant): pass\ndef test_of_others(): assert 0, 'why\\x1b[31m'\n"
    run_fake(source, "--multiarch-record=r.json", head=HEAD)
    result = run_fake(None, "--multiarch-merge", "r.json")
    result.assert_outcomes(passed=1, failed=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["*why\\x1b[[]31m*", "FAILED test_a.py::test_of_others - failed: *"]
    )


def test_a_run_that_was_interrupted_is_no_parity(run: Run, pytester: pytest.Pytester) -> None:
    """Whatever it would have run may be in no record."""
    members = make_member(AMD64, observe("1")), make_member(ARM64, observe("1"))
    record = write(pytester.path / "r.json", *members, ended="interrupted")
    result = run(None, "--multiarch-merge", record)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["incomplete: 1 run was interrupted"])
    assert result.ret == 1


def test_ids_of_any_record_can_be_shown(run: Run, pytester: pytest.Pytester) -> None:
    groups = "a\x1b[31m", "../../etc/x::()::y", "", "x::[::()]"
    members = [make_member(AMD64, group=each, declared=(AMD64,)) for each in groups]
    result = run(None, "--multiarch-merge", write(pytester.path / "r.json", *members), "-v")
    result.assert_outcomes(passed=4)
    assert "\x1b" not in result.stdout.str()


def test_mismatches_are_refused_unless_ignored(run: Run, pytester: pytest.Pytester) -> None:
    records = []
    for name, platform in (("a", AMD64), ("b", ARM64)):
        member = make_member(platform, observe("1"), run=name)
        recorded = RecordedRun(id=name, ended="complete", commit=name * 40)
        write_record(pytester.path / name, Record(runs=(recorded,), members=(member,)), ())
        records.append(str(pytester.path / name))
    result = run(None, "--multiarch-merge", *records)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*the commit is not the same:", "*--multiarch-ignore-mismatch commit compares them*"]
    )
    options = "--multiarch-ignore-mismatch", "commit"
    run(None, "--multiarch-merge", *records, *options).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--multiarch-record", "m.json"), "*no test runs that --multiarch-record could record*"),
        (("-n", "2"), "*judging takes one process; leave out -n, or give -n 0"),
        (("--dist", "load", "--tx", "popen"), "*judging takes one process*"),
    ],
)
def test_what_makes_no_sense_beside_records(
    run: Run, pytester: pytest.Pytester, options: tuple[str, ...], message: str
) -> None:
    record = write(pytester.path / "r.json", make_member(AMD64, declared=(AMD64,)))
    result = run(None, "--multiarch-merge", record, *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


def test_tests_beside_records_are_refused(run: Run, pytester: pytest.Pytester) -> None:
    record = write(pytester.path / "r.json", make_member(AMD64, declared=(AMD64,)))
    result = run("def test_x(): pass", "test_a.py", "--multiarch-merge", record)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*no test is collected beside records", "*select groups with -k"])


def test_no_process_of_its_own_is_fine(run: Run, pytester: pytest.Pytester) -> None:
    record = write(pytester.path / "r.json", make_member(AMD64, declared=(AMD64,)))
    run(None, "--multiarch-merge", record, "-n", "0").assert_outcomes(passed=1)


def test_a_divergence_that_is_run_again_counts_once(run: Run, pytester: pytest.Pytester) -> None:
    members = make_member(AMD64, observe("1")), make_member(ARM64, observe("2"))
    record = write(pytester.path / "r.json", *members)
    result = run(None, "--multiarch-merge", record, "--reruns", "2")
    assert result.parseoutcomes() == {"failed": 1, "rerun": 2}


@pytest.mark.parametrize("name", ["gone.json", "bad.json", "empty"])
def test_a_record_that_cannot_be_read(run: Run, pytester: pytest.Pytester, name: str) -> None:
    pytester.mkdir("empty")
    pytester.path.joinpath("bad.json").write_text("{")
    result = run(None, "--multiarch-merge", name)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: pytest-multiarch: *{name}*"])
