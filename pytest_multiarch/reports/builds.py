"""What runs built: the cost of each platform, what ran emulated, what Dockerfiles should not do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.build import Build
from pytest_multiarch.reports.account import Section
from pytest_multiarch.reports.diff import clean, cut
from pytest_multiarch.reports.summary import UNBOUNDED, Layout
from pytest_multiarch.reports.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_multiarch.core.build import PlatformBuild
    from pytest_multiarch.core.record import Run

_MOST_STEPS = 5
_WIDTH = 300
_ERROR_WIDTH = 200
_STEP_WIDTH = 80
CROSS_HINT = (
    "a step that compiles could cross-compile instead: FROM --platform=$BUILDPLATFORM for its "
    "stage, and TARGETARCH for the compiler"
)


def list_of_runs(runs: Iterable[Run]) -> list[Mapping[str, Any]]:
    """Give what several runs built, in their order."""
    return [each for run in runs for each in run.builds.values()]


def list_builds(
    documents: Iterable[Mapping[str, Any]], *, layout: Layout = UNBOUNDED
) -> Iterator[Section]:
    """Give a section for what was built, and one for what was found in Dockerfiles."""
    builds = [Build.from_mapping(each) for each in documents]
    lines = [
        line for build in builds for text in describe_build(build) for line in layout.fit("", text)
    ]
    if not layout.is_brief or any(p.error for each in builds for p in each.platforms.values()):
        yield Section("built", tuple(lines))
    found = [
        line for each in builds for text in _list_findings(each) for line in layout.fit("", text)
    ]
    if not layout.is_brief:
        yield Section("found in Dockerfiles", tuple(found))


@dataclass(frozen=True, slots=True)
class BuildView:
    """What was built, in lines."""

    name: str
    lines: tuple[str, ...]


def view_builds(documents: Iterable[Mapping[str, Any]]) -> tuple[BuildView, ...]:
    """View what was built, and what was found in its Dockerfiles, for a page."""
    builds = [Build.from_mapping(each) for each in documents]
    return tuple(
        BuildView(
            name=title.strip(),
            lines=tuple(line.strip() for line in (*lines, *_list_findings(each))),
        )
        for each in builds
        for title, *lines in (describe_build(each),)
    )


def describe_build(build: Build) -> Iterator[str]:
    """Give lines for an image: what each platform took, then what ran emulated."""
    how = f" ({build.builder}, {build.driver})" if build.driver not in ("", "docker") else ""
    yield cut(f"{clean(build.name)} from {clean(build.dockerfile)}{how}", _WIDTH)
    width = max((len(str(each)) for each in build.platforms), default=0)
    for platform, each in build.platforms.items():
        yield f"  {platform!s:{width}}  {describe_cost(each)}"
    for platform, each in build.platforms.items():
        slowest = sorted(each.emulated, key=lambda step: -step.wall_s)
        for step in slowest[:_MOST_STEPS]:
            where = f", line {step.line}" if step.line else ""
            what = cut(clean(step.step), _STEP_WIDTH)
            yield f"  emulated for {platform}{where}: {what}: {step.wall_s:.1f} s"
        more = len(slowest) - _MOST_STEPS
        if more > 0:
            yield f"  ... and {count(more, 'more step')} emulated for {platform}"
    if any(step.compiles for each in build.platforms.values() for step in each.emulated):
        yield f"  {CROSS_HINT}"
    for note in build.notes:
        yield cut(f"  {clean(note)}", _WIDTH)


def describe_cost(built: PlatformBuild) -> str:
    """Say in a line what a platform took, or why it is not there."""
    if built.error:
        return f"not built: {cut(clean(built.error.partition(chr(10))[0]), _ERROR_WIDTH)}"
    if not built.steps:
        return "nothing of its own to build"
    if built.cached == built.steps:
        return f"all of {count(built.steps, 'step')} cached"
    ratio = f", {built.ratio:.1f} times the native platform's" if built.ratio else ""
    cached = f"{built.cached} of {count(built.steps, 'step')} cached"
    return f"{built.wall_s:.1f} s, {cached}{ratio}"


def _list_findings(build: Build) -> Iterator[str]:
    for each in sorted(build.findings, key=lambda found: found.line):
        where = f"{clean(build.dockerfile)}:{each.line}" if each.line else clean(build.dockerfile)
        yield cut(f"{where}: {clean(each.what)} ({clean(each.rule)}); {clean(each.cure)}", 600)
