"""What an index and a manifest say in full: for looking at an image, where running needs less.

From the JSON documents of the OCI image specification (`image-index.md`, `manifest.md`,
`config.md`) and of Docker's schema 2.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_multiarch.core.index import ImageConfig
    from pytest_multiarch.core.platform import Platform


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
