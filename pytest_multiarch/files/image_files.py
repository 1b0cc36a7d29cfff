"""The files that an image is kept in: those of a folder, or of a tar archive read in place."""

from __future__ import annotations

import gzip
import shlex
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from pytest_multiarch.core.errors import ImageError
from pytest_multiarch.core.image_document import DOCUMENT_LIMIT
from pytest_multiarch.files.tar_index import TarMember, walk_members

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pytest_multiarch.core.ports import ByteStream

_MOST_MEMBERS = 100_000
_MOST_LINKS = 40
_HEAD_SIZE = 4
_KEPT_SIZE = 256 * 1024
_KEPT_TOTAL = 64 * 1024 * 1024
_UNPACKED_LIMIT = 64 * 1024**3
_COMPRESSIONS = {
    b"\x28\xb5\x2f\xfd": ("zstd", "zstd -d"),
    b"BZh": ("bzip2", "bunzip2 -k"),
    b"\xfd7zXZ": ("xz", "unxz -k"),
}


class ImageFiles(Protocol):
    """Files by their path, which is relative, with slashes."""

    @property
    def place(self) -> str:
        """Where they are, for messages."""

    def read(self, path: str) -> bytes | None:
        """Give a document whole; None if there is none.

        Raises:
            ImageError: it is larger than any document of an image, or cannot be read.
        """

    def read_streams(self, paths: Iterable[str]) -> Iterator[tuple[str, ByteStream]]:
        """Give the files that are there, one after the other, in the order that is fastest."""


class FolderFiles:
    """The files of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def place(self) -> str:
        return str(self._folder)

    def read(self, path: str) -> bytes | None:
        """Give a document whole."""
        file = self._folder / path
        with _explain(file):
            if not file.is_file():  # nor is a pipe read, which might never end
                return None
            with file.open("rb") as stream:
                return _read_document(stream, f"{path} in {self.place}")

    def read_streams(self, paths: Iterable[str]) -> Iterator[tuple[str, ByteStream]]:
        """Give the files that are there."""
        for path in paths:
            file = self._folder / path
            with _explain(file):
                if file.is_file():
                    size = file.stat().st_size
                    with file.open("rb") as stream:
                        yield path, _MemberStream(stream, TarMember(path, 0, size), file)


class ArchiveFiles:
    """The files of a tar archive, plain or compressed with gzip, which is not unpacked to disk.

    Small documents are kept when the archive is gone through: going back in a compressed one means
    unpacking it from its beginning.
    """

    def __init__(self, file: Path) -> None:
        """Go through the archive.

        Raises:
            ImageError: it is no archive, or is broken, or compressed in another way.
        """
        self._file = file
        self._members: dict[str, TarMember] = {}
        self._heads: dict[str, bytes] = {}
        self._documents: dict[str, bytes] = {}
        with self._open() as stream:
            self._go_through(stream)

    @property
    def place(self) -> str:
        return str(self._file)

    def _go_through(self, stream: BinaryIO) -> None:
        kept = 0
        for member in walk_members(stream, place=self.place):
            self._members[member.name] = member
            if len(self._members) > _MOST_MEMBERS or member.offset > _UNPACKED_LIMIT:
                raise ImageError(
                    f"{self.place} has more than {_MOST_MEMBERS} files, or is larger than "
                    f"{_UNPACKED_LIMIT >> 30} GiB: that is no image"
                )
            content = _MemberStream(stream, member, self._file)
            head = self._heads[member.name] = content.read(_HEAD_SIZE)
            is_document = head[:1] in (b"{", b"[") and member.size <= _KEPT_SIZE
            if is_document and kept < _KEPT_TOTAL:
                kept += member.size
                self._documents[member.name] = head + content.read(member.size)

    def read(self, path: str) -> bytes | None:
        """Give a document whole."""
        member = self._find(path)
        if member is None:
            return None
        if member.name in self._documents:
            return self._documents[member.name]
        if member.size > DOCUMENT_LIMIT:
            raise _refuse_size(f"{path} in {self.place}")
        with self._open() as stream:
            return _MemberStream(stream, member, self._file).read(member.size)

    def read_streams(self, paths: Iterable[str]) -> Iterator[tuple[str, ByteStream]]:
        """Give the files that are there, in the order in which they lie in the archive."""
        found = [(path, member) for path in paths if (member := self._find(path)) is not None]
        found.sort(key=lambda each: each[1].offset)
        with self._open() as stream:
            for path, member in found:
                yield path, _MemberStream(stream, member, self._file)

    def look_at(self, path: str) -> tuple[int, bytes]:
        """Give the size of a file, in bytes, and its first four; 0 and none if it is not there."""
        member = self._find(path)
        return (0, b"") if member is None else (member.size, self._heads[member.name])

    def _find(self, path: str) -> TarMember | None:
        """Look a file up, through links."""
        for _ in range(_MOST_LINKS):
            member = self._members.get(path)
            if member is None or not member.target:
                return member
            path = member.target
        return None

    @contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        with _explain(self._file), self._file.open("rb") as raw:
            head = raw.read(6)
            raw.seek(0)
            self._refuse_compression(head)
            if head.startswith(b"\x1f\x8b"):
                with gzip.GzipFile(fileobj=raw) as unpacked:
                    yield cast("BinaryIO", unpacked)
            else:
                yield raw

    def _refuse_compression(self, head: bytes) -> None:
        for magic, (name, command) in _COMPRESSIONS.items():
            if head.startswith(magic):
                raise ImageError(
                    f"{self.place} is compressed with {name}, expected a tar archive, plain or "
                    "with gzip",
                    cure=f"unpack it first: {command} {shlex.quote(self.place)}",
                )


class _MemberStream:
    """The content of one member, or of a file of its own."""

    def __init__(self, stream: BinaryIO, member: TarMember, file: Path) -> None:
        self._stream = stream
        self._member = member
        self._file = file
        self._done = 0

    def read(self, size: int, /) -> bytes:
        """Give at most `size` bytes, none at the end."""
        left = self._member.size - self._done
        with _explain(self._file):
            self._stream.seek(self._member.offset + self._done)
            data = self._stream.read(min(size, left))
        if not data and size and left:
            raise ImageError(
                f"{self._file} is cut short, in {self._member.name}",
                cure="save or fetch it again",
            )
        self._done += len(data)
        return data


def _read_document(stream: BinaryIO, what: str) -> bytes:
    data = stream.read(DOCUMENT_LIMIT + 1)
    if len(data) > DOCUMENT_LIMIT:
        raise _refuse_size(what)
    return data


def _refuse_size(what: str) -> ImageError:
    return ImageError(f"{what} is larger than any document of an image ({DOCUMENT_LIMIT} bytes)")


@contextmanager
def _explain(file: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or error
        raise ImageError(
            f"{file} cannot be read: {why}", cure="check that it is whole and may be read"
        ) from error
