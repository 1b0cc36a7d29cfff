"""The record of a run: a journal while it lasts, one document when it has ended."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.core.errors import RecordError
from pytest_multiarch.core.member import Member
from pytest_multiarch.core.merging import judge_record, merge_records
from pytest_multiarch.core.parity import compare_group
from pytest_multiarch.core.record import IdleGroup, Record, describe_verdict
from pytest_multiarch.files.record_file import Journal, name_journal, read_record
from pytest_multiarch.plugin.listing import describe_collected
from pytest_multiarch.plugin.reports import VERDICT_ATTRIBUTE, read_reason
from pytest_multiarch.plugin.surroundings import describe_surroundings
from pytest_multiarch.plugin.worker import COLLECTED_OUTPUT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_multiarch.core.merging import Judgement
    from pytest_multiarch.core.parity import Verdict
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.plugin.state import PluginState

_MOST_FAILURES = 1000
_COMPLETE = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)


def start_recording(state: PluginState, config: pytest.Config) -> Recording:
    """Start the record of a run: the one that is asked for, else one for its reports alone.

    Raises:
        pytest.UsageError: it cannot be written.
    """
    name = config.getoption("--multiarch-record")
    try:
        if name:
            return Recording(state, config, (config.invocation_params.dir / name).resolve())
        folder = Path(tempfile.mkdtemp(prefix="pytest-multiarch-"))
        return Recording(state, config, folder / "record.json", is_kept=False)
    except RecordError as error:
        raise pytest.UsageError(f"pytest-multiarch: {error}") from None


class Recording:
    """Keeps the record of a run, in the process that owns the session."""

    def __init__(
        self, state: PluginState, config: pytest.Config, path: Path, *, is_kept: bool = True
    ) -> None:
        """Start the journal. What is not kept goes with its folder when the session is over.

        Raises:
            RecordError: the record cannot be written.
        """
        self._state = state
        self._root = config.rootpath
        self._journal: Journal | None = Journal(path)
        self._path = path
        self._is_kept = is_kept
        self._known: set[str] = set()
        self._sources: set[str] = set()
        self._collected: list[dict[str, Any]] = []
        self._recorded: set[tuple[str, Platform]] = set()
        self._members: set[str] = set()
        self._failures: dict[str, dict[str, Any]] = {}
        self._verdicts: Callable[[], Iterable[Verdict]] = tuple
        self._crashes: Mapping[str, pytest.TestReport] = {}
        self._judgement: Judgement | None = None
        self.result = ""
        """What became of the record, for the summary."""
        self._note(
            id=state.run_id,
            started_at_s=time.time(),
            **describe_surroundings(self._root, os.environ),
        )

    def follow(
        self, *, verdicts: Callable[[], Iterable[Verdict]], crashes: Mapping[str, pytest.TestReport]
    ) -> None:
        """Take from there, when the run has ended, the verdicts, and the reports by id of the tests
        that crashed their workers and are no members so far."""
        self._verdicts = verdicts
        self._crashes = crashes

    def add(self, members: Iterable[Member], news: Mapping[str, Any]) -> None:
        """Note members whose attempt has ended, and what they say of images and nodes."""
        if news:
            self._note(**news)
        for member in members:
            self._note_source(member.node_id)
            self._known.add(member.group)
            self._members.add(member.node_id)
            self._recorded.add((member.group, member.platform))
            self._write(lambda journal, member=member: journal.add_member(member))  # type: ignore[misc]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take down what fails; that of members is known from them."""
        if report.failed and not hasattr(report, VERDICT_ATTRIBUTE):
            outcome = "failed" if report.when == "call" else "error"
            line = (report.location[1] or 0) + 1
            self._failures.setdefault(
                report.nodeid, {"outcome": outcome, "reason": read_reason(report), "line": line}
            )

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Take down what cannot be collected: none of its tests will say so."""
        if report.failed:
            self._failures.setdefault(
                report.nodeid, {"outcome": "error", "reason": read_reason(report)}
            )

    def _list_foreign_failures(self) -> dict[str, dict[str, Any]]:
        foreign = (pair for pair in self._failures.items() if pair[0] not in self._members)
        return dict(itertools.islice(foreign, _MOST_FAILURES))

    def _note_source(self, node_id: str) -> None:
        """Note the text of a test's file, and of the conftest files beside and above it."""
        name = node_id.partition("::")[0]
        if name in self._sources:
            return
        folders = (self._root / name).relative_to(self._root).parents if name else ()
        names = [name, *((folder / "conftest.py").as_posix() for folder in folders)]
        found = {
            each: _digest_source(self._root / each) for each in names if each not in self._sources
        }
        self._sources.update(names)
        self._note(sources={each: digest for each, digest in found.items() if digest})

    def _note(self, **fields: Any) -> None:
        self._write(lambda journal: journal.add_run(fields))

    def _write(self, write: Callable[[Journal], None]) -> None:
        """Write to the journal; a disk that is full must not end the tests."""
        if self._journal is None:
            return
        try:
            write(self._journal)
        except OSError as error:
            self._give_up(f"could not be written any more: {error.strerror}")

    def _give_up(self, why: str) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        self.result = f"the record {self._path} {why}"

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take in what a worker collected: all collect the same."""
        text = getattr(node, "workeroutput", {}).get(COLLECTED_OUTPUT)
        if text and not self._collected:
            self._collected = json.loads(text)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Make the document, before the terminal's summary says where it is."""
        is_complete = exitstatus in _COMPLETE and not session.shouldstop and not session.shouldfail
        self._collected = self._collected or describe_collected(self._state)
        crashed = Record(members=tuple(self._list_crashed()))
        self.add(crashed.members, {})
        self._write(lambda journal: journal.add_idle(self._list_idle()))
        self._note(
            ended_at_s=time.time(),
            ended="complete" if is_complete else "interrupted",
            exit_status=int(exitstatus),
            tests=len(self._recorded),
            failures=self._list_foreign_failures(),
        )
        if self._journal is None:
            return
        try:
            verdicts = (*self._verdicts(), *map(compare_group, crashed.list_groups().values()))
            self._journal.finish(map(describe_verdict, verdicts))
        except RecordError as error:
            self._give_up(f"was not made of its journal {name_journal(self._path)}: {error.what}")
            return
        self._journal = None
        how = "" if is_complete else ", of a run that was interrupted"
        self.result = f"record: {self._path}{how}" if self._is_kept else ""

    def judge(self) -> Judgement:
        """Give what the record comes to, once the session has ended.

        Raises:
            RecordError: it cannot be read any more.
        """
        if self._judgement is None:
            record = merge_records([read_record(self._path)])
            self._judgement = judge_record(
                record,
                is_strict=self._state.settings.strict,
                fails_unstable=self._state.fails_unstable,
            )
        return self._judgement

    def _list_crashed(self) -> Iterable[Member]:
        """Give the members of `variants` tests that crashed: they had no time to say anything."""
        for each in self._collected:
            crash = self._crashes.get(each["group"])
            if crash is not None and each["group"] not in self._known:
                fields = {
                    "node_id": each["group"],
                    "outcome": "crashed",
                    "reason": read_reason(crash),
                    "run": self._state.run_id,
                }
                for platform in each["selected"]:
                    yield Member.from_mapping({**each, **fields, "platform": platform})

    def _list_idle(self) -> Iterable[IdleGroup]:
        for each in self._collected:
            if each["group"] not in self._known:
                yield IdleGroup.from_mapping({**each, "run": self._state.run_id})

    def pytest_unconfigure(self) -> None:
        """Leave the journal of a run that never came to its end."""
        if self._journal is not None:
            self._journal.close()
        if not self._is_kept:
            shutil.rmtree(self._path.parent, ignore_errors=True)


def _digest_source(path: Path) -> str:
    """Digest a file's text; line ends differ between checkouts."""
    try:
        return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
    except OSError:
        return ""
