"""Reading files out of a container, one after the other, in bounded memory."""

from __future__ import annotations

import posixpath
import tarfile
from typing import IO, TYPE_CHECKING, cast

from pytest_multiarch.core.copied_file import CopiedFile
from pytest_multiarch.core.filetree import FileEntry, FileKind
from pytest_multiarch.run.output import OutputCollector

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_multiarch.core.call import Output
    from pytest_multiarch.core.ports import Engine

_CHUNK = 1 << 18


def read_copied_files(
    engine: Engine, container_id: str, path: str
) -> Generator[CopiedFile, None, None]:
    """Give what is at a path of a container, then all that is below it, as the engine packs it.

    Raises:
        ContainerError: there is no such path.
    """
    contents: dict[str, Output] = {}
    with (
        engine.open_archive(container_id, path) as stream,
        tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r|") as tar,
    ):
        for member in tar:
            name = member.name.rstrip("/")
            relative = name.partition("/")[2]
            content = None
            if member.isreg():
                content = contents[name] = _read_content(tar, member)
            elif member.islnk():
                content = contents.get(member.linkname)
            yield CopiedFile(_make_entry(member, posixpath.normpath(relative)), content)


def _read_content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Output:
    collector = OutputCollector()
    source = tar.extractfile(member)
    while source is not None and (chunk := source.read(_CHUNK)):
        collector.add(chunk)
    return collector.finish()


def _make_entry(member: tarfile.TarInfo, path: str) -> FileEntry:
    kind = FileKind.DEVICE
    if member.isreg() or member.islnk():
        kind = FileKind.FILE
    elif member.isdir():
        kind = FileKind.FOLDER
    elif member.issym():
        kind = FileKind.LINK
    return FileEntry(
        path="" if path == "." else path,
        kind=kind,
        mode=member.mode & 0o7777,
        uid=member.uid,
        gid=member.gid,
        size=member.size,
        target=member.linkname if kind is FileKind.LINK else "",
    )
