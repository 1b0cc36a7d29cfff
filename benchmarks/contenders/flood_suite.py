"""A container that prints very much."""

import os

import pytest

MEGABYTES = int(os.environ["BENCHMARK_MEGABYTES"])
pytestmark = [
    pytest.mark.image(os.environ["BENCHMARK_IMAGE"]),
    pytest.mark.platforms("linux/amd64", "linux/arm64"),
]


def test_flood(variant):
    result = variant.run("app", "flood", str(MEGABYTES), timeout=600)
    assert result.out.size == MEGABYTES * 1024 * 1024
