"""Making calls: a one-shot run in a fresh container, an exec in a running one."""

from __future__ import annotations

import hashlib
import math
import shlex
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol

from pytest_multiarch.core.call import Call, FileToCopy, Output, RunResult, Timings
from pytest_multiarch.core.errors import (
    ContainerError,
    DeadlineError,
    EngineError,
    EngineGoneError,
    MultiarchError,
    ProgramNotFoundError,
)
from pytest_multiarch.core.ports import (
    Attachment,
    ContainerSpec,
    ContainerState,
    ExecSpec,
    StreamName,
)
from pytest_multiarch.core.wait import RUN_TIMEOUT_S, stretch_deadline
from pytest_multiarch.run.emulator_crash import CrashWatch
from pytest_multiarch.run.explain import explain_ended, explain_last_words, quote_log, show_text
from pytest_multiarch.run.output import OutputCollector, drain
from pytest_multiarch.run.program import Lookup

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_multiarch.core.emulator_faults import Fault
    from pytest_multiarch.core.execution import Execution
    from pytest_multiarch.core.variant import ResolvedVariant
    from pytest_multiarch.run.container import Container
    from pytest_multiarch.run.node import Node
    from pytest_multiarch.run.started import StartedContainer


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSeen:
    """A call that was made, with what is needed to observe it.

    `known` maps exact strings that this container alone has (its id, its host name) to what they
    stand for. `history` digests what a shared container was asked before; empty for a fresh one.
    A call with `observe=False` is not observed, but its time counts. `started` is the running
    container that it was made in, `step` which of its steps it was; None and -1 for a fresh one.
    `crashes` are faults of the emulator for which it was made once more: they come and go.
    """

    kind: Literal["run", "exec"]
    call: Call
    result: RunResult
    variant: ResolvedVariant
    label: str | None
    known: Mapping[str, str]
    is_observed: bool = True
    history: str = ""
    started: StartedContainer | None = None
    step: int = -1
    crashes: tuple[Fault, ...] = ()


class Recorder(Protocol):
    """Takes down what a test's calls did."""

    def record_call(self, seen: CallSeen) -> None:
        """Take a call down, and observe it if it is to be."""

    def note_env(self, env: Mapping[str, str]) -> None:
        """Take down environment variables, whose values may be secrets, before they are used."""

    def note_container(self, container: Container) -> None:
        """Take down that the test has a container, whose log tells more should it fail."""


def run_once(
    node: Node,
    variant: ResolvedVariant,
    execution: Execution,
    call: Call,
    *,
    security: tuple[str, ...] = (),
) -> tuple[RunResult, Mapping[str, str]]:
    """Run a command in a fresh container, and remove that; give also its known strings.

    `security` are options as Docker's `--security-opt` has them.

    Raises:
        WrongArchitectureError: the program is for another architecture; nothing ran.
        ProgramNotFoundError: there is no such program.
        DeadlineError: it did not end in time; it is killed and removed.
    """
    begun = time.perf_counter()
    container_id = node.create(replace(specify(variant, call), security=security))
    created = time.perf_counter()
    try:
        prepare(node, container_id, variant, call)
        ended = _start_and_drain(node, container_id, variant, execution, call)
    except BaseException:
        node.remove_quietly(container_id)
        raise
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
    _refuse_last_words(result)
    return result, name_known(ended.state) | name_values(call.env)


def find_call_faults(result: RunResult) -> tuple[Fault, ...]:
    """Find the emulator's faults in a call; what one printed that succeeded is its own matter."""
    if not result.execution.is_emulated or not (result.exit_code or result.err.size):
        return ()
    from pytest_multiarch.core.emulator_faults import find_faults

    outputs = (result.err.head, result.out.head) if result.exit_code else (result.err.head,)
    return find_faults(
        *outputs,
        execution=result.execution,
        platform=result.platform,
        exit_code=result.exit_code,
        argv=result.command.argv,
    )


def find_random_crashes(result: RunResult) -> tuple[Fault, ...]:
    """Find the emulator's faults in a call that failed, if another run may well pass."""
    found = find_call_faults(result) if result.exit_code else ()
    return tuple(each for each in found if each.is_random and not each.is_general)


