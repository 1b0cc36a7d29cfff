#!/usr/bin/env python3
"""Count how often the 95 % interval of a ratio holds the true one, in simulated measurements.

    python benchmarks/coverage.py [--simulations 10000] [--seed 1] [--rounds 5 7]
    python benchmarks/coverage.py --machine 200 -- qemu-aarch64-static ./program

Times are made up, of noise as machines have it, around a ratio that is known; the plugin's own
functions order the rounds and compute the interval. Of what the plugin promises, 93 to 97 % have to
hold it. The rows below those show what is not promised, and how far off it is.

With `--machine N` nothing is made up: a command is measured against itself N times, in 7 rounds
each, so that the true ratio is 1.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pytest_multiarch.core.regression import compare_ratios
from pytest_multiarch.core.rounds import order_round
from pytest_multiarch.core.statistics import Ratio, Samples, measure_ratio

ROUNDS = (5, 6, 7, 10, 20, 30)
LEAST, GREATEST = 0.93, 0.97
BASE_S = 0.05
RATIO = 8.0

Noise = list[float]
"""Logarithms: what a time is multiplied by."""


def make_even(source: random.Random, count: int, size: float) -> Noise:
    """Make noise that is as likely to slow down as to speed up; `size` is 0.03 for 3 %."""
    return [source.gauss(0, size) for _ in range(count)]


def make_skewed(source: random.Random, count: int) -> Noise:
    """Make noise that only adds: 5 % in the median, 25 % in one of twenty."""
    return [math.log1p(source.lognormvariate(math.log(0.05), 1)) for _ in range(count)]


def make_spikes(source: random.Random, count: int) -> Noise:
    """Make one run of fourteen longer, by half of its time on average."""
    return [
        math.log1p(source.expovariate(2)) if source.random() < 0.07 else 0.0 for _ in range(count)
    ]


def make_drift(source: random.Random, count: int, size: float) -> Noise:
    """Make a machine that gets steadily slower, or faster: by `size` in all."""
    slope = source.choice([-size, size]) / count
    return [slope * place for place in range(count)]


def make_walk(source: random.Random, count: int, size: float) -> Noise:
    """Make a machine that wanders off."""
    noise = [0.0]
    for _ in range(count - 1):
        noise.append(noise[-1] + source.gauss(0, size))
    return noise


def make_persistent(source: random.Random, count: int, size: float, persistence: float) -> Noise:
    """Make autocorrelated noise, AR(1): each value keeps `persistence` of the one before."""
    fresh = math.sqrt(1 - persistence**2) * size
    noise = [source.gauss(0, size)]
    for _ in range(count - 1):
        noise.append(persistence * noise[-1] + source.gauss(0, fresh))
    return noise


def make_bursts(source: random.Random, count: int) -> Noise:
    """Make other work that comes and goes: it costs 35 %, and stays for three runs on average."""
    is_busy = source.random() < 0.25
    noise = []
    for _ in range(count):
        is_busy = source.random() < (0.67 if is_busy else 0.11)
        noise.append(0.3 * is_busy)
    return noise


def add(*noises: Noise) -> Noise:
    """Let several noises come together."""
    return [math.fsum(values) for values in zip(*noises, strict=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A kind of noise.

    `of_machine` gives what slows down whatever runs, one value for each run of either platform;
    `of_base` and `of_other` what each of the two has for itself, one value a round. `response`: the
    other platform feels this much of the machine's noise. `is_fixed`: the baseline always goes
    first. `find_truth` gives the true ratio.
    """

    name: str
    of_base: Callable[[random.Random, int], Noise]
    of_other: Callable[[random.Random, int], Noise]
    of_machine: Callable[[random.Random, int], Noise] = lambda _, count: [0.0] * count
    response: float = 1.0
    is_fixed: bool = False
    is_promised: bool = True
    find_truth: Callable[[], float] = lambda: RATIO


