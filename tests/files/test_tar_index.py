"""Tar archives read in place: where members lie, and that broken archives end in an error."""

from __future__ import annotations

import gzip
import io
import re
import struct
import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_multiarch.core.errors import ImageError
from pytest_multiarch.files.image_files import ArchiveFiles
from pytest_multiarch.files.tar_index import TarMember, walk_members
from tests.sample_layouts import read_all

if TYPE_CHECKING:
    from pathlib import Path

LONG = "folder/" + "long-" * 60 + "name"


def build(*members: tuple[str, bytes], links: dict[str, str] | None = None, **how: int) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", **how) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), 0
            archive.addfile(info, io.BytesIO(content))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return data.getvalue()


def walk(data: bytes) -> list[TarMember]:
    return list(walk_members(io.BytesIO(data), place="x.tar"))


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_lie_where_tarfile_finds_them(form: int) -> None:
    names = ["a", "./b/c", "d" * 99]
    names += ["p" * 150 + "/" + "n" * 90] if form == tarfile.USTAR_FORMAT else [LONG, "ü" * 80]
    data = build(*((name, name.encode() * 50) for name in names), format=form)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        expected = [(each.offset_data, each.size) for each in archive]
    assert [(each.offset, each.size) for each in walk(data)] == expected
    assert [each.name for each in walk(data)] == [name.removeprefix("./") for name in names]


def test_a_size_beyond_octal_digits_is_read() -> None:
    info = tarfile.TarInfo("large")
    info.size = 9 * 1024**3
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        data = info.tobuf(form)
        assert next(walk_members(io.BytesIO(data), place="x.tar")).size == info.size


def test_what_is_no_file_and_no_link_is_passed_over() -> None:
    info = tarfile.TarInfo("folder")
    info.type = tarfile.DIRTYPE
    assert [each.name for each in walk(info.tobuf() + build(("folder/a", b"x")))] == ["folder/a"]


def test_links_lead_to_members() -> None:
    data = build(links={"one/layer.tar": "../two/layer.tar", "up": "../../../etc/passwd"})
    assert [each.target for each in walk(data)] == ["two/layer.tar", "etc/passwd"]


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "x.tar is no tar archive: it is empty"),
        (b"x" * 2000, "x.tar is no tar archive: it has a header"),
        (build(("a", b"x" * 600))[:1100], "x.tar is cut short"),
        (
            build(("a", b"x" * 600), ("b", b""))[:1700],
            "at byte 1536: the archive is cut short",
        ),
        (build(("a", b"x"))[:1024] + b"garbage" * 200, "broken tar archive, at byte 1024: it has"),
    ],
    ids=["nothing", "text", "cut content", "cut header", "garbage"],
)
def test_what_is_no_archive_says_so(data: bytes, what: str) -> None:
    with pytest.raises(ImageError, match=re.escape(what)):
        walk(data)


def test_the_empty_blocks_at_the_end_may_be_left_out() -> None:
    assert len(walk(build(("a", b"x" * 600))[: 512 + 1024])) == 1
    assert len(walk(build(("a", b"x" * 600))[: 512 + 600])) == 1


WHOLE = build(("a", b"{}"), (LONG, b"x" * 700), links={"b": "a"}, format=tarfile.PAX_FORMAT)


@settings(deadline=None)
@given(
    position=st.integers(0, len(WHOLE) - 1), value=st.binary(min_size=1, max_size=600),
    end=st.integers(0, len(WHOLE)),
)  # fmt: skip
def test_broken_archives_end_in_members_or_an_error(position: int, value: bytes, end: int) -> None:
    data = (WHOLE[:position] + value + WHOLE[position + len(value) :])[:end]
    try:
        assert len(walk(data)) <= len(WHOLE) // 512
    except ImageError as error:
        assert "x.tar" in error.what  # noqa: PT017


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "image.tar"


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_files_of_an_archive_are_read_in_its_order(file: Path, pack: type[bytes]) -> None:
    large = b"0123456789" * 100_000
    file.write_bytes(pack(build(("a", large), ("b.json", b'{"a":1}'), ("c", b"third"))))
    files = ArchiveFiles(file)
    assert files.read("b.json") == b'{"a":1}'
    assert files.read("absent") is None
    assert files.look_at("c") == (5, b"thir")
    streams = files.read_streams(["c", "absent", "a"])
    found = [(path, read_all(stream)) for path, stream in streams]
    assert found == [("a", large), ("c", b"third")]


def test_links_are_followed_and_rings_lead_nowhere(file: Path) -> None:
    links = {"b": "a", "c": "b", "x": "y", "y": "x", "self": "self"}
    file.write_bytes(build(("a", b"content"), links=links))
    files = ArchiveFiles(file)
    assert files.read("c") == b"content"
    assert files.read("x") is files.read("self") is None


def test_a_large_file_is_no_document(file: Path) -> None:
    file.write_bytes(build(("a", b" " * (4 * 1024 * 1024 + 1))))
    with pytest.raises(ImageError, match="larger than any document"):
        ArchiveFiles(file).read("a")


@pytest.mark.parametrize(
    ("magic", "command"),
    [(b"\x28\xb5\x2f\xfd", "zstd -d"), (b"\xfd7zXZ\0", "unxz -k"), (b"BZh9", "bunzip2 -k")],
)
def test_other_compressions_say_how_to_unpack(file: Path, magic: bytes, command: str) -> None:
    file.write_bytes(magic + b"x" * 1000)
    with pytest.raises(ImageError) as caught:
        ArchiveFiles(file)
    assert f"{command} {file}" in caught.value.cure


def test_an_archive_cut_short_and_then_packed_is_refused(file: Path) -> None:
    file.write_bytes(gzip.compress(build(("a", b"x" * 5000))[:3000]))
    with pytest.raises(ImageError, match="is cut short"):
        ArchiveFiles(file)


@pytest.mark.parametrize("size", [100, -100_000], ids=["head", "tail"])
def test_a_gzip_archive_that_is_cut_short_is_refused(file: Path, size: int) -> None:
    noise = b"".join(struct.pack("I", each * 2654435761 % 2**32) for each in range(50_000))
    file.write_bytes(gzip.compress(build(("a", noise), ("b", noise)))[:size])
    with pytest.raises(ImageError, match=str(file)):
        list(read_everything(ArchiveFiles(file)))


def read_everything(files: ArchiveFiles) -> list[bytes]:
    return [read_all(stream) for _, stream in files.read_streams(["a", "b"])]


def test_an_archive_that_is_cut_short_meanwhile_is_refused(file: Path) -> None:
    whole = build(("a", b"x" * 5000))
    file.write_bytes(whole)
    files = ArchiveFiles(file)
    file.write_bytes(whole[:3000])
    with pytest.raises(ImageError, match="is cut short, in a"):
        read_everything(files)


def test_an_archive_of_too_many_files_is_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_multiarch.files.image_files._MOST_MEMBERS", 3)
    file.write_bytes(build(*((str(each), b"") for each in range(4))))
    with pytest.raises(ImageError, match="more than 3 files"):
        ArchiveFiles(file)


def test_a_file_that_is_not_there_is_an_error_of_ours(file: Path) -> None:
    with pytest.raises(ImageError, match="No such file"):
        ArchiveFiles(file)
