"""How a ratio changed since an earlier run."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.coverage import SCENARIOS, simulate
from pytest_multiarch.core.budget import BudgetOutcome
from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.regression import (
    RegressionLimit,
    compare_ratios,
    judge_change,
    parse_regression_limit,
)
from pytest_multiarch.core.statistics import Interval, Ratio


def make_ratio(value: float, factor: float = 1.0) -> Ratio:
    """Make a ratio whose interval reaches from `value / factor` to `value * factor`."""
    interval = Interval(low=value / factor, high=value * factor)
    return Ratio(value=value, interval=interval, rounds=7)


FEW = Ratio(value=3.0, interval=None, rounds=3)


class TestChange:
    def test_from_an_exact_ratio(self) -> None:
        """Only the later one's doubt is left."""
        change = compare_ratios(make_ratio(5), make_ratio(10, 1.5))
        assert (change.factor, change.difference) == (2, 5)
        assert change.factor_interval is not None
        assert change.difference_interval is not None
        assert change.factor_interval.low == pytest.approx(2 / 1.5)
        assert change.factor_interval.high == pytest.approx(3)
        assert change.difference_interval.low == pytest.approx(10 / 1.5 - 5)
        assert change.difference_interval.high == pytest.approx(10)

    def test_each_side_keeps_its_own_width(self) -> None:
        """It was 4 to 10 and is 10: greater by 0 to 6."""
        before = Ratio(value=5.0, interval=Interval(low=4.0, high=10.0), rounds=7)
        assert compare_ratios(before, make_ratio(10)).difference_interval == Interval(low=0, high=6)

    def test_doubts_add_like_independent_ones(self) -> None:
        """3 and 4 give 5."""
        change = compare_ratios(make_ratio(5, math.exp(0.3)), make_ratio(5, math.exp(0.4)))
        assert change.factor_interval is not None
        assert change.factor_interval.low == pytest.approx(math.exp(-0.5))
        assert change.factor_interval.high == pytest.approx(math.exp(0.5))

    @pytest.mark.parametrize(("before", "after"), [(FEW, make_ratio(6)), (make_ratio(2), FEW)])
    def test_of_too_few_rounds_has_no_interval(self, before: Ratio, after: Ratio) -> None:
        change = compare_ratios(before, after)
        assert change.factor == after.value / before.value
        assert change.factor_interval is None
        assert change.difference_interval is None

    @given(*[st.floats(min_value=0.1, max_value=100)] * 2, *[st.floats(1, 3)] * 2)
    def test_reversed_is_inverted(
        self, one: float, other: float, doubt: float, other_doubt: float
    ) -> None:
        before, after = make_ratio(one, doubt), make_ratio(other, other_doubt)
        there, back = compare_ratios(before, after), compare_ratios(after, before)
        assert there.factor_interval is not None
        assert back.factor_interval is not None
        assert back.factor_interval.low == pytest.approx(1 / there.factor_interval.high)
        assert back.difference == pytest.approx(-there.difference)

    @pytest.mark.parametrize("rounds", [5, 10, 30])
    def test_no_change_is_found_where_there_is_none(self, rounds: int) -> None:
        source = random.Random(rounds)
        held = 0
        for _ in range(200):
            one, other = (simulate(SCENARIOS[0], rounds, source) for _ in range(2))
            interval = compare_ratios(one, other).factor_interval
            held += interval is not None and 1 in interval
        assert held / 200 >= 0.92


class TestLimit:
    @pytest.mark.parametrize(
        ("text", "limit"),
        [
            ("ratio:20%", RegressionLimit(part=0.2)),
            ("ratio:0%", RegressionLimit(part=0.0)),
            ("ratio:7.5%", RegressionLimit(part=0.075)),
            ("ratio:150%", RegressionLimit(part=1.5)),
            ("ratio:0.5", RegressionLimit(difference=0.5)),
            ("ratio:.5", RegressionLimit(difference=0.5)),
            ("ratio:2", RegressionLimit(difference=2.0)),
            ("ratio:5e-1", RegressionLimit(difference=0.5)),
        ],
    )
    def test_syntax(self, text: str, limit: RegressionLimit) -> None:
        assert parse_regression_limit(text) == limit

    @pytest.mark.parametrize(
        "text",
        ["", "20%", "ratio", "ratio:", "ratio:%", "ratio:-5%", "mean:5%", "ratio:5 %", "ratio:٣%",
         "ratio:nan", "ratio:5%\n", "ratio:1e"],
    )  # fmt: skip
    def test_what_is_none(self, text: str) -> None:
        with pytest.raises(UsageError, match="is no limit for a change") as caught:
            parse_regression_limit(text)
        assert "ratio:20%" in caught.value.cure

    @pytest.mark.parametrize("text", ["ratio:20%", "ratio:0.5", "ratio:7.5%"])
    def test_is_shown_as_it_is_written(self, text: str) -> None:
        assert str(parse_regression_limit(text)) == text


class TestJudgement:
    @pytest.mark.parametrize(
        ("before", "after", "text", "outcome"),
        [
            (make_ratio(5, 1.01), make_ratio(5.5, 1.01), "ratio:20%", BudgetOutcome.WITHIN),
            (make_ratio(5, 1.01), make_ratio(6.5, 1.01), "ratio:20%", BudgetOutcome.EXCEEDED),
            (make_ratio(5, 1.2), make_ratio(6.1, 1.2), "ratio:20%", BudgetOutcome.INCONCLUSIVE),
            (make_ratio(5, 1.01), make_ratio(1, 1.01), "ratio:20%", BudgetOutcome.WITHIN),
            (make_ratio(5, 1.01), make_ratio(5.3, 1.01), "ratio:0.5", BudgetOutcome.WITHIN),
            (make_ratio(5, 1.01), make_ratio(5.9, 1.01), "ratio:0.5", BudgetOutcome.EXCEEDED),
            (make_ratio(5, 1.1), make_ratio(5.5, 1.1), "ratio:0.5", BudgetOutcome.INCONCLUSIVE),
            (FEW, make_ratio(3), "ratio:20%", BudgetOutcome.TOO_FEW),
            (FEW, make_ratio(3), "ratio:1", BudgetOutcome.TOO_FEW),
        ],
    )
    def test_by_the_whole_interval(
        self, before: Ratio, after: Ratio, text: str, outcome: BudgetOutcome
    ) -> None:
        change = compare_ratios(before, after)
        assert judge_change(change, parse_regression_limit(text)) is outcome
