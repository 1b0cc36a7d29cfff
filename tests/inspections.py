"""Small inspections, as tests of showing them need them."""

from __future__ import annotations

from typing import Any

from pytest_multiarch.core.audit import AuditReport, AuditScope, FileFinding, FindingKind
from pytest_multiarch.core.index import INDEX_MEDIA_TYPES, MANIFEST_MEDIA_TYPES, ImageConfig
from pytest_multiarch.core.inspection import InspectedVariant, Inspection
from pytest_multiarch.core.manifest import (
    EntryDocument,
    IndexDocument,
    StoredLayer,
    VariantManifest,
)
from pytest_multiarch.core.platform import Platform
from tests.samples import AMD64, ARM64, NATIVE, QEMU

GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
SHARED = StoredLayer(digest=f"sha256:{'5' * 64}", media_type=GZIP, size=1_000_000)
DEBIAN = "Debian GNU/Linux 12 (bookworm)"
ATTESTATION = EntryDocument(
    digest=f"sha256:{'e' * 64}", is_attestation=True, attests=f"sha256:{'1' * 64}"
)


def make_layer(letter: str, size: int, *, media_type: str = GZIP) -> StoredLayer:
    """Make a layer whose digest is told by a letter."""
    return StoredLayer(
        digest=f"sha256:{letter * 64}",
        media_type=media_type,
        size=size,
        diff_id=f"sha256:{letter * 64}",
        instruction="COPY app /usr/bin/app",
    )


def make_finding(path: str = "/usr/bin/app", **changes: Any) -> FileFinding:
    """Make a finding: an amd64 program in an arm64 variant."""
    known: dict[str, Any] = {
        "kind": FindingKind.WRONG_ARCHITECTURE,
        "found": "amd64 (64-bit, little endian)",
        "expected": "arm64 (64-bit, little endian)",
        "layer": f"sha256:{'b' * 64}",
        "instruction": "COPY app /usr/bin/app",
        "started_by": "entrypoint",
    }
    return FileFinding(path=path, **{**known, **changes})


def make_variant(
    platform: Platform = AMD64,
    *layers: StoredLayer,
    findings: tuple[FileFinding, ...] = (),
    notes: tuple[str, ...] = (),
    **changes: Any,
) -> InspectedVariant:
    """Make a variant that was looked at; its layers unpack to four times their size."""
    entry = EntryDocument(
        digest=f"sha256:{'1' if platform == AMD64 else '2'}" + "0" * 63,
        platform=platform,
        media_type=MANIFEST_MEDIA_TYPES[0],
    )
    manifest = VariantManifest(
        digest=entry.digest,
        config=ImageConfig(platform=platform, digest=f"sha256:{'c' * 64}", cmd=("app",)),
        document={"created": "2026-08-01T12:00:00Z"},
        layers=layers or (make_layer("a", 28_300_000), SHARED),
    )
    audit = AuditReport(
        platform=platform, scope=AuditScope.IMAGE, findings=findings, files=1234, programs=56,
        notes=notes,
    )  # fmt: skip
    known: dict[str, Any] = {
        "manifest": manifest,
        "audit": audit,
        "system": DEBIAN,
        "unpacked": manifest.size * 4,
        "execution": NATIVE if platform == AMD64 else QEMU,
    }
    return InspectedVariant(entry=entry, **{**known, **changes})


def make_inspection(*variants: InspectedVariant, **changes: Any) -> Inspection:
    """Make an inspection of an index; of two good variants, if none are given."""
    chosen = variants or (make_variant(), make_variant(ARM64, make_layer("b", 27_900_000), SHARED))
    index = IndexDocument(
        digest=f"sha256:{'d' * 64}",
        media_type=INDEX_MEDIA_TYPES[0],
        entries=(*(each.entry for each in chosen), ATTESTATION),
        annotations={"org.opencontainers.image.base.name": "docker.io/library/debian:12"},
    )
    known: dict[str, Any] = {
        "reference": "ghcr.io/acme/app:1.4",
        "source": "the registry ghcr.io",
        "index": index,
        "baseline": AMD64,
    }
    return Inspection(variants=chosen, **{**known, **changes})
