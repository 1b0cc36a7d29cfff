"""`docker buildx build` as a command: what it is given, and what is said where it does not work."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.core.build import BuildRequest, make_build_spec
from pytest_multiarch.core.errors import BuildError, DeadlineError, EngineError
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.engine import build_command
from pytest_multiarch.engine.build_command import BuildxBuilder

if TYPE_CHECKING:
    from tests.known_engines import KnownEngines

AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")
LISTED = {
    "Name": "farm",
    "Driver": "docker-container",
    "Current": True,
    "Nodes": [{"Platforms": ["linux/amd64*", "linux/386"]}, {"Platforms": ["linux/arm64"]}],
}
OTHER = {"Name": "default", "Driver": "docker", "Nodes": [{"Platforms": ["linux/amd64"]}]}


def write_docker(folder: Path, build: str = "true", *, version: str = "v0.29.1") -> dict[str, str]:
    """Put a docker command on PATH that notes its arguments; gives the environment."""
    docker = folder / "docker"
    docker.write_text(
        "#!/bin/sh\n"
        f'for word; do echo "$word"; done > {folder}/words\n'
        f"case $2 in version) echo github.com/docker/buildx {version} abc;;\n"
        f"ls) echo '{json.dumps(OTHER)}'; echo '{json.dumps(LISTED)}';;\n"
        f"*) {build};; esac\n"
    )
    docker.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def make_request(folder: Path, *platforms: Platform, **options: Any) -> BuildRequest:
    """Ask for the image of a folder with a Dockerfile."""
    (folder / "Dockerfile").write_text("FROM scratch\n")
    spec = make_build_spec(".", folder=str(folder), **options)
    return BuildRequest(
        spec=spec,
        platforms=platforms or (AMD64, ARM64),
        name=spec.name,
        is_apart=len(platforms) == 1,
    )


def read_words(folder: Path) -> list[str]:
    return (folder / "words").read_text().splitlines()


def test_the_builder_in_use_is_told_with_its_machines(tmp_path: Path) -> None:
    environ = write_docker(tmp_path)
    facts = BuildxBuilder(environ).describe()
    assert (facts.name, facts.driver, facts.version) == ("farm", "docker-container", "0.29.1")
    assert (facts.machines, facts.nodes) == ((AMD64, ARM64), 2)
    chosen = BuildxBuilder({**environ, "BUILDX_BUILDER": "default"}).describe()
    assert (chosen.name, chosen.machines) == ("default", (AMD64,))


def test_a_builder_that_is_not_started_is_started_to_be_asked(tmp_path: Path) -> None:
    environ = write_docker(tmp_path, f"touch {tmp_path}/started")
    docker = tmp_path / "docker"
    idle = {**LISTED, "Nodes": [{"Platforms": ["linux/amd64*"]}, {"Status": "inactive"}]}
    before = f"ls) test -e {tmp_path}/started || {{ echo '{json.dumps(idle)}'; exit; }};"
    docker.write_text(docker.read_text().replace("ls)", before))
    facts = BuildxBuilder(environ).describe()
    assert (facts.machines, facts.nodes) == ((AMD64, ARM64), 2)


def test_it_is_called_as_a_user_would(tmp_path: Path) -> None:
    request = make_request(
        tmp_path, tag="app:t", target="app", args={"A": "1 2"}, secrets=["id=t,env=T"],
        cache_from=["type=gha"], cache_to=["type=gha,mode=max"],
    )  # fmt: skip
    log = BuildxBuilder(write_docker(tmp_path)).build(request, lambda _: None)
    assert log.exit_code == 0
    assert read_words(tmp_path) == [
        "buildx", "build", "--progress=rawjson", "--load", "--tag", "app:t",
        "--cache-from=type=gha", "--cache-to=type=gha,mode=max",
        "--platform=linux/amd64,linux/arm64", f"--file={tmp_path}/Dockerfile", "--target=app",
        "--build-arg=A=1 2", "--secret=id=t,env=T", str(tmp_path),
    ]  # fmt: skip


def test_one_platform_has_its_own_arguments(tmp_path: Path) -> None:
    request = make_request(
        tmp_path, ARM64, args={"A": "all"}, platform_args={"arm64": {"A": "arm"}}
    )
    BuildxBuilder(write_docker(tmp_path)).build(request, lambda _: None)
    words = read_words(tmp_path)
    assert "--build-arg=A=arm" in words
    assert "--platform=linux/arm64" in words


def test_what_it_says_is_told_as_it_comes(tmp_path: Path) -> None:
    vertex = {"digest": "d", "name": "[linux/arm64 2/2] RUN x", "started": "2026-01-01T00:00:00Z"}
    line = json.dumps({"vertexes": [vertex]})
    environ = write_docker(tmp_path, f"echo '{line}' >&2; echo broken >&2; exit 3")
    told = []
    log = BuildxBuilder(environ).build(
        make_request(tmp_path), lambda log: told.append(log.follow(ARM64))
    )
    done, total, at_work = told[0]
    assert (done, total, at_work and at_work.text) == (0, 1, "RUN x")
    assert (log.exit_code, log.plain) == (3, "broken")


def test_no_docker_command(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="no docker command is on PATH") as caught:
        BuildxBuilder({"PATH": str(tmp_path)}).describe()
    assert "docker-buildx" in caught.value.cure


def test_no_buildx(tmp_path: Path) -> None:
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho \"docker: 'buildx' is not a docker command.\" >&2; exit 1\n")
    docker.chmod(0o755)
    with pytest.raises(BuildError, match="'buildx' is not a docker command") as caught:
        BuildxBuilder({"PATH": f"{tmp_path}:/usr/bin:/bin"}).describe()
    assert "docker-buildx" in caught.value.cure


def test_one_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It asks all builders, also those far away."""
    monkeypatch.setattr(build_command, "_PATIENCE_S", 0.5)
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\nexec sleep 30\n")
    docker.chmod(0o755)
    with pytest.raises(BuildError, match="no answer within"):
        BuildxBuilder({"PATH": f"{tmp_path}:/usr/bin:/bin"}).describe()


