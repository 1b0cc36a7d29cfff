"""JUnit XML of judged records; that it is as pytest's own is in tests/plugin/test_merging.py."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from pytest_multiarch.core.member import Member, VariantIdentity
from pytest_multiarch.core.merging import judge_record
from pytest_multiarch.core.record import Record, Run
from pytest_multiarch.reports.junit import render_junit
from tests.samples import AMD64, ARM64, NATIVE, PIN, QEMU, S390X, make_member, observe

PROPERTY = re.compile(r"\[\[PROPERTY\|(.*?)=(.*)\]\]")


def render(*members: Member, is_strict: bool = False, runs: tuple[Run, ...] = ()) -> ET.Element:
    """Give the one test suite of the document."""
    judgement = judge_record(Record(members=members, runs=runs), is_strict=is_strict)
    (suite,) = ET.fromstring(render_junit(judgement))
    return suite


def list_marks(suite: ET.Element) -> list[tuple[str, str, str]]:
    """Give name, element and message of what did not just pass."""
    return [
        (case.get("name"), mark.tag, mark.get("message"))
        for case in suite
        for mark in case
        if mark.tag != "system-out"
    ]


def list_properties(case: ET.Element) -> list[list[str]]:
    """Give names and values of the properties in a test case's output."""
    text = case.findtext("system-out") or ""
    found = [PROPERTY.fullmatch(line) for line in text.splitlines()]
    assert all(found)
    return [list(each.groups()) for each in found]


def fail(outcome: str, reason: str = "", **fields: Any) -> list[tuple[str, str, str]]:
    return list_marks(render(make_member(AMD64, outcome=outcome, reason=reason, **fields)))


@pytest.mark.parametrize(
    ("node_id", "names"),
    [
        ("tests/test_a.py::test_x[linux/amd64]", ("tests.test_a", "test_x[linux/amd64]")),
        ("test_a.py::TestX::test_x[a::b.py-c]", ("test_a.TestX", "test_x[a::b.py-c]")),
        ("a[1]/test_a.py::test_x", ("a[1].test_a", "test_x")),
        ("a/test_a.py", ("", "a.test_a")),
    ],
)
def test_names_are_those_that_pytest_gives(node_id: str, names: tuple[str, str]) -> None:
    (case,) = render(make_member(AMD64, node_id=node_id))
    assert (case.get("classname"), case.get("name")) == names


def test_a_case_for_each_member_and_none_for_parity() -> None:
    suite = render(make_member(AMD64, duration_s=1.5), make_member(ARM64, duration_s=2.0))
    assert [(each.get("name"), each.get("time")) for each in suite] == [
        ("test_x[linux/amd64]", "1.500"),
        ("test_x[linux/arm64]", "2.000"),
    ]
    assert suite.get("tests") == "2"


@pytest.mark.parametrize(
    ("outcome", "element", "message"),
    [
        ("failed", "failure", "why"),
        ("error", "error", 'failed on setup with "why"'),
        ("crashed", "error", 'failed on setup with "why"'),
        ("skipped", "skipped", "why"),
        ("xfailed", "skipped", "why"),
        ("not-run", "skipped", "did not run"),
    ],
)
def test_outcomes(outcome: str, element: str, message: str) -> None:
    assert fail(outcome, "why") == [("test_x[linux/amd64]", element, message)]


@pytest.mark.parametrize("outcome", ["passed", "xpassed"])
def test_what_passed_says_nothing(outcome: str) -> None:
    assert fail(outcome) == []


def test_an_error_in_the_teardown_stands_on_the_test() -> None:
    assert fail("passed", teardown_error="left") == [
        ("test_x[linux/amd64]", "error", 'failed on teardown with "left"')
    ]


def test_an_error_in_the_teardown_of_a_failure_is_a_case_of_its_own() -> None:
    suite = render(make_member(AMD64, outcome="failed", reason="why", teardown_error="left"))
    assert [[each.tag for each in case] for case in suite] == [["failure"], ["error"]]


def test_what_is_counted() -> None:
    members = [
        make_member(AMD64, group=outcome, node_id=f"t.py::{outcome}", outcome=outcome)
        for outcome in ("failed", "error", "crashed", "skipped", "passed")
    ]
    suite = render(*members)
    names = "tests", "failures", "errors", "skipped"
    assert [suite.get(name) for name in names] == ["5", "1", "2", "1"]


def test_a_divergence_is_a_case_named_by_its_group() -> None:
    suite = render(make_member(AMD64, observe("1")), make_member(ARM64, observe("2")))
    assert [each.get("name") for each in suite][2:] == ["test_x"]
    headline = (
        'linux/arm64 differs from linux/amd64 (baseline): stdout of "app"; diagnosis: unconfirmed'
    )
    assert list_marks(suite) == [("test_x", "failure", headline)]
    assert "\n- 1\n" in suite[2][0].text


def test_a_divergence_of_all_variants_stands_on_their_test() -> None:
    same = {"group": "t.py::test_x", "node_id": "t.py::test_x"}
    suite = render(
        make_member(AMD64, observe("1"), **same), make_member(ARM64, observe("2"), **same)
    )
    ((name, element, message),) = list_marks(suite)
    assert (len(suite), name, element) == (1, "test_x", "failure")
    assert message.startswith("DivergedError: linux/arm64 differs from linux/amd64 (baseline)")


