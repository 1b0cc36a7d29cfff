"""The summary: verdicts first, then why something was not compared, then the platforms."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_multiarch.core.member import Member
from pytest_multiarch.core.parity import compare_group
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.rules import allow, make_rules
from pytest_multiarch.reports.summary import render_summary
from pytest_multiarch.reports.wording import describe_not_compared
from tests.samples import AMD64, ARM64, S390X, make_member, observe


def pair(name: str, ours: str = "1", theirs: str = "1", **fields: Any) -> list[Member]:
    return [
        make_member(AMD64, observe(ours), group=name, **fields),
        make_member(ARM64, observe(theirs, platform=ARM64), group=name, **fields),
    ]


def half(name: str, outcome: str, **fields: Any) -> list[Member]:
    return [
        make_member(AMD64, observe("1"), group=name),
        make_member(ARM64, group=name, outcome=outcome, **fields),
    ]


def summarize(
    *groups: list[Member], selected: tuple[Platform, ...] = (), **options: Any
) -> tuple[str, ...]:
    verdicts = tuple(map(compare_group, groups))
    members = tuple(each for group in groups for each in group)
    return render_summary(verdicts, members, selected=selected, **options)


def test_all_equal() -> None:
    assert summarize(pair("t.py::a"), pair("t.py::b")) == (
        "2 groups of platforms: 2 equal",
        "linux/amd64  native       2 tests",
        "linux/arm64  qemu 7.2.22  2 tests",
    )


def test_one_of_each() -> None:
    lines = summarize(
        pair("a"),
        pair("b", "1", "2"),
        half("c", "failed"),
        half("d", "skipped", reason="no time"),
        [make_member(AMD64, group="e", declared=(AMD64,))],
    )
    assert lines[0] == (
        "5 groups of platforms: 1 diverged, 1 failed on some platforms, 1 not compared, "
        "1 declared for one platform only, 1 equal"
    )
    assert lines[1:5] == (
        "failed on some platforms:",
        "  c: passed on linux/amd64 (native); failed on linux/arm64 (qemu 7.2.22)",
        "not compared:",
        "  d: linux/arm64 was skipped: no time",
    )


def test_groups_equal_in_outcome_only_are_counted() -> None:
    lines = summarize([make_member(AMD64), make_member(ARM64)])
    assert lines[1] == "  1 of them equal in outcome only: nothing was observed"


def test_many_groups_with_one_reason_are_one_line() -> None:
    groups = [[make_member(AMD64, group=f"g{n}", selected=(AMD64,))] for n in range(50)]
    assert summarize(*groups)[1:3] == ("not compared:", "  50 groups: linux/arm64 not selected")


def test_different_reasons_are_listed_up_to_a_bound() -> None:
    groups = [half(f"g{n}", "skipped", reason=f"why {n}") for n in range(30)]
    lines = summarize(*groups)
    assert lines[2] == "  g0: linux/arm64 was skipped: why 0"
    assert lines[22] == "  ... and 10 more"


def test_members_that_a_comparison_went_without_are_listed() -> None:
    declared = (AMD64, ARM64, S390X)
    group = [
        *pair("a", declared=declared),
        make_member(S390X, group="a", declared=declared, outcome="xfailed", reason="#12"),
    ]
    assert "  a: linux/s390x failed as expected: #12" in summarize(group)


def test_allowed_differences_are_listed_with_their_reason() -> None:
    rules = make_rules(allow=[allow("app", reason="char is unsigned")])
    lines = summarize(pair("a", "-1", "255", rules=rules))
    assert lines[1:3] == (
        "allowed to differ:",
        '  a: stdout of "app" on linux/arm64: char is unsigned',
    )


def test_an_allowance_that_nothing_needs_any_more_is_listed() -> None:
    rules = make_rules(allow=[allow("app", reason="was fixed")])
    lines = summarize(pair("a", rules=rules))
    assert lines[1:3] == ("allowed to differ, and equal (take it out):", "  app: was fixed")


def test_but_not_if_another_group_needs_it() -> None:
    rules = make_rules(allow=[allow("app", reason="char")])
    lines = summarize(pair("a", rules=rules), pair("b", "1", "2", rules=rules))
    assert not [line for line in lines if "take it out" in line]


def test_retries_are_said() -> None:
    group = [make_member(AMD64, group="a"), make_member(ARM64, group="a", attempt=3)]
    assert "  a: attempt 3 on linux/arm64" in summarize(group)


def test_calls_that_were_not_compared_are_listed() -> None:
    group = [
        make_member(AMD64, observe("1", history="x"), observe("1", label="l"), group="a"),
        make_member(
            ARM64, observe("1", history="y"), observe("1", label="l", platform=ARM64), group="a"
        ),
    ]
    (line,) = (each for each in summarize(group) if each.startswith("  a: run: app: the shared"))
    assert "stateless=True" in line


def test_lines_of_the_emulator_are_counted_by_platform() -> None:
    seen = observe("", "qemu: Unsupported syscall: 1\n" * 3, platform=ARM64)
    group = [make_member(AMD64, observe("")), make_member(ARM64, seen)]
    assert "3 lines of the emulator's own left out of stderr on linux/arm64" in summarize(group)


def test_the_table_says_how_tests_ended() -> None:
    lines = summarize(half("a", "skipped"), half("b", "failed"), pair("c"))
    assert lines[-1] == "linux/arm64  qemu 7.2.22  3 tests (1 skipped, 1 failed)"


@pytest.mark.parametrize(
    ("members", "selected", "line"),
    [
        ([make_member(AMD64), make_member(ARM64, outcome="not-run")], (),
         "linux/arm64  nothing ran  1 test (1 not-run)"),
        ([make_member(AMD64, selected=(AMD64, ARM64))], (),
         "linux/arm64  selected: nothing ran"),
        ([make_member(AMD64, selected=(AMD64,))], (AMD64,),
         "linux/arm64  declared, but not selected: nothing ran"),
        ([make_member(AMD64), make_member(ARM64)], (S390X,),
         "linux/s390x  selected, but no test declares it"),
    ],
)  # fmt: skip
def test_a_platform_on_which_nothing_ran_is_named(
    members: list[Member], selected: tuple[Platform, ...], line: str
) -> None:
    assert line in summarize(members, selected=selected)


def test_divergences_are_listed_where_they_are_no_failures() -> None:
    lines = summarize(pair("a", "1", "2"), reports_divergences=True)
    assert lines[1:3] == (
        "diverged:",
        '  a: linux/arm64 differs from linux/amd64 (baseline): stdout of "app"',
    )


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ([make_member(AMD64, selected=(AMD64,))], "linux/arm64 not selected"),
        ([make_member(AMD64)], "linux/arm64 did not run"),
        ([make_member(AMD64, declared=(AMD64,))], "declared for linux/amd64 only"),
        (half("test_app.py::test_x", "crashed"), None),
        (half("test_app.py::test_x", "skipped", reason="a\x1b[31m\nb"),
         "linux/arm64 was skipped: a\\x1b[31m"),
    ],
)  # fmt: skip
def test_why_a_group_was_not_compared(members: list[Member], why: str | None) -> None:
    line = describe_not_compared(compare_group(members))
    assert line.startswith("test_app.py::test_x: ")
    assert why is None or line.endswith(why)
