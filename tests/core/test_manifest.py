"""Manifests and indexes in full: what they say, and that wrong ones are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_multiarch.core.digest import compute_digest
from pytest_multiarch.core.errors import ImageError
from pytest_multiarch.core.manifest import (
    clean_instruction,
    is_index_document,
    parse_index_document,
    parse_unpacked_variant,
    parse_variant_manifest,
)
from pytest_multiarch.core.platform import Platform
from tests.sample_layouts import MANIFEST_TYPE, Blobs, make_config

ARM64 = Platform.parse("linux/arm64")
HISTORY = [
    {"created_by": "ARG A", "empty_layer": True},
    {"created_by": "COPY app / # buildkit"},
    {"created_by": "ENV A=1", "empty_layer": True},
    {"created_by": "RUN /bin/sh -c make # buildkit"},
]
DIGEST = compute_digest(b"something")


def make_documents(**more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Make a manifest of two layers and its config."""
    blobs = Blobs()
    top = blobs.add_variant("arm64", {"a": b"1"}, {"b": b"2"}, **more)
    manifest = json.loads(blobs.by_digest[top["digest"]])
    return manifest, json.loads(blobs.by_digest[manifest["config"]["digest"]])


def parse(manifest: Any, config: Any) -> Any:
    return parse_variant_manifest(manifest, config, digest=DIGEST)


def test_layers_have_their_diff_ids_and_instructions() -> None:
    manifest, config = make_documents(history=HISTORY)
    variant = parse(manifest, config)
    assert variant.platform == ARM64
    assert [each.diff_id for each in variant.layers] == config["rootfs"]["diff_ids"]
    assert [each.digest for each in variant.layers] == [x["digest"] for x in manifest["layers"]]
    assert [each.instruction for each in variant.layers] == ["COPY app /", "RUN make"]
    assert variant.size == sum(each["size"] for each in manifest["layers"]) > 0


def test_a_history_that_does_not_fit_tells_no_instructions() -> None:
    variant = parse(*make_documents(history=HISTORY[:3]))
    assert [each.instruction for each in variant.layers] == ["", ""]


def test_what_an_image_says_of_itself_is_kept_whole() -> None:
    variant = parse(*make_documents(created="2026-01-02T03:04:05Z", config={"User": "1"}))
    assert variant.document["created"] == "2026-01-02T03:04:05Z"
    assert variant.config.user == "1"


def test_a_config_of_other_layers_is_refused() -> None:
    manifest, config = make_documents()
    del config["rootfs"]["diff_ids"][0]
    with pytest.raises(ImageError, match="has 2 layers, but its config 1"):
        parse(manifest, config)


def test_a_diff_id_is_a_digest() -> None:
    manifest, config = make_documents()
    config["rootfs"]["diff_ids"][0] = "sha256:../../etc/passwd"
    with pytest.raises(ImageError, match="in `diff_ids` is no digest"):
        parse(manifest, config)


@pytest.mark.parametrize("digest", ["", "sha256:1", "sha256:" + "G" * 64, "md5:" + "0" * 32, None])
def test_a_layer_is_named_by_a_digest(digest: Any) -> None:
    manifest, config = make_documents()
    manifest["layers"][0]["digest"] = digest
    with pytest.raises(ImageError, match="expected sha256: and 64 hexadecimal digits"):
        parse(manifest, config)


