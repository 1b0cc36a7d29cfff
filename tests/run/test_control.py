"""How far a control run reaches, and how commands are started in it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_multiarch.core.call import Call
from pytest_multiarch.core.errors import ContainerError, UsageError
from pytest_multiarch.run.control import (
    CONTROL_PATH,
    EMULATOR_PATH,
    Control,
    ControlWay,
    choose_way,
    start_control,
)
from pytest_multiarch.run.timer import TIMER_PATH
from tests.fake_engine import (
    AMD64,
    ARM64,
    Ending,
    FakeEngine,
    FakeImage,
    make_elf,
    make_variant,
)

VERSION = f"{EMULATOR_PATH} --version"
LAUNCHED = f"{CONTROL_PATH} {EMULATOR_PATH} 3e8 3e9 3e9,14"
SAYS_VERSION = Ending(out=b"qemu-x86_64 version 7.2.22 (Debian)\n")
COMMANDS = {
    TIMER_PATH: Ending(exit_code=None),
    VERSION: SAYS_VERSION,
    CONTROL_PATH: Ending(out=b"3e8 3e9 3e9 14\n/home/app\n"),
    f"{LAUNCHED} {VERSION}": SAYS_VERSION,
}


def start(
    engine: FakeEngine, *, is_allowed: bool = False, call: Call | None = None, **commands: Ending
) -> Control:
    image = FakeImage(
        platform=AMD64, files={"/bin/app": make_elf("amd64")}, commands={**COMMANDS, **commands}
    )
    variant = make_variant(engine, image)
    variant.node.tools.probes[AMD64] = image  # type: ignore[attr-defined]
    return start_control(variant.node, variant.resolved, call or Call(), is_allowed=is_allowed)


def make_engine(kernel: str = "6.8.0-31-generic") -> FakeEngine:
    engine = FakeEngine()
    engine.facts = replace(engine.facts, kernel=kernel)
    return engine


@pytest.mark.parametrize(
    ("kernel", "is_allowed", "way", "note"),
    [
        ("6.7.0", True, ControlWay.TREE, ""),
        ("6.18.44-fc-v657", True, ControlWay.TREE, ""),
        ("10.0-rc1", True, ControlWay.TREE, ""),
        ("6.6.99", True, ControlWay.FIRST, "need Linux 6.7, the node has 6.6.99"),
        ("5.10.0-8-amd64", True, ControlWay.FIRST, "need Linux 6.7"),
        ("", True, ControlWay.FIRST, "need Linux 6.7"),
        ("6.8.0", False, ControlWay.FIRST, "need --multiarch-control"),
    ],
)
def test_how_far_it_reaches(kernel: str, is_allowed: bool, way: ControlWay, note: str) -> None:
    found, why = choose_way(make_engine(kernel).facts, is_allowed=is_allowed)
    assert found is way
    assert note in why


def test_without_leave_the_container_is_as_any_other() -> None:
    engine = make_engine()
    control = start(engine)
    spec = engine.containers[control.started.id].spec
    assert spec.security == ()
    launch = control.launch(Call(argv=("app", "--version")))
    assert launch.before == ()
    assert launch.argv == (EMULATOR_PATH, "-0", "app", "/bin/app", "--version")


def test_with_leave_it_has_no_profile_and_a_launcher() -> None:
    engine = make_engine()
    control = start(engine, is_allowed=True)
    assert "seccomp=unconfined" in engine.containers[control.started.id].spec.security
    launch = control.launch(Call(argv=("app",), user="app", env={"A": "1"}))
    assert " ".join(launch.before) == LAUNCHED
    assert (launch.argv, launch.user) == (("app",), "0")
    assert launch.env == {"HOME": "/home/app", "A": "1"}


def test_its_execution_is_the_emulators() -> None:
    execution = start(make_engine()).started.execution
    assert str(execution) == "qemu 7.2.22"
    assert execution.evidence == (
        "started by /usr/bin/qemu",
        "qemu-x86_64 version 7.2.22 (Debian)",
    )


def test_a_node_that_refuses_falls_back_and_says_why() -> None:
    engine = make_engine()
    refusal = Ending(out=b"pytest-multiarch control: unshare: error 1\n", exit_code=125)
    control = start(engine, is_allowed=True, **{f"{LAUNCHED} {VERSION}": refusal})
    assert control.way is ControlWay.FIRST
    assert "unshare: Operation not permitted (EPERM)" in control.note
    assert list(engine.containers) == [control.started.id]


def test_an_emulator_that_does_not_start_leaves_nothing() -> None:
    engine = make_engine()
    with pytest.raises(ContainerError, match="does not start: 'exec format error'"):
        start(engine, **{VERSION: Ending(out=b"exec format error", exit_code=1)})
    assert not engine.containers


def test_a_user_that_cannot_be_found_out() -> None:
    engine = make_engine()
    with pytest.raises(ContainerError, match="user 'nosuch' cannot be found out"):
        start(
            engine, is_allowed=True, call=Call(user="nosuch"),
            **{CONTROL_PATH: Ending(out=b"unable to find user nosuch", exit_code=1)},
        )  # fmt: skip
    assert not engine.containers


@pytest.mark.parametrize("file", [b"#!/bin/sh\n", None, b"\0nothing"])
def test_what_is_no_program_is_no_first_process(file: Any) -> None:
    engine = make_engine()
    control = start(engine)
    files = engine.containers[control.started.id].files
    files.pop("/bin/app")
    files |= {"/bin/app": file} if file else {}
    with pytest.raises(UsageError, match="control run of 'app' is not possible"):
        control.launch(Call(argv=("app",)))


def test_an_emulated_variant_has_no_control() -> None:
    engine = make_engine()
    variant = make_variant(engine)
    foreign = replace(variant.resolved, platform=ARM64)
    with pytest.raises(UsageError, match="control run of linux/arm64 is not possible"):
        start_control(variant.node, foreign, Call())
