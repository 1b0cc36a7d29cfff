"""`pytest --multiarch-merge`: records judged in a pytest session, each group a test of its own.

So every option and every report plugin of pytest works on the groups of merged records. No file
is collected: the session collects the groups, which need neither sources nor images.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.outcomes import Failed

from pytest_multiarch.core.errors import RecordError
from pytest_multiarch.core.merging import (
    Judgement,
    find_mismatches,
    is_failure,
    judge_record,
    list_missing,
    merge_records,
    name_runs,
)
from pytest_multiarch.core.parity import Verdict, VerdictKind
from pytest_multiarch.files.record_file import read_record
from pytest_multiarch.files.record_search import find_records
from pytest_multiarch.plugin.ci import open_log
from pytest_multiarch.plugin.emitter import VerdictRepr
from pytest_multiarch.plugin.failing import fail_budgets
from pytest_multiarch.plugin.options import find_service
from pytest_multiarch.plugin.reports import IMAGE, VERDICT_ATTRIBUTE, make_locator
from pytest_multiarch.plugin.tracking import JUDGED, DivergedError, UncomparedError
from pytest_multiarch.reports.account import name_result
from pytest_multiarch.reports.diff import clean
from pytest_multiarch.reports.divergence import render_divergence
from pytest_multiarch.reports.failure import render_failure, render_foreign_failure
from pytest_multiarch.reports.images import render_image
from pytest_multiarch.reports.merged import render_overview
from pytest_multiarch.reports.mismatch import explain_mismatches, name_overrides
from pytest_multiarch.reports.wording import (
    describe_member_outcome,
    explain_not_compared,
    name_platforms,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_multiarch.core.budgets import JudgedBudget
    from pytest_multiarch.core.inspected import ImageVerdict
    from pytest_multiarch.core.member import Member
    from pytest_multiarch.core.merging import ForeignFailure
    from pytest_multiarch.core.record import IdleGroup

_OPTION = "--multiarch-merge"
_IGNORE = "--multiarch-ignore-mismatch"
_STRANGERS = ("lfplugin", "nfplugin")


def start_merging(
    config: pytest.Config, *, is_strict: bool, fails_unstable: bool = False
) -> Merging:
    """Read and judge the records that are given, and have the session collect their groups.

    Raises:
        pytest.UsageError: they cannot be used, or something else is asked for beside them.
    """
    _refuse_company(config)
    given = [config.invocation_params.dir / each for each in config.getoption(_OPTION)]
    try:
        paths = find_records(given)
        judgement = _judge(config, paths, is_strict=is_strict, fails_unstable=fails_unstable)
    except RecordError as error:
        raise pytest.UsageError(f"pytest-multiarch: {error}") from None
    config.args = []
    for name in _STRANGERS:  # they would remember groups, which no later session can collect
        if config.pluginmanager.has_plugin(name):
            config.pluginmanager.unregister(name=name)
    return Merging(config, paths, judgement)


def _refuse_company(config: pytest.Config) -> None:
    if config.getoption("dist", "no") != "no":
        raise pytest.UsageError(f"{_OPTION}: judging takes one process; leave out -n, or give -n 0")
    if config.getoption("--multiarch-record"):
        raise pytest.UsageError(
            f"{_OPTION}: no test runs that --multiarch-record could record\n"
            "to write the merged record: pytest-multiarch merge RECORD... --record FILE"
        )
    if config.args_source is pytest.Config.ArgsSource.ARGS:
        raise pytest.UsageError(
            f"{_OPTION}: {' '.join(config.args)}: no test is collected beside records\n"
            f"give the records after {_OPTION}, and select groups with -k"
        )


def _judge(
    config: pytest.Config, paths: Sequence[Path], *, is_strict: bool, fails_unstable: bool
) -> Judgement:
    record = merge_records(read_record(path) for path in paths)
    ignored = config.getoption(_IGNORE)
    mismatches = [each for each in find_mismatches(record) if each.kind.value not in ignored]
    if mismatches:
        raise RecordError(explain_mismatches(mismatches), cure=name_overrides(mismatches, _IGNORE))
    return judge_record(record, is_strict=is_strict, fails_unstable=fails_unstable)


@dataclass(frozen=True, slots=True)
class _Shared:
    """What all groups of merged records know: names of runs by id, failed twins by group."""

    runs: Mapping[str, str]
    failed_twins: Mapping[str, tuple[Member, ...]]
    budgets: Mapping[str, tuple[JudgedBudget, ...]]
    is_strict: bool

    @classmethod
    def of(cls, judgement: Judgement) -> _Shared:
        """Gather it."""
        twins: dict[str, tuple[Member, ...]] = {}
        for each in judgement.failed_twins:
            twins[each.group] = (*twins.get(each.group, ()), each)
        budgets: dict[str, tuple[JudgedBudget, ...]] = {}
        for judged in judgement.broken_budgets:
            name = judged.member.group
            budgets[name] = (*budgets.get(name, ()), judged)
        return cls(name_runs(judgement.record.runs), twins, budgets, judgement.is_strict)

    def is_uncompared(self, verdict: Verdict) -> bool:
        """Whether it fails a group that it was not compared with all its platforms."""
        return bool(list_missing(verdict)) or (self.is_strict and verdict.is_vacuous)

    def explain_skip(self, subject: Verdict | IdleGroup) -> str:
        """Say why a group is neither good nor bad; empty if it is either."""
        if not isinstance(subject, Verdict) or is_failure(subject) or self.is_uncompared(subject):
            return ""
        if subject.group in self.budgets:
            return ""
        if subject.kind is VerdictKind.NOT_COMPARED:
            return explain_not_compared(subject)
        has_passed = any(each.outcome.is_comparable for each in subject.members)
        return "" if has_passed else "; ".join(map(describe_member_outcome, subject.members))


class _MergedTest(pytest.Item):
    """A test of merged records, which shows no more than the text of its failure."""

    _line = 0

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any) -> Any:
        """Show the text alone, its first line as the message."""
        if not isinstance(excinfo.value, pytest.fail.Exception):
            return super().repr_failure(excinfo, *args)
        text = str(excinfo.value)
        path = self.nodeid.partition("::")[0]
        service = find_service(self.config)
        return VerdictRepr(path, self._line, text.partition("\n")[0], text, service=service)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Give where the test stood, which need not be here."""
        path, _, inside = self.nodeid.partition("::")
        place = inside.replace("::", ".") or path
        return self.config.rootpath / path, max(self._line - 1, 0), place


