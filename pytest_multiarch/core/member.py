"""Members: one test on one platform, with what it observed and how it ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from pytest_multiarch.core.execution import Execution
from pytest_multiarch.core.observation import Observation
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.rules import ParityRules


class Outcome(Enum):
    """How a member ended; the values are pytest's words."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"
    XFAILED = "xfailed"
    XPASSED = "xpassed"
    CRASHED = "crashed"
    NOT_RUN = "not-run"

    @property
    def is_comparable(self) -> bool:
        """Whether the test's body ran to its end, so that what it observed is complete."""
        return self in (Outcome.PASSED, Outcome.XPASSED)

    @property
    def is_failure(self) -> bool:
        return self in (Outcome.FAILED, Outcome.ERROR, Outcome.CRASHED)


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantIdentity:
    """Which image a member ran."""

    reference: str
    kind: str
    digest: str
    config_digest: str
    pin: str

    def to_mapping(self) -> dict[str, str]:
        """Give the JSON form."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One test on one platform: one attempt of it, in one run.

    `declared` are the platforms that the test names, in its order; `selected` those of them that
    were to run. `inside_s` is the time its calls took inside their containers, in seconds.
    """

    group: str
    platform: Platform
    node_id: str
    run: str = ""
    worker: str = ""
    node: str = ""
    attempt: int = 1
    declared: tuple[Platform, ...]
    selected: tuple[Platform, ...]
    baseline: Platform | None = None
    outcome: Outcome = Outcome.NOT_RUN
    reason: str = ""
    execution: Execution | None = None
    variant: VariantIdentity | None = None
    rules: ParityRules
    observations: tuple[Observation, ...] = ()
    started_at_s: float = 0.0
    duration_s: float = 0.0
    inside_s: float = 0.0

    def to_mapping(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {
            "group": self.group,
            "platform": str(self.platform),
            "node_id": self.node_id,
            "run": self.run,
            "worker": self.worker,
            "node": self.node,
            "attempt": self.attempt,
            "declared": [str(each) for each in self.declared],
            "selected": [str(each) for each in self.selected],
            "baseline": str(self.baseline) if self.baseline else None,
            "outcome": self.outcome.value,
            "reason": self.reason,
            "execution": self.execution.to_mapping() if self.execution else None,
            "variant": self.variant.to_mapping() if self.variant else None,
            "rules": self.rules.to_mapping(),
            "observations": [each.to_mapping() for each in self.observations],
            "started_at_s": self.started_at_s,
            "duration_s": self.duration_s,
            "inside_s": self.inside_s,
        }

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any]) -> Member:
        """Read what `to_mapping` gave."""
        fields = dict(document)
        fields["platform"] = Platform.parse(fields["platform"])
        fields["declared"] = tuple(map(Platform.parse, fields["declared"]))
        fields["selected"] = tuple(map(Platform.parse, fields["selected"]))
        baseline = fields.get("baseline")
        fields["baseline"] = Platform.parse(baseline) if baseline else None
        fields["outcome"] = Outcome(fields.get("outcome", "not-run"))
        execution, variant = fields.get("execution"), fields.get("variant")
        fields["execution"] = Execution.from_mapping(execution) if execution else None
        fields["variant"] = VariantIdentity(**variant) if variant else None
        fields["rules"] = ParityRules.from_mapping(fields.get("rules") or {})
        observations = fields.get("observations") or ()
        fields["observations"] = tuple(map(Observation.from_mapping, observations))
        return cls(**fields)


def resolve_duplicates(members: Iterable[Member]) -> tuple[Member, ...]:
    """Keep one member of each platform: the last attempt, then the latest start, then run id.

    The order in which members are given says nothing.
    """
    best: dict[Platform, Member] = {}
    for member in members:
        known = best.get(member.platform)
        if known is None or _rank(member) > _rank(known):
            best[member.platform] = member
    return tuple(best.values())


def _rank(member: Member) -> tuple[object, ...]:
    return member.attempt, member.started_at_s, member.run, member.worker, member.outcome.value
