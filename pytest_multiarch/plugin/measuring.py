"""The `overhead` fixture: what it measures with, and how it comes on the test's record."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pytest_multiarch.core.cost import Overhead
from pytest_multiarch.core.execution import ExecutionKind
from pytest_multiarch.core.normalize import hide_values
from pytest_multiarch.plugin.surroundings import describe_machine
from pytest_multiarch.run.calls import name_values
from pytest_multiarch.run.overhead import MeterSettings, OverheadMeter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pytest

    from pytest_multiarch.core.overhead import Measurement
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.plugin.state import PluginState
    from pytest_multiarch.plugin.trace import Trace
    from pytest_multiarch.run.container import Container
    from pytest_multiarch.run.session import Session
    from pytest_multiarch.run.variant import Variant

_LOCAL = ("unix:", "npipe:")


class TraceKeeper:
    """Keeps a test's measurements in its trace, without the values of its environment."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    def keep(self, overhead: Overhead, measurement: Measurement) -> Overhead:
        """Take a measurement down, and the time that it took on each platform."""
        kept = Overhead(tuple(each.hide(self._hide) for each in overhead.costs))
        self._trace.costs += kept.costs
        for each in measurement.platforms:
            if not each.is_control:
                runs = (*each.warmup, *(sample for one in each.rounds for sample in one))
                self._trace.note_time(each.platform, sum(sample.wall_s for sample in runs))
        return kept

    def hide(self, env: Mapping[str, str]) -> None:
        """Hide the values of environment variables from now on."""
        self._trace.secrets.update(name_values(env))

    def watch(self, container: Container) -> None:
        """Have the container's log shown if the test fails."""
        self._trace.containers.append(container)

    def _hide(self, text: str) -> str:
        return hide_values(text, self._trace.secrets)


def make_meter(
    item: pytest.Item,
    state: PluginState,
    session: Session,
    variants: Mapping[Platform, Variant],
    trace: Trace,
) -> OverheadMeter:
    """Make what a test measures with.

    Raises:
        UsageError: a mark of the test is wrong.
    """
    declared = state.declared.find_platforms(item)
    has_container = state.declared.has_container(item)
    is_local = all(each.node.name.startswith(_LOCAL) for each in variants.values())
    settings = MeterSettings(
        baseline=_choose_baseline(variants.values(), declared.baseline),
        budgets=state.declared.find_budgets(item),
        declared=declared.platforms,
        container=state.declared.find_container(item) if has_container else None,
        control=state.settings.control.value.enabled,
        read_machine=_describe_place,
        read_load=_read_load if is_local else _know_no_load,
    )
    if settings.container is not None:
        trace.secrets.update(name_values(settings.container.call.env))
    return OverheadMeter(
        tuple(variants.values()),
        settings,
        session=session,
        bench=session.bench,
        keeper=TraceKeeper(trace),
    )


def _choose_baseline(variants: Iterable[Variant], declared: Platform | None) -> Platform:
    """Choose as for a comparison: the mark's, else the first native one, else the first."""
    given = tuple(variants)
    native = [each for each in given if each.execution.kind is ExecutionKind.NATIVE]
    named = [each for each in given if each.platform == declared]
    return (*named, *native, *given)[0].platform


def _describe_place(variant: Variant) -> dict[str, str]:
    """Say on what is measured: the machine if it is the node's own, and the engine."""
    facts = variant.node.engine.read_facts()
    place = {
        "node": variant.node.name,
        "engine": f"{facts.product} {facts.version}",
        "platform": str(facts.platform),
        "kernel": facts.kernel,
    }
    if variant.node.name.startswith(_LOCAL):
        machine = describe_machine()
        place |= {name: machine[name] for name in ("host", "cpu", "cpus") if machine[name]}
        load, _ = _read_load()
        place |= {} if load is None else {"load": f"{load:.2f}"}
    return place


def _read_load() -> tuple[float | None, int | None]:
    try:
        return os.getloadavg()[0], os.cpu_count()
    except OSError:
        return None, os.cpu_count()


def _know_no_load() -> tuple[float | None, int | None]:
    return None, None
