"""In the process that runs tests: what each test did, put on its reports."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.outcomes import Failed

from pytest_multiarch.core.budgets import judge_budgets
from pytest_multiarch.core.cost_table import describe_ratio
from pytest_multiarch.core.errors import (
    MultiarchError,
    PlatformMissingError,
    UsageError,
    WrongArchitectureError,
)
from pytest_multiarch.core.execution import ExecutionKind
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
from pytest_multiarch.plugin.recipes import make_recipe
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
from pytest_multiarch.run.calls import find_call_faults, name_values
from pytest_multiarch.run.container import Container
from pytest_multiarch.run.network import Network
from pytest_multiarch.run.variant import Variant

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence
    from types import TracebackType

    from pytest_multiarch.core.budget import Budget
    from pytest_multiarch.core.copied_file import Surroundings
    from pytest_multiarch.core.cost import PlatformCost
    from pytest_multiarch.core.emulator_faults import Fault
    from pytest_multiarch.core.observation import Observation
    from pytest_multiarch.core.parity import Verdict
    from pytest_multiarch.core.repeats import Repeats
    from pytest_multiarch.core.rules import ParityRules
    from pytest_multiarch.run.calls import CallSeen
    from pytest_multiarch.run.container import Logs
    from pytest_multiarch.run.session import Session

_PACKAGE = __name__.partition(".")[0]
_CALLED = frozenset({"urllib3", "docker", "testcontainers"})
_REFUSALS = (PlatformMissingError, WrongArchitectureError)
_LOG_LINES = 200
_LOG_CHARACTERS = 20_000


def find_session(config: pytest.Config) -> Session:
    """Give the session of this process, made when it is first needed."""
    state = config.stash[STATE]
    if state.session is None:
        from pytest_multiarch.plugin.wiring import open_session

        state.session = open_session(state, config.rootpath)
    return state.session


@dataclass(slots=True, kw_only=True)
class Trace:
    """What one attempt of one test did so far.

    `platforms` are the one platform of a parametrized test, or all of a test with `variants`.
    `seen` are the calls it made, each with the position of its observation, if there is one; they
    and `secrets` (to what they are shown as) are kept in this process only, never reported: they
    have the values of environment variables that a test passes. `budgets` are what the test's mark
    declares, `costs` what it measured, `repeats` what its calls did when they were made again,
    `retried` names the crashes for which calls were made once more, `faults` names what showed of
    `core.emulator_faults`, `refused` says why an image was refused.
    """

    platforms: tuple[Platform, ...]
    rules: ParityRules
    is_observed: bool
    started_at_s: float
    variants: dict[Platform, Variant] = field(default_factory=dict)
    containers: list[Container] = field(default_factory=list)
    observations: dict[Platform, list[Observation]] = field(default_factory=dict)
    inside_s: dict[Platform, float] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    budgets: Mapping[Platform, Budget] = field(default_factory=dict)
    costs: tuple[PlatformCost, ...] = ()
    seen: list[tuple[CallSeen, int | None]] = field(default_factory=list)
    repeats: dict[Platform, list[Repeats]] = field(default_factory=dict)
    retried: dict[Platform, list[str]] = field(default_factory=dict)
    faults: dict[Platform, dict[str, None]] = field(default_factory=dict)
    refused: dict[Platform, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, platform: Platform, observation: Observation) -> None:
        """Take an observation down; tests may observe from several threads."""
        with self._lock:
            self.observations.setdefault(platform, []).append(observation)

    def note_call(
        self, platform: Platform, seen: CallSeen, observation: Observation | None, inside_s: float
    ) -> None:
        """Take a call down, what is observed of it, and the time that it took in its container."""
        with self._lock:
            position = None
            if observation is not None:
                observations = self.observations.setdefault(platform, [])
                position = len(observations)
                observations.append(observation)
            self.seen.append((seen, position))
            if seen.crashes:
                self.retried.setdefault(platform, []).extend(each.name for each in seen.crashes)
            self.secrets.update(name_values(seen.call.env))
        self.note_time(platform, inside_s)

    def note_time(self, platform: Platform, inside_s: float) -> None:
        """Take down the time that something took in the platform's containers."""
        with self._lock:
            self.inside_s[platform] = self.inside_s.get(platform, 0.0) + inside_s

    def note_faults(self, platform: Platform, faults: Iterable[Fault]) -> None:
        """Take down faults of the emulator that showed."""
        for each in faults:
            with self._lock:
                self.faults.setdefault(platform, {})[each.name] = None


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
        observation = None
        if seen.is_observed and self._trace.is_observed:
            observation = make_observation(
                result,
                kind=seen.kind,
                label=seen.label,
                known=seen.known,
                pin=seen.variant.pin,
                history=seen.history,
                ignore=self._trace.rules.ignore,
                normalizers=self._trace.rules.normalizers,
                structure=self._trace.rules.structure,
            )
        self._trace.note_call(
            self._platform, seen, observation, result.wall_s if inside_s is None else inside_s
        )
        self._trace.note_faults(self._platform, (*find_call_faults(result), *seen.crashes))

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
        unordered: bool | str | Sequence[str] = False,
        platform: Platform | str | None = None,
    ) -> None:
        """Observe a value: it has to be the same on all platforms of the test.

        `value` is anything that JSON holds, a set, or bytes, of which size, digest and both ends
        are kept. Numbers may differ by `rel` times the larger one, or by `abs`. `unordered` says
        that the order of lists does not count: of all, or of those at a path such as
        `$.rows[*].tags`. `platform` says whose value it is, in a test that has all `variants`
        at once.

        Raises:
            UsageError: JSON cannot hold the value, or it is not clear whose it is.
        """
        observation = make_check(
            label,
            value,
            rel=rel,
            abs=abs,
            unordered=unordered,
            without=self._trace.rules.structure.without,
            normalizers=self._trace.rules.normalizers,
        )
        if self._trace.is_observed:
            self._trace.add(self._find_platform(platform), observation)

    def check_file(
        self,
        container: Container,
        path: str,
        *,
        label: str | None = None,
        json: bool = False,
        rel: float = 0.0,
        abs: float = 0.0,
        unordered: bool | str | Sequence[str] = False,
    ) -> None:
        """Observe a file in a container: its content, mode and owner.

        Text is normalized by the rules of the test, bytes are compared as such. With `json` the
        content is compared by value, with a tolerance as in `check`. Without `label` it goes by
        its path; a link is followed.

        Raises:
            ContainerError: there is no such path.
            UsageError: it is no file, or an argument is wrong.
        """
        from pytest_multiarch.core.copied_file import observe_file
        from pytest_multiarch.core.rules import make_structure

        structure = make_structure(
            {"content": "json" if json else "text"}, rel, abs, unordered, what="parity.check_file"
        )
        where = self._look_around(container)
        with closing(container.list_files(path)) as files:
            file = next(files)
        observation = observe_file(
            file,
            where,
            label=path if label is None else label,
            structure=replace(structure, without=self._trace.rules.structure.without),
        )
        self._add_of(container, observation)

    def check_tree(
        self,
        container: Container,
        path: str,
        *,
        label: str | None = None,
        ignore: Sequence[str] = (),
    ) -> None:
        """Observe a folder in a container: all paths below it, their modes, owners and contents.

        Times do not count, nor does the content of programs (ELF). `ignore` are patterns of paths
        below it that are left out: `cache/**`. Without `label` it goes by its path.

        Raises:
            ContainerError: there is no such path.
            UsageError: there are too many files, or an argument is wrong.
        """
        from pytest_multiarch.core.copied_file import observe_tree

        patterns = (ignore,) if isinstance(ignore, str) else tuple(ignore)
        observation = observe_tree(
            container.list_files(path),
            self._look_around(container),
            label=path if label is None else label,
            ignore=patterns,
        )
        self._add_of(container, observation)

    def _look_around(self, container: Container) -> Surroundings:
        from pytest_multiarch.core.copied_file import Surroundings

        return Surroundings(
            platform=container.platform,
            rules=self._trace.rules,
            known=container.name_known(),
            history=container.history,
        )

    def _add_of(self, container: Container, observation: Observation) -> None:
        if self._trace.is_observed:
            self._trace.add(self._find_platform(container.platform), observation)

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
            _note_faults_of(error, trace)
        refusal = error.__cause__ if isinstance(error, Failed) else error
        if isinstance(refusal, _REFUSALS) and len(trace.platforms) == 1:
            trace.refused[trace.platforms[0]] = refusal.headline
        _mask_reason(report, trace.secrets)
        text = self._describe(item, trace, report, error)
        if text:
            setattr(report, ATTRIBUTE, text)
        if isinstance(error, JUDGED) and report.failed:
            setattr(report, VERDICT_ATTRIBUTE, error.word)
        if report.failed and report.when in ("setup", "call"):
            containers = (*trace.containers, *_list_wider_containers(item))
            _attach_logs(report, trace, containers, find_service(item.config))
            _attach_faults(report, trace)
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
    for container in {each.started.id: each for each in beside}.values():
        what = f"service {container.name}" if container.name else "container"
        where = f"on {container.platform} ({container.execution})"
        secrets = trace.secrets | name_values(container.started.settings.call.env)
        try:
            logs = container.logs(tail=_LOG_LINES)
        except MultiarchError as error:
            report.sections.append((f"{what} log {where}", error.headline))
            continue
        if container.execution.is_emulated:
            _note_faults_in(logs, container, trace)
        for name, text in (("stdout", logs.stdout), ("stderr", logs.stderr)):
            if text.strip():
                shown = log.quote(hide_values(text[-_LOG_CHARACTERS:], secrets))
                report.sections.append((f"{what} {name} {where}", shown))


