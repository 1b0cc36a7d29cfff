"""multiarch.yaml and pyproject.toml as files: lines, and what YAML makes of texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.settings import Settings, Source
from pytest_multiarch.files.config_file import find_config_root, read_config_file


def read_yaml(folder: Path, text: str) -> Settings:
    """Read settings from a multiarch.yaml."""
    folder.joinpath("multiarch.yaml").write_text(text, encoding="utf-8")
    return read_config_file(folder)


def read_toml(folder: Path, text: str) -> Settings:
    """Read settings from a pyproject.toml."""
    folder.joinpath("pyproject.toml").write_text(text, encoding="utf-8")
    return read_config_file(folder)


def refuse_yaml(folder: Path, text: str) -> str:
    """Give what is said of a wrong multiarch.yaml."""
    with pytest.raises(UsageError) as caught:
        read_yaml(folder, text)
    return str(caught.value)


def refuse_toml(folder: Path, text: str) -> list[str]:
    """Give the lines that are said of a wrong pyproject.toml."""
    with pytest.raises(UsageError) as caught:
        read_toml(folder, text)
    return str(caught.value).splitlines()


def test_no_file_gives_the_defaults(tmp_path: Path) -> None:
    assert read_config_file(tmp_path) == Settings()


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "{}\n"])
def test_a_file_that_says_nothing_gives_the_defaults(tmp_path: Path, text: str) -> None:
    assert read_yaml(tmp_path, text) == Settings()


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    assert read_yaml(tmp_path, "\ufeffimage: app\n").image.value == "app"


@pytest.mark.parametrize("text", ["1.10", "010", "12:30", "on", "1e3", "0x1F", "2026-01-01", "'1'"])
def test_a_text_is_what_is_written(tmp_path: Path, text: str) -> None:
    settings = read_yaml(tmp_path, f"runners: {{default: {text}}}\n")
    assert settings.runners.value.default == (text.strip("'"),)


def test_keys_are_what_is_written(tmp_path: Path) -> None:
    settings = read_yaml(tmp_path, "images:\n  3.10: app:3.10\n  on: app\n")
    assert [each.name for each in settings.images.value] == ["3.10", "on"]


@pytest.mark.parametrize("text", ["~", "null", ""])
def test_null_is_nothing(tmp_path: Path, text: str) -> None:
    said = refuse_yaml(tmp_path, f"baseline: {text}\n")
    assert said == "multiarch.yaml:1: baseline: expected a platform, found nothing"


def test_a_problem_has_the_line_of_the_item(tmp_path: Path) -> None:
    said = refuse_yaml(tmp_path, "# head\nplatforms:\n  - linux/amd64\n\n  - linux/arm46\n")
    assert said.startswith("multiarch.yaml:5: platforms[1]: 'linux/arm46' is not a platform")


def test_a_problem_in_a_nested_mapping_has_its_line(tmp_path: Path) -> None:
    said = refuse_yaml(tmp_path, "images:\n  alpine:\n    image: app\n    platform: arm64\n")
    assert said.startswith("multiarch.yaml:4: images.alpine.platform: unknown setting; did you m")


def test_a_setting_knows_its_line(tmp_path: Path) -> None:
    settings = read_yaml(tmp_path, "image: app\n\nplatforms: [arm64]\n")
    assert settings.platforms.origin == "multiarch.yaml:3"


def test_a_key_that_is_there_twice_is_refused_with_both_lines(tmp_path: Path) -> None:
    said = refuse_yaml(tmp_path, "image: app\nplatforms: []\nimage: other\n")
    assert said == (
        "multiarch.yaml:3: image: written twice, on line 1 and on line 3; keep one of them"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("image: [", "multiarch.yaml:1: not valid YAML: while parsing a flow node, "),
        ("image: app\n\tplatforms: []", "multiarch.yaml:2: not valid YAML: while scanning"),
        ("image: app\n---\nimage: app", "multiarch.yaml:2: not valid YAML: expected a single"),
        ("image: \x01", "multiarch.yaml: not valid YAML: unacceptable character #x0001"),
        ("- image", "multiarch.yaml: expected a mapping of settings, found a list"),
        ("? [a]\n: b", "multiarch.yaml:1: ?: a key has to be a text"),
        ("image: app\nbaseline: &x arm64", "multiarch.yaml:2: &x: anchors and aliases are not"),
        ("platforms: &x [*x]", "multiarch.yaml:1: &x: anchors and aliases are not read"),
        ("image: *x", "multiarch.yaml:1: *x: anchors and aliases are not read"),
        ("image: !!python/name:os.system x", "multiarch.yaml:1: !!python/name:os.system: tags"),
        ("image: !x app", "multiarch.yaml:1: !x: tags are not read"),
        ("<<: {image: app}", "multiarch.yaml:1: <<: unknown setting; valid are"),
    ],
)
def test_what_a_configuration_has_no_use_for_is_refused(
    tmp_path: Path, text: str, said: str
) -> None:
    assert refuse_yaml(tmp_path, text).startswith(said)


@pytest.mark.parametrize("opened", ["[", "{a: ", "- ", "? "])
def test_deep_nesting_is_refused(tmp_path: Path, opened: str) -> None:
    assert refuse_yaml(tmp_path, opened * 3000).startswith(
        "multiarch.yaml:1: nested deeper than 20 levels"
    )


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    tmp_path.joinpath("multiarch.yaml").write_bytes(b"image: \xff\n")
    with pytest.raises(UsageError, match=r"multiarch\.yaml: not UTF-8: "):
        read_config_file(tmp_path)


def test_both_files_are_refused(tmp_path: Path) -> None:
    tmp_path.joinpath("multiarch.yaml").write_text("image: app\n")
    (said, cure) = refuse_toml(tmp_path, '[tool.pytest-multiarch]\nimage = "app"\n')
    assert said == "settings are in both multiarch.yaml and pyproject.toml [tool.pytest-multiarch]"
    assert cure == "keep one of them"


@pytest.mark.parametrize(
    "text", ["[tool.other]\nx = 1\n", '[project]\ndependencies = ["pytest-multiarch"]\n', "tool=1"]
)
def test_a_pyproject_that_is_not_about_us_says_nothing(tmp_path: Path, text: str) -> None:
    assert read_toml(tmp_path, text) == Settings()


TOML = """\
[project]
name = "app"
image = "not ours"

