"""The machine that this process runs on, as far as it matters to an engine."""

from __future__ import annotations

import os
import platform
import shutil
from typing import TYPE_CHECKING

from pytest_multiarch.core.checkup import Machine
from pytest_multiarch.core.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOLD = ("DOCKER_DEFAULT_PLATFORM", "QEMU_CPU", "QEMU_STACK_SIZE")


def read_machine(environ: Mapping[str, str]) -> Machine:
    """Describe this machine."""
    system = platform.uname()
    return Machine(
        platform=Platform.of_image(system.system, system.machine),
        kernel=system.release,
        memory_size=_read_memory_size(),
        page_size=_ask("SC_PAGE_SIZE"),
        environ={name: environ[name] for name in _TOLD if environ.get(name)},
    )


def _read_memory_size() -> int:
    """Give what Docker's `MemTotal` is made of (`sysinfo(2)`)."""
    return _ask("SC_PHYS_PAGES") * _ask("SC_PAGE_SIZE")


def _ask(name: str) -> int:
    try:
        return os.sysconf(name)
    except (OSError, ValueError, AttributeError):
        return 0


def read_disk_space(folder: str) -> tuple[int, int] | None:
    """Give the free bytes and all bytes of a folder's disk; None if there is no such folder."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    return usage.free, usage.total
