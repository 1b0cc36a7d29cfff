"""Sessions on real engines, and the sample images as each engine can have them."""

from __future__ import annotations

import uuid
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.reference import ImageReference
from pytest_multiarch.engine.sessions import SessionLabels
from pytest_multiarch.plugin.wiring import DockerTools
from pytest_multiarch.run.container import Container, ContainerSettings
from pytest_multiarch.run.node import Node
from pytest_multiarch.run.resolve import PullPolicy
from pytest_multiarch.run.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_multiarch.run.variant import Variant
    from tests.known_engines import KnownEngines

LABEL = "org.pytest-multiarch.session"


class RealEngine:
    """A session on one engine: variants of the sample images, and containers of them."""

    def __init__(self, engines: KnownEngines, name: str, find_image: Callable[[str], str]) -> None:
        self._engines = engines
        self._find_image = find_image
        self.name = name
        self.session_id = f"test-{uuid.uuid4().hex[:12]}"
        self.node = Node(
            DockerTools(engines.make_environ(name), self.session_id),
            session_id=self.session_id,
            labels=SessionLabels.for_this_process(self.session_id).to_labels(),
            pull=PullPolicy.MISSING,
        )
        self.session = Session(self.node)
        self._opened = ExitStack()

    def open_variant(self, image: str, platform: str = "linux/amd64") -> Variant:
        """Give a variant of a sample image."""
        reference = ImageReference.parse(self._find_image(image))
        return self.session.open_variant(reference, Platform.parse(platform), recorder=None)

    def open_container(self, variant: Variant, **settings: Any) -> Container:
        """Start a container, removed at the end of the test at the latest."""
        container = self.session.open_container(
            variant, ContainerSettings(**settings), recorder=None
        )
        self._opened.callback(container.remove)
        return container

    def callback(self, function: Callable[[], object]) -> None:
        """Have something done at the end of the test."""
        self._opened.callback(function)

    def run_docker(self, *argv: str) -> str:
        """Run a docker command on the engine and give its stdout."""
        return self._engines.run_docker(self.name, *argv)

    def list_left(self) -> list[str]:
        """Give the containers that the session has left."""
        found = self._engines.run_docker(
            self.name, "ps", "--all", "--quiet", "--filter", f"label={LABEL}={self.session_id}"
        )
        return found.split()

    def end_test(self) -> None:
        """Remove the containers of a test."""
        self._opened.close()


@pytest.fixture(scope="session")
def open_real(
    engines: KnownEngines, request: pytest.FixtureRequest
) -> Iterator[Callable[[str], RealEngine]]:
    """Give the session on an engine, the same for all tests."""
    opened: dict[str, RealEngine] = {}

    def find_image(name: str) -> Callable[[str], str]:
        source = "images" if name == "main" else "registry_images"
        references = request.getfixturevalue(source)
        return lambda image: str(references[image])

    def give(name: str) -> RealEngine:
        if name not in opened:
            opened[name] = RealEngine(engines, name, find_image(name))
        return opened[name]

    yield give
    for each in opened.values():
        each.session.close()
        assert not each.list_left()


@pytest.fixture
def main(open_real: Callable[[str], RealEngine]) -> Iterator[RealEngine]:
    """The session on the newest engine."""
    engine = open_real("main")
    yield engine
    engine.end_test()


@pytest.fixture(
    params=[
        pytest.param("main", marks=pytest.mark.needs_engine("main")),
        *(
            pytest.param(name, marks=pytest.mark.needs_engine(name, "registry"))
            for name in ("classic", "middle", "oldest")
        ),
    ]
)
def real(
    request: pytest.FixtureRequest, open_real: Callable[[str], RealEngine]
) -> Iterator[RealEngine]:
    """The session on each engine in turn: both image stores, the oldest and the newest."""
    engine = open_real(request.param)
    yield engine
    engine.end_test()
