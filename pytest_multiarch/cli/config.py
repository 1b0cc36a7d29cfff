"""`pytest-multiarch config`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

NAME = "config"
HELP = "config"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""


def run(arguments: argparse.Namespace) -> int:
    """Run it."""
    raise NotImplementedError
