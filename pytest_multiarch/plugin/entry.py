"""The pytest11 entry point: options, marks, hooks; the rest is registered from here."""

from __future__ import annotations

import os
import uuid

import pytest

from pytest_multiarch.plugin.options import add_options


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
    from pytest_multiarch.plugin.marks import MARKS
    from pytest_multiarch.plugin.options import read_settings
    from pytest_multiarch.plugin.parametrize import Parametrizer
    from pytest_multiarch.plugin.state import STATE, PluginState
    from pytest_multiarch.plugin.tracking import Tracker

    for mark in MARKS:
        config.addinivalue_line("markers", mark)
    worker: dict[str, str] = getattr(config, "workerinput", {})
    state = PluginState(
        settings=read_settings(config),
        run_id=worker.get("testrunuid") or uuid.uuid4().hex,
        worker=worker.get("workerid", ""),
    )
    config.stash[STATE] = state
    manager = config.pluginmanager
    manager.register(fixtures, "multiarch-fixtures")
    manager.register(Parametrizer(state), "multiarch-parametrizer")
    manager.register(Tracker(state, config), "multiarch-tracker")
    if not worker:
        manager.register(Judge(state, config), "multiarch-judge")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let everything go that is still held."""
    from pytest_multiarch.plugin.state import STATE

    state = config.stash.get(STATE, None)
    if state is not None and state.session is not None:
        session, state.session = state.session, None
        session.close()


def read_environment() -> dict[str, str]:
    """Give a copy of the environment: the one place that reads it."""
    return dict(os.environ)
