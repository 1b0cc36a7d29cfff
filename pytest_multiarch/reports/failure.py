"""The failed tests of merged records, those of one group together, as the text of a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_multiarch.reports.diagnosis import describe_diagnoses, find_failure_diagnoses
from pytest_multiarch.reports.diff import clean
from pytest_multiarch.reports.emulator_faults import describe_members_faults
from pytest_multiarch.reports.wording import describe_failure, name_member

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_multiarch.core.member import Member
    from pytest_multiarch.core.merging import ForeignFailure
    from pytest_multiarch.core.parity import Verdict

_MOST_LINES = 40
_WIDTH = 500


def render_failure(verdict: Verdict, failed: tuple[Member, ...], runs: Mapping[str, str]) -> str:
    """Say where a group's tests failed and why, the first in one line, and where they passed.

    `failed` are members of it, at least one, or twins of these; `runs` names runs by their ids.
    """
    lines = [describe_failure(failed[0], verdict)]
    for member in failed:
        run = clean(runs.get(member.run, member.run))
        lines += ["", f"{clean(member.node_id)} on {name_member(member)}, run: {run}"]
        if member.outcome.is_failure:
            lines += _quote(member.reason)
        if member.teardown_error:
            lines += ["  in its teardown:", *_quote(member.teardown_error)]
    found = find_failure_diagnoses(verdict, failed)
    lines += ["", *describe_diagnoses(found, is_named=True)] if found else []
    known = list(describe_members_faults(failed))
    lines += ["", *known] if known else []
    passed = [name_member(each) for each in verdict.members if each.outcome.is_comparable]
    lines += ["", f"passed on {', '.join(passed)}"] if passed else []
    return "\n".join(lines)


def render_foreign_failure(failure: ForeignFailure, run: str) -> str:
    """Say why a test that does not run on platforms failed, and in the run of which name."""
    first = clean(failure.reason.partition("\n")[0][:_WIDTH])
    lines = [f"{failure.outcome}: {first}" if first else failure.outcome]
    return "\n".join([*lines, "", f"not on platforms, run: {clean(run)}", *_quote(failure.reason)])


def _quote(reason: str) -> Iterator[str]:
    lines = reason.splitlines()
    yield from (f"  {clean(line[:_WIDTH])}" for line in lines[:_MOST_LINES])
    if len(lines) > _MOST_LINES:
        yield f"  ... {len(lines) - _MOST_LINES} more lines"
