"""testcontainers on a pinned variant. The only place that imports testcontainers and docker-py.

Testcontainers 4.15 takes the engine from the environment (and writes `DOCKER_HOST` back to it),
pulls without a platform, and starts a helper container of its own. Here each container gets a
client that belongs to it alone; the library's configuration and the environment stay as they are.
"""

from __future__ import annotations

import contextlib
import shlex
import threading
import types
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import docker
import requests
import testcontainers.core.container
from docker.tls import TLSConfig
from testcontainers.core.config import ConnectionMode, testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient
from testcontainers.core.labels import create_labels

from pytest_multiarch.core.errors import (
    ContainerError,
    ImageError,
    MultiarchError,
    NotReadyError,
    UsageError,
)
from pytest_multiarch.engine.messages import describe_cause

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_multiarch.core.ports import ContainerState, Engine
    from pytest_multiarch.core.variant import ResolvedVariant
    from pytest_multiarch.engine.endpoint import Endpoint

# Names that the module does not export, but its functions look up in it.
upstream: Any = testcontainers.core.container
_CLIENT_ERRORS = (docker.errors.DockerException, requests.RequestException)
_QUOTED_LINES = 20
_CONSTRUCTION = threading.Lock()


@contextlib.contextmanager
def start_testcontainer(
    factory: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    *,
    variant: ResolvedVariant,
    engine: Engine,
    endpoint: Endpoint,
    labels: Mapping[str, str],
) -> Iterator[Any]:
    """Start a testcontainers container on exactly a variant; stop and remove it at the end.

    `factory` is a class, or a function that configures one, and is called with the image as the
    user named it (some classes read its tag), `args` and `kwargs`. What is created is the pinned
    variant, which the engine is then asked to confirm.

    Raises:
        UsageError: the factory gives something else than a container that is not started yet.
        ImageError: the class runs another image than the one it was given.
        ContainerError, NotReadyError: it could not be started, or never became ready.
    """
    client = PinnedClient(variant, engine=engine, endpoint=endpoint, labels=labels)
    with contextlib.ExitStack() as stack:
        stack.callback(client.remove_all)
        with _hand_out(client):
            container = factory(variant.reference.text, *args, **kwargs)
        _check_unstarted(container, factory)
        container.__class__ = _without_reaper(type(container))
        stack.callback(_stop, container)
        with _translate_errors(client, variant):
            container.start()
        client.check_ran(container)
        yield container


class PinnedClient(DockerClient):
    """The client of one container: it creates the variant whenever its image is asked for."""

    def __init__(
        self,
        variant: ResolvedVariant,
        *,
        engine: Engine,
        endpoint: Endpoint,
        labels: Mapping[str, str],
    ) -> None:
        # Not upstream's: that one takes the engine from the environment, and writes to it.
        self.client = _open_docker_client(endpoint, engine.read_facts().api_version)
        self.created: list[str] = []
        self._variant = variant
        self._engine = engine
        self._labels = dict(labels)

    def create(self, image: str, *args: Any, **kwargs: Any) -> Any:
        """Create a container: of the variant, or of another image that the class needs beside."""
        kwargs["labels"] = {**(kwargs.get("labels") or {}), **self._labels}
        if self._is_ours(image):
            container = self._create_variant(image, *args, **kwargs)
        else:
            container = super().create(image, *args, **kwargs)
        self.created.append(container.id)
        if self._is_ours(image):
            _check_variant(self._engine.inspect_container(container.id), self._variant)
        return container

    def _create_variant(self, image: str, *args: Any, **kwargs: Any) -> Any:
        # Not upstream's: that one pulls what the engine does not have under the name.
        kwargs["labels"] = create_labels(image, kwargs["labels"])
        kwargs.pop("platform", None)  # as `maybe_emulate_amd64` sets it
        if self._variant.create_platform is not None:
            kwargs["platform"] = str(self._variant.create_platform)
        return self.client.containers.create(self._variant.create_image, *args, **kwargs)

    def _is_ours(self, image: str) -> bool:
        name = self._variant.reference.text
        return image in (name, f"{testcontainers_config.hub_image_name_prefix}{name}")

    def host(self) -> str:
        """Give the host under which published ports are reached."""
        return testcontainers_config.tc_host_override or self._engine.host

    def get_connection_mode(self) -> Any:
        """Use published ports, as everything here does, unless the user's settings say else."""
        override = testcontainers_config.connection_mode_override
        return override or ConnectionMode.docker_host

    def check_ran(self, container: Any) -> None:
        """Check that what a class calls its container was made by this client.

        Raises:
            ImageError: it was not, or is another image than the variant.
        """
        container_id = container.get_container_id()
        if container_id not in self.created:
            raise ImageError(
                f"{type(container).__name__} did not create its container by the client it was "
                "given, so that nobody knows which variant it runs",
                cure="start the image with the `container` fixture instead",
            )
        _check_variant(self._engine.inspect_container(container_id), self._variant)

    def quote_log(self) -> str:
        """Give the last lines that the containers printed."""
        lines: list[str] = []
        for container_id in self.created:
            with contextlib.suppress(MultiarchError):
                out, err = self._engine.read_logs(container_id, tail=_QUOTED_LINES)
                lines += (out + err).decode("utf-8", "backslashreplace").splitlines()
        return "\n".join(["", *lines[-_QUOTED_LINES:]]) if lines else ""

    def remove_all(self) -> None:
        """Remove all containers that it created, and let go of its connections."""
        try:
            for container_id in self.created:
                self._engine.remove_container(container_id)
        finally:
            self.client.close()


