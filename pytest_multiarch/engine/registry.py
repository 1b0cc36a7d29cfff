"""Registries, read over their HTTP API (OCI distribution specification, Docker Registry v2).

A client of our own, since engines do not tell the digests behind an index, and since the bytes
have to be hashed as they came.
"""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import requests
import urllib3

from pytest_multiarch.core.digest import compute_digest, is_digest, verify_digest
from pytest_multiarch.core.errors import (
    EngineError,
    ImageError,
    ImageNotFoundError,
    MultiarchError,
)
from pytest_multiarch.core.image_document import (
    DOCUMENT_LIMIT,
    parse_document,
)
from pytest_multiarch.core.index import (
    INDEX_MEDIA_TYPES,
    MANIFEST_MEDIA_TYPES,
    ImageConfig,
    ImageIndex,
    IndexEntry,
    measure_variant,
    parse_image_config,
    parse_index,
)
from pytest_multiarch.core.manifest import is_index_document, parse_config_digest
from pytest_multiarch.core.ports import Manifest
from pytest_multiarch.engine.credentials import find_credentials
from pytest_multiarch.engine.messages import (
    describe_cause,
    explain_denied,
    explain_not_found,
    explain_rate_limit,
    explain_unreachable_registry,
)
from pytest_multiarch.engine.registry_host import RegistryHost

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_multiarch.core.image_reader import DocumentKind
    from pytest_multiarch.core.ports import ByteStream
    from pytest_multiarch.core.reference import ImageReference

# A registry that is not told all four answers with schema 1, or with the amd64 child.
ACCEPT = ", ".join((*INDEX_MEDIA_TYPES, *MANIFEST_MEDIA_TYPES))

_DOCUMENT_PATIENCE_S = 120.0


class RegistryClient:
    """A `Registry` with the user's own credentials.

    `insecure` are hosts and CIDR blocks that may be spoken to without TLS, beside loopback.
    """

    def __init__(self, environ: Mapping[str, str], *, insecure: Iterable[str] = ()) -> None:
        self._environ = environ
        self._insecure = tuple(insecure)
        self._hosts: dict[str, RegistryHost] = {}
        # Content named by its own digest never changes.
        self._documents: dict[str, bytes] = {}

    def read_index(self, reference: ImageReference) -> ImageIndex:
        """Read what is behind a reference: an index, or a single image as an index of one."""
        data, media_type = self.fetch_document(reference, "manifests", reference.locator)
        digest = compute_digest(data)
        document = _parse(data, reference)
        if is_index_document(document, what=f"{digest} of {reference}"):
            return parse_index(document, digest=digest)
        manifest = _parse_manifest(document, digest, reference, size=len(data))
        config = self.read_config(reference, manifest)
        entry = IndexEntry(
            platform=config.platform, digest=digest, media_type=media_type, size=len(data)
        )
        return ImageIndex(digest=digest, entries=(entry,), is_single=True)

    def read_manifest(self, reference: ImageReference, digest: str) -> Manifest:
        """Read one variant's manifest by its digest."""
        data, _ = self.fetch_document(reference, "manifests", digest)
        return _parse_manifest(_parse(data, reference), digest, reference, size=len(data))

    def read_config(self, reference: ImageReference, manifest: Manifest) -> ImageConfig:
        """Read one variant's config."""
        data, _ = self.fetch_document(reference, "blobs", manifest.config_digest)
        return parse_image_config(_parse(data, reference), digest=manifest.config_digest)

    def fetch_document(
        self, reference: ImageReference, kind: DocumentKind, locator: str
    ) -> tuple[bytes, str]:
        """Get a document and its media type, verified if it is asked for by digest.

        Of a document that was there before the media type is not told.
        """
        if locator in self._documents:
            return self._documents[locator], ""
        with _explain_transport(reference), self._get(reference, kind, locator) as response:
            data = read_bounded(response, reference)
        if is_digest(locator):
            verify_digest(data, locator, where=f"{reference.registry} (asked for {reference})")
        self._documents[locator if is_digest(locator) else compute_digest(data)] = data
        return data, response.headers.get("Content-Type", "").partition(";")[0].strip()

    @contextmanager
    def open_blob(self, reference: ImageReference, digest: str) -> Iterator[ByteStream]:
        """Stream a blob as it is stored; it is not verified.

        Raises:
            ImageNotFoundError, ImageAccessError, EngineError: as the registry says; reading on
                raises `EngineError` if the registry breaks off.
        """
        with _explain_transport(reference):
            response = self._get(reference, "blobs", digest)
        with response:
            yield _BlobStream(response, reference)

    def _get(
        self, reference: ImageReference, kind: DocumentKind, locator: str
    ) -> requests.Response:
        host = self.find_host(reference.registry)
        response = host.get(reference.repository, f"{kind}/{locator}", accept=ACCEPT)
        if response.status_code < 400:
            return response
        with response:
            text = read_message(read_bounded(response, reference), response)
        if response.status_code == 404 and is_digest(locator) and locator != reference.digest:
            raise ImageNotFoundError(
                f"{reference.registry} does not have {locator}, which {reference} is made of: "
                f"{text}",
                cure="push the image again, with all its platforms",
            )
        raise self._explain(reference, response.status_code, text)

    def find_host(self, registry: str) -> RegistryHost:
        """Give the host of a registry, with the user's credentials."""
        if registry not in self._hosts:
            self._hosts[registry] = RegistryHost(
                registry,
                insecure=self._insecure,
                lookup=find_credentials(self._environ, registry),
            )
        return self._hosts[registry]

    def _explain(self, reference: ImageReference, status: int, text: str) -> MultiarchError:
        registry = reference.registry
        if status in (401, 403):
            problem = self._hosts[registry].lookup.problem
            return explain_denied(
                text, reference=str(reference), registry=registry, problem=problem
            )
        if status == 404:
            return explain_not_found(f"{registry} says {text}", reference=str(reference))
        if status == 429:
            return explain_rate_limit(text, reference=str(reference), registry=registry)
        return EngineError(
            f"{registry} could not give {reference}: {status} {text}",
            cure="try again later, or ask who runs the registry",
        )


