"""Engines, opened by our own client, and images made on the spot."""

from __future__ import annotations

import contextlib
import secrets
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.core.ports import ContainerSpec
from pytest_multiarch.engine.docker_api import DockerEngine, open_engine
from pytest_multiarch.engine.endpoint import Endpoint
from pytest_multiarch.engine.probe import build_probe_archive, name_probe_image
from tests.engine.sample_images import AMD64, ARM64, compile_actor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.ports import Attachment
    from tests.known_engines import KnownEngines

TEST_LABEL = "org.pytest-multiarch.engine-test"


@dataclass
class Bench:
    """An engine, the actor's images on it, and a label by which all is removed in the end."""

    engine: DockerEngine
    endpoint: Endpoint
    nonce: str

    @property
    def labels(self) -> dict[str, str]:
        return {TEST_LABEL: self.nonce}

    def name_actor(self, platform: Platform = AMD64) -> str:
        return name_probe_image(self.nonce, platform)

    def create(self, *argv: str, platform: Platform = AMD64, **spec: object) -> str:
        """Create a container of the actor that does what `argv` says."""
        settings = {"entrypoint": ("/probe",), "labels": self.labels, **spec}
        return self.engine.create_container(
            ContainerSpec(image=self.name_actor(platform), platform=platform, argv=argv, **settings)
        )

    def start(self, *argv: str, **spec: object) -> str:
        """Create and start one."""
        container_id = self.create(*argv, **spec)
        self.engine.start_container(container_id)
        return container_id

    def run(self, *argv: str, stdin: bytes | None = None, **spec: object) -> Ran:
        """Run one to its end and give its exit code, stdout and stderr."""
        container_id = self.create(*argv, has_stdin=stdin is not None, **spec)
        attachment = self.engine.attach(container_id, has_stdin=stdin is not None)
        with contextlib.closing(attachment):
            self.engine.start_container(container_id)
            if stdin is not None:
                attachment.send(stdin)
            out, err = read_all(attachment)
        code = self.engine.wait_container(container_id, timeout_s=30)
        self.engine.remove_container(container_id)
        return Ran(code, out, err)


@dataclass
class Ran:
    """What came of a container."""

    code: int
    out: bytes
    err: bytes


def read_all(attachment: Attachment, *, timeout_s: float = 60) -> tuple[bytes, bytes]:
    """Read both streams to their end."""
    kept = {"stdout": bytearray(), "stderr": bytearray()}
    deadline = time.monotonic() + timeout_s
    while (piece := attachment.read(deadline=deadline)) is not None:
        kept[piece[0]] += piece[1]
    return bytes(kept["stdout"]), bytes(kept["stderr"])


@pytest.fixture(scope="session")
def actors(tmp_path_factory: pytest.TempPathFactory) -> Mapping[Platform, bytes]:
    """The actor, compiled for two platforms."""
    folder = tmp_path_factory.mktemp("actors")
    return {platform: compile_actor(folder, platform) for platform in (AMD64, ARM64)}


@pytest.fixture(scope="session")
def open_bench(
    engines: KnownEngines, actors: Mapping[Platform, bytes]
) -> Iterator[Callable[[str], Bench]]:
    """Open an engine by name, with the actor on it."""
    benches: dict[str, Bench] = {}

    def open_one(name: str) -> Bench:
        if name not in benches:
            endpoint = Endpoint(url=engines.by_name[name].host, origin="a test")
            bench = Bench(open_engine(endpoint, {}), endpoint, secrets.token_hex(6))
            archive = build_probe_archive(
                actors,
                session_id=bench.nonce,
                labels=bench.labels,
                read_program=actors.__getitem__,
            )
            bench.engine.load_image(archive)
            benches[name] = bench
        return benches[name]

    yield open_one
    for bench in benches.values():
        bench.engine.remove_labelled(TEST_LABEL, bench.nonce)
        bench.engine.close()


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(name, marks=pytest.mark.needs_engine(name))
        for name in ("main", "classic", "middle", "oldest", "podman")
    ],
)
def bench(request: pytest.FixtureRequest, open_bench: Callable[[str], Bench]) -> Bench:
    """Each engine in turn."""
    return open_bench(request.param)


@pytest.fixture
def main_bench(open_bench: Callable[[str], Bench]) -> Bench:
    """The engine that everybody has."""
    return open_bench("main")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost and its key, in one file."""
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", "2",
         "-keyout", file, "-out", f"{file}.crt"],
        check=True, capture_output=True,
    )  # fmt: skip
    file.write_text(file.read_text() + file.with_name("both.pem.crt").read_text())
    return file
