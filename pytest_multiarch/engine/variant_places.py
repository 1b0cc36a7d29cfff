"""Where tested variants are looked up again: a registry, an engine."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pytest_multiarch.core.build import name_apart
from pytest_multiarch.core.errors import ImageNotFoundError
from pytest_multiarch.core.ports import FoundVariant
from pytest_multiarch.core.reference import ImageReference
from pytest_multiarch.engine.image_source import (
    ClassicSource,
    ContainerdSource,
    open_engine_image,
)
from pytest_multiarch.engine.packed_image import PackedImage
from pytest_multiarch.engine.registry_source import RegistrySource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pytest_multiarch.core.image_reader import DocumentKind
    from pytest_multiarch.core.manifest import EntryDocument
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.ports import ByteStream, ImageSource
    from pytest_multiarch.core.publishing import TestedVariant
    from pytest_multiarch.engine.docker_api import DockerEngine
    from pytest_multiarch.engine.images import ImageStore
    from pytest_multiarch.engine.registry import RegistryClient


class RegistryPlace:
    """The registries that the tested references name."""

    def __init__(self, client: RegistryClient) -> None:
        self._client = client

    @property
    def name(self) -> str:
        """What it is, for messages."""
        return "its registry"

    def find(self, tested: TestedVariant) -> FoundVariant:
        """Find a variant by its digest; by its config's where its manifest was not known."""
        reference = _parse_name(tested)
        content = _RegistryContent(self._client, reference)
        if tested.kind == "manifest":
            content.read_document("manifests", tested.digest)
            return FoundVariant(digest=tested.digest, content=content, index=tested.index)
        source = RegistrySource(self._client, reference)
        entry = _find_by_config(source, tested)
        index = source.read_index()
        return FoundVariant(
            digest=entry.digest, content=content, index="" if index.is_single else index.digest
        )

    def read_current(self, tested: TestedVariant) -> str | None:
        """Give what the reference now names for the platform."""
        reference = _parse_name(tested)
        if reference.digest:
            return None
        try:
            return _read_current(RegistrySource(self._client, reference), tested)
        except ImageNotFoundError:
            return None


class _RegistryContent:
    """The content of a repository."""

    def __init__(self, client: RegistryClient, reference: ImageReference) -> None:
        self._client = client
        self._reference = reference

    @property
    def name(self) -> str:
        """The repository."""
        return self._reference.name

    @property
    def repository(self) -> tuple[str, str]:
        """The registry and the repository it is in."""
        return self._reference.registry, self._reference.repository

    def read_document(self, kind: DocumentKind, digest: str) -> bytes:
        """Read a document, verified."""
        return self._client.fetch_document(self._reference, kind, digest)[0]

    def stream_blobs(self, digests: Iterable[str]) -> Iterator[tuple[str, ByteStream]]:
        """Give blobs one after the other."""
        for digest in digests:
            with self._client.open_blob(self._reference, digest) as stream:
                yield digest, stream


