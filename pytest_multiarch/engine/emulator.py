"""The QEMU that runs on a node and emulates the node's own architecture, found on this machine.

Users of one have installed it with the emulators of the other architectures: Debian's and Ubuntu's
`qemu-user-static` and the image tonistiigi/binfmt hold it too. It is copied into containers, so it
has to be static.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_multiarch.core.call import FileToCopy
from pytest_multiarch.core.elf import parse_elf_file
from pytest_multiarch.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_multiarch.core.platform import Platform

_QEMU_NAMES = {
    "386": "i386", "amd64": "x86_64", "arm": "arm", "arm64": "aarch64", "loong64": "loongarch64",
    "ppc64le": "ppc64le", "riscv64": "riscv64", "s390x": "s390x",
}  # fmt: skip
_FOLDERS = (Path("/usr/bin"), Path("/usr/local/bin"), Path("/usr/libexec/qemu-binfmt"))
_REGISTRATIONS = Path("/proc/sys/fs/binfmt_misc")
_INTERPRETER = re.compile(r"^interpreter (/.+)$", re.MULTILINE)
_LARGEST = 256 * 1024 * 1024


def find_emulator(
    platform: Platform,
    *,
    configured: str = "",
    folders: Iterable[Path] = _FOLDERS,
    registrations: Path = _REGISTRATIONS,
) -> FileToCopy:
    """Find the emulator for a node of a platform; a `configured` path is the only one looked at.

    Where other architectures are registered with the kernel, the one beside their emulators comes
    first, so that all are of one version.

    Raises:
        UsageError: there is none; with where it was looked for, and how to get one.
    """
    qemu = _QEMU_NAMES.get(platform.architecture, platform.architecture)
    names = (f"qemu-{qemu}-static", f"qemu-{qemu}", f"{qemu}-binfmt-P")
    beside = _list_registered_folders(registrations)
    looked_at = [folder / name for folder in (*beside, *folders) for name in names]
    refusals = []
    for path in [Path(configured)] if configured else looked_at:
        content = _read(path)
        refusal = "" if content is None else _find_flaw(content, platform)
        if content is not None and not refusal:
            return FileToCopy(path=str(path), content=content, mode=0o755)
        refusals += [f"{path} {refusal}"] if refusal else []
    seen = "; ".join(refusals) or f"there is no {configured or names[0]} on this machine"
    raise UsageError(
        f"no emulator for a control run on {platform}: {seen}",
        cure="install one (Debian, Ubuntu: apt-get install qemu-user-static), or name a static "
        f"qemu-{qemu} that runs on {platform} with control.emulator",
    )


def _list_registered_folders(registrations: Path) -> Iterator[Path]:
    """Give the folders of the emulators that this machine's kernel uses, links followed."""
    try:
        files = sorted(registrations.glob("qemu-*"))
        texts = [file.read_text() for file in files]
    except OSError:
        return
    found = (match for text in texts for match in _INTERPRETER.findall(text))
    yield from dict.fromkeys(Path(each).resolve().parent for each in found)


def _read(path: Path) -> bytes | None:
    try:
        is_small = path.is_file() and path.stat().st_size <= _LARGEST
        return path.read_bytes() if is_small else None
    except OSError:
        return None


def _find_flaw(content: bytes, platform: Platform) -> str:
    """Say why a file cannot be used; empty if it can."""
    program = parse_elf_file(content)
    if program is None:
        return "is no ELF program"
    if not program.header.fits(platform):
        return f"is for {program.header.label}"
    if program.loader:
        return "is not static"
    return ""
