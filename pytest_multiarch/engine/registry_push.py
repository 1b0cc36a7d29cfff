"""Pushing to a registry (OCI distribution specification, `Pushing manifests` and `Pushing blobs`).

A blob goes in one stream after its upload was begun, as Docker sends it. What is read back comes
from the registry each time, never from memory.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import requests
import urllib3

from pytest_multiarch.core.digest import compute_digest, is_digest, verify_digest
from pytest_multiarch.core.errors import EngineError, ImageError, UsageError
from pytest_multiarch.engine.messages import describe_cause, explain_push_denied
from pytest_multiarch.engine.registry import ACCEPT, RegistryClient, read_bounded, read_message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.core.ports import ByteStream
    from pytest_multiarch.core.reference import ImageReference

_BYTES = "application/octet-stream"
_REDIRECTS = range(300, 400)
_COULD_NOT = "try again later, or ask who runs the registry; the tag is as it was"


class RegistryTarget:
    """One tag of one repository. A reference with a digest is no tag: a `UsageError`."""

    def __init__(self, client: RegistryClient, reference: ImageReference) -> None:
        if reference.digest:
            raise UsageError(
                f"--tag {reference} names a digest, which nobody can choose",
                cure="write a name and a tag, for example ghcr.io/acme/app:1.4",
            )
        self._reference = reference
        self._client = client
        self._scopes: tuple[str, ...] = (f"repository:{reference.repository}:pull,push",)

    @property
    def name(self) -> str:
        """The tag, as the user wrote it."""
        return f"{self._reference.name}:{self._reference.locator}"

    @property
    def repository(self) -> tuple[str, str]:
        """The registry and the repository."""
        return self._reference.registry, self._reference.repository

    def pin(self, digest: str) -> str:
        """Name exactly one manifest of the repository."""
        return self._reference.pin(digest)

    def read_tag(self) -> str:
        """Give the digest of what the tag names now; empty for nothing."""
        with self._ask("GET", f"manifests/{self._reference.locator}", accepts=(404,)) as response:
            if response.status_code == 404:
                return ""
            return compute_digest(read_bounded(response, self._reference))

    def read_manifest(self, digest: str) -> bytes:
        """Read back what is under a digest, verified."""
        with self._ask("GET", f"manifests/{digest}", accepts=(404,)) as response:
            data = read_bounded(response, self._reference)
            if response.status_code == 404:
                raise ImageError(
                    f"the registry {self._reference.registry} took {digest} and does not have it",
                    cure=_COULD_NOT,
                )
        verify_digest(data, digest, where=f"the registry {self._reference.registry}")
        return data

    def check_access(self) -> None:
        """Find out whether one may push, by an upload that is begun and called off."""
        self._cancel(self._begin_upload())

    def has_blob(self, digest: str) -> bool:
        """Tell whether the repository has a blob."""
        with self._ask("HEAD", f"blobs/{digest}", accepts=(404,)) as response:
            return response.status_code == 200

    def mount_blob(self, digest: str, repository: str) -> bool:
        """Take a blob over from another repository; what cannot be is sent instead."""
        query = urlencode({"mount": digest, "from": repository})
        scopes = (*self._scopes, f"repository:{repository}:pull")
        denied = (400, 401, 403, 404, 405)  # one may not read there, or it knows no mounting
        url = self._locate(f"blobs/uploads/?{query}")
        with self._ask("POST", url, scopes=scopes, accepts=denied) as response:
            if response.status_code == 202:  # an upload was begun in place of it
                with suppress(EngineError):
                    self._cancel(self._find_location(response, url))
            return response.status_code == 201

    def put_blob(self, digest: str, size: int, stream: ByteStream) -> None:
        """Send a blob; an upload that fails is called off."""
        location = self._begin_upload()
        try:
            if size:
                body = _Upload(stream, digest, size, where=self._reference.registry)
                headers = {"Content-Type": _BYTES}
                with self._ask("PATCH", location, headers=headers, body=body) as response:
                    location = self._find_location(response, location)
            with self._ask("PUT", _add_query(location, digest=digest)):
                return
        except BaseException:
            self._cancel(location)
            raise

    def put_manifest(self, digest: str, media_type: str, data: bytes) -> None:
        """Send a manifest or an index under its digest."""
        self._put(digest, media_type, data)

    def put_tag(self, media_type: str, data: bytes) -> None:
        """Have the tag name a manifest or an index that was sent before."""
        self._put(self._reference.locator, media_type, data)

    def _put(self, locator: str, media_type: str, data: bytes) -> None:
        headers = {"Content-Type": media_type}
        with self._ask("PUT", f"manifests/{locator}", headers=headers, body=data):
            return

    def _begin_upload(self) -> str:
        url = self._locate("blobs/uploads/")
        with self._ask("POST", url) as response:
            return self._find_location(response, url)

    def _cancel(self, location: str) -> None:
        """Call an upload off; registries also forget those that nobody ends."""
        with suppress(EngineError, ImageError), self._ask("DELETE", location):
            return

    def _find_location(self, response: requests.Response, url: str) -> str:
        location = response.headers.get("Location", "")
        host = self._client.find_host(self._reference.registry)
        if not location:
            raise EngineError(
                f"the registry {self._reference.registry} does not say where to send content to",
                cure=_COULD_NOT,
            )
        with self._explain_transport():
            return host.resolve(url, location)

    def _locate(self, path: str) -> str:
        with self._explain_transport():
            host = self._client.find_host(self._reference.registry)
            return host.locate(self._reference.repository, path)

    @contextmanager
    def _ask(
        self,
        method: str,
        where: str,
        *,
        headers: dict[str, str] | None = None,
        body: Any = None,
        scopes: tuple[str, ...] = (),
        accepts: tuple[int, ...] = (),
    ) -> Iterator[requests.Response]:
        """Send a request, to a URL or a path; statuses of errors that are not accepted raise."""
        url = where if "://" in where else self._locate(where)
        host = self._client.find_host(self._reference.registry)
        with self._explain_transport():
            response = host.send(
                method,
                url,
                scopes=scopes or self._scopes,
                headers={"Accept": ACCEPT, **(headers or {})},
                body=body,
            )
            with response:
                status = response.status_code
                if status not in accepts and (status >= 400 or status in _REDIRECTS):
                    raise self._explain(response)
                yield response

    def _explain(self, response: requests.Response) -> Exception:
        registry, status = self._reference.registry, response.status_code
        if status in _REDIRECTS:
            return EngineError(
                f"the registry {registry} sends what is pushed elsewhere ({status}), which is not "
                "followed",
                cure=_COULD_NOT,
            )
        text = read_message(read_bounded(response, self._reference), response)
        if status in (401, 403):
            lookup = self._client.find_host(registry).lookup
            return explain_push_denied(
                text,
                reference=self.name,
                registry=registry,
                has_login=lookup.credentials is not None,
                problem=lookup.problem,
            )
        return EngineError(
            f"the registry {registry} does not take {self.name}: {status} {text}", cure=_COULD_NOT
        )

    @contextmanager
    def _explain_transport(self) -> Iterator[None]:
        try:
            yield
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise EngineError(
                f"the registry {self._reference.registry} broke off, or cannot be reached: "
                f"{describe_cause(error)}",
                cure="publish again: what it has already is not sent again; check the network and "
                "the proxy settings if it goes on",
            ) from error


def _add_query(url: str, **fields: str) -> str:
    parts = urlsplit(url)
    query = "&".join(filter(None, (parts.query, urlencode(fields))))
    return urlunsplit(parts._replace(query=query))


class _Upload:
    """The body of a request: a stream of a known size, held against its digest as it is sent."""

    def __init__(self, stream: ByteStream, digest: str, size: int, *, where: str) -> None:
        if not is_digest(digest):
            raise ImageError(f"{digest[:80]!r} is no digest")
        self._stream = stream
        self._digest = digest
        self._size = size
        self._where = where
        self._hash = hashlib.new(digest.partition(":")[0])
        self._done = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.read(64 * 1024):
            yield piece

    def read(self, size: int = -1, /) -> bytes:
        """Give at most `size` bytes; the last only if all of them are what the digest says."""
        left = self._size - self._done
        if left <= 0:
            return b""
        data = self._stream.read(min(left, size) if size > 0 else min(left, 64 * 1024))
        self._done += len(data)
        self._hash.update(data)
        if not data or self._done == self._size:
            self._check()
        return data

    def _check(self) -> None:
        found = f"{self._hash.name}:{self._hash.hexdigest()}"
        if self._done != self._size or self._stream.read(1) or found != self._digest:
            raise ImageError(
                f"what was to be pushed to {self._where} is not {self._digest} with {self._size} "
                "bytes, but something else",
                cure="it was damaged where it is kept: pull or build it again, and test that",
            )
