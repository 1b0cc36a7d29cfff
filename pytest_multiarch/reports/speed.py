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


def describe_times(members: Iterable[Member], wall_s: float) -> Iterator[str]:
    """Say how long each platform's containers were at work, and what of it was emulation.

    `wall_s` is what the session took, 0 if that is not known: then shares are of nothing.
    """
    times: dict[Platform, float] = defaultdict(float)
    emulated_s = 0.0
    workers = set()
    for each in members:
        times[each.platform] += each.inside_s
        emulated_s += each.inside_s if each.is_emulated else 0.0
        workers.add(each.worker)
    if not emulated_s:
        return
    shown = ", ".join(f"{platform} {_show(time)}" for platform, time in times.items() if time)
    text = f"time in containers: {shown}"
    if wall_s:
        of = f"the {_show(wall_s)} of this run"
        if len(workers) > 1:
            of = f"{len(workers)} workers in {of}"
        share = emulated_s / wall_s / len(workers)
        text += f"; under emulation {_show(emulated_s)}, {share:.0%} of {of}"
    yield text


def _show(seconds: float) -> str:
    return f"{seconds:,.1f} s"


def find_slowest(pairs: Iterable[Pair], *, most: int | None = None) -> tuple[Pair, ...]:
    """Find the tests that emulation slows down most, of those that take long at all.

    Of a group only its slowest platform. `most` are wanted, 0 for all, whatever they take; None
    for a few that take long.
    """
    least_s = _SLOW_S if most is None else 0.0
    slow = (each for each in pairs if each.is_of_emulation and each.other.inside_s >= least_s)
    by_group: dict[str, Pair] = {}
    for each in sorted((each for each in slow if each.ratio > 1), key=lambda each: -each.ratio):
        by_group.setdefault(each.other.group, each)
    return tuple(by_group.values())[: _MOST_SLOW if most is None else most or None]


def name_ratio(ratio: float) -> str:
    """Write a ratio with two digits: a single measurement is not worth more."""
    if ratio >= 9.95:
        return f"x {ratio:,.0f}"
    return f"x {ratio:.1f}" if ratio >= 0.995 else f"x {ratio:.2f}"
