"""Records: everything that runs learned, in a form that another machine can judge."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.budgets import judge_budgets
from pytest_multiarch.core.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_multiarch.core.budgets import JudgedBudget
    from pytest_multiarch.core.member import Member
    from pytest_multiarch.core.parity import Difference, Verdict

FORMAT = "pytest-multiarch record"
VERSION = 1
"""Grows when a reader of the old form would misunderstand the new one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One pytest session: where and on what it ran, and whether it came to its end.

    `ended` is `complete`, `interrupted` (Ctrl-C, `-x`, an internal error), or empty where the
    process was killed before it could say so. `tests` is how many members it recorded. `machine`,
    `job` and `versions` are for people. `commit` is that of the repository, `root`
    the folder in it that ids start at (`app/`, empty for its own). `sources` maps the
    files of tests to digests of their text; `images` references to the digest and the entries of
    the index (platform to digest) that was found; `nodes` addresses to what engines say of
    themselves. `inspected` is what was learned of images without running them (`core.inspected`),
    by reference. `builds` are what the run built, by name and node (`core.build`).
    `failures` are those of tests that are no members, by id: why, whether it was an
    `error` or `failed`, and in which `line` of its file the test stands, 0 if that is not known.
    """

    id: str
    started_at_s: float = 0.0
    ended_at_s: float = 0.0
    ended: str = ""
    exit_status: int | None = None
    tests: int = 0
    commit: str = ""
    root: str = ""
    machine: Mapping[str, str] = field(default_factory=dict)
    job: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    nodes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    inspected: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    builds: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    failures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What a person knows the run by: its job if there is one, and its machine."""
        job, host = self.job.get("name", ""), self.machine.get("host", "")
        return f"{job} on {host}" if job and host else job or host or self.id[:12]

    @property
    def is_complete(self) -> bool:
        return self.ended == "complete"

    def to_mapping(self) -> dict[str, Any]:
        """Give the JSON form."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any]) -> Run:
        """Read what `to_mapping` gave; what is left out is at its default."""
        return cls(**{name: document[name] for name in cls.__slots__ if name in document})


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class IdleGroup:
    """A group that a run collected and ran on no platform: none was selected, or it stopped."""

    group: str
    run: str
    declared: tuple[Platform, ...]
    selected: tuple[Platform, ...] = ()

    def to_mapping(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {
            "group": self.group,
            "run": self.run,
            "declared": [str(each) for each in self.declared],
            "selected": [str(each) for each in self.selected],
        }

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any]) -> IdleGroup:
        """Read what `to_mapping` gave."""
        return cls(
            group=document["group"],
            run=document["run"],
            declared=tuple(map(Platform.parse, document["declared"])),
            selected=tuple(map(Platform.parse, document.get("selected", ()))),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What one or several runs learned. Verdicts are no part of it: they are computed from it."""

    runs: tuple[Run, ...] = ()
    members: tuple[Member, ...] = ()
    idle: tuple[IdleGroup, ...] = ()

    def find_run(self, run_id: str) -> Run:
        """Give a run; one of which nothing is known where there is none of the id."""
        return next((each for each in self.runs if each.id == run_id), Run(id=run_id))

    def list_groups(self) -> dict[str, list[Member]]:
        """Give the members by group."""
        groups: dict[str, list[Member]] = {}
        for member in self.members:
            groups.setdefault(member.group, []).append(member)
        return groups


def describe_verdict(verdict: Verdict) -> dict[str, Any]:
    """Give a verdict's JSON form: for people and their tools, never read back."""
    unstable = [_describe_difference(each) for each in verdict.unstable]
    emulated = [_describe_difference(each) for each in verdict.emulated]
    diagnoses = [each.to_mapping() for each in verdict.diagnoses]
    return {
        "group": verdict.group,
        "verdict": verdict.kind.value,
        "baseline": str(verdict.baseline) if verdict.baseline else None,
        "compared": [str(each.platform) for each in verdict.compared],
        "observations": verdict.pairs,
        "differences": [_describe_difference(each) for each in verdict.differences],
        "allowed": [
            {
                **_describe_difference(each.difference),
                "platforms": [str(each.platform)],
                "reason": each.allowance.reason,
            }
            for each in verdict.allowed
        ],
        "stale": [each.to_mapping() for each in verdict.stale],
        "unstable": [_describe_difference(each) for each in verdict.unstable],
        "emulated": [_describe_difference(each) for each in verdict.emulated],
        "diagnoses": [each.to_mapping() for each in verdict.diagnoses],
        "notes": list(verdict.notes),
        **({"unstable": unstable} if unstable else {}),
        **({"emulated": emulated} if emulated else {}),
        **({"diagnoses": diagnoses} if diagnoses else {}),
    }


def describe_overhead(groups: Iterable[Iterable[Member]]) -> Iterator[dict[str, Any]]:
    """Give the JSON form of what groups measured and of their budgets: never read back either."""
    for members in groups:
        given = tuple(members)
        judged = {
            (each.member.run, each.label, each.platform): each for each in judge_budgets(given)
        }
        for member in given:
            found = [cost.to_mapping() for cost in member.overhead]
            if not found and (member.run, "", member.platform) in judged:
                found = [{"label": "", "what": "the test's own time"}]
            for cost in found:
                where = {"group": member.group, "platform": str(member.platform)}
                verdict = judged.get((member.run, cost["label"], member.platform))
                yield {
                    **where,
                    "run": member.run,
                    **cost,
                    **_sum_up_cost(member, cost["label"]),
                    **(_describe_budget(verdict) if verdict else {}),
                }


def _sum_up_cost(member: Member, label: str) -> dict[str, Any]:
    """Give what follows from the samples, for readers that do not compute."""
    cost = next((each for each in member.overhead if each.label == label), None)
    if cost is None or cost.summary is None:
        return {}
    control = {"control_ratio": cost.control.emulator.value} if cost.control else {}
    return {"median_s": cost.median_s, "spread": cost.spread, **control}


def _describe_budget(judged: JudgedBudget) -> dict[str, Any]:
    return {
        "budget": judged.budget.to_mapping(),
        "verdict": judged.verdict.outcome.value,
        "reason": judged.verdict.reason,
    }


def _describe_difference(difference: Difference) -> dict[str, Any]:
    return {
        "label": difference.label,
        "kind": difference.kind,
        "part": difference.part,
        "number": difference.number,
        "platforms": [str(each) for each in difference.others],
    }


def order_runs(run: Run) -> tuple[object, ...]:
    """Sort key of runs: the greatest of several with one id knows the most of it."""
    return run.is_complete, run.ended_at_s, run.tests, json.dumps(run.to_mapping(), sort_keys=True)
