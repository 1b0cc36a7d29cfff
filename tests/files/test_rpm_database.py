"""The package database of rpm, in its SQLite form."""

from __future__ import annotations

import sqlite3
import struct
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_multiarch.core.errors import ImageError
from pytest_multiarch.core.packages import Package
from pytest_multiarch.files.rpm_database import read_rpm_database

if TYPE_CHECKING:
    from pathlib import Path

NAME, VERSION, RELEASE, EPOCH, ARCH = 1000, 1001, 1002, 1003, 1022


def write_header(tags: dict[int, str | int]) -> bytes:
    """Give a package's header as rpm writes it."""
    index, data = b"", b""
    for tag, value in tags.items():
        if isinstance(value, int):
            data += b"\0" * (-len(data) % 4)
        index += struct.pack(">IIII", tag, 4 if isinstance(value, int) else 6, len(data), 1)
        data += struct.pack(">I", value) if isinstance(value, int) else value.encode() + b"\0"
    return struct.pack(">II", len(tags), len(data)) + index + data


BASH = write_header({NAME: "bash", VERSION: "5.2.26", RELEASE: "3.fc40", ARCH: "aarch64"})
SHADOW = write_header({NAME: "shadow", VERSION: "4.15", RELEASE: "2", EPOCH: 2, ARCH: "aarch64"})
KEY = write_header({NAME: "gpg-pubkey", VERSION: "a15b79cc", RELEASE: "63d04c2c"})


def write_database(folder: Path, headers: list[bytes], *, journal: str = "wal") -> bytes:
    """Give a database as rpm leaves it behind: in WAL mode, with an empty log."""
    file = folder / "rpmdb.sqlite"
    with closing(sqlite3.connect(file)) as database:
        database.execute(f"PRAGMA journal_mode = {journal}")
        database.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)")
        database.executemany("INSERT INTO Packages (blob) VALUES (?)", [(h,) for h in headers])
        database.commit()
    return file.read_bytes()


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_packages_are_read(tmp_path: Path, journal: str) -> None:
    """Name, epoch, version, release and architecture of each package; keys are none."""
    data = write_database(tmp_path, [SHADOW, BASH, KEY], journal=journal)
    assert (data[18] == 2) == (journal == "wal")
    assert read_rpm_database(data) == (
        Package("rpm", "bash", "5.2.26-3.fc40", "aarch64"),
        Package("rpm", "shadow", "2:4.15-2", "aarch64"),
    )


def test_other_bytes_are_an_error() -> None:
    with pytest.raises(ImageError, match="the rpm database cannot be read"):
        read_rpm_database(b"no database" * 100)


def test_a_database_of_something_else_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE other (a)")
        database.commit()
    with pytest.raises(ImageError, match="it has no table of packages"):
        read_rpm_database(file.read_bytes())


def test_a_view_that_computes_for_ever_is_not_asked(tmp_path: Path) -> None:
    file = tmp_path / "hostile.sqlite"
    endless = (
        "WITH RECURSIVE n(blob) AS (SELECT x'00' UNION ALL SELECT blob FROM n) SELECT blob FROM n"
    )
    with closing(sqlite3.connect(file)) as database:
        database.execute(f"CREATE VIEW Packages AS {endless}")
        database.commit()
    with pytest.raises(ImageError, match="it has no table of packages"):
        read_rpm_database(file.read_bytes())


@given(at=st.integers(0, len(BASH) - 1), noise=st.binary(max_size=8))
def test_a_broken_header_is_an_error_or_a_package(
    at: int, noise: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever is wrong with a header, nothing but `ImageError` comes out."""
    header = BASH[:at] + noise + BASH[at + 4 :]
    database = write_database(tmp_path_factory.mktemp("rpm"), [header], journal="off")
    try:
        packages = read_rpm_database(database)
    except ImageError:
        return
    assert len(packages) == 1


@given(at=st.integers(0, 4095), noise=st.binary(min_size=1, max_size=40))
def test_a_broken_database_is_an_error_or_read(
    at: int, noise: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    database = write_database(tmp_path_factory.mktemp("rpm"), [BASH, SHADOW], journal="off")
    try:
        packages = read_rpm_database(database[:at] + noise + database[at + len(noise) :])
    except ImageError:
        return
    assert len(packages) <= 2
