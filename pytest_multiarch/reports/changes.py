"""How ratios changed since an earlier run, as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_multiarch.core.budget import BudgetOutcome
from pytest_multiarch.core.cost_table import name_interval, name_ratio
from pytest_multiarch.reports.diff import clean, cut

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_multiarch.core.changes import ChangedCost
    from pytest_multiarch.core.regression import RegressionLimit
    from pytest_multiarch.core.statistics import Interval, Ratio
    from pytest_multiarch.reports.summary import Layout

_WORDS = {
    BudgetOutcome.WITHIN: "within",
    BudgetOutcome.EXCEEDED: "BEYOND",
    BudgetOutcome.INCONCLUSIVE: "whether within is not known (measure more rounds):",
    BudgetOutcome.TOO_FEW: "too few rounds to judge",
}


def list_changes(
    changes: Sequence[ChangedCost], limits: Sequence[RegressionLimit], layout: Layout
) -> Iterator[str]:
    """Give a line for each change, the gravest first, and what else is not as it was."""
    named = ", ".join(map(str, limits))
    for each in sorted(changes, key=lambda one: -one.change.factor):
        what = f"{cut(clean(each.after.label), 120)} on {each.after.platform}"
        verdict = f"; {_WORDS[each.outcome]} {named}" if each.outcome else ""
        yield from layout.fit(clean(each.group), what)
        yield from (f"  {line}" for line in layout.fit("", f"{_describe(each)}{verdict}"))
        yield from (f"  {cut(clean(note), 200)}" for note in each.notes)
    if not changes:
        yield "nothing to compare: no measurement has a ratio both then and now"


def _describe(each: ChangedCost) -> str:
    before, after, change = each.before.ratio, each.after.ratio, each.change
    assert before is not None
    assert after is not None
    factor = f"{change.factor - 1:+.1%}{_show_percents(change.factor_interval)}"
    return f"{_show(after)}, was {_show(before)}: {factor}"


def _show(ratio: Ratio) -> str:
    interval = name_interval(ratio)
    return f"{name_ratio(ratio.value)}{f' ({interval})' if interval else ''}"


def _show_percents(interval: Interval | None) -> str:
    if interval is None:
        return " (too few rounds for an interval)"
    return f" ({interval.low - 1:+.1%} to {interval.high - 1:+.1%})"
