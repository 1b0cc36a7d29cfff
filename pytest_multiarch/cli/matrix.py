"""`pytest-multiarch matrix`: the jobs that a CI has to run, or whether a workflow has them."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_multiarch.core.coverage import check_coverage
from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.matrix import (
    COLLECTED_VERSION,
    CollectedGroup,
    format_github,
    format_gitlab,
    format_json,
    list_untested,
    make_rows,
)
from pytest_multiarch.files.config_file import read_config_file
from pytest_multiarch.files.workflow_file import read_workflow

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pytest_multiarch.core.matrix import MatrixRow
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.settings import Settings

NAME = "matrix"
HELP = "print the CI matrix: one job for each platform that tests run on"

_FORMATS = {"github": format_github, "gitlab": format_gitlab, "json": format_json}
_PATIENCE_S = 600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.description = (
        "Collect the tests (without an engine or a network) and print one job for each platform "
        "they run on: its runner, whether it runs native or emulated there, and the arguments of "
        "pytest. The runners are those of `runners:` in multiarch.yaml."
    )
    parser.add_argument(
        "--format",
        choices=tuple(_FORMATS),
        default="github",
        help="github: one line for fromJSON (default); gitlab: YAML with a parallel:matrix, for a "
        "child pipeline; json: a list",
    )
    parser.add_argument(
        "--check",
        metavar="WORKFLOW",
        type=Path,
        action="append",
        default=[],
        help="print no matrix: exit with 1 if this workflow file does not run every platform, or "
        "on another runner (repeatable: all files together)",
    )
    parser.add_argument(
        "pytest_arguments",
        metavar="-- PYTEST_ARGUMENT",
        nargs="*",
        help="what pytest is to collect, if not the whole suite",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the matrix, or what a workflow lacks: then 1."""
    workflows = [read_workflow(path) for path in arguments.check]
    root, groups = _collect(arguments.pytest_arguments)
    settings = read_config_file(root)
    for platform in list_untested(groups, _list_configured(settings)):
        print(f"{platform} is configured, and no collected test runs on it", file=sys.stderr)
    rows = make_rows(groups, settings.runners.value, settings.platforms.value)
    if not rows:
        raise UsageError(
            "no collected test runs on platforms",
            cure="see what is collected with: pytest --collect-only -q",
        )
    if not arguments.check:
        print(_FORMATS[arguments.format](rows))
        return 0
    documents = [document for workflow in workflows for document in workflow]
    return _print_coverage(rows, settings, documents, names=[str(each) for each in arguments.check])


def _print_coverage(
    rows: Sequence[MatrixRow],
    settings: Settings,
    documents: Sequence[object],
    *,
    names: Sequence[str],
) -> int:
    coverage = check_coverage(rows, settings.runners.value, documents)
    where = ", ".join(names)
    for note in coverage.notes:
        print(f"{where}: {note}", file=sys.stderr)
    if not coverage.gaps:
        print(f"{where} covers {', '.join(row.title for row in rows)}")
        return 0
    for gap in coverage.gaps:
        print(f"{where}: {gap}")
    print("`pytest-multiarch matrix` prints what is needed.")
    return 1


def _list_configured(settings: Settings) -> list[Platform]:
    entries = [platform for entry in settings.images.value for platform in entry.platforms]
    return [*settings.platforms.value, *entries, *settings.runners.value.by_platform]


def _collect(pytest_arguments: Sequence[str]) -> tuple[Path, tuple[CollectedGroup, ...]]:
    """Have pytest collect; give its rootdir and the groups. What it says goes to stderr.

    Raises:
        UsageError: pytest did not collect everything.
    """
    with tempfile.TemporaryDirectory(prefix="pytest-multiarch-") as folder:
        path = Path(folder) / "collected.json"
        command = [sys.executable, "-m", "pytest", "--collect-only", "-q"]
        command += [f"--multiarch-collected={path}", *pytest_arguments]
        try:
            done = subprocess.run(
                command, check=False, capture_output=True, text=True, errors="replace",
                timeout=_PATIENCE_S,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise UsageError(
                f"pytest is still collecting after {_PATIENCE_S:.0f} s",
                cure="see what takes so long with: pytest --collect-only",
            ) from None
        if done.returncode or not path.is_file():
            print(done.stdout, done.stderr, sep="", end="", file=sys.stderr)
            raise UsageError(
                f"pytest could not collect the tests: it exited with {done.returncode}",
                cure="its output is above",
            )
        document = json.loads(path.read_text(encoding="utf-8"))
    if document["version"] != COLLECTED_VERSION:
        raise UsageError(
            "the tests were collected by another version of pytest-multiarch",
            cure=f"install one version only; this one runs in {sys.prefix}",
        )
    return Path(document["rootdir"]), tuple(map(CollectedGroup.from_mapping, document["groups"]))
