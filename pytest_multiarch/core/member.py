"""Members: one test on one platform, with what it observed and how it ended."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.budget import Budget
from pytest_multiarch.core.cost import PlatformCost
from pytest_multiarch.core.execution import Execution, ExecutionKind
from pytest_multiarch.core.observation import Observation
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.repeats import Repeats
from pytest_multiarch.core.rules import ParityRules
from pytest_multiarch.core.written import WrittenObservations

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_ENCODE = json.JSONEncoder(separators=(",", ":")).encode
_parse_platform = lru_cache(maxsize=1024)(Platform.parse)


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

    @property
    def has_run(self) -> bool:
        """Whether anything of the test was tried."""
        return self not in (Outcome.SKIPPED, Outcome.NOT_RUN)


class Refusal(Enum):
    """Of what error a member ended that says all there is to say of why.

    `IMAGE`: its image, or a program of it, was refused for what it is. `OTHER`: the image was not
    built or cannot be had, the platform is unavailable, the engine refuses or is gone.
    """

    IMAGE = "image"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantIdentity:
    """Which image a member ran.

    `index` is the digest of the index that it was found by, empty where there was none; `size` is
    in bytes, compressed, as a registry has it, 0 where nobody told; then `unpacked_size` may be
    known, in bytes too.
    """

    reference: str
    kind: str
    digest: str
    config_digest: str
    pin: str
    index: str = ""
    size: int = 0
    unpacked_size: int = 0

    def to_mapping(self) -> dict[str, Any]:
        """Give the JSON form."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One test on one platform: one attempt of it, in one run.

    `declared` are the platforms that the test names, in its order; `selected` those of them that
    were to run. `reason` says why it failed or was skipped, `teardown_error` why its teardown
    failed, which leaves the outcome as it is; both can have many lines. `line` is where the test
    stands in its file, 0 if that is not known. `inside_s` is the time its calls took inside their
    containers, in seconds; `started_at_s` is in seconds since 1970. `budget` is what its
    `overhead` mark declares for its own time, `overhead` is what it measured of its platform.
    `repeats` is what its calls did when they were made again, by label and number as it counts them
    itself: all calls of one kind and label.
    `faults` are names of `core.emulator_faults`, of which it showed the signs,
    `retried` those for which a call was made once more, one name for each.
    `refusal` is there if its error says all there is to say.
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
    teardown_error: str = ""
    execution: Execution | None = None
    variant: VariantIdentity | None = None
    rules: ParityRules = field(default_factory=ParityRules)
    observations: Sequence[Observation] = ()
    line: int = 0
    started_at_s: float = 0.0
    duration_s: float = 0.0
    inside_s: float = 0.0
    budget: Budget | None = None
    overhead: tuple[PlatformCost, ...] = ()
    repeats: tuple[Repeats, ...] = ()
    faults: tuple[str, ...] = ()
    retried: tuple[str, ...] = ()
    refusal: Refusal | None = None

    @property
    def has_failed(self) -> bool:
        """Whether the test, or its teardown, failed."""
        return self.outcome.is_failure or bool(self.teardown_error)

    @property
    def is_emulated(self) -> bool:
        return self.execution is not None and self.execution.is_emulated

    @property
    def is_native(self) -> bool:
        return self.execution is not None and self.execution.kind is ExecutionKind.NATIVE

    @property
    def fingerprint(self) -> str | None:
        """What is equal for members that observed the same; None says nothing."""
        seen = self.observations
        return seen.fingerprint if isinstance(seen, WrittenObservations) else None

    @property
    def emulator_lines(self) -> int:
        """How many lines of the emulator's own were left out of its outputs."""
        if isinstance(self.observations, WrittenObservations):
            return self.observations.emulator_lines
        return sum(stream.emulator_lines for each in self.observations for stream in each.streams)

    def read_observations(self) -> Member:
        """Give the member with its observations read."""
        return replace(self, observations=tuple(self.observations))

    def forget_observations(self) -> Member:
        """Give what a summary says of the member: outputs can be large, and members many."""
        seen = self.observations
        written = seen if isinstance(seen, WrittenObservations) else WrittenObservations.write(seen)
        return replace(self, observations=written.forget(), repeats=())

    def to_json(self) -> str:
        """Give the JSON form as a line of text."""
        seen = self.observations
        written = seen if isinstance(seen, WrittenObservations) else WrittenObservations.write(seen)
        return f'{_ENCODE(self._describe())[:-1]},"observations":{written.text}}}'

    def to_mapping(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {
            **self._describe(),
            "observations": [each.to_mapping() for each in self.observations],
        }

    def _describe(self) -> dict[str, Any]:
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
            "teardown_error": self.teardown_error,
            "execution": self.execution.to_mapping() if self.execution else None,
            "variant": self.variant.to_mapping() if self.variant else None,
            "rules": self.rules.to_mapping(),
            "line": self.line,
            "started_at_s": self.started_at_s,
            "duration_s": self.duration_s,
            "inside_s": self.inside_s,
            **({"budget": self.budget.to_mapping()} if self.budget else {}),
            **(
                {"overhead": [each.to_mapping() for each in self.overhead]} if self.overhead else {}
            ),
            **({"repeats": [each.to_mapping() for each in self.repeats]} if self.repeats else {}),
            **({"faults": list(self.faults)} if self.faults else {}),
            **({"retried": list(self.retried)} if self.retried else {}),
            **({"refusal": self.refusal.value} if self.refusal else {}),
        }

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any]) -> Member:
        """Read what `to_mapping` gave; what is left out is at its default.

        `observations` may also be given as they are kept.
        """
        fields = dict(document)
        fields["platform"] = _parse_platform(fields["platform"])
        fields["declared"] = tuple(map(_parse_platform, fields["declared"]))
        fields["selected"] = tuple(map(_parse_platform, fields["selected"]))
        baseline = fields.get("baseline")
        fields["baseline"] = _parse_platform(baseline) if baseline else None
        fields["outcome"] = Outcome(fields.get("outcome", "not-run"))
        execution, variant = fields.get("execution"), fields.get("variant")
        fields["execution"] = Execution.from_mapping(execution) if execution else None
        fields["variant"] = VariantIdentity(**variant) if variant else None
        fields["rules"] = ParityRules.from_mapping(fields.get("rules") or {})
        budget = fields.get("budget")
        fields["budget"] = Budget.from_mapping(budget) if budget else None
        fields["overhead"] = tuple(map(PlatformCost.from_mapping, fields.get("overhead", ())))
        fields["repeats"] = tuple(map(Repeats.from_mapping, fields.get("repeats", ())))
        fields["faults"] = tuple(map(str, fields.get("faults", ())))
        fields["retried"] = tuple(map(str, fields.get("retried", ())))
        refusal = fields.get("refusal")
        fields["refusal"] = Refusal(refusal) if refusal else None
        seen = fields.get("observations") or ()
        if not isinstance(seen, WrittenObservations):
            fields["observations"] = tuple(map(Observation.from_mapping, seen))
        return cls(**fields)


