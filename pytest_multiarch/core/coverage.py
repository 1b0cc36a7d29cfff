"""Whether a CI workflow still runs every platform that tests have, each on its runner."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.matrix import BUILT_IN_RUNNER
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.workflow import UNKNOWN, Job, computes_matrix, list_jobs

if TYPE_CHECKING:
    from pytest_multiarch.core.matrix import MatrixRow
    from pytest_multiarch.core.settings import Runners

_PLATFORMS = re.compile(r"--multiarch-platforms(?:=|\s+)(['\"]?)([^\s'\"]+)")
_IMAGES = re.compile(r"--multiarch-image(?:=|\s+)(['\"]?)([^\s'\"=]+)(?=['\"\s]|$)")
_RUNS_TESTS = re.compile(r"\b(?:pytest|tox|nox)\b")
_INSTALLS = re.compile(r"\binstall\b[^\n;&|]*")
_UNREAD = "which platforms it runs cannot be read from the file; it does not count"
_KEYS = re.compile(r"platform|arch", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What was found: `gaps` are failures, `notes` are worth saying; both are lines of text."""

    gaps: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """A platform as one job runs it; no images means all of them."""

    job: Job
    platform: Platform
    images: tuple[str, ...]


def check_coverage(
    rows: Sequence[MatrixRow], runners: Runners, documents: Sequence[object]
) -> Coverage:
    """Compare the rows that are needed with the jobs of workflow files, all taken together.

    A workflow that calls `pytest-multiarch matrix` covers everything. Otherwise a job counts if it
    gives pytest `--multiarch-platforms`, or if it calls pytest, tox or nox and its matrix has
    platforms.

    Raises:
        UsageError: a matrix is absurdly large.
    """
    if computes_matrix(documents):
        return Coverage(notes=("the workflow computes its matrix: it covers every platform",))
    jobs = list_jobs(documents)
    runs = [run for job in jobs for run in _list_runs(job)]
    gaps = [gap for row in rows for gap in _find_gaps(row, runs, runners)]
    needed = {row.platform for row in rows}
    extra = dict.fromkeys(run.platform for run in runs if run.platform not in needed)
    unread = dict.fromkeys(job.name for job in jobs if _has_unknown_platform(job))
    notes = [f"{platform}: a job runs it, and no test does" for platform in extra]
    notes += [f"job {name}: {_UNREAD}" for name in unread]
    if any(isinstance(each, Mapping) and "include" in each for each in documents):
        notes.append("what the workflow includes is not read: --check those files too")
    return Coverage(gaps=tuple(gaps), notes=tuple(notes))


def _find_gaps(row: MatrixRow, runs: Iterable[_Run], runners: Runners) -> Iterator[str]:
    found = [run for run in runs if run.platform == row.platform]
    found = [run for run in found if not row.image or not run.images or row.image in run.images]
    if not found:
        yield f"{row.title}: no job runs it ({row.tests} test{'s'[: row.tests != 1]})"
    elif all(_is_wrong_runner(run, runners) for run in found):
        expected = ", ".join(runners.by_platform.get(row.platform, runners.default))
        for run in {run.job.name: run for run in found}.values():
            actual = ", ".join(run.job.runner or ()) or "any runner"
            yield f"{row.title}: job {run.job.name} runs it on {actual}, not on {expected}"


def _is_wrong_runner(run: _Run, runners: Runners) -> bool:
    """Whether a job is on another runner than the settings say; what they do not say is right."""
    actual = {label.lower() for label in run.job.runner or ()}
    if any(UNKNOWN in label for label in actual):
        return False
    named = runners.by_platform.get(run.platform)
    if named is None and runners.default == BUILT_IN_RUNNER:
        others = [set(map(str.lower, labels)) for labels in runners.by_platform.values()]
        return actual in others and actual != set(BUILT_IN_RUNNER)
    return not {label.lower() for label in named or runners.default} <= actual


def _list_runs(job: Job) -> Iterator[_Run]:
    images = tuple(match[2] for match in _IMAGES.finditer(job.text))
    for platform in dict.fromkeys(_list_platforms(job)):
        yield _Run(job=job, platform=platform, images=images)


def _list_platforms(job: Job) -> Iterator[Platform]:
    named = [match[2] for match in _PLATFORMS.finditer(job.text)]
    if named:
        for text in named:
            yield from _parse(text.split(","))
    elif _RUNS_TESTS.search(_INSTALLS.sub("", job.text)):
        yield from _parse(_list_matrix_words(job.combination))


def _list_matrix_words(values: Mapping[str, Any]) -> Iterator[str]:
    """Give what may be a platform: it has a slash, or its key says so."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _list_matrix_words(value)
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and ("/" in text or _KEYS.search(str(key))):
                yield from text.split(",")


def _parse(words: Iterable[str]) -> Iterator[Platform]:
    for word in words:
        try:
            yield Platform.parse(word)
        except UsageError:  # a matrix has other values too
            continue


def _has_unknown_platform(job: Job) -> bool:
    return any(UNKNOWN in match[2] for match in _PLATFORMS.finditer(job.text))
