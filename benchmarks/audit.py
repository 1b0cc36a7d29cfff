#!/usr/bin/env python3
"""Measure what it takes to read all files of an image of 300 MB, beside `tar -t`.

python benchmarks/audit.py [--rounds 5] [--megabytes 300] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
CONTENDER = Path(__file__).resolve().parent / "contenders" / "read_layers.py"
SOURCES = ("bin", "lib/python3", "lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu", "share")
LAYERS = 6
GOAL_RATIO, GOAL_MB, GOAL_CACHED = 2.0, 100, 0.5
PACKERS = {"gzip": ["gzip", "-nc"], "zstd": ["zstd", "-qc"]}


def main() -> None:
    """Make layers, read them in turn with tar, print ratios and memory; exit 1 if one is missed."""
    parser = argparse.ArgumentParser(description="Measure reading whole images.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=300)
    parser.add_argument("--keep", type=Path, help="a folder for the layers, used again if there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.keep or Path(scratch)
        make_layers(folder, given.megabytes * 1000**2)
        missed = [measure(folder, each, given.rounds, Path(scratch)) for each in PACKERS]
    sys.exit(any(missed))


def make_layers(folder: Path, size: int) -> None:
    """Write archives of files of this machine's `/usr`, as builders write them, and pack them."""
    if (folder / "layer-0.tar").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    files = list(choose_files(size))
    each = -(-len(files) // LAYERS)
    for number in range(LAYERS):
        path = folder / f"layer-{number}.tar"
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
            for file in files[number * each : (number + 1) * each]:
                archive.add(file, recursive=False, filter=round_time)
        for name, command in PACKERS.items():
            with path.with_suffix(f".tar.{name}").open("wb") as output:
                subprocess.run([*command, path], stdout=output, check=True)
    total = sum(path.stat().st_size for path in folder.glob("*.tar"))
    print(f"{LAYERS} layers of {len(files):,} files, {total / 1000**2:.0f} MB unpacked")


def choose_files(size: int) -> Iterator[Path]:
    """Give folders, files and links of each source in turn, which together have about a size."""
    for source in SOURCES:
        left = size / 4  # one of the library folders is not there
        for path in walk(Path("/usr", source)):
            if path.is_file() and not path.is_symlink():
                if path.stat().st_size > size / 10:
                    continue
                left -= path.stat().st_size
            yield path
            if left < 0:
                break


def walk(top: Path) -> Iterator[Path]:
    """Give a folder and all that is below it, in the same order each time."""
    for folder, folders, names in os.walk(top):
        folders.sort()
        yield Path(folder)
        yield from (Path(folder, name) for name in sorted(names))


def round_time(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mtime = int(entry.mtime)
    return entry


def measure(folder: Path, packing: str, rounds: int, scratch: Path) -> bool:
    """Take turns; tell whether a goal was missed."""
    archives = sorted(folder.glob(f"*.tar.{packing}"))
    layers = [f"{each}={hash_file(each)}={hash_file(each.with_suffix(''))}" for each in archives]
    ratios, cached, peaks = [], [], []
    for _ in range(rounds):
        cache = scratch / "pytest-multiarch" / "layers"
        shutil.rmtree(cache, ignore_errors=True)
        tar_s = time_tar(packing, archives)
        took_s, peak_mb = read_layers(cache, layers)
        again_s, _ = read_layers(cache, layers)
        ratios.append(took_s / tar_s)
        cached.append(again_s / tar_s)
        peaks.append(peak_mb)
    return not all(
        [
            show(f"{packing}, read / tar -t", ratios, GOAL_RATIO),
            show(f"{packing}, read again / tar -t", cached, GOAL_CACHED),
            show(f"{packing}, MB above the interpreter", peaks, GOAL_MB),
        ]
    )


def time_tar(packing: str, archives: list[Path]) -> float:
    start_s = time.perf_counter()
    for each in archives:
        command = ["tar", f"--{packing}", "-tf", each]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start_s


def read_layers(cache: Path, layers: list[str]) -> tuple[float, float]:
    """Give the seconds that reading took in a new process, and its peak memory in MB."""
    command = [sys.executable, CONTENDER, cache, *layers]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    took_s, peak_mb, _ = done.stdout.split()
    return float(took_s), float(peak_mb)


def show(what: str, found: list[float], goal: float) -> bool:
    """Print what was measured, and tell whether the goal was met."""
    median = statistics.median(found)
    verdict = "holds" if median <= goal else "MISSED"
    spread = f"{min(found):.2f} to {max(found):.2f}"
    print(f"{what}: {median:.2f} ({spread}; goal: at most {goal:g}, {verdict})")
    return median <= goal


def hash_file(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1024**2):
            digest.update(block)
    return f"sha256:{digest.hexdigest()}"


if __name__ == "__main__":
    main()
