"""Archives unpacked as they stream by: from gzip, zstd or nothing, told by the bytes themselves.

Both formats may be several streams on end: eStargz and zstd:chunked have one for each file.
"""

from __future__ import annotations

import sys
import zlib
from typing import TYPE_CHECKING, Protocol

from pytest_multiarch.files.archive_error import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BLOCK_SIZE = 1024 * 1024
"""Unpacked bytes come in blocks of at most this size."""
_READ_SIZE = 64 * 1024
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = b"\x2a\x4d\x18"  # a frame without content, after a byte of 0x50 to 0x5f
_OTHERS = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"PK\3\4": "zip", b"\x04\x22\x4d\x18": "lz4"}
_WINDOW_LOG = 25
"""32 MiB, the most that builders of images write. A larger window would be that much memory."""


def tell_compression(head: bytes) -> str:
    """Tell `gzip`, `zstd`, or empty for none, from the first bytes of an archive.

    Raises:
        ArchiveError: they are of a format that layers may not have.
    """
    if head.startswith(_GZIP):
        return "gzip"
    if head.startswith(_ZSTD) or _is_skippable(head):
        return "zstd"
    for magic, name in _OTHERS.items():
        if head.startswith(magic):
            raise ArchiveError(
                f"it is {name}; layers are tar archives, plain or packed with gzip or zstd",
                cure="build the image anew with --output type=image,compression=gzip",
            )
    return ""


def _is_skippable(head: bytes) -> bool:
    return head[1:4] == _SKIPPABLE and head[0] & 0xF0 == 0x50


def unpack(compression: str, read: Callable[[int], bytes]) -> Iterator[bytes]:
    """Give the unpacked bytes of what `read` gives, in blocks that are not empty.

    Raises:
        ArchiveError: it is broken, cut short, or something else follows.
    """
    if compression == "gzip":
        return _unpack_streams(_Gzip, read, compression, is_start=lambda h: h.startswith(_GZIP))
    if compression == "zstd":
        return _unpack_streams(
            _Zstd, read, compression, is_start=lambda h: h.startswith(_ZSTD) or _is_skippable(h)
        )
    return iter(lambda: read(BLOCK_SIZE), b"")


class _Decompressor(Protocol):
    """What unpacks one stream; modelled on those of Python's `bz2`, `lzma` and `zstd`."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gzip:
    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        try:
            return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        except zlib.error as error:
            raise ArchiveError(f"its gzip data are broken: {error}") from None


class _Zstd:
    def __init__(self) -> None:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
        self._error = zstd.ZstdError
        options = {int(zstd.DecompressionParameter.window_log_max): _WINDOW_LOG}
        self._inner: _Decompressor = zstd.ZstdDecompressor(options=options)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return self._inner.needs_input

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        try:
            return self._inner.decompress(data, max_length)
        except self._error as error:
            raise self._explain(str(error)) from None

    def _explain(self, problem: str) -> ArchiveError:
        if "too much memory" in problem:
            return ArchiveError(
                f"its zstd data need a window of more than {2**_WINDOW_LOG >> 20} MiB to unpack",
                cure="build the image anew with a compression level of 19 or less",
            )
        return ArchiveError(f"its zstd data are broken: {problem}")


def _unpack_streams(
    make: Callable[[], _Decompressor],
    read: Callable[[int], bytes],
    name: str,
    *,
    is_start: Callable[[bytes], bool],
) -> Iterator[bytes]:
    data = read(_READ_SIZE)
    while True:
        stream = make()
        yield from _unpack_stream(stream, data, read, name)
        data = stream.unused_data
        while len(data) < 4 and (more := read(_READ_SIZE)):
            data += more
        if not is_start(data):
            break
    while data:
        if data.strip(b"\0"):
            raise ArchiveError(f"something other than {name} follows after its end")
        data = read(_READ_SIZE)


def _unpack_stream(
    stream: _Decompressor, data: bytes, read: Callable[[int], bytes], name: str
) -> Iterator[bytes]:
    is_over = False
    while not stream.eof:
        if not data and stream.needs_input:
            data = read(_READ_SIZE)
            is_over = not data
        block = stream.decompress(data, BLOCK_SIZE)
        data = b""
        if block:
            yield block
        elif is_over and not stream.eof:
            raise ArchiveError(f"its {name} data are cut short")
