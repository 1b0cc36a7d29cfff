"""`docker compose` on a node: what its command line is, and what is said when it fails."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.core.compose import ComposeOrder
from pytest_multiarch.core.errors import ContainerError, UsageError
from pytest_multiarch.engine.compose import ComposeRun
from pytest_multiarch.engine.endpoint import Endpoint, TlsFiles

if TYPE_CHECKING:
    from collections.abc import Callable

SCRIPT = """#!/bin/sh
echo "$@" >> {log}
env >> {log}.env
case " $* " in
*" config "*) echo '{{"services": {{"app": {{}}}}}}' ;;
*" ps "*) echo '{{"ID": "1", "Service": "app"}}' ; echo '{{"ID": "2", "Service": "db"}}' ;;
*" {fails} "*) echo "{says}" >&2; exit 1 ;;
esac
"""
ENDPOINT = Endpoint(url="tcp://arm-1:2376", tls=TlsFiles(ca="/ca.pem", cert="/c", key="/k"))


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., ComposeRun]:
    """Make a run with a docker command that notes what it is asked."""

    def make(*, fails: str = "never", says: str = "", **order: object) -> ComposeRun:
        docker = tmp_path / "docker"
        docker.write_text(SCRIPT.format(log=tmp_path / "log", fails=fails, says=says))
        docker.chmod(0o755)
        (tmp_path / "compose.yaml").touch()
        environ = {
            "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
            "DOCKER_HOST": "unix:///other",
            "DOCKER_DEFAULT_PLATFORM": "linux/s390x",
            "DOCKER_CONFIG": "/kept",
        }
        path = str(tmp_path / "compose.yaml")
        made = ComposeOrder(path=path, service="app", **order)  # type: ignore[arg-type]
        return ComposeRun(made, name="p", endpoint=ENDPOINT, environ=environ)

    return make


def test_the_engine_and_the_project_are_on_the_command_line(
    make_run: Callable[..., ComposeRun], tmp_path: Path
) -> None:
    """Nothing of the environment decides on them."""
    run = make_run(profiles=("test",), env_files=("/e",), services=("app",))
    assert run.read_config() == {"services": {"app": {}}}
    assert run.create("{}") == {"app": "1", "db": "2"}
    run.start()
    run.remove()
    run.remove()
    lines = (tmp_path / "log").read_text().splitlines()
    head = (
        "--host tcp://arm-1:2376 --tlsverify --tlscacert /ca.pem --tlscert /c --tlskey /k "
        f"compose --project-name p -f {tmp_path}/compose.yaml "
    )
    assert all(line.startswith(head) for line in lines)
    assert lines[0].endswith("--profile test --env-file /e config --format json")
    ends = ("create app", "ps --format json -a", "up --detach app", "kill", "--remove-orphans")
    assert [line for line, end in zip(lines[1:], ends, strict=True) if not line.endswith(end)] == []
    environ = (tmp_path / "log.env").read_text()
    assert "DOCKER_HOST" not in environ
    assert "DEFAULT_PLATFORM" not in environ
    assert "DOCKER_CONFIG=/kept" in environ


def test_a_failure_quotes_what_compose_said(make_run: Callable[..., ComposeRun]) -> None:
    run = make_run(fails="create", says="pull access denied")
    with pytest.raises(ContainerError) as caught:
        run.create("{}")
    assert "docker compose create of " in caught.value.what
    assert "pull access denied" in caught.value.what
    assert "docker compose -f " in caught.value.cure
    run.remove()


def test_no_compose_plugin(make_run: Callable[..., ComposeRun]) -> None:
    run = make_run(fails="create", says="docker: unknown command: docker compose")
    with pytest.raises(UsageError) as caught:
        run.create("{}")
    assert "docker-compose-plugin" in caught.value.cure
    run.remove()


def test_no_file_and_no_docker(tmp_path: Path) -> None:
    order = ComposeOrder(path=str(tmp_path / "gone.yaml"), service="app")
    with pytest.raises(UsageError, match="is no file"):
        ComposeRun(order, name="p", endpoint=ENDPOINT, environ={})
    (tmp_path / "gone.yaml").write_text(json.dumps({}))
    with pytest.raises(UsageError, match="no docker command"):
        ComposeRun(order, name="p", endpoint=ENDPOINT, environ={"PATH": "/nowhere"})


def test_a_service_that_is_not_started(make_run: Callable[..., ComposeRun]) -> None:
    """Its profile is not chosen."""
    run = make_run()
    run._order = ComposeOrder(path=run._order.path, service="web")
    with pytest.raises(UsageError) as caught:
        run.create("{}")
    assert "profiles=" in caught.value.cure
    run.remove()
