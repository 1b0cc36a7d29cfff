"""Settings of a run, each with where it came from."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.reference import ImageReference

T = TypeVar("T")


class Source(Enum):
    """Where a value came from; the values are what messages say."""

    DEFAULT = "default"
    PYPROJECT = "pyproject.toml"
    YAML = "multiarch.yaml"
    COMMAND_LINE = "command line"


@dataclass(frozen=True, slots=True)
class Setting(Generic[T]):
    """A value and its source."""

    value: T
    source: Source = Source.DEFAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSettings:
    """What a configuration file says; `normalize` and `allow` as the parity mark takes them."""

    image: str = ""
    platforms: tuple[Platform, ...] = ()
    baseline: Platform | None = None
    normalize: tuple[str, ...] = ()
    allow: tuple[Mapping[str, Any], ...] = ()
    source: Source = Source.DEFAULT


_KEYS = ("image", "platforms", "baseline", "normalize", "allow")
_ALLOW_KEYS = ("label", "part", "platforms", "reason")


def parse_file_settings(document: object, *, source: Source, where: str) -> FileSettings:
    """Read the mapping of a configuration file.

    Raises:
        UsageError: a key or a value is wrong; says the file (`where`), key path, what was found
            and what is valid.
    """
    if document is None:
        return FileSettings(source=source)
    if not isinstance(document, Mapping):
        raise UsageError(f"{where}: expected a mapping of settings, found {document!r}")
    for key in document:
        if key not in _KEYS:
            raise _refuse_key(where, str(key), _KEYS)
    image = _read(document, "image", str, "an image reference", where)
    if image:
        _at(where, "image", ImageReference.parse, image)
    baseline = _read(document, "baseline", str, "a platform", where)
    return FileSettings(
        image=image or "",
        platforms=tuple(
            _at(where, f"platforms[{position}]", Platform.parse, text)
            for position, text in enumerate(_read_strings(document, "platforms", where))
        ),
        baseline=_at(where, "baseline", Platform.parse, baseline) if baseline else None,
        normalize=_read_strings(document, "normalize", where),
        allow=_read_allow(document, where),
        source=source,
    )


def _read(document: Mapping[str, Any], key: str, kind: type[T], what: str, where: str) -> T | None:
    value = document.get(key)
    if value is None or isinstance(value, kind):
        return value
    raise UsageError(f"{where}: {key}: expected {what}, found {value!r}")


def _read_strings(document: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    value = document.get(key)
    values = [] if value is None else value
    if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
        raise UsageError(f"{where}: {key}: expected a list of text, found {value!r}")
    return tuple(values)


def _read_allow(document: Mapping[str, Any], where: str) -> tuple[Mapping[str, Any], ...]:
    entries = document.get("allow")
    entries = [] if entries is None else entries
    if not isinstance(entries, list):
        raise UsageError(f"{where}: allow: expected a list, found {entries!r}")
    for position, entry in enumerate(entries):
        path = f"allow[{position}]"
        if not isinstance(entry, Mapping):
            raise UsageError(f"{where}: {path}: expected a mapping, found {entry!r}")
        for key in entry:
            if key not in _ALLOW_KEYS:
                raise _refuse_key(where, f"{path}.{key}", _ALLOW_KEYS)
        if not isinstance(entry.get("reason"), str) or not entry["reason"].strip():
            raise UsageError(
                f"{where}: {path}: a difference is allowed for a reason, and there is none",
                cure="add reason: ...",
            )
    return tuple(entries)


def _refuse_key(where: str, path: str, valid: tuple[str, ...]) -> UsageError:
    near = difflib.get_close_matches(path.rpartition(".")[2], valid, n=1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    return UsageError(
        f"{where}: {path}: unknown setting", cure=f"{meant}valid are {', '.join(valid)}"
    )


def _at(where: str, path: str, parse: Any, text: str) -> Any:
    try:
        return parse(text)
    except UsageError as error:
        raise UsageError(f"{where}: {path}: {error.what}", cure=error.cure) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What holds for a run, from the command line and the configuration files.

    `selected` is what the command line selects; empty selects everything. `platforms` are the
    defaults for tests that declare none. `replacements` maps references to what runs instead.
    """

    image: Setting[str]
    platforms: Setting[tuple[Platform, ...]]
    selected: tuple[Platform, ...]
    replacements: Mapping[str, str]
    baseline: Setting[Platform | None]
    normalize: Setting[tuple[str, ...]]
    allow: Setting[tuple[Mapping[str, Any], ...]]
    parity: str = "fail"
    unavailable: str = "error"
    pull: str = "missing"
    blame: str = "group"
    strict: bool = False

    def replace_image(self, reference: str) -> str:
        """Give what runs where a test names `reference`."""
        return self.replacements.get(reference, reference)


def merge_settings(
    files: FileSettings,
    *,
    platforms: tuple[Platform, ...],
    images: tuple[str, ...],
    **options: Any,
) -> Settings:
    """Lay the command line over the files.

    `images` are the values of `--multiarch-image`: `REF`, or `OLD=NEW`.
    """
    named = [text for text in images if "=" not in text]
    replacements = dict(text.split("=", 1) for text in images if "=" in text)
    image = Setting(named[-1], Source.COMMAND_LINE) if named else Setting(files.image, files.source)
    defaults = (
        Setting(platforms, Source.COMMAND_LINE)
        if platforms
        else Setting(files.platforms, files.source)
    )
    return Settings(
        image=image,
        platforms=defaults,
        selected=platforms,
        replacements=replacements,
        baseline=Setting(files.baseline, files.source),
        normalize=Setting(files.normalize, files.source),
        allow=Setting(files.allow, files.source),
        **options,
    )
