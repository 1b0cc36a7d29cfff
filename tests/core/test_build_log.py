"""BuildKit's own record of a build: steps, their platforms and times, what failed."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from pytest_multiarch.core.build import PlatformBuild
from pytest_multiarch.core.build_log import (
    BuildLog,
    list_of_platform,
    measure_builds,
    measure_union,
    read_time,
)
from pytest_multiarch.core.dockerfile import parse_dockerfile
from pytest_multiarch.core.platform import Platform

AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")
BOTH = AMD64, ARM64
DOCKERFILE = parse_dockerfile(
    "FROM --platform=$BUILDPLATFORM alpine AS build\n"
    "RUN cross $TARGETARCH\n"
    "FROM alpine\n"
    "COPY --from=build /out /\n"
    "RUN make TOKEN=$TOKEN\n"
)


def name_time(at_s: float) -> str:
    return f"2026-11-29T08:47:{at_s:012.9f}Z"


def take(log: BuildLog, **parts: Any) -> None:
    log.take(json.dumps(parts) + "\n")


def step(log: BuildLog, name: str, *, at: tuple[float, float] | None = None, **more: Any) -> str:
    """Have BuildKit tell of a step, first that there is one, then that it is done."""
    digest = f"sha256:{name}"
    vertex = {"digest": digest, "name": name, **more}
    take(log, vertexes=[{"digest": digest, "name": name, "inputs": more.get("inputs")}])
    if at is not None:
        started = {**vertex, "started": name_time(at[0])}
        take(log, vertexes=[started])
        take(log, vertexes=[{**started, "completed": name_time(at[1])}])
    return digest


def make_log(*, is_cached: bool = False) -> BuildLog:
    """A build of both platforms, of which arm64 is emulated and 4 times slower in one step."""
    log = BuildLog(BOTH)
    step(log, "[internal] load build definition from Dockerfile", at=(0, 1))
    step(log, "[linux/arm64 internal] load metadata for alpine", at=(0, 1))
    base = step(log, "[linux/amd64 build 1/2] FROM alpine@sha256:1", at=(1, 2))
    for arrow, name, factor in (("", "amd64", 1), ("->arm64", "arm64", 4)):
        own = step(log, f"[linux/{name} stage-1 1/3] FROM alpine@sha256:1", at=(1, 2))
        built = step(
            log, f"[linux/amd64{arrow} build 2/2] RUN cross {name}", at=(2, 4), inputs=[base],
            cached=is_cached,
        )  # fmt: skip
        copied = step(
            log, f"[linux/{name} stage-1 2/3] COPY --from=build /out /", at=(4, 4.5),
            inputs=[own, built], cached=is_cached,
        )  # fmt: skip
        step(
            log, f"[linux/{name} stage-1 3/3] RUN make TOKEN=hush", at=(5, 5 + factor),
            inputs=[copied], cached=is_cached,
        )  # fmt: skip
    step(log, "exporting to image", at=(10, 12))
    log.exit_code = 0
    return log


def measure(*logs: BuildLog) -> dict[Platform, PlatformBuild]:
    return measure_builds(
        logs, DOCKERFILE, is_native=lambda platform: platform == AMD64, builder=AMD64
    )


def test_steps_are_counted_for_each_platform_without_bases() -> None:
    found = measure(make_log())
    assert {p: (each.steps, each.cached) for p, each in found.items()} == {
        AMD64: (3, 0),
        ARM64: (3, 0),
    }


def test_what_a_platform_takes_is_the_time_in_which_something_of_it_ran() -> None:
    found = measure(make_log())
    assert found[AMD64].wall_s == pytest.approx(1 + 2 + 0.5 + 1)
    assert found[ARM64].wall_s == pytest.approx(1 + 2 + 0.5 + 4)


def test_the_ratio_is_over_the_steps_of_both() -> None:
    found = measure(make_log())
    assert found[AMD64].ratio is None
    assert found[ARM64].ratio == pytest.approx((2 + 0.5 + 4) / (2 + 0.5 + 1))


def test_only_a_program_that_ran_for_the_platform_is_emulated() -> None:
    """What cross-compiles, and what BuildKit does itself, is not."""
    found = measure(make_log())
    assert found[AMD64].emulated == ()
    (only,) = found[ARM64].emulated
    assert (only.line, only.wall_s, only.compiles) == (5, pytest.approx(4), True)


def test_the_values_of_arguments_are_not_in_a_step() -> None:
    (only,) = measure(make_log())[ARM64].emulated
    assert only.step == "RUN make TOKEN=$TOKEN"


def test_cached_steps_cost_nothing_and_have_no_ratio() -> None:
    found = measure(make_log(is_cached=True))
    assert (found[ARM64].steps, found[ARM64].cached) == (3, 3)
    assert found[ARM64].ratio is None
    assert found[ARM64].emulated == ()
    assert found[ARM64].wall_s == pytest.approx(1)  # its bases


def test_a_platform_built_alone_is_told_by_the_dockerfile() -> None:
    """The names of its steps say no platform."""
    logs = []
    for platform, factor in ((AMD64, 1), (ARM64, 3)):
        log = BuildLog([platform])
        step(log, f"[build 2/2] RUN cross {platform}", at=(0, 1))
        step(log, f"[stage-1 3/3] RUN make {platform}", at=(1, 1 + factor))
        logs.append(log)
    found = measure(*logs)
    assert [each.step for each in found[ARM64].emulated] == ["RUN make TOKEN=$TOKEN"]
    assert found[ARM64].ratio == pytest.approx((1 + 3) / (1 + 1))


def test_a_step_of_an_unknown_number_is_only_its_word() -> None:
    """A base may add steps; their text has the values of arguments in it."""
    log = BuildLog([ARM64])
    step(log, "[stage-1 3/9] RUN configure --token=hush", at=(0, 1))
    (only,) = measure(log)[ARM64].emulated
    assert (only.step, only.line) == ("RUN", 0)


def test_a_step_that_all_share_is_of_all() -> None:
    log = BuildLog(BOTH)
    shared = step(log, "[linux/amd64->arm64 build 2/2] RUN cross", at=(0, 1))
    step(log, "[linux/amd64 stage-1 2/3] COPY --from=build /out /", at=(1, 2), inputs=[shared])
    step(log, "[linux/arm64 stage-1 2/3] COPY --from=build /out /", at=(1, 2), inputs=[shared])
    steps = log.list_steps()
    assert {len(list_of_platform(steps, each)) for each in BOTH} == {2}


def test_who_failed_and_who_only_stopped() -> None:
    log = BuildLog(BOTH)
    digest = step(
        log, "[linux/arm64 stage-1 3/3] RUN make", at=(0, 1), error="process did not: exit code: 2"
    )
    step(
        log,
        "[linux/amd64 stage-1 3/3] RUN make",
        at=(0, 1),
        error="137: context canceled",
    )
    take(log, logs=[{"vertex": digest, "data": base64.b64encode(b"no such ").decode()}])
    take(log, logs=[{"vertex": digest, "data": base64.b64encode("Größe\n".encode()).decode()}])
    log.take("ERROR: failed to build: failed to solve\n")
    (failed,) = log.find_failed()
    assert (failed.target, failed.error) == (ARM64, "process did not: exit code: 2")
    assert log.read_log(failed.digest) == "no such Größe\n"
    assert log.plain == "ERROR: failed to build: failed to solve"


def test_what_a_step_prints_is_bounded() -> None:
    log = BuildLog([ARM64])
    digest = step(log, "[1/2] RUN flood", at=(0, 1))
    data = base64.b64encode(b"x" * 50_000 + b"end").decode()
    for _ in range(20):
        take(log, logs=[{"vertex": digest, "data": data}])
    assert len(log.read_log(digest)) <= 64 * 1024
    assert log.read_log(digest).endswith("end")


def test_progress_is_told_by_platform() -> None:
    log = BuildLog(BOTH)
    step(log, "[linux/arm64 stage-1 1/3] FROM alpine", at=(0, 1))
    step(log, "[linux/arm64 stage-1 2/3] COPY --from=build /out /", at=(1, 2))
    take(
        log,
        vertexes=[
            {"digest": "d", "name": "[linux/arm64 stage-1 3/3] RUN make", "started": name_time(2)}
        ],
    )
    done, total, at_work = log.follow(ARM64)
    assert (done, total, at_work and at_work.text) == (1, 2, "RUN make")
    assert log.follow(AMD64) == (0, 0, None)


@pytest.mark.parametrize(
    "line", ["", "{}", "{broken", "[]", '{"vertexes": null}', '{"logs": [{"data": "*"}]}', "text"]
)
def test_whatever_is_said_is_taken(line: str) -> None:
    log = BuildLog(BOTH)
    log.take(line)
    assert log.list_steps() == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:01:00.5Z", 60.5),
        ("1970-01-01T00:01:00Z", 60.0),
        ("1970-01-01T01:01:00.123456789+01:00", 60.123456789),
        ("soon", None),
        (None, None),
    ],
)
def test_times_are_read(text: object, expected: float | None) -> None:
    assert read_time(text) == (None if expected is None else pytest.approx(expected))


def test_overlapping_spans_count_once() -> None:
    assert measure_union([(5, 6), (0, 2), (1, 3), (1, 2)]) == 4
    assert measure_union([]) == 0
