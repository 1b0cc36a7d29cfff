#!/usr/bin/env python3
"""Have the program write the examples in the documentation.

    scripts/doc_examples.py            write them
    scripts/doc_examples.py --check    exit with 1 if one is not what the program prints

An example is a console block after the line `<!-- example -->`. Its commands, `$ pytest-multiarch
...`, are run in docs/example, where two jobs that ran examples/ left their records.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "example"
EXAMPLE = re.compile(r"(?<=<!-- example -->\n```console\n)(.*?)(?=^```$)", re.MULTILINE | re.DOTALL)
MAIN = "from pytest_multiarch.cli.main import main; raise SystemExit(main())"


def render_example(block: str) -> str:
    """Run the commands of a block, and give it with what they print."""
    lines = []
    for line in block.splitlines():
        if line.startswith("$ "):
            lines += [line, *run_command(line.removeprefix("$ "))]
    return "\n".join(lines) + "\n"


def run_command(command: str) -> list[str]:
    """Give what a command of the program prints, whatever its exit status."""
    program, *words = shlex.split(command)
    if program != "pytest-multiarch":
        raise SystemExit(f"an example can run pytest-multiarch only, not {program}")
    done = subprocess.run(
        [sys.executable, "-c", MAIN, *words],
        cwd=FOLDER,
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
        rendered = EXAMPLE.sub(lambda found: render_example(found[0]), text)
        if rendered != text and "--check" in sys.argv[1:]:
            stale.append(page.relative_to(ROOT))
        elif rendered != text:
            page.write_text(rendered, encoding="utf-8")
    for name in stale:
        print(f"{name} has an example that the program does not print: scripts/doc_examples.py")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
