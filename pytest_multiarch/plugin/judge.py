"""In the process that owns the session: whole groups are compared, and divergences reported.

A divergence is a failure of its own: three plain reports under the test's id without the
platform. It is no collected item, so no selection, order or retry of the user's can lose it, and
a lone process and `pytest -n` are judged in this one place.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.plugin.emitter import Emitter
from pytest_multiarch.plugin.reports import (
    ATTRIBUTE,
    LETTERS,
    SPREAD_START,
    VERDICT_ATTRIBUTE,
    is_crash,
    read_teardown_error,
)
from pytest_multiarch.plugin.state import RECIPES_INPUT, RUN_INPUT

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping

    from pytest_multiarch.core.inspected import ImageVerdict
    from pytest_multiarch.core.member import Member
    from pytest_multiarch.core.parity import Verdict
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.recipe import Recipe
    from pytest_multiarch.plugin.attempts import Attempts, OpenGroup
    from pytest_multiarch.plugin.recording import Recording
    from pytest_multiarch.plugin.replaying import Pending, Replayer
    from pytest_multiarch.plugin.state import PluginState
    from pytest_multiarch.reports.account import Section
    from pytest_multiarch.run.node import Watchdog


class Judge:
    """Collects members from reports, and gives each group its verdict."""

    def __init__(
        self, state: PluginState, config: pytest.Config, recording: Recording | None = None
    ) -> None:
        self._state = state
        self._config = config
        self._recording: Recording | None = None
        self._emitter = Emitter(state, config)
        self._groups: dict[str, OpenGroup | None] = {}
        self._group_of: dict[str, OpenGroup] = {}
        self._crashes: dict[str, pytest.TestReport] = {}
        self._verdicts: list[Verdict] = []
        self._spread: dict[str, Verdict] = {}
        self._unrecorded: dict[str, tuple[list[Member], dict[str, Any]]] = {}
        self._runs_each = config.getoption("dist", "no") == "each"
        self._inspected: dict[str, Any] = {}
        self._builds: dict[str, Any] = {}
        self._images: tuple[ImageVerdict, ...] = ()
        self._is_summed_up = False
        self._begun_s = time.perf_counter()
        self._replayer: Replayer | None = None
        self._folder = ""
        self._guard: Watchdog | None = None
        self._waiting: dict[int, Verdict] = {}
        self._failures: dict[int, list[pytest.TestReport]] = {}
        if recording is not None:
            self.record_in(recording)

    def record_in(self, recording: Recording) -> None:
        """Have what is judged from now on recorded."""
        self._recording = recording
        recording.follow(
            verdicts=lambda: (*self._verdicts, *self._spread.values()), crashes=self._crashes
        )

    def list_members(self) -> Iterator[Member]:
        """Give the members of all groups that are judged so far."""
        for verdict in (*self._verdicts, *self._spread.values()):
            yield from verdict.members

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker of xdist to which run it belongs."""
        node.workerinput[RUN_INPUT] = self._state.run_id
        if not self._folder:
            from pytest_multiarch.plugin.recipes import name_folder

            self._folder = name_folder(self._state.run_id)
        node.workerinput[RECIPES_INPUT] = self._folder

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in what a member's report says; the reports of foreign tests pass at once."""
        text: str | None = getattr(report, ATTRIBUTE, None)
        key = self._name_key(report) if self._runs_each else report.nodeid
        if text is not None and text.startswith(SPREAD_START):
            document = json.loads(text)
            self._take_spread(key, document.pop("spread"), news=document)
            return
        if text is not None and report.when == "setup":
            self._begin(key, text, suffix=key.removeprefix(report.nodeid))
        group = self._group_of.get(key)
        if group is None:
            if report.when == "teardown" and key in self._unrecorded:
                self._record_spread(key, read_teardown_error(report))
            if is_crash(report):  # it may be a member: its siblings will tell
                self._crashes[key] = report
            return
        attempts = group.attempts[key]
        if text is not None and report.when == "teardown":
            attempts.take_results(text)
            if "recipe" in attempts.results:
                self._guard_folder()
        attempts.take_in(report)
        if is_crash(report):  # nothing follows it, not even logfinish
            attempts.is_done = True
            self._record_attempt(group, attempts)
            self._settle_if_complete(group)

    def _name_key(self, report: pytest.TestReport) -> str:
        """Name a member; under `--dist each` every worker has them all."""
        node = getattr(report, "node", None)
        return report.nodeid if node is None else f"{report.nodeid}@{node.gateway.id}"

    def _take_spread(
        self, key: str, documents: list[dict[str, Any]], *, news: dict[str, Any]
    ) -> None:
        """A test with all its variants at once is judged where it ran; of attempts the last."""
        from pytest_multiarch.core.member import Member
        from pytest_multiarch.core.parity import compare_group

        before = self._spread.get(key)
        attempt = before.members[0].attempt + 1 if before is not None else 1
        members = [Member.from_mapping({**each, "attempt": attempt}) for each in documents]
        self._unrecorded[key] = members, news
        self._spread[key] = _forget_observations(self._state.settle(compare_group(members)))

    def _record_spread(self, key: str, teardown_error: str = "") -> None:
        """Record a test with all its variants once it is over."""
        members, news = self._unrecorded.pop(key)
        self._take_news(news)
        if self._recording is not None:
            self._recording.add(
                [replace(each, teardown_error=teardown_error) for each in members], news
            )

    def _begin(self, key: str, text: str, *, suffix: str) -> None:
        """Note the start of a member's attempt; the first of a group tells of them all."""
        of_group, _, of_member = text.partition("\n")
        ticket = of_group + suffix
        if ticket not in self._groups:
            self._open(ticket, json.loads(of_group), suffix)
        group = self._groups[ticket]
        if group is not None:  # else its verdict is out: xdist can run a test again after a crash
            self._group_of[key] = group  # two groups can have tests of one id
            group.attempts[key].begin(json.loads(of_member))

    def _open(self, ticket: str, document: dict[str, Any], suffix: str) -> None:
        from pytest_multiarch.plugin.attempts import OpenGroup

        group = self._groups[ticket] = OpenGroup.open(document, suffix, ticket=ticket)
        for key, attempts in group.attempts.items():
            self._group_of[key] = group
            crash = self._crashes.pop(key, None)
            if crash is not None:
                attempts.take_in(crash)
                attempts.is_done = True

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Compare a group as soon as its last member has ended, all retries over."""
        group = self._group_of.get(nodeid)
        if group is not None:
            group.attempts[nodeid].finish()
            self._record_attempt(group, group.attempts[nodeid])
            self._settle_if_complete(group)
        self._settle_done()
        self._emitter.pass_on_stop()

    def _record_attempt(self, group: OpenGroup, attempts: Attempts) -> None:
        news = attempts.results.pop("news", {})
        self._take_news(news)
        if self._recording is not None:
            self._recording.add([attempts.to_member(group)], news)

    def _take_news(self, news: Mapping[str, Any]) -> None:
        if "builds" in news:
            self._state.has_builds = True
            self._builds |= news["builds"]
        if "inspected" in news:
            from pytest_multiarch.core.inspected import lay_over

            lay_over(self._inspected, news["inspected"])

    def _settle_if_complete(self, group: OpenGroup) -> None:
        if group.is_complete:
            self._settle(group)

    def _settle(self, group: OpenGroup) -> None:
        from pytest_multiarch.core.parity import compare_group

        if not group.is_complete:
            for attempts in group.attempts.values():
                if not attempts.is_done:
                    self._record_attempt(group, attempts)
        verdict = compare_group(group.list_members())
        place = len(self._verdicts)
        self._verdicts.append(_forget_observations(verdict))
        self._groups[group.ticket] = None  # from here on, not before: Ctrl-C may come at any time
        for key in group.attempts:
            if self._group_of.get(key) is group:
                del self._group_of[key]
        self._judge_budgets(verdict)
        if verdict.needs_diagnosis and self._state.settings.parity != "off":
            self._waiting[place] = verdict
            self._failures[place] = [a.failure for a in group.attempts.values() if a.failure]
            self._find_replayer().hold(place, verdict, self._find_recipes(group))
            self._settle_done()
        else:
            self._emitter.emit(verdict)
        self._forget_recipes(group)

    def _guard_folder(self) -> None:
        """Once workers leave what is private, have it removed even if this process is killed."""
        if self._guard is None and self._folder:
            from pytest_multiarch.plugin.wiring import start_guard

            self._guard = start_guard(self._folder)

    def _find_replayer(self) -> Replayer:
        if self._replayer is None:
            from pytest_multiarch.plugin.replaying import Replayer
            from pytest_multiarch.plugin.state import find_session

            self._replayer = Replayer(self._state, lambda: find_session(self._config))
            self._state.replayer = self._replayer
        return self._replayer

    def _find_recipes(self, group: OpenGroup) -> dict[Platform, Recipe]:
        """Give what it takes to make the calls of a group again, by platform."""
        found: dict[Platform, Recipe] = {}
        for attempts in group.attempts.values():
            recipe = self._find_recipe(attempts)
            if recipe is not None:
                found[attempts.platform] = recipe
        return found

    def _find_recipe(self, attempts: Attempts) -> Recipe | None:
        from pytest_multiarch.plugin.recipes import RecipeMemory, read_recipe

        recipes = self._state.recipes
        place, worker = attempts.results.get("recipe"), attempts.own.get("worker", "")
        if place and worker and self._folder:
            from pytest_multiarch.plugin.asking import gather_normalizers

            named = gather_normalizers(self._config)
            return read_recipe(self._folder, worker, place, attempts.platform, named)
        if isinstance(recipes, RecipeMemory):
            return recipes.find(attempts.node_id, attempts.platform)
        return None

    def _forget_recipes(self, group: OpenGroup) -> None:
        from pytest_multiarch.plugin.recipes import RecipeMemory

        recipes = self._state.recipes
        if isinstance(recipes, RecipeMemory):
            for attempts in group.attempts.values():
                recipes.forget(attempts.node_id, attempts.platform)

    def _settle_done(self) -> None:
        if self._replayer is not None:
            for pending in self._replayer.take_done():
                self._settle_pending(pending)

    def _settle_pending(self, pending: Pending) -> None:
        """Settle a verdict whose calls were made again, and put on record what they did."""
        from pytest_multiarch.core.settling import add_repeats

        verdict = self._state.settle(add_repeats(pending.verdict, pending.repeats))
        news = {each.platform for each in pending.repeats}
        if self._recording is not None and news:
            self._recording.add([each for each in verdict.members if each.platform in news], {})
        self._verdicts[pending.place] = _forget_observations(verdict)
        self._tell_failures(verdict, self._failures.pop(pending.place, []))
        self._waiting.pop(pending.place, None)
        self._emitter.emit(verdict)

    def _tell_failures(self, verdict: Verdict, reports: list[pytest.TestReport]) -> None:
        """Say in the reports of members that failed why they did: they are shown at the end."""
        from pytest_multiarch.reports.diagnosis import describe_diagnoses, find_failure_diagnoses

        for report in reports:
            members = [each for each in verdict.members if each.node_id == report.nodeid]
            lines = list(describe_diagnoses(find_failure_diagnoses(verdict, members)))
            if lines:
                report.sections.append(("diagnosis", "\n".join(lines)))

    def _judge_budgets(self, verdict: Verdict) -> None:
        if any(each.budget for each in verdict.members):
            from pytest_multiarch.core.budgets import judge_budgets

            self._emitter.emit_budgets(judge_budgets(verdict.members))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Settle what is left, also after Ctrl-C and -x, before the exit status is made."""
        self._emitter.session = session
        is_over = False
        try:
            result = yield
            is_over = True
            return result
        except (session.Failed, session.Interrupted):  # `-x`, also from xdist; not Ctrl-C
            is_over = True
            raise
        finally:
            for key in tuple(self._unrecorded):
                self._record_spread(key)
            for group in tuple(self._groups.values()):
                if group is not None:
                    self._settle(group)
            self._settle_pending_ones(is_over=is_over)
            self._judge_images()

    def _settle_pending_ones(self, *, is_over: bool) -> None:
        """Settle the verdicts that wait: at once if the run is broken off, also while it waits."""
        replayer = self._replayer
        try:
            if replayer is not None:
                for pending in replayer.finish() if is_over else replayer.give_up():
                    self._settle_pending(pending)
        finally:
            if self._waiting:
                self._settle_unheld()

    def _settle_unheld(self) -> None:
        """Settle what Ctrl-C kept from being held, or from being waited for."""
        from pytest_multiarch.plugin.replaying import Pending, give_up

        if self._replayer is not None:
            for pending in self._replayer.give_up():
                self._settle_pending(pending)
        for place, verdict in tuple(self._waiting.items()):
            self._settle_pending(give_up(Pending(place, verdict, {})))

    def _judge_images(self) -> None:
        """Judge what was seen of images once all their platforms had their turn."""
        if not self._inspected:
            return
        from pytest_multiarch.core.inspected import judge_images

        verdicts = (*self._verdicts, *self._spread.values())
        beside = {member.node_id: each for each in verdicts for member in each.members}
        members = (member for each in verdicts for member in each.members)
        self._images = judge_images([self._inspected], members)
        for image in self._images:
            self._emitter.emit_image(image, beside.get(image.place))

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self) -> Generator[None, object, object]:
        """Report a wide fixture whose teardown raises after `-x` stopped at a verdict.

        pytest itself tears down with the test that stops a run. A verdict comes after its tests,
        so what is left is torn down here, where an exception would take the summary with it.
        """
        try:
            return (yield)
        except (Exception, pytest.fail.Exception) as error:
            if not self._emitter.has_stopped:
                raise
            self._emitter.report_teardown(error)
            return None

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> Any:
        """Give a verdict's report its own word."""
        word = getattr(report, VERDICT_ATTRIBUTE, None)
        if word is None or report.outcome != "failed":  # `rerun`, where a plugin repeats it
            return None
        if report.when != "call":
            return "", "", ""
        return "failed", LETTERS[word], (word, {"red": True})

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what was compared, what was not, and how each platform ran."""
        self._is_summed_up = True
        lines = self._sum_up()
        if lines:
            terminalreporter.write_sep("=", "platforms")
            for line in lines:
                terminalreporter.write_line(line)

    def pytest_unconfigure(self) -> None:
        """Say it even where the terminal's own summary is off; nothing private is left behind."""
        if self._folder:
            from pytest_multiarch.files.recipe_file import RecipeFolder

            RecipeFolder(Path(self._folder)).remove()
        if self._guard is not None:
            self._guard.stop()
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if not self._is_summed_up and reporter is not None:
            for line in self._sum_up():
                reporter.write_line(line)

    def _is_whole_run(self) -> bool:
        """Whether all tests there are ran on all their platforms."""
        option, session = self._config.option, self._emitter.session
        is_stopped = session is not None and bool(session.shouldstop or session.shouldfail)
        is_narrowed = any(getattr(option, name, None) for name in _NARROWING)
        is_of_all = self._config.args_source is not pytest.Config.ArgsSource.ARGS
        settings = self._state.settings
        is_selected = bool(settings.selected or settings.selected_images)
        return is_of_all and not (is_narrowed or is_stopped or is_selected)

    def _sum_up(self) -> tuple[str, ...]:
        option = self._config.option
        result = (self._recording.result,) if self._recording and self._recording.result else ()
        has_tests = bool(self._verdicts or self._spread or option.multiarch_platforms)
        if option.collectonly or option.multiarch_merge or not has_tests:
            return result
        from pytest_multiarch.plugin.ci import open_log
        from pytest_multiarch.reports.account import list_present
        from pytest_multiarch.reports.builds import list_builds
        from pytest_multiarch.reports.images import list_images
        from pytest_multiarch.reports.overhead import list_costs, list_exceeded
        from pytest_multiarch.reports.summary import Layout, list_summary

        settings = self._state.settings
        width = self._config.get_terminal_writer().fullwidth
        layout = Layout(width=width, verbosity=self._config.get_verbosity())
        verdicts = (*self._verdicts, *self._spread.values())
        wrong, *images = list_images(
            self._images, is_failing=settings.parity == "fail", layout=layout
        )
        sections = list_summary(
            verdicts,
            selected=settings.selected,
            parity=settings.parity,
            layout=layout,
            durations=self._config.getoption("--multiarch-durations"),
            wall_s=time.perf_counter() - self._begun_s,
            beside=list_present((list_exceeded(verdicts, layout=layout), wrong)),
            is_whole=self._is_whole_run(),
        )
        costs = list_costs(verdicts, layout=layout)
        builds = list_builds(self._builds.values(), layout=layout)
        beside = list_present((*builds, *images, _list_retried(verdicts)))
        parts = [*sections, *costs, *beside]
        return *open_log(self._config).write(parts), *result


