"""What is compared when members fail, are skipped, retried, crash or never run."""

from __future__ import annotations

import pytest

from .conftest import HEAD, Run
from .test_divergence import find_words

DIFFERS = """
def test_x(platform, parity):
    parity.check("is-arm", platform.architecture == "arm64")
"""
WORKERS = pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
THREE = """
import pytest
pytestmark = pytest.mark.platforms("linux/amd64", "linux/arm64", "linux/386")
"""


@WORKERS
def test_failing_on_one_platform_is_one_red_test_that_says_where_it_passed(
    run: Run, workers: tuple[str, ...]
) -> None:
    source = """
    def test_x(platform):
        assert platform.architecture == "amd64"
    """
    result = run(source, *workers)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*test_a.py::test_x: passed on linux/amd64; failed on linux/arm64"]
    )
    assert find_words(result, "DIVERGED") == []


def test_failing_on_all_platforms_is_no_divergence(run: Run) -> None:
    result = run("def test_x(platform, parity):\n    parity.check('p', 1)\n    assert 0\n")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*1 failed wherever they ran"])


def test_divergence_shows_beside_a_failing_member(run: Run) -> None:
    source = """
    def test_x(platform, parity):
        parity.check("is-arm", platform.architecture == "arm64")
        assert platform.architecture != "386"
    """
    result = run(source, head=THREE)
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["DIVERGED test_a.py::test_x - *"])


@pytest.mark.parametrize("mark", ["skip(reason='later')", "xfail(reason='later')"])
def test_excused_member_is_listed_and_not_compared(run: Run, mark: str) -> None:
    source = f"""
    @pytest.mark.platforms("amd64", "386", pytest.param("arm64", marks=pytest.mark.{mark}))
    def test_x(platform, parity):
        parity.check("is-arm", platform.architecture == "arm64")
        assert platform.architecture != "arm64"
    """
    result = run(source)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["compared without:", "*test_x: linux/arm64 *: later"])


def test_unexpected_pass_may_also_differ(run: Run) -> None:
    source = """
    @pytest.mark.platforms("amd64", pytest.param("arm64", marks=pytest.mark.xfail))
    def test_x(platform, parity):
        parity.check("is-arm", platform.architecture == "arm64")
    """
    result = run(source)
    result.assert_outcomes(passed=1, xpassed=1)
    result.stdout.fnmatch_lines(
        ["allowed to differ:", '*test_x: value of "is-arm" on linux/arm64: xfail']
    )


def test_error_in_setup_is_a_failing_member(run: Run) -> None:
    source = """
    @pytest.fixture
    def broken(platform):
        assert platform.architecture == "amd64"

    def test_x(broken): pass
    """
    result = run(source)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*test_x: passed on linux/amd64; failed on linux/arm64"])


def test_error_in_teardown_keeps_what_was_observed(run: Run) -> None:
    source = """
    @pytest.fixture
    def breaks(platform):
        yield
        assert 0

    def test_x(breaks, platform, parity):
        parity.check("is-arm", platform.architecture == "arm64")
    """
    result = run(source)
    result.assert_outcomes(passed=2, errors=2, failed=1)
    result.stdout.fnmatch_lines(["DIVERGED test_a.py::test_x - *"])


QUIET = [("-q", "-q"), ("--no-summary",), ("-q", "-q", "-q", "--no-summary"), ("-n", "2")]


@pytest.mark.parametrize("options", QUIET, ids=" ".join)
def test_part_of_a_group_is_not_compared_and_that_is_always_said(
    run: Run, options: tuple[str, ...]
) -> None:
    result = run(DIFFERS, "-k", "arm64", *options)
    result.stdout.fnmatch_lines(["*not compared*", "*test_x: linux/amd64 not selected*"])
    assert result.ret == 0


def test_node_id_of_one_member_is_not_compared(run: Run) -> None:
    result = run(DIFFERS, "test_a.py::test_x[linux/arm64]")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*test_x: linux/amd64 not selected*"])


def test_id_of_the_group_runs_the_group(run: Run) -> None:
    run(DIFFERS, "test_a.py::test_x").assert_outcomes(passed=2, failed=1)


