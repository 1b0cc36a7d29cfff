"""The summary: verdicts first, then why something was not compared, then the platforms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_multiarch.core.member import Member, Outcome
from pytest_multiarch.core.parity import compare_group
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.rules import allow, make_rules
from pytest_multiarch.core.shown_text import shorten
from pytest_multiarch.reports.account import Section
from pytest_multiarch.reports.job_log import JobLog
from pytest_multiarch.reports.summary import Layout, list_summary
from pytest_multiarch.reports.wording import describe_not_compared
from tests.samples import AMD64, ARM64, NATIVE, QEMU, S390X, make_member, observe


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
    return tuple(JobLog().write(list_summary(verdicts, selected=selected, **options)))


def timed(name: str, *times: float, emulated: Platform = ARM64, **fields: Any) -> list[Member]:
    """Make a group that took these times: natively, and emulated."""
    return [
        make_member(platform, group=name, declared=(AMD64, emulated), inside_s=time, **fields)
        for platform, time in zip((AMD64, emulated), times, strict=True)
    ]


def find_line(lines: tuple[str, ...], start: str) -> str:
    """Give the one line that starts so."""
    (line,) = (each for each in lines if each.startswith(start))
    return line


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
    assert lines[1:3] == ("allowed to differ, and equal (take it out):", "  app: was fixed (a)")


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
    assert lines[-1] == "linux/arm64  qemu 7.2.22  3 tests  (1 skipped, 1 failed)"


def test_ends_that_do_not_fit_break_no_other_row() -> None:
    outcomes = ("failed", "skipped", "xfailed", "xpassed", "error", "crashed")
    odd = [half(name, name) for name in outcomes]
    lines = summarize(timed("a", 1.0, 4.1), *odd, layout=Layout(width=80))
    at = lines.index(find_line(lines, "linux/arm64"))
    assert lines[at - 1] == "linux/amd64  native       7 tests"
    assert lines[at].startswith("linux/arm64  qemu 7.2.22  7 tests  x 4.1  (1 failed, 1 skipped,")
    assert lines[at + 1].startswith("  ")


def test_a_failed_teardown_is_counted() -> None:
    members = make_member(AMD64), make_member(ARM64, teardown_error="left behind")
    assert summarize([*members])[-1] == "linux/arm64  qemu 7.2.22  1 test  (1 failed in teardown)"


@pytest.mark.parametrize(
    ("members", "selected", "line"),
    [
        ([make_member(AMD64), make_member(ARM64, outcome="not-run")], (),
         "linux/arm64  nothing ran  1 test  (1 not-run)"),
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
    lines = summarize(pair("a", "1", "2"), parity="report")
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


def test_a_platform_has_the_ratio_of_its_time_to_the_baselines() -> None:
    lines = summarize(timed("a", 1.0, 6.2), timed("b", 1.0, 2.0), timed("c", 1.0, 0.0))
    assert find_line(lines, "linux/amd64") == "linux/amd64  native       3 tests"
    assert find_line(lines, "linux/arm64") == "linux/arm64  qemu 7.2.22  3 tests  x 4.1"


def test_only_what_was_compared_on_both_counts() -> None:
    failed = timed("a", 1.0, 90.0)
    failed[1] = replace(failed[1], outcome=Outcome.FAILED)
    lines = summarize(failed, timed("b", 1.0, 2.0))
    assert find_line(lines, "linux/arm64").endswith("  2 tests  x 2.0  (1 failed)")


@pytest.mark.parametrize(
    ("times", "ratio"), [((4.0, 0.1), "x 0.03"), ((1.0, 12.4), "x 12"), ((0.1, 2000.0), "x 20,000")]
)
def test_ratios_have_two_digits(times: tuple[float, float], ratio: str) -> None:
    assert find_line(summarize(timed("a", *times)), "linux/arm64").endswith(f"  {ratio}")


def test_a_ratio_of_separate_runs_says_so() -> None:
    group = timed("a", 1.0, 4.0)
    lines = summarize([group[0], replace(group[1], run="r2")])
    assert find_line(lines, "linux/arm64").endswith("  x 4.0 *")
    assert "* partly from separate runs or nodes: their machines are part of the ratio" in lines


def test_two_native_machines_have_no_ratio() -> None:
    group = timed("a", 1.0, 4.0, execution=NATIVE)
    lines = summarize([group[0], replace(group[1], run="r2")])
    assert lines[-1] == "linux/arm64  native  1 test"


def test_the_slowest_under_emulation_are_named() -> None:
    groups = [timed(f"t.py::test_{n}", 1.0, 1.0 + n) for n in range(1, 6)]
    assert summarize(*groups)[-4:] == (
        "slowest under emulation:",
        "  t.py::test_5  linux/arm64  6.0 s, x 6.0",
        "  t.py::test_4  linux/arm64  5.0 s, x 5.0",
        "  t.py::test_3  linux/arm64  4.0 s, x 4.0",
    )


@pytest.mark.parametrize(
    "group",
    [
        timed("quick", 0.01, 0.49),
        timed("faster", 2.0, 1.0),
        timed("native", 1.0, 9.0, execution=NATIVE),
        timed("both emulated", 1.0, 9.0, execution=QEMU),
    ],
    ids=lambda group: group[0].group,
)
def test_what_emulation_does_not_slow_down_is_not_named(group: list[Member]) -> None:
    assert "slowest under emulation:" not in summarize(group)


def test_off_compares_nothing_and_lists_what_failed() -> None:
    lines = summarize(pair("a", "1", "2"), half("b", "failed"), timed("c", 1.0, 9.0), parity="off")
    assert lines == (
        "--multiarch-parity=off: nothing was compared",
        "1 group of platforms: 1 failed on some platforms",
        "failed on some platforms:",
        "  b: passed on linux/amd64 (native); failed on linux/arm64 (qemu 7.2.22)",
        "linux/amd64  native       3 tests",
        "linux/arm64  qemu 7.2.22  3 tests  (1 failed)",
    )


def make_one_of_each() -> list[list[Member]]:
    """Make groups for every line of a summary, with long names."""
    rules = make_rules(allow=[allow("app*", reason="char is unsigned there, as it always was")])
    declared = (AMD64, ARM64, S390X)
    name = f"tests/containers/test_{'very_' * 9}long_module.py::TestSomething::test_"
    return [
        pair(f"{name}x[one-two]", "1", "2"),
        pair(f"{name}allowed", "-1", "255", rules=rules),
        half(f"{name}failed", "failed"),
        half(f"{name}skipped", "skipped", reason="no time " * 20),
        timed(f"{name}slow", 1.0, 2345.6, attempt=2),
        [*pair(f"{name}part", declared=declared),
         make_member(S390X, group=f"{name}part", declared=declared, outcome="xfailed")],
    ]  # fmt: skip


@pytest.mark.parametrize("width", [80, 60, 132])
@pytest.mark.parametrize("verbosity", [0, -1])
def test_no_line_is_wider_than_the_terminal(width: int, verbosity: int) -> None:
    layout = Layout(width=width, verbosity=verbosity)
    lines = summarize(*make_one_of_each(), parity="report", layout=layout)
    assert [line for line in lines if len(line) > width] == []
    assert any("..." in line for line in lines)


def test_reasons_are_wrapped_and_not_cut() -> None:
    group = half("a", "skipped", reason="word " * 30)
    lines = summarize(group, layout=Layout(width=80))
    start = lines.index("not compared:") + 1
    assert " ".join(line.strip() for line in lines[start:-2]).count("word") == 30


def test_lines_wrap_when_verbose_but_for_long_names() -> None:
    lines = summarize(*make_one_of_each(), layout=Layout(width=80, verbosity=1))
    assert not any("..." in line for line in lines)
    assert all(len(line) <= 80 or "::" in line or "x 2,346" in line for line in lines)


def test_what_fails_beside_the_verdicts_comes_with_them() -> None:
    beside = (Section("over budget", ("g: the ratio 12 is beyond max=5",)),)
    sections = list_summary((), selected=(AMD64,), beside=beside)
    titles = [(each.title, each.lines) for each in sections if each.lines]
    assert [title for title, _ in titles] == ["over budget", ""]


def test_names_are_whole_when_verbose() -> None:
    groups = make_one_of_each()
    lines = summarize(*groups, layout=Layout(width=80, verbosity=1))
    assert find_line(lines, f"  {groups[4][0].group}  linux/arm64  2,345.6 s, x 2,346")


def test_lists_have_no_bound_when_verbose() -> None:
    groups = [half(f"g{n}", "skipped", reason=f"why {n}") for n in range(30)]
    lines = summarize(*groups, layout=Layout(verbosity=1))
    assert "  g29: linux/arm64 was skipped: why 29" in lines


def test_quiet_keeps_what_is_grave() -> None:
    lines = summarize(*make_one_of_each(), layout=Layout(verbosity=-1))
    assert [line for line in lines if line.endswith(":")] == [
        "failed on some platforms:",
        "not compared:",
        "compared without:",
    ]
    assert lines[-1].startswith("linux/s390x")


@pytest.mark.parametrize(
    ("width", "name"), [(9, "test_abcd"), (8, "tes...cd"), (7, "te...cd"), (4, "t...")]
)
def test_names_are_cut_in_their_middle(width: int, name: str) -> None:
    assert shorten("test_abcd", width) == name


def test_an_emulator_can_have_any_name() -> None:
    execution = replace(QEMU, version="\x1b[31m" + "9" * 200)
    group = [make_member(AMD64), make_member(ARM64, execution=execution)]
    assert len(summarize(group)[-1]) < 80
    assert "\x1b" not in summarize(group)[-1]
