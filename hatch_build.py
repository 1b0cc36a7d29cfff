"""Build hook: compiles the small static programs of `pytest_multiarch/native` into the wheel.

One C source, one binary for each platform, by the cross compiler of the `ziglang` package. The
same sources give the same bytes on every machine, so that a wheel can be checked by anyone.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NATIVE = Path("pytest_multiarch/native")
PROGRAMS = ("probe",)
TARGETS = {
    "linux-386": "x86-linux-musl",
    "linux-amd64": "x86_64-linux-musl",
    "linux-arm-v5": "arm-linux-musleabi",
    "linux-arm-v6": "arm-linux-musleabi",
    "linux-arm-v7": "arm-linux-musleabihf",
    "linux-arm64": "aarch64-linux-musl",
    "linux-ppc64le": "powerpc64le-linux-musl",
    "linux-riscv64": "riscv64-linux-musl",
    "linux-s390x": "s390x-linux-musl",
}
CPUS = {"linux-arm-v5": "arm926ej_s", "linux-arm-v6": "arm1176jzf_s"}
FLAGS = (
    "-Os", "-s", "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector", "-fno-pie",
    "-fno-sanitize=all", "-fno-asynchronous-unwind-tables", "-fomit-frame-pointer",
    "-Wl,--build-id=none", "-Wall", "-Wextra", "-Werror",
)  # fmt: skip


class NativePrograms(BuildHookInterface[Any]):
    """Compiles what is missing or older than its source, and adds it to the wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile every program for every target."""
        root = Path(self.root)
        output = root / NATIVE / "bin"
        output.mkdir(exist_ok=True)
        sources = [*root.glob(f"{NATIVE}/*.c"), *root.glob(f"{NATIVE}/*.h"), Path(__file__)]
        newest = max(source.stat().st_mtime for source in sources)
        with tempfile.TemporaryDirectory() as cache:
            for program in PROGRAMS:
                for slug, target in TARGETS.items():
                    binary = output / f"{program}-{slug}"
                    if not binary.is_file() or binary.stat().st_mtime < newest:
                        compile_program(root / NATIVE, program, slug, target, binary, cache)


def compile_program(
    folder: Path, program: str, slug: str, target: str, binary: Path, cache: str
) -> None:
    """Compile one program for one target."""
    argv = [
        sys.executable, "-m", "ziglang", "cc", "-target", target,
        f"-mcpu={CPUS.get(slug, 'baseline')}", *FLAGS, f"{program}.c", "-o", str(binary),
    ]  # fmt: skip
    environ = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}
    done = subprocess.run(argv, cwd=folder, env=environ, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{program} for {slug} does not compile:\n{done.stderr}")
    binary.chmod(0o755)
