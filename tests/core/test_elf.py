"""Which platform a program is for, from its first bytes."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_multiarch.core.elf import HEADER_SIZE, parse_elf_header, parse_shebang
from pytest_multiarch.core.platform import Platform


def make_header(machine: int, *, bits: int = 64, little: bool = True, flags: int = 0) -> bytes:
    order = "<" if little else ">"
    ident = b"\x7fELF" + bytes([bits // 32, 1 if little else 2, 1]) + bytes(9)
    pointer = "Q" if bits == 64 else "I"
    rest = struct.pack(f"{order}HHI{pointer * 3}IHHHHHH", 2, machine, 1, 0, 0, 0, flags, *[0] * 6)
    return ident + rest


@pytest.mark.parametrize(
    ("machine", "bits", "little", "platform"),
    [
        (62, 64, True, "linux/amd64"),
        (183, 64, True, "linux/arm64"),
        (40, 32, True, "linux/arm/v7"),
        (40, 32, True, "linux/arm/v6"),
        (3, 32, True, "linux/386"),
        (22, 64, False, "linux/s390x"),
        (21, 64, True, "linux/ppc64le"),
        (243, 64, True, "linux/riscv64"),
        (258, 64, True, "linux/loong64"),
        (8, 64, True, "linux/mips64le"),
    ],
)
def test_a_program_fits_its_platform(machine: int, bits: int, little: bool, platform: str) -> None:
    header = parse_elf_header(make_header(machine, bits=bits, little=little))
    assert header is not None
    assert header.fits(Platform.parse(platform))


@pytest.mark.parametrize(
    ("machine", "bits", "little", "platform"),
    [
        (62, 64, True, "linux/arm64"),
        (62, 32, True, "linux/amd64"),  # x32
        (21, 64, False, "linux/ppc64le"),
        (243, 32, True, "linux/riscv64"),
        (22, 32, False, "linux/s390x"),  # s390
        (40, 32, False, "linux/arm/v7"),  # big-endian ARM
        (3, 32, True, "linux/amd64"),
    ],
)
def test_and_no_other(machine: int, bits: int, little: bool, platform: str) -> None:
    header = parse_elf_header(make_header(machine, bits=bits, little=little))
    assert header is not None
    assert not header.fits(Platform.parse(platform))


def test_hard_float_is_read_from_the_flags_of_arm() -> None:
    hard = parse_elf_header(make_header(40, bits=32, flags=0x5000400))
    soft = parse_elf_header(make_header(40, bits=32, flags=0x5000200))
    assert hard is not None
    assert soft is not None
    assert (hard.is_hard_float, soft.is_hard_float) == (True, False)


def test_a_label_tells_word_size_and_byte_order_and_names_the_unknown() -> None:
    header = parse_elf_header(make_header(0x1234, little=False))
    assert header is not None
    assert header.label == "machine 4660 (64-bit, big endian)"


@pytest.mark.parametrize("size", [0, 4, 20, 51, 52, 63])
def test_a_header_cut_short_is_none(size: int) -> None:
    assert parse_elf_header(make_header(62)[:size]) is None


def test_a_32_bit_header_is_shorter() -> None:
    assert parse_elf_header(make_header(40, bits=32)[:52]) is not None


@given(st.binary(max_size=HEADER_SIZE))
def test_any_bytes_are_a_header_or_none(head: bytes) -> None:
    header = parse_elf_header(b"\x7fELF" + head)
    assert header is None or header.label


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"#!/bin/sh\necho", ("/bin/sh",)),
        (b"#! /usr/bin/env python3 -u\n", ("/usr/bin/env", "python3 -u")),
        (b"#!/bin/sh\r\n", ("/bin/sh\r",)),
        (b"#!\n", ()),
        (b"echo", ()),
        (b"", ()),
    ],
)
def test_a_shebang_is_an_interpreter_and_one_argument(head: bytes, words: tuple[str, ...]) -> None:
    assert parse_shebang(head) == words
