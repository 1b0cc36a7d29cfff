"""The configuration file: `multiarch.yaml`, or `[tool.pytest-multiarch]` in pyproject.toml."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.settings import FileSettings, Source, parse_file_settings

if TYPE_CHECKING:
    from pathlib import Path

YAML_NAME = "multiarch.yaml"
_TABLE = "pytest-multiarch"


def read_config_file(root: Path) -> FileSettings:
    """Read the configuration at the root of a project; none at all gives the defaults.

    Raises:
        UsageError: a file cannot be read, has a wrong key or value, or there are both.
    """
    yaml_file, pyproject = root / YAML_NAME, root / "pyproject.toml"
    table = _read_pyproject(pyproject) if pyproject.is_file() else None
    if not yaml_file.is_file():
        if table is None:
            return FileSettings()
        return parse_file_settings(
            table, source=Source.PYPROJECT, where=f"{pyproject.name} [tool.{_TABLE}]"
        )
    if table is not None:
        raise UsageError(
            f"settings are in both {YAML_NAME} and pyproject.toml [tool.{_TABLE}]",
            cure="keep one of them",
        )
    return parse_file_settings(_read_yaml(yaml_file), source=Source.YAML, where=YAML_NAME)


def _read_pyproject(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    if _TABLE not in text:
        return None
    if sys.version_info >= (3, 11):
        import tomllib
    else:  # pytest itself brings it along there
        import tomli as tomllib
    try:
        return tomllib.loads(text).get("tool", {}).get(_TABLE)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path.name}: {error}") from None


def _read_yaml(path: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path.name}: not valid YAML: {error}") from None
