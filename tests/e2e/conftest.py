"""Suites of users, run with the installed plugin on real engines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.engine_proxy import EngineProxy
from tests.e2e.suite import Suite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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
