"""How a node executes a platform, from what a probe showed."""

from __future__ import annotations

import json

import pytest

from pytest_multiarch.core.execution import (
    Execution,
    ExecutionKind,
    ProbeOutcome,
    classify_interpreter,
    classify_probe,
    explain_unavailable,
)
from pytest_multiarch.core.platform import Platform


def classify(command_line: str, version: str = "") -> Execution:
    outcome = ProbeOutcome(said_hello=True, command_line=command_line, emulator_version=version)
    return classify_probe(outcome, program="/probe")


def test_a_process_listed_as_itself_is_native() -> None:
    assert classify("/probe").kind is ExecutionKind.NATIVE


@pytest.mark.parametrize(
    ("command_line", "kind"),
    [
        ("/usr/bin/qemu-aarch64-static /probe", ExecutionKind.QEMU),
        ("/usr/libexec/qemu-binfmt/aarch64-binfmt-P /probe /probe", ExecutionKind.QEMU),
        ("/run/rosetta/rosetta /probe /probe", ExecutionKind.ROSETTA),
        ("/mnt/lima-rosetta/rosetta /probe", ExecutionKind.ROSETTA),
        ("/opt/fex/FEXInterpreter /probe", ExecutionKind.EMULATED),
    ],
)
def test_an_emulator_is_told_by_its_binary(command_line: str, kind: ExecutionKind) -> None:
    found = classify(command_line)
    assert found.kind is kind
    assert found.is_emulated
    assert command_line in found.evidence[0]


def test_a_version_is_read_from_the_emulator_s_own_words() -> None:
    words = "qemu-aarch64 version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\nCopyright (c) 2003-2022"
    found = classify("/usr/bin/qemu-aarch64-static /probe", words)
    assert str(found) == "qemu 7.2.22"
    assert found.evidence[1] == "qemu-aarch64 version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)"


def test_a_program_that_said_nothing_makes_a_platform_unavailable() -> None:
    outcome = ProbeOutcome(said_hello=False, error="exec format error")
    found = classify_probe(outcome, program="/probe")
    assert not found.is_available
    assert "exec format error" in found.evidence[0]


def test_a_process_that_the_node_did_not_show_is_not_called_native() -> None:
    assert classify("").kind is ExecutionKind.EMULATED


def test_a_folder_called_like_an_emulator_names_it() -> None:
    assert classify_interpreter("/opt/qemu/bin/run") is ExecutionKind.QEMU


@pytest.mark.parametrize(
    "execution",
    [Execution(kind=ExecutionKind.NATIVE), classify("/usr/bin/qemu-arm /probe", "version 9.2.0")],
)
def test_round_trip_through_json(execution: Execution) -> None:
    assert Execution.from_mapping(json.loads(json.dumps(execution.to_mapping()))) == execution


@pytest.mark.parametrize(("platform", "name"), [("linux/arm/v7", "arm"), ("linux/arm64", "arm64")])
def test_an_unavailable_platform_comes_with_the_command_that_adds_it(
    platform: str, name: str
) -> None:
    execution = Execution(kind=ExecutionKind.UNAVAILABLE, evidence=("no handler",))
    error = explain_unavailable(Platform.parse(platform), execution, node="unix:///d.sock")
    assert f"--install {name} " in error.cure
    assert error.what == f"{platform} cannot run on unix:///d.sock: no handler"
