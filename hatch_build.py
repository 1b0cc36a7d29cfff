"""Build hook: compiles the small static programs of `pytest_multiarch/native` into the wheel.

One C source, one binary for each platform, by the cross compiler of the `ziglang` package. The
same sources give the same bytes on every machine, so that a wheel can be checked by anyone.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NATIVE = Path("pytest_multiarch/native")
PROGRAMS = ("control", "probe", "timer")
"""The programs: `<name>.c` in NATIVE becomes `bin/<name>-<target>`."""

TARGETS = {
    "linux-386": ("x86-linux-musl", "baseline"),
    "linux-amd64": ("x86_64-linux-musl", "baseline"),
    "linux-arm-v5": ("arm-linux-musleabi", "arm926ej_s"),
    "linux-arm-v6": ("arm-linux-musleabi", "arm1176jz_s"),
    "linux-arm-v7": ("arm-linux-musleabi", "generic+v7a"),
    "linux-arm64": ("aarch64-linux-musl", "baseline"),
    "linux-loong64": ("loongarch64-linux-musl", "baseline"),
    "linux-ppc64le": ("powerpc64le-linux-musl", "baseline"),
    "linux-riscv64": ("riscv64-linux-musl", "baseline"),
    "linux-s390x": ("s390x-linux-musl", "baseline"),
}
"""The target of zig and the oldest processor, for each platform as written in file names."""

HEADERS = {
    "aarch64": "aarch64", "arm": "arm", "loongarch64": "loongarch", "powerpc64le": "powerpc",
    "riscv64": "riscv", "s390x": "s390x", "x86": "x86", "x86_64": "x86",
}  # fmt: skip
"""The folder of the kernel's headers in zig, for each architecture of a target."""

FLAGS = (
    "-std=c11", "-Os", "-s", "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector",
    "-fno-pie", "-fno-sanitize=all", "-fno-asynchronous-unwind-tables", "-fomit-frame-pointer",
    "-Wl,--build-id=none", "-Wall", "-Wextra", "-Werror",
    # Else zig first compiles its own runtime library for each target: 2 s instead of 0.1 s.
    "-rtlib=none",
)  # fmt: skip


class NativePrograms(BuildHookInterface[Any]):
    """Compiles the programs into the source tree, from where the wheel takes them."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Compile every program for every target."""
        folder = Path(self.root, NATIVE)
        output = folder / "bin"
        output.mkdir(exist_ok=True)
        for stale in output.iterdir():
            if stale.name not in {f"{name}-{slug}" for name in PROGRAMS for slug in TARGETS}:
                stale.unlink()
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            for program in PROGRAMS:
                for slug in TARGETS:
                    binary = compile_program(folder / f"{program}.c", slug, Path(scratch))
                    binary.replace(output / binary.name)


def compile_program(source: Path, slug: str, scratch: Path) -> Path:
    """Compile one program for one target, with a compiler cache that nobody else has written."""
    target, processor = TARGETS[slug]
    binary = scratch / f"{source.stem}-{slug}"
    argv = [
        sys.executable, "-m", "ziglang", "cc", "-target", target, f"-mcpu={processor}", *FLAGS,
        *list_headers(target), source.name, "-o", str(binary),
    ]  # fmt: skip
    cache = str(scratch / "cache")
    environ = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}
    done = subprocess.run(
        argv, cwd=source.parent, env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{source.name} does not compile for {slug}:\n{done.stderr}")
    return binary


def list_headers(target: str) -> list[str]:
    """Give the options that put the kernel's headers for a target on the compiler's path.

    zig itself offers them to hosted programs only.
    """
    spec = importlib.util.find_spec("ziglang")
    if spec is None or spec.origin is None:
        raise RuntimeError("the ziglang package, which compiles the native programs, is missing")
    folder = Path(spec.origin).parent / "lib" / "libc" / "include"
    names = (f"{HEADERS[target.partition('-')[0]]}-linux-any", "any-linux-any")
    return [word for name in names for word in ("-isystem", str(folder / name))]
