"""Images in the archives of `docker save`.

Since Docker 25 they are OCI layouts as well and are read as those. Older ones, podman's, skopeo's
and those of some build tools have `manifest.json` alone, which names a config and unpacked layers;
the same layer may be there as a link to that of another image.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_multiarch.core.digest import compute_digest, verify_digest
from pytest_multiarch.core.errors import ImageError, ImageNotFoundError
from pytest_multiarch.core.image_document import (
    parse_document,
    parse_documents,
    read_text,
    read_texts,
)
from pytest_multiarch.core.manifest import (
    EntryDocument,
    IndexDocument,
    StoredLayer,
    VariantManifest,
    parse_unpacked_variant,
)
from pytest_multiarch.files.image_files import ArchiveFiles
from pytest_multiarch.files.oci_layout import MARKER, OciLayoutSource, explain_choice, is_same_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from pytest_multiarch.core.ports import ByteStream, ImageSource

MANIFEST = "manifest.json"
_MAGIC_AT, _HEAD_SIZE = 257, 512
_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")
_NAMED_BY_DIGEST = re.compile(r"(?:.*/)?(?:sha256:)?([0-9a-f]{64})(?:\.json)?")


def is_archive(file: Path) -> bool:
    """Tell from its first bytes whether a file may be an archive, compressed or not."""
    try:
        with file.open("rb") as stream:
            head = stream.read(_HEAD_SIZE)
    except OSError:
        return True  # opening it says why it cannot be read
    return head.startswith(_COMPRESSED) or head[_MAGIC_AT:].startswith(b"ustar")


def open_archive(file: Path, *, image: str = "") -> ImageSource:
    """Open an image in a tar archive, of `docker save` or in the OCI layout.

    Raises:
        ImageError: it is no archive, or none of an image.
    """
    files = ArchiveFiles(file)
    if files.read(MARKER) is not None:
        return OciLayoutSource(files, image=image)
    if files.read(MANIFEST) is not None:
        return DockerArchiveSource(files, image=image)
    raise ImageError(
        f"{file} holds no image: it has neither {MARKER} nor {MANIFEST}",
        cure="name an archive of docker save, or one in the OCI layout (docker buildx build "
        "--output type=oci)",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedImage:
    """One image of `manifest.json`: paths in the archive, the base's layer first."""

    config: str
    layers: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


def parse_saved_images(data: bytes, *, what: str) -> tuple[SavedImage, ...]:
    """Read a `manifest.json`.

    Raises:
        ImageError: it is none.
    """
    return tuple(
        SavedImage(
            config=posixpath.normpath(read_text(each, "Config", what=what)),
            layers=tuple(map(posixpath.normpath, read_texts(each, "Layers", what=what))),
            names=read_texts(each, "RepoTags", what=what),
        )
        for each in parse_documents(data, what=what)
    )


class DockerArchiveSource:
    """One image of an archive: that of a name or an id, or the only one."""

    def __init__(self, files: ArchiveFiles, *, image: str = "") -> None:
        self._files = files
        self._image = image
        self._saved: SavedImage | None = None
        self._variant: VariantManifest | None = None

    @property
    def name(self) -> str:
        """The image and where it is, for messages."""
        return f"{self._image or 'the image'} in {self._files.place}"

    def read_index(self) -> IndexDocument:
        """Give the image as an index of one; as its digest counts that of its config."""
        variant = self._read_variant()
        entry = EntryDocument(digest=variant.config.digest, platform=variant.platform)
        return IndexDocument(digest=entry.digest, entries=(entry,), is_single=True)

    def read_variant(self, entry: EntryDocument) -> VariantManifest:
        """Read the config, and which layers there are."""
        del entry
        return self._read_variant()

    def open_layers(
        self, manifest: VariantManifest, layers: Iterable[StoredLayer]
    ) -> Iterator[tuple[StoredLayer, ByteStream]]:
        """Give those layers that are there."""
        paths = dict(
            zip((each.diff_id for each in manifest.layers), self._find_saved().layers, strict=True)
        )
        by_path = {paths[each.diff_id]: each for each in layers}
        for path, stream in self._files.read_streams(by_path):
            yield by_path[path], stream

    def _find_saved(self) -> SavedImage:
        if self._saved is None:
            data = self._files.read(MANIFEST)
            what = f"{MANIFEST} in {self._files.place}"
            images = parse_saved_images(data or b"", what=what)
            self._saved = _choose_saved(images, self._image, place=self._files.place)
        return self._saved

    def _read_variant(self) -> VariantManifest:
        if self._variant is None:
            saved = self._find_saved()
            what = f"{saved.config} in {self._files.place}"
            data = self._files.read(saved.config)
            if data is None:
                raise ImageNotFoundError(f"there is no {what}", cure="save the image again")
            variant = parse_unpacked_variant(
                parse_document(data, what=what), config_digest=_verify_config(data, saved, what)
            )
            self._variant = replace(variant, layers=self._describe_layers(variant, saved))
        return self._variant

    def _describe_layers(
        self, variant: VariantManifest, saved: SavedImage
    ) -> tuple[StoredLayer, ...]:
        if len(saved.layers) != len(variant.layers):
            raise ImageError(
                f"{self.name} has {len(saved.layers)} layers, but its config {len(variant.layers)}",
                cure="save the image again",
            )
        return tuple(map(self._describe_layer, variant.layers, saved.layers))

    def _describe_layer(self, layer: StoredLayer, path: str) -> StoredLayer:
        """Add what the archive tells; of layers that some tools compress it tells no digest."""
        size, head = self._files.look_at(path)
        is_plain = not head.startswith(_COMPRESSED)
        return replace(layer, digest=layer.diff_id if is_plain else "", size=size)


def _choose_saved(images: Sequence[SavedImage], image: str, *, place: str) -> SavedImage:
    fitting = [
        each
        for each in images
        if not image or image in each.config or any(is_same_name(n, image) for n in each.names)
    ]
    if len({each.config for each in fitting}) == 1:
        return fitting[0]
    names = [", ".join(each.names) or each.config for each in images]
    raise explain_choice(names, image, is_ambiguous=bool(fitting), place=place)


def _verify_config(data: bytes, saved: SavedImage, what: str) -> str:
    """Hold a config against the digest that its name is made of, if it is, and give its digest."""
    digest = compute_digest(data)
    named = _NAMED_BY_DIGEST.fullmatch(saved.config)
    if named:
        verify_digest(data, f"sha256:{named.group(1)}", where=what)
    return digest
