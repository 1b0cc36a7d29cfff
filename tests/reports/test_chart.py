"""Ratios on a logarithmic scale with the baseline at 1."""

from __future__ import annotations

import math

import pytest

from pytest_multiarch.reports.page.chart import Chart, Ratio, draw_ratios


def draw(*ratios: float | Ratio) -> Chart:
    chart = draw_ratios(r if isinstance(r, Ratio) else Ratio("x", r) for r in ratios)
    assert chart is not None
    return chart


def test_equal_factors_are_equal_distances() -> None:
    chart = draw(2.0, 4.0, 8.0)
    places = [each.at for each in chart.bars]
    assert places[1] - places[0] == pytest.approx(places[2] - places[1], abs=0.02)
    assert places[0] - chart.one == pytest.approx(places[1] - places[0], abs=0.02)


def test_a_faster_platform_is_left_of_the_baseline() -> None:
    chart = draw(0.25, 4.0)
    assert chart.bars[0].at < chart.one < chart.bars[1].at


def test_an_interval_has_both_its_ends() -> None:
    (bar,) = draw(Ratio("x", 4.0, 3.0, 5.0)).bars
    assert bar.interval == "3.00 to 5.00"
    assert bar.ends is not None
    assert bar.ends[0] < bar.at < bar.ends[1]


def test_a_single_sample_has_no_interval() -> None:
    (bar,) = draw(4.0).bars
    assert (bar.ends, bar.interval) == (None, "")


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_what_is_no_ratio_is_left_out(value: float) -> None:
    assert draw_ratios([Ratio("x", value)]) is None


@pytest.mark.parametrize("value", [1e-12, 1.0, 3.0, 1e12])
def test_everything_is_inside_and_ticks_are_few(value: float) -> None:
    chart = draw(value)
    assert all(0 <= each.at <= 100 for each in (*chart.bars, *chart.ticks))
    assert 2 <= len(chart.ticks) <= 8