class EnginePlace:
    """The images of one engine. `close` removes what was packed to be pushed."""

    def __init__(self, store: ImageStore, *, address: str) -> None:
        self._store = store
        self._address = address
        self._stack = ExitStack()

    @property
    def name(self) -> str:
        """The engine."""
        return self._address

    def find(self, tested: TestedVariant) -> FoundVariant:
        """Find a variant by its digest, or by that of the index that it was found by.

        The same may have been built again since: it then is in another index, under its name.
        """
        digests = (tested.index, tested.digest, tested.config_digest)
        pins = (f"{tested.pin}",) if "@" in tested.pin else ()
        names = (*pins, *digests) if tested.kind == "manifest" else (tested.digest, tested.pin)
        if "@" not in tested.reference:
            names += name_apart(tested.reference, tested.platform), tested.reference
        for name in dict.fromkeys(filter(None, names)):
            if self._store.inspect(name) is None:
                continue
            source = open_engine_image(self._store, name, address=self._address)
            found = self._take(tested, source)
            if found is not None:
                return found
        raise ImageNotFoundError(
            f"{self._address} does not have {tested.digest}",
            cure="build it again, and test that",
        )

    def _take(self, tested: TestedVariant, source: ImageSource) -> FoundVariant | None:
        if isinstance(source, ClassicSource):
            if tested.kind != "config" or source.id != tested.digest:
                return None
            folder = self._stack.enter_context(TemporaryDirectory(prefix="pytest-multiarch-"))
            image = PackedImage(source, Path(folder))
            return FoundVariant(digest=image.digest, content=image)
        if not isinstance(source, ContainerdSource):
            return None
        index = source.read_index()
        if tested.kind == "config":
            entry = _find_by_config(source, tested)
        else:
            named = [each for each in index.variants if each.digest == tested.digest]
            if not named:
                return None
            entry = named[0]
        source.read_variant(entry)
        return FoundVariant(
            digest=entry.digest,
            content=_EngineContent(source),
            index="" if index.is_single else index.digest,
        )

    def read_current(self, tested: TestedVariant) -> str | None:
        """Give what the reference now names for the platform."""
        if "@" in tested.reference:
            return None
        # An engine that keeps one platform under a name has what was built under one for each.
        found = None
        for name in (name_apart(tested.reference, tested.platform), tested.reference):
            if self._store.inspect(name) is None:
                continue
            source = open_engine_image(self._store, name, address=self._address)
            found = _read_current(source, tested)
            if found:
                break
        return found

    def close(self) -> None:
        """Remove what was packed."""
        self._stack.close()


class NodePlace:
    """The images of a platform's own node, which is connected to when it is first asked."""

    def __init__(self, connect: Callable[[], DockerEngine]) -> None:
        self._connect = connect
        self._stack = ExitStack()
        self._opened: EnginePlace | None = None

    @property
    def name(self) -> str:
        """The node."""
        return self._place.name

    @property
    def _place(self) -> EnginePlace:
        if self._opened is None:
            engine = self._stack.enter_context(closing(self._connect()))
            self._opened = self._stack.enter_context(closing(engine.open_place()))
        return self._opened

    def find(self, tested: TestedVariant) -> FoundVariant:
        """Find a variant as in any engine."""
        return self._place.find(tested)

    def read_current(self, tested: TestedVariant) -> str | None:
        """Give what the reference now names for the platform."""
        return self._place.read_current(tested)

    def close(self) -> None:
        """Remove what was packed, and let go of the connection."""
        self._stack.close()


class _EngineContent:
    """The content of an image of the containerd store."""

    def __init__(self, source: ContainerdSource) -> None:
        self._source = source

    @property
    def name(self) -> str:
        """The image and where it is."""
        return self._source.name

    @property
    def repository(self) -> tuple[str, str]:
        """None: it is in no registry."""
        return "", ""

    def read_document(self, kind: DocumentKind, digest: str) -> bytes:
        """Read a document, verified."""
        return self._source.read_document(kind, digest)

    def stream_blobs(self, digests: Iterable[str]) -> Iterator[tuple[str, ByteStream]]:
        """Give blobs in the order of an export."""
        return self._source.stream_blobs(digests)


def _parse_name(tested: TestedVariant) -> ImageReference:
    reference = ImageReference.parse(tested.reference)
    if reference.is_local_id:
        raise ImageNotFoundError(f"{reference} is an id, which no registry knows")
    return reference


def _find_by_config(source: ImageSource, tested: TestedVariant) -> EntryDocument:
    """Find the entry whose config is the tested one.

    Raises:
        ImageNotFoundError: there is none.
    """
    for entry in _list_entries(source, tested.platform):
        if source.read_variant(entry).config.digest == tested.digest:
            return entry
    raise ImageNotFoundError(f"{source.name} has no variant with the config {tested.digest}")


def _read_current(source: ImageSource, tested: TestedVariant) -> str:
    """Give the digest of an image's variant for the tested platform, of the tested kind."""
    found = []
    for entry in _list_entries(source, tested.platform):
        is_config = tested.kind == "config"
        found.append(source.read_variant(entry).config.digest if is_config else entry.digest)
    return tested.digest if tested.digest in found else next(iter(found), "")


def _list_entries(source: ImageSource, platform: Platform) -> list[EntryDocument]:
    return [each for each in source.read_index().variants if each.platform == platform]
