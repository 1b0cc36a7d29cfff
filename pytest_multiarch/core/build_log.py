"""What BuildKit tells of a build while it lasts: steps, their times, what they printed.

buildx writes it as JSON, an object a line (`--progress=rawjson`). The platform of a step stands in
its name alone: `[linux/arm64 stage-1 2/3] RUN ...`, `[linux/amd64->arm64 build 2/2] RUN ...` for
one that is executed on amd64 for arm64, and none where one platform is built.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.build import EmulatedStep, PlatformBuild
from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_multiarch.core.dockerfile import Dockerfile, Instruction

_STEP = re.compile(
    r"\[(?:(?P<platform>[a-z0-9]+/[a-z0-9]+(?:/v[\d.]+)?)(?:->(?P<target>[^\s\]]+))?\s+)?"
    r"(?:(?P<stage>[^\s\]]+)\s+)?(?P<number>\d+)/(?P<total>\d+)\]\s+(?P<text>.*)",
    re.DOTALL,
)
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)")
_CANCELED = "context canceled"
_MOST_LOG = 64 * 1024
_MOST_PLAIN = 200
_LONGEST_LINE = 4096
_COMPILES = re.compile(
    r"\b(?:make|cmake|ninja|meson|gcc|g\+\+|cc|c\+\+|clang|cargo|rustc|go (?:build|install)|"
    r"mvn|gradlew?|npm (?:ci|install|run build)|node-gyp|dotnet (?:build|publish)|"
    r"pip3? (?:install|wheel)|python3? setup\.py|stack build|cabal|zig (?:cc|build)|configure)\b"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step of a Dockerfile, as BuildKit names it.

    `executed_on` and `target` are None where the name does not say: one platform is built.
    """

    digest: str
    executed_on: Platform | None
    target: Platform | None
    stage: str
    number: int
    total: int
    text: str
    inputs: tuple[str, ...] = ()
    spans: tuple[tuple[float, float], ...] = ()
    is_cached: bool = False
    is_started: bool = False
    is_done: bool = False
    error: str = ""

    @property
    def is_base(self) -> bool:
        return self.text.startswith("FROM ")

    @property
    def is_run(self) -> bool:
        """Whether it executes a program of an image; all others are BuildKit's own work."""
        return self.text.startswith("RUN ")

    @property
    def wall_s(self) -> float:
        return measure_union(self.spans)

    @property
    def place(self) -> tuple[str, int]:
        """Where it is in the Dockerfile, the same on every platform."""
        return self.stage, self.number


@dataclass(slots=True)
class _Vertex:
    name: str = ""
    inputs: tuple[str, ...] = ()
    spans: dict[float, float] = field(default_factory=dict)
    is_cached: bool = False
    is_started: bool = False
    is_done: bool = False
    error: str = ""
    log: bytearray = field(default_factory=bytearray)


