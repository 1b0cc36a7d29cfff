#!/usr/bin/env python3
"""Measure what `pytest -n` makes of a suite, native and emulated, and check what it shares.

    python benchmarks/parallel.py [--rounds 3] [--tests 40] [--workers 1 2 4]

A suite of one-shot runs, in one process (`-n 0`) and in several, natively (linux/amd64) and
emulated (linux/arm64): with a command that does next to nothing, with one that computes, and with
none, which shows what happens once in each process. They take turns, in another order each round;
what is compared are the ratios within a round.

Then one suite on an image that the engine does not have yet: how often it is pulled, how many
containers each worker starts, and whether the results are those of one process.

The engine is the one of `scripts/engine status`; the sample image has to be there, and in the
registry (tests/images/build.py, also with `--push`).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.known_engines import KnownEngines, find_engines  # noqa: E402

CONTENDERS = Path(__file__).resolve().parent / "contenders"
LISTEN_S = 1.0
"""How long the engine has to begin to tell what it does, and to have told all."""
SESSION_LABEL = "org.pytest-multiarch.session"
PLATFORMS = {"native": "linux/amd64", "emulated": "linux/arm64"}
WORKS = ("short", "computing")
NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Setup:
    """One way to run the suite; `workers` is the number given to `-n`."""

    execution: str
    work: str
    workers: int

    def measure(self, environ: Mapping[str, str]) -> float:
        """Run the suite and give the seconds of the whole process."""
        own = {"BENCHMARK_PLATFORM": PLATFORMS[self.execution], "BENCHMARK_WORK": self.work}
        begun = time.perf_counter()
        done = run_suite("parallel_suite", self.workers, {**environ, **own})
        wall_s = time.perf_counter() - begun
        if done.returncode:
            raise SystemExit(f"{self} failed:\n{done.stdout}{done.stderr}")
        return wall_s


Seconds = dict[Setup, list[float]]


def run_suite(
    name: str, workers: int, environ: Mapping[str, str], *options: str
) -> subprocess.CompletedProcess[str]:
    """Run a suite of `contenders` in a process of its own."""
    command = (
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull,
        f"--rootdir={CONTENDERS}", f"-n{workers}", *options, str(CONTENDERS / f"{name}.py"),
    )  # fmt: skip
    return subprocess.run(
        command, env=dict(environ), capture_output=True, text=True, check=False, cwd=CONTENDERS
    )


def report(seconds: Seconds, counts: Sequence[int]) -> None:
    """Print medians, and ratios within rounds with their spread; a column for each `-n`."""
    print_row("", [f"-n {each}" for each in counts])
    print("seconds, median:")
    for work in (NOTHING, *WORKS):
        for kind in PLATFORMS:
            row = [statistics.median(seconds[Setup(kind, work, each)]) for each in counts]
            print_row(f"{work}, {kind}", [f"{each:.2f}" for each in row])
    print("\nratio to -n 0:")
    for work in WORKS:
        for kind in PLATFORMS:
            series = [seconds[Setup(kind, work, each)] for each in counts]
            print_row(f"{work}, {kind}", [describe_ratio(each, series[0]) for each in series])
    runs = {setup: subtract_nothing(seconds, setup) for setup in seconds}
    print("\nratio to -n 0, less what happens once in each process:")
    for work in WORKS:
        for kind in PLATFORMS:
            series = [runs[Setup(kind, work, each)] for each in counts]
            print_row(f"{work}, {kind}", [describe_ratio(each, series[0]) for each in series])
    print("\ncost of emulation (emulated / native), less the same:")
    for work in WORKS:
        pairs = [(runs[Setup("emulated", work, n)], runs[Setup("native", work, n)]) for n in counts]
        print_row(work, [describe_ratio(*pair) for pair in pairs])


def subtract_nothing(seconds: Seconds, setup: Setup) -> list[float]:
    """Give what the runs took, by round, without starting processes and opening variants."""
    idle_s = statistics.median(seconds[replace(setup, work=NOTHING)])
    return [busy_s - idle_s for busy_s in seconds[setup]]


def describe_ratio(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """Describe the ratios within rounds: median, least, greatest."""
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def print_row(title: str, cells: Sequence[str]) -> None:
    """Print one line of a table."""
    print(f"{title:22}" + "".join(f"{cell:>24}" for cell in cells))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What the engine and the report say of one run of the suite on a new image.

    `starts` counts started containers by worker and variant. `results` are names, outcomes and
    first lines of messages.
    """

    pulls: int
    starts: Mapping[tuple[str, str], int]
    results: Sequence[tuple[str, str, str]]


