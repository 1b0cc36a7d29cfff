"""How a verdict becomes a failure that pytest, its plugins and its readers understand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pytest

from pytest_multiarch.plugin.options import find_service
from pytest_multiarch.plugin.reports import (
    DIVERGED,
    IMAGE,
    OVERBUDGET,
    UNCOMPARED,
    UNDECIDED,
    VERDICT_ATTRIBUTE,
    make_locator,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_multiarch.core.budgets import JudgedBudget
    from pytest_multiarch.core.inspected import ImageVerdict
    from pytest_multiarch.core.parity import Verdict
    from pytest_multiarch.plugin.state import PluginState


_PHASES: tuple[Literal["setup", "call", "teardown"], ...] = ("setup", "call", "teardown")


class ReprCrash:
    """Where a failure stands, and its first line: what `-ra`, JUnit and IDEs show of it."""

    def __init__(self, path: str, lineno: int, message: str) -> None:
        self.path = path
        self.lineno = lineno
        self.message = message


class VerdictRepr:
    """The text of a verdict in the form that pytest and report plugins expect of a failure.

    `service` is the CI service whose log the terminal is.
    """

    def __init__(
        self, path: str, lineno: int, headline: str, text: str, *, service: str = ""
    ) -> None:
        self.reprcrash = ReprCrash(path, lineno, headline)
        self._text = text
        self._service = service

    def toterminal(self, tw: Any) -> None:
        """Write the whole text."""
        from pytest_multiarch.reports.job_log import JobLog

        log = JobLog(self._service)
        for line in self._text.splitlines():
            tw.line(log.show(line), red=line.startswith("-"), green=line.startswith("+"))

    def __str__(self) -> str:
        return self._text


class Emitter:
    """Reports settled verdicts."""

    def __init__(self, state: PluginState, config: pytest.Config) -> None:
        self._state = state
        self._config = config
        self._reported = ""
        self.session: pytest.Session | None = None

    def emit(self, verdict: Verdict) -> None:
        """Report a verdict, if it is a failure."""
        from pytest_multiarch.core.parity import VerdictKind

        settings = self._state.settings
        if verdict.kind is VerdictKind.DIVERGED and settings.parity == "fail":
            from pytest_multiarch.reports.divergence import render_divergence

            locate = make_locator(self._config)
            headline, text = render_divergence(verdict, locate=locate)
            is_on_members = settings.blame == "members"
            for node_id in verdict.list_deviating() if is_on_members else (verdict.group,):
                self._report(node_id, DIVERGED, headline, text)
            self._mark_failed(verdict)
        elif verdict.is_vacuous and settings.strict:
            from pytest_multiarch.reports.wording import describe_not_compared

            why = describe_not_compared(verdict).removeprefix(f"{verdict.group}: ")
            cure = "run all its platforms in one session, or without --multiarch-strict"
            if verdict.emulated:
                cure = "run the platform on native hardware, or without --multiarch-strict"
            self._report(verdict.group, UNCOMPARED, why, f"{why}\n{cure}")
            self._mark_failed(verdict)
        elif any(each.outcome.is_failure for each in verdict.members):
            self._mark_failed(verdict)

    def emit_image(self, verdict: ImageVerdict, beside: Verdict | None = None) -> None:
        """Report what looking at an image came to, if it is a failure.

        `beside` is a group that ran the image: `--lf` runs it again, and so looks again.
        """
        from pytest_multiarch.reports.images import render_image

        settings = self._state.settings
        differs = verdict.open_differences and settings.parity == "fail"
        if verdict.index or differs or (settings.strict and verdict.notes):
            text = render_image(verdict)
            self._report(verdict.name, IMAGE, text.partition("\n")[0], text)
            if beside is not None:
                self._mark_failed(beside)

    def emit_budgets(self, judged: Iterable[JudgedBudget]) -> None:
        """Report the budgets of a group that do not hold; in a strict run also undecided ones."""
        from pytest_multiarch.reports.overhead import render_over_budget, render_undecided

        given = tuple(judged)
        exceeded = [each for each in given if each.is_exceeded]
        still_open = [each for each in given if each.is_open]
        if exceeded:
            headline, text = render_over_budget(exceeded)
            self._report(exceeded[0].member.group, OVERBUDGET, headline, text)
        elif still_open and self._state.settings.strict:
            headline, text = render_undecided(still_open)
            self._report(still_open[0].member.group, UNDECIDED, headline, text)

    def _report(self, node_id: str, word: str, headline: str, text: str) -> None:
        """Send the three reports of a test, as if one of this id had run and failed.

        LFPlugin and Stepwise do not get them: they would remember an id that can't be collected.
        """
        path, _, domain = node_id.partition("::")
        location = (path, 0, domain.replace("::", "."))
        failure = VerdictRepr(path, 0, headline, text, service=find_service(self._config))
        manager = self._config.pluginmanager
        strangers = [manager.get_plugin(name) for name in ("lfplugin", "stepwiseplugin")]
        log = manager.subset_hook_caller(
            "pytest_runtest_logreport", [each for each in strangers if each is not None]
        )
        if self.session is not None:
            self.session.testscollected += 1  # else progress passes 100 %
        for when in _PHASES:
            failed = when == "call"
            report = pytest.TestReport(
                nodeid=node_id,
                location=location,
                keywords={},
                outcome="failed" if failed else "passed",
                longrepr=failure if failed else None,  # type: ignore[arg-type]
                when=when,
            )
            setattr(report, VERDICT_ATTRIBUTE, word)
            log(report=report)
        self._reported = node_id

    @property
    def has_stopped(self) -> bool:
        """Whether the run was stopped (`-x`, `--maxfail`), and verdicts were among the failures."""
        return bool(self._reported and self.session is not None and self.session.shouldfail)

    def report_teardown(self, error: BaseException) -> None:
        """Report an error in a teardown after the last verdict."""
        info = pytest.ExceptionInfo.from_exception(error)
        report = pytest.TestReport(
            nodeid=self._reported,
            location=(self._reported.partition("::")[0], 0, self._reported),
            keywords={},
            outcome="failed",
            longrepr=info.getrepr(style="short"),
            when="teardown",
        )
        self._config.hook.pytest_runtest_logreport(report=report)

    def pass_on_stop(self) -> None:
        """Have xdist stop for `-x` and `--maxfail`: it counts the reports of its workers only."""
        distribution = self._config.pluginmanager.get_plugin("dsession")
        if not self.has_stopped or self.session is None or distribution is None:
            return
        if not distribution.shouldstop:
            distribution.shouldstop = self.session.shouldfail

    def _mark_failed(self, verdict: Verdict) -> None:
        """Have `--lf` run the whole group again, and `--sw` resume at its start."""
        manager = self._config.pluginmanager
        node_ids = verdict.list_node_ids()
        for name, marked in (("lfplugin", node_ids), ("stepwiseplugin", node_ids[:1])):
            plugin = manager.get_plugin(name)
            if plugin is None or not hasattr(plugin, "pytest_runtest_logreport"):
                continue
            for node_id in marked:
                plugin.pytest_runtest_logreport(
                    report=pytest.TestReport(
                        nodeid=node_id,
                        location=(node_id.partition("::")[0], 0, node_id),
                        keywords={},
                        outcome="failed",
                        longrepr=None,
                        when="call",
                    )
                )
