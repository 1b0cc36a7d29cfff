"""A started container, as tests use it."""

from __future__ import annotations

import hashlib
import io
import math
import posixpath
import tarfile
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_multiarch.core.call import Call, RunResult, check_argv
from pytest_multiarch.core.errors import ContainerError, MultiarchError, UsageError
from pytest_multiarch.core.recipe import Step
from pytest_multiarch.core.wait import (
    READY_TIMEOUT_S,
    parse_wait,
    stretch_deadline,
)
from pytest_multiarch.run.arguments import (
    FileSource,
    check_env,
    check_path,
    check_stdin,
    check_timeout,
    read_files,
)
from pytest_multiarch.run.calls import (
    CallSeen,
    Recorder,
    execute,
    name_known,
    name_values,
)
from pytest_multiarch.run.copying import read_copied_files
from pytest_multiarch.run.explain import explain_ended, quote_log
from pytest_multiarch.run.started import ContainerSettings, StartedContainer
from pytest_multiarch.run.waiting import wait_ready

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from pathlib import Path

    from pytest_multiarch.core.copied_file import CopiedFile
    from pytest_multiarch.core.execution import Execution
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.ports import ContainerState
    from pytest_multiarch.core.variant import ResolvedVariant
    from pytest_multiarch.run.network import Network
    from pytest_multiarch.run.node import Node, NodeTools

__all__ = ["Container", "ContainerSettings", "Logs", "read_files"]
_SHORTEST_S = 0.1
_MOST_LINKS = 40


class Logs(NamedTuple):
    """What a container wrote, as text; the two streams have no common order."""

    stdout: str
    stderr: str


class Services(dict[str, "Container"]):
    """What runs beside a container, by name."""

    def __missing__(self, name: str) -> Container:
        raise KeyError(
            f"there is no service {name!r} beside it; there is {', '.join(self) or 'none'}"
        )


