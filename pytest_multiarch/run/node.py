"""One node: its engine, and what a session learned of it and holds on it."""

from __future__ import annotations

import contextlib
import threading
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from pytest_multiarch.core.errors import EngineError, ImageNotFoundError, MultiarchError, UsageError
from pytest_multiarch.core.execution import NO_PROBE, Execution, ExecutionKind, explain_unavailable
from pytest_multiarch.run.audit import Auditor
from pytest_multiarch.run.build import Builds
from pytest_multiarch.run.detect import ProbeImage, detect_by_probe, detect_native
from pytest_multiarch.run.first_look import FirstLook
from pytest_multiarch.run.program import Lookup, Program, check_command, find_program
from pytest_multiarch.run.resolve import PullPolicy, Resolver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_multiarch.core.call import FileToCopy
    from pytest_multiarch.core.compose import ComposeOrder
    from pytest_multiarch.core.filetree import Layer
    from pytest_multiarch.core.manifest import StoredLayer
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.ports import (
        ByteStream,
        ContainerSpec,
        Engine,
        EngineFacts,
        ImageBuilder,
        ImageCache,
        Registry,
        TellBytes,
        TellPlatform,
    )
    from pytest_multiarch.core.reference import ImageReference
    from pytest_multiarch.core.variant import ResolvedVariant


_HERE = ("unix://", "npipe://")
"""What the addresses of engines begin with that see this machine's files."""


class Watchdog(Protocol):
    """Removes what a session left behind, should its process be killed."""

    def stop(self) -> None:
        """Let it go: the session has cleaned up."""


class ComposeProject(Protocol):
    """A compose file that is started once; see `engine.compose`."""

    name: str

    def read_config(self) -> Mapping[str, Any]:
        """Read the file as Docker Compose does, as what it prints in JSON."""

    def create(self, override: str) -> dict[str, str]:
        """Create all containers, with a second file laid over; give their ids by service."""

    def start(self) -> None:
        """Start them."""

    def remove(self) -> None:
        """Remove all that it made."""


