"""The programs that are about to run: found as the runtime finds them, their ELF headers checked.

On an amd64 machine an amd64 program in an arm64 entry runs natively and passes every test; only
its header tells.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_multiarch.core.audit import explain_foreign
from pytest_multiarch.core.command import DEFAULT_PATH, MOST_COMMANDS, Command, find_env_program
from pytest_multiarch.core.elf import ElfHeader, parse_elf_header, parse_shebang
from pytest_multiarch.core.errors import (
    ContainerError,
    EngineError,
    EngineGoneError,
    WrongArchitectureError,
)
from pytest_multiarch.core.fitting import is_foreign

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.ports import Engine, PathStat
    from pytest_multiarch.core.variant import ResolvedVariant

_HEAD_SIZE = 256
_MOST_LINKS = 40
_MOST_INTERPRETERS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """A command, and where its programs are looked up.

    The first `entrypoint_size` of `words` are the entrypoint. `files` digests what was put into
    the container; `is_fresh`: nothing else has changed in it since it was created.
    """

    words: tuple[str, ...]
    path: str
    workdir: str
    entrypoint_size: int = 0
    files: str = ""
    is_fresh: bool = True

    @classmethod
    def in_variant(
        cls, variant: ResolvedVariant, words: Sequence[str], *, path: str = "", workdir: str = ""
    ) -> Lookup:
        """Look words up as in a container of the variant; PATH and folder may be overridden."""
        own = next((e[5:] for e in variant.config.env if e.startswith("PATH=")), "")
        return cls(
            words=tuple(words),
            path=path or own or DEFAULT_PATH,
            workdir=posixpath.join("/", variant.config.workdir, workdir),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program of an image: it and its interpreters, as far as they are ELF files, by path."""

    is_script: bool
    headers: tuple[tuple[str, ElfHeader], ...]


def check_command(
    find: Callable[[str], Program | None], lookup: Lookup, platform: Platform, *, image: str
) -> None:
    """Check every program that a command starts with; `find` looks a word up.

    A program that is not found passes here: the engine says it better when it starts it.

    Raises:
        WrongArchitectureError: one of them is an ELF file for another architecture.
    """
    command = Command(lookup.words, lookup.entrypoint_size)
    for _ in range(MOST_COMMANDS):
        program = find(command.words[0]) if command.words and command.words[0] else None
        if program is None:
            return
        for path, header in program.headers:
            if is_foreign(header, platform):
                what, cure = explain_foreign(image, platform, path, header)
                error = WrongArchitectureError(what, cure=cure)
                error.is_of_image = lookup.is_fresh and not lookup.files
                raise error
        command = command.find_next(is_script=program.is_script)


def find_program(engine: Engine, container_id: str, word: str, lookup: Lookup) -> Program | None:
    """Look a program up in a container, and read it and its interpreters; None if not found."""
    finder = _Finder(engine, container_id, replace(lookup, words=(word,)))
    found = list(finder.walk())
    if not found:
        return None
    headers = ((path, parse_elf_header(head)) for path, head in found)
    return Program(
        is_script=bool(parse_shebang(found[0][1])),
        headers=tuple((path, header) for path, header in headers if header is not None),
    )


class _Finder:
    def __init__(self, engine: Engine, container_id: str, lookup: Lookup) -> None:
        self._engine = engine
        self._id = container_id
        self._lookup = lookup

    def walk(self) -> Iterator[tuple[str, bytes]]:
        """Give path and first bytes of the program, then of its interpreters."""
        word = self._lookup.words[0]
        for _ in range(_MOST_INTERPRETERS):
            found = self._read(word)
            if found is None:
                return
            yield found
            words = parse_shebang(found[1])
            if not words:
                return
            word = words[0]
            if posixpath.basename(word) == "env" and len(words) > 1:
                env = self._read(word)
                if env is not None:
                    yield env
                word = find_env_program(words[1])

    def _read(self, word: str) -> tuple[str, bytes] | None:
        path = self._find(word) if word else None
        if path is None:
            return None
        try:
            return path, self._engine.read_head(self._id, path, size=_HEAD_SIZE)
        except ContainerError:
            return None  # no regular file

    def _find(self, word: str) -> str | None:
        if "/" in word:
            return self._follow(posixpath.join(self._lookup.workdir, word))
        for folder in self._lookup.path.split(":"):
            path = self._follow(posixpath.join(self._lookup.workdir, folder or ".", word))
            if path is not None:
                return path
        return None

    def _follow(self, path: str) -> str | None:
        for _ in range(_MOST_LINKS):
            stat = self._stat(path)
            if stat is None or stat.is_directory:
                return None
            if not stat.link_target:
                return path if stat.mode & 0o111 else None
            path = posixpath.join(posixpath.dirname(path), stat.link_target)
        return None

    def _stat(self, path: str) -> PathStat | None:
        try:
            return self._engine.stat_path(self._id, path)
        except EngineGoneError:
            raise
        except EngineError:
            return None  # a loop of links, a file taken for a folder: engines answer 500
