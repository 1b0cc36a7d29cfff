"""Which tests are run on which platforms, and under which ids."""

from __future__ import annotations

import pytest

from .conftest import Run


def list_ids(result: pytest.RunResult) -> list[str]:
    """Give the ids of the collected tests."""
    return [line for line in result.outlines if "::" in line]


def test_ids_are_platforms_in_normal_form(run: Run) -> None:
    source = """
    @pytest.mark.platforms("x86_64", "Linux/ARM64/v8", "linux/arm/v7")
    def test_x(platform):
        pass
    """
    ids = list_ids(run(source, "--collect-only", "-q"))
    assert ids == [
        "test_a.py::test_x[linux/amd64]",
        "test_a.py::test_x[linux/arm64]",
        "test_a.py::test_x[linux/arm/v7]",
    ]


@pytest.mark.parametrize("order", ["before", "after"])
def test_platform_stands_last_beside_other_parameters(run: Run, order: str) -> None:
    marks = ['@pytest.mark.parametrize("x", ["a", "b"])', '@pytest.mark.platforms("amd64")']
    first, second = marks if order == "before" else reversed(marks)
    ids = list_ids(
        run(f"{first}\n{second}\ndef test_x(x, platform): pass\n", "--collect-only", "-q")
    )
    assert ids == ["test_a.py::test_x[a-linux/amd64]", "test_a.py::test_x[b-linux/amd64]"]


def test_closest_mark_wins(run: Run) -> None:
    source = """
    def test_module(platform):
        pass

    @pytest.mark.platforms("linux/s390x")
    class TestClass:
        def test_class(self, platform):
            pass

        @pytest.mark.platforms("linux/386")
        def test_function(self, platform):
            pass
    """
    ids = list_ids(run(source, "--collect-only", "-q"))
    assert ids == [
        "test_a.py::test_module[linux/amd64]",
        "test_a.py::test_module[linux/arm64]",
        "test_a.py::TestClass::test_class[linux/s390x]",
        "test_a.py::TestClass::test_function[linux/386]",
    ]


def test_methods_of_a_class_are_compared(run: Run) -> None:
    source = """
    class TestIt:
        def test_x(self, platform, parity):
            parity.check("is-arm", platform.architecture == "arm64")
    """
    result = run(source)
    result.stdout.fnmatch_lines(["DIVERGED test_a.py::TestIt::test_x - *"])


def test_param_marks_of_one_platform_hold_for_it_alone(run: Run) -> None:
    source = """
    @pytest.mark.platforms(
        "linux/amd64",
        pytest.param("linux/arm64", marks=pytest.mark.xfail(reason="known")),
        pytest.param("linux/386", marks=pytest.mark.skip(reason="later")),
    )
    def test_x(platform):
        assert platform.architecture == "amd64"
    """
    run(source).assert_outcomes(passed=1, xfailed=1, skipped=1)


@pytest.mark.parametrize("name", ["variant", "multiarch_variant"])
def test_param_image_mark_of_one_platform_is_its_image(run_fake: Run, name: str) -> None:
    source = f"""
    @pytest.mark.platforms(
        "linux/amd64", pytest.param("linux/arm64", marks=pytest.mark.image("other:2"))
    )
    @pytest.mark.image("app:1")
    def test_x({name}):
        assert {name}.reference == (
            "app:1" if {name}.platform.architecture == "amd64" else "other:2"
        )
    """
    run_fake(source).assert_outcomes(passed=2)


def test_param_image_mark_of_one_platform_reaches_shared_variant(run_fake: Run) -> None:
    source = """
    @pytest.mark.platforms(
        "linux/amd64", pytest.param("linux/arm64", marks=pytest.mark.image("other:2"))
    )
    @pytest.mark.image("app:1")
    def test_x(shared_variant):
        assert shared_variant.reference == (
            "app:1" if shared_variant.platform.architecture == "amd64" else "other:2"
        )
    """
    run_fake(source).assert_outcomes(passed=2)


def test_param_image_mark_of_another_parameter_is_the_tests_image(run_fake: Run) -> None:
    source = """
    @pytest.mark.parametrize(
        "x", ["app:1", pytest.param("other:2", marks=pytest.mark.image("other:2"))]
    )
    @pytest.mark.image("app:1")
    def test_x(variant, x):
        assert variant.reference == x
    """
    run_fake(source).assert_outcomes(passed=4)


def test_param_image_mark_that_a_wide_fixture_cannot_honour_is_refused(run: Run) -> None:
    source = """
    @pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.image("other:2"))])
    def test_x(shared_variant, x):
        pass
    """
    result = run(source)
    result.stdout.fnmatch_lines(
        ["*test_x: an image or build mark on a pytest.param cannot reach `shared*"]
    )
    result.assert_outcomes(errors=1)


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ("container(port=80)", "*@pytest.mark.container has no argument 'port'*"),
        ("parity(comapre='exit')", "*@pytest.mark.parity has no argument 'comapre'*"),
        ("image()", "*@pytest.mark.image takes one image reference, found ()*"),
    ],
)
def test_wrong_mark_on_a_platforms_param_is_found_at_collection(
    run: Run, mark: str, said: str
) -> None:
    source = f"""
    @pytest.mark.platforms("amd64", pytest.param("arm64", marks=pytest.mark.{mark}))
    def test_x(platform):
        pass
    """
    result = run(source)
    result.stdout.fnmatch_lines([said])
    result.assert_outcomes(errors=1)


