"""What the workers of `parallel.py` share, or do not: one image, and one container each."""

import os

import pytest

pytestmark = [
    pytest.mark.image(os.environ["BENCHMARK_IMAGE"]),
    pytest.mark.platforms("linux/amd64", "linux/arm64"),
    pytest.mark.container("app", "sleep", "3600", scope="session"),
    pytest.mark.parity(stateless=True),
]


@pytest.mark.parametrize("number", range(20))
def test_shared(container, number):
    assert container.exec("app", "args", str(number)).stdout == f"{number}\n"


def test_diverges(container):
    container.exec("app", "char")
