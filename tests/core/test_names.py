"""Architecture names are aligned between platforms: each platform's own, and only its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_multiarch.core.names import (
    MARK,
    is_own_name,
    mask_own_names,
    split_names,
    texts_agree,
)
from pytest_multiarch.core.platform import COMMON_PLATFORMS, Platform

AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")
ALL = [Platform.parse(text) for text in COMMON_PLATFORMS]

platforms = st.sampled_from(ALL)
words = st.sampled_from(
    ["amd64", "x86_64", "aarch64", "arm64", "386", "i386", "armhf", "armv7l", "s390x", "ppc64le",
     "x86_64-linux-gnu", "x86_64-linux-musl", "arm-linux-gnueabihf", "foo", "12", "_", "-", " ",
     "  ", "\n", "/", ":", "é", "\udc80"]
)  # fmt: skip
texts = st.lists(words, max_size=12).map("".join)


def agree(ours: str, theirs: str, our: str = "linux/amd64", their: str = "linux/arm64") -> bool:
    return texts_agree(ours, theirs, Platform.parse(our), Platform.parse(their))


@pytest.mark.parametrize(
    ("ours", "theirs", "their"),
    [
        ("x86_64", "aarch64", "linux/arm64"),
        ("Linux 6.1 x86_64 GNU/Linux\n", "Linux 6.1 aarch64 GNU/Linux\n", "linux/arm64"),
        ("linux/amd64", "linux/arm/v7", "linux/arm/v7"),
        ("go1.22 linux/amd64", "go1.22 linux/arm", "linux/arm/v7"),
        ("libc6:amd64", "libc6:armhf", "linux/arm/v7"),
        ("app-1.0.x86_64.rpm", "app-1.0.armv7hl.rpm", "linux/arm/v7"),
        ("/usr/lib/x86_64-linux-gnu/libz.so.1", "/usr/lib/arm-linux-gnueabihf/libz.so.1",
         "linux/arm/v7"),
        ("/usr/lib/x86_64-linux-gnu/libz.so.1", "/usr/lib/i386-linux-gnu/libz.so.1", "linux/386"),
        ("bash (x86_64-pc-linux-gnu)", "bash (aarch64-unknown-linux-gnu)", "linux/arm64"),
        ("host: x86_64-unknown-linux-musl", "host: armv7-unknown-linux-musleabihf", "linux/arm/v7"),
        ("x86_64-alpine-linux-musl", "armv6-alpine-linux-musleabihf", "linux/arm/v6"),
        ("cpython-311-x86_64-linux-gnu.so", "cpython-311-s390x-linux-gnu.so", "linux/s390x"),
        ("manylinux2014_x86_64", "manylinux2014_ppc64le", "linux/ppc64le"),
        ("interpreter /lib64/ld-linux-x86-64.so.2", "interpreter /lib/ld-linux-aarch64.so.1",
         "linux/arm64"),
        ("/lib64/ld-linux-x86-64.so.2", "/lib64/ld64.so.2", "linux/ppc64le"),
        ("/lib/ld-musl-x86_64.so.1", "/lib/ld-musl-armhf.so.1", "linux/arm/v7"),
        ("linux-vdso.so.1", "linux-gate.so.1", "linux/386"),
        ("AMD64 machine", "AArch64 machine", "linux/arm64"),
        ("process.arch x64", "process.arch ia32", "linux/386"),
        ("arm64v8/redis", "amd64/redis", "linux/amd64"),
    ],
)  # fmt: skip
def test_each_platforms_own_name_agrees(ours: str, theirs: str, their: str) -> None:
    our = "linux/arm64" if "arm64v8" in ours else "linux/amd64"
    assert agree(ours, theirs, our, their)


@pytest.mark.parametrize(
    ("ours", "theirs", "their"),
    [
        ("amd64", "x86_64", "linux/arm64"),
        ("x86_64", "arm", "linux/arm64"),
        ("x86_64", "aarch64", "linux/arm/v7"),
        ("x86_64", "x86", "linux/arm64"),
        ("x86_64-linux-musl", "aarch64-linux-gnu", "linux/arm64"),
        ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-musl", "linux/arm64"),
        ("x86_64-linux-gnux32", "aarch64-linux-gnu", "linux/arm64"),
        ("x86_64-linux-gnu", "arm-linux-gnueabi", "linux/arm/v7"),
        ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-musl-aarch64.so.1", "linux/arm64"),
        ("/lib64/ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1", "linux/arm64"),
        ("386 tests", "512 tests", "linux/arm64"),
        ("386", "arm64", "linux/arm64"),
        ("x86_64 x86_64", "aarch64", "linux/arm64"),
        ("x86_64 1", "aarch64 2", "linux/arm64"),
        ("x86_64x", "aarch64x", "linux/arm64"),
    ],
)
def test_all_other_differences_stand(ours: str, theirs: str, their: str) -> None:
    assert not agree(ours, theirs, "linux/amd64", their)


def test_a_list_of_architectures_agrees_with_itself_next_to_an_own_name() -> None:
    supported = "supported: amd64 arm64 s390x, running on "
    assert agree(f"{supported}x86_64", f"{supported}aarch64")


def test_a_count_that_is_also_a_name_is_no_name_of_another_platform() -> None:
    assert agree("386 tests on amd64", "386 tests on i386", "linux/amd64", "linux/386")
    assert not agree("amd64 tests", "386 tests")


def test_a_column_padded_to_a_width_agrees() -> None:
    assert agree("|x86_64    |", "|aarch64   |")
    assert agree("|    x86_64|", "|   aarch64|")


def test_other_spaces_do_not() -> None:
    assert not agree("|x86_64 |", "|aarch64    |")
    assert not agree("|x86_64 |", "|x86_64  |")


def test_underscore_and_hyphen_are_boundaries_and_letters_are_not() -> None:
    assert split_names("app_amd64-x64.tgz").names == ("amd64", "x64")
    assert split_names("amd640 xarm64 0x64 arms").names == ()


def test_split_text_is_skeleton_and_names() -> None:
    split = split_names("a amd64 b")
    assert split.skeleton == f"a{MARK}b"
    assert split.names == (" amd64 ",)


def test_own_names_are_masked_and_others_stay() -> None:
    assert mask_own_names("x86_64 and aarch64", ARM64) == "x86_64 and <arch>"


@pytest.mark.parametrize("platform", ALL, ids=str)
def test_a_platform_owns_its_architecture_and_no_64_bit_name_of_another(platform: Platform) -> None:
    own = str(platform).removeprefix("linux/")
    assert is_own_name(own, platform)
    others = {"amd64", "arm64", "s390x", "ppc64le", "riscv64"} - {own}
    assert not any(is_own_name(other, platform) for other in others)


@given(texts, platforms, platforms)
def test_every_text_agrees_with_itself(text: str, a: Platform, b: Platform) -> None:
    assert texts_agree(text, text, a, b)


@given(texts, texts, platforms, platforms)
def test_agreement_is_symmetric(ours: str, theirs: str, a: Platform, b: Platform) -> None:
    assert texts_agree(ours, theirs, a, b) == texts_agree(theirs, ours, b, a)


@given(texts)
def test_the_pieces_make_the_text(text: str) -> None:
    split = split_names(text)
    pieces = split.skeleton.split(MARK)
    names = [*split.names, ""]
    assert "".join(a + b for a, b in zip(pieces, names, strict=True)) == text


@given(texts, platforms)
def test_what_is_masked_alike_agrees(text: str, platform: Platform) -> None:
    """Masking an own name by another own name changes nothing."""
    other = mask_own_names(text, platform, placeholder="\0")
    assert ("\0" in other) == any(
        is_own_name(n.strip(" "), platform) for n in split_names(text).names
    )
