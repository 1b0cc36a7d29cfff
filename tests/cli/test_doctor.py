"""`pytest-multiarch doctor` in a process of its own, on real engines and on none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.engine_proxy import EngineProxy

if TYPE_CHECKING:
    from tests.known_engines import KnownEngines

Run = Callable[..., "subprocess.CompletedProcess[str]"]
NOWHERE = {"DOCKER_HOST": "unix:///nowhere/docker.sock", "PATH": "/nowhere"}
MAIN = "from pytest_multiarch.cli.main import main; exit(main())"
NO_DOCKER_PY = f"import sys; sys.modules['docker'] = sys.modules['testcontainers'] = None; {MAIN}"
CHECKS = [
    "engine", "machine", "image store", "emulators", "platforms", "disk", "page size", "buildx",
    "logins", "environment", "settings",
]  # fmt: skip


@pytest.fixture
def doctor(tmp_path: Path) -> Run:
    """Run it in an empty folder, with no more of the environment than is given."""

    def run(
        *arguments: str, environ: dict[str, str], program: str = MAIN
    ) -> subprocess.CompletedProcess[str]:
        kept = {key: os.environ[key] for key in ("PYTHONPATH", "LANG") if key in os.environ}
        return subprocess.run(
            [sys.executable, "-c", program, "doctor", *arguments],
            cwd=tmp_path, check=False, capture_output=True, text=True, timeout=120,
            env={"HOME": str(tmp_path), **kept, **environ},
        )  # fmt: skip

    return run


def read_check(document: dict[str, Any], name: str) -> dict[str, str]:
    """Give one check of a JSON document."""
    return next(each for each in document["checks"] if each["name"] == name)


def test_no_engine_is_a_problem_on_a_page_that_helps(doctor: Run) -> None:
    done = doctor(environ=NOWHERE)
    assert (done.returncode, done.stderr) == (1, "")
    assert "problem engine       no Docker engine answers at unix:///nowhere/docker.sock" in (
        done.stdout
    )
    assert "cure: " in done.stdout
    assert "How platforms would run with an engine on this machine:" in done.stdout


def test_no_engine_and_no_docker_py(doctor: Run) -> None:
    done = doctor("--json", environ=NOWHERE, program=NO_DOCKER_PY)
    document = json.loads(done.stdout)
    assert (done.returncode, document["state"], document["engine"]) == (1, "problem", None)
    assert list(document) == [
        "version", "state", "versions", "engine", "machine", "checks", "platforms", "emulators",
        "buildx", "logins",
    ]  # fmt: skip


def test_a_context_that_is_not_there_is_a_problem(doctor: Run) -> None:
    done = doctor(environ={"DOCKER_CONTEXT": "gone", "PATH": "/nowhere"})
    assert done.returncode == 1
    assert "there is no docker context 'gone'" in done.stdout


def test_a_configuration_that_cannot_be_read_is_a_problem(doctor: Run, tmp_path: Path) -> None:
    (tmp_path / "multiarch.yaml").write_text("platfroms: [linux/amd64]\n")
    document = json.loads(doctor("--json", environ=NOWHERE).stdout)
    assert read_check(document, "settings")["state"] == "problem"
    assert "platfroms" in read_check(document, "settings")["found"]


def test_a_platform_that_is_none_is_a_usage_error(doctor: Run) -> None:
    done = doctor("--platforms", "linux/foo", environ=NOWHERE)
    assert done.returncode == 2
    assert "'linux/foo' is not a platform" in done.stderr


def test_secrets_are_not_shown(doctor: Run, tmp_path: Path) -> None:
    auths = {"auths": {"ghcr.io": {"username": "somebody", "password": "hunter2"}}}
    environ = {**NOWHERE, "DOCKER_AUTH_CONFIG": json.dumps(auths)}
    for done in (doctor(environ=environ), doctor("--json", environ=environ)):
        assert "ghcr.io" in done.stdout
        assert "hunter2" not in done.stdout
        assert "somebody" not in done.stdout


@pytest.mark.needs_engine("main")
def test_another_engine_that_answers_is_named(
    doctor: Run, engines: KnownEngines, tmp_path: Path
) -> None:
    runtime = tmp_path / "run"
    runtime.mkdir()
    socket = runtime / "docker.sock"
    socket.symlink_to(engines.by_name["main"].host.removeprefix("unix://"))
    done = doctor("--json", environ={**NOWHERE, "XDG_RUNTIME_DIR": str(runtime)})
    cure = read_check(json.loads(done.stdout), "engine")["cure"]
    assert f"export DOCKER_HOST=unix://{socket}" in cure


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(each, marks=pytest.mark.needs_engine(each))
        for each in ("main", "classic", "middle", "oldest")
    ],
)
def test_an_engine_is_described_as_it_is(doctor: Run, engines: KnownEngines, name: str) -> None:
    engine = engines.by_name[name]
    done = doctor("--json", environ=engines.make_environ(name))
    document = json.loads(done.stdout)
    assert document["engine"]["version"].startswith(engine.version)
    assert document["engine"]["api_version"] == engine.api
    is_containerd = engine.store == "containerd"
    assert document["engine"]["image_store"] == ("containerd" if is_containerd else "classic")
    store = read_check(document, "image store")
    assert store["state"] == ("ok" if is_containerd else "warning")
    assert [each["name"] for each in document["checks"]] == CHECKS


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(each, marks=pytest.mark.needs_engine(each))
        for each in ("main", "classic", "middle", "oldest")
    ],
)
def test_trying_agrees_with_the_forecast_and_leaves_nothing(
    doctor: Run, engines: KnownEngines, name: str
) -> None:
    environ = engines.make_environ(name)
    forecast = json.loads(doctor("--json", environ=environ).stdout)["platforms"]
    tried = json.loads(doctor("--try", "--json", environ=environ).stdout)["platforms"]
    assert [each["is_tried"] for each in tried] == [True] * len(tried)
    assert not any(each["is_tried"] for each in forecast)

    def describe(platforms: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
        return {
            each["platform"]: (each["execution"]["kind"], each["execution"]["version"])
            for each in platforms
        }

    assert describe(tried) == describe(forecast)
    assert ":doctor-" not in engines.run_docker(name, "images")


@pytest.mark.needs_engine("main")
def test_without_try_nothing_is_started(doctor: Run, engines: KnownEngines, tmp_path: Path) -> None:
    """The engine behind the proxy is only asked what it is."""
    socket = tmp_path / "proxy.sock"
    behind = engines.by_name["main"].host.removeprefix("unix://")
    with EngineProxy(socket, behind) as proxy:
        done = doctor(environ={"DOCKER_HOST": f"unix://{socket}", "PATH": "/nowhere"})
        assert proxy.list_requests("^GET")
        assert not proxy.list_requests("^(POST|PUT|DELETE)")
    assert done.returncode == 0


@pytest.mark.needs_engine("main")
def test_a_platform_that_was_asked_for_and_cannot_run_is_a_problem(
    doctor: Run, engines: KnownEngines
) -> None:
    environ = engines.make_environ("main")
    done = doctor("--platforms", "linux/mips64", environ=environ)
    assert done.returncode == 1
    assert "linux/mips64 cannot run on" in done.stdout
    fine = doctor("--platforms", "linux/amd64,linux/arm64", "--json", environ=environ)
    assert fine.returncode == 0
    platforms = [each["platform"] for each in json.loads(fine.stdout)["platforms"]]
    assert platforms == ["linux/amd64", "linux/arm64"]


@pytest.mark.needs_engine("main")
def test_configured_platforms_have_to_run(
    doctor: Run, engines: KnownEngines, tmp_path: Path
) -> None:
    (tmp_path / "multiarch.yaml").write_text("platforms: [linux/amd64, linux/mips64]\n")
    document = json.loads(doctor("--json", environ=engines.make_environ("main")).stdout)
    assert read_check(document, "platforms")["state"] == "problem"
    required = [each["platform"] for each in document["platforms"] if each["is_required"]]
    assert required == ["linux/amd64", "linux/mips64"]
