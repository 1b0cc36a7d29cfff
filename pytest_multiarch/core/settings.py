"""Settings of a run, each with where it came from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pytest_multiarch.core.audit import AuditScope
from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.image_rules import AuditRules, IndexRules, StaticRules
from pytest_multiarch.core.reference import ImageReference

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_multiarch.core.build import BuildSpec
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.rules import Allowance

T = TypeVar("T")
IMAGE_OPTION = "--multiarch-image"
PLATFORMS_OPTION = "--multiarch-platforms"
AUDIT_OPTION = "--multiarch-audit"
CONTROL_OPTION = "--multiarch-control"
REPLAY_OPTION = "--multiarch-replay"
REPEAT_OPTION = "--multiarch-repeat"
UNSTABLE_OPTION = "--multiarch-unstable"
FALLBACK_EMULATE = "emulate"
FALLBACKS = ("none", FALLBACK_EMULATE)
"""What may happen to a platform whose node is down."""


class Source(Enum):
    """Where a value came from; the values are what messages say."""

    DEFAULT = "default"
    PYPROJECT = "pyproject.toml"
    YAML = "multiarch.yaml"
    COMMAND_LINE = "command line"


@dataclass(frozen=True, slots=True)
class Setting(Generic[T]):
    """A value and its source; `where` is the source in detail, `multiarch.yaml:7`, if known."""

    value: T
    source: Source = Source.DEFAULT
    where: str = ""

    @property
    def origin(self) -> str:
        """Where the value came from, as exactly as it is known."""
        return self.where or self.source.value


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageEntry:
    """One image of the configured matrix; `platforms` may be empty, then the defaults hold."""

    name: str
    image: str
    platforms: tuple[Platform, ...] = ()
    baseline: Platform | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Runners:
    """Labels of the CI runners that execute a platform natively, and of the one for the others."""

    default: tuple[str, ...] = ("ubuntu-latest",)
    by_platform: Mapping[Platform, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlSettings:
    """Whether control runs may take a container without a seccomp profile, and their emulator.

    `emulator` is the path of a static QEMU on this machine; empty to look for one.
    """

    enabled: bool = False
    emulator: str = ""

    def to_mapping(self) -> dict[str, Any]:
        """Give the JSON form, as a configuration file writes it."""
        emulator = {"emulator": self.emulator} if self.emulator else {}
        return {"enabled": self.enabled, **emulator}


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTls:
    """PEM files for TLS: a folder with `ca.pem`, `cert.pem` and `key.pem`, or single files.

    Paths may be relative to the configuration file's folder; an empty one is not used.
    """

    folder: str = ""
    ca: str = ""
    cert: str = ""
    key: str = ""
    verify: bool = True

    def to_plain(self) -> str | dict[str, Any]:
        """Give it as a configuration file writes it."""
        if self.folder:
            return self.folder
        files = {name: getattr(self, name) for name in ("ca", "cert", "key")}
        verify = {} if self.verify else {"verify": False}
        return {**{name: path for name, path in files.items() if path}, **verify}


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """The engine of a platform's own: at `host`, or where the docker context `context` says.

    `may_emulate`: the platform may be emulated on the default engine while this one is down.
    """

    host: str = ""
    context: str = ""
    tls: NodeTls | None = None
    may_emulate: bool = False

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return self.host or f"docker context {self.context}"

    def to_mapping(self) -> dict[str, Any]:
        """Give the JSON form, as a configuration file writes it."""
        document = {
            "host": self.host,
            "context": self.context,
            "tls": self.tls.to_plain() if self.tls else None,
            "fallback": FALLBACK_EMULATE if self.may_emulate else "",
        }
        return {name: value for name, value in document.items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What holds for a run, from the command line and the configuration file.

    `selected` and `selected_images` (names) are what the command line selects; empty selects
    everything. `platforms` are the defaults for tests that declare none. `replacements` maps
    references to what runs instead.
    """

    image: Setting[str] = Setting("")
    images: Setting[tuple[ImageEntry, ...]] = Setting(())
    build: Setting[BuildSpec | None] = Setting(None)
    platforms: Setting[tuple[Platform, ...]] = Setting(())
    baseline: Setting[Platform | None] = Setting(None)
    runners: Setting[Runners] = field(default_factory=lambda: Setting(Runners()))
    nodes: Setting[Mapping[Platform, NodeSettings]] = field(default_factory=lambda: Setting({}))
    normalize: Setting[tuple[str, ...]] = Setting(())
    allow: Setting[tuple[Allowance, ...]] = Setting(())
    audit: Setting[AuditRules] = field(default_factory=lambda: Setting(AuditRules()))
    index: Setting[IndexRules] = field(default_factory=lambda: Setting(IndexRules()))
    static_parity: Setting[StaticRules] = field(default_factory=lambda: Setting(StaticRules()))
    control: Setting[ControlSettings] = Setting(ControlSettings())
    replay: Setting[float] = Setting(10)
    repeat: Setting[int] = Setting(0)
    unstable: Setting[str] = Setting("report")
    selected: tuple[Platform, ...] = ()
    selected_images: tuple[str, ...] = ()
    replacements: Mapping[str, str] = field(default_factory=dict)
    parity: str = "fail"
    strict: bool = False
    unavailable: str = "error"
    pull: str = "missing"
    blame: str = "group"


