"""How containers are started, as tests write it: read into values before anything is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.call import Call, check_argv
from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.reference import ImageReference
from pytest_multiarch.core.wait import HttpWait, PortWait, parse_wait
from pytest_multiarch.run.arguments import (
    FileSource,
    check_env,
    check_timeout,
    place_sources,
    read_files,
    read_options,
)
from pytest_multiarch.run.network import Network
from pytest_multiarch.run.started import ContainerSettings, ServiceSettings

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Unpack

    from pytest_multiarch.core.call import FileToCopy
    from pytest_multiarch.core.container_options import ContainerOptions, OptionArguments

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?\Z")
_WHERE = ("native", "same")


@dataclass(frozen=True, slots=True)
class Service:
    """What runs beside the container under test; `service(...)` makes one."""

    image: str
    command: tuple[str, ...]
    platform: str
    arguments: Mapping[str, Any] = field(repr=False)

    def place(self, folder: Path) -> Service:
        """Give it with relative sources that start at a folder."""
        placed = place_sources(self.arguments, folder)
        return Service(self.image, self.command, self.platform, placed)

    def settle(self, name: str) -> ServiceSettings:
        """Read all that it says.

        Raises:
            UsageError: something is wrong; with the name of the service.
        """
        what = f"service {name!r}"
        if not _NAME.match(name):
            raise UsageError(
                f"{what}: others find it by its name, which has to be one of a host",
                cure='write lower-case letters, digits and hyphens, for example "db"',
            )
        try:
            ImageReference.parse(self.image)
            if self.platform not in _WHERE:
                Platform.parse(self.platform)
        except UsageError as error:
            cure = error.cure or 'platform= is "native", "same", or a platform'
            raise UsageError(f"{what}: {error.what}", cure=cure) from None
        settings = read_settings(what, *self.command, **self.arguments)
        waited = (e.port for e in settings.waits if isinstance(e, (PortWait, HttpWait)))
        ports = tuple(dict.fromkeys((*settings.ports, *waited)))
        container = ContainerSettings(call=settings.call, ports=ports, waits=settings.waits)
        return ServiceSettings(
            name=name, image=self.image, platform=self.platform, container=container
        )


def service(
    image: str,
    *command: str,
    platform: Platform | str = "native",
    env: Mapping[str, str] | None = None,
    ports: int | Sequence[int] = (),
    wait: object = None,
    init: bool | None = None,
    entrypoint: str | Sequence[str] | None = None,
    user: str = "",
    workdir: str = "",
    files: Mapping[str, FileSource] | None = None,
    timeout: float | None = None,
    **options: Unpack[OptionArguments],
) -> Service:
    """Say what runs beside the container under test: `with_={"db": service("postgres:16")}`.

    It runs on the node's own platform (`native`), since it is not what is tested; `platform="same"`
    has it on the platform of the test, or name one. The others are as in the `container` mark.
    """
    arguments: dict[str, Any] = {
        "env": env, "ports": ports, "wait": wait, "init": init, "entrypoint": entrypoint,
        "user": user, "workdir": workdir, "files": files, "timeout": timeout, **options,
    }  # fmt: skip
    return Service(image, command, str(platform), arguments)


def read_settings(
    what: str,
    *command: str,
    env: Mapping[str, str] | None = None,
    ports: int | Sequence[int] = (),
    wait: object = None,
    scope: str = "function",
    init: bool | None = None,
    entrypoint: str | Sequence[str] | None = None,
    user: str = "",
    workdir: str = "",
    network: str | Network = "",
    network_aliases: str | Sequence[str] = (),
    files: Mapping[str, FileSource] | None = None,
    timeout: float | None = None,
    with_: Mapping[str, Service] | None = None,
    **options: Any,
) -> ContainerSettings:
    """Read how a container is started; `what` says so, for messages.

    Raises:
        UsageError: something is wrong.
    """
    if scope not in ("function", "session"):
        raise UsageError(f"{what}: scope={scope!r}", cure="valid are 'function', 'session'")
    services = read_services(what, with_)
    if services and network:
        raise UsageError(
            f"{what}: with_= makes a network of its own, beside network={network!r}",
            cure="leave network= out, or start the services on that network",
        )
    name, others = read_network(what, network)
    aliases = (network_aliases,) if isinstance(network_aliases, str) else tuple(network_aliases)
    if aliases and not (services or name):
        raise UsageError(
            f"{what}: network_aliases= are names on a network, and there is none",
            cure="name it with network=, or what is beside the container with with_=",
        )
    read = read_options(options, what=what)
    call = Call(
        argv=check_argv(command, what=what),
        entrypoint=read_entrypoint(entrypoint),
        env=check_env(env),
        user=user,
        workdir=workdir,
        files=read_all_files(files, read, what=what),
        network=name,
        aliases=aliases,
        services=others,
        init=init,
        options=read,
        timeout_s=check_timeout(timeout),
    )
    return ContainerSettings(
        call=call,
        ports=_parse_ports(ports, what),
        waits=parse_wait(wait),
        scope=scope,
        services=services,
    )


def read_entrypoint(value: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """Read an entrypoint: one word, or several."""
    if value is None:
        return None
    return (value,) if isinstance(value, str) else check_argv(tuple(value), what="entrypoint")


def read_network(what: str, network: object) -> tuple[str, tuple[str, ...]]:
    """Give a network's name, and those of the services on it if it is one of ours.

    Raises:
        UsageError: it is no network.
    """
    if isinstance(network, Network):
        return network.name, tuple(network.services)
    if not isinstance(network, str):
        raise UsageError(
            f"{what}: network={network!r} is no network",
            cure="give the name of one, or what variant.network() opened",
        )
    return network, ()


def read_services(what: str, with_: object) -> tuple[ServiceSettings, ...]:
    """Read what is to run beside a container.

    Raises:
        UsageError: something is wrong.
    """
    if with_ is None:
        return ()
    if not isinstance(with_, Mapping) or not all(isinstance(e, Service) for e in with_.values()):
        raise UsageError(
            f"{what}: with_= is a mapping from names to services, not {with_!r}",
            cure='write for example with_={"db": service("postgres:16")}, where `service` is '
            "imported from pytest_multiarch",
        )
    return tuple(each.settle(str(name)) for name, each in with_.items())


def read_all_files(
    files: Mapping[str, FileSource] | None, options: ContainerOptions, *, what: str
) -> tuple[FileToCopy, ...]:
    """Read all that is to be put into a container.

    Raises:
        UsageError: something is not there, or the container could not hold it.
    """
    if files and options.read_only:
        raise UsageError(
            f"{what}: nothing can be put into a container whose root is read-only",
            cure="mount them with volumes=, or leave read_only= out",
        )
    given = (files or {}).items()
    return tuple(file for path, source in given for file in read_files(source, path))


def _parse_ports(value: object, what: str) -> tuple[int, ...]:
    ports = tuple(value) if isinstance(value, (tuple, list, set, frozenset)) else (value,)
    for port in ports:
        if not isinstance(port, int) or not 0 < port < 65536:
            raise UsageError(
                f"{what}: {port!r} is not a port number", cure="write for example ports=[6379]"
            )
    return ports
