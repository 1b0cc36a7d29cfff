"""`pytest-multiarch inspect`: what an image is, before it runs."""

from __future__ import annotations

import json
import os
import shutil
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_multiarch.cli.arguments import parse_platforms
from pytest_multiarch.cli.image_argument import OpenedImage, open_image_source
from pytest_multiarch.cli.merge import print_lines
from pytest_multiarch.core.emulators import forecast_execution
from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.image_rules import (
    ImageRules,
    make_audit_rules,
    make_index_rules,
    make_static_rules,
)
from pytest_multiarch.core.inspection_document import describe_inspection
from pytest_multiarch.engine.binfmt import read_emulators
from pytest_multiarch.engine.machine import read_machine
from pytest_multiarch.files.config_file import find_config_root, read_config_file
from pytest_multiarch.reports.inspection import render_inspection
from pytest_multiarch.reports.paint import choose_paint
from pytest_multiarch.run.inspect import InspectionTools, inspect_image
from pytest_multiarch.run.progress import Progress

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from pytest_multiarch.core.execution import Execution
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.ports import Engine
    from pytest_multiarch.core.settings import Settings

NAME = "inspect"
HELP = "look at an image without running it: platforms, sizes, files for the wrong platform"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.description = (
        "Look at an image without running it: its platforms, digests and sizes, files that are "
        "for another platform than their variant, and what differs between the variants. The exit "
        "status is 0 if nothing is wrong, 1 if something is, 2 if it could not be looked at."
    )
    parser.add_argument(
        "image",
        metavar="IMAGE",
        help="a reference, an OCI layout folder or a docker save tar; what an engine has under a "
        "name wins. docker://REF is the registry's, docker-daemon:REF the engine's, oci:FOLDER, "
        "oci-archive:FILE and docker-archive:FILE are files",
    )
    parser.add_argument(
        "--platforms",
        metavar="PLATFORMS",
        action="append",
        default=[],
        help="look at these variants only (comma-separated, repeatable)",
    )
    parser.add_argument(
        "--required",
        metavar="PLATFORMS",
        action="append",
        default=[],
        help="platforms that have to be there, beside those of index.required in multiarch.yaml "
        "(comma-separated, repeatable)",
    )
    parser.add_argument(
        "--allow",
        metavar="PATTERN=REASON",
        action="append",
        default=[],
        help="files that may be for another platform, beside those of audit.allow in "
        "multiarch.yaml; ** crosses folders (repeatable)",
    )
    parser.add_argument(
        "--static-parity",
        action="store_true",
        help="list every difference of files and packages between the variants; they are findings",
    )
    parser.add_argument(
        "--no-engine",
        action="store_true",
        help="ask no engine: neither for the image, nor how its platforms would run here",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Look at an image and print what it is; one that cannot be read is an error."""
    platforms = parse_platforms("--platforms", arguments.platforms)
    required = parse_platforms("--required", arguments.required)
    settings = read_config_file(find_config_root(Path.cwd()))
    with open_image_source(arguments.image, os.environ, no_engine=arguments.no_engine) as opened:
        inspection = inspect_image(
            opened.source,
            _make_tools(opened, settings),
            _make_rules(arguments, required, settings),
            reference=arguments.image,
            platforms=platforms,
            baseline=settings.baseline.value,
            notes=_list_notes(opened, settings),
        )
    if arguments.json:
        print(json.dumps(describe_inspection(inspection), indent=2))
        return inspection.status
    paint = choose_paint(os.environ, is_terminal=sys.stdout.isatty())
    print_lines(render_inspection(inspection, is_full=arguments.static_parity, paint=paint))
    return inspection.status


def _make_tools(opened: OpenedImage, settings: Settings) -> InspectionTools:
    from pytest_multiarch.files.layer import read_layer
    from pytest_multiarch.files.layer_cache import LayerCache, find_cache_folder

    width = shutil.get_terminal_size().columns if sys.stderr.isatty() else 0
    return InspectionTools(
        read_layer=read_layer,
        cache=LayerCache(find_cache_folder(os.environ)),
        forecast=_make_forecast(opened.engine, settings) if opened.engine else None,
        show_progress=Progress(nullcontext, lambda: sys.stderr, live_width=width).show,
    )


def _make_forecast(engine: Engine, settings: Settings) -> Callable[[Platform], Execution | None]:
    """Say how the engine would run a platform, by what is registered with its kernel.

    Of a platform that has a node of its own nothing is said: that node is not asked.
    """
    facts = engine.read_facts()
    is_here = read_machine(os.environ).shares_kernel(facts)
    table = read_emulators() if is_here else None
    own = settings.nodes.value
    return lambda platform: (
        None if platform in own else forecast_execution(platform, facts.platform, table)
    )


def _list_notes(opened: OpenedImage, settings: Settings) -> tuple[str, ...]:
    own = settings.nodes.value.items()
    notes = [f"{platform} has a node of its own: {node.place}" for platform, node in own]
    if opened.engine_problem:
        notes.append(f"how its platforms would run here is not known: {opened.engine_problem}")
    return tuple(notes)


def _make_rules(
    arguments: argparse.Namespace, required: tuple[Platform, ...], settings: Settings
) -> ImageRules:
    """Lay the command line over what is configured."""
    static = settings.static_parity.value
    return ImageRules(
        audit=make_audit_rules(settings.audit.value, allow=dict(map(_split, arguments.allow))),
        index=make_index_rules(settings.index.value, required=required),
        static_parity=make_static_rules(static) if arguments.static_parity else static,
    )


def _split(text: str) -> tuple[str, str]:
    """Read `PATTERN=REASON`."""
    pattern, equals, reason = text.partition("=")
    if not pattern.strip() or not reason.strip():
        raise UsageError(
            f"--allow {text!r} has no {'pattern' if equals and reason.strip() else 'reason'}",
            cure="write for example --allow '/opt/qemu/**=the emulator is what we ship'",
        )
    return pattern.strip(), reason.strip()
