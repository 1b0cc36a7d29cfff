#!/usr/bin/env python3
"""Measure the memory of pytest while a container prints 1 GB.

python benchmarks/memory.py [--megabytes 1024]
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.known_engines import find_engines  # noqa: E402

SUITE = Path(__file__).resolve().parent / "contenders" / "flood_suite.py"
GOAL_MB = 150


def main() -> None:
    """Run the suite, and print the greatest resident size of its process."""
    parser = argparse.ArgumentParser(description="Measure memory.")
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--image", default="multiarch-test/sample:1")
    given = parser.parse_args()
    environ = {
        **find_engines().make_environ("main"),
        "BENCHMARK_IMAGE": given.image,
        "BENCHMARK_MEGABYTES": str(given.megabytes),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull]
    subprocess.run([*command, f"--rootdir={SUITE.parent}", SUITE], env=environ, check=True)
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    verdict = "holds" if peak_mb <= GOAL_MB else "MISSED"
    print(f"peak resident size: {peak_mb:.0f} MB (goal: at most {GOAL_MB} MB, {verdict})")


if __name__ == "__main__":
    main()
