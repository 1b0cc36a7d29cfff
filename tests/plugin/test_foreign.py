"""Other projects use our names for other things: what reaches none of our fixtures is theirs."""

from __future__ import annotations

import pytest

from .conftest import Run


@pytest.mark.parametrize(
    "mark",
    ['platforms("win32")', 'platforms("linux", "darwin")', "platforms()", "platforms([])"],
)
def test_foreign_platforms_mark_is_untouched(run: Run, mark: str) -> None:
    run(f"@pytest.mark.{mark}\ndef test_x(): pass\n", head="import pytest\n").assert_outcomes(
        passed=1
    )


@pytest.mark.parametrize("mark", ["image(width=3)", "container", "parity('odd')"])
def test_foreign_marks_of_our_names_are_untouched(run: Run, mark: str) -> None:
    source = f"@pytest.mark.{mark}\ndef test_x(): pass\n"
    run(source, head="import pytest\n").assert_outcomes(passed=1)


@pytest.mark.parametrize("name", ["platform", "variant", "variants", "container", "parity"])
def test_foreign_fixture_of_our_name_is_untouched(run: Run, name: str) -> None:
    source = f"""
    @pytest.fixture
    def {name}():
        return "theirs"

    def test_x({name}):
        assert {name} == "theirs"
    """
    run(source, head="import pytest\n").assert_outcomes(passed=1)


def test_foreign_parameter_of_our_name_is_untouched(run: Run) -> None:
    source = """
    @pytest.mark.parametrize("platform", ["win32", "linux"])
    @pytest.mark.platforms("win32", "linux")
    def test_x(platform):
        assert platform in ("win32", "linux")
    """
    result = run(source, head="import pytest\n")
    result.assert_outcomes(passed=2)
    result.stdout.no_fnmatch_line("*platforms ===*")


def test_foreign_unittest_class_with_a_foreign_mark_is_untouched(run: Run) -> None:
    source = """
    import unittest

    class TestIt(unittest.TestCase):
        odd = type("Odd", (), {"__getattr__": lambda self, name: 1 / 0})()

        @pytest.mark.platforms("win32")
        def test_x(self):
            pass
    """
    run(source, head="import pytest\n").assert_outcomes(passed=1)


def test_mark_of_ours_without_a_fixture_of_ours_is_refused(run: Run) -> None:
    source = '@pytest.mark.platforms("linux/amd64")\ndef test_x(): pass\n'
    result = run(source, head="import pytest\n")
    result.stdout.fnmatch_lines(["*it would run on no platform*", "*ask for `variant`*"])
    result.assert_outcomes(errors=1)


def test_mark_of_ours_on_the_module_is_no_tests_own(run: Run) -> None:
    run("def test_x(): pass\n").assert_outcomes(passed=1)


def test_suite_without_our_fixtures_says_nothing_of_platforms(run: Run) -> None:
    result = run("def test_x(): pass\n", head="")
    result.stdout.no_fnmatch_line("*platforms ===*")
