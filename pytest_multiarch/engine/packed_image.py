"""An image of the classic store, packed as a registry wants it.

That store keeps a config and unpacked layers. The layers are compressed into a temporary folder,
always to the same bytes; a manifest is made of that. The config, whose digest is the identity of
the image, stays as it is, and with it what the layers unpack to.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import TYPE_CHECKING, BinaryIO

from pytest_multiarch.core.digest import compute_digest
from pytest_multiarch.core.errors import ImageError, ImageNotFoundError
from pytest_multiarch.core.index import MANIFEST_MEDIA_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pytest_multiarch.core.image_reader import DocumentKind
    from pytest_multiarch.core.ports import ByteStream
    from pytest_multiarch.engine.image_source import ClassicSource

_CHUNK = 1024 * 1024
_LEVEL = 6
_CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"


class PackedImage:
    """One variant of the classic store as a `ContentSource`; its files are in `folder`."""

    def __init__(self, source: ClassicSource, folder: Path) -> None:
        self._source = source
        self._folder = folder
        self._documents: dict[str, bytes] = {}
        self._layers: dict[str, Path] = {}
        self.digest = self._pack()
        """The digest of the manifest that was made."""

    @property
    def name(self) -> str:
        """The image and where it is, for messages."""
        return self._source.name

    @property
    def repository(self) -> tuple[str, str]:
        """None: it is in no registry."""
        return "", ""

    def read_document(self, kind: DocumentKind, digest: str) -> bytes:
        """Read the manifest or the config."""
        del kind
        if digest not in self._documents:
            raise ImageNotFoundError(f"{self.name} has no {digest}")
        return self._documents[digest]

    def stream_blobs(self, digests: Iterable[str]) -> Iterator[tuple[str, ByteStream]]:
        """Give the config and the layers."""
        import io

        for digest in digests:
            if digest in self._documents:
                yield digest, io.BytesIO(self._documents[digest])
            elif digest in self._layers:
                with self._layers[digest].open("rb") as file:
                    yield digest, file

    def _pack(self) -> str:
        (entry,) = self._source.read_index().entries
        variant = self._source.read_variant(entry)
        config = self._source.read_config()
        packed: dict[str, dict[str, object]] = {}
        wanted = {each.diff_id: each for each in variant.layers}
        for layer, stream in self._source.open_layers(variant, wanted.values()):
            packed[layer.diff_id] = self._pack_layer(layer.diff_id, stream)
        missing = [each for each in wanted if each not in packed]
        if missing:
            raise ImageError(
                f"{self.name}: its export lacks the layers {', '.join(missing)}",
                cure="build or load it again, and test that",
            )
        config_digest = compute_digest(config)
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST_MEDIA_TYPES[0],
                "config": {
                    "mediaType": _CONFIG_TYPE,
                    "digest": config_digest,
                    "size": len(config),
                },
                "layers": [packed[each.diff_id] for each in variant.layers],
            },
            indent=2,
        ).encode()
        digest = compute_digest(manifest)
        self._documents = {config_digest: config, digest: manifest}
        return digest

    def _pack_layer(self, diff_id: str, stream: ByteStream) -> dict[str, object]:
        path = self._folder / diff_id.replace(":", "-")
        unpacked = hashlib.sha256()
        with path.open("wb") as file:
            writer = _HashingWriter(file)
            # No name and no time in it: the same layer gives the same bytes.
            with gzip.GzipFile("", "wb", _LEVEL, writer, mtime=0) as archive:
                while piece := stream.read(_CHUNK):
                    unpacked.update(piece)
                    archive.write(piece)
        if f"sha256:{unpacked.hexdigest()}" != diff_id:
            raise ImageError(
                f"{self.name}: its export gives another layer than {diff_id}",
                cure="build or load it again, and test that",
            )
        self._layers[writer.digest] = path
        return {"mediaType": _LAYER_TYPE, "digest": writer.digest, "size": writer.size}


class _HashingWriter:
    """A file that is hashed as it is written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"

    def write(self, data: bytes) -> int:
        """Write, and hash."""
        self._hash.update(data)
        self.size += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        """Flush the file."""
        self._file.flush()
