#!/usr/bin/env python3
"""Compare the plugin's verdicts with the truth, beside those of `docker run` and `diff`.

    python benchmarks/verdicts/run.py [SET ...] [--only NAME ...] [--option=--multiarch-...]
    python benchmarks/verdicts/run.py first --record FILE ...    # judge what runs recorded

Writes a suite with one test for each case into a folder of its own, runs it with the plugin as a
user would, and reads its record. Then runs the same calls by plain docker, once each, and compares
them byte by byte. Prints three numbers of both, and a line for each case of which the plugin's
verdict is wrong; all of it is written to SET.json beside this file, unless cases are chosen.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.verdicts.judge import Judgement, compare_plainly, count, mark, read_judgements
from benchmarks.verdicts.truth import make_plain_docker

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.verdicts.case import Case
    from benchmarks.verdicts.judge import Mark
    from benchmarks.verdicts.plain import PlainDocker

HERE = Path(__file__).resolve().parent
SETS = ("first", "second")
REPLAY_S = 300
"""What a verdict may take: a session in which nearly everything differs is no user's."""


def load_cases(name: str) -> tuple[Case, ...]:
    """Return the cases of a set."""
    cases: tuple[Case, ...] = importlib.import_module(f"benchmarks.verdicts.{name}.cases").CASES
    return cases


def choose_few(number: int, case: Case) -> Case:
    """Leave a case the baseline and two others: one that is off, and one that is not, if any.

    They take turns from case to case.
    """
    baseline, *others = case.platforms
    off = [each for each in others if each in case.platforms_off]
    same = [each for each in others if each not in case.platforms_off]
    chosen = [each[number % len(each)] for each in (off, same) if each]
    if len(chosen) < 2:
        rest = off or same
        chosen = [rest[number % len(rest)], rest[(number + 2) % len(rest)]]
    kept = tuple(each for each in others if each in chosen)
    return replace(
        case,
        platforms=(baseline, *kept),
        platforms_off=tuple(each for each in case.platforms_off if each in kept),
    )


def write_test(case: Case, images: Mapping[str, str]) -> str:
    """Return the source of a case's test, as a user would write it."""
    arguments = list(map(repr, case.argv))
    arguments += [f"env={dict(case.env)!r}"] if case.env else []
    arguments += [f"stdin={case.stdin!r}"] if case.stdin else []
    fixture = "variant" if case.via == "run" else "container"
    lines = [
        f"@pytest.mark.image({images[case.image]!r})",
        f"@pytest.mark.platforms({', '.join(map(repr, case.platforms))})",
        *(['@pytest.mark.container("/bin/idle")'] if case.via == "exec" else []),
        f"def test_{case.name}({fixture}):",
        f"    result = {fixture}.{case.via}({', '.join(arguments)})",
        *(["    assert result.exit_code == 0"] if case.asserts else []),
    ]
    return "\n".join(lines) + "\n"


def write_suite(cases: Sequence[Case], images: Mapping[str, str], folder: Path) -> None:
    """Write a suite of all cases."""
    tests = [write_test(case, images) for case in cases]
    (folder / "test_corpus.py").write_text("\n\n".join(["import pytest\n", *tests]))
    (folder / "pytest.ini").write_text("[pytest]\n")


def run_suite(cases: Sequence[Case], docker: PlainDocker, options: Sequence[str]) -> dict[str, Any]:
    """Run the cases with the plugin, and return its record."""
    with tempfile.TemporaryDirectory(prefix="verdicts-") as name:
        folder = Path(name)
        write_suite(cases, docker.images, folder)
        command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "-p", "no:cacheprovider",
                   "-p", "no:randomly", "--multiarch-record=record.json",
                   f"--multiarch-replay={REPLAY_S}", *options]  # fmt: skip
        environment = {**os.environ, **docker.environment}
        done = subprocess.run(
            command, check=False, cwd=folder, env=environment, capture_output=True, text=True
        )
        record = folder / "record.json"
        if done.returncode not in (0, 1) or not record.exists():
            end = "\n".join((done.stdout + done.stderr).splitlines()[-30:])
            raise SystemExit(f"pytest ended with {done.returncode}:\n{end}")
        document: dict[str, Any] = json.loads(record.read_text())
        return document


def mark_all(cases: Sequence[Case], judgements: Mapping[str, Judgement]) -> list[Mark]:
    """Compare judgements with the truth, case by case."""
    absent = Judgement(kind="absent")
    return [mark(case, judgements.get(case.name, absent)) for case in cases]


def diff_plainly(cases: Sequence[Case], docker: PlainDocker) -> dict[str, Judgement]:
    """Judge the cases by plain docker and their bytes."""
    outputs = docker.call_everywhere(cases)
    return {
        case.name: compare_plainly(
            case, {platform: outputs[case.name, platform][0] for platform in case.platforms}
        )
        for case in cases
    }


def describe_numbers(name: str, marks: Sequence[Mark]) -> str:
    """Give the three numbers in a line."""
    numbers = [f"{what} {got} of {of}" for what, (got, of) in count(marks).items()]
    return f"{name:16} {', '.join(numbers)}"


def run_set(name: str, given: argparse.Namespace) -> None:
    """Run one set, print what came of it, and write it down."""
    every = load_cases(name)
    if given.few:
        every = tuple(choose_few(number, case) for number, case in enumerate(every))
    cases = [case for case in every if not given.only or case.name in given.only]
    results: dict[str, Any] = {"set": name, "platforms": "three a case" if given.few else "all"}
    marked: dict[str, list[Mark]] = {}
    begun = time.monotonic()
    if given.record:
        judgements: dict[str, Judgement] = {}
        for file in given.record:
            judgements |= read_judgements(json.loads(Path(file).read_text()))
        cases = [each for each in cases if each.name in judgements]
    else:
        record = run_suite(cases, make_plain_docker(name), given.option)
        judgements = read_judgements(record)
        results["plugin_s"] = round(time.monotonic() - begun, 1)
        if given.keep:
            Path(given.keep).write_text(json.dumps(record))
    results["cases"] = len(cases)
    marked["plugin"] = mark_all(cases, judgements)
    if not given.no_contrast:
        begun = time.monotonic()
        marked["docker and diff"] = mark_all(cases, diff_plainly(cases, make_plain_docker(name)))
        results["docker_and_diff_s"] = round(time.monotonic() - begun, 1)
    print(f"{name}: {len(cases)} cases")
    for contender, marks in marked.items():
        print(describe_numbers(contender, marks))
        results[contender] = {
            "numbers": count(marks),
            "marks": [each.to_mapping() for each in marks],
        }
    for each in marked["plugin"]:
        if each.problems:
            print(f"  {each.case.name} ({each.case.truth}): {'; '.join(each.problems)}")
    if not given.only:
        (HERE / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n")


def main() -> int:
    """Run the command of the module's docstring."""
    parser = argparse.ArgumentParser(description="Compare verdicts with the truth.")
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"default: {' and '.join(SETS)}")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these cases alone")
    parser.add_argument("--few", action="store_true", help="each case on three platforms alone")
    parser.add_argument("--option", action="append", default=[], help="one more for pytest")
    parser.add_argument(
        "--record", nargs="+", metavar="FILE", help="judge these, and don't run the plugin"
    )
    parser.add_argument("--keep", metavar="FILE", help="write the record there too")
    parser.add_argument("--no-contrast", action="store_true", help="leave plain docker out")
    given = parser.parse_args()
    for name in given.sets or SETS:
        run_set(name, given)
    return 0


if __name__ == "__main__":
    sys.exit(main())
