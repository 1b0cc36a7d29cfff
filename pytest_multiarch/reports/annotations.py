"""Failures at the lines of the tests: annotations of GitHub, code quality findings of GitLab."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_multiarch.reports.account import describe_budget, describe_result
from pytest_multiarch.reports.diff import clean, cut
from pytest_multiarch.reports.divergence import make_headline
from pytest_multiarch.reports.images import make_image_headline
from pytest_multiarch.reports.job_log import escape_message, escape_property
from pytest_multiarch.reports.wording import (
    describe_failure,
    describe_foreign_failure,
    explain_not_compared,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.core.member import Member
    from pytest_multiarch.core.merging import Judgement
    from pytest_multiarch.core.record import Run

_MOST_ANNOTATIONS = 10
"""GitHub shows as many of one kind for a step, and drops the others without a word."""
_WIDTH = 500
_NO_FILE = "multiarch.yaml"
"""Where an image is reported that no test ran itself: what fixtures start is configured there."""
_TITLE_WIDTH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that fails a run, and the test that it is about; all of it is safe to show.

    `path` starts at the root of the repository; `line` is 1 where it is not known. `fingerprint` is
    the same in every run that finds the same, and another for each finding of one.
    """

    path: str
    line: int
    kind: str
    name: str
    text: str
    fingerprint: str


def list_findings(judgement: Judgement) -> Iterator[Finding]:
    """List what fails: divergences first, then tests that failed, then budgets, then what was not
    compared.

    A test that failed on several platforms at once, or in several runs, is one finding. Tests that
    do not run on platforms are among those that failed.
    """
    runs = {run.id: run for run in judgement.record.runs}
    for verdict in judgement.diverged:
        text = make_headline(verdict)
        yield _find_member(verdict.members[0], runs, "DIVERGED", verdict.group, text)
    verdicts = {each.group: each for each in judgement.verdicts}
    failed: dict[str, Member] = {}
    for member in judgement.failed:
        failed.setdefault(member.node_id, member)
    for member in failed.values():
        text = describe_failure(member, verdicts.get(member.group))
        yield _find_member(member, runs, "FAILED", member.node_id, text)
    for node_id, failure in judgement.foreign_failures.items():
        if node_id not in failed:
            text = describe_foreign_failure(failure)
            yield _find("FAILED", node_id, text, at=(node_id, failure.line), run=failure.run)
    for judged in judgement.broken_budgets:
        text = describe_budget(judged, with_group=False)
        kind = "OVERBUDGET" if judged.is_exceeded else "UNDECIDED"
        name = f"{judged.member.group} {judged.label} {judged.platform}"
        yield _find_member(judged.member, runs, kind, name, text)
    for verdict in judgement.uncompared:
        text = explain_not_compared(verdict)
        yield _find_member(verdict.members[0], runs, "UNCOMPARED", verdict.group, text)


def _find_member(member: Member, runs: dict[str, Run], kind: str, name: str, text: str) -> Finding:
    at = member.node_id, member.line
    return _find(kind, name, text, at=at, run=runs.get(member.run))


def _find(kind: str, name: str, text: str, *, at: tuple[str, int], run: Run | None) -> Finding:
    node_id, line = at
    path = (run.root if run is not None else "") + node_id.partition("::")[0]
    return Finding(
        path=_show(path),
        line=max(line, 1),
        kind=kind,
        name=_show(name),
        text=_show(text),
        fingerprint=hashlib.sha256(f"{kind} {name}".encode("utf-8", "surrogatepass")).hexdigest(),
    )


def list_image_findings(judgement: Judgement) -> Iterator[Finding]:
    """List the images that are not in order, each at the first test that ran it."""
    runs = {run.id: run for run in judgement.record.runs}
    lines = {each.node_id: each.line for each in judgement.members}
    roots = {each.node_id: runs[each.run].root for each in judgement.members if each.run in runs}
    for image in judgement.wrong_images:
        path = roots.get(image.place, "") + image.place.partition("::")[0]
        yield Finding(
            path=_show(path or _NO_FILE),
            line=max(lines.get(image.place, 1), 1),
            kind="IMAGE",
            name=_show(image.reference),
            text=_show(make_image_headline(image)),
            fingerprint=_fingerprint("IMAGE", image.reference),
        )


def _fingerprint(kind: str, name: str) -> str:
    return hashlib.sha256(f"{kind} {name}".encode("utf-8", "surrogatepass")).hexdigest()


def _show(text: str) -> str:
    return cut(clean(text[: 2 * _WIDTH]), _WIDTH)


def render_github_annotations(
    judgement: Judgement, *, is_whole: bool = False, fails_divergences: bool = True
) -> Iterator[str]:
    """Give workflow commands that put each failure at its test, as many as GitHub shows.

    `is_whole`: no other job has what is missing, so that is a failure too. `fails_divergences`:
    else they are warnings.
    """
    found = list(list_findings(judgement))
    levels = {} if fails_divergences else {"DIVERGED": "warning"}
    wrong = {each.reference for each in judgement.wrong_images if each.index or fails_divergences}
    lines = [
        _annotate(each, "error" if each.name in wrong else "warning")
        for each in list_image_findings(judgement)
    ]
    lines += [_annotate(each, levels.get(each.kind, "error")) for each in found]
    if is_whole and not judgement.is_complete:
        lines.append(f"::error title=INCOMPLETE::{escape_message(describe_result(judgement))}")
    if len(lines) <= _MOST_ANNOTATIONS:
        yield from lines
        return
    yield from lines[: _MOST_ANNOTATIONS - 1]
    yield f"::error::and {len(lines) - _MOST_ANNOTATIONS + 1} more, which the log has"


def _annotate(finding: Finding, level: str) -> str:
    where = f"file={escape_property(finding.path)},line={finding.line}"
    title = escape_property(cut(f"{finding.kind} {finding.name}", _TITLE_WIDTH))
    return f"::{level} {where},title={title}::{escape_message(finding.text)}"


def render_code_quality(judgement: Judgement) -> str:
    """Give GitLab's code quality report: a JSON list of findings.

    https://docs.gitlab.com/ci/testing/code_quality/
    """
    return json.dumps(
        [
            {
                "description": f"{each.kind} {each.name}: {each.text}",
                "check_name": f"pytest-multiarch {each.kind.lower()}",
                "fingerprint": each.fingerprint,
                "severity": "minor" if each.kind in ("UNCOMPARED", "UNDECIDED") else "major",
                "location": {"path": each.path, "lines": {"begin": each.line}},
            }
            for each in (*list_image_findings(judgement), *list_findings(judgement))
        ],
        indent=2,
    )
