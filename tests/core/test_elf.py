"""Which platform a program is for, from its first bytes."""

from __future__ import annotations

import io
import struct
import sys
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_multiarch.core.elf import (
    HEADER_SIZE,
    ElfFile,
    find_further_part,
    list_needed_libraries,
    parse_elf_file,
    parse_elf_header,
    parse_shebang,
)
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


# ABIs


@pytest.mark.parametrize(
    ("machine", "bits", "flags", "abi"),
    [
        (40, 32, 0x5000400, "armhf"),
        (40, 32, 0x5000200, "armel"),
        (40, 32, 0x5000000, ""),  # of an old toolchain
        (40, 32, 0x5000002, ""),  # of Go
        (62, 64, 0, ""),
        (62, 32, 0, "x32"),
        (3, 32, 0, ""),
        (8, 64, 0x80000007, "n64"),
        (8, 32, 0x20, "n32"),
        (8, 32, 0x1000, "o32"),
        (243, 64, 5, "lp64d"),
        (243, 64, 1, "lp64"),
        (258, 64, 0x43, "lp64d"),
        (183, 64, 0, ""),
    ],
)
def test_an_abi_is_told_where_the_flags_tell_it(
    machine: int, bits: int, flags: int, abi: str
) -> None:
    header = parse_elf_header(make_header(machine, bits=bits, flags=flags))
    assert header is not None
    assert header.abi == abi


# Whole files


def make_linked(*names: str, bits: int, little: bool) -> bytes:
    """Make a file with a dynamic section that needs libraries; the names are mapped at 0x5000."""
    order = "<" if little else ">"
    entry = struct.Struct(order + ("qQ" if bits == 64 else "iI"))
    table, places = b"\0", []
    for name in names:
        places.append(len(table))
        table += name.encode() + b"\0"
    dynamic = b"".join(entry.pack(1, place) for place in places) + entry.pack(5, 0x5000 + 0x40)
    data = bytearray(make_file((1, 0x700, bytes(0x40) + table), (2, 0x600, dynamic),
                               bits=bits, little=little))  # fmt: skip
    # The address of the first segment, which is zero so far.
    struct.pack_into(order + ("Q" if bits == 64 else "I"), data, 64 + 16 if bits == 64 else 52 + 8,
                     0x5000)  # fmt: skip
    return bytes(data)


@pytest.mark.parametrize("little", [True, False])
@pytest.mark.parametrize("bits", [32, 64])
def test_the_libraries_that_it_is_linked_with_are_read(bits: int, little: bool) -> None:
    data = make_linked("libjq.so.1", "libc.so.6", bits=bits, little=little)
    assert list_needed_libraries(data) == ("libjq.so.1", "libc.so.6")
    assert all(isinstance(list_needed_libraries(data[:size]), tuple) for size in range(len(data)))


def test_the_libraries_of_a_program_of_this_machine_are_read() -> None:
    assert "libc.so.6" in list_needed_libraries(Path("/bin/sh").resolve().read_bytes())
    assert list_needed_libraries(b"#!/bin/sh\n") == ()


SYSTEM = [Path(sys.executable), *sorted(Path("/bin").resolve().iterdir())[:300:20]]


def make_file(
    *segments: tuple[int, int, bytes], bits: int = 64, little: bool = True, kind: int = 3
) -> bytes:
    """Make a file of segments, (type, offset, content) each."""
    order, wide = "<" if little else ">", bits == 64
    start, size = (64, 56) if wide else (52, 32)
    data = bytearray(make_header(62 if wide else 40, bits=bits, little=little))
    struct.pack_into(f"{order}H", data, 16, kind)
    struct.pack_into(f"{order}{'Q' if wide else 'I'}", data, 32 if wide else 28, start)
    struct.pack_into(f"{order}HH", data, 54 if wide else 42, size, len(segments))
    for name, offset, content in segments:
        count = len(content)
        if wide:
            data += struct.pack(f"{order}IIQQQQQQ", name, 4, offset, 0, 0, count, count, 1)
        else:
            data += struct.pack(f"{order}IIIIIIII", name, offset, 0, 0, count, count, 4, 1)
    for _, offset, content in segments:
        data = data.ljust(offset, b"\0")
        data[offset : offset + len(content)] = content
    return bytes(data)


