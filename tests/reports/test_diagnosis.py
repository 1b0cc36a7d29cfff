"""A diagnosis stands wherever its verdict does, in the same words."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from pytest_multiarch.core.diagnosis import Cause, Diagnosis, diagnose
from pytest_multiarch.core.merging import Judgement, judge_record
from pytest_multiarch.core.parity import Verdict, compare_group
from pytest_multiarch.core.record import Record, Run
from pytest_multiarch.reports.account import list_failed
from pytest_multiarch.reports.annotations import render_code_quality, render_github_annotations
from pytest_multiarch.reports.diagnosis import describe_diagnoses
from pytest_multiarch.reports.divergence import make_headline, render_divergence
from pytest_multiarch.reports.failure import render_failure
from pytest_multiarch.reports.headline import word_headline
from pytest_multiarch.reports.html import render_html
from pytest_multiarch.reports.junit import render_junit
from pytest_multiarch.reports.markdown import render_markdown
from pytest_multiarch.reports.merged import render_merged
from pytest_multiarch.reports.page.matrix import view_matrix
from pytest_multiarch.reports.summary import Layout, list_summary
from pytest_multiarch.reports.wording import describe_not_compared
from tests.repeated import control, judge, repeat, see
from tests.samples import AMD64, ARM64, S390X, make_member

DOES_THE_SAME = "linux/amd64's own variant under the emulator (2 runs) does the same"


def rename(verdict: Verdict, name: str) -> Verdict:
    """Give a verdict on a test of another name."""
    group = f"test_app.py::{name}"
    members = tuple(
        replace(each, group=group, node_id=f"{group}[{each.platform}]") for each in verdict.members
    )
    compared = tuple(each for each in members if each.outcome.is_comparable)
    return replace(verdict, group=group, members=members, compared=compared)


@pytest.fixture
def image() -> Verdict:
    return rename(judge(["-1\n"] * 3, ["255\n"] * 3, control("-1\n", "-1\n")), "test_char")


@pytest.fixture
def emulator() -> Verdict:
    return rename(judge(["1\n"] * 3, ["2\n"] * 3, control("2\n", "2\n")), "test_proc")


@pytest.fixture
def unstable() -> Verdict:
    return rename(judge(["pid 7\n", "pid 8\n", "pid 12\n"], ["pid 9\n", "pid 7\n"]), "test_pid")


@pytest.fixture
def failed() -> Verdict:
    members = [
        make_member(AMD64, see(0)),
        make_member(ARM64, see(139, ARM64), outcome="failed", reason="assert 139 == 0"),
    ]
    repeats = [repeat(AMD64, 0, 0), repeat(ARM64, 139), control(139, 139)]
    return rename(diagnose(compare_group(members), repeats), "test_exit")


@pytest.fixture
def judgement(image: Verdict, emulator: Verdict, unstable: Verdict, failed: Verdict) -> Judgement:
    verdicts = (image, emulator, unstable, failed)
    members = tuple(member for each in verdicts for member in each.members)
    record = Record(runs=(Run(id="r1", ended="complete"),), members=members)
    return replace(judge_record(record), verdicts=verdicts)


# Failures


def test_a_divergence_has_its_diagnosis_below_what_differs(image: Verdict) -> None:
    headline, text = render_divergence(image)
    assert headline.endswith('stdout of "app"; diagnosis: image (likely)')
    lines = text.split("\n")
    at = lines.index("diagnosis on linux/arm64: image (likely)")
    assert lines[at - 1].strip() == "^"
    assert lines[at + 1 : at + 6] == [
        "  - linux/amd64's own variant under the emulator (2 runs) does not do it",
        "  - this control says nothing of what is special to emulating linux/arm64",
        "  - linux/amd64, 3 runs: the same every time",
        "  - linux/arm64, 3 runs: differs from linux/amd64 every time",
        "",
    ]


def test_what_is_so_on_several_platforms_is_said_once() -> None:
    given = [
        Diagnosis(
            platform=platform,
            cause=Cause.IMAGE,
            evidence=(f"{platform}, 3 runs: differs", "linux/arm64/x is another word"),
            label="a",
        )
        for platform in (ARM64, S390X)
    ]
    assert list(describe_diagnoses(given)) == [
        "diagnosis on linux/arm64, linux/s390x: image (likely)",
        "  - linux/arm64, linux/s390x, 3 runs: differs",
        "  - linux/arm64/x is another word",
    ]


def test_a_divergence_that_nobody_looked_into_says_why() -> None:
    verdict = judge(["1\n"], ["2\n"])
    assert make_headline(verdict).endswith("; diagnosis: unconfirmed")
    assert "--multiarch-repeat 3" in render_divergence(verdict)[1]


def test_what_is_proven_or_unstable_beside_a_divergence_is_told_there() -> None:
    members = [
        make_member(platform, *(see(made, platform, label=name) for name, made in calls))
        for platform, calls in (
            (AMD64, [("a", "1"), ("b", "1"), ("c", "t 1")]),
            (ARM64, [("a", "2"), ("b", "2"), ("c", "t 2")]),
        )
    ]
    repeats = [
        repeat(AMD64, "1", "1", label="a"), repeat(ARM64, "2", label="a"), control("1", label="a"),
        repeat(AMD64, "1", "1", label="b"), repeat(ARM64, "2", label="b"), control("2", label="b"),
        repeat(AMD64, "t 3", "t 5", label="c"), repeat(ARM64, "t 9", label="c"),
    ]  # fmt: skip
    headline, text = render_divergence(diagnose(compare_group(members), repeats))
    assert headline.endswith('(baseline): stdout of "a"; diagnosis: image (likely)')
    assert 'not compared: stdout of "b" on linux/arm64, diagnosis: emulator (proven): ' in text
    assert 'unstable: stdout of "c" varies by itself (line 1: t <number>); to make it' in text


def test_a_failed_test_has_its_diagnosis_and_the_call_that_tells(failed: Verdict) -> None:
    text = render_failure(failed, (failed.members[1],), {})
    assert text.split("\n")[0].endswith("assert 139 == 0; diagnosis: emulator (proven)")
    assert (
        "diagnosis on linux/arm64: emulator (proven)\n"
        '  by the exit code of "app":\n'
        f"  - {DOES_THE_SAME}\n"
    ) in text


def test_what_a_program_printed_is_made_safe_in_evidence() -> None:
    verdict = judge(["x \x1b]0;a\x07 1\n", "x \x1b 2\n", "x 3\n"], ["\x00\n", "\x00\n"])
    assert "\x00" not in render_divergence(verdict)[1]
    assert "\x1b" not in render_divergence(verdict)[1]


# Summaries


def summarize(judgement: Judgement, **options: int) -> dict[str, tuple[str, ...]]:
    layout = Layout(**options)
    return {
        each.title: each.lines
        for each in list_summary(judgement.verdicts, selected=(), layout=layout)
        if each.title
    }


def test_the_summary_has_a_short_line_for_each(judgement: Judgement) -> None:
    found = summarize(judgement)
    assert found["diagnosis"] == ("test_app.py::test_char: image (likely) on linux/arm64",)
    assert found["not compared"] == (
        'test_app.py::test_proc: stdout of "app" on linux/arm64, diagnosis: emulator (proven): '
        + DOES_THE_SAME,
    )
    assert found["unstable, so no difference"] == (
        (
            'test_app.py::test_pid: stdout of "app" varies by itself (line 1: pid <number>); to '
            'make it quiet, add @pytest.mark.parity(normalize=["pids"])'
        ),
    )
    assert found["failed on some platforms"] == (
        (
            "test_app.py::test_exit: passed on linux/amd64 (native); failed on linux/arm64 (qemu "
            "7.2.22); diagnosis: emulator (proven)"
        ),
    )


def test_the_summary_fits_a_terminal(judgement: Judgement) -> None:
    lines = [line for several in summarize(judgement, width=80).values() for line in several]
    assert max(map(len, lines)) <= 78


def test_a_brief_summary_still_says_what_was_not_compared(judgement: Judgement) -> None:
    found = summarize(judgement, verbosity=-1)
    assert "diagnosis" not in found
    assert DOES_THE_SAME in found["not compared"][0]


def test_a_strict_run_says_why_a_group_was_not_compared(emulator: Verdict) -> None:
    assert emulator.is_vacuous
    assert describe_not_compared(emulator).endswith(f"emulator (proven): {DOES_THE_SAME}")


def test_a_merge_lists_them_too(judgement: Judgement) -> None:
    text = "\n".join(render_merged(judgement))
    assert "diagnosis on linux/arm64: image (likely)" in text
    assert 'stdout of "app" varies by itself (line 1: pid <number>)' in text
    (line,) = list_failed(judgement).lines
    assert "assert 139 == 0; diagnosis: emulator (proven)" in line


def test_where_all_is_the_emulators_doing_nothing_could_be_compared(emulator: Verdict) -> None:
    record = Record(members=emulator.members)
    judgement = replace(judge_record(record), verdicts=(emulator,))
    assert word_headline(judgement) == (
        "Nothing could be compared: what differs is the emulator's doing"
    )


# Documents


def test_markdown_has_them(judgement: Judgement) -> None:
    text = render_markdown(judgement)
    assert "diagnosis on linux/arm64: image (likely)" in text
    assert "### Unstable, so no difference" in text
    assert "emulator (proven)" in text.partition("### Not compared")[2]


def test_junit_has_them_in_the_text_of_a_failure_and_as_properties(judgement: Judgement) -> None:
    cases = {
        each.get("name"): each for each in ET.fromstring(render_junit(judgement)).iter("testcase")
    }
    failure = cases["test_char"].find("failure")
    assert failure is not None
    assert "diagnosis: image (likely)" in failure.get("message", "")
    assert "diagnosis on linux/arm64: image (likely)" in str(failure.text)
    own = cases["test_exit[linux/arm64]"].find("failure")
    assert own is not None
    assert own.get("message") == "assert 139 == 0"
    assert str(own.text).startswith(
        "assert 139 == 0\n\ndiagnosis on linux/arm64: emulator (proven)"
    )
    lines = {name: case.findtext("system-out") or "" for name, case in cases.items()}
    assert "[[PROPERTY|multiarch_diagnosis=unstable]]" in lines["test_pid[linux/arm64]"]
    assert "multiarch_diagnosis" not in lines["test_pid[linux/amd64]"]


def test_annotations_name_the_diagnosis(judgement: Judgement) -> None:
    diverged, failed = render_github_annotations(judgement)
    assert diverged.endswith("diagnosis: image (likely)")
    assert failed.endswith("assert 139 == 0; diagnosis: emulator (proven)")
    found = json.loads(render_code_quality(judgement))
    assert [each["description"].rpartition("diagnosis: ")[2] for each in found] == [
        "image (likely)",
        "emulator (proven)",
    ]


def test_the_page_has_them_with_their_evidence(judgement: Judgement) -> None:
    rows = {row.name: row for row in view_matrix(judgement).rows}
    shown = {name: row.case.diagnosis for name, row in rows.items() if row.case is not None}
    assert shown == {
        "test_char": "image (likely)",
        "test_exit": "emulator (proven)",
        "test_proc": "emulator (proven)",
        "test_pid": "unstable",
    }
    case = rows["test_pid"].case
    assert case is not None
    assert case.headline == 'stdout of "app" varies by itself'
    assert case.evidence == (
        "linux/amd64, 3 runs: it varies by itself (parts of lines)",
        "linux/arm64, 2 runs: in the same way",
        "line 1: pid <number>",
        'to make it quiet, add @pytest.mark.parity(normalize=["pids"])',
    )
    page = render_html(judgement)
    assert "<b>Diagnosis:</b> image (likely)" in page
    assert "line 1: pid &lt;number&gt;" in page
