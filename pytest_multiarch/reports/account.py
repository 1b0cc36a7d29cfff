"""What merged records come to, in lines under titles: the same for a terminal and for Markdown."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_multiarch.core.merging import list_missing, name_runs
from pytest_multiarch.core.parity import VerdictKind
from pytest_multiarch.reports.diagnosis import list_unstable
from pytest_multiarch.reports.diff import clean, cut
from pytest_multiarch.reports.emulation import describe_costs, describe_unlike_twins
from pytest_multiarch.reports.wording import (
    count,
    count_verdicts,
    describe_failure,
    describe_foreign_failure,
    explain_not_compared,
    name_member,
    name_platforms,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_multiarch.core.budgets import JudgedBudget
    from pytest_multiarch.core.member import Member
    from pytest_multiarch.core.merging import Judgement
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.record import Run


@dataclass(frozen=True, slots=True)
class Section:
    """Lines, safe to show, that belong under one title."""

    title: str
    lines: tuple[str, ...]


def name_result(judgement: Judgement) -> str:
    """Give the result in a word or two: the gravest thing that is to be said."""
    if judgement.diverged:
        return "diverged"
    if judgement.failed or judgement.foreign_failures or judgement.wrong_images:
        return "failed"
    if judgement.broken_budgets:
        return "over budget"
    if judgement.uncompared:
        return "not compared"
    return "parity" if judgement.is_complete else "incomplete"


def describe_result(judgement: Judgement) -> str:
    """Say in one line what there is to the result."""
    runs_left = len(judgement.interrupted)
    verb = "was" if runs_left == 1 else "were"
    whose = "its" if len(judgement.incomplete) == 1 else "their"
    failed = len({each.node_id for each in judgement.failed} | set(judgement.foreign_failures))
    wrong = len(judgement.wrong_images)
    counts = (
        (len(judgement.diverged), "group", "diverged"),
        (failed, "test", "failed"),
        (wrong, "image", f"{'is' if wrong == 1 else 'are'} not in order"),
        (len(judgement.broken_budgets), "budget", "did not hold"),
        (len(judgement.uncompared), "group", "could not be compared"),
        (len(judgement.incomplete), "group", f"without all {whose} platforms"),
        (len(judgement.idle), "test", "ran on no platform"),
        (runs_left, "run", f"{verb} interrupted"),
    )
    parts = [f"{count(number, noun)} {what}" for number, noun, what in counts if number]
    if judgement.untested:
        parts.append(f"nothing ran on {name_platforms(judgement.untested)}")
    if not judgement.verdicts:
        parts.append("no test ran")
    return ", ".join(parts) or count_verdicts(judgement.verdicts)


def list_failed(judgement: Judgement) -> Section:
    """List the tests that failed: where, why, and in which run."""
    names = name_runs(judgement.record.runs)
    verdicts = {each.group: each for each in judgement.verdicts}
    by_test: dict[tuple[str, str], list[Member]] = {}
    for each in judgement.failed:
        by_test.setdefault((each.node_id, each.run), []).append(each)
    lines = [
        f"{clean(node_id)} {describe_failure(members[0], verdicts.get(members[0].group))}"
        f"{_name_others(members)} (run: {clean(names.get(run, run))})"
        for (node_id, run), members in by_test.items()
    ]
    lines += [
        f"{clean(node_id)} {describe_foreign_failure(each)} "
        f"(not on platforms; run: {clean(names[each.run.id])})"
        for node_id, each in judgement.foreign_failures.items()
    ]
    return Section("failed", tuple(lines))


def _name_others(members: list[Member]) -> str:
    """A test with all its variants fails once, for all its platforms."""
    others = [each.platform for each in members[1:]]
    return f", and so on {name_platforms(others)}" if others else ""


def list_broken_budgets(judgement: Judgement) -> Section:
    """List the budgets that are failures."""
    return Section("over budget", tuple(map(describe_budget, judgement.broken_budgets)))


def describe_budget(judged: JudgedBudget, *, with_group: bool = True) -> str:
    """Say in one line what became of a budget."""
    where = f"{clean(judged.member.group)}: " if with_group else ""
    label = f"{cut(clean(judged.label), 120)} on " if judged.label else ""
    return f"{where}{label}{clean(name_member(judged.member))}: {judged.verdict.reason}"


def list_not_compared(judgement: Judgement) -> Section:
    """List the groups that were not compared at all, and why."""
    left = [each for each in judgement.verdicts if each.kind is VerdictKind.NOT_COMPARED]
    lines = [f"{clean(each.group)}: {explain_not_compared(each)}" for each in left]
    return Section("not compared", tuple(lines))


def list_quiet(judgement: Judgement) -> Section:
    """List what varies by itself, and the lines that make it quiet."""
    lines = (f"{group}: {text}" for group, text in list_unstable(judgement.verdicts))
    return Section("unstable, so no difference", tuple(lines))


def list_gaps(judgement: Judgement) -> Iterator[Section]:
    """List what keeps the whole from being complete."""
    tests = Counter(platform for each in judgement.verdicts for platform in each.declared)
    tests.update(platform for each in judgement.idle for platform in each.declared)
    yield Section(
        "declared, and no job ran anything on it",
        tuple(f"{each} ({count(tests[each], 'group')})" for each in judgement.untested),
    )
    yield Section(
        "groups without all their platforms",
        tuple(
            f"{clean(each.group)}: no job ran {name_platforms(list_missing(each))}"
            for each in judgement.incomplete
        ),
    )
    yield Section(
        "ran on no platform",
        tuple(
            f"{clean(each.group)}: declared for {name_platforms(each.declared)}"
            for each in judgement.idle
        ),
    )
    names = name_runs(judgement.record.runs)
    yield Section(
        "did not come to their end",
        tuple(
            f"{clean(names[each.id])}: {'interrupted' if each.ended else 'killed, or still going'}"
            for each in judgement.interrupted
        ),
    )


def list_runs(judgement: Judgement) -> Section:
    """List the runs: where each was, and what of it counts."""
    names = name_runs(judgement.record.runs)
    ways: dict[str, Counter[str]] = {}
    for member in judgement.record.members:
        way = f"{member.platform} {clean(str(member.execution or 'without an image'))}"
        ways.setdefault(member.run, Counter())[way] += 1
    lines = [
        "; ".join(
            (
                f"{clean(names[run.id])}: {_describe_ways(ways.get(run.id, Counter()))}",
                *describe_machine(run),
            )
        )
        for run in judgement.record.runs
    ]
    return Section("runs", tuple(lines))


def _describe_ways(ways: Counter[str]) -> str:
    return ", ".join(f"{count(n, 'test')} on {way}" for way, n in ways.items()) or "no tests"


def describe_machine(run: Run) -> Iterator[str]:
    """Say on what machine a run was, and with which engines."""
    machine = run.machine
    words = [machine.get(name, "") for name in ("system", "architecture", "cpu")]
    cpus = machine.get("cpus", "")
    words += [f"{cpus} CPU{'s' if cpus != '1' else ''}"] if cpus else []
    if any(words):
        yield cut(clean(", ".join(filter(None, words))), 300)
    for name, node in run.nodes.items():
        facts = " ".join(filter(None, (node.get("product"), node.get("version"))))
        kernel = f"kernel {node['kernel']}" if node.get("kernel") else ""
        told = ", ".join(filter(None, (facts, node.get("platform"), kernel)))
        yield cut(clean(f"node {name} ({told})" if told else f"node {name}"), 300)


def list_emulation(judgement: Judgement) -> Iterator[Section]:
    """List what tests that ran both ways say of emulation."""
    yield Section("cost of emulation", tuple(describe_costs(judgement)))
    yield Section("not the same native and emulated", tuple(describe_unlike_twins(judgement)))


def list_present(sections: Iterable[Section]) -> tuple[Section, ...]:
    """Leave out the sections without lines."""
    return tuple(each for each in sections if each.lines)


def list_platforms(judgement: Judgement) -> tuple[tuple[Platform, str, int, int], ...]:
    """Give of each platform how it was executed, on how many tests, and how many failed."""
    declared = dict.fromkeys(p for each in judgement.verdicts for p in each.declared)
    platforms = dict.fromkeys((*declared, *judgement.untested))
    ways: dict[Platform, dict[str, None]] = {each: {} for each in platforms}
    tests: Counter[Platform] = Counter()
    failed: Counter[Platform] = Counter()
    for member in judgement.members:
        tests[member.platform] += 1
        failed[member.platform] += member.has_failed
        if member.execution is not None:
            ways.setdefault(member.platform, {})[clean(str(member.execution))] = None
    return tuple(
        (each, ", ".join(ways[each]) or "nothing ran", tests[each], failed[each]) for each in ways
    )
