"""One layer of an image, read from its bytes: nothing is unpacked to disk, nothing is executed.

What it says of itself is data from outside: names cannot lead out of the root, and what is kept
in memory is bounded, whatever the archive holds.
"""

from __future__ import annotations

import hashlib
import posixpath
import sys
from collections import Counter
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_multiarch.core.elf import ELF_MAGIC, find_further_part
from pytest_multiarch.core.errors import ImageError
from pytest_multiarch.core.filetree import FileEntry, FileKind, Layer
from pytest_multiarch.core.program_format import HEAD_SIZE, recognize_program
from pytest_multiarch.files.archive_error import ArchiveError
from pytest_multiarch.files.layer_content import ContentKeeper
from pytest_multiarch.files.layer_stream import LayerStream
from pytest_multiarch.files.tar_reader import (
    DEVICES,
    FILES,
    FOLDER,
    HARD_LINK,
    LINK,
    Member,
    TarReader,
)

if TYPE_CHECKING:
    from pytest_multiarch.core.filetree import Program
    from pytest_multiarch.core.manifest import StoredLayer
    from pytest_multiarch.core.ports import ByteStream

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_PATH_LIMIT = 4096
"""The longest path that Linux takes, in bytes."""
_DIGESTS_BUDGET = 48 * 1024**2
_BUDGET = 80 * 1024**2
"""How much memory the entries of one layer may take: some 300,000 files."""
_ENTRY_COST = 176
_KINDS = {LINK: FileKind.LINK, FOLDER: FileKind.FOLDER, **dict.fromkeys(DEVICES, FileKind.DEVICE)}


def read_layer(stored: StoredLayer, stream: ByteStream) -> Layer:
    """Read what a layer holds, to its end, and verify both its digests as far as they are given.

    Raises:
        ImageError: it is broken, cut short, larger than is read, or not what its digest says.
    """
    try:
        _refuse_encrypted(stored)
        with closing(LayerStream(stored, stream)) as unpacked:
            scan = _Scan(unpacked)
            scan.read_members()
            diff_id = unpacked.finish()
        return scan.make_layer(stored, diff_id)
    except ArchiveError as error:
        name = f"layer {stored.digest or stored.diff_id}".rstrip()
        raise ImageError(f"{name} cannot be read: {error.what}", cure=error.cure) from None


def _refuse_encrypted(stored: StoredLayer) -> None:
    if stored.media_type.endswith("+encrypted"):
        raise ArchiveError("it is encrypted", cure="look at the image before it is encrypted")


