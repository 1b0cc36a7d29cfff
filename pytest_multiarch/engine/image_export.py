"""Exports of an engine's images (`docker save`), read as they stream by.

The containerd store gives an OCI layout with the blobs as they were pulled, in the order of their
digests; the classic store gives its layers unpacked, since Docker 25 in an OCI layout too, before
under names that only `manifest.json` at the end explains.
"""

from __future__ import annotations

import contextlib
import json
import re
import tarfile
from typing import TYPE_CHECKING, BinaryIO, cast
from urllib.parse import quote

from pytest_multiarch.core.digest import compute_digest
from pytest_multiarch.core.errors import EngineError
from pytest_multiarch.core.image_document import DOCUMENT_LIMIT
from pytest_multiarch.engine.archive import iterate_files
from pytest_multiarch.engine.connection import STREAM_TIMEOUT_S, Connection, hang_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.ports import ByteStream

_API_WITH_LAYOUT = (1, 44)
_API_WITH_PLATFORM = (1, 48)
_KEPT_SIZE = 256 * 1024
_MANIFEST_FILE = "manifest.json"
_BLOB = re.compile(r"(?:blobs/sha256/)?([0-9a-f]{64})(?:\.json)?")


class ImageExports:
    """The exports of one engine. Exports are slow (40 MB/s), since the engine hashes what it sends.

    Documents are kept: content named by its own digest never changes, whatever becomes of the
    image.
    """

    def __init__(self, connection: Connection, *, has_containerd_store: bool) -> None:
        self._connection = connection
        self._is_sorted = has_containerd_store
        self._has_platforms = has_containerd_store and (
            connection.api_version >= _API_WITH_PLATFORM
        )
        self.is_legacy = connection.api_version < _API_WITH_LAYOUT
        """Whether `manifest.json` alone tells which file is which layer."""
        self._documents: dict[str, bytes] = {}
        self._manifest_files: dict[str, bytes] = {}
        self._large: set[str] = set()
        self._blobs: dict[str, frozenset[str]] = {}
        self._scanned: set[tuple[str, Platform | None]] = set()

    def read_documents(
        self, image_id: str, digests: Iterable[str], *, platform: Platform | None = None
    ) -> Mapping[str, bytes]:
        """Read JSON documents by digest, as far as they are there; a manifest's config is kept too.

        `platform` narrows the export to one variant, where the engine can do that.
        """
        wanted = set(digests)
        missing = wanted - self._documents.keys()
        is_scanned = self._narrow(image_id, platform) in self._scanned
        if missing and (not is_scanned or missing & self._large):
            self._scan(image_id, platform, wanted)
        return {digest: self._documents[digest] for digest in wanted & self._documents.keys()}

    def read_all_documents(self, image_id: str) -> frozenset[str]:
        """Read all documents of an image, so that no other export is needed for them.

        Gives the digests of all that the export holds.
        """
        if (image_id, None) not in self._scanned:
            self._scan(image_id, None, None)
        return self._blobs.get(image_id, frozenset())

    def read_manifest_file(self, image_id: str) -> bytes:
        """Read `manifest.json`, which is the last file of an export; empty if there is none."""
        self.read_all_documents(image_id)
        return self._manifest_files.get(image_id, b"")

    def stream_blobs(
        self, image_id: str, digests: Iterable[str], *, platform: Platform | None = None
    ) -> Iterator[tuple[str, ByteStream]]:
        """Give blobs by digest as they stream by; hang up as soon as there can be no more."""
        wanted = set(digests)
        last = max(wanted, default="") if self._is_sorted else ""
        for name, _, content in self.stream_files(image_id, platform=platform):
            digest = read_digest(name)
            if digest in wanted:
                wanted.discard(digest)
                yield digest, content
            if not wanted or (last and digest >= last):
                return

    def stream_files(
        self, image_id: str, *, platform: Platform | None = None
    ) -> Iterator[tuple[str, int, ByteStream]]:
        """Give (name, size, content) of the files of an export; leaving off hangs up."""
        _, platform = self._narrow(image_id, platform)
        response = self._connection.request(
            "GET",
            f"/images/{quote(image_id, safe='/:@')}/get",
            params={"platform": write_platform(platform)} if platform else None,
            timeout_s=STREAM_TIMEOUT_S,
            is_stream=True,
        )
        with hang_up(response), self._guard():
            for name, size, content in iterate_files(cast("BinaryIO", response)):
                yield name, size, _GuardedStream(content, self._guard)

    def _narrow(self, image_id: str, platform: Platform | None) -> tuple[str, Platform | None]:
        return image_id, platform if self._has_platforms else None

    def _scan(self, image_id: str, platform: Platform | None, wanted: set[str] | None) -> None:
        """Keep the documents of an export until all wanted are there; all of them if None."""
        seen: set[str] = set()
        for name, size, content in self.stream_files(image_id, platform=platform):
            digest = read_digest(name)
            seen.add(digest)
            if name == _MANIFEST_FILE and size <= DOCUMENT_LIMIT:
                self._manifest_files[image_id] = content.read(size)
            elif digest and size <= DOCUMENT_LIMIT:
                is_wanted = wanted is not None and digest in wanted
                self._keep(digest, size, content, is_wanted=is_wanted)
                if is_wanted and wanted is not None:
                    wanted |= self._find_config(digest)
            if wanted is not None and self._is_done(wanted, digest):
                return
        if self._narrow(image_id, platform)[1] is None:
            self._blobs[image_id] = frozenset(seen)
        self._scanned.add(self._narrow(image_id, platform))

    def _is_done(self, wanted: set[str], digest: str) -> bool:
        is_past = self._is_sorted and digest >= max(wanted, default="")
        return is_past or wanted <= self._documents.keys()

    def _keep(self, digest: str, size: int, content: ByteStream, *, is_wanted: bool) -> None:
        if size > _KEPT_SIZE and not is_wanted:
            self._large.add(digest)
            return
        data = content.read(size)
        if data[:1] == b"{" and digest == compute_digest(data):
            self._documents[digest] = data

    def _find_config(self, digest: str) -> set[str]:
        """Give the digest of a manifest's config: nobody wants the one without the other."""
        try:
            found = json.loads(self._documents[digest])["config"]["digest"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return set()
        return {found} if isinstance(found, str) else set()

    @contextlib.contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            with self._connection.guard():
                yield
        except tarfile.TarError as error:
            raise EngineError(
                f"{self._connection.endpoint.url} broke off the export of an image: {error}",
                cure="look at the engine's own log (journalctl -u docker), and pull or load the "
                "image again",
            ) from error


class _GuardedStream:
    """A file of an export, whose errors are ours."""

    def __init__(
        self, content: BinaryIO, guard: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._content = content
        self._guard = guard

    def read(self, size: int, /) -> bytes:
        """Give at most `size` bytes, none at the end."""
        with self._guard():
            return self._content.read(size)


def read_digest(name: str) -> str:
    """Give the digest that a file of an export is named by; empty if it is none."""
    found = _BLOB.fullmatch(name)
    return f"sha256:{found.group(1)}" if found else ""


def write_platform(platform: Platform) -> str:
    """Write a platform as the API takes it."""
    document = {"os": platform.os, "architecture": platform.architecture}
    return json.dumps(document | ({"variant": platform.variant} if platform.variant else {}))
