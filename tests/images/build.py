#!/usr/bin/env python3
"""Build the sample images of the tests from source, for every platform, without a registry.

    python tests/images/build.py --docker-host unix:///var/run/docker.sock
    python tests/images/build.py --docker-host ... --push 127.0.0.1:5000 sample entry

The programs are C, compiled with the `ziglang` package; busybox, Redis, PostgreSQL and Python come
from Debian's packages of each architecture. Needs buildx and, for more than one platform at a
time, an engine with the containerd image store. `--push` sends the images to a registry instead.
"""

from __future__ import annotations

import argparse
import dataclasses
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

HERE = Path(__file__).resolve().parent
PACKAGES_SCRIPT = HERE.parents[1] / "scripts" / "debian_packages.py"
INCLUDES = HERE.parents[1] / "examples" / "image"
REPOSITORY = "multiarch-test"
SOURCES_LABEL = "org.pytest-multiarch.test-sources"
COMPILE_FLAGS = (
    "-mcpu=baseline", "-Os", "-s", "-static", "-nostdlib", "-ffreestanding",
    "-fno-stack-protector", "-fno-sanitize=all",
    "-Wall", "-Wextra", "-Werror", "-Wno-unused-function",
)  # fmt: skip


class BuildError(Exception):
    """Say which image could not be built, and why; shown to the user as it is."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Hold what a platform is called by the compiler, by Debian and in a Dockerfile."""

    platform: str
    zig: str
    debian: str

    @property
    def folder(self) -> str:
        """Return TARGETARCH and TARGETVARIANT in one word: `arm64`, `armv7`."""
        return "".join(self.platform.split("/")[1:])


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """Name an image, the context it is built from, the stage, and its platforms."""

    name: str
    context: str
    stage: str | None
    platforms: tuple[str, ...]

    @property
    def reference(self) -> str:
        """Return the reference that the image is built as."""
        return f"{REPOSITORY}/{self.name}:1"


TARGETS = (
    Target(platform="linux/amd64", zig="x86_64-linux-musl", debian="amd64"),
    Target(platform="linux/arm64", zig="aarch64-linux-musl", debian="arm64"),
    Target(platform="linux/arm/v7", zig="arm-linux-musleabihf", debian="armhf"),
    Target(platform="linux/386", zig="x86-linux-musl", debian="i386"),
    Target(platform="linux/s390x", zig="s390x-linux-musl", debian="s390x"),
    Target(platform="linux/ppc64le", zig="powerpc64le-linux-musl", debian="ppc64el"),
    Target(platform="linux/riscv64", zig="riscv64-linux-musl", debian="riscv64"),
)
EVERY = tuple(target.platform for target in TARGETS)
SERVERS = ("linux/amd64", "linux/arm64")
ODD = ("linux/arm/v7", "linux/386")
IMAGES = (
    Image(name="sample", context="sample", stage="sample", platforms=EVERY),
    Image(name="entry", context="sample", stage="entry", platforms=EVERY),
    Image(name="scratch", context="sample", stage="scratch-only", platforms=EVERY),
    Image(name="health", context="sample", stage="health", platforms=SERVERS),
    Image(name="partial", context="sample", stage="sample", platforms=ODD),
    Image(name="liar", context="sample", stage="liar", platforms=SERVERS),
    Image(name="redis", context="redis", stage=None, platforms=SERVERS),
    Image(name="postgres", context="postgres", stage=None, platforms=SERVERS),
    Image(name="web", context="web", stage=None, platforms=SERVERS),
)
PASSWD = (
    "root:x:0:0:root:/root:/bin/sh\n"
    "postgres:x:999:999:postgres:/var/lib/postgresql:/bin/sh\n"
    "app:x:1000:1000:app:/tmp:/bin/sh\n"
)
GROUP = "root:x:0:\npostgres:x:999:\napp:x:1000:\n"
# Packages of a suite that changes no more than its point releases do.
SERVER_PACKAGES = {
    "redis": ("redis-server", "redis-tools"),
    "postgres": ("postgresql-15", "postgresql-client-15", "tzdata"),
    "web": ("python3-psycopg2", "python3.11-minimal", "libpython3.11-stdlib"),
}


