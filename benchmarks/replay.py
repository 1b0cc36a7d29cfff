#!/usr/bin/env python3
"""Measure what replays add to a suite of 100 tests, with 3 divergences and with none.

python benchmarks/replay.py [--rounds 3]

Needs DOCKER_HOST, the command `docker`, and the image `multiarch-test/sample:1`
(`tests/images/build.py`). Each test is on two platforms, one of them emulated; runs with replays
and without take turns. Of one divergence the image is to blame, of one the emulator, one is noise.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

IMAGE = "multiarch-test/sample:1"
TESTS, GOAL_S = 100, 10.0
HEAD = f"""
import pytest

pytestmark = [
    pytest.mark.image("{IMAGE}"),
    pytest.mark.platforms("linux/amd64", "linux/arm64"),
]

@pytest.mark.parametrize("number", range({{count}}))
def test_equal(variant, number):
    variant.run("app", "--version")
"""
DIFFERING = """
def test_image(variant):
    variant.run("app", "char")

def test_emulator(variant):
    variant.run("sh", "-c", "ls /proc/self/task | wc -l")

def test_noise(variant):
    variant.run("sh", "-c", "head -c 4 /dev/urandom | od -An -tx1")
"""
MIDDLE = """
@pytest.mark.parametrize("number", range(50))
def test_more(variant, number):
    variant.run("app", "--version")
"""
"""Some tests run while verdicts wait."""


def main() -> None:
    """Run both suites in turns, print what replays add; exit 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description="Measure what replays add to a suite.")
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        head = HEAD.format(count=TESTS // 2 - 3)
        (folder / "test_differing.py").write_text(head + DIFFERING + MIDDLE)
        (folder / "test_green.py").write_text(HEAD.format(count=TESTS))
        added: dict[str, list[float]] = {"differing": [], "green": []}
        for _ in range(rounds):
            for name, found in added.items():
                without_s, _ = run(folder, name, "--multiarch-replay=0")
                with_s, made = run(folder, name)
                found.append(with_s - without_s)
                print(f"{name}: {without_s:.1f} s without, {with_s:.1f} s with, {made} containers")
    is_met = True
    for name, found in added.items():
        shown = f"{min(found):.1f} to {max(found):.1f}"
        print(f"{name}: {statistics.median(found):.1f} s more ({shown})")
    is_met = statistics.median(added["differing"]) <= GOAL_S
    sys.exit(0 if is_met else 1)


def run(folder: Path, name: str, *options: str) -> tuple[float, int]:
    """Give the seconds that a suite took, and how many containers were created meanwhile."""
    template = '{{index .Actor.Attributes "org.pytest-multiarch.pid"}}'
    filters = ("--filter", "event=create", "--filter", "type=container")
    events = subprocess.Popen(
        ["docker", "events", *filters, "--format", template], stdout=subprocess.PIPE, text=True
    )
    begun = time.perf_counter()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"test_{name}.py"]
    process = subprocess.Popen(
        [*command, *options], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    process.wait()
    taken_s = time.perf_counter() - begun
    events.terminate()
    printed, _ = events.communicate()
    return taken_s, printed.split().count(str(process.pid))


if __name__ == "__main__":
    main()
