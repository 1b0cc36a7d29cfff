"""The timer in a container: a native program that runs a command on request and times it.

Asking the engine for each run would cost 60 ms, and vary by more than what is to be measured. The
timer is put into the container and started once for each command; its protocol is described in
`native/timer.c`. It is of the node's own architecture, whatever the container's platform is, so
that emulation is in the command's time and not in the timer's.
"""

from __future__ import annotations

import errno
import os
import re
import shlex
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pytest_multiarch.core.call import Call, FileToCopy
from pytest_multiarch.core.elf import mark_unregistered
from pytest_multiarch.core.errors import (
    ContainerError,
    DeadlineError,
    EngineError,
    EngineGoneError,
    MultiarchError,
    ProgramNotFoundError,
    UsageError,
)
from pytest_multiarch.core.overhead import Sample
from pytest_multiarch.core.ports import ExecSpec
from pytest_multiarch.run.calls import digest_files, explain_refused, specify
from pytest_multiarch.run.explain import explain_ended, show_text
from pytest_multiarch.run.started import ContainerSettings, StartedContainer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_multiarch.core.execution import Execution
    from pytest_multiarch.core.ports import Attachment, ContainerState
    from pytest_multiarch.core.variant import ResolvedVariant
    from pytest_multiarch.run.node import Node

