"""The pytest11 entry point: options, marks, hooks; the rest is registered from here.

Every pytest run on the machine loads this, so it and what it imports stay small: what only our
own tests need is imported when the first of them is collected.
"""

from __future__ import annotations

import sys
import uuid
from typing import TYPE_CHECKING

from pytest_multiarch.plugin.options import (
    MARKS,
    add_options,
    keeps_record,
    list_reports,
    needs_comparing,
    needs_record,
    tells_github,
)
from pytest_multiarch.plugin.state import RECIPES_INPUT, RUN_INPUT, STATE, PluginState

if TYPE_CHECKING:
    import pytest

    from pytest_multiarch.run.session import Session


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the `--multiarch-*` options."""
    add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the hooks that other plugins can implement."""
    from pytest_multiarch.plugin import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    """Refuse wrong settings, and register what collects and judges."""
    from pytest_multiarch.plugin import builtin, fixtures
    from pytest_multiarch.plugin.collection import Collection

    for mark in MARKS:
        config.addinivalue_line("markers", mark)
    worker: dict[str, str] = getattr(config, "workerinput", {})
    state = config.stash[STATE] = PluginState(
        config,
        run_id=worker.get(RUN_INPUT) or uuid.uuid4().hex,
        worker=worker.get("workerid", ""),
    )
    state.recipe_folder = worker.get(RECIPES_INPUT, "")
    state.check_settings()
    manager = config.pluginmanager
    manager.register(builtin, "multiarch-builtin")
    manager.register(fixtures, "multiarch-fixtures")
    manager.register(Collection(state), "multiarch-collection")
    if worker:
        if keeps_record(config):
            from pytest_multiarch.plugin.worker import WorkerRecording

            manager.register(WorkerRecording(state, config), "multiarch-recording")
        return
    _start_judging(state, config)


def _start_judging(state: PluginState, config: pytest.Config) -> None:
    """Register what the process that owns the session needs, and what is asked for."""
    from pytest_multiarch.plugin.judge import Judge

    manager = config.pluginmanager
    merging = recording = None
    if config.getoption("--multiarch-merge"):
        from pytest_multiarch.plugin.merging import start_merging

        merging = start_merging(
            config, is_strict=state.settings.strict, fails_unstable=state.fails_unstable
        )
        manager.register(merging, "multiarch-merging")
    elif needs_record(config) and not config.option.collectonly:
        from pytest_multiarch.plugin.recording import start_recording

        recording = start_recording(state, config)
        manager.register(recording, "multiarch-recording")
    source = merging or recording
    if source and list_reports(config) and not config.option.collectonly:
        from pytest_multiarch.plugin.report_files import start_reports

        reports = start_reports(config, source)
        manager.register(reports, "multiarch-reports")
    judge = Judge(state, config, recording)
    manager.register(judge, "multiarch-judge")
    if needs_comparing(config):
        from pytest_multiarch.plugin.comparing import start_comparing

        members = judge.list_members if merging is None else merging.list_members
        comparing = start_comparing(config, members, is_strict=state.settings.strict)
        manager.register(comparing, "multiarch-comparing")
    if tells_github(config) and not config.option.collectonly:
        from pytest_multiarch.plugin.ci import GithubJob

        manager.register(GithubJob(state, config, judge, source), "multiarch-github")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Refuse wrong rules in the configuration, once all conftest files at the root are loaded."""
    session.config.stash[STATE].check_rules()


def _close(session: Session) -> None:
    """Close a session; what a node that is gone still has is left to its watchdog, and said."""
    from pytest_multiarch.core.errors import MultiarchError

    try:
        session.close()
    except MultiarchError as error:
        sys.stderr.write(
            f"pytest-multiarch: not everything could be removed: {error}\n"
            "what is left is removed once the engine is back\n"
        )


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove what this process still has on its nodes, and let them go."""
    state = config.stash.get(STATE, None)
    if state is not None:
        state.close_recipes()
    if state is not None and state.replayer is not None:
        state.replayer.close()
    if state is not None and state.session is not None:
        session, state.session = state.session, None
        _close(session)
    if state is not None and state.has_builds and not state.worker:
        from pytest_multiarch.plugin.wiring import forget_builds

        forget_builds(state.run_id)
