"""Whether a ratio is within what was declared for it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.rounds import FEWEST_ROUNDS, MOST_ROUNDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_multiarch.core.statistics import Interval, Ratio


class BudgetOutcome(Enum):
    """How an interval lies to its limits; the values are what reports show."""

    WITHIN = "within"
    EXCEEDED = "exceeded"
    INCONCLUSIVE = "inconclusive"
    TOO_FEW = "too few"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The greatest and the least ratio that a test declares; one of them at least.

    Raises:
        UsageError: a limit is no number above 0, or no ratio fits between the two.
    """

    max: float | None = None
    min: float | None = None

    def __post_init__(self) -> None:
        for name, limit in (("max", self.max), ("min", self.min)):
            if limit is not None and not _is_limit(limit):
                raise UsageError(
                    f"{name}={limit!r} is no budget; expected a number above 0",
                    cure=f"give the ratio to the baseline: {name}=20 is 20 times its time",
                )
        if self.max is None and self.min is None:
            raise UsageError("a budget without a limit", cure="give max=, min= or both")
        if self.max is not None and self.min is not None and self.min > self.max:
            raise UsageError(
                f"no ratio is at least min={self.min:g} and at most max={self.max:g}",
                cure="swap them, or leave one out",
            )

    def __str__(self) -> str:
        limits = (("min", self.min), ("max", self.max))
        return ", ".join(f"{name}={limit:g}" for name, limit in limits if limit is not None)

    def to_mapping(self) -> dict[str, Any]:
        """Give the JSON form."""
        limits = (("max", self.max), ("min", self.min))
        return {name: limit for name, limit in limits if limit is not None}

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any]) -> Budget:
        """Read what `to_mapping` gave."""
        return cls(max=document.get("max"), min=document.get("min"))


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetVerdict:
    """What became of a budget: why, in one line, and what to do, empty if it is within."""

    outcome: BudgetOutcome
    reason: str
    cure: str = ""


def judge_budget(ratio: Ratio, budget: Budget) -> BudgetVerdict:
    """Judge a ratio by its whole interval: what straddles a limit is not decided."""
    outcome = place_interval(ratio.interval, low=budget.min, high=budget.max)
    if ratio.interval is None:
        return BudgetVerdict(
            outcome=outcome,
            reason=f"the ratio {ratio.value:.3g} is from {ratio.rounds} rounds, too few to judge "
            f"{budget}",
            cure=f"measure {FEWEST_ROUNDS} rounds or more",
        )
    measured = (
        f"the ratio {ratio.value:.3g} "
        f"(95 % interval {ratio.interval.low:.3g} to {ratio.interval.high:.3g})"
    )
    match outcome:
        case BudgetOutcome.WITHIN:
            return BudgetVerdict(outcome=outcome, reason=f"{measured} is within {budget}")
        case BudgetOutcome.EXCEEDED:
            return BudgetVerdict(
                outcome=outcome,
                reason=f"{measured} is beyond {budget}",
                cure="make the work cheaper on this platform, run it natively, or raise the budget",
            )
        case _:
            return BudgetVerdict(
                outcome=outcome,
                reason=f"{measured} straddles {budget}: whether it holds is not known",
                cure=_advise_rounds(ratio.value, ratio.interval, ratio.rounds, budget),
            )


def place_interval(
    interval: Interval | None, *, low: float | None, high: float | None
) -> BudgetOutcome:
    """Tell how an interval lies to its limits; what touches a limit is not beyond it."""
    if interval is None:
        return BudgetOutcome.TOO_FEW
    least = -math.inf if low is None else low
    greatest = math.inf if high is None else high
    if interval.low > greatest or interval.high < least:
        return BudgetOutcome.EXCEEDED
    if least <= interval.low and interval.high <= greatest:
        return BudgetOutcome.WITHIN
    return BudgetOutcome.INCONCLUSIVE


def _advise_rounds(value: float, interval: Interval, rounds: int, budget: Budget) -> str:
    """Say how many rounds would decide: an interval shrinks with their square root."""
    wanted = 0.0
    for limit in (budget.min, budget.max):
        if limit is None or limit not in interval:
            continue
        to_limit = abs(math.log(limit / value))
        end = interval.high if limit > value else interval.low
        width = abs(math.log(end / value))
        wanted = max(wanted, rounds * (width / to_limit) ** 2 if to_limit else math.inf)
    if wanted > MOST_ROUNDS:
        return "the ratio is the budget, as far as can be measured: give the budget some room"
    more = max(math.ceil(wanted), rounds + 1)
    return f"measure more rounds (rounds={more} may do) on a quiet machine, or give it more room"


def _is_limit(limit: object) -> bool:
    if isinstance(limit, bool) or not isinstance(limit, int | float):
        return False
    return math.isfinite(limit) and limit > 0
