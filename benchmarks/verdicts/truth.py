#!/usr/bin/env python3
"""Check what is said of the cases of a set, by plain docker: no part of the plugin compares.

    python benchmarks/verdicts/truth.py [SET] [--only NAME ...] [--show]

A case that `differs` does so in each of three runs on its `platforms_off`, and on no other; one
that is `noisy` is not the same in five runs on the baseline; one of the `emulator` does what it
does on its `platforms_off` in a control run too: the baseline's own program under QEMU. Where the
output varies beside the truth, the set's `STEADY` says which part of it is looked at. QEMU is not
handed on to what a program starts: `CONTROLS` says of such a case what a control run calls instead.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.verdicts.build import build_images
from benchmarks.verdicts.case import BASELINE
from benchmarks.verdicts.plain import Output, PlainDocker, find_emulator_of
from tests.known_engines import find_engines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.verdicts.case import Case

RUNS = {"differs": 3, "noisy": 5, "emulator": 3}


def make_plain_docker(name: str) -> PlainDocker:
    """Give the docker command of engine `main`, with the images of a set built."""
    references = build_images((name,))
    engines = find_engines()
    return PlainDocker(
        images={"programs": references[name], "tools": references["tools"]},
        docker=engines.docker,
        environment=engines.make_environ("main"),
    )


def keep_steady(output: Output, pattern: str) -> tuple[object, ...]:
    """Return what of an output is looked at: all of it, or what a pattern finds in its stdout."""
    if not pattern:
        return (output.exit_code, output.stdout, output.stderr)
    return (output.exit_code, *re.findall(pattern, output.stdout.decode("latin-1")))


def find_flaws(
    case: Case, outputs: Mapping[str, list[Output]], control: list[Output], pattern: str
) -> list[str]:
    """Say what of a case's truth did not show."""
    seen = {
        platform: [keep_steady(each, pattern) for each in found]
        for platform, found in outputs.items()
    }
    ours = seen[BASELINE]
    if case.truth == "noisy":
        return [] if len(set(ours)) > 1 else [f"{BASELINE} is the same in each run"]
    if len(set(ours)) > 1:
        return [f"{BASELINE} varies"]
    # What varies on a platform where the baseline does not is off, if not in each run.
    off = {platform for platform, found in seen.items() if set(found) != set(ours)}
    flaws = []
    if off != set(case.platforms_off):
        flaws.append(f"differs on {', '.join(sorted(off)) or 'none'}")
    if case.truth == "emulator":
        shown = {keep_steady(each, pattern) for each in control}
        flaws += [
            f"{platform} does not do what {BASELINE} does under QEMU"
            for platform in case.platforms_off
            if set(seen[platform]) != shown
        ]
    return flaws


def check_set(name: str, only: tuple[str, ...], is_shown: bool) -> int:
    """Check a set, print what is wrong, and return how many cases are."""
    module = importlib.import_module(f"benchmarks.verdicts.{name}.cases")
    cases = [case for case in module.CASES if not only or case.name in only]
    steady: Mapping[str, str] = getattr(module, "STEADY", {})
    controls: Mapping[str, tuple[str, ...]] = getattr(module, "CONTROLS", {})
    docker, emulator = make_plain_docker(name), find_emulator_of(BASELINE)
    wrong = 0
    for case in cases:
        times = RUNS[case.truth]
        found = docker.call_everywhere([case], times=1 if case.truth == "noisy" else times)
        outputs = {platform: found[case.name, platform] for platform in case.platforms}
        if case.truth == "noisy":
            outputs[BASELINE] += [docker.call(case, BASELINE) for _ in range(times - 1)]
        is_emulator = case.truth == "emulator"
        called = replace(case, argv=controls.get(case.name, case.argv))
        control = [
            docker.call_under_emulator(called, emulator) for _ in range(times if is_emulator else 0)
        ]
        flaws = find_flaws(case, outputs, control, steady.get(case.name, ""))
        wrong += bool(flaws)
        print(f"{case.name}: {'; '.join(flaws) or 'as said'}", flush=True)
        if flaws or is_shown:
            for platform, runs in [*outputs.items(), *([("control", control)] if control else [])]:
                shown = dict.fromkeys(run.show() for run in runs)
                print("\n".join(f"    {platform}: {text}" for text in shown), flush=True)
    print(f"{len(cases)} cases, {wrong} not as said")
    return wrong


def main() -> int:
    """Run the command of the module's docstring."""
    parser = argparse.ArgumentParser(description="Check the truth of a set by plain docker.")
    parser.add_argument("set", nargs="?", default="first")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME")
    parser.add_argument("--show", action="store_true", help="show every output")
    given = parser.parse_args()
    return 1 if check_set(given.set, tuple(given.only), given.show) else 0


if __name__ == "__main__":
    sys.exit(main())
