"""The control run: a platform's own variant, run under an emulator of the same architecture.

What is slower, or different, there as well is the emulator's doing; what is not belongs to the
other architecture's program. Nothing on the host changes.

`start_control` gives a container to measure in, `run_control` makes one call, as a test made it.
"""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from pytest_multiarch.core.elf import mark_unregistered
from pytest_multiarch.core.errors import ContainerError, UsageError
from pytest_multiarch.core.execution import Execution, ExecutionKind, read_emulator_version
from pytest_multiarch.core.ports import EngineFacts, ExecSpec
from pytest_multiarch.run.calls import list_command, run_once
from pytest_multiarch.run.output import OutputCollector, drain
from pytest_multiarch.run.program import Lookup, find_program
from pytest_multiarch.run.timer import Launch, name_errno, read_native, start_idle

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_multiarch.core.call import Call, FileToCopy, RunResult
    from pytest_multiarch.core.variant import ResolvedVariant
    from pytest_multiarch.run.node import Node
    from pytest_multiarch.run.started import StartedContainer

CONTROL_PATH = "/.pytest-multiarch-control"
EMULATOR_PATH = "/.pytest-multiarch-qemu"
OPEN_SECURITY = ("seccomp=unconfined", "apparmor=unconfined")
"""What a namespace of its own takes: Docker's profiles refuse `unshare` and `mount`."""
_OLDEST_KERNEL = (6, 7)
_NEEDS_LEAVE = "whole process trees need --multiarch-control"
_ASK_S = 20.0
_SHORT = 4096
_LAUNCHER_FAILED = 125
_LAUNCHER_SAYS = re.compile(
    r"pytest-multiarch control: (?P<step>.*): error (?P<errno>[0-9a-f]{1,4})\n?\Z"
)
_ACCOUNT = re.compile(rb"((?:[0-9a-f]{1,8} ?){2,66})\n([^\n\0]*)\n\Z")


class ControlWay(Enum):
    """How far the emulator reaches."""

    TREE = "tree"
    """The program and all that it starts."""
    FIRST = "first"
    """The first process alone: what it starts runs natively."""

    @property
    def security(self) -> tuple[str, ...]:
        """What its containers need of `--security-opt`."""
        return OPEN_SECURITY if self is ControlWay.TREE else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user of a container in numbers, and the HOME it has."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A running container of the native variant, in which commands are started emulated.

    `note` says why the emulator does not reach further, and is empty if it does. `files` are what
    starts them.
    """

    started: StartedContainer
    way: ControlWay
    files: tuple[FileToCopy, ...] = ()
    note: str = ""

    def launch(self, call: Call) -> Launch:
        """Say how a command is started under the emulator.

        Raises:
            UsageError: only the first process can be emulated, and that is none to start so.
        """
        if self.way is ControlWay.FIRST:
            return replace(Launch.of_call(call), argv=self._emulate_first(call))
        account = self._ask_account(call.user)
        groups = ",".join(f"{each:x}" for each in account.groups)
        words = (CONTROL_PATH, EMULATOR_PATH, f"{account.uid:x}", f"{account.gid:x}", groups)
        env = {"HOME": account.home, **call.env} if account.home else call.env
        return replace(Launch.of_call(call), before=words, user="0", env=env)

    def run(self, call: Call) -> tuple[RunResult, Mapping[str, str]]:
        """Make a call emulated, in a fresh container of its own; give also its known strings.

        It is `calls.run_once` in all else: entrypoint, environment, stdin, user and deadline hold,
        the program is process 1. The call's files have to be those the control was started with.

        Raises:
            UsageError: as `launch`.
            MultiarchError: as `calls.run_once`.
        """
        started = self.started
        words = list_command(started.variant, call)
        launch = self.launch(replace(call, argv=words, entrypoint=None))
        emulated = replace(
            call,
            entrypoint=(*launch.before, *launch.argv),
            argv=(),
            user=launch.user,
            env=launch.env,
            files=(*call.files, *self.files),
        )
        result, known = run_once(
            started.node, started.variant, started.execution, emulated, security=self.way.security
        )
        if self.way is ControlWay.TREE and result.exit_code == _LAUNCHER_FAILED:
            _refuse_launcher(result.err.head, words)
        return replace(result, command=call.describe()), known

    def remove(self) -> None:
        """Remove the container."""
        self.started.remove()

    def _emulate_first(self, call: Call) -> tuple[str, ...]:
        started = self.started
        lookup = Lookup.in_variant(
            started.variant, call.argv, path=call.env.get("PATH", ""), workdir=call.workdir
        )
        program = find_program(started.node.engine, started.id, call.argv[0], lookup)
        if program is None or not (program.is_script or program.headers):
            raise UsageError(
                f"a control run of {call.argv[0]!r} is not possible: it is no program of the image",
                cure="give the path of a program that the image has, or a name in its PATH",
            )
        if program.is_script:
            leave = self.note == _NEEDS_LEAVE
            raise UsageError(
                f"a control run of {call.argv[0]!r} is not possible: it is a script, and "
                f"{self.note}",
                cure="allow control runs of whole process trees with --multiarch-control"
                if leave
                else "give a program, not a script, or use a node that lets whole process trees be "
                "emulated",
            )
        return (EMULATOR_PATH, "-0", call.argv[0], program.headers[0][0], *call.argv[1:])

    def _ask_account(self, user: str) -> Account:
        """Ask as whom the engine executes: only it reads a user's name as it does."""
        printed = _ask(self.started, ExecSpec(argv=(CONTROL_PATH,), user=user))
        match = _ACCOUNT.match(printed)
        if match is None:
            raise ContainerError(
                f"the user {user or 'of the image'!r} cannot be found out on "
                f"{self.started.variant.platform}: {printed[:200]!r}",
                cure="give a user that the image has",
            )
        uid, gid, *groups = (int(word, 16) for word in match[1].split())
        home = match[2].decode("utf-8", "surrogateescape")
        return Account(uid=uid, gid=gid, groups=tuple(groups), home=home)


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """A container of a platform that the default node emulates, and a node of its own does not."""

    started: StartedContainer

    def launch(self, call: Call) -> Launch:
        """Say how a command is started: as it is."""
        return Launch.of_call(call)

    def remove(self) -> None:
        """Remove the container."""
        self.started.remove()


