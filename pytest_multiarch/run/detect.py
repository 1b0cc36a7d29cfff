"""How a node executes a platform, found by running a tiny static program of that platform."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_multiarch.core.errors import ContainerError, EngineError, EngineGoneError
from pytest_multiarch.core.execution import (
    Execution,
    ExecutionKind,
    ProbeOutcome,
    classify_probe,
)
from pytest_multiarch.core.ports import Attachment, ContainerSpec, Engine, ExecSpec

if TYPE_CHECKING:
    from pytest_multiarch.core.platform import Platform

PROBE_PROGRAM = "/probe"
_HELLO = b"pytest-multiarch probe"
_DEADLINE_S = 20.0
_VERSION_DEADLINE_S = 5.0
_MOST_PRINTED = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeImage:
    """The image that holds the probe program of one platform, loaded into the engine."""

    name: str
    platform: Platform


def detect_native(node_platform: Platform, platform: Platform) -> Execution | None:
    """Say `native` where the node's kernel is of the platform's own architecture; else None."""
    if (platform.os, platform.architecture) != (node_platform.os, node_platform.architecture):
        return None
    return Execution(kind=ExecutionKind.NATIVE, evidence=(f"the node's kernel is {node_platform}",))


def detect_by_probe(engine: Engine, image: ProbeImage, labels: dict[str, str]) -> Execution:
    """Run the probe and look at its process from the node; leaves nothing behind."""
    spec = ContainerSpec(
        image=image.name,
        platform=image.platform if engine.read_facts().has_containerd_store else None,
        entrypoint=(PROBE_PROGRAM,),
        network="none",
        has_stdin=True,
        labels=labels,
    )
    container_id = engine.create_container(spec)
    try:
        outcome = _run_probe(engine, container_id)
    finally:
        engine.remove_container(container_id)
    return classify_probe(outcome, program=PROBE_PROGRAM)


def _run_probe(engine: Engine, container_id: str) -> ProbeOutcome:
    attachment = engine.attach(container_id, has_stdin=True)
    try:
        engine.start_container(container_id)
        printed = _read_until(attachment, _HELLO, time.monotonic() + _DEADLINE_S)
        if _HELLO not in printed:
            text = printed.decode(errors="backslashreplace").strip()
            return ProbeOutcome(said_hello=False, error=text)
        return _look_at(engine, container_id)
    except TimeoutError:
        return ProbeOutcome(said_hello=False, error=f"it said nothing within {_DEADLINE_S:.0f} s")
    except ContainerError as error:
        return ProbeOutcome(said_hello=False, error=error.headline)
    finally:
        attachment.close()


def _read_until(attachment: Attachment, wanted: bytes, deadline: float) -> bytes:
    """Read until something was printed, both streams being taken for one; bounded."""
    printed = b""
    while wanted not in printed and len(printed) < _MOST_PRINTED:
        chunk = attachment.read(deadline=deadline)
        if chunk is None:
            break
        printed += chunk[1]
    return printed


def _look_at(engine: Engine, container_id: str) -> ProbeOutcome:
    """See what the process of a running probe is; it runs, even if the node does not show that."""
    try:
        processes = engine.list_processes(container_id)
    except EngineGoneError:
        raise
    except (ContainerError, EngineError):
        processes = ()
    command_line = processes[0] if processes else ""
    is_native = command_line.split(" ", 1)[0] == PROBE_PROGRAM
    version = "" if is_native else _ask_version(engine, container_id)
    return ProbeOutcome(said_hello=True, command_line=command_line, emulator_version=version)


def _ask_version(engine: Engine, container_id: str) -> str:
    """Ask the emulator, which is what `/proc/1/exe` of an emulated process points to."""
    spec = ExecSpec(argv=("/proc/1/exe", "--version"))
    try:
        _, streams = engine.start_exec(container_id, spec)
    except EngineGoneError:
        raise
    except (ContainerError, EngineError):
        return ""
    try:
        printed = _read_until(streams, b"\n", time.monotonic() + _VERSION_DEADLINE_S)
    except TimeoutError:
        return ""
    finally:
        streams.close()
    return printed.decode(errors="backslashreplace")
