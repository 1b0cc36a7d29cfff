"""What is found in images without running them: in tests, as a failure of its own, in records."""

from __future__ import annotations

import json

import pytest

from pytest_multiarch.cli.main import main

from .conftest import Run
from .test_divergence import find_words

TWO = """
import pytest
pytestmark = [pytest.mark.platforms("linux/amd64", "linux/arm64"), pytest.mark.image("{image}")]
"""
SUITE = """
def test_x(variant): variant.run("echo", "x")
def test_y(variant): variant.run("echo", "y")
"""
UNLIKE = TWO.format(image="unlike:1")
WRONG = TWO.format(image="wrong:1")


def test_wrong_program_fails_the_tests_of_its_platform(run_fake: Run) -> None:
    result = run_fake(SUITE, head=WRONG)
    result.assert_outcomes(passed=2, errors=2)
    result.stdout.fnmatch_lines(["*wrong:1*linux/arm64*", "*/bin/app*"])
    result.stdout.fnmatch_lines(["diagnosis on linux/arm64: image (proven)"])


def test_wrong_program_is_told_once_and_then_in_a_line(run_fake: Run) -> None:
    text = run_fake(SUITE, head=WRONG).stdout.str()
    assert text.count("(the same as in test_a.py::test_x[linux/arm64], which says more)") == 1


@pytest.mark.parametrize(
    "mark", ['audit(scope="off")', 'audit(allow={"/bin/*": "it is what we ship"})']
)
def test_wrong_program_passes_where_the_mark_says_so(run_fake: Run, mark: str) -> None:
    head = f"{WRONG}pytestmark.append(pytest.mark.{mark})\n"
    run_fake(SUITE, head=head).assert_outcomes(passed=4)


def test_allowed_program_is_listed(run_fake: Run) -> None:
    head = WRONG + 'pytestmark.append(pytest.mark.audit(allow={"/bin/*": "we ship it"}))\n'
    result = run_fake(SUITE, head=head)
    result.stdout.fnmatch_lines(["*wrong:1 /bin/app on linux/arm64: we ship it"])


def test_audit_can_be_switched_off_for_a_run(run_fake: Run) -> None:
    run_fake(SUITE, "--multiarch-audit=off", head=WRONG).assert_outcomes(passed=4)


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "parallel"])
def test_differing_configs_are_one_failure_for_the_image(
    run_fake: Run, options: tuple[str, ...]
) -> None:
    result = run_fake(SUITE, *options, head=UNLIKE)
    result.assert_outcomes(passed=4, failed=1)
    assert find_words(result, "IMAGE") == ["test_a.py::image[unlike:1]"]
    result.stdout.fnmatch_lines(["*config: User*", "*linux/amd64*all*", "*linux/arm64*arm*"])


def test_differing_configs_can_be_allowed(run_fake: Run) -> None:
    head = f"""{UNLIKE}
from pytest_multiarch import allow_static
pytestmark.append(
    pytest.mark.static_parity(allow=allow_static("User", reason="arm has its own"))
)
"""
    result = run_fake(SUITE, head=head)
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*unlike:1 config User: arm has its own"])


def test_differing_configs_can_be_only_reported(run_fake: Run) -> None:
    result = run_fake(SUITE, "--multiarch-parity=report", head=UNLIKE)
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*images (reported only)*", "*unlike:1*"])


def test_configs_are_not_compared_where_nothing_is(run_fake: Run) -> None:
    result = run_fake(SUITE, "--multiarch-parity=off", head=UNLIKE)
    result.assert_outcomes(passed=4)
    assert "unlike:1" not in result.stdout.str()


def test_what_is_wrong_with_an_index_fails_also_where_differences_are_reported(
    run_fake: Run,
) -> None:
    head = (
        TWO.format(image="short:1") + 'pytestmark.append(pytest.mark.index(required="linux/386"))\n'
    )
    result = run_fake(SUITE, "--multiarch-parity=report", head=head)
    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines(["images:", "*short:1: it lacks linux/386"])
    assert "reported only" not in result.stdout.str()


