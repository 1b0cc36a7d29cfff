"""The record of a run: what it learned, however it ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_multiarch.core.member import Member, Outcome
from pytest_multiarch.core.record import Record
from pytest_multiarch.files.record_file import Journal, name_journal, read_record

from .conftest import HEAD, Run

RECORD = "--multiarch-record=r.json"
IMAGE = "pytestmark += [pytest.mark.image('app:1')]\n"
LISTED = HEAD.replace("= pytest.mark", "= [pytest.mark").rstrip() + "]\n"
WORKERS = pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
ALL_KINDS = """
    def test_equal(variant):
        variant.run("machine")

    def test_diverges(variant, parity):
        variant.run("bits")
        parity.check("n", variant.platform.architecture)

    def test_all(variants):
        for each in variants.values():
            each.run("bits")

    @pytest.mark.parametrize("word", ["a", "b"])
    def test_word(variant, word):
        variant.run("echo", word)

    def test_fails_apart(platform):
        assert platform.architecture == "amd64", "no arm"

    def test_fails(platform):
        raise ValueError("everywhere")

    def test_skipped(platform):
        pytest.skip("not today")

    @pytest.mark.xfail(reason="known")
    def test_xfailed(platform):
        assert 0

    @pytest.mark.xfail(reason="known")
    def test_xpassed(platform):
        pass

    @pytest.fixture
    def broken():
        raise RuntimeError("no database")

    def test_error(platform, broken):
        pass

    @pytest.mark.platforms("linux/s390x")
    def test_elsewhere(platform):
        pass

    def test_foreign():
        pass