@WORKERS
def test_strict_fails_what_was_not_compared(run: Run, workers: tuple[str, ...]) -> None:
    result = run(DIFFERS, "-k", "arm64", "--multiarch-strict", "-v", *workers)
    result.assert_outcomes(passed=1, failed=1, deselected=0 if workers else 1)
    result.stdout.fnmatch_lines(["UNCOMPARED test_a.py::test_x - *linux/amd64 not selected*"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_strict_fails_a_test_with_all_variants_too(run_fake: Run) -> None:
    source = "@pytest.mark.image('app:1')\ndef test_x(variants): pass\n"
    result = run_fake(source, "--multiarch-platforms=arm64", "--multiarch-strict")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*linux/amd64 not selected*", "UNCOMPARED test_a.py::test_x - *"])


def test_strict_fails_where_a_skip_leaves_nothing_to_compare(run: Run) -> None:
    source = """
    @pytest.mark.platforms("amd64", pytest.param("arm64", marks=pytest.mark.skip("later")))
    def test_x(platform, parity):
        parity.check("one", 1)
    """
    result = run(source, "--multiarch-strict")
    result.assert_outcomes(passed=1, skipped=1, failed=1)


def test_strict_excuses_what_is_expected_to_fail(run: Run) -> None:
    source = """
    @pytest.mark.platforms("amd64", pytest.param("arm64", marks=pytest.mark.xfail))
    def test_x(platform):
        assert platform.architecture == "amd64"
    """
    run(source, "--multiarch-strict").assert_outcomes(passed=1, xfailed=1)


def test_unavailable_platform_is_an_error_with_its_cure(run_fake: Run) -> None:
    source = "@pytest.mark.image('unavailable:1')\ndef test_x(variant): variant.run('echo', 'x')\n"
    result = run_fake(source)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["fake: linux/arm64 cannot be run", "add QEMU"])
    result.stdout.no_fnmatch_line("*diagnosis*")  # the error says why


def test_unavailable_platform_is_skipped_at_the_users_word(run_fake: Run) -> None:
    source = "@pytest.mark.image('unavailable:1')\ndef test_x(variant): variant.run('echo', 'x')\n"
    result = run_fake(source, "--multiarch-unavailable=skip")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(
        ["*test_x: linux/arm64 was skipped: fake: linux/arm64 cannot be run", "linux/arm64 *"]
    )
    assert result.ret == 0


def test_nothing_observed_is_said(run: Run) -> None:
    result = run("def test_x(platform): pass\n")
    result.stdout.fnmatch_lines(["*1 of them equal in outcome only: nothing was observed"])


RETRIED = """
def test_x(platform, parity, tmp_path_factory):
    mark = tmp_path_factory.getbasetemp().parent / f"seen-{platform.slug}"
    is_first = not mark.exists()
    mark.touch()
    parity.check("is-first", is_first)
    assert platform.architecture == "amd64" or not is_first
"""


def test_last_attempt_counts_and_how_many_there_were_is_said(run: Run) -> None:
    result = run(RETRIED, "--reruns", "2", "-p", "rerunfailures")
    result.stdout.fnmatch_lines(
        ["*the last attempt counts*", "*test_x: attempt 2 on linux/arm64", "DIVERGED *"]
    )
    assert result.parseoutcomes() == {"passed": 2, "failed": 1, "rerun": 1}


def test_last_attempt_counts_under_xdist(run: Run) -> None:
    source = """
    attempts = {}
    def test_x(platform, parity):
        attempts[platform] = attempts.get(platform, 0) + 1
        parity.check("attempt", attempts[platform] if attempts[platform] < 3 else 0)
        assert attempts[platform] == 3
    """
    result = run(source, "--reruns", "2", "-n", "2")
    assert result.parseoutcomes()["passed"] == 2
    result.stdout.fnmatch_lines(["1 group of platforms: 1 equal"])
    result.stdout.fnmatch_lines(["*attempt 3 on linux/amd64, attempt 3 on linux/arm64"])


def test_last_attempt_counts_of_a_test_with_all_variants(run_fake: Run) -> None:
    source = """
    attempts = []
    @pytest.mark.image("app:1")
    def test_x(variants):
        attempts.append(1)
        for variant in variants.values():
            variant.run("echo", "x")
        assert len(attempts) == 2
    """
    result = run_fake(source, "--reruns", "2")
    result.stdout.fnmatch_lines(["1 group of platforms: 1 equal", "*the last attempt counts*"])


def test_crashed_member_is_named(run: Run) -> None:
    source = """
    import os, time

    def test_x(platform, parity):
        if platform.architecture == "arm64":
            os._exit(3)
    """
    result = run(source, "-n", "2", "--dist", "load")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*test_x: passed on linux/amd64; failed on linux/arm64"])
    result.stdout.fnmatch_lines(["linux/arm64 *(1 crashed)"])


def test_member_that_crashed_before_its_first_report_is_named(run: Run) -> None:
    source = """
    import os, time

    @pytest.fixture
    def crashes(platform):
        if platform.architecture == "amd64":
            os._exit(3)
        time.sleep(2)

    def test_x(crashes): pass
    """
    result = run(source, "-n", "2", "--dist", "load")
    result.stdout.fnmatch_lines(["*test_x: passed on linux/arm64; failed on linux/amd64"])
    result.stdout.fnmatch_lines(["linux/amd64 *(1 crashed)"])


@WORKERS
def test_interrupt_settles_what_was_run(
    pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    source = f"""
{DIFFERS}
def test_y(platform):
    if platform.architecture == "arm64":
        raise KeyboardInterrupt
"""
    pytester.path.joinpath("test_a.py").write_text(HEAD + source)
    result = pytester.runpytest_subprocess("-p", "no:randomly", *workers, timeout=60)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*of platforms:*"])
    if not workers:
        assert find_words(result, "DIVERGED") == ["test_a.py::test_x"]
        result.stdout.fnmatch_lines(["*test_y: linux/arm64 did not run"])


def test_teardown_that_raises_after_exitfirst_hides_no_divergence(run: Run) -> None:
    source = f"""
@pytest.fixture(scope="module", autouse=True)
def breaks():
    yield
    assert 0, "broken teardown"

{DIFFERS}
def test_later(): pass
"""
    result = run(source, "-x")
    result.assert_outcomes(passed=2, failed=1, errors=1)
    result.stdout.fnmatch_lines(["*broken teardown*", "DIVERGED test_a.py::test_x - *"])


def test_shards_of_a_group_are_not_compared(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        def pytest_collection_modifyitems(config, items):
            config.hook.pytest_deselected(items=items[1::2])
            items[:] = items[::2]
        """
    )
    result = run(DIFFERS)
    result.assert_outcomes(passed=1, deselected=1)
    result.stdout.fnmatch_lines(["*test_x: linux/arm64 not selected"])


def test_any_order_gives_the_same_verdicts(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import random
        def pytest_collection_modifyitems(items):
            random.shuffle(items)
        """
    )
    source = """
    @pytest.mark.parametrize("x", range(8))
    def test_x(platform, parity, x):
        parity.check("value", (x, x == 3 and platform.architecture == "arm64"))
    """
    result = run(source)
    assert find_words(result, "DIVERGED") == ["test_a.py::test_x[3]"]
    result.assert_outcomes(passed=16, failed=1)


def test_repeated_tests_are_groups_of_their_own(run: Run, pytester: pytest.Pytester) -> None:
    """pytest-repeat puts its parameter after the platform."""
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture(autouse=True)
        def _step(request):
            return getattr(request, "param", 0)

        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_generate_tests(metafunc):
            yield
            metafunc.parametrize("_step", [1, 2], indirect=True, ids=["1-2", "2-2"])
        """
    )
    result = run(DIFFERS, "-v")
    result.assert_outcomes(passed=4, failed=2)
    assert find_words(result, "DIVERGED") == ["test_a.py::test_x[1-2]", "test_a.py::test_x[2-2]"]


LAST_FAILED = """
import pathlib

def test_x(platform, parity):
    is_mended = pathlib.Path("mended").exists()
    parity.check("is-arm", platform.architecture == "arm64" and not is_mended)

def test_y(platform):
    assert platform.architecture == "amd64" or pathlib.Path("mended").exists()

def test_z(platform): pass
"""


@pytest.mark.parametrize("blame", ["group", "members"])
def test_last_failed_runs_whole_groups_until_they_pass(
    run: Run, pytester: pytest.Pytester, blame: str
) -> None:
    option = f"--multiarch-blame={blame}"
    run(LAST_FAILED, option).assert_outcomes(passed=5, failed=2)
    run(LAST_FAILED, "--lf", option).assert_outcomes(passed=3, failed=2)
    run(LAST_FAILED, "--lf", option, "-n", "2").assert_outcomes(passed=3, failed=2)
    pytester.path.joinpath("mended").touch()
    run(LAST_FAILED, "--lf", option).assert_outcomes(passed=4)
    run(LAST_FAILED, "--lf", option).assert_outcomes(passed=6)


def test_failed_first_runs_whole_groups_first(run: Run) -> None:
    source = f"def test_a(): pass\n{DIFFERS}"
    run(source)
    result = run(source, "--ff", "-v")
    names = [line.split()[0] for line in result.outlines if " PASSED" in line]
    assert names[:2] == ["test_a.py::test_x[linux/amd64]", "test_a.py::test_x[linux/arm64]"]


def test_last_failed_after_exitfirst_runs_the_members_that_never_ran(run: Run) -> None:
    source = "def test_x(platform): assert 0\n"
    run(source, "-x").assert_outcomes(failed=1)
    run(source, "--lf").assert_outcomes(failed=2)


def test_stepwise_resumes_at_the_start_of_the_group(run: Run, pytester: pytest.Pytester) -> None:
    source = f"def test_a(): pass\n{LAST_FAILED}"
    run(source, "--sw").assert_outcomes(passed=3, failed=1)
    run(source, "--sw").assert_outcomes(passed=2, failed=1, deselected=1)
    pytester.path.joinpath("mended").touch()
    run(source, "--sw").assert_outcomes(passed=6, deselected=1)