TIMER_PATH = "/.pytest-multiarch-timer"
_READY = b"ready"
_READY_S = 30.0
_SLACK_S = 30.0
"""How much later than its own deadline a run's report may come."""
_END_S = 2.0
_SETTLE_S = 0.5
_LONGEST_LINE = 256
_KEPT_OUTPUT = 16 * 1024
_QUOTED_LINES = 20
_REPORT = re.compile(rb"(ran|late)((?: [0-9a-f]{1,16}){7})\Z")
_REFUSAL = re.compile(rb"(refused|failed) ([0-9a-f]{1,4})\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How a command is started in a container: as it is, or under a control's emulator.

    `before` are the words that start the timer, or, without a timer, `argv`.
    """

    argv: tuple[str, ...]
    before: tuple[str, ...] = ()
    user: str = ""
    workdir: str = ""
    env: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of_call(cls, call: Call) -> Launch:
        """Start a command as it is."""
        return cls(argv=call.argv, user=call.user, workdir=call.workdir, env=call.env)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the timer says of one run: how it went, or by which errno it could not be started."""

    sample: Sample | None = None
    is_late: bool = False
    refusal: int = 0
    failure: int = 0


def parse_report(line: bytes) -> Report | None:
    """Read a line of the timer, without its end; None if it is none of its reports."""
    if match := _REFUSAL.match(line):
        number = int(match[2], 16)
        is_refusal = match[1] == b"refused"
        return Report(refusal=number if is_refusal else 0, failure=0 if is_refusal else number)
    match = _REPORT.match(line)
    if match is None:
        return None
    wall_s, wall_ns, user_s, user_us, system_s, system_us, status = (
        int(word, 16) for word in match[2].split()
    )
    sample = Sample(
        wall_s=wall_s + wall_ns / 1e9,
        user_s=user_s + user_us / 1e6,
        system_s=system_s + system_us / 1e6,
        exit_code=_read_status(status),
    )
    return Report(sample=sample, is_late=match[1] == b"late")


def _read_status(status: int) -> int:
    """Read what wait4 gives as a shell shows it."""
    signal = status & 0x7F
    return 128 + signal if signal else status >> 8 & 0xFF


class TimerSession:
    """One command in one running container, run whenever it is asked for."""

    def __init__(self, started: StartedContainer, launch: Launch) -> None:
        self._started = started
        self._launch = launch
        self._attachment: Attachment | None = None
        self._unread = b""
        self._output = b""

    def open(self) -> None:
        """Put the timer in and start it.

        Raises:
            ContainerError: the container has ended, or cannot take the timer.
        """
        put_timer(self._started)
        launch = self._launch
        spec = ExecSpec(
            argv=(*launch.before, TIMER_PATH, *launch.argv),
            env=launch.env,
            user=launch.user,
            workdir=launch.workdir,
            has_stdin=True,
        )
        try:
            _, self._attachment = self._started.node.engine.start_exec(self._started.id, spec)
        except ContainerError as error:
            started = self._started
            raise explain_refused(started.node, started.id, started.variant, error) from None
        line = self._read_line(time.monotonic() + _READY_S)
        if line != _READY:
            raise self._explain_end(line)

    def run(self, *, runs: int, limit_s: float, is_loud: bool = False) -> tuple[Report, ...]:
        """Run the command, one run after the other, and give the timer's reports of them.

        Fewer than `runs` if one was late or not to be started. `limit_s` is for each. The output
        of loud runs is kept, as far as `quote_output` shows it.

        Raises:
            ContainerError: the container, or the timer in it, has ended.
            DeadlineError: nothing is heard of the timer any more.
        """
        assert self._attachment is not None
        request = f"{runs:x} {max(round(limit_s * 1000), 1):x} {is_loud:x}\n"
        self._attachment.write(request.encode())
        reports: list[Report] = []
        while len(reports) < runs:
            line = self._read_line(time.monotonic() + limit_s + _SLACK_S)
            report = parse_report(line)
            if report is None:
                raise self._explain_end(line)
            reports.append(report)
            if report.sample is None or report.is_late:
                break
        return tuple(reports)

    def quote_output(self) -> str:
        """End the session, and give the last lines of what the loud runs printed, for a message."""
        if self._attachment is not None:
            self._attachment.send(b"")
            self._drain(time.monotonic() + _END_S)
            self.close()
        lines = show_text(self._output).splitlines()[-_QUOTED_LINES:]
        if not lines:
            return "\nit printed nothing"
        return "\nthe last lines it printed:\n" + "\n".join(f"  {each[:500]}" for each in lines)

    def close(self) -> None:
        """Let the timer go; safe to call twice."""
        attachment, self._attachment = self._attachment, None
        if attachment is not None:
            attachment.send(b"")
            attachment.close()

    def _read_line(self, deadline: float) -> bytes:
        """Give the timer's next line; one that was cut short is none."""
        while b"\n" not in self._unread:
            try:
                if len(self._unread) > _LONGEST_LINE or not self._read_piece(deadline):
                    raise self._explain_end(self._unread)
            except TimeoutError:
                raise DeadlineError(
                    f"{self._name()}: the timer does not answer",
                    cure="look whether the node is overloaded or its containers are paused",
                ) from None
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _read_piece(self, deadline: float) -> bool:
        assert self._attachment is not None
        piece = self._attachment.read(deadline=deadline)
        if piece is None:
            return False
        stream, data = piece
        if stream == "stdout":
            self._unread += data
        else:
            self._output = (self._output + data)[-_KEPT_OUTPUT:]
        return True

    def _drain(self, deadline: float) -> None:
        try:
            while self._read_piece(deadline):
                self._unread = self._unread[-_LONGEST_LINE:]
        except (TimeoutError, EngineError):
            pass  # a process that it left behind keeps the stream open, or the engine is gone

    def _name(self) -> str:
        return f"{shlex.join(self._launch.argv)!r} on {self._started.variant.platform}"

    def _explain_end(self, said: bytes) -> MultiarchError:
        """Say why the timer did not go on: the container ended, or what was said instead."""
        started = self._started
        try:
            state = self._await_end()
        except EngineGoneError as error:
            return error
        except MultiarchError:
            return ContainerError(
                f"{self._name()}: the container was removed while it was measured",
                cure="let it be until the measurement has ended",
            )
        if not state.is_running:
            return explain_ended(started.node, state, started.variant.platform)
        text = show_text(said[:_LONGEST_LINE]).strip()
        return ContainerError(
            f"{self._name()}: the timer ended{f', saying {text!r}' if text else ''}"
            f"{self.quote_output()}",
            cure="look for what kills it, or keeps it from starting, in the container",
        )

    def _await_end(self) -> ContainerState:
        """Look at the container; the engine hears of its end a little later than we do."""
        deadline = time.monotonic() + _SETTLE_S
        while (state := self._started.inspect()).is_running and time.monotonic() < deadline:
            time.sleep(_SETTLE_S / 10)
        return state


def explain_errno(argv: tuple[str, ...], number: int) -> ContainerError:
    """Say that a command could not be executed, by the errno of it."""
    what = f"the program {argv[0]!r} could not be started: {name_errno(number)}"
    if number in (errno.ENOENT, errno.EACCES):
        return ProgramNotFoundError(
            what, cure="give the path of a program that the image has, or a name in its PATH"
        )
    return ContainerError(what, cure="give a program that the node can execute")


def name_errno(number: int) -> str:
    """Name an errno as people know it; empty for 0."""
    return f"{os.strerror(number)} ({errno.errorcode.get(number, number)})" if number else ""


def put_timer(started: StartedContainer) -> None:
    """Put the timer into a container.

    Raises:
        ContainerError: nothing can be put into it.
    """
    files = (read_native(started.node, "timer", TIMER_PATH),)
    try:
        started.node.engine.put_files(started.id, files)
    except EngineGoneError:
        raise
    except (ContainerError, EngineError) as error:
        raise ContainerError(
            f"the timer cannot be put into the container on {started.variant.platform}: "
            f"{error.what}",
            cure="measure in a container that runs, and whose root is not read-only",
        ) from None


def read_native(node: Node, name: str, path: str) -> FileToCopy:
    """Give one of our native programs for a node, as a file that no emulator is registered for.

    Raises:
        UsageError: there is none for the node's architecture.
    """
    platform = node.engine.read_facts().platform
    binary = node.tools.read_program(name, platform)
    if binary is None:
        raise UsageError(
            f"{node.name} is {platform}, for which pytest-multiarch has no {name}",
            cure="measure on a node of another architecture",
        )
    return FileToCopy(path=path, content=mark_unregistered(binary), mode=0o755)


def start_idle(
    node: Node,
    variant: ResolvedVariant,
    execution: Execution,
    call: Call,
    *,
    security: tuple[str, ...] = (),
    files: tuple[FileToCopy, ...] = (),
) -> StartedContainer:
    """Start a container that does nothing and stays, for any image: its main process is the timer.

    Of `call` all but the command holds. `files` are ours, and no part of what the user put in.

    Raises:
        ContainerError: it cannot be started; and nothing is left.
    """
    started = StartedContainer(node, variant, execution, ContainerSettings(call=call))
    timer = read_native(node, "timer", TIMER_PATH)
    spec = specify(variant, replace(call, entrypoint=(TIMER_PATH,), argv=(), stdin=None))
    started.id = node.create(replace(spec, security=security))
    try:
        node.engine.put_files(started.id, (*call.files, timer, *files))
        node.engine.start_container(started.id)
    except BaseException:
        node.remove_quietly(started.id)
        raise
    started.files = digest_files(call.files)
    return started
