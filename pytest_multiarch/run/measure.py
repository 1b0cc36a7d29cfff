"""Measuring one piece of work on several platforms: in turns, so that drift cancels."""

from __future__ import annotations

import shlex
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from pytest_multiarch.core.errors import (
    ContainerError,
    DeadlineError,
    EngineGoneError,
    MeasurementError,
    MultiarchError,
    UsageError,
)
from pytest_multiarch.core.overhead import (
    Measurement,
    PlatformSamples,
    Sample,
)
from pytest_multiarch.core.ports import ignore_bytes
from pytest_multiarch.core.rounds import order_round, plan_rounds
from pytest_multiarch.core.wait import RUN_TIMEOUT_S, stretch_deadline
from pytest_multiarch.run.calls import check_exec
from pytest_multiarch.run.timer import Launch, TimerSession, explain_errno

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_multiarch.core.call import Call
    from pytest_multiarch.core.execution import Execution
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.ports import TellRounds
    from pytest_multiarch.run.container import Container
    from pytest_multiarch.run.control import Control, Twin
    from pytest_multiarch.run.node import NodeTools
    from pytest_multiarch.run.started import StartedContainer

_SHORTEST_S = 1e-6
"""Of anything shorter the clock says more than the work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How often work is run: without `rounds`, as often as `plan_rounds` says.

    A round makes `runs` on each platform. The warm-up makes `warmup`, one at least: it shows
    whether the work can be done at all, and what it prints.
    """

    rounds: int | None = None
    warmup: int = 1
    runs: int = 1

    def __post_init__(self) -> None:
        plan_rounds(1.0, rounds=self.rounds)
        for name in ("warmup", "runs"):
            number = getattr(self, name)
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                raise UsageError(
                    f"{name}={number!r} is not a whole number of at least 1",
                    cure=f"write {name}=N, or leave it out",
                )


class Subject(Protocol):
    """One platform that does the work."""

    @property
    def platform(self) -> Platform:
        """The platform of what it runs."""

    @property
    def execution(self) -> Execution:
        """How that is executed."""

    @property
    def is_control(self) -> bool:
        """Whether it is the control of a platform."""

    def run(self, runs: int, *, is_warmup: bool) -> tuple[Sample, ...]:
        """Do the work. Raises `MultiarchError` if it fails."""


def measure_command(
    containers: Sequence[StartedContainer],
    call: Call,
    *,
    plan: Plan | None = None,
    allowed: tuple[int, ...] = (0,),
    controls: Sequence[Control | Twin] = (),
) -> Measurement:
    """Measure a command in running containers, and in those of control runs after them.

    Of `call` the command, environment, user, folder and deadline (for each run) hold. `allowed`
    are the exit codes that it may have; each platform has to keep to that of its warm-up.

    Raises:
        MultiarchError: it could not be begun. What fails after the first run is the
            measurement's `failure`.
    """
    if not call.argv:
        raise UsageError("there is no command to measure", cure="write measure('program', ...)")
    if not containers:
        raise UsageError("there is no container to measure in", cure="give one for each platform")
    what = shlex.join(call.argv)
    with open_measuring(containers[0].node.tools, what) as tell, ExitStack() as opened:
        begun = time.perf_counter()
        targets = [(each, Launch.of_call(call), False) for each in containers]
        targets += [(each.started, each.launch(call), True) for each in controls]
        subjects = [
            TimedCommand(started, launch, call, allowed=allowed, is_control=is_control)
            for started, launch, is_control in targets
        ]
        for subject in subjects:
            opened.callback(subject.close)
        with ThreadPoolExecutor(len(subjects)) as pool:
            tuple(pool.map(TimedCommand.open, (each for each in subjects if not each.is_control)))
        return measure_subjects(what, subjects, plan or Plan(), begun, tell)


