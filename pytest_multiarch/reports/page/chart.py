"""Ratios on a logarithmic scale, the baseline at 1: positions in percent of the chart's width."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_STEPS = (1, 2, 5)
_MOST_TICKS = 8


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio to draw; `low` and `high` bound its interval, None for a single sample.

    `detail` says what it is made of, `warning` what is wrong with it; `anchor` is its test's row.
    """

    label: str
    ratio: float
    low: float | None = None
    high: float | None = None
    detail: str = ""
    warning: str = ""
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    """A line across the chart."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A ratio as drawn: its place, and its interval's ends, None where it has none."""

    label: str
    text: str
    interval: str
    detail: str
    warning: str
    anchor: str
    at: float
    ends: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars on one scale; `one` is where the baseline is."""

    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    one: float


def draw_ratios(ratios: Iterable[Ratio]) -> Chart | None:
    """Lay out ratios, each with its interval; None where there is nothing to draw."""
    drawn = [each for each in ratios if _is_drawable(each.ratio)]
    if not drawn:
        return None
    values = [value for each in drawn for value in (each.ratio, each.low, each.high)]
    known = [each for each in values if each is not None and _is_drawable(each)]
    scale = _Scale(min(0.8, *known) if len(known) > 1 else min(0.8, known[0]), max(2.0, *known, 0))
    return Chart(
        bars=tuple(scale.draw(each) for each in drawn),
        ticks=tuple(scale.list_ticks()),
        one=scale.place(1.0),
    )


def _is_drawable(value: float) -> bool:
    return math.isfinite(value) and value > 0


@dataclass(frozen=True, slots=True)
class _Scale:
    low: float
    high: float

    def place(self, value: float) -> float:
        """Give the place of a value, in percent from the left, with a margin at both ends."""
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return round(3 + 94 * min(max(share, 0.0), 1.0), 2)

    def draw(self, given: Ratio) -> Bar:
        ends = None
        interval = ""
        if given.low is not None and given.high is not None and _is_drawable(given.low):
            high = given.high if _is_drawable(given.high) else self.high
            ends = self.place(given.low), self.place(high)
            interval = f"{_format(given.low)} to {_format(given.high)}"
        at = self.place(given.ratio)
        return Bar(
            label=given.label,
            text=_format(given.ratio),
            interval=interval,
            detail=given.detail,
            warning=given.warning,
            anchor=given.anchor,
            at=at,
            ends=ends,
        )

    def list_ticks(self) -> list[Tick]:
        """Give lines at 1, 2, 5, 10, ...: at powers of ten alone where these are many."""
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        for steps in (_STEPS, (1,)):
            values = [step * 10.0**power for power in range(first, last + 1) for step in steps]
            inside = [each for each in values if self.low <= each <= self.high]
            if len(inside) <= _MOST_TICKS:
                break
        stride = math.ceil(len(inside) / _MOST_TICKS)
        return [Tick(self.place(each), f"{each:g}") for each in inside[::stride]]


def _format(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
