"""Members: one test on one platform, with what it observed and how it ended."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.execution import Execution
from pytest_multiarch.core.observation import Observation
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.rules import ParityRules

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


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
    were to run. `inside_s` is the time its calls took inside their containers, in seconds;
    `started_at_s` is in seconds since 1970.
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
    rules: ParityRules = field(default_factory=ParityRules)
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
        """Read what `to_mapping` gave; what is left out is at its default."""
        fields = dict(document)
        texts = (fields["platform"], *fields["declared"], *fields["selected"])
        platforms = {text: Platform.parse(text) for text in dict.fromkeys(texts)}
        fields["platform"] = platforms[fields["platform"]]
        fields["declared"] = tuple(platforms[text] for text in fields["declared"])
        fields["selected"] = tuple(platforms[text] for text in fields["selected"])
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
    """Keep one member of each group and platform: the last attempt, then the latest start, then
    the greatest run id.

    The order in which members are given says nothing, so that merging is commutative.
    """
    best: dict[tuple[str, Platform], Member] = {}
    for member in members:
        key = member.group, member.platform
        if key not in best or _comes_after(member, best[key]):
            best[key] = member
    return tuple(best[key] for key in sorted(best))


def _comes_after(one: Member, other: Member) -> bool:
    ours, theirs = (
        (each.attempt, each.started_at_s, each.run, each.worker, each.node) for each in (one, other)
    )
    if ours != theirs or one == other:
        return ours > theirs
    return _write(one) > _write(other)


def _write(member: Member) -> str:
    return json.dumps(member.to_mapping(), sort_keys=True)
