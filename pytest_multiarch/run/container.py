"""A started container, as tests use it."""

from __future__ import annotations

import hashlib
import io
import posixpath
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pytest_multiarch.core.call import Call, FileToCopy, RunResult, check_argv
from pytest_multiarch.core.errors import ContainerError, UsageError
from pytest_multiarch.core.execution import Execution
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.ports import ContainerSpec, ContainerState
from pytest_multiarch.core.variant import ResolvedVariant
from pytest_multiarch.core.wait import (
    READY_TIMEOUT_S,
    HealthWait,
    LogWait,
    PortWait,
    Wait,
    parse_wait,
    stretch_deadline,
)
from pytest_multiarch.run.calls import CallSeen, Recorder, execute, list_command, name_known, quote_log
from pytest_multiarch.run.node import Node
from pytest_multiarch.run.program import Lookup
from pytest_multiarch.run.waiting import wait_ready


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSettings:
    """How a container is started: the arguments of the `container` mark."""

    call: Call = field(default_factory=Call)
    ports: tuple[int, ...] = ()
    waits: tuple[Wait, ...] = ()
    scope: str = "function"


class Logs(NamedTuple):
    """What a container wrote, as text; the two streams have no common order."""

    stdout: str
    stderr: str


class StartedContainer:
    """A container on a node; shared by the handles of the tests that use it."""

    def __init__(
        self,
        node: Node,
        variant: ResolvedVariant,
        execution: Execution,
        settings: ContainerSettings,
    ) -> None:
        self.node = node
        self.variant = variant
        self.execution = execution
        self.settings = settings
        self.id = ""
        self.is_touched = False
        self._lock = threading.Lock()
        self._history = ""
        self._state: ContainerState | None = None

    def start(self) -> None:
        """Create it, check its program, start it.

        Raises:
            WrongArchitectureError, ProgramNotFoundError, ContainerError: and nothing is left.
        """
        call = self.settings.call
        spec = ContainerSpec(
            image=self.variant.create_image,
            platform=self.variant.create_platform,
            argv=call.argv,
            entrypoint=call.entrypoint,
            env=call.env,
            user=call.user,
            workdir=call.workdir,
            network=call.network,
            init=call.init,
            ports=self.settings.ports,
        )
        self.id = self.node.create(spec)
        try:
            lookup = Lookup.in_variant(
                self.variant,
                list_command(self.variant, call),
                path=call.env.get("PATH", ""),
                workdir=call.workdir,
            )
            self.node.check_program(self.id, lookup, self.variant)
            if call.files:
                self.node.engine.put_files(self.id, call.files)
            self.node.engine.start_container(self.id)
        except BaseException:
            self.remove()
            raise

    def choose_waits(self) -> tuple[Wait, ...]:
        """Give the conditions of the settings, else the image's HEALTHCHECK, else its ports."""
        if self.settings.waits:
            return self.settings.waits
        if self.variant.config.healthcheck is not None:
            return (HealthWait(),)
        return tuple(PortWait(port) for port in self.settings.ports)

    @property
    def ready_limit_s(self) -> float:
        """How long it may take to become ready: as written, else what its HEALTHCHECK may take."""
        check = self.variant.config.healthcheck
        default_s = max(READY_TIMEOUT_S, check.budget_s if check else 0.0)
        return stretch_deadline(
            default_s, self.settings.call.timeout_s, is_emulated=self.execution.is_emulated
        )

    def inspect(self) -> ContainerState:
        """Look at it now."""
        self._state = self.node.engine.inspect_container(self.id)
        return self._state

    @property
    def state(self) -> ContainerState:
        """How it was when last looked at."""
        return self._state or self.inspect()

    def advance(self, step: str) -> str:
        """Take down a call made of it; give the digest of all calls before."""
        with self._lock:
            before = self._history
            self._history = hashlib.sha256(f"{before}\n{step}".encode()).hexdigest()
            return before

    def remove(self) -> None:
        """Kill and remove it; safe to call twice."""
        if self.id:
            self.node.engine.remove_container(self.id)


