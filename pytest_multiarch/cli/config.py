"""`pytest-multiarch config`: every setting, its value, and where that came from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_multiarch.core.config_schema import make_schema
from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.provenance import Provenance, trace_settings
from pytest_multiarch.files.config_file import find_config_root, read_config_file

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

NAME = "config"
HELP = "show every setting, its value, and where that came from; check the configuration file"
_NOTE = "pytest's own command line (also addopts and PYTEST_ADDOPTS) is not read here."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument(
        "-C",
        "--rootdir",
        metavar="DIR",
        type=Path,
        help="the folder of multiarch.yaml or pyproject.toml (default: the closest one that has "
        "either, from the current folder upwards)",
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--json", action="store_true", help="print JSON")
    shown.add_argument(
        "--schema", action="store_true", help="print the JSON Schema of multiarch.yaml, for editors"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the settings, or their schema; a wrong configuration file is a UsageError."""
    if arguments.schema:
        print(json.dumps(make_schema(), indent=2))
        return 0
    root = _find_root(arguments.rootdir)
    traced = trace_settings(read_config_file(root))
    if arguments.json:
        document = {"rootdir": str(root), "settings": [each.to_mapping() for each in traced]}
        print(json.dumps(document, indent=2))
    else:
        print("\n".join(_render_table(traced)))
        print(f"\n{_NOTE}")
    return 0


def _find_root(given: Path | None) -> Path:
    if given is None:
        return find_config_root(Path.cwd())
    if not given.is_dir():
        raise UsageError(f"--rootdir: {given} is no folder")
    return given.resolve()


def _render_table(traced: Sequence[Provenance]) -> Iterator[str]:
    rows = [("setting", "value", "from")]
    for each in traced:
        first, *others = each.lines
        rows += [(each.name, first, each.origin), *(("", line, "") for line in others)]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, value, origin in rows:
        yield f"{name:{widths[0]}}  {value:{widths[1]}}  {origin}".rstrip()