def _open_docker_client(endpoint: Endpoint, api_version: tuple[int, int]) -> docker.DockerClient:
    tls = endpoint.tls
    config = tls and TLSConfig(
        client_cert=(tls.cert, tls.key) if tls.cert and tls.key else None,
        ca_cert=tls.ca or None,
        verify=tls.is_verified,
    )
    major, minor = api_version
    client = docker.DockerClient(
        base_url=endpoint.url,
        version=f"{major}.{minor}",
        tls=config or False,
        # docker-py's own ssh needs a library, and loses the end of stdin.
        use_ssh_client=endpoint.scheme == "ssh",
    )
    # Else REQUESTS_CA_BUNDLE takes the place of the endpoint's own authority.
    client.api.trust_env = False
    return client


def _explain_client_error(error: Exception) -> str:
    """Give the engine's words in an error of docker-py, else its cause."""
    explanation = getattr(error, "explanation", None)
    return str(explanation) if explanation else describe_cause(error)


@contextlib.contextmanager
def _hand_out(client: PinnedClient) -> Iterator[None]:
    """Have containers that this thread constructs meanwhile take `client` as theirs.

    `DockerContainer.__init__` makes its client by a name of its module; there is no other way in.
    """
    original = upstream.DockerClient
    owner = threading.get_ident()

    def make_client(**kwargs: Any) -> Any:
        return client if threading.get_ident() == owner else original(**kwargs)

    with _CONSTRUCTION:
        upstream.DockerClient = make_client
        try:
            yield
        finally:
            upstream.DockerClient = original


def _check_unstarted(container: Any, factory: Callable[..., Any]) -> None:
    name = getattr(factory, "__name__", repr(factory))
    if not isinstance(container, DockerContainer):
        raise UsageError(
            f"testcontainer: {name} gave {type(container).__name__}, expected a testcontainers "
            "container",
            cure="pass a class such as PostgresContainer, or a function that returns one",
        )
    if container._container is not None:  # noqa: SLF001
        container.stop()
        raise UsageError(
            f"testcontainer: {name} started its container", cure="return it without start()"
        )


def _stop(container: Any) -> None:
    with contextlib.suppress(*_CLIENT_ERRORS):  # it may be gone; what is left is removed by id
        container.stop()


class _NoReaper:
    """In the place of testcontainers' `Reaper`: sessions here clean up by themselves."""

    @staticmethod
    def get_instance() -> None:
        """Start nothing."""


def _without_reaper(cls: type) -> type:
    """Derive a class whose `DockerContainer.start` starts no helper container.

    That method is run as it is, but sees another `Reaper` under the name; the derived class comes
    right before `DockerContainer`, so that the `start` of every class between goes on to it.
    """
    start = DockerContainer.start
    names = {**vars(upstream), "Reaper": _NoReaper}
    quiet_start = types.FunctionType(
        start.__code__, names, start.__name__, start.__defaults__, start.__closure__
    )
    quiet = type("DockerContainer", (DockerContainer,), {"start": quiet_start})
    bases = (quiet,) if cls is DockerContainer else (cls, quiet)
    return types.new_class(
        cls.__name__,
        bases,
        exec_body=lambda body: body.update(
            __module__=cls.__module__, __qualname__=cls.__qualname__
        ),
    )


