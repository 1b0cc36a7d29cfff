"""Samples become a ratio; its interval holds as often as it says."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.coverage import ROUNDS, SCENARIOS, Scenario, count_covered
from pytest_multiarch.core.errors import MeasurementError
from pytest_multiarch.core.statistics import (
    Interval,
    Ratio,
    Samples,
    measure_ratio,
    summarize,
)

TIMES_S = st.floats(min_value=1e-4, max_value=1e4)
PAIRS = st.lists(st.tuples(TIMES_S, TIMES_S), min_size=5, max_size=12)


def make_samples(*times_s: float, name: str = "linux/arm64") -> Samples:
    return Samples(name=name, times_s=times_s)


def measure(pairs: list[tuple[float, float]]) -> tuple[Ratio, Interval]:
    """Measure the ratio of the second of each pair to the first; it has an interval."""
    base, other = zip(*pairs, strict=True)
    ratio = measure_ratio(make_samples(*other), make_samples(*base, name="linux/amd64"))
    assert ratio.interval is not None
    return ratio, ratio.interval


class TestSummary:
    def test_by_hand(self) -> None:
        found = summarize(make_samples(0.4, 0.1, 0.2, 9.0, 0.3))
        assert (found.median_s, found.min_s, found.rounds) == (0.3, 0.1, 5)
        assert found.iqr_s == pytest.approx(0.2)
        assert found.spread == pytest.approx(2 / 3)

    def test_single_sample_has_no_spread(self) -> None:
        found = summarize(make_samples(0.5))
        assert (found.median_s, found.iqr_s, found.spread) == (0.5, 0.0, 0.0)

    @given(st.lists(TIMES_S, min_size=1))
    def test_is_never_negative(self, times_s: list[float]) -> None:
        assert summarize(make_samples(*times_s)).iqr_s >= 0


class TestBadSamples:
    @pytest.mark.parametrize("time_s", [-0.1, math.nan, math.inf, -math.inf, 1e-12, 1e12])
    def test_no_time(self, time_s: float) -> None:
        with pytest.raises(MeasurementError) as caught:
            make_samples(0.1, time_s)
        assert caught.value.what == (
            f"linux/arm64: round 2 took {time_s!r} s; expected 1e-09 to 1e+09"
        )
        assert "perf_counter" in caught.value.cure

    def test_no_length(self) -> None:
        with pytest.raises(MeasurementError, match="round 1 took no time") as caught:
            make_samples(0.0)
        assert "more work" in caught.value.cure

    def test_none_at_all(self) -> None:
        with pytest.raises(MeasurementError, match="linux/arm64: there are no samples"):
            make_samples()

    def test_unlike_numbers_of_rounds(self) -> None:
        with pytest.raises(MeasurementError) as caught:
            measure_ratio(make_samples(1.0, 2.0), make_samples(1.0, name="linux/amd64"))
        assert caught.value.what == (
            "linux/arm64 has 2 samples, linux/amd64 has 1: they cannot be paired"
        )


class TestRatio:
    def test_five_rounds_by_hand(self) -> None:
        """Ratios 8, 2, 32, 4, 16: their logarithms to the base 2 are 3, 1, 5, 2, 4."""
        ratio, interval = measure([(1.0, 8.0), (2.0, 4.0), (0.5, 16.0), (1.0, 4.0), (1.0, 16.0)])
        assert ratio.value == pytest.approx(8)
        assert ratio.rounds == 5
        assert (interval.low, interval.high) == pytest.approx((2, 32))

    def test_too_few_rounds_for_an_interval(self) -> None:
        ratio = measure_ratio(make_samples(8.0, 2.0), make_samples(1.0, 1.0))
        assert ratio.value == pytest.approx(4)
        assert ratio.interval is None

    def test_what_slows_down_both_cancels(self) -> None:
        ratio, interval = measure([(2.0**each, 10 * 2.0**each) for each in range(7)])
        assert (ratio.value, interval.low, interval.high) == pytest.approx((10, 10, 10))

    @given(PAIRS)
    def test_is_inside_its_interval(self, pairs: list[tuple[float, float]]) -> None:
        ratio, interval = measure(pairs)
        assert interval.low <= ratio.value * (1 + 1e-12)
        assert interval.high >= ratio.value * (1 - 1e-12)

    @given(PAIRS, st.floats(min_value=1e-2, max_value=1e2))
    def test_does_not_depend_on_the_unit(
        self, pairs: list[tuple[float, float]], factor: float
    ) -> None:
        ratio, interval = measure(pairs)
        scaled, scaled_interval = measure(
            [(base * factor, other * factor) for base, other in pairs]
        )
        assert scaled.value == pytest.approx(ratio.value)
        assert scaled_interval.low == pytest.approx(interval.low)
        assert scaled_interval.high == pytest.approx(interval.high)

    @given(PAIRS)
    def test_swapped_is_inverted(self, pairs: list[tuple[float, float]]) -> None:
        ratio, interval = measure(pairs)
        swapped, swapped_interval = measure([(other, base) for base, other in pairs])
        assert swapped.value == pytest.approx(1 / ratio.value)
        assert swapped_interval.low == pytest.approx(1 / interval.high)
        assert swapped_interval.high == pytest.approx(1 / interval.low)

    @given(PAIRS, st.integers(min_value=0, max_value=11), st.floats(min_value=1, max_value=10))
    def test_a_slower_round_makes_no_smaller_ratio(
        self, pairs: list[tuple[float, float]], number: int, factor: float
    ) -> None:
        place = number % len(pairs)
        base, other = pairs[place]
        slower = [*pairs[:place], (base, other * factor), *pairs[place + 1 :]]
        assert measure(slower)[0].value >= measure(pairs)[0].value * (1 - 1e-12)


@pytest.mark.parametrize("rounds", [5, 7, 20])
@pytest.mark.parametrize(
    "scenario", [each for each in SCENARIOS if each.is_promised], ids=lambda each: each.name
)
def test_interval_holds_the_true_ratio(scenario: Scenario, rounds: int) -> None:
    """In 200 seeded measurements each; `benchmarks/coverage.py` has the exact percentages.

    Of 200 intervals that hold in 95 % of cases, less than 90 % or all would hold once in 500 times.
    """
    assert rounds in ROUNDS
    covered = count_covered(scenario, rounds, simulations=200, seed=5)
    assert 0.90 <= covered <= 0.995


def test_the_same_seed_gives_the_same_measurements() -> None:
    first, second = (count_covered(SCENARIOS[-1], 7, simulations=50, seed=3) for _ in range(2))
    assert first == second
