"""Tests on several configured images: which are run on them, and under which ids."""

from __future__ import annotations

import pytest

from .conftest import HEAD, Run

TWO_IMAGES = """
images:
  alpine: app:alpine
  debian:
    image: app:1
    platforms: [linux/arm64, linux/s390x]
    baseline: linux/s390x
platforms: [linux/amd64, linux/arm64]
"""
CROSSED = [
    "alpine-linux/amd64",
    "alpine-linux/arm64",
    "debian-linux/arm64",
    "debian-linux/s390x",
]


@pytest.fixture(autouse=True)
def _configure(pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("multiarch.yaml").write_text(TWO_IMAGES)


def list_params(result: pytest.RunResult) -> list[str]:
    """Give what stands in brackets in the ids of the collected tests."""
    return [line.partition("[")[2].rstrip("]") for line in result.outlines if "::" in line]


@pytest.mark.parametrize("fixture", ["variant", "shared_variant", "container", "multiarch_variant"])
def test_test_that_needs_an_image_is_run_on_each(run: Run, fixture: str) -> None:
    result = run(f"def test_x({fixture}): pass\n", "--collect-only", "-q", head="")
    assert list_params(result) == CROSSED


def test_test_with_all_variants_is_run_on_each_image(run_fake: Run) -> None:
    source = """
    def test_x(variants):
        assert {each.reference for each in variants.values()} in ({"app:alpine"}, {"app:1"})
        assert ("linux/s390x" in variants) == (variants["arm64"].reference == "app:1")
    """
    result = run_fake(source, "-v", head="")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*::test_x[[]alpine] PASSED*", "*::test_x[[]debian] PASSED*"])


def test_test_of_the_platform_alone_is_not_multiplied(run: Run) -> None:
    result = run("def test_x(platform): pass\n", "--collect-only", "-q", head="")
    assert list_params(result) == ["linux/amd64", "linux/arm64"]


@pytest.mark.parametrize("fixture", ["variant", "shared_variant", "container"])
def test_variant_is_of_the_image_in_the_id(run_fake: Run, fixture: str) -> None:
    source = """
    def test_x(FIXTURE, request):
        expected = "app:alpine" if "[alpine-" in request.node.name else "app:1"
        assert FIXTURE.reference == expected
    """.replace("FIXTURE", fixture.replace("container", "variant"))
    run_fake(source, head="").assert_outcomes(passed=4)


def test_test_that_names_its_image_keeps_it(run_fake: Run) -> None:
    source = """
    @pytest.mark.image("mine:1")
    def test_x(variant):
        assert variant.reference == "mine:1"
    """
    result = run_fake(source, "-v", head="import pytest\n")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        ["*test_x[[]linux/amd64] PASSED*", "*test_x[[]linux/arm64] PASSED*"]
    )


def test_test_whose_parameter_names_its_image_keeps_it(run_fake: Run) -> None:
    source = """
    @pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.image("mine:1"))])
    def test_x(variant, x):
        assert variant.reference == "mine:1"
    """
    run_fake(source, head="import pytest\n").assert_outcomes(passed=2)


def test_test_whose_image_is_computed_keeps_it(run_fake: Run) -> None:
    source = """
    @pytest.fixture(scope="session")
    def multiarch_image():
        return "mine:1"

    def test_x(variant):
        assert variant.reference == "mine:1"
    """
    run_fake(source, head="import pytest\n").assert_outcomes(passed=2)


def test_own_platforms_win_over_those_of_an_image(run: Run) -> None:
    result = run("def test_x(variant): pass\n", "--collect-only", "-q", head=HEAD)
    assert list_params(result) == [
        f"{name}-{platform}"
        for name in ("alpine", "debian")
        for platform in ("linux/amd64", "linux/arm64")
    ]


def test_images_with_platforms_of_their_own_need_no_defaults(
    run: Run, pytester: pytest.Pytester
) -> None:
    pytester.path.joinpath("multiarch.yaml").write_text(
        "images: {one: {image: app:1, platforms: [arm64]}}\n"
    )
    result = run("def test_x(variant): pass\n", "--collect-only", "-q", head="")
    assert list_params(result) == ["one-linux/arm64"]


def test_image_of_a_platforms_own_param_is_closer(run_fake: Run) -> None:
    source = """
    @pytest.mark.platforms(
        "linux/amd64", pytest.param("linux/arm64", marks=pytest.mark.image("other:2"))
    )
    def test_x(variant, shared_variant, platform):
        assert variant.reference == shared_variant.reference
        assert (variant.reference == "other:2") == (platform.architecture == "arm64")
    """
    run_fake(source, head="import pytest\n").assert_outcomes(passed=4)


