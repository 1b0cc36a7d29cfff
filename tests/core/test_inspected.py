"""What was learned of images, laid together from several tests, processes and runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.inspected import Inspected, judge_images, lay_over
from pytest_multiarch.core.static_parity import StaticAllowance
from tests.samples import AMD64, ARM7, ARM64

if TYPE_CHECKING:
    from pytest_multiarch.core.platform import Platform


def allow(platform: Platform) -> StaticAllowance:
    return StaticAllowance(subject="User", reason=f"so on {platform}", platforms=(platform,))


def learn(platform: Platform, user: str, *allowances: StaticAllowance) -> dict[str, Any]:
    found = Inspected(configs={platform: {"User": user}}, allow=allowances)
    return {"app:1": found.to_mapping()}


def test_each_run_adds_its_platform() -> None:
    (verdict,) = judge_images([learn(AMD64, "a"), learn(ARM64, "b")], [])
    assert verdict.platforms == (AMD64, ARM64)
    assert [each.subject for each in verdict.open_differences] == ["User"]


def test_runs_add_up_in_any_order_and_in_any_groups() -> None:
    runs = [learn(AMD64, "a"), learn(ARM64, "b"), learn(ARM7, "c")]
    both: dict[str, Any] = {}
    lay_over(both, learn(ARM7, "c"))
    lay_over(both, learn(ARM64, "b"))
    assert judge_images(runs, []) == judge_images(runs[::-1], [])
    assert judge_images(runs, []) == judge_images([both, runs[0]], [])


def test_allowances_for_a_platform_each_are_all_kept() -> None:
    """They have one subject."""
    allowances = allow(ARM64), allow(ARM7)
    runs = [
        learn(AMD64, "a", *allowances),
        learn(ARM64, "b"),
        learn(ARM7, "c"),
    ]
    (verdict,) = judge_images(runs, [])
    assert [each.allowed for each in verdict.differences] == [
        "so on linux/arm64; so on linux/arm/v7"
    ]
