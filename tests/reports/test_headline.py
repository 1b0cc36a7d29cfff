"""The verdict in one sentence."""

from __future__ import annotations

import pytest

from pytest_multiarch.core.member import Member
from pytest_multiarch.core.merging import judge_record
from pytest_multiarch.core.record import Record
from pytest_multiarch.reports.headline import word_headline
from tests.samples import AMD64, ARM7, ARM64, S390X, make_member, observe


def group(name: str, *outputs: str, outcomes: tuple[str, ...] = ()) -> list[Member]:
    platforms = (AMD64, ARM64, ARM7, S390X)[: len(outputs)]
    ends = outcomes or ("passed",) * len(outputs)
    return [
        make_member(p, observe(out, platform=p), group=name, outcome=end, declared=platforms)
        for p, out, end in zip(platforms, outputs, ends, strict=True)
    ]


@pytest.mark.parametrize(
    ("groups", "sentence"),
    [
        ([], "No test ran"),
        ([group("a", "1", "1")],
         "The one test behaves the same on linux/amd64 and linux/arm64"),
        ([group("a", "1", "1"), group("b", "1", "1")],
         "All 2 tests behave the same on linux/amd64 and linux/arm64"),
        ([group("a", "1", "2"), group("b", "1", "1")],
         "1 of 2 tests behaves differently on linux/arm64"),
        ([group("a", "1", "1", "1", "2"), group("b", "1", "2", "1", "1")],
         "2 of 2 tests behave differently on linux/arm64 and linux/s390x"),
        ([group("a", "1", "", outcomes=("passed", "failed")), group("b", "1", "1")],
         "1 of 2 tests fails on linux/arm64 only"),
        ([group("a", "", "", outcomes=("failed", "failed"))],
         "1 of 1 test fails on linux/amd64 and linux/arm64"),
        ([group("a", "1", "", outcomes=("passed", "skipped"))],
         "Nothing was compared: no test ran to its end on two platforms"),
        ([group("a", "1", "", outcomes=("passed", "skipped")), group("b", "1", "1")],
         "1 of 2 tests behaves the same on linux/amd64 and linux/arm64"),
        ([group("a", "1", "1", "1", "1"), group("b", "1", "1")],
         "All 2 tests behave the same on 4 platforms"),
    ],
)  # fmt: skip
def test_the_sentence(groups: list[list[Member]], sentence: str) -> None:
    members = tuple(member for each in groups for member in each)
    assert word_headline(judge_record(Record(members=members))) == sentence
