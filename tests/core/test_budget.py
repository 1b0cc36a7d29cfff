"""A budget is judged by the whole interval."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_multiarch.core.budget import (
    Budget,
    BudgetOutcome,
    judge_budget,
    place_interval,
)
from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.statistics import Interval, Ratio


def make_ratio(low: float, value: float, high: float, rounds: int = 7) -> Ratio:
    return Ratio(value=value, interval=Interval(low=low, high=high), rounds=rounds)


FEW = Ratio(value=3.0, interval=None, rounds=3)


@pytest.mark.parametrize(
    ("low", "high", "budget", "outcome"),
    [
        (8, 12, Budget(max=20), BudgetOutcome.WITHIN),
        (8, 20, Budget(max=20), BudgetOutcome.WITHIN),
        (8, 21, Budget(max=20), BudgetOutcome.INCONCLUSIVE),
        (20, 21, Budget(max=20), BudgetOutcome.INCONCLUSIVE),
        (20.1, 30, Budget(max=20), BudgetOutcome.EXCEEDED),
        (8, 12, Budget(min=5), BudgetOutcome.WITHIN),
        (4, 12, Budget(min=5), BudgetOutcome.INCONCLUSIVE),
        (3, 4, Budget(min=5), BudgetOutcome.EXCEEDED),
        (8, 12, Budget(min=5, max=20), BudgetOutcome.WITHIN),
        (3, 30, Budget(min=5, max=20), BudgetOutcome.INCONCLUSIVE),
        (3, 4, Budget(min=5, max=20), BudgetOutcome.EXCEEDED),
        (21, 22, Budget(min=5, max=20), BudgetOutcome.EXCEEDED),
    ],
)
def test_where_an_interval_lies(
    low: float, high: float, budget: Budget, outcome: BudgetOutcome
) -> None:
    assert judge_budget(make_ratio(low, math.sqrt(low * high), high), budget).outcome is outcome


@pytest.mark.parametrize("budget", [Budget(max=20), Budget(max=1), Budget(min=1)])
def test_too_few_rounds_are_never_within(budget: Budget) -> None:
    verdict = judge_budget(FEW, budget)
    assert verdict.outcome is BudgetOutcome.TOO_FEW
    assert verdict.reason == f"the ratio 3 is from 3 rounds, too few to judge {budget}"
    assert verdict.cure == "measure 5 rounds or more"


def test_exceeded_says_by_what() -> None:
    verdict = judge_budget(make_ratio(23.21, 24.12, 25.03), Budget(max=20))
    assert verdict.reason == "the ratio 24.1 (95 % interval 23.2 to 25) is beyond max=20"


def test_inconclusive_says_how_many_rounds_would_decide() -> None:
    """The interval reaches almost twice as far as the limit: almost four times the rounds."""
    verdict = judge_budget(make_ratio(7, 10.0, 14.3), Budget(max=12))
    assert verdict.reason.startswith("the ratio 10 (95 % interval 7 to 14.3) straddles max=12:")
    assert "rounds=27 may do" in verdict.cure


def test_inconclusive_asks_for_more_rounds_than_there_were() -> None:
    assert "rounds=8 " in judge_budget(make_ratio(5, 10, 12.001), Budget(max=12)).cure


@pytest.mark.parametrize("value", [10.0, 10.001])
def test_a_ratio_that_is_the_budget_is_not_decided_by_rounds(value: float) -> None:
    cure = judge_budget(make_ratio(9, value, 11), Budget(max=10)).cure
    assert "rounds" not in cure
    assert "room" in cure


@pytest.mark.parametrize("limit", [0, -1, -0.5, math.nan, math.inf, True, "20"])
@pytest.mark.parametrize("name", ["max", "min"])
def test_limits_that_are_none(name: str, limit: object) -> None:
    with pytest.raises(UsageError) as caught:
        Budget(**{name: limit})  # type: ignore[arg-type]
    assert caught.value.what == f"{name}={limit!r} is no budget; expected a number above 0"


def test_limits_that_no_ratio_meets() -> None:
    with pytest.raises(UsageError, match="at least min=20 and at most max=5"):
        Budget(max=5, min=20)


def test_without_a_limit() -> None:
    with pytest.raises(UsageError, match="without a limit"):
        Budget()


NUMBERS = st.floats(min_value=0.01, max_value=100)


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_a_greater_budget_is_never_judged_worse(
    one: float, other: float, limit: float, more: float
) -> None:
    order = (BudgetOutcome.WITHIN, BudgetOutcome.INCONCLUSIVE, BudgetOutcome.EXCEEDED)
    interval = Interval(low=min(one, other), high=max(one, other))
    tight = place_interval(interval, low=None, high=limit)
    wide = place_interval(interval, low=None, high=limit + more)
    assert order.index(wide) <= order.index(tight)
