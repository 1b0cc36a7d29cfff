"""What a worker of xdist does for the record, which the process that owns the session keeps."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_multiarch.plugin.state import PluginState

COLLECTED_OUTPUT = "multiarch_collected"
"""What a worker says at its end: the groups that it collected."""


class WorkerRecording:
    """Has a worker say what it collected."""

    def __init__(self, state: PluginState, config: pytest.Config) -> None:
        self._state = state
        self._config = config

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Leave it to the process that owns the session; all workers collect the same."""
        if not self._state.collected:
            return
        from pytest_multiarch.plugin.listing import describe_collected

        output: dict[str, str] = self._config.workeroutput  # type: ignore[attr-defined]
        output[COLLECTED_OUTPUT] = json.dumps(describe_collected(self._state))
