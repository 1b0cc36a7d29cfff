"""A configuration file's content, read into settings; every problem says where it is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.audit import AuditScope, PathAllowance
from pytest_multiarch.core.config_kinds import Path, Problem
from pytest_multiarch.core.config_schema import DEFAULT_RUNNER, DOCUMENT
from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.image_rules import AuditRules, IndexRules, StaticRules, allow_static
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.rules import allow
from pytest_multiarch.core.settings import (
    ControlSettings,
    ImageEntry,
    Runners,
    Setting,
    Settings,
    Source,
)
from pytest_multiarch.core.static_parity import StaticPart

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SHOWN_PROBLEMS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigDocument:
    """What a configuration file holds: `value` is of mappings, lists, texts and the like.

    `lines` has the lines, from 1, of the keys and items of which they are known. `section` is the
    part of the file, if it is not the whole. `problems` were found while it was read.
    """

    value: object
    source: Source
    name: str
    section: str = ""
    lines: Mapping[Path, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def find_line(self, path: Path) -> int:
        """Give the line of a value, or of the closest that it is in; 0 if that is not known."""
        ends = range(len(path), 0, -1)
        return next((self.lines[path[:end]] for end in ends if path[:end] in self.lines), 0)

    def locate(self, path: Path) -> str:
        """Say where a value is: `multiarch.yaml:7`."""
        line = self.find_line(path)
        if line:
            return f"{self.name}:{line}"
        return f"{self.name} {self.section}".rstrip()


def parse_document(document: ConfigDocument) -> Settings:
    """Read what a configuration file says.

    Raises:
        UsageError: something is wrong; has a line for each problem: file, line, key path, what
            was found and what is valid.
    """
    problems = list(document.problems)
    content = document.value
    found = {} if content is None else DOCUMENT.read(content, (), problems)
    if not problems:
        problems += _find_contradictions(found)
    if problems:
        raise UsageError(_describe(problems, document))
    values = _make_values(found)
    if "allow" in values:
        values["allow"] = tuple(
            replace(each, where=document.locate(("allow", position)))
            for position, each in enumerate(values["allow"])
        )
    settings: dict[str, Any] = {
        name: Setting(value, document.source, document.locate((name,)))
        for name, value in values.items()
    }
    return Settings(**settings)


def _make_values(found: Mapping[str, Any]) -> dict[str, Any]:
    values = dict(found)
    if "images" in found:
        values["images"] = tuple(_make_entry(*each) for each in found["images"].items())
    if "runners" in found:
        values["runners"] = _make_runners(found["runners"])
    if "control" in found:
        values["control"] = ControlSettings(**found["control"])
    if "allow" in found:
        values["allow"] = tuple(allow(**each) for each in found["allow"])
    if "audit" in found:
        values["audit"] = _make_audit_rules(found["audit"])
    if "index" in found:
        values["index"] = IndexRules(**found["index"])
    if "static_parity" in found:
        values["static_parity"] = _make_static_rules(found["static_parity"])
    return values


def _make_audit_rules(found: Mapping[str, Any]) -> AuditRules:
    allowed = tuple(PathAllowance(**each) for each in found.get("allow", ()))
    return AuditRules(scope=AuditScope(found.get("scope", "program")), allow=allowed)


def _make_static_rules(found: Mapping[str, Any]) -> StaticRules:
    is_on = {part: found.get(part.value, part in StaticRules().parts) for part in StaticPart}
    return StaticRules(
        parts=tuple(part for part in StaticPart if is_on[part]),
        allow=tuple(allow_static(**each) for each in found.get("allow", ())),
    )


def _make_entry(name: str, found: str | dict[str, Any]) -> ImageEntry:
    return ImageEntry(name=name, **({"image": found} if isinstance(found, str) else found))


def _make_runners(found: Mapping[Platform | str, str | tuple[str, ...]]) -> Runners:
    labels = {key: (each,) if isinstance(each, str) else each for key, each in found.items()}
    default = labels.pop(DEFAULT_RUNNER, Runners().default)
    return Runners(
        default=default,
        by_platform={key: each for key, each in labels.items() if isinstance(key, Platform)},
    )


def _find_contradictions(found: Mapping[str, Any]) -> Iterator[Problem]:
    """Find what is wrong with values that are right by themselves."""
    if "image" in found and "images" in found:
        yield Problem(path=("images",), what="there is also image", cure="keep one of them")
    platforms = found.get("platforms", ())
    yield from _check_baseline(found, platforms, ())
    for name, entry in found.get("images", {}).items():
        if not isinstance(entry, str):
            yield from _check_baseline(entry, entry.get("platforms") or platforms, ("images", name))


def _check_baseline(
    found: Mapping[str, Any], platforms: tuple[Platform, ...], path: Path
) -> Iterator[Problem]:
    baseline = found.get("baseline")
    if baseline is not None and platforms and baseline not in platforms:
        yield Problem(
            path=(*path, "baseline"),
            what=f"{baseline} is not one of the platforms",
            cure=f"take one of {', '.join(map(str, platforms))}",
        )


def _describe(problems: list[Problem], document: ConfigDocument) -> str:
    """Give a line for each problem, in the order of the file."""
    problems.sort(key=lambda each: document.find_line(each.path))
    lines = [_describe_problem(each, document) for each in problems[:_SHOWN_PROBLEMS]]
    left = len(problems) - len(lines)
    return "\n".join([*lines, f"and {left} more problems"] if left else lines)


def _describe_problem(problem: Problem, document: ConfigDocument) -> str:
    what = f"{problem.what}; {problem.cure}" if problem.cure else problem.what
    parts = (document.locate(problem.path), show_path(problem.path), what)
    return ": ".join(part for part in parts if part)


def show_path(path: Path) -> str:
    """Write a path: `images.alpine.platforms[1]`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") if text.isprintable() else ascii(text.removeprefix("."))
