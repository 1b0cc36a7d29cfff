"""`pytest-multiarch publish`: push exactly the variants that a record says were tested."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_multiarch.cli.arguments import parse_platforms
from pytest_multiarch.cli.image_argument import try_engine
from pytest_multiarch.cli.merge import print_lines
from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.merging import merge_records
from pytest_multiarch.core.publishing import Publication, plan_publication
from pytest_multiarch.core.reference import ImageReference
from pytest_multiarch.files.config_file import find_config_root, read_config_file
from pytest_multiarch.files.record_file import read_record
from pytest_multiarch.files.record_search import find_records
from pytest_multiarch.reports.paint import choose_paint
from pytest_multiarch.reports.publication import describe_publication, render_publication
from pytest_multiarch.run.progress import Progress
from pytest_multiarch.run.publish import PublishTools, publish

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.publishing import PublishPlan
    from pytest_multiarch.core.settings import NodeSettings, Setting
    from pytest_multiarch.engine.variant_places import NodePlace

NAME = "publish"
HELP = "push exactly the variants that a record says were tested, as one image"

_EXIT_REFUSED = 1
_DESCRIPTION = """\
Push exactly the variants that a record of pytest --multiarch-record says were tested: under their
digests first, then, once all was read back, as the index that the tag names.

It refuses unless the tests came to their end, all passed, no platform diverged, every platform
that they declare was tested, and no file in a variant is for another platform. Variants come from
the registry or the engine that they were tested in (also the nodes of multiarch.yaml); their
attestations go with them. Credentials are those of docker login.
"""
_EPILOG = """\
exit status: 0 published, 1 refused, with the reasons, 2 it could not be done. With 1 and 2 the tag
is as it was.

examples:
  pytest --multiarch-record=record.json
  pytest-multiarch publish record.json --tag ghcr.io/acme/app:1.4

  pytest-multiarch publish amd64.json arm64.json --tag ghcr.io/acme/app:1.4 --require-native
  pytest-multiarch publish record.json --tag ghcr.io/acme/app:1.4 --dry-run
  pytest-multiarch publish record.json --tag ghcr.io/acme/app:1.4 --json | jq -r '.sign[]'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = _DESCRIPTION
    parser.epilog = _EPILOG
    parser.add_argument(
        "records",
        metavar="RECORD",
        nargs="+",
        type=Path,
        help="a record, or a folder: then all records below it; several are merged",
    )
    parser.add_argument(
        "--tag",
        metavar="REF",
        required=True,
        help="the name to publish under: ghcr.io/acme/app:1.4",
    )
    parser.add_argument(
        "--image",
        metavar="REF",
        default="",
        help="the image to publish, as the tests name it, where the record is of several",
    )
    parser.add_argument(
        "--require",
        metavar="PLATFORMS",
        action="append",
        default=[],
        help="platforms that have to be tested, beside those that the tests declare and those of "
        "index.required in multiarch.yaml (comma-separated, repeatable)",
    )
    parser.add_argument(
        "--require-native",
        action="store_true",
        help="refuse platforms that were tested only under emulation",
    )
    parser.add_argument(
        "--strict", action="store_true", help="refuse also where nothing could be compared"
    )
    parser.add_argument(
        "--allow-moved",
        action="store_true",
        help="publish what was tested also where its name stands for something else by now",
    )
    parser.add_argument(
        "--no-engine", action="store_true", help="look for the variants in registries alone"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="do all but push: check, look, and say what it would"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Publish, and print what became of it; what cannot be done is an error."""
    tag = _parse_tag(arguments.tag)
    required = parse_platforms("--require", arguments.require)
    root = find_config_root(Path.cwd())
    settings = read_config_file(root)
    paths = find_records(arguments.records)
    record = merge_records(read_record(path, needs_checksum=True) for path in paths)
    plan = plan_publication(
        record,
        image=arguments.image,
        required=(*required, *settings.index.value.required),
        requires_native=arguments.require_native,
        is_strict=arguments.strict,
    )
    if plan.refusals:
        outcome = Publication(tag=tag.text, refusals=plan.refusals, notes=plan.notes)
    else:
        nodes = {} if arguments.no_engine else _list_own_nodes(settings.nodes, root)
        outcome = _publish(arguments, tag, plan, nodes)
    if arguments.json:
        print(json.dumps(describe_publication(outcome, repository=tag.name), indent=2))
    else:
        paint = choose_paint(os.environ, is_terminal=sys.stdout.isatty())
        print_lines(render_publication(outcome, repository=tag.name, paint=paint))
    return _EXIT_REFUSED if outcome.refusals else 0


def _parse_tag(text: str) -> ImageReference:
    reference = ImageReference.parse(text)
    if reference.digest:
        raise UsageError(
            f"--tag {text} names a digest, which nobody can choose",
            cure="write a name and a tag, for example ghcr.io/acme/app:1.4",
        )
    return reference


def _list_own_nodes(
    configured: Setting[Mapping[Platform, NodeSettings]], root: Path
) -> dict[Platform, NodePlace]:
    """Give the nodes of single platforms; none is connected to before it is asked."""
    from pytest_multiarch.engine.docker_api import DockerEngine, open_engine
    from pytest_multiarch.engine.endpoint import find_node_endpoint
    from pytest_multiarch.engine.variant_places import NodePlace

    def connect(platform: Platform, node: NodeSettings) -> DockerEngine:
        origin = f"{platform}, nodes in {configured.origin}"
        endpoint = find_node_endpoint(node, os.environ, folder=root, origin=origin)
        return open_engine(endpoint, os.environ)

    return {each: NodePlace(partial(connect, each, n)) for each, n in configured.value.items()}


def _publish(
    arguments: argparse.Namespace,
    tag: ImageReference,
    plan: PublishPlan,
    nodes: Mapping[Platform, NodePlace],
) -> Publication:
    with _open_tools(arguments, tag, nodes) as tools:
        return publish(
            plan, tools, allows_moved=arguments.allow_moved, is_dry_run=arguments.dry_run
        )


@contextlib.contextmanager
def _open_tools(
    arguments: argparse.Namespace, tag: ImageReference, nodes: Mapping[Platform, NodePlace]
) -> Iterator[PublishTools]:
    from pytest_multiarch.engine.registry import RegistryClient
    from pytest_multiarch.engine.registry_push import RegistryTarget
    from pytest_multiarch.engine.variant_places import RegistryPlace

    engine, problem = (None, "--no-engine") if arguments.no_engine else try_engine(os.environ)
    with contextlib.ExitStack() as stack:
        for node in nodes.values():
            stack.enter_context(contextlib.closing(node))
        place = None
        if engine is not None:
            stack.enter_context(contextlib.closing(engine))
            place = stack.enter_context(contextlib.closing(engine.open_place()))
        insecure = engine.read_facts().insecure_registries if engine else ()
        client = RegistryClient(os.environ, insecure=insecure)
        width = shutil.get_terminal_size().columns if sys.stderr.isatty() else 0
        yield PublishTools(
            target=RegistryTarget(client, tag),
            registry=RegistryPlace(client),
            engine=place,
            own_nodes=nodes,
            engine_problem=problem,
            show_progress=Progress(nullcontext, lambda: sys.stderr, live_width=width).show,
        )
