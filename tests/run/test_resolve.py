"""From a reference and a platform to a pinned variant: which image, and from where."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.core.errors import (
    EngineError,
    EngineGoneError,
    ImageAccessError,
    ImageError,
    ImageNotFoundError,
    PlatformMissingError,
    WrongArchitectureError,
)
from pytest_multiarch.core.index import ImageConfig
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.reference import ImageReference
from tests.fake_engine import (
    AMD64,
    ARM64,
    I386,
    S390X,
    FakeEngine,
    FakeImage,
    FakeRegistry,
    make_digest,
    make_node,
)

if TYPE_CHECKING:
    from pytest_multiarch.core.variant import ResolvedVariant

IMAGES = FakeImage(platform=AMD64), FakeImage(platform=ARM64)
HOST = "registry.example/app:1"


def resolve(
    engine: FakeEngine, text: str = "app:1", platform: Platform = ARM64, *, pull: str = "missing"
) -> ResolvedVariant:
    return make_node(engine, pull=pull).resolve(ImageReference.parse(text), platform)


def make_remote(*, has_containerd_store: bool = True) -> FakeEngine:
    """An engine that has nothing, beside a registry that has `HOST`."""
    registry = FakeRegistry()
    registry.add(HOST, *IMAGES)
    return FakeEngine(has_containerd_store=has_containerd_store, registry=registry)


def make_pulled_classic() -> FakeEngine:
    """A classic engine that pulled `HOST` for its own platform."""
    engine = make_remote(has_containerd_store=False)
    assert engine.registry is not None
    local = engine.add(HOST, IMAGES[0])
    index = engine.registry.indexes[HOST]
    engine.local[HOST] = replace(local, repo_digests=(f"registry.example/app@{index.digest}",))
    return engine


# On the engine


def test_a_local_index_needs_no_registry() -> None:
    engine = FakeEngine()
    local = engine.add("app:1", *IMAGES)
    variant = resolve(engine)
    assert (variant.kind, variant.digest) == ("manifest", IMAGES[1].digest)
    assert (variant.create_image, variant.create_platform) == (local.id, ARM64)
    assert variant.size == 1_000_001
    assert engine.registry is not None
    assert engine.registry.reads == 0
    assert not engine.pulls


def test_a_local_single_image_on_the_classic_store() -> None:
    engine = FakeEngine(has_containerd_store=False)
    engine.add("app:1", IMAGES[0])
    variant = resolve(engine, platform=AMD64)
    assert (variant.kind, variant.digest) == ("config", IMAGES[0].config_digest)
    assert variant.config_digest == variant.digest
    assert variant.create_platform is None, "old engines compare its spelling"
    assert (variant.size, variant.unpacked_size) == (0, 3_000_000)


def test_a_platform_that_a_local_index_lacks() -> None:
    engine = FakeEngine()
    engine.add("app:1", *IMAGES)
    with pytest.raises(PlatformMissingError) as caught:
        resolve(engine, platform=S390X)
    assert "it has linux/amd64, linux/arm64" in caught.value.what


def test_no_fallback_to_a_like_platform() -> None:
    """Engines take arm/v7 for arm64, and 386 for amd64."""
    engine = FakeEngine()
    engine.add("app:1", FakeImage(platform=I386), FakeImage(platform=Platform.parse("arm/v7")))
    for platform in (AMD64, ARM64):
        with pytest.raises(PlatformMissingError):
            resolve(engine, platform=platform)


def test_the_classic_store_has_one_platform_of_what_was_built_here() -> None:
    engine = FakeEngine(has_containerd_store=False)
    engine.add("app:1", IMAGES[0])
    with pytest.raises(PlatformMissingError, match="built or loaded here") as caught:
        resolve(engine)
    assert "containerd image store" in caught.value.cure


def test_a_config_that_lies() -> None:
    engine = FakeEngine()
    engine.add("app:1", FakeImage(platform=ARM64, config=ImageConfig(platform=AMD64)))
    with pytest.raises(WrongArchitectureError, match="says it is for linux/amd64"):
        resolve(engine)


def test_an_export_that_lacks_a_document() -> None:
    engine = FakeEngine()
    engine.add("app:1", *IMAGES)
    engine.read_variant_config = lambda image_id, platform: None  # type: ignore[method-assign]
    with pytest.raises(ImageError, match="does not export"):
        resolve(engine)


def test_a_listed_platform_whose_content_is_not_there_comes_from_the_registry() -> None:
    engine = make_remote()
    engine.add(HOST, *IMAGES, missing=[ARM64])
    variant = resolve(engine, HOST)
    assert engine.pulls == [variant.create_image]
    assert variant.create_image == f"registry.example/app@{IMAGES[1].digest}"


@pytest.mark.parametrize(
    "error", [ImageNotFoundError("manifest unknown"), ImageAccessError("denied")]
)
def test_a_listed_platform_that_the_registry_does_not_give(error: ImageError) -> None:
    engine = make_remote()
    engine.add(HOST, *IMAGES, missing=[ARM64])
    assert engine.registry is not None
    engine.registry.error = error
    with pytest.raises(
        PlatformMissingError, match=r"lacks it: (manifest unknown|denied)"
    ) as caught:
        resolve(engine, HOST)
    assert "docker pull --platform linux/arm64" in caught.value.cure


def test_a_listed_platform_of_an_image_named_by_id() -> None:
    engine = FakeEngine()
    local = engine.add("app:1", *IMAGES, missing=[ARM64])
    with pytest.raises(PlatformMissingError, match="an id says no registry"):
        resolve(engine, local.id)


# From a registry


def test_a_remote_index_is_pulled_by_the_variants_own_digest() -> None:
    engine = make_remote()
    variant = resolve(engine, HOST)
    assert variant.create_image == f"registry.example/app@{IMAGES[1].digest}"
    assert engine.pulls == [variant.create_image]
    assert variant.config_digest == IMAGES[1].config_digest


def test_a_pull_is_locked_by_what_is_pulled() -> None:
    engine = make_remote()
    node = make_node(engine)
    variant = node.resolve(ImageReference.parse(HOST), ARM64)
    assert node.tools.locked == [variant.create_image]  # type: ignore[attr-defined]


def test_what_was_pulled_before_is_not_pulled_again() -> None:
    engine = make_remote()
    resolve(engine, HOST)
    resolve(engine, HOST)
    assert len(engine.pulls) == 1


def test_the_classic_store_takes_the_other_platforms_from_the_index_it_pulled() -> None:
    """The tag may have moved since; the user's own tag stays where it is."""
    engine = make_pulled_classic()
    assert engine.registry is not None
    engine.registry.indexes[HOST] = replace(
        engine.registry.indexes[HOST], digest=make_digest("moved"), entries=()
    )
    before = engine.local[HOST]
    assert resolve(engine, HOST).digest == IMAGES[1].digest
    assert engine.local[HOST] == before