"""


def read(pytester: pytest.Pytester, name: str = "r.json") -> Record:
    return read_record(pytester.path / name)


def find_outcomes(record: Record) -> dict[str, list[str]]:
    """Give how each test ended on amd64 and on arm64."""
    return {
        name.partition("::")[2]: [each.outcome.value for each in sort(members)]
        for name, members in record.list_groups().items()
    }


def sort(members: list[Member]) -> list[Member]:
    return sorted(members, key=lambda each: each.platform)


def run_killed(pytester: pytest.Pytester, source: str, *options: str) -> pytest.RunResult:
    """Run a suite that may kill its own process."""
    pytester.makepyfile(test_a=HEAD + "import os, signal\n" + source)
    return pytester.runpytest_subprocess("-p", "fake_session", RECORD, *options, timeout=60)


# What is in it


@WORKERS
def test_each_member_is_in_it_with_its_outcome(
    run_fake: Run, pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    selected = "--multiarch-platforms=linux/amd64,linux/arm64"
    run_fake(ALL_KINDS, RECORD, selected, *workers, head=LISTED + IMAGE)
    found = read(pytester)
    assert find_outcomes(found) == {
        "test_equal": ["passed"] * 2,
        "test_diverges": ["passed"] * 2,
        "test_all": ["passed"] * 2,
        "test_word[a]": ["passed"] * 2,
        "test_word[b]": ["passed"] * 2,
        "test_fails_apart": ["passed", "failed"],
        "test_fails": ["failed"] * 2,
        "test_skipped": ["skipped"] * 2,
        "test_xfailed": ["xfailed"] * 2,
        "test_xpassed": ["xpassed"] * 2,
        "test_error": ["error"] * 2,
    }
    assert [each.group for each in found.idle] == ["test_a.py::test_elsewhere"]
    (run,) = found.runs
    assert (run.ended, run.exit_status, run.tests) == ("complete", 1, 22)


@WORKERS
def test_each_member_belongs_to_the_run(
    run_fake: Run, pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    run_fake("def test_x(variant):\n    variant.run('bits')\n", RECORD, *workers)
    found = read(pytester)
    assert {each.run for each in found.members} == {each.id for each in found.runs}


def test_workers_record_the_same_as_one_process(run_fake: Run, pytester: pytest.Pytester) -> None:
    run_fake(ALL_KINDS, RECORD, head=LISTED + IMAGE)
    alone = read(pytester)
    run_fake(None, RECORD, "-n", "2")
    assert describe(read(pytester)) == describe(alone)


def describe(record: Record) -> list[dict[str, Any]]:
    """Give what two runs of one suite have in common."""
    places = ("run", "worker", "started_at_s", "duration_s")
    members = (each.to_mapping() for each in record.members)
    found = [{k: v for k, v in each.items() if k not in places} for each in members]
    return sorted(found, key=lambda each: str((each["group"], each["platform"])))


def test_a_member_says_where_and_how_it_ran(run_fake: Run, pytester: pytest.Pytester) -> None:
    run_fake("def test_x(variant):\n    variant.run('bits')\n", RECORD, head=LISTED + IMAGE)
    amd64, arm64 = sort(list(read(pytester).members))
    assert (str(amd64.execution), str(arm64.execution)) == ("native", "qemu 7.2")
    assert (amd64.node_id, amd64.node) == ("test_a.py::test_x[linux/amd64]", "fake")
    assert amd64.variant is not None
    assert (amd64.variant.reference, amd64.inside_s) == ("app:1", 0.125)
    (seen,) = arm64.observations
    assert seen.stdout is not None
    assert seen.stdout.excerpt.head == "bits: 7\n"


def test_the_run_says_where_it_was(run_fake: Run, pytester: pytest.Pytester) -> None:
    run_fake("def test_x(variant):\n    variant.run('bits')\n", RECORD, head=LISTED + IMAGE)
    (run,) = read(pytester).runs
    assert run.started_at_s < run.ended_at_s
    assert {"host", "architecture", "cpu"} <= run.machine.keys()
    assert {"pytest", "python", "pytest-multiarch"} == run.versions.keys()
    assert list(run.sources) == ["test_a.py"]
    assert run.nodes["fake"]["version"] == "1.0"


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"GITHUB_ACTIONS": "true", "GITHUB_JOB": "arm", "GITHUB_RUN_ID": "7"}, "arm"),
        ({"GITLAB_CI": "true", "CI_JOB_NAME": "amd", "CI_JOB_ID": "7"}, "amd"),
    ],
    ids=["GitHub", "GitLab"],
)
def test_the_run_says_which_job_it_was(
    run: Run,
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    environ: dict[str, str],
    name: str,
) -> None:
    for variable, value in {**environ, "GITHUB_SHA": "c0ffee", "CI_COMMIT_SHA": "c0ffee"}.items():
        monkeypatch.setenv(variable, value)
    run("def test_x(platform): pass\n", RECORD)
    (found,) = read(pytester).runs
    assert (found.job["name"], found.job["id"], found.commit) == (name, "7", "c0ffee")


def test_the_verdicts_are_in_it_for_other_programs(run: Run, pytester: pytest.Pytester) -> None:
    run("def test_x(platform, parity): parity.check('p', platform.variant or 1)\n", RECORD)
    (verdict,) = json.loads((pytester.path / "r.json").read_text())["verdicts"]
    assert (verdict["group"], verdict["verdict"]) == ("test_a.py::test_x", "equal")


def test_the_summary_says_where_it_is(run: Run, pytester: pytest.Pytester) -> None:
    result = run("def test_x(platform): pass\n", RECORD)
    result.stdout.fnmatch_lines([f"record: {pytester.path / 'r.json'}"])


@pytest.mark.parametrize("options", [("-q", "-q"), ("--no-summary",)], ids=" ".join)
def test_it_is_said_however_quiet_pytest_is(run: Run, options: tuple[str, ...]) -> None:
    run("def test_x(platform): pass\n", RECORD, *options).stdout.fnmatch_lines(["record: *r.json"])


def test_a_suite_with_none_of_our_tests_has_an_empty_one(
    run: Run, pytester: pytest.Pytester
) -> None:
    run("def test_x(): pass\n", RECORD, head="")
    found = read(pytester)
    assert (found.members, found.idle, found.runs[0].ended) == ((), (), "complete")


def test_it_stands_where_pytest_was_started(run: Run, pytester: pytest.Pytester) -> None:
    """And its folder is made."""
    run("def test_x(platform): pass\n", "--multiarch-record=new/r.json")
    assert len(read(pytester, "new/r.json").members) == 2
    assert [each.name for each in (pytester.path / "new").iterdir()] == ["r.json"]


# Parts of a suite


@pytest.mark.parametrize("options", [("-k", "arm64"), ("test_a.py::test_x[linux/arm64]",)])
def test_what_was_not_selected_is_declared_all_the_same(
    run: Run, pytester: pytest.Pytester, options: tuple[str, ...]
) -> None:
    run("def test_x(platform): pass\n", RECORD, *options)
    (member,) = read(pytester).members
    assert [*map(str, member.declared)] == ["linux/amd64", "linux/arm64"]
    assert [*map(str, member.selected)] == ["linux/arm64"]


@WORKERS
def test_a_test_that_no_selected_platform_has_is_idle(
    run: Run, pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    run("def test_x(platform): pass\n", RECORD, "--multiarch-platforms=s390x", *workers)
    found = read(pytester)
    (idle,) = found.idle
    assert (found.members, idle.group, idle.selected) == ((), "test_a.py::test_x", ())
    assert [*map(str, idle.declared)] == ["linux/amd64", "linux/arm64"]


@pytest.mark.parametrize("option", ["--collect-only", "--co"])
def test_collecting_alone_writes_nothing(run: Run, pytester: pytest.Pytester, option: str) -> None:
    path = pytester.path / "r.json"
    path.write_text("before")
    run("def test_x(platform): pass\n", RECORD, option)
    assert path.read_text() == "before"
    assert not name_journal(path).exists()


def test_of_a_test_that_is_run_again_the_last_attempt_counts(
    run: Run, pytester: pytest.Pytester
) -> None:
    source = """
    seen = []

    def test_x(platform, parity):
        seen.append(platform)
        parity.check("n", seen.count(platform))
        assert seen.count(platform) == 2
    """
    run(source, RECORD, "--reruns=1")
    found = read(pytester)
    assert find_outcomes(found) == {"test_x": ["passed", "passed"]}
    assert found.runs[0].tests == 2
    for member in found.members:
        assert (member.attempt, member.reason, len(member.observations)) == (2, "", 1)


# However it ends


STOPS = """
def test_first(platform, parity):
    parity.check("n", 1)

