"""Measuring in real containers, natively and emulated, and the control run."""

from __future__ import annotations

import time
from threading import Timer
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.core.call import Call, FileToCopy
from pytest_multiarch.core.errors import (
    ContainerError,
    DeadlineError,
    MeasurementError,
    MultiarchError,
    ProgramNotFoundError,
    UsageError,
    WrongArchitectureError,
)
from pytest_multiarch.core.execution import Execution, ExecutionKind
from pytest_multiarch.core.ports import ExecSpec
from pytest_multiarch.run.calls import run_once
from pytest_multiarch.run.container import ContainerSettings
from pytest_multiarch.run.control import ControlWay, run_control, start_control
from pytest_multiarch.run.measure import Plan, measure_callable, measure_command
from pytest_multiarch.run.started import StartedContainer
from pytest_multiarch.run.timer import start_idle

if TYPE_CHECKING:
    from pytest_multiarch.core.overhead import Measurement
    from tests.run.conftest import RealEngine

PLATFORMS = ("linux/amd64", "linux/arm64")
SPIN = "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done"
on_main = pytest.mark.needs_engine("main")
few = Plan(rounds=5)


def start(
    engine: RealEngine, image: str = "sample", platform: str = "linux/amd64", **call: Any
) -> StartedContainer:
    """Start a container of an image that stays by itself."""
    variant = engine.open_variant(image, platform)
    started = start_idle(engine.node, variant.resolved, variant.execution, Call(**call))
    engine.callback(started.remove)
    return started


def measure(engine: RealEngine, *argv: str, image: str = "sample", **plan: Any) -> Measurement:
    """Measure a command on two platforms."""
    containers = [start(engine, image, each) for each in PLATFORMS]
    return measure_command(containers, Call(argv=argv), plan=Plan(**plan) if plan else few)


def test_a_command_on_two_platforms(real: RealEngine) -> None:
    measurement = measure(real, "sh", "-c", SPIN)
    assert measurement.failure is None
    native, emulated = measurement.platforms
    assert [str(each.platform) for each in measurement.platforms] == [*PLATFORMS]
    assert (native.execution.kind, emulated.execution.kind) == (
        ExecutionKind.NATIVE,
        ExecutionKind.QEMU,
    )
    assert len(native.rounds) == len(emulated.rounds) == 5
    assert min(emulated.walls_s) > 2 * min(native.walls_s) > 0
    samples = [sample for runs in emulated.rounds for sample in runs]
    assert all(each.exit_code == 0 and each.user_s and each.user_s > 0 for each in samples)


def test_an_image_without_shell(real: RealEngine) -> None:
    measurement = measure(real, "/app", "report", image="scratch")
    assert measurement.failure is None


def test_control_runs(real: RealEngine) -> None:
    """The second reaches what a program starts, the first does not."""
    variant = real.open_variant("sample").resolved
    first = start_control(real.node, variant, Call())
    tree = start_control(real.node, variant, Call(), is_allowed=True)
    for each in (first, tree):
        real.callback(each.remove)
    assert (first.way, tree.way) == (ControlWay.FIRST, ControlWay.TREE)
    assert tree.started.execution.version
    spawn = Call(argv=("sh", "-c", "for i in 1 2 3 4 5; do /bin/busybox true; done"))
    native = start(real)
    measurement = measure_command([native], spawn, plan=few, controls=[first, tree])
    assert measurement.failure is None
    fastest = [min(each.walls_s) for each in measurement.platforms]
    assert fastest[0] * 2 < fastest[1]
    assert fastest[1] * 1.5 < fastest[2]
    assert [each.is_control for each in measurement.platforms] == [False, True, True]


# On the newest


@on_main
def test_user_folder_and_environment_are_the_commands_own(main: RealEngine) -> None:
    check = '[ "$(id -u) $PWD $A" = "1000 /tmp 1" ] && ! touch /x'
    started = start(main, user="app", workdir="/tmp", env={"A": "1"})
    measurement = measure_command([started], Call(argv=("sh", "-c", check)), plan=few)
    assert measurement.failure is None
    call = Call(argv=("sh", "-c", check), user="app", workdir="/tmp", env={"A": "1"})
    assert measure_command([start(main)], call, plan=few).failure is None


@on_main
@pytest.mark.parametrize("is_allowed", [False, True])
def test_a_control_run_keeps_user_folder_and_environment(
    main: RealEngine, is_allowed: bool
) -> None:
    check = '[ "$(id -u) $(id -G) $PWD $HOME $A" = "1000 1000 /tmp /home/app 1" ] && ! touch /x'
    call = Call(
        argv=("sh", "-c", check), user="app", workdir="/tmp", env={"A": "1", "HOME": "/home/app"}
    )
    control = start_control(
        main.node, main.open_variant("sample").resolved, call, is_allowed=is_allowed
    )
    main.callback(control.remove)
    measurement = measure_command([start(main)], call, plan=few, controls=[control])
    assert (measurement.failure, measurement.control_failure) == (None, None)


