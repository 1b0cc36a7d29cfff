#!/usr/bin/env python3
"""Measure how right the measured overhead is, and what measuring costs.

    python benchmarks/overhead.py [--rounds 15] [--first] [--raw FILE] [WORKLOAD ...]

The same static programs run in containers, measured as the `overhead` fixture does, and on this
machine outside any container: natively, and as arguments of the very QEMU that is registered for
arm64. All four take turns in each round, so that what disturbs one disturbs all. Compared is the
ratio arm64 to amd64, wall against wall.

The containers have no seccomp profile, since the programs outside have none: Docker's makes each
system call dearer, natively as well as emulated, which lowers the ratio of small ones.

On a machine that has other work to do, `--first` has all four run in a cgroup that goes first.

It needs an amd64 machine that is the engine's own, the sample images (tests/images/build.py) and
`ziglang`. It fails unless all goals hold; the samples are kept as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from pytest_multiarch.core.call import Call, FileToCopy  # noqa: E402
from pytest_multiarch.core.errors import MeasurementError  # noqa: E402
from pytest_multiarch.core.execution import Execution, ExecutionKind  # noqa: E402
from pytest_multiarch.core.overhead import Sample  # noqa: E402
from pytest_multiarch.core.platform import Platform  # noqa: E402
from pytest_multiarch.core.reference import ImageReference  # noqa: E402
from pytest_multiarch.core.statistics import Ratio, Samples, measure_ratio  # noqa: E402
from pytest_multiarch.engine.sessions import SessionLabels  # noqa: E402
from pytest_multiarch.plugin.wiring import DockerTools  # noqa: E402
from pytest_multiarch.run.measure import (  # noqa: E402
    Plan,
    TimedCommand,
    measure_command,
    measure_subjects,
)
from pytest_multiarch.run.node import Node  # noqa: E402
from pytest_multiarch.run.resolve import PullPolicy  # noqa: E402
from pytest_multiarch.run.session import Session  # noqa: E402
from pytest_multiarch.run.timer import TIMER_PATH, Launch, start_idle  # noqa: E402
from tests.known_engines import find_engines  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_multiarch.core.overhead import Measurement
    from pytest_multiarch.run.started import StartedContainer

SOURCE = ROOT / "benchmarks" / "workloads" / "work.c"
TARGETS = {"linux/amd64": "x86_64-linux-musl", "linux/arm64": "aarch64-linux-musl"}
NATIVE, EMULATED = TARGETS
WORKLOADS = ("hash", "compress", "float", "int", "spawn", "syscalls")
LONG_S, SHORT_S, COST_S = 0.35, 0.02, 0.06
LONG_GOAL, SHORT_GOAL, COST_GOAL = 0.05, 0.15, 1.15
COST_WORKLOADS = ("hash", "float", "int")
REGISTRATION = Path("/proc/sys/fs/binfmt_misc/qemu-aarch64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What came of one workload: the plugin's ratio, that of the runs outside, and what the first
    is to the second, round by round."""

    name: str
    work_s: float
    plugin: Ratio
    truth: Ratio
    off: Ratio
    goal: float
    measurement: Measurement

    @property
    def error(self) -> float:
        """How far the plugin's ratio is off, relative to the truth."""
        return self.off.value - 1

    @property
    def error_at_best(self) -> float:
        """The same for the fastest runs of all rounds, which other work disturbed least."""
        native, emulated, native_outside, emulated_outside = (
            min(each.walls_s) for each in self.measurement.platforms
        )
        return emulated / native / (emulated_outside / native_outside) - 1

    @property
    def verdict(self) -> str:
        """Whether the goal holds; `inconclusive` where the machine was too busy to say that."""
        if abs(self.error) <= self.goal:
            return "holds"
        interval = self.off.interval
        may_hold = interval and interval.low <= 1 + self.goal and interval.high >= 1 - self.goal
        return "inconclusive" if may_hold else "MISSED"


