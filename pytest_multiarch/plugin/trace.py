"""What one attempt of a test did so far, as its calls tell it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_multiarch.core.observation import make_observation
from pytest_multiarch.run.calls import find_call_faults, name_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_multiarch.core.budget import Budget
    from pytest_multiarch.core.cost import PlatformCost
    from pytest_multiarch.core.emulator_faults import Fault
    from pytest_multiarch.core.member import Refusal
    from pytest_multiarch.core.observation import Observation
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.repeats import Repeats
    from pytest_multiarch.core.rules import ParityRules
    from pytest_multiarch.run.calls import CallSeen
    from pytest_multiarch.run.container import Container
    from pytest_multiarch.run.variant import Variant


@dataclass(slots=True, kw_only=True)
class Trace:
    """What one attempt of one test did so far.

    `platforms` are the one platform of a parametrized test, or all of a test with `variants`.
    `seen` are the calls it made, each with the position of its observation, if there is one; they
    and `secrets` (to what they are shown as) are kept in this process only, never reported: they
    have the values of environment variables that a test passes. `budgets` are what the test's mark
    declares, `costs` what it measured, `repeats` what its calls did when they were made again,
    `retried` names the crashes for which calls were made once more, `faults` names what showed of
    `core.emulator_faults`, `refusal` is of its one platform.
    """

    platforms: tuple[Platform, ...]
    rules: ParityRules
    is_observed: bool
    started_at_s: float
    variants: dict[Platform, Variant] = field(default_factory=dict)
    containers: list[Container] = field(default_factory=list)
    observations: dict[Platform, list[Observation]] = field(default_factory=dict)
    inside_s: dict[Platform, float] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    budgets: Mapping[Platform, Budget] = field(default_factory=dict)
    costs: tuple[PlatformCost, ...] = ()
    seen: list[tuple[CallSeen, int | None]] = field(default_factory=list)
    repeats: dict[Platform, list[Repeats]] = field(default_factory=dict)
    retried: dict[Platform, list[str]] = field(default_factory=dict)
    faults: dict[Platform, dict[str, None]] = field(default_factory=dict)
    refusal: Refusal | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, platform: Platform, observation: Observation) -> None:
        """Take an observation down; tests may observe from several threads."""
        with self._lock:
            self.observations.setdefault(platform, []).append(observation)

    def note_call(
        self, platform: Platform, seen: CallSeen, observation: Observation | None, inside_s: float
    ) -> None:
        """Take a call down, what is observed of it, and the time that it took in its container."""
        with self._lock:
            position = None
            if observation is not None:
                observations = self.observations.setdefault(platform, [])
                position = len(observations)
                observations.append(observation)
            self.seen.append((seen, position))
            if seen.crashes:
                self.retried.setdefault(platform, []).extend(each.name for each in seen.crashes)
            self.secrets.update(name_values(seen.call.env))
        self.note_time(platform, inside_s)

    def note_time(self, platform: Platform, inside_s: float) -> None:
        """Take down the time that something took in the platform's containers."""
        with self._lock:
            self.inside_s[platform] = self.inside_s.get(platform, 0.0) + inside_s

    def note_faults(self, platform: Platform, faults: Iterable[Fault]) -> None:
        """Take down faults of the emulator that showed."""
        for each in faults:
            with self._lock:
                self.faults.setdefault(platform, {})[each.name] = None


class TestRecorder:
    """Turns the calls of one test on one platform into observations."""

    __test__ = False

    def __init__(self, trace: Trace, platform: Platform) -> None:
        self._trace = trace
        self._platform = platform

    def record_call(self, seen: CallSeen) -> None:
        """Take a call down; one that is observed is normalized by the test's rules."""
        result = seen.result
        inside_s = result.timings.inside_s
        observation = None
        if seen.is_observed and self._trace.is_observed:
            observation = make_observation(
                result,
                kind=seen.kind,
                label=seen.label,
                known=seen.known,
                pin=seen.variant.pin,
                history=seen.history,
                ignore=self._trace.rules.ignore,
                normalizers=self._trace.rules.normalizers,
                structure=self._trace.rules.structure,
            )
        self._trace.note_call(
            self._platform, seen, observation, result.wall_s if inside_s is None else inside_s
        )
        self._trace.note_faults(self._platform, (*find_call_faults(result), *seen.crashes))

    def note_env(self, env: Mapping[str, str]) -> None:
        """Have what the test passes shown by its name."""
        self._trace.secrets.update(name_values(env))

    def note_container(self, container: Container) -> None:
        """Have a container's log in the test's report should it fail."""
        self._trace.containers.append(container)
        for each in (container, *container.services.values()):
            self.note_env(each.started.settings.call.env)
