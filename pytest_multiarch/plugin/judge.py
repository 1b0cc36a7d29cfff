"""In the process that owns the session: whole groups are compared, and divergences reported.

A divergence is a failure of its own: three plain reports under the test's id without the
platform. It is no collected item, so no selection, order or retry of the user's can lose it, and
a lone process and `pytest -n` are judged in this one place.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import pytest

from pytest_multiarch.core.member import Member
from pytest_multiarch.core.parity import Verdict, compare_group
from pytest_multiarch.plugin.emitter import Emitter
from pytest_multiarch.plugin.state import PluginState
from pytest_multiarch.plugin.tracking import ATTRIBUTE
from pytest_multiarch.reports.summary import render_summary


@dataclass(slots=True)
class _Attempts:
    """One member as its reports tell it: what it is, what it observed, how it ended."""

    document: dict[str, Any]
    count: int = 0
    outcome: str = "not-run"
    reason: str = ""
    duration_s: float = 0.0
    is_done: bool = False

    def begin(self, document: dict[str, Any]) -> None:
        """Start over: of several attempts the last one counts."""
        self.document = document
        self.count += 1
        self.outcome, self.reason, self.duration_s, self.is_done = "not-run", "", 0.0, False

    def take_in(self, report: pytest.TestReport) -> None:
        """Note what a report says of the outcome."""
        self.duration_s += report.duration
        if report.when == "setup" and not report.passed:
            self.outcome = "skipped" if report.skipped else "error"
        elif report.when == "call":
            self.outcome = _name_outcome(report)
        elif _is_crash(report):
            self.outcome = "crashed"
        else:
            return
        self.reason = _read_reason(report)

    def to_member(self) -> Member:
        """Give the member as it stands."""
        return Member.from_mapping(
            {
                **self.document,
                "selected": list(self.document["selected"]),
                "attempt": max(self.count, 1),
                "outcome": self.outcome,
                "reason": self.reason,
                "duration_s": self.duration_s,
            }
        )


def _is_crash(report: pytest.TestReport) -> bool:
    """Tell the report that xdist makes of a test in which a worker crashed."""
    return str(report.when) == "???"


def _name_outcome(report: pytest.TestReport) -> str:
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed"
    return str(report.outcome)


def _read_reason(report: pytest.TestReport) -> str:
    expected = getattr(report, "wasxfail", None)
    if expected is not None:
        return str(expected)
    if report.skipped and isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(getattr(crash, "message", "") or report.longrepr or "")
    return text.partition("\n")[0]


@dataclass(slots=True)
class _Group:
    """A group under way: the tests that will run, by platform, and what became of each."""

    name: str
    keys: dict[str, str]
    attempts: dict[str, _Attempts] = field(default_factory=dict)
    is_settled: bool = False

    @property
    def is_complete(self) -> bool:
        return all(self.attempts[key].is_done for key in self.keys.values())


class Judge:
    """Collects members from reports, and gives each group its verdict."""

    def __init__(self, state: PluginState, config: pytest.Config) -> None:
        self._state = state
        self._config = config
        self._emitter = Emitter(state.settings, config)
        self._groups: dict[str, _Group] = {}
        self._group_of: dict[str, _Group] = {}
        self._verdicts: list[Verdict] = []
        self._is_summed_up = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in what a member's report says; the reports of foreign tests pass at once."""
        payload = getattr(report, ATTRIBUTE, None)
        key = self._name_key(report)
        if payload is None and key not in self._group_of:
            return
        document: dict[str, Any] = json.loads(payload) if payload is not None else {}
        if "spread" in document:
            self._verdicts.append(compare_group(map(Member.from_mapping, document["spread"])))
            return
        if document and report.when == "setup":
            self._begin(key, report.nodeid, document)
        group = self._group_of[key]
        attempts = group.attempts[key]
        if document and report.when == "teardown":
            attempts.document = {**attempts.document, **document}
        attempts.take_in(report)
        if _is_crash(report):  # nothing follows it, not even logfinish
            attempts.is_done = True
            self._settle_if_complete(group)

    def _name_key(self, report: pytest.TestReport) -> str:
        """Name a member; under `--dist each` every worker has them all."""
        if self._config.getoption("dist", "no") != "each":
            return report.nodeid
        node = getattr(report, "node", None)
        return report.nodeid if node is None else f"{report.nodeid}@{node.gateway.id}"

    def _begin(self, key: str, node_id: str, document: dict[str, Any]) -> None:
        suffix = key.removeprefix(node_id)
        name = f"{document['group']}{suffix}"
        group = self._groups.get(name)
        if group is None:
            keys = {name: f"{node}{suffix}" for name, node in document["selected"].items()}
            group = self._groups[name] = _Group(name=name, keys=keys)
            for platform, other in keys.items():
                # What a member is, until it says so itself: it may never come to that.
                known = {**document, "platform": platform, "node_id": other.removesuffix(suffix)}
                group.attempts[other] = _Attempts(known)
                self._group_of[other] = group
        group.attempts[key].begin(document)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Compare a group as soon as its last member has ended, all retries over."""
        group = self._group_of.get(nodeid)
        if group is None:
            return
        group.attempts[nodeid].is_done = True
        self._settle_if_complete(group)

    def _settle_if_complete(self, group: _Group) -> None:
        if not group.is_settled and group.is_complete:
            self._settle(group)

    def _settle(self, group: _Group) -> None:
        group.is_settled = True
        members = tuple(each.to_member() for each in group.attempts.values())
        verdict = compare_group(members)
        self._verdicts.append(verdict)
        self._emitter.emit(verdict)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Settle what is left, also after Ctrl-C and -x, before the exit status is made."""
        self._emitter.session = session
        try:
            return (yield)
        finally:
            for group in self._groups.values():
                if not group.is_settled:
                    self._settle(group)

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> Any:
        """Give a verdict's report its own word."""
        return self._emitter.name_status(report)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what was compared, what was not, and how each platform ran."""
        self._is_summed_up = True
        lines = self._sum_up()
        if lines:
            terminalreporter.section("platforms")
            for line in lines:
                terminalreporter.write_line(line)

    def pytest_unconfigure(self) -> None:
        """Say it even where the terminal's own summary is off."""
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if not self._is_summed_up and reporter is not None:
            for line in self._sum_up():
                reporter.write_line(line)

    def _sum_up(self) -> tuple[str, ...]:
        if not self._verdicts:
            return ()
        members = [
            each.to_member() for group in self._groups.values() for each in group.attempts.values()
        ]
        return render_summary(
            tuple(self._verdicts), tuple(members), selected=self._state.settings.selected
        )
