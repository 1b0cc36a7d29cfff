"""A divergence is a failure of its own, which pytest and what reads its reports understand."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest

from .conftest import Run

DIFFERS = """
def test_x(platform, parity):
    parity.check("is-arm", platform.architecture == "arm64")
"""
THREE = """
import pytest
pytestmark = pytest.mark.platforms("linux/amd64", "linux/arm64", "linux/386")
"""
SUITE = """
@pytest.mark.parametrize("x", ["a", "b"])
def test_p(platform, parity, x):
    parity.check("value", (x, platform.architecture == "arm64" and x == "b"))

def test_same(platform, parity):
    parity.check("value", 1)

def test_y(platform, parity):
    parity.check("value", platform.architecture == "arm64")
"""
DISTRIBUTIONS = ["load", "worksteal", "loadscope", "loadfile", "loadgroup"]


def find_words(result: pytest.RunResult, word: str) -> list[str]:
    """Give the ids with a word in the short summary."""
    lines = [line.split() for line in result.outlines if line.startswith(f"{word} ")]
    return sorted(line[1] for line in lines)


def test_divergence_has_its_own_word_and_fails(run: Run) -> None:
    result = run(DIFFERS, "-v")
    result.stdout.fnmatch_lines(["test_a.py::test_x DIVERGED*", "DIVERGED test_a.py::test_x - *"])
    result.assert_outcomes(passed=2, failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_divergence_has_its_own_letter(run: Run) -> None:
    run(DIFFERS).stdout.fnmatch_lines(["test_a.py ..D*"])


def test_divergence_says_what_differed_and_where(run: Run) -> None:
    result = run(DIFFERS)
    result.stdout.fnmatch_lines(
        [
            '*linux/arm64 differs from linux/amd64 (baseline): value of "is-arm"*',
            "- false",
            "+ true",
            "members:",
            "  pytest 'test_a.py::test_x?linux/amd64?' 'test_a.py::test_x?linux/arm64?'",
        ]
    )
    result.stdout.no_fnmatch_line("*pytest_multiarch/*.py*")


def test_progress_does_not_pass_a_hundred_percent(run: Run) -> None:
    result = run(SUITE, "-v")
    shares = [
        int(line.rstrip("%] ").rpartition("[")[2]) for line in result.outlines if "%]" in line
    ]
    assert max(shares) == 100


@pytest.mark.parametrize("dist", DISTRIBUTIONS)
def test_verdicts_are_the_same_under_xdist(run: Run, dist: str) -> None:
    result = run(SUITE, "-n", "3", "--dist", dist)
    result.assert_outcomes(passed=8, failed=2)
    assert find_words(result, "DIVERGED") == ["test_a.py::test_p[b]", "test_a.py::test_y"]
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_every_worker_is_judged_by_itself_under_dist_each(run: Run) -> None:
    result = run(SUITE, "-n", "2", "--dist", "each")
    result.assert_outcomes(passed=16, failed=4)
    assert find_words(result, "DIVERGED") == [
        "test_a.py::test_p[b-gw0]",
        "test_a.py::test_p[b-gw1]",
        "test_a.py::test_y[gw0]",
        "test_a.py::test_y[gw1]",
    ]


def test_junit_has_one_failed_testcase_per_group(run: Run, pytester: pytest.Pytester) -> None:
    run(SUITE, "--junitxml=out.xml")
    suite = ET.parse(pytester.path / "out.xml").getroot()[0]
    names = [case.get("name") for case in suite.iter("testcase")]
    failed = [case for case in suite.iter("testcase") if case.find("failure") is not None]
    assert len(names) == len(set(names)) == 10
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("10", "2", "0")
    assert [(case.get("classname"), case.get("name")) for case in failed] == [
        ("test_a", "test_p[b]"),
        ("test_a", "test_y"),
    ]
    message = failed[0].find("failure").get("message")  # type: ignore[union-attr]
    what = 'linux/arm64 differs from linux/amd64 (baseline): value of "value"'
    assert message == f"{what}; diagnosis: unconfirmed"


def test_junit_under_xdist_has_the_same_testcases(run: Run, pytester: pytest.Pytester) -> None:
    run(SUITE, "--junitxml=out.xml", "-n", "2")
    suite = ET.parse(pytester.path / "out.xml").getroot()[0]
    failed = [c.get("name") for c in suite.iter("testcase") if c.find("failure") is not None]
    assert (suite.get("tests"), suite.get("failures")) == ("10", "2")
    assert sorted(map(str, failed)) == ["test_p[b]", "test_y"]


def test_junit_says_what_ran(run_fake: Run, pytester: pytest.Pytester) -> None:
    source = "@pytest.mark.image('app:1')\ndef test_x(variant): variant.run('echo', 'x')\n"
    run_fake(source, "--junitxml=out.xml")
    cases = ET.parse(pytester.path / "out.xml").getroot().iter("testcase")
    found = [{p.get("name"): p.get("value") for p in case.iter("property")} for case in cases]
    assert [each["multiarch_platform"] for each in found] == ["linux/amd64", "linux/arm64"]
    assert [each["multiarch_execution"] for each in found] == ["native", "qemu 7.2"]


@pytest.mark.parametrize(
    "off",
    [
        ("-p", "no:cacheprovider"),
        ("-p", "no:terminal"),
        ("-p", "no:junitxml"),
        ("-p", "no:cacheprovider", "-p", "no:stepwise"),
        ("-p", "no:logging", "-p", "no:terminal", "-p", "no:junitxml", "-p", "no:cacheprovider"),
    ],
)
def test_divergence_fails_with_parts_of_pytest_switched_off(run: Run, off: tuple[str, ...]) -> None:
    assert run(DIFFERS, *off).ret == pytest.ExitCode.TESTS_FAILED


def test_divergence_fails_under_xdist_with_parts_of_pytest_switched_off(run: Run) -> None:
    off = ("-p", "no:logging", "-p", "no:junitxml", "-p", "no:cacheprovider")
    assert run(DIFFERS, *off, "-n", "2").ret == pytest.ExitCode.TESTS_FAILED


def test_exitfirst_stops_at_a_divergence(run: Run) -> None:
    result = run(f"{DIFFERS}\ndef test_later(platform): pass\n", "-x")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*stopping after 1 failures*"])


def test_exitfirst_stops_at_a_divergence_under_xdist(run: Run) -> None:
    later = "".join(
        f"def test_later{n}(platform):\n    import time; time.sleep(0.05)\n" for n in range(60)
    )
    result = run(f"{DIFFERS}\n{later}", "-x", "-n", "2")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*stopping after 1 failures*"])
    assert result.parseoutcomes()["passed"] < 122


def test_maxfail_counts_divergences_and_failures(run: Run) -> None:
    source = f"""
{DIFFERS}
def test_y(): assert 0
def test_z(): pass
"""
    result = run(source, "--maxfail=2")
    result.assert_outcomes(passed=2, failed=2)


def test_maxfail_counts_divergences_and_failures_under_xdist(run: Run) -> None:
    """The divergence comes first, so that the one that is too many is a worker's report."""
    later = "".join(
        f"def test_later{n}():\n    import time; time.sleep(0.05)\n" for n in range(100)
    )
    source = f"""
{DIFFERS}
def test_slow():
    import time
    time.sleep(0.5)
    assert 0
def test_slow_too():
    import time
    time.sleep(0.5)
{later}
"""
    result = run(source, "--maxfail=2", "-n", "2", "--dist", "load", "--maxschedchunk=1")
    result.stdout.fnmatch_lines(["*stopping after 2 failures*"])
    assert result.parseoutcomes()["failed"] == 2
    assert result.parseoutcomes()["passed"] < 100


