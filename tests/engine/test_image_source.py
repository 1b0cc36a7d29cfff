"""Images that engines have, read out of their exports; every version and both stores."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.core.digest import compute_digest
from pytest_multiarch.core.errors import ImageError, ImageNotFoundError
from pytest_multiarch.files.docker_archive import open_archive
from pytest_multiarch.files.image_files import FolderFiles
from pytest_multiarch.files.oci_layout import OciLayoutSource
from tests.engine.conftest import Bench
from tests.engine.sample_images import AMD64, ARM64, SampleIndex, SampleVariant
from tests.engine.test_images import remove_all_of
from tests.sample_layouts import Blobs, read_layers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_multiarch.core.manifest import EntryDocument
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.ports import ImageSource
    from tests.known_engines import KnownEngines

HISTORY = [
    {"created_by": "COPY same / # buildkit"},
    {"created_by": "ENV A=1", "empty_layer": True},
    {"created_by": "RUN /bin/sh -c make # buildkit"},
]
needs_registry = pytest.mark.needs_engine("registry")


def build_variant(platform: Platform, nonce: str) -> SampleVariant:
    """Build a variant of two layers, the first of which all variants have."""
    blobs = Blobs()
    files = {"same": nonce.encode() * 1000}, {"mine": f"{platform} {nonce}".encode() * 1000}
    top = blobs.add_variant(platform.architecture, *files, history=HISTORY)
    manifest = json.loads(blobs.by_digest[top["digest"]])
    return SampleVariant(platform, blobs.by_digest, manifest["config"]["digest"], top["digest"])


@pytest.fixture
def sample() -> SampleIndex:
    """An index for two platforms whose content no engine has seen before."""
    nonce = secrets.token_hex(6)
    variants = tuple(build_variant(platform, nonce) for platform in (AMD64, ARM64))
    return SampleIndex(f"multiarch-tests/{nonce}", variants)


@pytest.fixture
def pulled(sample: SampleIndex, engines: KnownEngines, bench: Bench) -> Iterator[ImageSource]:
    """The same, of which each engine in turn has pulled its own platform."""
    sample.push(engines.registry, "1")
    name = f"{engines.registry}/{sample.repository}:1"
    bench.engine.pull(name, AMD64)
    yield bench.engine.open_image(name)
    remove_all_of(bench, sample)


def find_entry(source: ImageSource, platform: Platform) -> EntryDocument:
    return next(each for each in source.read_index().variants if each.platform == platform)


def check_layers(source: ImageSource, number: int = 0) -> None:
    """Check that all layers are read, and are what their digests say."""
    manifest = source.read_variant(source.read_index().variants[number])
    found = read_layers(source, number)
    assert set(found) == {each.diff_id for each in manifest.layers}
    for layer in manifest.layers:
        assert compute_digest(found[layer.diff_id]) == layer.digest
        assert layer.size in (0, len(found[layer.diff_id]))


@needs_registry
def test_the_variant_that_was_pulled_is_read(
    pulled: ImageSource, sample: SampleIndex, bench: Bench
) -> None:
    manifest = pulled.read_variant(find_entry(pulled, AMD64))
    assert manifest.platform == AMD64
    assert manifest.config.digest == sample.variants[0].config_digest
    assert [each.instruction for each in manifest.layers] == ["COPY same /", "RUN make"]
    is_containerd = bench.engine.read_facts().has_containerd_store
    assert manifest.digest == (sample.variants[0].manifest_digest if is_containerd else "")
    check_layers(pulled)


@needs_registry
def test_layers_are_as_the_store_keeps_them(pulled: ImageSource, bench: Bench) -> None:
    """The containerd store keeps them as they were pulled, the classic one unpacks them."""
    is_containerd = bench.engine.read_facts().has_containerd_store
    are_gzip = {each.startswith(b"\x1f\x8b") for each in read_layers(pulled).values()}
    assert are_gzip == {is_containerd}


@needs_registry
def test_only_the_layers_that_are_wanted_are_given(pulled: ImageSource) -> None:
    manifest = pulled.read_variant(find_entry(pulled, AMD64))
    for wanted in manifest.layers:
        ((layer, _),) = pulled.open_layers(manifest, [wanted])
        assert layer == wanted


@needs_registry
def test_a_variant_that_was_not_pulled_is_missing(
    pulled: ImageSource, sample: SampleIndex, bench: Bench, engines: KnownEngines
) -> None:
    index = pulled.read_index()
    assert index.is_partial
    if not bench.engine.read_facts().has_containerd_store:
        assert [each.platform for each in index.variants] == [AMD64]
        return
    assert index.digest == sample.digest
    with pytest.raises(ImageNotFoundError, match="names linux/arm64, but") as caught:
        pulled.read_variant(find_entry(pulled, ARM64))
    name = f"{engines.registry}/{sample.repository}:1"
    assert caught.value.cure == f"docker pull --platform linux/arm64 {name}"


@needs_registry
@pytest.mark.parametrize("platform", [AMD64, ARM64], ids=str)
def test_a_variant_pulled_by_its_own_digest_is_read(
    bench: Bench, sample: SampleIndex, engines: KnownEngines, platform: Platform
) -> None:
    sample.push(engines.registry, "1")
    variant = next(each for each in sample.variants if each.platform == platform)
    pin = f"{engines.registry}/{sample.repository}@{variant.manifest_digest}"
    bench.engine.pull(pin, platform)
    try:
        source = bench.engine.open_image(pin)
        assert source.read_index().is_single
        assert source.read_variant(find_entry(source, platform)).platform == platform
        check_layers(source)
    finally:
        remove_all_of(bench, sample)


def test_an_absent_image_is_not_found(bench: Bench) -> None:
    with pytest.raises(ImageNotFoundError, match="multiarch-tests/absent:1 is not on"):
        bench.engine.open_image("multiarch-tests/absent:1")


@pytest.fixture(
    params=[pytest.param(each, marks=pytest.mark.needs_engine(each)) for each in ("main", "middle")]
)
def loaded(
    request: pytest.FixtureRequest, open_bench: Callable[[str], Bench], sample: SampleIndex
) -> Iterator[ImageSource]:
    """The image with all its variants, on engines that can have it."""
    bench = open_bench(request.param)
    if not bench.engine.read_facts().has_containerd_store:
        pytest.skip("this engine keeps one platform under a name")
    bench.engine.load_image(sample.to_archive(f"docker.io/{sample.repository}:1"))
    yield bench.engine.open_image(f"{sample.repository}:1")
    remove_all_of(bench, sample)


def test_all_variants_of_a_loaded_image_are_read(loaded: ImageSource, sample: SampleIndex) -> None:
    index = loaded.read_index()
    assert (index.digest, index.is_single, index.is_partial) == (sample.digest, False, False)
    assert [each.digest for each in index.variants] == [x.manifest_digest for x in sample.variants]
    for number, platform in enumerate((AMD64, ARM64)):
        assert loaded.read_variant(index.variants[number]).platform == platform
        check_layers(loaded, number)


@pytest.mark.needs_engine("middle")
@needs_registry
def test_docker_26_cannot_export_a_foreign_variant_alone(
    open_bench: Callable[[str], Bench], sample: SampleIndex, engines: KnownEngines
) -> None:
    bench = open_bench("middle")
    sample.push(engines.registry, "1")
    name = f"{engines.registry}/{sample.repository}:1"
    bench.engine.pull(name, ARM64)
    try:
        with pytest.raises(ImageError, match="cannot be exported") as caught:
            bench.engine.open_image(name).read_index()
        assert "Docker 28" in caught.value.cure
    finally:
        remove_all_of(bench, sample)


@needs_registry
@pytest.mark.usefixtures("pulled")
def test_what_docker_save_writes_is_read(
    bench: Bench, sample: SampleIndex, engines: KnownEngines, tmp_path: Path
) -> None:
    engine = next(
        name for name, each in engines.by_name.items() if each.host == bench.engine.address
    )
    name = f"{engines.registry}/{sample.repository}:1"
    file = tmp_path / "saved.tar"
    engines.run_docker(engine, "save", "--output", str(file), name)
    source = open_archive(file, image=name)
    manifest = source.read_variant(find_entry(source, AMD64))
    assert manifest.config.digest == sample.variants[0].config_digest
    assert [each.instruction for each in manifest.layers] == ["COPY same /", "RUN make"]
    check_layers(source)


@pytest.mark.needs_engine("main")
def test_what_buildx_writes_is_read(engines: KnownEngines, tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /a\nCOPY Dockerfile /b\n")
    file, folder = tmp_path / "image.tar", tmp_path / "layout"
    for output in (f"type=oci,dest={file}", f"type=oci,tar=false,dest={folder}"):
        engines.run_docker(
            "main", "buildx", "build", "--platform", "linux/amd64,linux/arm64", "--tag", "app:1",
            "--output", output, str(context),
        )  # fmt: skip
    layout = OciLayoutSource(FolderFiles(folder))
    for source in (layout, open_archive(file), open_archive(file, image="app:1")):
        index = source.read_index()
        assert [each.platform for each in index.variants] == [AMD64, ARM64]
        manifest = source.read_variant(index.variants[1])
        assert [each.instruction for each in manifest.layers] == [
            "COPY Dockerfile /a",
            "COPY Dockerfile /b",
        ]
        check_layers(source, 1)
