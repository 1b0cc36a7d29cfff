"""The programs that an image comes to: what it starts, what is on its PATH, and interpreters."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pytest_multiarch.core.command import (
    DEFAULT_PATH,
    MOST_COMMANDS,
    Command,
    find_env_program,
)
from pytest_multiarch.core.filetree import FileKind, Script

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_multiarch.core.filetree import FileEntry
    from pytest_multiarch.core.index import ImageConfig

_MOST_INTERPRETERS = 4


class Files(Protocol):
    """The files of an image: a `FileTree`, or one that is read as it is asked."""

    @property
    def notes(self) -> Sequence[str]:
        """What could not be read, and why."""

    def __iter__(self) -> Iterator[FileEntry]:
        """Give all entries."""

    def find(self, path: str) -> FileEntry | None:
        """Give a path itself, its parents' links followed."""

    def follow(self, path: str) -> FileEntry | None:
        """Give what a path leads to; None if nothing, or a loop."""

    def list_folder(self, path: str) -> tuple[FileEntry, ...]:
        """Give what is in a folder; nothing where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A program that an image comes to, and how.

    `by` says how: `entrypoint`, `PATH`, `interpreter of /usr/bin/tool`. `is_started`: a container
    cannot do without it. `word` is what was looked for, and `script` whose interpreter it is, if
    it is one. `entry` is None where it is not there; `by` is then how the script is reached.
    """

    by: str
    is_started: bool
    word: str
    entry: FileEntry | None = None
    script: FileEntry | None = None


def list_reached(tree: Files, config: ImageConfig) -> Iterator[Reached]:
    """Give what entrypoint, command and health check start, then what is on PATH.

    Each is followed by its interpreters. A program comes as often as there are ways to it.
    """
    finder = _Finder(tree, config)
    words = (*config.entrypoint, *config.cmd)
    by = "entrypoint" if config.entrypoint else "command"
    yield from finder.list_started(Command(words, len(config.entrypoint)), by)
    yield from finder.list_started(Command(_find_health_check(config)), "health check")
    yield from finder.list_path()


def list_called(tree: Files, config: ImageConfig, command: Command) -> Iterator[Reached]:
    """Give the programs that a command comes to in a container of the image, with interpreters."""
    yield from _Finder(tree, config).list_started(command, "call")


def list_lookups(config: ImageConfig, word: str) -> tuple[str, ...]:
    """Give the paths at which a runtime looks for a program, in its order."""
    workdir = posixpath.join("/", config.workdir)
    if "/" in word:
        return (posixpath.join(workdir, word),)
    return tuple(posixpath.join(folder, word) for folder in _list_folders(config, workdir))


def _list_folders(config: ImageConfig, workdir: str) -> list[str]:
    path = next((each[5:] for each in config.env if each.startswith("PATH=")), DEFAULT_PATH)
    return [posixpath.join(workdir, each or ".") for each in path.split(":")]


def _find_health_check(config: ImageConfig) -> tuple[str, ...]:
    check = config.settings.get("Healthcheck")
    test = check.get("Test") if isinstance(check, dict) else None
    match test if isinstance(test, list) else []:
        case ["CMD", *words] if all(isinstance(each, str) for each in words):
            return tuple(words)
        case ["CMD-SHELL", str(script)]:
            return ("/bin/sh", "-c", script)
        case _:
            return ()


class _Finder:
    """Looks programs up as a container runtime does."""

    def __init__(self, tree: Files, config: ImageConfig) -> None:
        self._tree = tree
        self._config = config
        self._folders = _list_folders(config, posixpath.join("/", config.workdir))

    def list_started(self, command: Command, by: str) -> Iterator[Reached]:
        """Give the program of a command, then what it starts in its turn."""
        for position in range(MOST_COMMANDS):
            word = command.words[0] if command.words else ""
            if not word:
                return
            entry = self._find(word)
            if entry is None:
                # Of what only may be a program in its turn nothing is known.
                if position == 0:
                    yield Reached(by=by, is_started=True, word=word)
                return
            yield Reached(by=by, is_started=True, word=word, entry=entry)
            yield from self._list_interpreters(entry, by, is_started=True)
            command = command.find_next(is_script=isinstance(entry.program, Script))

    def list_path(self) -> Iterator[Reached]:
        """Give the programs in the folders of PATH; links that lead nowhere are none."""
        for folder in dict.fromkeys(self._folders):
            for listed in self._tree.list_folder(folder):
                is_link = listed.kind is FileKind.LINK
                entry = self._tree.follow(listed.path) if is_link else listed
                if entry is not None and entry.is_executable:
                    yield Reached(by="PATH", is_started=False, word=listed.path, entry=entry)
                    yield from self._list_interpreters(entry, "PATH", is_started=False)

    def _list_interpreters(
        self, script: FileEntry, by: str, *, is_started: bool
    ) -> Iterator[Reached]:
        for _ in range(_MOST_INTERPRETERS):
            if not isinstance(script.program, Script):
                return
            words = _list_programs(script.program)
            found = None
            for word in words:
                found = self._find(word)
                yield Reached(
                    by=f"interpreter of {script.path}" if found else by,
                    is_started=is_started,
                    word=word,
                    entry=found,
                    script=script,
                )
                if found is None:
                    return
            if found is None:
                return
            script = found

    def _find(self, word: str) -> FileEntry | None:
        found = map(self._follow, list_lookups(self._config, word))
        return next((each for each in found if each is not None), None)

    def _follow(self, path: str) -> FileEntry | None:
        entry = self._tree.follow(path)
        return entry if entry is not None and entry.is_executable else None


def _list_programs(script: Script) -> tuple[str, ...]:
    """Give the interpreter of a script, and what `env` starts if that is it."""
    if posixpath.basename(script.interpreter) != "env":
        return (script.interpreter,)
    program = find_env_program(script.argument)
    return (script.interpreter, program) if program else (script.interpreter,)
