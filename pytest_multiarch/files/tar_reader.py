"""Tar archives read as they stream by: headers of any writer, content as views of the blocks.

Python's own `tarfile` takes ten times as long for a header. What is read is what engines read
(Go's `archive/tar`): ustar, PAX and GNU headers, long names, sparse files, numbers in base 256.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_multiarch.files.archive_error import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_BLOCK = 512
_ZEROS = bytes(_BLOCK)
_EXTENSION_LIMIT = 1024 * 1024
"""How large an extended header may be: as engines have it."""
_SPARSE_MAP_LIMIT = 1024 * 1024
_PAX, _PAX_GLOBAL, _GNU_NAME, _GNU_LINK, _GNU_SPARSE = b"x", b"g", b"L", b"K", b"S"
_EXTENSIONS = {_PAX, _PAX_GLOBAL, _GNU_NAME, _GNU_LINK}
_SPARSE_KEYS = frozenset(
    f"GNU.sparse.{name}".encode() for name in ("major", "name", "realsize", "size")
)
_KEYS = _SPARSE_KEYS | {b"path", b"linkpath", b"size", b"uid", b"gid"}
HARD_LINK, LINK, FOLDER = b"1", b"2", b"5"
DEVICES = frozenset({b"3", b"4", b"6"})
FILES = frozenset({b"0", b"\0", b"7", _GNU_SPARSE})
_WITHOUT_CONTENT = {HARD_LINK, LINK, FOLDER, *DEVICES}


@dataclass(slots=True, kw_only=True)
class Member:
    """One entry of an archive as its headers give it.

    `type` is the flag of the header. `size` is what the file has; of a sparse file the archive
    holds less: the parts that are no holes, the first of which comes first.
    """

    name: str
    type: bytes
    mode: int
    uid: int
    gid: int
    size: int
    target: str
    is_sparse: bool = False


class TarReader:
    """Reads an archive from a function that gives its next block of bytes, none at the end.

    After `read_member` come `read` and `skip`, as far as one cares for the content.

    Raises:
        ArchiveError: from any method: it is no archive, is broken, or cut short.
    """

    def __init__(self, read_block: Callable[[], bytes]) -> None:
        self._read_block = read_block
        self._block = b""
        self._position = 0
        self._left = 0
        self._padding = 0

    @property
    def left(self) -> int:
        """How much of the present member's content has not been read, in bytes."""
        return self._left

    def read_member(self) -> Member | None:
        """Go on to the next member, over what is left of this one; None at the end."""
        self._skip(self._left + self._padding)
        extensions: dict[bytes, bytes] = {}
        while True:
            header = self._take(_BLOCK, may_end=True)
            if not header or header == _ZEROS:
                self._left = self._padding = 0
                return None
            _check_header(header)
            kind = header[156:157]
            size = _parse_number(header[124:136], "size")
            if kind not in _EXTENSIONS:
                return self._make_member(header, kind, size, extensions)
            self._read_extension(kind, size, extensions)

    def read(self, size: int) -> bytes:
        """Give the next bytes of the content, fewer at its end."""
        size = min(size, self._left)
        self._left -= size
        return self._take(size)

    def iterate(self, size: int) -> Iterator[memoryview]:
        """Give the next bytes of the content in parts, without copying them."""
        size = min(size, self._left)
        self._left -= size
        while size:
            part = memoryview(self._block)[self._position : self._position + size]
            if part:
                self._position += len(part)
                size -= len(part)
                yield part
            else:
                self._next_block()

    def _make_member(
        self, header: bytes, kind: bytes, size: int, extensions: Mapping[bytes, bytes]
    ) -> Member:
        if b"size" in extensions:
            size = _parse_decimal(extensions[b"size"], "size")
        if kind in _WITHOUT_CONTENT:
            size = 0
        self._left, self._padding = size, -size % _BLOCK
        name = extensions.get(b"path") or _join_name(header)
        member = Member(
            name=name.decode("utf-8", "surrogateescape"),
            type=kind,
            mode=_parse_number(header[100:108], "mode") & 0o7777,
            uid=_parse_owner(header[108:116], extensions.get(b"uid")),
            gid=_parse_owner(header[116:124], extensions.get(b"gid")),
            size=size,
            target="",
        )
        if kind in {LINK, HARD_LINK}:
            target = extensions.get(b"linkpath") or _cut(header[157:257])
            member.target = target.decode("utf-8", "surrogateescape")
        if kind == _GNU_SPARSE or not _SPARSE_KEYS.isdisjoint(extensions):
            self._open_sparse(member, header, extensions)
        elif member.name.endswith("/") and kind in FILES:
            member.type = FOLDER  # as archives were before there was a type for it
        return member

    def _read_extension(self, kind: bytes, size: int, extensions: dict[bytes, bytes]) -> None:
        if size > _EXTENSION_LIMIT:
            raise ArchiveError(
                f"it has an extended header of {size:,} bytes; none has more than "
                f"{_EXTENSION_LIMIT:,}"
            )
        data = self._take(size)
        self._skip(-size % _BLOCK)
        if kind == _GNU_NAME:
            extensions[b"path"] = _cut(data)
        elif kind == _GNU_LINK:
            extensions[b"linkpath"] = _cut(data)
        elif kind == _PAX:  # engines pass over global ones
            extensions.update(_parse_records(data))

    def _open_sparse(
        self, member: Member, header: bytes, extensions: Mapping[bytes, bytes]
    ) -> None:
        """Go over the map of a sparse file, to where its content begins."""
        member.is_sparse = True
        if b"GNU.sparse.name" in extensions:
            member.name = extensions[b"GNU.sparse.name"].decode("utf-8", "surrogateescape")
        if member.type == _GNU_SPARSE:
            member.size = _parse_number(header[483:495], "size")
            is_extended = header[482]
            while is_extended:
                is_extended = self._take(_BLOCK)[504]
            return
        size = extensions.get(b"GNU.sparse.realsize") or extensions.get(b"GNU.sparse.size")
        if size is not None:
            member.size = _parse_decimal(size, "size")
        if extensions.get(b"GNU.sparse.major") == b"1":
            self._skip_sparse_map()

    def _skip_sparse_map(self) -> None:
        """Go over a count, and so many pairs of numbers, each on a line; then to a whole block."""
        lines, expected, taken = 0, 1, 0
        while lines < expected:
            block = self.read(_BLOCK)
            taken += len(block)
            if len(block) < _BLOCK or taken > _SPARSE_MAP_LIMIT:
                raise ArchiveError("it has a sparse file whose map is broken")
            if expected == 1:
                expected += 2 * _parse_decimal(block.partition(b"\n")[0], "number of parts")
            lines += block.count(b"\n")

    def _take(self, size: int, *, may_end: bool = False) -> bytes:
        end = self._position + size
        if end <= len(self._block):
            data = self._block[self._position : end]
            self._position = end
            return data
        parts = []
        while size:
            part = self._block[self._position : self._position + size]
            self._position += len(part)
            size -= len(part)
            if part:
                parts.append(part)
            elif not self._next_block(may_end=may_end and not parts):
                break
        return b"".join(parts)

    def _skip(self, size: int) -> None:
        while size:
            step = min(size, len(self._block) - self._position)
            self._position += step
            size -= step
            if not step:
                self._next_block()

    def _next_block(self, *, may_end: bool = False) -> bool:
        self._block = self._read_block()
        self._position = 0
        if not self._block and not may_end:
            raise ArchiveError("the archive is cut short")
        return bool(self._block)