def make_scenario(
    name: str,
    of_each: Callable[[random.Random, int], Noise],
    of_machine: Callable[[random.Random, int], Noise] = lambda _, count: [0.0] * count,
    *,
    response: float = 1.0,
    is_fixed: bool = False,
    is_promised: bool = True,
) -> Scenario:
    """Make a scenario in which both platforms have the same kind of noise."""
    return Scenario(
        name=name,
        of_base=of_each,
        of_other=of_each,
        of_machine=of_machine,
        response=response,
        is_fixed=is_fixed,
        is_promised=is_promised,
    )


def simulate(scenario: Scenario, rounds: int, source: random.Random) -> Ratio:
    """Simulate one measurement."""
    machine = scenario.of_machine(source, 2 * rounds)
    base = scenario.of_base(source, rounds)
    other = scenario.of_other(source, rounds)
    seed = str(source.random())
    base_s, other_s = [], []
    for number in range(rounds):
        order = (0, 1) if scenario.is_fixed else order_round((0, 1), number, seed=seed)
        first = 2 * number
        felt = scenario.response * machine[first + order.index(1)]
        base_s.append(BASE_S * math.exp(base[number] + machine[first + order.index(0)]))
        other_s.append(BASE_S * RATIO * math.exp(other[number] + felt))
    return measure_ratio(
        Samples(name="other", times_s=tuple(other_s)), Samples(name="base", times_s=tuple(base_s))
    )


def count_covered(scenario: Scenario, rounds: int, *, simulations: int, seed: int) -> float:
    """Give the part of simulated intervals that hold the true ratio."""
    source = random.Random(f"{scenario.name} {rounds} {seed}")
    truth = scenario.find_truth()
    held = 0
    for _ in range(simulations):
        interval = simulate(scenario, rounds, source).interval
        held += interval is not None and truth in interval
    return held / simulations


def count_covered_changes(rounds: int, later: int, *, simulations: int, seed: int) -> float:
    """Give the part of intervals of a change that hold the true one: none."""
    source = random.Random(f"change {rounds} {later} {seed}")
    held = 0
    for _ in range(simulations):
        change = compare_ratios(
            simulate(EVERYTHING, rounds, source), simulate(QUIET, later, source)
        )
        held += change.factor_interval is not None and 1 in change.factor_interval
    return held / simulations


def make_small(source: random.Random, count: int) -> Noise:
    """Make the even noise of a quiet machine, 2 %."""
    return make_even(source, count, 0.02)


@cache
def find_unlike_centre() -> float:
    """Find what a measurement without end gives where the noise of the two differs in shape."""
    source = random.Random("centre")
    base = make_skewed(source, 400_000)
    other = make_small(source, 400_000)
    ratios = [after - before for before, after in zip(base, other, strict=True)]
    return RATIO * math.exp(
        statistics.median(
            (one + another) / 2 for one, another in zip(ratios[::2], ratios[1::2], strict=True)
        )
    )


QUIET = make_scenario("even noise of 3 %", lambda source, count: make_even(source, count, 0.03))
EVERYTHING = make_scenario(
    "skewed, spikes, drift and load",
    lambda source, count: add(make_skewed(source, count), make_spikes(source, count)),
    lambda source, count: add(
        make_drift(source, count, 0.25), make_persistent(source, count, 0.05, 0.7)
    ),
)
UNLIKE = Scenario(
    name="one skewed, the other even",
    of_base=make_skewed,
    of_other=make_small,
    find_truth=find_unlike_centre,
)


def make_own(persistence: float, *, is_promised: bool = False) -> Scenario:
    """Make platforms with autocorrelated noise of their own, which the other does not feel."""
    return make_scenario(
        f"each its own AR(1), {persistence}",
        lambda source, count: make_persistent(source, count, 0.05, persistence),
        is_promised=is_promised,
    )


