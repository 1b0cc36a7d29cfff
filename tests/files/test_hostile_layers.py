"""Layers made to break their reader: each is a clear error or a bounded pass."""

from __future__ import annotations

import gzip
import io
import itertools
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_multiarch.core.errors import ImageError
from pytest_multiarch.core.filetree import FileTree
from pytest_multiarch.core.manifest import StoredLayer
from pytest_multiarch.files import layer_stream
from pytest_multiarch.files.layer import read_layer
from tests.files.sample_archives import (
    END,
    hash_bytes,
    make_archive,
    make_elf,
    make_header,
    pack,
    pad,
    read,
    zstd,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).resolve().parents[2]


class Chunks:
    """A stream made as it is read, which need not fit into memory."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._left = b""

    def read(self, size: int, /) -> bytes:
        self._left = self._left or next(self._chunks, b"")
        data, self._left = self._left[:size], self._left[size:]
        return data


def refuse(data: bytes, **fields: str) -> str:
    """Check that a layer of these bytes is refused, with a cure, and give what is said."""
    with pytest.raises(ImageError) as caught:
        read(data, **fields)
    assert caught.value.cure
    assert hash_bytes(data) in caught.value.what
    return caught.value.what.partition("cannot be read: ")[2]


# Digests


def test_content_that_is_not_what_its_digest_says_is_refused() -> None:
    with pytest.raises(ImageError, match="its content is not what its digest says: stored") as it:
        read_layer(StoredLayer(digest=hash_bytes(b"")), io.BytesIO(make_archive("a")))
    assert hash_bytes(b"") in it.value.what


@pytest.mark.parametrize("compression", ["", "gzip", "zstd"])
def test_an_archive_that_is_not_what_its_diff_id_says_is_refused(compression: str) -> None:
    data = pack(make_archive("a"), compression)
    assert "says: unpacked, it is sha256:" in refuse(data, diff_id=hash_bytes(b"other"))


@pytest.mark.parametrize("digest", ["md5:" + "0" * 32, "sha256:short", "../../etc", "sha256"])
def test_a_digest_that_cannot_be_verified_is_refused(digest: str) -> None:
    with pytest.raises(ImageError, match="cannot be verified"):
        read_layer(StoredLayer(digest=digest), io.BytesIO(make_archive("a")))


# Compressed data


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.parametrize("kept", [5, 12, 100, -1])
def test_packed_data_that_are_cut_short_are_refused(compression: str, kept: int) -> None:
    data = pack(make_archive("a", a=bytes(range(256)) * 100), compression)
    assert refuse(data[:kept]) == f"its {compression} data are cut short"


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_packed_data_that_are_broken_are_refused(compression: str) -> None:
    data = bytearray(pack(make_archive("a", a=bytes(range(256)) * 100), compression))
    data[-6] ^= 0xFF
    data[30] ^= 0xFF
    assert f"its {compression} data are broken" in refuse(bytes(data))


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_something_else_after_packed_data_is_refused(compression: str) -> None:
    data = pack(make_archive("a"), compression)
    assert refuse(data + b"garbage") == f"something other than {compression} follows after its end"
    assert "follows after its end" in refuse(data + bytes(100_000) + b"x")


@pytest.mark.parametrize(
    ("data", "name"), [(b"BZh91AY", "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"PK\3\4", "zip")]
)
def test_another_compression_is_named(data: bytes, name: str) -> None:
    assert f"it is {name}" in refuse(data)


def test_an_encrypted_layer_is_named() -> None:
    assert refuse(b"noise", media_type="layer.tar+gzip+encrypted") == "it is encrypted"


def test_a_zstd_window_that_would_take_much_memory_is_refused() -> None:
    options = {zstd.CompressionParameter.window_log: 27}
    packer = zstd.ZstdCompressor(options=options)
    assert "a window of more than 32 MiB" in refuse(packer.compress(END) + packer.flush())


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_a_bomb_is_given_up(monkeypatch: pytest.MonkeyPatch, compression: str) -> None:
    monkeypatch.setattr(layer_stream, "BOMB_SIZE", 8 * 1024**2)
    header = make_header(size=b"%011o\0" % (64 * 1024**2))
    said = refuse(pack(header + bytes(64 * 1024**2) + END, compression))
    assert "it unpacks to more than" in said
    assert "500 times the stored size" in said


def test_what_is_larger_than_is_read_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_stream, "UNPACKED_LIMIT", 1024**2)
    assert "it unpacks to more than" in refuse(make_archive("a", a=bytes(2 * 1024**2)))


# Archives


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"x" * 512, "it has a header that its checksum does not fit"),
        (b"short", "the archive is cut short"),
        (make_header(size=100), "the archive is cut short"),
        (make_header(size=2**60), "the archive is cut short"),
        (make_header()[:300], "the archive is cut short"),
        (make_header(size=b"\xff" * 12), "a size that is negative"),
        (make_header(size=b"-7"), "a size that is negative"),
        (make_header(size=b"\x80" + b"\xff" * 11), "a size that is negative, or larger"),
        (make_header(size=b"zzz"), "a size that is no number"),
        (make_header(kind=b"x", size=10**9), "an extended header of 1,000,000,000 bytes"),
        (make_header(kind=b"L", size=2**40), "an extended header of"),
        (make_header(kind=b"x", size=5) + pad(b"12 a\n"), "an extended header that is broken"),
        (make_header(kind=b"x", size=5) + pad(b"no  \n"), "that is no number"),
        (make_header(kind=b"x", size=9) + pad(b"9 size=z\n") + make_header(), "no number"),
        (make_header(kind=b"x", size=10) + pad(b"10 size=-1\n"[:10]), "that is broken"),
    ],
)
def test_a_broken_archive_is_refused(data: bytes, what: str) -> None:
    assert what in refuse(data)


def make_extended(**records: bytes) -> bytes:
    data = b""
    for key, value in records.items():
        body = b" %s=%s\n" % (key.replace("__", ".").encode(), value)
        length = len(body) + len(str(len(body) + 3))
        data += b"%d" % length + body
    return make_header(kind=b"x", size=len(data)) + pad(data)


@pytest.mark.parametrize("size", [b"-1", b"1e3", b"99999999999999999999", b""])
def test_a_size_that_is_none_in_an_extended_header_is_refused(size: bytes) -> None:
    assert "a size that is no number" in refuse(make_extended(size=size) + make_header() + END)


@pytest.mark.parametrize("map", [b"", b"x\n", b"99999999\n", b"3\n1\n2\n"])
def test_a_sparse_file_with_a_broken_map_is_refused(map: bytes) -> None:
    fields = {"GNU__sparse__major": b"1", "GNU__sparse__realsize": b"9"}
    data = make_extended(**fields) + make_header(size=len(map)) + pad(map) + END
    assert refuse(data)


@pytest.mark.parametrize("name", [b"n" * 10**6, b"a/" * 10**5, b"a\0b"])
def test_a_name_that_no_file_system_takes_is_left_out_and_noted(name: bytes) -> None:
    layer = read(make_extended(path=name) + make_header(b"short") + make_header(b"b") + END)
    assert [each.path for each in layer.entries] == ["/b"]
    assert "names that no file system takes" in layer.notes[0]


def test_a_link_that_is_too_long_is_cut() -> None:
    layer = read(make_extended(linkpath=b"t" * 900_000) + make_header(kind=b"2") + END)
    assert len(layer.entries[0].target) <= 4096


def test_names_of_devices_and_absolute_links_are_only_named(tmp_path: Path) -> None:
    data = make_archive("/etc/passwd", "../../../etc/shadow", "in -> /", "in/passwd", "up -> ../..")
    before = sorted(tmp_path.rglob("*"))
    tree = FileTree.merge([read(data)])
    assert sorted(each.path for each in tree) == [
        "/etc", "/etc/passwd", "/etc/shadow", "/in", "/passwd", "/up",
    ]  # fmt: skip
    assert sorted(tmp_path.rglob("*")) == before


# Memory


def measure(script: str, *arguments: str) -> tuple[str, float]:
    """Run a script that reads layers; give what it prints, and by how many MB it grew."""
    prelude = """
        import io
        from pathlib import Path
        from pytest_multiarch.core.errors import ImageError
        from pytest_multiarch.core.manifest import StoredLayer
        from pytest_multiarch.files.layer import read_layer
        from backports import zstd
        from tests.files.sample_archives import END, make_archive, make_header, pad
        from tests.files.test_hostile_layers import Chunks, make_extended
        read_layer(StoredLayer(digest=""), io.BytesIO(zstd.compress(make_archive("a"))))
        def read_peak_mb():  # the greatest resident size; `ru_maxrss` counts the parent's too
            status = Path("/proc/self/status").read_text(encoding="ascii")
            return int(status.partition("VmHWM:")[2].split()[0]) / 1024
        before = read_peak_mb()
        def try_to_read(chunks):
            try:
                print(len(read_layer(StoredLayer(digest=""), Chunks(chunks)).entries))
            except ImageError as error:
                print(error.what)
    """
    epilogue = "print(read_peak_mb() - before)"
    text = "\n".join(textwrap.dedent(each) for each in (prelude, script, epilogue))
    done = subprocess.run(
        [sys.executable, "-c", text, *arguments],
        cwd=ROOT, env=None, check=True, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    said, grown = done.stdout.strip().rsplit("\n", 1)
    return said, float(grown)


def test_a_million_entries_are_a_clear_error_in_bounded_memory() -> None:
    said, grown_mb = measure("""
        try_to_read(make_header(b"usr/share/some/folder/of/files/%07d" % n) for n in range(10**6))
    """)
    assert "it holds too many files: after" in said
    assert grown_mb < 100


def test_a_hundred_thousand_files_are_read() -> None:
    said, grown_mb = measure("""
        names = (b"usr/lib/python3/dist-packages/package/%07d.py" % n for n in range(10**5))
        try_to_read(make_header(name, size=9) + pad(b"import os") for name in names)
    """)
    assert said == "100000"
    assert grown_mb < 100


@pytest.mark.parametrize(
    ("entry", "count"),
    [
        ('make_extended(path=b"/".join([b"%d" % n] * 700)) + make_header()', 400_000),
        ('make_extended(linkpath=b"%d/" % n * 700) + make_header(b"%d" % n, kind=b"2")', 400_000),
        ('make_header(b"%d/.wh.x" % n)', 400_000),
        ('make_header(b"%d" % n, size=250) + pad(b"#!/%d" % n + b"/x" * 110)', 400_000),
        ('make_extended(path=b"%d" % n * 100_000) + make_header()', 300),
    ],
)
def test_entries_of_any_kind_take_bounded_memory(entry: str, count: int) -> None:
    said, grown_mb = measure(f"try_to_read({entry} for n in range({count}))")
    assert "too many files" in said or said == "0"
    assert grown_mb < 100


def test_a_large_file_takes_no_memory() -> None:
    said, grown_mb = measure("""
        packer = zstd.ZstdCompressor()
        parts = [make_header(size=b"%011o" % 2**30), *[bytes(2**20)] * 1024, END]
        try_to_read([packer.compress(part) + packer.flush(1) for part in parts] + [packer.flush()])
    """)
    assert said == "1"
    assert grown_mb < 50


# Anything

ELF = make_elf(loader=b"/lib/ld.so")
ARCHIVES = [
    make_archive("etc/", "bin -> usr/bin", "b = a", ".wh.x", a=b"#!/bin/sh\n", elf=ELF),
    make_extended(path=b"long", size=b"3") + make_header() + pad(b"abc") + END,
    make_extended(GNU__sparse__major=b"1", GNU__sparse__realsize=b"9")
    + make_header(size=520)
    + pad(pad(b"1\n0\n8\n") + b"contents")
    + END,
]  # fmt: skip


def try_to_merge(data: bytes) -> None:
    try:
        layer = read(data)
    except ImageError:
        return
    tree = FileTree.merge([layer])
    assert all(each.path.startswith("/") and "/../" not in each.path for each in tree)
    for each in itertools.islice(tree, 50):
        tree.follow(each.path)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(ARCHIVES),
    st.sampled_from(["", "gzip", "zstd"]),
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=6),
    st.booleans(),
)
def test_any_change_to_an_archive_is_read_or_refused(
    archive: bytes, compression: str, changes: list[tuple[int, int]], is_mended: bool
) -> None:
    """With its checksums mended, so that what they guard is reached."""
    data = bytearray(archive)
    for position, value in changes:
        data[position % len(data)] = value
    if is_mended:
        for start in range(0, len(data) - 511, 512):
            header = bytes(data[start : start + 512])
            total = sum(header[:148]) + 256 + sum(header[156:])
            if header[257:262] == b"ustar":
                data[start + 148 : start + 156] = b"%06o\0 " % total
    try_to_merge(pack(bytes(data), compression))


@settings(max_examples=200)
@given(
    st.sampled_from([pack(each, how) for each in ARCHIVES for how in ("gzip", "zstd")]),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=4),
    st.integers(0, 2000),
)
def test_any_change_to_packed_data_is_read_or_refused(
    packed: bytes, changes: list[tuple[int, int]], length: int
) -> None:
    data = bytearray(packed)
    for position, value in changes:
        data[position % len(data)] = value
    try_to_merge(bytes(data[: length or None]))


@given(st.binary(max_size=2000))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try_to_merge(data)
    try_to_merge(gzip.compress(data))
