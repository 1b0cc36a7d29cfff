"""An image is built once, on either store; what cannot be built is said for its platform alone."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.core.build import (
    Build,
    BuilderFacts,
    BuildFinding,
    BuildRequest,
    BuildSpec,
    make_build_spec,
)
from pytest_multiarch.core.build_log import BuildLog
from pytest_multiarch.core.errors import (
    BuildError,
    DeadlineError,
    EngineError,
    PlatformMissingError,
    UsageError,
)
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.reference import ImageReference
from pytest_multiarch.run.build import refuse_failed
from pytest_multiarch.run.node import Node
from pytest_multiarch.run.session import OwnNode, Session
from tests.fake_engine import (
    AMD64,
    ARM64,
    I386,
    FakeEngine,
    FakeImage,
    FakeRegistry,
    FakeTools,
    make_node,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_multiarch.core.ports import TellBuild, TellPlatform

BOTH = AMD64, ARM64
FACTS = BuilderFacts(name="default", driver="docker", version="1.0")
DOCKERFILE = "FROM base:1\nRUN make\n"


@dataclass(kw_only=True)
class FakeBuilder:
    """A builder whose images are put into a fake engine; `fails` has the errors of platforms."""

    engine: FakeEngine
    text: str = DOCKERFILE
    facts: BuilderFacts = FACTS
    fails: Mapping[Platform, str] = field(default_factory=dict)
    plain: str = ""
    loads: bool = True
    problem: BuildError | None = None
    findings: tuple[BuildFinding, ...] = ()
    check_problem: EngineError | None = None
    hidden: tuple[str, ...] = ()
    late: DeadlineError | None = None
    is_under_way: bool = False
    requests: list[BuildRequest] = field(default_factory=list)

    def describe(self) -> BuilderFacts:
        """Say what builds."""
        if self.problem is not None:
            raise self.problem
        return self.facts

    def read_dockerfile(self, request: BuildRequest) -> str:
        """Give the text."""
        return self.text

    def check(self, request: BuildRequest) -> tuple[BuildFinding, ...]:
        """Give what is to be found."""
        if self.check_problem is not None:
            raise self.check_problem
        return self.findings

    def list_hidden(self, request: BuildRequest) -> tuple[str, ...]:
        """Give what is secret."""
        return self.hidden

    def build(self, request: BuildRequest, tell: TellBuild) -> BuildLog:
        """Put the image into the engine, unless it fails."""
        self.requests.append(request)
        log = BuildLog(request.platforms)
        if self.late is not None:
            raise self.late
        if self.is_under_way:
            for platform in request.platforms:
                name = f"[{platform} 2/2] RUN make it 1.4"
                begun = {"digest": f"sha256:{platform}", "name": name}
                vertex = {**begun, "started": "2026-01-01T00:00:00Z"}
                log.take(json.dumps({"vertexes": [vertex]}))
            tell(log)
        failed = [each for each in request.platforms if each in self.fails]
        for platform in request.platforms:
            prefix = "" if len(request.platforms) == 1 else f"{platform} "
            vertex: dict[str, Any] = {
                "digest": f"sha256:{platform}",
                "name": f"[{prefix}2/2] RUN make",
                "started": "2026-01-01T00:00:00Z",
                "completed": f"2026-01-01T00:00:0{1 if platform == AMD64 else 4}Z",
            }
            if platform in failed:
                vertex["error"] = f"did not complete successfully: {self.fails[platform]}"
            log.take(json.dumps({"vertexes": [vertex]}))
            if platform in failed:
                data = "bm8gc3VjaCBodW50ZXIyCg=="  # no such hunter2
                log.take(json.dumps({"logs": [{"vertex": vertex["digest"], "data": data}]}))
        log.take(self.plain)
        tell(log)
        log.exit_code = 1 if failed or self.plain else 0
        if not log.exit_code and self.loads:
            self.engine.add(request.name, *(FakeImage(platform=each) for each in request.platforms))
        return log


class Shared:
    """A result in memory."""

    def __init__(self) -> None:
        self.document: dict[str, Any] | None = None

    def read(self) -> dict[str, Any] | None:
        """Give it, as it was once written."""
        return self.document

    def write(self, document: dict[str, Any]) -> None:
        """Keep it as a file would."""
        self.document = json.loads(json.dumps(document))


@dataclass(kw_only=True)
class BuildTools(FakeTools):
    """Tools with a builder."""

    builder: FakeBuilder
    shared: dict[str, Shared] = field(default_factory=dict)
    told: list[tuple[Platform, int, int, str]] = field(default_factory=list)

    def open_builder(self) -> FakeBuilder:
        """Give the builder."""
        return self.builder

    @contextlib.contextmanager
    def share_build(self, key: str) -> Iterator[Shared]:
        """Share within these tools."""
        yield self.shared.setdefault(key, Shared())

    @contextlib.contextmanager
    def show_build(self, title: str, platforms: Iterable[Platform]) -> Iterator[TellPlatform]:
        """Note what is told."""
        yield lambda *words: self.told.append(words)


def make_tools(*, has_containerd_store: bool = True, **options: Any) -> BuildTools:
    """An engine that has the base image for both platforms, and a builder."""
    registry = FakeRegistry()
    registry.add("base:1", FakeImage(platform=AMD64), FakeImage(platform=ARM64))
    engine = FakeEngine(has_containerd_store=has_containerd_store, registry=registry)
    return BuildTools(
        engine=engine, registry=registry, builder=FakeBuilder(engine=engine, **options)
    )


def make_spec(**options: Any) -> BuildSpec:
    return make_build_spec("app", folder="/work", **options)


def open_node(tools: BuildTools, *, pull: str = "missing") -> Node:
    node = make_node(tools.engine, pull=pull)
    node.tools = tools
    return node


def provide(
    tools: BuildTools, spec: BuildSpec | None = None, platforms: tuple[Platform, ...] = BOTH
) -> tuple[Node, ImageReference, Build]:
    node = open_node(tools)
    reference, build = node.builds.provide(spec or make_spec(), platforms)
    return node, reference, build


def test_a_store_of_indexes_takes_all_platforms_at_once() -> None:
    tools = make_tools()
    node, reference, build = provide(tools)
    (request,) = tools.builder.requests
    assert (request.platforms, request.name, request.is_apart) == (BOTH, reference.text, False)
    variant = node.resolve(reference, ARM64)
    built = build.platforms[ARM64]
    assert (built.kind, built.digest, built.name) == ("manifest", variant.digest, reference.text)
    assert built.ratio == pytest.approx(4)
    assert [each.step for each in built.emulated] == ["RUN make"]
    assert tools.told[0] == (AMD64, 1, 1, "")


def test_the_classic_store_takes_one_at_a_time_under_names_of_their_own() -> None:
    tools = make_tools(has_containerd_store=False)
    node, reference, build = provide(tools, make_spec(tag="app:test"))
    assert [(each.platforms, each.name) for each in tools.builder.requests] == [
        ((AMD64,), "app:test-amd64"),
        ((ARM64,), "app:test-arm64"),
    ]
    variant = node.resolve(reference, ARM64)
    built = build.platforms[ARM64]
    assert (built.kind, built.digest) == ("config", variant.digest)
    assert (built.name, variant.reference.text) == ("app:test-arm64", "app:test")
    assert built.ratio == pytest.approx(4)


def test_arguments_of_a_platform_have_it_built_apart() -> None:
    tools = make_tools()
    spec = make_spec(args={"A": "all"}, platform_args={"arm64": {"A": "arm"}})
    node, reference, _ = provide(tools, spec)
    assert [each.spec.list_args(each.only)["A"] for each in tools.builder.requests] == [
        "all",
        "arm",
    ]
    assert node.resolve(reference, ARM64).kind == "manifest"


def test_it_is_built_once_also_for_other_processes() -> None:
    tools = make_tools()
    _, reference, build = provide(tools)
    node = open_node(tools, pull="always")
    assert node.builds.provide(make_spec(), BOTH) == (reference, build)
    assert node.resolve(reference, AMD64).digest == build.platforms[AMD64].digest
    assert len(tools.builder.requests) == 1


def test_one_platform_that_fails_leaves_the_others() -> None:
    tools = make_tools(fails={ARM64: "exit code: 2"}, hidden=("hunter2",))
    node, reference, build = provide(tools)
    assert [each.platforms for each in tools.builder.requests] == [BOTH, (AMD64,)]
    assert node.resolve(reference, AMD64).platform == AMD64
    refuse_failed(build, AMD64)
    with pytest.raises(BuildError) as caught:
        refuse_failed(build, ARM64)
    said = str(caught.value)
    assert "failed for linux/arm64: app/Dockerfile:2: [2/2] RUN make: exit code: 2" in said.replace(
        "[linux/arm64 2/2]", "[2/2]"
    )
    assert "  no such <hidden>" in said
    assert "docker buildx build --platform linux/arm64" in said
    assert "hunter2" not in str(build.to_mapping())


def test_a_later_build_of_all_takes_the_names_of_single_platforms_away() -> None:
    tools = make_tools(fails={ARM64: "exit code: 2"})
    _, reference, build = provide(tools)
    assert build.platforms[AMD64].name == f"{reference.text}-amd64"
    tools.builder.fails = {}
    tools.shared.clear()
    provide(tools)
    assert tools.engine.find_image(f"{reference.text}-amd64") is None


def test_what_is_nobodys_alone_is_everybodys() -> None:
    said = "Dockerfile:2\nERROR: failed to build: failed to solve: unknown instruction: RUNN\nView"
    tools = make_tools(plain=said)
    _, _, build = provide(tools)
    for platform in BOTH:
        assert build.platforms[platform].error == (
            "the build of app/Dockerfile failed for linux/amd64 and linux/arm64: "
            "unknown instruction: RUNN\nDockerfile:2\nView"
        )
    assert len(tools.builder.requests) == 1


@pytest.mark.parametrize(
    "said",
    [
        "ERROR: failed to resolve source metadata for r.example.org/base:1: no such host",
        'ERROR: pinging container registry: Get "https://r.example.org/v2/": dial tcp: no route',
    ],
)
def test_a_registry_that_cannot_be_reached_is_named(said: str) -> None:
    _, _, build = provide(make_tools(plain=said))
    assert "check that r.example.org can be reached" in build.platforms[ARM64].cure


@pytest.mark.parametrize(
    ("error", "cure"),
    [
        ("exec /bin/sh: exec format error", "add an emulator"),
        ("exit code: 1", "mend the step"),
        ('"/nothing": not found', "mend the step"),
    ],
)
def test_a_step_that_fails_has_a_cure(error: str, cure: str) -> None:
    _, _, build = provide(make_tools(fails={ARM64: error}))
    assert cure in build.platforms[ARM64].cure


def test_a_base_that_lacks_a_platform_is_found_before_building() -> None:
    tools = make_tools(text="FROM old:1\nRUN make\n")
    tools.registry.add("old:1", FakeImage(platform=AMD64), FakeImage(platform=I386))
    _, _, build = provide(tools)
    assert [each.platforms for each in tools.builder.requests] == [(AMD64,)]
    assert build.platforms[AMD64].error == ""
    assert "app/Dockerfile:1: old:1 has no linux/arm64" in build.platforms[ARM64].error


def test_a_base_on_the_engine_is_looked_at_there() -> None:
    tools = make_tools(text="FROM local:1\n")
    tools.engine.add("local:1", FakeImage(platform=AMD64), FakeImage(platform=ARM64))
    _, _, build = provide(tools)
    assert (build.findings, build.notes) == ((), ())


def test_a_builder_of_its_own_does_not_see_the_bases_of_the_engine() -> None:
    tools = make_tools(facts=replace(FACTS, name="own", driver="docker-container"))
    tools.engine.add("base:1", FakeImage(platform=AMD64))
    _, _, build = provide(tools)
    assert (build.findings, build.notes) == ((), ())


def test_a_base_that_nobody_has_is_a_note() -> None:
    """BuildKit may know where to get it."""
    _, _, build = provide(make_tools(text="FROM nowhere:1\n"))
    assert "nowhere:1 was not looked at" in build.notes[0]
    assert build.platforms[ARM64].error == ""


def test_checks_are_told_and_do_not_stop_a_build() -> None:
    found = BuildFinding(rule="FromAsCasing", line=1, what="as", cure="AS")
    _, _, build = provide(make_tools(findings=(found,)))
    assert build.findings == (found,)
    _, _, other = provide(make_tools(check_problem=EngineError("buildx has no checks")))
    assert other.notes == ("buildx has no checks",)


def test_nothing_to_build_with_is_said_for_all() -> None:
    _, _, build = provide(make_tools(problem=BuildError("no buildx", cure="install it")))
    for platform in BOTH:
        with pytest.raises(BuildError, match="no buildx\ninstall it"):
            refuse_failed(build, platform)


def test_a_build_that_takes_too_long_is_not_tried_again() -> None:
    tools = make_tools()
    tools.builder.late = DeadlineError("not built within 4 hours", cure="a faster machine")
    for _ in range(2):
        _, _, build = provide(tools)
        with pytest.raises(BuildError, match="not built within 4 hours"):
            refuse_failed(build, ARM64)
    assert len(tools.builder.requests) == 1


def test_two_images_of_one_name_are_refused() -> None:
    node, _, _ = provide(make_tools(), make_spec(tag="app:test"))
    with pytest.raises(UsageError, match="two images are built as app:test"):
        node.builds.provide(make_spec(tag="app:test", target="other"), BOTH)


def test_progress_shows_a_step_as_it_is_written() -> None:
    """BuildKit's own text has the values of arguments in it."""
    tools = make_tools(is_under_way=True)
    provide(tools)
    assert tools.told[0] == (AMD64, 0, 1, "RUN make")


