"""Image references are read as Docker reads them."""

from __future__ import annotations

import pytest

from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.reference import ImageReference

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "name"),
    [
        ("redis", "docker.io", "library/redis", "", "redis"),
        ("redis:7.2", "docker.io", "library/redis", "7.2", "redis"),
        ("acme/app", "docker.io", "acme/app", "", "acme/app"),
        ("docker.io/redis", "docker.io", "library/redis", "", "redis"),
        ("docker.io/library/redis", "docker.io", "library/redis", "", "redis"),
        ("index.docker.io/acme/app", "docker.io", "acme/app", "", "acme/app"),
        ("ghcr.io/acme/app:1.4", "ghcr.io", "acme/app", "1.4", "ghcr.io/acme/app"),
        ("localhost/app", "localhost", "app", "", "localhost/app"),
        ("localhost:5000/a/b:1", "localhost:5000", "a/b", "1", "localhost:5000/a/b"),
        ("127.0.0.1:5000/app", "127.0.0.1:5000", "app", "", "127.0.0.1:5000/app"),
        ("[::1]:5000/app:x", "[::1]:5000", "app", "x", "[::1]:5000/app"),
        ("a/b__c/d--e.f", "docker.io", "a/b__c/d--e.f", "", "a/b__c/d--e.f"),
    ],
)
def test_is_taken_apart(text: str, registry: str, repository: str, tag: str, name: str) -> None:
    found = ImageReference.parse(text)
    assert (found.registry, found.repository, found.tag) == (registry, repository, tag)
    assert found.name == name
    assert str(found) == text


def test_a_digest_wins_over_a_tag() -> None:
    found = ImageReference.parse(f"redis:7@{DIGEST}")
    assert (found.tag, found.digest, found.locator) == ("7", DIGEST, DIGEST)


def test_without_tag_and_digest_it_is_latest() -> None:
    assert ImageReference.parse("redis").locator == "latest"


def test_pinning_drops_the_tag() -> None:
    assert ImageReference.parse("ghcr.io/acme/app:1.4").pin(DIGEST) == f"ghcr.io/acme/app@{DIGEST}"


@pytest.mark.parametrize("text", [DIGEST, "ab" * 32])
def test_an_id_alone_can_be_in_no_registry(text: str) -> None:
    found = ImageReference.parse(text)
    assert found.is_local_id
    assert found.digest == DIGEST


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not a name"),
        ("Redis", "names are lower case"),
        ("acme/App:1", "names are lower case"),
        ("redis:", "'' is not a tag"),
        ("redis:a b", "is not a tag"),
        ("redis:-1", "is not a tag"),
        ("redis@sha256:12", "is not a digest"),
        ("redis@", "'' is not a digest"),
        ("bad_host!.io/app", "is not a registry host"),
        ("-app", "not a name"),
        ("a//b", "not a name"),
        ("redis:7:8", "'7:8' is not a tag"),
        ("https://ghcr.io/acme/app", "is not a"),
        ("redis:7\n", "is not a tag"),
    ],
)
def test_refuses_what_is_none_and_says_what_is_wrong(text: str, why: str) -> None:
    with pytest.raises(UsageError, match="is not an image reference") as caught:
        ImageReference.parse(text)
    assert why in caught.value.what
