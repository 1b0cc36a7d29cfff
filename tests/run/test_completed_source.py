"""An image that an engine has in part, completed from a registry."""

from __future__ import annotations

from typing import NoReturn

import pytest

from pytest_multiarch.core.errors import EngineError, ImageNotFoundError
from pytest_multiarch.run.completed_source import CompletedSource
from tests.fake_source import FakeSource
from tests.samples import AMD64, ARM64


@pytest.fixture
def near() -> FakeSource:
    """An engine that has one of two variants."""
    source = FakeSource("app:1 on the engine")
    source.add(AMD64, {"app": b"amd64"})
    source.add(ARM64, {"app": b"arm64"})
    source.absent = {ARM64}
    return source


@pytest.fixture
def far() -> FakeSource:
    """A registry that has both."""
    source = FakeSource("the registry ghcr.io")
    source.add(AMD64, {"app": b"amd64"})
    source.add(ARM64, {"app": b"arm64"})
    return source


def refuse() -> NoReturn:
    raise EngineError("ghcr.io cannot be reached")


def test_what_is_there_needs_nobody_else(near: FakeSource) -> None:
    source = CompletedSource(near, refuse)
    entry = source.read_index().entries[0]
    manifest = source.read_variant(entry)
    assert len(list(source.open_layers(manifest, manifest.layers))) == 1
    assert source.name == "app:1 on the engine"


def test_what_is_not_there_comes_from_the_other(near: FakeSource, far: FakeSource) -> None:
    source = CompletedSource(near, lambda: far)
    manifest = source.read_variant(source.read_index().entries[1])
    assert manifest.platform == ARM64
    assert len(list(source.open_layers(manifest, manifest.layers))) == 1
    assert (len(near.read), len(far.read)) == (0, 1)
    assert source.name == "app:1 on the engine; the rest: the registry ghcr.io"


def test_what_neither_has(near: FakeSource) -> None:
    source = CompletedSource(near, refuse)
    with pytest.raises(ImageNotFoundError) as caught:
        source.read_variant(source.read_index().entries[1])
    assert str(caught.value) == (
        "linux/arm64 is not there; nor can it be had from elsewhere: ghcr.io cannot be reached\n"
        "pull it"
    )
    assert source.name == "app:1 on the engine"
