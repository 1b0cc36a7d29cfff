"""Registries, read over their HTTP API (OCI distribution specification, Docker Registry v2).

A client of our own, since engines do not tell the digests behind an index, and since the bytes
have to be hashed as they came.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import requests
import urllib3

from pytest_multiarch.core.errors import EngineError, ImageError, MultiarchError
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
from pytest_multiarch.core.ports import Manifest
from pytest_multiarch.engine.credentials import find_credentials
from pytest_multiarch.engine.messages import (
    explain_denied,
    explain_not_found,
    explain_rate_limit,
    explain_unreachable_registry,
)
from pytest_multiarch.engine.registry_host import RegistryHost

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_multiarch.core.reference import ImageReference

_SIZE_LIMIT = 4 * 1024 * 1024
"""No manifest may be larger (OCI distribution specification), and configs are small."""
# A registry that is not told all four answers with schema 1, or with the amd64 child.
_ACCEPT = ", ".join((*INDEX_MEDIA_TYPES, *MANIFEST_MEDIA_TYPES))


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
        data, media_type = self._fetch(reference, "manifests", reference.locator)
        digest = _hash(data)
        document = _parse(data, reference)
        if media_type in INDEX_MEDIA_TYPES or "manifests" in document:
            return parse_index(document, digest=digest)
        manifest = _parse_manifest(document, digest, reference, size=len(data))
        config = self.read_config(reference, manifest)
        entry = IndexEntry(
            platform=config.platform, digest=digest, media_type=media_type, size=len(data)
        )
        return ImageIndex(digest=digest, entries=(entry,), is_single=True)

    def read_manifest(self, reference: ImageReference, digest: str) -> Manifest:
        """Read one variant's manifest by its digest."""
        data, _ = self._fetch(reference, "manifests", digest)
        return _parse_manifest(_parse(data, reference), digest, reference, size=len(data))

    def read_config(self, reference: ImageReference, manifest: Manifest) -> ImageConfig:
        """Read one variant's config."""
        data, _ = self._fetch(reference, "blobs", manifest.config_digest)
        return parse_image_config(_parse(data, reference), digest=manifest.config_digest)

    def _fetch(self, reference: ImageReference, kind: str, locator: str) -> tuple[bytes, str]:
        """Get a document and its media type, verified if it is asked for by digest."""
        if locator in self._documents:
            return self._documents[locator], ""
        host = self._find_host(reference.registry)
        try:
            response = host.get(reference.repository, f"{kind}/{locator}", accept=_ACCEPT)
            with response:
                data = _read_bounded(response, reference)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise explain_unreachable_registry(reference.registry, error) from error
        if response.status_code >= 400:
            raise self._explain(reference, response.status_code, _read_message(data, response))
        digest = _hash(data)
        if locator.startswith("sha256:") and digest != locator:
            raise ImageError(
                f"{reference.registry} answered with other content than {locator}, for which "
                f"{reference} was asked: it has {digest}",
                cure="a proxy or a mirror in between may be broken: pull with docker and compare",
            )
        self._documents[digest] = data
        return data, response.headers.get("Content-Type", "").partition(";")[0].strip()

    def _find_host(self, registry: str) -> RegistryHost:
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


def _read_bounded(response: requests.Response, reference: ImageReference) -> bytes:
    data = b""
    # Undecoded: a Content-Encoding in between would change the digest.
    for chunk in response.raw.stream(64 * 1024, decode_content=False):
        data += chunk
        if len(data) > _SIZE_LIMIT:
            raise ImageError(
                f"{reference.registry} answered for {reference} with more than {_SIZE_LIMIT} bytes"
            )
    return data


def _read_message(data: bytes, response: requests.Response) -> str:
    try:
        errors = json.loads(data)["errors"]
        return "; ".join(str(each.get("message") or each.get("code")) for each in errors)
    except (ValueError, KeyError, TypeError, AttributeError):
        return response.reason or str(response.status_code)


def _parse(data: bytes, reference: ImageReference) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except ValueError as error:
        raise ImageError(
            f"{reference.registry} answered for {reference} with something that is not JSON"
        ) from error
    if not isinstance(document, dict):
        raise ImageError(f"{reference.registry} answered for {reference} with no JSON object")
    return document


def _parse_manifest(
    document: Mapping[str, Any], digest: str, reference: ImageReference, *, size: int
) -> Manifest:
    if document.get("schemaVersion") == 1:
        raise ImageError(
            f"{reference} is an image of Docker's schema 1, which says no platform and which no "
            "current engine runs",
            cure="build and push it again",
        )
    try:
        return Manifest(
            digest=digest,
            config_digest=str(document["config"]["digest"]),
            size=measure_variant(document, manifest_size=size),
        )
    except (KeyError, TypeError, AttributeError):
        raise ImageError(f"{digest} of {reference} is not the manifest of an image") from None


def _hash(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
