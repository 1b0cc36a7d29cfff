"""Configs, files and packages of variants compared without running them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_multiarch.core.filetree import FileEntry, FileKind, FileTree, Layer, Script
from pytest_multiarch.core.packages import Package
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.static_parity import (
    StaticAllowance,
    StaticDifference,
    StaticPart,
    compare_configs,
    compare_packages,
    compare_trees,
    describe_config,
    find_stale_allowances,
)
from tests.core.trees import make_elf, make_tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

AMD64, ARM64, ARMV7 = map(Platform.parse, ("linux/amd64", "linux/arm64", "linux/arm/v7"))


def tell(differences: Iterable[StaticDifference]) -> list[tuple[str, ...]]:
    """Give differences in short: subject, aspect, values."""
    return [(each.subject, each.aspect, *each.values.values()) for each in differences]


# Configs


def compare(
    ours: dict[str, Any], theirs: dict[str, Any], *allow: StaticAllowance
) -> tuple[StaticDifference, ...]:
    """Compare the configs of amd64 and arm64."""
    configs = {AMD64: describe_config(ours), ARM64: describe_config(theirs)}
    return compare_configs(configs, baseline=AMD64, allow=allow)


@pytest.mark.parametrize(
    ("name", "ours", "theirs", "shown"),
    [
        ("Entrypoint", ["/app"], ["/app", "-x"], ('["/app"]', '["/app", "-x"]')),
        ("Cmd", None, ["serve"], ("missing", '["serve"]')),
        ("User", "app", "", ("app", "missing")),
        ("WorkingDir", "/srv", "/", ("/srv", "missing")),
        ("StopSignal", "SIGQUIT", "SIGTERM", ("SIGQUIT", "missing")),
        ("Shell", ["/bin/sh", "-c"], ["/bin/bash", "-c"], ('["/bin/sh", "-c"]',
                                                           '["/bin/bash", "-c"]')),
        ("OnBuild", ["RUN a"], ["RUN b"], ('["RUN a"]', '["RUN b"]')),
        ("Healthcheck", {"Test": ["CMD", "a"], "Retries": 3}, {"Test": ["CMD", "a"]},
         ('{"Test": ["CMD", "a"], "Retries": 3}', '{"Test": ["CMD", "a"]}')),
    ],
)  # fmt: skip
def test_fields_of_a_config(name: str, ours: Any, theirs: Any, shown: tuple[str, str]) -> None:
    (found,) = compare({name: ours}, {name: theirs})
    assert (found.part, found.subject) == (StaticPart.CONFIG, name)
    assert found.aspect == ("missing" if "missing" in shown else "value")
    assert tuple(found.values.values()) == shown


def test_what_is_compared_name_by_name() -> None:
    ours = {"Env": ["A=1", "B=1"], "ExposedPorts": {"80": {}}, "Volumes": {"/data": {}},
            "Labels": {"team": "x"}}  # fmt: skip
    theirs = {"Env": ["B=2", "A=1"], "ExposedPorts": {"80/tcp": {}, "443/tcp": {}},
              "Labels": {"team": "y"}}  # fmt: skip
    assert tell(compare(ours, theirs)) == [
        ("Env B", "value", "1", "2"),
        ("Label team", "value", "x", "y"),
        ("Port 443/tcp", "missing", "missing", '""'),
        ("Volume /data", "missing", '""', "missing"),
    ]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"Cmd": []}, {"Cmd": None}),
        ({"WorkingDir": ""}, {"WorkingDir": "/"}),
        ({"Env": ["LD_PRELOAD=/usr/lib/x86_64-linux-gnu/libjemalloc.so.2"]},
         {"Env": ["LD_PRELOAD=/usr/lib/aarch64-linux-gnu/libjemalloc.so.2"]}),
        ({"Env": ["OS_ARCH=amd64"]}, {"Env": ["OS_ARCH=arm64"]}),
        ({"Env": ["TARGETVARIANT="]}, {"Env": ["TARGETVARIANT=v8"]}),
        ({"Env": ["NODE_SHA256=aa", "SHA_SUM=1"]}, {"Env": ["NODE_SHA256=bb"]}),
        ({"Entrypoint": ["/opt/linux-amd64/app"]}, {"Entrypoint": ["/opt/linux-arm64/app"]}),
        ({"Labels": {"org.opencontainers.image.created": "a", "build-date": "a"}},
         {"Labels": {"org.opencontainers.image.created": "b", "build-date": "b"}}),
        ({"Labels": {"build_version": "1.2 Build-date: 2024-05-01T10:00:00+00:00"}},
         {"Labels": {"build_version": "1.2 Build-date: 2024-05-01T10:07:31+00:00"}}),
        ({"Labels": {"architecture": "x86_64"}}, {"Labels": {"architecture": "aarch64"}}),
    ],
)  # fmt: skip
def test_what_rightly_differs(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert compare(ours, theirs) == ()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"Env": ["OS_ARCH=amd64"]}, {"Env": ["OS_ARCH=amd64"]}),
        ({"Env": ["JAVA_VERSION=17.0.9"]}, {"Env": ["JAVA_VERSION=17.0.8"]}),
        ({"Labels": {"org.opencontainers.image.revision": "a"}},
         {"Labels": {"org.opencontainers.image.revision": "b"}}),
    ],
)  # fmt: skip
def test_what_does_not(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Another version, another revision; and an arm64 image that names itself amd64 alike is
    equal text: what it is was asked of its config and its files."""
    assert bool(compare(ours, theirs)) is (ours != theirs)


