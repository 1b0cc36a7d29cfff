#!/usr/bin/env python3
"""Measure what the default audit adds to a run of one test, on an image of 300 MB.

python benchmarks/default_audit.py [--rounds 9]

Needs DOCKER_HOST and the command `docker`. Nothing of the image is known from before: each run has
a cache folder of its own. A run without audits takes its turn with each.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from audit import ROOT, round_time, show, walk

from pytest_multiarch.native import read_program

IMAGE = "multiarch-benchmark/audit:1"
ON_PATH, ELSEWHERE = 60 * 1000**2, 240 * 1000**2
GOAL_S, GOAL_CACHED_S = 1.3, 0.3
SUITE = f"""
import pytest

@pytest.mark.image("{IMAGE}")
@pytest.mark.platforms("{{platform}}")
def test_it(variant):
    variant.run("/probe", "--version")
"""


def main() -> None:
    """Import an image, run the test in turns, print what the audit adds; exit 1 if too much."""
    parser = argparse.ArgumentParser(description="Measure the audit before a first test.")
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        platform = import_image(folder / "image.tar")
        try:
            (folder / "test_it.py").write_text(SUITE.format(platform=platform))
            missed = measure(folder, rounds)
        finally:
            run_docker("image", "rm", IMAGE)
    sys.exit(missed)


def import_image(path: Path) -> str:
    """Import this machine's programs and libraries as an image; give the engine's platform.

    What the test runs is a static program beside them.
    """
    platform = run_docker("version", "--format", "{{.Server.Os}}/{{.Server.Arch}}").strip()
    with tarfile.open(path, "w") as archive:
        for link in filter(os.path.islink, ("/bin", "/lib", "/lib64")):  # to the loader
            archive.add(link)
        add_files(archive, Path("/usr/bin"), ON_PATH)
        add_files(archive, Path("/usr/lib64"), ELSEWHERE)
        for source in ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/share"):
            add_files(archive, Path(source), ELSEWHERE // 2)
        probe = tarfile.TarInfo("probe")
        content = read_program("probe", platform.replace("/", "-")) or b""
        probe.size, probe.mode = len(content), 0o755
        archive.addfile(probe, io.BytesIO(content))
    run_docker("import", "--platform", platform, str(path), IMAGE)
    print(f"{path.stat().st_size / 1000**2:.0f} MB unpacked")
    path.unlink()
    return platform


def add_files(archive: tarfile.TarFile, source: Path, size: int) -> None:
    """Add what is in a folder, as much as it may be; large files that do not fit are left out."""
    for file in walk(source) if source.is_dir() else ():
        is_plain = file.is_file() and not file.is_symlink()
        if is_plain and file.stat().st_size > size:
            continue
        size -= file.stat().st_size if is_plain else 0
        archive.add(file, recursive=False, filter=round_time)


def run_docker(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout


def measure(folder: Path, rounds: int) -> bool:
    """Take turns; tell whether a goal was missed."""
    added, again, added_cpu = [], [], []
    for number in range(rounds):
        cache = folder / f"cache-{number}"
        plain_s, plain_cpu_s = time_pytest(folder, cache, "--multiarch-audit=off")
        audit_s, audit_cpu_s = time_pytest(folder, cache)
        cached_s, _ = time_pytest(folder, cache)
        added.append(audit_s - plain_s)
        added_cpu.append(audit_cpu_s - plain_cpu_s)
        again.append(cached_s - plain_s)
    show("processor time of the audit, s", added_cpu, GOAL_S)
    is_met = show("audit before the first test, s", added, GOAL_S)
    return not (show("audit from the cache, s", again, GOAL_CACHED_S) and is_met)


def time_pytest(folder: Path, cache: Path, *options: str) -> tuple[float, float]:
    """Give the seconds that a run took, and the seconds of the processor."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(cache)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start_s = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environ, check=True, stdout=subprocess.DEVNULL)
    took_s = time.perf_counter() - start_s
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return took_s, cpu_s


if __name__ == "__main__":
    main()
