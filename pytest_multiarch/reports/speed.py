"""How long platforms took for what the baseline did too."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_multiarch.core.member import Member
    from pytest_multiarch.core.parity import Verdict
    from pytest_multiarch.core.platform import Platform

APART = "* partly from separate runs or nodes: their machines are part of the ratio"
_MOST_SLOW = 3
_SLOW_S = 0.5
"""What is over sooner than this is nobody's slow test, whatever its ratio."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One test on two platforms, or on one in two ways; both have times."""

    base: Member
    other: Member

    @property
    def ratio(self) -> float:
        """The other's time inside its containers, divided by the base's."""
        return self.other.inside_s / self.base.inside_s

    @property
    def is_apart(self) -> bool:
        """Whether the two were measured in separate runs or on separate nodes, whose machines may
        differ."""
        return (self.base.run, self.base.node) != (self.other.run, self.other.node)

    @property
    def is_of_emulation(self) -> bool:
        """Whether the ratio says something of emulation."""
        return self.other.is_emulated and not self.base.is_emulated

    @property
    def is_of_platforms(self) -> bool:
        """Whether the ratio is more than that of two machines."""
        return self.is_of_emulation or not self.is_apart


def list_pairs(verdicts: Iterable[Verdict]) -> Iterator[Pair]:
    """Pair each compared member with the baseline's, where both have times."""
    for verdict in verdicts:
        for other in verdict.compared[1:]:
            base = verdict.compared[0]
            if base.inside_s > 0 and other.inside_s > 0:
                yield Pair(base, other)


def describe_ratios(pairs: Iterable[Pair]) -> dict[Platform, str]:
    """Give each platform's time over the baseline's in the same tests: `x 4.1`.

    One with a star, which `APART` explains, was measured apart from its baseline.
    """
    by_platform: dict[Platform, list[Pair]] = defaultdict(list)
    for each in pairs:
        by_platform[each.other.platform].append(each)
    return {
        platform: name_ratio(
            sum(each.other.inside_s for each in several)
            / sum(each.base.inside_s for each in several)
        )
        + (" *" if any(each.is_apart for each in several) else "")
        for platform, several in by_platform.items()
    }


def find_slowest(pairs: Iterable[Pair]) -> tuple[Pair, ...]:
    """Find the tests that emulation slows down most, of those that take long at all.

    Of a group only its slowest platform.
    """
    slow = (each for each in pairs if each.is_of_emulation and each.other.inside_s >= _SLOW_S)
    by_group: dict[str, Pair] = {}
    for each in sorted((each for each in slow if each.ratio > 1), key=lambda each: -each.ratio):
        by_group.setdefault(each.other.group, each)
    return tuple(by_group.values())[:_MOST_SLOW]


def name_ratio(ratio: float) -> str:
    """Write a ratio with two digits: a single measurement is not worth more."""
    if ratio >= 9.95:
        return f"x {ratio:,.0f}"
    return f"x {ratio:.1f}" if ratio >= 0.995 else f"x {ratio:.2f}"