class ProcessorGroup:
    """A cgroup that gets a processor before anything else on the machine; removed at the end."""

    def __init__(self) -> None:
        first, second = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")
        self._is_first = (first / "cpu.shares").exists()
        self._root = first if self._is_first else second
        self._folder = self._root / f"pytest-multiarch-{uuid.uuid4().hex[:12]}"
        self._members = "tasks" if self._is_first else "cgroup.procs"

    def start(self) -> None:
        """Make it, and run this process in it."""
        self._folder.mkdir()
        name, most = ("cpu.shares", 262144) if self._is_first else ("cpu.weight", 10000)
        (self._folder / name).write_text(str(most))
        self.add(os.getpid())

    def add(self, process: int) -> None:
        """Have a process, and what it starts from now on, run in the group."""
        (self._folder / self._members).write_text(str(process))

    def add_timers(self, program: Path) -> None:
        """Add the timers that run a program in containers."""
        wanted = f"{TIMER_PATH}\0{program}\0".encode()
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(FileNotFoundError, ProcessLookupError):
                if file.read_bytes().startswith(wanted):
                    self.add(int(file.parent.name))

    def remove(self) -> None:
        """Leave it, and remove it."""
        (self._root / self._members).write_text(str(os.getpid()))
        self._folder.rmdir()


class OutsideCommand:
    """A program started by this process, without any container."""

    is_control = False

    def __init__(self, name: str, program: Path, words: Sequence[str]) -> None:
        self.platform = Platform.parse(name)
        kind = ExecutionKind.NATIVE if name == NATIVE else ExecutionKind.QEMU
        self.execution = Execution(kind=kind, evidence=("started outside any container",))
        self._argv = [str(program), *words]
        self._start = self._argv if name == NATIVE else emulate(self._argv)

    def run(self, runs: int, *, is_warmup: bool) -> tuple[Sample, ...]:
        """Run it."""
        del is_warmup
        return tuple(self._run_once() for _ in range(runs))

    def _run_once(self) -> Sample:
        actions = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in range(3)]
        begun = time.perf_counter()
        child = os.posix_spawn(self._start[0], self._start, os.environ, file_actions=actions)
        _, status, used = os.wait4(child, 0)
        wall_s = time.perf_counter() - begun
        if status:
            raise MeasurementError(f"{self._argv} ended with status {status}")
        return Sample(wall_s=wall_s, user_s=used.ru_utime, system_s=used.ru_stime, exit_code=status)


def emulate(argv: list[str]) -> list[str]:
    """Give the words by which the kernel's own interpreter runs a program."""
    text = REGISTRATION.read_text()
    interpreter = re.findall(r"^interpreter (.+)$", text, re.MULTILINE)[0]
    keeps_name = "P" in re.findall(r"^flags: (.*)$", text, re.MULTILINE)[0]
    return [interpreter, argv[0], *argv] if keeps_name else [interpreter, *argv]


