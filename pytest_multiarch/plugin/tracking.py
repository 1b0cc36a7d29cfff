"""In the process that runs tests: what each test did, put on its reports."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.outcomes import Failed

from pytest_multiarch.core.budgets import judge_budgets
from pytest_multiarch.core.cost_table import describe_ratio
from pytest_multiarch.core.errors import MultiarchError, UsageError
from pytest_multiarch.core.normalize import hide_values
from pytest_multiarch.core.observation import make_check, make_observation
from pytest_multiarch.core.parity import VerdictKind, compare_group
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.plugin.asking import gather_allowances
from pytest_multiarch.plugin.failing import OverBudgetError, UndecidedError, fail_budgets
from pytest_multiarch.plugin.members import (
    describe_member,
    describe_results,
    describe_spread,
    make_members,
)
from pytest_multiarch.plugin.options import find_service
from pytest_multiarch.plugin.reports import (
    ATTRIBUTE,
    DIVERGED,
    REASON_ATTRIBUTE,
    UNCOMPARED,
    VERDICT_ATTRIBUTE,
    is_end_of_setup,
    make_locator,
    name_outcome,
    read_reason,
)
from pytest_multiarch.plugin.state import MEMBERSHIP, SPREAD, STATE, TRACE, PluginState
from pytest_multiarch.reports.job_log import JobLog
from pytest_multiarch.run.calls import name_values
from pytest_multiarch.run.container import Container
from pytest_multiarch.run.network import Network
from pytest_multiarch.run.variant import Variant

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping
    from types import TracebackType

    from pytest_multiarch.core.budget import Budget
    from pytest_multiarch.core.call import Call
    from pytest_multiarch.core.cost import PlatformCost
    from pytest_multiarch.core.observation import Observation
    from pytest_multiarch.core.rules import ParityRules
    from pytest_multiarch.run.calls import CallSeen
    from pytest_multiarch.run.session import Session

_PACKAGE = __name__.partition(".")[0]
_LOG_LINES = 200
_LOG_CHARACTERS = 20_000


def find_session(config: pytest.Config) -> Session:
    """Give the session of this process, made when it is first needed."""
    state = config.stash[STATE]
    if state.session is None:
        from pytest_multiarch.plugin.wiring import open_session

        state.session = open_session(state)
    return state.session


@dataclass(slots=True, kw_only=True)
class Trace:
    """What one attempt of one test did so far.

    `platforms` are the one platform of a parametrized test, or all of a test with `variants`.
    `calls` and `secrets` (to what they are shown as) are kept in this process only, never
    reported: they are the values of environment variables that a test passes. `budgets` are what
    the test's mark declares, `costs` what it measured.
    """

    platforms: tuple[Platform, ...]
    rules: ParityRules
    is_observed: bool
    started_at_s: float
    variants: dict[Platform, Variant] = field(default_factory=dict)
    containers: list[Container] = field(default_factory=list)
    observations: dict[Platform, list[Observation]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    inside_s: dict[Platform, float] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    budgets: Mapping[Platform, Budget] = field(default_factory=dict)
    costs: tuple[PlatformCost, ...] = ()
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, platform: Platform, observation: Observation) -> None:
        """Take an observation down; tests may observe from several threads."""
        with self._lock:
            self.observations.setdefault(platform, []).append(observation)

    def note_call(self, platform: Platform, call: Call, inside_s: float | None) -> None:
        """Take a call down, and the time that it took in its container."""
        with self._lock:
            self.calls.append(call)
            self.secrets.update(name_values(call.env))
        self.note_time(platform, inside_s or 0.0)

    def note_time(self, platform: Platform, inside_s: float) -> None:
        """Take down the time that something took in the platform's containers."""
        with self._lock:
            self.inside_s[platform] = self.inside_s.get(platform, 0.0) + inside_s