SCENARIOS = (
    QUIET,
    make_scenario("skewed: noise only adds", make_skewed),
    make_scenario(
        "spikes", lambda source, count: add(make_spikes(source, count), make_small(source, count))
    ),
    make_scenario("drift of 25 %", QUIET.of_base, lambda s, count: make_drift(s, count, 0.25)),
    make_scenario("drift of 50 %", make_small, lambda s, count: make_drift(s, count, 0.5)),
    make_scenario("random walk", make_small, lambda s, count: make_walk(s, count, 0.03)),
    make_scenario(
        "load, AR(1), 0.5", make_small, lambda s, count: make_persistent(s, count, 0.1, 0.5)
    ),
    make_scenario(
        "load, AR(1), 0.9", make_small, lambda s, count: make_persistent(s, count, 0.1, 0.9)
    ),
    make_scenario("bursts of other work", make_small, make_bursts),
    EVERYTHING,
    UNLIKE,
    make_own(0.1, is_promised=True),
    make_own(0.2),
    make_own(0.3),
    make_own(0.5),
    make_scenario(
        "load felt 1.5 times, AR(1), 0.8",
        QUIET.of_base,
        lambda s, count: make_persistent(s, count, 0.05, 0.8),
        response=1.5,
        is_promised=False,
    ),
    make_scenario(
        "drift of 25 %, the same first",
        QUIET.of_base,
        lambda s, count: make_drift(s, count, 0.25),
        is_fixed=True,
        is_promised=False,
    ),
    Scenario(
        name="one skewed: ratio of medians",
        of_base=make_skewed,
        of_other=make_small,
        is_promised=False,
        find_truth=lambda: RATIO / 1.05,
    ),
)


def measure_itself(command: Sequence[str], rounds: int, seed: str) -> Ratio:
    """Measure a command against itself."""
    times_s: dict[str, list[float]] = {"other": [], "base": []}
    for number in range(rounds):
        for name in order_round(("base", "other"), number, seed=seed):
            begun = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            times_s[name].append(time.perf_counter() - begun)
    other, base = (Samples(name=name, times_s=tuple(each)) for name, each in times_s.items())
    return measure_ratio(other, base)


def report_machine(command: Sequence[str], measurements: int, seed: int) -> None:
    """Print how many measurements of a command against itself held 1, and how wide they were."""
    intervals = [
        measure_itself(command, 7, f"{seed} {number}").interval for number in range(measurements)
    ]
    held = sum(each is not None and 1 in each for each in intervals)
    width = statistics.median(each.high / each.low for each in intervals if each)
    print(f"{held} of {measurements} intervals hold 1, {100 * held / measurements:.1f} %")
    print(f"from the low to the high end of an interval: {width - 1:.1%} in the median")


def main() -> None:
    """Simulate, print the table, and fail where a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--simulations", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, nargs="+", default=ROUNDS)
    parser.add_argument("--machine", type=int, metavar="N")
    parser.add_argument(
        "command", nargs="*", default=[sys.executable, "-S", "-c", "sum(range(10**6))"]
    )
    given = parser.parse_args()
    if given.machine:
        report_machine(given.command, given.machine, given.seed)
        return
    columns: Sequence[int] = given.rounds
    print(f"{'% that hold the true ratio':34}" + "".join(f"{f'{n} rounds':>11}" for n in columns))
    missed = 0
    for scenario in SCENARIOS:
        covered = [
            count_covered(scenario, rounds, simulations=given.simulations, seed=given.seed)
            for rounds in columns
        ]
        out = sum(not LEAST <= each <= GREATEST for each in covered)
        missed += out if scenario.is_promised else 0
        verdict = ("MISSED" if out else "holds") if scenario.is_promised else "not promised"
        cells = "".join(f"{100 * each:11.1f}" for each in covered)
        print(f"{scenario.name:34}{cells}  {verdict}", flush=True)
    changes = "".join(
        f"{100 * count_covered_changes(n, n, simulations=given.simulations, seed=given.seed):11.1f}"
        for n in columns
    )
    print(f"{'change between two records':34}{changes}  not promised")
    if missed:
        sys.exit(f"{missed} of the promised are outside {LEAST:.0%} to {GREATEST:.0%}")


if __name__ == "__main__":
    main()
