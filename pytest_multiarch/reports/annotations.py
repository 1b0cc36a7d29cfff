"""Failures at the lines of the tests: annotations of GitHub, code quality findings of GitLab."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_multiarch.reports.diff import clean, cut
from pytest_multiarch.reports.divergence import render_divergence
from pytest_multiarch.reports.wording import describe_failure, describe_not_compared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.core.member import Member
    from pytest_multiarch.core.merging import Judgement
    from pytest_multiarch.core.record import Run

_MOST_ANNOTATIONS = 10
"""GitHub shows as many of one kind for a step, and drops the others without a word."""
_WIDTH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that fails a run, and the test that it is about.

    `path` starts at the root of the repository; `line` is 1 where it is not known. `name` is the
    same in every run that finds the same.
    """

    path: str
    line: int
    kind: str
    name: str
    text: str


def list_findings(judgement: Judgement) -> Iterator[Finding]:
    """List what fails: divergences first, then tests that failed, then what was not compared."""
    runs = {run.id: run for run in judgement.record.runs}
    for verdict in judgement.diverged:
        text = render_divergence(verdict)[0]
        yield _find(verdict.members[0], runs, "DIVERGED", verdict.group, text)
    for member in judgement.failed:
        name = f"{member.node_id} on {member.platform}"
        yield _find(member, runs, "FAILED", name, describe_failure(member))
    for verdict in judgement.uncompared:
        text = describe_not_compared(verdict)
        yield _find(verdict.members[0], runs, "UNCOMPARED", verdict.group, text)


def _find(member: Member, runs: dict[str, Run], kind: str, name: str, text: str) -> Finding:
    run = runs.get(member.run)
    path = (run.root if run is not None else "") + member.node_id.partition("::")[0]
    return Finding(path=path, line=max(member.line, 1), kind=kind, name=name, text=text)


def render_github_annotations(judgement: Judgement) -> Iterator[str]:
    """Give workflow commands that put each failure at its test, as many as GitHub shows."""
    findings = list(list_findings(judgement))
    shown = findings if len(findings) <= _MOST_ANNOTATIONS else findings[: _MOST_ANNOTATIONS - 1]
    for each in shown:
        where = f"file={_escape_property(each.path)},line={each.line}"
        title = _escape_property(f"{each.kind} {cut(clean(each.name), _WIDTH)}")
        yield f"::error {where},title={title}::{_escape(cut(clean(each.text), _WIDTH))}"
    if len(shown) < len(findings):
        yield f"::error::and {len(findings) - len(shown)} more failures on platforms"


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape(clean(text)).replace(":", "%3A").replace(",", "%2C")


def render_code_quality(judgement: Judgement) -> str:
    """Give GitLab's code quality report: a JSON list of findings."""
    return json.dumps(
        [
            {
                "description": cut(clean(f"{each.kind} {each.name}: {each.text}"), 2 * _WIDTH),
                "check_name": f"pytest-multiarch {each.kind.lower()}",
                "fingerprint": hashlib.sha256(
                    f"{each.kind} {each.name}".encode("utf-8", "surrogatepass")
                ).hexdigest(),
                "severity": "major" if each.kind != "UNCOMPARED" else "minor",
                "location": {"path": clean(each.path), "lines": {"begin": each.line}},
            }
            for each in list_findings(judgement)
        ],
        indent=2,
    )
