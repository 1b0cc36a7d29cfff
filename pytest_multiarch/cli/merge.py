"""`pytest-multiarch merge`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

NAME = "merge"
HELP = "merge"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""


def run(arguments: argparse.Namespace) -> int:
    """Run it."""
    raise NotImplementedError