def watch_suite(workers: int, engines: KnownEngines, environ: Mapping[str, str]) -> Shared:
    """Run the suite on an image that the engine lacks, and read the engine's events."""
    image = copy_image(engines)
    repository = image.rpartition(":")[0]
    with tempfile.TemporaryDirectory() as folder, listen(engines, repository) as events:
        report_file = Path(folder) / "report.xml"
        own = {**environ, "BENCHMARK_IMAGE": image}
        done = run_suite("sharing_suite", workers, own, f"--junitxml={report_file}")
        if not report_file.exists():
            raise SystemExit(f"the suite did not start:\n{done.stdout}{done.stderr}")
        results = read_results(report_file)
    starts = Counter(
        (each["Actor"]["Attributes"][SESSION_LABEL], each["Actor"]["Attributes"]["image"])
        for each in events
        if (each["Type"], each["Action"]) == ("container", "start")
    )
    pulls = sum((each["Type"], each["Action"]) == ("image", "pull") for each in events)
    forget_image(engines, repository)
    return Shared(pulls=pulls, starts=starts, results=results)


def copy_image(engines: KnownEngines) -> str:
    """Copy the sample image to a repository of its own, which the engine does not know."""
    repository = f"{engines.registry}/multiarch-test/benchmark-parallel"
    forget_image(engines, repository)
    source = f"{engines.registry}/multiarch-test/sample:1"
    tag = f"{repository}:1"
    engines.run_docker("main", "buildx", "imagetools", "create", "--tag", tag, source)
    return tag


def forget_image(engines: KnownEngines, repository: str) -> None:
    """Remove an image from the engine under all its names."""
    names = engines.run_docker("main", "images", "--quiet", "--no-trunc", repository).split()
    if names:
        engines.run_docker("main", "image", "rm", "--force", *sorted(set(names)))


@contextmanager
def listen(engines: KnownEngines, repository: str) -> Iterator[list[dict[str, Any]]]:
    """Listen to the engine; what it did with an image is in the list once the block has ended.

    An engine remembers its last 256 events only, and others may use it: hence not afterwards.
    """
    kinds = ("--filter", "event=start", "--filter", "event=pull")
    command = (engines.docker, "events", *kinds, "--format", "{{json .}}")
    events: list[dict[str, Any]] = []
    with tempfile.TemporaryFile("w+") as heard:
        listener = subprocess.Popen(command, stdout=heard, env=engines.make_environ("main"))
        time.sleep(LISTEN_S)
        try:
            yield events
            time.sleep(LISTEN_S)
        finally:
            listener.terminate()
            listener.wait()
        heard.seek(0)
        events += [json.loads(line) for line in heard if repository in line]


def read_results(file: Path) -> tuple[tuple[str, str, str], ...]:
    """Read a JUnit report: names, outcomes and messages, in an order of their own."""
    return tuple(
        sorted(
            (case.get("name", ""), each.tag, each.get("message", ""))
            for case in ET.parse(file).iter("testcase")
            for each in [next((e for e in case if e.tag in ("failure", "error")), ET.Element("ok"))]
        )
    )


def report_shared(shared: Mapping[int, Shared]) -> None:
    """Print what was shared, and whether the results are those of one process."""
    print()
    for workers, found in shared.items():
        most = max(found.starts.values(), default=0)
        verdict = "the same results" if found.results == shared[0].results else "OTHER RESULTS"
        print(
            f"-n {workers}: {found.pulls} pulls of 2 variants; "
            f"{sum(found.starts.values())} containers, at most {most} of a worker and variant; "
            f"{len(found.results)} results, {verdict}"
        )


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description="Measure `pytest -n`, native and emulated.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tests", type=int, default=40)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--image", default="multiarch-test/sample:1")
    given = parser.parse_args()
    engines = find_engines()
    environ = {
        **engines.make_environ("main"),
        "BENCHMARK_TESTS": str(given.tests),
        "BENCHMARK_IMAGE": given.image,
    }
    counts = (0, *given.workers)
    setups = [Setup(e, work, n) for e in PLATFORMS for work in (NOTHING, *WORKS) for n in counts]
    seconds: Seconds = {each: [] for each in setups}
    for number in range(given.rounds):
        for each in random.Random(number).sample(setups, len(setups)):
            seconds[each].append(each.measure(environ))
        print(f"round {number + 1} of {given.rounds} done", flush=True)
    report(seconds, counts)
    if engines.registry:
        report_shared({n: watch_suite(n, engines, environ) for n in counts})


if __name__ == "__main__":
    main()
