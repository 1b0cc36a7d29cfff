"""The `build` mark, setting and fixture: wrong ones are errors at collection, which is offline."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.plugin.conftest import Run

BOTH = '@pytest.mark.platforms("linux/amd64", "linux/arm64")'


def collect(pytester: pytest.Pytester, mark: str) -> pytest.RunResult:
    pytester.makepyfile(f"import pytest\n{BOTH}\n{mark}\ndef test_it(variant): pass\n")
    return pytester.runpytest_subprocess("--collect-only", "-q")


def test_collection_neither_builds_nor_looks(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    monkeypatch.setenv("PATH", "/nowhere")
    result = collect(pytester, '@pytest.mark.build("nowhere")')
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*::test_it?linux/amd64?", "*::test_it?linux/arm64?"])


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ("@pytest.mark.build()", "the context is a folder, not None"),
        ("@pytest.mark.build(5)", "the context is a folder, not 5"),
        ('@pytest.mark.build("a", "b")', "takes one context"),
        ('@pytest.mark.build("a", context="b")', "names its context twice"),
        ('@pytest.mark.build("a", platform="x")', "has no argument 'platform'"),
        ('@pytest.mark.build("a", args=["A=1"])', "args is a mapping"),
        ('@pytest.mark.build("a", secrets=["hunter2"])', "secrets: one is not written as"),
        ('@pytest.mark.build("a", platform_args={"arm46": {}})', "'arm46' is not a platform"),
    ],
)
def test_a_wrong_mark_is_a_collection_error(
    pytester: pytest.Pytester, mark: str, said: str
) -> None:
    result = collect(pytester, mark)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert said in result.stdout.str()
    shown = [each for each in result.outlines if each.startswith("E ") or "build:" in each]
    assert not any("hunter2" in each for each in shown)


def run_without_buildx(pytester: pytest.Pytester, text: str, *options: str) -> str:
    """Run with an engine that does not answer: which image was meant is in the message."""
    pytester.makepyfile(f"import pytest\n{text}")
    result = pytester.runpytest_subprocess(*options)
    return result.stdout.str()


NAMING = """
@pytest.fixture(scope="session")
def multiarch_build():
    return {value}

{both}
{mark}
def test_it(variant): pass
"""


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("5", "the fixture multiarch_build: the context is a folder, not 5"),
        ('{"context": "a", "file": "b"}', "the fixture multiarch_build gave 'file'"),
    ],
)
def test_what_a_fixture_gives_is_checked(pytester: pytest.Pytester, value: str, said: str) -> None:
    text = NAMING.format(value=value, both=BOTH, mark="")
    assert said in run_without_buildx(pytester, text)


def test_a_build_and_an_image_are_one_too_many(pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("multiarch.yaml").write_text("image: app\nbuild: app\n")
    result = pytester.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "multiarch.yaml:2: build: there is also image; keep one of them" in (result.stderr.str())


def test_a_wrong_build_in_the_settings_is_a_usage_error(pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("multiarch.yaml").write_text(
        "build:\n  context: https://example.org/app.git\n"
    )
    result = pytester.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "multiarch.yaml:1: build: 'https://example.org/app.git' is a context elsewhere" in (
        result.stderr.str()
    )


COMPUTED = """
@pytest.fixture(scope="session")
def multiarch_build():
    return {"context": "app", "tag": "app:computed"}

def test_it(variant):
    assert variant.reference == "app:computed"

@pytest.mark.image("other:1")
@pytest.mark.platforms("linux/s390x", "linux/amd64")
def test_another_image(variant):
    assert variant.reference == "other:1"
"""


@pytest.mark.parametrize("options", [(), ("-n", "2")])
def test_what_a_fixture_gives_is_built_for_the_platforms_of_its_tests(
    run_fake: Run, pytester: pytest.Pytester, options: tuple[str, ...]
) -> None:
    """Where platforms have nodes of their own, what each of them built is on record."""
    result = run_fake(COMPUTED, "--multiarch-record=record.json", *options)
    result.assert_outcomes(passed=4)
    (session,) = json.loads(pytester.path.joinpath("record.json").read_text())["runs"]
    builds = session["builds"]
    assert sorted(builds) == ["app:computed on fake://amd64", "app:computed on fake://arm64"]
    for build in builds.values():
        ((platform, built),) = build["platforms"].items()
        assert built["steps"] == 2
        result.stdout.fnmatch_lines([f"*{platform} *1.0 s, 0 of 2 steps cached*"])
