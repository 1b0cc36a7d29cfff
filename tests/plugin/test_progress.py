"""The line for what takes long, in a run of pytest: beside what is captured, and where it goes."""

from __future__ import annotations

import pytest

CONFTEST = """
    import pytest

    from pytest_multiarch.plugin.state import STATE
    from pytest_multiarch.run import progress

    progress._PATIENCE_S = 0


    @pytest.fixture
    def pull(request):
        print("the fixture prints")
        with request.config.stash[STATE].show_progress("pulling app:1 for linux/arm64") as tell:
            tell(5_000_000, 50_000_000)
"""
LINE = "pulling app:1 for linux/arm64: 5.0 of 50.0 MB"


def run(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile("def test_a(pull): pass")
    return pytester.runpytest_subprocess(*options)


@pytest.mark.parametrize("options", [(), ("-q",), ("-v",), ("-s",), ("--capture=sys",)])
def test_it_is_seen_though_output_is_captured(
    pytester: pytest.Pytester, options: tuple[str, ...]
) -> None:
    result = run(pytester, *options)
    result.assert_outcomes(passed=1)
    assert result.outlines.count(LINE) == 1
    assert "pulling app:1 for linux/arm64: 0 s" in result.outlines
    assert ("the fixture prints" in result.stdout.str()) == ("-s" in options)


def test_it_has_a_line_of_its_own_after_dots(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile("def test_a(): pass\ndef test_b(pull): pass\ndef test_c(pull): pass")
    result = pytester.runpytest_subprocess("-q")
    assert result.outlines.count(LINE) == 2
    assert result.outlines[0] == "."


def test_a_worker_has_standard_error(pytester: pytest.Pytester) -> None:
    result = run(pytester, "-n1")
    result.assert_outcomes(passed=1)
    assert LINE in result.errlines


def test_nothing_where_next_to_nothing_is_said(pytester: pytest.Pytester) -> None:
    result = run(pytester, "-qq")
    assert LINE not in result.outlines + result.errlines
