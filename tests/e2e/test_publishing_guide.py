"""Every command of docs/publishing.md is run, in its order, and prints what the page shows.

What the page shows may leave something out (`...`). `ghcr.io` is a registry of the test's own, and
what could be had from the internet alone has a stand-in (`guide_builder.py`).
"""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.e2e.conftest import forget_image
from tests.e2e.guide_builder import (
    Relay,
    build_bridge,
    push_salted,
    push_toolchain,
    run_shell,
    write_docker,
)
from tests.known_engines import ROOT
from tests.registry_process import PASSWORD, RegistryProcess

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.known_engines import KnownEngines

pytestmark = [
    pytest.mark.needs_engine("main"),
    pytest.mark.needs_engine("classic"),
    pytest.mark.needs_engine("registry"),
]

PAGE = ROOT / "docs" / "publishing.md"
HOST = "ghcr.io"
_BLOCK = re.compile(
    r"^(?:## (?P<title>[^\n]*)|### (?P<subtitle>[^\n]*)"
    r"|<!-- (?P<kind>file|run|workflow) ?(?P<words>[^\n]*?) ?-->\n```\w+\n(?P<text>.*?)^```)$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A block of the page: a file to write, or commands to run."""

    title: str
    kind: str
    words: Mapping[str, str]
    text: str


def read_blocks() -> list[Block]:
    """Read the page."""
    title, blocks = "", []
    for found in _BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        if not found["kind"]:
            title = found["title"] or found["subtitle"]
            continue
        words = dict(word.partition("=")[::2] for word in found["words"].split())
        blocks.append(Block(title, found["kind"], words, found["text"]))
    return blocks


BLOCKS = read_blocks()


@dataclass(frozen=True, kw_only=True)
class Walk:
    """A person who goes through the page: a folder, and what is in the environment."""

    folder: Path
    environ: dict[str, str]
    engines: KnownEngines
    registry: str

    def run(self, command: str, *, engine: str = "main") -> tuple[int, str]:
        """Run a command."""
        name, equals, value = command.removeprefix("export ").partition("=")
        if command.startswith("export ") and equals:
            self.environ[name] = value.replace(HOST, self.registry)
            return 0, ""
        host = self.engines.by_name[engine].host
        return run_shell(command, self.folder, {**self.environ, "DOCKER_HOST": host})


@pytest.fixture(scope="module")
def walk(
    engines: KnownEngines,
    registry_images: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Walk]:
    folder = tmp_path_factory.mktemp("guide")
    found = engines.registry_program
    program = found if Path(found).is_file() else shutil.which("docker-registry") or ""
    config = folder / "docker"
    shutil.copytree(Path(engines.docker_config, "cli-plugins"), config / "cli-plugins")
    host = engines.by_name["main"].host.removeprefix("unix://")
    with (
        RegistryProcess(program, folder / "open") as registry,
        RegistryProcess(program, folder / "guarded", auth="password") as guarded,
        Relay(host) as relay,
    ):
        base = registry_images["sample"]
        bridge = build_bridge(engines, folder / "bridge", base=base, port=relay.port)
        toolchain = f"{registry.address}/toolchain:1"
        push_toolchain(engines, folder / "toolchain", base=base, name=toolchain)
        debian = f"{registry.address}/debian:1"
        push_salted(engines, folder / "debian", base=base, name=debian)
        bases = {"python:3.13-slim": toolchain, "debian:bookworm-slim": debian}
        write_docker(folder / "bin", engines.docker, bridge=bridge, bases=bases)
        environ = engines.make_environ("main")
        for name in [each for each in environ if each.startswith(("PYTEST_", "COV_"))]:
            del environ[name]
        environ |= {
            "PATH": f"{folder / 'bin'}:{Path(sys.executable).parent}:{environ['PATH']}",
            "DOCKER_CONFIG": str(config),
            "BUILDX_CONFIG": str(folder / "buildx"),
            "GUARDED": f"{guarded.address}/acme",
            "PASSWORD": PASSWORD,
        }
        project = folder / "project"
        project.mkdir()
        (project / "pytest.ini").write_text("[pytest]\n")
        walk = Walk(folder=project, environ=environ, engines=engines, registry=registry.address)
        before = list_unnamed(engines)
        yield walk
        walk.run("docker buildx rm multiarch")
        pushed = [f"{registry.address}/{name}" for name in ("acme/app", "toolchain", "debian")]
        for name in ("app", "multiarch-build/project", *pushed):
            forget_image(engines, name)
        engines.run_docker("main", "image", "rm", "--force", bridge)
        for engine, image in list_unnamed(engines) - before:
            engines.run_docker(engine, "image", "rm", image)


def list_unnamed(engines: KnownEngines) -> set[tuple[str, str]]:
    """Give the images that lost their names as others were built under them."""
    listing = ("images", "--quiet", "--no-trunc", "--filter", "dangling=true")
    return {
        (engine, image)
        for engine in ("main", "classic")
        for image in engines.run_docker(engine, *listing).split()
    }


def find_line(shown: str, lines: list[str]) -> int:
    """Give which of the lines is as the page shows it, -1 for none."""
    words = [re.escape(each) for each in shown.strip().replace("...", "\0").split()]
    pattern = re.compile(r"\s*".join(words).replace("\0", ".*"))
    return next((number for number, line in enumerate(lines) if pattern.search(line)), -1)


def check_shown(shown: list[str], printed: str, command: str) -> None:
    """Find what the page shows in what was printed, line by line."""
    lines = printed.splitlines()
    for line in shown:
        at = find_line(line, lines)
        assert at >= 0, f"$ {command}\ndoes not print\n  {line}\nbut\n{printed}"
        lines = lines[at + 1 :]


def run_block(walk: Walk, block: Block) -> None:
    """Run the commands of a block: all go well, or the last ends as the block says."""
    engine = block.words.get("engine", "main")
    expected = int(block.words.get("fails", "0"))
    commands = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block.text, re.MULTILINE)
    assert commands
    for number, (command, shown) in enumerate(commands, start=1):
        status, printed = walk.run(command, engine=engine)
        if number == len(commands) or not expected:
            assert status == expected, f"$ {command}\n{printed}"
        check_shown(shown.splitlines(), printed, command)


