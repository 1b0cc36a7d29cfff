"""What a CI service is told besides its log: on GitHub a summary, and annotations at the tests."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.plugin.options import find_service
from pytest_multiarch.plugin.reports import ATTRIBUTE

if TYPE_CHECKING:
    from pytest_multiarch.core.merging import Judgement
    from pytest_multiarch.plugin.judge import Judge
    from pytest_multiarch.plugin.merging import Merging
    from pytest_multiarch.plugin.recording import Recording
    from pytest_multiarch.plugin.state import PluginState
    from pytest_multiarch.reports.job_log import JobLog

_SUMMARY = "GITHUB_STEP_SUMMARY"


def open_log(config: pytest.Config) -> JobLog:
    """Give the log that the terminal is."""
    from pytest_multiarch.reports.job_log import JobLog

    return JobLog(find_service(config), time.time())


class GithubJob:
    """Tells GitHub, in the process that owns the session, what it came to.

    `source` knows that; without one, a record is kept for it from the first of our tests on, so
    that a suite without any pays for nothing.
    """

    def __init__(
        self,
        state: PluginState,
        config: pytest.Config,
        judge: Judge,
        source: Merging | Recording | None,
    ) -> None:
        self._state = state
        self._config = config
        self._judge = judge
        self._source = source
        self._is_waiting = source is None
        self._early: list[pytest.TestReport | pytest.CollectReport] = []
        self._lines: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Start the record at the first report of a test of ours, before anybody judges it."""
        if not self._is_waiting:
            return
        if hasattr(report, ATTRIBUTE):
            self._is_waiting = False
            try:
                self._start_recording()
            except (OSError, pytest.UsageError) as error:
                self._lines.append(f"GitHub is not told of the platforms: {error}")
        elif report.failed:
            self._early.append(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep what cannot be collected for the record, should there be one."""
        if self._is_waiting and report.failed:
            self._early.append(report)

    def _start_recording(self) -> None:
        from pytest_multiarch.plugin.recording import start_recording

        recording = self._source = start_recording(self._state, self._config)
        for report in self._early:
            if isinstance(report, pytest.CollectReport):
                recording.pytest_collectreport(report)
            else:
                recording.pytest_runtest_logreport(report)
        self._config.pluginmanager.register(recording, "multiarch-recording")
        self._judge.record_in(recording)

    def pytest_sessionfinish(self) -> None:
        """Write the summary; what goes wrong is said, and changes nothing about the tests."""
        if self._source is None:
            return
        from pytest_multiarch.core.errors import MultiarchError

        try:
            judgement = self._source.judge()
            if judgement.verdicts or judgement.idle:
                self._tell(judgement)
        except MultiarchError as error:
            self._lines += str(error).splitlines()

    def _tell(self, judgement: Judgement) -> None:
        from pytest_multiarch.files.step_summary import append_step_summary
        from pytest_multiarch.reports.annotations import render_github_annotations
        from pytest_multiarch.reports.step_summary import is_one_part, render_step_summary

        is_merged = bool(self._config.getoption("--multiarch-merge"))
        is_failure = is_merged or self._config.getoption("--multiarch-parity") == "fail"
        self._lines += render_github_annotations(
            judgement, is_whole=is_merged, fails_divergences=is_failure
        )
        path = os.environ.get(_SUMMARY)
        if path and (is_merged or not is_one_part(judgement)):
            append_step_summary(Path(path), partial(render_step_summary, judgement))

    def pytest_unconfigure(self) -> None:
        """Print the annotations below all else."""
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            for line in self._lines:
                reporter.write_line(line)
