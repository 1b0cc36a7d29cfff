"""Which emulator a kernel would start, read from what is registered with it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_multiarch.core.elf import make_elf_head, parse_elf_header
from pytest_multiarch.core.emulators import (
    Emulator,
    EmulatorTable,
    forecast_execution,
    parse_emulator,
)
from pytest_multiarch.core.execution import ExecutionKind
from pytest_multiarch.core.platform import Platform

AMD64 = Platform.parse("linux/amd64")
ARM64 = Platform.parse("linux/arm64")
ARM = Platform.parse("linux/arm/v7")
AARCH64 = """enabled
interpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P
flags: POF
offset 0
magic 7f454c460201010000000000000000000200b700
mask ffffffffffffff00fffffffffffffffffeffffff
"""
ARM_ENTRY = AARCH64.replace("0201", "0101", 1).replace("b700", "2800").replace("aarch64", "arm")


def read(text: str = AARCH64) -> Emulator:
    emulator = parse_emulator("qemu-aarch64", text)
    assert emulator is not None
    return emulator


def make_table(*emulators: Emulator) -> EmulatorTable:
    return EmulatorTable(is_mounted=True, emulators=emulators)


def test_an_entry_is_read() -> None:
    found = read()
    assert found.name == "qemu-aarch64"
    assert found.interpreter == "/usr/libexec/qemu-binfmt/aarch64-binfmt-P"
    assert found.flags == "POF"
    assert found.is_enabled
    assert found.list_missing_flags() == ("C",)
    assert str(replace(found, version="7.2.22")) == "qemu 7.2.22"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "enabled\ninterpreter /usr/bin/python3.11\nflags: \noffset 0\nmagic 550d0d0a\n",
        "enabled\ninterpreter /usr/bin/jexec\nflags: \nextension .jar\n",
        AARCH64.replace("magic 7f", "magic zz"),
        AARCH64.replace("offset 0", "offset 4"),
        AARCH64.replace("mask ff", "mask "),
    ],
)
def test_what_is_not_for_elf_programs_is_left_out(text: str) -> None:
    assert parse_emulator("x", text) is None


@pytest.mark.parametrize(
    "name", ["386", "amd64", "arm", "arm64", "ppc64le", "s390x", "riscv64", "mips64", "loong64"]
)
def test_a_made_head_is_that_of_the_architecture(name: str) -> None:
    head = make_elf_head(name)
    assert head is not None
    header = parse_elf_header(head.ljust(64, b"\0"))
    assert header is not None
    assert header.architecture == name


def test_no_head_is_made_for_what_is_not_known() -> None:
    assert make_elf_head("wasm") is None


def test_the_magic_decides_not_the_name() -> None:
    table = make_table(read(), read(ARM_ENTRY))
    assert table.find(ARM64) == read()
    assert table.find(ARM) == read(ARM_ENTRY)
    assert table.find(AMD64) is None


def test_an_entry_that_is_turned_off_does_nothing() -> None:
    assert make_table(read(AARCH64.replace("enabled", "disabled"))).find(ARM64) is None
    table = EmulatorTable(is_mounted=True, is_enabled=False, emulators=(read(),))
    assert table.find(ARM64) is None


def test_the_nodes_own_architecture_is_native() -> None:
    found = forecast_execution(ARM64, ARM64, None)
    assert found is not None
    assert found.kind is ExecutionKind.NATIVE


def test_an_emulator_is_named_with_its_evidence() -> None:
    found = forecast_execution(ARM64, AMD64, make_table(replace(read(), version="8.2")))
    assert found is not None
    assert str(found) == "qemu 8.2"
    assert found.evidence == (
        "binfmt_misc: qemu-aarch64 is /usr/libexec/qemu-binfmt/aarch64-binfmt-P, flags POF",
    )


def test_rosetta_is_known_by_its_path() -> None:
    entry = AARCH64.replace("/usr/libexec/qemu-binfmt/aarch64-binfmt-P", "/run/rosetta/rosetta")
    found = forecast_execution(ARM64, AMD64, make_table(read(entry)))
    assert found is not None
    assert found.kind is ExecutionKind.ROSETTA


def test_without_f_a_container_finds_no_emulator() -> None:
    found = forecast_execution(ARM64, AMD64, make_table(read(AARCH64.replace("POF", "PO"))))
    assert found is not None
    assert found.kind is ExecutionKind.UNAVAILABLE
    assert "without flag F" in found.evidence[-1]


def test_without_an_emulator_it_is_unavailable() -> None:
    found = forecast_execution(ARM64, AMD64, make_table())
    assert found is not None
    assert found.kind is ExecutionKind.UNAVAILABLE


def test_amd64_runs_386_itself_unless_an_emulator_takes_it() -> None:
    i386 = Platform.parse("linux/386")
    native = forecast_execution(i386, AMD64, make_table())
    assert native is not None
    assert native.kind is ExecutionKind.NATIVE
    taken = read(AARCH64.replace("0201", "0101", 1).replace("b700", "0300"))
    emulated = forecast_execution(i386, AMD64, make_table(taken))
    assert emulated is not None
    assert emulated.kind is ExecutionKind.QEMU


def test_arm64_may_run_arm_which_only_a_container_shows() -> None:
    assert forecast_execution(ARM, ARM64, make_table()) is None


@pytest.mark.parametrize("table", [None, EmulatorTable(is_mounted=False)])
def test_of_a_kernel_that_cannot_be_seen_nothing_is_said(table: EmulatorTable | None) -> None:
    assert forecast_execution(ARM64, AMD64, table) is None


def test_windows_does_not_run_on_linux() -> None:
    found = forecast_execution(Platform.parse("windows/amd64"), AMD64, make_table())
    assert found is not None
    assert found.kind is ExecutionKind.UNAVAILABLE
