"""Documents of images: JSON from outside, and digests."""

from __future__ import annotations

import pytest

from pytest_multiarch.core.digest import compute_digest, is_digest, verify_digest
from pytest_multiarch.core.errors import ImageError
from pytest_multiarch.core.image_document import (
    DOCUMENT_LIMIT,
    parse_document,
    parse_documents,
    read_number,
)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff\xfe",
        b'{"a":' + b"[" * 100_000,
        b'{"a":' + b"9" * 10_000 + b"}",
    ],
    ids=["nothing", "list", "null", "cut", "bytes", "deep", "number"],
)
def test_what_is_no_object_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError, match="the config is not an object in JSON"):
        parse_document(data, what="the config")


def test_no_document_is_larger_than_a_registry_takes() -> None:
    with pytest.raises(ImageError, match="no document of an image is so large"):
        parse_document(b" " * (DOCUMENT_LIMIT + 1), what="the config")


def test_a_list_holds_objects_only() -> None:
    assert parse_documents(b'[{"a":1}]', what="it") == ({"a": 1},)
    with pytest.raises(ImageError, match="holds a whole number, expected an object"):
        parse_documents(b"[1]", what="it")


@pytest.mark.parametrize("value", [-1, 2**63, 10**4000])
def test_a_size_is_one_that_files_can_have(value: int) -> None:
    with pytest.raises(ImageError, match="`size` is"):
        read_number({"size": value}, "size", what="it")


def test_true_is_no_number() -> None:
    with pytest.raises(ImageError, match="expected a whole number"):
        read_number({"size": True}, "size", what="it")


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_content_is_held_against_its_digest(algorithm: str) -> None:
    digest = compute_digest(b"content", algorithm=algorithm)
    assert is_digest(digest)
    verify_digest(b"content", digest, where="a test")
    with pytest.raises(ImageError, match=f"a test gives other content than {digest}"):
        verify_digest(b"Content", digest, where="a test")


@pytest.mark.parametrize(
    "text", ["", "sha256:", "sha256:" + "a" * 63, "sha256:" + "A" * 64, "sha512:" + "a" * 64,
             "sha256:" + "a" * 64 + "\n", "sha256:../" + "a" * 61]
)  # fmt: skip
def test_what_is_no_digest(text: str) -> None:
    assert not is_digest(text)
