"""The centre of a few values and its limits, against what enumeration and other ways give."""

from __future__ import annotations

import itertools
import math
from statistics import NormalDist
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.core.signed_rank import find_depth, locate_centre

if TYPE_CHECKING:
    from collections.abc import Sequence


def list_means(values: Sequence[float]) -> list[float]:
    """List the means of all pairs, sorted."""
    pairs = itertools.combinations_with_replacement(values, 2)
    return sorted((one + other) / 2 for one, other in pairs)


def find_misses(count: int, outside: int) -> float:
    """Give the part of all sign patterns of `count` values whose limits leave out their centre, 0.

    The limits are the means with `outside` of them left out on each side.
    """
    missed = 0
    for signs in itertools.product((-1, 1), repeat=count):
        # Sizes of which no two subsets have the same sum, so that no mean is 0.
        values = [sign * (rank + 2.0**-rank) for rank, sign in enumerate(signs, 1)]
        means = list_means(values)
        missed += not means[outside] <= 0 <= means[-1 - outside]
    return missed / 2**count


class TestDepth:
    @pytest.mark.parametrize("count", [5, 6, 7, 8, 9, 10])
    def test_limits_miss_as_often_as_they_shall(self, count: int) -> None:
        """A fraction lies between two exact depths: one misses less often, the other more."""
        depth = find_depth(count)
        assert find_misses(count, math.floor(depth)) <= 0.0625
        assert find_misses(count, math.floor(depth) + 1) > 0.0625

    def test_of_five_nothing_is_left_out(self) -> None:
        assert find_depth(5) == 0

    @pytest.mark.parametrize(
        ("count", "outside"), [(6, 0), (7, 2), (8, 3), (9, 5), (10, 8), (20, 52), (30, 137)]
    )
    def test_little_more_than_the_critical_values_of_the_tables(
        self, count: int, outside: int
    ) -> None:
        """`outside`: the critical value of the two-sided test at 5 %, as printed in any table."""
        assert outside <= find_depth(count) < 1.07 * outside + 2

    def test_the_approximation_continues_the_exact_values(self) -> None:
        before, last, first = (find_depth(each + 1) - find_depth(each) for each in (48, 49, 50))
        assert first == pytest.approx(last + (last - before), abs=0.5)


class TestCentre:
    def test_five_values_by_hand(self) -> None:
        """The means of pairs are 0 .5 1 1 1.5 2 2 2.5 3 4 5 5.5 6 7 10; neighbours are unlike."""
        found = locate_centre([2.0, 0.0, 10.0, 1.0, 4.0])
        assert (found.low, found.value, found.high) == (0.0, 2.5, 10.0)

    @pytest.mark.parametrize("count", [1, 2, 3, 4])
    def test_too_few_for_limits(self, count: int) -> None:
        found = locate_centre([float(each) for each in range(count)])
        assert found.value == (count - 1) / 2
        assert found.low is None
        assert found.high is None

    def test_equal_values_have_no_doubt(self) -> None:
        found = locate_centre([3.0] * 6)
        assert (found.low, found.value, found.high) == (3.0, 3.0, 3.0)

    def test_one_wild_value_of_twenty_does_not_move_the_limits(self) -> None:
        found = locate_centre([*(each * (-1.0) ** each for each in range(19)), 1e6])
        assert found.high is not None
        assert found.high < 20

    def test_alternating_values_are_not_widened(self) -> None:
        values = [1.0, -1.1, 1.2, -1.3, 1.4, -1.5, 1.6, -1.7]
        found = locate_centre(values)
        means = list_means(values)
        below = math.floor(find_depth(8))
        assert found.low is not None
        assert means[below] <= found.low <= means[below + 1]

    def test_widened_by_what_neighbours_have_in_common(self) -> None:
        """Products of neighbours sum up to 1, of squares to 8: (8 * 1/8 + 1) / (8 - 3) = 0.4."""
        found = locate_centre([1.0, 1.0, -1.0, 1.0, 1.0, -1.0, -1.0, -1.0])
        assert found.value == 0
        assert found.high == pytest.approx(math.sqrt(1.4 / 0.6))

    def test_lasting_values_are_widened_by_two_at_most(self) -> None:
        """The same values, in an order in which neighbours resemble each other."""
        mixed = [1.0, 8.0, 2.0, 7.0, 3.0, 6.0, 4.0, 5.0]
        apart, lasting = locate_centre(mixed), locate_centre(sorted(mixed))
        assert apart.high is not None
        assert lasting.high is not None
        assert lasting.value == apart.value
        assert lasting.high - lasting.value == pytest.approx(2 * (apart.high - apart.value))

    def test_of_many_normal_values_as_wide_as_the_normal_distribution_says(self) -> None:
        """For 200 values in normal places: 1.86 standard errors, over the efficiency 3/pi."""
        count = 200
        places = [NormalDist().inv_cdf((each + 0.5) / count) for each in range(count)]
        # In an order in which neighbours are unlike: every 77th, 77 and 200 share no factor.
        found = locate_centre([places[77 * each % count] for each in range(count)])
        assert found.high is not None
        expected = NormalDist().inv_cdf(1 - 0.0625 / 2) / math.sqrt(count * 3 / math.pi)
        assert found.high - found.value == pytest.approx(expected, rel=0.03)
