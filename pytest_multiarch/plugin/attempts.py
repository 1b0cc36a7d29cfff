"""Groups under way, as reports tell of them: what each member is, and what became of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.budget import Budget
from pytest_multiarch.core.execution import Execution
from pytest_multiarch.core.member import Member, Outcome, Refusal, VariantIdentity
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.repeats import Repeats
from pytest_multiarch.core.rules import ParityRules
from pytest_multiarch.core.written import WrittenObservations
from pytest_multiarch.plugin.reports import (
    is_crash,
    is_intermediate,
    is_subtest,
    name_outcome,
    read_reason,
    read_teardown_error,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from pytest_multiarch.core.observation import Observation


_DEFAULT_RULES = ParityRules()
_OUTCOMES = {each.value: each for each in Outcome}


@lru_cache(maxsize=1024)
def _parse(text: str) -> Platform:
    return Platform.parse(text)


@dataclass(slots=True)
class Attempts:
    """One member: what it is, what it observed, how it ended.

    `own` is what it said of itself before it ran, `results` afterwards. `failure` is the report of
    its failure, if there is one.
    """

    platform: Platform
    node_id: str
    own: dict[str, Any] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    observations: Sequence[Observation] = ()
    count: int = 0
    outcome: Outcome = Outcome.NOT_RUN
    reason: str = ""
    teardown_error: str = ""
    line: int = 0
    duration_s: float = 0.0
    is_retried: bool = False
    is_done: bool = False
    failure: pytest.TestReport | None = None

    def begin(self, own: dict[str, Any]) -> None:
        """Start over: of several attempts the last one counts."""
        self.own, self.results, self.observations = own, {}, ()
        self.count += 1
        self.outcome, self.reason, self.teardown_error = Outcome.NOT_RUN, "", ""
        self.duration_s = 0.0
        self.is_retried = self.is_done = False
        self.failure = None

    def take_results(self, text: str) -> None:
        """Note what the test says of itself once it ran."""
        results, _, observations = text.partition("\n")
        self.results = json.loads(results)
        self.observations = WrittenObservations(observations) if observations else ()

    def take_in(self, report: pytest.TestReport) -> None:
        """Note what a report says of the outcome."""
        self.duration_s += report.duration
        if report.failed and report.when != "teardown":
            self.failure = report
        if is_intermediate(report):
            self.is_retried = True
        if report.when == "setup":
            self.line = (report.location[1] or 0) + 1
            if report.passed:
                return
            self.outcome = _OUTCOMES[name_outcome(report)]
        elif report.when == "call":
            if is_subtest(report):
                return
            self.outcome = _OUTCOMES[name_outcome(report)]
        elif is_crash(report):
            self.outcome = Outcome.CRASHED
        else:
            self.teardown_error = read_teardown_error(report)
            return
        self.reason = "" if self.outcome is Outcome.PASSED else read_reason(report)

    def finish(self) -> None:
        """Note the end of an attempt; after one that is to be retried, another follows."""
        self.is_done = not self.is_retried

    def to_member(self, group: OpenGroup) -> Member:
        """Give the member as it stands."""
        execution, variant = self.results.get("execution"), self.results.get("variant")
        refusal = self.results.get("refusal")
        rules, budget = self.own.get("rules"), self.own.get("budget")
        return Member(
            group=group.name,
            platform=self.platform,
            node_id=self.node_id,
            run=group.run,
            worker=self.own.get("worker", ""),
            node=self.results.get("node", ""),
            attempt=max(self.count, 1),
            declared=group.declared,
            selected=group.selected,
            baseline=group.baseline,
            outcome=self.outcome,
            reason=self.reason,
            teardown_error=self.teardown_error,
            execution=Execution.from_mapping(execution) if execution else None,
            variant=VariantIdentity(**variant) if variant else None,
            rules=ParityRules.from_mapping(rules) if rules else _DEFAULT_RULES,
            observations=self.observations,
            line=self.line,
            started_at_s=self.own.get("started_at_s", 0.0),
            duration_s=self.duration_s,
            inside_s=self.results.get("inside_s", 0.0),
            budget=Budget.from_mapping(budget) if budget else None,
            repeats=tuple(map(Repeats.from_mapping, self.results.get("repeats", ()))),
            faults=tuple(self.results.get("faults", ())),
            retried=tuple(self.results.get("retried", ())),
            refusal=Refusal(refusal) if refusal else None,
        )


def _name_group(group: dict[str, Any], suffix: str) -> str:
    """Name a group: the worker, if there is a suffix, is shown as one more parameter."""
    name, worker = str(group["group"]), suffix.removeprefix("@")
    if not worker:
        return name
    return f"{name[:-1]}-{worker}]" if name.endswith("]") else f"{name}[{worker}]"


@dataclass(slots=True, kw_only=True)
class OpenGroup:
    """A group that is not settled yet: its members by the ids of their tests.

    `ticket` is what all reports of its members begin with.
    """

    name: str
    ticket: str
    run: str
    declared: tuple[Platform, ...]
    selected: tuple[Platform, ...]
    baseline: Platform | None
    attempts: dict[str, Attempts]

    @classmethod
    def open(cls, document: dict[str, Any], suffix: str, *, ticket: str) -> OpenGroup:
        """Make a group from what any member says of it.

        Of the others that is all that is known until they say more: they may never come to it.
        `suffix` tells workers apart where each of them runs all tests (`--dist each`); it is part
        of the keys of the attempts.
        """
        node_ids = {_parse(name): node_id for name, node_id in document["selected"].items()}
        baseline = document["baseline"]
        return cls(
            name=_name_group(document, suffix),
            ticket=ticket,
            run=document["run"],
            declared=tuple(map(_parse, document["declared"])),
            selected=tuple(node_ids),
            baseline=_parse(baseline) if baseline else None,
            attempts={
                f"{node_id}{suffix}": Attempts(platform, node_id)
                for platform, node_id in node_ids.items()
            },
        )

    @property
    def is_complete(self) -> bool:
        return all(each.is_done for each in self.attempts.values())

    def list_members(self) -> tuple[Member, ...]:
        """Give all members as they stand."""
        return tuple(each.to_member(self) for each in self.attempts.values())
