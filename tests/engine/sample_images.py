"""Small multi-platform images, made in memory: as an archive to load, or pushed to a registry."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tarfile
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

AMD64 = Platform.parse("linux/amd64")
ARM64 = Platform.parse("linux/arm64")
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
COMPILE_FLAGS = (
    "-std=c11", "-Os", "-s", "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector",
    "-fno-pie", "-fno-sanitize=all", "-fno-asynchronous-unwind-tables", "-fomit-frame-pointer",
    "-Wall", "-Wextra", "-Werror", "-rtlib=none", "-mcpu=baseline",
)  # fmt: skip
TARGETS = {AMD64: "x86_64-linux-musl", ARM64: "aarch64-linux-musl"}


def compile_actor(folder: Path, platform: Platform) -> bytes:
    """Compile `actor.c` for a platform."""
    output = folder / f"actor-{platform.slug}"
    source = Path(__file__).with_name("actor.c")
    subprocess.run(
        [sys.executable, "-m", "ziglang", "cc", "-target", TARGETS[platform], *COMPILE_FLAGS,
         "-o", output, source],
        check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    return output.read_bytes()


def hash_bytes(data: bytes) -> str:
    """Give a digest as images write it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def build_tar(files: Mapping[str, bytes], *, mode: int = 0o755) -> bytes:
    """Build a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@dataclass(frozen=True)
class SampleVariant:
    """One platform's image: its blobs by digest, and which of them is its manifest."""

    platform: Platform
    blobs: Mapping[str, bytes] = field(repr=False)
    config_digest: str
    manifest_digest: str

    @classmethod
    def build(
        cls,
        platform: Platform,
        files: Mapping[str, bytes],
        *,
        says: Platform | None = None,
        **config: Any,
    ) -> SampleVariant:
        """Build from files; its config says it is for `says`, else for its platform."""
        layer = build_tar(files)
        said = says or platform
        document = {
            "os": said.os,
            "architecture": said.architecture,
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [hash_bytes(layer)]},
        }
        if said.variant:
            document["variant"] = said.variant
        config_blob = json.dumps(document).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": describe(config_blob, CONFIG_TYPE),
            "layers": [describe(layer, LAYER_TYPE)],
        }
        manifest_blob = json.dumps(manifest).encode()
        blobs = {hash_bytes(each): each for each in (layer, config_blob, manifest_blob)}
        return cls(platform, blobs, hash_bytes(config_blob), hash_bytes(manifest_blob))

    @property
    def size(self) -> int:
        """What it takes in a registry."""
        return sum(map(len, self.blobs.values()))


@dataclass(frozen=True)
class SampleIndex:
    """An index of variants under a name."""

    repository: str
    variants: tuple[SampleVariant, ...]

    @property
    def blob(self) -> bytes:
        """The index itself."""
        entries = [
            {
                **describe(each.blobs[each.manifest_digest], MANIFEST_TYPE),
                "platform": write_platform(each.platform),
            }
            for each in self.variants
        ]
        document = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": entries}
        return json.dumps(document).encode()

    @property
    def digest(self) -> str:
        """The digest of the index."""
        return hash_bytes(self.blob)

    def to_archive(self, reference: str, *, left_out: Container[str] = ()) -> bytes:
        """Write an OCI layout, which the containerd store loads with all its platforms.

        `left_out` are digests of what is not in it.
        """
        top = {
            "schemaVersion": 2,
            "manifests": [
                {
                    **describe(self.blob, INDEX_TYPE),
                    "annotations": {"io.containerd.image.name": reference},
                }
            ],
        }
        blobs = {self.digest: self.blob}
        for each in self.variants:
            blobs |= each.blobs
        files = {
            f"blobs/sha256/{digest[7:]}": data
            for digest, data in blobs.items()
            if digest not in left_out
        }
        files |= {"index.json": json.dumps(top).encode()}
        files |= {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
        return build_tar(files, mode=0o644)

    def push(self, registry: str, tag: str) -> None:
        """Push all to a registry that speaks plain HTTP and asks for no login."""
        base = f"http://{registry}/v2/{self.repository}"
        for variant in self.variants:
            for digest, data in variant.blobs.items():
                if digest == variant.manifest_digest:
                    continue
                with send("POST", f"{base}/blobs/uploads/") as answer:
                    location = answer.headers["Location"]
                joint = "&" if "?" in location else "?"
                kind = "application/octet-stream"
                send("PUT", f"{location}{joint}digest={digest}", data, kind).close()
            manifest = variant.blobs[variant.manifest_digest]
            url = f"{base}/manifests/{variant.manifest_digest}"
            send("PUT", url, manifest, MANIFEST_TYPE).close()
        send("PUT", f"{base}/manifests/{tag}", self.blob, INDEX_TYPE).close()


def describe(data: bytes, media_type: str) -> dict[str, Any]:
    """Write a descriptor."""
    return {"mediaType": media_type, "digest": hash_bytes(data), "size": len(data)}


def write_platform(platform: Platform) -> dict[str, str]:
    """Write a platform as an index does."""
    document = {"os": platform.os, "architecture": platform.architecture}
    return document | ({"variant": platform.variant} if platform.variant else {})


def send(method: str, url: str, data: bytes = b"", media_type: str = "") -> Any:
    """Make a request; an answer of 400 or more raises."""
    request = urllib.request.Request(url, data=data, method=method)
    request.add_header("Content-Type", media_type or "application/octet-stream")
    return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60)
