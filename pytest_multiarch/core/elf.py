"""ELF headers: which platform a program is for, read from its first bytes.

Keyed by everything that tells (machine, class, byte order and, for ARM, the flags), never by
`e_machine` alone: x32 and ppc64/ppc64le differ only there. Numbers from the System V ABI's
processor supplements.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_multiarch.core.platform import Platform

HEADER_SIZE = 64
_MAGIC = b"\x7fELF"
_ET_EXEC = 2
_EM_ARM = 40
_EF_ARM_HARD_FLOAT = 0x400

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
    """What the first bytes of an ELF file say.

    `loader` is the program interpreter that the kernel starts for it (`/lib64/ld-linux-x86-64.so.2`,
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
    if len(head) < 52 or not head.startswith(_MAGIC):
        return None
    is_64bit, order = head[4] == 2, head[5]
    if head[4] not in (1, 2) or order not in (1, 2) or (is_64bit and len(head) < HEADER_SIZE):
        return None
    endian = "<" if order == 1 else ">"
    (machine,) = struct.unpack_from(f"{endian}H", head, 18)
    (flags,) = struct.unpack_from(f"{endian}I", head, 48 if is_64bit else 36)
    return ElfHeader(machine=machine, is_64bit=is_64bit, is_little_endian=order == 1, flags=flags)


def parse_shebang(head: bytes) -> tuple[str, ...]:
    """Read a script's interpreter and its argument from its first bytes; empty if it has none."""
    if not head.startswith(b"#!"):
        return ()
    line = head[2:].split(b"\n", 1)[0].decode("utf-8", "surrogateescape").strip()
    return tuple(line.split(None, 1))


def make_elf_head(architecture: str) -> bytes | None:
    """Make the first bytes of a program of an architecture (OCI's name), as far as kernels look.

    None for an architecture that is not known.
    """
    found = next((key for key, name in _ARCHITECTURES.items() if name == architecture), None)
    if found is None:
        return None
    machine, is_64bit, is_little_endian = found
    ident = _MAGIC + bytes((2 if is_64bit else 1, 1 if is_little_endian else 2, 1))
    fields = struct.pack("<HHI" if is_little_endian else ">HHI", _ET_EXEC, machine, 1)
    return ident.ljust(16, b"\0") + fields
