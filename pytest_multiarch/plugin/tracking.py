"""In the process that runs tests: what each test did, put on its reports."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import pytest

from pytest_multiarch.core.errors import MultiarchError, UsageError
from pytest_multiarch.core.observation import Observation, make_check, make_observation
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.plugin.state import MEMBERSHIP, TRACE, PluginState, Trace
from pytest_multiarch.run.calls import CallSeen
from pytest_multiarch.run.container import Container

ATTRIBUTE = "multiarch"
_PACKAGE = __name__.partition(".")[0]


class TestRecorder:
    """Turns the calls of one test on one platform into observations."""

    __test__ = False

    def __init__(self, trace: Trace, platform: Platform) -> None:
        self._trace = trace
        self._platform = platform

    def record_call(self, seen: CallSeen) -> None:
        """Take a call down, normalized by the test's rules."""
        self._trace.calls.append(seen.call)
        self._trace.add(
            self._platform,
            make_observation(
                seen.result,
                kind=seen.kind,
                label=seen.label,
                rules=self._trace.rules,
                known=seen.known,
                image_pin=seen.variant.pin,
                history=seen.history,
            ),
        )


class ParityChecker:
    """Takes observations of a test's own."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    def check(
        self,
        label: str,
        value: object,
        *,
        rel: float = 0.0,
        abs: float = 0.0,
        platform: Platform | str | None = None,
    ) -> None:
        """Observe a value: it has to be the same on all platforms of the test.

        `value` is anything that JSON holds. Numbers may differ by `rel` times the larger one, or
        by `abs`. `platform` says whose value it is, in a test that has all `variants` at once.

        Raises:
            UsageError: JSON cannot hold the value, or it is not clear whose it is.
        """
        __tracebackhide__ = True
        self._trace.add(self._find_platform(platform), make_check(label, value, rel=rel, abs=abs))

    def _find_platform(self, platform: Platform | str | None) -> Platform:
        platforms = self._trace.platforms
        if platform is None:
            if len(platforms) == 1:
                return platforms[0]
            raise UsageError(
                "parity.check: this test has several platforms at once",
                cure="say whose value it is: parity.check(label, value, platform=...)",
            )
        wanted = Platform.parse(platform) if isinstance(platform, str) else platform
        if wanted not in platforms:
            raise UsageError(
                f"parity.check: {wanted} is not a platform of this test",
                cure=f"it has {', '.join(map(str, platforms))}",
            )
        return wanted


class Tracker:
    """Starts a trace for each test, and puts it on the test's reports.

    The setup report says which group the test is a member of, the teardown report what was
    observed: one text of ASCII JSON each, since report plugins and xdist pass on nothing richer.
    """

    def __init__(self, state: PluginState) -> None:
        self._state = state

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Iterator[None]:
        """Every attempt starts with an empty trace."""
        platforms = self._state.list_platforms(item)
        if platforms:
            item.stash[TRACE] = Trace(
                platforms=platforms,
                rules=self._state.read_rules(item),
                started_at_s=time.time(),
            )
        yield
        trace = item.stash.get(TRACE, None)
        if trace is not None:
            trace.note_variants(item)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Iterator[Any]:
        """Show errors of ours where the test made the call, without our own frames."""
        try:
            result = yield
        except MultiarchError as error:
            if pyfuncitem.config.getoption("full_trace", False):
                raise
            raise trim_traceback(error) from None
        trace = pyfuncitem.stash.get(TRACE, None)
        if trace is not None and pyfuncitem.stash.get(MEMBERSHIP, None) is None:
            self._compare_spread(pyfuncitem, trace)
        return result

    def _compare_spread(self, item: pytest.Item, trace: Trace) -> None:
        ...

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Iterator[pytest.TestReport]:
        """Outermost, since other plugins may replace the report."""
        report: pytest.TestReport = yield
        trace = item.stash.get(TRACE, None)
        if trace is not None:
            membership = item.stash.get(MEMBERSHIP, None)
            if membership is not None and report.when == "setup":
                setattr(report, ATTRIBUTE, _encode(membership.to_mapping(self._state, trace)))
            if membership is not None and report.when == "teardown":
                setattr(report, ATTRIBUTE, _encode(trace.to_mapping(membership.platform)))
            if report.failed and report.when in ("setup", "call"):
                _attach_logs(report, trace.containers)
        return report


def _encode(document: object) -> str:
    return json.dumps(document, separators=(",", ":"))


def _attach_logs(report: pytest.TestReport, containers: list[Container]) -> None:
    for container in containers:
        try:
            logs = container.logs(tail=200)
        except MultiarchError as error:
            report.sections.append((f"container log {container.platform}", error.headline))
            continue
        for name, text in (("stdout", logs.stdout), ("stderr", logs.stderr)):
            if text.strip():
                title = f"container {name} on {container.platform} ({container.execution})"
                report.sections.append((title, text[-20_000:]))


def trim_traceback(error: MultiarchError) -> MultiarchError:
    """Cut the frames of this package off the end of an error's traceback."""
    kept: list[TracebackType] = []
    frame = error.__traceback__
    while frame is not None:
        kept.append(frame)
        frame = frame.tb_next
    while len(kept) > 1 and _is_own(kept[-1]):
        kept.pop()
    kept[-1].tb_next = None
    return error


def _is_own(traceback: TracebackType) -> bool:
    module = str(traceback.tb_frame.f_globals.get("__name__", ""))
    return module.partition(".")[0] == _PACKAGE
