"""Verdicts that wait: while a background thread makes calls again, more tests run.

Only the process that owns the session does this, and only for groups that are no good.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_multiarch.core.errors import ImageError, MultiarchError
from pytest_multiarch.core.reference import ImageReference
from pytest_multiarch.core.settling import list_questions
from pytest_multiarch.run.replay import Order, refuse_all, repeat_calls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

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


@dataclass(slots=True)
class Pending:
    """A verdict that waits for its calls to be made again, and what came of it."""

    place: int
    verdict: Verdict
    recipes: Mapping[Platform, Recipe]
    questions: tuple[CallInQuestion, ...] = ()
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
        if not pending.questions:
            pending.is_done = True
            return
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
                pending.repeats = refuse_all(pending.questions, _INTERRUPTED)
                pending.is_done = True
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
        orders, repeats = self._make_orders(pending)
        if not orders:
            return repeats

        def tell(done: int, total: int) -> None:
            pending.progress = done, total

        with self._quiet_machine(budget_s):
            begun = time.monotonic()
            made = repeat_calls(
                orders, self._open, budget_s=min(budget_s, left_s), stop=self._stop, tell=tell
            )
            self._spent_s += time.monotonic() - begun
        return (*repeats, *made)

    def _make_orders(self, pending: Pending) -> tuple[list[Order], tuple[Repeats, ...]]:
        orders: list[Order] = []
        refused: tuple[Repeats, ...] = ()
        is_allowed = self._state.settings.control.value.enabled
        for member in pending.verdict.members:
            asked = [each for each in pending.questions if each.platform == member.platform]
            recipe = pending.recipes.get(member.platform)
            if recipe is None:
                refused += refuse_all(asked, _NO_RECIPE)
                continue
            known = {(r.kind, r.label, r.number) for r in member.repeats if r.observations}
            for is_known in (True, False):
                some = [
                    e for e in asked if is_known is ((e.kind, e.own_label, e.own_number) in known)
                ]
                if some:
                    times = {"times": 0} if is_known else {}
                    orders.append(
                        Order(recipe=recipe, questions=tuple(some), is_allowed=is_allowed, **times)
                    )
        return orders, refused

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
