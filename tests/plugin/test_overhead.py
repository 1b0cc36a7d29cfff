"""The `overhead` fixture, budgets, and what is shown and recorded of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_multiarch.files.record_file import read_record

Run = Callable[..., pytest.RunResult]
HEAD = """
import pytest
pytestmark = [
    pytest.mark.image("app:1"), pytest.mark.platforms("linux/amd64", "linux/arm64"),
]
"""


@pytest.fixture
def measure(run_fake: Run) -> Run:
    """Run a suite on an image."""

    def run(source: str, *options: str) -> pytest.RunResult:
        return run_fake(source, *options, head=HEAD)

    return run


def read_overhead(path: Path) -> list[dict[str, Any]]:
    """Read what a record says was measured."""
    found: list[dict[str, Any]] = json.loads(path.read_text())["overhead"]
    return found


# The fixture


def test_one_test_has_all_platforms(measure: Run) -> None:
    result = measure(
        """
        def test_speed(overhead):
            found = overhead.measure("spend", "1", "12")
            arm = found.platforms["linux/arm64"]
            assert 11.9 < arm.ratio.value < 12.1 and arm.ratio.interval.low <= 12.0
            assert (arm.rounds, arm.median_s > 12, arm.user_s > 6) == (5, True, True)
            assert (arm.size, arm.unpacked, arm.start_s < 1) == (1_000_000, 3_000_000, True)
            assert found.platforms["linux/amd64"].ratio is None
            assert found.baseline == found.costs[0].platform
            assert "x 12.0" in str(found) and "qemu 7.2" in repr(found)
        """,
    )
    result.assert_outcomes(passed=1)


def test_it_is_also_there_by_its_long_name(measure: Run) -> None:
    result = measure("def test_x(multiarch_overhead): multiarch_overhead.measure('spend', '1')")
    result.assert_outcomes(passed=1)


def test_the_summary_has_a_table(measure: Run) -> None:
    result = measure(
        "def test_speed(overhead): overhead.measure('spend', '0.1', '1.2', label='hash')"
    )
    result.stdout.fnmatch_lines(
        [
            "overhead:",
            "  test_a.py::test_speed: hash (5 rounds)",
            "    linux/amd64  native    100 ms ±0%",
            "    linux/arm64  qemu 7.2  1.20 s ±0%  x 12.0  12.0 to 12.0",
        ]
    )


def test_with_a_fixture_of_one_platform_it_is_an_error(measure: Run) -> None:
    result = measure("def test_x(overhead, variant): pass")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*asks for `overhead`, all platforms at once*", "use either*"])


def test_a_callable_is_given_each_platforms_container(measure: Run) -> None:
    result = measure(
        """
        @pytest.mark.container("serve")
        def test_speed(overhead):
            def request(container):
                return 1 if container.platform.architecture == "amd64" else 3
            found = overhead.measure(request)
            assert found.label == "request"
            assert 2.9 < found.platforms["linux/arm64"].ratio.value < 3.1
        """
    )
    result.assert_outcomes(passed=1)


def test_containers_are_removed(measure: Run) -> None:
    result = measure(
        """
        import fake_session
        def test_speed(overhead):
            fake_session.REMOVED.clear()
            overhead.measure("spend", "1")
            overhead.measure("spend", "1")
        def test_after():
            assert len(fake_session.REMOVED) == 3  # two, and the control
        """
    )
    result.assert_outcomes(passed=2)


def test_a_callables_containers_are_removed_without_a_mark(measure: Run) -> None:
    result = measure(
        """
        import fake_session
        def test_speed(overhead):
            fake_session.REMOVED.clear()
            overhead.measure(lambda container: 1)
        def test_after():
            assert len(fake_session.REMOVED) == 2
        """
    )
    result.assert_outcomes(passed=2)


def test_labels_are_unique(measure: Run) -> None:
    result = measure(
        """
        def test_speed(overhead):
            assert overhead.measure("spend", "1").label == "spend 1"
            assert overhead.measure("spend", "1").label == "spend 1 #2"
        """
    )
    result.assert_outcomes(passed=1)


def test_a_cold_start_has_its_parts(measure: Run) -> None:
    result = measure(
        """
        def test_speed(overhead):
            found = overhead.measure_start(cold=True)
            steps = found.platforms["linux/amd64"].steps_s
            assert (steps["fetch"], steps["unpack"], "first start" in steps) == (1.0, 0.25, True)
            arm = found.platforms["linux/arm64"]
            assert list(arm.steps_s) == ["first start"]
            assert arm.warnings[0].startswith("not fetched anew: linux/arm64: fake")
            assert 3.9 < arm.ratio.value < 4.1
        """
    )
    result.assert_outcomes(passed=1)


# Bad input


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("measure()", "there is no command to measure"),
        ("measure('spend', '1', max=-1)", "max=-1 is no budget"),
        ("measure('spend', '1', max='20')", "max='20' is no budget"),
        ("measure('spend', '1', max=1, min=2)", "no ratio is at least"),
        ("measure('spend', '1', max={'linux/s390x': 2})", "max= names linux/s390x, which is no"),
        ("measure('spend', '1', rounds=0)", "rounds=0 is not a whole number"),
        ("measure('spend', '1', runs=0)", "runs=0 is not a whole number"),
        ("measure('spend', '1', exit_codes=[256])", "256 is no exit code"),
        ("measure('spend', '1', timeout=-1)", "timeout=-1 is not a positive number"),
        ("measure(['spend', '1'])", "takes the command as separate arguments"),
        ("measure(lambda c: 1, user='app')", "user= is of commands"),
        ("measure('spend', '0')", "too short to measure"),
    ],
)
def test_bad_arguments(measure: Run, call: str, message: str) -> None:
    result = measure(f"def test_x(overhead): overhead.{call}")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*{message}*"])


def test_what_fails_in_a_round_keeps_the_samples(measure: Run, pytester: pytest.Pytester) -> None:
    result = measure(
        "def test_x(overhead): overhead.measure('spend', '1', 'fail')", "--multiarch-record=r.json"
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*MeasurementError: fake: it failed"])
    found = read_overhead(pytester.path / "r.json")
    assert [len(each["samples_s"]) for each in found] == [2, 2]
    assert {each["failure"] for each in found} == {"fake: it failed"}


def test_an_unavailable_platform_skips_on_request(measure: Run) -> None:
    suite = """
    @pytest.mark.image("unavailable:1")
    def test_x(overhead): overhead.measure("spend", "1")
    """
    measure(suite, "--multiarch-unavailable=skip").assert_outcomes(skipped=1)
    measure(suite).assert_outcomes(errors=1)


# Budgets


def test_over_budget(measure: Run) -> None:
    result = measure("def test_x(overhead): overhead.measure('spend', '1', '12', max=10)")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*on linux/arm64 (qemu 7.2): the ratio 12 (95 % interval 12 to 12*) is beyond max=10",
            "*linux/amd64  native*1.00 s*",
            "make the work cheaper on this platform*",
            "OVERBUDGET test_a.py::test_x*",
        ]
    )


@pytest.mark.parametrize("limit", ["20", "{'linux/arm64': 20}", "{'linux/arm64': 12.5}"])
def test_within_budget(measure: Run, limit: str) -> None:
    result = measure(f"def test_x(overhead): overhead.measure('spend', '1', '12', max={limit})")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*not decided*")


@pytest.mark.parametrize("argument", ["'1', '9:15', max=12", "'1', '12', max=20, rounds=3"])
def test_undecided_passes_and_is_listed(measure: Run, argument: str) -> None:
    suite = f"def test_x(overhead): overhead.measure('spend', {argument})"
    result = measure(suite)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["budgets not decided:", "*measure*rounds*"])
    strict = measure(suite, "--multiarch-strict")
    strict.assert_outcomes(failed=1)
    strict.stdout.fnmatch_lines(["*it passes without --multiarch-strict", "UNDECIDED *test_x*"])


def test_a_budget_without_another_platform_is_not_decided(measure: Run) -> None:
    result = measure(
        "def test_x(overhead): overhead.measure('spend', '1', '12', max=20)",
        "--multiarch-platforms=linux/arm64",
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*max=20 cannot be*", "*no other platform was measured"])


def test_the_mark_is_the_budget_of_measurements(measure: Run) -> None:
    result = measure(
        """
        @pytest.mark.overhead(max=10)
        def test_x(overhead): overhead.measure("spend", "1", "12")
        @pytest.mark.overhead(max=10)
        def test_own(overhead): overhead.measure("spend", "1", "12", max=20)
        """
    )
    result.assert_outcomes(failed=1, passed=1)


def test_the_mark_judges_the_time_of_a_plain_test(measure: Run) -> None:
    result = measure(
        """
        @pytest.mark.overhead(max=5)
        def test_gross(variant): variant.run("spend", "1", "12")
        @pytest.mark.overhead(max=10)
        def test_open(variant): variant.run("spend", "1", "12")
        @pytest.mark.overhead(max=30)
        def test_good(variant): variant.run("spend", "1", "12")
        """
    )
    result.assert_outcomes(failed=1, passed=6)
    result.stdout.fnmatch_lines(
        [
            "*a ratio of 12. One run each: taken as right within a factor of 2 (6 to 24), it is *",
            "budgets not decided:",
            "  test_a.py::test_open*",
            "OVERBUDGET test_a.py::test_gross*",
        ]
    )


def test_strict_fails_what_a_single_time_cannot_decide(measure: Run) -> None:
    suite = """
    @pytest.mark.overhead(max=10)
    def test_open(variant): variant.run("spend", "1", "12")
    """
    result = measure(suite, "--multiarch-strict")
    result.assert_outcomes(failed=1, passed=2)
    result.stdout.fnmatch_lines(["UNDECIDED test_a.py::test_open*"])


def test_a_test_that_takes_no_time_is_not_judged_silently(measure: Run) -> None:
    result = measure(
        """
        @pytest.mark.overhead(max=10)
        def test_idle(variant): pass
        """
    )
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["budgets not decided:", "*max=10 cannot be judged: no time"])


def test_a_platforms_own_mark_wins(measure: Run) -> None:
    result = measure(
        """
        @pytest.mark.platforms(
            "linux/amd64", pytest.param("linux/arm64", marks=pytest.mark.overhead(max=100)),
        )
        @pytest.mark.overhead(max=2)
        def test_x(variant): variant.run("spend", "1", "12")
        """
    )
    result.assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        ("overhead()", "takes max=, min= or both"),
        ("overhead(20)", "takes max=, min= or both"),
        ("overhead(most=20)", "has no argument 'most'"),
        ("overhead(max=0)", "max=0 is no budget"),
        ("overhead(max={'linux/s390x': 2})", "max= names linux/s390x"),
    ],
)
def test_wrong_marks_are_collection_errors(measure: Run, mark: str, message: str) -> None:
    for fixture in ("variant", "overhead"):
        result = measure(f"@pytest.mark.{mark}\ndef test_x({fixture}): pass")
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines([f"*{message}*"])


def test_a_mark_on_a_test_without_a_container_is_an_error(measure: Run) -> None:
    result = measure("@pytest.mark.overhead(max=2)\ndef test_x(platform): pass")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*runs nothing of its own in a container*"])


def test_a_foreign_mark_of_that_name_is_left_alone(measure: Run) -> None:
    measure("@pytest.mark.overhead('whatever')\ndef test_x(): pass").assert_outcomes(passed=1)


# Control runs


def test_the_control_splits_the_ratio(measure: Run) -> None:
    result = measure(
        """
        def test_x(overhead):
            control = overhead.measure("spend", "1", "12", "8").platforms["linux/arm64"].control
            assert 7.9 < control.emulator.value < 8.1
            assert 1.4 < control.architecture.value < 1.6
        """
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "*emulator x 8.00 (*), architecture x 1.50 (*",
            "*reached the first process only: whole process trees need",
        ]
    )


def test_with_leave_it_reaches_everything(measure: Run) -> None:
    result = measure(
        "def test_x(overhead): overhead.measure('spend', '1', '12', '8')", "--multiarch-control"
    )
    result.stdout.fnmatch_lines(["*emulator x 8.00*"])
    result.stdout.no_fnmatch_line("*first process only*")


@pytest.mark.parametrize(
    ("call", "note"),
    [
        ("measure('script', '1', '12', '8')", "control run of 'script' is not possible"),
        ("measure('spend', '1', '12', 'fail')", "no control run: fake: it failed"),
        ("measure('spend', '1', '12', 'fail-later')", "no control run: fake: it failed"),
    ],
)
def test_without_a_control_it_says_why(measure: Run, call: str, note: str) -> None:
    result = measure(f"def test_x(overhead): overhead.{call}")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([f"*{note}*"])
    result.stdout.no_fnmatch_line("*emulator x*")


def test_it_can_be_left_out(measure: Run) -> None:
    result = measure("def test_x(overhead): overhead.measure('spend', '1', '12', control=False)")
    result.stdout.no_fnmatch_line("*control*")


# Records


SUITE = """
def test_x(overhead): overhead.measure("spend", "1", "12", "8", max=20)
@pytest.mark.overhead(max=5)
def test_y(variant): variant.run("spend", "1", "12")
"""


def test_the_record_has_what_was_measured(measure: Run, pytester: pytest.Pytester) -> None:
    measure(SUITE, "--multiarch-record=r.json").assert_outcomes(passed=3, failed=1)
    found = {
        (each["group"], each["platform"]): each for each in read_overhead(pytester.path / "r.json")
    }
    arm = found["test_a.py::test_x", "linux/arm64"]
    assert arm["baseline"] == "linux/amd64"
    assert 11.9 < arm["ci95"][0] <= arm["ratio"] <= arm["ci95"][1] < 12.1
    assert len(arm["samples_s"]) == 5
    assert 7.9 < arm["control_ratio"] < 8.1
    assert (arm["verdict"], arm["execution"]["version"]) == ("within", "7.2")
    assert found["test_a.py::test_y", "linux/arm64"]["verdict"] == "exceeded"


@pytest.mark.parametrize("options", [(), ("-n", "2")])
def test_merging_gives_the_same_verdicts(
    measure: Run, run: Run, pytester: pytest.Pytester, options: tuple[str, ...]
) -> None:
    measure(SUITE, "--multiarch-record=r.json", *options).assert_outcomes(passed=3, failed=1)
    result = run(None, "--multiarch-merge", "r.json", "r.json", "-rA")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*x 12.0*", "PASSED *test_x*", "OVERBUDGET *test_y*"])


def test_jobs_of_one_platform_each_are_not_divided(measure: Run, run: Run) -> None:
    suite = "@pytest.mark.overhead(max=5)\ndef test_y(variant): variant.run('spend', '1', '12')"
    for name in ("amd64", "arm64"):
        measure(suite, f"--multiarch-record={name}.json", f"--multiarch-platforms=linux/{name}")
    result = run(None, "--multiarch-merge", "amd64.json", "arm64.json")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*max=5 cannot be judged: no other platform of it passed*"])


def test_of_several_attempts_the_last_counts(measure: Run, pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_rerunfailures")
    measure(
        """
        tries = []
        def test_x(overhead):
            tries.append(1)
            overhead.measure("spend", "1", str(10 * len(tries)))
            assert len(tries) > 1
        """,
        "--reruns=1", "--multiarch-record=r.json",
    )  # fmt: skip
    ratios = [each["ratio"] for each in read_overhead(pytester.path / "r.json") if "ratio" in each]
    assert [round(each) for each in ratios] == [20]


def test_secrets_are_hidden(measure: Run, pytester: pytest.Pytester) -> None:
    measure(
        """
        def test_x(overhead):
            overhead.measure("spend", "1", "hunter22", env={"TOKEN": "hunter22"}) if 0 else None
            overhead.measure("spend", "1", env={"TOKEN": "hunter22"}, label="with hunter22")
        """,
        "--multiarch-record=r.json",
    )
    assert "hunter22" not in (pytester.path / "r.json").read_text()


def test_a_record_reads_as_it_was_written(measure: Run, pytester: pytest.Pytester) -> None:
    measure(SUITE, "--multiarch-record=r.json")
    members = read_record(pytester.path / "r.json").members
    costs = [cost for each in members for cost in each.overhead]
    assert [cost.from_mapping(cost.to_mapping()) for cost in costs] == costs
    assert any(cost.control for cost in costs)


# Reports


def test_junit_has_the_ratio(measure: Run, pytester: pytest.Pytester) -> None:
    measure(SUITE, "--junitxml=j.xml", "--multiarch-report=junit=k.xml")
    assert (
        'name="multiarch_ratio" value="12.00 (12.0 to 12.0) spend'
        in (pytester.path / "j.xml").read_text()
    )
    written = (pytester.path / "k.xml").read_text()
    assert "[[PROPERTY|multiarch_ratio=12.00 (12.0 to 12.0) spend" in written
    assert "is beyond max=5" in written


@pytest.mark.parametrize("kind", ["html", "markdown"])
def test_reports_show_what_was_measured(measure: Run, pytester: pytest.Pytester, kind: str) -> None:
    measure(SUITE, f"--multiarch-report={kind}=report")
    text = (pytester.path / "report").read_text()
    assert "spend 1 12 8" in text
    assert "emulator x 8.00" in text


def test_the_summary_says_what_was_emulation(measure: Run) -> None:
    result = measure("def test_x(variant): variant.run('spend', '1', '12')")
    result.stdout.fnmatch_lines(
        [
            "time in containers: linux/amd64 1.0 s, linux/arm64 12.0 s; under emulation",
            "  12.0 s, * of the * of this run",
            "slowest under emulation:",
            "*12.0 s, x 12",
        ]
    )


def test_durations_lists_more(measure: Run) -> None:
    suite = """
    @pytest.mark.parametrize("number", range(1, 7))
    def test_x(variant, number): variant.run("spend", "1", str(number + 1))
    """
    for option, rows in (
        ((), 3),
        (("--multiarch-durations=5",), 5),
        (("--multiarch-durations=0",), 6),
    ):
        lines = measure(suite, *option).stdout.str().splitlines()
        start = lines.index("slowest under emulation:")
        shown = [each for each in lines[start + 1 :] if " s, x " in each]
        assert len(shown) == rows


def test_durations_is_a_number(measure: Run) -> None:
    result = measure("def test_x(): pass", "--multiarch-durations=many")
    assert result.ret == pytest.ExitCode.USAGE_ERROR


# Changes


def compare(measure: Run, times: tuple[str, str], *options: str) -> pytest.RunResult:
    """Measure once and again, with another time of arm64."""
    suite = "def test_x(overhead): overhead.measure('spend', '1', '{}', label='spend')"
    measure(suite.format(times[0]), "--multiarch-record=before.json")
    return measure(suite.format(times[1]), "--multiarch-compare=before.json", *options)


def test_a_change_is_shown(measure: Run) -> None:
    result = compare(measure, ("10", "12"))
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["*overhead since before.json*", "*spend on linux/arm64", "*x 12.0*was x 10.0*: +20.0% (*"]
    )


@pytest.mark.parametrize(
    ("limit", "code"), [("ratio:10%", 1), ("ratio:30%", 0), ("ratio:1.5", 1), ("ratio:3", 0)]
)
def test_too_great_a_change_fails_the_run(measure: Run, limit: str, code: int) -> None:
    result = compare(measure, ("10", "12"), "--multiarch-compare-fail", limit)
    assert result.ret == code
    result.assert_outcomes(passed=1)
    if code:
        result.stdout.fnmatch_lines(["*BEYOND ratio:*", "overhead has grown*fails this run"])


def test_a_change_that_is_not_decided_fails_a_strict_run(measure: Run) -> None:
    options = ("--multiarch-compare-fail=ratio:25%",)
    assert compare(measure, ("10", "9:15"), *options).ret == 0
    assert compare(measure, ("10", "9:15"), *options, "--multiarch-strict").ret == 1


def test_nothing_to_compare_is_said(measure: Run) -> None:
    measure("def test_x(overhead): overhead.measure('spend', '1')", "--multiarch-record=r.json")
    other = "def test_y(overhead): overhead.measure('spend', '1')"
    result = measure(other, "--multiarch-compare=r.json", "--multiarch-compare-fail=ratio:5%")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["nothing to compare*"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--multiarch-compare=nosuch.json",), "nosuch.json"),
        (("--multiarch-compare-fail=ratio:5%",), "there is nothing to compare with"),
        (("--multiarch-compare=r.json", "--multiarch-compare-fail=mean:5%"), "is no limit"),
    ],
)
def test_wrong_options(measure: Run, options: tuple[str, ...], message: str) -> None:
    measure("def test_x(overhead): overhead.measure('spend', '1')", "--multiarch-record=r.json")
    result = measure("def test_x(): pass", *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{message}*"])