def find_cache() -> Path:
    """Return the folder that keeps downloads and build contexts between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "pytest-multiarch" / "images"


@contextmanager
def lock(cache: Path) -> Iterator[None]:
    """Hold off another process that prepares the same contexts."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def run(argv: Sequence[str | Path], env: Mapping[str, str] | None = None) -> str:
    """Run a program and return its stdout; raise BuildError with the end of its output."""
    done = subprocess.run(
        argv, check=False, env=env, cwd=HERE, capture_output=True, text=True, timeout=1800
    )
    if done.returncode:
        command = " ".join(map(str, argv[:4]))
        output = "\n".join((done.stdout + done.stderr).strip().splitlines()[-20:])
        raise BuildError(f"`{command} ...` ended with {done.returncode}:\n{output}")
    return done.stdout


# --- contexts -----------------------------------------------------------------------------------


def compile_program(source: Path, zig_target: str, output: Path) -> None:
    """Compile one freestanding C file into a static program, with the `ziglang` package."""
    output.parent.mkdir(parents=True, exist_ok=True)
    zig = [sys.executable, "-m", "ziglang", "cc", "-target", zig_target]
    run([*zig, *COMPILE_FLAGS, f"-I{INCLUDES}", "-o", output, source])
    output.chmod(0o755)


def unpack_packages(cache: Path, target: Target, packages: Sequence[str], server: bool) -> Path:
    """Return a folder with unpacked Debian packages; a server's with the libraries it needs."""
    folder = cache / "unpacked" / f"{packages[0]}-{target.debian}"
    # riscv64 is not in bookworm; a mirror can lack one suite for hours while it is synchronised.
    suites = ("bookworm",) if server else ("trixie", "sid", "bookworm")
    options = ["--libraries", "--without", "libllvm", "--without", "libperl"] if server else []
    run([
        sys.executable, PACKAGES_SCRIPT, "--cache", cache / "debs", "--into", folder,
        "--architecture", target.debian, *(f"--suite={suite}" for suite in suites), *options,
        *packages,
    ])  # fmt: skip
    return folder


def write_userland(cache: Path, target: Target, root: Path) -> None:
    """Put busybox with a link per applet, a user database and /tmp into `root`."""
    unpacked = unpack_packages(cache, target, ["busybox-static"], server=False)
    program = unpacked / "usr/bin/busybox"
    (root / "bin").mkdir(parents=True, exist_ok=True)
    shutil.copy(program if program.exists() else unpacked / "bin/busybox", root / "bin/busybox")
    for applet in (HERE / "applets.txt").read_text().split():
        (root / "bin" / applet).symlink_to("busybox")
    for folder in ("etc", "root", "tmp"):
        (root / folder).mkdir(exist_ok=True)
    (root / "tmp").chmod(0o1777)
    (root / "etc/passwd").write_text(PASSWD)
    (root / "etc/group").write_text(GROUP)


def write_sample(cache: Path, context: Path) -> None:
    """Write the context of the sample images: program and userland of every platform."""
    shutil.copy(HERE / "sample/Dockerfile", context)

    def write_platform(target: Target) -> None:
        write_userland(cache, target, context / target.folder)
        compile_program(HERE / "sample/app.c", target.zig, context / target.folder / "bin/app")

    write_each(write_platform, TARGETS)


def write_server(cache: Path, context: Path) -> None:
    """Write the context of a server's image: the server's packages and a userland."""
    name = context.name
    for file in (HERE / name).iterdir():
        shutil.copy(file, context)
    (context / "empty").mkdir()

    def write_platform(target: Target) -> None:
        unpacked = unpack_packages(cache, target, SERVER_PACKAGES[name], server=True)
        dropped = shutil.ignore_patterns("doc", "man", "locale", "lintian", ".unpacked")
        shutil.copytree(unpacked, context / target.folder, symlinks=True, ignore=dropped)
        write_userland(cache, target, context / target.folder)

    write_each(write_platform, [target for target in TARGETS if target.platform in SERVERS])


