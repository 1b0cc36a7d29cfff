"""The index that is published: the tested one as it is, else one of the tested variants alone.

The entries of the tested index are kept as they are, with their annotations, and so are the
attestations that belong to a tested variant (BuildKit's `attestation-storage.md`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.digest import compute_digest
from pytest_multiarch.core.image_document import (
    Descriptor,
    parse_descriptor,
    read_object,
    read_objects,
    read_text,
)
from pytest_multiarch.core.index import INDEX_MEDIA_TYPES, MANIFEST_MEDIA_TYPES, is_attestation
from pytest_multiarch.core.manifest import parse_entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_multiarch.core.platform import Platform


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceIndex:
    """The index that variants were found by, as it was read."""

    digest: str
    media_type: str
    data: bytes = field(repr=False)
    document: Mapping[str, Any] = field(repr=False)

    @property
    def entries(self) -> tuple[Mapping[str, Any], ...]:
        return read_objects(self.document, "manifests", what=f"the index {self.digest}")

    def find_entry(self, digest: str) -> Mapping[str, Any] | None:
        """Give the entry of a variant as it is written."""
        return next((each for each in self.entries if each.get("digest") == digest), None)

    def find_attestations(self, digest: str) -> tuple[Mapping[str, Any], ...]:
        """Give the entries of the attestations that belong to a variant."""
        what = f"the index {self.digest}"
        return tuple(
            each
            for each in self.entries
            if is_attestation(each, what=what) and parse_entry(each, what=what).attests == digest
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexPart:
    """A variant to be published: its manifest, and what its index said of it."""

    platform: Platform
    manifest: Descriptor
    source: SourceIndex | None = None
    attestations: tuple[Mapping[str, Any], ...] = ()

    @property
    def entries(self) -> tuple[Mapping[str, Any], ...]:
        """What the published index says of it."""
        found = self.source.find_entry(self.manifest.digest) if self.source else None
        return (found or self._describe(), *self.attestations)

    def _describe(self) -> Mapping[str, Any]:
        platform = {"architecture": self.platform.architecture, "os": self.platform.os}
        variant = {"variant": self.platform.variant} if self.platform.variant else {}
        return {
            "mediaType": self.manifest.media_type,
            "digest": self.manifest.digest,
            "size": self.manifest.size,
            "platform": platform | variant,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedIndex:
    """An index as it is sent; `is_as_tested`: byte by byte the one that was tested."""

    digest: str
    media_type: str
    data: bytes = field(repr=False)
    is_as_tested: bool = False


def assemble_index(parts: Sequence[IndexPart]) -> PublishedIndex:
    """Make the index of variants.

    Where all of them are out of one index, and it holds nothing else, that is it: its digest, and
    signatures of it, hold on. Its annotations hold on also where some of it was not tested.
    """
    sources = {each.source.digest if each.source else "": each.source for each in parts}
    source = next(iter(sources.values())) if len(sources) == 1 else None
    entries = [entry for part in parts for entry in part.entries]
    if source is not None and _have_same(source.entries, entries):
        return PublishedIndex(
            digest=source.digest,
            media_type=source.media_type,
            data=source.data,
            is_as_tested=True,
        )
    media_type = _choose_media_type(each.manifest.media_type for each in parts)
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "manifests": entries,
    }
    annotations = source.document.get("annotations") if source else None
    if annotations and media_type == INDEX_MEDIA_TYPES[0]:
        document["annotations"] = annotations
    data = json.dumps(document, indent=2).encode()
    return PublishedIndex(digest=compute_digest(data), media_type=media_type, data=data)


def _have_same(ones: Iterable[Mapping[str, Any]], others: Iterable[Mapping[str, Any]]) -> bool:
    ours, theirs = (sorted(json.dumps(e, sort_keys=True) for e in each) for each in (ones, others))
    return ours == theirs


def _choose_media_type(manifests: Iterable[str]) -> str:
    """Docker's list for Docker's manifests alone: some registries refuse indexes of both kinds."""
    is_docker = set(manifests) == {MANIFEST_MEDIA_TYPES[1]}
    return INDEX_MEDIA_TYPES[1] if is_docker else INDEX_MEDIA_TYPES[0]


def list_blobs(document: Mapping[str, Any], *, what: str) -> tuple[Descriptor, ...]:
    """Give what a manifest is made of, its config first; layers that live elsewhere are left out.

    Raises:
        ImageError: it is no manifest.
    """
    layers = [
        each
        for each in read_objects(document, "layers", what=what)
        if not (each.get("urls") and _is_foreign(read_text(each, "mediaType", what=what)))
    ]
    found = (read_object(document, "config", what=what), *layers)
    return tuple({d.digest: d for d in (parse_descriptor(e, what=what) for e in found)}.values())


def _is_foreign(media_type: str) -> bool:
    return "nondistributable" in media_type or ".foreign." in media_type
