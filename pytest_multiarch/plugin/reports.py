"""What travels on pytest's reports, and how it is read off them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

EXPLAINS = "_multiarch_explains"
"""What a failure has, beside its text, that explains an error of ours: that error."""
ATTRIBUTE = "multiarch"
"""JSON: who a member is (setup), what it observed (teardown), or all of a `variants` test."""
VERDICT_ATTRIBUTE = "multiarch_verdict"
"""The word of a report that is a verdict."""
SPREAD_START = '{"spread":'
"""How the text of a `variants` test begins."""
REASON_ATTRIBUTE = "multiarch_reason"
"""Why a test failed, where that holds values which must not be shown."""
DIVERGED, UNCOMPARED, IMAGE = "DIVERGED", "UNCOMPARED", "IMAGE"
OVERBUDGET, UNDECIDED = "OVERBUDGET", "UNDECIDED"
_PHASES = ("setup", "call", "teardown")
_REASON_LIMIT = 10_000
LETTERS = {DIVERGED: "D", UNCOMPARED: "U", IMAGE: "I", OVERBUDGET: "B", UNDECIDED: "U"}


def is_crash(report: pytest.TestReport) -> bool:
    """Tell the report that xdist makes of a test in which a worker crashed."""
    return report.when not in _PHASES


def is_subtest(report: pytest.TestReport) -> bool:
    """Tell a report on a part of a test: pytest's own subtests have the test's id."""
    return hasattr(report, "context")


def is_intermediate(report: pytest.TestReport) -> bool:
    """Tell an attempt that is not the last: plugins that retry give it an outcome of their own."""
    return report.outcome not in ("passed", "failed", "skipped")


def is_end_of_setup(report: pytest.TestReport) -> bool:
    """Tell the report of a test that did not come to its call."""
    return report.when == "setup" and not report.passed


def name_outcome(report: pytest.TestReport) -> str:
    """Give the outcome of a test; what is to be run again has failed."""
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed"
    if report.when == "setup" and report.failed:
        return "error"
    return "failed" if is_intermediate(report) else report.outcome


def read_reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Give why a test failed, was skipped or was expected to fail; of a long text the start."""
    masked: str | None = getattr(report, REASON_ATTRIBUTE, None)
    if masked is not None:
        return masked
    expected = getattr(report, "wasxfail", None)
    if expected is not None:
        return str(expected)
    if report.skipped and isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(getattr(crash, "message", "") or report.longrepr or "")[:_REASON_LIMIT]


def read_teardown_error(report: pytest.TestReport) -> str:
    """Give why a test's teardown failed; empty for all else."""
    return read_reason(report) if report.when == "teardown" and report.failed else ""


def make_locator(config: pytest.Config) -> Callable[[str], str]:
    """Give a function that turns a test's id, relative to the root, into one to call pytest with
    from where it was called now."""
    here = config.invocation_params.dir

    def locate(node_id: str) -> str:
        path, colons, inside = node_id.partition("::")
        return f"{os.path.relpath(config.rootpath / path, here)}{colons}{inside}"

    return locate
