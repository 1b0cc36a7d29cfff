"""The work, as a suite that uses testcontainers-python."""

import os

import pytest
from testcontainers.core.container import DockerContainer

EACH = int(os.environ["BENCHMARK_EACH"])
IMAGE = os.environ["BENCHMARK_IMAGE"]
both = pytest.mark.parametrize("platform", ["linux/amd64", "linux/arm64"], scope="module")


@both
@pytest.mark.parametrize("number", range(EACH))
def test_run(platform, number):
    container = DockerContainer(IMAGE).with_command(["app", "args", str(number)])
    with container.with_kwargs(platform=platform):
        assert container.get_wrapped_container().wait()["StatusCode"] == 0
        assert container.get_logs() == (f"{number}\n".encode(), b"")


@pytest.fixture(scope="module")
def container(platform):
    container = DockerContainer(IMAGE).with_command(["app", "sleep", "3600"])
    with container.with_kwargs(platform=platform):
        yield container


@both
@pytest.mark.parametrize("number", range(EACH))
@pytest.mark.usefixtures("platform")
def test_exec(container, number):
    assert container.exec(["app", "args", str(number)]) == (0, f"{number}\n".encode())