class BuildLog:
    """Takes in a build's own record, line by line, in bounded memory."""

    def __init__(self, platforms: Iterable[Platform]) -> None:
        self.platforms = tuple(platforms)
        self.exit_code: int | None = None
        self._vertices: dict[str, _Vertex] = {}
        self._plain: deque[str] = deque(maxlen=_MOST_PLAIN)

    def take(self, line: str) -> None:
        """Take in a line; what is no object of BuildKit's is kept as the command's own words."""
        try:
            document = json.loads(line) if line.startswith("{") else None
        except ValueError:
            document = None
        if not isinstance(document, dict):
            if line.strip():
                self._plain.append(line.rstrip("\n")[:_LONGEST_LINE])
            return
        for each in document.get("vertexes") or ():
            self._take_vertex(each)
        for each in document.get("logs") or ():
            self._take_log(each)

    def _take_vertex(self, document: Mapping[str, Any]) -> None:
        vertex = self._vertices.setdefault(str(document.get("digest", "")), _Vertex())
        vertex.name = str(document.get("name", vertex.name))
        vertex.inputs = tuple(document.get("inputs") or vertex.inputs)
        vertex.is_cached = bool(document.get("cached")) or vertex.is_cached
        vertex.error = str(document.get("error") or vertex.error)
        started = read_time(document.get("started"))
        completed = read_time(document.get("completed"))
        if started is not None and completed is not None:
            vertex.spans[started] = completed
        vertex.is_started = started is not None
        vertex.is_done = completed is not None

    def _take_log(self, document: Mapping[str, Any]) -> None:
        vertex = self._vertices.setdefault(str(document.get("vertex", "")), _Vertex())
        try:
            vertex.log += base64.b64decode(document.get("data") or "")
        except (binascii.Error, ValueError):
            return
        del vertex.log[:-_MOST_LOG]

    @property
    def plain(self) -> str:
        """What the command itself said, its last lines."""
        return "\n".join(self._plain)

    def list_steps(self) -> dict[str, Step]:
        """Give the steps of the Dockerfile by their digests."""
        found = {}
        for digest, vertex in self._vertices.items():
            step = self._read_step(digest, vertex)
            if step is not None:
                found[digest] = step
        return found

    def _read_step(self, digest: str, vertex: _Vertex) -> Step | None:
        match = _STEP.match(vertex.name)
        if match is None or match["stage"] == "internal":
            return None
        executed_on = _parse(match["platform"])
        target = _parse_target(match["target"], executed_on)
        return Step(
            digest=digest,
            executed_on=executed_on,
            target=target or (self.platforms[0] if len(self.platforms) == 1 else None),
            stage=match["stage"] or "",
            number=int(match["number"]),
            total=int(match["total"]),
            text=match["text"],
            inputs=vertex.inputs,
            spans=tuple(sorted(vertex.spans.items())),
            is_cached=vertex.is_cached,
            is_started=vertex.is_started,
            is_done=vertex.is_done,
            error=vertex.error,
        )

    def read_log(self, digest: str) -> str:
        """Give what a step printed, its end."""
        return bytes(self._vertices[digest].log).decode("utf-8", "replace")

    def find_failed(self) -> tuple[Step, ...]:
        """Give the steps that failed, without those that only stopped with the others."""
        failed = (each for each in self.list_steps().values() if each.error)
        return tuple(each for each in failed if _CANCELED not in each.error)

    def find_failures(self) -> tuple[tuple[str, str], ...]:
        """Give the names and the errors of all that failed, steps of the Dockerfile or not."""
        return tuple(
            (each.name, each.error)
            for each in self._vertices.values()
            if each.error and _CANCELED not in each.error
        )

    def follow(self, platform: Platform) -> tuple[int, int, Step | None]:
        """Say how far a platform is: steps done, steps known, and the one at work."""
        own = [
            each
            for each in self.list_steps().values()
            if each.target == platform and not each.is_base
        ]
        at_work = [each for each in own if each.is_started and not each.is_done]
        done = sum(each.is_done for each in own)
        return done, len(own), at_work[0] if at_work else None


def _parse(text: str | None) -> Platform | None:
    try:
        return Platform.parse(text) if text else None
    except UsageError:
        return None


def _parse_target(text: str | None, executed_on: Platform | None) -> Platform | None:
    """Read what stands behind the arrow: a platform without its OS, if that is the same."""
    if not text or executed_on is None:
        return executed_on
    return _parse(text if text.count("/") >= 1 and text.split("/")[0] == "linux" else None) or (
        _parse(f"{executed_on.os}/{text}")
    )


def read_time(value: object) -> float | None:
    """Read a time as BuildKit writes it, to seconds since 1970."""
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    zone = "+00:00" if match[3] == "Z" else match[3]
    whole = datetime.fromisoformat(match[1] + zone).astimezone(timezone.utc).timestamp()
    return whole + float(match[2] or 0)


