"""What measurements are made with: starts that are timed, images that are fetched again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_multiarch.core.call import Call
from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.reference import ImageReference
from pytest_multiarch.run.measure import Plan
from pytest_multiarch.run.node import Node
from pytest_multiarch.run.resolve import PullPolicy
from pytest_multiarch.run.session import Session
from pytest_multiarch.run.started import ContainerSettings
from pytest_multiarch.run.variant import Variant
from tests.fake_engine import (
    AMD64,
    Ending,
    FakeEngine,
    FakeImage,
    FakeRegistry,
    FakeTools,
    make_elf,
    make_node,
)

HOST = "registry.example/app:1"
IMAGE = FakeImage(
    platform=AMD64, files={"/bin/app": make_elf("amd64")}, commands={"app": Ending(exit_code=None)}
)


def open_remote(node: Node) -> Variant:
    return Session(node).open_variant(ImageReference.parse(HOST), AMD64, recorder=None)


def make_engine() -> FakeEngine:
    """An engine beside a registry that has `HOST`."""
    registry = FakeRegistry()
    registry.add(HOST, IMAGE)
    return FakeEngine(registry=registry)


def test_each_sample_is_a_container_of_its_own() -> None:
    engine = FakeEngine()
    engine.add("app:1", IMAGE)
    session = Session(make_node(engine))
    variant = session.open_variant(ImageReference.parse("app:1"), AMD64, recorder=None)
    settings = ContainerSettings(call=Call(argv=("app",)), scope="session")
    measurement = session.bench.measure_starts(
        [variant], settings, plan=Plan(rounds=5), what="start"
    )
    assert measurement.failure is None
    assert len(measurement.platforms[0].rounds) == 5
    assert engine.calls.count("create_container") == 6
    assert not engine.containers


def test_what_was_pulled_is_fetched_again() -> None:
    engine = make_engine()
    variant = open_remote(make_node(engine))
    steps_s = variant.node.fetch_again(variant.resolved)
    assert list(steps_s) == ["fetch", "unpack"]
    assert engine.pulls == [variant.resolved.create_image] * 2


def test_what_was_there_before_is_left_alone() -> None:
    engine = make_engine()
    open_remote(make_node(engine))
    later = open_remote(make_node(engine))
    with pytest.raises(UsageError, match="before this session"):
        later.node.fetch_again(later.resolved)
    assert len(engine.pulls) == 1


def test_what_other_processes_use_is_left_alone() -> None:
    engine = make_engine()
    assert engine.registry is not None
    tools = FakeTools(engine=engine, registry=engine.registry)
    shared = Node(tools, session_id="s", labels={}, pull=PullPolicy.MISSING, is_shared=True)
    variant = open_remote(shared)
    with pytest.raises(UsageError, match="other processes of this session"):
        shared.fetch_again(variant.resolved)
    assert len(engine.pulls) == 1


def test_the_registry_knows_the_size_better() -> None:
    engine = make_engine()
    variant = open_remote(make_node(engine))
    variant.resolved = replace(variant.resolved, size=1234)
    found = Session(variant.node).bench.read_sizes(variant)
    assert (found.content, found.unpacked) == (1234, 3_000_000)
