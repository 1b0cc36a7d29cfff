"""What an index and a manifest say in full: for looking at an image, where running needs less.

From the JSON documents of the OCI image specification (`image-index.md`, `manifest.md`,
`config.md`) and of Docker's schema 2.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.digest import is_digest
from pytest_multiarch.core.errors import ImageError
from pytest_multiarch.core.image_document import (
    parse_descriptor,
    read_annotations,
    read_object,
    read_objects,
    read_text,
    read_texts,
)
from pytest_multiarch.core.index import (
    INDEX_MEDIA_TYPES,
    MANIFEST_MEDIA_TYPES,
    ImageConfig,
    is_attestation,
    parse_image_config,
)
from pytest_multiarch.core.secret_text import hide_in_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_multiarch.core.platform import Platform

PLAIN_LAYER = "application/vnd.oci.image.layer.v1.tar"
"""The media type of a layer that is not compressed."""
_CONFIG_MEDIA_TYPES = (
    "",
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
    "application/json",
    "application/octet-stream",
)
_ATTESTED = "vnd.docker.reference.digest"
_INSTRUCTION_LIMIT = 300
# `RUN |2 A=1 B=2 /bin/sh -c make # buildkit`: values of build arguments are nobody's business.
_SHELL = re.compile(r"(?:RUN )?(?:\|\d+ .*?)?/bin/sh -c ", re.DOTALL)
_NOT_RUN = re.compile(r"/bin/sh -c #\(nop\)")
_BUILDKIT = re.compile(r"# buildkit\s*\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLayer:
    """A layer as a manifest names it.

    `digest`, `media_type` and `size` (bytes) are of what is stored, mostly compressed; `diff_id`
    is of the unpacked archive. `instruction` is the Dockerfile line that made it, as the image's
    history has it, empty where it cannot be told.
    """

    digest: str
    media_type: str = ""
    size: int = 0
    diff_id: str = ""
    instruction: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryDocument:
    """One entry of an index, attestations and other artifacts among them.

    `platform` is None where the entry names none. `attests` is the digest that an attestation is
    about, empty for a variant.
    """

    digest: str
    platform: Platform | None = None
    media_type: str = ""
    size: int = 0
    annotations: Mapping[str, str] = field(default_factory=dict)
    is_attestation: bool = False
    attests: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexDocument:
    """An index; or a single image as an index of one (`is_single`), whose digest is the image's.

    `is_partial`: what it was read from holds only some of its variants, or does not tell of the
    others (an engine's classic store).
    """

    digest: str
    media_type: str = ""
    entries: tuple[EntryDocument, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    is_single: bool = False
    is_partial: bool = False

    @property
    def variants(self) -> tuple[EntryDocument, ...]:
        """The entries that are images: attestations left out."""
        return tuple(each for each in self.entries if not each.is_attestation)


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantManifest:
    """The manifest of one variant and its config.

    `digest` is the manifest's, empty where the store keeps none (the classic store, old
    archives). `document` is the config as it was parsed, whole: `config`, `history`, `created`.
    """

    digest: str
    config: ImageConfig
    media_type: str = ""
    document: Mapping[str, Any] = field(default_factory=dict)
    layers: tuple[StoredLayer, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def platform(self) -> Platform:
        return self.config.platform

    @property
    def size(self) -> int:
        """The bytes of its layers as they are stored."""
        return sum(each.size for each in self.layers)


def is_index_document(document: Mapping[str, Any], *, what: str) -> bool:
    """Tell an index from a manifest.

    Raises:
        ImageError: it is neither, or could be read as both.
    """
    has_manifests, has_config = "manifests" in document, "config" in document
    if has_manifests == has_config:
        if "fsLayers" in document:
            raise ImageError(
                f"{what} is an image of Docker's schema 1, which says no platform and which no "
                "current engine runs",
                cure="build and push it again",
            )
        kind = "both an index and a manifest" if has_config else "neither an index nor a manifest"
        raise ImageError(f"{what} is {kind}", cure="build it anew with current tools")
    return has_manifests


def parse_index_document(
    document: Mapping[str, Any], *, digest: str, media_type: str = ""
) -> IndexDocument:
    """Read an index in full; `media_type` is what it was named with, elsewhere.

    Raises:
        ImageError: the document is not one.
    """
    what = f"the index {digest}"
    return IndexDocument(
        digest=digest,
        media_type=_choose_media_type(document, media_type, INDEX_MEDIA_TYPES[0], what=what),
        entries=tuple(
            parse_entry(each, what=what) for each in read_objects(document, "manifests", what=what)
        ),
        annotations=read_annotations(document, what=what),
    )


def parse_entry(document: Mapping[str, Any], *, what: str) -> EntryDocument:
    """Read an entry of an index."""
    said = parse_descriptor(document, what=what)
    attests = is_attestation(document, what=what)
    return EntryDocument(
        digest=said.digest,
        platform=None if attests else said.platform,
        media_type=said.media_type,
        size=said.size,
        annotations=said.annotations,
        is_attestation=attests,
        attests=said.annotations.get(_ATTESTED, "") if attests else "",
    )


def parse_config_digest(document: Mapping[str, Any], *, digest: str) -> str:
    """Read out of a manifest which config it has.

    Raises:
        ImageError: it has none, or something else than an image's.
    """
    what = f"the manifest {digest}"
    said = parse_descriptor(read_object(document, "config", what=what), what=f"{what}: `config`")
    if said.media_type not in _CONFIG_MEDIA_TYPES:
        raise ImageError(
            f"{what} is of no image: its config is {said.media_type}",
            cure="name the image, not what is kept beside it",
        )
    return said.digest


def parse_variant_manifest(
    document: Mapping[str, Any],
    config_document: Mapping[str, Any],
    *,
    digest: str,
    media_type: str = "",
) -> VariantManifest:
    """Read a variant's manifest together with its config.

    Raises:
        ImageError: they are none, or do not belong together.
    """
    what = f"the manifest {digest}"
    stored = tuple(_parse_layer(each, what) for each in read_objects(document, "layers", what=what))
    config_digest = parse_config_digest(document, digest=digest)
    return VariantManifest(
        digest=digest,
        config=parse_image_config(config_document, digest=config_digest),
        media_type=_choose_media_type(document, media_type, MANIFEST_MEDIA_TYPES[0], what=what),
        document=config_document,
        layers=describe_layers(stored, config_document, what=what),
        annotations=read_annotations(document, what=what),
    )


def parse_unpacked_variant(
    config_document: Mapping[str, Any], *, config_digest: str
) -> VariantManifest:
    """Read a variant of which only the config is kept; its layers are as unpacked.

    Their sizes are not known, and given as 0.

    Raises:
        ImageError: it is no config.
    """
    what = f"the config {config_digest}"
    config = parse_image_config(config_document, digest=config_digest)
    stored = tuple(StoredLayer(digest=each, media_type=PLAIN_LAYER) for each in config.diff_ids)
    return VariantManifest(
        digest="",
        config=config,
        document=config_document,
        layers=describe_layers(stored, config_document, what=what),
    )


def describe_layers(
    stored: Sequence[StoredLayer], config_document: Mapping[str, Any], *, what: str
) -> tuple[StoredLayer, ...]:
    """Give layers, the base first, their diff ids and instructions out of a config.

    Raises:
        ImageError: the config is of another number of layers.
    """
    rootfs = read_object(config_document, "rootfs", what=what)
    diff_ids = read_texts(rootfs, "diff_ids", what=what)
    if len(diff_ids) != len(stored):
        raise ImageError(
            f"{what} has {len(stored)} layers, but its config {len(diff_ids)}",
            cure="the two do not belong together: build the image anew",
        )
    if wrong := next((each for each in diff_ids if not is_digest(each)), ""):
        raise ImageError(f"{what}: {wrong[:80]!r} in `diff_ids` is no digest")
    instructions = _read_instructions(config_document, layers=len(stored), what=what)
    return tuple(
        replace(layer, diff_id=diff_id, instruction=instruction)
        for layer, diff_id, instruction in zip(stored, diff_ids, instructions, strict=True)
    )


def _parse_layer(document: Mapping[str, Any], what: str) -> StoredLayer:
    said = parse_descriptor(document, what=what)
    return StoredLayer(digest=said.digest, media_type=said.media_type, size=said.size)


def _read_instructions(
    config_document: Mapping[str, Any], *, layers: int, what: str
) -> tuple[str, ...]:
    """Give each layer's Dockerfile line; empty ones if the history does not fit the layers."""
    history = read_objects(config_document, "history", what=what)
    made = [each for each in history if not each.get("empty_layer")]
    if len(made) != layers:
        return ("",) * layers
    return tuple(clean_instruction(read_text(each, "created_by", what=what)) for each in made)


