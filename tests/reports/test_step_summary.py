"""The summary of a GitHub step: as much as there is room for, and never half a block of code."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from pytest_multiarch.core.call import CallSummary
from pytest_multiarch.core.member import Member
from pytest_multiarch.core.merging import judge_record, merge_records
from pytest_multiarch.core.record import Record
from pytest_multiarch.reports.markdown import render_markdown
from pytest_multiarch.reports.step_summary import is_one_part, render_step_summary
from tests.reports.records import judge_sample, make_large_record
from tests.samples import AMD64, ARM64, S390X, make_member, observe


def test_what_fits_is_whole() -> None:
    judgement = judge_sample()
    assert render_step_summary(judgement, 1_000_000) == render_markdown(judgement)


@pytest.mark.parametrize("room", range(1001, 5801, 400))
def test_what_does_not_is_cut_at_a_line(room: int) -> None:
    judgement = judge_sample()
    text = render_step_summary(judgement, room)
    assert len(text.encode()) <= room
    assert text.endswith("*There is more than a step summary has room for.*\n")
    fences = re.findall(r"^`{3,}", text, re.MULTILINE)
    assert len(fences) % 2 == 0
    whole = render_markdown(judgement).splitlines()
    lines = text.splitlines()[:-2]
    assert lines[: len(lines) - 1] == whole[: len(lines) - 1]


def test_a_fence_within_a_longer_one_ends_nothing() -> None:
    members = [make_member(p, observe(f"```\n{p}x\n" * 40)) for p in (AMD64, ARM64)]
    members[1] = make_member(ARM64, observe("```\nother\n" * 40))
    text = render_step_summary(judge_record(Record(members=tuple(members))), 1200)
    assert len(re.findall(r"^````", text, re.MULTILINE)) == 2


def test_a_fence_of_any_length_is_closed_within_the_room() -> None:
    """It is as long as what it has to hold makes it."""
    command = CallSummary(argv=("app", "`" * 3000))
    members = [
        make_member(p, replace(observe(f"{p.architecture} 1\n" * 40), command=command))
        for p in (AMD64, S390X)
    ]
    judgement = judge_record(Record(members=tuple(members)))
    for room in range(3300, 9000, 100):
        text = render_step_summary(judgement, room)
        assert len(text.encode()) <= room
        assert len(re.findall(r"^`{3,}", text, re.MULTILINE)) in (0, 2)


def test_a_large_run_fits() -> None:
    judgement = judge_record(merge_records([make_large_record(600, diverged=500)]))
    assert len(render_step_summary(judgement, 1_000_000).encode()) <= 1_000_000


def test_where_there_is_hardly_room_nothing_is_given() -> None:
    assert render_step_summary(judge_sample(), 900) == ""


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([make_member(AMD64, selected=(AMD64,))], True),
        ([make_member(AMD64, selected=(AMD64,), outcome="failed")], False),
        ([make_member(AMD64), make_member(ARM64)], False),
        ([make_member(AMD64), make_member(ARM64, outcome="skipped")], False),
        ([make_member(AMD64, declared=(AMD64,))], False),
    ],
    ids=["selected", "failed", "compared", "skipped", "one platform"],
)
def test_which_runs_are_one_part_of_a_whole(members: list[Member], expected: bool) -> None:
    assert is_one_part(judge_record(Record(members=tuple(members)))) is expected