def test_an_image_that_was_loaded_elsewhere_is_said() -> None:
    _, _, build = provide(make_tools(loads=False))
    assert "does not have it" in build.platforms[AMD64].error
    assert "BUILDX_BUILDER" in build.platforms[AMD64].cure


def test_a_native_machine_of_the_builder_counts() -> None:
    facts = BuilderFacts(
        name="farm", driver="docker-container", version="1.0", machines=(AMD64, ARM64)
    )
    _, _, build = provide(make_tools(facts=facts))
    assert build.platforms[ARM64].is_native
    assert build.platforms[ARM64].emulated == ()


def test_a_builder_of_several_machines_loads_one_platform_at_a_time() -> None:
    facts = BuilderFacts(
        name="farm", driver="docker-container", version="1.0", machines=(AMD64, ARM64), nodes=2
    )
    tools = make_tools(facts=facts)
    node, reference, build = provide(tools)
    assert [each.platforms for each in tools.builder.requests] == [(AMD64,), (ARM64,)]
    assert build.platforms[ARM64].name == f"{reference.text}-arm64"
    assert node.resolve(reference, ARM64).platform == ARM64


def test_a_platform_with_a_node_of_its_own_is_built_there() -> None:
    here, there = make_tools(), make_tools()
    there.engine.facts = replace(there.engine.facts, platform=ARM64, node="fake://pi")
    there.engine.address = "fake://pi"
    own = OwnNode(node=open_node(there), origin="nodes in multiarch.yaml:3")
    session = Session(open_node(here), own_nodes={ARM64: own})
    built = {each: session.build(make_spec(), each, BOTH) for each in BOTH}
    assert [each.platforms for each in here.builder.requests] == [(AMD64,)]
    assert [each.platforms for each in there.builder.requests] == [(ARM64,)]
    for platform, (reference, build) in built.items():
        assert tuple(build.platforms) == (platform,)
        assert session.open_variant(reference, platform, recorder=None).node.name == build.node
    assert len({build.key for _, build in built.values()}) == 2


