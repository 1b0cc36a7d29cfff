"""A variant's identity: which image exactly stands behind a reference and a platform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pytest_multiarch.core.index import ImageConfig, ImageIndex
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.reference import ImageReference

DigestKind = Literal["manifest", "config"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedVariant:
    """The image of one platform, pinned.

    `digest` is of `kind`: the manifest's where there is one, else the config's. `config_digest`
    is comparable between image stores; it is empty where only an export of a whole image that was
    built locally would tell it. `create_image` and
    `create_platform` make an engine create from exactly this variant. `index` is what it was
    found by, None where the name stood for a single image. `size` is what the variant takes in a
    registry, in bytes, compressed; where nobody told it is 0, and `unpacked_size` may be known.
    """

    reference: ImageReference
    platform: Platform
    kind: DigestKind
    digest: str
    config_digest: str
    config: ImageConfig
    create_image: str
    create_platform: Platform | None
    index: ImageIndex | None = None
    size: int = 0
    unpacked_size: int = 0

    @property
    def pin(self) -> str:
        """The image as a person would name it to get this variant, given its platform."""
        if self.kind != "manifest" or self.reference.is_local_id:
            return self.reference.text
        # The containerd store knows what was built there by the digest of its index alone.
        is_in_store = self.create_image.startswith("sha256:")
        return self.reference.pin(self.create_image if is_in_store else self.digest)
