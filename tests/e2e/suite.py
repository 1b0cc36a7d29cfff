"""A test suite of a user's, run in a process of its own with the installed plugin."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.known_engines import KnownEngines

LABEL = "org.pytest-multiarch.session"
_PID_LABEL = "org.pytest-multiarch.pid"
_NOTE_PID = """
import os, pathlib

def pytest_configure(config):
    with open(pathlib.Path(__file__).parent / "pids", "a") as file:
        file.write(f"{os.getpid()}\\n")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """How one test ended, as its JUnit report says: `passed`, `failed`, `error` or `skipped`."""

    status: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A suite that has ended. `cases` are by the test's name: `test_x[linux/arm64]`."""

    exit_code: int
    output: str
    cases: Mapping[str, Case]
    wall_s: float

    def list_statuses(self) -> dict[str, str]:
        """Give how each test ended."""
        return {name: case.status for name, case in self.cases.items()}


def _heed_interrupts() -> None:
    """A shell starts background jobs, and so all that they start, with SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Suite:
    """A folder with tests, and an engine to run them on."""

    def __init__(self, folder: Path, engines: KnownEngines, *, engine: str = "main") -> None:
        self.folder = folder
        self.engine = engine
        self.engines = engines
        self.environ = engines.make_environ(engine)
        # What the outer run has in its environment is not the user's; pytest cuts nothing with CI.
        for name in tuple(self.environ):
            if name.startswith(("PYTEST_", "COV_")) or name in ("CI", "BUILD_NUMBER"):
                del self.environ[name]
        self.write("pytest.ini", "[pytest]\n")
        self.write("conftest.py", _NOTE_PID)

    def write(self, name: str, text: str) -> Path:
        """Write a file of the suite; the text may be indented as a whole."""
        path = self.folder / name
        path.write_text(textwrap.dedent(text))
        return path

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start pytest, and return at once."""
        command = [sys.executable, "-m", "pytest", "--junitxml=junit.xml", "-p", "no:cacheprovider"]
        with (self.folder / "output").open("w") as output:
            return subprocess.Popen(
                [*command, *arguments], cwd=self.folder, env=self.environ, text=True,
                stdout=output, stderr=subprocess.STDOUT, preexec_fn=_heed_interrupts,
            )  # fmt: skip

    def run(self, *arguments: str, timeout_s: float = 180.0) -> Finished:
        """Run pytest to its end."""
        begun = time.monotonic()
        process = self.start(*arguments)
        return self.finish(process, begun=begun, timeout_s=timeout_s)

    def finish(
        self, process: subprocess.Popen[str], *, begun: float = 0.0, timeout_s: float = 180.0
    ) -> Finished:
        """Wait for the end of a suite that was started."""
        try:
            process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=20)
            raise AssertionError(f"the suite did not end:\n{self.read_output()}") from None
        junit = self.folder / "junit.xml"
        output = self.read_output()
        print(output)  # pytest shows it if the test fails
        return Finished(
            exit_code=process.returncode,
            output=output,
            cases=read_junit(junit) if junit.exists() else {},
            wall_s=time.monotonic() - begun,
        )

    def read_output(self) -> str:
        """Give what pytest has printed so far."""
        return (self.folder / "output").read_text()

    def list_pids(self) -> list[int]:
        """List the processes that ran tests of the suite: the first is pytest's own."""
        notes = self.folder / "pids"
        return [int(line) for line in notes.read_text().split()] if notes.exists() else []

    def list_left_behind(self, engine: str = "") -> list[str]:
        """List containers, networks and images on an engine that carry the suite's label.

        By default on the suite's own.
        """
        left: list[str] = []

        def ask(*argv: str) -> list[str]:
            return self.engines.run_docker(engine or self.engine, *argv).splitlines()

        for pid in self.list_pids():
            label = f"label={_PID_LABEL}={pid}"
            left += ask("ps", "--all", "--filter", label, "--format", "container {{.ID}}")
            left += ask("network", "ls", "--filter", label, "--format", "network {{.ID}}")
            left += ask(
                "images", "--filter", "reference=pytest-multiarch/*", "--filter", label,
                "--format", "image {{.Repository}}:{{.Tag}}",
            )  # fmt: skip
        return left

    def list_watchdogs(self) -> list[int]:
        """List the watchdogs of the suite's processes that still run."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_text().split("\0")
            except OSError:
                continue
            if any("pytest_multiarch.engine.watchdog" in word for word in words):
                order = next((word for word in words if word.startswith("{")), "{}")
                labels = json.loads(order).get("labels", {})
                if labels.get(_PID_LABEL) in map(str, self.list_pids()):
                    found.append(int(folder.name))
        return found


def read_junit(path: Path) -> dict[str, Case]:
    """Read how each test ended; the worst of its phases counts."""
    cases: dict[str, Case] = {}
    for element in ET.parse(path).iter("testcase"):
        name = element.get("name", "")
        bad = [each for each in element if each.tag in ("failure", "error", "skipped")]
        text = "\n".join(f"{each.get('message', '')}\n{each.text or ''}" for each in bad)
        status = {"failure": "failed"}.get(bad[0].tag, bad[0].tag) if bad else "passed"
        if name not in cases or bad:
            cases[name] = Case(status=status, message=text)
    return cases


def wait_for(condition: Callable[[], object], *, timeout_s: float, what: str) -> float:
    """Poll until a condition holds, and give the seconds that it took."""
    begun = time.monotonic()
    while not condition():
        waited_s = time.monotonic() - begun
        assert waited_s < timeout_s, f"{what}: not within {timeout_s:g} s"
        time.sleep(0.05)
    return time.monotonic() - begun


def strip_colours(text: str) -> str:
    """Take the terminal's colours out."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def is_alive(pid: int) -> bool:
    """Tell whether a process runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
