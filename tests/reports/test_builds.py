"""What was built, in lines: cost, emulated steps with the hint, what was found in Dockerfiles."""

from __future__ import annotations

from pytest_multiarch.core.build import Build, BuildFinding, EmulatedStep, PlatformBuild
from pytest_multiarch.core.merging import judge_record
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.record import Record, Run
from pytest_multiarch.reports.builds import CROSS_HINT, list_builds
from pytest_multiarch.reports.html import render_html
from pytest_multiarch.reports.markdown import render_markdown
from pytest_multiarch.reports.summary import Layout

AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")


def make(**arm64: object) -> Build:
    return Build(
        name="app:test",
        dockerfile="app/Dockerfile",
        driver="docker",
        platforms={
            AMD64: PlatformBuild(name="app:test", steps=4, cached=1, wall_s=2.04),
            ARM64: PlatformBuild(**{"steps": 4, "wall_s": 20.0, "is_native": False, **arm64}),
        },
    )


def list_lines(build: Build, **layout: int) -> dict[str, tuple[str, ...]]:
    sections = list_builds([build.to_mapping()], layout=Layout(**layout))
    return {each.title: each.lines for each in sections if each.lines}


def test_each_platform_has_its_cost() -> None:
    lines = list_lines(make(ratio=9.84))["built"]
    assert lines == (
        "app:test from app/Dockerfile",
        "  linux/amd64  2.0 s, 1 of 4 steps cached",
        "  linux/arm64  20.0 s, 0 of 4 steps cached, 9.8 times the native platform's",
    )


def test_all_cached_is_said_in_a_word() -> None:
    assert list_lines(make(cached=4))["built"][2] == "  linux/arm64  all of 4 steps cached"


def test_a_base_alone_takes_nothing() -> None:
    line = list_lines(make(steps=0, wall_s=0.0))["built"][2]
    assert line == "  linux/arm64  nothing of its own to build"


def test_emulated_steps_are_named_slowest_first_with_the_hint() -> None:
    steps = [
        EmulatedStep(step=f"RUN step {number}", line=number, wall_s=number, compiles=number == 2)
        for number in range(1, 8)
    ]
    lines = list_lines(make(emulated=tuple(steps)))["built"][3:]
    assert lines[0] == "  emulated for linux/arm64, line 7: RUN step 7: 7.0 s"
    assert lines[-2:] == ("  ... and 2 more steps emulated for linux/arm64", f"  {CROSS_HINT}")


def test_no_hint_where_nothing_compiles() -> None:
    step = EmulatedStep(step="RUN true", line=0, wall_s=0.1)
    assert list_lines(make(emulated=(step,)))["built"][-1] == (
        "  emulated for linux/arm64: RUN true: 0.1 s"
    )


def test_what_failed_is_said_even_where_little_is() -> None:
    build = make(error="the build failed\nlog")
    assert "not built: the build failed" in list_lines(build, verbosity=-1)["built"][2]
    assert list_lines(make(), verbosity=-1) == {}


def test_findings_have_line_and_cure() -> None:
    finding = BuildFinding(rule="Rule", line=3, what="it is \x1b[1mwrong", cure="mend it")
    build = Build.from_mapping({**make().to_mapping(), "findings": [finding.to_mapping()]})
    (line,) = list_lines(build)["found in Dockerfiles"]
    assert line.startswith("app/Dockerfile:3: it is ")
    assert line.endswith("(Rule); mend it")
    assert "\x1b" not in line


def test_it_is_in_the_reports() -> None:
    finding = BuildFinding(rule="Rule", line=3, what="<script>", cure="mend it")
    build = Build.from_mapping({**make().to_mapping(), "findings": [finding.to_mapping()]})
    run = Run(id="r", ended="complete", builds={"app:test": build.to_mapping()})
    judgement = judge_record(Record(runs=(run,)), is_strict=False)
    page = render_html(judgement)
    assert "What was built" in page
    assert "&lt;script&gt;" in page
    assert "2.0 s, 1 of 4 steps cached" in page
    assert "2.0 s, 1 of 4 steps cached" in render_markdown(judgement)