def test_stops(platform):
    {how}

def test_last(platform):
    pass
"""
# A shell starts background jobs, and so all that they start, with SIGINT ignored.
INTERRUPT = (
    "signal.signal(signal.SIGINT, signal.default_int_handler); os.kill(os.getpid(), signal.SIGINT)"
)


@pytest.mark.parametrize(
    ("how", "options", "stopped"),
    [
        (INTERRUPT, (), "not-run"),
        ("raise KeyboardInterrupt", (), "not-run"),
        ("pytest.exit('enough')", (), "not-run"),
        ("assert 0", ("-x",), "failed"),
        ("assert 0", ("--maxfail=1",), "failed"),
    ],
    ids=["ctrl-c", "interrupt", "exit", "x", "maxfail"],
)
def test_a_run_that_was_stopped_has_what_it_learned(
    pytester: pytest.Pytester, how: str, options: tuple[str, ...], stopped: str
) -> None:
    result = run_killed(pytester, STOPS.format(how=how), *options)
    found = read(pytester)
    assert find_outcomes(found)["test_first"] == ["passed", "passed"]
    assert find_outcomes(found)["test_stops"] == [stopped, "not-run"]
    assert [each.group for each in found.idle] == ["test_a.py::test_last"]
    assert found.runs[0].ended == "interrupted"
    assert not name_journal(pytester.path / "r.json").exists()
    result.stdout.fnmatch_lines(["record: *r.json, of a run that was interrupted"])


def test_a_divergence_that_stops_a_run_leaves_it_interrupted(
    run: Run, pytester: pytest.Pytester
) -> None:
    source = """
    def test_x(platform, parity):
        parity.check("n", platform.architecture == "arm64")

    def test_y(platform):
        pass
    """
    run(source, RECORD, "-x")
    found = read(pytester)
    assert (found.runs[0].ended, [each.group for each in found.idle]) == (
        "interrupted", ["test_a.py::test_y"],
    )  # fmt: skip


@pytest.mark.parametrize("how", ["os.kill(os.getpid(), signal.SIGKILL)", "os._exit(3)"])
def test_a_run_that_was_killed_leaves_its_journal(pytester: pytest.Pytester, how: str) -> None:
    run_killed(pytester, STOPS.format(how=how))
    path = pytester.path / "r.json"
    assert not path.exists()
    found = read_record(name_journal(path))
    assert find_outcomes(found) == {"test_first": ["passed", "passed"]}
    assert (found.runs[0].ended, found.runs[0].sources.keys()) == ("", {"test_a.py"})


def test_the_next_run_replaces_what_a_killed_one_left(pytester: pytest.Pytester) -> None:
    run_killed(pytester, STOPS.format(how="os._exit(3)"))
    run_killed(pytester, STOPS.format(how="pass"))
    assert len(read(pytester).members) == 6
    assert not name_journal(pytester.path / "r.json").exists()


@pytest.mark.parametrize("source", [
    "def test_x(platform):\n    if platform.architecture == 'arm64': os._exit(3)\n",
    "@pytest.mark.image('app:1')\ndef test_x(variants):\n    os._exit(3)\n",
], ids=["one platform", "all variants"])  # fmt: skip
def test_a_worker_that_crashed_is_a_crashed_member(pytester: pytest.Pytester, source: str) -> None:
    run_killed(pytester, source, "-n", "2")
    found = read(pytester)
    crashed = [each for each in found.members if each.outcome is Outcome.CRASHED]
    assert {str(each.platform) for each in crashed} >= {"linux/arm64"}
    assert all("crashed while running" in each.reason for each in crashed if each.reason)
    assert (len(found.members), found.runs[0].ended) == (2, "complete")


def test_an_error_in_collection_leaves_an_interrupted_record(
    run: Run, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(test_b="import nothing_of_this_name")
    run("def test_x(platform): pass\n", RECORD)
    found = read(pytester)
    assert (found.members, found.runs[0].ended) == ((), "interrupted")


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_what_cannot_be_collected_is_a_failure(
    run: Run, pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    pytester.makepyfile(test_b="import nothing_of_this_name")
    run("def test_x(platform): pass\n", RECORD, "--continue-on-collection-errors", *workers)
    found = read(pytester).runs[0]
    assert found.ended == "complete"
    assert found.failures["test_b.py"]["outcome"] == "error"
    assert "nothing_of_this_name" in found.failures["test_b.py"]["reason"]


def test_conftest_files_beside_and_above_a_test_are_sources(
    run: Run, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(**{"a/b/test_b": HEAD + "def test_x(platform): pass\n"})
    names = {"conftest.py", "a/conftest.py", "a/b/conftest.py"}
    for name in names:
        pytester.path.joinpath(name).touch()
    run(None, RECORD)
    assert read(pytester).runs[0].sources.keys() == {"a/b/test_b.py", *names}


# Where it cannot be written


@pytest.mark.parametrize("name", ["file/r.json", "folder"])
def test_a_place_that_cannot_be_written_to_is_a_usage_error(
    run: Run, pytester: pytest.Pytester, name: str
) -> None:
    (pytester.path / "file").write_text("")
    (pytester.path / "folder").mkdir()
    result = run("def test_x(platform): pass\n", f"--multiarch-record={name}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: pytest-multiarch: the record *{name} cannot be written*"])
    result.stderr.no_fnmatch_line("*Traceback*")


def test_two_runs_at_once_cannot_write_one_record(run: Run, pytester: pytest.Pytester) -> None:
    other = Journal(pytester.path / "r.json")
    other.add_run({"id": "other"})
    result = run("def test_x(platform): pass\n", RECORD)
    other.close()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*another run is writing it right now", "give each run *"])
    assert read_record(name_journal(other.path)).runs[0].id == "other"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_disk_that_is_full_does_not_end_the_tests(pytester: pytest.Pytester) -> None:
    """What was noted until then is left; warnings that are errors make it no worse."""
    fill = """
    for each in os.listdir("/proc/self/fd"):
        if os.path.realpath(f"/proc/self/fd/{each}").endswith(".partial.jsonl"):
            os.dup2(os.open("/dev/full", os.O_WRONLY), int(each))
    """
    result = run_killed(pytester, STOPS.format(how=fill), "-W", "error")
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(
        ["the record *r.json could not be written any more: No space left on device"]
    )
    found = read_record(name_journal(pytester.path / "r.json"))
    assert find_outcomes(found) == {"test_first": ["passed", "passed"]}


def test_what_cannot_be_put_in_its_place_stays_a_journal(pytester: pytest.Pytester) -> None:
    result = run_killed(pytester, STOPS.format(how="os.makedirs('r.json/x', exist_ok=True)"))
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["the record *was not made of its journal *.partial.jsonl: *"])
    assert len(read_record(name_journal(pytester.path / "r.json")).members) == 6


# No secrets


SECRET = "hunter2-hunter2"
TELLS = """
    @pytest.fixture
    def secret():
        return "-".join(["hunter2", "hunter2"])

    def test_prints(variant, secret):
        result = variant.run("echo", f"it is {{secret}}", env={{"TOKEN": secret}})
        {then}
