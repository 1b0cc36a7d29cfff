"""ELF headers: which platform a program is for, read from its first bytes.

Keyed by everything that tells (machine, class, byte order and, for ARM, the flags), never by
`e_machine` alone: x32 and ppc64/ppc64le differ only there. Numbers from the System V ABI's
processor supplements; what is more than a kernel would load is not looked at (`fs/binfmt_elf.c`).
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_multiarch.core.platform import Platform

HEADER_SIZE = 64
ELF_MAGIC = b"\x7fELF"
_EM_MIPS, _EM_ARM, _EM_X86_64, _EM_RISCV, _EM_LOONGARCH = 8, 40, 62, 243, 258
_EF_ARM_SOFT_FLOAT, _EF_ARM_HARD_FLOAT = 0x200, 0x400
_EF_MIPS_ABI2 = 0x20
_RISCV_FLOATS = {0: "lp64", 2: "lp64f", 4: "lp64d", 6: "lp64q"}
_LOONGARCH_FLOATS = {1: "lp64s", 2: "lp64f", 3: "lp64d"}
_ET_EXEC, _ET_DYN = 2, 3
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NEEDED, _DT_STRTAB = 1, 5
_DT_FLAGS_1, _DF_1_PIE = 0x6FFFFFFB, 0x08000000
_NAME_LIMIT = 256
_MOST_LIBRARIES = 256
_TABLE_LIMIT = 64 * 1024
_LIMITS = {_PT_INTERP: 4096, _PT_DYNAMIC: 64 * 1024}
_LAST_OF_IDENT = 15

# (machine, 64-bit, little endian) -> OCI architecture
_ARCHITECTURES = {
    (3, False, True): "386",
    (6, False, True): "386",
    (62, True, True): "amd64",
    (_EM_ARM, False, True): "arm",
    (183, True, True): "arm64",
    (258, True, True): "loong64",
    (8, False, True): "mipsle",
    (8, False, False): "mips",
    (8, True, True): "mips64le",
    (8, True, False): "mips64",
    (21, True, False): "ppc64",
    (21, True, True): "ppc64le",
    (243, True, True): "riscv64",
    (22, True, False): "s390x",
}
_MACHINES = {
    2: "sparc", 3: "386", 8: "mips", 20: "ppc", 21: "ppc64", 22: "s390", 40: "arm", 43: "sparcv9",
    50: "ia64", 62: "x86-64", 183: "aarch64", 243: "riscv", 247: "bpf", 258: "loongarch",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ElfHeader:
    """What the header of an ELF file says.

    `architecture` is OCI's name, or empty where OCI has none (x32, big-endian ARM, ...);
    `label` is for people and never empty.
    """

    machine: int
    is_64bit: bool
    is_little_endian: bool
    flags: int

    @property
    def architecture(self) -> str:
        return _ARCHITECTURES.get((self.machine, self.is_64bit, self.is_little_endian), "")

    @property
    def is_hard_float(self) -> bool:
        """Whether an ARM program asks for the hard-float ABI (`armhf`)."""
        return self.machine == _EM_ARM and bool(self.flags & _EF_ARM_HARD_FLOAT)

    @property
    def abi(self) -> str:
        """The ABI by its usual name (`armhf`, `armel`, `x32`, `n32`, `lp64d`), empty if unknown.

        ARM programs of old toolchains, and all of Go, say nothing of floats in their flags.
        """
        if self.machine == _EM_ARM:
            if self.flags & _EF_ARM_HARD_FLOAT:
                return "armhf"
            return "armel" if self.flags & _EF_ARM_SOFT_FLOAT else ""
        if self.machine == _EM_X86_64:
            return "" if self.is_64bit else "x32"
        if self.machine == _EM_MIPS:
            return "n64" if self.is_64bit else "n32" if self.flags & _EF_MIPS_ABI2 else "o32"
        if self.machine == _EM_RISCV and self.is_64bit:
            return _RISCV_FLOATS[self.flags & 6]
        if self.machine == _EM_LOONGARCH and self.is_64bit:
            return _LOONGARCH_FLOATS.get(self.flags & 7, "")
        return ""

    @property
    def label(self) -> str:
        bits = 64 if self.is_64bit else 32
        order = "little" if self.is_little_endian else "big"
        name = self.architecture or _MACHINES.get(self.machine, f"machine {self.machine}")
        return f"{name} ({bits}-bit, {order} endian)"

    def fits(self, platform: Platform) -> bool:
        """Whether a program with this header belongs into an image for `platform`."""
        return self.architecture == platform.architecture


@dataclass(frozen=True, slots=True)
class ElfFile:
    """What an ELF file says where a kernel looks before it starts it.

    `loader` is the program interpreter that the kernel starts for it (`/lib/ld-linux-armhf.so.3`,
    `/lib/ld-musl-aarch64.so.1`), empty for static programs and libraries. `is_program`: it is
    something to be executed, not a library, an object file or a core dump.
    """

    header: ElfHeader
    loader: str = ""
    is_program: bool = False


def parse_elf_header(head: bytes) -> ElfHeader | None:
    """Read the header of an ELF file from its first `HEADER_SIZE` bytes; None if it is not one.

    A header that is cut short counts as none, as it does to the kernel.
    """
    if len(head) < 52 or not head.startswith(ELF_MAGIC):
        return None
    is_64bit, order = head[4] == 2, head[5]
    if head[4] not in (1, 2) or order not in (1, 2) or (is_64bit and len(head) < HEADER_SIZE):
        return None
    endian = "<" if order == 1 else ">"
    (machine,) = struct.unpack_from(f"{endian}H", head, 18)
    (flags,) = struct.unpack_from(f"{endian}I", head, 48 if is_64bit else 36)
    return ElfHeader(machine=machine, is_64bit=is_64bit, is_little_endian=order == 1, flags=flags)


def parse_elf_file(head: bytes, further: Mapping[int, bytes] | None = None) -> ElfFile | None:
    """Read what an ELF file says from its first bytes; None if it is not one.

    `further` are parts of it by their offsets: those that `find_further_part` asked for. What is
    in neither, or is not as it should be, counts as not there. Never raises.
    """
    header = parse_elf_header(head)
    if header is None:
        return None
    (kind,) = struct.unpack_from(_endian(header) + "H", head, 16)
    if kind not in (_ET_EXEC, _ET_DYN):
        return ElfFile(header)
    parts = further or {}
    segments = _find_segments(header, kind, head, parts)
    name = _cut(head, parts, segments.get(_PT_INTERP))
    loader = name.partition(b"\0")[0].decode("utf-8", "surrogateescape")
    dynamic = _cut(head, parts, segments.get(_PT_DYNAMIC))
    is_program = kind == _ET_EXEC or bool(loader) or _is_marked_program(header, dynamic)
    return ElfFile(header, loader, is_program)


def find_further_part(head: bytes, further: Mapping[int, bytes]) -> tuple[int, int] | None:
    """Give (offset, size) of the next part of an ELF file that tells more; None if all is there.

    Most files have everything in the first kilobytes. Sizes are bounded, offsets are not.
    """
    header = parse_elf_header(head)
    if header is None:
        return None
    (kind,) = struct.unpack_from(_endian(header) + "H", head, 16)
    if kind not in (_ET_EXEC, _ET_DYN):
        return None
    table = _locate_table(header, head)
    wanted = [table] if table is not None else []
    wanted += _find_segments(header, kind, head, further).values()
    for offset, size in wanted:
        if offset + size > len(head) and offset not in further:
            return offset, size
    return None


def list_needed_libraries(content: bytes) -> tuple[str, ...]:
    """Give the names of the libraries that a whole ELF file is linked with (`libc.so.6`).

    Nothing where that is not to be read. Never raises.
    """
    header = parse_elf_header(content)
    table = _cut(content, {}, _locate_table(header, content)) if header is not None else b""
    if header is None or not table:
        return ()
    segments = tuple(_list_segments(header, table))
    dynamic = next((each for each in segments if each.kind == _PT_DYNAMIC), None)
    if dynamic is None:
        return ()
    end = dynamic.offset + min(dynamic.size, _LIMITS[_PT_DYNAMIC])
    entries = tuple(_list_dynamic(header, content[dynamic.offset : end]))
    address = next((value for tag, value in entries if tag == _DT_STRTAB), None)
    if address is None:
        return ()
    names = next((e for e in segments if e.kind == _PT_LOAD and e.holds(address)), None)
    if names is None:
        return ()
    start = names.offset + address - names.address
    places = [start + value for tag, value in entries if tag == _DT_NEEDED][:_MOST_LIBRARIES]
    found = (content[place : place + _NAME_LIMIT].partition(b"\0")[0] for place in places)
    return tuple(each.decode("utf-8", "replace") for each in found if each)


@dataclass(frozen=True, slots=True)
class _Segment:
    """A program header: `address` is where it is mapped, `offset` and `size` are in the file."""

    kind: int
    offset: int
    address: int
    size: int

    def holds(self, address: int) -> bool:
        return self.address <= address < self.address + self.size


def _list_segments(header: ElfHeader, table: bytes) -> Iterator[_Segment]:
    layout = struct.Struct(_endian(header) + ("I4xQQ8xQ16x" if header.is_64bit else "III4xI12x"))
    for fields in layout.iter_unpack(_round_down(table, layout.size)):
        yield _Segment(*fields)


def _list_dynamic(header: ElfHeader, dynamic: bytes) -> Iterator[tuple[int, int]]:
    """Give (tag, value) of the entries of a dynamic section, up to its end (tag 0)."""
    layout = struct.Struct(_endian(header) + ("qQ" if header.is_64bit else "iI"))
    for tag, value in layout.iter_unpack(_round_down(dynamic, layout.size)):
        if not tag:
            return
        yield tag, value


def _endian(header: ElfHeader) -> str:
    return "<" if header.is_little_endian else ">"


def _locate_table(header: ElfHeader, head: bytes) -> tuple[int, int] | None:
    """Give (offset, size) of the program headers; None if a kernel would not read them."""
    wide, endian = header.is_64bit, _endian(header)
    (offset,) = struct.unpack_from(endian + ("Q" if wide else "I"), head, 32 if wide else 28)
    entry_size, count = struct.unpack_from(endian + "HH", head, 54 if wide else 42)
    size = entry_size * count
    is_sound = entry_size == (56 if wide else 32) and 0 < size <= _TABLE_LIMIT
    return (offset, size) if is_sound else None


def _find_segments(
    header: ElfHeader, kind: int, head: bytes, further: Mapping[int, bytes]
) -> dict[int, tuple[int, int]]:
    """Give (offset, size) of the segment that names the loader.

    Where there is none, of the dynamic section: it alone tells a static program from a library.
    """
    table = _cut(head, further, _locate_table(header, head))
    found: dict[int, tuple[int, int]] = {}
    for each in _list_segments(header, table):
        if 0 < each.size <= _LIMITS.get(each.kind, 0):
            found.setdefault(each.kind, (each.offset, each.size))
    if _PT_INTERP in found or kind == _ET_EXEC:
        found.pop(_PT_DYNAMIC, None)
    return found


def _cut(head: bytes, further: Mapping[int, bytes], where: tuple[int, int] | None) -> bytes:
    """Give a part of the file, empty if it is not there."""
    if where is None:
        return b""
    offset, size = where
    if offset + size <= len(head):
        return head[offset : offset + size]
    part = further.get(offset, b"")
    return part if len(part) == size else b""


def _is_marked_program(header: ElfHeader, dynamic: bytes) -> bool:
    """Tell a static program that can be loaded anywhere from a library: linkers mark it."""
    entries = _list_dynamic(header, dynamic)
    return any(tag == _DT_FLAGS_1 and value & _DF_1_PIE for tag, value in entries)


def _round_down(data: bytes, size: int) -> bytes:
    return data[: len(data) - len(data) % size]


def mark_unregistered(content: bytes) -> bytes:
    """Give an ELF program a byte that no binfmt_misc registration matches, so that it runs itself.

    Registrations ask for zeros in the padding of `e_ident`; the kernel's own loader does not look.
    """
    return content[:_LAST_OF_IDENT] + b"\x01" + content[_LAST_OF_IDENT + 1 :]


def parse_shebang(head: bytes) -> tuple[str, ...]:
    """Read a script's interpreter and its argument from its first bytes; empty if it has none."""
    if not head.startswith(b"#!"):
        return ()
    line = head[2:].split(b"\n", 1)[0].decode("utf-8", "surrogateescape").strip(" \t")
    # A carriage return is part of the name to Linux, which then finds no such file.
    return tuple(re.split(r"[ \t]+", line, maxsplit=1)) if line else ()


def make_elf_head(architecture: str) -> bytes | None:
    """Make the first bytes of a program of an architecture (OCI's name), as far as kernels look.

    None for an architecture that is not known.
    """
    found = next((key for key, name in _ARCHITECTURES.items() if name == architecture), None)
    if found is None:
        return None
    machine, is_64bit, is_little_endian = found
    ident = ELF_MAGIC + bytes((2 if is_64bit else 1, 1 if is_little_endian else 2, 1))
    fields = struct.pack("<HHI" if is_little_endian else ">HHI", _ET_EXEC, machine, 1)
    return ident.ljust(16, b"\0") + fields