def test_a_secret_is_never_shown() -> None:
    ours, theirs = {"Env": ["DB_PASSWORD=hunter2"]}, {"Env": ["DB_PASSWORD=hunter3"]}
    (found,) = compare(ours, theirs)
    assert found.subject == "Env DB_PASSWORD"
    assert all(each.startswith("<hidden, sha256 ") for each in found.values.values())
    assert "hunter" not in json.dumps(describe_config(ours))


def test_a_long_value_is_shown_where_it_differs() -> None:
    ours, theirs = {"Env": ["P=" + "a" * 300 + "XYZ"]}, {"Env": ["P=" + "a" * 300 + "UVW"]}
    (found,) = compare(ours, theirs)
    assert found.values[AMD64] == "..." + "a" * 20 + "XYZ"


def test_control_characters_are_spelled_out() -> None:
    (found,) = compare({"Env": ["A=\x1b[2J"]}, {"Labels": {}})
    assert found.values[AMD64] == "\\x1b[2J"


@pytest.mark.parametrize("wrap", [lambda c: c, lambda c: {"config": c}, lambda c: {"Config": c}])
def test_documents_that_hold_a_config(wrap: Any) -> None:
    assert describe_config(wrap({"Cmd": ["a"]})) == {"Cmd": ["a"]}


def test_a_document_without_config() -> None:
    assert describe_config({"config": None, "rootfs": {}}) == {}


TEXTS = st.text(alphabet="aA=:/\x1b\udcff", max_size=5)
SCALARS = st.sampled_from([None, True, 0, 1.5, "", "PASSWORD=x"]) | TEXTS
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
FIELDS = st.sampled_from(["Env", "Labels", "Cmd", "User", "Healthcheck", "Volumes", "config"])