def clean_instruction(created_by: str) -> str:
    """Reduce a history entry to the Dockerfile line that made it, on one line and bounded.

    What looks like a secret in it is shown as a digest.

    >>> clean_instruction("/bin/sh -c #(nop) COPY file:0d1f in / ")
    'COPY file:0d1f in /'
    >>> clean_instruction("RUN |1 TOKEN=secret /bin/sh -c make install # buildkit")
    'RUN make install'
    >>> clean_instruction("RUN /bin/sh -c curl --token=hunter2 example.org # buildkit")
    'RUN curl --token=<hidden, sha256 f52fbd32> example.org'
    """
    text = _BUILDKIT.sub("", created_by)
    if _NOT_RUN.match(text):
        text = _NOT_RUN.sub("", text)
    else:
        text = _SHELL.sub("RUN ", text, count=1) if _SHELL.match(text) else text
    line = hide_in_text(" ".join(text.split())[: 2 * _INSTRUCTION_LIMIT])
    return line if len(line) <= _INSTRUCTION_LIMIT else f"{line[: _INSTRUCTION_LIMIT - 1]}…"


def _choose_media_type(document: Mapping[str, Any], named: str, default: str, *, what: str) -> str:
    """Give what a document says that it is, else what it was named with, else the OCI's."""
    return read_text(document, "mediaType", what=what) or named or default
