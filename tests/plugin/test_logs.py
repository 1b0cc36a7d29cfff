"""Logs of containers in the reports of tests that failed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from pytest_multiarch.core.rules import ParityRules
from pytest_multiarch.plugin.report_sections import attach_logs
from pytest_multiarch.plugin.trace import Trace
from tests.fake_engine import AMD64, Ending, FakeEngine, FakeImage, start_container


def test_a_log_that_is_shown_is_no_use_of_its_container() -> None:
    """Else nothing that it was asked could be made again."""
    image = FakeImage(platform=AMD64)
    image.commands[""] = Ending(out=b"ready\n", exit_code=None)
    container = start_container(FakeEngine(), image)
    report: Any = SimpleNamespace(sections=[])
    trace = Trace(platforms=(AMD64,), rules=ParityRules(), is_observed=True, started_at_s=0.0)
    attach_logs(report, trace, [container], "")
    assert [(name.split()[:2], text) for name, text in report.sections] == [
        (["container", "stdout"], "ready\n")
    ]
    assert container.started.to_recipe().problem == ""
