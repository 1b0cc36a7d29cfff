"""What the IMAGE of a command line names, with an engine and without one."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.cli.image_argument import open_image_source
from pytest_multiarch.core.errors import EngineError, ImageNotFoundError, UsageError
from pytest_multiarch.core.platform import Platform
from tests.engine.fake_registry import FakeRegistry
from tests.engine.sample_images import SampleIndex, SampleVariant
from tests.sample_layouts import FULL_NAME, Blobs, make_layer, name_image, write_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.known_engines import KnownEngines

ARM64 = Platform.parse("linux/arm64")


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment without an engine, of a user who is logged in nowhere."""
    return {
        "DOCKER_HOST": f"unix://{tmp_path}/absent.sock",
        "DOCKER_CONFIG": str(tmp_path / "absent"),
        "PATH": os.environ["PATH"],
    }


@pytest.fixture
def files() -> Mapping[str, bytes]:
    """A layout with two images."""
    blobs = Blobs()
    tops = [
        {**blobs.add_variant("arm64", {"a": each.encode()}), **name_image(f"app:{each}")}
        for each in ("1", "2")
    ]
    return blobs.write_files(*tops)


@pytest.fixture
def layout(files: Mapping[str, bytes], tmp_path: Path) -> Path:
    return write_folder(tmp_path / "lay:out", files)


@pytest.fixture
def archive(files: Mapping[str, bytes], tmp_path: Path) -> Path:
    file = tmp_path / "app.tar"
    file.write_bytes(make_layer(files))
    return file


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[FakeRegistry]:
    """A registry that has `app:1`."""
    registry = FakeRegistry()
    blobs = Blobs()
    top = blobs.add_variant("arm64", {"a": b"registry"})
    for digest, data in blobs.by_digest.items():
        for kind in ("manifests", "blobs"):
            registry.add(f"/v2/app/{kind}/{digest}", data)
    registry.add("/v2/app/manifests/1", blobs.by_digest[top["digest"]], top["mediaType"])
    yield registry
    registry.close()


def read_name(text: str, environ: Mapping[str, str], **how: Any) -> str:
    """Open an image, look at its platform, and give what the source calls itself."""
    with open_image_source(text, environ, **how) as opened:
        (variant,) = opened.source.read_index().variants
        assert variant.platform == ARM64
        return opened.source.name


@pytest.mark.parametrize("prefix", ["", "oci:"])
def test_a_folder_is_a_layout(layout: Path, environ: dict[str, str], prefix: str) -> None:
    assert read_name(f"{prefix}{layout}:1", environ) == f"1 in {layout}"


@pytest.mark.parametrize("prefix", ["", "oci-archive:", "docker-archive:"])
def test_a_file_is_an_archive(archive: Path, environ: dict[str, str], prefix: str) -> None:
    assert read_name(f"{prefix}{archive}:app:2", environ) == f"app:2 in {archive}"


def test_of_several_images_in_files_one_is_to_be_chosen(
    archive: Path, environ: dict[str, str]
) -> None:
    with pytest.raises(UsageError, match=f"{archive} holds several images") as caught:
        read_name(str(archive), environ)
    assert f"{archive}:NAME" in caught.value.cure


def test_paths_are_relative_to_where_one_is(
    layout: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(layout.parent)
    assert read_name("lay:out:1", environ) == "1 in lay:out"


@pytest.mark.parametrize(
    "text", ["oci:absent", "docker-archive:absent.tar", "./absent", "/absent/app", "absent.tar"]
)
def test_a_file_that_is_not_there_is_said_to_be_absent(environ: dict[str, str], text: str) -> None:
    with pytest.raises(ImageNotFoundError, match="absent"):
        read_name(text, environ)


def test_a_folder_is_no_archive(layout: Path, environ: dict[str, str]) -> None:
    with pytest.raises(ImageNotFoundError, match="is something else; expected an archive"):
        read_name(f"docker-archive:{layout}", environ)


@pytest.mark.parametrize("kind", ["folder", "program"])
def test_what_is_called_like_an_image_need_not_be_one(
    registry: FakeRegistry,
    tmp_path: Path,
    environ: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    place = tmp_path / registry.address / "app"
    place.parent.mkdir()
    if kind == "folder":
        place.mkdir()
    else:
        place.write_bytes(b"\x7fELF")
    name = f"{registry.address}/app:1"
    assert read_name(name, environ) == f"{name} in the registry {registry.address}"


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "the folder {} was meant: it holds no oci-layout"),
        (b"", "the file {} was meant: it is empty"),
        (b"no image", "the file {} was meant: it is no tar archive"),
    ],
)
def test_what_is_there_and_is_no_image_is_named_where_no_registry_has_it(
    registry: FakeRegistry,
    in_folder: Path,
    environ: dict[str, str],
    content: bytes | None,
    why: str,
) -> None:
    place = Path(registry.address, "saved")
    place.parent.mkdir()
    if content is None:
        place.mkdir()
    else:
        place.write_bytes(content)
    with pytest.raises(ImageNotFoundError) as caught:
        read_name(str(place), environ)
    assert why.format(place) in caught.value.cure


