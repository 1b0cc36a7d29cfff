"""Where the line for what takes long goes in a run of pytest, while no test ends."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, TextIO

from pytest_multiarch.run.progress import Progress

if TYPE_CHECKING:
    import pytest


def make_progress(config: pytest.Config) -> Progress | None:
    """Give what shows progress in this process, None where nothing is to be shown.

    The terminal reporter of a worker of xdist writes to nowhere: a worker's lines go to the
    standard error that it shares with the others.
    """
    manager = config.pluginmanager
    capture = manager.get_plugin("capturemanager")
    is_worker = hasattr(config, "workerinput")
    reporter = None if is_worker else manager.get_plugin("terminalreporter")
    if config.get_verbosity() < -1 or (reporter is None and not is_worker):
        return None
    uncapture = nullcontext if capture is None else capture.global_and_fixture_disabled

    def start_line() -> TextIO:
        if reporter is None:
            return sys.stderr
        reporter.ensure_newline()
        if reporter._tw.width_of_current_line:  # noqa: SLF001 (dots of -q have no name before them)
            reporter._tw.line()  # noqa: SLF001
        return reporter._tw._file  # type: ignore[no-any-return]  # noqa: SLF001 (the terminal itself)

    width = reporter._tw.fullwidth if reporter is not None and reporter.isatty else 0  # noqa: SLF001
    return Progress(uncapture, start_line, live_width=width)
