"""How engine `node` is reached as from another machine: TCP with TLS, and ssh to loopback."""

from __future__ import annotations

import os
import shlex
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from private_engine.journal import EngineError, Journal, run, say, spawn, stop

if TYPE_CHECKING:
    from collections.abc import Callable

ADDRESS = "127.0.0.2"
"""Another address than the registry and published ports are asked for at otherwise."""
ALIAS = "pytest-multiarch-node"
TOOLS = ("openssl", "ssh", "sshd", "ssh-keygen", "unshare")
SSHD_RUN_FOLDER = "/run/sshd"
_DAYS = "3650"


def find_absent() -> list[str]:
    """Return the programs that the machine lacks for a node to be reached."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    return [name for name in TOOLS if shutil.which(name, path=path) is None]


def find_tool(name: str) -> str:
    """Return the path of a program of the machine's; raise EngineError with the cure."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        raise EngineError(
            f"not found on PATH: {name}. Run: apt-get update && apt-get install --yes "
            "openssl openssh-client openssh-server util-linux"
        )
    return found


def make_certificates(folder: Path) -> Path:
    """Make an authority, and certificates of the daemon and of a client; return their folder."""
    tls = folder / "tls"
    if (tls / "cert.pem").exists():
        return tls
    tls.mkdir(parents=True, exist_ok=True)
    openssl = find_tool("openssl")
    new = (openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", _DAYS)
    run(*new, "-subj", "/CN=pytest-multiarch authority",
        "-keyout", f"{tls}/ca-key.pem", "-out", f"{tls}/ca.pem")  # fmt: skip
    uses = {
        "server": f"subjectAltName=IP:{ADDRESS},IP:127.0.0.1\nextendedKeyUsage=serverAuth\n",
        "client": "extendedKeyUsage=clientAuth\n",
    }
    for name, use in uses.items():
        key, request, extension = (tls / f"{name}{end}" for end in ("-key.pem", ".csr", ".ext"))
        extension.write_text(use)
        run(openssl, "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}",
            "-keyout", str(key), "-out", str(request))  # fmt: skip
        run(openssl, "x509", "-req", "-in", str(request), "-days", _DAYS,
            "-CA", f"{tls}/ca.pem", "-CAkey", f"{tls}/ca-key.pem", "-CAcreateserial",
            "-extfile", str(extension), "-out", f"{tls}/{name}-cert.pem")  # fmt: skip
    # Last, since their being there says that all is: under the names that docker gives them.
    shutil.copy(tls / "client-key.pem", tls / "key.pem")
    shutil.copy(tls / "client-cert.pem", tls / "cert.pem")
    return tls


def make_daemon_options(folder: Path, port: int) -> dict[str, Any]:
    """Return what the configuration of a dockerd adds, so that it listens on TCP with TLS too."""
    tls = make_certificates(folder)
    return {
        "hosts": [f"unix://{folder}/docker.sock", f"tcp://{ADDRESS}:{port}"],
        "tlsverify": True,
        "tlscacert": f"{tls}/ca.pem",
        "tlscert": f"{tls}/server-cert.pem",
        "tlskey": f"{tls}/server-key.pem",
    }


def start_sshd(
    journal: Journal, docker: Path, port: int, can_connect: Callable[[int], bool]
) -> None:
    """Start an sshd on loopback, where the docker command reaches the engine behind a socket.

    It has keys of its own, and lets root in with one of them. Where the machine has no user
    `sshd`, it sees one all the same, in a mount namespace of its own.
    """
    folder = journal.home / "ssh"
    folder.mkdir(mode=0o700, exist_ok=True)
    for name in ("host", "client"):
        if not (folder / name).exists():
            run(find_tool("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f",
                str(folder / name))  # fmt: skip
    shutil.copy(folder / "client.pub", folder / "authorized_keys")
    path = f"{journal.home}/bin:/usr/local/bin:/usr/bin:/bin"
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host\nPidFile none\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\nUsePAM no\n"
        "PermitRootLogin prohibit-password\nPasswordAuthentication no\nMaxStartups 100\n"
        "MaxSessions 100\nPrintMotd no\n"
        f"SetEnv PATH={path} DOCKER_HOST=unix://{docker}\n"
    )
    write_client(folder, port)
    users = Path("/etc/passwd").read_text()
    if "\nsshd:" not in users:
        users += "sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n"
    (folder / "passwd").write_text(users)
    Path(SSHD_RUN_FOLDER).mkdir(exist_ok=True, mode=0o755)
    sshd = shlex.join([find_tool("sshd"), "-D", "-e", "-f", str(folder / "sshd_config")])
    mounts = f"mount --bind {shlex.quote(str(folder / 'passwd'))} /etc/passwd && exec {sshd}"
    argv = [find_tool("unshare"), "--mount", "sh", "-c", mounts]
    if not journal.find_process("sshd"):
        spawn(journal, "sshd", argv, dict(os.environ), lambda: can_connect(port))
    say(f"  sshd: 127.0.0.1:{port}")


def write_client(folder: Path, port: int) -> None:
    """Write an `ssh` that knows the server, and by its alias, and that touches nobody's keys."""
    host = (folder / "host.pub").read_text()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {host}")
    options = (
        f"  User root\n  IdentityFile {folder}/client\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {folder}/known_hosts\n  StrictHostKeyChecking yes\n"
    )
    (folder / "config").write_text(
        f"Host {ALIAS}\n  HostName 127.0.0.1\n  Port {port}\nHost 127.0.0.1 {ALIAS}\n{options}"
    )
    client = folder / "bin/ssh"
    client.parent.mkdir(exist_ok=True)
    client.write_text(f'#!/bin/sh\nexec {find_tool("ssh")} -F {folder}/config "$@"\n')
    client.chmod(0o755)


def describe(journal: Journal) -> dict[str, Any]:
    """Return how the node is reached, in the shape that `status --json` prints."""
    folder = journal.home / "engines/node"
    ports = journal.data.get("node_ports", {})
    found: dict[str, Any] = {"tcp": f"tcp://{ADDRESS}:{ports.get('tcp')}", "tls": f"{folder}/tls"}
    if journal.find_process("sshd"):
        found["ssh"] = f"ssh://root@127.0.0.1:{ports.get('ssh')}"
        found["ssh_alias"] = f"ssh://{ALIAS}"
        found["ssh_bin"] = f"{journal.home}/ssh/bin"
    return found


def kill_daemon(journal: Journal, name: str) -> None:
    """End an engine's dockerd as a crash of it would, for tests."""
    process = journal.find_process(f"{name}/dockerd")
    if process is None:
        raise EngineError(f"engine {name} does not run.")
    os.kill(process["pid"], 9)
    while journal.find_process(f"{name}/dockerd"):
        time.sleep(0.05)


def stop_sshd(journal: Journal) -> None:
    """End the sshd if it runs."""
    stop(journal.find_process("sshd"))
