"""What a killed session leaves behind is removed, and nothing else."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.core.errors import ContainerError
from pytest_multiarch.engine.probe import build_probe_archive, name_probe_image
from pytest_multiarch.engine.sessions import (
    SESSION_LABEL,
    SessionLabels,
    is_process_over,
    read_process_start,
)
from pytest_multiarch.engine.sweeper import Sweeper
from pytest_multiarch.engine.watchdog import start_watchdog, wait_for_end
from tests.engine.sample_images import AMD64

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_multiarch.core.platform import Platform
    from tests.engine.conftest import Bench

LIMIT_S = 10.0
SESSION = """
import os, sys, time
from pytest_multiarch.engine.endpoint import Endpoint
from pytest_multiarch.engine.watchdog import start_watchdog

watchdog = start_watchdog(Endpoint(url=sys.argv[1]), sys.argv[2])
print(watchdog.pid, flush=True)
if sys.argv[3] == "fork" and os.fork() == 0:
    time.sleep(60)
    os._exit(0)
input()
if sys.argv[3] == "stop":
    watchdog.stop()
"""


class Session:
    """A process that has a watchdog, and something on the engine that is labelled as its own."""

    def __init__(self, bench: Bench, name: str, how: str = "") -> None:
        self.bench = bench
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, "-c", SESSION, bench.endpoint.url, name, how],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.watchdog_pid = int(self.process.stdout.readline())
        self.labels = {SESSION_LABEL: name}

    def make_things(self, actors: Mapping[Platform, bytes]) -> None:
        """Make a running container, on a network, a volume and an image."""
        engine = self.bench.engine
        engine.load_image(
            build_probe_archive(
                [AMD64],
                session_id=self.name,
                labels=self.labels,
                read_program=actors.__getitem__,
            )
        )
        engine.create_network(self.name, labels=self.labels)
        self.bench.start("sleep", "1000", labels=self.labels, network=self.name)
        document = {"Name": self.name, "Labels": self.labels}
        engine._connection.request("POST", "/volumes/create", document=document)

    def list_things(self) -> list[str]:
        """Name what is there of them."""
        connection = self.bench.engine._connection
        filters = json.dumps({"label": [f"{SESSION_LABEL}={self.name}"]})
        params = {"all": "1", "filters": filters}
        kinds = {"container": "/containers/json", "network": "/networks"}
        things = [kind for kind, path in kinds.items() if connection.read_json(path, params=params)]
        volumes = connection.read_json("/volumes", params=params).get("Volumes")
        things += ["volume"] if volumes else []
        has_image = self.bench.engine.has_image(name_probe_image(self.name, AMD64))
        return [*things, "image"] if has_image else things

    def wait_until_gone(self) -> float:
        """Wait until nothing is left; give how long that took."""
        start = time.monotonic()
        while self.list_things() and time.monotonic() - start < LIMIT_S:
            time.sleep(0.1)
        return time.monotonic() - start

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


@pytest.mark.parametrize("how", ["", "fork"], ids=["alone", "with-a-forked-child"])
def test_a_killed_session_leaves_nothing(
    bench: Bench, actors: Mapping[Platform, bytes], how: str
) -> None:
    session = Session(bench, f"test-killed-{bench.nonce}-{how}", how)
    session.make_things(actors)
    assert session.list_things() == ["container", "network", "volume", "image"]
    session.process.kill()
    took_s = session.wait_until_gone()
    session.end()
    assert session.list_things() == []
    assert took_s < LIMIT_S


def test_what_is_created_just_after_the_kill_goes_too(main_bench: Bench) -> None:
    session = Session(main_bench, f"test-late-{main_bench.nonce}")
    session.process.kill()
    time.sleep(1)
    main_bench.start("sleep", "1000", labels=session.labels)
    session.wait_until_gone()
    session.end()
    assert session.list_things() == []


def wait_until_over(pid: int) -> bool:
    deadline = time.monotonic() + LIMIT_S
    while not is_process_over(pid, "") and time.monotonic() < deadline:
        time.sleep(0.05)
    return is_process_over(pid, "")


def test_a_watchdog_that_is_let_go_leaves_at_once(
    main_bench: Bench, actors: Mapping[Platform, bytes]
) -> None:
    session = Session(main_bench, f"test-stop-{main_bench.nonce}", "stop")
    session.make_things(actors)
    session.process.communicate("\n")
    assert wait_until_over(session.watchdog_pid)
    assert session.list_things() == ["container", "network", "volume", "image"]
    main_bench.engine.remove_labelled(SESSION_LABEL, session.name)


def test_a_session_that_ends_without_a_word_is_swept(main_bench: Bench) -> None:
    session = Session(main_bench, f"test-exit-{main_bench.nonce}")
    main_bench.start("sleep", "1000", labels=session.labels)
    session.process.communicate("\n")
    session.wait_until_gone()
    assert session.list_things() == []


def test_a_forked_child_cannot_let_the_watchdog_go(main_bench: Bench) -> None:
    watchdog = start_watchdog(main_bench.endpoint, "test-child")
    child = os.fork()
    if child == 0:
        watchdog.stop()
        os._exit(0)
    os.waitpid(child, 0)
    try:
        assert not is_process_over(watchdog.pid, "")
    finally:
        watchdog.stop()
    assert is_process_over(watchdog.pid, "")


def test_a_watchdog_holds_no_pipe_of_its_session(main_bench: Bench) -> None:
    """`pytest | tee` ends when pytest does."""
    session = Session(main_bench, f"test-pipe-{main_bench.nonce}")
    session.process.kill()
    start = time.monotonic()
    session.process.stdout.read()
    assert time.monotonic() - start < 2
    session.end()


def test_a_watchdog_starts_without_delay(main_bench: Bench) -> None:
    start = time.monotonic()
    watchdog = start_watchdog(main_bench.endpoint, "test-start")
    took_s = time.monotonic() - start
    watchdog.stop()
    assert took_s < 0.5


def test_leftovers_of_a_dead_session_are_swept_and_others_are_not(bench: Bench) -> None:
    here = SessionLabels.for_this_process(f"test-alive-{bench.nonce}")
    ended = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    start = read_process_start(ended.pid)
    ended.communicate(b"\n")
    dead = replace(here, session=f"test-dead-{bench.nonce}", pid=str(ended.pid), pid_start=start)
    far = replace(here, session=f"test-far-{bench.nonce}", host="elsewhere", boot_id="elsewhere")
    ids = {
        labels.session: bench.start("sleep", "1000", labels=bench.labels | labels.to_labels())
        for labels in (here, dead, far)
    }
    assert dead.session in Sweeper(bench.endpoint).sweep_stale(here)
    with pytest.raises(ContainerError):
        bench.engine.inspect_container(ids[dead.session])
    assert bench.engine.inspect_container(ids[here.session]).is_running
    assert bench.engine.inspect_container(ids[far.session]).is_running
    for session in (here, far):
        bench.engine.remove_container(ids[session.session])


def test_an_end_is_noticed_however_early_it_came() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    start = time.monotonic()
    wait_for_end(process.pid, "")
    assert time.monotonic() - start < 2
