"""What travels on pytest's reports, and how it is read off them."""

from __future__ import annotations

import pytest

ATTRIBUTE = "multiarch"
"""JSON: who a member is (setup), what it observed (teardown), or all of a `variants` test."""
VERDICT_ATTRIBUTE = "multiarch_verdict"
"""The word of a report that is a verdict."""
DIVERGED, UNCOMPARED = "DIVERGED", "UNCOMPARED"
LETTERS = {DIVERGED: "D", UNCOMPARED: "U"}


def is_crash(report: pytest.TestReport) -> bool:
    """Tell the report that xdist makes of a test in which a worker crashed."""
    return str(report.when) == "???"


def is_subtest(report: pytest.TestReport) -> bool:
    """Tell a report on a part of a test: pytest's own subtests have the test's id."""
    return hasattr(report, "context")


def is_intermediate(report: pytest.TestReport) -> bool:
    """Tell an attempt that is not the last: plugins that retry give it an outcome of their own."""
    return report.outcome not in ("passed", "failed", "skipped")


def name_outcome(report: pytest.TestReport) -> str:
    """Give the outcome of a test's call; what is to be run again has failed."""
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed"
    return "failed" if is_intermediate(report) else report.outcome


def read_reason(report: pytest.TestReport) -> str:
    """Give why a test failed, was skipped or was expected to fail, in one line."""
    expected = getattr(report, "wasxfail", None)
    if expected is not None:
        return str(expected)
    if report.skipped and isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(getattr(crash, "message", "") or report.longrepr or "")
    return text.partition("\n")[0]
