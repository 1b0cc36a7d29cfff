"""The timer: what it says of runs, and what a program that it runs is given."""

from __future__ import annotations

import platform
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.native import list_targets, read_program
from pytest_multiarch.run.timer import Report, parse_report

if TYPE_CHECKING:
    pass

pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="runs the amd64 program, which needs an amd64 machine"
)
Ask = "Callable[..., tuple[list[Report], bytes]]"


@pytest.fixture
def timer(tmp_path: Path) -> Path:
    """The amd64 timer as an executable file."""
    path = tmp_path / "timer"
    content = read_program("timer", "linux-amd64")
    assert content is not None
    path.write_bytes(content)
    path.chmod(0o755)
    return path


@pytest.fixture
def ask(timer: Path) -> Ask:
    """Run the timer with requests; give its reports and its stderr."""

    def run(
        *argv: str,
        runs: int = 1,
        limit_ms: int = 10_000,
        is_loud: bool = False,
        env: dict[str, str] | None = None,
    ) -> tuple[list[Report], bytes]:
        request = f"{runs:x} {limit_ms:x} {is_loud:x}\n".encode()
        done = subprocess.run(
            [timer, *argv], input=request, capture_output=True, timeout=60, env=env, check=True
        )
        first, *lines = done.stdout.splitlines()
        assert first == b"ready"
        reports = [parse_report(line) for line in lines]
        assert None not in reports
        return [each for each in reports if each is not None], done.stderr

    return run


def get_exit_code(report: Report) -> int | None:
    assert report.sample is not None
    return report.sample.exit_code


def test_it_is_there_for_every_node() -> None:
    assert list_targets("timer") == list_targets("control") == list_targets("probe")


def test_each_run_is_reported(ask: Ask) -> None:
    reports, _ = ask("sh", "-c", "sleep 0.1; exit 3", runs=3)
    assert [get_exit_code(each) for each in reports] == [3, 3, 3]
    assert all(0.1 <= each.sample.wall_s < 1 for each in reports)


def test_a_signal_is_told(ask: Ask) -> None:
    reports, _ = ask("sh", "-c", "kill -SEGV $$")
    assert [get_exit_code(each) for each in reports] == [139]


def test_cpu_time_contains_that_of_descendants(ask: Ask) -> None:
    spin = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"
    reports, _ = ask("sh", "-c", f"sh -c '{spin}'; true")
    assert reports[0].sample.user_s + reports[0].sample.system_s > 0.02


def test_output_is_dropped_unless_it_is_loud(ask: Ask) -> None:
    assert ask("sh", "-c", "echo out; echo err >&2")[1] == b""
    assert ask("sh", "-c", "echo out; echo err >&2", is_loud=True)[1] == b"out\nerr\n"


def test_stdin_is_empty(ask: Ask) -> None:
    assert [get_exit_code(each) for each in ask("cat", runs=2)[0]] == [0, 0]


def test_a_program_has_nothing_open_but_its_three_streams(ask: Ask) -> None:
    _, printed = ask("sh", "-c", "echo /proc/self/fd/*", is_loud=True)
    own = {"/proc/self/fd/3"}  # the folder that the shell lists
    assert set(printed.decode().split()) - own == {f"/proc/self/fd/{n}" for n in range(3)}


def test_signals_are_as_a_program_expects_them(ask: Ask) -> None:
    _, printed = ask("grep", "SigBlk", "/proc/self/status", is_loud=True)
    assert printed == b"SigBlk:\t0000000000000000\n"


def test_a_late_run_is_killed_with_what_it_started(ask: Ask, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    reports, _ = ask("sh", "-c", f"(sleep 1; touch {mark}) & sleep 60", limit_ms=200, runs=3)
    assert [each.is_late for each in reports] == [True]
    assert 0.2 <= reports[0].sample.wall_s < 1
    time.sleep(1.2)
    assert not mark.exists()


def test_a_program_that_is_not_there(ask: Ask) -> None:
    assert ask("nosuch", runs=2)[0] == [Report(refusal=2)]
    assert ask("/nosuch/x")[0] == [Report(refusal=2)]


def test_a_file_that_is_no_program(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\0nothing")
    assert ask(f"{tmp_path}/x")[0] == [Report(refusal=13)]
    (tmp_path / "x").chmod(0o755)
    assert ask(f"{tmp_path}/x")[0] == [Report(refusal=8)]


def test_path_is_searched_in_its_order(ask: Ask, tmp_path: Path) -> None:
    for folder, code in (("a", 1), ("b", 2)):
        (tmp_path / folder).mkdir()
        script = tmp_path / folder / "x"
        script.write_text(f"#!/bin/sh\nexit {code}\n")
        script.chmod(0o755)
    (tmp_path / "a" / "x").chmod(0o644)
    env = {"PATH": f"/nosuch:{tmp_path}/a:{tmp_path}/b"}
    assert get_exit_code(ask("x", env=env)[0][0]) == 2
    assert ask("x", env={"PATH": f"{tmp_path}/a"})[0] == [Report(refusal=13)]
    assert ask("x", env={"PATH": "/" + "x" * 5000})[0] == [Report(refusal=36)]
    assert ask("x", env={})[0] == [Report(refusal=2)]


@pytest.mark.parametrize("request_line", [b"\n", b"0 0 0\n", b"x" * 1000, b"zz 1 1\n"])
def test_nonsense_is_no_run(timer: Path, request_line: bytes) -> None:
    done = subprocess.run([timer, "true"], input=request_line, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, b"ready\n")


def test_its_own_part_of_the_time_is_small(ask: Ask) -> None:
    """The shell that starts `true` as often itself takes no less."""
    reports, _ = ask("/bin/true", runs=200)
    walls = sorted(each.sample.wall_s for each in reports)
    assert walls[0] < 0.005


def test_idle_it_stays_until_killed(timer: Path) -> None:
    with subprocess.Popen([timer], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        process.kill()
