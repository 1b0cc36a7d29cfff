"""Programs told by their first bytes: those of Linux, scripts, and those of other systems."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from pytest_multiarch.core.elf import ELF_MAGIC, parse_elf_file, parse_shebang
from pytest_multiarch.core.filetree import ForeignFormat, Script

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_multiarch.core.filetree import Program

HEAD_SIZE = 4096
"""So many first bytes tell, in nearly all files."""
_SCRIPT_HEAD = 256
"""As much of a script's first line as Linux reads (`BINPRM_BUF_SIZE`)."""
_MACH_O = {b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe"}
_MACH_O_FAT = {b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf"}
_MOST_FAT = 42
"""More architectures than any Mach-O file has; Java's class files have their version there."""
_PE_LOCATION = 0x3C
_FIRST_BYTES = frozenset({b"\x7f", b"#", b"M", *(magic[:1] for magic in _MACH_O | _MACH_O_FAT)})


def recognize_program(head: bytes, further: Mapping[int, bytes] | None = None) -> Program | None:
    """Tell what a file is from its first bytes; None if it is no program.

    `further` is as `parse_elf_file` takes it. Never raises.
    """
    if head[:1] not in _FIRST_BYTES:
        return None
    if head.startswith(ELF_MAGIC):
        return parse_elf_file(head, further)
    if head.startswith(b"#!"):
        words = parse_shebang(head[:_SCRIPT_HEAD])
        return Script(*words) if words else None
    if _is_mach_o(head):
        return ForeignFormat("Mach-O")
    return ForeignFormat("PE") if _is_pe(head) else None


def _is_mach_o(head: bytes) -> bool:
    if head[:4] in _MACH_O:
        return len(head) >= 28
    if head[:4] not in _MACH_O_FAT or len(head) < 8:
        return False
    return 0 < int.from_bytes(head[4:8], "big") <= _MOST_FAT


def _is_pe(head: bytes) -> bool:
    if not head.startswith(b"MZ") or len(head) < _PE_LOCATION + 4:
        return False
    (offset,) = struct.unpack_from("<I", head, _PE_LOCATION)
    return head[offset : offset + 4] == b"PE\0\0"
