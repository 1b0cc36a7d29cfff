"""Dockerfiles, as far as builds are told by them: stages, steps with lines, what is needed."""

from __future__ import annotations

import pytest

from pytest_multiarch.core.dockerfile import expand, list_platform_values, parse_dockerfile
from pytest_multiarch.core.platform import Platform

TEXT = """\
# syntax=docker/dockerfile:1
ARG BASE=alpine:3.20

FROM --platform=$BUILDPLATFORM ${BASE} AS build
ARG TARGETARCH
WORKDIR /src
COPY . .
# a comment
RUN make \\
    # another

    ARCH=$TARGETARCH
RUN <<EOF
FROM nothing
make install
EOF

FROM unused AS test
RUN test

FROM scratch
COPY --from=build /out /
FROM build
RUN last
"""


def test_stages_have_bases_and_lines() -> None:
    found = parse_dockerfile(TEXT)
    assert [(each.name, each.base, each.platform, each.line) for each in found.stages] == [
        ("build", "${BASE}", "$BUILDPLATFORM", 4),
        ("test", "unused", "", 18),
        ("", "scratch", "", 21),
        ("", "build", "", 23),
    ]
    assert found.arguments == {"BASE": "alpine:3.20"}


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (("build", 2, 5, "WORKDIR /src"), (6, "WORKDIR /src")),
        (("build", 4, 5, "RUN make   ARCH=arm64"), (9, "RUN make ARCH=$TARGETARCH")),
        (("build", 5, 5, "RUN <<EOF (one...)"), (13, "RUN <<EOF")),
        (("stage-2", 1, 1, "COPY --from=build /out /"), (22, "COPY --from=build /out /")),
        (("stage-3", 1, 1, "RUN last"), (24, "RUN last")),
        (("build", 5, 6, "RUN make ARCH=arm64"), (9, "RUN make ARCH=$TARGETARCH")),
        (("build", 3, 5, "RUN make ARCH=arm64"), (9, "RUN make ARCH=$TARGETARCH")),
        (("build", 1, 5, "WORKDIR /src"), (6, "WORKDIR /src")),
        (("build", 2, 6, "RUN what the base adds"), None),
        (("other", 2, 2, "RUN x"), None),
        (("", 2, 2, "RUN x"), None),
    ],
)
def test_a_step_is_found_by_the_number_that_buildkit_gives_it(
    step: tuple[str, int, int, str], expected: tuple[int, str] | None
) -> None:
    """Its base is the first, unless that is a stage, nothing, or a context; it may add some."""
    found = parse_dockerfile(TEXT).find_step(*step)
    assert (found and (found.line, found.shown)) == expected


def test_a_single_stage_has_no_name() -> None:
    found = parse_dockerfile("FROM alpine\nRUN a\n").find_step("", 2, 2, "RUN a")
    assert found is not None
    assert found.line == 2


@pytest.mark.parametrize(
    ("target", "expected"),
    [("", [0, 3]), ("test", [1]), ("TEST", [1]), ("2", [0, 2]), ("nope", [])],
)
def test_only_what_a_target_takes_is_needed(target: str, expected: list[int]) -> None:
    needed = parse_dockerfile(TEXT).list_needed(target)
    assert [each.number for each in needed] == expected


def test_a_mount_takes_its_stage_too() -> None:
    text = "FROM a AS one\nFROM b AS two\nRUN --mount=type=bind,from=one,target=/x true\n"
    assert len(parse_dockerfile(text).list_needed("")) == 2


def test_another_escape() -> None:
    found = parse_dockerfile("# escape=`\nFROM a\nRUN one `\n  two\n")
    assert found.stages[0].steps[0].shown == "RUN one two"


@pytest.mark.parametrize("text", ["", "\n\n", "RUN \\", "FROM", "# only", "FROM \\\n"])
def test_what_is_no_dockerfile_is_read_all_the_same(text: str) -> None:
    found = parse_dockerfile(text)
    assert found.list_needed("nope") == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$BASE:$TAG", "alpine:"),
        ("${BASE}:${TAG:-edge}", "alpine:edge"),
        ("app${BASE:+-alpine}", "app-alpine"),
        ('"$BASE"', "alpine"),
    ],
)
def test_arguments_are_put_in(text: str, expected: str) -> None:
    assert expand(text, {"BASE": "alpine"}) == expected


def test_what_buildkit_sets_itself() -> None:
    found = list_platform_values(Platform.parse("linux/arm/v7"), Platform.parse("linux/amd64"))
    assert found["TARGETPLATFORM"] == "linux/arm/v7"
    assert (found["TARGETARCH"], found["TARGETVARIANT"]) == ("arm", "v7")
    assert (found["BUILDPLATFORM"], found["BUILDVARIANT"]) == ("linux/amd64", "")
