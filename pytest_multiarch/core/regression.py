"""How a ratio changed since an earlier run, and whether that is too much."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_multiarch.core.budget import BudgetOutcome, place_interval
from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.statistics import Interval

if TYPE_CHECKING:
    from pytest_multiarch.core.statistics import Ratio

# pytest-benchmark's, with fractions of a percent, and of its fields the one there is here.
_LIMIT = re.compile(
    r"ratio:(?:(?P<percent>\d+(?:\.\d+)?)%|(?P<difference>\d*\.?\d+(?:[eE][-+]?\d+)?))", re.ASCII
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What became of a ratio: the later one divided by the earlier one, and less the earlier one.

    Both have a 95 % interval, unless one of the two ratios has none.
    """

    factor: float
    factor_interval: Interval | None
    difference: float
    difference_interval: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegressionLimit:
    """How much greater a ratio may become: by a part of itself (0.2 is 20 %), or by a number.

    One of the two is given.
    """

    part: float | None = None
    difference: float | None = None

    def __str__(self) -> str:
        if self.part is not None:
            return f"ratio:{self.part * 100:g}%"
        return f"ratio:{self.difference:g}"


def compare_ratios(before: Ratio, after: Ratio) -> Change:
    """Compare a ratio with an earlier one that was measured apart from it.

    The intervals are put together of those of the two ratios (Zou and Donner, Statistics in
    Medicine 27, 2008), of which each keeps its own width on either side. With 10 rounds or more
    they hold in 95 to 98 % of cases, with 5 or 7 in 97 to 99 %: they rather say too little.
    """
    factor_interval = difference_interval = None
    if before.interval is not None and after.interval is not None:
        logarithms = _subtract(
            math.log(before.value), _take_logarithm(before.interval),
            math.log(after.value), _take_logarithm(after.interval),
        )  # fmt: skip
        factor_interval = Interval(low=math.exp(logarithms.low), high=math.exp(logarithms.high))
        difference_interval = _subtract(before.value, before.interval, after.value, after.interval)
    return Change(
        factor=after.value / before.value,
        factor_interval=factor_interval,
        difference=after.value - before.value,
        difference_interval=difference_interval,
    )


def parse_regression_limit(text: str) -> RegressionLimit:
    """Read `ratio:20%` or `ratio:0.5`, as pytest-benchmark's `--benchmark-compare-fail` has it.

    Raises:
        UsageError: the text is neither.
    """
    match = _LIMIT.fullmatch(text)
    if match is None:
        raise UsageError(
            f"{text!r} is no limit for a change; expected ratio:NUMBER% or ratio:NUMBER",
            cure="ratio:20% fails where a ratio is a fifth greater than before, "
            "ratio:0.5 where it is greater by 0.5",
        )
    if match["percent"]:
        return RegressionLimit(part=float(match["percent"]) / 100)
    return RegressionLimit(difference=float(match["difference"]))


def judge_change(change: Change, limit: RegressionLimit) -> BudgetOutcome:
    """Judge a change by its whole interval; a ratio that became smaller is within any limit."""
    if limit.part is not None:
        return place_interval(change.factor_interval, low=None, high=1 + limit.part)
    return place_interval(change.difference_interval, low=None, high=limit.difference)


def _take_logarithm(interval: Interval) -> Interval:
    return Interval(low=math.log(interval.low), high=math.log(interval.high))


def _subtract(before: float, earlier: Interval, after: float, later: Interval) -> Interval:
    difference = after - before
    return Interval(
        low=difference - math.hypot(after - later.low, earlier.high - before),
        high=difference + math.hypot(later.high - after, before - earlier.low),
    )