def choose_way(facts: EngineFacts, *, is_allowed: bool) -> tuple[ControlWay, str]:
    """Say how far a control run reaches on a node, and why not further.

    `is_allowed`: the user has opted in to a container without a seccomp profile.
    """
    if not is_allowed:
        return ControlWay.FIRST, _NEEDS_LEAVE
    kernel = tuple(int(number) for number in re.findall(r"\d+", facts.kernel)[:2])
    if kernel < _OLDEST_KERNEL:
        found = facts.kernel or "a kernel that it does not tell"
        return ControlWay.FIRST, f"whole process trees need Linux 6.7, the node has {found}"
    return ControlWay.TREE, ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRun:
    """What a call did under the emulator, and how far that reached (see `Control`).

    `known` are the strings that only its container had, as of any call.
    """

    result: RunResult
    known: Mapping[str, str]
    way: ControlWay
    note: str = ""


def run_control(
    node: Node, variant: ResolvedVariant, call: Call, *, is_allowed: bool = False
) -> ControlRun:
    """Make one call of a native variant under the emulator, and leave nothing.

    For several calls with the same files, start a control and have it run each.

    Raises:
        UsageError, ContainerError: as `start_control`.
        MultiarchError: as `Control.run`.
    """
    control = start_control(node, variant, call, is_allowed=is_allowed)
    with _removing_on_error(control):
        result, known = control.run(call)
    control.remove()
    return ControlRun(result=result, known=known, way=control.way, note=control.note)


def start_control(
    node: Node, variant: ResolvedVariant, call: Call, *, is_allowed: bool = False
) -> Control:
    """Start the control of a variant that the node executes natively.

    Of `call` all but the command holds. Without `is_allowed` the container has Docker's default
    profile, and only the first process of a command is emulated.

    Raises:
        UsageError: the node emulates the variant itself, or there is no emulator for it.
        ContainerError: it cannot be started; and nothing is left.
    """
    emulator = _find_emulator(node, variant)
    way, note = choose_way(node.engine.read_facts(), is_allowed=is_allowed)
    control = _start(node, variant, call, emulator, way)
    if way is ControlWay.FIRST:
        return replace(control, note=note)
    with _removing_on_error(control):
        problem = _try_tree(control, call)
    if not problem:
        return control
    control.remove()
    note = f"the node refuses whole process trees: {problem}"
    return replace(_start(node, variant, call, emulator, ControlWay.FIRST), note=note)


