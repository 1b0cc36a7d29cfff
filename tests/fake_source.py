"""Images in memory, as an `ImageSource` gives them."""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.digest import compute_digest
from pytest_multiarch.core.errors import ImageNotFoundError
from pytest_multiarch.core.index import INDEX_MEDIA_TYPES, MANIFEST_MEDIA_TYPES, parse_image_config
from pytest_multiarch.core.manifest import (
    EntryDocument,
    IndexDocument,
    StoredLayer,
    VariantManifest,
)
from pytest_multiarch.core.platform import Platform
from tests.sample_layouts import GZIP_LAYER, make_layer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_multiarch.core.ports import ByteStream


class FakeSource:
    """An index of variants; those in `absent` are listed and are not there."""

    def __init__(self, name: str = "app:1 in memory") -> None:
        self.name = name
        self.absent: set[Platform] = set()
        self.manifests: dict[str, VariantManifest] = {}
        self.entries: list[EntryDocument] = []
        self.read: list[str] = []
        """The digests of the layers that were read."""
        self.blobs: dict[str, bytes] = {}

    def add(
        self, platform: Platform, *layers: Mapping[str, bytes], config: Any = None
    ) -> VariantManifest:
        """Add a variant with these files."""
        document = {
            "architecture": platform.architecture,
            "variant": platform.variant,
            "os": platform.os,
            "created": "2026-08-01T12:00:00Z",
            "config": {"Cmd": ["/usr/bin/app"], **(config or {})},
        }
        stored = tuple(map(self._store, layers))
        digest = compute_digest(f"{document} {stored}".encode())
        manifest = VariantManifest(
            digest=digest,
            config=parse_image_config(document, digest=compute_digest(str(document).encode())),
            media_type=MANIFEST_MEDIA_TYPES[0],
            document=document,
            layers=stored,
        )
        self.manifests[digest] = manifest
        self.entries.append(
            EntryDocument(digest=digest, platform=platform, media_type=MANIFEST_MEDIA_TYPES[0])
        )
        return manifest

    def _store(self, files: Mapping[str, bytes]) -> StoredLayer:
        archive = make_layer(files)
        data = gzip.compress(archive, mtime=0)
        digest = compute_digest(data)
        self.blobs[digest] = data
        return StoredLayer(
            digest=digest, media_type=GZIP_LAYER, size=len(data), diff_id=compute_digest(archive),
            instruction="COPY app /usr/bin/app",
        )  # fmt: skip

    def read_index(self) -> IndexDocument:
        return IndexDocument(
            digest=compute_digest(b"index"),
            media_type=INDEX_MEDIA_TYPES[0],
            entries=tuple(self.entries),
        )

    def read_variant(self, entry: EntryDocument) -> VariantManifest:
        if entry.platform in self.absent:
            raise ImageNotFoundError(f"{entry.platform} is not there", cure="pull it")
        return self.manifests[entry.digest]

    def open_layers(
        self, manifest: VariantManifest, layers: Iterable[StoredLayer]
    ) -> Iterator[tuple[StoredLayer, ByteStream]]:
        for each in layers:
            self.read.append(each.digest)
            yield each, io.BytesIO(self.blobs[each.digest])
