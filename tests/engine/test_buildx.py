"""`docker buildx`, where it answers and where it does not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.core.checkup import Builder
from pytest_multiarch.engine.buildx import read_buildx

if TYPE_CHECKING:
    from tests.known_engines import KnownEngines

LISTED = (
    '{"Name": "b", "Driver": "docker-container", "Current": true, "Nodes": '
    '[{"Platforms": ["linux/amd64", "linux/arm64"]}, {"Platforms": ["linux/arm64"]}]}'
)


def write_docker(folder: Path, listing: str) -> dict[str, str]:
    """Put a docker command on PATH; gives the environment."""
    docker = folder / "docker"
    docker.write_text(
        "#!/bin/sh\ncase $2 in version) echo github.com/docker/buildx v0.13.1 abc;; "
        f"*) {listing};; esac\n"
    )
    docker.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def test_builders_are_read_once_each(tmp_path: Path) -> None:
    environ = write_docker(tmp_path, f"echo '{LISTED}'; echo '{LISTED}'")
    found = read_buildx(environ)
    assert (found.version, found.problem) == ("0.13.1", "")
    assert found.builders == (
        Builder(
            name="b",
            driver="docker-container",
            is_current=True,
            platforms=("linux/amd64", "linux/arm64"),
        ),
    )


@pytest.mark.parametrize("listing", ["echo 'NAME DRIVER'", "echo 7", "echo no >&2; exit 1"])
def test_an_old_one_has_a_version_and_no_list(tmp_path: Path, listing: str) -> None:
    environ = write_docker(tmp_path, listing)
    found = read_buildx(environ)
    assert (found.version, found.builders) == ("0.13.1", ())
    assert found.problem.startswith("it does not list its builders")


def test_no_docker_command_is_said() -> None:
    assert read_buildx({"PATH": "/nowhere"}).problem == "there is no docker command on PATH"


@pytest.mark.needs_engine("main")
def test_a_real_one(engines: KnownEngines) -> None:
    environ = engines.make_environ("main")
    environ["PATH"] = f"{Path(engines.docker).parent}:{environ['PATH']}"
    found = read_buildx(environ)
    assert not found.problem
    assert "linux/amd64" in found.builders[0].platforms
