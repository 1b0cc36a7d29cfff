"""Podman's services, of root and of nobody: the machine's podman, with storage of our own."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shlex
import shutil
import signal
import stat
import sys
import tempfile
from pathlib import Path
from typing import Any

from private_engine.daemons import request, unmount_below
from private_engine.host_changes import BINFMT, EMULATED, choose_subnet, read_registration
from private_engine.journal import Journal, is_ok, say, spawn, stop

NAME = "podman"
ROOTLESS = "podman-rootless"
NAMES = (NAME, ROOTLESS)
PACKAGES = "podman netavark aardvark-dns uidmap slirp4netns fuse-overlayfs catatonit"
ROOTLESS_TOOLS = ("newuidmap", "slirp4netns", "setpriv", "unshare")
_NOBODY = 65534
# Of a network that is called so Podman expects this id.
_NETWORK_ID = "2f259bab93aaaaa2542ba43ef33eb990d0999ee1b9924b557b7be53c0b7a1bb9"
_I386 = (
    r":qemu-i386:M::\x7fELF\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x03\x00"
    r":\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
)
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


def list_absent(name: str) -> list[str]:
    """Return the programs that the machine lacks for a service of Podman's."""
    needed = ("podman", *(ROOTLESS_TOOLS if name == ROOTLESS else ()))
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    return [each for each in needed if shutil.which(each, path=path) is None]


def find_folder(journal: Journal, name: str) -> Path:
    """Return where a service keeps everything.

    Rootless Podman mounts over /run and /var/lib while it makes a network.
    """
    if name == ROOTLESS:
        return Path(tempfile.gettempdir()) / f"pytest-multiarch-{journal.instance}-podman"
    return journal.home / "engines" / name


def find_runroot(journal: Journal, name: str) -> Path:
    """Return where a service keeps what is of this boot; Podman refuses more than 50 characters."""
    if name == ROOTLESS:
        return find_folder(journal, name) / "run/podman"
    return Path(f"/run/pytest-multiarch-{journal.instance}-podman")


def start_podman(journal: Journal, name: str, base: Path, registry_port: int) -> None:
    """Start a service, unless it runs; images come from our registry without TLS."""
    folder = find_folder(journal, name)
    docker = folder / "run/podman.sock"
    if not journal.find_process(name):
        docker.unlink(missing_ok=True)
        env = write_configuration(journal, name, folder, base, registry_port)
        runroot = str(find_runroot(journal, name))
        words = ["podman", "--root", f"{folder}/storage", "--runroot", runroot]
        argv = [*words, "system", "service", "--time", "0", f"unix://{docker}"]
        if name == ROOTLESS:
            argv, env = become_nobody(folder, argv, env)
        spawn(journal, name, argv, env, lambda: bool(request(docker, "/version")))
        if name == ROOTLESS and not register_own_emulators(folder, base):
            say(f"  engine {name} has no emulators of its own: they need Linux 6.7 and nsenter")
    say(f"  engine {name}: Podman {request(docker, '/version')['Version']}, unix://{docker}")


def write_configuration(
    journal: Journal, name: str, folder: Path, base: Path, registry_port: int
) -> dict[str, str]:
    """Write what Podman reads in the place of the machine's configuration; return variables."""
    (folder / "run").mkdir(parents=True, exist_ok=True)
    system_python = Path("/usr/bin/python3")  # which the user nobody can execute too
    python = system_python if system_python.exists() else sys.executable
    runtime = folder / "runtime"
    runtime.write_text(_RUNTIME.format(python=python, runc=base / "usr/sbin/runc"))
    runtime.chmod(0o755)
    network = "" if name == ROOTLESS else write_network(journal, folder / "networks")
    (folder / "containers.conf").write_text(
        f'[network]\nnetwork_backend = "netavark"\n{network}'
        '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\nruntime = "ours"\n'
        f'[engine.runtimes]\nours = ["{runtime}"]\n'
    )
    (folder / "registries.conf").write_text(
        f'[[registry]]\nlocation = "127.0.0.1:{registry_port}"\ninsecure = true\n'
    )
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith("DOCKER_")},
        "CONTAINERS_CONF": f"{folder}/containers.conf",
        "CONTAINERS_REGISTRIES_CONF": f"{folder}/registries.conf",
    }


def write_network(journal: Journal, networks: Path) -> str:
    """Write the default network, with a bridge and addresses of ours; return its setting."""
    networks.mkdir(exist_ok=True)
    bridge, subnet = choose_subnet(journal, NAME)
    (networks / "podman.json").write_text(
        json.dumps({
            "name": "podman", "id": _NETWORK_ID, "driver": "bridge", "network_interface": bridge,
            "subnets": [{"subnet": str(subnet), "gateway": str(subnet[1])}],
            "ipv6_enabled": False, "internal": False, "dns_enabled": False,
            "ipam_options": {"driver": "host-local"},
        })
    )  # fmt: skip
    return f'network_config_dir = "{networks}"\n'


