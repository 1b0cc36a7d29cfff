#!/usr/bin/env python3
"""Measure what a suite costs, side by side with other ways to do the same.

    python benchmarks/runs.py [--rounds 5] [--calls 24] [--peers PYTHON]

24 one-shot runs and 24 execs, half of them on linux/amd64 and half on linux/arm64, in one process
each: this plugin, plain docker-py calls, testcontainers-python, pytest_container. The contenders
take turns, in another order each round; what is compared are the ratios within a round.

PYTHON is that of an environment with testcontainers and pytest_container (pytest_container shells
out to the docker command). Without it, one is made in ~/.cache. The engine is the one of
`scripts/engine status`; the sample image has to be there (tests/images/build.py).
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.known_engines import find_engines  # noqa: E402

CONTENDERS = Path(__file__).resolve().parent / "contenders"
START_S = 0.7
"""What the plugin may take once: to start pytest, to find an emulator, to read an index."""
GOAL = 1.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A way to do the work: what runs it."""

    name: str
    command: tuple[str, ...]


def list_contenders(peers: Path) -> tuple[Contender, ...]:
    """List all of them; `peers` is the Python that has the other projects."""

    def write_suite(python: str | Path, name: str) -> tuple[str, ...]:
        options = ("-q", "-p", "no:cacheprovider", f"--rootdir={CONTENDERS}", "-c", os.devnull)
        return (str(python), "-m", "pytest", *options, str(CONTENDERS / f"{name}.py"))

    return (
        Contender(name="plugin", command=write_suite(sys.executable, "plugin_suite")),
        Contender(name="docker-py", command=(sys.executable, str(CONTENDERS / "plain_docker.py"))),
        Contender(name="testcontainers", command=write_suite(peers, "testcontainers_suite")),
        Contender(name="pytest_container", command=write_suite(peers, "pytest_container_suite")),
    )


def provide_peers() -> Path:
    """Make an environment with the other projects, unless it is there."""
    folder = Path.home() / ".cache" / "pytest-multiarch" / "peers"
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        packages = ("testcontainers==4.15.0", "pytest_container==0.4.4")
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    return python


def measure(contender: Contender, environ: dict[str, str]) -> float:
    """Do the work once and give the seconds of the whole process."""
    begun = time.perf_counter()
    done = subprocess.run(
        contender.command, env=environ, capture_output=True, text=True, check=False, cwd=CONTENDERS
    )
    wall_s = time.perf_counter() - begun
    if done.returncode:
        raise SystemExit(f"{contender.name} failed:\n{done.stdout}{done.stderr}")
    return wall_s


def report(seconds: dict[str, list[float]]) -> None:
    """Print medians, and the ratios within rounds with their spread."""
    for name, values in seconds.items():
        print(f"{name:18} {statistics.median(values):6.2f} s  (median)")
    plugin = seconds["plugin"]
    print_ratio(
        f"(plugin - {START_S} s) / docker-py",
        [(a - START_S) / b for a, b in zip(plugin, seconds["docker-py"], strict=True)],
        goal=GOAL,
    )
    for name in ("testcontainers", "pytest_container"):
        ratios = [a / b for a, b in zip(plugin, seconds[name], strict=True)]
        print_ratio(f"plugin / {name}", ratios, goal=1.0)


def print_ratio(title: str, ratios: Sequence[float], *, goal: float) -> None:
    """Print one line: the median of a ratio, its least and its greatest."""
    median = statistics.median(ratios)
    verdict = "holds" if median <= goal else "MISSED"
    print(
        f"{title:34} {median:5.2f}  ({min(ratios):.2f} to {max(ratios):.2f}; "
        f"goal: at most {goal:g}, {verdict})"
    )


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description="Measure runs and execs, side by side.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=24, help="runs, and as many execs")
    parser.add_argument("--image", default="multiarch-test/sample:1")
    parser.add_argument("--peers", type=Path, help="Python with the other projects")
    given = parser.parse_args()
    engines = find_engines()
    environ = {
        **engines.make_environ("main"),
        "PATH": f"{Path(engines.docker).parent}{os.pathsep}{os.environ['PATH']}",
        "BENCHMARK_EACH": str(given.calls // 2),
        "BENCHMARK_IMAGE": given.image,
        "TESTCONTAINERS_RYUK_DISABLED": "true",  # its image would have to be pulled
        "PULL_ALWAYS": "0",
        "CONTAINER_RUNTIME": "docker",
    }
    contenders = list(list_contenders(given.peers or provide_peers()))
    seconds: dict[str, list[float]] = {each.name: [] for each in contenders}
    for number in range(given.rounds):
        random.Random(number).shuffle(contenders)
        for each in contenders:
            seconds[each.name].append(measure(each, environ))
        row = "  ".join(f"{name} {values[-1]:.2f}" for name, values in seconds.items())
        print(f"round {number + 1}: {row}", flush=True)
    report(seconds)


if __name__ == "__main__":
    main()
