"""The emulators of this machine's kernel; an engine's own only where it runs on the same kernel."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

from pytest_multiarch.core.emulators import Emulator, EmulatorTable, parse_emulator

BINFMT_FOLDER = Path("/proc/sys/fs/binfmt_misc")
_NOT_ENTRIES = ("register", "status")
_VERSION = re.compile(r"version\s+([0-9][0-9A-Za-z.+~-]*)")
_PATIENCE_S = 5.0


def read_emulators(folder: Path = BINFMT_FOLDER) -> EmulatorTable:
    """Read what is registered for ELF programs, with the versions of the emulators."""
    try:
        status = (folder / "status").read_text("utf-8")
        entries = sorted(each for each in folder.iterdir() if each.name not in _NOT_ENTRIES)
    except OSError:  # not mounted, in most containers
        return EmulatorTable(is_mounted=False)
    found = [parse_emulator(each.name, _read(each)) for each in entries]
    versions: dict[str, str] = {}
    emulators = tuple(_complete(each, versions) for each in found if each is not None)
    is_enabled = status.strip() == "enabled"
    return EmulatorTable(is_mounted=True, is_enabled=is_enabled, emulators=emulators)


def _read(entry: Path) -> str:
    try:
        return entry.read_text("utf-8", "replace")
    except OSError:  # it was just taken away
        return ""


def _complete(emulator: Emulator, versions: dict[str, str]) -> Emulator:
    """Add the version of an emulator; each binary is asked once.

    The name that Debian registers, `aarch64-binfmt-P`, makes QEMU read its arguments otherwise:
    the binary is asked under its own name.
    """
    path = str(Path(emulator.interpreter).resolve())
    if "qemu" not in path:
        return emulator
    if path not in versions:
        versions[path] = _ask_version(path)
    return replace(emulator, version=versions[path])


def _ask_version(path: str) -> str:
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, timeout=_PATIENCE_S, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""  # registered by a container that is gone: flag F keeps the emulator itself
    match = _VERSION.search(done.stdout[:1000].decode("utf-8", "replace"))
    return match.group(1) if match else ""