def prepare(node: Node, container_id: str, variant: ResolvedVariant, call: Call) -> None:
    """Put the call's files into a container that was not started yet, and check its programs.

    Raises:
        WrongArchitectureError: one is for another architecture.
    """
    if call.files:
        node.engine.put_files(container_id, call.files)
    lookup = Lookup.in_variant(
        variant,
        list_command(variant, call),
        path=call.env.get("PATH", ""),
        workdir=call.workdir,
    )
    size = measure_entrypoint(variant, call)
    lookup = replace(lookup, entrypoint_size=size, files=digest_files(call.files))
    node.check_program(container_id, lookup, variant)


def digest_files(files: Iterable[FileToCopy], *, before: str = "") -> str:
    """Digest what was put into a container, `before` and now; empty for nothing."""
    for file in files:
        content = hashlib.sha256(file.content).hexdigest()
        before = hashlib.sha256(f"{before}\n{file.path}\n{content}".encode()).hexdigest()
    return before


def _refuse_last_words(result: RunResult) -> None:
    output = result.out.head + result.err.head if result.out.size + result.err.size < 4096 else b""
    refused = explain_last_words(result.exit_code, output, result.platform)
    if refused is not None:
        raise refused


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    exit_code: int
    out: Output
    err: Output
    start_s: float
    wait_s: float
    state: ContainerState


def specify(variant: ResolvedVariant, call: Call, *, ports: tuple[int, ...] = ()) -> ContainerSpec:
    """Say what to create so that a variant makes a call in a container of its own."""
    return ContainerSpec(
        image=variant.create_image,
        platform=variant.create_platform,
        argv=call.argv,
        entrypoint=call.entrypoint,
        env=call.env,
        user=call.user,
        workdir=call.workdir,
        network=call.network,
        aliases=call.aliases,
        init=call.init,
        options=call.options,
        ports=ports,
        has_stdin=call.stdin is not None,
    )


def list_command(variant: ResolvedVariant, call: Call) -> tuple[str, ...]:
    """Give the words that the runtime will start: entrypoint, then command, as Docker merges."""
    if call.entrypoint is not None:
        return (*filter(None, call.entrypoint), *call.argv)
    return (*variant.config.entrypoint, *(call.argv or variant.config.cmd))


def measure_entrypoint(variant: ResolvedVariant, call: Call) -> int:
    """Give how many words of a call's command are its entrypoint, or the image's."""
    own = variant.config.entrypoint if call.entrypoint is None else call.entrypoint
    return len(tuple(filter(None, own)))


def _start_and_drain(
    node: Node, container_id: str, variant: ResolvedVariant, execution: Execution, call: Call
) -> _Ended:
    engine = node.engine
    limit_s = stretch_deadline(RUN_TIMEOUT_S, call.timeout_s, is_emulated=execution.is_emulated)
    attachment = engine.attach(container_id, has_stdin=call.stdin is not None)
    try:
        starting = time.perf_counter()
        engine.start_container(container_id)
        started = time.perf_counter()
        deadline = time.monotonic() + limit_s
        watch = CrashWatch(engine, container_id) if execution.is_emulated else None
        out, err, exit_code = _collect(attachment, call.stdin, deadline, watch)
        if exit_code is None:
            left_s = max(deadline - time.monotonic(), 1.0)
            exit_code = engine.wait_container(container_id, timeout_s=left_s)
    except TimeoutError:
        words = list_command(variant, call)
        log = quote_log(node, container_id, nothing="it printed nothing")
        raise _explain_deadline(words, limit_s, call, execution, log) from None
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


def _collect(
    attachment: Attachment, stdin: bytes | None, deadline: float, watch: CrashWatch | None = None
) -> tuple[Output, Output, int | None]:
    """Give both outputs, and the exit code where the emulator told it and will not end."""
    collectors: dict[StreamName, OutputCollector] = {
        "stdout": OutputCollector(),
        "stderr": OutputCollector(),
    }
    if stdin is not None:
        attachment.send(stdin)
    exit_code = drain(attachment, deadline=deadline, collectors=collectors, watch=watch)
    return collectors["stdout"].finish(), collectors["stderr"].finish(), exit_code


def _explain_deadline(
    words: tuple[str, ...], limit_s: float, call: Call, execution: Execution, log: str
) -> DeadlineError:
    note = ""
    if call.timeout_s is None:
        note = (
            " (the default, longer under emulation)" if execution.is_emulated else " (the default)"
        )
    return DeadlineError(
        f"{shlex.join(words)!r} did not end within {limit_s:g} s{note}{log}",
        cure="give it more time with timeout=SECONDS, or find out what it waits for",
    )


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


