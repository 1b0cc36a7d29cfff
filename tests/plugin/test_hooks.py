"""The hooks: who answers first, what an answer does, what is said of a senseless one."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import pytest

from .conftest import Run

OPENS = """
@pytest.mark.image("app:1")
def test_x(variant, shared_variant):
    assert variant.reference == shared_variant.reference == "app:2"
"""
DIVERGES = """
@pytest.mark.image("app:1")
def test_x(variant): variant.run("bits")
"""
RESOLVE = """
def pytest_multiarch_resolve_image(config, item, reference):
    return {answer}
"""
ALLOW = """
import pytest_multiarch
def pytest_multiarch_allowances(item):
    yield pytest_multiarch.allow("bits*", reason="known since 1.2")
"""

Write = Callable[..., None]
RunBroken = Callable[[str, str], pytest.RunResult]


@pytest.fixture
def conftest(pytester: pytest.Pytester) -> Write:
    """Write a conftest file: `conftest(source)` at the root, `conftest(source, "folder")`."""

    def write(source: str, folder: str = "") -> None:
        file = pytester.path / folder / "conftest.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(textwrap.dedent(source))

    return write


@pytest.fixture
def run_broken(run_fake: Run, conftest: Write) -> RunBroken:
    """Run a suite whose conftest has a hook that raises: `run_broken(name, arguments)`."""

    def run_suite(name: str, arguments: str) -> pytest.RunResult:
        conftest(f"def look_up(): return {{}}['key']\n\ndef {name}({arguments}):\n    look_up()\n")
        return run_fake("""
            @pytest.mark.parity(normalize=["uuids"])
            @pytest.mark.image("app:1")
            def test_x(variant): pass
        """)  # fmt: skip

    return run_suite


HOOKS = [
    ("pytest_multiarch_normalizers", "config"),
    ("pytest_multiarch_resolve_image", "reference"),
    ("pytest_multiarch_allowances", "item"),
]


@pytest.mark.parametrize(("name", "arguments"), HOOKS)
def test_exception_in_a_hook_names_it_and_shows_only_its_own_frames(
    run_broken: RunBroken, name: str, arguments: str
) -> None:
    result = run_broken(name, arguments)
    assert result.parseoutcomes().keys() <= {"error", "errors", "passed"}
    result.stdout.fnmatch_lines([
        f"*the hook {name} failed: KeyError: 'key'",
        f"*conftest.py*line 4, in {name}", "*look_up()",
        "*conftest.py*line 1, in look_up", "*return {}*",
    ])  # fmt: skip
    result.stdout.no_fnmatch_line("*pytest_multiarch/*.py*")
    result.stdout.no_fnmatch_line("*pluggy*.py*")
    result.stdout.no_fnmatch_line("*StashKey*")


def join_lines(result: pytest.RunResult) -> str:
    """Give what was printed as one line, however it was wrapped."""
    return " ".join(line.removeprefix("E").strip() for line in result.outlines)


# Normalizers


def test_built_in_normalizers_come_through_the_hook(run: Run) -> None:
    source = """
    def test_x(platform, request):
        found = request.config.hook.pytest_multiarch_normalizers(config=request.config)
        assert [list(names)[0] for names in found] == ["timestamps"]
    """
    run(source).assert_outcomes(passed=2)


def test_normalizer_of_a_conftest_replaces_the_built_in_one_of_its_name(
    run: Run, conftest: Write
) -> None:
    conftest("def pytest_multiarch_normalizers(): return {'uuids': lambda text: 'mine'}")
    source = """
    @pytest.mark.parity(normalize=["uuids"])
    def test_x(platform, parity): parity.check("text", str(platform))
    """
    run(source).assert_outcomes(passed=2)


@pytest.mark.parametrize("answer", ["[]", "{'a': 1}", "{1: len}"])
def test_normalizers_that_are_none_name_the_hook_and_where_it_is(
    run: Run, conftest: Write, answer: str
) -> None:
    conftest(f"\ndef pytest_multiarch_normalizers(config): return {answer}\n")
    source = """
    @pytest.mark.parity(normalize=["uuids"])
    def test_x(platform): pass
    """
    result = run(source)
    result.assert_outcomes(errors=1)
    text = join_lines(result)
    assert f"the hook pytest_multiarch_normalizers gave {answer[:3]}" in text
    assert "conftest.py:2, it has to give a mapping from names to functions" in text


# Images


def test_image_is_resolved_for_tests_and_for_shared_variants(
    run_fake: Run, conftest: Write
) -> None:
    conftest(RESOLVE.format(answer="{'app:1': 'app:2'}[reference]"))
    run_fake(OPENS).assert_outcomes(passed=2)


def test_image_of_the_settings_is_resolved(run_fake: Run, conftest: Write) -> None:
    conftest(RESOLVE.format(answer="{'app:1': 'app:2'}[reference]"))
    source = "def test_x(variant): assert variant.reference == 'app:2'"
    run_fake(source, "--multiarch-image=app:1").assert_outcomes(passed=2)


def test_image_is_resolved_for_all_variants_at_once(run_fake: Run, conftest: Write) -> None:
    conftest(RESOLVE.format(answer="'app:2'"))
    source = """
    @pytest.mark.image("app:1")
    def test_x(variants):
        assert {each.reference for each in variants.values()} == {"app:2"}
    """
    run_fake(source).assert_outcomes(passed=1)


def test_no_answer_leaves_the_image_as_it_is_named(run_fake: Run, conftest: Write) -> None:
    conftest(RESOLVE.format(answer="None"))
    source = """
    @pytest.mark.image("app:1")
    def test_x(variant): assert variant.reference == "app:1"
    """
    run_fake(source).assert_outcomes(passed=2)


def test_command_line_answers_before_a_conftest(run_fake: Run, conftest: Write) -> None:
    conftest(RESOLVE.format(answer="'app:3'"))
    run_fake(OPENS, "--multiarch-image=app:1=app:2").assert_outcomes(passed=2)


def test_item_is_the_test_and_none_for_a_shared_variant(run_fake: Run, conftest: Write) -> None:
    conftest(RESOLVE.format(answer="'app:' + ('shared' if item is None else item.originalname)"))
    source = """
    @pytest.mark.image("app:1")
    def test_x(variant, shared_variant):
        assert (variant.reference, shared_variant.reference) == ("app:test_x", "app:shared")
    """
    run_fake(source).assert_outcomes(passed=2)


def test_conftest_of_another_folder_is_not_asked_for_a_test(
    run_fake: Run, conftest: Write, pytester: pytest.Pytester
) -> None:
    conftest(RESOLVE.format(answer="'app:3'"), "other")
    pytester.path.joinpath("other", "test_b.py").write_text("def test_b(): pass\n")
    source = """
    @pytest.mark.image("app:1")
    def test_x(variant): assert variant.reference == "app:1"
    """
    run_fake(source, "other", "test_a.py").assert_outcomes(passed=3)


def test_images_are_not_resolved_while_tests_are_collected(run_fake: Run, conftest: Write) -> None:
    conftest(RESOLVE.format(answer="1 / 0"))
    result = run_fake(OPENS, "--collect-only")
    assert result.ret == 0


@pytest.mark.parametrize("answer", ["12", "''", "'UPPER'", "b'app:2'"])
def test_image_that_is_none_names_the_hook_and_where_it_is(
    run_fake: Run, conftest: Write, answer: str
) -> None:
    conftest(RESOLVE.format(answer=answer))
    result = run_fake(OPENS)
    result.assert_outcomes(errors=2)
    text = join_lines(result)
    assert f"the hook pytest_multiarch_resolve_image gave {answer} " in text
    assert "conftest.py:2, it has to give an image reference as text" in text
    assert "pytest_multiarch/" not in text


def test_wrong_image_is_explained_once(run_fake: Run, conftest: Write) -> None:
    conftest(RESOLVE.format(answer="12"))
    assert run_fake(OPENS).stdout.str().count("it has to give") == 1


# Allowances


def test_difference_that_a_hook_allows_is_no_failure(run_fake: Run, conftest: Write) -> None:
    conftest(ALLOW)
    result = run_fake(DIVERGES)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*known since 1.2*"])


def test_allowances_of_a_hook_are_known_where_groups_are_compared(
    run_fake: Run, conftest: Write
) -> None:
    """A worker's conftest speaks to the process that compares: they travel with the reports."""
    only_in_workers = "import os\nif 'PYTEST_XDIST_WORKER' in os.environ:\n"
    conftest(only_in_workers + textwrap.indent(ALLOW, "    "))
    result = run_fake(DIVERGES, "-n", "2")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*known since 1.2*"])