@pytest.mark.parametrize("prefix", ["", "docker://"])
def test_without_an_engine_a_registry_is_read(
    registry: FakeRegistry, environ: dict[str, str], prefix: str
) -> None:
    name = f"{registry.address}/app:1"
    assert read_name(f"{prefix}{name}", environ) == f"{name} in the registry {registry.address}"


def test_that_there_is_no_engine_is_told(archive: Path, environ: dict[str, str]) -> None:
    with open_image_source(f"{archive}:1", environ) as opened:
        assert opened.engine is None
        assert "no Docker engine answers" in opened.engine_problem


def test_no_engine_is_asked_where_none_is_to_be(archive: Path, environ: dict[str, str]) -> None:
    with open_image_source(f"{archive}:1", environ, no_engine=True) as opened:
        assert (opened.engine, opened.engine_problem) == (None, "")


def test_what_is_to_be_an_engine_s_needs_one(environ: dict[str, str]) -> None:
    with pytest.raises(EngineError, match="there is none: no Docker engine answers") as caught:
        read_name("docker-daemon:app:1", environ)
    assert "docker://app:1" in caught.value.cure


def test_an_id_is_in_no_registry(environ: dict[str, str]) -> None:
    with pytest.raises(ImageNotFoundError, match="is an id, which no registry knows"):
        read_name("sha256:" + "0" * 64, environ)


def test_what_is_no_reference_is_refused(environ: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="is not an image reference"):
        read_name("App:1", environ)


def test_a_very_long_text_is_no_path(environ: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="is not an image reference"):
        read_name("X" * 10_000, environ)


@pytest.fixture
def loaded(engines: KnownEngines, tmp_path: Path) -> Iterator[str]:
    """A name under which engine and registry have images for different platforms."""
    nonce = secrets.token_hex(6)
    blobs = Blobs()
    top = {
        **blobs.add_variant("amd64", {"a": nonce.encode()}),
        "annotations": {FULL_NAME: f"{engines.registry}/multiarch-tests/{nonce}:1"},
    }
    file = tmp_path / "load.tar"
    file.write_bytes(make_layer(blobs.write_files(top)))
    engines.run_docker("main", "load", "--input", str(file))
    name = f"{engines.registry}/multiarch-tests/{nonce}"
    variant = SampleVariant.build(ARM64, {"a": nonce.encode()})
    SampleIndex(f"multiarch-tests/{nonce}", (variant,)).push(engines.registry, "1")
    yield f"{name}:1"
    engines.run_docker("main", "image", "rm", "--force", f"{name}:1")


@pytest.mark.needs_engine("main", "registry")
@pytest.mark.parametrize(
    ("scheme", "architecture"),
    [("", "amd64"), ("docker-daemon:", "amd64"), ("docker://", "arm64")],
)
def test_what_the_engine_has_under_a_name_wins_unless_the_registry_is_meant(
    engines: KnownEngines, loaded: str, scheme: str, architecture: str
) -> None:
    with open_image_source(f"{scheme}{loaded}", engines.make_environ("main")) as opened:
        (variant,) = opened.source.read_index().variants
        assert opened.engine is not None
    assert variant.platform.architecture == architecture


WITHOUT_DOCKER = """
import os, sys
sys.modules["docker"] = sys.modules["testcontainers"] = None
from pytest_multiarch.cli.image_argument import open_image_source
for text in sys.argv[1:]:
    with open_image_source(text, os.environ) as opened:
        source = opened.source
        manifest = source.read_variant(source.read_index().variants[0])
        for _, stream in source.open_layers(manifest, manifest.layers):
            print(len(stream.read(100)) > 0)
"""


def test_neither_files_nor_registries_need_docker(
    layout: Path, archive: Path, registry: FakeRegistry, environ: dict[str, str]
) -> None:
    texts = [f"{layout}:1", f"{archive}:1", f"{registry.address}/app:1"]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_DOCKER, *texts],
        env={**environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("True\n" * 3, "")
