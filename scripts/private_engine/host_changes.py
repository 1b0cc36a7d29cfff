"""What `up` registers host-wide, each with its way back: emulators, bridges, packet filter."""

from __future__ import annotations

import contextlib
import ipaddress
import re
from pathlib import Path

from private_engine.journal import EngineError, Journal, is_ok, run, say

BINFMT = Path("/proc/sys/fs/binfmt_misc")
IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
# Daemons make these wherever their own state is; `down` removes those that `up` found missing.
RUN_FOLDERS = (
    "/run/sshd", "/run/docker/plugins", "/run/docker", "/run/containerd/s", "/run/containerd",
    "/run/runc",
)  # fmt: skip
# The architectures, as QEMU calls them, that container images are published for.
EMULATED = (
    "aarch64", "arm", "i386", "loongarch64", "mips64el", "ppc64le", "riscv64", "s390x", "x86_64"
)  # fmt: skip


def note_run_folders(journal: Journal) -> None:
    """Journal which of the folders that daemons make are not there yet."""
    if "run_folders" not in journal.data:
        journal.save(run_folders=[folder for folder in RUN_FOLDERS if not Path(folder).exists()])


def remove_run_folders(journal: Journal) -> None:
    """Remove the folders that daemons made, as far as they are empty."""
    for folder in journal.data.get("run_folders", []):
        with contextlib.suppress(OSError):
            Path(folder).rmdir()


def register_emulators(journal: Journal, qemu_root: Path) -> None:
    """Register QEMU for every foreign architecture that nothing is registered for."""
    if not (BINFMT / "register").exists():
        journal.save(mounted_binfmt=True)
        run("mount", "-t", "binfmt_misc", "binfmt_misc", str(BINFMT))
    for architecture in EMULATED:
        line = read_registration(qemu_root, architecture)
        entry = BINFMT / f"qemu-{architecture}"
        if entry.exists() or not line:
            continue
        journal.save(handlers=[*journal.data.get("handlers", []), entry.name])
        (BINFMT / "register").write_text(line)


def read_registration(qemu_root: Path, architecture: str) -> str:
    """Return what registers QEMU; empty for what runs natively, of which the package has none."""
    line = qemu_root / f"usr/lib/binfmt.d/qemu-{architecture}.conf"
    return line.read_text().strip().replace(":/usr/", f":{qemu_root}/usr/") if line.exists() else ""


def unregister_emulators(journal: Journal) -> None:
    """Remove the registrations that `up` made, and the mount if it made that and it is empty."""
    for name in journal.data.get("handlers", []):
        with contextlib.suppress(FileNotFoundError):
            (BINFMT / name).write_text("-1")
    others = [entry for entry in BINFMT.glob("*") if entry.name not in ("register", "status")]
    if journal.data.get("mounted_binfmt") and not others:
        is_ok("umount", str(BINFMT))


def choose_pool(journal: Journal) -> ipaddress.IPv4Network:
    """Return a /16 that no address and no route of this machine touches."""
    if "pool" in journal.data:
        return ipaddress.IPv4Network(journal.data["pool"])
    shown = run("ip", "-4", "route", "show", "table", "all") + run("ip", "-4", "-o", "addr")
    taken = [
        ipaddress.IPv4Network(text, strict=False)
        for text in re.findall(r"\b\d+\.\d+\.\d+\.\d+/[1-9]\d?\b", shown)
    ]
    for second in range(210, 250):
        pool = ipaddress.IPv4Network(f"10.{second}.0.0/16")
        if not any(pool.overlaps(network) for network in taken):
            journal.save(pool=str(pool))
            return pool
    raise EngineError("No free subnet among 10.210.0.0/16 to 10.249.0.0/16 for the bridges.")


def open_network(journal: Journal, iptables: str) -> None:
    """Let containers reach the outside: forwarding, and three rules for our own addresses."""
    pool = str(choose_pool(journal))
    answers = ["-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED"]
    rules = [
        ["-t", "nat", "POSTROUTING", "-s", pool, "!", "-d", pool, "-j", "MASQUERADE"],
        ["-t", "filter", "FORWARD", "-s", pool, "-j", "ACCEPT"],
        ["-t", "filter", "FORWARD", "-d", pool, *answers, "-j", "ACCEPT"],
    ]
    journal.save(rules=[[iptables, rule] for rule in rules])
    for rule in rules:
        table, chain = rule[:2], rule[2:]
        if not is_ok(iptables, *table, "-C", *chain) and not is_ok(iptables, *table, "-I", *chain):
            say(f"  no way out for containers: `{iptables} -I {' '.join(chain)}` failed")
    if IP_FORWARD.read_text().strip() == "0":
        journal.save(forwarding_was="0")
        IP_FORWARD.write_text("1")


def split_pool(journal: Journal, index: int) -> ipaddress.IPv4Network:
    """Return the part of the pool that is an engine's."""
    if "pool_prefix" not in journal.data:
        # What runs already has quarters of the pool.
        journal.save(pool_prefix=18 if journal.data.get("bridges") else 19)
    parts = list(choose_pool(journal).subnets(new_prefix=journal.data["pool_prefix"]))
    if index >= len(parts):
        raise EngineError(
            "No room for one more engine beside those that run. Run: scripts/engine down"
        )
    return parts[index]


def choose_subnet(journal: Journal, name: str) -> tuple[str, ipaddress.IPv4Network]:
    """Return the bridge, which it makes itself, and the addresses of Podman's default network."""
    bridge = f"pma{journal.instance}-{name[0]}"
    journal.save(podman_bridge=bridge)
    return bridge, next(split_pool(journal, 7).subnets(new_prefix=24))


def provide_bridge(journal: Journal, index: int) -> tuple[str, ipaddress.IPv4Network]:
    """Return an engine's bridge, made if missing, and the addresses for its other networks."""
    bridge = f"pma{journal.instance}-{index}"
    own, others = split_pool(journal, index).subnets()
    if not Path(f"/sys/class/net/{bridge}").exists():
        journal.save(bridges=sorted({*journal.data.get("bridges", []), bridge}))
        # Without an address of its own a bridge takes that of some port, and changes it with them.
        mac = "02:42:" + own[1].packed.hex(":")
        run("ip", "link", "add", bridge, "address", mac, "type", "bridge")
        run("ip", "addr", "add", f"{own[1]}/24", "dev", bridge)
        run("ip", "link", "set", bridge, "up")
    return bridge, others


def close_network(journal: Journal) -> None:
    """Take the rules and bridges of this instance away and restore forwarding."""
    for iptables, rule in journal.data.get("rules", []):
        is_ok(iptables, *rule[:2], "-D", *rule[2:])
    for bridge in {*journal.data.get("bridges", []), *find_bridges(journal)}:
        is_ok("ip", "link", "del", bridge)
    if journal.data.get("forwarding_was") == "0":
        IP_FORWARD.write_text("0")


def find_bridges(journal: Journal) -> list[str]:
    """Return the bridges with an address of ours: networks of a daemon that died keep theirs."""
    if "pool" not in journal.data:
        return []
    pool = ipaddress.IPv4Network(journal.data["pool"])
    shown = re.findall(r"^\d+: (\S+)\s+inet ([\d.]+)/", run("ip", "-4", "-o", "addr"), re.MULTILINE)
    return [
        name
        for name, address in shown
        if ipaddress.IPv4Address(address) in pool and Path(f"/sys/class/net/{name}/bridge").exists()
    ]
