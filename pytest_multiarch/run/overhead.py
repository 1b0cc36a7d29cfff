"""Overhead as tests measure it: one piece of work on all the platforms of a test."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from pytest_multiarch.core.assess import Circumstances, assess
from pytest_multiarch.core.budgets import parse_budgets
from pytest_multiarch.core.call import Call, check_argv
from pytest_multiarch.core.errors import EngineGoneError, MultiarchError, UsageError
from pytest_multiarch.core.ports import ImageSizes
from pytest_multiarch.run.arguments import FileSource, check_env, check_timeout, read_files
from pytest_multiarch.run.measure import Plan
from pytest_multiarch.run.started import ContainerSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pytest_multiarch.core.budget import Budget
    from pytest_multiarch.core.cost import CostKind, Overhead
    from pytest_multiarch.core.overhead import Measurement
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.run.bench import Bench
    from pytest_multiarch.run.container import Container
    from pytest_multiarch.run.control import Control, Twin
    from pytest_multiarch.run.session import Session
    from pytest_multiarch.run.started import StartedContainer
    from pytest_multiarch.run.variant import Variant

    Limits = float | Mapping[Platform | str, float] | None
    Work = str | Callable[[Container], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """How one measurement is to be made, and what is said of it."""

    plan: Plan
    budgets: Mapping[Platform, Budget]
    label: str
    load: tuple[float | None, int | None]


_OF_COMMANDS = ("env", "user", "workdir", "files", "timeout")
_NO_SERVICE = "no control run: it would lack what runs in the test's container"
_NO_BASE = "no control run: {}, the baseline, is emulated itself"


class Keeper(Protocol):
    """Keeps what a test measures."""

    def keep(self, overhead: Overhead, measurement: Measurement) -> Overhead:
        """Take a measurement down, also one that failed; give it as it may be shown."""

    def hide(self, env: Mapping[str, str]) -> None:
        """Have the values of environment variables hidden in all that is shown."""

    def watch(self, container: Container) -> None:
        """Have a container's log shown if the test fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterSettings:
    """What holds for all measurements of a test.

    `baseline` is the platform that the others are divided by; `budgets` are those of the test's
    mark. `container` says how containers are started for callables, None without a mark. `control`
    is whether whole process trees may be emulated (see `run.control`). `read_machine` describes the
    machine, `read_load` gives its load and its number of cores.
    """

    baseline: Platform
    budgets: Mapping[Platform, Budget] = field(default_factory=dict)
    declared: tuple[Platform, ...] = ()
    container: ContainerSettings | None = None
    control: bool = False
    read_machine: Callable[[Variant], dict[str, str]] = lambda _: {}
    read_load: Callable[[], tuple[float | None, int | None]] = lambda: (None, None)