def test_blame_on_members_fails_the_deviating_ones(run: Run) -> None:
    result = run(DIFFERS, "--multiarch-blame=members", "-v")
    result.stdout.fnmatch_lines(["test_a.py::test_x?linux/arm64? DIVERGED*"])
    assert find_words(result, "DIVERGED") == ["test_a.py::test_x[linux/arm64]"]
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_parity_report_lists_divergences_and_passes(run: Run) -> None:
    result = run(DIFFERS, "--multiarch-parity=report")
    result.assert_outcomes(passed=2)
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["*1 diverged*", "diverged:", "*test_x: linux/arm64 differs from linux/amd64*"]
    )


def test_parity_off_compares_nothing_and_says_so(run: Run) -> None:
    result = run(DIFFERS, "--multiarch-parity=off")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*--multiarch-parity=off: nothing was compared*"])
    result.stdout.no_fnmatch_line("*equal*")


def test_baseline_is_the_marks(run: Run) -> None:
    source = """
    @pytest.mark.platforms("linux/amd64", "linux/arm64", baseline="linux/arm64")
    def test_x(platform, parity):
        parity.check("is-arm", platform.architecture == "arm64")
    """
    run(source).stdout.fnmatch_lines(["*linux/amd64 differs from linux/arm64 (baseline)*"])


