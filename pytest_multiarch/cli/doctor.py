"""`pytest-multiarch doctor`: what there is here to test with, and what mends what is wrong."""

from __future__ import annotations

import json
import os
import platform
import secrets
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_multiarch.cli.arguments import parse_platforms
from pytest_multiarch.cli.merge import print_lines
from pytest_multiarch.core.checks import check_settings
from pytest_multiarch.core.checkup import CheckState
from pytest_multiarch.core.errors import EngineError, UsageError
from pytest_multiarch.core.platform import COMMON_PLATFORMS, Platform
from pytest_multiarch.core.settings import Setting
from pytest_multiarch.engine.binfmt import read_emulators
from pytest_multiarch.engine.buildx import read_buildx
from pytest_multiarch.engine.credentials import read_logins
from pytest_multiarch.engine.docker_api import open_engine
from pytest_multiarch.engine.endpoint import (
    find_endpoint,
    find_node_endpoint,
    list_other_endpoints,
)
from pytest_multiarch.engine.machine import read_disk_space, read_machine
from pytest_multiarch.engine.probe import build_probes
from pytest_multiarch.engine.sessions import SessionLabels
from pytest_multiarch.engine.watchdog import start_watchdog
from pytest_multiarch.files.config_file import find_config_root, read_config_file
from pytest_multiarch.reports.checkup import render_checkup
from pytest_multiarch.reports.paint import choose_paint
from pytest_multiarch.run.detect import ProbeImage
from pytest_multiarch.run.doctor import Question, check_up

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Mapping

    from pytest_multiarch.core.checkup import Buildx, Check, Login, Machine
    from pytest_multiarch.core.emulators import EmulatorTable
    from pytest_multiarch.core.ports import Engine, EngineFacts
    from pytest_multiarch.core.settings import NodeSettings
    from pytest_multiarch.run.node import Watchdog

NAME = "doctor"
HELP = "look at the engine, its emulators and this machine; name what is wrong, and its cure"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.description = (
        "Look at the engine, its emulators and this machine, and say how each platform would run. "
        "Nothing is started or changed without --try. The exit status is 0 if nothing is wrong "
        "(there may be warnings), 1 if there is a problem."
    )
    parser.add_argument(
        "--try",
        dest="is_to_try",
        action="store_true",
        help="start a container for each platform, and see how it runs; removed at once",
    )
    parser.add_argument(
        "--platforms",
        metavar="PLATFORMS",
        action="append",
        default=[],
        help="the platforms that have to run (comma-separated, repeatable; default: those of the "
        "configuration file have to, other common ones are shown)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print what was found; 1 if anything is wrong."""
    session_id = f"doctor-{secrets.token_hex(6)}"
    settings, configured, nodes = _read_settings()
    required = parse_platforms("--platforms", arguments.platforms) or configured
    common = () if arguments.platforms else tuple(map(Platform.parse, COMMON_PLATFORMS))
    question = Question(
        platforms=tuple(dict.fromkeys((*required, *common))),
        required=frozenset(required),
        is_to_try=arguments.is_to_try,
        nodes={platform: each.may_emulate for platform, each in nodes.value.items()},
        settings=settings,
        versions=_read_versions(),
        session_id=session_id,
        labels=SessionLabels.for_this_process(session_id).to_labels(),
    )
    checkup = check_up(LocalTools(dict(os.environ), session_id, nodes), question)
    if arguments.json:
        print(json.dumps(checkup.to_mapping(), indent=2))
    else:
        paint = choose_paint(os.environ, is_terminal=sys.stdout.isatty())
        print_lines(render_checkup(checkup, paint=paint))
    return int(checkup.state is CheckState.PROBLEM)


def _read_settings() -> tuple[
    Check, tuple[Platform, ...], Setting[Mapping[Platform, NodeSettings]]
]:
    """Read the project's configuration, and the platforms and nodes that it names."""
    root = find_config_root(Path.cwd())
    try:
        settings = read_config_file(root)
    except UsageError as error:
        return check_settings(str(root), error), (), Setting({})
    platforms = [*settings.platforms.value]
    platforms += [each for entry in settings.images.value for each in entry.platforms]
    names = ", ".join(map(str, dict.fromkeys(platforms))) or "none"
    found = check_settings(f"{root}; configured platforms: {names}", None)
    return found, tuple(platforms), settings.nodes


def _read_versions() -> dict[str, str]:
    return {
        "pytest-multiarch": metadata.version("pytest-multiarch"),
        "pytest": metadata.version("pytest"),
        "Python": platform.python_version(),
    }


class LocalTools:
    """The tools of a checkup, for the engine that the docker command would use here."""

    def __init__(
        self,
        environ: Mapping[str, str],
        session_id: str,
        nodes: Setting[Mapping[Platform, NodeSettings]],
    ) -> None:
        self._environ = environ
        self._session_id = session_id
        self._nodes = nodes

    def open_engine(self) -> tuple[Engine, str]:
        """Connect to the engine; say where it was found."""
        endpoint = find_endpoint(self._environ)
        return open_engine(endpoint, self._environ), endpoint.origin

    def open_node(self, platform: Platform) -> tuple[Engine, Callable[[], Watchdog]]:
        """Connect to a platform's own node."""
        endpoint = find_node_endpoint(
            self._nodes.value[platform],
            self._environ,
            folder=find_config_root(Path.cwd()),
            origin=f"nodes in {self._nodes.origin}",
        )
        engine = open_engine(endpoint, self._environ)
        return engine, lambda: start_watchdog(endpoint, self._session_id)

    def find_other_engines(self) -> tuple[EngineFacts, ...]:
        """Find engines that answer in other places of this machine."""
        try:
            chosen = find_endpoint(self._environ).url
        except EngineError:
            chosen = ""
        found = []
        for endpoint in list_other_endpoints(self._environ, chosen):
            try:
                engine = open_engine(endpoint, self._environ)
            except EngineError:
                continue
            found.append(engine.read_facts())
            engine.close()
        return tuple(found)

    def read_machine(self) -> Machine:
        """Describe this machine."""
        return read_machine(self._environ)

    def read_emulators(self) -> EmulatorTable:
        """Read what is registered with this machine's kernel."""
        return read_emulators()

    def read_disk_space(self, folder: str) -> tuple[int, int] | None:
        """Give the free bytes and all bytes of a folder's disk; None if there is no such folder."""
        return read_disk_space(folder)

    def read_buildx(self) -> Buildx:
        """Ask `docker buildx` what it is."""
        return read_buildx(self._environ)

    def read_logins(self) -> tuple[Login, ...]:
        """List the registries that there are credentials for."""
        return read_logins(self._environ)

    def build_probe(
        self, platforms: Iterable[Platform], labels: Mapping[str, str]
    ) -> tuple[bytes, list[ProbeImage]]:
        """Build an archive of probe images, for those platforms that have a probe program."""
        archive, names = build_probes(platforms, session_id=self._session_id, labels=labels)
        return archive, [ProbeImage(name=name, platform=each) for name, each in names]

    def start_watchdog(self) -> Watchdog:
        """Start the process that cleans up if this one is killed."""
        return start_watchdog(find_endpoint(self._environ), self._session_id)
