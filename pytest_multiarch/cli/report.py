"""`pytest-multiarch report`: render a record, for people and for other programs."""

from __future__ import annotations

import difflib
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_multiarch.cli.merge import (
    RENDERERS,
    add_report_arguments,
    print_lines,
    refuse_files,
)
from pytest_multiarch.core.errors import RecordError, UsageError
from pytest_multiarch.core.merging import judge_record, merge_records
from pytest_multiarch.files.record_file import read_record, read_schema, replace_file
from pytest_multiarch.reports.merged import render_merged
from pytest_multiarch.reports.supported import HEADING, find_section, render_supported

if TYPE_CHECKING:
    import argparse

    from pytest_multiarch.core.merging import Judgement

NAME = "report"
HELP = "render a record: HTML, Markdown, JUnit, a badge, a section of a README"
_EXIT_STALE = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.description = (
        "Render a record of pytest --multiarch-record, or a merged one; without options, as text. "
        "The exit status is 0 once it is rendered, whatever it says; 1 if --check finds a stale "
        "README, 2 if the record cannot be used."
    )
    parser.add_argument(
        "record", metavar="RECORD", nargs="?", type=Path, help="a record, or the journal of a run"
    )
    add_report_arguments(parser)
    parser.add_argument(
        "--supported",
        action="store_true",
        help=f"print the section {HEADING.removeprefix('## ')!r} of a README",
    )
    parser.add_argument(
        "--check",
        metavar="README",
        type=Path,
        help="compare that section with the one in this file: 1 if it is stale or missing",
    )
    parser.add_argument("--schema", action="store_true", help="print the JSON Schema of records")


def run(arguments: argparse.Namespace) -> int:
    """Render a record; one that cannot be read is a RecordError."""
    if arguments.schema:
        print(read_schema(), end="")
        return 0
    if arguments.record is None:
        raise UsageError("no record is given", cure="pytest-multiarch report RECORD")
    refuse_files(arguments, read=(arguments.record,))
    judgement = judge_record(merge_records([read_record(arguments.record)]))
    is_written = _write_files(judgement, arguments)
    if arguments.check is not None:
        return _check_readme(render_supported(judgement), arguments.check, arguments.record)
    if arguments.supported:
        print_lines(render_supported(judgement).splitlines())
    elif not is_written:
        print_lines(render_merged(judgement))
    return 0


def _write_files(judgement: Judgement, arguments: argparse.Namespace) -> bool:
    paths = {name: getattr(arguments, name) for name in RENDERERS}
    rendered = {
        path: RENDERERS[name](judgement).encode("utf-8", "backslashreplace")
        for name, path in paths.items()
        if path is not None
    }
    with ExitStack() as stack:
        for path, data in rendered.items():
            stack.enter_context(replace_file(path))(data)
    return bool(rendered)


def _check_readme(expected: str, path: Path, record: Path) -> int:
    """Compare the section with the one that is committed."""
    try:
        found = find_section(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise RecordError(f"{path}: {why}", cure="give the README as --check FILE") from None
    if found == expected:
        print(f"{path}: {HEADING.removeprefix('## ')!r} is as tested")
        return 0
    why = "has no section" if found is None else "is stale:"
    print(f"{path} {why} {HEADING.removeprefix('## ')!r}", file=sys.stderr)
    print(f"pytest-multiarch report {record} --supported prints it as tested", file=sys.stderr)
    committed = (found or "").splitlines()
    print_lines(
        difflib.unified_diff(committed, expected.splitlines(), str(path), "as tested", lineterm="")
    )
    return _EXIT_STALE
