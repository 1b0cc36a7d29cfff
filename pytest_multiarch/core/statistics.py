"""From samples to a ratio with its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median, quantiles

from pytest_multiarch.core.errors import MeasurementError
from pytest_multiarch.core.signed_rank import locate_centre

_SHORTEST_S, _LONGEST_S = 1e-9, 1e9


def check_time(time_s: float, what: str) -> None:
    """Refuse what cannot be the time of any work; `what` took it.

    Raises:
        MeasurementError: it is 0, negative, not a number, or longer than anybody waits.
    """
    if time_s == 0:
        raise MeasurementError(
            f"{what} took no time that the clock could tell",
            cure="give the command more work: what takes no time has no ratio",
        )
    if not _SHORTEST_S <= time_s <= _LONGEST_S:
        raise MeasurementError(
            f"{what} took {time_s!r} s; expected {_SHORTEST_S:g} to {_LONGEST_S:g}",
            cure="take times with a clock that never goes back, time.perf_counter() say",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """The times of one platform, in seconds, one for each round, in the order of the rounds.

    `name` is what messages call them: the platform.

    Raises:
        MeasurementError: there are none, or one is not a time above 0.
    """

    name: str
    times_s: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.times_s:
            raise MeasurementError(
                f"{self.name}: there are no samples", cure="measure one round at least"
            )
        for number, time_s in enumerate(self.times_s, 1):
            check_time(time_s, f"{self.name}: round {number}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What the samples of one platform were like.

    `iqr_s` is the interquartile range: the middle half of the samples lies that close together,
    whatever the slowest fourth did. 0 for a single sample.
    """

    median_s: float
    iqr_s: float
    min_s: float
    rounds: int

    @property
    def spread(self) -> float:
        """The interquartile range as a part of the median: 0.1 is 10 %."""
        return self.iqr_s / self.median_s


def summarize(samples: Samples) -> Summary:
    """Sum up the samples of one platform."""
    times_s = samples.times_s
    iqr_s = 0.0
    if len(times_s) > 1:
        lower_s, _, upper_s = quantiles(times_s, n=4, method="inclusive")
        # Of equal samples the two may differ by a rounding error.
        iqr_s = max(upper_s - lower_s, 0.0)
    return Summary(median_s=median(times_s), iqr_s=iqr_s, min_s=min(times_s), rounds=len(times_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """What a 95 % interval reaches from and to."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """A platform's time divided by its baseline's; no interval with fewer than 5 rounds."""

    value: float
    interval: Interval | None
    rounds: int


def measure_ratio(samples: Samples, baseline: Samples) -> Ratio:
    """Estimate how many times as long as the baseline a platform takes, with a 95 % interval.

    The two took turns, and sample i of both is of round i. Each round gives one ratio, in which
    cancels what slows down both; the estimate is the centre of their logarithms (Hodges and
    Lehmann's), the interval is that of the signed-rank test, widened where the ratios of
    neighbouring rounds resemble each other (`signed_rank.locate_centre`).

    Where rounds are ordered by `rounds.order_round`, what the machine does is as likely to make the
    one look slower as the other, however skewed, drifting or autocorrelated it is. In simulations
    with 5 to 30 rounds (`benchmarks/coverage.py`, 10,000 of each) the interval holds the true ratio
    in 94 to 96.5 % of cases: with even and skewed noise, spikes, drift, a random walk, load that
    comes and goes, and all of them together.

    Less where a platform has noise of its own, which the other does not feel, and which outlasts a
    round: with an autocorrelation between neighbouring rounds of 0.1 it holds in 94 %, of 0.2 in
    92.5 to 93.5, of 0.3 in 91 to 93, of 0.5 in 85 to 91. A load that one platform feels half as
    much again as the other is such a noise too: 90.5 to 94 %. Few rounds do not tell that from
    chance.

    The ratio is the typical one of a round, not quite that of the medians: where the baseline's
    noise is long-tailed and the other's is not, the two differ by about 1 %. And what does not
    change between rounds is in no interval: how this machine, container and day differ from others.

    Raises:
        MeasurementError: one has more samples than the other.
    """
    if len(samples.times_s) != len(baseline.times_s):
        raise MeasurementError(
            f"{samples.name} has {len(samples.times_s)} samples, {baseline.name} has "
            f"{len(baseline.times_s)}: they cannot be paired",
            cure="leave out rounds that one of them did not finish",
        )
    centre = locate_centre(
        [
            math.log(time_s) - math.log(base_s)
            for time_s, base_s in zip(samples.times_s, baseline.times_s, strict=True)
        ]
    )
    interval = None
    if centre.low is not None and centre.high is not None:
        interval = Interval(low=math.exp(centre.low), high=math.exp(centre.high))
    return Ratio(value=math.exp(centre.value), interval=interval, rounds=len(samples.times_s))