class MergedGroup(_MergedTest):
    """A group of merged records; it passes, or fails, as its verdict does."""

    def __init__(self, *, subject: Verdict | IdleGroup, shared: _Shared, **rest: Any) -> None:
        super().__init__(**rest)
        self._subject = subject
        self._shared = shared
        self._line = subject.members[0].line if isinstance(subject, Verdict) else 0
        why = shared.explain_skip(subject)
        if why:
            self.add_marker(pytest.mark.skip(reason=why))

    def runtest(self) -> None:
        """Say what became of the group."""
        if isinstance(self._subject, Verdict):
            self._judge(self._subject)
            return
        declared = name_platforms(self._subject.declared)
        raise UncomparedError(f"no job ran it on any of its platforms: {declared}", pytrace=False)

    def _judge(self, verdict: Verdict) -> None:
        if verdict.kind is VerdictKind.DIVERGED:
            locate = make_locator(self.config)
            raise DivergedError(render_divergence(verdict, locate=locate)[1], pytrace=False)
        failed = tuple(each for each in verdict.members if each.has_failed)
        failed += self._shared.failed_twins.get(verdict.group, ())
        if failed:
            pytest.fail(render_failure(verdict, failed, self._shared.runs), pytrace=False)
        fail_budgets(self._shared.budgets.get(verdict.group, ()), is_strict=self._shared.is_strict)
        if self._shared.is_uncompared(verdict):
            raise UncomparedError(explain_not_compared(verdict), pytrace=False)


