"""What the commands of the guide need where no image registry can be reached.

A builder whose container has no BuildKit of its own: its `buildctl dial-stdio` leads to that of the
daemon. Base images of the guide's Dockerfile are replaced by images that are made here: one with a
compiler that is called as on the page, and one with a shell for every platform.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.known_engines import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.known_engines import KnownEngines

_UPGRADE = (
    b"POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
    b"Content-Length: 0\r\n\r\n"
)
_BUILDCTL = """#!/bin/sh
case " $* " in
*" dial-stdio "*) exec nc 127.0.0.1 {port} ;;
esac
"""
_BUILDKITD = """#!/bin/sh
trap 'exit 0' TERM
while :; do sleep 1; done
"""
_BRIDGE = """
FROM {base}
COPY buildctl buildkitd /usr/bin/
ENTRYPOINT ["/usr/bin/buildkitd"]
"""
_TOOLCHAIN = """
FROM {base}
COPY . /
"""
_SALTED = """
FROM {base}
COPY salt /etc/salt
"""
_PYTHON = """#!/bin/sh
# Stands for `python -m ziglang cc`: the same compiler, with a library of two functions.
shift 3
export ZIG_LIB_DIR=/zig/lib ZIG_GLOBAL_CACHE_DIR=/tmp/zig ZIG_LOCAL_CACHE_DIR=/tmp/zig HOME=/tmp
mkdir -p /tmp
exec /zig/zig cc -mcpu=baseline -nostdlib -rtlib=none -ffreestanding -fno-stack-protector \\
    -fno-sanitize=all -isystem /zig/small/include "$@" /zig/small/libc.c
"""
_LIBC = """
#include "linux.h"
int main(int argc, char **argv);
int run(int argc, char **argv) { return main(argc, argv); }
int puts(const char *text) { write_all(1, text, length(text)); write_all(1, "\\n", 1); return 0; }
int strcmp(const char *a, const char *b) {
    while (*a && *a == *b) a++, b++;
    return (unsigned char)*a - (unsigned char)*b;
}
"""
_DOCKER = """#!{python}
import os, sys
words = sys.argv[1:]
if words[:2] == ["buildx", "create"]:
    words[2:2] = ["--driver-opt", "image={bridge},network=host"]
if words[:2] == ["buildx", "build"]:
    words[2:2] = [{contexts}]
os.execv({docker!r}, ["docker", *words])
"""


class Relay:
    """Leads connections to a port of loopback to a daemon's own BuildKit."""

    def __init__(self, engine_socket: str) -> None:
        self._engine = engine_socket
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        found: int = self._listener.getsockname()[1]
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as engine, contextlib.suppress(OSError):
            engine.connect(self._engine)
            engine.sendall(_UPGRADE)
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                byte = engine.recv(1)
                if not byte:
                    return
                head += byte
            threading.Thread(target=_pump, args=(client, engine), daemon=True).start()
            _pump(engine, client)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(64 * 1024):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def build_bridge(engines: KnownEngines, folder: Path, *, base: str, port: int) -> str:
    """Build the image of the builder, and give its name."""
    folder.mkdir()
    for name, text in (("buildctl", _BUILDCTL.format(port=port)), ("buildkitd", _BUILDKITD)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    (folder / "Dockerfile").write_text(_BRIDGE.format(base=base))
    name = f"publishing-guide/bridge:{os.getpid()}"
    engines.run_docker("main", "buildx", "build", "--quiet", "--load", "--tag", name, str(folder))
    return name


def push_toolchain(engines: KnownEngines, folder: Path, *, base: str, name: str) -> None:
    """Push an image with a C compiler for every platform, that runs on this machine's."""
    package = Path(str(util.find_spec("ziglang").origin)).parent  # type: ignore[union-attr]
    zig, small, bin_folder = folder / "zig", folder / "zig/small", folder / "usr/bin"
    (small / "include").mkdir(parents=True)
    (zig / "lib/std").mkdir(parents=True)
    bin_folder.mkdir(parents=True)
    shutil.copy(package / "zig", zig / "zig")
    shutil.copytree(package / "lib/include", zig / "lib/include")
    shutil.copy(package / "lib/std/std.zig", zig / "lib/std")
    shutil.copy(ROOT / "examples/image/linux.h", small)
    (small / "libc.c").write_text(_LIBC)
    (small / "include/stdio.h").write_text("int puts(const char *text);\n")
    (small / "include/string.h").write_text("int strcmp(const char *a, const char *b);\n")
    for program, text in (("python", _PYTHON), ("pip", "#!/bin/sh\n")):
        (bin_folder / program).write_text(text)
        (bin_folder / program).chmod(0o755)
    (folder / "Dockerfile").write_text(_TOOLCHAIN.format(base=base))
    (folder / ".dockerignore").write_text("Dockerfile\n.dockerignore\n")
    output = f"type=image,name={name},push=true,compression=uncompressed"
    arguments = ("buildx", "build", "--quiet", "--provenance=false", "--output", output)
    engines.run_docker("main", *arguments, str(folder))


def push_salted(engines: KnownEngines, folder: Path, *, base: str, name: str) -> None:
    """Push a base image that no build before had, so that no step of the page is cached yet."""
    folder.mkdir()
    (folder / "salt").write_text(secrets.token_hex(8))
    (folder / "Dockerfile").write_text(_SALTED.format(base=base))
    platforms = "--platform=linux/amd64,linux/arm64"
    output = f"type=image,name={name},push=true"
    arguments = ("buildx", "build", "--quiet", "--provenance=false", platforms, "--output", output)
    engines.run_docker("main", *arguments, str(folder))


def write_docker(folder: Path, docker: str, *, bridge: str, bases: Mapping[str, str]) -> None:
    """Write a `docker` that has the replacements, and is docker otherwise."""
    folder.mkdir()
    contexts = ", ".join(
        f'"--build-context", "{base}=docker-image://{image}"' for base, image in bases.items()
    )
    real = shutil.which(docker) or docker
    text = _DOCKER.format(python=sys.executable, bridge=bridge, contexts=contexts, docker=real)
    (folder / "docker").write_text(text)
    (folder / "docker").chmod(0o755)


def run_shell(command: str, folder: Path, environ: Mapping[str, str]) -> tuple[int, str]:
    """Run a command as a person does; give its exit status and all that it printed."""
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=dict(environ), text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=400,
    )  # fmt: skip
    return done.returncode, done.stdout
