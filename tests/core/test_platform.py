"""One normal form for a platform, the same on every machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.platform import COMMON_PLATFORMS, Platform


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("linux/amd64", "linux/amd64"),
        ("amd64", "linux/amd64"),
        ("x86_64", "linux/amd64"),
        ("LINUX/X86-64", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/amd64/v2", "linux/amd64/v2"),
        ("aarch64", "linux/arm64"),
        ("arm64/v8", "linux/arm64"),
        ("linux/arm64/8", "linux/arm64"),
        ("linux/arm64/v8.0", "linux/arm64"),
        ("linux/arm64/v9.0", "linux/arm64/v9"),
        ("arm", "linux/arm/v7"),
        ("armhf", "linux/arm/v7"),
        ("armel", "linux/arm/v6"),
        ("linux/arm/7", "linux/arm/v7"),
        ("arm/v6", "linux/arm/v6"),
        ("i386", "linux/386"),
        ("i686", "linux/386"),
        ("ppc64el", "linux/ppc64le"),
        ("loongarch64", "linux/loong64"),
        ("  linux/s390x\n", "linux/s390x"),
        ("windows/amd64", "windows/amd64"),
        ("macos/arm64", "darwin/arm64"),
    ],
)
def test_is_read_as_people_write_it(written: str, normal: str) -> None:
    assert str(Platform.parse(written)) == normal


@pytest.mark.parametrize(
    "written",
    ["", "linux", "linux/", "/amd64", "linux/foo", "linux/amd64/v9", "linux/386/v7", "linux/arm/v4",
     "linux/amd64/v1/x", "solaris/sparc/v9", "linux amd64", "linux/am d64", "linux/../amd64"],
)  # fmt: skip
def test_refuses_what_is_none(written: str) -> None:
    with pytest.raises(UsageError, match="is not a platform"):
        Platform.parse(written)


@pytest.mark.parametrize(
    ("typo", "near"),
    [("linux/amd46", "linux/amd64"), ("linux/arm46", "linux/arm64"), ("aarch46", "aarch64")],
)
def test_a_typo_names_the_nearest_spelling_and_what_is_valid(typo: str, near: str) -> None:
    with pytest.raises(UsageError) as caught:
        Platform.parse(typo)
    assert f"did you mean {near!r}?" in caught.value.cure
    assert "linux/arm/v7" in caught.value.cure


def test_unknown_names_in_an_image_stay_as_they_are() -> None:
    assert str(Platform.of_image("linux", "Sparc64", "V9")) == "linux/sparc64/v9"


def test_an_image_without_an_os_is_linux() -> None:
    assert Platform.of_image("", "arm64", "v8") == Platform.parse("linux/arm64")


def test_a_slug_is_safe_in_names() -> None:
    assert Platform.parse("linux/arm/v7").slug == "linux-arm-v7"


@pytest.mark.parametrize("text", COMMON_PLATFORMS)
def test_the_common_ones_are_in_normal_form(text: str) -> None:
    assert str(Platform.parse(text)) == text


@given(st.text(max_size=20))
def test_any_text_is_a_platform_in_normal_form_or_refused(text: str) -> None:
    try:
        platform = Platform.parse(text)
    except UsageError:
        return
    assert Platform.parse(str(platform)) == platform