"""


@WORKERS
@pytest.mark.parametrize(
    "then",
    [
        "pass",
        "assert result.stdout == 'x'",
        "raise ValueError(f'{result.stdout}')",
        "pytest.skip(f'since {secret}')",
        "pytest.xfail(f'since {secret}')",
        "pytest.fail(f'since {secret}')",
        "variant.run('no such', secret)",
    ],
    ids=["printed", "assertion", "exception", "skip", "xfail", "fail", "later call"],
)
def test_no_value_of_an_environment_variable_is_in_it(
    run_fake: Run, pytester: pytest.Pytester, workers: tuple[str, ...], then: str
) -> None:
    run_fake(TELLS.format(then=then), RECORD, *workers, head=LISTED + IMAGE)
    text = (pytester.path / "r.json").read_text()
    assert len(read(pytester).members) == 2
    assert "TOKEN" in text
    assert SECRET not in text


@pytest.mark.parametrize("how", ["os._exit(3)", INTERRUPT], ids=["killed", "interrupted"])
def test_nor_in_what_a_stopped_run_leaves(
    run_fake: Run, pytester: pytest.Pytester, how: str
) -> None:
    source = TELLS.format(then="pass") + f"\n    def test_z():\n        {how}\n"
    head = LISTED + IMAGE + "import os, signal\n"
    run_fake(source, RECORD, "-n", "1", head=head)
    text = "".join(each.read_text() for each in pytester.path.glob("r.json*"))
    assert "TOKEN" in text
    assert SECRET not in text
