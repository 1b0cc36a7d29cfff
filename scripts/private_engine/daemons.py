"""The daemons themselves: their programs, their configuration, their start and their end."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import os
import shutil
import signal
import socket
from pathlib import Path
from typing import Any

from debian_packages import Selection, provide_packages, read_host_architecture

from private_engine import remote
from private_engine.host_changes import provide_bridge
from private_engine.journal import EngineError, Journal, is_ok, say, spawn, stop


@dataclasses.dataclass(frozen=True)
class Root:
    """Name packages that are unpacked together, the suites to look in, and the download's size."""

    suites: tuple[str, ...]
    packages: tuple[str, ...]
    size_mb: int


@dataclasses.dataclass(frozen=True)
class Engine:
    """Name an engine's programs, its image store, and what its configuration adds.

    One that `is_remote` listens on TCP with TLS too, and is reached by ssh.
    """

    root: str
    store: str
    options: tuple[tuple[str, Any], ...] = (("ip6tables", False),)
    is_remote: bool = False


# `base` serves every engine: bookworm's programs run on the libc of every supported release.
ROOTS = {
    "base": Root(("bookworm",), ("runc", "qemu-user-static"), 103),
    "iptables": Root(
        ("bookworm",),
        ("iptables", "libip4tc2", "libip6tc2", "libxtables12", "libnftnl11", "libmnl0",
         "libnetfilter-conntrack3", "libnfnetlink0"),
        1,
    ),
    "newest": Root(
        ("sid", "testing"),
        ("docker.io", "docker-cli", "docker-buildx", "containerd", "tini-static",
         "docker-registry"),
        78,
    ),
    "compose": Root(("sid", "testing"), ("docker-compose",), 13),
    "middle": Root(
        ("trixie",), ("docker.io", "docker-cli", "docker-buildx", "containerd", "tini"), 82
    ),
    "oldest": Root(
        ("bookworm",), ("docker.io", "containerd", "tini", "libdevmapper1.02.1", "libudev1"), 62
    ),
}  # fmt: skip
ENGINES = {
    "main": Engine("newest", "containerd"),
    "classic": Engine("newest", "overlay2"),
    "middle": Engine("middle", "containerd"),
    # 20.10 would write a key below /etc/docker.
    "oldest": Engine("oldest", "overlay2", (("deprecated-key-path", "{folder}/key.json"),)),
    "node": Engine("newest", "containerd", is_remote=True),
}


# --- programs -----------------------------------------------------------------------------------


def list_roots(names: tuple[str, ...]) -> list[str]:
    """Return the names of the roots that these engines need on this machine."""
    wanted = {"base", "newest", "compose", *(ENGINES[name].root for name in names)}
    return [name for name in ROOTS if name in wanted or is_private_iptables(name)]


def is_private_iptables(name: str) -> bool:
    """Tell whether this root is iptables and the machine has none of its own."""
    return name == "iptables" and not shutil.which("iptables")


def select_packages(name: str) -> Selection:
    """Return what ROOTS[name] selects on this machine's architecture."""
    return Selection(ROOTS[name].packages, ROOTS[name].suites, read_host_architecture())


def is_downloaded(home: Path, name: str) -> bool:
    """Tell whether the packages of ROOTS[name] are in the cache."""
    return (home / "debs" / select_packages(name).key / ".complete").exists()


def provide_root(home: Path, name: str) -> Path:
    """Return the folder with the unpacked packages of ROOTS[name], downloading them if needed."""
    target = home / "roots" / name
    if not is_downloaded(home, name):
        say(f"  downloading {', '.join(ROOTS[name].packages)}")
    provide_packages(home / "debs", select_packages(name), target)
    return target


def find_library_folder(root: Path) -> Path | None:
    """Return the folder of the shared libraries unpacked under `root`, if there are any."""
    for parent in ("usr/lib", "lib"):
        for found in (root / parent).glob("*-linux-gnu*/lib*.so.*"):
            return found.parent
    return None


