"""One node: its engine, and what a session learned of it and holds on it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Protocol

from pytest_multiarch.core.call import RunResult
from pytest_multiarch.core.errors import EngineError, MultiarchError, WrongArchitectureError
from pytest_multiarch.core.execution import Execution, ExecutionKind, explain_unavailable
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.ports import ContainerSpec, Engine, EngineFacts, Registry
from pytest_multiarch.core.reference import ImageReference
from pytest_multiarch.core.variant import ResolvedVariant
from pytest_multiarch.run.detect import ProbeImage, detect_by_probe, detect_native
from pytest_multiarch.run.program import Lookup, check_program
from pytest_multiarch.run.resolve import PullPolicy, Resolver


class Watchdog(Protocol):
    """Removes what a session left behind, should its process be killed."""

    def stop(self) -> None:
        """Let it go: the session has cleaned up."""


class NodeTools(Protocol):
    """What a node needs of the engine room, handed in by a shell."""

    def open_engine(self) -> Engine:
        """Connect to the engine."""

    def open_registry(self, facts: EngineFacts) -> Registry:
        """Make a client of registries, with the user's logins."""

    def build_probe(
        self, platforms: Iterable[Platform], labels: Mapping[str, str]
    ) -> tuple[bytes, list[ProbeImage]]:
        """Build a loadable archive of probe images; platforms without a probe are left out."""

    def start_watchdog(self) -> Watchdog:
        """Start the process that cleans up if this one is killed."""

    def lock_pull(self, engine_id: str, pin: str) -> AbstractContextManager[None]:
        """Have one process of this machine pull an image at a time."""

    def open_testcontainer(
        self,
        node: Node,
        variant: ResolvedVariant,
        factory: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> AbstractContextManager[Any]:
        """Start any testcontainers class on a pinned variant."""

    def adapt_wait_strategy(self, strategy: Any, container: Any) -> Callable[[], None]:
        """Have a wait strategy of testcontainers wait for one of our containers."""


class Node:
    """An engine in use by one process of one session; safe to use from several threads."""

    def __init__(
        self, tools: NodeTools, *, session_id: str, labels: Mapping[str, str], pull: PullPolicy
    ) -> None:
        self.tools = tools
        self.labels = dict(labels)
        self._session_id = session_id
        self._pull = pull
        self._lock = threading.RLock()
        self._engine: Engine | EngineError | None = None
        self._resolver: Resolver | None = None
        self._watchdog: Watchdog | None = None
        self._executions: dict[Platform, Execution] = {}
        self._probe_images: list[ProbeImage] = []
        self._programs: dict[tuple[str, Platform, Lookup], WrongArchitectureError | None] = {}

    @property
    def engine(self) -> Engine:
        """The engine, connected to when first used; a failure to is remembered."""
        with self._lock:
            if self._engine is None:
                try:
                    self._engine = self.tools.open_engine()
                except EngineError as error:
                    self._engine = error
            if isinstance(self._engine, EngineError):
                raise self._engine
            return self._engine

    @property
    def name(self) -> str:
        return self.engine.address

    def resolve(self, reference: ImageReference, platform: Platform) -> ResolvedVariant:
        """Give the platform's variant of an image, on this node and checked."""
        with self._lock:
            if self._resolver is None:
                facts = self.engine.read_facts()
                self._resolver = Resolver(
                    self.engine,
                    lambda: self.tools.open_registry(facts),
                    pull=self._pull,
                    lock_pull=lambda pin: self.tools.lock_pull(facts.engine_id, pin),
                )
        return self._resolver.resolve(reference, platform)

    def detect_execution(self, platform: Platform, *, soon: Iterable[Platform] = ()) -> Execution:
        """Say how this node executes a platform; found once.

        `soon` are platforms that will be asked for: their probes are loaded along.
        """
        with self._lock:
            if platform not in self._executions:
                facts = self.engine.read_facts()
                self._executions[platform] = detect_native(facts.platform, platform) or self._probe(
                    platform, soon
                )
            return self._executions[platform]

    def _probe(self, platform: Platform, soon: Iterable[Platform]) -> Execution:
        image = self._find_probe(platform)
        if image is None:
            facts = self.engine.read_facts()
            foreign = {p for p in soon if detect_native(facts.platform, p) is None}
            wanted = sorted({platform, *foreign} - {each.platform for each in self._probe_images})
            archive, images = self.tools.build_probe(wanted, self.labels)
            self._start_watching()
            self.engine.load_image(archive)
            self._probe_images += images
            image = self._find_probe(platform)
        if image is None:
            return Execution(
                kind=ExecutionKind.UNAVAILABLE,
                evidence=(f"pytest-multiarch has no probe program for {platform}",),
            )
        return detect_by_probe(self.engine, image, self.labels)

    def _find_probe(self, platform: Platform) -> ProbeImage | None:
        return next((each for each in self._probe_images if each.platform == platform), None)

    def require_execution(
        self, platform: Platform, *, soon: Iterable[Platform] = ()
    ) -> Execution:
        """Say how this node executes a platform.

        Raises:
            PlatformUnavailableError: it cannot; with the command that adds an emulator.
        """
        execution = self.detect_execution(platform, soon=soon)
        if not execution.is_available:
            raise explain_unavailable(platform, execution, node=self.name)
        return execution

    def create(self, spec: ContainerSpec) -> str:
        """Create a container that carries the session's labels, watched over from here on."""
        self._start_watching()
        return self.engine.create_container(
            replace(spec, labels={**spec.labels, **self.labels})
        )

    def _start_watching(self) -> None:
        with self._lock:
            if self._watchdog is None:
                self._watchdog = self.tools.start_watchdog()

    def check_program(self, container_id: str, lookup: Lookup, variant: ResolvedVariant) -> None:
        """Check the architecture of what is about to run; once per variant and program.

        Raises:
            WrongArchitectureError: it is for another architecture.
        """
        key = (variant.digest, variant.platform, lookup)
        if key not in self._programs:
            self._programs[key] = None
            try:
                check_program(
                    self.engine, container_id, lookup, variant.platform,
                    image=variant.reference.text,
                )  # fmt: skip
            except WrongArchitectureError as error:
                self._programs[key] = error
            except BaseException:
                del self._programs[key]
                raise
        found = self._programs[key]
        if found is not None:
            raise found

    def close(self) -> None:
        """Remove everything that the session has on this node, and let the engine go.

        Raises:
            EngineError: something could not be removed; the watchdog is left to try.
        """
        with self._lock:
            engine, self._engine = self._engine, None
            watchdog, self._watchdog = self._watchdog, None
        if engine is None or isinstance(engine, EngineError):
            return
        try:
            if watchdog is not None:
                engine.remove_labelled("org.pytest-multiarch.session", self._session_id)
                watchdog.stop()
        finally:
            engine.close()


def explain_exec_format(result: RunResult, platform: Platform) -> MultiarchError | None:
    """Recognize the kernel's refusal of a program; the engine reports it as plain output.

    runc exits with 1 (before 1.2) or 255, and tini with 1; the text is on stderr.
    """
    text = result.err.head[:2000].decode("utf-8", "replace").lower()
    if result.exit_code not in (1, 126, 255) or "exec format error" not in text:
        return None
    if not text.startswith(("exec ", "standard_init_linux", "[fatal tini", "{\"msg\":\"exec")):
        return None
    return WrongArchitectureError(
        f"{platform}: the kernel refused the program: {text.strip()}",
        cure="its ELF header, if it has one, is right: it is a script without a #! line, an empty "
        "or truncated file, or the node's emulator was taken away during the run "
        "(docker run --privileged --rm tonistiigi/binfmt shows what is registered)",
    )
