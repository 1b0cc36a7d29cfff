"""How ratios changed since an earlier run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_multiarch.core.budget import BudgetOutcome
from pytest_multiarch.core.regression import compare_ratios, judge_change

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_multiarch.core.cost import PlatformCost
    from pytest_multiarch.core.member import Member
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.regression import Change, RegressionLimit

    _Key = tuple[str, str, Platform, Platform, bool]

_GRAVEST = (
    BudgetOutcome.EXCEEDED, BudgetOutcome.TOO_FEW, BudgetOutcome.INCONCLUSIVE, BudgetOutcome.WITHIN,
)  # fmt: skip
_PLACE = ("host", "cpu", "kernel", "engine")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedCost:
    """One measurement on one platform, and the same one of an earlier run.

    `outcome` is the gravest of all limits, None without any. `notes` say what else has changed.
    """

    group: str
    before: PlatformCost
    after: PlatformCost
    change: Change
    outcome: BudgetOutcome | None
    notes: tuple[str, ...]


def find_changes(
    before: Iterable[Member], after: Iterable[Member], limits: Sequence[RegressionLimit] = ()
) -> tuple[ChangedCost, ...]:
    """Compare what two runs measured: the same work on one platform, executed in one way."""
    known = dict(_list_costs(before))
    pairs = ((key, known[key], cost) for key, cost in _list_costs(after) if key in known)
    return tuple(_compare(key[0], earlier, later, limits) for key, earlier, later in pairs)


def _list_costs(members: Iterable[Member]) -> Iterator[tuple[_Key, PlatformCost]]:
    for member in members:
        for cost in member.overhead:
            if cost.ratio is not None:
                is_emulated = cost.execution.is_emulated
                key = member.group, cost.label, cost.platform, cost.baseline, is_emulated
                yield key, cost


def _compare(
    group: str, before: PlatformCost, after: PlatformCost, limits: Sequence[RegressionLimit]
) -> ChangedCost:
    assert before.ratio is not None
    assert after.ratio is not None
    change = compare_ratios(before.ratio, after.ratio)
    found = {judge_change(change, limit) for limit in limits}
    return ChangedCost(
        group=group,
        before=before,
        after=after,
        change=change,
        outcome=next((each for each in _GRAVEST if each in found), None),
        notes=tuple(_list_notes(before, after)),
    )


def _list_notes(before: PlatformCost, after: PlatformCost) -> Iterator[str]:
    if str(before.execution) != str(after.execution):
        yield f"{before.execution} then, {after.execution} now"
    if before.what != after.what:
        yield f"the work was another: {before.what}"
    for name in _PLACE:
        then, now = before.machine.get(name, ""), after.machine.get(name, "")
        if then and now and then != now:
            yield f"{name} {then} then, {now} now"