def test_an_earlier_session_that_pulled_by_digest_does_not_hide_the_index() -> None:
    """A classic store then lists the variant's own digest beside the index's, and first."""
    engine = make_pulled_classic()
    local = engine.local[HOST]
    own = f"registry.example/app@{IMAGES[0].digest}"
    engine.local[HOST] = replace(local, repo_digests=(own, *local.repo_digests))
    assert resolve(engine, HOST).digest == IMAGES[1].digest


def test_a_single_image_that_was_pulled_is_one() -> None:
    engine = make_pulled_classic()
    own = f"registry.example/app@{IMAGES[0].digest}"
    engine.local[HOST] = replace(engine.local[HOST], repo_digests=(own,))
    assert resolve(engine, HOST, AMD64).digest == IMAGES[0].digest
    with pytest.raises(PlatformMissingError, match="single image"):
        resolve(engine, HOST, ARM64)


def test_the_classic_stores_own_platform_runs_while_the_registry_is_down() -> None:
    engine = make_pulled_classic()
    assert engine.registry is not None
    engine.registry.error = EngineError("registry.example: connection refused")
    node = make_node(engine)
    reference = ImageReference.parse(HOST)
    assert node.resolve(reference, AMD64).kind == "config"
    with pytest.raises(PlatformMissingError, match="connection refused"):
        node.resolve(reference, ARM64)


