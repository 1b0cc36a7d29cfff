"""The configuration file: `multiarch.yaml`, or `[tool.pytest-multiarch]` in pyproject.toml."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_multiarch.core.config_document import ConfigDocument, parse_document
from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.settings import Settings, Source
from pytest_multiarch.files.toml_document import SECTION, read_toml
from pytest_multiarch.files.yaml_document import read_yaml

if TYPE_CHECKING:
    from pathlib import Path

YAML_NAME = "multiarch.yaml"
TOML_NAME = "pyproject.toml"


def find_config_root(start: Path) -> Path:
    """Give the closest folder, from `start` upwards, that has a configuration file.

    That is pytest's rootdir in most projects; where there is no such folder, `start` itself.
    """
    folders = (start, *start.parents)
    names = (YAML_NAME, TOML_NAME)
    return next((each for each in folders if any((each / n).is_file() for n in names)), start)


def read_config_file(root: Path) -> Settings:
    """Read the configuration at the root of a project; none at all gives the defaults.

    Raises:
        UsageError: a file cannot be read, has a wrong key or value, or there are both.
    """
    document = _read_document(root)
    return (
        Settings()
        if document is None
        else parse_document(document, folder=root.absolute().as_posix())
    )


def _read_document(root: Path) -> ConfigDocument | None:
    yaml_file, toml_file = root / YAML_NAME, root / TOML_NAME
    table = read_toml(_read_text(toml_file), name=TOML_NAME) if toml_file.is_file() else None
    if not yaml_file.is_file():
        return table
    if table is not None:
        raise UsageError(
            f"settings are in both {YAML_NAME} and {TOML_NAME} {SECTION}", cure="keep one of them"
        )
    return read_yaml(_read_text(yaml_file), name=YAML_NAME, source=Source.YAML)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path.name}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path.name}: not UTF-8: {error}", cure="save it as UTF-8") from None
