"""An image that an engine has, as something that can be read without being run."""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.digest import verify_digest
from pytest_multiarch.core.errors import ImageError, ImageNotFoundError
from pytest_multiarch.core.image_document import (
    Descriptor,
    parse_descriptor,
    parse_document,
    parse_documents,
    read_object,
    read_objects,
    read_platform,
    read_text,
    read_texts,
)
from pytest_multiarch.core.image_reader import DocumentKind, ImageReader
from pytest_multiarch.core.manifest import (
    EntryDocument,
    IndexDocument,
    StoredLayer,
    VariantManifest,
    parse_entry,
    parse_unpacked_variant,
)
from pytest_multiarch.engine.connection import EngineRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.ports import ByteStream, ImageSource
    from pytest_multiarch.engine.images import ImageStore


def open_engine_image(store: ImageStore, reference: str, *, address: str) -> ImageSource:
    """Open an image that an engine has.

    Raises:
        ImageNotFoundError: the engine has none of that name.
    """
    name = f"{reference} on {address}"
    document = store.inspect(reference)
    if document is None:
        raise ImageNotFoundError(
            f"{reference} is not on {address}", cure="build, load or pull it there"
        )
    if store.has_containerd_store:
        return ContainerdSource(store, document, reference=reference, name=name)
    return ClassicSource(store, document, name=name)


class ContainerdSource:
    """An image of the containerd store, which keeps it as a registry does.

    Engines since Docker 28 tell its index; of older ones an export does.
    """

    def __init__(
        self, store: ImageStore, document: Mapping[str, Any], *, reference: str, name: str
    ) -> None:
        self._exports = store.exports
        self._document = document
        self._reference = reference
        self._name = name
        self._id = read_text(document, "Id", what=name)
        self._reader = ImageReader(self._read_document, name=name)
        self._index: IndexDocument | None = None
        self._absent: frozenset[str] = frozenset()
        self._platform: Platform | None = None

    @property
    def name(self) -> str:
        """The image and where it is, for messages."""
        return self._name

    def read_index(self) -> IndexDocument:
        """Read the index, or the single image as an index of one."""
        if self._index is None:
            is_told = bool(self._document.get("Manifests"))
            index = self._read_told_index() if is_told else self._read_exported_index()
            self._index = replace(index, is_partial=bool(self._absent))
        return self._index

    def _read_told_index(self) -> IndexDocument:
        what = f"the inspection of {self._name}"
        summaries = read_objects(self._document, "Manifests", what=what)
        entries = tuple(_parse_summary(each, what) for each in summaries)
        self._absent = frozenset(
            entry.digest
            for entry, summary in zip(entries, summaries, strict=True)
            if not entry.is_attestation and not summary.get("Available")
        )
        top = parse_descriptor(read_object(self._document, "Descriptor", what=what), what=what)
        return IndexDocument(
            digest=self._id,
            media_type=top.media_type,
            entries=entries,
            annotations=top.annotations,
            is_single=len(entries) == 1 and entries[0].digest == self._id,
        )

    def _read_exported_index(self) -> IndexDocument:
        try:
            self._exports.read_all_documents(self._id)
        except EngineRefusedError as error:
            # Docker 26 cannot export what was pulled without the node's own platform.
            raise ImageError(
                f"{self._name} cannot be exported: {error.text}",
                cure="pull it for the engine's own platform too, or use Docker 28 or newer",
            ) from error
        index = self._reader.read_index(Descriptor(digest=self._id))
        digests = {each.digest for each in index.variants}
        self._absent = frozenset(digests - self._exports.read_documents(self._id, digests).keys())
        return index

    def read_variant(self, entry: EntryDocument) -> VariantManifest:
        """Read a variant's manifest and config."""
        self.read_index()
        if entry.digest in self._absent:
            platform = entry.platform or entry.digest
            raise ImageNotFoundError(
                f"{self._name} names {platform}, but the engine does not have that variant",
                cure=f"docker pull --platform {platform} {self._reference}",
            )
        self._platform = self._narrow(entry.digest)
        return self._reader.read_variant(entry)

    def open_layers(
        self, manifest: VariantManifest, layers: Iterable[StoredLayer]
    ) -> Iterator[tuple[StoredLayer, ByteStream]]:
        """Give those layers that are there, in the order of the export."""
        by_digest = {each.digest: each for each in layers}
        platform = self._narrow(manifest.digest)
        for digest, stream in self._exports.stream_blobs(self._id, by_digest, platform=platform):
            yield by_digest[digest], stream

    def read_document(self, kind: DocumentKind, digest: str) -> bytes:
        """Read any document of the image, verified.

        Raises:
            ImageNotFoundError: it is not there.
        """
        data = self._read_document(kind, digest)
        verify_digest(data, digest, where=self._name)
        return data

    def stream_blobs(self, digests: Iterable[str]) -> Iterator[tuple[str, ByteStream]]:
        """Give blobs of any of its variants, in the order of an export; leave out absent ones."""
        return self._exports.stream_blobs(self._id, digests)

    def _narrow(self, digest: str) -> Platform | None:
        """Give the platform by which a variant alone is exported; None if that is not certain."""
        variants = self.read_index().variants
        if len(variants) == 1:
            return None
        platform = next((each.platform for each in variants if each.digest == digest), None)
        same = [each for each in variants if each.platform == platform]
        return platform if len(same) == 1 else None

    def _read_document(self, kind: DocumentKind, digest: str) -> bytes:
        del kind
        for platform in dict.fromkeys((self._platform, None)):
            found = self._exports.read_documents(self._id, [digest], platform=platform)
            if digest in found:
                return found[digest]
        raise ImageNotFoundError(
            f"{self._name} refers to {digest}, which the engine does not export",
            cure=f"pull or load it again: docker pull {self._reference}",
        )


