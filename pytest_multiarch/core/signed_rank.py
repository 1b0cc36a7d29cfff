"""Where the centre of a few noisy values lies, and between which limits.

The limits are those of Wilcoxon's signed-rank test (Hodges and Lehmann 1963; Hollander, Wolfe and
Chicken, Nonparametric Statistical Methods, 3.2 to 3.3). They assume of the noise that it is as
likely above as below the centre by any amount, and nothing of its shape, its size, or whether it
stays the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from statistics import NormalDist, fmean, median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

FEWEST_VALUES = 5
"""With fewer there are no limits: those of 4 values, their extremes, hold 87.5 % of the time."""
_MISS = 2 / 2**FEWEST_VALUES
"""How often the unwidened limits miss: as often as the extremes of five values do, 6.25 %."""
_MOST_PERSISTENCE = 0.6
_MOST_EXACT = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Centre:
    """The centre of some values, and its 95 % limits, None for fewer than `FEWEST_VALUES`."""

    value: float
    low: float | None = None
    high: float | None = None


def locate_centre(values: Sequence[float]) -> Centre:
    """Estimate the centre of values, in the order in which they were measured.

    The estimate is the median of the means of all pairs, each value with itself included. The
    limits are the signed-rank ones that miss in at most 6.25 % of cases: no others need five values
    only and assume as little. They are widened where neighbouring values resemble each other
    (`_find_widening`), by 5 % on average where they do so by chance; together they hold in 95 % of
    cases, see `statistics.measure_ratio` for how often in which.
    """
    count = len(values)
    means = sorted(
        (values[one] + values[other]) / 2 for one in range(count) for other in range(one, count)
    )
    value = median(means)
    if count < FEWEST_VALUES:
        return Centre(value=value)
    depth = find_depth(count)
    widening = _find_widening(values)
    return Centre(
        value=value,
        low=value - widening * (value - _pick(means, depth)),
        high=value + widening * (_pick(means, len(means) - 1 - depth) - value),
    )


@lru_cache(maxsize=_MOST_EXACT)
def find_depth(count: int) -> float:
    """Tell how many of the sorted means of pairs lie outside the limits, on each side.

    A fraction stands for a place between two means. The probability that the signed-rank
    statistic of `count` values is at most `k` is the number of sets of the ranks 1 to `count` whose
    sum is at most `k`, of all sets; for more than 50 values the normal distribution gives it.
    """
    if count > _MOST_EXACT:
        mean = count * (count + 1) / 4
        deviation = math.sqrt(count * (count + 1) * (2 * count + 1) / 24)
        return NormalDist(mean, deviation).inv_cdf(_MISS / 2) - 0.5
    outside = 0
    wanted: float = _MISS / 2 * 2**count
    for total, sets in enumerate(_count_sets(count)):
        if outside + sets >= wanted:
            return total - 1 + (wanted - outside) / sets
        outside += sets
    raise AssertionError("half of all sets are more than the limits leave outside")


def _count_sets(count: int) -> list[int]:
    """Count the sets of the ranks 1 to `count` by their sum."""
    sets = [1]
    for rank in range(1, count + 1):
        without = sets + [0] * rank
        sets = [kept + added for kept, added in zip(without, [0] * rank + sets, strict=True)]
    return sets


def _pick(means: Sequence[float], place: float) -> float:
    """Take the value at a place of a sorted sequence, between two if it has a fraction."""
    below, above = means[math.floor(place)], means[math.ceil(place)]
    return below + (place - math.floor(place)) * (above - below)


def _find_widening(values: Sequence[float]) -> float:
    """Tell by what to widen the limits since neighbouring values resemble each other.

    With an autocorrelation r of neighbours, `count` values tell as much as
    `count * (1 - r) / (1 + r)` independent ones. Few values show less of it than there is, which
    Kendall's correction (Biometrika 41, 1954) returns. Between 1 and 2.
    """
    count = len(values)
    mean = fmean(values)
    deviations = [each - mean for each in values]
    total = math.fsum(each * each for each in deviations)
    if total == 0:
        return 1.0
    neighbours = math.fsum(one * other for one, other in pairwise(deviations))
    persistence = (count * neighbours / total + 1) / (count - 3)
    persistence = min(max(persistence, 0.0), _MOST_PERSISTENCE)
    return math.sqrt((1 + persistence) / (1 - persistence))
