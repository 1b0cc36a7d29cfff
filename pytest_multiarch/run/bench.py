"""Where measurements are made: containers to measure in, control runs, and starts."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_multiarch.core.call import Call
from pytest_multiarch.core.overhead import Sample
from pytest_multiarch.run.control import Twin, start_control
from pytest_multiarch.run.measure import (
    measure_callable,
    measure_command,
    measure_subjects,
    open_measuring,
)
from pytest_multiarch.run.timer import start_idle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_multiarch.core.call import FileToCopy
    from pytest_multiarch.core.execution import Execution
    from pytest_multiarch.core.overhead import Measurement
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.ports import ImageSizes
    from pytest_multiarch.run.container import Container
    from pytest_multiarch.run.control import Control
    from pytest_multiarch.run.measure import Plan
    from pytest_multiarch.run.session import Session
    from pytest_multiarch.run.started import ContainerSettings, StartedContainer
    from pytest_multiarch.run.variant import Variant


class Bench:
    """Makes the measurements of one process on its nodes."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def start_idle(self, variant: Variant) -> StartedContainer:
        """Start a container that does nothing and stays."""
        return start_idle(variant.node, variant.resolved, variant.execution, Call())

    def start_control(self, variant: Variant, *, is_allowed: bool) -> Control:
        """Start the control of a native variant.

        Raises:
            MultiarchError: the node cannot.
        """
        return start_control(variant.node, variant.resolved, Call(), is_allowed=is_allowed)

    def start_twin(self, variant: Variant) -> Twin | None:
        """Start a container of a variant that ran natively on a node of its own, emulated.

        None where there is nothing to compare: it has no node of its own, or that emulates.

        Raises:
            MultiarchError: the default node cannot.
        """
        emulated = self._session.open_twin(variant)
        return None if emulated is None else Twin(started=self.start_idle(emulated))

    def put_files(self, started: StartedContainer, files: Sequence[FileToCopy]) -> None:
        """Put files into a running container."""
        if files:
            started.node.engine.put_files(started.id, files)
            started.note_files(files)

    def measure_command(
        self,
        containers: Sequence[StartedContainer],
        call: Call,
        *,
        plan: Plan,
        allowed: tuple[int, ...],
        controls: Sequence[Control | Twin],
    ) -> Measurement:
        """Measure a command in running containers."""
        return measure_command(containers, call, plan=plan, allowed=allowed, controls=controls)

    def measure_callable(
        self,
        containers: Sequence[Container],
        function: Callable[[Container], object],
        *,
        plan: Plan,
        what: str,
    ) -> Measurement:
        """Measure a callable that is given running containers."""
        return measure_callable(containers, function, plan=plan, what=what)

    def measure_starts(
        self, variants: Sequence[Variant], settings: ContainerSettings, *, plan: Plan, what: str
    ) -> Measurement:
        """Measure how long containers take from being created to being ready."""
        own = replace(settings, scope="function")
        with open_measuring(variants[0].node.tools, what) as tell:
            subjects = [TimedStart(self._session, each, own) for each in variants]
            return measure_subjects(what, subjects, plan, time.perf_counter(), tell)

    def fetch_again(self, variant: Variant) -> dict[str, float]:
        """Remove a variant from its node and fetch it, timed; give the parts by name, in seconds.

        Raises:
            UsageError: it was there before this session, or other processes may be using it.
            EngineError: the node does not let it go.
        """
        return variant.node.fetch_again(variant.resolved)

    def read_sizes(self, variant: Variant) -> ImageSizes:
        """Give what a variant takes in a registry and on its node's disk; 0 where nobody tells."""
        found = variant.node.engine.read_image_sizes(variant.resolved.create_image, variant.digest)
        return replace(found, content=variant.resolved.size or found.content)


class TimedStart:
    """A container of one platform, started anew for each sample, timed here."""

    is_control = False

    def __init__(self, session: Session, variant: Variant, settings: ContainerSettings) -> None:
        self._session = session
        self._variant = variant
        self._settings = settings

    @property
    def platform(self) -> Platform:
        """The platform of the container."""
        return self._variant.platform

    @property
    def execution(self) -> Execution:
        """How it is executed."""
        return self._variant.execution

    def run(self, runs: int, *, is_warmup: bool) -> tuple[Sample, ...]:
        """Start it, and remove it; a start is the same in the warm-up."""
        del is_warmup
        samples = []
        for _ in range(runs):
            container = self._session.open_container(self._variant, self._settings, recorder=None)
            # Without the services beside it, which are not what is measured.
            samples.append(Sample(wall_s=container.started.ready_s))
            container.remove()
        return tuple(samples)