def _parse_summary(summary: Mapping[str, Any], what: str) -> EntryDocument:
    """Read one of `Manifests`; the platform of a single image is in its config only."""
    entry = parse_entry(read_object(summary, "Descriptor", what=what), what=what)
    if entry.platform is None and not entry.is_attestation:
        data = read_object(summary, "ImageData", what=what)
        platform = read_object(data, "Platform", what=what)
        entry = replace(entry, platform=read_platform(platform, what=what) if platform else None)
    return entry


class ClassicSource:
    """An image of the classic store: one variant, its layers unpacked, without a manifest.

    Its digest is that of its config, and the sizes of its layers as stored are not known.
    """

    def __init__(self, store: ImageStore, document: Mapping[str, Any], *, name: str) -> None:
        self._exports = store.exports
        self._name = name
        self._id = read_text(document, "Id", what=name)
        self._platform = read_platform(
            {key.lower(): value for key, value in document.items()}, what=name
        )
        self._variant: VariantManifest | None = None

    @property
    def id(self) -> str:
        """The digest of its config."""
        return self._id

    @property
    def name(self) -> str:
        """The image and where it is, for messages."""
        return self._name

    def read_index(self) -> IndexDocument:
        """Give the variant as an index of one; whether there were others is not kept."""
        entry = EntryDocument(digest=self._id, platform=self._platform)
        return IndexDocument(digest=self._id, entries=(entry,), is_single=True, is_partial=True)

    def read_variant(self, entry: EntryDocument) -> VariantManifest:
        """Read the config."""
        del entry
        if self._variant is None:
            if self._exports.is_legacy:
                self._exports.read_all_documents(self._id)  # one export, for `_find_paths` too
            document = parse_document(self.read_config(), what=f"the config of {self._name}")
            self._variant = parse_unpacked_variant(document, config_digest=self._id)
        return self._variant

    def read_config(self) -> bytes:
        """Read the config as it is stored."""
        found = self._exports.read_documents(self._id, [self._id])
        if self._id not in found:
            raise ImageError(
                f"{self._name}: its export holds no config {self._id}",
                cure="pull or load it again",
            )
        return found[self._id]

    def open_layers(
        self, manifest: VariantManifest, layers: Iterable[StoredLayer]
    ) -> Iterator[tuple[StoredLayer, ByteStream]]:
        """Give those layers that are there, in the order of the export."""
        wanted = {each.diff_id: each for each in layers}
        paths = self._find_paths(manifest)
        for name, _, stream in self._exports.stream_files(self._id):
            layer = wanted.pop(paths.get(name, ""), None)
            if layer is not None:
                yield layer, stream
            if not wanted:
                return

    def _find_paths(self, manifest: VariantManifest) -> dict[str, str]:
        """Give the diff id of each file that may hold a layer."""
        if not self._exports.is_legacy:
            return {
                f"blobs/{each.diff_id.replace(':', '/')}": each.diff_id for each in manifest.layers
            }
        what = f"the export of {self._name}"
        images = parse_documents(self._exports.read_manifest_file(self._id), what=what)
        names = [name for each in images[:1] for name in read_texts(each, "Layers", what=what)]
        if len(names) != len(manifest.layers):
            raise ImageError(f"{what} has {len(names)} layers, expected {len(manifest.layers)}")
        diff_ids = (each.diff_id for each in manifest.layers)
        return dict(zip(map(posixpath.normpath, names), diff_ids, strict=True))
