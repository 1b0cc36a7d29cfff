"""The program that is about to run: found as the runtime finds it, its ELF header checked.

On an amd64 machine an amd64 program in an arm64 entry runs natively and passes every test; only
its header tells.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_multiarch.core.elf import parse_elf_header, parse_shebang
from pytest_multiarch.core.errors import WrongArchitectureError
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.ports import Engine
from pytest_multiarch.core.variant import ResolvedVariant

_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_HEAD_SIZE = 256
_MOST_LINKS = 40
_MOST_INTERPRETERS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """Where a program's name is looked up: its words, PATH and working directory."""

    words: tuple[str, ...]
    path: str
    workdir: str

    @classmethod
    def in_variant(
        cls, variant: ResolvedVariant, words: Sequence[str], *, path: str = "", workdir: str = ""
    ) -> Lookup:
        """Look words up as in a container of the variant; PATH and folder may be overridden."""
        own = next((e[5:] for e in variant.config.env if e.startswith("PATH=")), "")
        return cls(
            words=tuple(words[:2]),
            path=path or own or _DEFAULT_PATH,
            workdir=workdir or variant.config.workdir or "/",
        )


def check_program(
    engine: Engine, container_id: str, lookup: Lookup, platform: Platform, *, image: str
) -> None:
    """Check every program that a command starts with: the first word, and its interpreters.

    A program that is not found passes here: the engine says it better when it starts it.

    Raises:
        WrongArchitectureError: one of them is an ELF file for another architecture.
    """
    finder = _Finder(engine, container_id, lookup)
    for path, head in finder.walk():
        header = parse_elf_header(head)
        if header is None or header.fits(platform) or _runs_anyway(header.architecture, platform):
            continue
        raise WrongArchitectureError(
            f"{image}: the variant for {platform} holds a program for another architecture: "
            f"{path} is {header.label}",
            cure=f"build that file for {platform} (a COPY from the host or a base image pinned to "
            "one platform is the usual cause); it may run here by accident, and will not on "
            f"{platform} hardware",
        )


def _runs_anyway(architecture: str, platform: Platform) -> bool:
    """Every amd64 CPU and kernel runs 386 programs; of other pairs that is not true."""
    return architecture == "386" and platform.architecture == "amd64"


class _Finder:
    def __init__(self, engine: Engine, container_id: str, lookup: Lookup) -> None:
        self._engine = engine
        self._id = container_id
        self._lookup = lookup

    def walk(self) -> Iterator[tuple[str, bytes]]:
        """Give path and first bytes of the program, then of its interpreters."""
        words = self._lookup.words
        is_script = False
        for _ in range(_MOST_INTERPRETERS):
            path = self._find(words[0]) if words and words[0] else None
            if path is None:
                break
            head = self._engine.read_head(self._id, path, size=_HEAD_SIZE)
            yield path, head
            words = parse_shebang(head)
            if not words:
                break
            is_script = True
            if posixpath.basename(words[0]) == "env" and len(words) > 1:
                yield from self._read(words[0])
                words = tuple(words[1].removeprefix("-S ").split()[:1])
        if is_script and len(self._lookup.words) > 1:
            # An entrypoint script almost always ends in `exec "$@"`.
            yield from self._read(self._lookup.words[1])

    def _read(self, word: str) -> Iterator[tuple[str, bytes]]:
        path = self._find(word) if word else None
        if path is not None:
            yield path, self._engine.read_head(self._id, path, size=_HEAD_SIZE)

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
            stat = self._engine.stat_path(self._id, path)
            if stat is None or stat.is_directory:
                return None
            if not stat.link_target:
                return path if stat.mode & 0o111 else None
            path = posixpath.join(posixpath.dirname(path), stat.link_target)
        return None
