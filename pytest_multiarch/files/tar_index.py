"""Where the members of a tar archive lie, so that it is read without being unpacked."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from pytest_multiarch.core.errors import ImageError
from pytest_multiarch.files.archive_error import ArchiveError
from pytest_multiarch.files.tar_reader import FILES, HARD_LINK, LINK, Member, TarReader

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = 512
_CURE = "save or fetch it again"


@dataclass(frozen=True, slots=True)
class TarMember:
    """A regular file in an archive, at `offset`, or a link, whose `target` is a member's name."""

    name: str
    offset: int
    size: int
    target: str = ""


def walk_members(stream: BinaryIO, *, place: str) -> Iterator[TarMember]:
    """Give the files and links of an archive that can seek forward, in their order.

    Between two of them the caller may move about in the stream. `place` is for messages.

    Raises:
        ImageError: it is no tar archive, or it is broken or cut short.
    """
    offset = end = 0
    while True:
        stream.seek(offset)
        reader = TarReader(lambda: stream.read(_BLOCK))
        try:
            member = reader.read_member()
        except ArchiveError as error:
            what = f"is a broken tar archive, at byte {offset}" if offset else "is no tar archive"
            raise ImageError(f"{place} {what}: {error.what}", cure=_CURE) from None
        if member is None:
            if stream.tell() <= offset:  # not an empty block, but nothing
                _check_end(stream, end, place)
            return
        content = stream.tell()
        end = content + reader.left
        offset = end + -reader.left % _BLOCK
        if member.is_sparse:
            raise ImageError(f"{place}: {member.name!r} is a sparse file, which is not read")
        if member.type in FILES:
            yield TarMember(_normalize(member.name), content, member.size)
        elif member.type in {LINK, HARD_LINK}:
            yield TarMember(_normalize(member.name), content, 0, _find_target(member))


def _check_end(stream: BinaryIO, end: int, place: str) -> None:
    """Tell an archive without the empty blocks at its end, as some write it, from a part of one."""
    if end == 0:
        raise ImageError(f"{place} is no tar archive: it is empty", cure=_CURE)
    stream.seek(end - 1)
    if not stream.read(1):
        raise ImageError(f"{place} is cut short", cure=_CURE)


def _find_target(member: Member) -> str:
    folder = posixpath.dirname(member.name) if member.type == LINK else ""
    return _normalize(posixpath.join(folder, member.target))


def _normalize(name: str) -> str:
    return posixpath.normpath(f"/{name}").lstrip("/")
