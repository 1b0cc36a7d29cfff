"""Budgets as tests declare them, and what becomes of them."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_multiarch.core.budget import Budget, BudgetOutcome
from pytest_multiarch.core.budgets import judge_budgets, parse_budgets
from pytest_multiarch.core.cost import PlatformCost
from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.execution import Execution, ExecutionKind
from pytest_multiarch.core.member import Member, Outcome
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.statistics import Interval, Ratio

AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")
BOTH = (AMD64, ARM64)
NATIVE, QEMU = Execution(kind=ExecutionKind.NATIVE), Execution(kind=ExecutionKind.QEMU)


def make_member(platform: Platform, inside_s: float = 1.0, **fields: Any) -> Member:
    defaults: dict[str, Any] = {
        "execution": NATIVE if platform is AMD64 else QEMU,
        "outcome": Outcome.PASSED,
        "budget": Budget(max=10),
        "run": "one",
    }
    return Member(
        group="test_x", platform=platform, node_id="test_x", declared=BOTH, selected=BOTH,
        inside_s=inside_s, **{**defaults, **fields},
    )  # fmt: skip


def make_cost(ratio: Ratio | None, **fields: Any) -> PlatformCost:
    return PlatformCost(
        label="work", what="work", platform=ARM64, execution=QEMU, baseline=AMD64, planned=7,
        samples_s=(1.0,) * 7, ratio=ratio, budget=Budget(max=10), **fields,
    )  # fmt: skip


def judge(*members: Member) -> list[tuple[str, BudgetOutcome]]:
    return [(str(each.platform), each.verdict.outcome) for each in judge_budgets(members)]


# Read


def test_a_number_is_for_all_platforms() -> None:
    assert parse_budgets(20, None, BOTH) == dict.fromkeys(BOTH, Budget(max=20))


def test_numbers_by_platform() -> None:
    found = parse_budgets({"aarch64": 20}, {ARM64: 2}, BOTH)
    assert found == {ARM64: Budget(max=20, min=2)}


def test_nothing_is_no_budget() -> None:
    assert parse_budgets(None, None, BOTH) == {}


@pytest.mark.parametrize(
    ("most", "least"), [(-1, None), (True, None), ({"arm64": 0}, None), (1, 2), ("20", None)]
)
def test_what_is_no_budget(most: object, least: object) -> None:
    with pytest.raises(UsageError):
        parse_budgets(most, least, BOTH)


def test_an_unknown_platform_is_named_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="names linux/s390x") as raised:
        parse_budgets({"s390x": 2}, None, BOTH)
    assert "linux/amd64, linux/arm64" in raised.value.cure


# Single times


@pytest.mark.parametrize(
    ("seconds", "outcome"),
    [
        (4.9, BudgetOutcome.WITHIN),
        (5.1, BudgetOutcome.INCONCLUSIVE),
        (19.9, BudgetOutcome.INCONCLUSIVE),
        (20.1, BudgetOutcome.EXCEEDED),
    ],
)
def test_single_times_are_right_within_a_factor_of_two(
    seconds: float, outcome: BudgetOutcome
) -> None:
    assert judge(make_member(AMD64), make_member(ARM64, seconds)) == [("linux/arm64", outcome)]


def test_the_order_of_members_does_not_matter() -> None:
    members = make_member(AMD64), make_member(ARM64, 100.0)
    assert judge(*members) == judge(*reversed(members))


def test_times_of_separate_runs_are_not_divided() -> None:
    found = judge(make_member(AMD64), make_member(ARM64, 100.0, run="two"))
    assert found == [("linux/arm64", BudgetOutcome.TOO_FEW)]


def test_times_of_separate_nodes_are_not_divided() -> None:
    found = judge(make_member(AMD64), make_member(ARM64, 100.0, node="elsewhere"))
    assert found == [("linux/arm64", BudgetOutcome.TOO_FEW)]


def test_each_run_has_its_own_baseline() -> None:
    """Two jobs on two architectures: each judges what it emulated."""
    here = make_member(AMD64), make_member(ARM64, 100.0)
    there = (
        make_member(AMD64, 3.0, run="two", execution=QEMU),
        make_member(ARM64, 1.0, run="two", execution=NATIVE),
    )
    assert judge(*here, *there) == [
        ("linux/arm64", BudgetOutcome.EXCEEDED),
        ("linux/amd64", BudgetOutcome.WITHIN),
    ]


def test_a_platform_alone_is_not_decided() -> None:
    assert judge(make_member(ARM64)) == [("linux/arm64", BudgetOutcome.TOO_FEW)]


def test_no_time_is_not_decided() -> None:
    assert judge(make_member(AMD64), make_member(ARM64, 0.0)) == [
        ("linux/arm64", BudgetOutcome.TOO_FEW)
    ]


def test_what_failed_has_failed_already() -> None:
    assert judge(make_member(AMD64), make_member(ARM64, 100.0, outcome=Outcome.SKIPPED)) == [
        ("linux/amd64", BudgetOutcome.TOO_FEW)
    ]
    assert judge(make_member(AMD64, outcome=Outcome.FAILED)) == []


# Measurements


def test_a_measurement_is_judged_by_its_interval() -> None:
    ratio = Ratio(value=12, interval=Interval(low=11, high=13), rounds=7)
    member = make_member(ARM64, overhead=(make_cost(ratio),))
    (judged,) = judge_budgets([make_member(AMD64), member])
    assert (judged.label, judged.is_exceeded, judged.costs) == ("work", True, member.overhead)


def test_a_measurement_takes_the_place_of_the_tests_own_time() -> None:
    ratio = Ratio(value=2, interval=Interval(low=1.9, high=2.1), rounds=7)
    members = make_member(AMD64), make_member(ARM64, 100.0, overhead=(make_cost(ratio),))
    assert judge(*members) == [("linux/arm64", BudgetOutcome.WITHIN)]


def test_a_measurement_without_its_baseline_is_not_decided() -> None:
    member = make_member(ARM64, overhead=(make_cost(None),))
    assert judge(member) == [("linux/arm64", BudgetOutcome.TOO_FEW)]
