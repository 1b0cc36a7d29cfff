"""The engine's documents, read; and archives, written."""

from __future__ import annotations

import io
import tarfile

import pytest

from pytest_multiarch.core.call import FileToCopy
from pytest_multiarch.core.container_options import parse_options
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.ports import ContainerSpec
from pytest_multiarch.engine.archive import build_archive, list_parents, normalize_path
from pytest_multiarch.engine.containers import (
    build_create_document,
    list_dropped_limits,
    parse_state,
    parse_time,
)
from pytest_multiarch.engine.facts import parse_facts
from pytest_multiarch.engine.probe import build_probe_archive, name_probe_image


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:04:05.123456789Z", 1767323045.123456789),
        ("2026-01-02T03:04:05Z", 1767323045.0),
        ("2026-01-02T05:04:05.5+02:00", 1767323045.5),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
    ],
)
def test_times_are_read_as_go_writes_them(text: str, expected: float | None) -> None:
    assert parse_time(text) == expected


def test_a_state_names_ports_by_the_address_that_reaches_them() -> None:
    bindings = [
        {"HostIp": "::", "HostPort": "32768"},
        {"HostIp": "0.0.0.0", "HostPort": "32769"},
    ]
    ports = {"80/tcp": bindings, "53/udp": bindings, "81/tcp": None}
    state = parse_state({"Id": "x", "NetworkSettings": {"Ports": ports}}, host="node")
    assert state.ports == {80: ("node", 32769)}


def test_running_out_of_memory_is_told() -> None:
    document = {"Id": "x", "State": {"OOMKilled": True, "FinishedAt": "2026-01-02T03:04:05Z"}}
    assert "out of memory" in parse_state(document, host="node").error


def test_the_address_of_an_engine_that_dropped_the_old_field() -> None:
    document = {"Id": "x", "NetworkSettings": {"Networks": {"bridge": {"IPAddress": "172.17.0.2"}}}}
    assert parse_state(document, host="node").ip_address == "172.17.0.2"


def test_a_container_without_stdin_has_none_open() -> None:
    document = build_create_document(ContainerSpec(image="x", platform=None))
    assert (document["OpenStdin"], document["StdinOnce"]) == (False, False)
    assert "Init" not in document["HostConfig"]
    assert "Cmd" not in document


def test_options_and_a_network() -> None:
    """What is not given is left to the engine; our labels win."""
    options = parse_options(
        {"volumes": [("/a", "/b")], "tmpfs": {"/t": "size=1m"}, "ulimits": {"nofile": 5},
         "mem_limit": "8m", "read_only": True, "labels": {"a": "b"}, "hostname": "h"},
        what="run",
    )  # fmt: skip
    spec = ContainerSpec(
        image="x", platform=None, options=options, network="n", aliases=("db",), labels={"s": "1"}
    )
    document = build_create_document(spec)
    mount = {"Type": "bind", "Source": "/a", "Target": "/b", "ReadOnly": True}
    assert document["HostConfig"] == {
        "PortBindings": {},
        "NetworkMode": "n",
        "Mounts": [mount],
        "Tmpfs": {"/t": "size=1m"},
        "Ulimits": [{"Name": "nofile", "Soft": 5, "Hard": 5}],
        "Memory": 8 << 20,
        "ReadonlyRootfs": True,
    }
    assert document["NetworkingConfig"] == {"EndpointsConfig": {"n": {"Aliases": ["db"]}}}
    assert document["Labels"] == {"a": "b", "s": "1"}
    assert document["Hostname"] == "h"
    plain = build_create_document(ContainerSpec(image="x", platform=None))
    assert set(plain["HostConfig"]) == {"PortBindings", "NetworkMode"}
    assert not {"NetworkingConfig", "Hostname"} & set(plain)


