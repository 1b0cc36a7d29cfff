"""What a variant holds, read layer by layer from wherever its image is."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_multiarch.core.errors import ImageNotFoundError
from pytest_multiarch.core.filetree import FileTree
from pytest_multiarch.core.ports import ignore_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from pytest_multiarch.core.filetree import Layer
    from pytest_multiarch.core.manifest import EntryDocument, StoredLayer, VariantManifest
    from pytest_multiarch.core.ports import (
        ByteStream,
        ImageCache,
        ImageSource,
        LayerReader,
        TellBytes,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantContent:
    """A variant's documents and files; `unpacked` is the size of its layers' archives, in bytes."""

    manifest: VariantManifest
    tree: FileTree
    unpacked: int = 0


class Examiner:
    """Reads the variants of one image; what the cache keeps is not read again.

    So a layer that several variants have is read once. In memory no more is kept than the variant
    that is asked for.
    """

    def __init__(self, source: ImageSource, read_layer: LayerReader, cache: ImageCache) -> None:
        self._source = source
        self._read_layer = read_layer
        self._cache = cache

    def examine(self, entry: EntryDocument) -> VariantContent:
        """Read all files of an entry's variant.

        Raises:
            ImageNotFoundError: one of its documents or layers is not there.
            ImageError: one cannot be read, or is not what its digest says.
            EngineError: a registry or an engine cannot be reached, or refuses.
        """
        manifest = self._source.read_variant(entry)
        layers = self._collect_layers(manifest)
        ordered = [layers[each.diff_id] for each in manifest.layers]
        return VariantContent(
            manifest=manifest,
            tree=FileTree.merge(ordered),
            unpacked=sum(each.size for each in ordered),
        )

    def _collect_layers(self, manifest: VariantManifest) -> dict[str, Layer]:
        """Give a variant's layers by diff id; one that it has twice is read once."""
        wanted = {each.diff_id: each for each in manifest.layers}
        kept = {diff_id: self._cache.find(diff_id) for diff_id in wanted}
        layers = {diff_id: layer for diff_id, layer in kept.items() if layer is not None}
        missing = {diff_id: each for diff_id, each in wanted.items() if diff_id not in layers}
        if not missing:
            return layers
        for stored, stream in self._source.open_layers(manifest, tuple(missing.values())):
            layer = self._read_layer(stored, stream)
            self._cache.keep(layer)
            layers[stored.diff_id] = layer
            missing.pop(stored.diff_id, None)
        self._refuse_missing(manifest, missing.values())
        return layers

    def _refuse_missing(self, manifest: VariantManifest, missing: Collection[StoredLayer]) -> None:
        if missing:
            layers = ", ".join(each.digest or each.diff_id for each in missing)
            raise ImageNotFoundError(
                f"{self._source.name} lacks what {manifest.platform} is made of: {layers}",
                cure="pull or build it anew for that platform",
            )


class TellingReader:
    """A `LayerReader` that tells how much of a variant has been read."""

    def __init__(self, read_layer: LayerReader) -> None:
        self._read_layer = read_layer
        self._tell: TellBytes = ignore_bytes
        self._total = self._done = 0

    @contextmanager
    def telling(self, tell: TellBytes, total: int) -> Iterator[None]:
        """Tell of what is read in here."""
        self._tell, self._total, self._done = tell, total, 0
        yield
        self._tell = ignore_bytes

    def __call__(self, stored: StoredLayer, stream: ByteStream) -> Layer:
        """Read a layer."""
        return self._read_layer(stored, _TellingStream(stream, self._count))

    def _count(self, size: int) -> None:
        self._done += size
        self._tell(self._done, self._total)


class _TellingStream:
    """A `ByteStream` that says how much of it was read."""

    def __init__(self, stream: ByteStream, count: Callable[[int], None]) -> None:
        self._stream = stream
        self._count = count

    def read(self, size: int, /) -> bytes:
        """Give at most `size` bytes, none at the end."""
        data = self._stream.read(size)
        self._count(len(data))
        return data