[tool.pytest-multiarch]
image = "app:1"
platforms = [
    "linux/amd64",
    "linux/arm64",
]
runners.default = "mine"

[tool.pytest-multiarch.runners]
"linux/arm64" = "arm"

[[tool.pytest-multiarch.allow]]
reason = "known"

[[tool.pytest-multiarch.allow]]
reason = "known too"
"""


def test_toml_gives_the_same_settings_as_yaml(tmp_path: Path) -> None:
    settings = read_toml(tmp_path, TOML.replace('runners.default = "mine"\n', ""))
    (tmp_path / "pyproject.toml").unlink()
    same = read_yaml(
        tmp_path,
        "image: app:1\nplatforms: [amd64, arm64]\nrunners: {arm64: arm}\n"
        "allow: [{reason: known}, {reason: known too}]\n",
    )
    names = ("image", "platforms", "runners", "allow")
    assert [getattr(settings, name).value for name in names] == [
        getattr(same, name).value for name in names
    ]


def test_a_setting_in_toml_knows_its_line(tmp_path: Path) -> None:
    settings = read_toml(tmp_path, TOML.replace('runners.default = "mine"\n', "\n"))
    assert settings.image.source is Source.PYPROJECT
    assert settings.image.origin == "pyproject.toml:6"
    assert settings.platforms.origin == "pyproject.toml:7"
    assert settings.runners.origin == "pyproject.toml:13"
    assert settings.allow.origin == "pyproject.toml:16"


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ('"app:1"', "5", "pyproject.toml:6: image: expected"),
        ('"linux/arm64",', '"linux/arm46",', "pyproject.toml:7: platforms[1]: 'linux/arm46'"),
        ('"arm"', "true", "pyproject.toml:14: runners.linux/arm64: expected"),
        ('reason = "known too"', "reason = 3", "pyproject.toml:20: allow[1].reason: expected"),
        ('image = "app:1"', "image . x = 1", "pyproject.toml:6: image: expected"),
    ],
)
def test_a_problem_in_toml_has_a_line(tmp_path: Path, old: str, new: str, where: str) -> None:
    text = TOML.replace('runners.default = "mine"\n', "\n").replace(old, new)
    (said,) = refuse_toml(tmp_path, text)
    assert said.startswith(where)


def test_a_problem_in_toml_without_a_line_of_its_own_has_the_table(tmp_path: Path) -> None:
    (said,) = refuse_toml(tmp_path, "[tool]\npytest-multiarch = { imgae = 1 }\n")
    assert said.startswith("pyproject.toml [tool.pytest-multiarch]: imgae: unknown setting; did")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# pytest-multiarch\n[", "pyproject.toml: not valid TOML: "),
        (f"# pytest-multiarch\nx = {'[' * 5000}", "pyproject.toml: not valid TOML: "),
        ("[tool]\npytest-multiarch = 5\n", "pyproject.toml [tool.pytest-multiarch]: expected a "),
    ],
)
def test_wrong_toml_is_refused(tmp_path: Path, text: str, said: str) -> None:
    assert refuse_toml(tmp_path, text)[0].startswith(said)


@pytest.mark.parametrize("name", ["multiarch.yaml", "pyproject.toml"])
def test_the_root_is_the_closest_folder_with_a_file(tmp_path: Path, name: str) -> None:
    inner = tmp_path / "a" / "b" / "c"
    inner.mkdir(parents=True)
    (tmp_path / "a" / name).touch()
    (tmp_path / "multiarch.yaml").touch()
    assert find_config_root(inner) == tmp_path / "a"