def provide_iptables(home: Path) -> str:
    """Return the machine's iptables, or a private one whose libraries are private too."""
    if shutil.which("iptables"):
        return "iptables"
    root = provide_root(home, "iptables")
    folder, libraries = root / "wrappers", find_library_folder(root)
    folder.mkdir(exist_ok=True)
    for backend in ("nft", "legacy"):
        for tool in ("iptables", "ip6tables"):
            (folder / tool).write_text(
                f"#!/bin/sh\nLD_LIBRARY_PATH={libraries} XTABLES_LIBDIR={libraries}/xtables "
                f'exec {root}/usr/sbin/{tool}-{backend} "$@"\n'
            )
            (folder / tool).chmod(0o755)
        if is_ok(str(folder / "iptables"), "-S"):
            break
    return str(folder / "iptables")


def provide_client(home: Path) -> None:
    """Link the docker command and its plugins where `status` says they are."""
    root, plugins = home / "roots/newest/usr", Path("libexec/docker/cli-plugins")
    compose = provide_root(home, "compose") / "usr"
    links = {
        home / "bin/docker": root / "bin/docker",
        home / "docker-config/cli-plugins/docker-buildx": root / plugins / "docker-buildx",
        home / "docker-config/cli-plugins/docker-compose": compose / plugins / "docker-compose",
    }
    for link, program in links.items():
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(program)


# --- start --------------------------------------------------------------------------------------


def build_environment(home: Path, root: Path, iptables: str) -> dict[str, str]:
    """Return the environment of a daemon: its own programs first, then the machine's."""
    folders = [r / d for r in (root, home / "roots/base") for d in ("usr/bin", "usr/sbin")]
    if "/" in iptables:
        folders.append(Path(iptables).parent)
    env = {key: value for key, value in os.environ.items() if not key.startswith("DOCKER_")}
    env["PATH"] = ":".join([*map(str, folders), os.environ["PATH"], "/usr/sbin", "/sbin"])
    libraries = find_library_folder(root)
    return {**env, "LD_LIBRARY_PATH": str(libraries)} if libraries else env


def start_engine(journal: Journal, name: str, iptables: str) -> None:
    """Start containerd and dockerd of one engine, unless they run."""
    root = provide_root(journal.home, ENGINES[name].root)
    folder = journal.home / "engines" / name
    docker, containerd = folder / "docker.sock", folder / "containerd.sock"
    env = build_environment(journal.home, root, iptables)
    if not journal.find_process(f"{name}/containerd"):
        containerd.unlink(missing_ok=True)
        argv = ["containerd", "--config", str(write_containerd_config(folder, containerd))]
        spawn(journal, f"{name}/containerd", argv, env, containerd.is_socket)
    if not journal.find_process(f"{name}/dockerd"):
        (folder / "docker.pid").unlink(missing_ok=True)
        argv = ["dockerd", "--config-file", str(write_docker_config(journal, name, root, folder))]
        spawn(journal, f"{name}/dockerd", argv, env, lambda: bool(request(docker, "/version")))
    if ENGINES[name].is_remote:
        remote.start_sshd(journal, docker, choose_node_ports(journal)["ssh"], can_connect)
    say(f"  engine {name}: Docker {request(docker, '/version')['Version']}, unix://{docker}")


def write_containerd_config(folder: Path, address: Path) -> Path:
    """Write a containerd configuration that shares nothing with another containerd."""
    folder.mkdir(parents=True, exist_ok=True)
    disabled = ["io.containerd.grpc.v1.cri", "io.containerd.nri.v1.nri"]
    (folder / "containerd.toml").write_text(
        f"version = 2\nroot = {str(folder / 'containerd')!r}\n"
        f"state = {str(folder / 'containerd-run')!r}\ndisabled_plugins = {disabled!r}\n"
        f"[grpc]\naddress = {str(address)!r}\n"
        f"[plugins.'io.containerd.internal.v1.opt']\npath = {str(folder / 'opt')!r}\n"
    )
    return folder / "containerd.toml"


