"""Making a test's calls again: on each platform, and natively known ones under the emulator.

A `run` is a function of what it was given, and is made again in fresh containers. For an `exec` a
fresh container is started as the first was, and what was done with that is done again, in order.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from pytest_multiarch.core.errors import DeadlineError, MultiarchError
from pytest_multiarch.core.execution import Execution, ExecutionKind
from pytest_multiarch.core.observation import Observation, fit_observations, make_observation
from pytest_multiarch.core.ports import ignore_bytes
from pytest_multiarch.core.repeats import Repeats
from pytest_multiarch.core.wait import RUN_TIMEOUT_S, stretch_deadline
from pytest_multiarch.run.calls import execute, name_values, run_once
from pytest_multiarch.run.container import Container
from pytest_multiarch.run.control import Control, ControlWay, list_first_files, start_control
from pytest_multiarch.run.started import ContainerSettings, StartedContainer
from pytest_multiarch.run.waiting import wait_ready

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_multiarch.core.call import Call, RunResult
    from pytest_multiarch.core.ports import TellBytes
    from pytest_multiarch.core.recipe import ContainerRecipe, Recipe, RecordedCall, Step
    from pytest_multiarch.core.settling import CallInQuestion
    from pytest_multiarch.run.variant import Variant

TIMES = 4
"""How often a call is made again for a verdict: with the first time, five samples."""
CONTROL_TIMES = 2
SPREAD_S = 1.1
"""How far apart the first and the last time are: a time in seconds is to be seen to vary."""
_AT_ONCE = 2
_MOST_UNENDED = 2
_LEAST_S = 1.0
_INTERRUPTED = "the run was interrupted"


class OpenVariant(Protocol):
    """Opens the variant that a recipe is for."""

    def __call__(self, recipe: Recipe) -> Variant:
        """Give it, or raise a MultiarchError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The calls of one member to make again, how often, and how often under the emulator.

    `is_allowed`: control runs may reach whole process trees, for which their containers are
    without a seccomp profile.
    """

    recipe: Recipe
    questions: tuple[CallInQuestion, ...]
    times: int = TIMES
    control_times: int = CONTROL_TIMES
    is_allowed: bool = False


@dataclass(slots=True)
class _Unit:
    """What one fresh container shows of a member: a run, or all execs in one container.

    `made` has the observations by position, one mapping for each time.
    """

    order: Order
    questions: tuple[CallInQuestion, ...]
    container: int
    is_control: bool
    times: int
    problem: str = ""
    unended: int = 0
    is_whole_tree: bool = True
    made: list[Mapping[int, Observation]] = field(default_factory=list)
    control: Control | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def to_repeats(self) -> list[Repeats]:
        """Give what came of it, by label and number as the member counts."""
        return [
            Repeats(
                label=each.own_label,
                kind=each.kind,  # type: ignore[arg-type]
                number=each.own_number,
                platform=each.platform,
                is_control=self.is_control,
                is_whole_tree=self.is_whole_tree,
                observations=tuple(fit_observations(one[each.position] for one in self.made)),
                problem=self.problem,
                unended=self.unended,
            )
            for each in self.questions
        ]


def is_possible(orders: Iterable[Order]) -> bool:
    """Whether any of the calls can be made again."""
    return any(not unit.problem for order in orders for unit in _split(order))


def repeat_calls(
    orders: Sequence[Order],
    open_variant: OpenVariant,
    *,
    budget_s: float,
    spread_s: float = 0.0,
    stop: threading.Event | None = None,
    tell: TellBytes = ignore_bytes,
) -> tuple[Repeats, ...]:
    """Make the calls of members again, two at a time, the members in turns; never raises.

    `budget_s` is for all of it. The last turn does not begin before `spread_s` are over. What there
    was no time for, or was not possible, is told as a `problem`. `tell` is told how many containers
    of how many have been.
    """
    stop = stop or threading.Event()
    units = [unit for order in orders for unit in _split(order)]
    shots = deque(_take_turns([each for each in units if not each.problem]))
    total = len(shots)
    most = max((each.times for each in units), default=0)
    last = sum(1 for each in units if each.times == most > 1 and not each.problem)
    begun = time.monotonic()
    deadline = begun + budget_s
    spread_until = min(begun + spread_s, deadline)
    open_once = _OpenOnce(open_variant)

    def work() -> None:
        while True:
            try:
                unit = shots.popleft()
            except IndexError:
                return
            if len(shots) < last:
                stop.wait(spread_until - time.monotonic())
            _fire(unit, open_once, deadline, budget_s, stop)
            tell(total - len(shots), total)

    threads = [
        threading.Thread(target=work, daemon=True, name="multiarch-repeat")
        for _ in range(min(_AT_ONCE, total))
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    for unit in units:
        if unit.control is not None:
            unit.control.started.node.remove_quietly(unit.control.started.id)
    return tuple(one for unit in units for one in unit.to_repeats())


class _OpenOnce:
    """Opens each variant once, whatever comes of it."""

    def __init__(self, open_variant: OpenVariant) -> None:
        self._open = open_variant
        self._opened: dict[tuple[str, str], Variant | MultiarchError] = {}
        self._lock = threading.Lock()

    def __call__(self, recipe: Recipe) -> Variant:
        key = str(recipe.platform), recipe.digest
        with self._lock:
            if key not in self._opened:
                try:
                    self._opened[key] = self._open(recipe)
                except MultiarchError as error:
                    self._opened[key] = error
            found = self._opened[key]
        if isinstance(found, MultiarchError):
            raise found.with_traceback(None)
        return found


def refuse_all(questions: Iterable[CallInQuestion], problem: str) -> tuple[Repeats, ...]:
    """Say of calls why they were not made again."""
    return tuple(
        Repeats(
            label=each.own_label,
            kind=each.kind,  # type: ignore[arg-type]
            number=each.own_number,
            platform=each.platform,
            problem=problem,
        )
        for each in questions
    )


def _split(order: Order) -> Iterable[_Unit]:
    recipe = order.recipe
    together: dict[tuple[str, int], list[CallInQuestion]] = {}
    for question in order.questions:
        found, problem = recipe.find_call(question.position), recipe.tell_problem(question.position)
        if problem or found is None:
            yield _Unit(order, (question,), -1, is_control=False, times=0, problem=problem)
            continue
        key = ("exec", found.container) if found.kind == "exec" else ("run", question.position)
        together.setdefault(key, []).append(question)
    for (kind, number), questions in together.items():
        container = number if kind == "exec" else -1
        plain = tuple(each for each in questions if each.is_repeated)
        if order.times and plain:
            yield _Unit(order, plain, container, is_control=False, times=order.times)
        for question in questions:  # each by itself: one that cannot be must not hide the others
            if question.is_controlled and order.control_times:
                yield _Unit(
                    order, (question,), container, is_control=True, times=order.control_times
                )


def _take_turns(units: list[_Unit]) -> Iterable[_Unit]:
    for turn in range(max((each.times for each in units), default=0)):
        yield from (each for each in units if turn < each.times)


def _fire(
    unit: _Unit, open_variant: OpenVariant, deadline: float, budget_s: float, stop: threading.Event
) -> None:
    over = f"the {budget_s:g} s for making calls again were over"

    def explain(problem: str) -> str:
        if stop.is_set():
            return _INTERRUPTED
        return over if deadline - time.monotonic() <= 0 else problem

    if unit.problem or unit.unended >= _MOST_UNENDED:
        return
    unit.problem = explain("")
    if unit.problem:
        return
    try:
        unit.made.append(_make(unit, open_variant(unit.order.recipe), deadline))
    except DeadlineError:
        unit.problem = explain("")
        unit.unended += not unit.problem
    except MultiarchError as error:
        unit.problem = explain(error.headline)
    except Exception as error:  # noqa: BLE001 (an engine that is being closed fails in many ways)
        unit.problem = explain(f"{type(error).__name__}: {error}")


def _make(unit: _Unit, variant: Variant, deadline: float) -> Mapping[int, Observation]:
    recipe = unit.order.recipe
    if unit.container >= 0:
        return _repeat_execs(unit, variant, recipe.containers[unit.container], deadline)
    question = unit.questions[0]
    found = recipe.find_call(question.position)
    assert found is not None
    call = _limit(found.call, variant.execution, deadline)
    if unit.is_control:
        with unit.lock:  # one of two threads starts it
            if unit.control is None:
                unit.control = start_control(
                    variant.node, variant.resolved, call, is_allowed=unit.order.is_allowed
                )
                unit.is_whole_tree = unit.control.way is ControlWay.TREE
        result, known = unit.control.run(call)
    else:
        result, known = run_once(variant.node, variant.resolved, variant.execution, call)
    return {question.position: _observe(unit, question, found, result, known)}


def _limit(call: Call, execution: Execution, deadline: float) -> Call:
    """Give a call the time that is left, if its own is longer."""
    own_s = stretch_deadline(RUN_TIMEOUT_S, call.timeout_s, is_emulated=execution.is_emulated)
    return replace(call, timeout_s=min(own_s, max(deadline - time.monotonic(), _LEAST_S)))


def _observe(
    unit: _Unit,
    question: CallInQuestion,
    found: RecordedCall,
    result: RunResult,
    known: Mapping[str, str],
) -> Observation:
    recipe = unit.order.recipe
    return make_observation(
        result,
        kind=found.kind,
        label=question.own_label,
        known=known,
        pin="",
        history="",
        ignore=recipe.rules.ignore,
        normalizers=recipe.rules.normalizers,
        structure=recipe.rules.structure,
    ).hide(recipe.secrets)


def _repeat_execs(
    unit: _Unit, variant: Variant, container: ContainerRecipe, deadline: float
) -> Mapping[int, Observation]:
    """Do with a fresh container what was done with the first, up to the last call in question."""
    recipe = unit.order.recipe
    asked = {}
    for question in unit.questions:
        found = recipe.find_call(question.position)
        assert found is not None
        asked[found.step] = question, found
    control_files = list_first_files(variant.node, variant.resolved) if unit.is_control else ()
    limit_s = max(deadline - time.monotonic(), _LEAST_S)
    start = replace(
        container.call,
        files=(*container.call.files, *control_files),
        timeout_s=min(container.call.timeout_s or limit_s, limit_s),
    )
    settings = ContainerSettings(call=start, ports=container.ports, waits=container.waits)
    started = variant.start(settings)
    try:
        handle = Container(started, recorder=None)
        control = None
        if unit.is_control:
            unit.is_whole_tree = False
            control = Control(
                started=started,
                way=ControlWay.FIRST,
                files=control_files,
                note="what is executed in a container is emulated without what it starts",
            )
        made: dict[int, Observation] = {}
        for number, step in enumerate(container.steps[: max(asked) + 1]):
            result = _take_step(step, started, handle, control, deadline)
            if number in asked and result is not None:
                question, found = asked[number]
                known = {**handle.name_known(), **name_values(found.call.env)}
                made[question.position] = _observe(unit, question, found, result, known)
        return made
    finally:
        variant.node.remove_quietly(started.id)


def _take_step(
    step: Step,
    started: StartedContainer,
    handle: Container,
    control: Control | None,
    deadline: float,
) -> RunResult | None:
    if step.files:
        started.node.engine.put_files(started.id, step.files)
        started.note_files(step.files)
        return None
    if step.call is None:
        left_s = max(deadline - time.monotonic(), _LEAST_S)
        with handle.poll_unobserved(left_s):
            wait_ready(handle, step.waits, limit_s=left_s)
        return None
    call = _limit(step.call, started.execution, deadline)
    execution = started.execution
    if control is not None:
        launch = control.launch(call)
        call = replace(call, argv=launch.argv)
        execution = Execution(kind=ExecutionKind.QEMU, evidence=("started by a control run",))
    result = execute(
        started.node, started.id, started.variant, execution, call, files=started.files
    )
    return replace(result, command=step.call.describe())
