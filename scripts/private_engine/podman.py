"""A Podman service beside the Docker engines: the machine's own podman, with storage of its own."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import sys
from typing import TYPE_CHECKING, Any

from private_engine.host_changes import choose_subnet
from private_engine.journal import EngineError, Journal, is_ok, say, spawn, stop

if TYPE_CHECKING:
    from pathlib import Path

NAME = "podman"
PACKAGES = "podman netavark"
# Of a network that is called so Podman expects this id.
_NETWORK_ID = "2f259bab93aaaaa2542ba43ef33eb990d0999ee1b9924b557b7be53c0b7a1bb9"
# Where root lacks CAP_SYS_RESOURCE, Podman's limits cannot be set; crun 1.8 refuses some cgroups.
_RUNTIME = """#!{python} -IS
import json, os, resource, sys
args = sys.argv[1:]
path = ""
if "--bundle" in args:
    path = os.path.join(args[args.index("--bundle") + 1], "config.json")
if "--process" in args:
    path = args[args.index("--process") + 1]
if path:
    with open(path) as file:
        document = json.load(file)
    for each in document.get("process", document).get("rlimits") or ():
        hard = resource.getrlimit(getattr(resource, each["type"]))[1]
        if hard != resource.RLIM_INFINITY:
            each.update(hard=min(each["hard"], hard), soft=min(each["soft"], hard))
    with open(path, "w") as file:
        json.dump(document, file)
os.execv("{runc}", ["runc", *args])
"""


def is_installed() -> bool:
    """Tell whether the machine has podman."""
    return shutil.which("podman") is not None


def start_podman(journal: Journal, base: Path, registry_port: int) -> None:
    """Start the service, unless it runs; images come from our registry without TLS."""
    if not is_installed():
        raise EngineError(f"not found on PATH: podman. Run: apt-get install --yes {PACKAGES}")
    folder = journal.home / "engines" / NAME
    docker = folder / "podman.sock"
    if not journal.find_process(NAME):
        docker.unlink(missing_ok=True)
        env = write_configuration(journal, folder, base, registry_port)
        argv = [*list_words(folder), "system", "service", "--time", "0", f"unix://{docker}"]
        spawn(journal, NAME, argv, env, lambda: bool(ask(docker, "/version")))
    say(f"  engine {NAME}: Podman {ask(docker, '/version')['Version']}, unix://{docker}")


def list_words(folder: Path) -> list[str]:
    """Return the podman command with the places of its storage."""
    return ["podman", "--root", f"{folder}/storage", "--runroot", f"{folder}/run"]


def write_configuration(
    journal: Journal, folder: Path, base: Path, registry_port: int
) -> dict[str, str]:
    """Write what Podman reads in the place of the machine's configuration; return variables."""
    networks = folder / "networks"
    networks.mkdir(parents=True, exist_ok=True)
    runtime = folder / "runtime"
    runtime.write_text(_RUNTIME.format(python=sys.executable, runc=base / "usr/sbin/runc"))
    runtime.chmod(0o755)
    bridge, subnet = choose_subnet(journal, NAME)
    (networks / "podman.json").write_text(
        json.dumps({
            "name": "podman", "id": _NETWORK_ID, "driver": "bridge", "network_interface": bridge,
            "subnets": [{"subnet": str(subnet), "gateway": str(subnet[1])}],
            "ipv6_enabled": False, "internal": False, "dns_enabled": False,
            "ipam_options": {"driver": "host-local"},
        })
    )  # fmt: skip
    (folder / "containers.conf").write_text(
        f'[network]\nnetwork_backend = "netavark"\nnetwork_config_dir = "{networks}"\n'
        '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\nruntime = "ours"\n'
        f'[engine.runtimes]\nours = ["{runtime}"]\n'
    )
    (folder / "registries.conf").write_text(
        f'[[registry]]\nlocation = "127.0.0.1:{registry_port}"\ninsecure = true\n'
    )
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")},
        "CONTAINERS_CONF": f"{folder}/containers.conf",
        "CONTAINERS_REGISTRIES_CONF": f"{folder}/registries.conf",
    }


def ask(docker: Path, path: str, method: str = "GET") -> Any:
    """Return the JSON that the service answers, or None if it does not."""
    connection = http.client.HTTPConnection("localhost", timeout=30.0)
    try:
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(30.0)
        connection.sock.connect(str(docker))
        connection.request(method, path)
        return json.loads(connection.getresponse().read() or b"null")
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def stop_podman(journal: Journal) -> None:
    """Remove the service's containers and networks, and end it."""
    docker = journal.home / "engines" / NAME / "podman.sock"
    process = journal.find_process(NAME)
    if process:
        for container in ask(docker, "/containers/json?all=1") or []:
            ask(docker, f"/containers/{container['Id']}?force=1&v=1", "DELETE")
        for network in ask(docker, "/networks") or []:
            if network["Name"] != "podman":
                ask(docker, f"/networks/{network['Id']}", "DELETE")
    stop(process)
    bridge = journal.data.get("podman_bridge")
    if bridge:
        is_ok("ip", "link", "del", bridge)


def describe(journal: Journal) -> dict[str, Any] | None:
    """Return the service, in the shape that `status --json` prints; None where it does not run."""
    docker = journal.home / "engines" / NAME / "podman.sock"
    version = journal.find_process(NAME) and ask(docker, "/version")
    if not version:
        return None
    return {
        "host": f"unix://{docker}",
        "store": "podman",
        "version": version["Version"],
        "api": version["ApiVersion"],
        "owner": "pytest-multiarch",
    }
