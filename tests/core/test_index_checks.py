"""What is wrong with an index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_multiarch.core.index import INDEX_MEDIA_TYPES, MANIFEST_MEDIA_TYPES, ImageConfig
from pytest_multiarch.core.index_checks import IndexProblem, check_index
from pytest_multiarch.core.manifest import EntryDocument, IndexDocument
from pytest_multiarch.core.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OCI, DOCKER = MANIFEST_MEDIA_TYPES


def make_entry(platform: str = "", digest: str = "", **more: object) -> EntryDocument:
    parsed = Platform.parse(platform) if platform else None
    return EntryDocument(digest=digest or f"sha256:{platform}", platform=parsed, **more)  # type: ignore[arg-type]


def find_problems(
    *entries: EntryDocument,
    configs: Mapping[str, str] | None = None,
    required: Sequence[str] = (),
    is_single: bool = False,
    is_partial: bool = False,
) -> list[tuple[IndexProblem, str]]:
    """Check an index with these entries; `configs` are platforms by digest."""
    index = IndexDocument(
        digest="sha256:index",
        media_type=INDEX_MEDIA_TYPES[0],
        entries=entries,
        is_single=is_single,
        is_partial=is_partial,
    )
    known = {
        digest: ImageConfig(platform=Platform.parse(each))
        for digest, each in (configs or {}).items()
    }
    wanted = tuple(map(Platform.parse, required))
    findings = check_index(index, known, required=wanted)
    assert all(each.what and each.cure for each in findings)
    return [(each.problem, each.subject) for each in findings]


AMD64, ARM64 = make_entry("linux/amd64"), make_entry("linux/arm64")
ATTESTATION = EntryDocument(
    digest="sha256:attestation", platform=Platform("unknown", "unknown"), is_attestation=True
)


def test_a_right_index() -> None:
    configs = {"sha256:linux/amd64": "amd64", "sha256:linux/arm64": "arm64/v8"}
    required = ["linux/amd64", "linux/arm64/v8"]
    assert find_problems(AMD64, ARM64, ATTESTATION, configs=configs, required=required) == []


def test_a_required_platform_is_missing() -> None:
    assert find_problems(AMD64, ATTESTATION, required=["amd64", "arm64", "arm64"]) == [
        (IndexProblem.MISSING, "linux/arm64")
    ]


def test_what_is_there_and_how_to_build_the_rest_is_told() -> None:
    index = IndexDocument(digest="", entries=(AMD64,), is_partial=True)
    (finding,) = check_index(index, {}, required=[Platform.parse("s390x")])
    assert finding.what == (
        "linux/s390x is required and missing: it is an index with linux/amd64, as far as can be "
        "seen here"
    )
    assert "--platform linux/amd64,linux/s390x ..." in finding.cure


def test_a_single_image_is_for_what_its_config_says() -> None:
    single = make_entry(digest="sha256:one")
    configs = {"sha256:one": "amd64"}
    assert find_problems(single, configs=configs, required=["amd64"], is_single=True) == []
    assert find_problems(single, configs=configs, required=["arm64"], is_single=True) == [
        (IndexProblem.MISSING, "linux/arm64")
    ]


def test_a_platform_twice() -> None:
    twice = make_entry("linux/arm64/v8", "sha256:other")
    assert find_problems(AMD64, ARM64, twice) == [(IndexProblem.DUPLICATE, "linux/arm64")]


def test_versions_of_windows_and_compressions_are_no_duplicates() -> None:
    windows = [make_entry("windows/amd64", f"sha256:{number}") for number in range(2)]
    zstd = make_entry(
        "linux/amd64", "sha256:z", annotations={"io.github.containers.compression.zstd": "true"}
    )
    assert find_problems(*windows, AMD64, zstd) == []


def test_two_platforms_with_one_digest() -> None:
    """A build that lost an architecture: both entries are the same image."""
    same = make_entry("linux/arm64", AMD64.digest)
    assert find_problems(AMD64, same, configs={AMD64.digest: "amd64"}) == [
        (IndexProblem.SAME_DIGEST, "linux/amd64, linux/arm64"),
        (IndexProblem.CONFIG_DISAGREES, "linux/arm64"),
    ]


def test_a_config_that_says_another_platform() -> None:
    assert find_problems(AMD64, ARM64, configs={ARM64.digest: "amd64"}) == [
        (IndexProblem.CONFIG_DISAGREES, "linux/arm64")
    ]


def test_arm_without_variant_is_v7() -> None:
    entry = make_entry("linux/arm/v7")
    assert find_problems(entry, configs={entry.digest: "linux/arm"}) == []


def test_an_entry_without_platform() -> None:
    nameless = make_entry(digest="sha256:nameless")
    assert find_problems(AMD64, nameless) == [(IndexProblem.NO_PLATFORM, "sha256:nameless")]


def test_mixed_media_types() -> None:
    mixed = [
        make_entry("linux/amd64", media_type=OCI),
        make_entry("linux/arm64", media_type=DOCKER),
    ]
    assert find_problems(*mixed) == [(IndexProblem.MIXED_MEDIA_TYPES, "media types")]
    assert find_problems(mixed[0], ATTESTATION) == []
