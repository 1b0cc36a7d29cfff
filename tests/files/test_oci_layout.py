"""Images in the OCI layout, in a folder and in an archive."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.core.digest import compute_digest
from pytest_multiarch.core.errors import ImageError, ImageNotFoundError, MultiarchError, UsageError
from pytest_multiarch.core.manifest import StoredLayer
from pytest_multiarch.files.docker_archive import open_archive
from pytest_multiarch.files.image_files import FolderFiles
from pytest_multiarch.files.oci_layout import OciLayoutSource
from tests.sample_layouts import (
    REF_NAME,
    Blobs,
    make_layer,
    name_image,
    read_layers,
    write_folder,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_multiarch.core.ports import ImageSource


@pytest.fixture(params=["folder", "archive"])
def open_layout(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Open an image of a layout with these files, in a folder or in an archive."""

    def open_it(files: Mapping[str, bytes], image: str = "") -> ImageSource:
        if request.param == "folder":
            return OciLayoutSource(FolderFiles(write_folder(tmp_path, files)), image=image)
        file = tmp_path / "image.tar"
        file.write_bytes(make_layer(files))
        return open_archive(file, image=image)

    return open_it


@pytest.fixture
def blobs() -> Blobs:
    return Blobs()


def add_pair(blobs: Blobs, word: bytes = b"", **more: Any) -> Any:
    """Add an index of two variants that differ in a layer."""
    variants = [
        blobs.add_variant(each, {"same": b"1"}, {"a": word + each.encode()})
        for each in ("amd64", "arm64")
    ]
    return blobs.add_index(*variants, **more)


def test_the_only_image_needs_no_name(blobs: Blobs, open_layout: Any) -> None:
    top = add_pair(blobs)
    source = open_layout(blobs.write_files(top))
    index = source.read_index()
    assert index.digest == top["digest"]
    assert [str(each.platform) for each in index.variants] == ["linux/amd64", "linux/arm64"]
    assert (index.is_single, index.is_partial) == (False, False)


def test_layers_are_given_as_they_are_stored(blobs: Blobs, open_layout: Any) -> None:
    source = open_layout(blobs.write_files(add_pair(blobs)))
    found = read_layers(source, 1)
    manifest = source.read_variant(source.read_index().variants[1])
    assert set(found) == {each.diff_id for each in manifest.layers}
    assert sorted(map(compute_digest, found.values())) == sorted(x.digest for x in manifest.layers)


@pytest.mark.parametrize("image", ["two", "app:two", "docker.io/library/app:two"])
def test_an_image_is_chosen_by_tag_or_name(blobs: Blobs, open_layout: Any, image: str) -> None:
    one = add_pair(blobs, b"1", **name_image("app:one"))
    two = add_pair(blobs, b"2", **name_image("app:two"))
    source = open_layout(blobs.write_files(one, two), image)
    assert source.read_index().digest == two["digest"]
    assert source.name.startswith(f"{image} in ")


def test_an_image_is_chosen_by_its_digest(blobs: Blobs, open_layout: Any) -> None:
    one, two = add_pair(blobs, b"1"), add_pair(blobs, b"2")
    source = open_layout(blobs.write_files(one, two), two["digest"])
    assert source.read_index().digest == two["digest"]


def test_of_several_images_one_has_to_be_chosen(blobs: Blobs, open_layout: Any) -> None:
    tops = [add_pair(blobs, each.encode(), **name_image(f"app:{each}")) for each in ("one", "two")]
    source = open_layout(blobs.write_files(*tops))
    with pytest.raises(UsageError) as caught:
        source.read_index()
    assert "docker.io/library/app:one, one\n" in str(caught.value)
    assert "docker.io/library/app:two, two\n" in str(caught.value)


def test_two_names_of_one_image_are_one_choice(blobs: Blobs, open_layout: Any) -> None:
    top = add_pair(blobs)
    named = [{**top, "annotations": {REF_NAME: each}} for each in ("1", "latest")]
    assert open_layout(blobs.write_files(*named)).read_index().digest == top["digest"]


