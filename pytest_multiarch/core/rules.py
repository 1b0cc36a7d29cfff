"""What of a test is compared, and which differences are declared."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.normalize import (
    Normalizer,
    TextFunction,
    compile_pattern,
    parse_normalizers,
)
from pytest_multiarch.core.platform import Platform

CALL_PARTS = ("exit", "stdout", "stderr")


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """A difference that is known and right, for the reason given.

    `label` is a pattern as of file names; `part` is `exit`, `stdout`, `stderr`, `value`, or empty
    for all; `platforms` are those that may differ from the baseline, empty for all.
    """

    label: str = "*"
    part: str = ""
    platforms: tuple[Platform, ...] = ()
    reason: str

    def covers(self, label: str, part: str, platform: Platform) -> bool:
        """Whether it is about this difference."""
        return (
            fnmatch.fnmatchcase(label, self.label)
            and self.part in ("", part)
            and (not self.platforms or platform in self.platforms)
        )

    def to_mapping(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {
            "label": self.label,
            "part": self.part,
            "platforms": [str(each) for each in self.platforms],
            "reason": self.reason,
        }


def allow(
    label: str = "*",
    *,
    part: str = "",
    platforms: str | Platform | Iterable[str | Platform] = (),
    reason: str,
) -> Allowance:
    """Declare a difference: `parity(allow=allow("run: app mean*", reason="FMA on arm64"))`.

    Raises:
        UsageError: there is no reason, or an argument is wrong.
    """
    if not isinstance(reason, str) or not reason.strip():
        raise UsageError("allow: a difference is allowed for a reason; give reason='...'")
    if part not in ("", "value", "calls", *CALL_PARTS):
        raise UsageError(
            f"allow: part={part!r}", cure=f"valid are {', '.join(CALL_PARTS)}, value, calls"
        )
    listed = [platforms] if isinstance(platforms, (str, Platform)) else list(platforms)
    parsed = tuple(Platform.parse(p) if isinstance(p, str) else p for p in listed)
    return Allowance(label=label, part=part, platforms=parsed, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParityRules:
    """The `parity` mark of a test, completed by the settings.

    `parts` are what is compared of a call; what `parity.check` observes is compared unless
    `is_off`. `stateless` says that a shared container's history does not matter. Functions do
    not travel: of `ignore` and `normalizers` only the names do.
    """

    parts: tuple[str, ...] = CALL_PARTS
    is_off: bool = False
    ignore: tuple[re.Pattern[str], ...] = ()
    normalizers: tuple[Normalizer, ...] = ()
    allowances: tuple[Allowance, ...] = ()
    stateless: bool = False
    names: tuple[str, ...] = field(default=())

    def find_allowance(self, label: str, part: str, platform: Platform) -> Allowance | None:
        """Give the allowance that covers a difference, if there is one."""
        return next((a for a in self.allowances if a.covers(label, part, platform)), None)

    def to_mapping(self) -> dict[str, Any]:
        """Give the JSON form; what is at its default is left out."""
        document: dict[str, Any] = {}
        if self.parts != CALL_PARTS:
            document["parts"] = list(self.parts)
        if self.is_off:
            document["is_off"] = True
        if self.allowances:
            document["allowances"] = [each.to_mapping() for each in self.allowances]
        if self.stateless:
            document["stateless"] = True
        if self.names:
            document["names"] = list(self.names)
        return document

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any]) -> ParityRules:
        """Read what `to_mapping` gave."""
        return cls(
            parts=tuple(document.get("parts", CALL_PARTS)),
            is_off=bool(document.get("is_off")),
            allowances=tuple(allow(**each) for each in document.get("allowances", ())),
            stateless=bool(document.get("stateless")),
            names=tuple(document.get("names", ())),
        )


def make_rules(
    *,
    compare: object = "all",
    ignore: Iterable[object] = (),
    normalize: Iterable[object] = (),
    allow: Iterable[object] = (),
    stateless: bool = False,
    extra: Mapping[str, TextFunction] | None = None,
) -> ParityRules:
    """Read the arguments of the `parity` mark.

    Raises:
        UsageError: one of them is wrong.
    """
    parts, is_off = _parse_compare(compare)
    normalizers = parse_normalizers(normalize, extra=extra or {})
    patterns = tuple(compile_pattern(each, what="ignore") for each in ignore)
    if not isinstance(stateless, bool):
        raise UsageError(f"parity: stateless={stateless!r}", cure="valid are True, False")
    return ParityRules(
        parts=parts,
        is_off=is_off,
        ignore=patterns,
        normalizers=normalizers,
        allowances=tuple(map(_parse_allowance, allow)),
        stateless=stateless,
        names=(*(n.name for n in normalizers), *(f"ignore:{p.pattern}" for p in patterns)),
    )


def _parse_compare(value: object) -> tuple[tuple[str, ...], bool]:
    if value == "all":
        return CALL_PARTS, False
    if value == "nothing":
        return (), True
    wanted = (value,) if isinstance(value, str) else value
    if isinstance(wanted, (tuple, list, set, frozenset)) and wanted:
        if all(each in CALL_PARTS for each in wanted):
            return tuple(part for part in CALL_PARTS if part in wanted), False
    raise UsageError(
        f"parity: compare={value!r}",
        cure=f"valid are 'all', 'nothing', or some of {', '.join(map(repr, CALL_PARTS))}",
    )


def _parse_allowance(value: object) -> Allowance:
    if isinstance(value, Allowance):
        return value
    if isinstance(value, Mapping):
        try:
            return allow(**value)
        except TypeError:
            pass
    raise UsageError(
        f"parity: allow={value!r}",
        cure='write pytest_multiarch.allow("label pattern", reason="...")',
    )