def test_all_variants_failed_in_one_job_only() -> None:
    same = {"group": "t.py::test_x", "node_id": "t.py::test_x"}
    suite = render(
        make_member(AMD64, **same), make_member(ARM64, outcome="failed", reason="why", **same)
    )
    assert list_marks(suite) == [("test_x", "failure", "why")]


def test_not_compared_is_a_failure_when_strict() -> None:
    half = make_member(AMD64, selected=(AMD64,))
    assert list_marks(render(half)) == []
    assert list_marks(render(half, is_strict=True)) == [
        ("test_x", "failure", "linux/arm64 not selected")
    ]


def test_a_failed_twin_has_a_name_of_its_own() -> None:
    """Readers take the second of two cases with one name for a retry."""
    suite = render(
        make_member(ARM64, run="a", execution=NATIVE, declared=(ARM64,)),
        make_member(ARM64, run="b", outcome="failed", reason="why", declared=(ARM64,)),
    )
    assert [each.get("name") for each in suite] == [
        "test_x[linux/arm64]",
        "test_x[linux/arm64] (qemu 7.2.22)",
    ]
    assert list_marks(suite) == [("test_x[linux/arm64] (qemu 7.2.22)", "failure", "why")]


VARIANT = VariantIdentity(
    reference="app:1", kind="manifest", digest="sha256:ab", config_digest="", pin=PIN
)


def test_properties_say_what_ran_and_how() -> None:
    (case,) = render(make_member(S390X, variant=VARIANT, execution=QEMU, declared=(S390X,)))
    assert list_properties(case) == [
        ["multiarch_platform", "linux/s390x"],
        ["multiarch_execution", "qemu 7.2.22"],
        ["multiarch_digest", "sha256:ab"],
    ]


def list_ratios(*members: Member) -> list[str]:
    found = [pair for case in render(*members) for pair in list_properties(case)]
    return [value for name, value in found if name == "multiarch_ratio"]


def test_the_ratio_is_that_of_the_times_inside_the_containers() -> None:
    ours = make_member(AMD64, variant=VARIANT, inside_s=0.5, duration_s=9.0)
    theirs = make_member(ARM64, variant=VARIANT, inside_s=2.06, duration_s=10.0)
    assert list_ratios(ours, theirs) == ["4.12"]


def test_no_ratio_without_the_time_of_the_baseline() -> None:
    theirs = make_member(ARM64, variant=VARIANT, inside_s=2.0)
    assert list_ratios(make_member(AMD64, variant=VARIANT), theirs) == []


def test_no_ratio_of_two_machines() -> None:
    """A native run in another job tells of its machine, not of its platform."""
    ours = make_member(AMD64, variant=VARIANT, inside_s=1.0)
    theirs = make_member(ARM64, variant=VARIANT, inside_s=2.0, execution=NATIVE, run="r2")
    assert list_ratios(ours, theirs) == []


def test_a_property_stays_on_its_line() -> None:
    digest = "sha256:ab]]\n[[PROPERTY|multiarch_platform=linux/arm64"
    (case,) = render(make_member(AMD64, variant=replace(VARIANT, digest=digest), declared=(AMD64,)))
    assert [name for name, _ in list_properties(case)] == [
        "multiarch_platform",
        "multiarch_execution",
        "multiarch_digest",
    ]


HOSTILE = "a\x00\x1b[31m\x7f\ud800\udcff\ufffe<b>&\"']]>\U0001f600"


def test_characters_that_xml_cannot_hold_are_spelled_out() -> None:
    ((_, _, message),) = fail("failed", HOSTILE)
    assert message == "a#x00#x1B[31m#x7F#xD800#xDCFF#xFFFE<b>&\"']]>\U0001f600"


def test_no_field_makes_the_document_invalid() -> None:
    member = make_member(
        AMD64,
        observe(HOSTILE.encode("utf-8", "surrogatepass")),
        group=HOSTILE,
        node_id=f"{HOSTILE}::{HOSTILE}[{HOSTILE}]",
        outcome="failed",
        reason=HOSTILE,
        teardown_error=HOSTILE,
    )
    variant = VariantIdentity(
        reference=HOSTILE, kind="manifest", digest=HOSTILE, config_digest="", pin=HOSTILE
    )
    other = make_member(ARM64, group=HOSTILE, node_id="x", variant=variant)
    assert len(render(member, other)) == 3


def test_a_long_message_is_shortened_by_whole_lines() -> None:
    ((_, _, message),) = fail("failed", "\n".join(f"line {n}" for n in range(100)))
    assert message.startswith("line 0\nline 1\n")
    assert message.endswith("more lines; full report in element text]")
    assert len(message) < 600


def test_texts_are_bounded() -> None:
    suite = render(make_member(AMD64, outcome="failed", reason="x" * 1_000_000))
    assert len(ET.tostring(suite)) < 25_000
    assert "980,000 more characters" in suite[0][0].text


@pytest.mark.parametrize("start_s", [-1e15, 0.0, 1e15])
def test_any_time_of_start_can_be_written(start_s: float) -> None:
    suite = render(make_member(AMD64), runs=(Run(id="r1", started_at_s=start_s),))
    assert suite.get("timestamp").endswith("+00:00")
