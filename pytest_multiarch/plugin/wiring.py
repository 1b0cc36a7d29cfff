"""Where the engine room is connected: the only module of the plugin that imports it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from pytest_multiarch.core.errors import EngineError
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.ports import Engine, EngineFacts, Registry
from pytest_multiarch.core.variant import ResolvedVariant
from pytest_multiarch.plugin.state import PluginState
from pytest_multiarch.run.detect import ProbeImage
from pytest_multiarch.run.node import Node, NodeTools, Watchdog
from pytest_multiarch.run.resolve import PullPolicy
from pytest_multiarch.run.session import Session


def open_session(state: PluginState, environ: Mapping[str, str]) -> Session:
    """Make the session of this process; nothing is connected to until it is used."""
    from pytest_multiarch.engine.sessions import SessionLabels

    session_id = f"{state.run_id}-{state.worker}" if state.worker else state.run_id
    labels = SessionLabels.for_this_process(session_id).to_labels()
    node = Node(
        _make_tools(environ, session_id),
        session_id=session_id,
        labels=labels,
        pull=PullPolicy(state.settings.pull),
    )
    return Session(node, platforms=state.selected)