def _note_faults_in(logs: Logs, container: Container, trace: Trace) -> None:
    from pytest_multiarch.core.emulator_faults import find_faults

    faults = find_faults(*logs, execution=container.execution, platform=container.platform)
    trace.note_faults(container.platform, faults)


def _note_faults_of(error: MultiarchError, trace: Trace) -> None:
    """Find the emulator's faults in an error, which quotes what a container printed last."""
    emulated = [each for each in trace.variants.values() if each.execution.is_emulated]
    if len(trace.variants) != 1 or not emulated:
        return
    from pytest_multiarch.core.emulator_faults import find_faults

    (variant,) = emulated
    faults = find_faults(str(error), execution=variant.execution, platform=variant.platform)
    trace.note_faults(variant.platform, faults)


def _attach_faults(report: pytest.TestReport, trace: Trace) -> None:
    for platform, names in trace.faults.items():
        from pytest_multiarch.core.emulator_faults import find_named_faults
        from pytest_multiarch.reports.emulator_faults import describe_faults

        variant = trace.variants.get(platform)
        how = f" ({variant.execution})" if variant is not None else ""
        text = "\n".join(describe_faults(find_named_faults(names)))
        report.sections.append((f"known of the emulator on {platform}{how}", text))


def trim_traceback(error: MultiarchError) -> None:
    """Cut the frames of this package, and of what it called, off the end of a traceback."""
    kept: list[TracebackType] = []
    frame = error.__traceback__
    while frame is not None:
        kept.append(frame)
        frame = frame.tb_next
    reaches_us = any(_name_package(each) == _PACKAGE for each in kept[1:])
    while len(kept) > 1 and reaches_us and _is_inner(kept[-1]):
        kept.pop()
    if kept:
        kept[-1].tb_next = None
    error.__suppress_context__ = True
    if isinstance(error.__cause__, MultiarchError):
        trim_traceback(error.__cause__)


def _is_inner(traceback: TracebackType) -> bool:
    name = _name_package(traceback)
    return name == _PACKAGE or name in _CALLED or name in sys.stdlib_module_names


def _name_package(traceback: TracebackType) -> str:
    return str(traceback.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
