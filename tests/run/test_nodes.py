"""Platforms with nodes of their own: which node runs what, and what becomes of one that is down."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from pytest_multiarch.core.errors import EngineError, PlatformUnavailableError, UsageError
from pytest_multiarch.core.execution import ExecutionKind
from pytest_multiarch.core.reference import ImageReference
from pytest_multiarch.run.container import ContainerSettings
from pytest_multiarch.run.node import Node
from pytest_multiarch.run.session import OwnNode, Session
from tests.fake_engine import (
    AMD64,
    ARM64,
    LABEL,
    Ending,
    FakeEngine,
    FakeImage,
    FakeTools,
    make_node,
)

APP = ImageReference.parse("app:1")
DOWN = EngineError("no Docker engine answers at tcp://pi:1", cure="start Docker")


def make_engine(platform: object = AMD64) -> FakeEngine:
    """Make an engine of a platform, which has the image for that platform only."""
    engine = FakeEngine()
    engine.facts = replace(engine.facts, platform=platform, node=f"fake://{platform}")
    engine.add("app:1", FakeImage(platform=platform, commands={"": Ending(exit_code=None)}))
    return engine


def make_session(own: Node, *, default: FakeEngine | None = None, **settings: bool) -> Session:
    """Make a session whose arm64 has a node of its own; the default one is amd64."""
    default = default or make_engine()
    probe = FakeImage(platform=ARM64, commands={"": Ending(out=b"", exit_code=None)})
    return Session(
        make_node(default, probes={ARM64: probe}),
        own_nodes={ARM64: OwnNode(node=own, origin="nodes in multiarch.yaml:3", **settings)},
    )


def engine_of(node: Node) -> FakeEngine:
    return cast("FakeTools", node.tools).engine


def test_each_platform_runs_on_its_node() -> None:
    own = make_node(make_engine(ARM64))
    session = make_session(own)
    here = session.open_variant(APP, AMD64, recorder=None)
    there = session.open_variant(APP, ARM64, recorder=None)
    assert (here.node, there.node) == (session.default_node, own)
    assert there.execution.kind is ExecutionKind.NATIVE
    assert there.execution.note == ""
    for each in (here, there):
        session.open_container(each, ContainerSettings(), recorder=None)
    for variant in (here, there):
        (container,) = engine_of(variant.node).containers.values()
        assert container.spec.labels[LABEL] == "s1"
        assert container.image.platform == variant.platform


def test_a_shared_container_is_of_its_node() -> None:
    session = make_session(make_node(make_engine(ARM64)))
    settings = ContainerSettings(scope="session")
    variants = [session.open_variant(APP, each, recorder=None) for each in (AMD64, ARM64)]
    opened = [session.open_container(each, settings, recorder=None) for each in variants]
    assert [each.started.node for each in opened] == [each.node for each in variants]


def test_a_node_that_is_down_is_unavailable_and_asked_once() -> None:
    own = make_node(make_engine(ARM64), engine_error=DOWN)
    session = make_session(own)
    for _ in range(2):
        with pytest.raises(PlatformUnavailableError) as caught:
            session.open_variant(APP, ARM64, recorder=None)
        assert "linux/arm64 is unavailable, since its node is: no Docker engine" in str(
            caught.value
        )
        assert "mend nodes in multiarch.yaml:3" in caught.value.cure
    assert cast("FakeTools", own.tools).opened == 1
    assert session.open_variant(APP, AMD64, recorder=None)


def test_a_fallback_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    own = make_node(make_engine(ARM64), engine_error=DOWN)
    session = make_session(own, may_emulate=True)
    default = session.default_node
    native = default.detect_execution(AMD64)
    emulated = replace(native, kind=ExecutionKind.QEMU)
    monkeypatch.setattr(default, "require_execution", lambda *_, **__: emulated)
    place = session.find_place(ARM64)
    assert place.node is default
    assert place.execution.note == (
        "not on its own node, which is unavailable: no Docker engine answers at tcp://pi:1"
    )
    assert type(place.execution).from_mapping(place.execution.to_mapping()) == place.execution


def test_a_node_that_emulates_is_used_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    own = make_node(make_engine())
    session = make_session(own)
    emulated = replace(own.detect_execution(AMD64), kind=ExecutionKind.QEMU)
    monkeypatch.setattr(own, "require_execution", lambda *_, **__: emulated)
    place = session.find_place(ARM64)
    assert place.node is own
    assert place.execution.note.startswith("emulated by its own node")


def test_closing_sweeps_every_node_even_if_one_is_gone() -> None:
    own = make_node(make_engine(ARM64))
    session = make_session(own)
    for platform in (AMD64, ARM64):
        variant = session.open_variant(APP, platform, recorder=None)
        session.open_container(variant, ContainerSettings(), recorder=None)
    default = session.default_node
    engine_of(default).fail["remove_labelled"] = [EngineError("gone")]
    with pytest.raises(EngineError, match="gone"):
        session.close()
    assert not engine_of(own).containers
    (watchdog,) = cast("FakeTools", own.tools).watchdogs
    assert watchdog.is_stopped
    (left,) = cast("FakeTools", default.tools).watchdogs
    assert not left.is_stopped


def test_the_twin_of_a_native_variant_is_emulated_here(monkeypatch: pytest.MonkeyPatch) -> None:
    own = make_node(make_engine(ARM64))
    default = make_engine()
    session = make_session(own, default=default)
    default.add("app:1", FakeImage(platform=AMD64), FakeImage(platform=ARM64))
    here = session.open_variant(APP, AMD64, recorder=None)
    there = session.open_variant(APP, ARM64, recorder=None)
    assert session.open_twin(here) is None
    emulated = replace(here.execution, kind=ExecutionKind.QEMU)
    monkeypatch.setattr(session.default_node, "require_execution", lambda *_, **__: emulated)
    twin = session.open_twin(there)
    assert twin is not None
    assert (twin.node, twin.platform) == (session.default_node, ARM64)


def test_a_network_is_of_one_node() -> None:
    session = make_session(make_node(make_engine(ARM64)))
    here, there = (session.open_variant(APP, each, recorder=None) for each in (AMD64, ARM64))
    with here.network() as network:
        with pytest.raises(UsageError, match="the network is on unix:"):
            there.run("x", network=network)
        with pytest.raises(UsageError, match="linux/arm64 runs on unix:"):
            there.container(network=network).__enter__()
