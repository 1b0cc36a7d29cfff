"""Where all of it ran: the runs with their machines, the nodes, the images."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_multiarch.core.merging import name_runs
from pytest_multiarch.reports.page.text import name_moment, name_seconds, show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.core.execution import Execution
    from pytest_multiarch.core.member import Member
    from pytest_multiarch.core.merging import Judgement
    from pytest_multiarch.core.record import Run

_MOST_RUNS = 100
_MOST_IMAGES = 100
_MOST_FACTS = 60


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and a value."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class RunView:
    """A run: what a person knows it by, and the facts about it."""

    name: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class VariantView:
    """The image of one platform; `digest` is of the `kind` that it says."""

    platform: str
    kind: str
    digest: str


@dataclass(frozen=True, slots=True)
class ImageView:
    """A reference, the digest of its index where it has one, and the variants that ran."""

    reference: str
    index: str
    variants: tuple[VariantView, ...]


@dataclass(frozen=True, slots=True)
class ExecutionView:
    """How a platform was executed, and how that is known."""

    platform: str
    execution: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Environment:
    """Everything about where it ran."""

    runs: tuple[RunView, ...]
    images: tuple[ImageView, ...]
    executions: tuple[ExecutionView, ...]


def view_environment(judgement: Judgement) -> Environment:
    """Collect where it ran."""
    record = judgement.record
    names = name_runs(record.runs)
    tests = Counter(each.run for each in record.members)
    runs = (
        RunView(show(names[each.id]), tuple(_list_facts(each, tests[each.id]))[:_MOST_FACTS])
        for each in record.runs[:_MOST_RUNS]
    )
    return Environment(tuple(runs), _list_images(record.members), _list_executions(record.members))


def _list_facts(run: Run, tests: int) -> Iterator[Fact]:
    """Give what is known of a run, in the order in which one would ask."""
    machine = run.machine
    cpus = f"{machine['cpus']} CPUs" if machine.get("cpus") else ""
    lasted = run.ended_at_s - run.started_at_s
    facts = {
        "tests": f"{tests:,}",
        "started": name_moment(run.started_at_s),
        "took": name_seconds(lasted) if run.started_at_s > 0 and lasted > 0 else "",
        "ended": run.ended or "killed, or still going",
        "job": " ".join(
            filter(None, (run.job.get(name, "") for name in ("service", "name", "id")))
        ),
        "host": machine.get("host", ""),
        "system": machine.get("system", ""),
        "processor": ", ".join(
            filter(None, (machine.get("cpu"), machine.get("architecture"), cpus))
        ),
        "commit": run.commit,
        "folder": run.root,
        **run.versions,
    }
    yield from (Fact(show(name, 60), show(value)) for name, value in facts.items() if value)
    for address, node in run.nodes.items():
        told = ", ".join(f"{name} {value}" for name, value in node.items() if value)
        yield Fact(f"node {show(address, 120)}", show(told) or "nothing is known of it")


def _list_images(members: tuple[Member, ...]) -> tuple[ImageView, ...]:
    found: dict[str, list[VariantView]] = {}
    indexes: dict[str, str] = {}
    for platform, variant in dict.fromkeys((each.platform, each.variant) for each in members):
        if variant is None:
            continue
        view = VariantView(str(platform), show(variant.kind, 20), show(variant.digest, 100))
        found.setdefault(variant.reference, []).append(view)
        indexes[variant.reference] = variant.index or indexes.get(variant.reference, "")
    return tuple(
        ImageView(
            show(reference),
            show(indexes[reference], 100),
            tuple(dict.fromkeys(variants))[:_MOST_FACTS],
        )
        for reference, variants in list(found.items())[:_MOST_IMAGES]
    )


def _list_evidence(execution: Execution, node: str) -> Iterator[str]:
    """Say where it was, what is not as configured, and how it is known."""
    yield from filter(None, (f"on {node}" if node else "", execution.note))
    yield from execution.evidence[:5]


def _list_executions(members: tuple[Member, ...]) -> tuple[ExecutionView, ...]:
    ways = dict.fromkeys((each.platform, each.execution, each.node) for each in members)
    found = (
        ExecutionView(
            str(platform),
            show(str(execution), 80),
            tuple(show(each) for each in _list_evidence(execution, node)),
        )
        for platform, execution, node in ways
        if execution is not None
    )
    return tuple(sorted(found, key=lambda each: (each.platform, each.execution)))[:_MOST_IMAGES]
