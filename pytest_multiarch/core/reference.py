"""Image references: `[registry/]repository[:tag][@digest]`, as Docker reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pytest_multiarch.core.errors import UsageError

DEFAULT_REGISTRY = "docker.io"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+|/)[a-z0-9]+)*\Z")
_REGISTRY = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(?::[0-9]+)?\Z")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
_ID = re.compile(r"(?:sha256:)?[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True)
class ImageReference:
    """A parsed reference.

    `registry` and `repository` are canonical (`docker.io`, `library/redis`); `text` is what the
    user wrote. An image named by its id alone (`sha256:...`) has only a digest.
    """

    text: str
    registry: str
    repository: str
    tag: str
    digest: str

    @classmethod
    def parse(cls, text: str) -> ImageReference:
        """Read a reference.

        Raises:
            UsageError: the text is not a reference; the offending part is named.
        """
        if _ID.match(text):
            return cls(text, "", "", "", text if ":" in text else f"sha256:{text}")
        name, at, digest = text.partition("@")
        if at and not _DIGEST.match(digest):
            raise _refuse(text, f"{digest!r} is not a digest (sha256: and 64 hexadecimal digits)")
        head, slash, last = name.rpartition("/")
        last, colon, tag = last.partition(":")
        if colon and not _TAG.match(tag):
            raise _refuse(text, f"{tag!r} is not a tag")
        registry, repository = _split_registry(f"{head}{slash}{last}")
        if not _REGISTRY.match(registry):
            raise _refuse(text, f"{registry!r} is not a registry host")
        if not _REPOSITORY.match(repository):
            why = "names are lower case" if repository != repository.lower() else "not a name"
            raise _refuse(text, f"{repository!r}: {why}")
        return cls(text, registry, repository, tag, digest)

    @property
    def is_local_id(self) -> bool:
        """Whether the image is named by its id alone, so that no registry can have it."""
        return not self.repository

    @property
    def name(self) -> str:
        """The familiar name without tag and digest: `redis`, `ghcr.io/acme/app`."""
        if self.registry != DEFAULT_REGISTRY:
            return f"{self.registry}/{self.repository}"
        return self.repository.removeprefix("library/")

    @property
    def locator(self) -> str:
        """The tag or the digest, as a registry's manifest endpoint takes it; `latest` if none."""
        return self.digest or self.tag or "latest"

    def pin(self, digest: str) -> str:
        """Name exactly one manifest of the repository: `name@sha256:...`."""
        return f"{self.name}@{digest}"

    def __str__(self) -> str:
        return self.text


def _split_registry(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if slash and (any(c in first for c in ".:") or first == "localhost"):
        registry = DEFAULT_REGISTRY if first in ("index.docker.io", DEFAULT_REGISTRY) else first
        repository = rest
    else:
        registry, repository = DEFAULT_REGISTRY, name
    if registry == DEFAULT_REGISTRY and "/" not in repository:
        repository = f"library/{repository}"
    return registry, repository


def _refuse(text: str, why: str) -> UsageError:
    return UsageError(
        f"{text!r} is not an image reference: {why}",
        cure="write [registry/]name[:tag][@sha256:...], for example ghcr.io/acme/app:1.4",
    )
