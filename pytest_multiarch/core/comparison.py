"""Comparing one member with the baseline: label by label, call by call, part by part."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_multiarch.core.names import mask_own_names
from pytest_multiarch.core.observation import Observation, find_differing_parts
from pytest_multiarch.core.rules import CALL_PARTS, PARTS, Allowance

if TYPE_CHECKING:
    from pytest_multiarch.core.member import Member
    from pytest_multiarch.core.platform import Platform


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A difference between two members; `order` is that of the baseline's calls."""

    order: tuple[int, int, int]
    label: str
    kind: str
    part: str
    number: int
    ours: Observation | None
    theirs: Observation | None
    counts: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls of one label that two members made; at least one of them made some."""

    position: int
    ours: list[Observation]
    theirs: list[Observation]

    @property
    def first(self) -> Observation:
        return (self.ours or self.theirs)[0]

    def find(self, number: int, part: str) -> Finding:
        """Note a difference in the call of this number."""
        return Finding(
            order=(self.position, number, PARTS.index(part)),
            label=self.first.label,
            kind=self.first.kind,
            part=part,
            number=number,
            ours=self.ours[number - 1] if number <= len(self.ours) else None,
            theirs=self.theirs[number - 1] if number <= len(self.theirs) else None,
            counts=(len(self.ours), len(self.theirs)),
        )


CallKey = tuple[str, str]
"""The kind and the label of observations that are each other's counterparts."""


@dataclass(slots=True)
class Comparison:
    """The comparison of one member with the baseline.

    `labels` are of what was compared, `pairs` how many pairs of observations that were.
    """

    baseline: Member
    other: Member
    pairs: int = 0
    labels: dict[str, None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def parts(self) -> tuple[str, ...]:
        ours, theirs = self.baseline.rules, self.other.rules
        if ours.is_off or theirs.is_off:
            return ()
        return tuple(each for each in CALL_PARTS if each in ours.parts and each in theirs.parts)

    @property
    def allowances(self) -> tuple[Allowance, ...]:
        return tuple(dict.fromkeys((*self.baseline.rules.allowances, *self.other.rules.allowances)))

    def run(self) -> None:
        """Compare label by label, each in the order of its own calls."""
        if self.baseline.rules.is_off or self.other.rules.is_off:
            return
        if self._is_equal_at_sight():
            self.pairs = len(self.baseline.observations)
            return
        self.baseline = self.baseline.read_observations()
        self.other = self.other.read_observations()
        shared = {_name(each) for each in self.baseline.observations} & {
            _name(each) for each in self.other.observations
        }
        ours, theirs = _sort(self.baseline, shared), _sort(self.other, shared)
        for position, key in enumerate(dict.fromkeys((*ours, *theirs))):
            one, two = ours.get(key, []), theirs.get(key, [])
            if len(one) != len(two):
                one = _collapse(one, self.baseline.platform)
                two = _collapse(two, self.other.platform)
            self._compare_label(Calls(position, one, two))

    def _is_equal_at_sight(self) -> bool:
        """Whether nothing has to be looked at: all is the same, and no allowance wants to know."""
        fingerprint = self.baseline.fingerprint
        return (
            fingerprint is not None
            and fingerprint == self.other.fingerprint
            and not self.allowances
        )

    def _compare_label(self, calls: Calls) -> None:
        self.labels[calls.first.label] = None
        for number, (one, two) in enumerate(zip(calls.ours, calls.theirs, strict=False), start=1):
            why = self._tell_history(one, two)
            if why:
                self.notes.append(f"{calls.first.label}: {why}")
                return  # whatever follows in these containers rests on other calls too
            self.pairs += 1
            for part in find_differing_parts(
                one, two, self.baseline.platform, self.other.platform, parts=self.parts
            ):
                self.findings.append(calls.find(number, part))
        is_compared = bool(self.parts) or calls.first.kind == "check"
        if len(calls.ours) != len(calls.theirs) and is_compared:
            number = min(len(calls.ours), len(calls.theirs)) + 1
            self.findings.append(calls.find(number, "calls"))

    def _tell_history(self, ours: Observation, theirs: Observation) -> str:
        if self.baseline.rules.stateless and self.other.rules.stateless:
            return ""
        if ours.history is None or theirs.history is None:
            return "it is not known what the shared containers had been asked before"
        if ours.history != theirs.history:
            return (
                "the shared containers had been asked different things before "
                "(stateless=True in the parity mark compares all the same)"
            )
        return ""


def _name(observation: Observation) -> CallKey:
    return observation.kind, observation.label


def _sort(member: Member, shared: set[CallKey]) -> dict[CallKey, list[Observation]]:
    """Give a member's observations by label.

    A label that both sides have is its own counterpart; else the member's own names in it are
    masked, since tests pass them as arguments.
    """
    by_label: dict[CallKey, list[Observation]] = {}
    for observation in member.observations:
        key = _name(observation)
        if key not in shared:
            key = observation.kind, mask_own_names(observation.label, member.platform)
        by_label.setdefault(key, []).append(observation)
    return by_label


def _collapse(observations: list[Observation], platform: Platform) -> list[Observation]:
    """Take identical calls in a row for one.

    A loop that polls makes as many calls as it takes, which says nothing. Where both sides made
    equally many there is nothing to collapse: calls with different input look alike here.
    """
    kept: list[Observation] = []
    for observation in observations:
        if not kept or not _is_repeat(kept[-1], observation, platform):
            kept.append(observation)
    return kept


def _is_repeat(one: Observation, other: Observation, platform: Platform) -> bool:
    parts = find_differing_parts(one, other, platform, platform, parts=CALL_PARTS)
    return one.command == other.command and not parts
