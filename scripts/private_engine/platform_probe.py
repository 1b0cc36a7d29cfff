"""Find out which platforms an engine runs, by running a program of a few instructions on each.

What an engine or buildx says about its platforms is what it found when it started. The program
does `exit(0)`; its image is loaded, run once without network, and removed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import struct
import subprocess
import tarfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Machine:
    """Hold what a platform's smallest program is made of: ELF header fields and code."""

    platform: str
    bits: int
    order: str
    number: int
    code: str
    flags: int = 0


# Every code is exit(0) by the system call of that machine.
MACHINES = (
    Machine("linux/amd64", 64, "<", 62, "b83c000000 31ff 0f05"),
    Machine("linux/386", 32, "<", 3, "b801000000 31db cd80"),
    Machine("linux/arm64", 64, "<", 183, "a80b8052 00008052 010000d4"),
    Machine("linux/arm/v7", 32, "<", 40, "0170a0e3 0000a0e3 000000ef", 0x5000200),
    Machine("linux/ppc64le", 64, "<", 21, "01000038 00006038 02000044", 2),
    Machine("linux/riscv64", 64, "<", 243, "9308d005 13050000 73000000"),
    Machine("linux/s390x", 64, ">", 22, "a7290000 0a01"),
)


def build_program(machine: Machine) -> bytes:
    """Return a static ELF program whose only segment is its headers and its code."""
    code, base = bytes.fromhex(machine.code), 0x10000
    wide = machine.bits == 64
    header, segment = (64, 56) if wide else (52, 32)
    start = header + segment
    word = "Q" if wide else "I"
    identity = bytes([*b"\x7fELF", 1 + wide, 1 + (machine.order == ">"), 1]).ljust(16, b"\0")
    elf = struct.pack(
        f"{machine.order}HHI3{word}I6H",
        2, machine.number, 1, base + start, header, 0, machine.flags, header, segment, 1, 0, 0, 0,
    )  # fmt: skip
    size, readable, executable = start + len(code), 4, 1
    fields = (0, base, base, size, size)
    if wide:
        load = struct.pack(f"{machine.order}II6Q", 1, readable | executable, *fields, 0x10000)
    else:
        load = struct.pack(f"{machine.order}8I", 1, *fields, readable | executable, 0x10000)
    return identity + elf + load + code


def build_tar(files: Mapping[str, bytes]) -> bytes:
    """Return a tar archive of executable files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.mode, entry.size = 0o755, len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def build_image(machine: Machine, tag: str) -> bytes:
    """Return what `docker load` reads (every engine does): an image with the program as /exit."""
    layer = build_tar({"exit": build_program(machine)})
    system, architecture, *variant = machine.platform.split("/")
    config = {
        "os": system,
        "architecture": architecture,
        **({"variant": variant[0]} if variant else {}),
        "config": {"Cmd": ["/exit"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [tag], "Layers": ["layer.tar"]}]
    return build_tar({
        "layer.tar": layer,
        "config.json": json.dumps(config).encode(),
        "manifest.json": json.dumps(manifest).encode(),
    })  # fmt: skip


def runs_platform(machine: Machine, docker: str, environment: Mapping[str, str]) -> bool:
    """Tell whether the engine runs a program of this machine; leaves no image behind."""
    tag = f"pytest-multiarch-engine-probe:{os.getpid()}-{machine.platform.replace('/', '-')}"

    def call(*argv: str, stdin: bytes = b"") -> bool:
        done = subprocess.run(
            [docker, *argv], input=stdin, env=environment, check=False, capture_output=True,
            timeout=60,
        )  # fmt: skip
        return done.returncode == 0

    try:
        return call("load", stdin=build_image(machine, tag)) and call(
            "run", "--rm", "--network=none", "--platform", machine.platform, tag
        )
    except subprocess.TimeoutExpired:
        return False
    finally:
        call("rmi", "--force", tag)


def list_platforms(docker: str, environment: Mapping[str, str]) -> list[str]:
    """Return the platforms that the engine of this docker command and environment runs."""
    with ThreadPoolExecutor(4) as pool:
        runs = pool.map(lambda machine: runs_platform(machine, docker, environment), MACHINES)
        return [machine.platform for machine, is_run in zip(MACHINES, runs, strict=True) if is_run]
