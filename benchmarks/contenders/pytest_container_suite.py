"""The work, as a suite that uses pytest_container.

It has no one-shot runs: a container is launched for each test, and the command executed in it.
"""

import os

import pytest
from pytest_container import Container

EACH = int(os.environ["BENCHMARK_EACH"])
IMAGES = [
    Container(
        url=os.environ["BENCHMARK_IMAGE"],
        custom_entry_point="/bin/sh",
        # Without this, stopping a shell takes ten seconds.
        extra_launch_args=["--platform", platform, "--stop-signal", "SIGKILL"],
    )
    for platform in ("linux/amd64", "linux/arm64")
]


@pytest.mark.parametrize("container_per_test", IMAGES, indirect=True)
@pytest.mark.parametrize("number", range(EACH))
def test_run(container_per_test, number):
    run = container_per_test.connection.run_expect([0], f"app args {number}")
    assert run.stdout == f"{number}\n"


@pytest.mark.parametrize("container", IMAGES, indirect=True)
@pytest.mark.parametrize("number", range(EACH))
def test_exec(container, number):
    run = container.connection.run_expect([0], f"app args {number}")
    assert run.stdout == f"{number}\n"
