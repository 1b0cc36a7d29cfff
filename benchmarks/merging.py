"""What `pytest-multiarch merge` takes: time and memory, by the number of records.

    python benchmarks/merging.py [--rounds 5]

Each record is of a CI job that ran 500 tests on one of four platforms, ten observations in each
test: outputs of eight lines, and values. Of ten groups one differs in the platforms' own names,
of fifty one diverges, of a hundred one failed on one platform. Five such matrices are 20 records.
The merge runs as a process of its own; of its rounds the best counts, since noise only adds.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from typing import TYPE_CHECKING

from pytest_multiarch.core.member import Member, VariantIdentity
from pytest_multiarch.core.record import Record, Run
from pytest_multiarch.files.record_file import write_record
from tests.samples import AMD64, ARM7, ARM64, NATIVE, PIN, QEMU, S390X, check, make_member, observe

if TYPE_CHECKING:
    from pytest_multiarch.core.observation import Observation
    from pytest_multiarch.core.platform import Platform

PLATFORMS = (AMD64, ARM64, ARM7, S390X)
MACHINES = {AMD64: "x86_64", ARM64: "aarch64", ARM7: "armv7l", S390X: "s390x"}
MATRICES = 5
TESTS = 500
CALLS = 7
CHECKS = 3
GOAL_S = 3.0
GOAL_MB = 300
PARSE = "import json, sys\nfor path in sys.argv[1:]: json.load(open(path))"


def write_records(folder: Path) -> list[Path]:
    """Write the records of all jobs, matrix by matrix."""
    paths = []
    for matrix in range(MATRICES):
        for platform in PLATFORMS:
            path = folder / f"{matrix}-{platform.slug}.json"
            write_record(path, make_record(matrix, platform), ())
            paths.append(path)
    return paths


def make_record(matrix: int, platform: Platform) -> Record:
    """Make what one job learned."""
    name = f"tests {matrix} on {platform}"
    run = Run(id=name, started_at_s=1.0, ended="complete", tests=TESTS, job={"name": name})
    members = tuple(make_test(matrix, number, platform, run.id) for number in range(TESTS))
    return Record(runs=(run,), members=members)


def make_test(matrix: int, number: int, platform: Platform, run: str) -> Member:
    """Make one test's member."""
    group = f"tests/test_{matrix}_{number // 25:02}.py::test_feature_{number}"
    has_failed = number % 100 == 99 and platform == ARM7
    is_native = platform in (AMD64, ARM64)
    digest = f"sha256:{PLATFORMS.index(platform):064}"
    return make_member(
        platform,
        *(make_call(number, call, platform) for call in range(CALLS)),
        *(check(f"value {each}", {"total": each, "rows": [number, 2.5]}) for each in range(CHECKS)),
        group=group,
        node_id=f"{group}[{platform}]",
        declared=PLATFORMS,
        selected=(platform,),
        run=run,
        outcome="failed" if has_failed else "passed",
        reason="AssertionError: assert 1 == 2" if has_failed else "",
        execution=NATIVE if is_native else QEMU,
        variant=VariantIdentity(
            reference="ghcr.io/acme/app:1.4", kind="manifest", digest=digest,
            config_digest=digest, pin=PIN, index="sha256:" + "cd" * 32,
        ),
        inside_s=0.2 if is_native else 1.5,
    )  # fmt: skip


def make_call(number: int, call: int, platform: Platform) -> Observation:
    """Make one observed call."""
    lines = f"feature {number}, step {call}: done\n" * 8
    if number % 10 == 0:
        lines += f"on {MACHINES[platform]}\n"
    if number % 50 == 1 and call == CALLS - 1:
        lines += f"char is {'signed' if platform == AMD64 else 'unsigned'}\n"
    words = ("app", "feature", str(number), "--step", str(call))
    return observe(lines, argv=words, platform=platform)


def measure(command: list[str | Path], folder: Path, *, expected: int) -> tuple[float, float]:
    """Run a command, and give its seconds and the greatest size of its process, in MB."""
    begun = time.perf_counter()
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    took_s = time.perf_counter() - begun
    if process.returncode != expected:
        raise SystemExit((folder / "output").read_text()[-2000:])
    return took_s, used.ru_maxrss / 1024


def repeat(
    command: list[str | Path], folder: Path, rounds: int, *, expected: int = 1
) -> tuple[float, float]:
    """Give the least seconds of several rounds, and the greatest size."""
    measured = [measure(command, folder, expected=expected) for _ in range(rounds)]
    return min(took_s for took_s, _ in measured), max(size_mb for _, size_mb in measured)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    merge: list[str | Path] = [Path(sys.executable).with_name("pytest-multiarch"), "merge"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        paths = write_records(folder)
        size_mb = paths[0].stat().st_size / 1e6
        print(f"a record has {TESTS * (CALLS + CHECKS)} observations, {size_mb:.1f} MB")
        for count in (5, 10, 20):
            took_s, peak_mb = repeat([*merge, *paths[:count]], folder, rounds)
            print(f"{count:3} records: {took_s:5.2f} s, {peak_mb:4.0f} MB")
        parsed_s, _ = repeat([sys.executable, "-c", PARSE, *paths], folder, rounds, expected=0)
        print(f"merging 20 / parsing their JSON alone: x {took_s / parsed_s:.2f}")
        files = [f"--{each}={folder / each}" for each in ("record", "junit", "markdown")]
        written_s, _ = repeat([*merge, *files, *paths], folder, rounds)
        print(f"with a record, JUnit and Markdown written: {written_s:.2f} s")
    verdict = "holds" if took_s <= GOAL_S and peak_mb <= GOAL_MB else "MISSED"
    print(f"goal: at most {GOAL_S:g} s and {GOAL_MB} MB for 20 records, {verdict}")


if __name__ == "__main__":
    main()
