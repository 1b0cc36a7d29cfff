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
from typing import TYPE_CHECKING, Any, Protocol

from pytest_multiarch.core.command import Command
from pytest_multiarch.core.elf import ElfFile
from pytest_multiarch.core.filetree import FileEntry, FileKind
from pytest_multiarch.core.names import mask_own_names
from pytest_multiarch.core.reached import Files, list_called, list_lookups
from pytest_multiarch.core.shown_text import show_text
from pytest_multiarch.core.static_parity import (
    MISSING,
    StaticDifference,
    StaticPart,
    compare_configs,
    compare_trees,
    describe_config,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from pytest_multiarch.core.call import Call
    from pytest_multiarch.core.index import ImageConfig
    from pytest_multiarch.core.platform import Platform

_MOST_CAUSES = 5
_MOST_LINKS = 40
_TELLING = ("missing", "kind", "target", "content")
_MOST_LIBRARIES = 60
_MOST_NAMED = 20
_PATH = re.compile(r"(?<![\w./~-])/[\w.@+~-][\w.@+~/-]*")
_LONGEST_PATH = 4096
_READ_BY_MANY = re.compile(r"LANG|LANGUAGE|LC_[A-Z]+|TZ|LD_[A-Z_]+|HOME")
"""Variables that programs heed without naming them."""
_LIBRARY_FOLDERS = ("/lib", "/usr/lib", "/usr/local/lib", "/lib64", "/usr/lib64")
_TRIPLES = {
    "amd64": ("x86_64-linux-gnu",),
    "386": ("i386-linux-gnu",),
    "arm64": ("aarch64-linux-gnu",),
    "arm": ("arm-linux-gnueabihf", "arm-linux-gnueabi"),
    "mips64le": ("mips64el-linux-gnuabi64",),
    "ppc64le": ("powerpc64le-linux-gnu",),
    "s390x": ("s390x-linux-gnu",),
    "riscv64": ("riscv64-linux-gnu",),
    "loong64": ("loongarch64-linux-gnu",),
}
"""Debian's names of the folders of libraries, https://wiki.debian.org/Multiarch/Tuples."""


class Contents(Files, Protocol):
    """The files of an image, and what they are linked with."""

    @property
    def unread(self) -> Collection[str]:
        """Paths of which nothing is known, since they could not be read."""

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

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """The paths that the call comes to, and what links on the way lead to."""
        return tuple(dict.fromkeys(self._list_paths()))

    def _list_paths(self) -> Iterator[str]:
        for word in self._list_programs():
            for path in list_lookups(self.place, word):
                chain = tuple(self._follow(path))
                yield from chain
                if not chain or self._is_file(chain[-1]):
                    break
        for path in islice(self._list_named(), _MOST_NAMED):
            yield from self._follow(path)

    def _list_programs(self) -> Iterator[str]:
        command = Command(self.words, self.entrypoint_size)
        yield from (each.word for each in list_called(self.tree, self.place, command))

    def _list_named(self) -> Iterator[str]:
        for word in self.words:
            yield from list_named_paths([word])
            if word and not word.startswith(("-", "/")) and len(word) < 256 and " " not in word:
                yield posixpath.join(self.place.workdir, word)

    def _follow(self, path: str) -> Iterator[str]:
        """Give a path and where its links lead, as far as the test did not put it there."""
        for _ in range(_MOST_LINKS):
            path = posixpath.normpath(path)
            if self._is_given(path):
                return
            yield path
            entry = self.tree.find(path)
            if entry is None or entry.kind is not FileKind.LINK:
                return
            path = posixpath.join(posixpath.dirname(entry.path), entry.target)

    def _is_file(self, path: str) -> bool:
        found = self.tree.find(path)
        return found is not None and found.kind is FileKind.FILE

    def list_libraries(self) -> Mapping[str, tuple[str, ...]]:
        """Give the files of the libraries of the call's programs, and of these in turn.

        By their names without version (`libjq` for `libjq.so.1`): the file's name, and where its
        links lead. What was not found is not among them.
        """
        found: dict[str, tuple[str, ...]] = {}
        seen: set[str] = set()
        programs = (self.tree.follow(path) for path in self.paths)
        pending = [e for e in programs if e is not None and isinstance(e.program, ElfFile)]
        while pending:
            for name in self.tree.read_libraries(pending.pop()):
                if name in seen or "/" in name or len(seen) >= _MOST_LIBRARIES:
                    continue
                seen.add(name)
                chain = tuple(self._find_library(name))
                if not chain or chain[-1].kind is not FileKind.FILE:
                    continue
                stem = mask_own_names(name, self.platform).partition(".so")[0]
                found[stem] = tuple(posixpath.basename(each.path) for each in chain)
                pending.append(chain[-1])
        return found

    def _find_library(self, name: str) -> Iterator[FileEntry]:
        triples = _TRIPLES.get(self.platform.architecture, ())
        for folder in _LIBRARY_FOLDERS:
            for place in (*(f"{folder}/{each}" for each in triples), folder):
                chain = [self.tree.find(each) for each in self._follow(f"{place}/{name}")]
                if chain and chain[0] is not None:
                    yield from (each for each in chain if each is not None)
                    return

    @cached_property
    def _given(self) -> tuple[str, ...]:
        return tuple(posixpath.normpath("/" + each.lstrip("/")) for each in self.put_in)

    def _is_given(self, path: str) -> bool:
        return any(path == e or path.startswith(f"{e.rstrip('/')}/") for e in self._given)

    def heeds(self, difference: StaticDifference, texts: Iterable[str]) -> bool:
        """Tell whether a setting of the config is one that the call comes to.

        A variable is, if many programs heed it, or the command line asks for it (`$NAME`), or what
        it holds is a word of `texts`: what the call printed.
        """
        call = self.call
        kind, _, name = difference.subject.partition(" ")
        match kind:
            case "Env":
                if name in call.env:
                    return False
                if _READ_BY_MANY.fullmatch(name):
                    return True
                asked = rf"\$\{{?{re.escape(name)}(?!\w)"
                if name in self.words or any(re.search(asked, word) for word in self.words):
                    return True
                value = difference.values.get(self.platform, MISSING)
                told = rf"(?<!\w){re.escape(value)}(?!\w)"
                is_word = len(value) > 2 and value != MISSING
                return is_word and any(re.search(told, text) for text in texts)
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


def list_named_paths(words: Iterable[str]) -> tuple[str, ...]:
    """Give the absolute paths that the words of a command line name, also within scripts."""
    found = (each for word in words for each in _PATH.findall(word))
    return tuple(each for each in found if len(each) <= _LONGEST_PATH)


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
    configs = {each.platform: _describe_settings(each.config) for each in (ours, theirs)}
    for difference in compare_configs(configs, baseline=ours.platform):
        if any(each.heeds(difference, texts[each.platform]) for each in (ours, theirs)):
            yield difference


def _describe_settings(config: ImageConfig) -> dict[str, Any]:
    """Give what is compared of a config, with what means the same written alike."""
    described = describe_config(config.settings)
    if described.get("User") in ("0", "root"):
        del described["User"]
    folder = posixpath.normpath(described.get("WorkingDir", "/"))
    return described | ({"WorkingDir": folder} if folder != "/" else {})


def _compare_files(ours: CallReach, theirs: CallReach) -> Iterator[StaticDifference]:
    both = ours, theirs
    paths = dict.fromkeys((*ours.paths, *theirs.paths))
    trees = {
        each.platform: [entry for path in paths if (entry := each.tree.find(path))] for each in both
    }
    unread = {path for each in both for path in each.tree.unread}
    for each in compare_trees(trees, baseline=ours.platform):
        is_known = each.aspect in _TELLING and each.subject not in unread
        if is_known and (each.aspect != "target" or _lead_apart(each)):
            yield each
    yield from _compare_libraries(ours, theirs)


def _lead_apart(difference: StaticDifference) -> bool:
    """Tell whether the texts of links name different files."""
    folder = posixpath.dirname(difference.subject)
    targets = {posixpath.normpath(posixpath.join(folder, e)) for e in difference.values.values()}
    return len(targets) > 1


def _compare_libraries(ours: CallReach, theirs: CallReach) -> Iterator[StaticDifference]:
    """Compare the names of the files of libraries that both found: these have the version."""
    mine, other = ours.list_libraries(), theirs.list_libraries()
    for stem in sorted(mine.keys() & other.keys()):
        names = [
            tuple(mask_own_names(name, each.platform) for name in found[stem])
            for each, found in ((ours, mine), (theirs, other))
        ]
        if names[0] != names[1]:
            yield StaticDifference(
                part=StaticPart.TREE,
                subject=f"the library {show_text(stem)}",
                aspect="version",
                values={
                    ours.platform: show_text(mine[stem][-1]),
                    theirs.platform: show_text(other[stem][-1]),
                },
            )


def _describe(difference: StaticDifference) -> str:
    where = ", ".join(f"{value} on {platform}" for platform, value in difference.values.items())
    is_plain = difference.aspect in ("missing", "value", "version")
    aspect = "" if is_plain else f" ({difference.aspect})"
    return f"what the call comes to differs in the images: {difference.subject}{aspect}: {where}"
