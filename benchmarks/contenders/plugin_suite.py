"""The work, as a suite of this plugin."""

import os

import pytest

EACH = int(os.environ["BENCHMARK_EACH"])
pytestmark = [
    pytest.mark.image(os.environ["BENCHMARK_IMAGE"]),
    pytest.mark.platforms("linux/amd64", "linux/arm64"),
]


@pytest.mark.parametrize("number", range(EACH))
def test_run(variant, number):
    assert variant.run("app", "args", str(number)).stdout == f"{number}\n"


@pytest.mark.container("app", "sleep", "3600", scope="session")
@pytest.mark.parametrize("number", range(EACH))
def test_exec(container, number):
    assert container.exec("app", "args", str(number)).stdout == f"{number}\n"
