"""The JSON form of an inspection: for other programs, so its keys stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.inspected import write_audit, write_difference, write_index
from pytest_multiarch.core.static_parity import StaticPart

if TYPE_CHECKING:
    from pytest_multiarch.core.inspection import InspectedVariant, Inspection
    from pytest_multiarch.core.manifest import EntryDocument, VariantManifest

VERSION = 1
"""Raised when a key goes away or changes its meaning; new ones may come."""


def describe_inspection(inspection: Inspection) -> dict[str, Any]:
    """Give the JSON form, as docs/reference.md has it; sizes are bytes."""
    index = inspection.index
    return {
        "version": VERSION,
        "image": inspection.reference,
        "source": inspection.source,
        "digest": index.digest,
        "media_type": index.media_type,
        "is_index": not index.is_single,
        "is_partial": index.is_partial,
        "annotations": dict(index.annotations),
        "base": inspection.base_name,
        "variants": [_describe_variant(inspection, each) for each in inspection.variants],
        "attestations": [_describe_attestation(e) for e in index.entries if e.is_attestation],
        "size": _describe_sizes(inspection),
        "required": [str(each) for each in inspection.required],
        "index_findings": [write_index(each) for each in inspection.index_findings],
        "static_parity": _describe_parity(inspection),
        "notes": list(inspection.notes),
        "findings": inspection.count,
        "exit": inspection.status,
    }


def _describe_variant(inspection: Inspection, variant: InspectedVariant) -> dict[str, Any]:
    entry, manifest = variant.entry, variant.manifest
    return {
        "platform": str(variant.platform) if variant.platform else None,
        "digest": entry.digest,
        "media_type": entry.media_type,
        "annotations": dict(entry.annotations),
        "problem": variant.problem,
        "config": _describe_config(variant, manifest) if manifest else None,
        "system": variant.system,
        "size": {
            "stored": sum(variant.layers.values()),
            "unpacked": variant.unpacked,
            "shared": inspection.measure_shared(variant),
        },
        "layers": _describe_layers(manifest) if manifest else [],
        "execution": variant.execution.to_mapping() if variant.execution else None,
        "audit": write_audit(variant.audit) if variant.audit else None,
    }


def _describe_config(variant: InspectedVariant, manifest: VariantManifest) -> dict[str, Any]:
    """Environment and labels are left out: what differs is in `static_parity`, without secrets."""
    config = manifest.config
    return {
        "digest": config.digest,
        "platform": str(config.platform),
        "created": variant.created,
        "entrypoint": list(config.entrypoint),
        "cmd": list(config.cmd),
        "user": config.user,
        "workdir": config.workdir,
    }


def _describe_layers(manifest: VariantManifest) -> list[dict[str, Any]]:
    return [
        {
            "digest": each.digest,
            "diff_id": each.diff_id,
            "media_type": each.media_type,
            "size": each.size,
            "instruction": each.instruction,
        }
        for each in manifest.layers
    ]


def _describe_attestation(entry: EntryDocument) -> dict[str, Any]:
    return {"digest": entry.digest, "media_type": entry.media_type, "attests": entry.attests}


def _describe_sizes(inspection: Inspection) -> dict[str, Any]:
    sizes = inspection.measure_stored()
    return {
        "is_compressed": inspection.is_compressed,
        "apart": sizes.apart,
        "together": sizes.together,
        "shared": sizes.shared,
    }


def _describe_parity(inspection: Inspection) -> dict[str, Any]:
    def describe(part: StaticPart) -> list[dict[str, Any]]:
        return [write_difference(e) for e in inspection.differences if e.part is part]

    return {
        "baseline": str(inspection.baseline) if inspection.baseline else None,
        "deciding": sorted(each.value for each in inspection.deciding),
        **{part.value: describe(part) for part in StaticPart},
    }
