"""The pytest11 entry point: options, marks, hooks; the rest is registered from here."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.plugin.options import add_options

if TYPE_CHECKING:
    from pytest_multiarch.core.normalize import TextFunction


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the `--multiarch-*` options."""
    add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the hooks that other plugins can implement."""
    from pytest_multiarch.plugin import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    """Read the settings, and register what collects, runs and judges."""
    from pytest_multiarch.plugin import fixtures
    from pytest_multiarch.plugin.judge import Judge
    from pytest_multiarch.plugin.marks import MARKS, Declarations
    from pytest_multiarch.plugin.options import read_settings
    from pytest_multiarch.plugin.parametrize import Parametrizer
    from pytest_multiarch.plugin.state import STATE, PluginState
    from pytest_multiarch.plugin.tracking import Tracker

    for mark in MARKS:
        config.addinivalue_line("markers", mark)

    def find_normalizers() -> Mapping[str, TextFunction]:
        found = config.hook.pytest_multiarch_normalizers(config=config)
        return {name: function for each in reversed(found) for name, function in each.items()}

    worker: dict[str, str] = getattr(config, "workerinput", {})
    settings = read_settings(config)
    state = PluginState(
        settings=settings,
        declared=Declarations(settings, find_normalizers),
        run_id=worker.get("testrunuid") or uuid.uuid4().hex,
        worker=worker.get("workerid", ""),
    )
    config.stash[STATE] = state
    manager = config.pluginmanager
    manager.register(fixtures, "multiarch-fixtures")
    manager.register(Parametrizer(state), "multiarch-parametrizer")
    manager.register(Tracker(state), "multiarch-tracker")
    if not worker:
        manager.register(Judge(state, config), "multiarch-judge")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove what this process still has on its nodes, and let them go."""
    from pytest_multiarch.plugin.state import STATE

    state = config.stash.get(STATE, None)
    if state is not None and state.session is not None:
        session, state.session = state.session, None
        session.close()
