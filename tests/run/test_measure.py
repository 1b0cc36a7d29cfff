"""The order of measuring, and what becomes of samples when something fails."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from pytest_multiarch.core.call import Call
from pytest_multiarch.core.errors import (
    ContainerError,
    EngineGoneError,
    MeasurementError,
    UsageError,
)
from pytest_multiarch.core.execution import Execution, ExecutionKind
from pytest_multiarch.core.overhead import PlatformSamples, Sample
from pytest_multiarch.run.measure import (
    Plan,
    measure_callable,
    measure_command,
    measure_subjects,
)
from tests.fake_engine import AMD64, ARM64, FakeEngine, start_container

if TYPE_CHECKING:
    from pytest_multiarch.core.overhead import Measurement
    from pytest_multiarch.core.platform import Platform

NATIVE = Execution(kind=ExecutionKind.NATIVE)


@dataclass(kw_only=True)
class FakeSubject:
    """Does nothing, in a given time, until it fails at a given run."""

    platform: Platform
    turns: list[str]
    wall_s: float = 0.01
    fails_at: int | None = None
    execution: Execution = NATIVE
    is_control: bool = False
    made: Any = field(default_factory=itertools.count)

    def run(self, runs: int, *, is_warmup: bool) -> tuple[Sample, ...]:
        """Take a turn."""
        self.turns.append(self.platform.architecture)
        if next(self.made) == self.fails_at:
            raise ContainerError("gone")
        return (Sample(wall_s=self.wall_s),) * runs


def measure(turns: list[str], plan: Plan, **arm64: Any) -> Measurement:
    subjects = [
        FakeSubject(platform=AMD64, turns=turns),
        FakeSubject(platform=ARM64, turns=turns, **arm64),
    ]
    return measure_subjects("work", subjects, plan, 0.0)


def test_each_round_has_each_platform_once() -> None:
    turns: list[str] = []
    measurement = measure(turns, Plan(rounds=20))
    pairs = list(zip(turns[::2], turns[1::2], strict=True))
    assert all(set(pair) == {"amd64", "arm64"} for pair in pairs)
    assert len(set(pairs[1:])) == 2
    assert [len(each.rounds) for each in measurement.platforms] == [20, 20]
    assert measurement.failure is None


def test_a_round_has_several_runs_and_the_warmup_its_own() -> None:
    platform = measure([], Plan(rounds=5, runs=3, warmup=2)).platforms[1]
    assert len(platform.warmup) == 2
    assert [len(each) for each in platform.rounds] == [3] * 5


def test_work_that_takes_long_has_few_rounds() -> None:
    assert measure([], Plan()).rounds == 7
    assert measure([], Plan(), wall_s=10).rounds == 5


def test_rounds_that_were_made_are_kept() -> None:
    """The warm-up and three rounds; the fourth counts on neither platform."""
    measurement = measure([], Plan(rounds=9), fails_at=4)
    assert [len(each.rounds) for each in measurement.platforms] == [3, 3]
    assert isinstance(measurement.failure, ContainerError)
    assert measurement.rounds == 9


def test_a_warmup_that_fails_leaves_nothing_but_itself() -> None:
    measurement = measure([], Plan(), fails_at=0)
    assert [len(each.warmup) for each in measurement.platforms] == [1, 0]
    assert measurement.failure is not None


@pytest.mark.parametrize("fails_at", [0, 3])
def test_a_control_that_fails_takes_nothing_from_the_platforms(fails_at: int) -> None:
    turns: list[str] = []
    measurement = measure(turns, Plan(rounds=5), is_control=True, fails_at=fails_at)
    assert measurement.failure is None
    assert str(measurement.control_failure) == "gone"
    assert [len(each.rounds) for each in measurement.platforms] == [5]
    assert turns.count("arm64") == fails_at + 1


def test_an_engine_that_is_gone_in_a_control_run_ends_all() -> None:
    control = FakeSubject(platform=ARM64, turns=[], is_control=True)
    control.run = lambda *_, **__: raise_gone()  # type: ignore[method-assign]
    subjects = [FakeSubject(platform=AMD64, turns=[]), control]
    assert isinstance(measure_subjects("work", subjects, Plan(), 0.0).failure, EngineGoneError)


def raise_gone() -> NoReturn:
    raise EngineGoneError("the engine is gone")


def test_work_of_no_length() -> None:
    failure = measure([], Plan(), wall_s=0.0).failure
    assert isinstance(failure, MeasurementError)
    assert "work on linux/arm64 took 0 ns" in failure.what


@pytest.mark.parametrize("name", ["rounds", "warmup", "runs"])
@pytest.mark.parametrize("number", [0, -1, 1.5, True, "3"])
def test_numbers_that_are_none(name: str, number: Any) -> None:
    with pytest.raises(UsageError, match=name):
        Plan(**{name: number})


def test_a_rounds_wall_is_the_median_of_its_runs() -> None:
    runs = tuple(Sample(wall_s=each) for each in (1.0, 9.0, 2.0))
    samples = PlatformSamples(platform=AMD64, execution=NATIVE, rounds=(runs, runs[:1]))
    assert samples.walls_s == (2.0, 1.0)


def test_what_all_runs_took_together() -> None:
    measurement = measure([], Plan(rounds=5, runs=2, warmup=3), wall_s=1.0)
    assert measurement.measured_s == pytest.approx(13 * 1.01)


# Callables


def test_a_callable_is_given_each_container() -> None:
    container = start_container(FakeEngine())
    given: list[Any] = []

    def ask(container: Any) -> None:
        given.append(container)
        time.sleep(0.001)

    measurement = measure_callable([container], ask, plan=Plan(rounds=5))
    assert given == [container] * 6
    assert measurement.platforms[0].walls_s[0] > 0
    assert measurement.platforms[0].rounds[0][0].user_s is None


def test_one_measurement_at_a_time() -> None:
    container = start_container(FakeEngine())
    measure_callable([container], str, plan=Plan(rounds=1))
    assert container._started.node.tools.locked == ["measure"]  # type: ignore[attr-defined]


def test_the_rounds_that_are_made_are_told_of() -> None:
    container = start_container(FakeEngine())

    def ask(container: Any) -> None:
        time.sleep(0.001)

    measure_callable([container], ask, plan=Plan(rounds=3), what="ask")
    told = container.tools.progress  # type: ignore[attr-defined]
    assert told["measuring ask"] == [(0, 0), (1, 3), (2, 3), (3, 3)]


def test_what_a_callable_raises_keeps_the_samples() -> None:
    container = start_container(FakeEngine())
    turns = itertools.count()

    def ask(container: Any) -> None:
        time.sleep(0.001)
        if next(turns) == 3:
            raise ValueError("no answer")
        time.sleep(0.001)

    measurement = measure_callable([container], ask)
    assert len(measurement.platforms[0].rounds) == 2
    assert "ask on linux/amd64 raised ValueError in a round: no answer" in str(measurement.failure)
    assert isinstance(measurement.failure.__cause__, ValueError)


def test_a_container_that_ends_below_a_callable() -> None:
    engine = FakeEngine()
    container = start_container(engine)

    def stop(container: Any) -> None:
        engine.stop_container(container.id, timeout_s=0)
        raise OSError("connection refused")

    failure = measure_callable([container], stop).failure
    assert isinstance(failure, ContainerError)
    assert "has ended with exit code 143" in failure.what


def test_a_container_that_is_removed_below_a_callable() -> None:
    def remove(container: Any) -> None:
        container.remove()
        container.inspect()

    failure = measure_callable([start_container(FakeEngine())], remove).failure
    assert isinstance(failure, ContainerError)
    assert failure.what.startswith("the container on linux/amd64 was removed in the warm-up of")


# What is written wrongly


def test_no_command_and_no_container() -> None:
    started = start_container(FakeEngine())._started
    with pytest.raises(UsageError, match="no command"):
        measure_command([started], Call())
    with pytest.raises(UsageError, match="no container"):
        measure_command([], Call(argv=("true",)))
    with pytest.raises(UsageError, match="no container"):
        measure_callable([], str)
