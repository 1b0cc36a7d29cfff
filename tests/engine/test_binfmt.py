"""What is registered with a kernel, read from a folder like that of binfmt_misc."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_multiarch.engine.binfmt import read_emulators

ENTRY = """enabled
interpreter {path}
flags: PF
offset 0
magic 7f454c460201010000000000000000000200b700
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "binfmt_misc"
    folder.mkdir()
    (folder / "status").write_text("enabled\n")
    (folder / "register").touch()
    (folder / "python3.11").write_text("enabled\ninterpreter /usr/bin/python3\nmagic a70d0d0a\n")
    return folder


def test_a_folder_without_status_is_not_mounted(tmp_path: Path) -> None:
    assert not read_emulators(tmp_path).is_mounted


def test_other_handlers_are_left_out(folder: Path) -> None:
    table = read_emulators(folder)
    assert (table.is_mounted, table.is_enabled, table.emulators) == (True, True, ())


def test_what_is_turned_off_is_said(folder: Path) -> None:
    (folder / "status").write_text("disabled\n")
    assert not read_emulators(folder).is_enabled


def test_an_emulator_is_asked_under_its_own_name(folder: Path, tmp_path: Path) -> None:
    binary = tmp_path / "qemu-aarch64-static"
    binary.write_text('#!/bin/sh\necho "$(basename $0) $1 version 9.1.2 (Debian)"\n')
    binary.chmod(0o755)
    registered = tmp_path / "aarch64-binfmt-P"
    registered.symlink_to(binary)
    (folder / "qemu-aarch64").write_text(ENTRY.format(path=registered))
    (emulator,) = read_emulators(folder).emulators
    assert (emulator.interpreter, emulator.version) == (str(registered), "9.1.2")


def test_an_emulator_of_a_container_that_is_gone_has_no_version(folder: Path) -> None:
    (folder / "qemu-aarch64").write_text(ENTRY.format(path="/nowhere/qemu-aarch64"))
    (emulator,) = read_emulators(folder).emulators
    assert emulator.version == ""
    assert str(emulator) == "qemu"


@pytest.mark.needs_engine("main")
def test_the_kernel_here_has_one_for_arm64() -> None:
    names = {each.name for each in read_emulators().emulators if each.is_enabled}
    assert "qemu-aarch64" in names
