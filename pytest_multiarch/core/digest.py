"""Digests: names of content that are made of the content (OCI `descriptor.md`)."""

from __future__ import annotations

import hashlib
import re

from pytest_multiarch.core.errors import ImageError

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


def is_digest(text: str) -> bool:
    """Tell whether a text is a digest of one of the two registered algorithms.

    What is one is safe as part of a path or a URL.
    """
    return _DIGEST.fullmatch(text) is not None


def compute_digest(data: bytes, *, algorithm: str = "sha256") -> str:
    """Give the digest of some content."""
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def verify_digest(data: bytes, digest: str, *, where: str) -> None:
    """Hold content against the digest that it was asked for by.

    Raises:
        ImageError: it is other content; `where` it came from is named.
    """
    found = compute_digest(data, algorithm=digest.partition(":")[0])
    if found != digest:
        raise ImageError(
            f"{where} gives other content than {digest}: what it gives is {found}",
            cure="it was damaged on its way or where it is kept: fetch or build it again",
        )