def test_one_that_is_too_old(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"docker buildx is 0\.11\.2"):
        BuildxBuilder(write_docker(tmp_path, version="v0.11.2")).describe()


@pytest.mark.parametrize("missing", ["context", "Dockerfile"])
def test_what_is_not_there_is_named(tmp_path: Path, missing: str) -> None:
    spec = make_build_spec("." if missing == "Dockerfile" else "nope", folder=str(tmp_path))
    request = BuildRequest(spec=spec, platforms=(AMD64,), name=spec.name)
    with pytest.raises(BuildError, match=r"no folder|the Dockerfile") as caught:
        BuildxBuilder({}).read_dockerfile(request)
    assert "relative to" in caught.value.cure


def test_checks_are_read(tmp_path: Path) -> None:
    warning = {"ruleName": "FromAsCasing", "detail": "as", "location": {"ranges": []}}
    answer = json.dumps({"warnings": [warning]})
    environ = write_docker(tmp_path, f"echo '{answer}'; exit 1")
    (found,) = BuildxBuilder(environ).check(make_request(tmp_path))
    assert (found.rule, found.what) == ("FromAsCasing", "as")
    assert read_words(tmp_path)[2] == "--call=check,format=json"


@pytest.mark.parametrize(
    ("build", "version", "said"),
    [
        ("true", "v0.13.1", "has no checks"),
        ("echo 'cannot connect' >&2; exit 1", "v0.29.1", "cannot connect"),
        ("echo '[]'", "v0.29.1", "did not check"),
        (
            "echo 'ERROR: unsupported request frontend.lint' >&2; exit 1",
            "v0.29.1",
            "has no checks; newer ones have",
        ),
    ],
)
def test_without_checks_there_is_a_note(
    tmp_path: Path, build: str, version: str, said: str
) -> None:
    with pytest.raises(EngineError, match=said):
        BuildxBuilder(write_docker(tmp_path, build, version=version)).check(make_request(tmp_path))


def test_what_must_not_be_shown(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("line one\nline two\n")
    request = make_request(
        tmp_path, secrets=["id=a,env=A", "id=B", f"id=c,src={tmp_path}/key", "id=d,src=nope"],
        args={"VERSION": "1.4", "API_TOKEN": "hunter2"},
    )  # fmt: skip
    hidden = BuildxBuilder({"A": "one", "B": "two"}).list_hidden(request)
    assert hidden == ("one", "two", "line one\nline two", "line one", "line two", "hunter2")


def test_a_build_that_takes_too_long_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_command, "BUILD_DEADLINE_S", 0.5)
    environ = write_docker(tmp_path, "exec sleep 60")
    begun = time.monotonic()
    with pytest.raises(DeadlineError, match="was not built within"):
        BuildxBuilder(environ).build(make_request(tmp_path), lambda _: None)
    assert time.monotonic() - begun < 30


def test_an_error_on_the_way_ends_the_build(tmp_path: Path) -> None:
    environ = write_docker(tmp_path, "echo one >&2; exec sleep 60")

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        BuildxBuilder(environ).build(make_request(tmp_path), stop)
    assert time.monotonic() - begun < 30
    assert not [each for each in threading.enumerate() if isinstance(each, threading.Timer)]


@pytest.mark.needs_engine("main")
def test_a_real_check(engines: KnownEngines, tmp_path: Path) -> None:
    environ = engines.make_environ("main")
    environ["PATH"] = f"{Path(engines.docker).parent}:{environ['PATH']}"
    request = make_request(tmp_path)
    (tmp_path / "Dockerfile").write_text("FROM --platform=linux/amd64 scratch AS a\nCOPY a /\n")
    found = BuildxBuilder(environ).check(request)
    assert [(each.rule, each.line) for each in found] == [("FromPlatformFlagConstDisallowed", 1)]
