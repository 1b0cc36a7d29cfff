"""Where the members of a tar archive lie, so that it is read without being unpacked.

Not `tarfile`: it keeps a kilobyte for each member, reads extended headers of any size into memory,
and in Python before 3.13.6 a negative size makes it run for ever.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from pytest_multiarch.core.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = 512
_EXTENSION_LIMIT = 1024 * 1024
_SIZE_LIMIT = 1 << 62
_REGULAR = (b"0", b"\0", b"7")
_LINKS = (b"1", b"2")
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
    extension: dict[str, str] = {}
    while True:
        stream.seek(offset)
        block = stream.read(_BLOCK)
        if len(block) < _BLOCK or not any(block):
            _check_end(stream, block, end, place)
            return
        _check_sum(block, offset, place)
        kind = block[156:157]
        size = _parse_number(
            extension.pop("size", ""), block[124:136], f"{place}, header at byte {offset}"
        )
        content = offset + _BLOCK
        end = content + size
        offset = content + (size + _BLOCK - 1) // _BLOCK * _BLOCK
        if kind in (b"L", b"K", b"x", b"g"):
            if kind != b"g":
                extension |= _read_extension(stream, kind, size, place)
            continue
        name = _normalize(extension.get("path", "") or _read_name(block))
        if kind in _REGULAR:
            yield TarMember(name, content, size)
        elif kind in _LINKS:
            target = extension.get("linkpath", "") or _decode(block[157:257])
            folder = posixpath.dirname(name) if kind == b"2" else ""
            yield TarMember(name, content, 0, _normalize(posixpath.join(folder, target)))
        elif kind == b"S":
            raise ImageError(f"{place}: {name!r} is a sparse file, which is not read")
        extension = {}


def _check_end(stream: BinaryIO, block: bytes, end: int, place: str) -> None:
    """Tell the end of an archive, after a member that ended at `end`, from a part of one."""
    if end == 0:
        raise ImageError(f"{place} is no tar archive: it is empty", cure=_CURE)
    is_cut = len(block) % _BLOCK != 0
    if not block:  # some writers leave the two empty blocks at the end out
        stream.seek(end - 1)
        is_cut = not stream.read(1)
    if is_cut:
        raise ImageError(f"{place} is cut short", cure=_CURE)


def _check_sum(block: bytes, offset: int, place: str) -> None:
    """Hold a header against its checksum, in which the field itself counts as spaces."""
    said = _parse_octal(block[148:156])
    if said != sum(block[:148]) + sum(block[156:]) + 8 * ord(" "):
        what = "is no tar archive" if offset == 0 else "is a broken tar archive"
        raise ImageError(f"{place} {what}: there is no header at byte {offset}", cure=_CURE)


def _parse_number(extended: str, field: bytes, what: str) -> int:
    if extended.isascii() and extended.isdigit() and len(extended) < 20:
        size: int | None = int(extended)
    elif field[0] == 0x80:  # too large for octal digits: base 256
        size = int.from_bytes(field[1:], "big")
    else:
        size = _parse_octal(field)
    if size is None or not 0 <= size <= _SIZE_LIMIT:
        raise ImageError(f"{what}: it has no size", cure=_CURE)
    return size


def _parse_octal(field: bytes) -> int | None:
    digits = field.split(b"\0", 1)[0].strip()
    try:
        return int(digits or b"0", 8)
    except ValueError:
        return None


def _read_extension(stream: BinaryIO, kind: bytes, size: int, place: str) -> dict[str, str]:
    """Read what is said of the next member ahead of it."""
    if size > _EXTENSION_LIMIT:
        raise ImageError(f"{place} has a name or an extended header of {size} bytes")
    data = stream.read(size)
    if kind == b"x":
        return dict(_parse_records(data))
    return {"path" if kind == b"L" else "linkpath": _decode(data)}


def _parse_records(data: bytes) -> Iterator[tuple[str, str]]:
    """Read `LENGTH KEY=VALUE\\n` records (POSIX pax); at the first that is none, stop."""
    while data:
        length, _, _ = data.partition(b" ")
        if not length.isdigit() or len(length) > 8 or not 0 < int(length) <= len(data):
            return
        record = data[len(length) + 1 : int(length) - 1]
        key, _, value = record.partition(b"=")
        yield key.decode("utf-8", "replace"), value.decode("utf-8", "surrogateescape")
        data = data[int(length) :]


def _read_name(block: bytes) -> str:
    name = _decode(block[:100])
    is_posix = block[257:263] == b"ustar\0"
    prefix = _decode(block[345:500]) if is_posix else ""
    return f"{prefix}/{name}" if prefix else name


def _decode(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _normalize(name: str) -> str:
    return posixpath.normpath(f"/{name}").lstrip("/")