class Container:
    """A running container of one variant, for one test."""

    def __init__(
        self,
        started: StartedContainer,
        *,
        recorder: Recorder | None,
        is_shared: bool = False,
        name: str = "",
        beside: Network | None = None,
    ) -> None:
        """`name` is a service's; `beside` is a network of ours that others made, which it is on."""
        self._started = started
        self._name = name
        self._beside = beside
        self._last_logs: Logs | None = None
        self._recorder = recorder
        self._is_shared = is_shared
        self._since_s = started.read_clock() if is_shared else None
        self._polling = threading.local()

    @property
    def id(self) -> str:
        """The engine's id of the container."""
        if not self._is_polling:
            self._started.note_touch("its id")
        return self._started.id

    @property
    def started(self) -> StartedContainer:
        """What it stands on, for other use cases of this package."""
        return self._started

    @property
    def platform(self) -> Platform:
        return self._started.variant.platform

    @property
    def variant(self) -> ResolvedVariant:
        """The image that it was created from."""
        return self._started.variant

    @property
    def execution(self) -> Execution:
        return self._started.execution

    @property
    def name(self) -> str:
        """What others on its network find a service by; empty for a container under test."""
        return self._name

    @property
    def network(self) -> Network | None:
        """The network of the test's own that it is on, None if there is none."""
        return self._started.network or self._beside

    @property
    def services(self) -> Mapping[str, Container]:
        """What runs beside it, by name."""
        return Services() if self.network is None else self.network.services

    def __repr__(self) -> str:
        return f"<container {self._started.id[:12]} of {self.variant.reference} on {self.platform}>"

    def exec(
        self,
        *argv: str,
        env: Mapping[str, str] | None = None,
        stdin: bytes | str | None = None,
        user: str = "",
        workdir: str = "",
        timeout: float | None = None,
        observe: bool = True,
        label: str | None = None,
    ) -> RunResult:
        """Execute a command in the container, and observe what it does.

        `stdin` is text (sent as UTF-8) or bytes. `timeout` is in seconds; without it the default
        holds, stretched under emulation. `label` names the observation; without it the command
        does.

        Raises:
            ProgramNotFoundError: the container has no such program.
            DeadlineError: it did not end in time.
            ContainerError: the container has ended.
        """
        words = check_argv(argv, what="exec")
        if not words:
            raise UsageError("exec needs a command", cure="write exec('program', 'argument', ...)")
        call = Call(
            argv=words,
            env=check_env(env),
            stdin=check_stdin(stdin),
            user=user,
            workdir=workdir,
            timeout_s=check_timeout(timeout),
        )
        started = self._started
        # How often a wait polls is chance, so its calls are no part of the history.
        history, step = "", -1
        if not self._is_polling:
            history, step = started.advance(_describe_exec(call), Step(call=call))
        result = execute(
            started.node, self._started.id, self.variant, self.execution, call,
            files=started.files, limit_s=self._find_time_left(),
        )  # fmt: skip
        if self._recorder is not None and not self._is_polling:
            self._recorder.record_call(
                CallSeen(
                    kind="exec",
                    call=call,
                    result=result,
                    variant=self.variant,
                    label=label,
                    known=self.name_known() | name_values(call.env),
                    is_observed=observe,
                    history=history if self._is_shared else "",
                    started=started,
                    step=step,
                )
            )
        return result

    @property
    def _is_polling(self) -> bool:
        return bool(getattr(self._polling, "deadlines", ()))

    def _find_time_left(self) -> float:
        """Give the seconds that the wait which makes this call has left."""
        deadlines = getattr(self._polling, "deadlines", ())
        return max(min(deadlines) - time.monotonic(), _SHORTEST_S) if deadlines else math.inf

    def name_known(self) -> dict[str, str]:
        """Give the strings that this container alone has, and what they stand for."""
        known = name_known(self._started.state)
        for host, port in self._started.state.ports.values():
            known[f"{host}:{port}"] = "<address>"
        if self.network is not None:
            known |= self.network.name_known()
        return known | name_values(self._started.settings.call.env)

    def wait_until(self, condition: object, *, timeout: float | None = None) -> None:
        """Poll until a condition holds; nothing it does is observed.

        `condition` takes every form of `wait=`: a regular expression for the log, a port, a
        callable that is given this container, ...

        Raises:
            NotReadyError: it did not hold in time (`timeout` in seconds), or the container ended.
        """
        limit_s = stretch_deadline(
            READY_TIMEOUT_S, check_timeout(timeout), is_emulated=self.execution.is_emulated
        )
        waits = parse_wait(condition)
        if not self._is_polling:
            self._started.note_wait(waits)
        with self.poll_unobserved(limit_s):
            wait_ready(self, waits, limit_s=limit_s)

    def wait_ready(self) -> None:
        """Wait for what the settings say."""
        limit_s = self._started.ready_limit_s
        with self.poll_unobserved(limit_s):
            wait_ready(self, self._started.choose_waits(), limit_s=limit_s)

    @contextmanager
    def poll_unobserved(self, limit_s: float) -> Iterator[None]:
        """Have what is done meanwhile be a part of a wait: it is not observed, and no history."""
        outer = getattr(self._polling, "deadlines", ())
        self._polling.deadlines = (*outer, time.monotonic() + limit_s)
        try:
            yield
        finally:
            self._polling.deadlines = outer

    def run_wait_strategy(self, strategy: Any) -> None:
        """Wait by a strategy object of testcontainers."""
        self._started.node.tools.adapt_wait_strategy(strategy, self)()

    def address(self, port: int) -> tuple[str, int]:
        """Give host and port under which a port of the container is reached from here.

        Raises:
            UsageError: the port is not published.
            ContainerError: the container has ended.
        """
        if not self._is_polling:
            self._started.note_touch(f"address({port})")
        state = self._started.state
        if port not in state.ports and port in self._started.settings.ports:
            state = self._started.inspect()
            if not state.is_running:
                raise self.explain_ended(state)
        if port not in state.ports:
            published = ", ".join(map(str, state.ports)) or "none"
            start = "service(..., " if self._name else "@pytest.mark.container("
            whose = f"service {self._name!r}" if self._name else "the container"
            raise UsageError(
                f"port {port} of {whose} is not published (published: {published})",
                cure=f"write {start}ports=[{port}])",
            )
        return self._started.node.engine.host, state.ports[port][1]

    @property
    def ip(self) -> str:
        """The container's address on its network; reachable from here on Linux only."""
        self._started.note_touch("its ip")
        return self._started.state.ip_address

    @property
    def tools(self) -> NodeTools:
        """What its node has of the outside."""
        return self._started.node.tools

    def inspect(self) -> ContainerState:
        """Look at the container now."""
        return self._started.inspect()

    def logs(self, *, tail: int | None = None) -> Logs:
        """Give what it wrote since this test began; of each stream at most the last MiB."""
        if self._last_logs is not None:
            return self._last_logs
        engine = self._started.node.engine
        out, err = engine.read_logs(self._started.id, tail=tail, since_s=self._since_s)
        return Logs(
            out.decode("utf-8", "backslashreplace"), err.decode("utf-8", "backslashreplace")
        )

    def keep_logs(self, *, tail: int | None = None) -> None:
        """Have its log told after it is removed, as it is now, as far as it can be had."""
        with suppress(MultiarchError):
            self._last_logs = self.logs(tail=tail)

    def read_log_bytes(self, *, tail: int | None = None) -> tuple[bytes, bytes]:
        """Give its whole log or the last lines of it, stdout and stderr, bounded as `logs`."""
        return self._started.node.engine.read_logs(self._started.id, tail=tail)

    def quote_log(self) -> str:
        """Give the last lines of its log for a message."""
        return quote_log(self._started.node, self._started.id)

    def explain_ended(self, state: ContainerState) -> MultiarchError:
        """Say how it ended, with its last words."""
        return explain_ended(self._started.node, state, self.platform)

    def remove(self) -> None:
        """Kill and remove it; safe to call twice."""
        self._started.remove()

    def copy_in(
        self,
        source: FileSource,
        path: str,
        *,
        mode: int | None = None,
        uid: int = 0,
        gid: int = 0,
    ) -> None:
        """Put content (bytes) or a file or folder of this machine at `path` in the container.

        Files and folders keep their modes; `mode` is that of all files. A folder that is there
        stays as it is.

        Raises:
            UsageError: `path` is not absolute, or the source is not there.
        """
        files = read_files(source, path, mode=mode, uid=uid, gid=gid, what="copy_in")
        self._started.node.engine.put_files(self._started.id, files)
        self._started.note_files(files)

    def copy_out(self, path: str, destination: str | Path | None = None) -> bytes:
        """Give the content of a file in the container, or unpack a file or folder of it.

        With `destination`, a folder of this machine that is made if need be, `path` is put into
        it under its own name; links that lead out of it are refused. Without, `path` is a file,
        whose content is returned. A link at `path` itself is followed.

        Raises:
            ContainerError: there is no such path, or it is no file and there is no destination.
        """
        check_path(path, what="copy_out")
        archive = self._started.node.engine.read_archive(self._started.id, self._follow_links(path))
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            if destination is None:
                return _read_only_file(tar, path)
            try:
                tar.extractall(destination, _rename_top(tar, path), filter="data")
            except tarfile.FilterError as error:
                raise ContainerError(
                    f"copy_out: {path} holds what is not unpacked here: {error}",
                    cure="copy a folder or file without it, or pack the folder in the container "
                    "and copy the archive",
                ) from None
        return b""

    def list_files(self, path: str) -> Generator[CopiedFile, None, None]:
        """Give what is at a path, then all that is below it, in no order; for `parity`.

        Raises:
            ContainerError: there is no such path.
        """
        check_path(path, what="list_files")
        return read_copied_files(
            self._started.node.engine, self._started.id, self._follow_links(path)
        )

    @property
    def history(self) -> str:
        """What a shared container was asked so far, digested; empty for one of a test's own."""
        return self._started.history if self._is_shared else ""

    def _follow_links(self, path: str) -> str:
        """The engine packs a link as itself; who names one wants what it points to."""
        for _ in range(_MOST_LINKS):
            stat = self._started.node.engine.stat_path(self._started.id, path)
            if stat is None or not stat.link_target:
                break
            path = posixpath.join(posixpath.dirname(path), stat.link_target)
        return path