def resolve_duplicates(members: Iterable[Member]) -> tuple[Member, ...]:
    """Keep of each group and platform the last member that ran emulated, and the last other one.

    What did not run counts only where nothing did; then the later start counts, the later attempt,
    the greater run id. The order in which members are given says nothing, and keeping what was kept
    changes nothing: so merging is commutative, associative and idempotent.
    """
    best: dict[tuple[str, Platform, bool], Member] = {}
    for member in members:
        key = member.group, member.platform, member.is_emulated
        if key not in best or _comes_after(member, best[key]):
            best[key] = member
    ran = {key[:2] for key, member in best.items() if member.outcome.has_run}
    return tuple(
        best[key] for key in sorted(best) if best[key].outcome.has_run or key[:2] not in ran
    )


def choose_members(members: Iterable[Member]) -> tuple[Member, ...]:
    """Choose one member for each platform of a group, its duplicates resolved.

    Where a platform ran natively, that is the truth about the image.
    """
    chosen: dict[Platform, Member] = {}
    for member in members:
        other = chosen.get(member.platform)
        if other is None or _rank(member) > _rank(other):
            chosen[member.platform] = member
    return tuple(chosen.values())


def _rank(member: Member) -> tuple[bool, bool]:
    return member.outcome.has_run, not member.is_emulated


def _comes_after(one: Member, other: Member) -> bool:
    ours, theirs = (
        (m.outcome.has_run, m.started_at_s, m.attempt, m.run, m.worker, m.node, len(m.repeats))
        for m in (one, other)
    )
    return ours > theirs if ours != theirs else one.to_json() > other.to_json()