class TestRecorder:
    """Turns the calls of one test on one platform into observations."""

    __test__ = False

    def __init__(self, trace: Trace, platform: Platform) -> None:
        self._trace = trace
        self._platform = platform

    def record_call(self, seen: CallSeen) -> None:
        """Take a call down; one that is observed is normalized by the test's rules."""
        result = seen.result
        inside_s = result.timings.inside_s
        self._trace.note_call(
            self._platform, seen.call, result.wall_s if inside_s is None else inside_s
        )
        if seen.is_observed and self._trace.is_observed:
            self._trace.add(
                self._platform,
                make_observation(
                    result,
                    kind=seen.kind,
                    label=seen.label,
                    known=seen.known,
                    pin=seen.variant.pin,
                    history=seen.history,
                    ignore=self._trace.rules.ignore,
                    normalizers=self._trace.rules.normalizers,
                ),
            )

    def note_env(self, env: Mapping[str, str]) -> None:
        """Have what the test passes shown by its name."""
        self._trace.secrets.update(name_values(env))

    def note_container(self, container: Container) -> None:
        """Have a container's log in the test's report should it fail."""
        self._trace.containers.append(container)
        for each in (container, *container.services.values()):
            self.note_env(each.started.settings.call.env)


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
        observation = make_check(
            label, value, rel=rel, abs=abs, normalizers=self._trace.rules.normalizers
        )
        if self._trace.is_observed:
            self._trace.add(self._find_platform(platform), observation)

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


class DivergedError(Failed):
    """The variants of a test that has them all at once did not do the same."""

    __module__ = "builtins"  # as pytest's own: the name alone is shown
    word = DIVERGED


class UncomparedError(Failed):
    """Nothing of a test with all its variants could be compared, and `--multiarch-strict` is on."""

    __module__ = "builtins"
    word = UNCOMPARED


JUDGED = (DivergedError, UncomparedError, OverBudgetError, UndecidedError)
"""Verdicts on a test that came to its end."""