def test_what_is_no_image_says_what_it_is() -> None:
    manifest, config = make_documents()
    manifest["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json"
    with pytest.raises(ImageError, match=r"is of no image: its config is .*helm"):
        parse(manifest, config)


def test_of_a_config_alone_layers_are_as_unpacked() -> None:
    config = make_config("arm64", [b"one", b"two"], history=HISTORY)
    variant = parse_unpacked_variant(config, config_digest=DIGEST)
    assert (variant.digest, variant.config.digest) == ("", DIGEST)
    assert [each.digest for each in variant.layers] == config["rootfs"]["diff_ids"]
    assert variant.layers[1].instruction == "RUN make"


@pytest.mark.parametrize(
    ("created_by", "line"),
    [
        ('/bin/sh -c #(nop)  CMD ["sh"]', 'CMD ["sh"]'),
        ("/bin/sh -c #(nop) COPY file:0d1f in / ", "COPY file:0d1f in /"),
        ("/bin/sh -c apt-get update \t&& make", "RUN apt-get update && make"),
        ("RUN /bin/sh -c make # buildkit", "RUN make"),
        ("RUN |2 TOKEN=a b OTHER= /bin/sh -c make # buildkit", "RUN make"),
        ("|1 TOKEN=secret /bin/sh -c make", "RUN make"),
        ("RUN /bin/bash -c make # buildkit", "RUN /bin/bash -c make"),
        ("COPY --chmod=755 a /b # buildkit", "COPY --chmod=755 a /b"),
        ("bazel build ...", "bazel build ..."),
        ("", ""),
    ],
)
def test_a_history_entry_is_shown_as_the_dockerfile_line(created_by: str, line: str) -> None:
    assert clean_instruction(created_by) == line


def test_a_long_instruction_is_cut() -> None:
    line = clean_instruction("RUN /bin/sh -c " + "x" * 10_000)
    assert len(line) == 300
    assert line.endswith("x…")


def test_an_index_tells_attestations_from_variants() -> None:
    blobs = Blobs()
    variant = blobs.add_variant("arm64", {})
    attestation = {
        **blobs.add(b"{}", MANIFEST_TYPE, platform={"os": "unknown", "architecture": "unknown"}),
        "annotations": {
            "vnd.docker.reference.digest": variant["digest"],
            "vnd.docker.reference.type": "attestation-manifest",
        },
    }
    document = {"manifests": [variant, attestation], "annotations": {"a": "b"}}
    index = parse_index_document(document, digest=DIGEST)
    assert [each.digest for each in index.variants] == [variant["digest"]]
    assert (index.variants[0].platform, index.variants[0].attests) == (ARM64, "")
    assert index.entries[1].is_attestation
    assert (index.entries[1].platform, index.entries[1].attests) == (None, variant["digest"])
    assert index.annotations == {"a": "b"}


def test_an_entry_may_name_no_platform() -> None:
    index = parse_index_document({"manifests": [{"digest": DIGEST}]}, digest=DIGEST)
    assert index.entries[0].platform is None
    assert not index.entries[0].is_attestation


@pytest.mark.parametrize(
    ("document", "what"),
    [
        ({"manifests": [], "config": {}}, "both an index and a manifest"),
        ({}, "neither an index nor a manifest"),
        ({"schemaVersion": 1, "fsLayers": []}, "schema 1"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(document: dict[str, Any], what: str) -> None:
    with pytest.raises(ImageError, match=what):
        is_index_document(document, what="it")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


def list_paths(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """List where the values of a document are, the document itself left out."""
    items: Any = ()
    if isinstance(document, dict):
        items = document.items()
    elif isinstance(document, list):
        items = enumerate(document)
    found = [path] if path else []
    for key, value in items:
        found += list_paths(value, (*path, key))
    return found


FULL_CONFIG = {
    "Entrypoint": ["a"],
    "Env": ["A=1"],
    "ExposedPorts": {"80/tcp": {}},
    "Healthcheck": {"Test": ["CMD", "x"], "Interval": 1, "Retries": 2},
}
PAIR = list(make_documents(history=HISTORY, config=FULL_CONFIG, variant="v8"))


@given(path=st.sampled_from([each for each in list_paths(PAIR) if len(each) > 1]), value=JSON)
def test_wrong_types_are_errors_of_ours(path: tuple[Any, ...], value: Any) -> None:
    pair = json.loads(json.dumps(PAIR))
    place = pair
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    try:
        variant = parse(*pair)
    except ImageError as error:
        assert error.what  # noqa: PT017
    else:
        assert len(variant.layers) == 2


INDEX = {"manifests": [Blobs().add_variant("arm64", {})], "annotations": {"a": "b"}}


@given(path=st.sampled_from(list_paths(INDEX)), value=JSON)
def test_wrong_types_in_an_index_are_errors_of_ours(path: tuple[Any, ...], value: Any) -> None:
    document = json.loads(json.dumps(INDEX))
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    try:
        index = parse_index_document(document, digest=DIGEST)
    except ImageError as error:
        assert error.what  # noqa: PT017
    else:
        assert len(index.entries) <= 1
