"""What one process of a test session holds: its nodes, and the containers shared by its tests."""

from __future__ import annotations

import threading
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_multiarch.core.errors import (
    EngineError,
    EngineGoneError,
    MultiarchError,
    PlatformUnavailableError,
)
from pytest_multiarch.core.execution import explain_node_down
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.reference import ImageReference
from pytest_multiarch.run.bench import Bench
from pytest_multiarch.run.calls import Recorder, digest_files
from pytest_multiarch.run.container import Container
from pytest_multiarch.run.network import find_ended
from pytest_multiarch.run.started import ContainerSettings, StartedContainer, describe_waits
from pytest_multiarch.run.variant import Variant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from pytest_multiarch.core.build import Build, BuildSpec
    from pytest_multiarch.core.execution import Execution
    from pytest_multiarch.core.image_rules import ImageRules
    from pytest_multiarch.core.inspected import Inspected
    from pytest_multiarch.run.network import NameImage
    from pytest_multiarch.run.node import Node

_Key = tuple[str, str, Platform, tuple[object, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnNode:
    """The node that a platform has of its own.

    `may_emulate`: the default node may run the platform while this one is down. `origin` says
    where it is configured.
    """

    node: Node
    may_emulate: bool = False
    origin: str = "nodes"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a platform runs, and how."""

    node: Node
    execution: Execution


class Session:
    """Gives variants and containers to tests, and removes them all at the end."""

    def __init__(
        self,
        node: Node,
        *,
        platforms: Iterable[Platform] = (),
        own_nodes: Mapping[Platform, OwnNode] | None = None,
    ) -> None:
        """`own_nodes` are those of platforms that do not run on `node`, the default one."""
        self._node = node
        self._platforms = tuple(platforms)
        self._own_nodes = dict(own_nodes or {})
        self._places: dict[Platform, Place | MultiarchError] = {}
        self._lock = threading.RLock()
        self._placing = threading.RLock()
        self._shared: dict[_Key, StartedContainer | MultiarchError] = {}

    @cached_property
    def bench(self) -> Bench:
        """What makes measurements."""
        return Bench(self)

    @property
    def default_node(self) -> Node:
        """The node of all platforms that have none of their own."""
        return self._node

    def find_place(self, platform: Platform) -> Place:
        """Say which node runs a platform, and how; found once, so that all its tests agree.

        Raises:
            PlatformUnavailableError: none can.
            EngineError: there is no engine.
        """
        own = self._own_nodes.get(platform)
        if own is None:
            return self._find_default_place(platform)
        with self._placing:
            if platform not in self._places:
                try:
                    self._places[platform] = self._find_own_place(platform, own)
                except MultiarchError as error:
                    self._places[platform] = error
            found = self._places[platform]
        if isinstance(found, MultiarchError):
            raise found.with_traceback(None)
        return found

    def _find_default_place(self, platform: Platform) -> Place:
        shared = tuple(each for each in self._platforms if each not in self._own_nodes)
        return Place(self._node, self._node.require_execution(platform, soon=shared))

    def _find_own_place(self, platform: Platform, own: OwnNode) -> Place:
        try:
            execution = own.node.require_execution(platform, soon=self._list_neighbours(own.node))
        except (EngineError, PlatformUnavailableError) as error:
            if not own.may_emulate:
                raise explain_node_down(platform, error, origin=own.origin) from None
            place = self._find_default_place(platform)
            note = f"not on its own node, which is unavailable: {error.what}"
            return replace(place, execution=replace(place.execution, note=note))
        if execution.is_emulated:
            note = "emulated by its own node, which is no hardware of the platform"
            execution = replace(execution, note=note)
        return Place(own.node, execution)

    def _list_neighbours(self, node: Node) -> tuple[Platform, ...]:
        """List the platforms of this session that have the same node."""
        own = self._own_nodes
        return tuple(each for each in self._platforms if each in own and own[each].node is node)

    def open_variant(
        self,
        reference: ImageReference,
        platform: Platform,
        *,
        recorder: Recorder | None,
        name_image: NameImage = ImageReference.parse,
    ) -> Variant:
        """Give a platform's variant of an image, once the node is known to be able to run it.

        `name_image` gives the image that a name means in the test, for services.

        Raises:
            PlatformUnavailableError: the node cannot.
            ImageError: there is no such variant, or it is not what its entry says.
            EngineError: there is no engine.
        """
        place = self.find_place(platform)
        resolved = place.node.resolve(reference, platform)
        return Variant(
            place.node, resolved, place.execution, recorder=recorder, name_image=name_image
        )

    def open_twin(self, variant: Variant) -> Variant | None:
        """Give a variant that ran natively on a node of its own as the default node emulates it.

        None where it has no such node, or the default one runs it natively too.

        Raises:
            MultiarchError: the default node cannot run it.
        """
        if variant.node is self._node or variant.execution.is_emulated:
            return None
        execution = self._node.require_execution(variant.platform)
        if not execution.is_emulated:
            return None
        resolved = self._node.resolve(variant.resolved.reference, variant.platform)
        return Variant(self._node, resolved, execution)

    def build(
        self, spec: BuildSpec, platform: Platform, platforms: Iterable[Platform]
    ) -> tuple[ImageReference, Build]:
        """Have an image built for `platforms`, once in the run; give its reference, and what the
        build came to, also if it failed.

        Platforms that the node of `platform` cannot run, and those of other nodes, are left out.

        Raises:
            PlatformUnavailableError: `platform` is one of them.
            EngineError: there is no engine.
        """
        node = self.find_place(platform).node
        return node.builds.provide(spec, self._list_of(node, platforms, platform))

    def _list_of(
        self, node: Node, platforms: Iterable[Platform], last: Platform
    ) -> Iterator[Platform]:
        """Give those of some platforms that a node runs; they are asked for only if it builds."""
        for each in dict.fromkeys((*platforms, last)):
            with suppress(PlatformUnavailableError):
                if self.find_place(each).node is node:
                    yield each

    def look_first(
        self, variant: Variant, rules: ImageRules, platforms: Sequence[Platform]
    ) -> Inspected:
        """Look at an image before anything of it runs, as a test declares it.

        Raises:
            ImageError, EngineError: it cannot be looked at, though the test asks for it.
        """
        return variant.node.first_look.look(variant.resolved, rules, platforms)

    def open_container(
        self, variant: Variant, settings: ContainerSettings, *, recorder: Recorder | None
    ) -> Container:
        """Start a container and wait until it is ready; or give the shared one of its settings."""
        if settings.scope == "session":
            started = self._share(variant, settings)
            return Container(started, recorder=recorder, is_shared=True)
        return Container(variant.start(settings), recorder=recorder)

    def _share(self, variant: Variant, settings: ContainerSettings) -> StartedContainer:
        key = (variant.node.name, variant.digest, variant.platform, _describe(settings))
        with self._lock:
            if key not in self._shared:
                try:
                    self._shared[key] = variant.start(settings)
                except EngineGoneError:
                    raise
                except MultiarchError as error:
                    self._shared[key] = error
            found = self._shared[key]
            if isinstance(found, MultiarchError):
                raise found.with_traceback(None)
            ended = find_ended(found)
            if ended is not None:
                # Said once, to the test that finds it; the next one gets another.
                del self._shared[key]
                found.remove()
                raise ended
        return found

    def close_container(self, container: Container, settings: ContainerSettings) -> None:
        """Remove a test's own container; a shared one stays for the next test."""
        if settings.scope != "session":
            container.remove()

    def lock_machine(self, *, timeout_s: float) -> AbstractContextManager[None]:
        """Keep measurements off this machine, once those under way are over.

        Raises:
            DeadlineError: they are not in time.
        """
        return self._node.tools.lock_machine(timeout_s=timeout_s)

    def remove_all(self) -> None:
        """Remove what is on its nodes now, so that what waits for it ends."""
        for node in (*self._list_own_nodes(), self._node):
            node.remove_all()

    def close(self) -> None:
        """Remove everything this process has on its nodes; one that is down keeps no other.

        Raises:
            EngineError: something could not be removed; the watchdog of its node is left to try.
        """
        with ExitStack() as stack:
            for each in self._list_own_nodes():
                stack.callback(each.close)
            stack.callback(self._node.close)

    def _list_own_nodes(self) -> tuple[Node, ...]:
        return tuple({id(own.node): own.node for own in self._own_nodes.values()}.values())


def _describe(settings: ContainerSettings) -> tuple[object, ...]:
    call = settings.call
    return (
        call.argv, call.entrypoint, tuple(sorted(call.env.items())), call.user, call.workdir,
        digest_files(call.files), tuple((e.mode, e.uid, e.gid) for e in call.files), call.network,
        call.aliases, call.init, call.options, settings.ports, describe_waits(settings.waits),
        *((e.name, e.image, e.platform, _describe(e.container)) for e in settings.services),
    )  # fmt: skip