def write_docker_config(journal: Journal, name: str, root: Path, folder: Path) -> Path:
    """Write the configuration of a dockerd that does not touch another one."""
    engine = ENGINES[name]
    bridge, others = provide_bridge(journal, list(ENGINES).index(name))
    config = {
        "data-root": f"{folder}/data",
        "exec-root": f"{folder}/run",
        "pidfile": f"{folder}/docker.pid",
        "hosts": [f"unix://{folder}/docker.sock"],
        "group": "root",
        "containerd": f"{folder}/containerd.sock",
        # With a bridge made beforehand; "none" would delete the docker0 of another daemon.
        "bridge": bridge,
        "default-address-pools": [{"base": str(others), "size": 24}],
        # A dockerd that manages iptables clears the chains of another one as it starts.
        "iptables": False,
        "ip-forward": False,
        "ip-masq": False,
        "init-path": f"{root}/usr/bin/tini-static",
        "userland-proxy-path": f"{root}/usr/sbin/docker-proxy",
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
        "shutdown-timeout": 5,
    }
    if engine.store == "overlay2":
        config["storage-driver"] = "overlay2"
    if engine.root != "oldest":
        config["features"] = {"containerd-snapshotter": engine.store == "containerd"}
    if engine.is_remote:
        config |= remote.make_daemon_options(folder, choose_node_ports(journal)["tcp"])
    for key, value in engine.options:
        config[key] = value.format(folder=folder) if isinstance(value, str) else value
    (folder / "daemon.json").write_text(json.dumps(config, indent=2) + "\n")
    return folder / "daemon.json"


def choose_node_ports(journal: Journal) -> dict[str, int]:
    """Return the ports of the engine that is reached as from another machine."""
    if "node_ports" not in journal.data:
        ports = {"tcp": find_free_port(0), "ssh": find_free_port(0)}
        journal.save(node_ports=ports)
    return dict(journal.data["node_ports"])


def start_registry(journal: Journal) -> None:
    """Start an image registry on loopback, unless it runs."""
    if not journal.find_process("registry"):
        root, folder = provide_root(journal.home, "newest"), journal.home / "registry"
        folder.mkdir(exist_ok=True)
        port = find_free_port(journal.data.get("registry_port", 0))
        journal.save(registry_port=port)
        (folder / "config.yml").write_text(
            "version: 0.1\nlog: {level: warn}\n"
            f"storage: {{filesystem: {{rootdirectory: {folder}/data}}}}\n"
            f"http: {{addr: '127.0.0.1:{port}'}}\n"
        )
        argv = [f"{root}/usr/bin/docker-registry", "serve", f"{folder}/config.yml"]
        spawn(journal, "registry", argv, dict(os.environ), lambda: can_connect(port))
    say(f"  registry: 127.0.0.1:{journal.data['registry_port']}")


def find_free_port(wanted: int) -> int:
    """Return `wanted` if it is free on loopback, else a port that is."""
    for port in (wanted, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise EngineError("No free port on 127.0.0.1.")


def can_connect(port: int) -> bool:
    """Tell whether something listens on a loopback port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
        return True
    return False


def request(docker: Path, path: str, method: str = "GET") -> Any:
    """Return the JSON that the engine behind a socket answers, or None if it does not."""
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


# --- end ----------------------------------------------------------------------------------------


def stop_engine(journal: Journal, name: str) -> None:
    """Remove an engine's containers and networks, end its daemons, unmount what they mounted."""
    folder = journal.home / "engines" / name
    docker = folder / "docker.sock"
    dockerd, containerd = (journal.find_process(f"{name}/{p}") for p in ("dockerd", "containerd"))
    if dockerd:
        for container in request(docker, "/containers/json?all=1") or []:
            request(docker, f"/containers/{container['Id']}?force=1&v=1", "DELETE")
        for network in request(docker, "/networks") or []:
            if network["Name"] not in ("bridge", "host", "none"):
                request(docker, f"/networks/{network['Id']}", "DELETE")
    stop(dockerd)
    kill_shims(folder / "containerd.sock")
    stop(containerd)
    unmount_below(folder)


def stop_registry(journal: Journal) -> None:
    """End the registry if it runs."""
    stop(journal.find_process("registry"))


def kill_shims(containerd: Path) -> None:
    """Kill what a dead dockerd left running: the shims of our containerd and their containers."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            argv = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if "shim" not in argv[0] or str(containerd) not in argv:
                continue
            children = (entry / "task" / entry.name / "children").read_text().split()
            for pid in [*children, entry.name]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)


def unmount_below(folder: Path) -> None:
    """Unmount everything below a folder, the last mounted first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4].replace("\\040", " ") for line in lines]
    for point in reversed([point for point in points if point.startswith(f"{folder}/")]):
        if not is_ok("umount", point):
            is_ok("umount", "--lazy", point)
