"""How a node executes a platform: by evidence, found once."""

from __future__ import annotations

import pytest

from pytest_multiarch.core.errors import (
    ContainerError,
    EngineError,
    EngineGoneError,
    PlatformUnavailableError,
)
from pytest_multiarch.core.execution import Execution, ExecutionKind
from pytest_multiarch.run import detect
from tests.fake_engine import (
    AMD64,
    ARM64,
    I386,
    LABEL,
    S390X,
    Ending,
    FakeEngine,
    FakeImage,
    make_node,
)

QEMU = ("/usr/bin/qemu-aarch64-static /probe",)
HELLO = b"pytest-multiarch probe arm64\n"
WAITS = Ending(out=HELLO, exit_code=None)
VERSION = Ending(out=b"qemu-aarch64 version 7.2.22 (Debian 1:7.2+dfsg-7)\nCopyright\n")


def probe(
    processes: tuple[str, ...],
    *,
    main: Ending = WAITS,
    version: Ending = VERSION,
    fail: dict[str, list[BaseException]] | None = None,
) -> Execution:
    """Detect arm64 on an amd64 node that answers so."""
    engine = FakeEngine()
    engine.process_lists[ARM64] = processes
    engine.fail = fail or {}
    commands = {"/probe": main, "/proc/1/exe --version": version}
    node = make_node(engine, probes={ARM64: FakeImage(platform=ARM64, commands=commands)})
    try:
        return node.detect_execution(ARM64)
    finally:
        assert not engine.containers, "a probe is left"
        assert engine.open_attachments == 0


def test_the_nodes_own_architecture_needs_no_probe() -> None:
    engine = FakeEngine()
    node = make_node(engine)
    assert node.detect_execution(AMD64).kind is ExecutionKind.NATIVE
    assert not engine.calls


def test_the_node_counts_not_the_client() -> None:
    node = make_node(FakeEngine(platform=ARM64))
    assert node.detect_execution(ARM64).kind is ExecutionKind.NATIVE


def test_qemu_with_its_version() -> None:
    found = probe(QEMU)
    assert (found.kind, found.version) == (ExecutionKind.QEMU, "7.2.22")
    assert any(QEMU[0] in each for each in found.evidence)


def test_a_foreign_platform_can_be_native() -> None:
    """386 on amd64, arm/v7 on many an arm64."""
    assert probe(("/probe",)).kind is ExecutionKind.NATIVE


@pytest.mark.parametrize(
    ("command_line", "kind"),
    [
        # As Docker Desktop's documentation and users' listings show them; not seen on a real one.
        ("/run/rosetta/rosetta /probe /probe", ExecutionKind.ROSETTA),
        ("/usr/bin/qemu-aarch64 /probe", ExecutionKind.QEMU),
        ("/opt/other/emulator /probe", ExecutionKind.EMULATED),
    ],
)
def test_other_emulators(command_line: str, kind: ExecutionKind) -> None:
    assert probe((command_line,), version=Ending(err=b"usage: ...\n", exit_code=1)).kind is kind


def test_a_node_that_does_not_list_processes() -> None:
    found = probe((), fail={"list_processes": [EngineError("no ps here")]})
    assert found.kind is ExecutionKind.EMULATED


def test_an_emulator_that_does_not_tell_its_version() -> None:
    found = probe(QEMU, fail={"start_exec": [ContainerError("cannot exec")]})
    assert (found.kind, found.version) == (ExecutionKind.QEMU, "")


def test_an_emulator_that_warns_before_the_probe_prints() -> None:
    main = Ending(out=HELLO, err=b"qemu: warning: ...\n", exit_code=None)
    assert probe(QEMU, main=main).kind is ExecutionKind.QEMU


def test_no_emulator() -> None:
    refused = Ending(err=b"exec /probe: exec format error\n", exit_code=1)
    found = probe((), main=refused)
    assert found.kind is ExecutionKind.UNAVAILABLE
    assert "exec format error" in found.evidence[0]


def test_a_runtime_that_refuses_to_start() -> None:
    found = probe((), fail={"start_container": [ContainerError("exec format error")]})
    assert found.kind is ExecutionKind.UNAVAILABLE


def test_a_probe_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detect, "_DEADLINE_S", 0.05)
    found = probe((), main=Ending(exit_code=None))
    assert found.kind is ExecutionKind.UNAVAILABLE
    assert "said nothing" in found.evidence[0]


@pytest.mark.parametrize("method", ["start_container", "list_processes", "start_exec"])
def test_an_engine_that_goes_away_is_no_missing_emulator(method: str) -> None:
    """`--multiarch-unavailable=skip` would hide it."""
    with pytest.raises(EngineGoneError):
        probe(QEMU, fail={method: [EngineGoneError("gone")]})


def test_an_interrupt_leaves_no_probe() -> None:
    with pytest.raises(KeyboardInterrupt):
        probe(QEMU, fail={"list_processes": [KeyboardInterrupt()]})


def test_unavailable_is_an_error_with_the_cure() -> None:
    engine = FakeEngine()
    node = make_node(engine, probes={})
    with pytest.raises(PlatformUnavailableError, match="no probe program") as caught:
        node.require_execution(S390X)
    assert "take linux/s390x out of the platforms mark" in caught.value.cure
    assert engine.loaded == 0, "there is nothing to load"


def test_a_platform_is_probed_once_and_probes_are_loaded_together() -> None:
    engine = FakeEngine()
    engine.process_lists = {ARM64: QEMU, I386: ("/probe",)}
    commands = {"/probe": WAITS, "/proc/1/exe --version": VERSION}
    probes = {each: FakeImage(platform=each, commands=commands) for each in (ARM64, I386)}
    node = make_node(engine, probes=probes)
    for _ in range(2):
        node.detect_execution(ARM64, soon=[AMD64, ARM64, I386])
        assert node.detect_execution(I386).kind is ExecutionKind.NATIVE
    assert engine.loaded == 1
    assert engine.count("create_container") == 2


def test_probes_carry_the_sessions_label_and_are_watched_over() -> None:
    engine = FakeEngine()
    engine.process_lists[ARM64] = QEMU
    node = make_node(engine, probes={ARM64: FakeImage(platform=ARM64, commands={"/probe": WAITS})})
    seen: list[str] = []
    create = engine.create_container
    engine.create_container = lambda spec: (  # type: ignore[method-assign]
        seen.append(spec.labels[LABEL]) or create(spec)
    )
    node.detect_execution(ARM64)
    assert seen == ["s1"]
    assert len(node.tools.watchdogs) == 1  # type: ignore[attr-defined]
