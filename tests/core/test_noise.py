"""A machine that is too busy to measure on is named."""

from __future__ import annotations

import pytest

from pytest_multiarch.core.noise import describe_noise
from pytest_multiarch.core.statistics import Summary


def make_summary(spread: float) -> Summary:
    return Summary(median_s=2.0, iqr_s=2.0 * spread, min_s=1.0, rounds=7)


QUIET = {"linux/amd64": make_summary(0.02), "linux/arm64": make_summary(0.03)}


@pytest.mark.parametrize(("load", "cores"), [(0.3, 2), (1.0, 2), (6.9, 8), (0.5, 1), (None, None)])
def test_quiet(load: float | None, cores: int | None) -> None:
    assert describe_noise(QUIET, load=load, cores=cores) == ()


@pytest.mark.parametrize(("load", "cores"), [(1.2, 2), (7.5, 8), (0.6, 1)])
def test_no_core_of_its_own(load: float, cores: int) -> None:
    (reason,) = describe_noise(QUIET, load=load, cores=cores)
    assert f"a load of {load} on {cores} core" in reason


def test_one_core_is_one() -> None:
    assert "on 1 core when" in describe_noise(QUIET, load=2.0, cores=1)[0]


def test_widest_samples_are_named() -> None:
    summaries = {**QUIET, "linux/s390x": make_summary(0.25), "linux/386": make_summary(0.12)}
    (reason,) = describe_noise(summaries)
    assert "those of linux/s390x spans 25% of their median" in reason


def test_load_that_the_node_does_not_tell() -> None:
    assert describe_noise(QUIET, load=9.0, cores=None) == ()


def test_nothing_measured() -> None:
    assert describe_noise({}, load=0.1, cores=2) == ()
