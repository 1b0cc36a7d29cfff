"""Making calls: a one-shot run in a fresh container, an exec in a running one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from pytest_multiarch.core.call import Call, Output, RunResult, Timings
from pytest_multiarch.core.errors import DeadlineError, MultiarchError
from pytest_multiarch.core.execution import Execution
from pytest_multiarch.core.ports import Attachment, ContainerSpec, ContainerState, ExecSpec
from pytest_multiarch.core.variant import ResolvedVariant
from pytest_multiarch.core.wait import RUN_TIMEOUT_S, stretch_deadline
from pytest_multiarch.run.node import Node, explain_exec_format
from pytest_multiarch.run.output import OutputCollector, drain
from pytest_multiarch.run.program import Lookup


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSeen:
    """A call that was made, with what is needed to observe it.

    `known` maps exact strings that this container alone has (its id, its host name) to what they
    stand for. `history` digests what a shared container was asked before; empty for a fresh one.
    A call with `observe=False` is not observed, but its time counts.
    """

    kind: Literal["run", "exec"]
    call: Call
    result: RunResult
    variant: ResolvedVariant
    label: str | None
    known: Mapping[str, str]
    is_observed: bool = True
    history: str = ""


class Recorder(Protocol):
    """Takes down what a test's calls did."""

    def record_call(self, seen: CallSeen) -> None:
        """Take a call down, and observe it if it is to be."""


def run_once(
    node: Node, variant: ResolvedVariant, execution: Execution, call: Call
) -> tuple[RunResult, Mapping[str, str]]:
    """Run a command in a fresh container, and remove that; give also its known strings.

    Raises:
        WrongArchitectureError: the program is for another architecture; nothing ran.
        ProgramNotFoundError: there is no such program.
        DeadlineError: it did not end in time; it is killed and removed.
    """
    begun = time.perf_counter()
    container_id = node.create(_specify(variant, call))
    created = time.perf_counter()
    try:
        node.check_program(container_id, _look_up(variant, call), variant)
        if call.files:
            node.engine.put_files(container_id, call.files)
        ended = _start_and_drain(node, container_id, execution, call)
    finally:
        removing = time.perf_counter()
        node.engine.remove_container(container_id)
    removed = time.perf_counter()
    timings = Timings(
        create_s=created - begun,
        start_s=ended.start_s,
        inside_s=_measure_inside(ended.state),
        wait_s=ended.wait_s,
        remove_s=removed - removing,
    )
    result = _make_result(call, variant, execution, ended, timings, wall_s=removed - begun)
    refused = explain_exec_format(result, variant.platform)
    if refused is not None:
        raise refused
    return result, name_known(ended.state)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    exit_code: int
    out: Output
    err: Output
    start_s: float
    wait_s: float
    state: ContainerState


def _specify(variant: ResolvedVariant, call: Call) -> ContainerSpec:
    return ContainerSpec(
        image=variant.create_image,
        platform=variant.create_platform,
        argv=call.argv,
        entrypoint=call.entrypoint,
        env=call.env,
        user=call.user,
        workdir=call.workdir,
        network=call.network,
        init=call.init,
        has_stdin=call.stdin is not None,
    )


def _look_up(variant: ResolvedVariant, call: Call) -> Lookup:
    return Lookup.in_variant(
        variant,
        list_command(variant, call),
        path=call.env.get("PATH", ""),
        workdir=call.workdir,
    )


def list_command(variant: ResolvedVariant, call: Call) -> tuple[str, ...]:
    """Give the words that the runtime will start: entrypoint, then command, as Docker merges."""
    if call.entrypoint is not None:
        return (*filter(None, call.entrypoint), *call.argv)
    return (*variant.config.entrypoint, *(call.argv or variant.config.cmd))


def _start_and_drain(node: Node, container_id: str, execution: Execution, call: Call) -> _Ended:
    engine = node.engine
    limit_s = stretch_deadline(RUN_TIMEOUT_S, call.timeout_s, is_emulated=execution.is_emulated)
    attachment = engine.attach(container_id, has_stdin=call.stdin is not None)
    try:
        starting = time.perf_counter()
        engine.start_container(container_id)
        started = time.perf_counter()
        deadline = time.monotonic() + limit_s
        out, err = _collect(attachment, call.stdin, deadline)
        left_s = max(deadline - time.monotonic(), 1.0)
        exit_code = engine.wait_container(container_id, timeout_s=left_s)
    except TimeoutError:
        raise _explain_deadline(node, container_id, list(call.argv), limit_s, call) from None
    finally:
        attachment.close()
    waited = time.perf_counter()
    return _Ended(
        exit_code=exit_code,
        out=out,
        err=err,
        start_s=started - starting,
        wait_s=waited - started,
        state=engine.inspect_container(container_id),
    )


