"""Images in the OCI layout (`image-layout.md`), in a folder or in a tar archive.

`docker buildx build --output type=oci`, `skopeo copy ... oci:`, `podman save --format oci-dir` and
`docker save` since Docker 25 write it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_multiarch.core.digest import compute_digest
from pytest_multiarch.core.errors import ImageNotFoundError, MultiarchError, UsageError
from pytest_multiarch.core.image_document import (
    Descriptor,
    parse_descriptor,
    parse_document,
    read_objects,
)
from pytest_multiarch.core.image_reader import DocumentKind, ImageReader
from pytest_multiarch.core.manifest import (
    EntryDocument,
    IndexDocument,
    StoredLayer,
    VariantManifest,
    parse_index_document,
)
from pytest_multiarch.core.reference import ImageReference

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_multiarch.core.ports import ByteStream
    from pytest_multiarch.files.image_files import ImageFiles

MARKER = "oci-layout"
"""The file by which a layout is known."""
_INDEX = "index.json"
_TAG = "org.opencontainers.image.ref.name"
_FULL_NAME = "io.containerd.image.name"
_MOST_LISTED = 20


class OciLayoutSource:
    """One image of a layout: that of a tag, a name or a digest, or the only one."""

    def __init__(self, files: ImageFiles, *, image: str = "") -> None:
        self._files = files
        self._image = image
        self._reader = ImageReader(self._read_blob, name=self.name)
        self._index: IndexDocument | None = None

    @property
    def name(self) -> str:
        """The image and where it is, for messages."""
        return f"{self._image or 'the image'} in {self._files.place}"

    def read_index(self) -> IndexDocument:
        """Read the index, or the single image as an index of one."""
        if self._index is None:
            self._index = self._mark_partial(self._read_index())
        return self._index

    def _read_index(self) -> IndexDocument:
        data = self._files.read(_INDEX)
        what = f"{_INDEX} in {self._files.place}"
        if data is None:
            raise ImageNotFoundError(
                f"there is no {what}", cure="name a folder or an archive in the OCI layout"
            )
        document = parse_document(data, what=what)
        tops = tuple(
            parse_descriptor(each, what=what)
            for each in read_objects(document, "manifests", what=what)
        )
        if not self._image and _is_one_index(tops):
            index = parse_index_document(document, digest=compute_digest(data))
            return replace(index, entries=self._reader.flatten(index.entries))
        return self._reader.read_index(choose_image(tops, self._image, place=self._files.place))

    def _mark_partial(self, index: IndexDocument) -> IndexDocument:
        """Note if the manifest of a variant is not there, as when one of several was saved."""
        there = (self._files.read(_name_blob(each.digest)) for each in index.variants)
        return replace(index, is_partial=any(data is None for data in there))

    def read_variant(self, entry: EntryDocument) -> VariantManifest:
        """Read a variant's manifest and config."""
        return self._reader.read_variant(entry)

    def open_layers(
        self, manifest: VariantManifest, layers: Iterable[StoredLayer]
    ) -> Iterator[tuple[StoredLayer, ByteStream]]:
        """Give those layers that are there."""
        del manifest
        by_path = {_name_blob(each.digest): each for each in layers}
        for path, stream in self._files.read_streams(by_path):
            yield by_path[path], stream

    def _read_blob(self, kind: DocumentKind, digest: str) -> bytes:
        del kind
        data = self._files.read(_name_blob(digest))
        if data is None:
            raise ImageNotFoundError(
                f"{self._files.place} names {digest}, but does not hold it",
                cure="save or copy the image with all its platforms (skopeo copy --all)",
            )
        return data


def _name_blob(digest: str) -> str:
    """Give a blob's path; `digest` was checked to be one as it was parsed."""
    algorithm, _, digits = digest.partition(":")
    return f"blobs/{algorithm}/{digits}"


def _is_one_index(tops: Sequence[Descriptor]) -> bool:
    """Tell a layout that is itself the index of one image from one of several images.

    Some tools name the variants right in `index.json`, each with its platform and none with a name.
    """
    has_names = any(_list_names(each) for each in tops)
    return len(tops) > 1 and not has_names and all(each.platform for each in tops)


def choose_image(tops: Sequence[Descriptor], image: str, *, place: str) -> Descriptor:
    """Pick the image of a name, or the only one.

    Raises:
        ImageNotFoundError: there is none, or none of that name.
        UsageError: there are several, and none is chosen.
    """
    fitting = [each for each in tops if not image or _is_called(each, image)]
    if len({each.digest for each in fitting}) == 1:
        return fitting[0]
    names = [", ".join(_list_names(each)) or each.digest for each in tops]
    raise explain_choice(names, image, is_ambiguous=bool(fitting), place=place)


def explain_choice(
    names: Sequence[str], image: str, *, is_ambiguous: bool, place: str
) -> MultiarchError:
    """Say which images there are, where one of them has to be chosen."""
    listed = "".join(f"\n  {name}" for name in names[:_MOST_LISTED])
    if len(names) > _MOST_LISTED:
        listed += f"\n  ... and {len(names) - _MOST_LISTED} more"
    if not names:
        return ImageNotFoundError(f"{place} holds no image", cure="build or save it again")
    if is_ambiguous:
        return UsageError(
            f"{place} holds several images:{listed}", cure=f"choose one: {place}:NAME"
        )
    return ImageNotFoundError(
        f"{place} holds no image {image}; it holds:{listed}", cure="choose one of these"
    )


def _list_names(top: Descriptor) -> tuple[str, ...]:
    """Give the names of an image, the full one first."""
    found = (top.annotations.get(each, "") for each in (_FULL_NAME, _TAG))
    return tuple(each for each in found if each)


def _is_called(top: Descriptor, image: str) -> bool:
    return image == top.digest or any(is_same_name(each, image) for each in _list_names(top))


def is_same_name(name: str, wanted: str) -> bool:
    """Tell whether two names mean one image: `app:1` is `docker.io/library/app:1`."""
    if name == wanted:
        return True
    try:
        one, other = ImageReference.parse(name), ImageReference.parse(wanted)
    except UsageError:
        return False
    return (one.registry, one.repository, one.locator) == (
        other.registry,
        other.repository,
        other.locator,
    )
