"""Images on every engine and both stores: found, read, pulled, removed."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.core.errors import (
    EngineError,
    ImageError,
    ImageNotFoundError,
    PlatformMissingError,
    UsageError,
)
from pytest_multiarch.core.index import list_blobs
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.ports import ContainerSpec, ContainerState
from tests.engine.conftest import Bench
from tests.engine.sample_images import AMD64, ARM64, SampleIndex, SampleVariant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.known_engines import KnownEngines

S390X = Platform.parse("linux/s390x")


@pytest.fixture
def sample(actors: Mapping[Platform, bytes]) -> SampleIndex:
    """An index for two platforms whose content no engine has seen before."""
    nonce = secrets.token_hex(6)
    variants = tuple(
        SampleVariant.build(
            platform,
            {"probe": actors[platform], "nonce": f"{nonce} {platform}".encode()},
            Entrypoint=["/probe"],
            Cmd=["say", nonce],
            Env=["PATH=/bin"],
        )
        for platform in (AMD64, ARM64)
    )
    return SampleIndex(f"multiarch-tests/{nonce}", variants)


@pytest.fixture
def pushed(sample: SampleIndex, engines: KnownEngines, bench: Bench) -> Iterator[SampleIndex]:
    """The same, in the registry as `:1`; what engines made of it is removed."""
    sample.push(engines.registry, "1")
    yield sample
    remove_all_of(bench, sample)


def remove_all_of(bench: Bench, sample: SampleIndex) -> None:
    for image in bench.engine._images._list("{}"):
        names = (image.get("RepoTags") or []) + (image.get("RepoDigests") or [])
        if any(sample.repository in name for name in names):
            bench.engine.remove_image(image["Id"])


def name(engines: KnownEngines, sample: SampleIndex, locator: str = ":1") -> str:
    return f"{engines.registry}/{sample.repository}{locator}"


def create_and_inspect(bench: Bench, image: str, platform: Platform | None) -> ContainerState:
    container_id = bench.engine.create_container(
        ContainerSpec(image=image, platform=platform, labels=bench.labels)
    )
    state = bench.engine.inspect_container(container_id)
    bench.engine.remove_container(container_id)
    return state


needs_registry = pytest.mark.needs_engine("registry")


def test_an_absent_image_is_none(bench: Bench) -> None:
    assert bench.engine.find_image("multiarch-tests/absent:1") is None
    assert not bench.engine.has_image("multiarch-tests/absent:1")


def test_removing_an_absent_image_is_no_error(bench: Bench) -> None:
    bench.engine.remove_image("multiarch-tests/absent:1")


def test_a_single_image_says_its_platform(bench: Bench) -> None:
    image = bench.engine.find_image(bench.name_actor(ARM64))
    if bench.engine.read_facts().has_containerd_store:
        assert image.index.is_single
        assert image.index.platforms == image.available == (ARM64,)
        assert image.index.entries[0].digest == image.index.digest == image.id
    else:
        assert image.index is None
        assert (image.config.platform, image.config.entrypoint) == (ARM64, ("/probe",))
        assert image.unpacked_size > 1000


def test_something_that_is_no_archive_is_refused(bench: Bench) -> None:
    with pytest.raises((EngineError, ImageError)):
        bench.engine.load_image(b"no archive")


@needs_registry
@pytest.mark.parametrize("platform", [AMD64, ARM64], ids=str)
def test_a_variant_is_pulled_by_its_own_digest(
    bench: Bench, pushed: SampleIndex, engines: KnownEngines, platform: Platform
) -> None:
    variant = next(each for each in pushed.variants if each.platform == platform)
    pin = name(engines, pushed, f"@{variant.manifest_digest}")
    bench.engine.pull(pin, platform)
    image = bench.engine.find_image(pin)
    assert bench.engine.has_image(pin)
    assert image.repo_digests == (pin,)
    if bench.engine.read_facts().has_containerd_store:
        assert image.index.digest == variant.manifest_digest
        assert image.available == (platform,)
    else:
        assert (image.id, image.config.platform) == (variant.config_digest, platform)


@needs_registry
def test_a_container_is_created_from_a_pinned_variant(
    bench: Bench, pushed: SampleIndex, engines: KnownEngines
) -> None:
    variant = pushed.variants[1]
    pin = name(engines, pushed, f"@{variant.manifest_digest}")
    bench.engine.pull(pin, variant.platform)
    has_containerd_store = bench.engine.read_facts().has_containerd_store
    state = create_and_inspect(bench, pin, variant.platform if has_containerd_store else None)
    assert state.manifest_digest in ("", variant.manifest_digest)
    assert state.image in (variant.manifest_digest, variant.config_digest)


@needs_registry
@pytest.mark.parametrize("platform", [AMD64, ARM64], ids=str)
def test_a_tag_pulled_for_one_platform_has_that_one(
    bench: Bench, pushed: SampleIndex, engines: KnownEngines, platform: Platform
) -> None:
    bench.engine.pull(name(engines, pushed), platform)
    image = bench.engine.find_image(name(engines, pushed))
    facts = bench.engine.read_facts()
    # Podman lists the variant's own digest too.
    assert name(engines, pushed, f"@{pushed.digest}") in image.repo_digests
    assert len(image.repo_digests) == (2 if facts.product == "Podman" else 1)
    if not facts.has_containerd_store:
        assert image.config.platform == platform
    elif facts.api_version >= (1, 48):
        assert image.index.platforms == (AMD64, ARM64)
        assert image.index.digest == pushed.digest
        assert image.available == (platform,)
    else:
        assert image.available in ((), (platform,))  # it cannot export what is not complete


@needs_registry
def test_a_platform_that_is_not_in_the_index_is_missing(
    bench: Bench, pushed: SampleIndex, engines: KnownEngines
) -> None:
    with pytest.raises(PlatformMissingError, match="linux/s390x"):
        bench.engine.pull(name(engines, pushed), S390X)


@needs_registry
def test_a_tag_that_is_not_in_the_registry_is_not_found(
    bench: Bench, pushed: SampleIndex, engines: KnownEngines
) -> None:
    with pytest.raises(ImageNotFoundError, match=":absent"):
        bench.engine.pull(name(engines, pushed, ":absent"), AMD64)


@needs_registry
def test_the_environment_s_default_platform_has_no_effect(
    bench: Bench,
    pushed: SampleIndex,
    engines: KnownEngines,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOCKER_DEFAULT_PLATFORM", "linux/amd64")
    variant = pushed.variants[1]
    bench.engine.pull(name(engines, pushed), ARM64)
    has_containerd_store = bench.engine.read_facts().has_containerd_store
    state = create_and_inspect(bench, name(engines, pushed), ARM64)
    assert state.manifest_digest in ("", variant.manifest_digest)
    assert has_containerd_store or state.image == variant.config_digest


def test_a_registry_that_does_not_answer_is_an_engine_error(bench: Bench) -> None:
    with pytest.raises(EngineError, match=r"could not pull 127\.0\.0\.1:1/x:1"):
        bench.engine.pull("127.0.0.1:1/x:1", AMD64)


def test_an_id_cannot_be_pulled(bench: Bench) -> None:
    with pytest.raises(UsageError, match="which no registry knows"):
        bench.engine.pull("sha256:" + "0" * 64, AMD64)


@pytest.fixture(
    params=[pytest.param(each, marks=pytest.mark.needs_engine(each)) for each in ("main", "middle")]
)
def loaded(
    request: pytest.FixtureRequest, open_bench: Callable[[str], Bench], sample: SampleIndex
) -> Iterator[Bench]:
    """An engine with the containerd store that has the index as built locally."""
    bench = open_bench(request.param)
    if not bench.engine.read_facts().has_containerd_store:
        pytest.skip("this engine keeps one platform under a name")
    bench.engine.load_image(sample.to_archive(f"docker.io/{sample.repository}:1"))
    yield bench
    remove_all_of(bench, sample)


def test_a_locally_built_index_is_found(loaded: Bench, sample: SampleIndex) -> None:
    image = loaded.engine.find_image(f"{sample.repository}:1")
    assert image.id == image.index.digest == sample.digest
    assert [entry.digest for entry in image.index.entries] == [
        each.manifest_digest for each in sample.variants
    ]
    assert image.available == (AMD64, ARM64)
    assert not image.index.is_single
    assert image.sizes == {each.manifest_digest: each.size for each in sample.variants}


@pytest.mark.parametrize(
    ("engine", "what"),
    [
        pytest.param("main", "config", marks=pytest.mark.needs_engine("main")),
        pytest.param("main", "layers", marks=pytest.mark.needs_engine("main")),
        pytest.param("middle", "config", marks=pytest.mark.needs_engine("middle")),
    ],
)
def test_a_manifest_without_what_it_names_is_not_available(
    engine: str, what: str, open_bench: Callable[[str], Bench], sample: SampleIndex
) -> None:
    """A build leaves such of the base images that it looked up."""
    bench, variant = open_bench(engine), sample.variants[1]
    config, *layers = list_blobs(json.loads(variant.blobs[variant.manifest_digest]), what="it")
    left_out = [config] if what == "config" else layers
    archive = sample.to_archive(f"docker.io/{sample.repository}:1", left_out=left_out)
    bench.engine.load_image(archive)
    try:
        image = bench.engine.find_image(f"{sample.repository}:1")
        assert image.available == (AMD64,)
        assert [each.platform for each in image.index.entries] == [AMD64, ARM64]
    finally:
        remove_all_of(bench, sample)


def test_documents_of_an_image_are_read_by_digest(loaded: Bench, sample: SampleIndex) -> None:
    variant = sample.variants[1]
    digests = [variant.manifest_digest, variant.config_digest, "sha256:" + "0" * 64]
    blobs = loaded.engine.read_image_blobs(sample.digest, digests)
    assert blobs == {digest: variant.blobs[digest] for digest in digests[:2]}


def test_layers_are_not_taken_for_documents(loaded: Bench, sample: SampleIndex) -> None:
    config = json.loads(sample.variants[0].blobs[sample.variants[0].config_digest])
    layer = config["rootfs"]["diff_ids"][0]
    assert loaded.engine.read_image_blobs(sample.digest, [layer]) == {}


def test_a_variant_s_config_is_told_without_an_export(loaded: Bench, sample: SampleIndex) -> None:
    config = loaded.engine.read_variant_config(sample.digest, ARM64)
    if loaded.engine.read_facts().api_version < (1, 49):
        assert config is None
    else:
        assert (config.platform, config.entrypoint, config.env) == (
            ARM64,
            ("/probe",),
            ("PATH=/bin",),
        )


@pytest.mark.parametrize("platform", [AMD64, ARM64], ids=str)
def test_a_variant_of_a_local_index_is_created_by_platform(
    loaded: Bench, sample: SampleIndex, platform: Platform
) -> None:
    variant = next(each for each in sample.variants if each.platform == platform)
    state = create_and_inspect(loaded, sample.digest, platform)
    assert state.manifest_digest in ("", variant.manifest_digest)


@pytest.mark.needs_engine("classic")
def test_the_classic_store_tells_no_variant_s_config(open_bench: Callable[[str], Bench]) -> None:
    bench = open_bench("classic")
    assert bench.engine.read_variant_config(bench.name_actor(), AMD64) is None
