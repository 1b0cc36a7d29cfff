"""Tar archives, as engines take and give files."""

from __future__ import annotations

import io
import posixpath
import tarfile
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_multiarch.core.call import FileToCopy

_MTIME = 1_000_000_000
"""One time for all files, so that platforms cannot differ in it; zip cannot hold 1970."""


def build_archive(files: Iterable[FileToCopy], folders: Iterable[str] = ()) -> bytes:
    """Build an archive to be unpacked at `/`; `folders` are those that it has to make.

    A folder that exists must not be listed: engines would set its mode anew.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for folder in folders:
            entry = _make_entry(folder, 0o755)
            entry.type = tarfile.DIRTYPE
            archive.addfile(entry)
        for file in files:
            entry = _make_entry(file.path, file.mode)
            entry.uid, entry.gid = file.uid, file.gid
            if file.is_folder:
                entry.type = tarfile.DIRTYPE
            entry.size = len(file.content)
            archive.addfile(entry, io.BytesIO(file.content))
    return buffer.getvalue()


def _make_entry(path: str, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(normalize_path(path).lstrip("/"))
    entry.mode = mode
    entry.mtime = _MTIME
    return entry


def normalize_path(path: str) -> str:
    """Make a path absolute, without `.` and `..`."""
    return posixpath.normpath(posixpath.join("/", path)).replace("//", "/", 1)


def list_parents(path: str) -> tuple[str, ...]:
    """List the folders above a path, the uppermost first, without `/` itself."""
    parents = []
    folder = posixpath.dirname(normalize_path(path))
    while folder != "/":
        parents.append(folder)
        folder = posixpath.dirname(folder)
    return tuple(reversed(parents))


def read_first_file(stream: BinaryIO, *, size: int) -> bytes | None:
    """Read the first bytes of an archive's first member; None if that is no regular file."""
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isreg() else None
            return None if content is None else content.read(size)
    return None


def iterate_files(stream: BinaryIO) -> Iterator[tuple[str, int, BinaryIO]]:
    """Give (name, size, content) of the regular files of an archive as they stream by."""
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isreg() else None
            if content is not None:
                yield member.name, member.size, content  # type: ignore[misc]
