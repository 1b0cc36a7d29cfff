"""Suites of users, run with the installed plugin on real engines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.engine_proxy import EngineProxy
from tests.e2e.suite import Suite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.known_engines import KnownEngines


@pytest.fixture
def suite(tmp_path: Path, engines: KnownEngines) -> Suite:
    """A suite for one test, on engine `main`."""
    return Suite(tmp_path, engines)


@pytest.fixture(scope="session")
def make_suite(
    tmp_path_factory: pytest.TempPathFactory, engines: KnownEngines
) -> Callable[..., Suite]:
    """Make a suite whose one run several tests look at; takes the name of its engine."""

    def make(engine: str = "main") -> Suite:
        return Suite(tmp_path_factory.mktemp("suite"), engines, engine=engine)

    return make


@pytest.fixture
def proxy(suite: Suite, engines: KnownEngines, tmp_path: Path) -> Iterator[EngineProxy]:
    """A socket in front of engine `main`, which the suite uses from here on."""
    behind = engines.by_name[suite.engine].host
    if not behind.startswith("unix://"):
        pytest.skip(f"{behind} is not a socket file, in front of which another could stand")
    with EngineProxy(tmp_path / "engine.sock", behind.removeprefix("unix://")) as proxy:
        suite.environ["DOCKER_HOST"] = f"unix://{tmp_path / 'engine.sock'}"
        yield proxy


@pytest.fixture
def copy_in_registry(
    engines: KnownEngines, registry_images: Mapping[str, str]
) -> Iterator[Callable[[str], str]]:
    """Copy the sample image to a repository of its own in the registry.

    No engine has it, neither before the test nor afterwards.
    """
    repositories = []

    def copy(name: str) -> str:
        source = registry_images["sample"]
        repository = source.replace("/sample:1", f"/{name}")
        forget_image(engines, repository)
        repositories.append(repository)
        tag = f"{repository}:1"
        copy_image(engines, source, tag)
        return tag

    yield copy
    for repository in repositories:
        forget_image(engines, repository)


def copy_image(engines: KnownEngines, source: str, tag: str) -> None:
    """Copy an image within or between registries, with its attestations."""
    create = ("buildx", "imagetools", "create", "--tag", tag, source)
    try:
        engines.run_docker("main", *create)
    except AssertionError as error:
        # It can put a manifest before the registry has the last of its blobs.
        if "blob unknown to registry" not in str(error):
            raise
        engines.run_docker("main", *create)


def forget_image(engines: KnownEngines, repository: str) -> None:
    """Remove an image from all engines, under all its names."""
    for engine in engines.by_name:
        ids = engines.run_docker(engine, "images", "--quiet", "--no-trunc", repository).split()
        if ids:
            engines.run_docker(engine, "image", "rm", "--force", *sorted(set(ids)))
