"""Where the engine room is connected: the only module of the plugin that imports it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from pytest_multiarch import native
from pytest_multiarch.engine.build_command import BuildxBuilder
from pytest_multiarch.engine.build_share import BuildShare
from pytest_multiarch.engine.docker_api import open_engine
from pytest_multiarch.engine.emulator import find_emulator
from pytest_multiarch.engine.endpoint import Endpoint, find_endpoint, find_node_endpoint
from pytest_multiarch.engine.machine_lock import hold_measure_lock
from pytest_multiarch.engine.probe import build_probes
from pytest_multiarch.engine.pull_lock import hold_pull_lock
from pytest_multiarch.engine.sessions import SessionLabels
from pytest_multiarch.engine.watchdog import guard_folder, start_watchdog
from pytest_multiarch.run.detect import ProbeImage
from pytest_multiarch.run.node import ComposeProject, Node, SharedResult, Watchdog
from pytest_multiarch.run.progress import ShowBuild, ShowProgress, show_no_build, show_nothing
from pytest_multiarch.run.resolve import PullPolicy
from pytest_multiarch.run.session import OwnNode, Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pytest_multiarch.core.call import FileToCopy
    from pytest_multiarch.core.compose import ComposeOrder
    from pytest_multiarch.core.filetree import Layer
    from pytest_multiarch.core.manifest import StoredLayer
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.ports import (
        ByteStream,
        Engine,
        EngineFacts,
        ImageBuilder,
        ImageCache,
        Registry,
        TellPlatform,
    )
    from pytest_multiarch.core.settings import NodeSettings, Setting
    from pytest_multiarch.core.variant import ResolvedVariant
    from pytest_multiarch.plugin.state import PluginState


class DockerTools:
    """The tools of a node.

    `locate` finds its engine in an environment: by default as the docker command does.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        session_id: str,
        *,
        locate: Callable[[Mapping[str, str]], Endpoint] = find_endpoint,
        run_id: str = "",
        show_progress: ShowProgress = show_nothing,
        show_build: ShowBuild = show_no_build,
        emulator: str = "",
    ) -> None:
        """`run_id` is of all processes of a run, which share what it builds."""
        self._environ = environ
        self._session_id = session_id
        self._locate = locate
        self._share = BuildShare(run_id or session_id)
        self.show_progress = show_progress
        self._show_build = show_build
        self._emulator = emulator

    @property
    def endpoint(self) -> Endpoint:
        """Where the engine is."""
        return self._locate(self._environ)

    @property
    def _own_endpoint(self) -> Endpoint | None:
        """Where the engine is that a platform has of its own, None for the default engine."""
        return None if self._locate is find_endpoint else self.endpoint

    def open_engine(self) -> Engine:
        """Connect to the engine."""
        return open_engine(self.endpoint, self._environ)

    def open_registry(self, facts: EngineFacts) -> Registry:
        """Make a client of registries, with the user's logins."""
        from pytest_multiarch.engine.registry import RegistryClient

        return RegistryClient(self._environ, insecure=facts.insecure_registries)

    def build_probe(
        self, platforms: Iterable[Platform], labels: Mapping[str, str]
    ) -> tuple[bytes, list[ProbeImage]]:
        """Build an archive of probe images, for those platforms that have a probe program."""
        archive, names = build_probes(platforms, session_id=self._session_id, labels=labels)
        return archive, [ProbeImage(name=name, platform=each) for name, each in names]

    def start_watchdog(self) -> Watchdog:
        """Start the process that cleans up if this one is killed."""
        return start_watchdog(self.endpoint, self._session_id)

    def lock_pull(self, engine_id: str, pin: str) -> AbstractContextManager[None]:
        """Have one process of this machine pull an image at a time."""
        return hold_pull_lock(engine_id, pin)

    def read_layer(self, stored: StoredLayer, stream: ByteStream) -> Layer:
        """Read what a layer holds."""
        from pytest_multiarch.files.layer import read_layer

        return read_layer(stored, stream)

    @cached_property
    def image_cache(self) -> ImageCache:
        """What was read of images before."""
        from pytest_multiarch.files.layer_cache import LayerCache, find_cache_folder

        return LayerCache(find_cache_folder(self._environ))

    def open_builder(self) -> ImageBuilder:
        """Make what builds images: docker buildx, as the user has it, on the node."""
        return BuildxBuilder(self._environ, endpoint=self._own_endpoint)

    def share_build(self, key: str) -> AbstractContextManager[SharedResult]:
        """Have one process of the run build an image, and the others wait for it."""
        task = "waiting until another process of this run has built an image"
        own = self._own_endpoint
        key = f"{key}-{hashlib.sha256(own.url.encode()).hexdigest()[:12]}" if own else key
        return self._share.open(key, lambda: self.show_progress(task))

    def show_build(
        self, title: str, platforms: Iterable[Platform]
    ) -> AbstractContextManager[TellPlatform]:
        """Show how far a build is."""
        return self._show_build(f"building {title}", platforms)

    def lock_machine(self, *, timeout_s: float | None = None) -> AbstractContextManager[None]:
        """Have one measurement at a time on this machine."""
        if timeout_s is not None:
            return hold_measure_lock(show_nothing, timeout_s=timeout_s)
        return hold_measure_lock(self.show_progress)

    def read_program(self, name: str, platform: Platform) -> bytes | None:
        """Give a small static program of ours for a platform."""
        return native.read_program(name, platform.slug)

    def find_emulator(self, platform: Platform) -> FileToCopy:
        """Give the static QEMU of this machine for a control run."""
        return find_emulator(platform, configured=self._emulator)

    def open_testcontainer(
        self,
        node: Node,
        variant: ResolvedVariant,
        factory: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> AbstractContextManager[Any]:
        """Start a testcontainers class on a variant."""
        from pytest_multiarch.engine import testcontainers_bridge

        return testcontainers_bridge.start_testcontainer(
            factory,
            args,
            kwargs,
            variant=variant,
            engine=node.engine,
            endpoint=self.endpoint,
            labels=node.labels,
        )

    def open_compose(self, order: ComposeOrder, *, name: str) -> ComposeProject:
        """Have a compose file started."""
        from pytest_multiarch.engine.compose import ComposeRun

        return ComposeRun(order, name=name, endpoint=self.endpoint, environ=self._environ)

    def adapt_wait_strategy(self, strategy: Any, container: Any) -> Callable[[], None]:
        """Have a wait strategy of testcontainers wait for one of our containers."""
        from pytest_multiarch.engine import testcontainers_bridge

        return testcontainers_bridge.adapt_wait_strategy(strategy, container)


def forget_builds(run_id: str) -> None:
    """Forget what the processes of a run shared of its builds; the images stay."""
    BuildShare(run_id).close()


def start_guard(folder: str) -> Watchdog:
    """Have a folder removed, should this process be killed before it does so."""
    return guard_folder(folder)


def open_session(state: PluginState, root: Path) -> Session:
    """Make the session of this process; nothing is connected to until it is used.

    `root` is the folder of the configuration file.
    """
    session_id = f"{state.run_id}-{state.worker}" if state.worker else state.run_id
    environ = dict(os.environ)
    labels = SessionLabels.for_this_process(session_id).to_labels()

    def make_node(locate: Callable[[Mapping[str, str]], Endpoint]) -> Node:
        return Node(
            DockerTools(
                environ,
                session_id,
                locate=locate,
                run_id=state.run_id,
                show_progress=state.show_progress,
                show_build=state.show_build,
                emulator=state.settings.control.value.emulator,
            ),
            session_id=session_id,
            labels=labels,
            pull=PullPolicy(state.settings.pull),
            is_shared=bool(state.worker),
        )

    return Session(
        make_node(find_endpoint),
        platforms=state.selected,
        own_nodes=_make_own_nodes(state.settings.nodes, root, make_node),
    )


def _make_own_nodes(
    configured: Setting[Mapping[Platform, NodeSettings]],
    root: Path,
    make_node: Callable[[Callable[[Mapping[str, str]], Endpoint]], Node],
) -> dict[Platform, OwnNode]:
    """Make the configured nodes; platforms at the same place share one."""
    made: dict[NodeSettings, Node] = {}
    own = {}
    for platform, settings in configured.value.items():
        place = replace(settings, may_emulate=False)
        origin = f"nodes in {configured.origin}"
        if place not in made:
            made[place] = make_node(
                partial(_locate_node, place, folder=root, origin=f"{platform}, {origin}")
            )
        own[platform] = OwnNode(node=made[place], may_emulate=settings.may_emulate, origin=origin)
    return own


def _locate_node(
    settings: NodeSettings, environ: Mapping[str, str], *, folder: Path, origin: str
) -> Endpoint:
    return find_node_endpoint(settings, environ, folder=folder, origin=origin)