@given(*[st.dictionaries(FIELDS, JSON, max_size=3)] * 2)
def test_any_document_is_described(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Descriptions are JSON, survive it, and are equal to themselves."""
    described = describe_config(ours)
    assert json.loads(json.dumps(described)) == described
    assert compare(ours, ours) == ()
    compare(ours, theirs)


# Allowances


def test_an_allowance_by_name() -> None:
    allow = StaticAllowance(subject="Env L*", reason="no locales", part=StaticPart.CONFIG)
    found = compare({"Env": ["LANG=C", "X=1"]}, {"Env": ["LANG=D", "X=2"]}, allow)
    assert [(each.subject, each.allowed) for each in found] == [
        ("Env LANG", "no locales"),
        ("Env X", ""),
    ]


@pytest.mark.parametrize(
    ("values", "platforms", "is_allowed"),
    [
        ("aab", (ARMV7,), True),
        ("abb", (AMD64,), True),
        ("abc", (ARMV7,), False),
        ("aab", (ARM64,), False),
        ("abc", (ARMV7, ARM64), True),
        ("abc", (), True),
    ],
)
def test_platforms_that_are_not_named_have_to_agree(
    values: str, platforms: tuple[Platform, ...], is_allowed: bool
) -> None:
    allow = StaticAllowance(subject="*", reason="why", platforms=platforms)
    three = zip((AMD64, ARM64, ARMV7), values, strict=True)
    configs = {platform: {"User": value} for platform, value in three}
    (found,) = compare_configs(configs, baseline=AMD64, allow=[allow])
    assert bool(found.allowed) is is_allowed


def test_allowances_for_a_platform_each_add_up() -> None:
    allow = [
        StaticAllowance(subject="User", reason=f"so on {each}", platforms=(each,))
        for each in (ARM64, ARMV7)
    ]
    configs = {AMD64: {"User": "a"}, ARM64: {"User": "b"}, ARMV7: {"User": "c"}}
    found = compare_configs(configs, baseline=AMD64, allow=allow)
    assert [each.allowed for each in found] == ["so on linux/arm64; so on linux/arm/v7"]
    assert find_stale_allowances(allow, found) == ()
    assert not compare_configs(configs, baseline=AMD64, allow=allow[:1])[0].allowed


def test_an_allowance_of_another_part_is_stale() -> None:
    allow = StaticAllowance(subject="*", reason="why", part=StaticPart.TREE)
    found = compare({"User": "a"}, {"User": "b"}, allow)
    assert [each.allowed for each in found] == [""]
    assert find_stale_allowances([allow], found) == (allow,)


def test_an_allowance_that_is_used_is_not_stale() -> None:
    allow = StaticAllowance(subject="User", reason="why")
    assert find_stale_allowances([allow], compare({"User": "a"}, {"User": "b"}, allow)) == ()


# Files


def make_files(*entries: FileEntry) -> FileTree:
    return FileTree.merge([Layer(digest="", diff_id="", entries=entries)])


def compare_files(
    ours: FileTree | Sequence[FileEntry],
    theirs: FileTree | Sequence[FileEntry],
    *allow: StaticAllowance,
) -> list[tuple[str, ...]]:
    """Compare the trees of amd64 and arm64."""
    both = (
        each if isinstance(each, FileTree) else make_files(*each) for each in (ours, theirs)
    )  # fmt: skip
    trees = dict(zip((AMD64, ARM64), both, strict=True))
    return tell(compare_trees(trees, baseline=AMD64, allow=allow))


def make_file(path: str, content: str = "", **more: Any) -> FileEntry:
    return FileEntry(path, FileKind.FILE, size=len(content), digest=content.encode().hex(), **more)


@pytest.mark.parametrize(
    ("ours", "theirs", "told"),
    [
        (make_file("/a", "x"), make_file("/a", "yz"),
         ("content", "1 bytes, sha256 78", "2 bytes, sha256 797a")),
        (make_file("/a", mode=0o755), make_file("/a", mode=0o4755), ("mode", "0755", "4755")),
        (make_file("/a", uid=0), make_file("/a", uid=7, gid=8), ("owner", "0:0", "7:8")),
        (FileEntry("/a", FileKind.LINK, target="b"), FileEntry("/a", FileKind.LINK, target="c"),
         ("target", "b", "c")),
        (FileEntry("/a", FileKind.FOLDER), make_file("/a"), ("kind", "folder", "file")),
        (make_file("/a", program=make_elf("amd64")),
         make_file("/a", mode=0o755, program=Script("/bin/sh")), ("kind", "ELF file", "script")),
    ],
)  # fmt: skip
def test_aspects_of_a_path(ours: FileEntry, theirs: FileEntry, told: tuple[str, ...]) -> None:
    assert compare_files([ours], [theirs]) == [("/a", *told)]


def test_a_program_on_one_side_only() -> None:
    ours = make_tree({"/usr/bin/tool": make_elf("amd64"), "/app": make_elf("amd64")})
    theirs = make_tree({"/app": make_elf("arm64")})
    assert compare_files(ours, theirs) == [
        ("/usr", "missing", "folder, with 2 entries below", "missing")
    ]


def test_a_folder_that_is_missing_is_told_once() -> None:
    files = [make_file(f"/usr/share/x/{number}") for number in range(50)]
    there = [make_file("/usr/share/y")]
    assert compare_files([*files, *there], there) == [
        ("/usr/share/x", "missing", "folder, with 50 entries below", "missing")
    ]


def test_the_content_of_programs_is_not_compared() -> None:
    ours = make_file("/app", "x", program=make_elf("amd64"))
    theirs = make_file("/app", "y", program=make_elf("arm64"))
    assert compare_files([ours], [theirs]) == []


def test_folders_named_after_the_platform_are_the_same() -> None:
    ours = [
        make_file("/usr/lib/x86_64-linux-gnu/libc.so.6", "x"),
        FileEntry("/lib64/ld-linux-x86-64.so.2", FileKind.LINK, target="/lib/x"),
        make_file("/usr/lib/x86_64-linux-gnu/pkgconfig.txt", "x86_64"),
        FileEntry("/etc/alternatives/a", FileKind.LINK, target="/usr/lib/x86_64-linux-gnu/a"),
    ]
    theirs = [
        make_file("/usr/lib/aarch64-linux-gnu/libc.so.6", "y"),
        FileEntry("/lib/ld-linux-aarch64.so.1", FileKind.LINK, target="y"),
        make_file("/usr/lib/aarch64-linux-gnu/pkgconfig.txt", "aarch64"),
        FileEntry("/etc/alternatives/a", FileKind.LINK, target="/usr/lib/aarch64-linux-gnu/a"),
        FileEntry("/lib", FileKind.FOLDER),
    ]
    ours.append(FileEntry("/lib", FileKind.FOLDER))
    assert compare_files(ours, theirs) == []


@pytest.mark.parametrize(
    "path",
    [
        "/etc/ld.so.cache", "/var/log/dpkg.log", "/var/cache/apt/pkgcache.bin", "/etc/machine-id",
        "/usr/lib/python3.11/__pycache__/os.cpython-311.pyc", "/var/lib/dpkg/status",
        "/tmp/build-1234/x", "/lib/apk/db/installed", "/usr/share/doc/x/changelog.gz",
        "/usr/lib/x86_64-linux-gnu/libquadmath.so.0.0.0", "/root/.cache/pip/x",
    ],
)  # fmt: skip
def test_paths_that_are_left_out(path: str) -> None:
    folders = [FileEntry("/", FileKind.FOLDER)]
    parent = path.rpartition("/")[0]
    while parent:
        folders.append(FileEntry(parent, FileKind.FOLDER))
        parent = parent.rpartition("/")[0]
    theirs = [entry for entry in folders if "x86_64" not in entry.path]
    if "x86_64" in path:
        theirs.append(FileEntry("/usr/lib/aarch64-linux-gnu", FileKind.FOLDER))
    assert compare_files([*folders, make_file(path)], theirs) == []


def test_a_missing_tmp_is_told() -> None:
    ours = [FileEntry("/tmp", FileKind.FOLDER), make_file("/a")]
    assert compare_files(ours, [make_file("/a")]) == [("/tmp", "missing", "folder", "missing")]


def test_a_path_pattern_allows() -> None:
    allow = StaticAllowance(subject="/etc/**", reason="why")
    trees = {AMD64: make_files(make_file("/etc/app/a", "x")),
             ARM64: make_files(make_file("/etc/app/a", "y"))}  # fmt: skip
    (found,) = compare_trees(trees, baseline=AMD64, allow=[allow])
    assert found.allowed == "why"


def test_very_many_differences_are_counted() -> None:
    ours = [make_file(f"/{number}", "x") for number in range(1200)]
    theirs = [make_file(f"/{number}", "y") for number in range(1200)]
    found = compare_files(ours, theirs)
    assert len(found) == 1001
    assert found[-1] == ("/", "more", "200 more differences")


# Packages


def compare_lists(ours: Sequence[Package], theirs: Sequence[Package]) -> list[tuple[str, ...]]:
    """Compare the packages of amd64 and arm64."""
    packages = {AMD64: {"/db": tuple(ours)}, ARM64: {"/db": tuple(theirs)}}
    return tell(compare_packages(packages, baseline=AMD64))


def test_versions_of_packages() -> None:
    ours = [Package("dpkg", "openssl", "3.0.1", "amd64"), Package("dpkg", "vim", "9", "amd64")]
    theirs = [Package("dpkg", "openssl", "3.0.2", "arm64")]
    assert compare_lists(ours, theirs) == [
        ("openssl (dpkg)", "version", "3.0.1", "3.0.2"),
        ("vim (dpkg)", "missing", "9", "missing"),
    ]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Package("dpkg", "bash", "5.2-1+b7", "amd64"), Package("dpkg", "bash", "5.2-1", "arm64")),
        (Package("dpkg", "gcc-12-x86-64-linux-gnu", "1", "amd64"),
         Package("dpkg", "gcc-12-aarch64-linux-gnu", "1", "arm64")),
        (Package("dpkg", "tzdata", "1", "all"), Package("dpkg", "tzdata", "1", "all")),
        (Package("rpm", "bash", "5-1", "x86_64"), Package("rpm", "bash", "5-1", "aarch64")),
    ],
)  # fmt: skip
def test_packages_that_agree(ours: Package, theirs: Package) -> None:
    assert compare_lists([ours], [theirs]) == []


def test_a_runtime_that_not_all_architectures_have() -> None:
    assert compare_lists([Package("dpkg", "libquadmath0", "12", "amd64")], []) == []


def test_a_package_for_another_architecture_is_told_apart() -> None:
    ours = [Package("dpkg", "libc6", "2", "amd64"), Package("dpkg", "libc6", "2", "i386")]
    theirs = [Package("dpkg", "libc6", "2", "arm64")]
    assert compare_lists(ours, theirs) == [("libc6:i386 (dpkg)", "missing", "2", "missing")]