class SharedResult(Protocol):
    """A JSON document that one process of a run makes and the others read."""

    def read(self) -> dict[str, Any] | None:
        """Give it, None if nobody has made it yet."""

    def write(self, document: dict[str, Any]) -> None:
        """Keep it for the others."""


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

    def open_builder(self) -> ImageBuilder:
        """Make what builds images for this node."""

    def share_build(self, key: str) -> AbstractContextManager[SharedResult]:
        """Have one process of the run make a result, which the others read."""

    def show_build(
        self, title: str, platforms: Iterable[Platform]
    ) -> AbstractContextManager[TellPlatform]:
        """Show the user how far a build is, a line for each platform."""

    def lock_machine(self, *, timeout_s: float | None = None) -> AbstractContextManager[None]:
        """Have one measurement at a time on this machine.

        With `timeout_s` the user is shown nothing of the wait, and it ends in a DeadlineError.
        """

    def read_program(self, name: str, platform: Platform) -> bytes | None:
        """Give a small static program of ours for a platform, None if there is none for it."""

    def find_emulator(self, platform: Platform) -> FileToCopy:
        """Give the static QEMU of this machine that runs on a platform and emulates the same.

        Raises:
            UsageError: there is none; with where it was looked for, and how to get one.
        """

    def show_progress(self, task: str, *, unit: str = "") -> AbstractContextManager[TellBytes]:
        """Show the user that something takes long, and how far it is: in `unit`, or in bytes."""

    def read_layer(self, stored: StoredLayer, stream: ByteStream) -> Layer:
        """Read what a layer holds; see `LayerReader`."""

    @property
    def image_cache(self) -> ImageCache:
        """What was read of images before."""

    def open_testcontainer(
        self,
        node: Node,
        variant: ResolvedVariant,
        factory: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> AbstractContextManager[Any]:
        """Start any testcontainers class on a pinned variant."""

    def open_compose(self, order: ComposeOrder, *, name: str) -> ComposeProject:
        """Have a compose file started, as a project of that name.

        Raises:
            UsageError: it is not there, or no docker command is.
        """

    def adapt_wait_strategy(self, strategy: Any, container: Any) -> Callable[[], None]:
        """Have a wait strategy of testcontainers wait for one of our containers."""


class Node:
    """An engine in use by one process of one session; safe to use from several threads."""

    def __init__(
        self,
        tools: NodeTools,
        *,
        session_id: str,
        labels: Mapping[str, str],
        pull: PullPolicy,
        is_shared: bool = False,
    ) -> None:
        """`is_shared`: other processes of the session use the node's images too."""
        self.tools = tools
        self.labels = dict(labels)
        self._session_id = session_id
        self._pull = pull
        self._is_shared = is_shared
        self._lock = threading.RLock()
        # Probing takes a while, in which other threads go on using the engine.
        self._probing = threading.RLock()
        self._engine: Engine | EngineError | None = None
        self._resolver: Resolver | None = None
        self._watchdog: Watchdog | None = None
        self._executions: dict[Platform, Execution] = {}
        self._probe_images: list[ProbeImage] = []
        self._programs: dict[tuple[str, Lookup], Program | None] = {}
        self.auditor = Auditor(self)
        self.first_look = FirstLook(self)
        self.builds = Builds(self)

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
                raise self._engine.with_traceback(None)
            return self._engine

    @property
    def name(self) -> str:
        return self.engine.address

    def resolve(self, reference: ImageReference, platform: Platform) -> ResolvedVariant:
        """Give the platform's variant of an image, on this node and checked."""
        return self.resolver.resolve(reference, platform)

    @property
    def resolver(self) -> Resolver:
        """What resolves references on this node."""
        with self._lock:
            if self._resolver is None:
                facts = self.engine.read_facts()
                self._resolver = Resolver(
                    self.engine,
                    lambda: self.tools.open_registry(facts),
                    pull=self._pull,
                    lock_pull=lambda pin: self.tools.lock_pull(facts.engine_id, pin),
                    show_progress=self.tools.show_progress,
                )
            return self._resolver

    def fetch_again(self, variant: ResolvedVariant) -> dict[str, float]:
        """Remove a variant that this process has pulled and pull it, timed; give the parts.

        Raises:
            UsageError: it was there before, or other processes of the session may be using it.
            EngineError: the node does not let it go.
        """
        assert self._resolver is not None
        if self._is_shared:
            raise UsageError(
                "other processes of this session may be using the image",
                cure="measure cold starts without -n",
            )
        return self._resolver.fetch_again(variant)

    def detect_execution(self, platform: Platform, *, soon: Iterable[Platform] = ()) -> Execution:
        """Say how this node executes a platform; found once.

        `soon` are platforms that will be asked for: their probes are loaded along.
        """
        with self._probing:
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
            if images:
                self.watch()
                self.engine.load_image(archive)
            self._probe_images += images
            image = self._find_probe(platform)
        if image is None:
            return Execution(
                kind=ExecutionKind.UNAVAILABLE,
                evidence=(NO_PROBE,),
            )
        return detect_by_probe(self.engine, image, self.labels)

    def _find_probe(self, platform: Platform) -> ProbeImage | None:
        return next((each for each in self._probe_images if each.platform == platform), None)

    def require_execution(self, platform: Platform, *, soon: Iterable[Platform] = ()) -> Execution:
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
        self._refuse_mounts(spec)
        self.watch()
        labelled = replace(spec, labels={**spec.labels, **self.labels})
        try:
            return self.engine.create_container(labelled)
        except ImageNotFoundError:
            if not spec.image.startswith("sha256:"):
                raise
            raise ImageNotFoundError(
                f"the image that this session began with is gone from {self.name}: {spec.image}",
                cure="it was rebuilt or removed during the run, and the engine keeps no image "
                "that lost its name; build first, then test",
            ) from None

    def _refuse_mounts(self, spec: ContainerSpec) -> None:
        for each in spec.options.volumes:
            cure = "put it in with files=, which reaches every engine"
            self.refuse_mount(each.source, by="volumes=", cure=cure)

    def refuse_mount(self, source: str, *, by: str, cure: str) -> None:
        """Refuse to mount something of this machine in an engine that does not see it.

        Raises:
            UsageError: the engine is elsewhere; what `by` mounts would be empty there.
        """
        if not self.name.startswith(_HERE):
            raise UsageError(
                f"{by} mounts {source}, which is on this machine, and the engine is at {self.name}",
                cure=cure,
            )

    def create_network(self, name: str) -> None:
        """Make a network that carries the session's labels, watched over from here on."""
        self.watch()
        self.engine.create_network(name, labels=self.labels)

    def watch(self) -> None:
        """Have the session's things on this node removed even if this process is killed."""
        with self._lock:
            if self._watchdog is None:
                self._watchdog = self.tools.start_watchdog()

    def check_program(self, container_id: str, lookup: Lookup, variant: ResolvedVariant) -> None:
        """Check the architecture of what is about to run; each program of a variant is read once.

        Raises:
            WrongArchitectureError: it is for another architecture.
        """

        def find(word: str) -> Program | None:
            return self._find_program(container_id, replace(lookup, words=(word,)), variant)

        check_command(find, lookup, variant.platform, image=variant.reference.text)

    def _find_program(
        self, container_id: str, lookup: Lookup, variant: ResolvedVariant
    ) -> Program | None:
        key = (variant.digest, replace(lookup, entrypoint_size=0, is_fresh=True))
        if key in self._programs:
            return self._programs[key]
        program = find_program(self.engine, container_id, lookup.words[0], lookup)
        # What is missing in a container that has run may have been there, or may yet come.
        if program is not None or lookup.is_fresh:
            self._programs[key] = program
        return program

    def remove_quietly(self, container_id: str) -> None:
        """Remove a container on the way out of an error, which is not to be hidden by another.

        What cannot be removed now is swept by its label at the end of the session.
        """
        with contextlib.suppress(MultiarchError):
            self.engine.remove_container(container_id)

    def remove_all(self) -> None:
        """Remove everything that the session has on this node, quietly."""
        with contextlib.suppress(MultiarchError):
            self.engine.remove_labelled("org.pytest-multiarch.session", self._session_id)

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
