"""An image in a registry, as something that can be read without an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_multiarch.core.digest import compute_digest
from pytest_multiarch.core.image_document import Descriptor
from pytest_multiarch.core.image_reader import DocumentKind, ImageReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_multiarch.core.manifest import (
        EntryDocument,
        IndexDocument,
        StoredLayer,
        VariantManifest,
    )
    from pytest_multiarch.core.ports import ByteStream
    from pytest_multiarch.core.reference import ImageReference
    from pytest_multiarch.engine.registry import RegistryClient


class RegistrySource:
    """The image behind a reference, as the registry has it at the first look."""

    def __init__(self, client: RegistryClient, reference: ImageReference) -> None:
        self._client = client
        self._reference = reference
        self._reader = ImageReader(self._read_document, name=self.name)
        self._index: IndexDocument | None = None

    @property
    def name(self) -> str:
        """The image and where it is, for messages."""
        return f"{self._reference} in the registry {self._reference.registry}"

    def read_index(self) -> IndexDocument:
        """Read the index, or the single image as an index of one."""
        if self._index is None:
            data, media_type = self._client.fetch_document(
                self._reference, "manifests", self._reference.locator
            )
            top = Descriptor(digest=compute_digest(data), media_type=media_type)
            self._index = self._reader.read_index(top)
        return self._index

    def read_variant(self, entry: EntryDocument) -> VariantManifest:
        """Read a variant's manifest and config."""
        return self._reader.read_variant(entry)

    def open_layers(
        self, manifest: VariantManifest, layers: Iterable[StoredLayer]
    ) -> Iterator[tuple[StoredLayer, ByteStream]]:
        """Give the layers one after the other; an absent one is an `ImageNotFoundError`."""
        del manifest
        for layer in layers:
            with self._client.open_blob(self._reference, layer.digest) as stream:
                yield layer, stream

    def _read_document(self, kind: DocumentKind, digest: str) -> bytes:
        return self._client.fetch_document(self._reference, kind, digest)[0]
