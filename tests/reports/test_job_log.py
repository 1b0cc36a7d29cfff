"""Lines in the log of a CI job: folded where they are many, and never a command of another's."""

from __future__ import annotations

import re

import pytest

from pytest_multiarch.reports.account import Section
from pytest_multiarch.reports.job_log import GITHUB, GITLAB, JobLog

LONG = Section("not compared", tuple(f"group {n}" for n in range(6)))
SHORT = Section("not compared", ("group 0",))


def test_a_terminal_gets_every_line_under_its_title() -> None:
    assert list(JobLog().write([SHORT, LONG])) == [
        "not compared:", "  group 0",
        "not compared:", *(f"  group {n}" for n in range(6)),
    ]  # fmt: skip


def test_what_has_no_title_is_not_indented() -> None:
    assert list(JobLog(GITHUB).write([Section("", ("a",) * 9)])) == ["a"] * 9


def test_a_container_s_log_moves_no_terminal_and_commands_nobody() -> None:
    text = "\x1b[31mred\x1b[0m\tx\r\n  ::error::x\n##[error]y\x1b]0;title\x07\x08\u202e\udcff"
    assert JobLog().quote(text) == ("red     x\n  ::error::x\n##[error]y\\x08\\u202e\\xff\n")
    assert JobLog(GITHUB).quote(text) == (
        "red     x\n  \\x3a:error::x\n##\\x5berror]y\\x08\\u202e\\xff\n"
    )


def test_github_folds_long_lists_only() -> None:
    assert list(JobLog(GITHUB).write([SHORT, LONG])) == [
        "not compared:", "  group 0",
        "::group::not compared", *(f"group {n}" for n in range(6)), "::endgroup::",
    ]  # fmt: skip


def test_gitlab_folds_with_one_name_at_both_ends() -> None:
    start, *_, end = JobLog(GITLAB, at_s=1795430400.2).write([LONG])
    pattern = r"\x1b\[0Ksection_{}:1795430400:(\w+){}\r\x1b\[0K{}"
    names = [
        re.fullmatch(pattern.format(*parts), line)[1]
        for line, parts in (
            (start, ("start", r"\[collapsed=true\]", "not compared")), (end, ("end", "", "")),
        )
    ]  # fmt: skip
    assert names[0] == names[1]


@pytest.mark.parametrize(
    "line",
    [
        "::error::x",
        "  ::set-output name=a::b",
        "\u2003::endgroup::",
        "- ##[error]x",
        "##[add-mask]a ##[x]",
        "::a::##[b]",
    ],
)
def test_a_line_is_no_command_of_github(line: str) -> None:
    shown = JobLog(GITHUB).show(line)
    assert not shown.lstrip().startswith("::")
    assert "##[" not in shown


@pytest.mark.parametrize("line", ["a::b", "- ::error::x", "# [x]", "test_a.py::test_x: no"])
def test_other_lines_stay_as_they_are(line: str) -> None:
    assert JobLog(GITHUB).show(line) == line


def test_a_terminal_shows_everything_as_it_is() -> None:
    assert JobLog("off").show("::error::##[x]") == "::error::##[x]"


def test_what_is_folded_is_no_command() -> None:
    lines = list(JobLog(GITHUB).fold("100 %\n::x::", ["::endgroup::", "::error::x"]))
    assert lines == [
        "::group::100 %25%0A::x::", "\\x3a:endgroup::", "\\x3a:error::x", "::endgroup::",
    ]  # fmt: skip
