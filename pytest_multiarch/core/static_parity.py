"""Variants of one image compared without running them: configs, files, packages.

What rightly differs is left out by the tables of `core/static_exclusions.py`; each platform's own
names are taken for the same (`core/names.py`).
"""

from __future__ import annotations

import fnmatch
import json
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.names import is_own_name, mask_own_names, texts_agree
from pytest_multiarch.core.path_pattern import compile_path_pattern
from pytest_multiarch.core.secret_text import hide_in_words, hide_secret
from pytest_multiarch.core.shown_text import show_text
from pytest_multiarch.core.static_exclusions import (
    is_env_left_out,
    is_label_left_out,
    is_package_left_out,
    mask_times,
)
from pytest_multiarch.core.tree_lineup import line_up_trees

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from pytest_multiarch.core.filetree import FileEntry
    from pytest_multiarch.core.packages import Package
    from pytest_multiarch.core.platform import Platform

MISSING = "missing"
_WIDEST = 120
_CONTEXT = 20
_MOST_PATHS = 1000
_REBUILD = re.compile(r"\+b\d+\Z")


class StaticPart(Enum):
    """What is compared; the values are what users write."""

    CONFIG = "config"
    TREE = "tree"
    PACKAGES = "packages"


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticDifference:
    """Something that differs between variants.

    `subject` is what: `Env LANG`, `Entrypoint`, `/etc/app.conf`, `openssl (dpkg)`. `aspect` is in
    which way: `value`, `missing`, `mode`, `owner`, `target`, `content`, `kind`, `version`.
    `values` are phrases, by platform, safe to show; `allowed` is the reason why it may be.
    """

    part: StaticPart
    subject: str
    aspect: str
    values: Mapping[Platform, str] = field(default_factory=dict)
    allowed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticAllowance:
    """What may differ, and why.

    `subject` is a pattern as of file names, all if `*`; one that begins with `/` is of paths, in
    which `*` stays within a folder and `**` crosses them. `part` narrows it, and so do
    `platforms`: the others have to agree.
    """

    subject: str
    reason: str
    part: StaticPart | None = None
    platforms: tuple[Platform, ...] = ()

    def names(self, part: StaticPart, subject: str) -> bool:
        """Tell whether it is about a subject."""
        if self.part not in (None, part):
            return False
        if self.subject.startswith("/"):
            return bool(compile_path_pattern(self.subject).fullmatch(subject))
        return fnmatch.fnmatchcase(subject, self.subject)


class Comparison:
    """Collects in what variants differ from one of them, the baseline."""

    def __init__(
        self,
        part: StaticPart,
        platforms: Iterable[Platform],
        baseline: Platform,
        allow: Sequence[StaticAllowance],
    ) -> None:
        listed = list(platforms)
        self.platforms = tuple(sorted(listed, key=lambda each: (each != baseline, each)))
        self.differences: list[StaticDifference] = []
        self._part = part
        self._allow = allow

    def compare(
        self,
        subject: str,
        aspect: str,
        values: Sequence[Any],
        shown: Sequence[str] = (),
    ) -> None:
        """Take down a difference if there is one; a value for each platform, None if missing.

        `shown` are the phrases for the values, where they are not themselves fit for showing.
        """
        pairs = list(zip(self.platforms, values, strict=True))
        if _agree(pairs):
            return
        phrases = map(show_text, shown) if shown else _show_values(values)
        difference = StaticDifference(
            part=self._part,
            subject=show_text(subject),
            aspect=MISSING if None in values else aspect,
            values=dict(zip(self.platforms, phrases, strict=True)),
            allowed=self._find_reason(subject, pairs),
        )
        self.differences.append(difference)

    def _find_reason(self, subject: str, pairs: list[tuple[Platform, Any]]) -> str:
        """Give the reason of one allowance, or those of several that are for a platform each."""
        naming = [each for each in self._allow if each.names(self._part, subject)]
        for allowance in naming:
            if self._agree_but_for(allowance.platforms, pairs):
                return allowance.reason
        excused = {platform for each in naming for platform in each.platforms}
        if excused and self._agree_but_for(excused, pairs):
            return "; ".join(dict.fromkeys(each.reason for each in naming))
        return ""

    def _agree_but_for(
        self, platforms: Collection[Platform], pairs: list[tuple[Platform, Any]]
    ) -> bool:
        """Tell whether the platforms that are not excused agree; none named excuses them all."""
        return not platforms or _agree([pair for pair in pairs if pair[0] not in platforms])