def measure_callable(
    containers: Sequence[Container],
    function: Callable[[Container], object],
    *,
    plan: Plan | None = None,
    what: str = "",
) -> Measurement:
    """Measure a callable, which is given a running container, by the clock of this machine.

    Raises:
        MultiarchError: it could not be begun. What fails after the first call, the callable's own
            exceptions included, is the measurement's `failure`.
    """
    if not containers:
        raise UsageError("there is no container to measure in", cure="give one for each platform")
    name = what or getattr(function, "__qualname__", None) or repr(function)
    with open_measuring(containers[0].tools, name) as tell:
        subjects = [TimedCallable(each, function, name) for each in containers]
        return measure_subjects(name, subjects, plan or Plan(), time.perf_counter(), tell)


@contextmanager
def open_measuring(tools: NodeTools, what: str) -> Iterator[TellRounds]:
    """Have the machine for one measurement, and show how far that is."""
    with tools.lock_machine(), tools.show_progress(f"measuring {what}", unit="rounds") as tell:
        yield tell


@dataclass(slots=True, kw_only=True)
class _Taken:
    subject: Subject
    warmup: tuple[Sample, ...] = ()
    rounds: list[tuple[Sample, ...]] = field(default_factory=list)
    failure: MultiarchError | None = None

    def run(self, runs: int, *, is_warmup: bool) -> tuple[Sample, ...]:
        """Have the work done; a control that fails is left out from then on."""
        if self.failure is not None:
            return ()
        try:
            return self.subject.run(runs, is_warmup=is_warmup)
        except EngineGoneError:
            raise
        except MultiarchError as error:
            if not self.subject.is_control:
                raise
            self.failure = error
            return ()

    def to_samples(self) -> PlatformSamples:
        return PlatformSamples(
            platform=self.subject.platform,
            execution=self.subject.execution,
            is_control=self.subject.is_control,
            warmup=self.warmup,
            rounds=tuple(self.rounds),
        )


def measure_subjects(
    what: str,
    subjects: Sequence[Subject],
    plan: Plan,
    begun: float,
    tell: TellRounds = ignore_bytes,
) -> Measurement:
    """Have subjects do the work in turns; `begun` is when measuring began, on `perf_counter`."""
    taken = [_Taken(subject=each) for each in subjects]
    rounds, failure = plan.rounds or 0, None
    try:
        for own in taken:
            own.warmup = own.run(plan.warmup, is_warmup=True)
            tell(0, 0)
            if own.warmup:
                _check_length(own.warmup, what, own.subject.platform)
        round_s = plan.runs * sum(own.warmup[-1].wall_s for own in taken if own.warmup)
        rounds = plan_rounds(round_s, rounds=plan.rounds)
        for number in range(rounds):
            order = order_round(taken, number, seed=what)
            made = [(own, own.run(plan.runs, is_warmup=False)) for own in order]
            for own, samples in made:
                own.rounds.append(samples)
            tell(number + 1, rounds)
    except MultiarchError as error:
        failure = error
    return Measurement(
        what=what,
        rounds=rounds,
        runs=plan.runs,
        platforms=tuple(own.to_samples() for own in taken if own.failure is None),
        measuring_s=time.perf_counter() - begun,
        failure=failure,
        control_failure=next((own.failure for own in taken if own.failure is not None), None),
    )


def _check_length(samples: tuple[Sample, ...], what: str, platform: Platform) -> None:
    shortest_s = min(each.wall_s for each in samples)
    if shortest_s < _SHORTEST_S:
        raise MeasurementError(
            f"{what} on {platform} took {shortest_s * 1e9:.0f} ns, which is too short to measure",
            cure="give it more to do, for example by a loop",
        )


