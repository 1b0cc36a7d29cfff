#!/usr/bin/env python3
"""Measure what it saves that a database runs natively beside a service under test.

    python benchmarks/services.py [--rounds 3]

A web service on linux/amd64 and linux/arm64, with a PostgreSQL of its own for each: once the
database is native beside both, once on the platform of the test. The two take turns; the platforms
have to be equal each time. The engine is the one of `scripts/engine status`; the images have to be
there (tests/images/build.py web postgres).
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.known_engines import find_engines  # noqa: E402

SUITE = Path(__file__).resolve().parent / "contenders" / "services_suite.py"
WAYS = ("native", "same")


def measure(way: str, environ: dict[str, str]) -> tuple[float, float]:
    """Run the suite once; give the seconds of the whole, and of its test on arm64."""
    with tempfile.TemporaryDirectory() as folder:
        junit = Path(folder) / "junit.xml"
        command = [
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull,
            f"--rootdir={SUITE.parent}", f"--junitxml={junit}", "--multiarch-strict", str(SUITE),
        ]  # fmt: skip
        begun = time.perf_counter()
        done = subprocess.run(
            command, env={**environ, "BENCHMARK_DATABASE": way}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        wall_s = time.perf_counter() - begun
        if done.returncode or "1 equal" not in done.stdout:
            raise SystemExit(f"{way} failed:\n{done.stdout}{done.stderr}")
        cases = {each.get("name"): each for each in ET.parse(junit).iter("testcase")}
        return wall_s, float(cases["test_notes[linux/arm64]"].get("time", "nan"))


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description="Measure a native database beside a service.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--web", default="multiarch-test/web:1")
    parser.add_argument("--postgres", default="multiarch-test/postgres:1")
    given = parser.parse_args()
    engines = find_engines()
    environ = {
        **engines.make_environ("main"),
        "BENCHMARK_WEB": given.web,
        "BENCHMARK_POSTGRES": given.postgres,
    }
    seconds: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    for number in range(given.rounds):
        for way in WAYS if number % 2 == 0 else reversed(WAYS):
            seconds[way].append(measure(way, environ))
        row = ", ".join(f"{way} {seconds[way][-1][0]:.1f} s" for way in WAYS)
        print(f"round {number + 1}: database {row}", flush=True)
    for part, title in enumerate(("the suite", "its test on linux/arm64")):
        native, same = ([each[part] for each in seconds[way]] for way in WAYS)
        ratios = [b / a for a, b in zip(native, same, strict=True)]
        print(
            f"{title}: database native {statistics.median(native):.1f} s, on the platform of the "
            f"test {statistics.median(same):.1f} s: {statistics.median(ratios):.2f} times "
            f"({min(ratios):.2f} to {max(ratios):.2f})"
        )


if __name__ == "__main__":
    main()
