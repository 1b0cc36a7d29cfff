"""What emulation costs: the same work on every platform, in turns."""

from __future__ import annotations


def test_work(overhead):
    """`overhead` has all platforms in one test. `max` is a budget: the ratio to the baseline."""
    found = overhead.measure("app", "work", "3000000", max=100)
    assert all(cost.rounds >= 5 for cost in found.costs)
