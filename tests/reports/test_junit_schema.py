"""JUnit XML of any judged record is valid; pytest's own is in tests/plugin/test_junit.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from pytest_multiarch.core.member import Member, Outcome, VariantIdentity
from pytest_multiarch.core.merging import judge_record
from pytest_multiarch.core.record import Record, Run
from pytest_multiarch.reports.junit import render_junit
from tests.reports.junit_schema import list_errors
from tests.reports.records import make_sample_record
from tests.samples import AMD64, ARM64, NATIVE, PIN, make_member, observe

VARIANT = VariantIdentity(
    reference="app:1", kind="manifest", digest="sha256:ab", config_digest="", pin=PIN
)
SPREAD = {"group": "t.py::test_x", "node_id": "t.py::test_x"}
HOSTILE = {
    "control characters": "".join(map(chr, (*range(0x20), *range(0x7F, 0xA0)))),
    "lone surrogates": "a\ud800b\udcffc\udfff",
    "no characters": "\ufffe\uffff\U0001fffe\U0010ffff",
    "right to left": "\u202egnp.exe\u2066\u2069\u200f",
    "markup": "]]>&<x a='\"'><!-- <![CDATA[ <?x?> </testcase>",
    "large": "x" * 100_000,
}


def make_own(platform: Any, out: str | bytes = "1", **fields: Any) -> Member:
    return make_member(platform, observe(out), **{"variant": VARIANT, "inside_s": 1.0, **fields})


def render(*members: Member, is_strict: bool = False, **run: Any) -> ET.Element:
    record = Record(members=members, runs=(Run(id="r1", **run),))
    return ET.fromstring(render_junit(judge_record(record, is_strict=is_strict)))


def list_tags(suites: ET.Element) -> list[list[str]]:
    return [[child.tag for child in case] for case in suites.iter("testcase")]


def test_the_schema_finds_properties_of_test_cases() -> None:
    suites = render(make_own(AMD64))
    ET.SubElement(suites[0][0], "properties")
    (error,) = list_errors(suites)
    assert "'properties'" in error


def test_a_record_with_one_of_everything() -> None:
    judgement = judge_record(make_sample_record(), is_strict=True)
    assert list_errors(ET.fromstring(render_junit(judgement))) == []


@pytest.mark.parametrize("teardown_error", ["", "left"])
@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome(outcome: Outcome, teardown_error: str) -> None:
    members = [
        make_own(each, outcome=outcome, reason="why", teardown_error=teardown_error)
        for each in (AMD64, ARM64)
    ]
    assert list_errors(render(*members)) == []


@pytest.mark.parametrize(
    ("members", "tags"),
    [
        ((make_own(AMD64), make_own(ARM64)), [["system-out"], ["system-out"]]),
        (
            (make_own(AMD64), make_own(ARM64, "2")),
            [["system-out"], ["system-out"], ["failure"]],
        ),
        (
            (make_own(AMD64), make_own(ARM64, outcome="failed")),
            [["system-out"], ["failure", "system-out"]],
        ),
        ((make_own(AMD64, selected=(AMD64,)),), [["system-out"], ["failure"]]),
        (
            (make_own(AMD64, **SPREAD), make_own(ARM64, "2", **SPREAD)),
            [["failure", "system-out"]],
        ),
        (
            (
                make_own(ARM64, run="a", execution=NATIVE, declared=(ARM64,)),
                make_own(ARM64, run="b", outcome="failed", declared=(ARM64,)),
            ),
            [["system-out"], ["failure", "system-out"]],
        ),
    ],
    ids=["equal", "diverged", "failed-apart", "uncompared", "diverged-at-once", "twins"],
)
def test_every_verdict(members: tuple[Member, ...], tags: list[list[str]]) -> None:
    suites = render(*members, is_strict=True)
    assert (list_tags(suites), list_errors(suites)) == (tags, [])


@pytest.mark.parametrize("outcome", ["failed", "error"])
def test_failures_of_tests_without_platforms(outcome: str) -> None:
    suites = render(failures={"t.py::test_x": {"outcome": outcome, "reason": "why"}})
    assert (len(list_tags(suites)), list_errors(suites)) == (1, [])


def test_no_tests_at_all() -> None:
    assert list_errors(render()) == []


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_any_text_in_any_place(text: str) -> None:
    variant = replace(VARIANT, reference=text, digest=text, pin=text)
    execution = replace(NATIVE, version=text)
    names = {"group": text, "node_id": f"{text}.py::{text}[{text}]", "variant": variant}
    out = text.encode("utf-8", "surrogatepass")
    members = (
        make_own(AMD64, out, **names, execution=execution, teardown_error=text),
        make_own(ARM64, "2", **names),
        make_own(AMD64, outcome="failed", reason=text, teardown_error=text),
        make_own(ARM64, outcome="skipped", reason=text),
    )
    suites = render(*members, failures={text: {"outcome": "error", "reason": text}})
    assert (len(list_tags(suites)), list_errors(suites)) == (6, [])


@pytest.mark.parametrize("seconds", [-1e15, -0.0001, 0.0, 0.1, 12_345.6789, 1e15])
def test_any_time(seconds: float) -> None:
    times = {"duration_s": seconds, "inside_s": abs(seconds)}
    suites = render(make_own(AMD64), make_own(ARM64, **times), started_at_s=seconds)
    assert list_errors(suites) == []
