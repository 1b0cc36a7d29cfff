"""`--multiarch-compare`: what was measured, beside what an earlier run measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.core.budget import BudgetOutcome
from pytest_multiarch.core.changes import ChangedCost, find_changes
from pytest_multiarch.core.errors import RecordError, UsageError
from pytest_multiarch.core.merging import merge_records
from pytest_multiarch.core.regression import parse_regression_limit
from pytest_multiarch.files.record_file import read_record
from pytest_multiarch.files.record_search import find_records
from pytest_multiarch.reports.changes import list_changes
from pytest_multiarch.reports.summary import Layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_multiarch.core.member import Member
    from pytest_multiarch.core.regression import RegressionLimit

_OPTION = "--multiarch-compare"
_UNDECIDED = (BudgetOutcome.INCONCLUSIVE, BudgetOutcome.TOO_FEW)


def start_comparing(
    config: pytest.Config, list_members: Callable[[], Iterable[Member]], *, is_strict: bool
) -> Comparing:
    """Read the earlier run.

    Raises:
        pytest.UsageError: there is none, or a limit is wrong.
    """
    path = config.invocation_params.dir / config.getoption(_OPTION)
    try:
        limits = tuple(map(parse_regression_limit, config.getoption("--multiarch-compare-fail")))
        before = merge_records(read_record(each) for each in find_records([path])).members
    except (RecordError, UsageError) as error:
        raise pytest.UsageError(f"pytest-multiarch: {_OPTION}: {error}") from None
    return Comparing(config, before, limits, list_members, is_strict=is_strict)


class Comparing:
    """Compares at the end of a session, and fails it where a ratio grew too much."""

    def __init__(
        self,
        config: pytest.Config,
        before: tuple[Member, ...],
        limits: tuple[RegressionLimit, ...],
        list_members: Callable[[], Iterable[Member]],
        *,
        is_strict: bool,
    ) -> None:
        self._config = config
        self._before = before
        self._limits = limits
        self._list_members = list_members
        self._is_strict = is_strict
        self._changes: tuple[ChangedCost, ...] = ()
        self._is_failure = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Compare, and make the exit status that of a failed test."""
        self._changes = find_changes(self._before, self._list_members(), self._limits)
        self._is_failure = any(map(self._fails, self._changes))
        if self._limits and self._is_strict and not self._changes:
            self._is_failure = True
        if self._is_failure and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _fails(self, change: ChangedCost) -> bool:
        is_undecided = self._is_strict and change.outcome in _UNDECIDED
        return change.outcome is BudgetOutcome.EXCEEDED or is_undecided

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what changed, and whether it fails the run."""
        if self._config.option.collectonly:
            return
        name = self._config.getoption(_OPTION)
        terminalreporter.write_sep("=", f"overhead since {name}")
        width = self._config.get_terminal_writer().fullwidth
        layout = Layout(width=width, verbosity=self._config.get_verbosity())
        for line in list_changes(self._changes, self._limits, layout):
            terminalreporter.write_line(line)
        if self._is_failure:
            limits = ", ".join(map(str, self._limits))
            text = f"overhead has grown: --multiarch-compare-fail={limits} fails this run"
            if not any(each.outcome is BudgetOutcome.EXCEEDED for each in self._changes):
                text = f"--multiarch-compare-fail={limits} could not be decided: --multiarch-strict"
            terminalreporter.write_line(text, red=True)
