"""CI workflows as they are written: which jobs there are, with which matrix and which lines.

Only what decides on which platform and runner tests run is read, from GitHub Actions (`jobs:`) and
GitLab CI. Expressions are replaced where the matrix or variables of the same file say their value.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_multiarch.core.errors import UsageError

Combination = Mapping[str, Any]
"""The values of a matrix for one job."""

_MOST_JOBS = 1000
_LONGEST_TEXT = 1 << 20
_DEEPEST_EXTENDS = 20
_SCRIPTS = ("before_script", "script", "after_script")
_NOT_JOBS = {
    "cache", "default", "image", "include", "services", "spec", "stages", "variables", "workflow",
}  # fmt: skip
_MATRIX = re.compile(r"\$\{\{\s*matrix\.([\w.-]+)\s*\}\}")
_ENV = re.compile(r"\$\{\{\s*env\.(\w+)\s*\}\}|\$\{(\w+)\}|\$(\w+)")
_UNKNOWN = re.compile(
    r"\$\{\{[^}\n]{0,200}\}\}|\$\([^)\n]{0,200}\)|\$\[\[[^]\n]{0,200}\]\]|\$\{\w+\}|\$\w+"
)
_COMPUTES = re.compile(r"\bpytest-multiarch +matrix\b")
UNKNOWN = "\N{REPLACEMENT CHARACTER}"
"""Stands in texts where there was an expression whose value is not in the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job for one combination of its matrix; expressions are replaced in `text` and `runner`.

    `text` is what its shell runs and the pytest options in its variables. `runner` are the labels
    or tags, None if it has none.
    """

    name: str
    combination: Combination
    text: str
    runner: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """A job as it stands in the file."""

    name: str
    combinations: tuple[Combination, ...]
    lines: tuple[str, ...]
    variables: Mapping[str, str]
    runner: object
    sets_variables: bool = False
    """Whether the values of the matrix are variables of the shell, as on GitLab."""


def computes_matrix(documents: Sequence[object]) -> bool:
    """Whether a job of a workflow calls `pytest-multiarch matrix`, other than to check."""
    lines = [line for job in _list_written(documents) for line in job.lines]
    return any(_COMPUTES.search(line) and "--check" not in line for line in lines)


def list_jobs(documents: Sequence[object]) -> tuple[Job, ...]:
    """Give all jobs of the documents of a workflow file.

    Raises:
        UsageError: a matrix has more jobs than any service takes.
    """
    jobs = [(job, each) for job in _list_written(documents) for each in job.combinations]
    if len(jobs) > _MOST_JOBS:
        raise _refuse_size()
    return tuple(_fill(job, each) for job, each in jobs)


def _fill(job: _Written, combination: Combination) -> Job:
    def fill(text: str) -> str:
        text = _replace(_MATRIX, text, lambda found: _look_up(combination, found[1]))
        for _ in range(3):  # variables may name others
            text = _replace(_ENV, text, lambda found: _find_variable(variables, found))
            text = _replace(_MATRIX, text, lambda found: _look_up(combination, found[1]))
        return _UNKNOWN.sub(UNKNOWN, text)

    variables = dict(job.variables)
    if job.sets_variables:
        variables |= {key: each for key, each in combination.items() if isinstance(each, str)}
    options = variables.get("PYTEST_ADDOPTS", "")
    return Job(
        name=job.name,
        combination=combination,
        text=fill("\n".join((*job.lines, options))),
        runner=_read_runner(job.runner, combination, fill),
    )


def _replace(pattern: re.Pattern[str], text: str, find: Callable[[re.Match[str]], str]) -> str:
    length = len(text)

    def take(found: re.Match[str]) -> str:
        nonlocal length
        value = find(found)
        length += len(value)
        if length > _LONGEST_TEXT:
            raise UsageError("a job's script is longer than 1 MiB once its variables are filled in")
        return value

    return pattern.sub(take, text)


def _look_up(combination: Combination, path: str) -> str:
    value: Any = combination
    for word in path.split("."):
        value = value.get(word) if isinstance(value, Mapping) else None
    if isinstance(value, list):
        return ",".join(map(str, value))
    return value if isinstance(value, str) else UNKNOWN


def _find_variable(variables: Mapping[str, str], found: re.Match[str]) -> str:
    name = found[1] or found[2] or found[3]
    return variables.get(name, found[0])


def _read_runner(
    value: object, combination: Combination, fill: Callable[[str], str]
) -> tuple[str, ...] | None:
    """Read `runs-on` or `tags`: a text, a list, or a mapping with `labels`."""
    if isinstance(value, Mapping):
        value = value.get("labels")
    if isinstance(value, str):
        found = _MATRIX.fullmatch(value.strip())
        value = _look_up(combination, found[1]).split(",") if found else [value]
    if not isinstance(value, list) or not value:
        return None
    return tuple(fill(str(each)) for each in value)


def _list_written(documents: Iterable[object]) -> Iterator[_Written]:
    for document in documents:
        if not isinstance(document, Mapping):
            continue
        if isinstance(document.get("jobs"), Mapping):
            yield from _list_github(document)
        else:
            yield from _list_gitlab(document)


def _list_github(document: Mapping[str, Any]) -> Iterator[_Written]:
    shared = _read_variables(document.get("env"))
    for name, job in document["jobs"].items():
        if not isinstance(job, Mapping):
            continue
        steps = [each for each in _listed(job.get("steps")) if isinstance(each, Mapping)]
        variables = {**shared, **_read_variables(job.get("env"))}
        for step in steps:
            variables |= _read_variables(step.get("env"))
        strategy = job.get("strategy")
        matrix = strategy.get("matrix") if isinstance(strategy, Mapping) else None
        yield _Written(
            name=str(name),
            combinations=expand_github_matrix(matrix) if isinstance(matrix, Mapping) else ({},),
            lines=tuple(_split_lines(step.get("run") for step in steps)),
            variables=variables,
            runner=job.get("runs-on"),
        )


def expand_github_matrix(matrix: Mapping[str, Any]) -> tuple[Combination, ...]:
    """Give the combinations of `strategy.matrix`, with its `exclude` and `include`.

    An entry of `include` goes to each combination none of whose own values it would change, and is
    a combination of its own if there is none (GitHub's "Running variations of jobs").
    """
    own = {
        k: v for k, v in matrix.items() if k not in ("include", "exclude") and isinstance(v, list)
    }
    combinations = _multiply(own) if own else []
    for excluded in _list_mappings(matrix.get("exclude")):
        combinations = [each for each in combinations if not _agrees(each, excluded, excluded)]
    added: list[dict[str, Any]] = []
    extended = [dict(each) for each in combinations]
    for included in _list_mappings(matrix.get("include")):
        shared = own.keys() & included.keys()
        fitting = [each for each in extended if _agrees(each, included, shared)]
        for each in fitting:
            each.update(included)
        if not fitting:
            added.append(dict(included))
    return (*extended, *added)


def _agrees(combination: Combination, other: Combination, keys: Iterable[str]) -> bool:
    return all(key in combination and combination[key] == other[key] for key in keys)


def _list_gitlab(document: Mapping[str, Any]) -> Iterator[_Written]:
    default = document.get("default")
    default = default if isinstance(default, Mapping) else {}
    shared = _read_variables(document.get("variables"))
    for name, value in document.items():
        if name in _NOT_JOBS or str(name).startswith(".") or not isinstance(value, Mapping):
            continue
        job = {**default, **_extend(value, document)}
        lines = [line for key in _SCRIPTS for line in _split_lines([job.get(key)])]
        parallel = job.get("parallel")
        matrix = parallel.get("matrix") if isinstance(parallel, Mapping) else None
        yield _Written(
            name=str(name),
            combinations=expand_gitlab_matrix(matrix) if isinstance(matrix, list) else ({},),
            lines=tuple(lines),
            variables={**shared, **_read_variables(job.get("variables"))},
            runner=job.get("tags"),
            sets_variables=True,
        )


def expand_gitlab_matrix(matrix: Sequence[Any]) -> tuple[Combination, ...]:
    """Give the combinations of `parallel:matrix`, a list of mappings from variables to values."""
    combinations: list[Combination] = []
    for entry in _list_mappings(matrix):
        combinations += _multiply({key: _listed(value) for key, value in entry.items()})
    return tuple(combinations)


def _multiply(lists: Mapping[str, list[Any]]) -> list[Combination]:
    if math.prod(map(len, lists.values())) > _MOST_JOBS:
        raise _refuse_size()
    return [dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values())]


def _refuse_size() -> UsageError:
    return UsageError(
        f"the workflow has more than {_MOST_JOBS} jobs",
        cure="GitHub runs 256 jobs of a matrix at most, GitLab 200",
    )


def _extend(job: Mapping[str, Any], document: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
    """Lay a GitLab job over the jobs it extends; mappings are merged, the rest is replaced."""
    merged: dict[str, Any] = {}
    if depth < _DEEPEST_EXTENDS:
        for name in _listed(job.get("extends")):
            base = document.get(name) if isinstance(name, str) else None
            if isinstance(base, Mapping):
                merged = _merge(merged, _extend(base, document, depth + 1))
    return _merge(merged, job)


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            merged[key] = {**old, **value}
        else:
            merged[key] = value
    return merged


def _split_lines(scripts: Iterable[object]) -> Iterator[str]:
    """Give the lines of scripts, which may be nested lists; comments left out, `\\` joined."""
    for script in scripts:
        if isinstance(script, list):
            yield from _split_lines(script)
        elif isinstance(script, str):
            for line in re.sub(r"\\\n\s*", " ", script).splitlines():
                if not line.lstrip().startswith("#"):
                    yield line


def _read_variables(value: object) -> dict[str, str]:
    """Read variables: texts, or GitLab's mappings with a `value`."""
    if not isinstance(value, Mapping):
        return {}
    found = {k: v.get("value") if isinstance(v, Mapping) else v for k, v in value.items()}
    return {str(key): each for key, each in found.items() if isinstance(each, str)}


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _list_mappings(value: object) -> list[Mapping[str, Any]]:
    return [each for each in _listed(value) if isinstance(each, Mapping)]
