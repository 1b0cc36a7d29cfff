"""Verdicts that wait: while a background thread makes calls again, more tests run.

Only the process that owns the session does this, and only for groups that are no good.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_multiarch.core.errors import ImageError, MultiarchError
from pytest_multiarch.core.reference import ImageReference
from pytest_multiarch.core.settling import (
    add_repeats,
    list_open_pairs,
    list_own_questions,
    list_questions,
)
from pytest_multiarch.run.replay import (
    CONTROL_TIMES,
    SPREAD_S,
    TIMES,
    OpenVariant,
    Order,
    is_possible,
    refuse_all,
    repeat_calls,
)
from pytest_multiarch.run.static_cause import look_for_causes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pytest_multiarch.core.observation import Observation
    from pytest_multiarch.core.parity import Verdict
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.recipe import Recipe
    from pytest_multiarch.core.repeats import Repeats
    from pytest_multiarch.core.settling import CallInQuestion
    from pytest_multiarch.plugin.state import PluginState
    from pytest_multiarch.run.session import Session
    from pytest_multiarch.run.variant import Variant

SESSION_TIMES = 6
"""How many times the time of one group all groups of a session may take."""
_OFF = "calls are not made again with --multiarch-replay=0"
_INTERRUPTED = "the run was interrupted"
_NO_RECIPE = "its process did not say how to make it again"
_LOOK_EVERY_S = 0.1
_CLOSE_S = 2.0
_LOOK_AT_LEAST_S = 3.0


@dataclass(slots=True)
class Pending:
    """A verdict that waits for its calls to be made again, and what came of it."""

    place: int
    verdict: Verdict
    recipes: Mapping[Platform, Recipe]
    questions: tuple[CallInQuestion, ...] = ()
    orders: list[Order] = field(default_factory=list)
    repeats: tuple[Repeats, ...] = ()
    is_done: bool = False
    progress: tuple[int, int] = field(default=(0, 0))


class Replayer:
    """Makes the calls of verdicts again, one verdict after the other, in a thread of its own."""

    def __init__(self, state: PluginState, open_session: Callable[[], Session]) -> None:
        self._state = state
        self._open_session = open_session
        self._session: Session | None = None
        self._pending: list[Pending] = []
        self._queue: deque[Pending] = deque()
        self._wake = threading.Condition()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._spent_s = 0.0

    def hold(self, place: int, verdict: Verdict, recipes: Mapping[Platform, Recipe]) -> None:
        """Hold a verdict, and have its calls made again."""
        pending = Pending(place, verdict, recipes, list_questions(verdict))
        self._pending.append(pending)
        if not self._state.settings.replay.value:
            pending.repeats = refuse_all(pending.questions, _OFF)
            pending.is_done = True
            return
        orders, refused = make_orders(
            verdict,
            pending.questions,
            recipes,
            is_allowed=self._state.settings.control.value.enabled,
        )
        if not is_possible(orders):
            pending.repeats = (*refused, *repeat_calls(orders, self._open, budget_s=0.0))
            pending.is_done = True
            return
        pending.orders, pending.repeats = orders, refused
        if self._session is None:
            self._session = self._open_session()
        with self._wake:
            self._queue.append(pending)
            self._wake.notify()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True, name="multiarch-replay")
            self._thread.start()

    def take_done(self) -> Iterator[Pending]:
        """Give the verdicts whose calls were made again, in the order in which they came."""
        for pending in tuple(self._pending):
            if pending.is_done:
                self._pending.remove(pending)
                yield pending

    def finish(self) -> Iterator[Pending]:
        """Wait for those that are left, and show that it takes long."""
        yield from self.take_done()
        while self._pending:
            count = len(self._pending)
            task = f"replaying {count} {'verdict' if count == 1 else 'verdicts'}"
            with self._state.show_progress(task, unit="calls") as tell:
                while not any(each.is_done for each in self._pending):
                    time.sleep(_LOOK_EVERY_S)
                    tell(*self._pending[0].progress)
            yield from self.take_done()

    def give_up(self) -> Iterator[Pending]:
        """Give those that are left at once, with nothing to tell."""
        self._stop.set()
        for pending in self._pending:
            if not pending.is_done:
                give_up(pending)
        yield from self.take_done()

    def close(self) -> None:
        """Have the thread end, so that it leaves nothing behind on the node."""
        self._stop.set()
        with self._wake:
            self._wake.notify()
        if self._thread is not None:
            self._thread.join(_CLOSE_S)
            if self._thread.is_alive() and self._session is not None:
                self._session.remove_all()
                self._thread.join(_CLOSE_S)

    def _work(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._queue or self._stop.is_set())
                if self._stop.is_set():
                    return
                pending = self._queue.popleft()
            try:
                repeats = self._repeat(pending)
            except Exception as error:  # noqa: BLE001 (a verdict must not be lost)
                repeats = refuse_all(pending.questions, f"{type(error).__name__}: {error}")
            if not self._stop.is_set():
                pending.repeats = repeats
                pending.is_done = True

    def _repeat(self, pending: Pending) -> tuple[Repeats, ...]:
        budget_s = self._state.settings.replay.value
        left_s = budget_s * SESSION_TIMES - self._spent_s
        if left_s <= 0:
            why = (
                f"the {budget_s * SESSION_TIMES:g} s of a session for making calls again were over"
            )
            return refuse_all(pending.questions, why)

        def tell(done: int, total: int) -> None:
            pending.progress = done, total

        with self._quiet_machine(budget_s):
            begun = time.monotonic()
            made = repeat_calls(
                pending.orders,
                self._open,
                budget_s=min(budget_s, left_s),
                spread_s=SPREAD_S,
                stop=self._stop,
                tell=tell,
            )
            repeats = (*pending.repeats, *made)
            if not self._stop.is_set():
                until = max(begun + min(budget_s, left_s), time.monotonic() + _LOOK_AT_LEAST_S)
                repeats += _find_causes(
                    self._state,
                    pending.verdict,
                    repeats,
                    pending.recipes,
                    self._open,
                    is_over=lambda: self._stop.is_set() or time.monotonic() > until,
                )
            self._spent_s += time.monotonic() - begun
        return repeats

    def _open(self, recipe: Recipe) -> Variant:
        assert self._session is not None
        return open_recipe(self._session, recipe)

    @contextlib.contextmanager
    def _quiet_machine(self, wait_s: float) -> Iterator[None]:
        """Leave a measurement alone that goes on on this machine, for as long as it is bearable."""
        assert self._session is not None
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(MultiarchError):
                stack.enter_context(self._session.lock_machine(timeout_s=wait_s))
            yield


def give_up(pending: Pending) -> Pending:
    """Have a verdict be settled without its calls made again."""
    pending.questions = pending.questions or list_questions(pending.verdict)
    pending.repeats = refuse_all(pending.questions, _INTERRUPTED)
    pending.is_done = True
    return pending


def open_recipe(session: Session, recipe: Recipe) -> Variant:
    """Open the variant that a recipe is for.

    Raises:
        ImageError: its reference stands for another variant by now.
        MultiarchError: as `Session.open_variant`.
    """
    reference = ImageReference.parse(recipe.reference)
    variant = session.open_variant(reference, recipe.platform, recorder=None)
    if variant.digest != recipe.digest:
        raise ImageError(f"{recipe.reference} has moved to another image since the test ran")
    return variant


def make_orders(
    verdict: Verdict,
    questions: Sequence[CallInQuestion],
    recipes: Mapping[Platform, Recipe],
    *,
    is_allowed: bool,
) -> tuple[list[Order], tuple[Repeats, ...]]:
    """Say what to make again for a verdict, and of what there is no recipe.

    What its members did make again already (`--multiarch-repeat`) is left out.
    """
    orders: list[Order] = []
    refused: tuple[Repeats, ...] = ()
    for member in verdict.members:
        asked = [each for each in questions if each.platform == member.platform]
        recipe = recipes.get(member.platform)
        if recipe is None:
            refused += refuse_all(asked, _NO_RECIPE)
            continue
        known = {
            (r.kind, r.label, r.number, r.is_control) for r in member.repeats if r.observations
        }
        times: dict[tuple[int, int], list[CallInQuestion]] = {}
        for each in asked:
            name = each.kind, each.own_label, each.own_number
            wanted = (
                TIMES * ((*name, False) not in known),
                CONTROL_TIMES * ((*name, True) not in known),
            )
            times.setdefault(wanted, []).append(each)
        orders += [
            Order(
                recipe=recipe,
                questions=tuple(some),
                times=plain,
                control_times=control,
                is_allowed=is_allowed,
            )
            for (plain, control), some in times.items()
        ]
    return orders, refused


def replay_now(
    state: PluginState, session: Session, verdict: Verdict, recipes: Mapping[Platform, Recipe]
) -> Verdict:
    """Make the calls that a verdict turns on again while its test waits, and settle it."""
    questions = list_questions(verdict)
    budget_s = state.settings.replay.value
    if not budget_s:
        return state.settle(add_repeats(verdict, refuse_all(questions, _OFF)))
    is_allowed = state.settings.control.value.enabled
    orders, repeats = make_orders(verdict, questions, recipes, is_allowed=is_allowed)
    with state.show_progress("replaying 1 verdict", unit="calls") as tell:
        made = repeat_calls(
            orders,
            lambda recipe: open_recipe(session, recipe),
            budget_s=budget_s,
            spread_s=SPREAD_S,
            tell=tell,
        )
    repeats = (*repeats, *made)
    until = time.monotonic() + max(budget_s, _LOOK_AT_LEAST_S)
    repeats += _find_causes(
        state,
        verdict,
        repeats,
        recipes,
        lambda recipe: open_recipe(session, recipe),
        is_over=lambda: time.monotonic() > until,
    )
    return state.settle(add_repeats(verdict, repeats))


def _find_causes(
    state: PluginState,
    verdict: Verdict,
    repeats: tuple[Repeats, ...],
    recipes: Mapping[Platform, Recipe],
    open_variant: OpenVariant,
    *,
    is_over: Callable[[], bool],
) -> tuple[Repeats, ...]:
    """Look for what differs in the images, of calls of which nothing else proves why they do."""
    settled = state.settle(add_repeats(verdict, repeats))
    pairs = list_open_pairs(settled, list_questions(verdict))

    def read(question: CallInQuestion) -> Observation:
        return verdict.find_member(question.platform).observations[question.position]

    return look_for_causes(pairs, recipes, open_variant, read, is_over=is_over)


def repeat_now(
    state: PluginState,
    session: Session,
    recipe: Recipe,
    observations: Sequence[Observation],
    *,
    is_controlled: bool,
) -> tuple[Repeats, ...]:
    """Make all calls of a member again, as often as is asked for in any case."""
    questions = list_own_questions(recipe.platform, observations, is_controlled=is_controlled)
    order = Order(
        recipe=recipe,
        questions=questions,
        times=state.settings.repeat.value,
        control_times=1,
        is_allowed=state.settings.control.value.enabled,
    )
    return repeat_calls(
        [order],
        lambda recipe: open_recipe(session, recipe),
        budget_s=math.inf,
        spread_s=SPREAD_S,
    )
