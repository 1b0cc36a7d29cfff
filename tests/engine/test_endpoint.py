"""Where the engine is looked for."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pytest

from pytest_multiarch.core.errors import EngineError
from pytest_multiarch.core.settings import NodeSettings, NodeTls
from pytest_multiarch.engine.endpoint import (
    Endpoint,
    TlsFiles,
    find_endpoint,
    find_node_endpoint,
    is_loopback,
    list_other_endpoints,
)


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment with a home of its own, and nothing of Docker in it."""
    (tmp_path / ".docker").mkdir()
    return {"HOME": str(tmp_path)}


def write_config(home: dict[str, str], document: object) -> None:
    Path(home["HOME"], ".docker", "config.json").write_text(json.dumps(document))


def write_context(home: dict[str, str], name: str, **endpoint: object) -> Path:
    digest = hashlib.sha256(name.encode()).hexdigest()
    folder = Path(home["HOME"], ".docker", "contexts")
    meta = folder / "meta" / digest
    meta.mkdir(parents=True)
    document = {"Name": name, "Endpoints": {"docker": endpoint}}
    (meta / "meta.json").write_text(json.dumps(document))
    return folder / "tls" / digest / "docker"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("unix:///run/x.sock", "unix:///run/x.sock"),
        ("/run/x.sock", "unix:///run/x.sock"),
        ("tcp://node:2375", "tcp://node:2375"),
        ("node:2375", "tcp://node:2375"),
        ("ssh://me@node", "ssh://me@node"),
    ],
)
def test_docker_host_names_the_engine(home: dict[str, str], host: str, url: str) -> None:
    endpoint = find_endpoint({**home, "DOCKER_HOST": host})
    assert (endpoint.url, endpoint.origin, endpoint.tls) == (url, "DOCKER_HOST", None)


def test_docker_host_wins_over_a_context(home: dict[str, str]) -> None:
    environ = {**home, "DOCKER_HOST": "tcp://a:1", "DOCKER_CONTEXT": "nonesuch"}
    assert find_endpoint(environ).url == "tcp://a:1"


def test_tls_files_come_from_the_certificate_folder(home: dict[str, str], tmp_path: Path) -> None:
    for name in ("ca", "cert", "key"):
        (tmp_path / f"{name}.pem").write_text("")
    environ = {
        **home,
        "DOCKER_HOST": "tcp://a:2376",
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": str(tmp_path),
    }
    tls = find_endpoint(environ).tls
    assert (tls.ca, tls.key, tls.is_verified) == (
        str(tmp_path / "ca.pem"),
        str(tmp_path / "key.pem"),
        True,
    )


def test_a_context_names_the_engine(home: dict[str, str]) -> None:
    write_context(home, "far", Host="ssh://far")
    endpoint = find_endpoint({**home, "DOCKER_CONTEXT": "far"})
    assert (endpoint.url, endpoint.origin) == ("ssh://far", "the docker context 'far'")


def test_the_current_context_is_that_of_the_settings(home: dict[str, str]) -> None:
    write_context(home, "far", Host="tcp://far:2375")
    write_config(home, {"currentContext": "far"})
    assert find_endpoint(home).url == "tcp://far:2375"


def test_a_context_brings_its_certificates(home: dict[str, str]) -> None:
    folder = write_context(home, "far", Host="tcp://far:2376", SkipTLSVerify=True)
    folder.mkdir(parents=True)
    (folder / "ca.pem").write_text("")
    tls = find_endpoint({**home, "DOCKER_CONTEXT": "far"}).tls
    assert (tls.ca, tls.cert, tls.is_verified) == (str(folder / "ca.pem"), "", False)


def test_an_unknown_context_is_an_error_that_lists_the_others(home: dict[str, str]) -> None:
    write_context(home, "far", Host="tcp://far:2375")
    with pytest.raises(EngineError, match=r"no docker context 'faar'.*default, far"):
        find_endpoint({**home, "DOCKER_CONTEXT": "faar"})


def test_the_default_context_is_the_default_engine(home: dict[str, str]) -> None:
    assert find_endpoint({**home, "DOCKER_CONTEXT": "default"}) == find_endpoint(home)


def test_settings_that_cannot_be_read_are_an_error(home: dict[str, str]) -> None:
    Path(home["HOME"], ".docker", "config.json").write_text("{")
    with pytest.raises(EngineError, match=r"config\.json cannot be read"):
        find_endpoint(home)


def test_a_rootless_engine_is_found(home: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "docker.sock").touch()
    endpoint = find_endpoint({**home, "XDG_RUNTIME_DIR": str(tmp_path)})
    assert endpoint.url in (f"unix://{tmp_path}/docker.sock", "unix:///var/run/docker.sock")