def _find_emulator(node: Node, variant: ResolvedVariant) -> FileToCopy:
    platform = node.engine.read_facts().platform
    if variant.platform.architecture != platform.architecture:
        raise UsageError(
            f"a control run of {variant.platform} is not possible on {node.name}, which is "
            f"{platform}: it compares native execution with emulation",
            cure=f"take the variant of {platform}",
        )
    return node.tools.find_emulator(platform)


def _start(
    node: Node, variant: ResolvedVariant, call: Call, emulator: FileToCopy, way: ControlWay
) -> Control:
    execution = Execution(kind=ExecutionKind.QEMU, evidence=(f"started by {emulator.path}",))
    files = _list_files(node, emulator, way)
    started = start_idle(node, variant, execution, call, security=way.security, files=files)
    control = Control(started=started, way=way, files=files)
    with _removing_on_error(control):
        started.execution = _complete(started)
    return control


@contextmanager
def _removing_on_error(control: Control) -> Iterator[None]:
    try:
        yield
    except BaseException:
        control.started.node.remove_quietly(control.started.id)
        raise


def _list_files(node: Node, emulator: FileToCopy, way: ControlWay) -> tuple[FileToCopy, ...]:
    ours = replace(emulator, path=EMULATOR_PATH, content=mark_unregistered(emulator.content))
    if way is ControlWay.FIRST:
        return (ours,)
    return (ours, read_native(node, "control", CONTROL_PATH))


def list_first_files(node: Node, variant: ResolvedVariant) -> tuple[FileToCopy, ...]:
    """Give what a container of a variant needs for a `Control` of first processes alone.

    Raises:
        UsageError: the node emulates the variant itself, or there is no emulator for it.
    """
    return _list_files(node, _find_emulator(node, variant), ControlWay.FIRST)


def _complete(started: StartedContainer) -> Execution:
    """Have the emulator say its version, which also shows that the node can run it."""
    printed = _ask(started, ExecSpec(argv=(EMULATOR_PATH, "--version")))
    text = printed.decode(errors="backslashreplace")
    version = read_emulator_version(text)
    if not version:
        raise ContainerError(
            f"the emulator of a control run does not start: {text[:200]!r}",
            cure="name another one with control.emulator",
        )
    evidence = (*started.execution.evidence, text.partition("\n")[0])
    return replace(started.execution, version=version, evidence=evidence)


def _try_tree(control: Control, call: Call) -> str:
    """Start the emulator under the launcher; give what the node says against it, or nothing."""
    launch = control.launch(call)
    words = (*launch.before, EMULATOR_PATH, "--version")
    printed = _ask(control.started, ExecSpec(argv=words, user=launch.user))
    text = printed.decode(errors="backslashreplace")
    return "" if read_emulator_version(text) else _explain_launcher(text.strip()[:200])


def _explain_launcher(text: str) -> str:
    """Name the error that the launcher gives as a number."""
    match = _LAUNCHER_SAYS.match(text)
    if match is None:
        return text or "it says nothing"
    return f"{match['step']}: {name_errno(int(match['errno'], 16))}"


def _refuse_launcher(said: bytes, words: tuple[str, ...]) -> None:
    """Tell the launcher's own failure from a program's exit code."""
    text = said[:_SHORT].decode(errors="backslashreplace")
    if _LAUNCHER_SAYS.match(text):
        raise ContainerError(
            f"a control run of {words[0]!r} could not be started: {_explain_launcher(text)}",
            cure="look whether it runs natively; if so, leave whole process trees out: start "
            "without --multiarch-control",
        )


def _ask(started: StartedContainer, spec: ExecSpec) -> bytes:
    """Execute something short in a container, and give all that it printed, bounded."""
    _, attachment = started.node.engine.start_exec(started.id, spec)
    collector = OutputCollector(limit=_SHORT)
    try:
        deadline = time.monotonic() + _ASK_S
        drain(attachment, deadline=deadline, collectors={"stdout": collector, "stderr": collector})
    except TimeoutError:
        return f"no answer within {_ASK_S:g} s".encode()
    finally:
        attachment.close()
    return collector.finish().head
