"""Options and configuration files, right and wrong."""

from __future__ import annotations

import pytest

from pytest_multiarch.core.config_schema import SETTINGS

from .conftest import HEAD, Run

TWO = "def test_x(platform, parity): parity.check('one', 1)\n"


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--multiarch-platforms=linux/arm46", "*--multiarch-platforms: 'linux/arm46' is not a*"),
        ("--multiarch-platforms=linux/arm46", "*did you mean 'linux/arm64'?*"),
        ("--multiarch-platforms=,", "*--multiarch-platforms names no platform*"),
        ("--multiarch-image=UPPER", "*--multiarch-image: *UPPER*"),
        ("--multiarch-image=app:1=", "*--multiarch-image: *"),
        ("--multiarch-parity=sometimes", "*--multiarch-parity: invalid choice*"),
        ("--multiarch-unavailable=maybe", "*--multiarch-unavailable: invalid choice*"),
        ("--multiarch-blame=you", "*--multiarch-blame: invalid choice*"),
        ("--multiarch-record=", "*--multiarch-record: the name of the file is empty*"),
    ],
)
def test_bad_option_is_a_usage_error(run: Run, option: str, said: str) -> None:
    result = run(TWO, option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([said])
    assert "Traceback" not in result.stderr.str()


def test_options_have_the_defaults_of_the_settings(pytester: pytest.Pytester) -> None:
    config = pytester.parseconfig()
    found = {each.name: config.getoption(each.option) for each in SETTINGS if not each.kind}
    assert found == {
        each.name: False if each.default == "false" else each.default
        for each in SETTINGS
        if not each.kind
    }


def test_bad_option_is_a_usage_error_under_xdist(run: Run) -> None:
    result = run(TWO, "--multiarch-platforms=linux/arm46", "-n", "2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--multiarch-platforms: 'linux/arm46' is not a*"])


def test_platforms_option_selects_of_what_is_declared(run: Run) -> None:
    result = run(TWO, "--multiarch-platforms", "arm64")
    result.assert_outcomes(passed=1, deselected=1)
    result.stdout.fnmatch_lines(["*test_x: linux/amd64 not selected"])
    assert result.ret == 0


def test_platforms_option_takes_lists_and_repeats(run: Run) -> None:
    result = run(TWO, "--multiarch-platforms=386,amd64", "--multiarch-platforms=arm64")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["1 group of platforms: 1 equal"])


def test_selected_platform_that_no_test_declares_is_named(run: Run) -> None:
    result = run(TWO, "--multiarch-platforms=amd64,s390x")
    result.stdout.fnmatch_lines(["linux/s390x*selected, but no test declares it"])


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_selection_that_leaves_no_test_names_the_platform(
    run: Run, workers: tuple[str, ...]
) -> None:
    result = run(TWO, "--multiarch-platforms=s390x", *workers)
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result.stdout.fnmatch_lines(["linux/s390x*selected, but no test declares it"])


def test_platforms_option_is_the_default_of_tests_that_declare_none(run: Run) -> None:
    run("def test_x(platform): pass\n", "--multiarch-platforms=386,s390x", head="").assert_outcomes(
        passed=2
    )


def test_platforms_option_replaces_configured_defaults(run: Run, pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("multiarch.yaml").write_text("platforms: [linux/amd64, linux/arm64]\n")
    result = run(TWO, "--multiarch-platforms=s390x", "-v", head="")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*test_x[[]linux/s390x] PASSED*"])


def test_selection_narrows_a_test_with_all_variants(run_fake: Run) -> None:
    source = """
    @pytest.mark.image("app:1")
    def test_x(variants):
        assert list(map(str, variants)) == ["linux/arm64"]
        variants["arm64"].run("echo", "x")
    """
    result = run_fake(source, "--multiarch-platforms=arm64")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*test_x: linux/amd64 not selected"])


def test_test_with_all_variants_of_which_none_is_selected_is_deselected(run_fake: Run) -> None:
    result = run_fake("def test_x(variants): pass\n", "--multiarch-platforms=s390x")
    result.assert_outcomes(deselected=1)


def test_image_option_is_for_tests_that_name_none(run_fake: Run) -> None:
    source = """
    def test_x(variant):
        assert variant.reference == "app:2"

    @pytest.mark.image("app:1")
    def test_y(variant):
        assert variant.reference == "app:1"
    """
    run_fake(source, "--multiarch-image=app:2").assert_outcomes(passed=4)


def test_image_option_replaces_a_reference_wherever_it_is_named(run_fake: Run) -> None:
    source = """
    @pytest.mark.image("app:1")
    def test_y(variant, shared_variant):
        assert variant.reference == shared_variant.reference == "app:2"
    """
    run_fake(source, "--multiarch-image=app:1=app:2").assert_outcomes(passed=2)


def test_test_without_an_image_says_every_way_to_name_one(run_fake: Run) -> None:
    result = run_fake("def test_x(variant): pass\n")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        ["*names no image*", "*@pytest.mark.image*multiarch_image*--multiarch-image*image:*"]
    )