def read_bounded(response: requests.Response, reference: ImageReference) -> bytes:
    """Read an answer that is a document.

    Raises:
        ImageError: it is larger than any document is.
        EngineError: it comes too slowly.
    """
    data = b""
    deadline = time.monotonic() + _DOCUMENT_PATIENCE_S
    # Undecoded: a Content-Encoding in between would change the digest.
    for chunk in response.raw.stream(64 * 1024, decode_content=False):
        data += chunk
        if len(data) > DOCUMENT_LIMIT:
            raise ImageError(
                f"{reference.registry} answered for {reference} with more than {DOCUMENT_LIMIT} "
                "bytes"
            )
        if time.monotonic() > deadline:
            raise EngineError(
                f"{reference.registry} has not answered for {reference} in full within "
                f"{_DOCUMENT_PATIENCE_S:.0f} s",
                cure="try again later, or ask who runs the registry",
            )
    return data


def read_message(data: bytes, response: requests.Response) -> str:
    """Give the words of a refusal."""
    try:
        errors = json.loads(data)["errors"]
        return "; ".join(str(each.get("message") or each.get("code")) for each in errors)
    except (ValueError, KeyError, TypeError, AttributeError):
        return response.reason or str(response.status_code)


def _parse(data: bytes, reference: ImageReference) -> dict[str, Any]:
    return parse_document(data, what=f"what {reference.registry} answered for {reference}")


def _parse_manifest(
    document: Mapping[str, Any], digest: str, reference: ImageReference, *, size: int
) -> Manifest:
    what = f"{digest} of {reference}"
    if is_index_document(document, what=what):
        raise ImageError(f"{what} is an index, expected the manifest of an image")
    return Manifest(
        digest=digest,
        config_digest=parse_config_digest(document, digest=digest),
        size=measure_variant(document, manifest_size=size, what=what),
    )


@contextmanager
def _explain_transport(reference: ImageReference) -> Iterator[None]:
    try:
        yield
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise explain_unreachable_registry(reference.registry, error) from error


class _BlobStream:
    """The content of a blob as it comes."""

    def __init__(self, response: requests.Response, reference: ImageReference) -> None:
        self._raw = response.raw
        self._reference = reference

    def read(self, size: int, /) -> bytes:
        """Give at most `size` bytes, none at the end."""
        try:
            # Undecoded: a Content-Encoding in between would change the digest.
            data: bytes = self._raw.read(size, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise EngineError(
                f"{self._reference.registry} broke off while {self._reference} was fetched: "
                f"{describe_cause(error)}",
                cure="try again; a proxy in between may limit how much or how long is fetched",
            ) from error
        return data
