"""`pytest-multiarch merge`: judge the records of several jobs as one run."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_multiarch.cli.ci import add_ci_argument, open_log, tell_service
from pytest_multiarch.core.config_schema import UNSTABLE
from pytest_multiarch.core.errors import RecordError, UsageError
from pytest_multiarch.core.merging import (
    Judgement,
    MismatchKind,
    find_mismatches,
    judge_record,
    merge_records,
)
from pytest_multiarch.core.record import Record, describe_verdict
from pytest_multiarch.files.record_file import dump_record, read_record, replace_file
from pytest_multiarch.files.record_search import find_records
from pytest_multiarch.reports.annotations import render_code_quality
from pytest_multiarch.reports.badge import render_badge
from pytest_multiarch.reports.diff import clean
from pytest_multiarch.reports.html import render_html
from pytest_multiarch.reports.junit import render_junit
from pytest_multiarch.reports.markdown import render_markdown
from pytest_multiarch.reports.merged import render_merged
from pytest_multiarch.reports.mismatch import explain_mismatches, name_overrides

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Collection, Iterable, Mapping

NAME = "merge"
HELP = "compare what separate jobs recorded, as if one process had run it all"

_IGNORE = "--ignore-mismatch"
_EXIT_FAILED = 1
_EXIT_INCOMPLETE = 3


RENDERERS: Mapping[str, Callable[[Judgement], str]] = {
    "html": render_html,
    "markdown": render_markdown,
    "junit": render_junit,
    "codequality": render_code_quality,
    "badge": render_badge,
}
"""The built-in formats by their options."""


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    """Add an option for each built-in format."""
    for name, what in (
        ("html", "one HTML page"),
        ("markdown", "a Markdown summary"),
        ("junit", "JUnit XML"),
        ("codequality", "a code quality report of GitLab's (JSON)"),
        ("badge", "a badge (SVG) with the platforms tested"),
    ):
        parser.add_argument(f"--{name}", metavar="FILE", type=Path, help=f"write {what}")


def print_lines(lines: Iterable[str]) -> None:
    """Print lines, whatever the terminal can encode."""
    encoding = sys.stdout.encoding or "utf-8"
    print("\n".join(lines).encode(encoding, "backslashreplace").decode(encoding))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.description = (
        "Compare what separate jobs recorded with pytest --multiarch-record, as if one process had "
        "run it all. The exit status is 0 for parity, 1 if platforms diverged or a test failed, 3 "
        "if something is missing, 2 if a record cannot be used."
    )
    parser.add_argument(
        "records",
        metavar="RECORD",
        nargs="+",
        type=Path,
        help="a record, the journal (FILE.partial.jsonl) of a run that was killed, or a folder: "
        "then all records below it",
    )
    parser.add_argument("--record", metavar="FILE", type=Path, help="write the merged record")
    add_report_arguments(parser)
    add_ci_argument(parser)
    parser.add_argument(
        "--strict", action="store_true", help="fail also where nothing could be compared"
    )
    parser.add_argument(
        "--unstable",
        choices=UNSTABLE,
        default="report",
        help="what a difference does in what varies by itself: only be reported (default), or fail",
    )
    parser.add_argument(
        _IGNORE,
        metavar="KIND",
        choices=[each.value for each in MismatchKind],
        action="append",
        default=[],
        help="compare also runs of another commit, other tests (files of tests that differ) or "
        "other images (a tag that has moved): commit, tests or image (repeatable)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Merge, judge, write what is asked for, and print; unusable records are a RecordError."""
    refuse_files(arguments, merged=arguments.record)
    paths = find_records(arguments.records)
    refuse_files(arguments, read=paths)
    record = merge_records(read_record(path) for path in paths)
    _refuse_mismatches(record, arguments.ignore_mismatch)
    judgement = judge_record(
        record, is_strict=arguments.strict, fails_unstable=arguments.unstable == "fail"
    )
    log = open_log(arguments.ci, os.environ)
    lines = list(render_merged(judgement, log))
    if any(path.is_dir() for path in arguments.records):
        lines[:0] = ["records:", *(log.show(f"  {clean(str(path))}") for path in paths), ""]
    _write_files(judgement, arguments)
    print_lines([*lines, *tell_service(judgement, log, os.environ)])
    if judgement.has_failed:
        return _EXIT_FAILED
    return 0 if judgement.is_complete else _EXIT_INCOMPLETE


def refuse_files(
    arguments: argparse.Namespace, *, merged: Path | None = None, read: Iterable[Path] = ()
) -> None:
    """Refuse to write a file twice, or a report over a record that is read."""
    reports = (getattr(arguments, name) for name in RENDERERS)
    written = [each.absolute() for each in (merged, *reports) if each is not None]
    records = {each.absolute() for each in read}
    for path in written:
        if written.count(path) > 1:
            raise UsageError(f"{path} is to be written twice", cure="give each a file of its own")
        if path in records:
            raise UsageError(
                f"{path} is a record, and a report is to be written over it",
                cure="give the report a file of its own",
            )


def _refuse_mismatches(record: Record, ignored: Collection[str]) -> None:
    mismatches = [each for each in find_mismatches(record) if each.kind.value not in ignored]
    if mismatches:
        raise RecordError(explain_mismatches(mismatches), cure=name_overrides(mismatches, _IGNORE))


def _write_files(judgement: Judgement, arguments: argparse.Namespace) -> None:
    """Write the files that were asked for, once all of them are rendered."""
    rendered = [
        (getattr(arguments, name), render(judgement).encode("utf-8", "backslashreplace"))
        for name, render in RENDERERS.items()
        if getattr(arguments, name) is not None
    ]
    with ExitStack() as stack:  # no file takes its place before all are whole
        if arguments.record is not None:
            write = stack.enter_context(replace_file(arguments.record))
            dump_record(write, judgement.record, map(describe_verdict, judgement.verdicts))
        for path, data in rendered:
            stack.enter_context(replace_file(path))(data)