def _agree(pairs: Sequence[tuple[Platform, Any]]) -> bool:
    """Tell whether all values agree with the first."""
    return all(_values_agree(pairs[0][1], value, pairs[0][0], one) for one, value in pairs[1:])


def _values_agree(ours: Any, theirs: Any, our_platform: Platform, their_platform: Platform) -> bool:
    if isinstance(ours, str) and isinstance(theirs, str):
        return ours == theirs or texts_agree(
            mask_times(ours), mask_times(theirs), our_platform, their_platform
        )
    if isinstance(ours, (list, tuple)) and isinstance(theirs, (list, tuple)):
        return len(ours) == len(theirs) and all(
            _values_agree(a, b, our_platform, their_platform)
            for a, b in zip(ours, theirs, strict=True)
        )
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(
            _values_agree(value, theirs[key], our_platform, their_platform)
            for key, value in ours.items()
        )
    return bool(ours == theirs)


def _show_values(values: Sequence[Any]) -> list[str]:
    """Give phrases for values; of long ones the part that differs."""
    texts = [value if isinstance(value, str) else json.dumps(value) for value in values]
    start = max(len(posixpath.commonprefix(texts)) - _CONTEXT, 0)
    if max(map(len, texts)) <= _WIDEST:
        start = 0
    return [
        MISSING if value is None else _show_part(text, start)
        for text, value in zip(texts, values, strict=True)
    ]


def _show_part(text: str, start: int) -> str:
    part = text[start : start + _WIDEST]
    before, after = "..." if start else "", "..." if start + _WIDEST < len(text) else ""
    return f"{before}{show_text(part)}{after}" or '""'


def find_stale_allowances(
    allow: Iterable[StaticAllowance], differences: Iterable[StaticDifference]
) -> tuple[StaticAllowance, ...]:
    """Give the allowances of which nothing that differs makes use (any more)."""
    seen = list(differences)
    return tuple(
        each
        for each in allow
        if not any(each.reason in one.allowed and each.names(one.part, one.subject) for one in seen)
    )


# Configs

_BY_NAME = {"Env": "Env", "Labels": "Label", "ExposedPorts": "Port", "Volumes": "Volume"}
"""Fields of a config that are compared name by name, and what a name of each is called."""
_WHOLE = (
    "Entrypoint", "Cmd", "User", "WorkingDir", "Healthcheck", "StopSignal", "Shell", "OnBuild",
)  # fmt: skip
_DEFAULTS = {"WorkingDir": ("", "/"), "StopSignal": ("", "SIGTERM", "TERM", "15"), "User": ("",)}


def describe_config(document: Mapping[str, Any]) -> dict[str, Any]:
    """Give what is compared of a config, as a mapping that can be written as JSON.

    `document` is an image's config document, an engine's image inspect, or the `config` object of
    either. What looks like a secret is in it as a digest, what is left out by default is not, and
    neither is what is empty or says the default.
    """
    inner = next((document[key] for key in ("config", "Config") if key in document), document)
    config = inner if isinstance(inner, Mapping) else {}
    described: dict[str, Any] = {
        "Env": _describe_env(_list_texts(config.get("Env"))),
        "Labels": _describe_labels(config.get("Labels")),
        "ExposedPorts": {
            port if "/" in port else f"{port}/tcp": ""
            for port in _list_texts(config.get("ExposedPorts"))
        },
        "Volumes": dict.fromkeys(_list_texts(config.get("Volumes")), ""),
        "Healthcheck": _describe_healthcheck(config.get("Healthcheck")),
    }
    for name in ("Entrypoint", "Cmd", "Shell", "OnBuild"):
        described[name] = hide_in_words(_list_texts(config.get(name)))
    for name, defaults in _DEFAULTS.items():
        text = str(config.get(name) or "")
        described[name] = "" if text in defaults else text
    return {name: value for name, value in described.items() if value}


def _list_texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [str(each) for each in value] if isinstance(value, (list, tuple, dict)) else []


def _describe_env(env: Sequence[str]) -> dict[str, str]:
    pairs = (each.partition("=") for each in env)
    return {name: hide_secret(name, value) for name, _, value in pairs if not is_env_left_out(name)}


