"""Images in the OCI layout, built in memory: documents and blobs."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.digest import compute_digest
from pytest_multiarch.core.index import INDEX_MEDIA_TYPES, MANIFEST_MEDIA_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_multiarch.core.ports import ByteStream, ImageSource

INDEX_TYPE, MANIFEST_TYPE = INDEX_MEDIA_TYPES[0], MANIFEST_MEDIA_TYPES[0]
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
GZIP_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
REF_NAME = "org.opencontainers.image.ref.name"
FULL_NAME = "io.containerd.image.name"


def make_layer(files: Mapping[str, bytes]) -> bytes:
    """Make a layer of executable files, not compressed."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o755
            archive.addfile(info, io.BytesIO(content))
    return data.getvalue()


def make_config(architecture: str, layers: Sequence[bytes], **more: Any) -> dict[str, Any]:
    """Make a config of unpacked layers."""
    rootfs = {"type": "layers", "diff_ids": [compute_digest(each) for each in layers]}
    return {"os": "linux", "architecture": architecture, "rootfs": rootfs, **more}


@dataclass
class Blobs:
    """Content by digest."""

    by_digest: dict[str, bytes] = field(default_factory=dict)

    def add(self, content: bytes | dict[str, Any], media_type: str = "", **more: Any) -> Any:
        """Keep some content and give its descriptor."""
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        algorithm = more.pop("algorithm", "sha256")
        digest = compute_digest(data, algorithm=algorithm)
        self.by_digest[digest] = data
        return {"mediaType": media_type, "digest": digest, "size": len(data), **more}

    def add_variant(self, architecture: str, *files: Mapping[str, bytes], **more: Any) -> Any:
        """Keep a variant with a gzip layer of each; give the descriptor of its manifest."""
        plain = [make_layer(each) for each in files]
        config = make_config(architecture, plain, **more)
        layers = [self.add(gzip.compress(each, mtime=0), GZIP_LAYER) for each in plain]
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": self.add(config, CONFIG_TYPE),
            "layers": layers,
        }
        platform = {"os": "linux", "architecture": architecture}
        return self.add(document, MANIFEST_TYPE, platform=platform)

    def add_index(self, *entries: Any, **more: Any) -> Any:
        """Keep an index; give its descriptor, with annotations if given."""
        document = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": entries}
        return self.add(document, INDEX_TYPE, **more)

    def write_files(self, *tops: Any) -> dict[str, bytes]:
        """Give the files of a layout with these images."""
        index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": tops}
        files = {
            f"blobs/{digest.replace(':', '/')}": data for digest, data in self.by_digest.items()
        }
        return files | {
            "index.json": json.dumps(index).encode(),
            "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        }


def write_folder(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write files into a folder."""
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return folder


def name_image(name: str) -> dict[str, Any]:
    """Give annotations as buildx writes them."""
    tag = name.rpartition(":")[2]
    return {"annotations": {FULL_NAME: f"docker.io/library/{name}", REF_NAME: tag}}


def read_layers(source: ImageSource, number: int = 0) -> dict[str, bytes]:
    """Read all layers of a variant, by diff id."""
    manifest = source.read_variant(source.read_index().variants[number])
    return {
        layer.diff_id: read_all(stream)
        for layer, stream in source.open_layers(manifest, manifest.layers)
    }


def read_all(stream: ByteStream) -> bytes:
    """Read a stream in small pieces."""
    return b"".join(iter(lambda: stream.read(100), b""))