def merge_settings(
    files: Settings,
    *,
    platforms: tuple[Platform, ...] = (),
    selects_only: bool = False,
    images: Iterable[str] = (),
    audit_scope: str | None = None,
    control: bool = False,
    replay: float | None = None,
    repeat: int | None = None,
    unstable: str | None = None,
    **options: Any,
) -> Settings:
    """Lay the command line over what the configuration file says.

    Platforms that are among the configured ones are selected from them, as from what a test
    declares: one job of several runs a part, and its record says what is missing. Others take
    their place, unless the command line `selects_only`. `images` are the values of
    `--multiarch-image`: `OLD=NEW`, `REF`, or the name or reference of configured images, which
    selects them.

    Raises:
        UsageError: one of `images` is wrong.
    """
    named = [text for text in images if "=" not in text]
    replacements = dict(text.split("=", 1) for text in images if "=" in text)
    for reference in (*replacements, *replacements.values()):
        _check_reference(reference)
    merged = replace(files, replacements=replacements, **options)
    if audit_scope is not None:
        rules = replace(files.audit.value, scope=AuditScope(audit_scope))
        merged = replace(merged, audit=Setting(rules, Source.COMMAND_LINE, AUDIT_OPTION))
    if control:
        enabled = replace(files.control.value, enabled=True)
        merged = replace(merged, control=Setting(enabled, Source.COMMAND_LINE, CONTROL_OPTION))
    if replay is not None:
        merged = replace(merged, replay=Setting(replay, Source.COMMAND_LINE, REPLAY_OPTION))
    if repeat is not None:
        merged = replace(merged, repeat=Setting(repeat, Source.COMMAND_LINE, REPEAT_OPTION))
    if unstable is not None:
        merged = replace(merged, unstable=Setting(unstable, Source.COMMAND_LINE, UNSTABLE_OPTION))
    if platforms:
        merged = replace(merged, selected=platforms)
    is_among = set(platforms) <= set(files.platforms.value)
    if not is_among and not (selects_only and files.platforms.value):
        chosen = Setting(platforms, Source.COMMAND_LINE, PLATFORMS_OPTION)
        merged = replace(merged, platforms=chosen)
    return _name_images(merged, named) if named else merged


def _name_images(settings: Settings, named: list[str]) -> Settings:
    entries = settings.images.value
    found = {text: [each.name for each in entries if text in _list_names(each)] for text in named}
    plain = [text for text, names in found.items() if not names]
    if not plain:
        chosen = tuple(dict.fromkeys(name for names in found.values() for name in names))
        return replace(settings, selected_images=chosen)
    for reference in plain:
        _check_reference(reference)
    if len(plain) < len(found):
        raise UsageError(
            f"{IMAGE_OPTION}: {plain[0]} is none of the configured images, and others given are",
            cure=f"configured are {', '.join(each.name for each in entries)}; give only these, "
            "or only one other reference",
        )
    return replace(
        settings,
        image=Setting(plain[-1], Source.COMMAND_LINE, IMAGE_OPTION),
        images=Setting((), Source.COMMAND_LINE, IMAGE_OPTION),
    )


def _list_names(entry: ImageEntry) -> tuple[str, str]:
    return entry.name, entry.image


def _check_reference(text: str) -> None:
    try:
        ImageReference.parse(text)
    except UsageError as error:
        raise UsageError(f"{IMAGE_OPTION}: {error.what}", cure=error.cure) from None
