"""A container on a node: created, checked, started, and what is known of it since."""

from __future__ import annotations

import hashlib
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_multiarch.core.call import Call, FileToCopy
from pytest_multiarch.core.recipe import MOST_STEPS, ContainerRecipe, Step, explain_network
from pytest_multiarch.core.wait import (
    READY_TIMEOUT_S,
    HealthWait,
    LogWait,
    PortWait,
    Wait,
    stretch_deadline,
)
from pytest_multiarch.run.calls import digest_files, prepare, specify

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_multiarch.core.execution import Execution
    from pytest_multiarch.core.ports import ContainerState
    from pytest_multiarch.core.variant import ResolvedVariant
    from pytest_multiarch.run.network import Network
    from pytest_multiarch.run.node import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSettings:
    """How a container is started: the arguments of the `container` mark."""

    call: Call = field(default_factory=Call)
    ports: tuple[int, ...] = ()
    waits: tuple[Wait, ...] = ()
    scope: str = "function"
    services: tuple[ServiceSettings, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """A container that another one needs beside it, reached by its name on their network.

    `platform` is `native` (the node's own), `same` (that of the container it is beside), or one.
    """

    name: str
    image: str
    platform: str = "native"
    container: ContainerSettings


class StartedContainer:
    """A container on a node; shared by the handles of the tests that use it.

    `network` is one that was made for it, and goes with it. `ready_s` is how long it took from
    being created to being ready, in seconds.
    """

    def __init__(
        self,
        node: Node,
        variant: ResolvedVariant,
        execution: Execution,
        settings: ContainerSettings,
    ) -> None:
        self.node = node
        self.variant = variant
        self.execution = execution
        self.settings = settings
        self.id = ""
        self.network: Network | None = None
        self.ready_s = 0.0
        self.files = ""
        """A digest of what was put into it."""
        self._lock = threading.Lock()
        self._history = ""
        self._steps: list[Step] = []
        self._touches: dict[str, None] = {}
        self._state: ContainerState | None = None
        self._ahead_s = 0.0

    def start(self) -> None:
        """Create it, check its program, start it.

        Raises:
            WrongArchitectureError, ProgramNotFoundError, ContainerError: and nothing is left.
        """
        call = self.settings.call
        self.id = self.node.create(specify(self.variant, call, ports=self.settings.ports))
        try:
            prepare(self.node, self.id, self.variant, call)
            self.files = digest_files(call.files)
            before_s = time.time()
            self.node.engine.start_container(self.id)
            self._measure_clock(before_s, time.time())
        except BaseException:
            self.node.remove_quietly(self.id)
            raise

    def _measure_clock(self, before_s: float, after_s: float) -> None:
        """Find how far the node's clock is ahead of this machine's, rather too little.

        Nothing less than both times around a start tells, and no more is needed: a log is read
        from a little too early then.
        """
        started_at_s = self.inspect().started_at_s
        if started_at_s is not None and not before_s <= started_at_s <= after_s:
            self._ahead_s = started_at_s - after_s

    def read_clock(self) -> float:
        """Give the time by the node's clock, in seconds since 1970."""
        return time.time() + self._ahead_s

    def choose_waits(self) -> tuple[Wait, ...]:
        """Give the conditions of the settings, else the image's HEALTHCHECK, else its ports."""
        if self.settings.waits:
            return self.settings.waits
        if self.variant.config.healthcheck is not None:
            return (HealthWait(),)
        return tuple(PortWait(port) for port in self.settings.ports)

    @property
    def ready_limit_s(self) -> float:
        """How long it may take to become ready: as written, else what its HEALTHCHECK may take."""
        check = self.variant.config.healthcheck
        default_s = max(READY_TIMEOUT_S, check.budget_s if check else 0.0)
        return stretch_deadline(
            default_s, self.settings.call.timeout_s, is_emulated=self.execution.is_emulated
        )

    def inspect(self) -> ContainerState:
        """Look at it now."""
        self._state = self.node.engine.inspect_container(self.id)
        return self._state

    @property
    def state(self) -> ContainerState:
        """How it was when last looked at."""
        return self._state or self.inspect()

    def advance(self, text: str, step: Step) -> tuple[str, int]:
        """Take down a call made of it; give the digest of all calls before, and its place."""
        with self._lock:
            before = self._history
            self._history = hashlib.sha256(f"{before}\n{text}".encode()).hexdigest()
            return before, self._add(step)

    def _add(self, step: Step) -> int:
        if len(self._steps) < MOST_STEPS:
            self._steps.append(step)
            return len(self._steps) - 1
        return MOST_STEPS

    @property
    def history(self) -> str:
        """The digest of all calls that were made of it."""
        with self._lock:
            return self._history

    def note_files(self, files: Sequence[FileToCopy]) -> None:
        """Take down what was put into it."""
        with self._lock:
            self.files = digest_files(files, before=self.files)
        self.advance(f"files {digest_files(files)}", Step(files=tuple(files)))

    def note_wait(self, waits: tuple[Wait, ...]) -> None:
        """Take down what a test waited for; how often it looked is chance, and no history."""
        with self._lock:
            self._add(Step(waits=waits))

    def note_touch(self, how: str) -> None:
        """Take down that a test was given what it takes to use it past this package."""
        with self._lock:
            self._touches[how] = None

    def to_recipe(self) -> ContainerRecipe:
        """Say how it was started, and what was done with it so far."""
        call = self.settings.call
        with self._lock:
            problem = ""
            if self._touches:
                how = ", ".join(self._touches)
                problem = f"its container could be used past the plugin: the test asked for {how}"
            else:
                problem = explain_network(call.network)
            return ContainerRecipe(
                call=call,
                ports=self.settings.ports,
                waits=self.settings.waits,
                steps=tuple(self._steps),
                problem=problem,
            )

    def remove(self) -> None:
        """Kill and remove it, and what was made for it; safe to call twice."""
        with ExitStack() as stack:
            if self.network is not None:
                stack.callback(self.network.remove)
            if self.id:
                self.node.engine.remove_container(self.id)


def describe_waits(waits: tuple[Wait, ...]) -> str:
    """Give the conditions as text, the same for equal settings; part of a shared one's key."""
    return ", ".join(
        str(each) if isinstance(each, (LogWait, PortWait)) else repr(each) for each in waits
    )
