"""Finding the emulator of a control run."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.core.elf import mark_unregistered
from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.engine.emulator import find_emulator
from tests.fake_engine import AMD64, ARM64, make_elf

if TYPE_CHECKING:
    from pathlib import Path


def make_program(*, is_static: bool, architecture: str = "amd64") -> bytes:
    """Give an ELF file with one program header."""
    head = bytearray(make_elf(architecture))
    struct.pack_into("<Q", head, 32, 64)
    struct.pack_into("<HH", head, 54, 56, 1)
    loader = b"/lib/ld.so\0"
    kind = 1 if is_static else 3
    header = struct.pack("<IIQQQQQQ", kind, 4, 120, 0, 0, len(loader), len(loader), 1)
    return bytes(head) + header + loader


def test_the_one_beside_registered_emulators_comes_first(tmp_path: Path) -> None:
    for folder in ("bin", "qemu"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "qemu-x86_64-static").write_bytes(make_program(is_static=True))
    (tmp_path / "qemu-aarch64").write_text(f"enabled\ninterpreter {tmp_path}/qemu/x\nflags: \n")
    found = find_emulator(AMD64, folders=[tmp_path / "bin"], registrations=tmp_path)
    assert found.path == f"{tmp_path}/qemu/qemu-x86_64-static"


def test_links_to_registered_emulators_are_followed(tmp_path: Path) -> None:
    for folder in ("bin", "qemu"):
        (tmp_path / folder).mkdir()
    (tmp_path / "bin" / "qemu-aarch64-static").write_bytes(b"")
    (tmp_path / "bin" / "qemu-x86_64-static").write_bytes(make_program(is_static=True))
    (tmp_path / "qemu" / "aarch64-binfmt-P").symlink_to(tmp_path / "bin" / "qemu-aarch64-static")
    (tmp_path / "qemu-aarch64").write_text(f"interpreter {tmp_path}/qemu/aarch64-binfmt-P\n")
    found = find_emulator(AMD64, folders=[], registrations=tmp_path)
    assert found.path == f"{tmp_path}/bin/qemu-x86_64-static"


@pytest.mark.parametrize(
    ("content", "flaw"),
    [
        (make_program(is_static=False), "is not static"),
        (make_program(is_static=True, architecture="arm64"), r"is for arm64 \(64-bit"),
        (b"#!/bin/sh\n", "is no ELF program"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, content: bytes, flaw: str) -> None:
    path = tmp_path / "qemu"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=flaw) as caught:
        find_emulator(AMD64, configured=str(path))
    assert str(path) in caught.value.what


def test_none_at_all_has_a_cure(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no qemu-aarch64-static") as caught:
        find_emulator(ARM64, folders=[tmp_path], registrations=tmp_path / "nosuch")
    assert "apt-get install qemu-user-static" in caught.value.cure


def test_a_configured_one_is_the_only_one(tmp_path: Path) -> None:
    (tmp_path / "qemu-x86_64-static").write_bytes(make_program(is_static=True))
    with pytest.raises(UsageError, match="there is no /nosuch/qemu"):
        find_emulator(AMD64, configured="/nosuch/qemu", folders=[tmp_path])


def test_a_mark_changes_one_byte() -> None:
    content = make_program(is_static=True)
    marked = mark_unregistered(content)
    assert [at for at in range(len(content)) if marked[at] != content[at]] == [15]
    assert len(marked) == len(content)