_NARROWING = ("keyword", "markexpr", "deselect", "lf", "stepwise", "ignore", "ignore_glob")


def _forget_observations(verdict: Verdict) -> Verdict:
    """Keep of a settled verdict what a summary says: outputs can be large, and groups many."""
    if not any(each.observations for each in verdict.members):
        return verdict
    kept = {each.platform: each.forget_observations() for each in verdict.members}
    return replace(
        verdict,
        members=tuple(kept.values()),
        compared=tuple(kept[each.platform] for each in verdict.compared),
        differences=tuple(each.shrink() for each in verdict.differences),
        unstable=tuple(each.shrink() for each in verdict.unstable),
        emulated=tuple(each.shrink() for each in verdict.emulated),
        allowed=tuple(
            replace(each, difference=each.difference.shrink()) for each in verdict.allowed
        ),
    )


def _list_retried(verdicts: Iterable[Verdict]) -> Section:
    """Count the calls that were made once more since a crash of the emulator comes and goes."""
    from pytest_multiarch.reports.account import Section
    from pytest_multiarch.reports.diff import clean

    lines = tuple(
        f"{clean(member.node_id)}: {len(member.retried)} "
        f"call{'s' if len(member.retried) > 1 else ''}, {', '.join(dict.fromkeys(member.retried))}"
        for verdict in verdicts
        for member in verdict.members
        if member.retried
    )
    return Section("made once more after a crash of the emulator that comes and goes", lines)
