"""A second process that removes what a session made, should its own process be killed.

The test process starts it and tells it to leave when it has cleaned up itself. It watches the
process, not a pipe: a child that a test forked would keep a pipe open.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from pytest_multiarch.engine.endpoint import Endpoint, TlsFiles
from pytest_multiarch.engine.sessions import SessionLabels, is_process_over
from pytest_multiarch.engine.sweeper import Sweeper

_SWEEP_FOR_S = 8.0
"""How long it goes on after the process ended: an engine may still be creating a container."""
_SWEEP_EVERY_S = 0.25
_AWAIT_FOR_S = 900.0
"""How long it waits for an engine that is down to be back; later, the next session sweeps."""
_AWAIT_EVERY_S = 2.0
_POLL_EVERY_S = 0.5
_WORKERS_S = 1.0
_ENGINE_ERRORS = (OSError, http.client.HTTPException, ValueError)
_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from pytest_multiarch.engine import watchdog; getattr(watchdog, sys.argv[2])(sys.argv[3])"
)


class Watchdog:
    """The watchdog of one session, as the test process has it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._owner = os.getpid()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def stop(self) -> None:
        """Let it go: the session has cleaned up. In a forked child of the session, do nothing."""
        if os.getpid() != self._owner:
            return
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)


def start_watchdog(endpoint: Endpoint, session_id: str) -> Watchdog:
    """Start a watchdog for the calling process's session.

    It first sweeps what earlier sessions left that are certainly over, then waits for this
    process to end, then removes everything with the session's label.
    """
    order = {
        "endpoint": dataclasses.asdict(endpoint),
        "labels": SessionLabels.for_this_process(session_id).to_labels(),
    }
    return Watchdog(_start("main", order))


def _start(function: str, order: dict[str, Any]) -> subprocess.Popen[bytes]:
    root = Path(__file__).resolve().parents[2]
    return subprocess.Popen(
        # -I and -S: neither the environment nor site-packages can slow it down or change it.
        [sys.executable, "-I", "-S", "-c", _PROGRAM, str(root), function, json.dumps(order)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=root.anchor,
        start_new_session=True,
    )


def guard_folder(folder: str) -> Watchdog:
    """Start a process that removes a folder, should this one be killed before it does so."""
    labels = SessionLabels.for_this_process("")
    order = {"folder": folder, "pid": labels.pid, "pid_start": labels.pid_start}
    return Watchdog(_start("guard", order))


def guard(order_text: str) -> None:
    """Be the guard of a folder; the order is what `guard_folder` wrote."""
    order = json.loads(order_text)
    wait_for_end(int(order["pid"]), order["pid_start"])
    time.sleep(_WORKERS_S)  # workers of the process may be writing their last
    shutil.rmtree(order["folder"], ignore_errors=True)


def main(order_text: str) -> None:
    """Be the watchdog; the order is what `start_watchdog` wrote."""
    order = json.loads(order_text)
    endpoint = _read_endpoint(order["endpoint"])
    labels = SessionLabels.from_labels(order["labels"])
    sweeper = Sweeper(endpoint)
    with contextlib.suppress(*_ENGINE_ERRORS):
        sweeper.sweep_stale(labels)
    wait_for_end(int(labels.pid), labels.pid_start)
    _sweep_for_a_while(sweeper, labels.session)


def _read_endpoint(document: dict[str, Any]) -> Endpoint:
    tls = TlsFiles(**document["tls"]) if document["tls"] else None
    return Endpoint(**{**document, "tls": tls})


def wait_for_end(pid: int, start: str) -> None:
    """Wait until a process has ended, however that comes about."""
    try:
        handle = os.pidfd_open(pid)
    except (AttributeError, OSError):
        handle = -1  # an old kernel, another system, or it is over already
    if handle >= 0 and not is_process_over(pid, start):
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        poll.poll()
        return
    while not is_process_over(pid, start):
        time.sleep(_POLL_EVERY_S)


def _sweep_for_a_while(sweeper: Sweeper, session_id: str) -> None:
    """Sweep until nothing more can come; where the engine is down, once it is back."""
    awaited_until = time.monotonic() + _AWAIT_FOR_S
    end = 0.0
    while time.monotonic() < (end or awaited_until):
        try:
            sweeper.sweep(session_id)
        except _ENGINE_ERRORS:
            time.sleep(_SWEEP_EVERY_S if end else _AWAIT_EVERY_S)
            continue
        end = end or time.monotonic() + _SWEEP_FOR_S
        time.sleep(_SWEEP_EVERY_S)