def run_workflow(walk: Walk, block: Block) -> None:
    """Run the commands of a workflow's jobs on this machine, one after the other."""
    text = block.text.replace(HOST, walk.registry)
    for name, value in (("github.sha", "abc"), ("github.ref_name", "v1.4")):
        text = text.replace("${{ %s }}" % name, value)  # noqa: UP031
    workflow = yaml.safe_load(text)
    jobs = workflow["jobs"]
    walk.environ.update(workflow["env"])
    assert list(jobs) == ["build", "test", "publish"]
    refusals = []
    for job in jobs.values():
        for row in job.get("strategy", {}).get("matrix", {}).get("include", [{}]):
            for step in job["steps"]:
                command = step.get("run", "")
                for name, value in row.items():
                    command = command.replace("${{ matrix.%s }}" % name, value)  # noqa: UP031
                if not command or command.startswith("pip install"):
                    continue
                status, printed = walk.run(command)
                if "--require-native" in command:  # not on this one machine
                    refusals.append(printed)
                    assert (status, "only under emulation" in printed) == (1, True), printed
                    status, printed = walk.run(command.replace("--require-native", ""))
                assert status == 0, f"$ {command}\n{printed}"
            if "record" in row:
                (walk.folder / "records").mkdir(exist_ok=True)
                shutil.copy(walk.folder / row["record"], walk.folder / "records")
    assert refusals
    assert "published" in printed


@pytest.mark.parametrize(
    "block", BLOCKS, ids=[f"{number}-{each.title}" for number, each in enumerate(BLOCKS)]
)
def test_the_guide(walk: Walk, block: Block) -> None:
    if block.kind == "file":
        (name,) = block.words
        (walk.folder / name).write_text(block.text)
    elif block.kind == "run":
        run_block(walk, block)
    else:
        run_workflow(walk, block)


def test_there_is_a_guide() -> None:
    kinds = [each.kind for each in BLOCKS]
    assert kinds.count("run") >= 10
    assert kinds.count("workflow") == 1
    text = PAGE.read_text(encoding="utf-8")
    assert text.count("\n$ ") == sum(each.text.count("$ ") for each in BLOCKS if each.kind == "run")
