#!/usr/bin/env python3
"""Download packages of any Debian suite and architecture and unpack them, installing nothing.

    scripts/debian_packages.py --cache DIR --into DIR --suite trixie --suite sid \\
        --architecture s390x [--libraries] [--without libllvm] busybox-static ...

apt does the downloading, so signatures and checksums are verified; its lists and state are kept
in the cache folder, and the machine's own are neither read nor written. Needs no root. A second
call with the same arguments answers from the cache.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

DEFAULT_MIRROR = "http://deb.debian.org/debian"
KEYRING = Path("usr/share/keyrings/debian-archive-keyring.gpg")
LISTS_FRESH_S = 900.0
ROUNDS = 3


class PackageError(Exception):
    """Say which packages could not be had, and why; shown to the user as it is."""


@dataclasses.dataclass(frozen=True)
class Selection:
    """Name packages of one architecture, and the suites to look in, best first.

    With `libraries`, the shared libraries that they depend on come with them, except those whose
    name starts with one of `without`.
    """

    packages: tuple[str, ...]
    suites: tuple[str, ...]
    architecture: str
    libraries: bool = False
    without: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Return a name for this selection in a cache."""
        digest = hashlib.sha256(repr(self).encode()).hexdigest()[:10]
        return f"{self.packages[0]}-{self.architecture}-{digest}"


def read_os_ids() -> list[str]:
    """Return ID and ID_LIKE of this machine's os-release."""
    with contextlib.suppress(OSError):
        release = platform.freedesktop_os_release()
        return [release["ID"], *release.get("ID_LIKE", "").split()]
    return []


def read_host_architecture() -> str:
    """Return Debian's name of this machine's architecture."""
    return subprocess.check_output(["dpkg", "--print-architecture"], text=True).strip()


def find_mirror() -> str:
    """Return the Debian mirror that the machine's own apt uses, else Debian's own."""
    if read_os_ids()[:1] != ["debian"]:
        return DEFAULT_MIRROR
    folder = Path("/etc/apt")
    line = re.compile(r"(?:deb\s+(?:\[.*?\]\s*)?|URIs:\s*)(https?://\S+/debian)/?(?:\s|$)")
    for file in (folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))):
        text = file.read_text(errors="replace") if file.is_file() else ""
        for found in filter(None, map(line.match, text.splitlines())):
            return found[1]
    return DEFAULT_MIRROR


