"""What a layer is said to hold, from archives of every writer; nothing is unpacked for it."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from pytest_multiarch.core.elf import ElfFile
from pytest_multiarch.core.filetree import FileKind, FileTree, ForeignFormat, Script
from pytest_multiarch.core.manifest import StoredLayer
from pytest_multiarch.files.layer import read_layer
from tests.files.sample_archives import (
    END,
    add,
    hash_bytes,
    make_archive,
    make_elf,
    make_header,
    pack,
    pad,
    read,
    read_entries,
)

COMPRESSIONS = ["", "gzip", "zstd"]


# Compression and digests


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_layer_is_read_whatever_it_is_packed_with(compression: str) -> None:
    archive = make_archive("etc/", **{"etc/a": b"content"})
    layer = read(pack(archive, compression), diff_id=hash_bytes(archive))
    assert [each.path for each in layer.entries] == ["/etc", "/etc/a"]
    assert (layer.compression, layer.size) == (compression, len(archive))
    assert layer.diff_id == hash_bytes(archive)


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_a_layer_may_be_many_compressed_streams_on_end(compression: str) -> None:
    """eStargz and zstd:chunked have one for each file."""
    archive = make_archive(*(f"f{number}" for number in range(300)))
    parts = [archive[at : at + 1000] for at in range(0, len(archive), 1000)]
    layer = read(b"".join(pack(each, compression) for each in parts))
    assert (len(layer.entries), layer.diff_id) == (300, hash_bytes(archive))


def test_zstd_frames_without_content_are_passed_over() -> None:
    skippable = b"\x5d\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"
    archive = make_archive("a")
    layer = read(skippable + pack(archive, "zstd") + skippable)
    assert [each.path for each in layer.entries] == ["/a"]


def test_zeros_may_follow_what_is_packed() -> None:
    assert read(pack(make_archive("a"), "gzip") + bytes(70_000)).entries


def test_the_diff_id_is_computed_where_it_is_not_known() -> None:
    archive = make_archive("a")
    layer = read_layer(StoredLayer(digest=""), io.BytesIO(pack(archive, "gzip")))
    assert layer.diff_id == hash_bytes(archive)


def test_digests_may_be_of_sha512() -> None:
    data = make_archive("a")
    digest = f"sha512:{hashlib.sha512(data).hexdigest()}"
    assert read_layer(StoredLayer(digest=digest), io.BytesIO(data)).digest == digest


def test_a_media_type_that_is_wrong_is_noted() -> None:
    (note,) = read(pack(make_archive("a"), "zstd"), media_type="layer.tar+gzip").notes
    assert "its media type says gzip, and its bytes are zstd" in note


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_media_type_that_is_right_is_not(compression: str) -> None:
    suffix = f"+{compression}" if compression else ""
    media_type = f"application/vnd.oci.image.layer.v1.tar{suffix}"
    assert read(pack(make_archive("a"), compression), media_type=media_type).notes == ()


def test_bytes_may_come_one_by_one() -> None:
    class Dripping(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 1, 1))

    archive = make_archive("a", "b")
    layer = read_layer(StoredLayer(digest=""), Dripping(pack(archive, "gzip")))
    assert len(layer.entries) == 2


# Entries


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_kind_of_entry_is_read_in_every_format(format: int) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as archive:
        add(archive, "bin", kind=tarfile.SYMTYPE, target="usr/bin")
        add(archive, "usr/bin/", kind=tarfile.DIRTYPE, mode=0o755)
        add(archive, "usr/bin/su", b"x" * 600, mode=0o4755)
        add(archive, "dev/null", kind=tarfile.CHRTYPE)
        add(archive, "dev/sda", kind=tarfile.BLKTYPE)
        add(archive, "run/pipe", kind=tarfile.FIFOTYPE)
    found = [
        (each.path, each.kind.value, each.mode, each.size, each.target)
        for each in read(buffer.getvalue()).entries
    ]
    assert found == [
        ("/bin", "link", 0o644, 0, "usr/bin"),
        ("/usr/bin", "folder", 0o755, 0, ""),
        ("/usr/bin/su", "file", 0o4755, 600, ""),
        ("/dev/null", "device", 0o644, 0, ""),
        ("/dev/sda", "device", 0o644, 0, ""),
        ("/run/pipe", "device", 0o644, 0, ""),
    ]


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_targets_owners_and_other_letters_are_read(format: int) -> None:
    name, target = "d/" + "lang-ä" * 40, "t" * 300
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as archive:
        entry = tarfile.TarInfo(name)
        entry.uid, entry.gid, entry.type, entry.linkname = 10_000_000, 3, tarfile.SYMTYPE, target
        archive.addfile(entry)
        add(archive, "after")
    link, after = read(buffer.getvalue()).entries
    assert (link.path, link.target, link.uid, link.gid) == (f"/{name}", target, 10_000_000, 3)
    assert after.path == "/after"


@pytest.mark.parametrize("format", ["v7", "oldgnu", "gnu", "ustar", "posix"])
def test_what_tar_writes_is_read(tmp_path: Path, format: str) -> None:
    (tmp_path / "a").write_bytes(b"one" * 1000)
    (tmp_path / "folder").mkdir()
    (tmp_path / "b").symlink_to("a")
    command = ["tar", f"--format={format}", "-C", tmp_path, "-cf", "-", "a", "b", "folder"]
    entries = read_entries(subprocess.run(command, check=True, capture_output=True).stdout)
    assert {path: each.kind.value for path, each in entries.items()} == {
        "/a": "file", "/b": "link", "/folder": "folder"
    }  # fmt: skip
    assert entries["/a"].digest == hashlib.sha256(b"one" * 1000).hexdigest()


@pytest.mark.parametrize("version", ["gnu", "0.0", "0.1", "1.0"])
def test_sparse_files_have_their_size_and_what_they_are(tmp_path: Path, version: str) -> None:
    path = tmp_path / "big"
    with path.open("wb") as file:
        for step in range(30):  # more parts than the first header has room for
            file.seek(step * 1024**2)
            file.write(b"#!/bin/sh\n" if step == 0 else b"x")
        file.truncate(40 * 1024**2)
    (tmp_path / "z").write_bytes(b"after")
    options = ["--format=posix", f"--sparse-version={version}"]
    if version == "gnu":
        options = ["--format=gnu"]
    command = ["tar", *options, "-S", "-C", tmp_path, "-cf", "-", "big", "z"]
    entries = read_entries(subprocess.run(command, check=True, capture_output=True).stdout)
    assert (entries["/big"].size, entries["/big"].program) == (40 * 1024**2, Script("/bin/sh"))
    assert entries["/big"].digest == ""
    assert entries["/z"].digest == hashlib.sha256(b"after").hexdigest()


def test_a_digest_is_of_the_whole_content() -> None:
    content = bytes(range(256)) * 20_000
    entries = read_entries(pack(make_archive("a", a=content), "zstd"))
    assert entries["/a"].digest == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("./a", "/a"),
        ("/abs", "/abs"),
        ("//two", "/two"),
        ("a//b/./c", "/a/b/c"),
        ("../../up", "/up"),
        ("a/../../b", "/b"),
        ("./.hidden", "/.hidden"),
        ("..a", "/..a"),
        ("./", "/"),
    ],
)
def test_names_are_made_absolute_and_never_lead_out(name: str, path: str) -> None:
    data = make_header(name.encode(), kind=b"5") + END
    assert [each.path for each in read(data).entries] == [path]


def test_names_that_are_no_text_are_kept_byte_by_byte() -> None:
    data = make_header(b"\xff\xed\xa0\x80\x1b[31m") + END
    (entry,) = read(data).entries
    assert entry.path.encode("utf-8", "surrogateescape") == b"/\xff\xed\xa0\x80\x1b[31m"


def test_sizes_may_be_in_base_256() -> None:
    data = make_header(size=b"\x80" + (3).to_bytes(11, "big")) + pad(b"abc") + END
    assert read(data).entries[0].size == 3


def test_what_follows_the_end_is_hashed_and_nothing_else() -> None:
    data = make_archive("a") + make_header(b"b") + b"garbage"
    layer = read(data, diff_id=hash_bytes(data))
    assert [each.path for each in layer.entries] == ["/a"]


def test_an_archive_without_an_end_is_read_as_engines_do() -> None:
    assert len(read(make_header(b"a")).entries) == 1


def test_an_empty_layer_holds_nothing() -> None:
    assert read(END).entries == read(b"").entries == ()


def test_entries_of_unknown_kinds_are_noted_and_passed_over() -> None:
    layer = read(make_header(b"odd", kind=b"D", size=3) + pad(b"abc") + make_header(b"a") + END)
    assert [each.path for each in layer.entries] == ["/a"]
    assert "1 entries of a kind that engines do not know were left out" in layer.notes[0]


# Whiteouts


def test_whiteouts_are_told_from_files() -> None:
    layer = read(make_archive("etc/.wh.gone", "srv/.wh..wh..opq", ".wh..wh..opq", ".wh.top", "a"))
    assert layer.whiteouts == ("/etc/gone", "/top")
    assert layer.opaque == ("/srv", "/")
    assert [each.path for each in layer.entries] == ["/a"]


@pytest.mark.parametrize("name", ["etc/.wh.", "etc/.wh..", "etc/.wh...", "etc/.wh..wh.plnk"])
def test_whiteouts_of_no_name_remove_nothing(name: str) -> None:
    layer = read(make_archive(name))
    assert (layer.whiteouts, layer.opaque, layer.entries) == ((), (), ())


# Hard links


def test_a_hard_link_is_a_file_with_the_content_of_its_target() -> None:
    entries = read_entries(make_archive("a", "./b = ./a", "c = b", a=b"#!/bin/sh\n"))
    assert entries["/c"].digest == entries["/a"].digest != ""
    assert entries["/b"].program == Script("/bin/sh")


def test_a_hard_link_into_a_layer_below_is_told() -> None:
    layer = read(make_archive("new = usr/old"))
    assert (layer.entries, layer.hard_links) == ((), (("/new", "/usr/old"),))


def test_hard_links_in_a_circle_lead_nowhere() -> None:
    layer = read(make_archive("a = b", "b = a", "c = c"))
    assert layer.entries == ()
    assert len(FileTree.merge([layer])) == 0


# Programs


@pytest.mark.parametrize(
    ("content", "program"),
    [
        (b"#!/usr/bin/env -S python3 -u\nx", Script("/usr/bin/env", "-S python3 -u")),
        (b"#!\n", None),
        (b"\xcf\xfa\xed\xfe" + bytes(40), ForeignFormat("Mach-O")),
        (b"\xfe\xed\xfa\xce" + bytes(40), ForeignFormat("Mach-O")),
        (b"\xca\xfe\xba\xbe\0\0\0\x02" + bytes(40), ForeignFormat("Mach-O")),
        (b"\xca\xfe\xba\xbe\0\0\0\x34" + bytes(40), None),  # a class file of Java 8
        (b"MZ".ljust(60, b"\0") + b"\x40\0\0\0PE\0\0", ForeignFormat("PE")),
        (b"MZ" + bytes(100), None),
        (b"\x7fELF", None),
        (b"", None),
    ],
)
def test_a_program_is_told_by_its_first_bytes(content: bytes, program: object) -> None:
    (entry,) = read(make_archive("p", p=content)).entries
    assert entry.program == program


@pytest.mark.parametrize("at", [176, 5_000, 3_000_000])
def test_the_loader_of_a_program_is_found_wherever_it_is_in_the_file(at: int) -> None:
    """patchelf moves it to the end."""
    content = make_elf(183, loader=b"/lib/ld-musl-aarch64.so.1", loader_at=at) + bytes(5_000)
    first, second = read(make_archive("p", "q", p=content)).entries
    assert isinstance(first.program, ElfFile)
    assert (first.program.loader, first.program.is_program) == ("/lib/ld-musl-aarch64.so.1", True)
    assert second.path == "/q"


@pytest.mark.skipif(sys.platform != "linux", reason="this Python is no ELF file")
def test_the_python_that_runs_this_is_a_program() -> None:
    (entry,) = read(make_archive("python", python=Path(sys.executable).read_bytes())).entries
    assert isinstance(entry.program, ElfFile)
    assert entry.program.is_program


# What tells of the image


def test_packages_and_the_release_are_read() -> None:
    status = b"Package: bash\nStatus: install ok installed\nArchitecture: arm64\nVersion: 5.2\n"
    apk = b"P:musl\nV:1.2.5-r0\nA:aarch64\n"
    release = b'ID=debian\nNAME="Debian"\n'
    layer = read(
        make_archive(
            **{
                "var/lib/dpkg/status": status,
                "var/lib/dpkg/status.d/bash": status,
                "var/lib/dpkg/status.d/bash.md5sums": b"0  bin/bash",
                "lib/apk/db/installed": apk,
                "etc/os-release": release,
                "etc/passwd": b"root",
            }
        )
    )
    assert {path: [each.name for each in found] for path, found in layer.packages.items()} == {
        "/var/lib/dpkg/status": ["bash"],
        "/var/lib/dpkg/status.d/bash": ["bash"],
        "/lib/apk/db/installed": ["musl"],
    }
    assert layer.texts == {"/etc/os-release": release.decode()}
    assert all(each.digest for each in layer.entries)


def test_a_database_that_cannot_be_read_is_noted() -> None:
    files = {"var/lib/rpm/Packages": b"bdb", "usr/lib/sysimage/rpm/rpmdb.sqlite": b"no database"}
    layer = read(make_archive(**files))
    assert layer.packages == {}
    assert len(layer.entries) == 2
    assert any("/var/lib/rpm/Packages was not read" in note for note in layer.notes)
    assert any("rpmdb.sqlite was not read" in note for note in layer.notes)


def test_a_text_that_is_too_long_is_noted_and_left() -> None:
    layer = read(make_archive(**{"etc/os-release": bytes(70_000)}))
    assert layer.texts == {}
    assert "/etc/os-release was not read: it has 70,000 bytes" in layer.notes[0]


def test_kinds_are_all_known() -> None:
    assert {each.value for each in FileKind} == {"file", "folder", "link", "device"}
