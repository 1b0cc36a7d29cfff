"""The budgets of tests: read from what a test declares, and judged by what its platforms took."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_multiarch.core.budget import (
    Budget,
    BudgetOutcome,
    BudgetVerdict,
    judge_budget,
    place_interval,
)
from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.parity import choose_baseline
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.statistics import Interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_multiarch.core.cost import PlatformCost
    from pytest_multiarch.core.member import Member

SINGLE_FACTOR = 2.0
"""How far from the truth the ratio of two single times may be: taken to be, since one run tells no
interval. What is beyond a budget even so is grossly beyond it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedBudget:
    """What became of one platform's budget; `label` is empty for the test's own time.

    `costs` are those of the measurement on all platforms.
    """

    member: Member
    label: str
    budget: Budget
    verdict: BudgetVerdict
    costs: tuple[PlatformCost, ...] = ()

    @property
    def platform(self) -> Platform:
        return self.member.platform

    @property
    def is_exceeded(self) -> bool:
        return self.verdict.outcome is BudgetOutcome.EXCEEDED

    @property
    def is_open(self) -> bool:
        """Whether it could not be decided: what `--multiarch-strict` fails."""
        return self.verdict.outcome in (BudgetOutcome.INCONCLUSIVE, BudgetOutcome.TOO_FEW)


def parse_budgets(
    max: object,
    min: object,
    declared: Sequence[Platform],
) -> dict[Platform, Budget]:
    """Read `max=` and `min=`: each a number for all platforms, or numbers by platform.

    Raises:
        UsageError: no number above 0, a platform that the test does not have, or no ratio fits.
    """
    limits: dict[Platform, dict[str, float]] = {}
    for name, given in (("max", max), ("min", min)):
        for platform, limit in _spread(name, given, declared).items():
            limits.setdefault(platform, {})[name] = limit
    return {platform: Budget(**each) for platform, each in limits.items()}


def _spread(name: str, given: object, declared: Sequence[Platform]) -> dict[Platform, float]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        Budget(**{name: given})  # type: ignore[arg-type]  # it says what is wrong
        return dict.fromkeys(declared, given)  # type: ignore[arg-type]
    found = {}
    for key, limit in given.items():
        platform = Platform.parse(key) if isinstance(key, str) else key
        if platform not in declared:
            raise UsageError(
                f"{name}= names {platform}, which is no platform of the test",
                cure=f"it has {', '.join(map(str, declared))}",
            )
        Budget(**{name: limit})
        found[platform] = limit
    return found


def judge_budgets(members: Iterable[Member]) -> tuple[JudgedBudget, ...]:
    """Judge every budget of one group, of which all members are given, of one run or several.

    Only what a test that passed declares. Times of separate runs are never divided: their
    machines may differ.
    """
    passed = [each for each in members if each.outcome.is_comparable]
    measured = [each for each in passed if each.overhead]
    if measured:
        return tuple(_judge_measured(measured))
    return tuple(_judge_own_times(passed))


def _judge_measured(members: Sequence[Member]) -> Iterator[JudgedBudget]:
    together: dict[tuple[str, str], list[PlatformCost]] = defaultdict(list)
    for member in members:
        for cost in member.overhead:
            together[member.run, cost.label].append(cost)
    for member in members:
        for cost in member.overhead:
            if cost.budget is not None:
                verdict = _judge_cost(cost, cost.budget)
                yield JudgedBudget(
                    member=member,
                    label=cost.label,
                    budget=cost.budget,
                    verdict=verdict,
                    costs=tuple(together[member.run, cost.label]),
                )


def _judge_cost(cost: PlatformCost, budget: Budget) -> BudgetVerdict:
    if cost.ratio is not None:
        return judge_budget(cost.ratio, budget)
    return BudgetVerdict(
        outcome=BudgetOutcome.TOO_FEW,
        reason=f"{budget} cannot be judged: no other platform was measured",
        cure="select another platform of the test too",
    )


def _judge_own_times(members: list[Member]) -> Iterator[JudgedBudget]:
    """Judge a test's own times, run by run."""
    runs: dict[tuple[str, str], list[Member]] = defaultdict(list)
    for each in members:
        runs[each.run, each.node].append(each)
    settled: set[Platform] = set()
    for several in runs.values():
        if len(several) > 1:
            base = choose_baseline(several)
            settled |= {each.platform for each in several}
            others = (each for each in several if each is not base)
            yield from (_judge_pair(each, base) for each in others if each.budget)
    budgeted = [each for each in members if each.budget and each.platform not in settled]
    # With others at hand the baseline itself is none to judge, wherever it ran.
    exempt = choose_baseline(members) if len(members) > 1 else None
    for each in budgeted:
        if each is not exempt:
            yield _leave_open(
                each, "no other platform of it passed in its session", "run two in one"
            )


def _judge_pair(member: Member, base: Member) -> JudgedBudget:
    budget = member.budget
    assert budget is not None
    if not (member.inside_s > 0 and base.inside_s > 0):
        return _leave_open(
            member, "no time in a container is known of it, or of its baseline",
            "run or exec something on the variant, or measure with the overhead fixture",
        )  # fmt: skip
    ratio = member.inside_s / base.inside_s
    interval = Interval(low=ratio / SINGLE_FACTOR, high=ratio * SINGLE_FACTOR)
    outcome = place_interval(interval, low=budget.min, high=budget.max)
    word, cure = _WORDS[outcome]
    verdict = BudgetVerdict(
        outcome=outcome,
        reason=f"it took {member.inside_s:.3g} s in its containers, {base.inside_s:.3g} s on "
        f"{base.platform}: a ratio of {ratio:.3g}. One run each: taken as right within a "
        f"factor of {SINGLE_FACTOR:g} ({interval.low:.3g} to {interval.high:.3g}), it {word} "
        f"{budget}",
        cure=cure,
    )
    return JudgedBudget(member=member, label="", budget=budget, verdict=verdict)


_WORDS = {
    BudgetOutcome.WITHIN: ("is within", ""),
    BudgetOutcome.EXCEEDED: (
        "is beyond",
        "make the work cheaper on this platform, run it natively, or raise the budget",
    ),
    BudgetOutcome.INCONCLUSIVE: (
        "straddles",
        "measure the command with the overhead fixture, or give the budget more room",
    ),
}


def _leave_open(member: Member, why: str, cure: str) -> JudgedBudget:
    budget = member.budget
    assert budget is not None
    verdict = BudgetVerdict(
        outcome=BudgetOutcome.TOO_FEW, reason=f"{budget} cannot be judged: {why}", cure=cure
    )
    return JudgedBudget(member=member, label="", budget=budget, verdict=verdict)