def _check_variant(state: ContainerState, variant: ResolvedVariant) -> None:
    """Check that a container was created from the variant, by the engine's own account."""
    if state.manifest_digest:
        is_right = state.manifest_digest == variant.digest
        found = state.manifest_digest
    else:
        # Without a descriptor it names the image: by its config on the classic store, else by
        # what it was created from.
        known = {variant.digest, variant.config_digest, variant.create_image}
        is_right, found = state.image in known, state.image
    if not is_right:
        raise ImageError(
            f"a testcontainers container of {variant.reference} on {variant.platform} was created "
            f"from {found}, expected {variant.digest}",
            cure="let the class use the image that it is given as its first argument",
        )


@contextlib.contextmanager
def _translate_errors(client: PinnedClient, variant: ResolvedVariant) -> Iterator[None]:
    """Turn what testcontainers and docker-py raise into our errors; a class's own pass as is."""
    what = f"a testcontainers container of {variant.reference} on {variant.platform}"
    try:
        yield
    except MultiarchError:
        raise
    except _CLIENT_ERRORS as error:
        raise ContainerError(
            f"{what} could not be started: {_explain_client_error(error)}{client.quote_log()}"
        ) from error
    except (TimeoutError, RuntimeError, ConnectionError) as error:
        raise NotReadyError(
            f"{what} did not become ready: {error}{client.quote_log()}",
            cure="under emulation servers start several times slower: give its wait strategy more "
            "time (with_startup_timeout), or TC_MAX_TRIES in the environment",
        ) from error


class WaitTarget(Protocol):
    """What a wait strategy of testcontainers needs of one of our containers."""

    @property
    def id(self) -> str:
        """The engine's id of the container."""

    def address(self, port: int) -> tuple[str, int]:
        """Give host and port under which a port of the container is reached from here."""

    def inspect(self) -> ContainerState:
        """Look at it now."""

    def read_log_bytes(self) -> tuple[bytes, bytes]:
        """Give stdout and stderr so far."""

    def exec(self, *argv: str) -> Any:
        """Execute a command; gives `exit_code` and `stdout_bytes`."""


class _ExecResult(NamedTuple):
    exit_code: int
    output: bytes


class _WaitTargetAdapter(DockerContainer):
    """One of our containers as testcontainers sees its own, and as what that wraps.

    A `DockerContainer` by name only, for strategies that ask for one: it has none of its state.
    """

    def __init__(self, target: WaitTarget) -> None:
        self._target = target
        self._state = target.inspect()

    @property
    def id(self) -> str:
        return self._target.id

    def get_container_host_ip(self) -> str:
        return next((host for host, _ in self._state.ports.values()), "127.0.0.1")

    def get_exposed_port(self, port: int) -> int:
        return self._target.address(int(port))[1]

    def get_wrapped_container(self) -> Any:
        return self

    def get_logs(self) -> tuple[bytes, bytes]:
        # Strategies decode strictly.
        out, err = self._target.read_log_bytes()
        return _make_decodable(out), _make_decodable(err)

    def logs(self) -> bytes:
        return b"".join(self.get_logs())

    def reload(self) -> None:
        self._state = self._target.inspect()

    @property
    def status(self) -> str:
        if self._state.is_running:
            return "running"
        return "created" if self._state.exit_code is None else "exited"

    @property
    def attrs(self) -> dict[str, Any]:
        state = self._state
        health = {"Health": {"Status": state.health}} if state.health else {}
        return {"State": {"ExitCode": state.exit_code, "Error": state.error, **health}}

    def exec(self, command: Any) -> Any:
        words = shlex.split(command) if isinstance(command, str) else command
        result = self._target.exec(*words)
        return _ExecResult(result.exit_code, result.stdout_bytes)


def _make_decodable(data: bytes) -> bytes:
    return data.decode("utf-8", "replace").encode()


def adapt_wait_strategy(strategy: Any, target: WaitTarget) -> Callable[[], None]:
    """Have a wait strategy of testcontainers wait for one of our containers.

    What the function given back raises is the strategy's: `TimeoutError`, `RuntimeError`.
    """
    return lambda: strategy.wait_until_ready(_WaitTargetAdapter(target))
