"""The `pytest-multiarch` command: its subcommands, and how errors and signals end it."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import metadata
from typing import TYPE_CHECKING

from pytest_multiarch.cli import config, doctor, inspect, matrix, merge, publish, report
from pytest_multiarch.core.errors import MultiarchError

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMANDS = (inspect, doctor, merge, report, publish, matrix, config)
_EXIT_USAGE = 2
_EXIT_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and give its exit status.

    Every subcommand: 0 all is well, 1 what it checks does not hold, 2 it could not be done (wrong
    usage, an unreadable file); `merge` also 3, incomplete.
    """
    arguments = make_parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
        sys.stdout.flush()
        return status
    except MultiarchError as error:
        print(f"pytest-multiarch {arguments.command}: {error}", file=sys.stderr)
        return _EXIT_USAGE
    except BrokenPipeError:  # `| head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _EXIT_USAGE
    except KeyboardInterrupt:
        return _EXIT_INTERRUPTED


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the command line; abbreviations of options are refused."""
    parser = argparse.ArgumentParser(
        prog="pytest-multiarch",
        description="Container tests on every platform of an image: what surrounds the tests.",
        allow_abbrev=False,
    )
    version = f"pytest-multiarch {metadata.version('pytest-multiarch')}"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        subparser = commands.add_parser(
            command.NAME, help=command.HELP, description=command.HELP, allow_abbrev=False
        )
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run)
    return parser