@pytest.mark.parametrize(
    ("url", "host", "is_local"),
    [
        ("unix:///x", "127.0.0.1", True),
        ("tcp://localhost:1", "localhost", True),
        ("tcp://[::1]:1", "::1", True),
        ("tcp://node:1", "node", False),
        ("ssh://me@node:22", "node", False),
    ],
)
def test_where_published_ports_are_reached(url: str, host: str, is_local: bool) -> None:
    endpoint = Endpoint(url=url)
    assert (endpoint.host, endpoint.is_local) == (host, is_local)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("127.1.2.3", True),
        ("[::1]", True),
        ("registry.localhost", True),
        ("128.0.0.1", False),
        ("localhost.example.org", False),
    ],
)
def test_loopback_is_this_machine_alone(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_other_engines_of_this_machine_are_sockets_that_exist(
    home: dict[str, str], tmp_path: Path
) -> None:
    there = tmp_path / "there.sock"
    there.touch()
    write_context(home, "local", Host=f"unix://{there}")
    write_context(home, "gone", Host=f"unix://{tmp_path}/gone.sock")
    write_context(home, "far", Host="ssh://far")
    runtime = tmp_path / "run"
    (runtime / "podman").mkdir(parents=True)
    (runtime / "podman" / "podman.sock").touch()
    environ = {**home, "XDG_RUNTIME_DIR": str(runtime)}
    found = {each.url for each in list_other_endpoints(environ, "unix:///chosen")}
    mine = {url for url in found if str(tmp_path) in url}
    assert mine == {f"unix://{there}", f"unix://{runtime}/podman/podman.sock"}
    again = list_other_endpoints(environ, f"unix://{there}")
    assert f"unix://{there}" not in {each.url for each in again}


def find_node(node: NodeSettings, home: dict[str, str], folder: Path) -> Endpoint:
    return find_node_endpoint(node, home, folder=folder, origin="nodes")


def test_a_node_has_nothing_of_the_default_engine_s(home: dict[str, str], tmp_path: Path) -> None:
    environ = {
        **home, "DOCKER_HOST": "tcp://a:1", "DOCKER_TLS_VERIFY": "1", "DOCKER_API_VERSION": "1.41",
    }  # fmt: skip
    found = find_node(NodeSettings(host="tcp://pi:2375"), environ, tmp_path)
    assert found == Endpoint(url="tcp://pi:2375", origin="nodes")


def test_a_node_may_be_a_context(home: dict[str, str], tmp_path: Path) -> None:
    write_context(home, "pi", Host="ssh://me@pi")
    assert find_node(NodeSettings(context="pi"), home, tmp_path).url == "ssh://me@pi"
    with pytest.raises(EngineError, match="no docker context 'nonesuch', which nodes names"):
        find_node(NodeSettings(context="nonesuch"), home, tmp_path)


def test_the_tls_files_of_a_node_are_beside_the_configuration(
    home: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "certs").mkdir()
    for name in ("ca", "cert", "key"):
        (tmp_path / "certs" / f"{name}.pem").touch()
    folder = NodeSettings(host="tcp://pi", tls=NodeTls(folder="certs"))
    found = find_node(folder, home, tmp_path).tls
    assert found is not None
    assert found.ca == str(tmp_path / "certs" / "ca.pem")
    single = NodeSettings(host="tcp://pi", tls=NodeTls(ca="certs/ca.pem", verify=False))
    assert find_node(single, home, tmp_path).tls == TlsFiles(ca=found.ca, is_verified=False)


@pytest.mark.parametrize("tls", [NodeTls(folder="nowhere"), NodeTls(ca="nowhere.pem")])
def test_a_missing_tls_file_is_said(home: dict[str, str], tmp_path: Path, tls: NodeTls) -> None:
    with pytest.raises(EngineError, match="nowhere"):
        find_node(NodeSettings(host="tcp://pi", tls=tls), home, tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no sockets in files")
def test_podman_is_found_where_there_is_no_docker(
    home: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_multiarch.engine.endpoint._DEFAULT_SOCKET", str(tmp_path / "none"))
    environ = {**home, "XDG_RUNTIME_DIR": str(tmp_path)}
    (tmp_path / "podman").mkdir()
    (tmp_path / "podman" / "podman.sock").touch()
    assert find_endpoint(environ).url == f"unix://{tmp_path}/podman/podman.sock"
    (tmp_path / "docker.sock").touch()
    assert find_endpoint(environ).url == f"unix://{tmp_path}/docker.sock"
