"""Calls and their results: what is asked of a container, and what came of it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pytest_multiarch.core.container_options import ContainerOptions
from pytest_multiarch.core.errors import OutputTooLargeError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_multiarch.core.execution import Execution
    from pytest_multiarch.core.platform import Platform

OUTPUT_LIMIT = 8 * 1024 * 1024
"""How many bytes of each output stream are kept in memory; the rest is digested only."""

NETWORK_PREFIX = "pytest-multiarch-"
"""What the names of networks begin with that sessions make."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileToCopy:
    """A file, or a folder without what is in it, to put into a container."""

    path: str
    content: bytes = field(default=b"", repr=False)
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    is_folder: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One run or exec, complete enough to be made again.

    `argv` empty means the image's own command; `entrypoint` None means the image's own.
    `env` values and `stdin` may be secrets: a call never rides on a report, only `describe()`.
    `services` are those that a network of ours has beside the container; such a network, and the
    names (`aliases`) that the container has on it, last no longer than a test.
    """

    argv: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    stdin: bytes | None = field(default=None, repr=False)
    user: str = ""
    workdir: str = ""
    files: tuple[FileToCopy, ...] = ()
    network: str = ""
    aliases: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    init: bool | None = None
    options: ContainerOptions = field(default_factory=ContainerOptions)
    timeout_s: float | None = None

    def describe(self) -> CallSummary:
        """Give the part of the call that may be shown: names, never values."""
        return CallSummary(
            argv=self.argv,
            entrypoint=self.entrypoint,
            env_names=tuple(self.env),
            has_stdin=self.stdin is not None,
            user=self.user,
            workdir=self.workdir,
            files=tuple(each.path for each in self.files if not each.is_folder),
            network="" if self.network.startswith(NETWORK_PREFIX) else self.network,
            services=self.services,
            init=bool(self.init),
            options=self.options.to_words(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSummary:
    """The public part of a call: what a report shows and what makes two calls the same."""

    argv: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    env_names: tuple[str, ...] = ()
    has_stdin: bool = False
    user: str = ""
    workdir: str = ""
    files: tuple[str, ...] = ()
    network: str = ""
    services: tuple[str, ...] = ()
    init: bool = False
    options: tuple[str, ...] = ()

    def map_words(self, change: Callable[[str], str]) -> CallSummary:
        """Give it with what was written on its command line changed."""
        entrypoint = None if self.entrypoint is None else tuple(map(change, self.entrypoint))
        return replace(
            self,
            argv=tuple(map(change, self.argv)),
            entrypoint=entrypoint,
            user=change(self.user),
            workdir=change(self.workdir),
            files=tuple(map(change, self.files)),
            network=change(self.network),
            options=tuple(map(change, self.options)),
        )

    def to_shell(self, *, platform: Platform, image: str) -> str:
        """Write the command that repeats the call by hand; environment values are left out."""
        words = ["docker", "run", "--rm", "--platform", str(platform)]
        words += [word for name in self.env_names for word in ("-e", name)]
        words += ["-i"] if self.has_stdin else []
        words += ["--user", self.user] if self.user else []
        words += ["--workdir", self.workdir] if self.workdir else []
        words += ["--network", self.network] if self.network else []
        words += ["--init"] if self.init else []
        words += self.options
        argv = self.argv
        if self.entrypoint is not None:
            words += ["--entrypoint", self.entrypoint[0] if self.entrypoint else ""]
            argv = (*self.entrypoint[1:], *argv)
        return " ".join(map(_quote, [*words, image, *argv]))


def _quote(word: str) -> str:
    """Quote a word for a shell; one with control characters as bash, zsh and ash read it."""
    if word.isprintable():
        return shlex.quote(word)
    special = {"\n": "\\n", "\t": "\\t", "'": "\\'", "\\": "\\\\"}
    return f"$'{''.join(special.get(each) or _spell(each) for each in word)}'"


def _spell(character: str) -> str:
    if character.isprintable():
        return character
    is_byte = "\udc80" <= character <= "\udcff"
    data = character.encode("utf-8", "surrogateescape" if is_byte else "surrogatepass")
    return "".join(f"\\x{byte:02x}" for byte in data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Where the time of one call went, in seconds; None where there was no such step.

    `inside_s` is the engine's own account of the program's time: from its start to its end.
    """

    create_s: float | None = None
    start_s: float | None = None
    inside_s: float | None = None
    wait_s: float | None = None
    remove_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One output stream: its size and digest, and as many of its first bytes as are kept."""

    size: int
    sha256: str
    head: bytes = field(repr=False)

    @property
    def is_whole(self) -> bool:
        return len(self.head) == self.size


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What a program did: exit code, output, time.

    `stdout` and `stderr` are text, decoded as UTF-8 with undecodable bytes escaped as `\\xNN`;
    `stdout_bytes` and `stderr_bytes` are exact. Asking for output beyond the limit raises
    `OutputTooLargeError`. `wall_s` is the whole call as the test saw it.
    """

    exit_code: int
    out: Output = field(repr=False)
    err: Output = field(repr=False)
    wall_s: float
    timings: Timings
    platform: Platform
    execution: Execution
    command: CallSummary = field(repr=False)

    @property
    def stdout_bytes(self) -> bytes:
        return _give_whole(self.out, "stdout")

    @property
    def stderr_bytes(self) -> bytes:
        return _give_whole(self.err, "stderr")

    @property
    def stdout(self) -> str:
        return self.stdout_bytes.decode("utf-8", "backslashreplace")

    @property
    def stderr(self) -> str:
        return self.stderr_bytes.decode("utf-8", "backslashreplace")

    def __repr__(self) -> str:
        parts = [f"exit_code={self.exit_code}"]
        for name, output in (("stdout", self.out), ("stderr", self.err)):
            text = output.head[:500].decode("utf-8", "backslashreplace")
            more = f" ... {output.size} bytes" if output.size > 500 else ""
            parts.append(f"{name}={text!r}{more}")
        return f"RunResult({', '.join(parts)}, platform={self.platform}, {self.execution})"


def _give_whole(output: Output, name: str) -> bytes:
    if not output.is_whole:
        raise OutputTooLargeError(
            f"{name} has {output.size} bytes, of which the first {len(output.head)} are kept",
            cure="let the program write to a file and copy that out, or print less; "
            "the whole output was digested and is compared across platforms all the same",
        )
    return output.head


def check_argv(argv: tuple[object, ...], *, what: str) -> tuple[str, ...]:
    """Check that a command is given as separate words.

    Raises:
        UsageError: it is a list, or a word is not text.
    """
    for word in argv:
        if isinstance(word, (list, tuple)):
            raise UsageError(
                f"{what} takes the command as separate arguments, found {word!r}",
                cure=f"write {what}({', '.join(map(repr, word))}), or put a * before the list",
            )
        if not isinstance(word, str):
            raise UsageError(
                f"{what}: {word!r} is not text", cure=f"pass str({word!r}) if that is meant"
            )
        if "\0" in word:
            raise UsageError(f"{what}: {word!r} holds a NUL, which no program can be given")
    return tuple(str(word) for word in argv)