class Bench:
    """Programs on this machine, and a running container of each platform that holds its own."""

    def __init__(self, engine: str, folder: Path, group: ProcessorGroup | None) -> None:
        self._group = group
        engines = find_engines()
        session_id = f"benchmark-{uuid.uuid4().hex[:12]}"
        self._node = Node(
            DockerTools(engines.make_environ(engine), session_id),
            session_id=session_id,
            labels=SessionLabels.for_this_process(session_id).to_labels(),
            pull=PullPolicy.MISSING,
        )
        self.session = Session(self._node)
        self.programs = {name: compile_work(folder, name) for name in TARGETS}
        self.containers: dict[str, StartedContainer] = {}

    def start(self, image: str) -> None:
        """Start the containers."""
        for name, program in self.programs.items():
            variant = self.session.open_variant(
                ImageReference.parse(image), Platform.parse(name), recorder=None
            )
            file = FileToCopy(path=str(program), content=program.read_bytes(), mode=0o755)
            self.containers[name] = start_idle(
                self._node, variant.resolved, variant.execution, Call(files=(file,)),
                security=("seccomp=unconfined",),
            )  # fmt: skip

    def calibrate(self, kind: str, work_s: float) -> str:
        """Find the count with which a workload takes so long natively."""
        count, taken_s = 8, 0.0
        while taken_s < work_s / 3:
            count *= 2
            outside = OutsideCommand(NATIVE, self.programs[NATIVE], (kind, str(count)))
            taken_s = min(each.wall_s for each in outside.run(7, is_warmup=True))
        return str(max(round(count * work_s / taken_s), 1))

    def compare(self, kind: str, work_s: float, rounds: int, goal: float) -> Row:
        """Measure a workload in the containers and outside, in turns."""
        words = (kind, self.calibrate(kind, work_s))
        inside = []
        with ExitStack() as opened:
            for name, container in self.containers.items():
                call = Call(argv=(str(self.programs[name]), *words))
                inside.append(TimedCommand(container, Launch.of_call(call), call, allowed=(0,)))
                opened.callback(inside[-1].close)
                inside[-1].open()
                if self._group is not None:
                    self._group.add_timers(self.programs[name])
            outside = [
                OutsideCommand(name, program, words) for name, program in self.programs.items()
            ]
            measurement = measure_subjects(
                " ".join(words), (*inside, *outside), Plan(rounds=rounds), time.perf_counter()
            )
        if measurement.failure is not None:
            raise measurement.failure
        plugin, truth, off = compute_ratios(measurement)
        return Row(
            name=kind, work_s=work_s, plugin=plugin, truth=truth, off=off, goal=goal,
            measurement=measurement,
        )  # fmt: skip

    def measure_cost(self, kind: str) -> Measurement:
        """Measure a workload as a test would, with the number of rounds left to the plugin."""
        words = (kind, self.calibrate(kind, COST_S))
        # One path for both, as a test has it: what it leads to is each container's own.
        for name, container in self.containers.items():
            content = self.programs[name].read_bytes()
            file = FileToCopy(path="/work", content=content, mode=0o755)
            self._node.engine.put_files(container.id, [file])
        containers = tuple(self.containers.values())
        measurement = measure_command(containers, Call(argv=("/work", *words)))
        if measurement.failure is not None:
            raise measurement.failure
        return measurement


def compute_ratios(measurement: Measurement) -> tuple[Ratio, Ratio, Ratio]:
    """Give the ratio of emulated to native, inside and outside, and the ratio of these."""
    native, emulated, native_outside, emulated_outside = (
        Samples(name=str(each.platform), times_s=each.walls_s) for each in measurement.platforms
    )
    inside = divide_rounds(emulated, native)
    outside = divide_rounds(emulated_outside, native_outside)
    return (
        measure_ratio(emulated, native),
        measure_ratio(emulated_outside, native_outside),
        measure_ratio(inside, outside),
    )


def divide_rounds(samples: Samples, baseline: Samples) -> Samples:
    """Give the ratio of each round."""
    pairs = zip(samples.times_s, baseline.times_s, strict=True)
    return Samples(name=samples.name, times_s=tuple(a / b for a, b in pairs))


def compile_work(folder: Path, name: str) -> Path:
    """Compile the workloads for a platform."""
    output = folder / name.replace("/", "-") / "work"
    output.parent.mkdir()
    command = [
        sys.executable, "-m", "ziglang", "cc", "-target", TARGETS[name], "-static", "-O2", "-s",
        "-mcpu=baseline", str(SOURCE), "-o", str(output),
    ]  # fmt: skip
    subprocess.run(command, check=True)
    return output


def print_row(row: Row) -> None:
    """Print one workload's line."""
    print(
        f"{row.name:10} {row.work_s * 1000:5.0f} ms  {show_ratio(row.plugin)}  "
        f"{show_ratio(row.truth)}  {row.error:+6.1%} {show_error(row.off):18} "
        f"at best {row.error_at_best:+6.1%}  within {row.goal:.0%}: {row.verdict}",
        flush=True,
    )


