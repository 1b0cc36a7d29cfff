"""Static causes: in what two variants differ, of all that a call comes to, without running it.

A call comes to its program and what that starts in its turn, their interpreters and libraries, the
files that its command line names, and the settings of the image's config.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from pytest_multiarch.core.command import Command
from pytest_multiarch.core.elf import ElfFile
from pytest_multiarch.core.filetree import FileEntry, FileKind
from pytest_multiarch.core.names import mask_own_names
from pytest_multiarch.core.reached import Files, list_called, list_lookups
from pytest_multiarch.core.static_parity import (
    compare_configs,
    compare_trees,
    describe_config,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_multiarch.core.call import Call
    from pytest_multiarch.core.index import ImageConfig
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.static_parity import StaticDifference

_MOST_CAUSES = 5
_MOST_LINKS = 40
_MOST_LIBRARIES = 60
_MOST_NAMED = 20
_PATH = re.compile(r"(?<![\w./~-])/[\w.@+~-][\w.@+~/-]*")
_READ_BY_MANY = re.compile(r"LANG|LANGUAGE|LC_[A-Z]+|TZ|LD_[A-Z_]+|PATH|HOME")
"""Variables that programs heed without naming them."""
_LIBRARY_FOLDERS = ("/lib", "/usr/lib", "/usr/local/lib", "/lib64", "/usr/lib64")
_TRIPLES = {
    "amd64": "x86_64-linux-gnu",
    "386": "i386-linux-gnu",
    "arm64": "aarch64-linux-gnu",
    "arm": "arm-linux-gnueabihf",
    "ppc64le": "powerpc64le-linux-gnu",
    "s390x": "s390x-linux-gnu",
    "riscv64": "riscv64-linux-gnu",
    "loong64": "loongarch64-linux-gnu",
}
"""Debian's names of the folders of libraries, https://wiki.debian.org/Multiarch/Tuples."""


class Contents(Files, Protocol):
    """The files of an image, and what they are linked with."""

    def read_libraries(self, program: FileEntry) -> tuple[str, ...]:
        """Read with what libraries a program is linked; nothing where that cannot be read."""


