"""`--multiarch-report`: files that say what a session, or merged records, came to."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pytest

from pytest_multiarch.core.errors import MultiarchError, UsageError
from pytest_multiarch.files.record_file import replace_file
from pytest_multiarch.plugin.asking import gather_report_formats, render_report
from pytest_multiarch.plugin.options import list_reports

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_multiarch.core.merging import Judgement
    from pytest_multiarch.plugin.asking import ReportFormat

_OPTION = "--multiarch-report"


class Source(Protocol):
    """What knows at the end of a session what it came to."""

    def judge(self) -> Judgement:
        """Give it.

        Raises:
            RecordError: what was recorded cannot be read any more.
        """


@dataclass(frozen=True, slots=True)
class _Target:
    format: str
    path: Path


def start_reports(config: pytest.Config, source: Source) -> ReportFiles:
    """Take down which reports are asked for.

    Raises:
        pytest.UsageError: one of them is not written FORMAT=FILE, or its file is another's too.
    """
    targets = tuple(_parse(config, each) for each in list_reports(config))
    record = config.getoption("--multiarch-record")
    paths = [config.invocation_params.dir / record] if record else []
    for path in (each.path for each in targets):
        if path in paths:
            raise pytest.UsageError(
                f"pytest-multiarch: {_OPTION}: {path} is to be written twice\n"
                "give each report, and the record, a file of its own"
            )
        paths.append(path)
    return ReportFiles(config, targets, source)


def _parse(config: pytest.Config, text: str) -> _Target:
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise pytest.UsageError(
            f"pytest-multiarch: {_OPTION}: {text!r} is not FORMAT=FILE\n"
            f"for example {_OPTION} markdown=platforms.md"
        )
    return _Target(name, config.invocation_params.dir / path)


class ReportFiles:
    """Writes the reports when the session has ended, in the process that owns it."""

    def __init__(self, config: pytest.Config, targets: tuple[_Target, ...], source: Source) -> None:
        self._config = config
        self._targets = targets
        self._source = source
        self._formats: Mapping[str, ReportFormat] = {}
        self._lines: list[tuple[str, bool]] = []

    def pytest_sessionstart(self) -> None:
        """Find the formats, once all conftest files at the root are loaded."""
        try:
            self._formats = gather_report_formats(self._config)
        except UsageError as error:
            raise pytest.UsageError(f"pytest-multiarch: {error}") from None
        for target in self._targets:
            if target.format not in self._formats:
                raise pytest.UsageError(f"pytest-multiarch: {self._refuse(target)}")

    def _refuse(self, target: _Target) -> UsageError:
        near = difflib.get_close_matches(target.format, self._formats, n=1)
        meant = f"did you mean {near[0]!r}? " if near else ""
        return UsageError(
            f"{_OPTION}: there is no format {target.format!r}",
            cure=f"{meant}formats are {', '.join(sorted(self._formats))}",
        )

    def pytest_sessionfinish(self) -> None:
        """Write the reports; what goes wrong is said, and changes nothing about the tests."""
        try:
            judgement = self._source.judge()
        except MultiarchError as error:
            self._lines.append((f"no report was written: {error}", False))
            return
        if not (judgement.verdicts or judgement.idle):
            self._lines.append(("no report was written: no test ran on platforms", False))
            return
        self._lines += [self._write(each, judgement) for each in self._targets]

    def _write(self, target: _Target, judgement: Judgement) -> tuple[str, bool]:
        try:
            text = render_report(target.format, self._formats[target.format], judgement)
            with replace_file(target.path) as write:
                write(text.encode("utf-8", "backslashreplace"))
        except MultiarchError as error:
            return f"the report {target.path} was not written: {error}", False
        return f"report: {target.path}", True

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say where the reports are."""
        self._say(terminalreporter)

    def pytest_unconfigure(self) -> None:
        """Say it even where the terminal's own summary is off."""
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            self._say(reporter)

    def _say(self, reporter: pytest.TerminalReporter) -> None:
        for text, is_good in self._lines:
            for line in text.splitlines():
                reporter.write_line(line, red=not is_good)
        self._lines = []
