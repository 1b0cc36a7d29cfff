#!/usr/bin/env python3
"""Write images as OCI layouts, with no engine: right ones, and ones that are wrong in every way.

    python tests/images/layouts.py --into FOLDER mislabelled mixed ...

Their programs are those of the sample images; those of `debian` are Debian's own, with Python.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.images.build import (
    EVERY,
    SERVERS,
    TARGETS,
    BuildError,
    Target,
    find_cache,
    lock,
    provide_context,
    unpack_packages,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OCI = "application/vnd.oci.image"
CREATED = "2024-05-01T10:00:00Z"
AMD64, ARM64 = SERVERS
DEBIAN_PACKAGES = (
    "base-files", "base-passwd", "bash", "coreutils", "dash", "debianutils", "diffutils",
    "findutils", "grep", "gzip", "libc-bin", "login", "mount", "passwd", "perl-base", "python3",
    "python3-minimal", "python3.11", "python3.11-minimal", "python3-pip", "sed", "tar",
    "util-linux", "util-linux-extra", "adduser", "ca-certificates", "openssl", "dpkg", "apt",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One layer: a folder of files, and files by path; a text is what a link leads to."""

    instruction: str
    root: Path | None = None
    files: Mapping[str, bytes | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One entry of an index. `says` is the config's platform, if it is not the entry's."""

    platform: str
    steps: tuple[Step, ...]
    config: Mapping[str, Any] = field(default_factory=dict)
    says: str = ""
    is_compressed: bool = True


class LayoutWriter:
    """Writes one image into a folder."""

    def __init__(self, folder: Path) -> None:
        self._blobs = folder / "blobs/sha256"
        self._folder = folder
        self._blobs.mkdir(parents=True)

    def write(self, variants: tuple[Variant, ...]) -> None:
        """Write an index of variants, which is what `index.json` names."""
        document = {
            "schemaVersion": 2,
            "mediaType": f"{OCI}.index.v1+json",
            "manifests": [self._write_variant(each) for each in variants],
        }
        top = self._keep(document, f"{OCI}.index.v1+json")
        top["annotations"] = {"org.opencontainers.image.ref.name": "1"}
        index = {"schemaVersion": 2, "manifests": [top]}
        (self._folder / "index.json").write_text(json.dumps(index))
        (self._folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def _write_variant(self, variant: Variant) -> dict[str, Any]:
        archives = [write_archive(step) for step in variant.steps]
        config = {
            **describe_platform(variant.says or variant.platform),
            "created": CREATED,
            "config": dict(variant.config),
            "rootfs": {"type": "layers", "diff_ids": [digest_bytes(each) for each in archives]},
            "history": [{"created_by": step.instruction} for step in variant.steps],
        }
        layers = []
        for archive in archives:
            data = gzip.compress(archive, 1, mtime=0) if variant.is_compressed else archive
            kind = "tar+gzip" if variant.is_compressed else "tar"
            layers.append(self._keep(data, f"{OCI}.layer.v1.{kind}"))
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{OCI}.manifest.v1+json",
            "config": self._keep(config, f"{OCI}.config.v1+json"),
            "layers": layers,
        }
        entry = self._keep(manifest, f"{OCI}.manifest.v1+json")
        return {**entry, "platform": describe_platform(variant.platform)}

    def _keep(self, content: bytes | dict[str, Any], media_type: str) -> dict[str, Any]:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        digest = digest_bytes(data)
        (self._blobs / digest.removeprefix("sha256:")).write_bytes(data)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}


def digest_bytes(data: bytes) -> str:
    """Return a digest as images write it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def describe_platform(platform: str) -> dict[str, str]:
    """Return a platform as an index and a config write it."""
    return dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False))


