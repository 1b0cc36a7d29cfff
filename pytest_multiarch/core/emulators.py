"""Emulators that are registered with a Linux kernel, and what they let it run.

The kernel asks its binfmt_misc handlers before it looks at a program itself; a handler is chosen
by the first bytes of the program (Documentation/admin-guide/binfmt-misc.rst).
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_multiarch.core.elf import make_elf_head
from pytest_multiarch.core.execution import Execution, ExecutionKind, classify_interpreter

if TYPE_CHECKING:
    from pytest_multiarch.core.platform import Platform

NEEDED_FLAG = "F"
FLAG_MEANINGS = {
    "F": "containers do not find the emulator",
    "C": "setuid programs (sudo, su) get no privileges",
    "P": "programs see their path as their name (argv[0])",
}
"""What goes wrong without a flag. `O` (programs that may be run and not read) comes with `C`."""
_ELF_MAGIC = b"\x7fELF"
_RUNS_ALSO = {"amd64": "386"}
"""What a kernel runs without an emulator beside its own. Many arm64 CPUs run arm, many do not."""
_MAY_RUN = {"arm64": "arm"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulator:
    """A handler for ELF programs, as `/proc/sys/fs/binfmt_misc/NAME` describes it.

    `version` is what its binary says of itself, empty if it does not, or was not asked.
    """

    name: str
    interpreter: str
    flags: str
    is_enabled: bool
    offset: int
    magic: bytes
    mask: bytes
    version: str = ""

    def handles(self, head: bytes) -> bool:
        """Tell whether the kernel gives it a program that begins so."""
        seen = head[self.offset : self.offset + len(self.magic)]
        mask = self.mask or b"\xff" * len(self.magic)
        return len(seen) == len(self.magic) and all(
            (byte ^ wanted) & bits == 0
            for byte, wanted, bits in zip(seen, self.magic, mask, strict=True)
        )

    def list_missing_flags(self) -> tuple[str, ...]:
        """List the flags whose absence breaks something."""
        return tuple(flag for flag in FLAG_MEANINGS if flag not in self.flags)

    def __str__(self) -> str:
        kind = classify_interpreter(self.interpreter)
        known = kind is not ExecutionKind.EMULATED
        name = kind.value if known else posixpath.basename(self.interpreter)
        return f"{name} {self.version}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorTable:
    """What is registered with a kernel.

    `is_mounted`: binfmt_misc is to be seen from here. `is_enabled`: it is not turned off as a
    whole.
    """

    is_mounted: bool
    is_enabled: bool = True
    emulators: tuple[Emulator, ...] = ()

    def find(self, platform: Platform) -> Emulator | None:
        """Give the emulator that the kernel would start for a platform's programs."""
        head = make_elf_head(platform.architecture)
        if head is None or platform.os != "linux" or not self.is_enabled:
            return None
        fitting = (each for each in self.emulators if each.is_enabled and each.handles(head))
        return next(fitting, None)


def parse_emulator(name: str, text: str) -> Emulator | None:
    """Read an entry of binfmt_misc; None if it is not for ELF programs.

    An entry has lines like `enabled`, `interpreter /usr/bin/qemu-aarch64`, `flags: POCF`,
    `offset 0`, `magic 7f454c46...`, `mask ffff...`.
    """
    lines = text.splitlines()
    fields = {key.rstrip(":"): value for key, _, value in (line.partition(" ") for line in lines)}
    try:
        magic, mask = bytes.fromhex(fields.get("magic", "")), bytes.fromhex(fields.get("mask", ""))
        offset = int(fields.get("offset", "0"))
    except ValueError:
        return None
    if not magic.startswith(_ELF_MAGIC) or offset or (mask and len(mask) != len(magic)):
        return None
    return Emulator(
        name=name,
        interpreter=fields.get("interpreter", ""),
        flags=fields.get("flags", "").strip(),
        is_enabled="enabled" in fields,
        offset=offset,
        magic=magic,
        mask=mask,
    )


def forecast_execution(
    platform: Platform, node_platform: Platform, table: EmulatorTable | None
) -> Execution | None:
    """Say how a node would execute a platform, without starting anything.

    `table` is None where the node's kernel cannot be looked at. None if it cannot be said: only
    a container then shows it.
    """
    if (platform.os, platform.architecture) == (node_platform.os, node_platform.architecture):
        return Execution(
            kind=ExecutionKind.NATIVE, evidence=(f"the node's kernel is {node_platform}",)
        )
    if platform.os != node_platform.os:
        return Execution(
            kind=ExecutionKind.UNAVAILABLE, evidence=(f"the node runs {node_platform.os}",)
        )
    if table is None or not table.is_mounted:
        return None
    if emulator := table.find(platform):
        return _forecast_emulator(emulator)
    if _RUNS_ALSO.get(node_platform.architecture) == platform.architecture:
        evidence = f"a kernel for {node_platform} runs {platform.architecture} programs itself"
        return Execution(kind=ExecutionKind.NATIVE, evidence=(evidence,))
    if _MAY_RUN.get(node_platform.architecture) == platform.architecture:
        return None
    return Execution(
        kind=ExecutionKind.UNAVAILABLE,
        evidence=("no emulator for it is registered with the kernel",),
    )


def _forecast_emulator(emulator: Emulator) -> Execution:
    seen = f"binfmt_misc: {emulator.name} is {emulator.interpreter}, flags {emulator.flags}"
    if NEEDED_FLAG in emulator.flags:
        kind = classify_interpreter(emulator.interpreter)
        return Execution(kind=kind, version=emulator.version, evidence=(seen,))
    why = f"without flag {NEEDED_FLAG} {FLAG_MEANINGS[NEEDED_FLAG]}"
    return Execution(kind=ExecutionKind.UNAVAILABLE, evidence=(seen, why))