def write_each(write: Callable[[Target], None], targets: Sequence[Target]) -> None:
    """Call `write` for several platforms at once, and raise what any of them raises."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, targets))


def digest_sources(name: str) -> str:
    """Return a digest of everything in this folder that a context is made from."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for file in [HERE / "applets.txt", INCLUDES / "linux.h", *sorted((HERE / name).iterdir())]:
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def provide_context(cache: Path, name: str) -> Path:
    """Return the build context of a family of images, made again only if its sources changed."""
    context, stamp = cache / "contexts" / name, cache / "contexts" / f"{name}.digest"
    if not (stamp.exists() and stamp.read_text() == digest_sources(name)):
        stamp.unlink(missing_ok=True)
        shutil.rmtree(context, ignore_errors=True)
        context.mkdir(parents=True)
        write = write_sample if name == "sample" else write_server
        write(cache, context)
        stamp.write_text(digest_sources(name))
    return context


# --- builds -------------------------------------------------------------------------------------


def describe_build(
    image: Image, context: Path, platforms: Sequence[str], registry: str | None
) -> dict[str, Any]:
    """Return what `docker buildx bake` is to do for an image."""
    described = repr((image, digest_sources(image.context), platforms))
    target: dict[str, Any] = {
        "context": str(context),
        "platforms": list(platforms),
        "tags": [f"{registry}/{image.reference}" if registry else image.reference],
        "output": ["type=registry" if registry else "type=docker"],
        "labels": {SOURCES_LABEL: hashlib.sha256(described.encode()).hexdigest()[:16]},
    }
    return {**target, "target": image.stage} if image.stage else target


def is_built(target: Mapping[str, Any], docker: str, environment: Mapping[str, str]) -> bool:
    """Tell whether the engine has the image as it would be built now."""
    command = [docker, "image", "inspect", "--format", "{{json .Config.Labels}}", target["tags"][0]]
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    labels = (json.loads(done.stdout) if done.returncode == 0 else None) or {}
    return bool(labels.get(SOURCES_LABEL) == target["labels"][SOURCES_LABEL])


def build_images(
    names: Sequence[str] = (),
    *,
    environment: Mapping[str, str],
    docker: str = "docker",
    registry: str | None = None,
    platforms: Sequence[str] = EVERY,
) -> dict[str, str]:
    """Build images (all, if none is named) into an engine, or into `registry`.

    `environment` is that of the docker command (DOCKER_HOST, DOCKER_CONFIG). Returns the
    references by name; an image with none of the wanted platforms is left out. What an engine has
    already is not built again, so that its digest stays.
    """
    unknown = set(names) - {image.name for image in IMAGES}
    if unknown:
        known = ", ".join(image.name for image in IMAGES)
        raise BuildError(f"Unknown image {', '.join(sorted(unknown))}; there are {known}.")
    targets, cache = {}, find_cache()
    with lock(cache):
        for image in IMAGES:
            chosen = [platform for platform in image.platforms if platform in platforms]
            if chosen and (not names or image.name in names):
                context = provide_context(cache, image.context)
                targets[image.name] = describe_build(image, context, chosen, registry)
        missing = [
            name
            for name, target in targets.items()
            if registry or not is_built(target, docker, environment)
        ]
        if missing:
            plan = cache / "docker-bake.json"
            plan.write_text(json.dumps({"target": targets}, indent=2))
            bake = [docker, "buildx", "bake", "--allow=fs.read=*", "--progress=plain"]
            run([*bake, "-f", str(plan), *missing], env=environment)
    return {name: target["tags"][0] for name, target in targets.items()}


def main() -> int:
    """Run the command of the module's docstring."""
    parser = argparse.ArgumentParser(description="Build the sample images of the tests.")
    parser.add_argument("--docker-host", help="engine; default: what `docker` uses by itself")
    parser.add_argument("--docker-config", help="folder with cli-plugins/docker-buildx")
    parser.add_argument("--docker", default="docker", help="docker command")
    parser.add_argument("--push", metavar="REGISTRY", help="push there instead of loading")
    parser.add_argument("--platform", action="append", help="only this platform (repeatable)")
    parser.add_argument("images", nargs="*", metavar="IMAGE")
    given = parser.parse_args()
    environment = dict(os.environ)
    environment |= {"DOCKER_HOST": given.docker_host} if given.docker_host else {}
    environment |= {"DOCKER_CONFIG": given.docker_config} if given.docker_config else {}
    try:
        built = build_images(
            given.images,
            environment=environment,
            docker=given.docker,
            registry=given.push,
            platforms=given.platform or EVERY,
        )
    except BuildError as error:
        print(f"build: {error}", file=sys.stderr)
        return 1
    print("\n".join(built.values()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