class Container:
    """A running container of one variant, for one test."""

    def __init__(
        self, started: StartedContainer, *, recorder: Recorder | None, is_shared: bool = False
    ) -> None:
        self._started = started
        self._recorder = recorder
        self._is_shared = is_shared
        self._since_s = time.time() if is_shared else None
        self._polling = threading.local()

    @property
    def id(self) -> str:
        """The engine's id of the container."""
        return self._started.id

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

    def __repr__(self) -> str:
        return f"<container {self.id[:12]} of {self.variant.reference} on {self.platform}>"

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
            env=dict(env or {}),
            stdin=stdin.encode() if isinstance(stdin, str) else stdin,
            user=user,
            workdir=workdir,
            timeout_s=timeout,
        )
        started = self._started
        started.is_touched = True
        # Asking is what changes a shared container, so polls count here though they are not seen.
        history = "" if self._is_polling else started.advance(repr(words))
        result = execute(
            started.node, self.id, self.variant, self.execution, call, quote=self.quote_log
        )
        if self._recorder is not None and not self._is_polling:
            self._recorder.record_call(
                CallSeen(
                    kind="exec",
                    call=call,
                    result=result,
                    variant=self.variant,
                    label=label,
                    known=self._name_known(),
                    is_observed=observe,
                    history=history if self._is_shared else "",
                )
            )
        return result

    @property
    def _is_polling(self) -> bool:
        return getattr(self._polling, "depth", 0) > 0

    def _name_known(self) -> dict[str, str]:
        known = name_known(self._started.state)
        for host, port in self._started.state.ports.values():
            known[f"{host}:{port}"] = "<address>"
        return known

    def wait_until(
        self, condition: object, *, timeout: float | None = None
    ) -> None:
        """Poll until a condition holds; nothing it does is observed.

        `condition` takes every form of `wait=`: a regular expression for the log, a port, a
        callable that is given this container, ...

        Raises:
            NotReadyError: it did not hold in time (`timeout` in seconds), or the container ended.
        """
        limit_s = stretch_deadline(
            READY_TIMEOUT_S, timeout, is_emulated=self.execution.is_emulated
        )
        with self._poll_unobserved():
            wait_ready(self, parse_wait(condition), limit_s=limit_s)

    def wait_ready(self) -> None:
        """Wait for what the settings say."""
        with self._poll_unobserved():
            wait_ready(self, self._started.choose_waits(), limit_s=self._started.ready_limit_s)

    @contextmanager
    def _poll_unobserved(self) -> Iterator[None]:
        self._polling.depth = getattr(self._polling, "depth", 0) + 1
        try:
            yield
        finally:
            self._polling.depth -= 1

    def run_wait_strategy(self, strategy: Any) -> None:
        """Wait by a strategy object of testcontainers."""
        self._started.node.tools.adapt_wait_strategy(strategy, self)()

    def address(self, port: int) -> tuple[str, int]:
        """Give host and port under which a port of the container is reached from here.

        Raises:
            UsageError: the port is not published.
        """
        state = self._started.state
        if not state.ports and self._started.settings.ports:
            state = self._started.inspect()
        if port not in state.ports:
            published = ", ".join(map(str, state.ports)) or "none"
            raise UsageError(
                f"port {port} of the container is not published (published: {published})",
                cure=f"write @pytest.mark.container(ports=[{port}])",
            )
        return self._started.node.engine.host, state.ports[port][1]

    @property
    def ip(self) -> str:
        """The container's address on its network; reachable from here on Linux only."""
        return self._started.state.ip_address

    def inspect(self) -> ContainerState:
        """Look at the container now."""
        return self._started.inspect()

    def logs(self, *, tail: int | None = None) -> Logs:
        """Give what it wrote since this test began; of each stream at most the last MiB."""
        out, err = self._started.node.engine.read_logs(self.id, tail=tail, since_s=self._since_s)
        return Logs(out.decode("utf-8", "backslashreplace"), err.decode("utf-8", "backslashreplace"))

    def read_log_bytes(self) -> tuple[bytes, bytes]:
        """Give its whole log, stdout and stderr, bounded as `logs`."""
        return self._started.node.engine.read_logs(self.id)

    def quote_log(self) -> str:
        """Give the last lines of its log for a message."""
        return quote_log(self._started.node, self.id)

    def remove(self) -> None:
        """Kill and remove it; safe to call twice."""
        self._started.remove()

    def copy_in(self, source: bytes | str | Path, path: str, *, mode: int | None = None) -> None:
        """Put content (bytes) or a file or folder of this machine at `path` in the container.

        Files keep their mode unless `mode` is given; owner and group are root.

        Raises:
            UsageError: `path` is not absolute, or the source is not there.
        """
        if not path.startswith("/"):
            raise UsageError(f"copy_in: {path!r} is not absolute", cure=f"write '/{path}'")
        self._started.is_touched = True
        self._started.advance(f"copy_in {path}")
        self._started.node.engine.put_files(self.id, read_files(source, path, mode=mode))

    def copy_out(self, path: str, destination: str | Path | None = None) -> bytes:
        """Give the content of a file in the container, or unpack a file or folder of it.

        With `destination`, a folder of this machine that is made if need be, `path` is put into
        it under its own name; links that lead out of it are refused. Without, `path` is a file,
        whose content is returned.

        Raises:
            ContainerError: there is no such path, or it is no file and there is no destination.
        """
        archive = self._started.node.engine.read_archive(self.id, path)
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            if destination is not None:
                tar.extractall(destination, filter="data")
                return b""
            return _read_only_file(tar, path)


def _read_only_file(tar: tarfile.TarFile, path: str) -> bytes:
    first = tar.next()
    content = tar.extractfile(first) if first is not None and first.isfile() else None
    if content is None:
        raise ContainerError(
            f"copy_out: {path} is not a regular file",
            cure="name the file, or give a destination folder: copy_out(path, tmp_path)",
        )
    return content.read()


def read_files(
    source: bytes | str | Path, path: str, *, mode: int | None = None
) -> tuple[FileToCopy, ...]:
    """Read what is to be put into a container: content as given, a file, or a folder's files.

    Raises:
        UsageError: the source is not there.
    """
    if isinstance(source, bytes):
        return (FileToCopy(path=path, content=source, mode=mode or 0o644),)
    root = Path(source)
    if root.is_file():
        return (_read_file(root, path, mode),)
    if root.is_dir():
        inside = sorted(each for each in root.rglob("*") if each.is_file())
        return tuple(
            _read_file(each, posixpath.join(path, each.relative_to(root).as_posix()), mode)
            for each in inside
        )
    raise UsageError(
        f"{str(source)!r} is neither a file nor a folder here",
        cure="give a path of this machine, or the content itself as bytes",
    )


def _read_file(source: Path, path: str, mode: int | None) -> FileToCopy:
    kept = source.stat().st_mode & 0o7777
    return FileToCopy(path=path, content=source.read_bytes(), mode=kept if mode is None else mode)


def describe_waits(waits: tuple[Wait, ...]) -> str:
    """Give the conditions as text, the same for equal settings; part of a shared one's key."""
    return ", ".join(
        str(each) if isinstance(each, (LogWait, PortWait)) else repr(each) for each in waits
    )
