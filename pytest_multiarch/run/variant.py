"""One variant of an image on its node, as tests use it."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_multiarch.core.call import Call, RunResult, check_argv
from pytest_multiarch.core.compose import ComposeOrder
from pytest_multiarch.core.errors import EngineGoneError, MultiarchError, UsageError
from pytest_multiarch.core.image_rules import AuditRules, make_audit_rules
from pytest_multiarch.core.reference import ImageReference
from pytest_multiarch.core.wait import parse_wait
from pytest_multiarch.run.arguments import (
    FileSource,
    check_env,
    check_stdin,
    check_timeout,
    read_options,
)
from pytest_multiarch.run.calls import CallSeen, Recorder, find_random_crashes, run_once
from pytest_multiarch.run.compose import open_compose
from pytest_multiarch.run.container import Container, start_ready
from pytest_multiarch.run.network import NameImage, Network, open_network, start_service
from pytest_multiarch.run.settings import (
    Service,
    read_all_files,
    read_entrypoint,
    read_network,
    read_services,
    read_settings,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from typing_extensions import Unpack

    from pytest_multiarch.core.audit import AuditReport
    from pytest_multiarch.core.container_options import OptionArguments
    from pytest_multiarch.core.execution import Execution
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.variant import ResolvedVariant
    from pytest_multiarch.run.node import Node
    from pytest_multiarch.run.started import ContainerSettings, StartedContainer

T = TypeVar("T")
_KEPT_LINES = 200
__all__ = ["FileSource", "Variant", "check_env"]


class Variant:
    """The image of one platform: what tests run.

    `platform`, `reference`, `digest` (of `kind`: manifest or config), `config_digest` and
    `execution` say exactly what runs, and how.
    """

    def __init__(
        self,
        node: Node,
        resolved: ResolvedVariant,
        execution: Execution,
        *,
        recorder: Recorder | None = None,
        name_image: NameImage = ImageReference.parse,
    ) -> None:
        """`name_image` gives the image that a name means in the test, for services."""
        self.node = node
        self._name_image = name_image
        self.resolved = resolved
        self.execution = execution
        self._recorder = recorder

    @property
    def platform(self) -> Platform:
        return self.resolved.platform

    @property
    def reference(self) -> str:
        """The image as the test names it."""
        return self.resolved.reference.text

    @property
    def digest(self) -> str:
        return self.resolved.digest

    @property
    def kind(self) -> str:
        """What `digest` is of: `manifest`, or `config` where the engine keeps no manifest."""
        return self.resolved.kind

    @property
    def config_digest(self) -> str:
        return self.resolved.config_digest

    def audit(self, *, scope: str = "image", allow: Mapping[str, str] | None = None) -> AuditReport:
        """Look whether the variant's files are for its platform; nothing is run for it.

        `scope` is `image` for all its files, or `program` for what it starts and has on PATH.
        `allow` maps patterns of paths to reasons: `{"/opt/qemu/**": "the emulator itself"}`.
        `report.open_findings` are the files that are wrong and not allowed.

        Raises:
            UsageError: an argument is wrong.
            ImageError, EngineError: the image cannot be read.
        """
        rules = make_audit_rules(AuditRules(), scope=scope, allow=allow or {})
        return self.node.auditor.audit(self.resolved, rules.scope, rules.allow)

    def __repr__(self) -> str:
        return f"<variant {self.resolved.pin} for {self.platform}, {self.execution}>"

    def run(
        self,
        *argv: str,
        env: Mapping[str, str] | None = None,
        stdin: bytes | str | None = None,
        user: str = "",
        workdir: str = "",
        files: Mapping[str, FileSource] | None = None,
        network: str | Network = "",
        init: bool | None = None,
        entrypoint: str | Sequence[str] | None = None,
        timeout: float | None = None,
        observe: bool = True,
        label: str | None = None,
        **options: Unpack[OptionArguments],
    ) -> RunResult:
        """Run a command in a fresh container, which is removed afterwards.

        The image's entrypoint is honoured, as with `docker run`; `entrypoint=` replaces it, and
        `""` drops it. `files` maps a path in the container to content (bytes) or to a file or
        folder of this machine. `timeout` is in seconds; without it the default holds, stretched
        under emulation. `label` names the observation; without it the command does. What shows a
        crash of the emulator that is known to come and go is run once more; the summary says so.

        Raises:
            WrongArchitectureError: the program is for another architecture.
            ProgramNotFoundError: the image has no such program.
            DeadlineError: it did not end in time.
        """
        self._require_same_node(network)
        read = read_options(options, what="run")
        name, services = read_network("run", network)
        call = Call(
            argv=check_argv(argv, what="run"),
            entrypoint=read_entrypoint(entrypoint),
            env=check_env(env),
            stdin=check_stdin(stdin),
            user=user,
            workdir=workdir,
            files=read_all_files(files, read, what="run"),
            network=name,
            services=services,
            init=init,
            options=read,
            timeout_s=check_timeout(timeout),
        )
        result, known = run_once(self.node, self.resolved, self.execution, call)
        crashes = find_random_crashes(result)
        if crashes:
            result, known = run_once(self.node, self.resolved, self.execution, call)
        if isinstance(network, Network):
            known = {**known, **network.name_known()}
        if self._recorder is not None:
            self._recorder.record_call(
                CallSeen(
                    kind="run",
                    call=call,
                    result=result,
                    variant=self.resolved,
                    label=label,
                    known=known,
                    is_observed=observe,
                    crashes=crashes,
                )
            )
        return result

    @contextmanager
    def container(
        self,
        *command: str,
        env: Mapping[str, str] | None = None,
        ports: int | Sequence[int] = (),
        wait: object = None,
        init: bool | None = None,
        entrypoint: str | Sequence[str] | None = None,
        user: str = "",
        workdir: str = "",
        network: str | Network = "",
        network_aliases: str | Sequence[str] = (),
        files: Mapping[str, FileSource] | None = None,
        timeout: float | None = None,
        with_: Mapping[str, Service] | None = None,
        **options: Unpack[OptionArguments],
    ) -> Iterator[Container]:
        """Start a container and wait until it is ready; remove it at the end.

        The arguments are those of the `container` mark.

        Raises:
            NotReadyError, ContainerError: it could not be started, or never was ready.
        """
        self._require_same_node(network)
        settings = read_settings(
            "container", *command, env=env, ports=ports, wait=wait, init=init,
            entrypoint=entrypoint, user=user, workdir=workdir, network=network,
            network_aliases=network_aliases, files=files, timeout=timeout, with_=with_, **options,
        )  # fmt: skip
        self._note_env(settings, *(each.container for each in settings.services))
        beside = network if isinstance(network, Network) else None
        container = Container(self.start(settings), recorder=self._recorder, beside=beside)
        with self._watch(container):
            yield container

    @contextmanager
    def network(self, with_: Mapping[str, Service] | None = None) -> Iterator[Network]:
        """Make a network of its own, with services on it; remove all at the end.

            with variant.network({"db": service("postgres:16")}) as network:
                variant.run("app", "migrate", network=network)

        Raises:
            NotReadyError, ContainerError: a service could not be started, or never was ready.
        """
        services = read_services("network", with_)
        self._note_env(*(each.container for each in services))
        with open_network(
            self.node, services, platform=self.platform, name=self._name_image
        ) as network:
            self._note(*network.services.values())
            with _keep_logs(network.services.values()):
                yield network

    def _require_same_node(self, network: str | Network) -> None:
        if isinstance(network, Network) and network.node is not self.node:
            raise UsageError(
                f"the network is on {network.node.name}, and {self.platform} runs on "
                f"{self.node.name}",
                cure="open one by the variant of this platform, with its network()",
            )

    @contextmanager
    def service(
        self,
        image: str,
        *command: str,
        name: str,
        network: Network | None = None,
        platform: Platform | str = "native",
        **arguments: Any,
    ) -> Iterator[Container]:
        """Start what runs beside the container under test; remove it at the end.

        `name` is what others on `network` find it by. It runs natively, unless `platform` is
        "same" or names one. The others are as in the `container` mark; nothing it does is
        observed.

        Raises:
            NotReadyError, ContainerError: it could not be started, or never was ready.
        """
        settings = Service(image, command, str(platform), arguments).settle(name)
        self._note_env(settings.container)
        if network is None:
            container = start_service(
                self.node, settings, platform=self.platform, name=self._name_image
            )
        else:
            container = network.start(settings, platform=self.platform, name=self._name_image)
        try:
            with self._watch(container):
                yield container
        finally:
            if network is not None:
                network.services.pop(name, None)

    @contextmanager
    def compose(
        self,
        path: str | Path,
        service: str,
        *,
        wait: object = None,
        timeout: float | None = None,
        env_file: str | Sequence[str] | None = None,
        profiles: Sequence[str] | None = None,
        services: Sequence[str] | None = None,
    ) -> Iterator[Container]:
        """Start a compose file as it is, but for one service that runs this variant.

        Gives that service's container, which is observed; `container.services` has the others.
        `wait` and `timeout` are as in the `container` mark. `env_file`, `profiles` and `services`
        are those of testcontainers' `DockerCompose`.

        Raises:
            UsageError: there is no such file or service, or no `docker compose`.
            NotReadyError, ContainerError: it could not be started, or never was ready.
        """
        order = ComposeOrder(
            path=str(Path(path).absolute()),
            service=service,
            env_files=(env_file,) if isinstance(env_file, str) else tuple(env_file or ()),
            profiles=tuple(profiles or ()),
            services=tuple(services or ()),
        )
        waits, timeout_s = parse_wait(wait), check_timeout(timeout)
        opened = open_compose(
            self.node, self.resolved, self.execution, order, name=self._name_image, waits=waits,
            timeout_s=timeout_s, recorder=self._recorder,
        )  # fmt: skip
        with opened as container, self._watch(container, is_ours=False):
            yield container

    def start(self, settings: ContainerSettings) -> StartedContainer:
        """Start a container, after the services beside it, and wait until it is ready.

        Raises:
            NotReadyError, ContainerError: it could not be, and nothing is left.
        """
        node, services = self.node, settings.services
        if not services:
            return start_ready(node, self.resolved, self.execution, settings)
        network = Network.make(node)
        try:
            for each in services:
                network.start(each, platform=self.platform, name=self._name_image)
            call = replace(settings.call, network=network.name, services=tuple(network.services))
            own = replace(settings, call=call)
            try:
                started = start_ready(node, self.resolved, self.execution, own)
            except EngineGoneError:
                raise
            except MultiarchError as error:
                what = f"{error.what}{network.quote_logs()}"
                raise type(error)(what, cure=error.cure) from None
        except BaseException:
            network.remove_quietly()
            raise
        started.network = network
        return started

    @contextmanager
    def _watch(self, container: Container, *, is_ours: bool = True) -> Iterator[None]:
        """Have a container's log told should the test fail, and remove it at the end."""
        self._note(container)
        try:
            with _keep_logs((container, *container.services.values())):
                yield
        except BaseException:
            if is_ours:
                with suppress(MultiarchError):
                    container.remove()
            raise
        if is_ours:
            container.remove()

    def _note(self, *containers: Container) -> None:
        if self._recorder is not None:
            for each in containers:
                self._recorder.note_container(each)

    def _note_env(self, *settings: ContainerSettings) -> None:
        if self._recorder is not None:
            for each in settings:
                self._recorder.note_env(each.call.env)

    @contextmanager
    def testcontainer(self, factory: type[T], *args: Any, **kwargs: Any) -> Iterator[T]:
        """Start any testcontainers class on exactly this variant, and remove it at the end.

        `factory` is called with the image and what else is given, as usual:

            with variant.testcontainer(PostgresContainer, username="me") as postgres: ...

        Only the class's own methods are used; what it does is not observed.
        """
        self.node.watch()
        with self.node.tools.open_testcontainer(
            self.node, self.resolved, factory, args, kwargs
        ) as container:
            yield container


@contextmanager
def _keep_logs(containers: Iterable[Container]) -> Iterator[None]:
    """Keep logs that are needed once their containers are removed: when something went wrong."""
    try:
        yield
    except BaseException:
        for each in containers:
            each.keep_logs(tail=_KEPT_LINES)
        raise
