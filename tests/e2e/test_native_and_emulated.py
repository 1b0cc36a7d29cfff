"""One platform, natively on a node of its own and emulated on the default engine.

The kernel of an amd64 machine runs linux/386 by itself. Engine `podman-rootless` has QEMU
registered for it, in a user namespace: for this engine alone. That takes Linux 6.7.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.e2e.suite import Suite
    from tests.known_engines import KnownEngines

pytestmark = pytest.mark.needs_engine("main", "podman-rootless", "registry")

TESTS = """
    import os
    import pytest

    pytestmark = [pytest.mark.image("{image}"), pytest.mark.platforms("linux/amd64", "linux/386")]

    def test_speed(overhead):
        found = overhead.measure("app", "report", rounds=5).platforms["linux/386"]
        assert found.execution.kind.value == os.environ["EXPECTED_EXECUTION"]
        assert found.control.execution.kind.value == "qemu"
        assert found.control.emulator.value > 1, found

    def test_machine(variant):
        variant.run("app", "arch")
        variant.run("uname", "-m")
"""


@pytest.fixture
def run(
    make_suite: Callable[..., Suite], engines: KnownEngines, registry_images: Mapping[str, str]
) -> Callable[..., Suite]:
    """Run the suite, with or without a node for linux/386; its record is `record.json`."""

    def run(*, kind: str) -> Suite:
        suite = make_suite("podman-rootless")
        if kind == "native":
            nodes = {"linux/386": {"host": engines.by_name["main"].host}}
            suite.write("multiarch.yaml", json.dumps({"nodes": nodes}))
        suite.environ["EXPECTED_EXECUTION"] = kind
        suite.write("test_it.py", TESTS.format(image=registry_images["sample"]))
        finished = suite.run("--multiarch-record=record.json", timeout_s=300)
        assert finished.exit_code == 0, finished.output
        assert suite.list_left_behind() == suite.list_left_behind("main") == []
        return suite

    return run


def test_both_are_measured_compared_and_merged(run: Callable[..., Suite]) -> None:
    """What emulation costs is measured with a node; a difference is shown once both are merged."""
    native, emulated = run(kind="native"), run(kind="qemu")
    output = " ".join(native.read_output().split())
    assert "emulated on another node (qemu" in output
    assert "the machines are part of the ratio" in output
    records = [each.folder / "record.json" for each in (native, emulated)]
    done = subprocess.run(
        [Path(sys.executable).with_name("pytest-multiarch"), "merge", *records],
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    said = " ".join(done.stdout.split())
    assert "linux/386 native" in said
    assert "cost of emulation: linux/386" in said
    assert "not the same native and emulated: test_it.py::test_machine[linux/386]" in said
    assert 'stdout of "uname -m"' in said
    assert "emulator (likely): the same variant does not do it natively" in said