def test_platforms_that_differ_alike_are_named_together(run: Run) -> None:
    source = """
    def test_x(platform, parity):
        parity.check("is-amd", platform.architecture == "amd64")
    """
    result = run(source, head=THREE)
    result.stdout.fnmatch_lines(["*linux/arm64, linux/386 differ from linux/amd64*"])
    result.assert_outcomes(passed=3, failed=1)


def test_runs_are_observed_and_own_names_masked(run_fake: Run) -> None:
    source = """
    @pytest.mark.image("app:1")
    def test_x(variant):
        variant.run("machine")

    @pytest.mark.image("app:1")
    def test_y(variant):
        variant.run("bits", env={"TOKEN": "hush"}, stdin="secret-in")
    """
    result = run_fake(source)
    assert find_words(result, "DIVERGED") == ["test_a.py::test_y"]
    result.stdout.fnmatch_lines(
        [
            "*docker run --rm --platform linux/amd64 -e TOKEN -i *app@sha256:* bits*",
            "linux/amd64  native    2 tests",
            "linux/arm64  qemu 7.2  2 tests  x 1.0",
        ]
    )


def test_all_variants_at_once_are_compared_with_each_other(run_fake: Run) -> None:
    source = """
    pytestmark = [pytestmark, pytest.mark.image("app:1")]

    def test_x(variants):
        for variant in variants.values():
            variant.run("bits")

    def test_y(variants, parity):
        for platform, variant in variants.items():
            variant.run("machine")
            parity.check("one", 1, platform=platform)
    """
    for workers in ((), ("-n", "2")):
        result = run_fake(source, "-v", *workers)
        result.assert_outcomes(passed=1, failed=1)
        assert find_words(result, "DIVERGED") == ["test_a.py::test_x"]
        result.stdout.fnmatch_lines(["*linux/arm64 differs from linux/amd64 (baseline)*"])
        result.stdout.fnmatch_lines(["2 groups of platforms: 1 diverged, 1 equal"])
        result.stdout.fnmatch_lines(["linux/arm64  qemu 7.2  2 tests  x 1.0"])


def test_check_in_a_test_with_all_variants_needs_a_platform(run_fake: Run) -> None:
    source = """
    @pytest.mark.image("app:1")
    def test_x(variants, parity):
        parity.check("one", 1)
    """
    result = run_fake(source)
    result.stdout.fnmatch_lines(["*several platforms at once*", "*platform=...*"])
    result.assert_outcomes(failed=1)


def test_expected_failure_excuses_a_test_with_all_variants(run_fake: Run) -> None:
    source = """
    @pytest.mark.xfail(reason="known")
    @pytest.mark.image("app:1")
    def test_x(variants):
        for variant in variants.values():
            variant.run("bits")
    """
    result = run_fake(source)
    result.assert_outcomes(xfailed=1)
    assert result.ret == 0