def test_a_name_that_is_not_there_lists_what_is(blobs: Blobs, open_layout: Any) -> None:
    top = add_pair(blobs, **name_image("app:one"))
    with pytest.raises(ImageNotFoundError, match=r"holds no image app:3; it holds:\n.*app:one"):
        open_layout(blobs.write_files(top), "app:3").read_index()


def test_a_layout_can_itself_be_the_index(blobs: Blobs, open_layout: Any) -> None:
    variants = [blobs.add_variant(each, {"a": each.encode()}) for each in ("amd64", "arm64")]
    files = blobs.write_files(*variants)
    index = open_layout(files).read_index()
    assert index.digest == compute_digest(files["index.json"])
    assert len(index.variants) == 2


def test_an_index_in_an_index_is_laid_flat(blobs: Blobs, open_layout: Any) -> None:
    top = blobs.add_index(add_pair(blobs))
    assert len(open_layout(blobs.write_files(top)).read_index().variants) == 2


def test_a_single_image_is_an_index_of_one(blobs: Blobs, open_layout: Any) -> None:
    top = blobs.add_variant("arm64", {"a": b"1"})
    index = open_layout(blobs.write_files(top)).read_index()
    assert index.is_single
    assert str(index.variants[0].platform) == "linux/arm64"


def test_a_variant_that_was_not_saved_is_missing(blobs: Blobs, open_layout: Any) -> None:
    top = add_pair(blobs)
    second = json.loads(blobs.by_digest[top["digest"]])["manifests"][1]["digest"]
    del blobs.by_digest[second]
    source = open_layout(blobs.write_files(top))
    index = source.read_index()
    assert index.is_partial
    assert source.read_variant(index.variants[0]).layers
    with pytest.raises(ImageNotFoundError, match=f"names {second}, but does not hold it") as caught:
        source.read_variant(index.variants[1])
    assert "skopeo copy --all" in caught.value.cure


def test_a_layer_that_is_not_there_is_left_out(blobs: Blobs, open_layout: Any) -> None:
    top = add_pair(blobs)
    source = open_layout(blobs.write_files(top))
    manifest = source.read_variant(source.read_index().variants[0])
    ghost = StoredLayer(digest=compute_digest(b"ghost"))
    assert list(source.open_layers(manifest, [ghost])) == []


def test_blobs_are_also_named_by_sha512(blobs: Blobs, open_layout: Any) -> None:
    inner = blobs.add_variant("arm64", {"a": b"1"})
    data = blobs.by_digest.pop(inner["digest"])
    top = blobs.add(data, inner["mediaType"], algorithm="sha512")
    assert top["digest"].startswith("sha512:")
    assert open_layout(blobs.write_files(top)).read_index().digest == top["digest"]


def test_changed_documents_are_refused(blobs: Blobs, open_layout: Any) -> None:
    top = add_pair(blobs)
    blobs.by_digest[top["digest"]] = blobs.by_digest[top["digest"]].replace(b"amd64", b"AMD64")
    with pytest.raises(ImageError, match="gives other content than"):
        open_layout(blobs.write_files(top)).read_index()


@pytest.mark.parametrize(
    "index",
    [
        b"",
        b"[]",
        b'{"manifests": {}}',
        b'{"manifests": [{"digest": "sha256:../../../../etc/passwd"}]}',
        b'{"manifests": [{"digest": "../oci-layout"}]}',
        b'{"manifests": [7]}',
        b'{"manifests": []}',
    ],
)
def test_a_wrong_index_is_refused(blobs: Blobs, open_layout: Any, index: bytes) -> None:
    with pytest.raises(MultiarchError):
        open_layout({**blobs.write_files(), "index.json": index}).read_index()


def test_a_folder_without_an_index_says_so(tmp_path: Path) -> None:
    with pytest.raises(ImageNotFoundError, match=r"there is no index\.json in"):
        OciLayoutSource(FolderFiles(tmp_path)).read_index()


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "index.json")
    with pytest.raises(ImageNotFoundError, match=r"there is no index\.json in"):
        OciLayoutSource(FolderFiles(tmp_path)).read_index()
