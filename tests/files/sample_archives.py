"""Archives for the tests of layers: sound ones by `tarfile`, others header by header."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import sys
import tarfile
from typing import TYPE_CHECKING

from pytest_multiarch.core.manifest import StoredLayer
from pytest_multiarch.files.layer import read_layer

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from pytest_multiarch.core.filetree import FileEntry, Layer

END = bytes(1024)


def make_elf(
    machine: int = 62, *, kind: int = 3, loader: bytes = b"", loader_at: int = 176, flags: int = 0
) -> bytes:
    """Make a 64-bit ELF file with a program header for its loader, and one of another type."""
    count = 2 if loader else 0
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    rest = struct.pack("<HHIQQQIHHHHHH", kind, machine, 1, 0, 64, 0, flags, 64, 56, count, 0, 0, 0)
    segments = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, 64, 64, 1)
    size = len(loader) + 1
    segments += struct.pack("<IIQQQQQQ", 3, 4, loader_at, 0, 0, size, size, 1)
    head = ident + rest + (segments if loader else b"")
    return head.ljust(loader_at, b"\0") + loader + b"\0" if loader else head


def add(
    archive: tarfile.TarFile,
    name: str,
    content: bytes = b"",
    *,
    kind: bytes = tarfile.REGTYPE,
    target: str = "",
    mode: int = 0o644,
) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.mode, entry.size = kind, target, mode, len(content)
    archive.addfile(entry, io.BytesIO(content))


def make_archive(*names: str, format: int = tarfile.PAX_FORMAT, **files: bytes) -> bytes:
    """Make an archive; `NAME/` is a folder, `A -> B` a link, `A = B` a hard one."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as archive:
        for name in names:
            if " -> " in name:
                path, target = name.split(" -> ")
                add(archive, path, kind=tarfile.SYMTYPE, target=target, mode=0o777)
            elif " = " in name:
                path, target = name.split(" = ")
                add(archive, path, kind=tarfile.LNKTYPE, target=target)
            elif name.endswith("/"):
                add(archive, name, kind=tarfile.DIRTYPE, mode=0o755)
            else:
                add(archive, name, files.get(name, b""))
        for name, content in files.items():
            if name not in names:
                add(archive, name, content)
    return buffer.getvalue()


def make_header(
    name: bytes = b"file",
    *,
    kind: bytes = b"0",
    size: bytes | int = 0,
    target: bytes = b"",
    magic: bytes = b"ustar\00000",
) -> bytes:
    """Make one header of 512 bytes, with a checksum that is right."""
    field = size if isinstance(size, bytes) else b"\x80" + size.to_bytes(11, "big")
    header = name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + field.ljust(12, b"\0")
    header += b"00000000000\0" + b" " * 8 + kind + target.ljust(100, b"\0") + magic
    header = header.ljust(512, b"\0")
    return header[:148] + b"%06o\0 " % sum(header) + header[156:]


def pad(content: bytes) -> bytes:
    """Fill up to whole blocks."""
    return content + bytes(-len(content) % 512)


def hash_bytes(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def pack(archive: bytes, compression: str) -> bytes:
    if compression == "gzip":
        return gzip.compress(archive, mtime=0)
    return zstd.compress(archive) if compression == "zstd" else archive


def read(data: bytes, **fields: str) -> Layer:
    """Read a layer of these bytes, as they are stored."""
    return read_layer(StoredLayer(digest=hash_bytes(data), **fields), io.BytesIO(data))


def read_entries(data: bytes) -> dict[str, FileEntry]:
    return {each.path: each for each in read(data).entries}