def show_ratio(ratio: Ratio) -> str:
    """Write a ratio with its interval."""
    interval = ratio.interval
    between = f"{interval.low:.2f}..{interval.high:.2f}" if interval else "-"
    return f"{ratio.value:6.2f} ({between:>13})"


def show_error(off: Ratio) -> str:
    """Write the interval of what a ratio is off by."""
    interval = off.interval
    return f"({interval.low - 1:+.1%}..{interval.high - 1:+.1%})" if interval else ""


def describe_raw(measurement: Measurement) -> dict[str, Any]:
    """Give the samples of a measurement, in seconds."""
    return {
        "what": measurement.what,
        "measuring_s": measurement.measuring_s,
        "measured_s": measurement.measured_s,
        "platforms": [
            {
                "platform": str(each.platform),
                "execution": str(each.execution),
                "evidence": list(each.execution.evidence),
                "wall_s": [[sample.wall_s for sample in runs] for runs in each.rounds],
                "user_s": [[sample.user_s for sample in runs] for runs in each.rounds],
                "system_s": [[sample.system_s for sample in runs] for runs in each.rounds],
            }
            for each in measurement.platforms
        ],
    }


def run_accuracy(bench: Bench, kinds: Sequence[str], rounds: int) -> list[Row]:
    """Compare every workload, long and short."""
    print(f"{'workload':10} {'native':>8}  {'plugin':22}  {'outside':22}  {'off by':>7}")
    rows = []
    for work_s, goal, times in ((LONG_S, LONG_GOAL, 1), (SHORT_S, SHORT_GOAL, 2)):
        for kind in kinds:
            rows.append(bench.compare(kind, work_s, rounds * times, goal))
            print_row(rows[-1])
    return rows


def run_cost(bench: Bench, kinds: Sequence[str]) -> list[Measurement]:
    """Measure what measuring costs, by workloads that say little themselves."""
    print("\nmeasuring / measured time, the warm-up counted, containers running")
    made = []
    for kind in kinds:
        made.append(bench.measure_cost(kind))
        cost = made[-1].measuring_s / made[-1].measured_s
        verdict = "holds" if cost <= COST_GOAL else "MISSED"
        print(
            f"{kind:10} {COST_S * 1000:5.0f} ms natively, {made[-1].rounds} rounds: {cost:.3f}  "
            f"at most {COST_GOAL}: {verdict}",
            flush=True,
        )
    return made


def main() -> int:
    """Measure, print, keep the samples; 1 if a goal was missed."""
    parser = argparse.ArgumentParser(description="Compare measured overhead with the truth.")
    parser.add_argument("--rounds", type=int, default=15, help="twice as many for short work")
    parser.add_argument("--first", action="store_true", help="before other work, as root")
    parser.add_argument("--image", default="multiarch-test/scratch:1")
    parser.add_argument("--engine", default="main")
    parser.add_argument("--raw", type=Path, default=ROOT / "benchmarks" / "overhead.json")
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", choices=[*WORKLOADS, []])
    given = parser.parse_args()
    kinds = given.workloads or WORKLOADS
    print(f"{platform.platform()}, load {os.getloadavg()[0]:.1f} at start")
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        group = ProcessorGroup() if given.first else None
        if group is not None:
            group.start()
            opened.callback(group.remove)
        bench = Bench(given.engine, folder, group)
        try:
            bench.start(given.image)
            rows = run_accuracy(bench, kinds, given.rounds)
            costs = run_cost(bench, [each for each in kinds if each in COST_WORKLOADS])
        finally:
            bench.session.close()
    document = {
        "accuracy": [describe_raw(each.measurement) for each in rows],
        "cost": [describe_raw(each) for each in costs],
    }
    given.raw.write_text(json.dumps(document, indent=1) + "\n")
    is_cheap = all(each.measuring_s <= COST_GOAL * each.measured_s for each in costs)
    return 0 if is_cheap and all(row.verdict == "holds" for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