def test_limits_that_an_engine_left_out() -> None:
    """Docker sets what it leaves out to 0; Podman names a limit of processes in its own way."""
    options = parse_options(
        {"mem_limit": "8m", "nano_cpus": 10**9, "ulimits": {"nofile": 5}}, what="run"
    )
    ulimits = [{"Name": "RLIMIT_NOFILE"}, {"Name": "RLIMIT_NPROC"}]
    kept = {"Memory": 8 << 20, "NanoCpus": 10**9, "Ulimits": ulimits}
    assert list_dropped_limits(options, {"HostConfig": kept}) == []
    assert list_dropped_limits(options, {"HostConfig": {**kept, "Memory": 0}}) == ["mem_limit"]
    nothing = {"HostConfig": {"Memory": 0, "Ulimits": None}}
    assert list_dropped_limits(options, nothing) == ["mem_limit", "nano_cpus", "ulimits"]
    assert list_dropped_limits(parse_options({}, what="run"), nothing) == []


def test_facts_of_docker() -> None:
    info = {
        "ID": "id",
        "OSType": "linux",
        "Architecture": "aarch64",
        "KernelVersion": "6.1",
        "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]],
        "RegistryConfig": {
            "IndexConfigs": {"docker.io": {"Secure": True}, "old:5000": {"Secure": False}},
            "InsecureRegistryCIDRs": ["127.0.0.0/8"],
        },
        "OperatingSystem": "Docker Desktop",
    }
    facts = parse_facts(info, {"Version": "28.5.2"}, node="n", api_version=(1, 51))
    assert facts.has_containerd_store
    assert facts.platform == Platform.parse("linux/arm64")
    assert facts.insecure_registries == ("old:5000", "127.0.0.0/8")
    assert facts.product == "Docker Desktop"


def test_facts_of_podman() -> None:
    version = {"Version": "4.3.1", "Components": [{"Name": "Podman Engine"}]}
    facts = parse_facts({"DriverStatus": None}, version, node="n", api_version=(1, 41))
    assert (facts.product, facts.engine_id, facts.has_containerd_store) == ("Podman", "n", False)


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/a/b", "/a/b"), ("a/b", "/a/b"), ("/a/../b", "/b"), ("//a", "/a"), ("/../a", "/a")],
)
def test_paths_are_absolute_and_stay_inside(path: str, expected: str) -> None:
    assert normalize_path(path) == expected


def test_parents_are_listed_from_the_top() -> None:
    assert list_parents("/a/b/c") == ("/a", "/a/b")


def test_an_archive_is_the_same_at_any_time() -> None:
    files = [FileToCopy(path="/a/b", content=b"x", mode=0o755)]
    archive = build_archive(files, ["/a"])
    assert archive == build_archive(files, ["/a"])
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        entries = {entry.name: entry for entry in opened}
    assert entries["a"].isdir()
    assert (entries["a/b"].mode, entries["a/b"].uid) == (0o755, 0)


def test_owners_and_folders_are_packed() -> None:
    files = [
        FileToCopy(path="/a", mode=0o700, uid=5, gid=6, is_folder=True),
        FileToCopy(path="/a/b", content=b"x", uid=7),
    ]
    with tarfile.open(fileobj=io.BytesIO(build_archive(files))) as opened:
        entries = {entry.name: entry for entry in opened}
    assert (entries["a"].isdir(), entries["a"].mode) == (True, 0o700)
    assert (entries["a"].uid, entries["a"].gid, entries["a/b"].uid) == (5, 6, 7)


def test_a_probe_archive_names_each_platform_s_image() -> None:
    platforms = [Platform.parse("arm/v7"), Platform.parse("amd64")]
    archive = build_probe_archive(
        platforms, session_id="s", labels={"a": "b"}, read_program=lambda platform: b"\x7fELF"
    )
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        manifest = opened.extractfile("manifest.json").read().decode()
    assert name_probe_image("s", platforms[0]) == "pytest-multiarch/probe:s-linux-arm-v7"
    assert all(name_probe_image("s", each) in manifest for each in platforms)