class Tracker:
    """Starts a trace for each of our tests, and puts it on the test's reports.

    The setup report says which group the test is a member of, the teardown report what was
    observed: ASCII JSON in one text each, since report plugins and xdist pass on nothing richer.
    """

    def __init__(self, state: PluginState) -> None:
        self._state = state

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, None, None]:
        """Give every attempt an empty trace."""
        self._state.current = item.nodeid
        platforms = self._list_platforms(item)
        if platforms:
            item.stash[TRACE] = Trace(
                platforms=platforms,
                rules=self._state.declared.find_rules(item),
                is_observed=self._state.settings.parity != "off",
                started_at_s=time.time(),
                budgets=self._state.declared.find_budgets(item),
            )
        yield
        if platforms:
            _note_wider_variants(item)
            self._add_allowances(item)

    def _add_allowances(self, item: pytest.Item) -> None:
        """Add what plugins and the configuration allow to what the test's mark does."""
        try:
            added = gather_allowances(item)
        except UsageError as error:
            pytest.fail(self._state.explain(error), pytrace=False)
        if added:
            trace = item.stash[TRACE]
            trace.rules = replace(trace.rules, allowances=(*added, *trace.rules.allowances))

    def _list_platforms(self, item: pytest.Item) -> tuple[Platform, ...]:
        membership = item.stash.get(MEMBERSHIP, None)
        if membership is not None:
            return (membership.platform,)
        if SPREAD in getattr(item, "fixturenames", ()):
            return self._state.declared.select_platforms(item)
        return ()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Generator[None, Any, Any]:
        """Judge a test of all variants when it has passed."""
        result = yield
        if SPREAD in pyfuncitem.fixturenames and TRACE in pyfuncitem.stash:
            self._judge_spread(pyfuncitem)
        return result

    def _judge_spread(self, item: pytest.Function) -> None:
        settings = self._state.settings
        members = make_members(item, item.stash[TRACE], self._state, "passed")
        verdict = compare_group(members)
        if verdict.kind is VerdictKind.DIVERGED and settings.parity == "fail":
            from pytest_multiarch.reports.divergence import render_divergence

            _, text = render_divergence(verdict, locate=make_locator(item.config))
            raise DivergedError(text, pytrace=False)
        fail_budgets(judge_budgets(members), is_strict=settings.strict)
        if verdict.is_vacuous and settings.strict:
            from pytest_multiarch.reports.wording import describe_not_compared

            raise UncomparedError(describe_not_compared(verdict), pytrace=False)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put what is known on the report; outermost, since plugins may replace a report."""
        error = None if call.excinfo is None else call.excinfo.value
        if isinstance(error, MultiarchError) and not item.config.getoption("fulltrace"):
            self._shorten(error)
        report = yield
        trace = item.stash.get(TRACE, None)
        if trace is None:
            return report
        _mask_reason(report, trace.secrets)
        text = self._describe(item, trace, report, error)
        if text:
            setattr(report, ATTRIBUTE, text)
        if isinstance(error, JUDGED) and report.failed:
            setattr(report, VERDICT_ATTRIBUTE, error.word)
        if report.failed and report.when in ("setup", "call"):
            containers = (*trace.containers, *_list_wider_containers(item))
            _attach_logs(report, trace, containers, find_service(item.config))
        if report.when == "teardown" and trace.variants:
            report.user_properties += _list_properties(trace)
        return report

    def _shorten(self, error: MultiarchError) -> None:
        """Show an error of ours where the test made the call, its cure once."""
        trim_traceback(error)
        message = self._state.explain(error)
        if message != str(error):
            error.what, _, error.cure = message.partition("\n")

    def _describe(
        self,
        item: pytest.Item,
        trace: Trace,
        report: pytest.TestReport,
        error: BaseException | None,
    ) -> str:
        membership = item.stash.get(MEMBERSHIP, None)
        if membership is not None and report.when == "setup":
            return describe_member(membership, trace, self._state)
        if membership is not None and report.when == "teardown":
            return describe_results(membership.platform, trace, self._state)
        if membership is None and (report.when == "call" or is_end_of_setup(report)):
            is_complete = isinstance(error, JUDGED)
            outcome = "passed" if is_complete else name_outcome(report)
            reason = "" if outcome == "passed" else read_reason(report)
            return describe_spread(item, trace, self._state, outcome, reason)
        return ""


def _mask_reason(report: pytest.TestReport, secrets: Mapping[str, str]) -> None:
    """Have records and summaries say why a test failed without what it passed in secret."""
    if report.passed or not secrets:
        return
    reason = read_reason(report)
    masked = hide_values(reason, secrets)
    if masked != reason:
        setattr(report, REASON_ATTRIBUTE, masked)


def _note_wider_variants(item: pytest.Item) -> None:
    """A test that reaches its variant by a wider fixture ran on it all the same."""
    trace = item.stash[TRACE]
    for value in getattr(item, "funcargs", {}).values():
        if isinstance(value, Variant):
            trace.variants.setdefault(value.platform, value)


def _list_properties(trace: Trace) -> list[tuple[str, object]]:
    return [
        pair
        for variant in trace.variants.values()
        for pair in (
            ("multiarch_platform", str(variant.platform)),
            ("multiarch_execution", str(variant.execution)),
            ("multiarch_digest", variant.digest),
            *_list_ratios(trace, variant.platform),
        )
    ]


def _list_ratios(trace: Trace, platform: Platform) -> list[tuple[str, object]]:
    measured = (each for each in trace.costs if each.platform == platform and each.ratio)
    return [("multiarch_ratio", describe_ratio(each)) for each in measured]


def _list_wider_containers(item: pytest.Item) -> list[Container]:
    """List what fixtures wider than the test have started for it."""
    found: list[Container] = []
    for value in getattr(item, "funcargs", {}).values():
        if isinstance(value, Network):
            found += value.services.values()
        elif isinstance(value, Container):
            found.append(value)
    return found


def _attach_logs(
    report: pytest.TestReport, trace: Trace, containers: Iterable[Container], service: str
) -> None:
    log = JobLog(service)
    # A service stands on its network too, and a fixture of the test's own is no wider one.
    beside = (one for each in containers for one in (each, *each.services.values()))
    for container in {each.id: each for each in beside}.values():
        what = f"service {container.name}" if container.name else "container"
        where = f"on {container.platform} ({container.execution})"
        secrets = trace.secrets | name_values(container.started.settings.call.env)
        try:
            logs = container.logs(tail=_LOG_LINES)
        except MultiarchError as error:
            report.sections.append((f"{what} log {where}", error.headline))
            continue
        for name, text in (("stdout", logs.stdout), ("stderr", logs.stderr)):
            if text.strip():
                shown = log.quote(hide_values(text[-_LOG_CHARACTERS:], secrets))
                report.sections.append((f"{what} {name} {where}", shown))


def trim_traceback(error: MultiarchError) -> None:
    """Cut the frames of this package off the end of an error's traceback."""
    kept: list[TracebackType] = []
    frame = error.__traceback__
    while frame is not None:
        kept.append(frame)
        frame = frame.tb_next
    while len(kept) > 1 and _is_own(kept[-1]):
        kept.pop()
        # Of a context manager of ours, which calls it.
        while len(kept) > 1 and _name_module(kept[-1]) == "contextlib":
            kept.pop()
    if kept:
        kept[-1].tb_next = None
    error.__suppress_context__ = True


def _is_own(traceback: TracebackType) -> bool:
    return _name_module(traceback).partition(".")[0] == _PACKAGE


def _name_module(traceback: TracebackType) -> str:
    return str(traceback.tb_frame.f_globals.get("__name__", ""))
