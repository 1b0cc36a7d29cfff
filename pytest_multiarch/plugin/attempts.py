"""Groups under way, as reports tell of them: what each member is, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from pytest_multiarch.core.member import Member
from pytest_multiarch.plugin.reports import (
    is_crash,
    is_intermediate,
    is_subtest,
    name_outcome,
    read_reason,
)


@dataclass(slots=True)
class Attempts:
    """One member: what it is, what it observed, how it ended."""

    document: dict[str, Any]
    count: int = 0
    outcome: str = "not-run"
    reason: str = ""
    duration_s: float = 0.0
    is_retried: bool = False
    is_done: bool = False

    def begin(self, document: dict[str, Any]) -> None:
        """Start over: of several attempts the last one counts."""
        self.document = {"node_id": self.document["node_id"], **document}
        self.count += 1
        self.outcome, self.reason, self.duration_s = "not-run", "", 0.0
        self.is_retried = self.is_done = False

    def take_in(self, report: pytest.TestReport) -> None:
        """Note what a report says of the outcome."""
        if is_subtest(report):
            return
        self.duration_s += report.duration
        self.is_retried |= is_intermediate(report)
        if report.when == "setup" and not report.passed:
            self.outcome = "skipped" if report.skipped else "error"
            if hasattr(report, "wasxfail") and report.skipped:
                self.outcome = "xfailed"
        elif report.when == "call":
            self.outcome = name_outcome(report)
        elif is_crash(report):
            self.outcome = "crashed"
        else:
            return
        self.reason = "" if self.outcome == "passed" else read_reason(report)

    def finish(self) -> None:
        """Note the end of an attempt; after one that is to be retried, another follows."""
        self.is_done = not self.is_retried

    def to_member(self, group: str) -> Member:
        """Give the member as it stands."""
        return Member.from_mapping(
            {
                **self.document,
                "group": group,
                "selected": list(self.document["selected"]),
                "attempt": max(self.count, 1),
                "outcome": self.outcome,
                "reason": self.reason,
                "duration_s": self.duration_s,
            }
        )


def name_open_group(document: dict[str, Any], suffix: str) -> str:
    """Name a group: the worker, if there is a suffix, is shown as one more parameter."""
    name, worker = str(document["group"]), suffix.removeprefix("@")
    if not worker:
        return name
    return f"{name[:-1]}-{worker}]" if name.endswith("]") else f"{name}[{worker}]"


@dataclass(slots=True)
class OpenGroup:
    """A group that is not settled yet: its members by the ids of their tests.

    `suffix` tells workers apart where each of them runs all tests (`--dist each`); it is part of
    the ids here.
    """

    name: str
    suffix: str = ""
    attempts: dict[str, Attempts] = field(default_factory=dict)

    @classmethod
    def open(cls, document: dict[str, Any], suffix: str) -> OpenGroup:
        """Make a group from what any member says of it.

        Of the others that is all that is known until they say more: they may never come to it.
        """
        group = cls(name=name_open_group(document, suffix), suffix=suffix)
        for platform, node_id in document["selected"].items():
            known = {**document, "platform": platform, "node_id": node_id}
            group.attempts[f"{node_id}{suffix}"] = Attempts(known)
        return group

    @property
    def is_complete(self) -> bool:
        return all(each.is_done for each in self.attempts.values())

    def list_members(self) -> tuple[Member, ...]:
        """Give all members as they stand."""
        return tuple(each.to_member(self.name) for each in self.attempts.values())
