"""What looking at an image comes to: sizes, findings, the exit status."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from pytest_multiarch.core.index_checks import IndexFinding, IndexProblem
from pytest_multiarch.core.inspection import CLEAN, FOUND, UNSEEN, Sizes, read_system
from pytest_multiarch.core.inspection_document import describe_inspection
from pytest_multiarch.core.static_parity import StaticDifference, StaticPart
from tests.inspections import SHARED, make_finding, make_inspection, make_layer, make_variant
from tests.samples import AMD64, ARM64

PROBLEM: dict[str, Any] = {"problem": "its content is not there", "audit": None}
PLATFORM_MISSING = IndexFinding(
    problem=IndexProblem.MISSING, subject="linux/s390x", what="it is not there", cure="build it"
)


def differ(part: StaticPart, allowed: str = "") -> StaticDifference:
    return StaticDifference(part=part, subject="x", aspect="value", allowed=allowed)


def test_a_layer_of_two_variants_is_stored_once() -> None:
    one = make_variant(AMD64, make_layer("a", 20), SHARED)
    two = make_variant(ARM64, make_layer("b", 30), SHARED)
    inspection = make_inspection(one, two)
    assert inspection.measure_stored() == Sizes(apart=2_000_050, together=1_000_050)
    assert inspection.measure_stored().shared == SHARED.size
    assert inspection.measure_shared(one) == SHARED.size


def test_a_layer_that_a_variant_has_twice_is_pulled_once() -> None:
    empty = make_layer("0", 32)
    assert make_inspection(make_variant(AMD64, empty, empty)).measure_stored().apart == 32


@pytest.mark.parametrize(("suffix", "expected"), [("+gzip", True), ("+zstd", True), ("", False)])
def test_what_an_engine_keeps_unpacked_says_nothing_of_a_pull(suffix: str, expected: bool) -> None:
    layer = make_layer("a", 1, media_type=f"application/vnd.oci.image.layer.v1.tar{suffix}")
    assert make_inspection(make_variant(AMD64, layer)).is_compressed is expected


def test_dockers_own_media_type_is_compressed() -> None:
    layer = make_layer("a", 1, media_type="application/vnd.docker.image.rootfs.diff.tar.gzip")
    assert make_inspection(make_variant(AMD64, layer)).is_compressed


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, CLEAN),
        ({"index_findings": (PLATFORM_MISSING,)}, FOUND),
        ({"differences": (differ(StaticPart.CONFIG),)}, FOUND),
        ({"differences": (differ(StaticPart.CONFIG, "why not"),)}, CLEAN),
        ({"differences": (differ(StaticPart.TREE), differ(StaticPart.PACKAGES))}, CLEAN),
        (
            {"differences": (differ(StaticPart.TREE),), "deciding": frozenset(StaticPart)},
            FOUND,
        ),
    ],
)  # fmt: skip
def test_the_status(changes: dict[str, Any], expected: int) -> None:
    assert make_inspection(**changes).status == expected


def test_a_foreign_file_is_a_finding_unless_it_is_allowed() -> None:
    finding, allowed = make_finding(), make_finding(allowed="it is what we ship")
    assert make_inspection(make_variant(ARM64, findings=(finding,))).status == FOUND
    assert make_inspection(make_variant(ARM64, findings=(allowed,))).status == CLEAN


def test_what_could_not_be_looked_at_is_not_clean() -> None:
    assert make_inspection(make_variant(), make_variant(ARM64, **PROBLEM)).status == UNSEEN


def test_a_finding_counts_before_what_could_not_be_looked_at() -> None:
    found = make_variant(ARM64, findings=(make_finding(),))
    assert make_inspection(found, make_variant(AMD64, **PROBLEM)).status == FOUND


def test_an_index_without_variants_is_not_clean() -> None:
    assert replace(make_inspection(), variants=()).status == UNSEEN


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ('NAME="Debian GNU/Linux"\nPRETTY_NAME="Debian GNU/Linux 12"\n', "Debian GNU/Linux 12"),
        ("NAME=Wolfi\n", "Wolfi"),
        ("PRETTY_NAME='Alpine Linux v3.20'", "Alpine Linux v3.20"),
        ("", ""),
        ("no assignment\n=\n", ""),
    ],
)
def test_the_system_of_an_os_release(release: str, expected: str) -> None:
    assert read_system(release) == expected


def test_the_json_form_says_what_the_screen_says() -> None:
    bad = make_variant(ARM64, make_layer("b", 30), SHARED, findings=(make_finding(),))
    document = describe_inspection(make_inspection(make_variant(), bad))
    assert json.loads(json.dumps(document)) == document
    assert (document["exit"], document["findings"]) == (1, 1)
    assert document["base"] == "docker.io/library/debian:12"
    assert document["attestations"][0]["attests"] == f"sha256:{'1' * 64}"
    assert [each["platform"] for each in document["variants"]] == ["linux/amd64", "linux/arm64"]
    assert document["variants"][1]["size"] == {
        "stored": 1_000_030, "unpacked": 4_000_120, "shared": 1_000_000,
    }  # fmt: skip
    assert document["variants"][1]["audit"]["findings"][0]["path"] == "/usr/bin/app"
    assert document["variants"][1]["execution"]["kind"] == "qemu"


def test_the_json_form_of_a_variant_that_could_not_be_looked_at() -> None:
    unseen = make_variant(ARM64, manifest=None, unpacked=0, execution=None, **PROBLEM)
    variant = describe_inspection(make_inspection(unseen))["variants"][0]
    assert (variant["config"], variant["audit"], variant["execution"]) == (None, None, None)
    assert variant["problem"] == "its content is not there"


def test_differences_by_part() -> None:
    parity = describe_inspection(make_inspection(differences=(differ(StaticPart.TREE),)))[
        "static_parity"
    ]
    assert [each["subject"] for each in parity["tree"]] == ["x"]
    assert (parity["config"], parity["deciding"]) == ([], ["config"])