def test_another_platform_was_not_built() -> None:
    node, reference, _ = provide(make_tools(), platforms=(AMD64,))
    with pytest.raises(PlatformMissingError, match="was not built for linux/arm64"):
        node.resolve(reference, ARM64)


def test_an_image_that_is_built_again_meanwhile_is_said() -> None:
    tools = make_tools()
    _, reference, _ = provide(tools)
    tools.engine.local.clear()
    node = open_node(tools)
    node.builds.provide(make_spec(), BOTH)
    with pytest.raises(Exception, match="built again or removed during the run"):
        node.resolve(reference, AMD64)


def test_the_same_that_is_built_again_meanwhile_is_followed() -> None:
    """Its index is another all the same: provenance has times in it."""
    tools = make_tools()
    node, reference, build = provide(tools)
    before = node.resolve(reference, ARM64)
    local = tools.engine.local.pop(before.create_image)
    again = replace(local, id="sha256:again")
    tools.engine.local |= {reference.text: again, again.id: again}
    found = node.resolve(reference, ARM64)
    assert (found.create_image, found.digest) == (again.id, build.platforms[ARM64].digest)
    del tools.engine.local[again.id]
    tools.engine.add(reference.text, FakeImage(platform=AMD64))
    assert node.resolve(reference, ARM64) == found


def test_the_spec_is_told_apart_by_its_key() -> None:
    tools = make_tools()
    node, _, _ = provide(tools)
    node.builds.provide(replace(make_spec(), target="other"), BOTH)
    assert len(tools.builder.requests) == 2