_SHORTEST_SECRET = 6


def name_values(env: Mapping[str, str]) -> dict[str, str]:
    """Give the values of environment variables that a test passed, to be masked: they may be
    secrets. Shorter ones are words and numbers, and would mask what is none."""
    return {value: f"<{name}>" for name, value in env.items() if len(value) >= _SHORTEST_SECRET}


def execute(
    node: Node,
    container_id: str,
    variant: ResolvedVariant,
    execution: Execution,
    call: Call,
    *,
    files: str = "",
    limit_s: float = math.inf,
) -> RunResult:
    """Execute a command in a running container.

    `files` digests what was put into the container; `limit_s` is what is left of the time of a
    wait that makes this call.

    Raises:
        WrongArchitectureError, ProgramNotFoundError, DeadlineError: as `run_once`; a program
            that runs into its deadline goes on until its container is removed.
        ContainerError: the container has ended.
    """
    begun = time.perf_counter()
    default_s = stretch_deadline(RUN_TIMEOUT_S, call.timeout_s, is_emulated=execution.is_emulated)
    limit_s = min(default_s, limit_s) if call.timeout_s is None else default_s
    try:
        check_exec(node, container_id, variant, call, files=files)
        starting = time.perf_counter()
        exec_id, attachment = node.engine.start_exec(container_id, _specify_exec(call))
    except ContainerError as error:
        raise explain_refused(node, container_id, variant, error) from None
    started = time.perf_counter()
    try:
        out, err, _ = _collect(attachment, call.stdin, time.monotonic() + limit_s)
    except TimeoutError:
        log = quote_log(node, container_id)
        raise _explain_deadline(call.argv, limit_s, call, execution, log) from None
    finally:
        attachment.close()
    try:
        exit_code = _read_exit_code(node, exec_id, call, out)
    except (ContainerError, EngineError) as error:
        if isinstance(error, EngineGoneError):
            raise
        raise explain_refused(node, container_id, variant, error) from None
    ended = time.perf_counter()
    result = RunResult(
        exit_code=exit_code,
        out=out,
        err=err,
        wall_s=ended - begun,
        timings=Timings(start_s=started - starting, wait_s=ended - started),
        platform=variant.platform,
        execution=execution,
        command=call.describe(),
    )
    _refuse_last_words(result)
    return result


def _specify_exec(call: Call) -> ExecSpec:
    return ExecSpec(
        argv=call.argv,
        env=call.env,
        user=call.user,
        workdir=call.workdir,
        has_stdin=call.stdin is not None,
    )


def check_exec(
    node: Node, container_id: str, variant: ResolvedVariant, call: Call, *, files: str
) -> None:
    """Check the programs of a command that is about to be executed in a running container.

    Raises:
        WrongArchitectureError: one is for another architecture.
    """
    lookup = Lookup.in_variant(
        variant, call.argv, path=call.env.get("PATH", ""), workdir=call.workdir
    )
    node.check_program(container_id, replace(lookup, files=files, is_fresh=False), variant)


def explain_refused(
    node: Node, container_id: str, variant: ResolvedVariant, error: MultiarchError
) -> MultiarchError:
    """Say why an exec was refused: of a container that has ended, its last words tell more."""
    try:
        state = node.engine.inspect_container(container_id)
    except ContainerError:
        return ContainerError(
            f"{error.what}: it was removed", cure="use a container only while its test runs"
        )
    return error if state.is_running else explain_ended(node, state, variant.platform)


def _read_exit_code(node: Node, exec_id: str, call: Call, out: Output) -> int:
    """Read how an exec ended; one that never started has the runtime's words as its output."""
    try:
        exit_code = node.engine.read_exec_exit_code(exec_id)
    except ProgramNotFoundError as error:
        words = show_text(out.head[:1000]).strip()
        raise ProgramNotFoundError(
            f"the program {call.argv[0]!r} could not be started: {words}", cure=error.cure
        ) from None
    # Docker 28 has a code of its own where the path is a loop of links.
    if exit_code == 128 and out.head.startswith(b"OCI runtime exec failed: "):
        raise ProgramNotFoundError(
            f"the program {call.argv[0]!r} could not be started: {show_text(out.head).strip()}",
            cure="give the path of a program",
        )
    return exit_code