class TimedCommand:
    """A command in a running container, timed there."""

    def __init__(
        self,
        started: StartedContainer,
        launch: Launch,
        call: Call,
        *,
        allowed: tuple[int, ...],
        is_control: bool = False,
    ) -> None:
        self.is_control = is_control
        self._started = started
        self._call = call
        self._allowed = allowed
        self._session = TimerSession(started, launch)
        self._exit_code: int | None = None
        self._is_open = False
        self._limit_s = stretch_deadline(
            RUN_TIMEOUT_S, call.timeout_s, is_emulated=started.execution.is_emulated
        )

    @property
    def platform(self) -> Platform:
        """The platform of the container."""
        return self._started.variant.platform

    @property
    def execution(self) -> Execution:
        """How it is executed."""
        return self._started.execution

    def open(self) -> None:
        """Check the program's architecture, and make ready for the first run."""
        started = self._started
        check_exec(started.node, started.id, started.variant, self._call, files=started.files)
        self._session.open()
        self._is_open = True

    def close(self) -> None:
        """End the timer."""
        self._session.close()

    def run(self, runs: int, *, is_warmup: bool) -> tuple[Sample, ...]:
        """Run it; what it does in the warm-up, it has to do always."""
        if not self._is_open:
            self.open()
        samples = []
        for report in self._session.run(runs=runs, limit_s=self._limit_s, is_loud=is_warmup):
            if report.sample is None:
                raise explain_errno(self._call.argv, report.refusal or report.failure)
            if report.is_late:
                raise self._explain_late()
            self._check_exit_code(report.sample)
            samples.append(report.sample)
        return tuple(samples)

    def _name(self) -> str:
        control = ", control run" if self.is_control else ""
        return f"{shlex.join(self._call.argv)!r} on {self.platform}{control}"

    def _check_exit_code(self, sample: Sample) -> None:
        found = sample.exit_code
        if self._exit_code is None:
            if found not in self._allowed:
                raise MeasurementError(
                    f"{self._name()} ended with exit code {found}{self._session.quote_output()}",
                    cure="measure a command that succeeds, or allow its exit code",
                )
            self._exit_code = found
        elif found != self._exit_code:
            raise MeasurementError(
                f"{self._name()} ended with exit code {found}, in the warm-up with "
                f"{self._exit_code}",
                cure="measure a command that does the same each time it is run",
            )

    def _explain_late(self) -> DeadlineError:
        return DeadlineError(
            f"{self._name()} did not end within {self._limit_s:g} s{self._session.quote_output()}",
            cure="give it more time with timeout=SECONDS, or less to do",
        )


class TimedCallable:
    """A callable and the container it is given, timed here."""

    is_control = False

    def __init__(self, container: Container, function: Callable[[Any], object], name: str) -> None:
        self._container = container
        self._function = function
        self._name = name

    @property
    def platform(self) -> Platform:
        """The platform of the container."""
        return self._container.platform

    @property
    def execution(self) -> Execution:
        """How it is executed."""
        return self._container.execution

    def run(self, runs: int, *, is_warmup: bool) -> tuple[Sample, ...]:
        """Call it."""
        samples = []
        for _ in range(runs):
            begun = time.perf_counter()
            try:
                self._function(self._container)
            except Exception as error:
                raise self._explain(error, is_warmup=is_warmup) from error
            samples.append(Sample(wall_s=time.perf_counter() - begun))
        return tuple(samples)

    def _explain(self, error: Exception, *, is_warmup: bool) -> MultiarchError:
        """Say what a callable raised, or that its container has ended."""
        if isinstance(error, EngineGoneError):
            return error
        when = "the warm-up" if is_warmup else "a round"
        try:
            state = self._container.inspect()
        except ContainerError:
            return ContainerError(
                f"the container on {self.platform} was removed in {when} of {self._name}",
                cure="leave it running: it is removed when the test ends",
            )
        if not state.is_running:
            return self._container.explain_ended(state)
        if isinstance(error, MultiarchError):
            return error
        return MeasurementError(
            f"{self._name} on {self.platform} raised {type(error).__name__} in {when}: {error}",
            cure="measure a callable that succeeds each time",
        )
