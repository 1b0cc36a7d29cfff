"""A compose file, started as it is but for the one service that runs a variant."""

from __future__ import annotations

import secrets
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING

from pytest_multiarch.core.call import NETWORK_PREFIX
from pytest_multiarch.core.compose import (
    list_images,
    list_local_mounts,
    read_service,
    write_override,
)
from pytest_multiarch.core.errors import (
    EngineGoneError,
    ImageError,
    MultiarchError,
    WrongArchitectureError,
)
from pytest_multiarch.core.index import ImageConfig
from pytest_multiarch.core.reference import ImageReference
from pytest_multiarch.core.variant import ResolvedVariant
from pytest_multiarch.core.wait import HealthWait, Wait
from pytest_multiarch.run.calls import prepare
from pytest_multiarch.run.container import Container
from pytest_multiarch.run.network import NameImage, Network
from pytest_multiarch.run.started import ContainerSettings, StartedContainer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_multiarch.core.compose import ComposeOrder
    from pytest_multiarch.core.execution import Execution
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.ports import ContainerState
    from pytest_multiarch.run.calls import Recorder
    from pytest_multiarch.run.node import ComposeProject, Node


@contextmanager
def open_compose(
    node: Node,
    variant: ResolvedVariant,
    execution: Execution,
    order: ComposeOrder,
    *,
    name: NameImage,
    waits: tuple[Wait, ...],
    timeout_s: float | None,
    recorder: Recorder | None,
) -> Iterator[Container]:
    """Start a compose file, and wait until its services are ready; remove all at the end.

    Gives the container of the service under test. The others are ready when their health checks
    say so; without one, when they have not failed. `name` gives the image that a name means in
    the test.

    Raises:
        UsageError: there is no such file or service, or no `docker compose`.
        NotReadyError, ContainerError: something could not be started, or never was ready.
    """
    node.watch()
    project = node.tools.open_compose(order, name=f"{NETWORK_PREFIX}{secrets.token_hex(6)}")
    try:
        container = _start(
            project, node, variant, execution, order=order, name=name, waits=waits,
            timeout_s=timeout_s, recorder=recorder,
        )  # fmt: skip
        yield container
    except BaseException:
        with suppress(MultiarchError):
            project.remove()
        raise
    project.remove()


def _start(
    project: ComposeProject,
    node: Node,
    variant: ResolvedVariant,
    execution: Execution,
    *,
    order: ComposeOrder,
    name: NameImage,
    waits: tuple[Wait, ...],
    timeout_s: float | None,
    recorder: Recorder | None,
) -> Container:
    document = project.read_config()
    service = read_service(document, order.service)
    for other, source in list_local_mounts(document, str(PurePath(order.path).parent)):
        cure = "have it in the image; or start the services with with_=, and put it in with files="
        node.refuse_mount(source, by=f"the service {other!r}", cure=cure)
    # The name that compose gives the network of files that name none.
    network = Network(node, f"{project.name}_default")
    call = replace(service.call, timeout_s=timeout_s, network=network.name)
    settings = ContainerSettings(call=call, ports=service.ports, waits=waits)
    if recorder is not None:
        for each in document.get("services") or ():
            recorder.note_env(read_service(document, each).call.env)
    named = list_images(document, order.service)
    images = {other: name(image).text for other, image in named.items()}
    override = write_override(
        document, order.service, variant, node.labels,
        images={other: image for other, image in images.items() if image != named[other]},
    )  # fmt: skip
    ids = project.create(override)
    started = StartedContainer(node, variant, execution, settings)
    started.id = ids.pop(order.service)
    _check_created(started.inspect(), variant)
    prepare(node, started.id, variant, call)
    for other, container_id in ids.items():
        network.services[other] = _adopt(
            node, other, container_id, document, image=images.get(other, ""), beside=network
        )
    container = Container(started, recorder=recorder, beside=network)
    begun = time.perf_counter()
    try:
        project.start()
        for each in network.services.values():
            _wait_for_other(each)
        container.wait_ready()
    except EngineGoneError:
        raise
    except MultiarchError as error:
        what = f"{error.what}{network.quote_logs()}"
        raise type(error)(what, cure=error.cure) from None
    started.ready_s = time.perf_counter() - begun
    return container


def _check_created(state: ContainerState, variant: ResolvedVariant) -> None:
    known = {variant.digest, variant.config_digest, variant.create_image}
    found = state.manifest_digest or state.image
    if found not in ({variant.digest} if state.manifest_digest else known):
        raise ImageError(
            f"compose made a container of {variant.reference} on {variant.platform} from {found}, "
            f"expected {variant.digest}"
        )


def _adopt(
    node: Node,
    name: str,
    container_id: str,
    document: Mapping[str, object],
    *,
    image: str,
    beside: Network,
) -> Container:
    """Give the container of another service.

    Of its image no more is known than the engine's, and its name if it is not built.
    """
    state = node.engine.inspect_container(container_id)
    platform = _find_platform(node, state)
    variant = ResolvedVariant(
        reference=ImageReference.parse(image or state.image),
        platform=platform,
        kind="manifest" if state.manifest_digest else "config",
        digest=state.manifest_digest or state.image,
        config_digest="",
        config=ImageConfig(platform=platform, digest=""),
        create_image=state.image,
        create_platform=None,
    )
    services = read_service(document, name)
    settings = ContainerSettings(call=services.call, ports=services.ports)
    started = StartedContainer(node, variant, node.detect_execution(platform), settings)
    started.id = container_id
    return Container(started, recorder=None, name=name, beside=beside)


def _find_platform(node: Node, state: ContainerState) -> Platform:
    native = node.engine.read_facts().platform
    image = node.engine.find_image(state.image)
    if image is None:
        return native
    if image.config is not None:
        return image.config.platform
    entries = image.index.entries if image.index is not None else ()
    chosen = next((e.platform for e in entries if e.digest == state.manifest_digest), None)
    return chosen or native


def _wait_for_other(container: Container) -> None:
    try:
        state = container.inspect()
        if state.exit_code:
            raise container.explain_ended(state)
        if state.health and state.is_running:
            container.wait_until(HealthWait())
    except WrongArchitectureError:
        raise
    except MultiarchError as error:
        raise type(error)(f"service {container.name!r}: {error.what}", cure=error.cure) from None
