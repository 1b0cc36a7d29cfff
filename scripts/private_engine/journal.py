"""The journal of what was done to this machine, and the small things that every step needs."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEFAULT_HOME = "/var/lib/pytest-multiarch-engine"


class EngineError(Exception):
    """Say what went wrong and how to mend it; shown to the user as it is."""


class Journal:
    """Hold what was done to this machine; `save` is called before each change."""

    def __init__(self, home: Path) -> None:
        """Read the journal below `home`; of an earlier boot only the registry's port counts."""
        self.home = home
        self.file = home / "state.json"
        self.data: dict[str, Any] = json.loads(self.file.read_text()) if self.file.exists() else {}
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        if self.data.get("boot_id") != boot_id:
            kept = {key: self.data[key] for key in self.data.keys() & {"registry_port"}}
            self.data = {"boot_id": boot_id, **kept}

    @property
    def instance(self) -> str:
        """Return four hex digits that keep the names of two instances apart."""
        return hashlib.sha256(str(self.home).encode()).hexdigest()[:4]

    def save(self, **changes: Any) -> None:
        """Write the journal with these changes, atomically."""
        self.data.update(changes)
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps(self.data, indent=2) + "\n")
        new.replace(self.file)

    def find_process(self, name: str) -> dict[str, Any] | None:
        """Return the recorded process of that name if it is still alive."""
        process = self.data.get("processes", {}).get(name)
        return process if process and is_alive(process) else None


def read_home() -> Path:
    """Return the folder that this instance keeps everything in."""
    return Path(os.environ.get("PYTEST_MULTIARCH_ENGINE_HOME") or DEFAULT_HOME).absolute()


@contextlib.contextmanager
def open_journal(home: Path) -> Iterator[Journal]:
    """Give the journal while no other `up` or `down` of the same folder runs."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield Journal(home)


def say(text: str) -> None:
    """Print progress to stderr; stdout is for answers."""
    print(text, file=sys.stderr, flush=True)


def run(*argv: str) -> str:
    """Run a program and return its stdout; raise EngineError with the end of its stderr."""
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=300)
    if done.returncode:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-8:])
        raise EngineError(f"`{shlex.join(argv)}` ended with {done.returncode}:\n{tail}")
    return done.stdout


def is_ok(*argv: str) -> bool:
    """Run a program quietly and tell whether it succeeded."""
    try:
        done = subprocess.run(argv, check=False, capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def read_start(pid: int) -> str | None:
    """Return the kernel's start time of a process, which tells a recycled pid apart."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def is_alive(process: dict[str, Any]) -> bool:
    """Tell whether a recorded process still runs and is the same one."""
    return read_start(process["pid"]) == str(process["start"])


def wait_until(is_done: Callable[[], bool], deadline_s: float) -> bool:
    """Wait until `is_done()` holds and tell whether it did before the deadline."""
    end = time.monotonic() + deadline_s
    while not is_done():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def spawn(
    journal: Journal, name: str, argv: list[str], env: dict[str, str], is_ready: Callable[[], bool]
) -> None:
    """Start a process in the background, journal it, and wait until it is ready.

    Raises EngineError with the last lines of its log if it ends before, or after a minute.
    """
    log = journal.home / "logs" / f"{name.replace('/', '-')}.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("wb") as sink:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, cwd="/", env=env,
            start_new_session=True,
        )  # fmt: skip
    recorded = {"pid": process.pid, "start": read_start(process.pid)}
    journal.save(processes={**journal.data.get("processes", {}), name: recorded})
    wait_until(lambda: is_ready() or process.poll() is not None, 60.0)
    if process.poll() is None and is_ready():
        return
    state = "not ready after 60 s" if process.poll() is None else f"ended with {process.poll()}"
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-12:])
    raise EngineError(f"{name}: {state}; the end of {log}:\n{tail}")


def stop(process: dict[str, Any] | None) -> None:
    """End a recorded process if it is still the same one."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process and is_alive(process):
            os.kill(process["pid"], number)
            wait_until(lambda: not is_alive(process), 20.0)
