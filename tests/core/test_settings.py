"""Settings: the command line over the file, and each value with where it came from."""

from __future__ import annotations

import pytest

from pytest_multiarch.core.config_document import ConfigDocument, parse_document
from pytest_multiarch.core.config_schema import SETTINGS
from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.provenance import Provenance, trace_settings
from pytest_multiarch.core.settings import Settings, Source, merge_settings

ARM64 = Platform.parse("linux/arm64")
S390X = Platform.parse("linux/s390x")
CONTENT = {
    "images": {"alpine": "app:alpine", "debian": {"image": "app:1", "platforms": ["arm64"]}},
    "platforms": ["linux/amd64", "linux/arm64"],
    "runners": {"arm64": "ubuntu-24.04-arm"},
    "allow": [
        {"label": "app *", "part": "stdout", "platforms": ["arm64"], "reason": "FMA"},
        {"reason": "known"},
    ],
}
FILE = parse_document(
    ConfigDocument(
        value=CONTENT, source=Source.YAML, name="multiarch.yaml", lines={("platforms",): 5}
    )
)


def trace(settings: Settings, name: str) -> Provenance:
    """Give one setting with where it came from."""
    return next(each for each in trace_settings(settings) if each.name == name)


def test_the_command_line_wins() -> None:
    settings = merge_settings(FILE, platforms=(S390X,), strict=True)
    assert (settings.platforms.value, settings.selected, settings.strict) == (
        (S390X,), (S390X,), True,
    )  # fmt: skip


def test_a_job_of_several_only_selects() -> None:
    """What a mark alone declares does not take the place of what is configured."""
    settings = merge_settings(FILE, platforms=(S390X,), selects_only=True)
    assert settings.platforms == FILE.platforms
    assert settings.selected == (S390X,)


def test_where_nothing_is_configured_the_selected_platforms_are_the_defaults() -> None:
    settings = merge_settings(Settings(), platforms=(S390X,), selects_only=True)
    assert settings.platforms.value == (S390X,)


def test_configured_platforms_are_selected_from() -> None:
    """One job of several runs a part, and what it leaves out is still declared."""
    settings = merge_settings(FILE, platforms=(ARM64,))
    assert settings.platforms == FILE.platforms
    assert settings.selected == (ARM64,)


def test_without_options_the_file_holds() -> None:
    assert merge_settings(FILE) == FILE


def test_of_several_images_given_the_last_holds() -> None:
    assert merge_settings(Settings(), images=["app:1", "app:2"]).image.value == "app:2"


def test_replacements_are_no_image_of_tests() -> None:
    settings = merge_settings(FILE, images=["app:1=app:2"])
    assert (settings.replacements, settings.images) == ({"app:1": "app:2"}, FILE.images)


@pytest.mark.parametrize("given", ["debian", "app:1"])
def test_a_configured_image_is_selected_by_name_or_reference(given: str) -> None:
    settings = merge_settings(FILE, images=[given])
    assert (settings.selected_images, settings.images) == (("debian",), FILE.images)


def test_another_image_replaces_the_configured_ones() -> None:
    settings = merge_settings(FILE, images=["other:1"])
    assert (settings.image.value, settings.images.value) == ("other:1", ())


@pytest.mark.parametrize("given", ["UPPER", "app:1=", "=app:1"])
def test_a_wrong_image_names_the_option(given: str) -> None:
    with pytest.raises(UsageError, match=r"^--multiarch-image: "):
        merge_settings(FILE, images=[given])


def test_one_configured_image_and_another_are_refused() -> None:
    with pytest.raises(UsageError, match="other:1 is none of the configured images") as caught:
        merge_settings(FILE, images=["debian", "other:1"])
    assert "configured are alpine, debian" in caught.value.cure


def test_every_setting_is_traced() -> None:
    assert [each.name for each in trace_settings(Settings())] == [each.name for each in SETTINGS]


@pytest.mark.parametrize("definition", SETTINGS, ids=lambda each: each.name)
def test_the_table_names_the_default(definition: object) -> None:
    found = trace(Settings(), definition.name)
    assert (", ".join(found.lines), found.origin) == (definition.default, "default")


def test_a_value_of_a_file_is_traced_to_its_line() -> None:
    found = trace(FILE, "platforms")
    assert (found.value, found.origin) == (["linux/amd64", "linux/arm64"], "multiarch.yaml:5")


def test_a_value_of_an_option_is_traced_to_it() -> None:
    settings = merge_settings(FILE, platforms=(S390X,), strict=True, pull="never")
    origins = {each.name: each.origin for each in trace_settings(settings)}
    assert origins["platforms"] == "--multiarch-platforms"
    assert (origins["strict"], origins["pull"]) == ("--multiarch-strict", "--multiarch-pull")
    assert origins["parity"] == "default"


def test_images_have_a_line_each() -> None:
    assert trace(FILE, "images").lines == ("alpine: app:alpine", "debian: app:1 on linux/arm64")


def test_values_are_traced_as_a_file_would_say_them() -> None:
    """So that what is printed can be read again."""
    said = {each.name: each.value for each in trace_settings(FILE) if each.name in CONTENT}
    again = parse_document(ConfigDocument(value=said, source=Source.YAML, name="multiarch.yaml"))
    assert [getattr(again, name).value for name in said] == [
        getattr(FILE, name).value for name in said
    ]
