"""What emulation costs, as far as the times of the tests tell."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_multiarch.core.cost_table import describe_control, describe_image
from pytest_multiarch.core.merging import name_runs
from pytest_multiarch.reports.overhead import group_costs, list_cost_notes
from pytest_multiarch.reports.page.chart import Chart, Ratio, draw_ratios
from pytest_multiarch.reports.page.gaps import TestLink
from pytest_multiarch.reports.page.text import make_anchor, name_seconds, show
from pytest_multiarch.reports.speed import Pair, list_pairs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_multiarch.core.merging import Judgement

_MOST_SLOW = 10
_MOST_UNLIKE = 50
_MEASURED = "Measured in turns with the baseline: the ratio with its 95 % interval."
_SAMPLES = (
    "Time inside the containers, divided by the baseline's in the same tests. Every test ran once "
    "on each platform: a single sample has no interval, and differs from run to run."
)


@dataclass(frozen=True, slots=True)
class CostChart:
    """A chart with its title, and what to know when reading it."""

    title: str
    chart: Chart
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Costs:
    """The charts, and the tests that did other things natively than emulated."""

    charts: tuple[CostChart, ...]
    unlike: tuple[TestLink, ...]


def view_costs(judgement: Judgement) -> Costs:
    """Compare times where a test ran to its end on both sides."""
    pairs = list(list_pairs(judgement.verdicts))
    twins = [Pair(each.native, each.emulated) for each in judgement.twins if each.ratio is not None]
    slowest = sorted(
        (each for each in pairs if each.other.is_emulated), key=lambda each: -each.other.inside_s
    )[:_MOST_SLOW]
    known = list_cost_notes(list(group_costs(judgement.record.members).values()))
    about = (_MEASURED, *(show(each, 300) for each in known))
    drawn = (
        ("Measured", (), _list_measured(judgement), about),
        ("Platforms", pairs, _sum_pairs(pairs), (_SAMPLES,)),
        ("Slowest tests under emulation", slowest, _list_ratios(slowest), ()),
        (
            "The same platform, emulated and native",
            twins,
            _sum_pairs(twins, is_way_told=True),
            ("Emulated time divided by native time of the same image in the same tests.",),
        ),
    )
    charts = []
    for title, several, ratios, notes in drawn:
        chart = draw_ratios(ratios)
        if chart is not None:
            charts.append(CostChart(title, chart, (*notes, *_tell_machines(judgement, several))))
    unlike = dict.fromkeys(each.native.group for each in judgement.twins if not each.is_alike)
    links = (TestLink(show(group), make_anchor(group)) for group in unlike)
    return Costs(tuple(charts), tuple(links)[:_MOST_UNLIKE])


def _list_measured(judgement: Judgement) -> Iterator[Ratio]:
    """Give what was measured, test by test, its platforms as it declares them."""
    broken = {
        (each.member.group, each.label, each.member.run, each.platform): each.verdict.reason
        for each in judgement.broken_budgets
    }
    for (group, label, run), costs in group_costs(judgement.record.members).items():
        name = show(group.rpartition("::")[2], 80)
        for cost in costs:
            if cost.ratio is None:
                continue
            ends = cost.ratio.interval
            way = f"{cost.platform} ({show(str(cost.execution), 60)})"
            parts = [f"{name_seconds(cost.median_s)}, {cost.rounds} rounds", describe_control(cost)]
            parts.append(describe_image(cost))
            yield Ratio(
                f"{name}: {show(label, 80)} on {way}",
                cost.ratio.value,
                low=ends.low if ends else None,
                high=ends.high if ends else None,
                detail="; ".join(filter(None, parts)),
                warning=show(broken.get((group, label, run, cost.platform), ""), 300),
                anchor=make_anchor(group),
            )


def _sum_pairs(pairs: Iterable[Pair], *, is_way_told: bool = False) -> Iterator[Ratio]:
    """Divide sums over the same tests, one ratio for each platform and way of executing it."""
    sums: dict[tuple[str, str, str], list[Pair]] = defaultdict(list)
    for each in pairs:
        base = str(each.base.execution) if is_way_told else str(each.base.platform)
        sums[str(each.other.platform), str(each.other.execution or ""), base].append(each)
    for (platform, way, base), several in sums.items():
        ours = sum(each.base.inside_s for each in several)
        theirs = sum(each.other.inside_s for each in several)
        tests = f"{len(several):,} test{'s' if len(several) != 1 else ''}"
        detail = f"{tests}, {name_seconds(theirs)} against {name_seconds(ours)} on {show(base, 80)}"
        if is_way_told:
            detail = f"{tests}, {name_seconds(theirs)} against {name_seconds(ours)}"
        yield Ratio(f"{platform} ({show(way, 60)})", theirs / ours, detail=detail)


def _list_ratios(pairs: Iterable[Pair]) -> Iterator[Ratio]:
    for each in pairs:
        name = each.other.group.rpartition("::")[2]
        times = f"{name_seconds(each.other.inside_s)} against {name_seconds(each.base.inside_s)}"
        yield Ratio(
            f"{show(name, 80)} on {each.other.platform}",
            each.ratio,
            detail=times,
            anchor=make_anchor(each.other.group),
        )


def _tell_machines(judgement: Judgement, pairs: Iterable[Pair]) -> tuple[str, ...]:
    """Say so where times of different runs are divided: the ratio is the machines' too."""
    apart = {(each.base.run, each.other.run) for each in pairs if each.base.run != each.other.run}
    if not apart:
        return ()
    names = name_runs(judgement.record.runs)
    runs = dict.fromkeys(show(names.get(run, run), 80) for pair in sorted(apart) for run in pair)
    note = (
        f"Partly from different runs ({', '.join(list(runs)[:6])}): what their machines differ in "
        "is part of these ratios."
    )
    return (note,)