def measure_union(spans: Iterable[tuple[float, float]]) -> float:
    """Give the time that at least one of these spans covers, in seconds."""
    total = 0.0
    end = float("-inf")
    for start, stop in sorted(spans):
        total += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return total


def list_of_platform(steps: Mapping[str, Step], platform: Platform) -> tuple[Step, ...]:
    """Give all steps that a platform's image takes, also those that it shares with others."""
    open_ = [digest for digest, each in steps.items() if each.target == platform]
    found: dict[str, Step] = {}
    while open_:
        digest = open_.pop()
        if digest in found or digest not in steps:
            continue
        found[digest] = steps[digest]
        open_ += steps[digest].inputs
    return tuple(found.values())


def measure_builds(
    logs: Iterable[BuildLog],
    dockerfile: Dockerfile,
    *,
    is_native: Callable[[Platform], bool],
    builder: Platform,
) -> dict[Platform, PlatformBuild]:
    """Say what building each platform took, from what BuildKit told of it."""
    found: dict[Platform, PlatformBuild] = {}
    own: dict[Platform, tuple[Step, ...]] = {}
    for log in logs:
        steps = log.list_steps()
        for platform in log.platforms:
            mine = list_of_platform(steps, platform)
            own[platform] = mine
            counted = [each for each in mine if not each.is_base]
            emulated = [
                each
                for each in counted
                if each.is_run
                and not each.is_cached
                and each.spans
                and not is_native(find_executed_on(each, platform, dockerfile, builder))
            ]
            found[platform] = PlatformBuild(
                is_native=is_native(platform),
                steps=len(counted),
                cached=sum(each.is_cached for each in counted),
                wall_s=measure_union(
                    span for each in mine if not each.is_cached for span in each.spans
                ),
                emulated=tuple(_describe_emulated(each, dockerfile) for each in emulated),
            )
    native = next((each for each in own if is_native(each)), None)
    if native is None:
        return found
    return {
        platform: each
        if platform == native
        else replace(each, ratio=_compare_times(own[platform], own[native]))
        for platform, each in found.items()
    }


def find_executed_on(
    step: Step, platform: Platform, dockerfile: Dockerfile, builder: Platform
) -> Platform:
    """Say on which platform a step was executed; the name does not tell where one is built."""
    if step.executed_on is not None:
        return step.executed_on
    for stage in dockerfile.stages:
        if step.stage in (stage.name, f"stage-{stage.number}") and stage.platform:
            return builder if "BUILD" in stage.platform else _parse(stage.platform) or platform
    return platform


def find_instruction(step: Step, dockerfile: Dockerfile) -> Instruction | None:
    """Give the instruction of a step."""
    return dockerfile.find_step(step.stage, step.number, step.total, step.text)


def show_step(step: Step, dockerfile: Dockerfile) -> str:
    """Give a step as the Dockerfile has it, without the values of build arguments."""
    found = find_instruction(step, dockerfile)
    if found is not None:
        return found.shown
    return step.text.partition(" ")[0]


def _describe_emulated(step: Step, dockerfile: Dockerfile) -> EmulatedStep:
    found = find_instruction(step, dockerfile)
    return EmulatedStep(
        step=show_step(step, dockerfile),
        line=found.line if found else 0,
        wall_s=step.wall_s,
        compiles=bool(_COMPILES.search(step.text)),
    )


def _compare_times(own: Iterable[Step], native: Iterable[Step]) -> float | None:
    """Give the ratio over the steps that ran for both, each for its own platform."""
    twins = {each.place: each for each in native if _has_run(each)}
    pairs = [
        (each, twins[each.place])
        for each in own
        if _has_run(each) and each.place in twins and twins[each.place].digest != each.digest
    ]
    base_s = sum(twin.wall_s for _, twin in pairs)
    return sum(each.wall_s for each, _ in pairs) / base_s if base_s > 0 else None


def _has_run(step: Step) -> bool:
    return not step.is_base and not step.is_cached and bool(step.spans) and not step.error