def test_images_are_compared_each_by_itself(run_fake: Run) -> None:
    source = """
    def test_x(variant, parity):
        parity.check("image", variant.reference)
    """
    result = run_fake(source, head="")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["2 groups of platforms: 2 equal"])


def test_group_is_named_by_its_image(run_fake: Run) -> None:
    source = """
    @pytest.mark.parametrize("x", ["a-b"])
    def test_x(variant, parity, x):
        is_odd = variant.reference == "app:alpine" and variant.platform.architecture == "arm64"
        parity.check("odd", is_odd)
    """
    result = run_fake(source, head="import pytest\n")
    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines(["DIVERGED test_a.py::test_x[[]a-b-alpine] - *"])


def test_images_are_compared_with_their_own_baseline(run_fake: Run) -> None:
    source = """
    def test_x(variant, parity):
        parity.check("arch", variant.platform.architecture == "s390x")
    """
    result = run_fake(source, head="")
    result.stdout.fnmatch_lines(["*linux/arm64 differs from linux/s390x (baseline)*"])


@pytest.mark.parametrize("given", ["debian", "app:1"], ids=["by-name", "by-reference"])
def test_image_option_selects_a_configured_image(run_fake: Run, given: str) -> None:
    source = """
    def test_x(variant):
        assert variant.reference == "app:1"

    def test_y(variants):
        assert {each.reference for each in variants.values()} == {"app:1"}

    def test_z(platform):
        pass
    """
    result = run_fake(source, f"--multiarch-image={given}", "-v", head="")
    result.assert_outcomes(passed=5, deselected=3)
    result.stdout.fnmatch_lines(
        ["*test_x[[]debian-linux/arm64] PASSED*", "*test_y[[]debian] PASSED*"]
    )


def test_image_option_can_select_several(run: Run) -> None:
    options = ("--multiarch-image=debian", "--multiarch-image=alpine", "--collect-only", "-q")
    result = run("def test_x(variant): pass\n", *options, head="")
    assert list_params(result) == CROSSED


def test_image_option_replaces_the_configured_images(run_fake: Run) -> None:
    source = "def test_x(variant): assert variant.reference == 'app:2'\n"
    result = run_fake(source, "--multiarch-image=app:2", "-v", head="")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*test_x[[]linux/amd64] PASSED*"])


def test_image_option_replaces_a_reference_and_keeps_the_ids(run_fake: Run) -> None:
    source = "def test_x(variant): assert variant.reference in ('app:2', 'app:alpine')\n"
    result = run_fake(source, "--multiarch-image=app:1=app:2", "-v", head="")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*test_x[[]debian-linux/arm64] PASSED*"])


def test_image_option_with_one_configured_and_one_other_is_refused(run: Run) -> None:
    options = ("--multiarch-image=debian", "--multiarch-image=app:2")
    result = run("def test_x(variant): pass\n", *options, head="")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*--multiarch-image: app:2 is none of the configured images*", "*alpine, debian*"]
    )


def test_platforms_option_selects_of_the_platforms_of_an_image(run: Run) -> None:
    """It replaces the defaults only; what an image does not have is not run on it."""
    options = ("--multiarch-platforms=linux/s390x", "--multiarch-image=debian")
    result = run("def test_x(variant): pass\n", *options, "--collect-only", "-q", head="")
    assert list_params(result) == ["debian-linux/s390x"]


def test_a_wide_fixture_is_set_up_once_for_each_image_and_platform(run_fake: Run) -> None:
    source = """
    ups = []

    @pytest.fixture(scope="module")
    def wide(shared_variant):
        ups.append((shared_variant.reference, str(shared_variant.platform)))

    def test_x(wide): pass
    def test_y(wide): pass
    def test_ups(): assert len(ups) == len(set(ups)) == 4
    """
    run_fake(source, head="import pytest\n").assert_outcomes(passed=9)


def test_xdist_gives_the_same_verdicts(run_fake: Run) -> None:
    source = "def test_x(variant): variant.run('bits')\ndef test_y(variants): pass\n"
    result = run_fake(source, "-n", "2", "--multiarch-image=alpine", head="")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["DIVERGED test_a.py::test_x[[]alpine] - *"])


def test_late_request_says_that_there_are_several_images(run_fake: Run) -> None:
    source = "def test_x(platform, request): request.getfixturevalue('variant')\n"
    result = run_fake(source, head="")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*the test names no image*", "*several images*"])
