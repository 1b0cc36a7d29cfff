"""In the process that runs tests: what each test did, put on its reports."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.outcomes import Failed

from pytest_multiarch.core.budgets import judge_budgets
from pytest_multiarch.core.cost_table import describe_ratio
from pytest_multiarch.core.errors import (
    EngineError,
    ImageError,
    MultiarchError,
    PlatformUnavailableError,
    UsageError,
)
from pytest_multiarch.core.execution import ExecutionKind
from pytest_multiarch.core.member import Refusal
from pytest_multiarch.core.normalize import hide_values
from pytest_multiarch.core.parity import VerdictKind, compare_group
from pytest_multiarch.plugin.asking import gather_allowances
from pytest_multiarch.plugin.failing import OverBudgetError, UndecidedError, fail_budgets
from pytest_multiarch.plugin.members import (
    describe_member,
    describe_results,
    describe_spread,
    make_members,
)
from pytest_multiarch.plugin.options import find_service
from pytest_multiarch.plugin.recipes import make_recipe
from pytest_multiarch.plugin.report_sections import (
    attach_faults,
    attach_logs,
    list_wider_containers,
    note_faults_of,
    trim_traceback,
)
from pytest_multiarch.plugin.reports import (
    ATTRIBUTE,
    DIVERGED,
    EXPLAINS,
    REASON_ATTRIBUTE,
    UNCOMPARED,
    VERDICT_ATTRIBUTE,
    is_end_of_setup,
    make_locator,
    name_outcome,
    read_reason,
)
from pytest_multiarch.plugin.state import (
    MEMBERSHIP,
    SPREAD,
    TRACE,
    PluginState,
    find_session,
)
from pytest_multiarch.plugin.trace import Trace
from pytest_multiarch.run.variant import Variant

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from pytest_multiarch.core.parity import Verdict
    from pytest_multiarch.core.platform import Platform


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
        trace = item.stash[TRACE]
        members = make_members(item, trace, self._state, "passed")
        verdict = compare_group(members)
        if verdict.needs_diagnosis:
            verdict = self._replay(item, trace, verdict)
        if verdict.kind is VerdictKind.DIVERGED and settings.parity == "fail":
            from pytest_multiarch.reports.divergence import render_divergence

            _, text = render_divergence(verdict, locate=make_locator(item.config))
            raise DivergedError(text, pytrace=False)
        fail_budgets(judge_budgets(members), is_strict=settings.strict)
        if verdict.is_vacuous and settings.strict:
            from pytest_multiarch.reports.wording import describe_not_compared

            raise UncomparedError(describe_not_compared(verdict), pytrace=False)

    def _replay(self, item: pytest.Function, trace: Trace, verdict: Verdict) -> Verdict:
        """Settle a verdict while its test waits; what calls did goes on its report."""
        from pytest_multiarch.plugin.replaying import replay_now

        found = ((each, make_recipe(trace, each)) for each in trace.platforms)
        recipes = {platform: recipe for platform, recipe in found if recipe is not None}
        settled = replay_now(self._state, find_session(item.config), verdict, recipes)
        for member in settled.members:
            trace.repeats[member.platform] = list(member.repeats)
        return settled

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, None, None]:
        """Make a test's calls again if that is asked for, while all that it set up is there."""
        trace = item.stash.get(TRACE, None)
        if trace is not None and self._state.settings.repeat.value and trace.is_observed:
            self._repeat(item, trace)
        yield

    def _repeat(self, item: pytest.Item, trace: Trace) -> None:
        from pytest_multiarch.plugin.replaying import repeat_now

        baseline = self._state.declared.find_platforms(item).baseline
        for platform in trace.platforms:
            recipe = make_recipe(trace, platform)
            if recipe is None or platform in trace.repeats:
                continue
            variant = trace.variants[platform]
            is_native = variant.execution.kind is ExecutionKind.NATIVE
            seen = [each.hide(trace.secrets) for each in trace.observations[platform]]
            trace.repeats[platform] = list(
                repeat_now(
                    self._state,
                    find_session(item.config),
                    recipe,
                    seen,
                    is_controlled=is_native and baseline in (None, platform),
                )
            )

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
        if isinstance(error, MultiarchError) and not isinstance(error, UsageError):
            note_faults_of(error, trace)
        if len(trace.platforms) == 1 and call.when != "teardown":
            trace.refusal = _find_refusal(error) or trace.refusal
        _mask_reason(report, trace.secrets)
        text = self._describe(item, trace, report, error)
        if text:
            setattr(report, ATTRIBUTE, text)
        if isinstance(error, JUDGED) and report.failed:
            setattr(report, VERDICT_ATTRIBUTE, error.word)
        if report.failed and report.when in ("setup", "call"):
            containers = (*trace.containers, *list_wider_containers(item))
            attach_logs(report, trace, containers, find_service(item.config))
            attach_faults(report, trace)
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
            place = self._keep_recipe(item, trace, membership.platform)
            return describe_results(membership.platform, trace, self._state, recipe=place)
        if membership is None and (report.when == "call" or is_end_of_setup(report)):
            is_complete = isinstance(error, JUDGED)
            outcome = "passed" if is_complete else name_outcome(report)
            reason = "" if outcome == "passed" else read_reason(report)
            return describe_spread(item, trace, self._state, outcome, reason)
        return ""

    def _keep_recipe(self, item: pytest.Item, trace: Trace, platform: Platform) -> list[int] | None:
        """Keep what it takes to make the test's calls again; give the place, if it is in a file."""
        recipes = self._state.recipes
        recipe = make_recipe(trace, platform) if recipes is not None else None
        return recipes.keep(item.nodeid, recipe) if recipes is not None and recipe else None


def _find_refusal(error: BaseException | None) -> Refusal | None:
    """Tell whether an error, or what it stands for, says all there is to say."""
    cause = getattr(error, EXPLAINS, error)
    if not isinstance(cause, (EngineError, ImageError, PlatformUnavailableError)):
        return None
    return Refusal.IMAGE if cause.is_of_image else Refusal.OTHER


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
            ("multiarch_node", variant.node.name),
            ("multiarch_digest", variant.digest),
            *_list_ratios(trace, variant.platform),
        )
    ]


def _list_ratios(trace: Trace, platform: Platform) -> list[tuple[str, object]]:
    measured = (each for each in trace.costs if each.platform == platform and each.ratio)
    return [("multiarch_ratio", describe_ratio(each)) for each in measured]
