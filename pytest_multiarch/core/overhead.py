"""What measuring one piece of work on several platforms gives: every run of it, in its round."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_multiarch.core.errors import MultiarchError
    from pytest_multiarch.core.execution import Execution
    from pytest_multiarch.core.platform import Platform


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One run of the work: wall clock and CPU time in seconds, and how it ended.

    A program's times are of it and of the descendants that it waited for, an emulator's start
    included; `exit_code` is 128 and the signal's number where one ended it. A callable is timed
    on this machine, by the wall clock alone.
    """

    wall_s: float
    user_s: float | None = None
    system_s: float | None = None
    exit_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformSamples:
    """All runs on one platform: the warm-up's, then one tuple for each round.

    `is_control`: it is the platform's own variant, run under an emulator of the same
    architecture, which tells what the emulator costs apart from what the architecture does.
    """

    platform: Platform
    execution: Execution
    is_control: bool = False
    warmup: tuple[Sample, ...] = ()
    rounds: tuple[tuple[Sample, ...], ...] = ()

    @property
    def walls_s(self) -> tuple[float, ...]:
        """The wall time of each round: the median of its runs."""
        return tuple(statistics.median(each.wall_s for each in runs) for runs in self.rounds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One piece of work, measured on several platforms in interleaved rounds.

    `what` is the command or the callable's name, for people. `rounds` is how many were to be made,
    decided before the first; `failure` is why there are fewer, and None if there are not. A round
    that could not be finished on all platforms counts on none. `control_failure` is why there is no
    control, if there was to be one: that takes nothing from the platforms. `measuring_s` is the
    wall time of it all, for the cost of measuring.
    """

    what: str
    rounds: int
    runs: int
    platforms: tuple[PlatformSamples, ...]
    measuring_s: float
    failure: MultiarchError | None = None
    control_failure: MultiarchError | None = None

    def explain_failure(self) -> str:
        """Say in one line why there are fewer rounds; empty if there are not."""
        return "" if self.failure is None else self.failure.headline

    @property
    def measured_s(self) -> float:
        """The wall time of all runs together, the warm-up's included."""
        groups = (runs for each in self.platforms for runs in (each.warmup, *each.rounds))
        return math.fsum(sample.wall_s for runs in groups for sample in runs)
