"""Archives of `docker save`, as old engines and other tools write them."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.core.digest import compute_digest
from pytest_multiarch.core.errors import ImageError, ImageNotFoundError, UsageError
from pytest_multiarch.files.docker_archive import open_archive
from tests.sample_layouts import make_config, make_layer, read_layers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pytest_multiarch.core.ports import ImageSource

BASE, TOP = make_layer({"a": b"base"}), make_layer({"b": b"top"})


class Archive:
    """An archive under construction."""

    def __init__(self) -> None:
        self._data = io.BytesIO()
        self._tar = tarfile.TarFile(fileobj=self._data, mode="w")
        self.manifest: list[dict[str, Any]] = []

    def add(self, name: str, content: bytes) -> str:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        self._tar.addfile(info, io.BytesIO(content))
        return name

    def link(self, name: str, target: str) -> str:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = tarfile.SYMTYPE, target
        self._tar.addfile(info)
        return name

    def add_image(
        self, names: Sequence[str], layers: Sequence[bytes], paths: Sequence[str], **more: Any
    ) -> None:
        """Add a config, and name layers that are there already."""
        config = json.dumps(make_config("arm64", layers, **more)).encode()
        path = self.add(f"{compute_digest(config)[7:]}.json", config)
        self.manifest.append({"Config": path, "RepoTags": names, "Layers": paths})

    def finish(self) -> bytes:
        self.add("manifest.json", json.dumps(self.manifest).encode())
        self._tar.close()
        return self._data.getvalue()


@pytest.fixture
def archive() -> Archive:
    return Archive()


@pytest.fixture
def open_it(tmp_path: Path) -> Callable[..., ImageSource]:
    def open_bytes(data: bytes, image: str = "") -> ImageSource:
        file = tmp_path / "saved.tar"
        file.write_bytes(data)
        return open_archive(file, image=image)

    return open_bytes


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_an_archive_of_docker_20_is_read(archive: Archive, open_it: Any, pack: Any) -> None:
    paths = [archive.add(f"{each}/layer.tar", data) for each, data in (("1", BASE), ("2", TOP))]
    history = [{"created_by": "/bin/sh -c #(nop) ADD a /"}, {"created_by": "/bin/sh -c make"}]
    archive.add_image(["app:1"], [BASE, TOP], paths, history=history)
    source = open_it(pack(archive.finish()))
    index = source.read_index()
    variant = source.read_variant(index.variants[0])
    assert index.is_single
    assert index.digest == index.entries[0].digest == variant.config.digest
    assert str(index.entries[0].platform) == str(variant.platform) == "linux/arm64"
    assert [each.digest for each in variant.layers] == [compute_digest(x) for x in (BASE, TOP)]
    assert [each.size for each in variant.layers] == [len(BASE), len(TOP)]
    assert [each.instruction for each in variant.layers] == ["ADD a /", "RUN make"]
    assert read_layers(source) == {compute_digest(each): each for each in (BASE, TOP)}


def test_a_layer_may_be_a_link_to_another_image_s(archive: Archive, open_it: Any) -> None:
    archive.add("1/layer.tar", BASE)
    archive.add_image(["app:1"], [BASE], [archive.link("2/layer.tar", "../1/layer.tar")])
    assert read_layers(open_it(archive.finish())) == {compute_digest(BASE): BASE}


def test_of_a_compressed_layer_no_digest_is_told(archive: Archive, open_it: Any) -> None:
    packed = gzip.compress(BASE)
    archive.add_image(["app:1"], [BASE], [archive.add("1.tar.gz", packed)])
    source = open_it(archive.finish())
    (layer,) = source.read_variant(source.read_index().variants[0]).layers
    assert (layer.digest, layer.diff_id, layer.size) == ("", compute_digest(BASE), len(packed))
    assert read_layers(source) == {layer.diff_id: packed}


@pytest.mark.parametrize("image", ["two:1", "docker.io/library/two:1"])
def test_an_image_is_chosen_by_name(archive: Archive, open_it: Any, image: str) -> None:
    archive.add_image(["one:1", "one:2"], [BASE], [archive.add("1/layer.tar", BASE)])
    archive.add_image(["two:1"], [TOP], [archive.add("2/layer.tar", TOP)])
    assert read_layers(open_it(archive.finish(), image)) == {compute_digest(TOP): TOP}


def test_an_image_is_chosen_by_its_id(archive: Archive, open_it: Any) -> None:
    archive.add_image([], [BASE], [archive.add("1/layer.tar", BASE)])
    archive.add_image([], [TOP], [archive.add("2/layer.tar", TOP)])
    image_id = archive.manifest[1]["Config"].removesuffix(".json")
    assert read_layers(open_it(archive.finish(), image_id)) == {compute_digest(TOP): TOP}


def test_of_several_images_one_has_to_be_chosen(archive: Archive, open_it: Any) -> None:
    archive.add_image(["one:1", "one:2"], [BASE], [archive.add("1/layer.tar", BASE)])
    archive.add_image(["two:1"], [TOP], [archive.add("2/layer.tar", TOP)])
    with pytest.raises(UsageError, match=r"several images:\n  one:1, one:2\n  two:1\n"):
        open_it(archive.finish()).read_index()


def test_an_absent_name_lists_what_there_is(archive: Archive, open_it: Any) -> None:
    archive.add_image(["one:1"], [BASE], [archive.add("1/layer.tar", BASE)])
    with pytest.raises(ImageNotFoundError, match=r"holds no image three:1; it holds:\n  one:1\n"):
        open_it(archive.finish(), "three:1").read_index()


def test_a_config_is_held_against_its_name(archive: Archive, open_it: Any) -> None:
    config = json.dumps(make_config("arm64", [BASE])).encode()
    archive.add(f"{'0' * 64}.json", config)
    archive.manifest.append({"Config": f"{'0' * 64}.json", "Layers": ["1/layer.tar"]})
    with pytest.raises(ImageError, match="gives other content than sha256:0000"):
        open_it(archive.finish()).read_index()


def test_a_config_that_is_not_there_is_named(archive: Archive, open_it: Any) -> None:
    archive.manifest.append({"Config": "../../etc/passwd", "Layers": []})
    with pytest.raises(ImageNotFoundError, match=r"there is no .*etc/passwd in"):
        open_it(archive.finish()).read_index()


def test_a_layer_that_is_not_there_is_left_out(archive: Archive, open_it: Any) -> None:
    archive.add_image(["app:1"], [BASE], ["1/layer.tar"])
    assert read_layers(open_it(archive.finish())) == {}


def test_other_layers_than_the_config_s_are_refused(archive: Archive, open_it: Any) -> None:
    archive.add_image(["app:1"], [BASE, TOP], [archive.add("1/layer.tar", BASE)])
    with pytest.raises(ImageError, match="has 1 layers, but its config 2"):
        open_it(archive.finish()).read_index()


@pytest.mark.parametrize("document", [b"{}", b"[", b"[1]", b'[{"Config": 1}]', b"[]"])
def test_a_wrong_manifest_is_refused(archive: Archive, open_it: Any, document: bytes) -> None:
    archive.add("manifest.json", document)
    archive._tar.close()
    with pytest.raises(ImageError, match=r"saved\.tar"):
        open_it(archive._data.getvalue()).read_index()


def test_an_archive_of_something_else_says_so(archive: Archive, open_it: Any) -> None:
    archive.add("README", b"x")
    archive._tar.close()
    with pytest.raises(ImageError, match=r"neither oci-layout nor manifest\.json"):
        open_it(archive._data.getvalue())