def start_ready(
    node: Node, variant: ResolvedVariant, execution: Execution, settings: ContainerSettings
) -> StartedContainer:
    """Start a container and wait until it is ready; one that is not is removed."""
    begun = time.perf_counter()
    started = StartedContainer(node, variant, execution, settings)
    started.start()
    try:
        Container(started, recorder=None).wait_ready()
    except BaseException:
        node.remove_quietly(started.id)
        raise
    started.ready_s = time.perf_counter() - begun
    return started


def _rename_top(tar: tarfile.TarFile, path: str) -> Iterator[tarfile.TarInfo]:
    """Name what a link pointed to as the link was named."""
    name = posixpath.basename(path.rstrip("/")) or "."
    for member in tar:
        top, slash, rest = member.name.partition("/")
        member.name = f"{name}{slash}{rest}"
        if member.islnk():
            member.linkname = f"{name}{member.linkname.removeprefix(top)}"
        yield member


def _read_only_file(tar: tarfile.TarFile, path: str) -> bytes:
    first = tar.next()
    content = tar.extractfile(first) if first is not None and first.isfile() else None
    if content is None:
        raise ContainerError(
            f"copy_out: {path} is not a regular file",
            cure="name the file, or give a destination folder: copy_out(path, tmp_path)",
        )
    return content.read()


def _describe_exec(call: Call) -> str:
    """Describe an exec as far as it decides what the container is like afterwards."""
    stdin = b"" if call.stdin is None else call.stdin
    env = tuple(sorted(call.env.items()))
    return repr((call.argv, env, call.user, call.workdir, hashlib.sha256(stdin).hexdigest()))