class _Scan:
    """Goes through an archive once and keeps what is told of it."""

    def __init__(self, stream: LayerStream) -> None:
        self._stream = stream
        self._tar = TarReader(stream.read_block)
        self._entries: list[FileEntry] = []
        self._hard_links: list[int] = []
        self._whiteouts: list[str] = []
        self._opaque: list[str] = []
        self._known_folders: set[str] = {"/"}
        self._programs: dict[Program, Program] = {}
        self._content = ContentKeeper()
        self._left_out: Counter[str] = Counter()
        self._cost = 0

    def read_members(self) -> None:
        """Read all of it.

        Raises:
            ArchiveError: it cannot be read to its end, or holds more than is kept.
        """
        while (member := self._tar.read_member()) is not None:
            path = _normalize(member.name)
            if len(path) > _PATH_LIMIT or "\0" in path:
                self._left_out["with names that no file system takes"] += 1
                continue
            folder, _, name = path.rpartition("/")
            if name.startswith(_WHITEOUT):
                self._take_whiteout(folder or "/", name)
            else:
                self._take_member(member, path)
            self._count_folder(folder)

    def make_layer(self, stored: StoredLayer, diff_id: str) -> Layer:
        """Give what was read."""
        unresolved = self._resolve_hard_links()
        return Layer(
            digest=stored.digest,
            diff_id=diff_id,
            size=self._stream.size,
            compression=self._stream.compression,
            entries=tuple(self._entries),
            hard_links=unresolved,
            whiteouts=tuple(self._whiteouts),
            opaque=tuple(self._opaque),
            packages=self._content.packages,
            texts=self._content.texts,
            notes=self._write_notes(stored, diff_id),
        )

    def _write_notes(self, stored: StoredLayer, diff_id: str) -> tuple[str, ...]:
        notes = [
            f"{count:,} entries {which} were left out" for which, count in self._left_out.items()
        ]
        if self._cost > _DIGESTS_BUDGET:
            notes.append("it holds so many files that the last ones' contents were not read")
        told, found = _read_media_type(stored.media_type), self._stream.compression
        if told is not None and told != found:
            names = told or "no compression", found or "not compressed"
            notes.append("its media type says {}, and its bytes are {}".format(*names))
        return tuple(
            f"layer {stored.digest or diff_id}: {each}" for each in (*notes, *self._content.notes)
        )

    def _take_whiteout(self, folder: str, name: str) -> None:
        hidden = name[len(_WHITEOUT) :]
        if name == _OPAQUE:
            self._opaque.append(folder)
            self._count(folder)
        elif hidden.startswith(_WHITEOUT):
            return  # what AUFS, an old storage driver, kept for itself
        elif hidden in {"", ".", ".."}:
            self._left_out["that remove no name"] += 1
        else:
            path = posixpath.join(folder, hidden)
            self._whiteouts.append(path)
            self._count(path)

    def _take_member(self, member: Member, path: str) -> None:
        if member.type in FILES:
            self._take_file(member, path)
        elif member.type == HARD_LINK:
            self._hard_links.append(len(self._entries))
            target = _normalize(member.target)[: _PATH_LIMIT + 1]
            self._keep(FileEntry(path, FileKind.FILE, target=target))
        elif member.type in _KINDS:
            kind = _KINDS[member.type]
            target = member.target[:_PATH_LIMIT]
            self._keep(FileEntry(path, kind, member.mode, member.uid, member.gid, 0, target))
        else:
            self._left_out["of a kind that engines do not know"] += 1

    def _take_file(self, member: Member, path: str) -> None:
        program, digest = self._read_content(member, path)
        self._keep(
            FileEntry(
                path,
                FileKind.FILE,
                member.mode,
                member.uid,
                member.gid,
                member.size,
                "",
                digest,
                program if program is None else self._share(program),
            )
        )

    def _share(self, program: Program) -> Program:
        """Give the one that was seen before, if there was one: most of an image's are alike."""
        known = self._programs.get(program)
        if known is None:
            known = self._programs[program] = program
            self._count(repr(program))
        return known

    def _read_content(self, member: Member, path: str) -> tuple[Program | None, str]:
        """Give what a file is, and the digest of its content, empty where it is not worth it."""
        if self._content.wants(path, member.size) and not member.is_sparse:
            data = self._tar.read(member.size)
            self._content.keep(path, data)
            return recognize_program(data[:HEAD_SIZE]), hashlib.sha256(data).hexdigest()
        head = self._tar.read(HEAD_SIZE)
        if head.startswith(ELF_MAGIC):
            return self._read_elf_file(head), ""
        program = recognize_program(head)
        if member.is_sparse or self._cost > _DIGESTS_BUDGET:
            return program, ""
        content = hashlib.sha256(head)
        if self._tar.left:
            for part in self._tar.iterate(self._tar.left):
                content.update(part)
        return program, content.hexdigest()

    def _read_elf_file(self, head: bytes) -> Program | None:
        further: dict[int, bytes] = {}
        position = len(head)
        while (part := find_further_part(head, further)) is not None:
            offset, size = part
            if not position <= offset < position + self._tar.left:
                break
            for _ in self._tar.iterate(offset - position):
                pass
            further[offset] = self._tar.read(size)
            position = offset + size
        return recognize_program(head, further)

    def _resolve_hard_links(self) -> tuple[tuple[str, str], ...]:
        """Make files of hard links; give (path, target) of those whose target is not here."""
        links = {index: self._entries[index] for index in self._hard_links}
        targets = {each.target for each in links.values()}
        found = {
            each.path: each
            for index, each in enumerate(self._entries)
            if each.path in targets and index not in links
        }
        unresolved = {}
        for index, link in links.items():
            target = found.get(link.target)
            if target is None:
                unresolved[index] = link.path, link.target
            else:
                self._entries[index] = replace(target, path=link.path)
                found.setdefault(link.path, self._entries[index])
        if unresolved:
            kept = (each for i, each in enumerate(self._entries) if i not in unresolved)
            self._entries = list(kept)
        return tuple(unresolved.values())

    def _keep(self, entry: FileEntry) -> None:
        self._entries.append(entry)
        self._count(entry.path, entry.target, entry.digest)

    def _count_folder(self, folder: str) -> None:
        """Count a folder that may not be listed itself, and those above it."""
        while folder and folder not in self._known_folders:
            self._known_folders.add(folder)
            self._count(folder)
            folder = folder.rpartition("/")[0]

    def _count(self, *texts: str) -> None:
        """Count the memory that something takes.

        Raises:
            ArchiveError: all of it together is too much.
        """
        self._cost += _ENTRY_COST
        for text in texts:
            if text:
                self._cost += sys.getsizeof(text)
        if self._cost > _BUDGET:
            kept = len(self._entries) + len(self._whiteouts)
            raise ArchiveError(
                f"it holds too many files: after {kept:,} the names take all of the "
                f"{_BUDGET // 1024**2} MB of memory that there are for one layer",
                cure="spread them over several layers, or keep them in an archive",
            )


def _normalize(name: str) -> str:
    """Give the absolute path that a name in an archive is for: nothing leads out of the root."""
    path = "/" + name.strip("/")
    return posixpath.normpath(path) if "/." in path or "//" in path else path


def _read_media_type(media_type: str) -> str | None:
    """Give the compression that a media type names, empty for none; None if it does not say."""
    if media_type.endswith("gzip"):
        return "gzip"
    if media_type.endswith("zstd"):
        return "zstd"
    return "" if media_type.endswith("tar") else None
