"""Every setting with its value and where that came from, for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.build import BuildSpec
from pytest_multiarch.core.config_schema import DEFAULT_RUNNER, SETTINGS, Definition
from pytest_multiarch.core.image_rules import AuditRules, IndexRules, StaticRules
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.rules import Allowance
from pytest_multiarch.core.settings import (
    ControlSettings,
    ImageEntry,
    NodeSettings,
    Runners,
    Setting,
    Settings,
    Source,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """A setting's value in its JSON form and as lines of text, and where it came from."""

    name: str
    value: Any
    lines: tuple[str, ...]
    origin: str

    def to_mapping(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {"name": self.name, "value": self.value, "from": self.origin}


def trace_settings(settings: Settings) -> tuple[Provenance, ...]:
    """Give every setting."""
    return tuple(_trace(each, settings) for each in SETTINGS)


def _trace(definition: Definition, settings: Settings) -> Provenance:
    found = getattr(settings, definition.name)
    if not isinstance(found, Setting):  # one that only an option can set
        is_default = _show(_make_plain(found)) == definition.default
        source = Source.DEFAULT if is_default else Source.COMMAND_LINE
        found = Setting(found, source, "" if is_default else definition.option)
    lines = tuple(_list_lines(found.value))
    return Provenance(
        name=definition.name,
        value=_make_plain(found.value),
        lines=lines or ("none",),
        origin=found.origin,
    )


def _make_plain(value: Any) -> Any:
    """Give the JSON form, as a configuration file would write it."""
    match value:
        case Platform():
            return str(value)
        case Allowance():
            return {key: each for key, each in value.to_mapping().items() if each}
        case AuditRules() | IndexRules() | StaticRules() | ControlSettings():
            return value.to_mapping()
        case BuildSpec():
            return value.to_mapping()
        case Runners():
            by_platform = {str(each): list(labels) for each, labels in value.by_platform.items()}
            return {DEFAULT_RUNNER: list(value.default), **by_platform}
        case dict():
            return {str(key): _make_plain(each) for key, each in value.items()} or None
        case NodeSettings():
            return value.to_mapping()
        case (ImageEntry(), *_):
            return {each.name: _make_plain_entry(each) for each in value}
        case tuple():
            return [_make_plain(each) for each in value]
    return value or None if isinstance(value, str) else value


def _make_plain_entry(entry: ImageEntry) -> dict[str, Any]:
    plain: dict[str, Any] = {"image": entry.image}
    if entry.platforms:
        plain["platforms"] = _make_plain(entry.platforms)
    if entry.baseline is not None:
        plain["baseline"] = str(entry.baseline)
    return plain


def _list_lines(value: Any) -> Iterator[str]:
    """Give a line for each part of a value; a list of short texts is one line."""
    match value:
        case Runners():
            for key, labels in _make_plain(value).items():
                yield f"{key}: {', '.join(labels)}"
        case AuditRules() | IndexRules() | StaticRules() | ControlSettings():
            yield from _list_rules(value.to_mapping())
        case dict():
            yield from (f"{key}: {_show_node(each)}" for key, each in value.items())
        case (ImageEntry(), *_):
            for entry in value:
                yield f"{entry.name}: {_show_entry(entry)}"
        case (Allowance(), *_):
            yield from map(_show_allowance, value)
        case tuple():
            if value:
                yield ", ".join(map(str, value))
        case _:
            yield _show(_make_plain(value))


def _list_rules(plain: Mapping[str, Any]) -> Iterator[str]:
    for key, value in plain.items():
        if key == "allow":
            yield from (f"allow {_show_table(each)}" for each in value)
        elif isinstance(value, list):
            if value:
                yield f"{key}: {', '.join(value)}"
        else:
            yield f"{key}: {_show(value)}"


def _show_table(table: Mapping[str, Any]) -> str:
    *rest, (_, reason) = table.items()
    shown = (", ".join(each) if isinstance(each, list) else each for _, each in rest)
    return f"{' '.join(shown)}: {reason}"


def _show(plain: Any) -> str:
    match plain:
        case None:
            return "none"
        case bool():
            return str(plain).lower()
        case float():
            return f"{plain:g}"
    return str(plain)


def _show_entry(entry: ImageEntry) -> str:
    on = f" on {', '.join(map(str, entry.platforms))}" if entry.platforms else ""
    baseline = f", baseline {entry.baseline}" if entry.baseline else ""
    return f"{entry.image}{on}{baseline}"


def _show_node(node: NodeSettings) -> str:
    return node.place + (", emulated here while it is down" if node.may_emulate else "")


def _show_allowance(allowance: Allowance) -> str:
    part = f" {allowance.part}" if allowance.part else ""
    on = f" on {', '.join(map(str, allowance.platforms))}" if allowance.platforms else ""
    ways = [*allowance.only]
    ways += [f"rel={allowance.rel:g}"] if allowance.rel else []
    ways += [f"abs={allowance.abs:g}"] if allowance.abs else []
    by = f" ({', '.join(ways)})" if ways else ""
    return f"{allowance.label}{part}{on}{by}: {allowance.reason}"