def _describe_labels(labels: Any) -> dict[str, str]:
    pairs = labels.items() if isinstance(labels, dict) else ()
    return {
        str(name): hide_secret(str(name), str(value))
        for name, value in pairs
        if not is_label_left_out(str(name))
    }


def _describe_healthcheck(check: Any) -> dict[str, Any]:
    if not isinstance(check, dict):
        return {}
    numbers = {name: each for name, each in check.items() if isinstance(each, int) and each}
    test = hide_in_words(_list_texts(check.get("Test")))
    return {**({"Test": test} if test else {}), **numbers}


def compare_configs(
    configs: Mapping[Platform, Mapping[str, Any]],
    *,
    baseline: Platform,
    allow: Sequence[StaticAllowance] = (),
) -> tuple[StaticDifference, ...]:
    """Compare what `describe_config` gave for several platforms.

    Environment, labels, ports and volumes are compared name by name, all else whole.
    """
    comparison = Comparison(StaticPart.CONFIG, configs, baseline, allow)
    described = [configs[platform] for platform in comparison.platforms]
    for name in _WHOLE:
        comparison.compare(name, "value", [each.get(name) for each in described])
    for name, title in _BY_NAME.items():
        tables = [each.get(name, {}) for each in described]
        for key in sorted({key for table in tables for key in table}):
            comparison.compare(f"{title} {key}", "value", [table.get(key) for table in tables])
    return tuple(comparison.differences)


# Files and packages


def compare_trees(
    trees: Mapping[Platform, Iterable[FileEntry]],
    *,
    baseline: Platform,
    allow: Sequence[StaticAllowance] = (),
) -> tuple[StaticDifference, ...]:
    """Compare the files of several platforms: what is there, mode, owner, target, content.

    The content of ELF files is not compared; that a path is one is. A folder that is missing is
    told once. Of more than 1,000 differences the last says how many there are.
    """
    comparison = Comparison(StaticPart.TREE, trees, baseline, allow)
    ordered = [trees[platform] for platform in comparison.platforms]
    for aspect in line_up_trees(ordered, comparison.platforms):
        comparison.compare(aspect.path, aspect.name, aspect.values, aspect.shown)
    found = comparison.differences
    if len(found) <= _MOST_PATHS:
        return tuple(found)
    rest = found[_MOST_PATHS:]
    reasons = {each.allowed for each in rest}
    more = StaticDifference(
        part=StaticPart.TREE,
        subject="/",
        aspect="more",
        values=dict.fromkeys(comparison.platforms[1:], f"{len(rest):,} more differences"),
        allowed="" if "" in reasons else "; ".join(sorted(reasons)),
    )
    return (*found[:_MOST_PATHS], more)


def compare_packages(
    packages: Mapping[Platform, Mapping[str, Iterable[Package]]],
    *,
    baseline: Platform,
    allow: Sequence[StaticAllowance] = (),
) -> tuple[StaticDifference, ...]:
    """Compare installed packages, given for each platform by the path of their database.

    Rebuilds for one architecture (Debian's `+b1`) count as the version that was rebuilt.
    """
    comparison = Comparison(StaticPart.PACKAGES, packages, baseline, allow)
    tables = [_index_packages(packages[each].values(), each) for each in comparison.platforms]
    for subject in sorted({subject for table in tables for subject in table}):
        versions = [table.get(subject) for table in tables]
        if None not in versions or not is_package_left_out(subject.partition(" ")[0]):
            comparison.compare(subject, "version", versions)
    return tuple(comparison.differences)


def _index_packages(databases: Iterable[Iterable[Package]], platform: Platform) -> dict[str, str]:
    """Give the versions of each package, by its name with the platform's own names masked."""
    table: dict[str, str] = {}
    for package in sorted(each for database in databases for each in database):
        name = mask_own_names(package.name, platform)
        if not _is_for(package, platform):
            name = f"{name}:{package.architecture}"
        version = _REBUILD.sub("", package.version)
        subject = f"{name} ({package.manager})"
        table[subject] = f"{table[subject]}, {version}" if subject in table else version
    return table


def _is_for(package: Package, platform: Platform) -> bool:
    architecture = package.architecture
    return architecture in ("", "all", "noarch", "(none)") or is_own_name(architecture, platform)
