"""The index that is published."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_multiarch.core.digest import compute_digest
from pytest_multiarch.core.errors import ImageError
from pytest_multiarch.core.image_document import Descriptor
from pytest_multiarch.core.index import INDEX_MEDIA_TYPES, MANIFEST_MEDIA_TYPES
from pytest_multiarch.core.published_index import (
    IndexPart,
    PublishedIndex,
    SourceIndex,
    assemble_index,
    list_blobs,
)
from tests.samples import AMD64, ARM7, ARM64

DIGESTS = {AMD64: "sha256:" + "a" * 64, ARM64: "sha256:" + "b" * 64, ARM7: "sha256:" + "c" * 64}
ATTESTATION = "sha256:" + "d" * 64


def describe(platform: Any, **fields: Any) -> dict[str, Any]:
    names = dict(zip(("os", "architecture", "variant"), str(platform).split("/"), strict=False))
    return {
        "mediaType": MANIFEST_MEDIA_TYPES[0],
        "digest": DIGESTS[platform],
        "size": 7,
        "platform": names,
        **fields,
    }


ATTESTED = {
    "mediaType": MANIFEST_MEDIA_TYPES[0],
    "digest": ATTESTATION,
    "size": 5,
    "platform": {"os": "unknown", "architecture": "unknown"},
    "annotations": {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": DIGESTS[AMD64],
    },
}


def make_source(*entries: dict[str, Any], **fields: Any) -> SourceIndex:
    document = {"schemaVersion": 2, "mediaType": INDEX_MEDIA_TYPES[0], "manifests": list(entries)}
    data = json.dumps({**document, **fields}).encode()
    return SourceIndex(
        digest=compute_digest(data),
        media_type=INDEX_MEDIA_TYPES[0],
        data=data,
        document=json.loads(data),
    )


def make_part(
    platform: Any, source: SourceIndex | None = None, media_type: str = MANIFEST_MEDIA_TYPES[0]
) -> IndexPart:
    digest = DIGESTS[platform]
    return IndexPart(
        platform=platform,
        manifest=Descriptor(digest=digest, media_type=media_type, size=7),
        source=source,
        attestations=source.find_attestations(digest) if source else (),
    )


def read(index: PublishedIndex) -> dict[str, Any]:
    assert compute_digest(index.data) == index.digest
    document: dict[str, Any] = json.loads(index.data)
    assert document["mediaType"] == index.media_type
    return document


def test_an_index_that_was_tested_as_a_whole_stays_as_it_is() -> None:
    source = make_source(describe(AMD64), describe(ARM64), ATTESTED)
    index = assemble_index([make_part(ARM64, source), make_part(AMD64, source)])
    assert index.is_as_tested
    assert (index.data, index.digest) == (source.data, source.digest)


def test_what_was_not_tested_is_left_out_and_the_rest_stays() -> None:
    entry = describe(AMD64, annotations={"a": "b"})
    source = make_source(entry, describe(ARM64), ATTESTED, annotations={"title": "t"})
    index = assemble_index([make_part(AMD64, source)])
    assert not index.is_as_tested
    document = read(index)
    assert document["manifests"] == [entry, ATTESTED]
    assert document["annotations"] == {"title": "t"}


def test_an_attestation_goes_only_with_its_variant() -> None:
    source = make_source(describe(AMD64), describe(ARM64), ATTESTED)
    assert read(assemble_index([make_part(ARM64, source)]))["manifests"] == [describe(ARM64)]


def test_variants_of_several_indexes() -> None:
    one = make_source(describe(AMD64), annotations={"title": "t"})
    other = make_source(describe(ARM64))
    document = read(assemble_index([make_part(AMD64, one), make_part(ARM64, other)]))
    assert document["manifests"] == [describe(AMD64), describe(ARM64)]
    assert "annotations" not in document


def test_variants_without_an_index_are_described() -> None:
    document = read(assemble_index([make_part(AMD64), make_part(ARM7)]))
    assert document["manifests"] == [describe(AMD64), describe(ARM7)]


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ((1, 1), INDEX_MEDIA_TYPES[1]),
        ((0, 0), INDEX_MEDIA_TYPES[0]),
        ((0, 1), INDEX_MEDIA_TYPES[0]),
    ],
)
def test_docker_s_manifests_get_docker_s_list(kinds: tuple[int, int], expected: str) -> None:
    types = [MANIFEST_MEDIA_TYPES[each] for each in kinds]
    parts = [make_part(p, media_type=t) for p, t in zip((AMD64, ARM64), types, strict=True)]
    assert assemble_index(parts).media_type == expected


def test_what_a_manifest_is_made_of() -> None:
    layer = {"mediaType": "x", "digest": DIGESTS[ARM64], "size": 2}
    foreign = {
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "digest": DIGESTS[ARM7],
        "size": 3,
        "urls": ["https://example.org/layer"],
    }
    config = {"mediaType": "x", "digest": DIGESTS[AMD64], "size": 1}
    document = {"config": config, "layers": [layer, layer, foreign]}
    assert [each.size for each in list_blobs(document, what="it")] == [1, 2]
    with pytest.raises(ImageError, match="digest"):
        list_blobs({"config": {"digest": "../x"}}, what="it")