@pytest.mark.parametrize(
    ("product", "keeper", "cure"),
    [
        ("Docker", "the classic image store", "turn on Docker's containerd image store"),
        ("Podman", "Podman", "push the image to a registry"),
    ],
)
def test_an_engine_that_keeps_one_platform_is_named(product: str, keeper: str, cure: str) -> None:
    engine = make_remote(has_containerd_store=False)
    engine.facts = replace(engine.facts, product=product)
    engine.add("built:1", IMAGES[0])
    with pytest.raises(PlatformMissingError, match=f"{keeper} keeps one platform") as caught:
        resolve(engine, "built:1")
    assert caught.value.cure.startswith(cure)


def test_a_tag_that_moves_during_the_session_does_not_split_its_platforms() -> None:
    engine = make_remote()
    assert engine.registry is not None
    node, reference = make_node(engine), ImageReference.parse(HOST)
    node.resolve(reference, AMD64)
    engine.registry.indexes[HOST] = replace(engine.registry.indexes[HOST], entries=())
    assert node.resolve(reference, ARM64).digest == IMAGES[1].digest


def test_an_image_that_nobody_has() -> None:
    with pytest.raises(ImageNotFoundError) as caught:
        resolve(make_remote(), "registry.example/nosuch:1")
    assert "neither on unix:///fake.sock nor in its registry" in caught.value.what
    assert caught.value.cure


def test_a_registry_that_refuses() -> None:
    engine = make_remote()
    assert engine.registry is not None
    engine.registry.error = ImageAccessError("denied", cure="docker login registry.example")
    with pytest.raises(ImageAccessError, match="docker login"):
        resolve(engine, HOST)


def test_a_remote_config_that_lies() -> None:
    registry = FakeRegistry()
    registry.add(HOST, FakeImage(platform=ARM64, config=ImageConfig(platform=AMD64)))
    engine = FakeEngine(registry=registry)
    with pytest.raises(WrongArchitectureError):
        resolve(engine, HOST)
    assert not engine.pulls


# What is remembered


@pytest.mark.parametrize("error", [EngineError("connection refused"), ImageAccessError("denied")])
def test_a_failure_is_remembered(error: Exception) -> None:
    """A registry that cannot be reached would cost each test its deadline."""
    engine = make_remote()
    assert engine.registry is not None
    engine.registry.error = error
    node = make_node(engine)
    for _ in range(3):
        with pytest.raises(type(error)):
            node.resolve(ImageReference.parse(HOST), ARM64)
    assert engine.registry.reads == 1


def test_an_error_that_is_raised_again_does_not_grow() -> None:
    engine = make_remote()
    node = make_node(engine)
    depths = set()
    for _ in range(3):
        with pytest.raises(ImageNotFoundError) as caught:
            node.resolve(ImageReference.parse("registry.example/nosuch:1"), ARM64)
        depths.add(len(caught.traceback))
    assert len(depths) == 1


def test_an_engine_that_was_gone_is_asked_again() -> None:
    engine = make_remote()
    engine.fail["find_image"] = [EngineGoneError("gone")]
    node = make_node(engine)
    with pytest.raises(EngineGoneError):
        node.resolve(ImageReference.parse(HOST), ARM64)
    assert node.resolve(ImageReference.parse(HOST), ARM64).platform == ARM64


# Pull policies


def test_never_takes_what_is_there() -> None:
    engine = FakeEngine()
    engine.add("app:1", *IMAGES)
    assert resolve(engine, pull="never").platform == ARM64


@pytest.mark.parametrize("engine", [make_remote(), make_pulled_classic()])
def test_never_asks_no_registry(engine: FakeEngine) -> None:
    with pytest.raises(ImageError, match=r"never|pulling"):
        resolve(engine, HOST, pull="never")
    assert engine.registry is not None
    assert engine.registry.reads == 0


def test_never_with_an_index_whose_content_is_not_there() -> None:
    engine = make_remote()
    engine.add(HOST, *IMAGES, missing=[ARM64])
    with pytest.raises(PlatformMissingError, match="--multiarch-pull=never"):
        resolve(engine, HOST, pull="never")


def test_always_asks_the_registry_although_the_engine_has_the_name() -> None:
    engine = make_remote()
    engine.add(HOST, FakeImage(platform=AMD64))
    assert resolve(engine, HOST, pull="always").digest == IMAGES[1].digest


def test_always_takes_an_id_from_the_engine() -> None:
    engine = FakeEngine()
    local = engine.add("app:1", *IMAGES)
    assert resolve(engine, local.id, pull="always").create_image == local.id