def test_secrets_are_in_no_report(run_fake: Run, pytester: pytest.Pytester) -> None:
    source = """
    @pytest.mark.image("app:1")
    def test_x(variant):
        variant.run("bits", env={"TOKEN": "hush-" + "1234"}, stdin="secret-" + "5678")
    """
    pytester.makeconftest(
        """
        import json
        def pytest_runtest_logreport(report):
            with open("reports.jsonl", "a") as file:
                file.write(repr(report.__dict__) + str(report.longrepr))
        """
    )
    result = run_fake(source, "--junitxml=out.xml")
    result.assert_outcomes(passed=2, failed=1)
    written = [pytester.path.joinpath(name).read_text() for name in ("out.xml", "reports.jsonl")]
    for text in (*written, result.stdout.str()):
        assert "TOKEN" in text
        assert "hush-1234" not in text
        assert "secret-5678" not in text


def test_reports_stay_plain_for_plugins_that_write_them(
    run: Run, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(
        """
        import json
        def pytest_runtest_logreport(report, ):
            assert type(report).__name__ == "TestReport"
        def pytest_report_to_serializable(config, report):
            pass
        def pytest_sessionfinish(session):
            print("PLAIN")
        """
    )
    result = run(DIFFERS, "-s")
    result.stdout.fnmatch_lines(["*PLAIN*"])
    assert json.dumps(result.parseoutcomes())
    result.assert_outcomes(passed=2, failed=1)


@pytest.mark.parametrize(
    "value",
    [r'"\udc80"', 'float("nan")', '"x" * 200_000', "{'a': [1, None, True]}", 'float("inf")'],
)
def test_odd_values_travel_and_are_equal_to_themselves(run: Run, value: str) -> None:
    source = f"""
    def test_x(platform, parity):
        parity.check("value", {value})
    """
    for workers in ((), ("-n", "2")):
        result = run(source, *workers)
        result.assert_outcomes(passed=2)
        result.stdout.fnmatch_lines(["1 group of platforms: 1 equal"])
        result.stdout.no_fnmatch_line("*nothing was observed*")


def test_value_that_json_cannot_hold_fails_at_its_own_line(run: Run) -> None:
    source = """
    def test_x(platform, parity):
        parity.check("value", object())
    """
    result = run(source)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(['>       parity.check("value", object())', "E *parity.check*"])
    result.stdout.no_fnmatch_line("*pytest_multiarch/*.py*")


def test_large_outputs_are_compared_under_xdist(run_fake: Run) -> None:
    source = """
    @pytest.mark.image("app:1")
    def test_x(variant):
        for _ in range(8):
            variant.run("flood")
            variant.run("echo", "x")
    """
    result = run_fake(source, "-n", "2")
    result.stdout.fnmatch_lines(["1 group of platforms: 1 equal"])


def test_polling_repeats_count_as_one(run: Run) -> None:
    source = """
    def test_x(platform, parity):
        for _ in range(3 if platform.architecture == "arm64" else 5):
            parity.check("state", "starting")
        parity.check("state", "ready")
    """
    run(source).assert_outcomes(passed=2)


def test_threads_and_tasks_may_observe_in_any_order(run: Run) -> None:
    source = """
    import asyncio, random
    from concurrent.futures import ThreadPoolExecutor

    def test_threads(platform, parity):
        labels = [f"label {n}" for n in range(50)]
        random.shuffle(labels)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda label: parity.check(label, label), labels))

    def test_tasks(platform, parity):
        async def observe(n):
            await asyncio.sleep(random.random() / 100)
            parity.check(f"label {n}", n)

        async def observe_all():
            await asyncio.gather(*map(observe, range(20)))

        asyncio.run(observe_all())
    """
    result = run(source)
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["2 groups of platforms: 2 equal"])
