"""What a variant holds: layers read once, from the cache where they are kept."""

from __future__ import annotations

import tarfile
import zlib
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.core.errors import ImageError, ImageNotFoundError
from pytest_multiarch.core.filetree import FileEntry, FileKind, Layer
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.run.examine import Examiner
from tests.fake_source import FakeSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_multiarch.core.manifest import StoredLayer, VariantManifest
    from pytest_multiarch.core.ports import ByteStream

AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")
COMMON, MINE, YOURS = {"same": b"1"}, {"mine": b"2"}, {"yours": b"3"}


class MemoryCache:
    """Keeps layers, or nothing."""

    def __init__(self, *, is_usable: bool = True) -> None:
        self.layers: dict[str, Layer] = {}
        self._is_usable = is_usable

    def find(self, diff_id: str) -> Layer | None:
        return self.layers.get(diff_id)

    def keep(self, layer: Layer) -> None:
        if self._is_usable:
            self.layers[layer.diff_id] = layer


def read_names(stored: StoredLayer, stream: ByteStream) -> Layer:
    """Read the names in a layer."""
    unpacked = zlib.decompress(b"".join(iter(lambda: stream.read(100), b"")), 31)
    name = unpacked[:100].rstrip(b"\0").decode()
    entry = FileEntry(f"/{name}", FileKind.FILE, layer=0)
    return Layer(digest=stored.digest, diff_id=stored.diff_id, size=len(unpacked), entries=(entry,))


@pytest.fixture
def source() -> FakeSource:
    return FakeSource()


def examine(source: FakeSource, number: int, cache: MemoryCache | None = None) -> set[str]:
    examiner = Examiner(source, read_names, cache or MemoryCache())
    tree = examiner.examine(source.read_index().variants[number]).tree
    return {each.path for each in tree}


def test_all_layers_make_the_tree(source: FakeSource) -> None:
    manifest = source.add(ARM64, COMMON, MINE)
    content = Examiner(source, read_names, MemoryCache()).examine(source.entries[0])
    assert {each.path for each in content.tree} == {"/same", "/mine"}
    assert content.manifest is manifest
    assert content.unpacked == 2 * tarfile.RECORDSIZE


def test_a_layer_that_two_variants_have_is_read_once(source: FakeSource) -> None:
    source.add(AMD64, COMMON, MINE)
    source.add(ARM64, COMMON, YOURS)
    cache = MemoryCache()
    assert examine(source, 0, cache) == {"/same", "/mine"}
    assert examine(source, 1, cache) == {"/same", "/yours"}
    assert len(source.read) == len(set(source.read)) == 3


def test_a_layer_that_a_variant_has_twice_is_read_once(source: FakeSource) -> None:
    source.add(ARM64, MINE, COMMON, MINE)
    assert examine(source, 0) == {"/same", "/mine"}
    assert len(source.read) == 2


def test_what_is_kept_is_not_read(source: FakeSource) -> None:
    source.add(ARM64, COMMON, MINE)
    cache = MemoryCache()
    first = examine(source, 0, cache)
    source.read.clear()
    assert examine(source, 0, cache) == first
    assert source.read == []


def test_a_cache_that_keeps_nothing_is_no_error(source: FakeSource) -> None:
    source.add(ARM64, COMMON, MINE)
    assert examine(source, 0, MemoryCache(is_usable=False)) == {"/same", "/mine"}


def test_layers_may_come_in_any_order(source: FakeSource) -> None:
    source.add(ARM64, {"a": b"1"}, {"b": b"2"}, {"c": b"3"})
    forward = source.open_layers

    def backward(
        manifest: VariantManifest, layers: Iterable[StoredLayer]
    ) -> Iterator[tuple[StoredLayer, ByteStream]]:
        return forward(manifest, tuple(layers)[::-1])

    source.open_layers = backward  # type: ignore[method-assign]
    content = Examiner(source, read_names, MemoryCache()).examine(source.entries[0])
    assert [content.tree.find(f"/{name}").layer for name in "abc"] == [0, 1, 2]


def test_a_layer_that_is_not_there_is_named(source: FakeSource) -> None:
    manifest = source.add(ARM64, COMMON, MINE)
    source.open_layers = lambda _, layers: iter(())  # type: ignore[method-assign]
    with pytest.raises(ImageNotFoundError) as caught:
        examine(source, 0)
    assert "app:1 in memory lacks what linux/arm64 is made of" in caught.value.what
    assert manifest.layers[1].digest in caught.value.what


def test_a_broken_layer_is_not_kept(source: FakeSource) -> None:
    source.add(ARM64, MINE)
    cache = MemoryCache()

    def refuse(stored: StoredLayer, stream: ByteStream) -> Layer:
        raise ImageError("it is broken")

    with pytest.raises(ImageError, match="it is broken"):
        Examiner(source, refuse, cache).examine(source.entries[0])
    assert cache.layers == {}
