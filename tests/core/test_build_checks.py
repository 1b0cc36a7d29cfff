"""Pitfalls of Dockerfiles: bases that lack a platform, a last stage of one platform, checks."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_multiarch.core.build import BuildSpec, make_build_spec
from pytest_multiarch.core.build_checks import (
    find_missing_bases,
    find_pinned_bases,
    leave_out_told,
    list_bases,
    make_finding,
)
from pytest_multiarch.core.dockerfile import parse_dockerfile
from pytest_multiarch.core.platform import Platform

AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")
BOTH = AMD64, ARM64


def make(**options: Any) -> BuildSpec:
    return make_build_spec("app", folder="/work", **options)


def list_them(text: str, **options: Any) -> list[tuple[str, Platform, int]]:
    bases = list_bases(parse_dockerfile(text), make(**options), BOTH, AMD64)
    return [(each.reference, each.platform, each.line) for each in bases]


def test_each_target_needs_its_own_base() -> None:
    assert list_them("FROM alpine\n") == [("alpine", AMD64, 1), ("alpine", ARM64, 1)]


def test_a_cross_compiling_stage_needs_that_of_the_builder() -> None:
    text = "FROM --platform=$BUILDPLATFORM gcc AS b\nFROM scratch\nCOPY --from=b / /\n"
    assert list_them(text) == [("gcc", AMD64, 1)]


def test_stages_are_no_images_and_what_is_not_taken_is_not_needed() -> None:
    assert list_them("FROM a AS one\nFROM b AS two\nFROM one\n") == [
        ("a", AMD64, 1),
        ("a", ARM64, 1),
    ]


def test_arguments_say_which_base() -> None:
    text = "ARG BASE=a\nARG TAG\nFROM $BASE:${TAG:-1}-$TARGETARCH\n"
    assert [each[0] for each in list_them(text)] == ["a:1-amd64", "a:1-arm64"]
    given = list_them(text, args={"BASE": "b"}, platform_args={"arm64": {"TAG": "2"}})
    assert [each[0] for each in given] == ["b:1-amd64", "b:2-arm64"]


def test_what_is_not_clear_is_left_out() -> None:
    assert list_them("FROM $UNKNOWN\n") == []
    assert list_them("FROM --platform=$WHAT/x alpine\n") == []


def test_a_base_without_a_platform_is_said_once_with_its_line() -> None:
    text = "FROM alpine\nFROM old:1\n"
    bases = list_bases(parse_dockerfile(text), make(), BOTH, AMD64)
    (found,) = find_missing_bases(bases, {"old:1": (AMD64,)})
    assert (found.line, found.platforms) == (2, (ARM64,))
    assert found.what == "old:1 has no linux/arm64: it has linux/amd64"
    assert "$BUILDPLATFORM" in found.cure
    assert find_missing_bases(bases, {"old:1": BOTH}) == ()
    assert find_missing_bases(bases, {}) == ()  # it could not be read


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("FROM --platform=linux/amd64 alpine\n", 1),
        ("FROM --platform=$BUILDPLATFORM alpine\n", 1),
        ("FROM --platform=linux/amd64 a AS b\nFROM b\n", 1),
        ("FROM --platform=$TARGETPLATFORM alpine\n", 0),
        ("FROM --platform=$BUILDPLATFORM a AS b\nFROM scratch\n", 0),
        ("FROM alpine\n", 0),
        ("", 0),
    ],
)
def test_a_last_stage_of_one_platform_is_found(text: str, line: int) -> None:
    found = find_pinned_bases(parse_dockerfile(text), make(), BOTH)
    assert [each.line for each in found] == ([line] if line else [])


def test_the_platform_itself_may_be_pinned() -> None:
    dockerfile = parse_dockerfile("FROM --platform=linux/amd64 alpine\n")
    assert find_pinned_bases(dockerfile, make(), [AMD64]) == ()


def test_what_buildkit_says_has_a_cure() -> None:
    warning = {
        "ruleName": "FromPlatformFlagConstDisallowed",
        "description": "d",
        "detail": "FROM --platform flag should not use constant value",
        "url": "https://example.org/rule",
        "location": {"ranges": [{"start": {"line": 3}, "end": {"line": 3}}]},
    }
    found = make_finding(warning)
    assert (found.rule, found.line) == ("FromPlatformFlagConstDisallowed", 3)
    assert "$BUILDPLATFORM" in found.cure
    unknown = make_finding({"ruleName": "New", "description": "d", "url": "https://example.org/n"})
    assert (unknown.line, unknown.what, unknown.cure) == (0, "d", "see https://example.org/n")


def test_what_is_said_of_a_base_is_not_said_twice() -> None:
    told = find_missing_bases(
        list_bases(parse_dockerfile("FROM old:1\n"), make(), BOTH, AMD64), {"old:1": (AMD64,)}
    )
    location = {"ranges": [{"start": {"line": 1}}]}
    twice = make_finding({"ruleName": "InvalidBaseImagePlatform", "location": location})
    other = make_finding({"ruleName": "FromAsCasing", "location": location})
    assert leave_out_told([twice, other], told) == (other,)
    assert leave_out_told([twice], ()) == (twice,)
