"""Images in a registry, read without an engine."""

from __future__ import annotations

import gzip
import secrets
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.core.errors import (
    EngineError,
    ImageAccessError,
    ImageError,
    ImageNotFoundError,
)
from pytest_multiarch.core.reference import ImageReference
from pytest_multiarch.engine.registry import RegistryClient
from pytest_multiarch.engine.registry_source import RegistrySource
from tests.engine.fake_registry import Answer, FakeRegistry
from tests.engine.sample_images import AMD64, ARM64, SampleIndex, SampleVariant
from tests.sample_layouts import INDEX_TYPE, MANIFEST_TYPE, Blobs, read_all, read_layers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.known_engines import KnownEngines


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    registry = FakeRegistry()
    yield registry
    registry.close()


@pytest.fixture
def blobs() -> Blobs:
    return Blobs()


@pytest.fixture
def top(blobs: Blobs) -> Any:
    """An index of two variants that have a layer in common."""
    variants = [
        blobs.add_variant(each, {"same": b"1"}, {"a": each.encode()}) for each in ("amd64", "arm64")
    ]
    return blobs.add_index(*variants)


@pytest.fixture
def source(registry: FakeRegistry, blobs: Blobs, top: Any, tmp_path: Path) -> RegistrySource:
    serve(registry, blobs, top)
    return open_source(registry, tmp_path)


def serve(registry: FakeRegistry, blobs: Blobs, top: Any) -> None:
    for digest, data in blobs.by_digest.items():
        for kind in ("manifests", "blobs"):
            registry.add(f"/v2/a/b/{kind}/{digest}", data, "application/octet-stream")
    registry.add("/v2/a/b/manifests/1", blobs.by_digest[top["digest"]], top["mediaType"])


def open_source(registry: FakeRegistry, folder: Path) -> RegistrySource:
    """Open the image of a user who is logged in nowhere."""
    reference = ImageReference.parse(f"{registry.address}/a/b:1")
    return RegistrySource(RegistryClient({"DOCKER_CONFIG": str(folder)}), reference)


def test_an_index_and_its_variants_are_read(source: RegistrySource, top: Any) -> None:
    index = source.read_index()
    assert (index.digest, index.media_type) == (top["digest"], INDEX_TYPE)
    assert [each.platform for each in index.variants] == [AMD64, ARM64]
    assert [source.read_variant(each).platform for each in index.variants] == [AMD64, ARM64]


def test_layers_are_given_as_they_are_stored(source: RegistrySource, blobs: Blobs) -> None:
    found = read_layers(source)
    manifest = source.read_variant(source.read_index().variants[0])
    expected = {each.diff_id: blobs.by_digest[each.digest] for each in manifest.layers}
    assert found == expected


def test_only_the_layers_that_are_wanted_are_fetched(
    source: RegistrySource, registry: FakeRegistry
) -> None:
    manifest = source.read_variant(source.read_index().variants[0])
    registry.asked.clear()
    ((layer, _),) = source.open_layers(manifest, manifest.layers[1:])
    assert layer == manifest.layers[1]
    assert [each.path for each in registry.asked] == [f"/v2/a/b/blobs/{layer.digest}"]


def test_a_single_image_is_an_index_of_one(
    registry: FakeRegistry, blobs: Blobs, tmp_path: Path
) -> None:
    variant = blobs.add_variant("arm64", {"a": b""})
    serve(registry, blobs, variant)
    index = open_source(registry, tmp_path).read_index()
    assert (index.is_single, index.media_type) == (True, MANIFEST_TYPE)
    assert index.variants[0].platform == ARM64


def test_a_tag_that_moves_meanwhile_has_no_effect(
    source: RegistrySource, registry: FakeRegistry, blobs: Blobs, top: Any
) -> None:
    before = source.read_index()
    registry.add("/v2/a/b/manifests/1", b"{}", INDEX_TYPE)
    assert source.read_index() is before
    assert read_layers(source)


