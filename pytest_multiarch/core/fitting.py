"""Whether a program fits a platform, by what its ELF header says; and the phrases for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_multiarch.core.elf import make_elf_head, parse_elf_header

if TYPE_CHECKING:
    from pytest_multiarch.core.elf import ElfFile, ElfHeader
    from pytest_multiarch.core.platform import Platform

_NO_HOST = frozenset({0, 190, 224, 247})
"""Machines whose code no kernel starts: none, CUDA, AMD's GPUs, BPF."""


def is_foreign(header: ElfHeader, platform: Platform) -> bool:
    """Tell whether a program with this header is for another platform.

    Every amd64 CPU and kernel runs 386 programs; of other pairs that is not true.
    """
    runs_anyway = header.architecture == "386" and platform.architecture == "amd64"
    return not header.fits(platform) and not runs_anyway


def is_other_abi(header: ElfHeader, platform: Platform) -> bool:
    """Tell whether a program for the platform's machine is for another ABI.

    x32 programs need a kernel option that most kernels lack. Machines of ARMv5 have no floating
    point unit; all later ones run both ABIs.
    """
    if header.abi == "x32":
        return platform.architecture == "amd64"
    return header.abi == "armhf" and platform.variant == "v5"


def is_for_no_host(header: ElfHeader) -> bool:
    """Tell code for GPUs and virtual machines, which is in images for every platform."""
    return header.machine in _NO_HOST


def lacks_loader(elf: ElfFile, platform: Platform) -> bool:
    """Tell whether it is a mistake if the loader of a program on PATH is not there.

    It is none for 386 programs, whose libraries may come by another way, nor for vendors' programs
    that ask for the loader of the Linux Standard Base.
    """
    return elf.header.fits(platform) and "/ld-lsb" not in elf.loader


def is_soft_float(elf: ElfFile, platform: Platform) -> bool:
    """Tell whether a program is for machines without a floating point unit, the platform not."""
    return elf.header.abi == "armel" and platform.variant not in ("", "v5")


def describe_header(header: ElfHeader) -> str:
    """Give what a program is for, as a phrase: `arm (32-bit, little endian), armhf`."""
    is_told = header.abi in ("x32", "armhf", "armel")
    return f"{header.label}, {header.abi}" if is_told else header.label


def describe_platform(platform: Platform) -> str:
    """Give what a platform's programs are, as a phrase: `arm64 (64-bit, little endian)`."""
    head = make_elf_head(platform.architecture)
    header = parse_elf_header(head.ljust(64, b"\0")) if head else None
    return header.label if header else str(platform)


def describe_loader(path: str) -> str:
    """Give a loader with the C library that it is of."""
    return f"{path} ({'musl' if '/ld-musl' in path else 'glibc'})" if "/ld" in path else path