def become_nobody(
    folder: Path, argv: list[str], env: dict[str, str]
) -> tuple[list[str], dict[str, str]]:
    """Have a command run as the user nobody, who has subordinate ids and a network device.

    These are in a mount namespace of the command's own; the machine has them as before.
    """
    for each in (folder, folder / "run", folder / "storage"):
        each.mkdir(exist_ok=True)
        os.chown(each, _NOBODY, _NOBODY)
    (folder / "subids").write_text("nobody:200000:65536\n")
    device = folder / "tun"
    if not device.exists():
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(10, 200))
        device.chmod(0o666)
    mounts = [("subids", "/etc/subuid"), ("subids", "/etc/subgid"), ("tun", "/dev/net/tun")]
    lines = ["mount --make-rshared /"]
    lines += [f"mount --bind {shlex.quote(str(folder / name))} {at}" for name, at in mounts]
    nobody = ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]
    lines += [f"exec {shlex.join([*nobody, *argv])}"]
    own = {"HOME": str(folder), "XDG_RUNTIME_DIR": f"{folder}/run"}
    path = f"{env['PATH']}:/usr/sbin:/sbin"
    kept = {key: env[key] for key in ("CONTAINERS_CONF", "CONTAINERS_REGISTRIES_CONF")}
    return ["unshare", "--mount", "sh", "-ec", "\n".join(lines)], {**kept, **own, "PATH": path}


def read_pause_pid(folder: Path) -> int:
    """Return the process that holds the user's namespaces; raise OSError or ValueError."""
    pid = int((folder / "run/libpod/tmp/pause.pid").read_text())
    if b"catatonit" not in Path(f"/proc/{pid}/cmdline").read_bytes():
        raise ValueError(f"process {pid} is another one")
    return pid


def register_own_emulators(folder: Path, base: Path) -> bool:
    """Register QEMU for this engine alone, on amd64 for i386 too; tell whether that succeeded.

    The kernel runs programs for i386 itself: so there is a platform that runs natively on the
    other engines and emulated on this one. Its namespaces hold the registrations.
    """
    link = folder / "i386-binfmt-P"  # by this name QEMU knows that it is given argv[0] too
    if not link.is_symlink():
        link.symlink_to(base / "usr/bin/qemu-i386-static")
    lines = [read_registration(base, each) for each in EMULATED]
    if platform.machine() == "x86_64":
        lines.append(f"{_I386}:{link}:OPF")
    script = [f"mount -t binfmt_misc pytest-multiarch {BINFMT}"]
    script += [f"printf %s {shlex.quote(line)} > {BINFMT}/register" for line in lines if line]
    with contextlib.suppress(OSError, ValueError):
        enter = ("nsenter", f"--target={read_pause_pid(folder)}", "--user", "--mount")
        return is_ok(*enter, "--setuid=0", "--setgid=0", "sh", "-ec", "\n".join(script))
    return False


def stop_podman(journal: Journal, name: str) -> None:
    """Remove a service's containers and networks, and end it."""
    folder = find_folder(journal, name)
    docker = folder / "run/podman.sock"
    process = journal.find_process(name)
    if process:
        for container in request(docker, "/containers/json?all=1") or []:
            request(docker, f"/containers/{container['Id']}?force=1&v=1", "DELETE")
        for network in request(docker, "/networks") or []:
            if network["Name"] != "podman":
                request(docker, f"/networks/{network['Id']}", "DELETE")
    stop(process)
    end_monitors(folder)
    if name == ROOTLESS:
        with contextlib.suppress(OSError, ValueError):
            os.kill(read_pause_pid(folder), signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)
        return
    runroot = find_runroot(journal, name)
    unmount_below(runroot)
    shutil.rmtree(runroot, ignore_errors=True)
    if journal.data.get("podman_bridge"):
        is_ok("ip", "link", "del", journal.data["podman_bridge"])


def end_monitors(folder: Path) -> None:
    """End the processes that watch over containers and calls in them.

    Minutes after the end of a call one starts a podman, which would make the folders anew.
    """
    storage = f"{folder}/storage".encode()
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = file.read_bytes().split(b"\0")
            if words[0].endswith(b"/conmon") and storage in words:
                os.kill(int(file.parent.name), signal.SIGKILL)


def describe(journal: Journal, name: str) -> dict[str, Any] | None:
    """Return a service, in the shape that `status --json` prints; None where it does not run."""
    docker = find_folder(journal, name) / "run/podman.sock"
    version = journal.find_process(name) and request(docker, "/version")
    if not version:
        return None
    return {
        "host": f"unix://{docker}",
        "store": "podman",
        "version": version["Version"],
        "api": version["ApiVersion"],
        "owner": "pytest-multiarch",
    }
