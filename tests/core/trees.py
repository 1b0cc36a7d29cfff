"""File trees made of a few lines, and of folders of this machine."""

from __future__ import annotations

import hashlib
import stat
from typing import TYPE_CHECKING

from pytest_multiarch.core.elf import ElfFile, ElfHeader, make_elf_head, parse_elf_header
from pytest_multiarch.core.filetree import FileEntry, FileKind, FileTree, Layer
from pytest_multiarch.core.program_format import recognize_program

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytest_multiarch.core.filetree import Program


def make_elf(
    architecture: str, *, loader: str = "", flags: int = 0, is_program: bool = True
) -> ElfFile:
    """Make what is known of an ELF file of an architecture."""
    head = make_elf_head(architecture)
    assert head is not None, architecture
    header = parse_elf_header(head.ljust(64, b"\0"))
    assert header is not None
    return ElfFile(
        ElfHeader(
            machine=header.machine,
            is_64bit=header.is_64bit,
            is_little_endian=header.is_little_endian,
            flags=flags,
        ),
        loader,
        is_program,
    )


X32 = ElfFile(ElfHeader(machine=62, is_64bit=False, is_little_endian=True, flags=0), "", True)


def make_tree(*layers: Mapping[str, str | Program | None]) -> FileTree:
    """Make a tree of layers that map paths to programs; a text is what a link leads to."""
    return FileTree.merge([
        Layer(digest="", diff_id=str(number), entries=tuple(_make_entries(layer)))
        for number, layer in enumerate(layers)
    ])  # fmt: skip


def _make_entries(layer: Mapping[str, str | Program | None]) -> Iterator[FileEntry]:
    for path, content in layer.items():
        if isinstance(content, str):
            yield FileEntry(path, FileKind.LINK, target=content)
        else:
            yield FileEntry(path, FileKind.FILE, 0o755, size=100, program=content)


def read_folder(root: Path) -> FileTree:
    """Read a folder as the files of an image."""
    entries = tuple(_read_entry(root, file) for file in root.rglob("*"))
    return FileTree.merge([Layer(digest="", diff_id="", entries=entries)])


def _read_entry(root: Path, file: Path) -> FileEntry:
    path = f"/{file.relative_to(root)}"
    found = file.lstat()
    mode, owner = stat.S_IMODE(found.st_mode), (found.st_uid, found.st_gid)
    if file.is_symlink():
        return FileEntry(path, FileKind.LINK, mode, *owner, target=str(file.readlink()))
    if file.is_dir():
        return FileEntry(path, FileKind.FOLDER, mode, *owner)
    content = file.read_bytes()
    return FileEntry(
        path, FileKind.FILE, mode, *owner, size=len(content),
        digest=hashlib.sha256(content).hexdigest(), program=recognize_program(content),
    )  # fmt: skip