@dataclass(frozen=True)
class CallReach:
    """A call on one variant, and that variant's files.

    `words` is the whole command line, of which the first `entrypoint_size` are the entrypoint.
    `put_in` are paths that the test put into the container, or mounted there.
    """

    platform: Platform
    config: ImageConfig
    call: Call
    words: tuple[str, ...]
    entrypoint_size: int
    is_exec: bool
    tree: Contents
    put_in: tuple[str, ...] = ()

    @cached_property
    def place(self) -> ImageConfig:
        """The config, with the call's own PATH and folder."""
        path = self.call.env.get("PATH", "")
        return replace(
            self.config,
            env=(f"PATH={path}",) if path else self.config.env,
            workdir=posixpath.join("/", self.config.workdir, self.call.workdir),
        )

    def list_paths(self) -> Iterator[str]:
        """Give the paths that the call comes to, and what links on the way lead to."""
        for word in self._list_programs():
            for path in list_lookups(self.place, word):
                chain = tuple(self._follow(path))
                yield from chain
                if self._is_file(chain[-1]):
                    break
        for path in islice(self._list_named(), _MOST_NAMED):
            yield from self._follow(path)

    def _list_programs(self) -> Iterator[str]:
        command = Command(self.words, self.entrypoint_size)
        yield from (each.word for each in list_called(self.tree, self.place, command))

    def _list_named(self) -> Iterator[str]:
        for word in self.words:
            yield from _PATH.findall(word)
            if word and not word.startswith(("-", "/")) and len(word) < 256 and " " not in word:
                yield posixpath.join(self.place.workdir, word)

    def _follow(self, path: str) -> Iterator[str]:
        for _ in range(_MOST_LINKS):
            path = posixpath.normpath(path)
            yield path
            entry = self.tree.find(path)
            if entry is None or entry.kind is not FileKind.LINK:
                return
            path = posixpath.join(posixpath.dirname(entry.path), entry.target)

    def _is_file(self, path: str) -> bool:
        found = self.tree.find(path)
        return found is not None and found.kind is FileKind.FILE

    def list_libraries(self) -> Mapping[str, tuple[FileEntry, ...]]:
        """Give the libraries of the call's programs, and of these in turn, links among them.

        They are named without version (`libjq` for `libjq.so.1`).
        """
        found: dict[str, tuple[FileEntry, ...]] = {}
        programs = (self.tree.follow(path) for path in self.list_paths())
        pending = [e for e in programs if e is not None and isinstance(e.program, ElfFile)]
        while pending and len(found) < _MOST_LIBRARIES:
            for name in self.tree.read_libraries(pending.pop()):
                stem = mask_own_names(name, self.platform).partition(".so")[0]
                if stem in found:
                    continue
                found[stem] = entries = tuple(self._find_library(name))
                pending += [each for each in entries[-1:] if each.kind is FileKind.FILE]
        return found

    def _find_library(self, name: str) -> Iterator[FileEntry]:
        triple = _TRIPLES.get(self.platform.architecture, "")
        for folder in _LIBRARY_FOLDERS:
            for place in (posixpath.join(folder, triple), folder):
                chain = [self.tree.find(each) for each in self._follow(f"{place}/{name}")]
                if chain[0] is not None:
                    yield from (each for each in chain if each is not None)
                    return

    def is_given(self, path: str) -> bool:
        """Tell whether the test itself put a path there."""
        return any(path == each or path.startswith(f"{each.rstrip('/')}/") for each in self.put_in)

    def heeds(self, difference: StaticDifference, texts: Iterable[str]) -> bool:
        """Tell whether a setting of the config is one that the call comes to.

        A variable is, if many programs heed it, or it is named on the command line, or what it
        holds is in `texts`: what the call printed.
        """
        call = self.call
        kind, _, name = difference.subject.partition(" ")
        match kind:
            case "Env":
                if name in call.env:
                    return False
                if _READ_BY_MANY.fullmatch(name):
                    return True
                named = rf"(?<!\w){re.escape(name)}(?!\w)"
                value = difference.values.get(self.platform, "")
                is_told = len(value) > 2 and any(value in text for text in texts)
                return is_told or any(re.search(named, word) for word in self.words)
            case "Entrypoint":
                return not self.is_exec and call.entrypoint is None
            case "Cmd":
                return not self.is_exec and call.entrypoint is None and not call.argv
            case "User":
                return not call.user
            case "WorkingDir":
                return not call.workdir
            case _:
                return False


def find_static_causes(
    ours: CallReach, theirs: CallReach, *, texts: Mapping[Platform, Iterable[str]]
) -> tuple[str, ...]:
    """Say in what two variants differ, of what a call on both comes to, a sentence each.

    `texts` are what it printed on each.
    """
    found = [*_compare_settings(ours, theirs, texts), *_compare_files(ours, theirs)]
    causes = [_describe(each) for each in found[:_MOST_CAUSES]]
    if len(found) > _MOST_CAUSES:
        causes.append(f"and {len(found) - _MOST_CAUSES} more such differences of the two images")
    return tuple(causes)


def _compare_settings(
    ours: CallReach, theirs: CallReach, texts: Mapping[Platform, Iterable[str]]
) -> Iterator[StaticDifference]:
    configs = {each.platform: describe_config(each.config.settings) for each in (ours, theirs)}
    for difference in compare_configs(configs, baseline=ours.platform):
        if any(each.heeds(difference, texts[each.platform]) for each in (ours, theirs)):
            yield difference


def _compare_files(ours: CallReach, theirs: CallReach) -> tuple[StaticDifference, ...]:
    paths = dict.fromkeys((*ours.list_paths(), *theirs.list_paths()))
    wanted = [each for each in paths if not (ours.is_given(each) or theirs.is_given(each))]
    trees = {
        each.platform: [entry for path in wanted if (entry := each.tree.find(path))]
        for each in (ours, theirs)
    }
    libraries = {each.platform: each.list_libraries() for each in (ours, theirs)}
    shared = libraries[ours.platform].keys() & libraries[theirs.platform].keys()
    for platform, known in libraries.items():
        trees[platform] += [entry for stem in sorted(shared) for entry in known[stem]]
    return compare_trees(trees, baseline=ours.platform)


def _describe(difference: StaticDifference) -> str:
    where = ", ".join(f"{value} on {platform}" for platform, value in difference.values.items())
    aspect = "" if difference.aspect in ("missing", "value") else f" ({difference.aspect})"
    return f"what the call comes to differs in the images: {difference.subject}{aspect}: {where}"
