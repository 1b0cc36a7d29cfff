"""Labels that say whose a container is, and which sessions are certainly over.

Everything a session makes carries them. What a killed session left is swept by a later one, but
only where it is certain that nobody uses it: engines are shared between people and machines.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PREFIX = "org.pytest-multiarch."
SESSION_LABEL = f"{_PREFIX}session"
IMAGE_NAMES = "pytest-multiarch/*"
"""What all images that sessions make are called: engines find images by name in 2 ms, but look
into every image they have, 12 ms each, to find them by label alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLabels:
    """Which session something belongs to, and which process that session is.

    `pid` and `pid_start` mean something within one `pid_namespace` of one boot (`boot_id`) of one
    machine (`host`, a digest). What a system does not tell is empty.
    """

    session: str
    pid: str
    pid_start: str
    boot_id: str
    pid_namespace: str
    host: str

    @classmethod
    def for_this_process(cls, session_id: str) -> SessionLabels:
        """Describe a session that lives as long as the calling process."""
        return cls(
            session=session_id,
            pid=str(os.getpid()),
            pid_start=read_process_start(os.getpid()),
            boot_id=_read_boot_id(),
            pid_namespace=_read_pid_namespace(),
            host=_read_host(),
        )

    @classmethod
    def from_labels(cls, labels: Mapping[str, str]) -> SessionLabels:
        """Read what `to_labels` gave; what is missing is empty."""
        return cls(
            session=labels.get(SESSION_LABEL, ""),
            pid=labels.get(f"{_PREFIX}pid", ""),
            pid_start=labels.get(f"{_PREFIX}pid-start", ""),
            boot_id=labels.get(f"{_PREFIX}boot-id", ""),
            pid_namespace=labels.get(f"{_PREFIX}pid-namespace", ""),
            host=labels.get(f"{_PREFIX}host", ""),
        )

    def to_labels(self) -> dict[str, str]:
        """Give them as an engine takes them."""
        return {
            SESSION_LABEL: self.session,
            f"{_PREFIX}pid": self.pid,
            f"{_PREFIX}pid-start": self.pid_start,
            f"{_PREFIX}boot-id": self.boot_id,
            f"{_PREFIX}pid-namespace": self.pid_namespace,
            f"{_PREFIX}host": self.host,
        }

    def is_certainly_over(self, *, here: SessionLabels) -> bool:
        """Tell whether the session's process cannot be alive, as seen from `here`."""
        if not self.session or not self.host or self.host != here.host or not self.boot_id:
            return False
        if self.boot_id != here.boot_id:
            return bool(here.boot_id)  # this machine was started anew since
        if self.pid_namespace != here.pid_namespace or not self.pid.isdigit():
            return False
        return is_process_over(int(self.pid), self.pid_start)


def find_stale(
    labels_of_things: Iterable[Mapping[str, str]], *, here: SessionLabels
) -> frozenset[str]:
    """Find the sessions, among those that things are labelled with, that are certainly over."""
    found = map(SessionLabels.from_labels, labels_of_things)
    return frozenset(each.session for each in found if each.is_certainly_over(here=here))


def is_process_over(pid: int, start: str) -> bool:
    """Tell whether the process that had a pid and a start time has ended, reaped or not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # it is somebody else's, and alive
    fields = _read_stat(pid)
    if fields and fields[0] in "ZX":
        return True
    now = read_process_start(pid)
    return bool(start) and bool(now) and now != start


def read_process_start(pid: int) -> str:
    """Give a process's start time in whatever unit its system has; empty if it does not tell."""
    if sys.platform == "darwin":
        return _ask(["ps", "-o", "lstart=", "-p", str(pid)])
    fields = _read_stat(pid)
    return fields[19] if fields else ""


def _read_stat(pid: int) -> list[str]:
    """Read `/proc/PID/stat` from its third field, the state, on."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return []
    # The second field, the program's name, may hold blanks and brackets.
    return stat.rpartition(")")[2].split()


def _read_boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return _ask(["sysctl", "-n", "kern.boottime"]) if sys.platform == "darwin" else ""


def _read_pid_namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _read_host() -> str:
    try:
        machine_id = Path("/etc/machine-id").read_text("ascii").strip()
    except OSError:
        machine_id = ""
    return hashlib.sha256(f"{platform.node()}\n{machine_id}".encode()).hexdigest()[:16]


def _ask(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return " ".join(done.stdout.split())
