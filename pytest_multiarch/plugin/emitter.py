"""How a verdict becomes a failure that pytest, its plugins and its readers understand."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_multiarch.core.parity import Verdict, VerdictKind
from pytest_multiarch.core.settings import Settings
from pytest_multiarch.reports.divergence import describe_not_compared, render_divergence

ATTRIBUTE = "multiarch_verdict"
DIVERGED, UNCOMPARED = "DIVERGED", "UNCOMPARED"
_LETTERS = {DIVERGED: "D", UNCOMPARED: "U"}


class ReprCrash:
    """Where a failure stands, and its first line: what `-ra`, JUnit and IDEs show of it."""

    def __init__(self, path: str, lineno: int, message: str) -> None:
        self.path = path
        self.lineno = lineno
        self.message = message


class VerdictRepr:
    """The text of a verdict in the form that pytest and report plugins expect of a failure."""

    def __init__(self, path: str, lineno: int, headline: str, text: str) -> None:
        self.reprcrash = ReprCrash(path, lineno, headline)
        self._text = text

    def toterminal(self, tw: Any) -> None:
        """Write the whole text."""
        for line in self._text.splitlines():
            tw.line(line, red=line.startswith("-"), green=line.startswith("+"))

    def __str__(self) -> str:
        return self._text


class Emitter:
    """Reports settled verdicts."""

    def __init__(self, settings: Settings, config: pytest.Config) -> None:
        self._settings = settings
        self._config = config
        self.session: pytest.Session | None = None

    def emit(self, verdict: Verdict) -> None:
        """Report a verdict, if it is a failure."""
        if verdict.kind is VerdictKind.DIVERGED and self._settings.parity == "fail":
            headline, text = render_divergence(verdict)
            if self._settings.blame == "members":
                for node_id in verdict.list_deviating():
                    self._report(node_id, DIVERGED, headline, text)
            else:
                self._report(verdict.group, DIVERGED, headline, text)
            self._mark_failed(verdict)
        elif verdict.is_vacuous and self._settings.strict:
            text = describe_not_compared(verdict)
            self._report(verdict.group, UNCOMPARED, text, text)
            self._mark_failed(verdict)
        elif verdict.kind is VerdictKind.FAILED_APART:
            self._mark_failed(verdict)

    def _report(self, node_id: str, word: str, headline: str, text: str) -> None:
        """Send the three reports of a test, as if one of this id had run and failed.

        LFPlugin and Stepwise do not get them: they would remember an id that can't be collected.
        """
        assert self.session is not None
        path, _, domain = node_id.partition("::")
        location = (path, 0, domain.replace("::", "."))
        manager = self._config.pluginmanager
        strangers = [manager.get_plugin(name) for name in ("lfplugin", "stepwiseplugin")]
        log = manager.subset_hook_caller(
            "pytest_runtest_logreport", [each for each in strangers if each is not None]
        )
        self.session.testscollected += 1  # else progress passes 100 %
        for when in ("setup", "call", "teardown"):
            failed = when == "call"
            report = pytest.TestReport(
                nodeid=node_id,
                location=location,
                keywords={},
                outcome="failed" if failed else "passed",
                longrepr=VerdictRepr(path, 0, headline, text) if failed else None,  # type: ignore[arg-type]
                when=when,  # type: ignore[arg-type]
            )
            setattr(report, ATTRIBUTE, word)
            log(report=report)
        self._pass_on_stop()

    def _pass_on_stop(self) -> None:
        """Under xdist `-x` and `--maxfail` are counted by the controller's own loop."""
        assert self.session is not None
        distribution = self._config.pluginmanager.get_plugin("dsession")
        if self.session.shouldfail and distribution is not None and not distribution.shouldstop:
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

    def name_status(self, report: pytest.TestReport) -> Any:
        """Give category, letter and word of a verdict's report; None for others."""
        word = getattr(report, ATTRIBUTE, None)
        if word is None:
            return None
        if report.when != "call":
            return "", "", ""
        return "failed", _LETTERS[word], (word, {"red": True})
