"""Images read through what gives documents by digest."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_multiarch.core.digest import compute_digest
from pytest_multiarch.core.errors import ImageError
from pytest_multiarch.core.image_document import Descriptor
from pytest_multiarch.core.image_reader import DocumentKind, ImageReader
from pytest_multiarch.core.manifest import EntryDocument
from tests.sample_layouts import INDEX_TYPE, Blobs


class Store:
    """Gives documents, and notes which it was asked for."""

    def __init__(self, blobs: Blobs) -> None:
        self.blobs = blobs
        self.asked: list[tuple[DocumentKind, str]] = []
        self.reader = ImageReader(self.read, name="a test")

    def read(self, kind: DocumentKind, digest: str) -> bytes:
        self.asked.append((kind, digest))
        return self.blobs.by_digest[digest]

    def read_index(self, top: Any) -> Any:
        return self.reader.read_index(Descriptor(digest=top["digest"], media_type=INDEX_TYPE))


@pytest.fixture
def store() -> Store:
    return Store(Blobs())


def test_an_index_is_read(store: Store) -> None:
    entries = [store.blobs.add_variant(each, {"a": each.encode()}) for each in ("amd64", "arm64")]
    index = store.read_index(store.blobs.add_index(*entries))
    assert [str(each.platform) for each in index.variants] == ["linux/amd64", "linux/arm64"]
    assert not index.is_single


def test_a_single_image_is_an_index_of_one(store: Store) -> None:
    top = store.blobs.add_variant("arm64", {"a": b""})
    index = store.read_index(top)
    assert index.is_single
    assert index.digest == index.entries[0].digest == top["digest"]
    assert str(index.entries[0].platform) == "linux/arm64"
    assert index.entries[0].size == top["size"]


def test_nested_indexes_are_laid_flat_in_their_order(store: Store) -> None:
    one, two, three = (store.blobs.add_variant(each, {}) for each in ("amd64", "386", "arm64"))
    inner = store.blobs.add_index(two, store.blobs.add_index(three))
    index = store.read_index(store.blobs.add_index(one, inner))
    assert [each.digest for each in index.entries] == [x["digest"] for x in (one, two, three)]


def test_indexes_that_multiply_are_refused(store: Store) -> None:
    top = store.blobs.add_index(store.blobs.add_variant("arm64", {}))
    for _ in range(5):
        top = store.blobs.add_index(*[top] * 10)
    with pytest.raises(ImageError, match="names more than 1000 images"):
        store.read_index(top)


def test_a_variant_is_read_once(store: Store) -> None:
    top = store.blobs.add_variant("arm64", {"a": b""})
    entry = EntryDocument(digest=top["digest"])
    assert store.reader.read_variant(entry) is store.reader.read_variant(entry)
    assert [kind for kind, _ in store.asked] == ["manifests", "blobs"]


def test_other_content_than_the_digest_s_is_refused(store: Store) -> None:
    top = store.blobs.add_variant("arm64", {"a": b""})
    digest = top["digest"]
    store.blobs.by_digest[digest] += b" "
    with pytest.raises(ImageError, match=f"a test gives other content than {digest}"):
        store.reader.read_variant(EntryDocument(digest=digest))


def test_the_entry_of_a_variant_names_no_index(store: Store) -> None:
    top = store.blobs.add_index()
    with pytest.raises(ImageError, match="is an index, expected the manifest"):
        store.reader.read_variant(EntryDocument(digest=top["digest"]))


def test_documents_are_named_by_either_digest(store: Store) -> None:
    inner = store.blobs.add_variant("arm64", {"a": b""})
    data = store.blobs.by_digest[inner["digest"]]
    long = compute_digest(data, algorithm="sha512")
    store.blobs.by_digest[long] = data
    assert store.reader.read_variant(EntryDocument(digest=long)).digest == long