class ForeignTest(_MergedTest):
    """A failed test of merged records that does not run on platforms; it fails again."""

    def __init__(self, *, failure: ForeignFailure, run: str, **rest: Any) -> None:
        super().__init__(**rest)
        self._failure = failure
        self._run = run

    def runtest(self) -> None:
        """Say why it failed, and in which run."""
        pytest.fail(render_foreign_failure(self._failure, self._run), pytrace=False)


class WrongImageError(Failed):
    """An image is not in order."""

    __module__ = "builtins"  # as pytest's own: the name alone is shown
    word = IMAGE


class MergedImage(_MergedTest):
    """An image of merged records that is not in order; it fails again."""

    def __init__(self, *, verdict: ImageVerdict, **rest: Any) -> None:
        super().__init__(**rest)
        self._verdict = verdict

    def runtest(self) -> None:
        """Say what is wrong with it."""
        raise WrongImageError(render_image(self._verdict), pytrace=False)


def _make_id(group: str) -> str:
    """Give a group's id as pytest can have it: records can come from anywhere."""
    return clean(group).replace("::()", "::( )") or "(no name)"


class Merging:
    """Has a session collect groups in the place of files, and sums up."""

    def __init__(
        self, config: pytest.Config, paths: tuple[Path, ...], judgement: Judgement
    ) -> None:
        self._config = config
        self._paths = paths
        self._judgement = judgement

    def judge(self) -> Judgement:
        """Give what the records come to."""
        return self._judgement

    def list_members(self) -> tuple[Member, ...]:
        """Give all members of the records."""
        return self._judgement.record.members

    def pytest_report_header(self) -> list[str]:
        """Say which records are judged."""
        return [f"record: {each}" for each in self._paths]

    @pytest.hookimpl(tryfirst=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> pytest.CollectReport | None:
        """Collect the groups, the failed tests that are in none, and nothing else."""
        if not isinstance(collector, pytest.Session):
            return None
        items: list[pytest.Item | pytest.Collector] = [*self._make_items(collector)]
        items.sort(key=attrgetter("nodeid"))
        return pytest.CollectReport(
            nodeid=collector.nodeid, outcome="passed", longrepr=None, result=items
        )

    def _make_items(self, parent: pytest.Session) -> Iterator[pytest.Item]:
        shared = _Shared.of(self._judgement)
        subjects: tuple[Verdict | IdleGroup, ...]
        subjects = (*self._judgement.verdicts, *self._judgement.idle)
        for subject in subjects:
            name = _make_id(subject.group)
            yield MergedGroup.from_parent(
                parent, name=name, nodeid=name, subject=subject, shared=shared
            )
        for node_id, failure in self._judgement.foreign_failures.items():
            name, run = _make_id(node_id), shared.runs[failure.run.id]
            yield ForeignTest.from_parent(parent, name=name, nodeid=name, failure=failure, run=run)
        for image in self._judgement.wrong_images:
            name = _make_id(image.name)
            yield MergedImage.from_parent(parent, name=name, nodeid=name, verdict=image)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Give a verdict its own word."""
        report = yield
        error = call.excinfo.value if call.excinfo is not None else None
        if isinstance(error, (*JUDGED, WrongImageError)):
            setattr(report, VERDICT_ATTRIBUTE, error.word)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Fail where all groups passed and yet something is missing: a run that was killed."""
        is_whole = self._judgement.is_complete or self._config.option.collectonly
        if exitstatus == pytest.ExitCode.OK and not is_whole:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what one process says of its platforms, and what is known of the runs."""
        if self._config.option.collectonly:
            return
        terminalreporter.write_sep("=", "platforms")
        *lines, result = render_overview(self._judgement, open_log(self._config))
        for line in lines:
            terminalreporter.write_line(line)
        is_good = name_result(self._judgement) == "parity"
        terminalreporter.write_line(result, green=is_good, red=not is_good)
