"""In the process that owns the session: whole groups are compared, and divergences reported.

A divergence is a failure of its own: three plain reports under the test's id without the
platform. It is no collected item, so that no selection, order or retry of the user's can lose it,
and both a lone process and `pytest -n` judge in this one place.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from pytest_multiarch.core.member import Member, Outcome
from pytest_multiarch.core.parity import Verdict, VerdictKind, compare_group
from pytest_multiarch.plugin.failure import ParityFailure
from pytest_multiarch.plugin.state import PluginState
from pytest_multiarch.plugin.tracking import ATTRIBUTE
from pytest_multiarch.reports.divergence import describe_not_compared, render_divergence
from pytest_multiarch.reports.summary import render_summary

VERDICT = "multiarch_verdict"


@dataclass(slots=True)
class _Attempts:
    """What the reports of one member said so far."""

    member: Member | None = None
    attempt: int = 0
    is_done: bool = False


@dataclass(slots=True)
class _Group:
    """A group under way: the ids that will run, and what became of them."""

    name: str
    node_ids: dict[str, str]
    attempts: dict[str, _Attempts] = field(default_factory=dict)
    is_settled: bool = False

    @property
    def is_complete(self) -> bool:
        return all(
            node_id in self.attempts and self.attempts[node_id].is_done
            for node_id in self.node_ids.values()
        )

    @property
    def members(self) -> tuple[Member, ...]:
        return tuple(each.member for each in self.attempts.values() if each.member is not None)


class Judge:
    """Collects members from reports, and reports a verdict for each group."""

    def __init__(self, state: PluginState, config: pytest.Config) -> None:
        self._state = state
        self._config = config
        self._session: pytest.Session | None = None
        self._groups: dict[str, _Group] = {}
        self._group_of: dict[str, str] = {}
        self._verdicts: list[Verdict] = []
        self._has_summed_up = False

    # Collecting

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Keep the session: a verdict counts in its totals."""
        self._session = session

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in what a member's report says; foreign tests pass at once."""
        payload = getattr(report, ATTRIBUTE, None)
        key = self._name_key(report)
        if payload is None and key not in self._group_of:
            return
        document = json.loads(payload) if payload is not None else {}
        if report.when == "setup" and document:
            self._begin(key, document, report)
        attempts = self._find_attempts(key)
        if attempts is None or attempts.member is None:
            return
        attempts.member = advance(attempts.member, report, document)
        if report.when == "???":  # xdist reports a crash so, and nothing after it
            attempts.is_done = True
            self._settle_complete(key)

    def _name_key(self, report: pytest.TestReport) -> str:
        """Name a member; under `--dist each` every worker has all of them."""
        if self._config.getoption("dist", "no") != "each":
            return report.nodeid
        node = getattr(report, "node", None)
        return f"{report.nodeid}@{node.gateway.id}" if node is not None else report.nodeid

    def _begin(self, key: str, document: dict[str, Any], report: pytest.TestReport) -> None:
        suffix = key.removeprefix(report.nodeid)
        name = document["group"] + suffix
        node_ids = {platform: f"{node}{suffix}" for platform, node in document["selected"].items()}
        group = self._groups.setdefault(name, _Group(name=name, node_ids=node_ids))
        for platform, node_id in node_ids.items():
            self._group_of[node_id] = name
            if node_id not in group.attempts:
                group.attempts[node_id] = _Attempts(
                    member=Member.from_mapping({**document, "platform": platform})
                    if platform != document["platform"]
                    else None
                )
        attempts = group.attempts[key]
        attempts.attempt += 1
        attempts.is_done = False
        attempts.member = replace(Member.from_mapping(document), attempt=attempts.attempt)

    def _find_attempts(self, key: str) -> _Attempts | None:
        group = self._groups.get(self._group_of.get(key, ""))
        return None if group is None else group.attempts.get(key)