def _collect(attachment: Attachment, stdin: bytes | None, deadline: float) -> tuple[Output, Output]:
    collectors = {"stdout": OutputCollector(), "stderr": OutputCollector()}
    if stdin is not None:
        attachment.send(stdin)
    drain(attachment, deadline=deadline, collect=collectors.__getitem__)
    return collectors["stdout"].finish(), collectors["stderr"].finish()


def _explain_deadline(
    node: Node, container_id: str, argv: list[str], limit_s: float, call: Call
) -> DeadlineError:
    stretched = " (the default, stretched for emulation)" if call.timeout_s is None else ""
    return DeadlineError(
        f"{argv or 'the image command'} did not end within {limit_s:g} s{stretched}"
        + quote_log(node, container_id),
        cure="give it more time with timeout=SECONDS, or find out what it waits for",
    )


def quote_log(node: Node, container_id: str, *, lines: int = 20) -> str:
    """Give the last lines of a container's log, for a message; empty if they can't be had."""
    try:
        out, err = node.engine.read_logs(container_id, tail=lines)
    except MultiarchError:
        return ""
    text = (out + err).decode("utf-8", "backslashreplace").strip("\n")
    if not text:
        return "\nits log is empty"
    last = "\n".join(f"  {line[:500]}" for line in text.splitlines()[-lines:])
    return f"\nthe last lines of its log:\n{last}"


def _measure_inside(state: ContainerState) -> float | None:
    if state.started_at_s is None or state.finished_at_s is None:
        return None
    return max(state.finished_at_s - state.started_at_s, 0.0)


def _make_result(
    call: Call,
    variant: ResolvedVariant,
    execution: Execution,
    ended: _Ended,
    timings: Timings,
    *,
    wall_s: float,
) -> RunResult:
    return RunResult(
        exit_code=ended.exit_code,
        out=ended.out,
        err=ended.err,
        wall_s=wall_s,
        timings=timings,
        platform=variant.platform,
        execution=execution,
        command=call.describe(),
    )


def name_known(state: ContainerState) -> dict[str, str]:
    """Give the strings that only this container has, so that they can be masked."""
    known = {state.id: "<container>", state.id[:12]: "<container>"}
    if state.hostname:
        known[state.hostname] = "<container>"
    if state.ip_address:
        known[state.ip_address] = "<container-ip>"
    return known


def execute(
    node: Node,
    container_id: str,
    variant: ResolvedVariant,
    execution: Execution,
    call: Call,
    *,
    quote: Callable[[], str],
) -> RunResult:
    """Execute a command in a running container.

    Raises:
        WrongArchitectureError, ProgramNotFoundError, DeadlineError: as `run_once`; a program
            that runs into its deadline goes on until its container is removed.
        ContainerError: the container has ended.
    """
    begun = time.perf_counter()
    node.check_program(container_id, _look_up_exec(variant, call), variant)
    limit_s = stretch_deadline(RUN_TIMEOUT_S, call.timeout_s, is_emulated=execution.is_emulated)
    spec = ExecSpec(
        argv=call.argv,
        env=call.env,
        user=call.user,
        workdir=call.workdir,
        has_stdin=call.stdin is not None,
    )
    starting = time.perf_counter()
    exec_id, attachment = node.engine.start_exec(container_id, spec)
    started = time.perf_counter()
    try:
        out, err = _collect(attachment, call.stdin, time.monotonic() + limit_s)
    except TimeoutError:
        raise DeadlineError(
            f"exec {list(call.argv)} did not end within {limit_s:g} s{quote()}",
            cure="give it more time with timeout=SECONDS, or find out what it waits for",
        ) from None
    finally:
        attachment.close()
    exit_code = node.engine.read_exec_exit_code(exec_id)
    ended = time.perf_counter()
    return RunResult(
        exit_code=exit_code,
        out=out,
        err=err,
        wall_s=ended - begun,
        timings=Timings(start_s=started - starting, wait_s=ended - started),
        platform=variant.platform,
        execution=execution,
        command=call.describe(),
    )


def _look_up_exec(variant: ResolvedVariant, call: Call) -> Lookup:
    return Lookup.in_variant(
        variant, call.argv, path=call.env.get("PATH", ""), workdir=call.workdir
    )
