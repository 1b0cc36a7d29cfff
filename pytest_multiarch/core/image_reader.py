"""An image as its documents tell it, through whatever gives them by their digest."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from pytest_multiarch.core.digest import verify_digest
from pytest_multiarch.core.errors import ImageError
from pytest_multiarch.core.image_document import Descriptor, parse_document
from pytest_multiarch.core.index import INDEX_MEDIA_TYPES
from pytest_multiarch.core.manifest import (
    EntryDocument,
    IndexDocument,
    VariantManifest,
    is_index_document,
    parse_config_digest,
    parse_index_document,
    parse_variant_manifest,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

DocumentKind = Literal["manifests", "blobs"]
"""Where a registry has a document: an index is among its manifests, a config among its blobs."""

_MOST_ENTRIES = 1000


class ImageReader:
    """Reads indexes and variants, each once, from documents given by `read`.

    `read` raises `ImageNotFoundError` for what is not there. `name` says for messages where the
    documents come from.
    """

    def __init__(self, read: Callable[[DocumentKind, str], bytes], *, name: str) -> None:
        self._read = read
        self._name = name
        self._variants: dict[str, VariantManifest] = {}

    def read_index(self, top: Descriptor) -> IndexDocument:
        """Read what a descriptor names: an index, those that it names laid flat, or one image.

        Raises:
            ImageError: it is neither.
        """
        data = self._read_verified("manifests", top.digest)
        what = f"{top.digest} in {self._name}"
        document = parse_document(data, what=what)
        if is_index_document(document, what=what):
            index = parse_index_document(document, digest=top.digest, media_type=top.media_type)
            return replace(index, entries=self.flatten(index.entries))
        entry = EntryDocument(
            digest=top.digest,
            media_type=top.media_type,
            size=len(data),
            annotations=top.annotations,
        )
        manifest = self.read_variant(entry)
        entry = replace(entry, platform=manifest.platform, media_type=manifest.media_type)
        return IndexDocument(
            digest=top.digest,
            media_type=manifest.media_type,
            entries=(entry,),
            annotations=manifest.annotations,
            is_single=True,
        )

    def flatten(self, entries: Iterable[EntryDocument]) -> tuple[EntryDocument, ...]:
        """Put the entries of nested indexes in place of their indexes.

        Raises:
            ImageError: there are too many.
        """
        found: list[EntryDocument] = []
        pending = list(entries)[::-1]
        for _ in range(_MOST_ENTRIES):
            if not pending:
                return tuple(found)
            entry = pending.pop()
            if entry.media_type in INDEX_MEDIA_TYPES:
                pending += self._read_nested(entry)[::-1]
            else:
                found.append(entry)
        raise ImageError(f"{self._name} names more than {_MOST_ENTRIES} images, which nobody needs")

    def _read_nested(self, entry: EntryDocument) -> tuple[EntryDocument, ...]:
        data = self._read_verified("manifests", entry.digest)
        document = parse_document(data, what=f"{entry.digest} in {self._name}")
        return parse_index_document(document, digest=entry.digest).entries

    def read_variant(self, entry: EntryDocument) -> VariantManifest:
        """Read the manifest that an entry names, and its config.

        Raises:
            ImageNotFoundError: one of the two is not there.
            ImageError: they are none.
        """
        if entry.digest not in self._variants:
            self._variants[entry.digest] = self._read_variant(entry)
        return self._variants[entry.digest]

    def _read_variant(self, entry: EntryDocument) -> VariantManifest:
        what = f"{entry.digest} in {self._name}"
        data = self._read_verified("manifests", entry.digest)
        document = parse_document(data, what=what)
        if is_index_document(document, what=what):
            raise ImageError(f"{what} is an index, expected the manifest of one image")
        config_digest = parse_config_digest(document, digest=entry.digest)
        config = self._read_verified("blobs", config_digest)
        return parse_variant_manifest(
            document,
            parse_document(config, what=f"{config_digest} in {self._name}"),
            digest=entry.digest,
            media_type=entry.media_type,
        )

    def _read_verified(self, kind: DocumentKind, digest: str) -> bytes:
        data = self._read(kind, digest)
        verify_digest(data, digest, where=self._name)
        return data