def _check_header(header: bytes) -> None:
    # The low half of an Adler-32 is one more than the sum of all bytes, of which the checksum's
    # own count as spaces.
    found = (zlib.adler32(header) & 0xFFFF) - 1 - sum(header[148:156]) + 8 * 0x20
    try:
        is_right = (found - int(header[148:156].rstrip(b" \0"), 8)) % 65521 == 0
    except ValueError:
        is_right = False
    if not is_right:
        raise ArchiveError(
            "it has a header that its checksum does not fit: no tar archive, or a broken one"
        )


@lru_cache(maxsize=1024)  # modes and owners are the same all over an archive
def _parse_number(field: bytes, name: str) -> int:
    """Read a number, octal or, if the first bit is set, in base 256."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big") - (0x80 << 8 * (len(field) - 1))
        if field[0] & 0x40 or value >= 2**63:
            raise ArchiveError(f"it has a {name} that is negative, or larger than any is")
        return value
    try:
        value = int(field.rstrip(b" \0") or b"0", 8)
    except ValueError:
        raise ArchiveError(f"it has a {name} that is no number") from None
    if value < 0:
        raise ArchiveError(f"it has a {name} that is negative")
    return value


def _parse_decimal(text: bytes, name: str) -> int:
    if not text.isdigit() or len(text) > 18:
        raise ArchiveError(f"it has a {name} that is no number, or larger than any is")
    return int(text)


def _parse_owner(field: bytes, extension: bytes | None) -> int:
    if extension is not None:
        return _parse_decimal(extension, "owner")
    return _parse_number(field, "owner")


def _parse_records(data: bytes) -> dict[bytes, bytes]:
    """Read the records of a PAX header: `LENGTH KEY=VALUE` and a line feed, on end."""
    records = {}
    position = 0
    while position < len(data):
        digits = data[position : position + 8].partition(b" ")[0]
        length = _parse_decimal(digits, "length of a record")
        record = data[position + len(digits) + 1 : position + length]
        key, equals, value = record.partition(b"=")
        if length < 5 or not equals or not value.endswith(b"\n"):
            raise ArchiveError("it has an extended header that is broken")
        if key in _KEYS:
            records[key] = value[:-1]
        position += length
    return records


def _join_name(header: bytes) -> bytes:
    name = _cut(header[:100])
    if header[257:263] == b"ustar\0" and header[345]:
        return _cut(header[345:500]) + b"/" + name
    return name


def _cut(field: bytes) -> bytes:
    return field.partition(b"\0")[0]
