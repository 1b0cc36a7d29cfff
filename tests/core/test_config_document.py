"""What a configuration file says, read into settings; and what is said of a wrong one."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_multiarch.core.config_document import ConfigDocument, parse_document, show_path
from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.rules import allow
from pytest_multiarch.core.settings import ImageEntry, Settings, Source

AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")


def make_document(value: Any, **others: Any) -> ConfigDocument:
    """Make a document as if it had been read from a file."""
    return ConfigDocument(value=value, source=Source.YAML, name="multiarch.yaml", **others)


def read(value: Any) -> Settings:
    """Read a document."""
    return parse_document(make_document(value))


def refuse(value: Any, **others: Any) -> list[str]:
    """Give the lines that are said of a wrong document."""
    with pytest.raises(UsageError) as caught:
        parse_document(make_document(value, **others))
    return str(caught.value).splitlines()


def test_an_empty_file_gives_the_defaults() -> None:
    assert read(None) == Settings()


def test_what_is_not_there_has_its_default() -> None:
    assert read({"image": "app"}).platforms == Settings().platforms


def test_an_image_of_a_matrix_is_a_reference_or_more() -> None:
    document = {"a": "app:a", "b": {"image": "app:b", "platforms": ["arm64"], "baseline": "arm64"}}
    assert read({"images": document}).images.value == (
        ImageEntry(name="a", image="app:a"),
        ImageEntry(name="b", image="app:b", platforms=(ARM64,), baseline=ARM64),
    )


def test_runners_are_by_platform_in_normal_form() -> None:
    runners = read({"runners": {"default": "mine", "aarch64": ["arm", "big"]}}).runners.value
    assert (runners.default, dict(runners.by_platform)) == (("mine",), {ARM64: ("arm", "big")})


def test_the_default_runner_is_githubs() -> None:
    assert read({"runners": {"arm64": "arm"}}).runners.value.default == ("ubuntu-latest",)


def test_allow_is_read_as_the_mark_would() -> None:
    document = [{"label": "app *", "part": "stdout", "platforms": "arm64", "reason": "FMA"}]
    assert read({"allow": document}).allow.value == (
        allow("app *", part="stdout", platforms="arm64", reason="FMA"),
    )


def test_a_value_knows_its_line() -> None:
    settings = parse_document(make_document({"image": "app"}, lines={("image",): 7}))
    assert (settings.image.source, settings.image.origin) == (Source.YAML, "multiarch.yaml:7")


def test_a_value_without_a_line_knows_its_section() -> None:
    settings = parse_document(make_document({"image": "app"}, section="[tool.x]"))
    assert settings.image.origin == "multiarch.yaml [tool.x]"


def test_all_problems_are_said_at_once_in_the_order_of_the_file() -> None:
    lines = {("image",): 9, ("platforms",): 2, ("platforms", 1): 4}
    said = refuse({"image": "UPPER", "platforms": ["amd64", "arm46"]}, lines=lines)
    assert [line.split(": ")[:2] for line in said] == [
        ["multiarch.yaml:4", "platforms[1]"],
        ["multiarch.yaml:9", "image"],
    ]


def test_a_problem_without_a_line_has_that_of_what_it_is_in() -> None:
    (said,) = refuse({"platforms": ["arm46"]}, lines={("platforms",): 3})
    assert said.startswith("multiarch.yaml:3: platforms[0]: 'arm46' is not a platform")


def test_a_long_list_of_problems_is_cut() -> None:
    assert refuse({"platforms": [f"p{n}" for n in range(60)]})[-1] == "and 10 more problems"


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"imgae": "x"}, "imgae: unknown setting; did you mean 'image'? valid are image, images,"),
        ({"image": 5}, "image: expected an image reference, found 5"),
        ({"platforms": "amd64"}, "platforms: expected a list of platforms, found 'amd64'"),
        ({"platforms": ["arm46"]}, "platforms[0]: 'arm46' is not a platform; did you mean"),
        ({"platforms": ["amd64", "x64"]}, "platforms[1]: linux/amd64 is named twice"),
        ({"baseline": {}}, "baseline: expected a platform, found a mapping"),
        ({"image": None}, "image: expected an image reference, found nothing"),
        ({"images": {"a b": "x"}}, "images.a b: 'a b' is no name for an image: it becomes"),
        ({"images": {"arm64": "x"}}, "images.arm64: 'arm64' is no name for an image: it is a p"),
        ({"images": {"a": {}}}, "images.a: image is missing; add image: ..."),
        ({"images": {"a": []}}, "images.a: expected a mapping with image, platforms and baseline"),
        ({"images": {"a": 1}}, "images.a: expected an image reference or a mapping with image"),
        ({"image": "x", "images": {"a": "x"}}, "images: there is also image; keep one of them"),
        ({"platforms": ["amd64"], "baseline": "arm64"}, "baseline: linux/arm64 is not one of"),
        ({"runners": {"arm46": "x"}}, "runners.arm46: 'arm46' is not a platform; did you mean"),
        ({"runners": {"arm64": []}}, "runners.arm64: expected a list of labels, found an empty"),
        ({"runners": {"arm64": "a", "aarch64": "b"}}, "runners.aarch64: linux/arm64 is named tw"),
        ({"allow": [{"label": "x"}]}, "allow[0]: reason is missing; add reason: ..."),
        (
            {"allow": [{"reason": "x", "part": "stdot"}]},
            (
                "allow[0].part: expected one of exit, stdout, stderr, value, content, calls, found "
                "'stdot'; did"
            ),
        ),
    ],
    ids=str,
)
def test_what_is_said(document: Any, said: str) -> None:
    (line,) = refuse(document)
    assert line.removeprefix("multiarch.yaml: ").startswith(said)


def test_a_long_value_is_shown_in_part() -> None:
    (line,) = refuse({"platforms": "x" * 1000})
    assert len(line) < 200


def test_control_sequences_in_keys_are_escaped() -> None:
    assert show_path(("images", "\x1b[31m")).isprintable()
