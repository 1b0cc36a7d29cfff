"""How many rounds there are, and who goes first."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import pytest

from pytest_multiarch.core.errors import MeasurementError, UsageError
from pytest_multiarch.core.rounds import order_round, plan_rounds


@pytest.mark.parametrize(
    ("round_s", "rounds"), [(1e-6, 7), (1.4, 7), (1.5, 6), (1.7, 5), (2.0, 5), (60.0, 5)]
)
def test_ten_seconds_or_seven_rounds_and_never_fewer_than_five(round_s: float, rounds: int) -> None:
    assert plan_rounds(round_s) == rounds


def test_other_budget() -> None:
    assert plan_rounds(10.0, budget_s=60.0) == 6


@pytest.mark.parametrize("rounds", [1, 3, 30, 1000])
def test_what_the_user_says_holds(rounds: int) -> None:
    assert plan_rounds(60.0, rounds=rounds) == rounds


@pytest.mark.parametrize("rounds", [0, -1, True, 2.5, "7", 1001])
def test_rounds_that_are_none(rounds: object) -> None:
    with pytest.raises(UsageError, match=r"^rounds="):
        plan_rounds(1.0, rounds=rounds)  # type: ignore[arg-type]


@pytest.mark.parametrize("round_s", [0.0, -1.0, math.nan])
def test_warmup_that_took_no_time(round_s: float) -> None:
    with pytest.raises(MeasurementError, match="a round of the warm-up"):
        plan_rounds(round_s)


@pytest.mark.parametrize("budget_s", [0.0, -1.0, math.nan])
def test_no_time_to_measure_in(budget_s: float) -> None:
    with pytest.raises(UsageError, match="budget_s="):
        plan_rounds(1.0, budget_s=budget_s)


PLATFORMS = ("linux/amd64", "linux/arm64", "linux/s390x")


def test_everyone_has_a_turn_in_each_round() -> None:
    orders = [order_round(PLATFORMS, number, seed="s") for number in range(50)]
    assert {frozenset(each) for each in orders} == {frozenset(PLATFORMS)}


def test_the_same_seed_gives_the_same_order() -> None:
    first, again, other = (
        [order_round(PLATFORMS, number, seed=seed) for number in range(20)] for seed in "aab"
    )
    assert first == again
    assert first != other


def test_all_orders_are_as_likely() -> None:
    """6,000 rounds, 6 orders: 1,000 each; a standard deviation is 29."""
    seen = Counter(order_round(PLATFORMS, number, seed="s") for number in range(6000))
    assert len(seen) == 6
    assert all(880 < count < 1120 for count in seen.values())


def test_who_goes_first_does_not_depend_on_the_round_before() -> None:
    firsts = [order_round(("a", "b"), number, seed="s")[0] for number in range(4001)]
    repeated = sum(one == other for one, other in pairwise(firsts))
    assert 1870 < repeated < 2130
