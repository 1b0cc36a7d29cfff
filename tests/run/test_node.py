"""One node: connected to when needed, watched over once something is made, swept at the end."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, cast

import pytest

from pytest_multiarch.core.errors import EngineError, WrongArchitectureError
from tests.fake_engine import (
    AMD64,
    ARM64,
    Ending,
    FakeEngine,
    FakeImage,
    FakeTools,
    make_elf,
    make_node,
    make_variant,
)

if TYPE_CHECKING:
    from pytest_multiarch.run.node import Node


def tools_of(node: Node) -> FakeTools:
    return cast("FakeTools", node.tools)


def test_nothing_is_connected_to_before_it_is_used() -> None:
    node = make_node(FakeEngine())
    node.close()
    assert tools_of(node).opened == 0


def test_no_engine_is_said_each_time_and_tried_once() -> None:
    node = make_node(FakeEngine(), engine_error=EngineError("no engine", cure="start Docker"))
    depths = set()
    for _ in range(3):
        with pytest.raises(EngineError, match="no engine") as caught:
            _ = node.engine
        depths.add(len(caught.traceback))
    assert tools_of(node).opened == 1
    assert len(depths) == 1, "an error that is raised again does not grow"
    node.close()


def test_the_watchdog_starts_before_the_first_container_and_once() -> None:
    engine = FakeEngine()
    variant = make_variant(engine)
    assert not tools_of(variant.node).watchdogs
    engine.fail["create_container"] = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        variant.run("app")
    assert len(tools_of(variant.node).watchdogs) == 1
    variant.run("app")
    assert len(tools_of(variant.node).watchdogs) == 1


def test_a_testcontainer_is_watched_over_too() -> None:
    variant = make_variant(FakeEngine())
    with variant.testcontainer(str) as image:
        assert image == "app:1"
    assert len(tools_of(variant.node).watchdogs) == 1


def test_the_end_sweeps_by_label_then_lets_watchdog_and_engine_go() -> None:
    engine = FakeEngine()
    variant = make_variant(engine)
    variant.run("app")
    variant.node.close()
    variant.node.close()
    assert engine.count("remove_labelled") == 1
    assert tools_of(variant.node).watchdogs[0].is_stopped
    assert engine.is_closed


def test_a_sweep_that_fails_leaves_the_watchdog_to_try() -> None:
    engine = FakeEngine()
    variant = make_variant(engine)
    variant.run("app")
    engine.fail["remove_labelled"] = [EngineError("busy")]
    with pytest.raises(EngineError, match="busy"):
        variant.node.close()
    assert not tools_of(variant.node).watchdogs[0].is_stopped
    assert engine.is_closed


def test_a_foreign_program_is_refused_to_all_of_eight_threads() -> None:
    """None of them may slip through while another still looks."""
    engine = FakeEngine()
    variant = make_variant(engine, FakeImage(platform=AMD64, files={"/app": make_elf("arm64")}))
    start = threading.Barrier(8)
    refused = []

    def run() -> None:
        start.wait()
        try:
            variant.run("/app")
        except WrongArchitectureError:
            refused.append(1)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(refused) == 8
    assert engine.count("start_container") == 0


def test_other_threads_use_the_engine_while_one_probes() -> None:
    engine = FakeEngine()
    waits = Ending(out=b"pytest-multiarch probe arm64\n", exit_code=None)
    node = make_node(engine, probes={ARM64: FakeImage(platform=ARM64, commands={"/probe": waits})})
    probing, done = threading.Event(), threading.Event()

    def list_processes(container_id: str) -> tuple[str, ...]:
        probing.set()
        assert done.wait(5)
        return ("/usr/bin/qemu-aarch64 /probe",)

    engine.list_processes = list_processes  # type: ignore[method-assign]
    prober = threading.Thread(target=node.detect_execution, args=(ARM64,))
    prober.start()
    assert probing.wait(5)
    other = threading.Thread(target=lambda: node.engine.read_facts())
    other.start()
    other.join(1)
    is_blocked = other.is_alive()
    done.set()
    prober.join()
    assert not is_blocked
