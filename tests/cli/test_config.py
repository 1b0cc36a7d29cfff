"""`pytest-multiarch config`."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from pytest_multiarch.cli.main import main
from pytest_multiarch.core.config_schema import make_schema

YAML = """\
image: ghcr.io/acme/app:1.10
platforms: [linux/amd64, linux/arm64]
runners:
  linux/arm64: ubuntu-24.04-arm
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder of a project with a multiarch.yaml."""
    inner = tmp_path / "tests"
    inner.mkdir()
    tmp_path.joinpath("multiarch.yaml").write_text(YAML)
    monkeypatch.chdir(inner)
    return tmp_path


@pytest.mark.usefixtures("project")
def test_each_value_is_shown_with_where_it_came_from(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["image", "ghcr.io/acme/app:1.10", "multiarch.yaml:1"] in rows
    assert ["platforms", "linux/amd64,", "linux/arm64", "multiarch.yaml:2"] in rows
    assert ["linux/arm64:", "ubuntu-24.04-arm"] in rows
    assert ["baseline", "none", "default"] in rows


def test_json_is_for_programs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["rootdir"] == str(project)
    assert {"name": "image", "value": "ghcr.io/acme/app:1.10", "from": "multiarch.yaml:1"} in (
        document["settings"]
    )


def test_the_schema_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where the configuration is wrong: that is when an editor needs it."""
    tmp_path.joinpath("multiarch.yaml").write_text("imgae: app\n")
    monkeypatch.chdir(tmp_path)
    assert main(["config", "--schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema == make_schema()


def test_the_published_schema_is_the_one_that_is_printed() -> None:
    """`pytest-multiarch config --schema > docs/multiarch.schema.json` renews it."""
    published = Path(__file__).parents[2] / "docs" / "multiarch.schema.json"
    assert json.loads(published.read_text(encoding="utf-8")) == make_schema()


@pytest.mark.parametrize("option", ["-C", "--rootdir"])
def test_another_folder_can_be_named(
    tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tmp_path.joinpath("multiarch.yaml").write_text("pull: never\nbaseline: arm46\n")
    assert main(["config", option, str(tmp_path)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("pytest-multiarch config: multiarch.yaml:1: pull: unknown setting")
    assert said[1].startswith("multiarch.yaml:2: baseline: 'arm46' is not a platform")


def test_a_folder_that_is_not_there_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "-C", str(tmp_path / "gone")]) == 2
    assert "is no folder" in capsys.readouterr().err


def test_without_a_file_all_is_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--json", "-C", str(tmp_path)]) == 0
    settings = json.loads(capsys.readouterr().out)["settings"]
    assert {each["from"] for each in settings} == {"default"}


def test_json_and_schema_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["config", "--json", "--schema"])
    assert caught.value.code == 2
    assert "not allowed with" in capsys.readouterr().err
