"""The badge: every tested platform, and what is to be said of it."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from pytest_multiarch.core.member import Member
from pytest_multiarch.core.merging import judge_record
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.record import Record
from pytest_multiarch.reports.badge import render_badge
from tests.samples import AMD64, ARM64, S390X, make_member, observe

SVG = "{http://www.w3.org/2000/svg}"


def render(*members: Member) -> ET.Element:
    return ET.fromstring(render_badge(judge_record(Record(members=members))))


def read_texts(badge: ET.Element) -> list[str | None]:
    return [each.text for each in badge.iter(f"{SVG}text")]


def make(platform: Platform, out: str = "1", **fields: object) -> Member:
    return make_member(
        platform, observe(out, platform=platform), declared=(AMD64, ARM64, S390X), **fields
    )


@pytest.mark.parametrize(
    ("members", "texts", "title"),
    [
        ((make(AMD64), make(ARM64)), ["linux", "amd64 ✓  arm64 ✓"],
         "Tested on linux/amd64, linux/arm64"),
        ((make(AMD64), make(ARM64, "2")), ["linux", "amd64 ✓  arm64 ≠"],
         "Tested on linux/amd64, linux/arm64 (differs)"),
        ((make(AMD64), make(S390X, outcome="failed")), ["linux", "amd64 ✓  s390x ✕"],
         "Tested on linux/amd64, linux/s390x (failed)"),
        ((make(AMD64), make(ARM64, outcome="skipped")), ["linux", "amd64 ✓"],
         "Tested on linux/amd64"),
        ((), ["platforms", "not tested"], "Tested on nothing"),
    ],
)  # fmt: skip
def test_what_it_says(members: tuple[Member, ...], texts: list[str], title: str) -> None:
    badge = render(*members)
    assert read_texts(badge) == texts
    assert badge.findtext(f"{SVG}title") == badge.get("aria-label") == title


def test_platforms_of_several_systems_are_named_in_full() -> None:
    windows = Platform.parse("windows/amd64")
    members = (make_member(p, declared=(AMD64, windows)) for p in (AMD64, windows))
    assert read_texts(render(*members)) == ["platforms", "linux/amd64 ✓  windows/amd64 ✓"]


def test_nothing_stands_outside() -> None:
    badge = render(make(AMD64), make(ARM64))
    width = int(badge.get("width", "0"))
    texts = list(badge.iter(f"{SVG}text"))
    ends = [int(each.get("x", "0")) + int(each.get("textLength", "0")) for each in texts]
    assert ends[-1] < width
