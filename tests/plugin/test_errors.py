"""Errors of our own: no frames of ours, the cure once, and never a value that is a secret."""

from __future__ import annotations

import json
import traceback

import pytest

from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.plugin.report_sections import trim_traceback

from .conftest import Run

SETUP = """
@pytest.mark.image("missing:1")
@pytest.mark.parametrize("x", [1, 2, 3])
def test_x(variant, x): pass
"""
CALL = """
@pytest.mark.image("lazy:1")
@pytest.mark.parametrize("x", [1, 2, 3])
def test_x(variant, x):
    variant.run("echo", "x")
"""
WIDE = """
pytestmark = [pytestmark, pytest.mark.image("lazy:1")]

@pytest.fixture(scope="module")
def started(shared_variant):
    shared_variant.run("echo", "x")

def test_x(started): pass
def test_y(started): pass
"""


@pytest.mark.parametrize("source", [SETUP, CALL, WIDE], ids=["setup", "call", "fixture"])
def test_error_has_no_frames_of_ours(run_fake: Run, source: str) -> None:
    result = run_fake(source)
    result.stdout.fnmatch_lines(["*fake: the image has no linux/arm64*"])
    result.stdout.no_fnmatch_line("*pytest_multiarch/*.py*")
    result.stdout.no_fnmatch_line("*fake_session.py*")
    result.stdout.no_fnmatch_line("*During handling*")


@pytest.mark.parametrize("source", [SETUP, CALL], ids=["setup", "call"])
def test_one_cause_is_explained_once(run_fake: Run, source: str) -> None:
    result = run_fake(source)
    assert result.stdout.str().count("push one") == 1
    assert result.stdout.str().count("the same as in test_a.py::test_x[1-linux/arm64]") == 2


@pytest.mark.parametrize("source", [SETUP, CALL], ids=["setup", "call"])
def test_full_trace_shows_all(run_fake: Run, source: str) -> None:
    result = run_fake(source, "--full-trace")
    result.stdout.fnmatch_lines(["*fake_session.py:*PlatformMissingError"])


def test_call_error_is_shown_at_the_tests_own_line(run_fake: Run) -> None:
    result = run_fake(CALL)
    result.stdout.fnmatch_lines(['>*variant.run("echo", "x")', "test_a.py:*PlatformMissingError"])


def test_other_tests_are_unharmed_by_a_missing_platform(run_fake: Run) -> None:
    run_fake(SETUP).assert_outcomes(passed=3, errors=3)


def test_error_that_a_test_expects_is_whole(run_fake: Run) -> None:
    source = """
    from pytest_multiarch import MultiarchError

    @pytest.mark.image("lazy:1")
    @pytest.mark.platforms("arm64")
    @pytest.mark.parametrize("x", [1, 2])
    def test_x(variant, x):
        with pytest.raises(MultiarchError, match="push one"):
            variant.run("echo", "x")
    """
    run_fake(source).assert_outcomes(passed=2)


def test_wrong_check_arguments_are_errors_at_the_tests_own_line(run: Run) -> None:
    source = """
    def test_tolerance(platform, parity):
        parity.check("value", 1.0, rel=-1)

    def test_platform(platform, parity):
        parity.check("value", 1.0, platform="linux/s390x")
    """
    result = run(source)
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(["*rel=-1 is not a tolerance*"])
    result.stdout.fnmatch_lines(["*linux/s390x is not a platform of this test*"])
    result.stdout.no_fnmatch_line("*pytest_multiarch/*.py*")


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ("container(ports=['80'])", "*'80' is not a port number*"),
        ("container(ports=[70000])", "*70000 is not a port number*"),
        ("container(scope='module')", "*scope='module'*valid are 'function', 'session'*"),
        ("container(['sleep', '9'])", "*the command as separate arguments*"),
        ("container(env={'A': 1})", "*the value of 'A' is int, not text*"),
        ("container(env=['A'])", "*env= is a mapping, not*"),
        ("container(timeout='5')", "*timeout='5' is no number of seconds*"),
        ("container(wait=1.5)", "*wait*1.5*"),
        ("parity('stdout')", "*takes keyword arguments only*"),
        ("parity(compare='stdoot')", "*did you mean 'stdout'?*"),
        ("parity(normalize=['timestampz'])", "*timestampz*"),
        ("parity(allow='x')", "*pytest_multiarch.allow(*"),
        ("image('a:1', 'b:1')", "*takes one image reference*"),
        ("image('UPPER')", "*UPPER*"),
    ],
)
def test_wrong_mark_is_a_collection_error_with_the_cure(run: Run, mark: str, said: str) -> None:
    result = run(f"@pytest.mark.{mark}\ndef test_x(variant, platform): pass\n")
    result.assert_outcomes(errors=1)
    lines = " ".join(line.strip("E ").strip() for line in result.outlines)
    pytest.LineMatcher([lines]).fnmatch_lines([said])
    result.stdout.no_fnmatch_line("*Error*structures.py*")
    result.stdout.no_fnmatch_line("*pytest_multiarch/*.py*")


def test_a_traceback_ends_where_the_test_made_the_call() -> None:
    with pytest.raises(UsageError) as caught:
        json.loads('{"a": 1.5}', parse_float=Platform.parse)
    trim_traceback(caught.value)
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert [each.filename for each in frames] == [__file__]