def test_allowances_of_a_hook_go_into_the_record(
    run_fake: Run, conftest: Write, pytester: pytest.Pytester
) -> None:
    conftest(ALLOW)
    run_fake(DIVERGES, "--multiarch-record=run.json")
    assert "known since 1.2" in pytester.path.joinpath("run.json").read_text()


def test_allowances_come_on_top_of_the_marks_and_the_configured_ones(
    run_fake: Run, conftest: Write, pytester: pytest.Pytester
) -> None:
    conftest("def pytest_multiarch_allowances(item): return [allow('two', reason='second')]\n"
             "from pytest_multiarch import allow\n")  # fmt: skip
    pytester.path.joinpath("multiarch.yaml").write_text("allow: [{label: one, reason: first}]\n")
    source = """
    from pytest_multiarch import allow

    @pytest.mark.parity(allow=allow("three", reason="third"))
    def test_x(platform, parity):
        for label in ("one", "two", "three"):
            parity.check(label, platform.architecture == "amd64")
    """
    result = run_fake(source)
    result.assert_outcomes(passed=2)
    for reason in ("first", "second", "third"):
        result.stdout.fnmatch_lines([f"*{reason}*"])


def test_allowances_are_asked_for_each_test(run_fake: Run, conftest: Write) -> None:
    conftest(ALLOW.replace("yield", "if item.originalname == 'test_x': yield"))
    result = run_fake(DIVERGES + DIVERGES.replace("test_x", "test_y"))
    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines(["DIVERGED test_a.py::test_y*"])


@pytest.mark.parametrize("answer", ["['x']", "12", "[{'label': 'x', 'reason': 'y'}]"])
def test_allowances_that_are_none_name_the_hook_and_where_it_is(
    run_fake: Run, conftest: Write, answer: str
) -> None:
    conftest(f"\ndef pytest_multiarch_allowances(item): return {answer}\n")
    result = run_fake(DIVERGES)
    result.assert_outcomes(errors=2)
    text = join_lines(result)
    assert f"the hook pytest_multiarch_allowances gave {answer}" in text
    assert "conftest.py:2, it has to give a list of pytest_multiarch.allow(" in text
    assert "pytest_multiarch/" not in text


def test_tests_without_platforms_are_not_asked_about(run: Run, conftest: Write) -> None:
    conftest("def pytest_multiarch_allowances(item): assert item.originalname != 'test_plain'")
    source = """
    def test_plain(): pass

    @pytest.mark.platforms("linux/amd64")
    def test_x(platform): pass
    """
    run(source, head="import pytest\n").assert_outcomes(passed=2)
