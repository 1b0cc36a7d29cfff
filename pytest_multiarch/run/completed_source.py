"""An image that an engine has in part, with what it lacks from where it was pulled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_multiarch.core.errors import EngineError, ImageError, ImageNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pytest_multiarch.core.manifest import (
        EntryDocument,
        IndexDocument,
        StoredLayer,
        VariantManifest,
    )
    from pytest_multiarch.core.ports import ByteStream, ImageSource


class CompletedSource:
    """An `ImageSource` of two: `near` says what the image is, `far` gives what is not there.

    Content is named by its digest, so that it is the same wherever it comes from. `far` is opened
    when it is needed.
    """

    def __init__(self, near: ImageSource, open_far: Callable[[], ImageSource]) -> None:
        self._near = near
        self._open_far = open_far
        self._opened: ImageSource | None = None
        self._from_far: set[str] = set()

    @property
    def name(self) -> str:
        """The image and where it is, for messages."""
        if not self._from_far or self._opened is None:
            return self._near.name
        return f"{self._near.name}; the rest: {self._opened.name}"

    @property
    def _far(self) -> ImageSource:
        if self._opened is None:
            self._opened = self._open_far()
        return self._opened

    def read_index(self) -> IndexDocument:
        """Read the index, as `near` has it."""
        return self._near.read_index()

    def read_variant(self, entry: EntryDocument) -> VariantManifest:
        """Read a variant's manifest and config.

        Raises:
            ImageNotFoundError: neither has it; the message is of `near`, and why `far` has not.
        """
        if entry.digest in self._from_far:
            return self._far.read_variant(entry)
        try:
            return self._near.read_variant(entry)
        except ImageNotFoundError as error:
            manifest = self._fetch(entry, error)
        self._from_far.add(entry.digest)
        return manifest

    def _fetch(self, entry: EntryDocument, missing: ImageNotFoundError) -> VariantManifest:
        try:
            return self._far.read_variant(entry)
        except (ImageError, EngineError) as error:
            raise ImageNotFoundError(
                f"{missing.what}; nor can it be had from elsewhere: {error.headline}",
                cure=missing.cure,
            ) from None

    def open_layers(
        self, manifest: VariantManifest, layers: Iterable[StoredLayer]
    ) -> Iterator[tuple[StoredLayer, ByteStream]]:
        """Give those layers of a variant as they are stored, unverified, in whichever order."""
        source = self._far if manifest.digest in self._from_far else self._near
        yield from source.open_layers(manifest, layers)
