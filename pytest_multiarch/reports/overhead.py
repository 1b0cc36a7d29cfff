"""What was measured, whether it is within budget, and what could not be decided."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_multiarch.core.budgets import judge_budgets
from pytest_multiarch.core.cost_table import tabulate_costs
from pytest_multiarch.core.execution import ExecutionKind
from pytest_multiarch.reports.account import Section, describe_budget, list_present
from pytest_multiarch.reports.diff import clean, cut
from pytest_multiarch.reports.summary import UNBOUNDED, Layout
from pytest_multiarch.reports.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_multiarch.core.budgets import JudgedBudget
    from pytest_multiarch.core.cost import PlatformCost
    from pytest_multiarch.core.member import Member
    from pytest_multiarch.core.parity import Verdict
    from pytest_multiarch.core.platform import Platform

_MOST_MEASURED = 20
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def list_overhead(
    members: Iterable[Member], budgets: Iterable[JudgedBudget], *, layout: Layout = UNBOUNDED
) -> Iterator[Section]:
    """Give the table of what was measured, and the budgets that could not be decided."""
    measured = list(group_costs(members).items())
    native = _find_native(measured)
    shown = measured if layout.verbosity > 0 else measured[:_MOST_MEASURED]
    lines: list[str] = []
    for (group, label, _), costs in shown:
        lines += _render_measurement(group, costs, native.get((group, label), {}), layout)
    if len(measured) > len(shown):
        lines.append(f"... and {len(measured) - len(shown)} more")
    for note in list_cost_notes([costs for _, costs in measured]):
        lines += layout.fit("", note)
    if not layout.is_brief:
        yield Section("overhead", tuple(lines))
    still_open = [line for each in budgets if each.is_open for line in _explain_open(each, layout)]
    yield Section("budgets not decided", tuple(still_open))


def list_costs(verdicts: Iterable[Verdict], *, layout: Layout = UNBOUNDED) -> tuple[Section, ...]:
    """Give the sections of the groups of one session, those without lines left out."""
    members = _find_measured(verdicts)
    judged = (one for several in members for one in judge_budgets(several))
    everyone = (one for several in members for one in several)
    return list_present(list_overhead(everyone, judged, layout=layout))


def list_exceeded(verdicts: Iterable[Verdict], *, layout: Layout = UNBOUNDED) -> Section:
    """List the budgets that the groups of one session exceeded."""
    judged = (one for several in _find_measured(verdicts) for one in judge_budgets(several))
    exceeded = (describe_budget(each) for each in judged if each.is_exceeded)
    return Section("over budget", tuple(line for text in exceeded for line in layout.fit("", text)))


def _find_measured(verdicts: Iterable[Verdict]) -> list[tuple[Member, ...]]:
    """Give the members of the groups that have budgets, or measured something."""
    return [each.members for each in verdicts if any(m.budget or m.overhead for m in each.members)]


def group_costs(
    members: Iterable[Member],
) -> dict[tuple[str, str, str], list[PlatformCost]]:
    """Give what was measured by group, label and run, the platforms in the order of the test."""
    found: dict[tuple[str, str, str], list[PlatformCost]] = {}
    for member in sorted(members, key=_place_in_test):
        for cost in member.overhead:
            found.setdefault((member.group, cost.label, member.run), []).append(cost)
    return found


def _place_in_test(member: Member) -> tuple[str, int]:
    """Sort members by test, and within it as it declares platforms."""
    is_declared = member.platform in member.declared
    return member.group, member.declared.index(member.platform) if is_declared else -1


def _find_native(
    measured: Iterable[tuple[tuple[str, str, str], list[PlatformCost]]],
) -> dict[tuple[str, str], dict[Platform, PlatformCost]]:
    """Give what was measured natively, by group, label and platform."""
    found: dict[tuple[str, str], dict[Platform, PlatformCost]] = {}
    for (group, label, _), costs in measured:
        for each in costs:
            if each.execution.kind is ExecutionKind.NATIVE and each.samples_s:
                found.setdefault((group, label), {})[each.platform] = each
    return found


def render_over_budget(judged: Sequence[JudgedBudget]) -> tuple[str, str]:
    """Give the headline and the whole text of a failure: what is over its budget."""
    first = judged[0]
    headline = describe_budget(first, with_group=False)
    more = len(judged) - 1
    headline += f" (and {count(more, 'more budget')})" if more else ""
    text = []
    for each in judged:
        text += [describe_budget(each, with_group=False), ""]
    for costs in {each.label: each.costs for each in judged if each.costs}.values():
        text += [*(f"  {clean(line)}" for line in tabulate_costs(costs)), ""]
    warnings = dict.fromkeys(w for each in judged for cost in each.costs for w in cost.warnings)
    return headline, "\n".join([*text, *map(clean, warnings), first.verdict.cure])


def render_undecided(judged: Sequence[JudgedBudget]) -> tuple[str, str]:
    """Give the headline and the text of a failure under `--multiarch-strict`."""
    lines = [describe_budget(each, with_group=False) for each in judged]
    return lines[0], "\n".join(
        [*lines, judged[0].verdict.cure, "it passes without --multiarch-strict"]
    )


def _explain_open(judged: JudgedBudget, layout: Layout) -> Iterator[str]:
    yield from layout.fit("", describe_budget(judged))
    yield from (f"  {line}" for line in layout.fit("", judged.verdict.cure))


def _render_measurement(
    group: str,
    costs: Sequence[PlatformCost],
    native: Mapping[Platform, PlatformCost],
    layout: Layout,
) -> Iterator[str]:
    made, planned = costs[0].rounds, costs[0].planned
    rounds = count(planned, "round")
    rounds = rounds if made == planned else f"{made} of {rounds}"
    yield from layout.fit(clean(group), f"{cut(clean(costs[0].label), 120)} ({rounds})")
    emulated = {each.platform for each in costs if each.execution.is_emulated}
    twins = {key: each for key, each in native.items() if key in emulated}
    yield from (
        f"  {clean(line)}" for line in tabulate_costs(costs, twins, is_whole=layout.verbosity > 0)
    )
    for failure in dict.fromkeys(cost.failure for cost in costs if cost.failure):
        yield from (f"  {line}" for line in layout.fit("", cut(clean(failure), 300)))


def list_cost_notes(measured: Sequence[Sequence[PlatformCost]]) -> Iterator[str]:
    """Say on what was measured, and what to know when reading it; what is often so, once."""
    found: dict[str, list[str]] = {}
    for costs in measured:
        notes = [cost.control.note if cost.control else cost.control_note for cost in costs]
        notes += [warning for cost in costs for warning in cost.warnings]
        for note in filter(None, dict.fromkeys(notes)):
            found.setdefault(_NUMBER.sub("0", note), []).append(note)
    for notes in found.values():
        share = f" ({len(notes)} of {len(measured)} measurements)" if len(measured) > 1 else ""
        yield f"{cut(clean(notes[0]), 300)}{share}"
    yield from _list_places(cost for costs in measured for cost in costs)


def _list_places(costs: Iterable[PlatformCost]) -> Iterator[str]:
    """Say on what was measured, and under what load measuring began; each place once."""
    places: dict[str, list[str]] = {}
    for cost in costs:
        machine = cost.machine
        words = [machine.get(name, "") for name in ("host", "cpu")]
        cpus = machine.get("cpus", "")
        words += [f"{cpus} CPUs" if cpus != "1" else "1 CPU"] if cpus else []
        words += [f"kernel {machine['kernel']}"] if machine.get("kernel") else []
        words += [machine.get("engine", "")]
        place = ", ".join(filter(None, words))
        if place:
            loads = places.setdefault(place, [])
            loads += [machine["load"]] if machine.get("load") else []
    for place, loads in places.items():
        load = ""
        if loads:
            ends = sorted(set(loads), key=float)
            load = f"; load {ends[0]}" + (f" to {ends[-1]}" if len(ends) > 1 else "")
        yield cut(clean(f"measured on {place}{load}"), 300)