class OverheadMeter:
    """Measures work on all platforms of a test, in turns; its containers are the test's."""

    def __init__(
        self,
        variants: Sequence[Variant],
        settings: MeterSettings,
        *,
        session: Session,
        bench: Bench,
        keeper: Keeper,
    ) -> None:
        self._variants = tuple(variants)
        self._settings = settings
        self._session = session
        self._bench = bench
        self._keeper = keeper
        self._idle: dict[Platform, StartedContainer] = {}
        self._containers: dict[Platform, Container] = {}
        self._control: Control | str | None = None
        self._twins: dict[Platform, Twin | str | None] = {}
        self._starts_s: dict[Platform, float] = {}
        self._labels: dict[str, int] = {}

    def measure(
        self,
        *work: Work,
        rounds: int | None = None,
        warmup: int = 1,
        runs: int = 1,
        max: Limits = None,
        min: Limits = None,
        env: Mapping[str, str] | None = None,
        user: str = "",
        workdir: str = "",
        files: Mapping[str, FileSource] | None = None,
        timeout: float | None = None,
        exit_codes: int | Iterable[int] = (0,),
        label: str = "",
        control: bool = True,
    ) -> Overhead:
        """Measure a command in a running container of each platform, or a callable given one.

        `rounds` is how often each platform takes its turn, with `runs` runs each, after `warmup`
        runs that do not count; left out, there are 5 to 7 rounds, as many as 10 s have room for.
        `max` and `min` are the budget: a ratio to the baseline, or ratios by platform. A command
        may end with one of `exit_codes`, the same each time; `timeout` is in seconds, for each run.
        `control=False` leaves the control run out.

        Raises:
            UsageError: an argument is wrong.
            MultiarchError: the work failed; the samples taken until then are on record.
        """
        plan = Plan(rounds=rounds, warmup=warmup, runs=runs)
        order = self._make_order(plan, max, min, label)
        if len(work) == 1 and callable(work[0]):
            given = {"env": env, "user": user, "workdir": workdir, "files": files}
            _refuse_for_callable({**given, "timeout": timeout})
            return self._measure_callable(work[0], order)
        call = Call(
            argv=check_argv(work, what="measure"),
            env=check_env(env),
            user=user,
            workdir=workdir,
            files=_read_all(files),
            timeout_s=check_timeout(timeout),
        )
        if not call.argv:
            raise UsageError("there is no command to measure", cure="write measure('program', ...)")
        allowed = _check_exit_codes(exit_codes)
        return self._measure_command(call, order, allowed=allowed, is_controlled=control)

    def measure_start(
        self,
        *,
        cold: bool = False,
        rounds: int | None = None,
        max: Limits = None,
        min: Limits = None,
        label: str = "",
    ) -> Overhead:
        """Measure how long containers take from being created to being ready.

        They are started as the `container` mark says. `cold`: images are fetched anew first, where
        this session fetched them, and the parts of the first start are in `steps_s`.

        Raises:
            UsageError: an argument is wrong.
            MultiarchError: a container did not become ready.
        """
        order = self._make_order(Plan(rounds=rounds), max, min, label or "start")
        steps: dict[Platform, dict[str, float]] = {}
        left: dict[str, list[Platform]] = {}
        if cold:
            for each in self._variants:
                steps[each.platform], problem = self._start_cold(each)
                left.setdefault(problem, []).append(each.platform)
        notes = tuple(
            f"not fetched anew: {', '.join(map(str, platforms))}: {problem}"
            for problem, platforms in left.items()
            if problem
        )
        settings = self._settings.container or ContainerSettings()
        measurement = self._bench.measure_starts(
            self._variants, settings, plan=order.plan, what="create to ready"
        )
        return self._finish(measurement, "start", order, steps=steps, notes=notes)

    def close(self) -> None:
        """Remove the containers; one that cannot be removed keeps no other."""
        settings = self._settings.container or ContainerSettings()
        with ExitStack() as stack:
            for each in self._containers.values():
                stack.callback(self._session.close_container, each, settings)
            for idle in self._idle.values():
                stack.callback(idle.remove)
            if self._control is not None and not isinstance(self._control, str):
                stack.callback(self._control.remove)
            for twin in self._twins.values():
                if twin is not None and not isinstance(twin, str):
                    stack.callback(twin.remove)

    def _measure_callable(self, function: Any, order: _Order) -> Overhead:
        name = getattr(function, "__name__", None) or repr(function)
        containers = [self._open_container(each) for each in self._variants]
        measurement = self._bench.measure_callable(containers, function, plan=order.plan, what=name)
        return self._finish(measurement, "callable", order)

    def _measure_command(
        self, call: Call, order: _Order, *, allowed: tuple[int, ...], is_controlled: bool
    ) -> Overhead:
        self._keeper.hide(call.env)
        containers = [self._find_started(each) for each in self._variants]
        for each in containers:
            self._bench.put_files(each, call.files)
        control, note = self._find_control(call) if is_controlled else (None, "")
        twins, twin_notes = self._find_twins(call) if is_controlled else ((), {})

        measurement = self._bench.measure_command(
            containers,
            call,
            plan=order.plan,
            allowed=allowed,
            controls=(*(() if control is None else (control,)), *twins),
        )
        if measurement.control_failure is not None:
            note = f"no control run: {measurement.control_failure.headline}"
        return self._finish(measurement, "command", order, control_note=note, twin_notes=twin_notes)

    def _finish(
        self,
        measurement: Measurement,
        kind: CostKind,
        order: _Order,
        *,
        steps: Mapping[Platform, Mapping[str, float]] | None = None,
        notes: tuple[str, ...] = (),
        control_note: str = "",
        twin_notes: Mapping[Platform, str] | None = None,
    ) -> Overhead:
        """Divide, keep, and then fail if the work did."""
        sizes = {each.platform: self._read_sizes(each) for each in self._variants}
        overhead = assess(
            measurement,
            Circumstances(
                label=self._make_unique(order.label or measurement.what),
                kind=kind,
                baseline=self._settings.baseline,
                budgets=order.budgets,
                starts_s=self._starts_s,
                steps_s=steps or {},
                sizes=sizes,
                control_note=control_note,
                twin_notes=twin_notes or {},
                notes=notes,
                machines={
                    each.platform: self._settings.read_machine(each) for each in self._variants
                },
                load=order.load[0],
                cores=order.load[1],
            ),
        )
        kept = self._keeper.keep(overhead, measurement)
        if measurement.failure is not None:
            raise measurement.failure
        return kept

    def _make_order(self, plan: Plan, most: Limits, least: Limits, label: str) -> _Order:
        budgets = self._settings.budgets
        if most is not None or least is not None:
            budgets = parse_budgets(most, least, self._settings.declared)
        return _Order(plan=plan, budgets=budgets, label=label, load=self._settings.read_load())

    def _read_sizes(self, variant: Variant) -> ImageSizes:
        """A measurement that was made is not lost for a size."""
        try:
            return self._bench.read_sizes(variant)
        except MultiarchError:
            return ImageSizes()

    def _make_unique(self, label: str) -> str:
        number = self._labels[label] = self._labels.get(label, 0) + 1
        return label if number == 1 else f"{label} #{number}"

    def _find_started(self, variant: Variant) -> StartedContainer:
        """Give what a command is measured in: the test's container, or one that stays idle."""
        if self._settings.container is not None:
            return self._open_container(variant).started
        if variant.platform not in self._idle:
            begun = time.perf_counter()
            self._idle[variant.platform] = self._bench.start_idle(variant)
            self._starts_s[variant.platform] = time.perf_counter() - begun
        return self._idle[variant.platform]

    def _open_container(self, variant: Variant) -> Container:
        if variant.platform not in self._containers:
            settings = self._settings.container or ContainerSettings()
            begun = time.perf_counter()
            container = self._session.open_container(variant, settings, recorder=None)
            self._starts_s[variant.platform] = time.perf_counter() - begun
            self._containers[variant.platform] = container
            self._keeper.watch(container)
        return self._containers[variant.platform]

    def _find_control(self, call: Call) -> tuple[Control | None, str]:
        """Give the control of the baseline, or why there is none; and how far it reaches."""
        if not any(each.execution.is_emulated for each in self._variants):
            return None, ""
        if self._settings.container is not None:
            return None, _NO_SERVICE
        base = next(
            (each for each in self._variants if each.platform == self._settings.baseline), None
        )
        if base is None or base.execution.is_emulated:
            return None, _NO_BASE.format(self._settings.baseline)
        if self._control is None:
            self._control = self._start_control(base)
        if isinstance(self._control, str):
            return None, f"no control run: {self._control}"
        try:
            self._bench.put_files(self._control.started, call.files)
            self._control.launch(call)
        except EngineGoneError:
            raise
        except MultiarchError as error:
            return None, error.headline
        note = self._control.note
        return (
            self._control,
            f"the control run reached the first process only: {note}" if note else "",
        )

    def _find_twins(self, call: Call) -> tuple[tuple[Twin, ...], dict[Platform, str]]:
        """Give what runs natively on nodes of its own as the default node emulates it.

        Beside them, by platform, on which machines, or why one is missing.
        """
        twins, notes = [], {}
        if self._settings.container is not None:
            return (), {}
        for each in self._variants:
            if each.platform == self._settings.baseline:
                continue
            if each.platform not in self._twins:
                self._twins[each.platform] = self._start_twin(each)
            twin = self._twins[each.platform]
            if isinstance(twin, str):
                notes[each.platform] = f"{each.platform} was not emulated beside: {twin}"
            elif twin is not None:
                self._bench.put_files(twin.started, call.files)
                twins.append(twin)
                notes[each.platform] = (
                    f"{each.platform} ran natively on {each.node.name} and emulated on "
                    f"{twin.started.node.name}: the machines are part of the ratio"
                )
        return tuple(twins), notes

    def _start_twin(self, variant: Variant) -> Twin | str | None:
        try:
            return self._bench.start_twin(variant)
        except EngineGoneError:
            raise
        except MultiarchError as error:
            return error.headline

    def _start_control(self, variant: Variant) -> Control | str:
        try:
            return self._bench.start_control(variant, is_allowed=self._settings.control)
        except EngineGoneError:
            raise
        except MultiarchError as error:
            return error.headline

    def _start_cold(self, variant: Variant) -> tuple[dict[str, float], str]:
        """Fetch a variant anew and start it; give the parts, and why one is missing."""
        steps, problem = {}, ""
        try:
            steps = self._bench.fetch_again(variant)
        except EngineGoneError:
            raise
        except MultiarchError as error:
            problem = error.headline
        settings = replace(self._settings.container or ContainerSettings(), scope="function")
        begun = time.perf_counter()
        container = self._session.open_container(variant, settings, recorder=None)
        steps["first start"] = time.perf_counter() - begun
        container.remove()
        return steps, problem


def _refuse_for_callable(given: Mapping[str, object]) -> None:
    for name in _OF_COMMANDS:
        if given[name]:
            raise UsageError(
                f"measure: {name}= is of commands, and a callable is measured",
                cure="let the callable do it, or write it in the container mark",
            )


def _read_all(files: Mapping[str, FileSource] | None) -> tuple[Any, ...]:
    return tuple(
        file for path, source in (files or {}).items() for file in read_files(source, path)
    )


def _check_exit_codes(codes: int | Iterable[int]) -> tuple[int, ...]:
    given = (codes,) if isinstance(codes, int) else tuple(codes)
    for each in given:
        if each not in range(256) or isinstance(each, bool):
            raise UsageError(
                f"measure: {each!r} is no exit code", cure="write for example exit_codes=(0, 1)"
            )
    return given
