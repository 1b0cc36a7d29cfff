#!/usr/bin/env python3
"""Have the program write the examples in the documentation.

    scripts/doc_examples.py            write them
    scripts/doc_examples.py --check    exit with 1 if one is not what the program prints

An example is a console block after the line `<!-- example -->` or `<!-- example FOLDER -->`. Its
commands, `$ pytest-multiarch ...`, also with a pipe, are run in that folder of docs/example; its
README.md says what is there.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "example"
EXAMPLE = re.compile(
    r"^(<!-- example ?(\w*) -->\n```console\n)(.*?)(?=^```$)", re.MULTILINE | re.DOTALL
)
MAIN = "from pytest_multiarch.cli.main import main; raise SystemExit(main())"
PROGRAM = "pytest-multiarch"
SHELL = f'{PROGRAM}() {{ "$PYTHON" -c "$MAIN" "$@"; }}; '


def render_example(found: re.Match[str]) -> str:
    """Run the commands of a block, and give it with what they print."""
    start, folder, block = found.groups()
    lines = []
    for line in block.splitlines():
        if line.startswith("$ "):
            lines += [line, *run_command(line.removeprefix("$ "), FOLDER / folder)]
    return start + "\n".join(lines) + "\n"


def run_command(command: str, folder: Path) -> list[str]:
    """Give what a command of the program prints in a folder, whatever its exit status."""
    if not command.startswith(f"{PROGRAM} "):
        raise SystemExit(f"an example runs {PROGRAM}, not {command}")
    environ = {
        "PYTHON": sys.executable,
        "MAIN": MAIN,
        "PYTEST_ADDOPTS": "-p no:cacheprovider",
        "PYTHONDONTWRITEBYTECODE": "1",
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


def main() -> int:
    """Write or check the examples of every page."""
    stale = []
    for page in sorted((ROOT / "docs").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        rendered = EXAMPLE.sub(render_example, text)
        if rendered != text and "--check" in sys.argv[1:]:
            stale.append(page.relative_to(ROOT))
        elif rendered != text:
            page.write_text(rendered, encoding="utf-8")
    for name in stale:
        print(f"{name} has an example that the program does not print: scripts/doc_examples.py")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