def test_a_blob_may_be_elsewhere(
    source: RegistrySource, registry: FakeRegistry, blobs: Blobs
) -> None:
    """Registries redirect to a storage, which must not see the token."""
    registry.require_token("secret")
    manifest = source.read_variant(source.read_index().variants[0])
    storage = FakeRegistry()
    try:
        digest = manifest.layers[0].digest
        storage.add("/stored", blobs.by_digest[digest])
        location = f"http://localhost:{storage.address.rpartition(':')[2]}/stored"
        registry.answers[f"/v2/a/b/blobs/{digest}"] = Answer(
            status=307, headers={"Location": location}
        )
        assert set(read_layers(source).values()) >= {blobs.by_digest[digest]}
        assert [each.authorization for each in storage.asked] == [""]
    finally:
        storage.close()


def test_content_is_not_decoded_on_its_way(
    source: RegistrySource, registry: FakeRegistry, blobs: Blobs
) -> None:
    manifest = source.read_variant(source.read_index().variants[0])
    packed = gzip.compress(blobs.by_digest[manifest.layers[0].digest])
    registry.answers[f"/v2/a/b/blobs/{manifest.layers[0].digest}"] = Answer(
        packed, headers={"Content-Encoding": "gzip"}
    )
    assert packed in read_layers(source).values()


def test_an_absent_layer_is_named(source: RegistrySource, registry: FakeRegistry) -> None:
    manifest = source.read_variant(source.read_index().variants[0])
    digest = manifest.layers[0].digest
    del registry.answers[f"/v2/a/b/blobs/{digest}"]
    with pytest.raises(ImageNotFoundError, match=f"does not have {digest}, which"):
        read_layers(source)


def test_an_absent_image_is_not_found(registry: FakeRegistry, tmp_path: Path) -> None:
    with pytest.raises(ImageNotFoundError, match="does not exist"):
        open_source(registry, tmp_path).read_index()


def test_a_refusal_names_the_cure(source: RegistrySource, registry: FakeRegistry) -> None:
    manifest = source.read_variant(source.read_index().variants[0])
    registry.required = "Basic x"
    with pytest.raises(ImageAccessError, match="refuses") as caught:
        list(source.open_layers(manifest, manifest.layers))
    assert f"docker login {registry.address}" in caught.value.cure


def test_other_content_than_a_document_s_digest_is_refused(
    source: RegistrySource, registry: FakeRegistry
) -> None:
    entry = source.read_index().variants[0]
    registry.add(f"/v2/a/b/manifests/{entry.digest}", b"{}")
    with pytest.raises(ImageError, match=f"gives other content than {entry.digest}"):
        source.read_variant(entry)


def test_a_download_that_is_broken_off_is_an_error(
    source: RegistrySource, registry: FakeRegistry
) -> None:
    manifest = source.read_variant(source.read_index().variants[0])
    with BrokenStorage() as location:
        registry.answers[f"/v2/a/b/blobs/{manifest.layers[0].digest}"] = Answer(
            status=307, headers={"Location": location}
        )
        layers = source.open_layers(manifest, manifest.layers[:1])
        _, stream = next(layers)
        with pytest.raises(EngineError, match=f"{registry.address} broke off") as caught:
            read_all(stream)
        assert "try again" in caught.value.cure
        layers.close()


class BrokenStorage:
    """Promises a thousand bytes, gives a hundred, and hangs up."""

    def __enter__(self) -> str:
        self._server = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()
        return f"http://127.0.0.1:{self._server.getsockname()[1]}/blob"

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with connection:
                connection.recv(10_000)
                head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
                connection.sendall(head + b"x" * 100)


@pytest.mark.needs_engine("registry")
def test_an_image_of_a_real_registry_is_read(engines: KnownEngines, tmp_path: Path) -> None:
    nonce = secrets.token_hex(6)
    sample = SampleIndex(
        f"multiarch-tests/{nonce}",
        tuple(SampleVariant.build(each, {"a": nonce.encode()}) for each in (AMD64, ARM64)),
    )
    sample.push(engines.registry, "1")
    reference = ImageReference.parse(f"{engines.registry}/{sample.repository}:1")
    source = RegistrySource(RegistryClient({"DOCKER_CONFIG": str(tmp_path)}), reference)
    assert source.read_index().digest == sample.digest
    for number, variant in enumerate(sample.variants):
        ((_, layer),) = read_layers(source, number).items()
        assert layer in variant.blobs.values()
