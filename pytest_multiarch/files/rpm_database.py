"""The packages of an rpm database in SQLite form, as Fedora, RHEL and openSUSE keep it.

Each row of its table `Packages` holds a package's header: a table of tags, then their data
(rpm's `docs/manual/format_header.md`). The file comes out of an image, and is hostile.
"""

from __future__ import annotations

import sqlite3
import struct
import tempfile
from contextlib import closing
from pathlib import Path

from pytest_multiarch.core.errors import ImageError
from pytest_multiarch.core.packages import Package

_LARGEST_HEADER = 16 * 1024 * 1024
_MOST_PACKAGES = 50_000
_MOST_TAGS = 65_536
_MOST_STEPS = 500
"""Of 100,000 instructions of SQLite's machine each; a thousand packages take one."""
_NAME, _VERSION, _RELEASE, _EPOCH, _ARCH = 1000, 1001, 1002, 1003, 1022
_INT32, _STRING, _I18N_STRING = 4, 6, 9


def read_rpm_database(data: bytes) -> tuple[Package, ...]:
    """Read the packages of an `rpmdb.sqlite`; keys (`gpg-pubkey`) are no packages.

    Its write-ahead log is not read: rpm has none left when it has ended well.

    Raises:
        ImageError: it is no such database.
    """
    try:
        packages = {_parse_header(blob) for blob in _read_headers(data)}
    except (sqlite3.Error, struct.error, ValueError) as error:
        raise ImageError(f"the rpm database cannot be read: {error}") from error
    return tuple(sorted(each for each in packages if each.name != "gpg-pubkey"))


def _read_headers(data: bytes) -> list[bytes]:
    with tempfile.TemporaryDirectory(prefix="pytest-multiarch-") as folder:
        file = Path(folder, "rpmdb.sqlite")
        file.write_bytes(data)
        # `immutable`: else a database in WAL mode is refused for want of the log's files.
        uri = f"{file.as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as database:
            return _select_headers(database)


def _select_headers(database: sqlite3.Connection) -> list[bytes]:
    """Select from a table only: a view of that name could compute for ever."""
    steps = 0

    def count_steps() -> int:
        nonlocal steps
        steps += 1
        return steps > _MOST_STEPS

    database.set_progress_handler(count_steps, 100_000)
    database.execute("PRAGMA trusted_schema = OFF")
    database.execute("PRAGMA cell_size_check = ON")
    (found,) = database.execute(
        "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'Packages'"
    ).fetchone()
    if not found:
        raise ValueError("it has no table of packages")
    rows = database.execute(
        "SELECT blob FROM Packages WHERE typeof(blob) = 'blob' AND length(blob) <= ? LIMIT ?",
        (_LARGEST_HEADER, _MOST_PACKAGES),
    )
    return [blob for (blob,) in rows]


def _parse_header(blob: bytes) -> Package:
    tags = _read_tags(blob)
    version = f"{tags.get(_VERSION, '')}-{tags.get(_RELEASE, '')}"
    epoch = tags.get(_EPOCH, "")
    return Package(
        "rpm",
        tags.get(_NAME, ""),
        f"{epoch}:{version}" if epoch else version,
        tags.get(_ARCH, ""),
    )


def _read_tags(blob: bytes) -> dict[int, str]:
    """Read the wanted tags. All numbers are big endian."""
    count, size = struct.unpack_from(">II", blob)
    start = 8 + 16 * count
    if count > _MOST_TAGS or start + size > len(blob):
        raise ValueError("a package's header is cut short")
    tags: dict[int, str] = {}
    for tag, kind, offset, _ in struct.iter_unpack(">IIII", blob[8:start]):
        if tag not in (_NAME, _VERSION, _RELEASE, _EPOCH, _ARCH) or offset >= size:
            continue
        if kind == _INT32:
            tags[tag] = str(struct.unpack_from(">I", blob, start + offset)[0])
        elif kind in (_STRING, _I18N_STRING):
            text = blob[start + offset : start + size].partition(b"\0")[0]
            tags[tag] = text.decode("utf-8", "replace")
    return tags