def find_keyring(cache: Path) -> Path:
    """Return the keys of Debian's archive; on Ubuntu out of the package that Ubuntu has of them."""
    if (Path("/") / KEYRING).exists():
        return Path("/") / KEYRING
    private = cache / "keyring"
    private.mkdir(parents=True, exist_ok=True)
    with (private / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if (private / KEYRING).exists():
            return private / KEYRING
        done = subprocess.run(
            ["apt-get", "-q", "download", "debian-archive-keyring"],
            check=False, cwd=private, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            raise PackageError(
                f"The keys of Debian's archive are missing here: {done.stderr.strip()}\n"
                "Run: apt-get update && apt-get install debian-archive-keyring"
            )
        unpack(sorted(private.glob("*.deb")), private)
    return private / KEYRING


def run_apt(*argv: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run one of apt's tools; its messages are not translated."""
    env = {**os.environ, "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        argv, check=False, cwd=folder, env=env, capture_output=True, text=True, timeout=1800
    )


def build_options(cache: Path, suite: str, architecture: str) -> list[str]:
    """Return options that keep apt in the cache and make it see one suite of one architecture."""
    folder = cache / f"apt-{suite}-{architecture}"
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()  # else what this machine has installed decides on versions
    (folder / "sources.list").write_text(
        f"deb [signed-by={find_keyring(cache)}] {find_mirror()} {suite} main\n"
    )
    return [
        f"-oDir::State::Lists={folder}/lists",
        f"-oDir::State::Status={folder}/status",
        f"-oDir::Cache={folder}/cache",
        f"-oDir::Etc::SourceList={folder}/sources.list",
        "-oDir::Etc::SourceParts=/dev/null",
        "-oAPT::Sandbox::User=root",
        f"-oAPT::Architecture={architecture}",
        f"-oAPT::Architectures={architecture}",
        "-oAcquire::Languages=none",
    ]


def shorten(text: str) -> str:
    """Return the first lines of what apt printed, with what its most frequent failure means."""
    lines = text.strip().splitlines()[:3]
    if "unexpected size" in text:
        lines.append("  (the mirror is being synchronised: try again later)")
    return "\n".join(lines)


def add_libraries(options: list[str], selection: Selection) -> list[str]:
    """Return the packages and every shared library that they need, directly or not."""
    known, level = list(selection.packages), list(selection.packages)
    while level:
        shown = run_apt("apt-cache", *options, "show", "--no-all-versions", *level).stdout
        level = []
        for field in re.findall(r"^(?:Pre-)?Depends: (.*)$", shown, re.MULTILINE):
            for alternatives in field.split(","):
                name = re.split(r"[\s(:|]", alternatives.strip())[0]
                is_library = name.startswith(("lib", "zlib"))
                if is_library and name not in known and not name.startswith(selection.without):
                    known.append(name)
                    level.append(name)
    return known


def download_from(cache: Path, suite: str, selection: Selection, folder: Path) -> str | None:
    """Download the selection from one suite into an empty folder; return why not, or None."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    options = build_options(cache, suite, selection.architecture)
    stamp = cache / f"apt-{suite}-{selection.architecture}" / "updated"
    if not (stamp.exists() and time.time() - stamp.stat().st_mtime < LISTS_FRESH_S):
        done = run_apt("apt-get", "-q", "-oAPT::Update::Error-Mode=any", *options, "update")
        if done.returncode:
            return shorten(done.stderr)
        stamp.touch()
    names = list(selection.packages)
    if selection.libraries:
        names = add_libraries(options, selection)
    done = run_apt("apt-get", "-q", *options, "download", *names, folder=folder)
    if done.returncode:
        stamp.unlink()
        return shorten(done.stderr)
    (folder / ".complete").touch()
    return None


def download(cache: Path, selection: Selection) -> Path:
    """Return the folder in the cache that holds the packages, downloading them if needed."""
    kept = cache / selection.key
    if (kept / ".complete").exists():
        return kept
    failures: dict[str, str] = {}
    for attempt in range(ROUNDS):
        time.sleep(3 * attempt)
        for suite in selection.suites:
            failure = download_from(cache, suite, selection, kept)
            if failure is None:
                return kept
            failures[suite] = failure
    reasons = "\n".join(f"Debian {suite}: {reason}" for suite, reason in failures.items())
    wanted = ", ".join(selection.packages)
    raise PackageError(
        f"{wanted} for {selection.architecture} cannot be had from {find_mirror()}:\n{reasons}"
    )


def unpack(debs: list[Path], target: Path) -> None:
    """Unpack package files into a folder, without running their scripts."""
    target.mkdir(parents=True, exist_ok=True)
    for deb in debs:
        done = subprocess.run(
            ["dpkg", "-x", deb, target], check=False, capture_output=True, text=True
        )
        if done.returncode:
            raise PackageError(f"{deb} cannot be unpacked: {done.stderr.strip()}")


def provide_packages(cache: Path, selection: Selection, target: Path) -> None:
    """Unpack the selection into `target`, unless it holds exactly that already."""
    stamp = target / ".unpacked"
    if stamp.exists() and stamp.read_text() == selection.key:
        return
    absent = [tool for tool in ("apt-get", "dpkg") if not shutil.which(tool)]
    if absent:
        raise PackageError(
            f"{' and '.join(absent)} not found: Debian's packages can only be downloaded on "
            "Debian, Ubuntu and their like."
        )
    debs = sorted(download(cache, selection).glob("*.deb"))
    shutil.rmtree(target, ignore_errors=True)
    unpack(debs, target)
    stamp.write_text(selection.key)


def main() -> int:
    """Run the command of the module's docstring."""
    parser = argparse.ArgumentParser(description="Unpack Debian packages, installing nothing.")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--suite", action="append", required=True)
    parser.add_argument("--architecture", default=None)
    parser.add_argument("--libraries", action="store_true", help="and the libraries they need")
    parser.add_argument("--without", action="append", default=[], help="start of a library's name")
    parser.add_argument("packages", nargs="+")
    given = parser.parse_args()
    selection = Selection(
        packages=tuple(given.packages),
        suites=tuple(given.suite),
        architecture=given.architecture or read_host_architecture(),
        libraries=given.libraries,
        without=tuple(given.without),
    )
    try:
        provide_packages(given.cache.resolve(), selection, given.into.resolve())
    except PackageError as error:
        print(f"debian_packages: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
