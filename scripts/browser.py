#!/usr/bin/env python3
"""Find what browser tests need, or get it: a Chromium, its driver, and axe; install nothing.

    scripts/browser.py        print as JSON where they are, and the environment to start them in

A Chromium or Chrome on PATH is used if its driver is there too. Otherwise, on Debian, Ubuntu and
their like, Debian's packages are downloaded and unpacked under `.venv/browser`; that needs no
root. axe-core, which checks accessibility, comes out of a package of PyPI that bundles it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from debian_packages import PackageError, Selection, provide_packages, read_host_architecture

HOME = Path(__file__).resolve().parents[1] / ".venv" / "browser"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# bookworm's programs run on the libc of every supported release, with libraries of their own.
SELECTION = Selection(
    packages=(
        "chromium", "chromium-common", "chromium-driver", "fontconfig-config", "fonts-dejavu-core",
    ),
    suites=("bookworm",),
    architecture=read_host_architecture() if shutil.which("dpkg") else "",
    libraries=True,
    without=("libc6", "libllvm"),
)  # fmt: skip
AXE = "axe-playwright-python==0.1.8"  # axe-core 4.12.1
AXE_SHA256 = "fdd263c998388f1a8e67cad02677e612d946248bd44d163be5e8650ea31f95f8"
AXE_FILE = "axe_playwright_python/axe.min.js"
FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{root}/usr/share/fonts</dir><dir>/usr/share/fonts</dir>
<cachedir>{root}/fonts-cache</cachedir></fontconfig>
"""


def read_version(program: str, env: dict[str, str] | None = None) -> str:
    """Return the major version that a browser or a driver says it has, empty if it does not run."""
    try:
        done = subprocess.run(
            [program, "--version"], check=False, capture_output=True, text=True, timeout=60, env=env
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"(\d+)\.\d+", done.stdout) if done.returncode == 0 else None
    return found[1] if found else ""


def find_installed() -> dict[str, object] | None:
    """Return a browser on PATH and a driver of the same version."""
    driver = shutil.which("chromedriver")
    version = read_version(driver) if driver else ""
    for name in BROWSERS:
        browser = shutil.which(name)
        if browser and version and read_version(browser) == version:
            return {"browser": browser, "driver": driver, "environ": {}}
    return None


def provide_private() -> dict[str, object]:
    """Return a browser of Debian's packages, with the libraries and the fonts it needs."""
    root = HOME / "root"
    if not (root / ".unpacked").exists():
        print("downloading Chromium from Debian (about 170 MB)", file=sys.stderr)
    provide_packages(HOME / "debs", SELECTION, root)
    fonts = root / "fonts.conf"
    fonts.write_text(FONTS.format(root=root))
    folders = [*root.glob("usr/lib/*-linux-gnu*"), *root.glob("lib/*-linux-gnu*")]
    folders += [each / "pulseaudio" for each in folders]
    environ = {
        "LD_LIBRARY_PATH": ":".join(map(str, folders)),
        "FONTCONFIG_FILE": str(fonts),
    }
    browser, driver = root / "usr/lib/chromium/chromium", root / "usr/bin/chromedriver"
    for program in (browser, driver):
        if not read_version(str(program), {**os.environ, **environ}):
            raise PackageError(f"{program} does not run on this machine")
    return {"browser": str(browser), "driver": str(driver), "environ": environ}


def provide_axe() -> Path:
    """Return the file of axe-core, downloaded with pip and checked by its digest."""
    target = HOME / "axe.min.js"
    if target.exists():
        return target
    HOME.mkdir(parents=True, exist_ok=True)
    wanted = HOME / "axe.txt"
    wanted.write_text(f"{AXE} --hash=sha256:{AXE_SHA256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    done = subprocess.run(
        [*command, "--only-binary=:all:", "--dest", HOME, "--requirement", wanted],
        check=False, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    if done.returncode:
        raise PackageError(f"{AXE} cannot be had: {done.stderr.strip()[-500:]}")
    (wheel,) = HOME.glob("axe_playwright_python-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        target.write_bytes(archive.read(AXE_FILE))
    wheel.unlink()
    return target


def main() -> int:
    """Print where everything is, or say what is missing."""
    try:
        found = find_installed() or provide_private()
        print(json.dumps({**found, "axe": str(provide_axe())}))
    except PackageError as error:
        print(f"{error}\nInstall Chromium and chromedriver, and run this again.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