def write_archive(step: Step) -> bytes:
    """Return a layer's archive; everything belongs to root, and is as old as the image."""

    def own(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        entry.uid = entry.gid = entry.mtime = 0
        entry.uname = entry.gname = "root"
        return None if entry.name == ".unpacked" else entry

    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for file in sorted(step.root.iterdir()) if step.root else ():
            archive.add(file, file.name, filter=own)
        for path, content in step.files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.mode = 0o755
            if isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
                archive.addfile(entry)
            else:
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return data.getvalue()


# --- images -------------------------------------------------------------------------------------


class Sources:
    """Gives the files that images are made of, from the cache."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._context: Path | None = None

    def make_sample(self, platform: str, *, files: str = "", **config: Any) -> Variant:
        """Return a variant with the sample's files, of another platform if `files` names it."""
        root = self._find_root(files or platform)
        base = Step(instruction="COPY rootfs/ / # buildkit", root=root)
        return Variant(platform=platform, steps=(base,), config={"Cmd": ["/bin/app"], **config})

    def read_program(self, platform: str, name: str = "app") -> bytes:
        """Return one of the sample's programs."""
        return (self._find_root(platform) / "bin" / name).read_bytes()

    def read_dynamic(self, platform: str) -> bytes:
        """Return a program that needs the loader of glibc: Debian's shell."""
        folder = unpack_packages(self._cache, find_target(platform), ["dash"], server=False)
        found = (folder / name / "dash" for name in ("usr/bin", "bin"))
        return next(each for each in found if each.is_file()).read_bytes()

    def make_debian(self, platform: str) -> Variant:
        """Return a variant with the packages of a small Debian with Python."""
        target = find_target(platform)
        root = unpack_packages(self._cache, target, DEBIAN_PACKAGES, server=True)
        status = describe_packages(self._cache / "debs" / (root / ".unpacked").read_text())
        base = Step(instruction="ADD rootfs.tar.xz / # buildkit", root=root)
        database = Step(
            instruction="RUN dpkg --configure -a # buildkit",
            files={"/var/lib/dpkg/status": status},
        )
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        preload = f"/usr/lib/{target.zig.removesuffix('-musl')}-gnu/libjemalloc.so.2"
        return Variant(
            platform=platform,
            steps=(base, database),
            config={"Env": [f"PATH={path}", f"LD_PRELOAD={preload}"], "Cmd": ["python3"]},
            is_compressed=False,
        )

    def _find_root(self, platform: str) -> Path:
        if self._context is None:
            self._context = provide_context(self._cache, "sample")
        return self._context / find_target(platform).folder


def find_target(platform: str) -> Target:
    """Return what a platform is called elsewhere."""
    return next(each for each in TARGETS if each.platform == platform)


def describe_packages(debs: Path) -> bytes:
    """Return what dpkg's status says once these packages are installed."""
    paragraphs = []
    for deb in sorted(debs.glob("*.deb")):
        wanted = ("Package", "Version", "Architecture")
        command: list[str | Path] = ["dpkg-deb", "--field", deb, *wanted]
        fields = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
        paragraphs.append(fields + b"Status: install ok installed\n")
    return b"\n".join(paragraphs)


def add_step(
    variant: Variant, instruction: str, path: str, content: bytes, **config: Any
) -> Variant:
    """Return a variant with one more layer, that adds a file."""
    step = Step(instruction=f"{instruction} # buildkit", files={path: content})
    return replace(variant, steps=(*variant.steps, step), config={**variant.config, **config})


def make_mislabelled(sources: Sources) -> tuple[Variant, ...]:
    """The arm64 entry holds amd64's files, as a build script makes it that copies from the host."""
    return sources.make_sample(AMD64), sources.make_sample(ARM64, files=AMD64)


def make_mixed(sources: Sources) -> tuple[Variant, ...]:
    """One tool on PATH is for the wrong platform, as of a download with a fixed name."""
    tool = sources.read_program(AMD64)
    both = (sources.make_sample(each) for each in SERVERS)
    return tuple(add_step(each, "ADD tool /usr/local/bin/", "/usr/local/bin/tool", tool)
                 for each in both)  # fmt: skip


def make_same_digest(sources: Sources) -> tuple[Variant, ...]:
    """Two entries are one image."""
    return sources.make_sample(AMD64), replace(
        sources.make_sample(AMD64), platform=ARM64, says=AMD64
    )


def make_wrong_config(sources: Sources) -> tuple[Variant, ...]:
    """The arm64 entry has the right files, and a config that says amd64."""
    return sources.make_sample(AMD64), replace(sources.make_sample(ARM64), says=AMD64)


def make_missing_loader(sources: Sources) -> tuple[Variant, ...]:
    """The program needs a C library that is not in the image."""
    return tuple(
        add_step(sources.make_sample(each), "COPY server /srv/", "/srv/server",
                 sources.read_dynamic(each), Entrypoint=["/srv/server"])
        for each in SERVERS
    )  # fmt: skip


def make_missing_interpreter(sources: Sources) -> tuple[Variant, ...]:
    """The entrypoint is a script for Python, which is not in the image."""
    script = b"#!/usr/bin/python3\nprint('started')\n"
    return tuple(
        add_step(sources.make_sample(each), "COPY run.py /srv/", "/srv/run.py", script,
                 Entrypoint=["/srv/run.py"])
        for each in SERVERS
    )  # fmt: skip


def make_stray(sources: Sources) -> tuple[Variant, ...]:
    """A helper for another platform lies in a folder of its own."""
    helper = sources.read_program("linux/s390x")
    both = (sources.make_sample(each) for each in SERVERS)
    return tuple(add_step(each, "COPY helper /opt/helper/", "/opt/helper/run", helper)
                 for each in both)  # fmt: skip


LAYOUTS: dict[str, Callable[[Sources], tuple[Variant, ...]]] = {
    "sample": lambda sources: tuple(map(sources.make_sample, EVERY)),
    "debian": lambda sources: tuple(map(sources.make_debian, SERVERS)),
    "mislabelled": make_mislabelled,
    "mixed": make_mixed,
    "amd64-only": lambda sources: (sources.make_sample(AMD64),),
    "same-digest": make_same_digest,
    "wrong-config": make_wrong_config,
    "missing-loader": make_missing_loader,
    "missing-interpreter": make_missing_interpreter,
    "stray": make_stray,
}


def write_layout(name: str, folder: Path, *, cache: Path | None = None) -> Path:
    """Write an image into a folder that is not there yet, and return it."""
    kept = cache or find_cache()
    with lock(kept):
        variants = LAYOUTS[name](Sources(kept))
    LayoutWriter(folder).write(variants)
    return folder


def main() -> int:
    """Run the command of the module's docstring."""
    parser = argparse.ArgumentParser(description="Write images as OCI layouts.")
    parser.add_argument("--into", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("names", nargs="*", choices=[*LAYOUTS, []], metavar="NAME")
    given = parser.parse_args()
    try:
        for name in given.names or LAYOUTS:
            print(write_layout(name, given.into / name))
    except (BuildError, FileExistsError) as error:
        print(f"layouts: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
