#!/usr/bin/env python3
"""Have the program write the examples in the documentation.

    scripts/doc_examples.py            write them
    scripts/doc_examples.py --check    exit with 1 if one is not what the program prints

An example is a console block after the line `<!-- example -->` or `<!-- example FOLDER -->`. Its
commands, `$ pytest-multiarch ...`, also with a pipe, are run in that folder of a copy of
docs/example, whose README.md says what is there. In the copy there is also `app`, an image as
`docker buildx build --output type=oci,tar=false,dest=app` writes it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from pytest_multiarch.core.elf import make_elf_head  # noqa: E402
from tests.images.layouts import AMD64, ARM64, LayoutWriter, Step, Variant  # noqa: E402

FOLDER = ROOT / "docs" / "example"
EXAMPLE = re.compile(
    r"^(<!-- example ?(\w*) -->\n```console\n)(.*?)(?=^```$)", re.MULTILINE | re.DOTALL
)
MAIN = "from pytest_multiarch.cli.main import main; raise SystemExit(main())"
PROGRAM = "pytest-multiarch"
SHELL = f'{PROGRAM}() {{ "$PYTHON" -c "$MAIN" "$@"; }}; '


OS_RELEASE = b'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'


def render_example(found: re.Match[str], root: Path) -> str:
    """Run the commands of a block, and give it with what they print."""
    start, folder, block = found.groups()
    lines = []
    for line in block.splitlines():
        if line.startswith("$ "):
            lines += [line, *run_command(line.removeprefix("$ "), root / folder)]
    return start + "\n".join(lines) + "\n"


def run_command(command: str, folder: Path) -> list[str]:
    """Give what a command of the program prints in a folder, whatever its exit status."""
    if not command.startswith(f"{PROGRAM} "):
        raise SystemExit(f"an example runs {PROGRAM}, not {command}")
    environ = {
        "PYTHON": sys.executable,
        "MAIN": MAIN,
        "PYTHONPATH": str(ROOT),
        "PYTEST_ADDOPTS": "-p no:cacheprovider",
        "PYTHONDONTWRITEBYTECODE": "1",
        "XDG_CACHE_HOME": str(folder / "cache"),
    }
    done = subprocess.run(
        ["bash", "-c", SHELL + command],
        cwd=folder,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    return (done.stdout + done.stderr).splitlines()


def write_image(folder: Path) -> None:
    """Write an image whose arm64 entry has the programs of amd64; the same bytes everywhere."""
    amd64, arm64 = (make_elf_head(each.partition("/")[2]) or b"" for each in (AMD64, ARM64))
    programs = Step(
        instruction="COPY bin/ /usr/bin/ # buildkit",
        files={f"/usr/bin/{name}": amd64.ljust(900_000, b"\0") for name in ("app", "app-admin")},
    )
    variants = []
    for platform, head in ((AMD64, amd64), (ARM64, arm64)):
        base = Step(
            instruction="ADD rootfs.tar.xz / # buildkit",
            files={"/etc/os-release": OS_RELEASE, "/bin/sh": head.ljust(2_400_000, b"\0")},
        )
        config = {"Cmd": ["app"], "Env": ["PATH=/usr/bin:/bin"]}
        steps = (base, programs)
        variants.append(Variant(platform=platform, steps=steps, config=config, is_compressed=False))
    LayoutWriter(folder).write(tuple(variants))


def main() -> int:
    """Write or check the examples of every page."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = shutil.copytree(FOLDER, Path(scratch, "example"))
        write_image(folder / "app")
        return go_through_pages(folder)


def go_through_pages(folder: Path) -> int:
    """Write or check the examples of every page, which are run in a folder."""
    stale = []
    for page in sorted((ROOT / "docs").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        rendered = EXAMPLE.sub(lambda found: render_example(found, folder), text)
        if rendered != text and "--check" in sys.argv[1:]:
            stale.append(page.relative_to(ROOT))
        elif rendered != text:
            page.write_text(rendered, encoding="utf-8")
    for name in stale:
        print(f"{name} has an example that the program does not print: scripts/doc_examples.py")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
