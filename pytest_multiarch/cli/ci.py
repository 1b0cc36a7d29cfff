"""What the job of a CI service is told of merged records."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_multiarch.core.errors import RecordError
from pytest_multiarch.files.step_summary import append_step_summary
from pytest_multiarch.reports.annotations import render_github_annotations
from pytest_multiarch.reports.job_log import GITHUB, GITLAB, JobLog
from pytest_multiarch.reports.step_summary import render_step_summary

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from pytest_multiarch.core.merging import Judgement

_SERVICES = {GITHUB: "GITHUB_ACTIONS", GITLAB: "GITLAB_CI"}
_SUMMARY = "GITHUB_STEP_SUMMARY"


def add_ci_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option that says which service it is."""
    parser.add_argument(
        "--ci",
        choices=("auto", *_SERVICES, "off"),
        default="auto",
        help="the CI service that is told: on GitHub a step summary, annotations at the tests and "
        "groups in the log, on GitLab groups; auto (default) finds it in the environment",
    )


def open_log(choice: str, environ: Mapping[str, str]) -> JobLog:
    """Give the log that standard output is."""
    found = (name for name, key in _SERVICES.items() if environ.get(key) == "true")
    return JobLog(next(found, "off") if choice == "auto" else choice, time.time())


def tell_service(judgement: Judgement, log: JobLog, environ: Mapping[str, str]) -> Iterator[str]:
    """Write GitHub's step summary, and give the lines that annotate the tests."""
    if log.service != GITHUB:
        return
    yield from render_github_annotations(judgement, is_whole=True)
    path = environ.get(_SUMMARY)
    if path:
        try:
            append_step_summary(Path(path), partial(render_step_summary, judgement))
        except RecordError as error:
            yield from str(error).splitlines()
