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
_EM_ARM = 40
_PT_INTERP = 3
_LAST_OF_IDENT = 15
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


def needs_loader(content: bytes) -> bool:
    """Tell whether an ELF file names a program that loads it (PT_INTERP): it is not static."""
    header = parse_elf_header(content[:HEADER_SIZE])
    if header is None:
        return False
    order = "<" if header.is_little_endian else ">"
    (offset,) = struct.unpack_from(
        f"{order}{'Q' if header.is_64bit else 'I'}", content, 32 if header.is_64bit else 28
    )
    size, count = struct.unpack_from(f"{order}HH", content, 54 if header.is_64bit else 42)
    starts = range(offset, min(offset + size * count, len(content) - 3), max(size, 4))
    return any(struct.unpack_from(f"{order}I", content, at)[0] == _PT_INTERP for at in starts)


def mark_unregistered(content: bytes) -> bytes:
    """Give an ELF program a byte that no binfmt_misc registration matches, so that it runs itself.

    Registrations ask for zeros in the padding of `e_ident`; the kernel's own loader does not look.
    """
    return content[:_LAST_OF_IDENT] + b"\x01" + content[_LAST_OF_IDENT + 1 :]


def parse_shebang(head: bytes) -> tuple[str, ...]:
    """Read a script's interpreter and its argument from its first bytes; empty if it has none."""
    if not head.startswith(b"#!"):
        return ()
    line = head[2:].split(b"\n", 1)[0].decode("utf-8", "surrogateescape").strip()
    return tuple(line.split(None, 1))
