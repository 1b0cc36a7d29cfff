"""A network of a test's own, and the services on it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_multiarch.core.call import NETWORK_PREFIX
from pytest_multiarch.core.errors import MultiarchError, PlatformMissingError, UsageError
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.reference import ImageReference
from pytest_multiarch.run.calls import name_known, name_values
from pytest_multiarch.run.container import Container, Services, start_ready
from pytest_multiarch.run.explain import explain_ended

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.run.node import Node
    from pytest_multiarch.run.started import ServiceSettings, StartedContainer

NameImage = Callable[[str], ImageReference]
"""Gives the image that a name means in a test."""


class Network:
    """A network on a node: containers on it reach each other by their names, and nothing else's.

    `services` are those that were started on it, by name, as containers; what is called in them
    is not observed.
    """

    def __init__(self, node: Node, name: str) -> None:
        self.node = node
        self.name = name
        self.services = Services()

    @classmethod
    def make(cls, node: Node) -> Network:
        """Make one on a node, of a name that nobody else uses."""
        network = cls(node, f"{NETWORK_PREFIX}{secrets.token_hex(6)}")
        node.create_network(network.name)
        return network

    def __repr__(self) -> str:
        return f"<network {self.name} on {self.node.name}, with {', '.join(self.services)}>"

    def start(self, settings: ServiceSettings, *, platform: Platform, name: NameImage) -> Container:
        """Start a service, and wait until it is ready.

        `platform` is that of the container under test; `name` gives the image that a name means.

        Raises:
            MultiarchError: it cannot be, or never becomes ready; the message names the service.
        """
        if settings.name in self.services:
            raise UsageError(
                f"there is a service {settings.name!r} on this network already",
                cure="give it another name, or a network of its own",
            )
        call = replace(settings.container.call, network=self.name, aliases=(settings.name,))
        own = replace(settings, container=replace(settings.container, call=call))
        self.services[settings.name] = start_service(
            self.node, own, platform=platform, name=name, network=self
        )
        return self.services[settings.name]

    def name_known(self) -> dict[str, str]:
        """Give the strings that only this network and its services have, to be masked."""
        known = {self.name: "<network>"}
        for name, each in self.services.items():
            state = each.started.state
            words = {"<container>": f"<{name}>", "<container-ip>": f"<{name}-ip>"}
            known |= {text: words[word] for text, word in name_known(state).items()}
            known |= name_values(each.started.settings.call.env)
        return known

    def quote_logs(self) -> str:
        """Give the last lines of its services' logs, for a message."""
        return "".join(
            f"\nservice {name!r} ({each.variant.reference} on {each.platform}):{each.quote_log()}"
            for name, each in self.services.items()
        )

    def remove(self) -> None:
        """Remove it and the services on it; safe to call twice."""
        with ExitStack() as stack:
            stack.callback(self.node.engine.remove_network, self.name)
            for each in self.services.values():
                stack.callback(each.remove)

    def remove_quietly(self) -> None:
        """Remove it on the way out of an error, which is not to be hidden by another."""
        with suppress(MultiarchError):
            self.remove()


def start_service(
    node: Node,
    settings: ServiceSettings,
    *,
    platform: Platform,
    name: NameImage,
    network: Network | None = None,
) -> Container:
    """Start a service on a node, and wait until it is ready; as `Network.start`."""
    native = node.engine.read_facts().platform
    chosen = {"native": native, "same": platform}.get(settings.platform)
    own = chosen or Platform.parse(settings.platform)
    with _name_service(settings, own):
        execution = node.require_execution(own)
        variant = node.resolve(name(settings.image), own)
        started = start_ready(node, variant, execution, settings.container)
    return Container(started, recorder=None, name=settings.name, beside=network)


@contextmanager
def open_network(
    node: Node,
    services: tuple[ServiceSettings, ...] = (),
    *,
    platform: Platform,
    name: NameImage,
) -> Iterator[Network]:
    """Make a network with services, started one after the other; remove all at the end."""
    network = Network.make(node)
    try:
        for each in services:
            network.start(each, platform=platform, name=name)
        yield network
    except BaseException:
        network.remove_quietly()
        raise
    network.remove()


def find_ended(started: StartedContainer) -> MultiarchError | None:
    """Say how a container has ended, or one of its services; None if all of them run."""
    services = started.network.services if started.network is not None else {}
    for name, each in services.items():
        state = each.inspect()
        if not state.is_running:
            error = each.explain_ended(state)
            return type(error)(f"service {name!r}: {error.what}", cure=error.cure)
    state = started.inspect()
    if state.is_running:
        return None
    return explain_ended(started.node, state, started.variant.platform)


@contextmanager
def _name_service(settings: ServiceSettings, platform: Platform) -> Iterator[None]:
    try:
        yield
    except MultiarchError as error:
        cure = error.cure
        if isinstance(error, PlatformMissingError) and settings.platform == "native":
            cure += '\nto have it on the platform of the test: service(..., platform="same")'
        what = f"service {settings.name!r} ({settings.image} on {platform}): {error.what}"
        raise type(error)(what, cure=cure) from None