def read_whole(data: bytes, head_size: int = 4096) -> ElfFile | None:
    """Read a file as it is read from a stream: its head, then what is asked for."""
    head, further = data[:head_size], dict[int, bytes]()
    while (part := find_further_part(head, further)) is not None:
        offset, size = part
        assert offset not in further
        assert size <= 64 * 1024
        further[offset] = data[offset : offset + size]
    return parse_elf_file(head, further)


@pytest.mark.parametrize("little", [True, False])
@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("at", [300, 9000])
def test_the_loader_is_that_of_the_first_segment_for_it(bits: int, little: bool, at: int) -> None:
    data = make_file((1, 0, b""), (3, at, b"/lib/ld.so\0"), (3, at + 50, b"/no\0"),
                     bits=bits, little=little)  # fmt: skip
    found = read_whole(data)
    assert found is not None
    assert (found.loader, found.is_program) == ("/lib/ld.so", True)


FAR = make_file((3, 300, b"/ld\0")).replace(struct.pack("<Q", 300), struct.pack("<Q", 2**63))
PIE = struct.pack("<qQqQ", 1, 5, 0x6FFFFFFB, 0x08000001)
LIBRARY = struct.pack("<qQqQ", 1, 5, 0x6FFFFFFB, 1)


@pytest.mark.parametrize(
    ("data", "is_program"),
    [
        (make_file(kind=2), True),
        (make_file(), False),
        (make_file((2, 5000, PIE)), True),
        (make_file((2, 5000, LIBRARY)), False),
        (make_file((2, 300, PIE[:-1])), False),
        (make_file(kind=1), False),  # an object file
        (make_file(kind=4), False),  # a core dump
    ],
)
def test_a_program_is_told_from_a_library_and_from_what_is_neither(
    data: bytes, is_program: bool
) -> None:
    found = read_whole(data)
    assert found is not None
    assert found.is_program is is_program


@pytest.mark.parametrize(
    "data",
    [
        make_file((3, 300, b"/ld" * 2000)),  # longer than any path
        FAR,
        make_file((3, 300, b"/ld\0"))[:302],
        make_file(*[(3, 200_000, b"/ld\0")] * 2000)[:100_000],
    ],
)
def test_a_loader_that_a_kernel_would_not_read_is_none(data: bytes) -> None:
    found = read_whole(data)
    assert found is not None
    assert found.loader == ""


def test_most_programs_need_their_head_only() -> None:
    data = Path(sys.executable).read_bytes()
    assert read_whole(data) == parse_elf_file(data) == parse_elf_file(data[:4096])


@pytest.mark.parametrize("path", SYSTEM, ids=lambda path: path.name)
def test_real_programs_are_read_as_pyelftools_reads_them(path: Path) -> None:
    data = path.read_bytes()
    found = read_whole(data)
    assert found == parse_elf_file(data)
    if data.startswith(b"\x7fELF"):
        oracle = ELFFile(io.BytesIO(data))
        loaders = [each.get_interp_name() for each in oracle.iter_segments("PT_INTERP")]
        assert found is not None
        assert found.loader == "".join(loaders)
        assert found.header.is_little_endian is oracle.little_endian
        assert found.header.is_64bit is (oracle.elfclass == 64)
        assert found.header.flags == oracle["e_flags"]
    else:
        assert found is None


@given(
    st.sampled_from([make_file((3, 300, b"/lib/ld.so\0"), (2, 400, PIE)), make_file(bits=32)]),
    st.lists(st.tuples(st.integers(4, 450), st.integers(0, 255)), max_size=12),
    st.integers(0, 600),
)
@example(FAR, [], 120)
def test_any_change_to_a_file_is_read(
    data: bytes, changes: list[tuple[int, int]], head_size: int
) -> None:
    spoilt = bytearray(data)
    for position, value in changes:
        spoilt[position % len(spoilt)] = value
    found = read_whole(bytes(spoilt), head_size)
    assert found is None or (found.header.label and len(found.loader) <= 4096)
