"""How a node executes a platform, found by running a tiny static program of that platform."""

from __future__ import annotations

import time
from dataclasses import dataclass

from pytest_multiarch.core.errors import MultiarchError
from pytest_multiarch.core.execution import (
    Execution,
    ExecutionKind,
    ProbeOutcome,
    classify_probe,
)
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.ports import ContainerSpec, Engine, ExecSpec

PROBE_PROGRAM = "/probe"
_DEADLINE_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeImage:
    """The image that holds the probe program of one platform, loaded into the engine."""

    name: str
    platform: Platform


def detect_native(node_platform: Platform, platform: Platform) -> Execution | None:
    """Say `native` where the node's kernel is of the platform's own architecture; else None."""
    if (platform.os, platform.architecture) != (node_platform.os, node_platform.architecture):
        return None
    return Execution(
        kind=ExecutionKind.NATIVE, evidence=(f"the node's kernel is {node_platform}",)
    )


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
        deadline = time.monotonic() + _DEADLINE_S
        printed = b""
        while not printed.endswith(b"\n"):
            chunk = attachment.read(deadline=deadline)
            if chunk is None:
                break
            printed += chunk[1]
        if not printed.startswith(b"pytest-multiarch probe"):
            return ProbeOutcome(said_hello=False, error=printed.decode(errors="replace").strip())
        processes = engine.list_processes(container_id)
        command_line = processes[0] if processes else ""
        version = ""
        if not command_line.startswith(PROBE_PROGRAM):
            version = _ask_version(engine, container_id)
        return ProbeOutcome(
            said_hello=True, command_line=command_line, emulator_version=version
        )
    except TimeoutError:
        return ProbeOutcome(said_hello=False, error=f"it said nothing within {_DEADLINE_S:.0f} s")
    except MultiarchError as error:
        return ProbeOutcome(said_hello=False, error=error.headline)
    finally:
        attachment.close()


def _ask_version(engine: Engine, container_id: str) -> str:
    """Ask the emulator, which is what `/proc/1/exe` of an emulated process points to."""
    try:
        spec = ExecSpec(argv=("/proc/1/exe", "--version"))
        _, streams = engine.start_exec(container_id, spec)
    except MultiarchError:
        return ""
    deadline = time.monotonic() + _DEADLINE_S
    printed = b""
    try:
        while (chunk := streams.read(deadline=deadline)) is not None and len(printed) < 4096:
            printed += chunk[1]
    except TimeoutError:
        return ""
    finally:
        streams.close()
    return printed.decode(errors="replace")