@on_main
def test_a_control_run_gives_no_more_capabilities(main: RealEngine) -> None:
    variant = main.open_variant("sample").resolved
    control = start_control(main.node, variant, Call(), is_allowed=True)
    main.callback(control.remove)
    native = start(main)
    expected = read_capabilities(native)
    assert int(expected, 16) > 0
    check = f'[ "$(grep CapBnd /proc/self/status | cut -f2)" = {expected} ]'
    call = Call(argv=("sh", "-c", check))
    measurement = measure_command([native], call, plan=few, controls=[control])
    assert (measurement.failure, measurement.control_failure) == (None, None)


def read_capabilities(started: StartedContainer) -> str:
    _, attachment = started.node.engine.start_exec(
        started.id, ExecSpec(argv=("grep", "CapBnd", "/proc/self/status"))
    )
    piece = attachment.read(deadline=time.monotonic() + 10)
    attachment.close()
    assert piece is not None
    return piece[1].split()[1].decode()


@on_main
def test_what_the_host_has_registered_stays(main: RealEngine) -> None:
    """A second container, and the first once the control has begun, run natively."""
    variant = main.open_variant("sample").resolved
    control = start_control(main.node, variant, Call(), is_allowed=True)
    main.callback(control.remove)
    launch = control.launch(Call(argv=("sleep", "1000")))
    spec = ExecSpec(argv=(*launch.before, *launch.argv), user=launch.user)
    _, attachment = main.node.engine.start_exec(control.started.id, spec)
    _, other = main.node.engine.start_exec(control.started.id, ExecSpec(argv=("sleep", "999")))
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        seen = main.node.engine.list_processes(control.started.id)
        if sum("sleep" in each for each in seen) == 2 and "control" not in "".join(seen):
            break
        time.sleep(0.05)
    attachment.close()
    other.close()
    assert any(each.startswith("/.pytest-multiarch-qemu") and "1000" in each for each in seen)
    assert "sleep 999" in seen


@on_main
def test_a_script_is_no_first_process(main: RealEngine) -> None:
    script = FileToCopy(path="/x", content=b"#!/bin/sh\n", mode=0o755)
    call = Call(argv=("/x",), files=(script,))
    control = start_control(main.node, main.open_variant("sample").resolved, call)
    main.callback(control.remove)
    with pytest.raises(UsageError, match="it is a script") as caught:
        control.launch(call)
    assert "--multiarch-control" in caught.value.cure


SHOW = """
printf '%s|' "$0" "$@" "$(id -u)" "$PWD" "$A" "$HOME" "$(cat /in/file)" "$$"
cat
echo oops >&2
exit 7
"""


@on_main
@pytest.mark.parametrize("is_allowed", [False, True])
def test_any_call_is_made_emulated_as_it_was_made_natively(
    main: RealEngine, is_allowed: bool
) -> None:
    variant = main.open_variant("sample")
    call = Call(
        entrypoint=("sh", "-c"), argv=(SHOW, "name", "two words"), user="1000:1000",
        workdir="/tmp", env={"A": "1", "HOME": "/home/x"}, stdin=b"typed\n",
        files=(FileToCopy(path="/in/file", content=b"content"),), network="none", timeout_s=60,
    )  # fmt: skip
    native, _ = run_once(main.node, variant.resolved, variant.execution, call)
    found = run_control(main.node, variant.resolved, call, is_allowed=is_allowed)
    assert native.exit_code == 7
    assert found.result.exit_code == 7
    assert found.result.stdout == native.stdout
    assert found.result.stdout.endswith("content|1|typed\n")
    assert found.result.stderr == native.stderr == "oops\n"
    assert found.result.command == native.command
    assert found.result.execution.is_emulated
    assert found.way is (ControlWay.TREE if is_allowed else ControlWay.FIRST)
    assert bool(found.note) is not is_allowed


@on_main
@pytest.mark.parametrize("is_allowed", [False, True])
def test_a_crash_under_the_emulator_is_its_result(main: RealEngine, is_allowed: bool) -> None:
    call = Call(entrypoint=("sh",), argv=("-c", "kill -SEGV $$; sleep 0.1"))
    variant = main.open_variant("sample").resolved
    result = run_control(main.node, variant, call, is_allowed=is_allowed).result
    assert result.exit_code == 139
    assert "uncaught target signal 11" in result.stderr


@on_main
@pytest.mark.parametrize(
    ("is_allowed", "message"), [(False, "no program of the image"), (True, "No such file")]
)
def test_a_control_run_of_what_is_not_there(
    main: RealEngine, is_allowed: bool, message: str
) -> None:
    variant = main.open_variant("sample").resolved
    with pytest.raises(MultiarchError, match=message):
        run_control(main.node, variant, Call(argv=("nosuch",)), is_allowed=is_allowed)


@on_main
def test_a_script_is_run_emulated_with_leave(main: RealEngine) -> None:
    script = FileToCopy(path="/x", content=b"#!/bin/sh\ncat /proc/self/comm\n", mode=0o755)
    call = Call(argv=("/x",), files=(script,))
    variant = main.open_variant("sample").resolved
    assert run_control(main.node, variant, call, is_allowed=True).result.exit_code == 0