def test_last_failed_runs_a_test_of_the_image_again(run_fake: Run) -> None:
    options = ("--lf", "-p", "cacheprovider")
    run_fake(SUITE, *options, head=UNLIKE).assert_outcomes(passed=4, failed=1)
    run_fake(SUITE, *options, head=UNLIKE).assert_outcomes(passed=2, failed=1)


def test_configs_of_one_platform_are_not_compared(run_fake: Run) -> None:
    run_fake(SUITE, "--multiarch-platforms=linux/arm64", head=UNLIKE).assert_outcomes(passed=2)


def test_missing_platform_fails_the_image_for_whose_test_it_is_required(run_fake: Run) -> None:
    source = """
    def test_x(variant): variant.run("echo", "x")
    @pytest.mark.index(required=["linux/386"])
    def test_y(variant): variant.run("echo", "y")
    """
    result = run_fake(source, head=TWO.format(image="short:1"))
    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines(["*it lacks linux/386*", "*build it*"])


def test_required_platforms_can_be_configured(run_fake: Run, pytester: pytest.Pytester) -> None:
    pytester.makefile(".yaml", multiarch="index: {required: [linux/386]}")
    result = run_fake(SUITE, head=TWO.format(image="short:1"))
    assert find_words(result, "IMAGE") == ["test_a.py::image[short:1]"]


def test_what_could_not_be_looked_at_fails_only_strictly(run_fake: Run) -> None:
    head = TWO.format(image="closed:1")
    run_fake(SUITE, head=head).assert_outcomes(passed=4)
    result = run_fake(SUITE, "--multiarch-strict", head=head)
    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines(
        ["closed:1: 1 thing could not be looked at", "not looked at:", "  nobody may look"]
    )


def test_it_goes_on_record(run_fake: Run, pytester: pytest.Pytester) -> None:
    run_fake(SUITE, "--multiarch-record=r.json", head=UNLIKE)
    record = json.loads((pytester.path / "r.json").read_text())
    inspected = record["runs"][0]["inspected"]["unlike:1"]
    assert set(inspected["configs"]) == {"linux/amd64", "linux/arm64"}
    assert inspected["audits"]["linux/arm64"]["programs"] == 1


def test_separate_jobs_are_compared_when_their_records_are_merged(
    run_fake: Run, run: Run, pytester: pytest.Pytester
) -> None:
    for name in ("amd64", "arm64"):
        options = (f"--multiarch-platforms=linux/{name}", f"--multiarch-record=r/{name}.json")
        assert run_fake(SUITE, *options, head=UNLIKE).ret == 0
    result = run(None, "--multiarch-merge", "r")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*config: User*"])
    assert find_words(result, "IMAGE") == ["test_a.py::image[unlike:1]"]
    assert main(["merge", "r", "--junit", "j.xml"]) == 1
    assert "image[unlike:1]" in (pytester.path / "j.xml").read_text()


@pytest.mark.parametrize("name", ["audit", "index", "static_parity"])
def test_mark_that_a_wide_fixture_cannot_see_is_refused(run: Run, name: str) -> None:
    source = f"""
    @pytest.fixture(scope="module")
    def wide(shared_variant): return shared_variant
    @pytest.mark.{name}()
    def test_x(wide): pass
    """
    result = run(source)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*@pytest.mark.{name} cannot reach `shared_variant`*"])


@pytest.mark.parametrize("name", ["audit", "index", "static_parity"])
def test_mark_that_checks_an_image_is_refused_where_none_is_opened(run: Run, name: str) -> None:
    result = run(f"@pytest.mark.{name}()\ndef test_x(platform): pass\n")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*@pytest.mark.{name} on a test that opens no image*"])


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        ('audit(scope="all")', "*audit: scope='all'*"),
        ('audit(allow=["/bin"])', "*is no mapping from patterns of paths to reasons*"),
        ('index(required=["linux/x"])', "*linux/x*"),
        ("static_parity(tree=1)", "*tree=1 is neither True nor False*"),
        ('static_parity("tree")', "*takes keyword arguments only*"),
        ("index(need=[])", "*has no argument 'need'*"),
    ],
)
def test_wrong_mark_is_an_error_of_collection(run: Run, mark: str, message: str) -> None:
    result = run(f"@pytest.mark.{mark}\ndef test_x(variant): pass\n")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([message])
