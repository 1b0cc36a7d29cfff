#!/usr/bin/env python3
"""Build the images of the corpus: compiled programs of a set, and Debian's own tools.

    python benchmarks/verdicts/build.py [SET ...]

`first` is compiled from `first/*.c` with the `ziglang` package, static, with -O2, for all seven
platforms. What was compiled is kept in the user's cache folder, and compiled again only when its
source or the flags change. The images are loaded into the engine of `scripts/engine status`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.images.build import (
    EVERY,
    PACKAGES_SCRIPT,
    SOURCES_LABEL,
    TARGETS,
    BuildError,
    Target,
    find_cache,
    is_built,
    lock,
    run,
    write_each,
)
from tests.known_engines import find_engines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HERE = Path(__file__).resolve().parent
FLAGS = (
    "-mcpu=baseline", "-std=gnu17", "-O2", "-s", "-static", "-pthread", "-fno-sanitize=all",
    "-fno-strict-aliasing", "-D_GNU_SOURCE", "-w",
)  # fmt: skip
IDLE = HERE / "idle.c"
"""What keeps a container running in which others are started."""
DOCKERFILE = """\
FROM scratch
ARG TARGETARCH
ARG TARGETVARIANT
COPY ${TARGETARCH}${TARGETVARIANT}/ /
ENV PATH=/usr/bin:/bin
CMD ["/bin/idle"]
"""
TOOLS = ("dash", "coreutils", "perl-base", "mawk", "jq", "sqlite3", "lua5.4", "tzdata")
SUITES = {"linux/riscv64": "trixie"}
"""bookworm, which has no riscv64: that variant is of another release, as it often happens."""
DROPPED = ("doc", "man", "locale", "lintian", "info", ".unpacked", "gconv", "perl5", "right")
"""Folders of packages that no case reads."""


def list_sources(folder: Path) -> list[Path]:
    """Return the programs of a set, and the one that all have."""
    return [*sorted(folder.glob("*.c")), IDLE]


def compile_program(source: Path, target: Target, cache: Path) -> Path:
    """Return a program for one platform, compiled unless the cache has it."""
    key = hashlib.sha256(repr((FLAGS, target)).encode() + source.read_bytes()).hexdigest()[:24]
    program = cache / "programs" / key
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        made = program.with_suffix(f".{os.getpid()}")
        zig = [sys.executable, "-m", "ziglang", "cc", "-target", target.zig]
        run([*zig, *FLAGS, "-o", made, source, "-lm"])
        made.chmod(0o755)
        made.rename(program)
    return program


def compile_set(
    folder: Path, cache: Path, platforms: Sequence[str] = EVERY
) -> dict[str, dict[str, Path]]:
    """Compile a set's programs: paths by platform's folder and name."""
    sources = list_sources(folder)
    targets = [target for target in TARGETS if target.platform in platforms]
    jobs = [(target, source) for target in targets for source in sources]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        programs = list(pool.map(lambda job: compile_program(job[1], job[0], cache), jobs))
    found: dict[str, dict[str, Path]] = {}
    for (target, source), program in zip(jobs, programs, strict=True):
        found.setdefault(target.folder, {})[source.stem] = program
    return found


def write_programs(folder: Path, cache: Path, context: Path, platforms: Sequence[str]) -> None:
    """Write the context of a set's own image."""
    for platform, programs in compile_set(folder, cache, platforms).items():
        root = context / platform
        (root / "bin").mkdir(parents=True)
        for name, program in programs.items():
            shutil.copy(program, root / "bin" / name)
        (root / "tmp").mkdir(mode=0o1777)
        (root / "etc").mkdir()
        (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")


def write_tools(cache: Path, context: Path) -> None:
    """Write the context of Debian's tools, with what is wrong in some of its variants."""

    def write_platform(target: Target) -> None:
        unpacked = cache / "unpacked" / f"tools-{target.debian}"
        run([
            sys.executable, PACKAGES_SCRIPT, "--cache", find_cache() / "debs", "--into", unpacked,
            "--architecture", target.debian, "--libraries",
            "--suite", SUITES.get(target.platform, "bookworm"),
            "--without", "libperl", "--without", "libllvm", *TOOLS,
        ])  # fmt: skip
        root = context / target.folder
        shutil.copytree(unpacked, root, symlinks=True, ignore=shutil.ignore_patterns(*DROPPED))
        link_folders(root)
        for name, program in {"sh": "dash", "awk": "mawk", "lua": "lua5.4"}.items():
            link = root / "usr/bin" / name
            link.unlink(missing_ok=True)
            link.symlink_to(program)
        shutil.copy(compile_program(IDLE, target, cache), root / "usr/bin/idle")
        (root / "tmp").mkdir(mode=0o1777)
        (root / "etc").mkdir(exist_ok=True)
        (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        (root / "etc/app.json").write_text(json.dumps(describe_settings(target), indent=2) + "\n")
        if target.platform == "linux/ppc64le":
            shutil.rmtree(root / "usr/share/zoneinfo")
        if target.platform == "linux/arm/v7":
            (root / "usr/bin/jq").unlink()

    write_each(write_platform, TARGETS)


def describe_settings(target: Target) -> dict[str, object]:
    """Return the settings in /etc/app.json, of which one platform has others."""
    workers = 2 if target.platform == "linux/riscv64" else 4
    return {"workers": workers, "started": "2024-05-01T10:00:00Z"}


def link_folders(root: Path) -> None:
    """Make /bin, /lib and the like lead to /usr, as Debian's base-files do."""
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        folder = root / name
        if folder.is_dir() and not folder.is_symlink():
            shutil.copytree(folder, root / "usr" / name, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(folder)
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        folder.symlink_to(f"usr/{name}")


def digest_context(folder: Path, platforms: Sequence[str]) -> str:
    """Return a digest of what the context of an image is made from."""
    digest = hashlib.sha256(Path(__file__).read_bytes() + repr(platforms).encode())
    for source in [IDLE] if folder.name == "tools" else list_sources(folder):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:16]


def provide_context(folder: Path, cache: Path, platforms: Sequence[str]) -> tuple[Path, str]:
    """Return the build context of a set, or of the tools, and its digest."""
    digest = digest_context(folder, platforms)
    context, stamp = cache / "contexts" / folder.name, cache / "contexts" / f"{folder.name}.digest"
    if not (stamp.exists() and stamp.read_text() == digest):
        stamp.unlink(missing_ok=True)
        shutil.rmtree(context, ignore_errors=True)
        context.mkdir(parents=True)
        if folder.name == "tools":
            write_tools(cache, context)
        else:
            write_programs(folder, cache, context, platforms)
        (context / "Dockerfile").write_text(DOCKERFILE)
        stamp.write_text(digest)
    return context, digest


def build_image(
    folder: Path,
    *,
    environment: Mapping[str, str],
    docker: str = "docker",
    platforms: Sequence[str] = EVERY,
) -> str:
    """Build the image of a set, or `tools`, and return its reference."""
    cache = find_cache().parent / "verdicts"
    reference = f"multiarch-verdicts/{folder.name}:1"
    with lock(cache):
        context, digest = provide_context(folder, cache, platforms)
        if not is_built({"tags": [reference], "labels": {SOURCES_LABEL: digest}}, docker,
                        environment):  # fmt: skip
            chosen = f"--platform={','.join(platforms)}"
            run([docker, "buildx", "build", chosen, "--output=type=docker", "--tag", reference,
                 "--provenance=false", f"--label={SOURCES_LABEL}={digest}", context],
                env=environment)  # fmt: skip
    return reference


def build_images(sets: tuple[str, ...]) -> dict[str, str]:
    """Build the images of sets and of the tools into engine `main`: references by name."""
    engines = find_engines()
    environment = engines.make_environ("main")
    return {
        name: build_image(HERE / name, environment=environment, docker=engines.docker)
        for name in (*sets, "tools")
    }


def main() -> int:
    """Run the command of the module's docstring."""
    parser = argparse.ArgumentParser(description="Build the images of the corpus of verdicts.")
    parser.add_argument("sets", nargs="*", metavar="SET", default=["first"])
    given = parser.parse_args()
    try:
        print("\n".join(build_images(tuple(given.sets)).values()))
    except BuildError as error:
        print(f"build: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