@on_main
def test_a_control_of_an_emulated_variant(main: RealEngine) -> None:
    variant = main.open_variant("sample", "linux/arm64").resolved
    with pytest.raises(UsageError, match="control run of linux/arm64 is not possible"):
        start_control(main.node, variant, Call())


@on_main
def test_a_program_cannot_write_reports(main: RealEngine) -> None:
    """Neither through a descriptor left open, nor through /proc."""
    forge = "for fd in /proc/$PPID/fd/1 /proc/self/fd/[3-9]; do echo ran 0 0 0 0 0 0 0 > $fd; done"
    for user in ("", "app"):
        measurement = measure_command(
            [start(main)], Call(argv=("sh", "-c", f"{forge}; sleep 0.05"), user=user), plan=few
        )
        assert measurement.failure is None
        assert min(measurement.platforms[0].walls_s) > 0.05


@on_main
def test_a_command_that_fails_is_quoted(main: RealEngine) -> None:
    failure = measure(main, "sh", "-c", "echo no licence >&2; exit 3").failure
    assert isinstance(failure, MeasurementError)
    assert "on linux/amd64 ended with exit code 3" in failure.what
    assert "no licence" in failure.what


@on_main
def test_an_exit_code_that_is_allowed(main: RealEngine) -> None:
    call = Call(argv=("sh", "-c", "exit 3"))
    assert measure_command([start(main)], call, plan=few, allowed=(0, 3)).failure is None


@on_main
def test_a_command_that_fails_in_one_round(main: RealEngine) -> None:
    script = "n=$(cat /n 2>/dev/null || echo 0); echo $((n + 1)) > /n; [ $n -lt 4 ]"
    measurement = measure(main, "sh", "-c", script)
    assert [len(each.rounds) for each in measurement.platforms] == [3, 3]
    assert "ended with exit code 1, in the warm-up with 0" in str(measurement.failure)


@on_main
def test_a_container_that_dies_between_rounds(main: RealEngine) -> None:
    containers = [start(main, platform=each) for each in PLATFORMS]
    script = "n=$(cat /n 2>/dev/null || echo 0); echo $((n + 1)) > /n; [ $n -lt 3 ] || sleep 60"
    killer = Timer(3, main.node.engine.stop_container, [containers[1].id], {"timeout_s": 0})
    killer.start()
    measurement = measure_command(containers, Call(argv=("sh", "-c", script)), plan=few)
    killer.join()
    assert isinstance(measurement.failure, ContainerError | DeadlineError)
    assert [len(each.rounds) for each in measurement.platforms] == [2, 2]


@on_main
def test_a_command_that_hangs(main: RealEngine) -> None:
    started = start(main)
    call = Call(argv=("sh", "-c", "echo waiting; sleep 1000"), timeout_s=0.5)
    failure = measure_command([started], call).failure
    assert isinstance(failure, DeadlineError)
    assert "did not end within 0.5 s" in failure.what
    assert "waiting" in failure.what
    assert not any("sleep" in each for each in main.node.engine.list_processes(started.id))


@on_main
def test_much_output_is_bounded(main: RealEngine) -> None:
    failure = measure(main, "sh", "-c", "app flood 20; exit 1").failure
    assert failure is not None
    assert len(str(failure)) < 5000


@on_main
def test_a_program_that_is_not_there(main: RealEngine) -> None:
    failure = measure(main, "nosuch").failure
    assert isinstance(failure, ProgramNotFoundError)
    assert "'nosuch' could not be started: No such file or directory" in failure.what


@on_main
def test_amd64_programs_in_an_arm64_entry_are_not_measured(main: RealEngine) -> None:
    with pytest.raises(WrongArchitectureError, match="/bin/busybox is amd64"):
        measure_command([start(main, "liar", "linux/arm64")], Call(argv=("ls",)))


@on_main
def test_a_container_that_has_ended(main: RealEngine) -> None:
    started = start(main)
    main.node.engine.stop_container(started.id, timeout_s=0)
    with pytest.raises(ContainerError):
        measure_command([started], Call(argv=("true",)))


@on_main
def test_a_root_that_is_read_only(main: RealEngine) -> None:
    variant = main.open_variant("sample")
    container_id = main.run_docker(
        "run", "--detach", "--read-only", variant.reference, "sleep", "1000"
    ).strip()
    main.callback(lambda: main.node.engine.remove_container(container_id))
    native = Execution(kind=ExecutionKind.NATIVE)
    started = StartedContainer(main.node, variant.resolved, native, ContainerSettings())
    started.id = container_id
    with pytest.raises(ContainerError, match="read-only") as caught:
        measure_command([started], Call(argv=("true",)))
    assert "whose root is not read-only" in caught.value.cure


@on_main
def test_a_callable(main: RealEngine) -> None:
    call = Call(argv=("app", "sleep", "1000"))
    containers = [
        main.open_container(main.open_variant("sample", each), call=call) for each in PLATFORMS
    ]
    measurement = measure_callable(containers, lambda each: each.exec("true"), plan=few)
    assert measurement.failure is None
    assert [len(each.walls_s) for each in measurement.platforms] == [5, 5]
