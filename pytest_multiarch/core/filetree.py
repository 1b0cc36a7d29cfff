"""The files of an image as its layers give them: one tree, with whiteouts and links applied.

Layer semantics from the OCI image specification (`layer.md`): a later entry replaces an earlier
one, `.wh.NAME` removes it, `.wh..wh..opq` removes all that earlier layers have in its folder.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from pytest_multiarch.core.elf import ElfFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_multiarch.core.packages import Package

_MOST_LINKS = 40
"""As many as Linux follows."""


class FileKind(Enum):
    """What a path is; the values are what messages say."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    DEVICE = "device"


@dataclass(frozen=True, slots=True)
class Script:
    """A file that begins with `#!`: its interpreter's path, and the one argument, if any."""

    interpreter: str
    argument: str = ""


@dataclass(frozen=True, slots=True)
class ForeignFormat:
    """A program in the format of another operating system: `Mach-O`, or `PE` (Windows)."""

    name: str


Program = ElfFile | Script | ForeignFormat


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One path of an image. Hard links are files of their own, with the same content.

    `path` is absolute and normalized. `mode` are the permission bits, with setuid, setgid and
    sticky. `target` is a link's text as it stands. `digest` is the SHA-256 (hexadecimal) of a
    file's content, empty where it was not read. `program` is what the first bytes say.
    `layer` counts from 0, the base; -1 where that is not known.
    """

    path: str
    kind: FileKind
    mode: int = 0
    uid: int = 0
    gid: int = 0
    size: int = 0
    target: str = ""
    digest: str = ""
    program: Program | None = None
    layer: int = -1

    @property
    def is_executable(self) -> bool:
        return self.kind is FileKind.FILE and bool(self.mode & 0o111)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What one layer does to the tree below it.

    `digest` is that of the layer as it is stored, `diff_id` that of the unpacked archive; `size`
    is the unpacked archive's, in bytes. `whiteouts` are paths that it removes, `opaque` folders
    that it empties, both of the layers below. `packages` are those of each package database that
    it holds, by the database's path; `texts` the content of small files that describe the image
    (`/etc/os-release`). `notes` say what was not read, and why.
    """

    digest: str
    diff_id: str
    size: int = 0
    entries: tuple[FileEntry, ...] = ()
    whiteouts: tuple[str, ...] = ()
    opaque: tuple[str, ...] = ()
    packages: Mapping[str, tuple[Package, ...]] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