def test_yaml_gives_defaults(run_fake: Run, pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("multiarch.yaml").write_text(
        "image: app:1\nplatforms: [amd64, arm64]\nbaseline: arm64\n"
    )
    source = "def test_x(variant): variant.run('bits')\n"
    result = run_fake(source, head="")
    result.stdout.fnmatch_lines(["*linux/amd64 differs from linux/arm64 (baseline)*"])


def test_pyproject_gives_defaults(run_fake: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml('[tool.pytest-multiarch]\nimage = "app:1"\nplatforms = ["amd64"]\n')
    result = run_fake("def test_x(variant): assert variant.reference == 'app:1'\n", head="")
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("platfroms: [amd64]", "*multiarch.yaml:1: platfroms: unknown setting*"),
        ("platfroms: [amd64]", "*did you mean 'platforms'?*"),
        ("image: app:1\nplatforms: amd64", "*multiarch.yaml:2: platforms: expected a list of *"),
        ("platforms: [linux/arm46]", "*multiarch.yaml:1: platforms?0?: 'linux/arm46' is not*"),
        ("image: UPPER\nbaseline: arm46", "multiarch.yaml:2: baseline: 'arm46' is not a platform*"),
        ("image: [", "*multiarch.yaml:2: not valid YAML*"),
        ("allow: [{label: x}]", "*multiarch.yaml:1: allow?0?: reason is missing*"),
        ("image: app:1\nnormalize: [timestampz]", "*multiarch.yaml:2: *timestampz*"),
        ("!!python/object/apply:os.system [id]", "*multiarch.yaml:1: !!python*tags are not read*"),
    ],
)
def test_bad_yaml_is_a_usage_error(
    run: Run, pytester: pytest.Pytester, text: str, said: str
) -> None:
    pytester.path.joinpath("multiarch.yaml").write_text(f"{text}\n")
    result = run(TWO)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([said])
    assert "Traceback" not in result.stderr.str()


def test_settings_in_two_files_are_a_usage_error(run: Run, pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("multiarch.yaml").write_text("image: app:1\n")
    pytester.makepyprojecttoml('[tool.pytest-multiarch]\nimage = "app:1"\n')
    result = run(TWO)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*settings are in both*", "*keep one of them*"])


def test_normalizer_of_a_conftest_can_be_configured(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        "def pytest_multiarch_normalizers(config): return {'same': lambda text: 'same'}\n"
    )
    pytester.path.joinpath("multiarch.yaml").write_text("normalize: [same]\n")
    run(TWO).assert_outcomes(passed=2)


def test_normalizer_is_applied_to_checked_texts(run: Run) -> None:
    source = """
    @pytest.mark.parity(normalize=[(r"\\d+", "<n>")])
    def test_x(platform, parity):
        parity.check("text", f"it took {len(platform.architecture + platform.architecture[-1])} s")
    """
    run(source).assert_outcomes(passed=2)


def test_collection_is_offline_and_says_nothing_of_platforms(run: Run) -> None:
    """No docker, no client of registries is imported, and no engine is there."""
    source = """
    import sys
    sys.modules["docker"] = sys.modules["requests"] = sys.modules["testcontainers"] = None

    @pytest.mark.image("app:1")
    @pytest.mark.container("sleep", "9", wait="ready", ports=[80])
    def test_x(container): pass
    """
    result = run(source, "--collect-only", "-q")
    result.stdout.fnmatch_lines(["*test_x[[]linux/amd64]", "*test_x[[]linux/arm64]"])
    result.stdout.no_fnmatch_line("*group*")
    assert result.ret == 0


def test_marks_and_options_are_in_pytests_own_help(run: Run) -> None:
    result = run(None, "--markers")
    result.stdout.fnmatch_lines(["@pytest.mark.platforms(*", "@pytest.mark.parity(*"])
    result = run(None, "--help")
    result.stdout.fnmatch_lines(["*--multiarch-platforms=PLATFORM,...*"])


def test_fixtures_explain_themselves(run: Run) -> None:
    result = run(HEAD, "--fixtures")
    result.stdout.fnmatch_lines(["variant -- *", "*`variant.run(...)` runs a command*"])