def test_parity_mark_on_a_param_holds_for_it(run: Run) -> None:
    source = """
    @pytest.mark.parametrize(
        "x", [pytest.param(1, marks=pytest.mark.parity(compare="nothing")), 2]
    )
    def test_x(platform, x, parity):
        parity.check("is-arm", platform.architecture == "arm64")
    """
    result = run(source)
    result.stdout.fnmatch_lines(["DIVERGED test_a.py::test_x[[]2] - *"])
    result.assert_outcomes(passed=4, failed=1)


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ('platforms("linux/arm46")', "*'linux/arm46' is not a platform*"),
        ('platforms("linux/arm46")', "*did you mean 'linux/arm64'?*"),
        ('platforms("linux/arm46")', "*linux/amd64, linux/arm64*"),
        ('platforms("amd64", "x86_64")', "*names linux/amd64 twice*"),
        ("platforms()", "*names no platform*"),
        ('platforms("amd64", base="amd64")', "*has no argument 'base'*valid are baseline=*"),
        ('platforms("amd64", baseline="arm64")', "*baseline linux/arm64 is not one of*"),
        ("platforms(64)", "*64 is not a platform*"),
    ],
)
def test_wrong_platforms_mark_is_a_collection_error(run: Run, mark: str, said: str) -> None:
    result = run(f"import pytest\n@pytest.mark.{mark}\ndef test_x(platform): pass\n", head="")
    result.stdout.re_match_lines([".*"])
    lines = " ".join(line.strip("E ").strip() for line in result.outlines)
    assert pytest.LineMatcher([lines]).fnmatch_lines([said]) is None
    result.assert_outcomes(errors=1)
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*pytest_multiarch/*.py*")


def test_test_without_platforms_and_defaults_says_what_to_write(run: Run) -> None:
    for fixture in ("platform", "variants"):
        result = run(f"def test_x({fixture}): pass\n", head="")
        result.stdout.fnmatch_lines(["*names no platforms, and there are no defaults*"])
        result.stdout.fnmatch_lines(["*write @pytest.mark.platforms(*multiarch.yaml*"])
        result.assert_outcomes(errors=1)


def test_both_kinds_in_one_test_are_refused(run: Run) -> None:
    result = run("def test_x(variants, platform): pass\n")
    result.stdout.fnmatch_lines(["*`variants`, all platforms at once*", "*use either*"])
    result.assert_outcomes(errors=1)


def test_parity_without_a_platform_is_refused(run: Run) -> None:
    result = run("def test_x(parity): pass\n", head="import pytest\n")
    result.stdout.fnmatch_lines(["*`parity` compares platforms, and this test has none*"])
    result.assert_outcomes(errors=1)


@pytest.mark.parametrize("name", ["variant", "container", "platform", "shared_variant", "variants"])
def test_getfixturevalue_in_a_test_without_platforms_is_refused(run: Run, name: str) -> None:
    source = f"def test_x(request): request.getfixturevalue({name!r})\n"
    result = run(source)
    result.stdout.fnmatch_lines(["*request.getfixturevalue*", "*as an argument of the test*"])
    result.assert_outcomes(failed=1)


def test_variants_by_getfixturevalue_in_a_parametrized_test_is_refused(run: Run) -> None:
    result = run("def test_x(request, platform): request.getfixturevalue('variants')\n")
    result.stdout.fnmatch_lines(["*`variants` was asked for by request.getfixturevalue*"])
    result.assert_outcomes(failed=2)


def test_unittest_class_with_a_mark_of_ours_is_refused(run: Run) -> None:
    source = """
    import unittest

    class TestIt(unittest.TestCase):
        @pytest.mark.platforms("linux/amd64")
        def test_x(self):
            pass
    """
    result = run(source, head="import pytest\n")
    result.stdout.fnmatch_lines(
        ["*TestIt: @pytest.mark.platforms on a unittest.TestCase*", "*without unittest.TestCase*"]
    )
    result.assert_outcomes(errors=1)


@pytest.mark.parametrize("by_platform", [False, True], ids=["side-by-side", "platform-by-platform"])
def test_two_tests_of_one_id_are_two_groups(
    run: Run, pytester: pytest.Pytester, by_platform: bool
) -> None:
    """pytest allows it: `[x-y]` with `[z]` and `[x]` with `[y-z]` are both `[x-y-z]`."""
    pytester.makeconftest(
        f"""
        def pytest_collection_modifyitems(items):
            if {by_platform}:
                items.sort(key=lambda item: "arm64" in item.name)
        """
    )
    source = """
    @pytest.mark.parametrize("b", ["z", "y-z"])
    @pytest.mark.parametrize("a", ["x-y", "x"])
    def test_x(platform, a, b, parity):
        parity.check("value", (a, b, (a, b) == ("x", "y-z") and platform.architecture == "arm64"))
    """
    result = run(source, "-p", "no:cacheprovider")
    result.assert_outcomes(passed=8, failed=1)
    result.stdout.fnmatch_lines(["4 groups of platforms: 1 diverged, 3 equal"])


def test_fixture_of_another_parameter_with_a_platforms_name(run: Run) -> None:
    """`[linux/arm64-linux/amd64]`: the last one is the platform."""
    source = """
    @pytest.mark.parametrize("x", ["linux/amd64", "linux/arm64"])
    def test_x(platform, x, parity):
        parity.check("x", x)
        parity.check("is-arm", platform.architecture == "arm64")
    """
    result = run(source)
    result.assert_outcomes(passed=4, failed=2)
    result.stdout.fnmatch_lines(["DIVERGED test_a.py::test_x[[]linux/amd64] - *"])
    result.stdout.fnmatch_lines(["DIVERGED test_a.py::test_x[[]linux/arm64] - *"])


def test_own_fixture_on_platform_is_set_up_once_per_platform_and_scope(run: Run) -> None:
    source = """
    ups = []

    @pytest.fixture(scope="module")
    def wide(platform):
        ups.append(str(platform))

    def test_x(wide): pass
    def test_y(wide): pass
    def test_z(platform): pass

    def test_ups():
        assert sorted(ups) == ["linux/amd64", "linux/arm64"]
    """
    run(source).assert_outcomes(passed=7)


def test_without_wide_fixtures_members_stay_side_by_side(run: Run) -> None:
    source = "def test_x(platform): pass\ndef test_y(platform): pass\n"
    names = [line.split(" ")[0] for line in run(source, "-v").outlines if "PASSED" in line]
    assert names == [
        "test_a.py::test_x[linux/amd64]",
        "test_a.py::test_x[linux/arm64]",
        "test_a.py::test_y[linux/amd64]",
        "test_a.py::test_y[linux/arm64]",
    ]


SESSION_FIXTURE = """
import pytest

opened = []

@pytest.fixture(scope="session")
def database(shared_variant):
    opened.append((shared_variant.reference, str(shared_variant.platform)))
    yield shared_variant.reference

def pytest_sessionfinish():
    assert len(opened) == len(set(opened)), opened
    print("OPENED", len(opened))
"""


def test_two_modules_with_own_images_share_a_session_fixture(
    run_fake: Run, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(SESSION_FIXTURE)
    for name in ("one", "two"):
        pytester.makepyfile(
            **{
                f"test_{name}": f"""
                import pytest
                pytestmark = [
                    pytest.mark.platforms("linux/amd64", "linux/arm64"),
                    pytest.mark.image("{name}:1"),
                ]
                def test_x(database): assert database == "{name}:1"
                def test_y(database): assert database == "{name}:1"
                """
            }
        )
    result = run_fake(None, "-s")
    result.assert_outcomes(passed=8)
    result.stdout.fnmatch_lines(["*OPENED 4*"])


def test_two_folders_overriding_the_image_share_a_session_fixture(
    run_fake: Run, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(SESSION_FIXTURE)
    for name in ("one", "two"):
        folder = pytester.mkpydir(name)
        (folder / "conftest.py").write_text(
            "import pytest\n@pytest.fixture(scope='session')\n"
            f"def multiarch_image(): return '{name}:1'\n"
        )
        (folder / f"test_{name}.py").write_text(
            "import pytest\n"
            "pytestmark = pytest.mark.platforms('linux/amd64', 'linux/arm64')\n"
            f"def test_x(database, variant): assert database == variant.reference == '{name}:1'\n"
        )
    result = run_fake(None, "-s")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*OPENED 4*"])


@pytest.mark.parametrize("scope", ["function", "class", "module", "package", "session"])
def test_fixture_of_any_scope_on_shared_variant(run_fake: Run, scope: str) -> None:
    source = f"""
    pytestmark = [pytestmark, pytest.mark.image("app:1")]

    @pytest.fixture(scope="{scope}")
    def mine(shared_variant):
        return shared_variant.platform

    class TestIt:
        def test_x(self, mine, platform):
            assert mine == platform

        def test_y(self, mine, platform):
            assert mine == platform
    """
    run_fake(source).assert_outcomes(passed=4)


def test_variants_has_all_platforms_at_once(run_fake: Run) -> None:
    source = """
    @pytest.mark.image("app:1")
    def test_x(variants):
        assert [str(each) for each in variants] == ["linux/amd64", "linux/arm64"]
        assert variants["aarch64"].platform.architecture == "arm64"
        assert "linux/arm64" in variants and variants.get("linux/386") is None
    """
    run_fake(source).assert_outcomes(passed=1)


def test_test_can_use_the_long_names_beside_foreign_short_ones(run_fake: Run) -> None:
    source = """
    @pytest.fixture
    def variant():
        return "theirs"

    @pytest.mark.image("app:1")
    def test_x(variant, multiarch_variant, multiarch_parity, multiarch_platform):
        assert variant == "theirs"
        assert multiarch_variant.platform == multiarch_platform
    """
    run_fake(source).assert_outcomes(passed=2)
