"""What one process of a test session holds: its node, and the containers shared by its tests."""

from __future__ import annotations

import threading
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_multiarch.core.errors import EngineGoneError, MultiarchError
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.run.bench import Bench
from pytest_multiarch.run.calls import Recorder, digest_files
from pytest_multiarch.run.container import Container
from pytest_multiarch.run.explain import explain_ended
from pytest_multiarch.run.started import ContainerSettings, StartedContainer, describe_waits
from pytest_multiarch.run.variant import Variant

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_multiarch.core.build import Build, BuildSpec
    from pytest_multiarch.core.image_rules import ImageRules
    from pytest_multiarch.core.inspected import Inspected
    from pytest_multiarch.core.reference import ImageReference
    from pytest_multiarch.run.node import Node

_Key = tuple[str, Platform, tuple[object, ...]]


class Session:
    """Gives variants and containers to tests, and removes them all at the end."""

    def __init__(self, node: Node, *, platforms: Iterable[Platform] = ()) -> None:
        self._node = node
        self._platforms = tuple(platforms)
        self._lock = threading.RLock()
        self._shared: dict[_Key, StartedContainer | MultiarchError] = {}

    @cached_property
    def bench(self) -> Bench:
        """What makes measurements."""
        return Bench(self)

    def find_node(self, platform: Platform) -> Node:  # noqa: ARG002 - all have one node so far
        """Give the node that runs a platform."""
        return self._node

    def open_variant(
        self, reference: ImageReference, platform: Platform, *, recorder: Recorder | None
    ) -> Variant:
        """Give a platform's variant of an image, once the node is known to be able to run it.

        Raises:
            PlatformUnavailableError: the node cannot.
            ImageError: there is no such variant, or it is not what its entry says.
            EngineError: there is no engine.
        """
        node = self.find_node(platform)
        execution = node.require_execution(platform, soon=self._platforms)
        resolved = node.resolve(reference, platform)
        return Variant(node, resolved, execution, recorder=recorder)

    def build(
        self, spec: BuildSpec, platform: Platform, platforms: Iterable[Platform]
    ) -> tuple[ImageReference, Build]:
        """Have an image built for `platforms`, once in the run; give its reference, and what the
        build came to, also if it failed.

        Platforms that the node cannot run are left out.

        Raises:
            PlatformUnavailableError: `platform` is one of them.
            EngineError: there is no engine.
        """
        node = self.find_node(platform)
        node.require_execution(platform, soon=self._platforms)
        wanted = [
            each
            for each in dict.fromkeys((*platforms, platform))
            if node.detect_execution(each, soon=self._platforms).is_available
        ]
        return node.builds.provide(spec, wanted)

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
        started = _start(variant, settings)
        return Container(started, recorder=recorder)

    def _share(self, variant: Variant, settings: ContainerSettings) -> StartedContainer:
        key = (variant.digest, variant.platform, _describe(settings))
        with self._lock:
            if key not in self._shared:
                try:
                    self._shared[key] = _start(variant, settings)
                except EngineGoneError:
                    raise
                except MultiarchError as error:
                    self._shared[key] = error
            found = self._shared[key]
            if isinstance(found, MultiarchError):
                raise found.with_traceback(None)
            state = found.inspect()
            if not state.is_running:
                # Said once, to the test that finds it; the next one gets another.
                del self._shared[key]
                ended = explain_ended(found.node, state, variant.platform)
                found.remove()
                raise ended
        return found

    def close_container(self, container: Container, settings: ContainerSettings) -> None:
        """Remove a test's own container; a shared one stays for the next test."""
        if settings.scope != "session":
            container.remove()

    def close(self) -> None:
        """Remove everything this process has on its node."""
        self._node.close()


def _start(variant: Variant, settings: ContainerSettings) -> StartedContainer:
    started = StartedContainer(variant.node, variant.resolved, variant.execution, settings)
    started.start()
    try:
        Container(started, recorder=None).wait_ready()
    except BaseException:
        variant.node.remove_quietly(started.id)
        raise
    return started


def _describe(settings: ContainerSettings) -> tuple[object, ...]:
    call = settings.call
    return (
        call.argv, call.entrypoint, tuple(sorted(call.env.items())), call.user, call.workdir,
        digest_files(call.files), tuple(each.mode for each in call.files), call.network, call.init,
        settings.ports, describe_waits(settings.waits),
    )  # fmt: skip
