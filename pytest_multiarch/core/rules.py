"""What of a test is compared, and which differences are declared."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.normalize import (
    BUILT_IN,
    Normalizer,
    TextFunction,
    compile_pattern,
    parse_normalizers,
)
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.value import check_tolerances, parse_unordered

if TYPE_CHECKING:
    import re

WAYS: Mapping[str, str] = {
    "word-size": "sizes and limits of 32 and 64 bits: 4 and 8 bytes, 12 and 24, 2147483647 and "
    "9223372036854775807",
    "page-size": "sizes of pages (4096 to 65536 bytes) and multiples of them",
    "char": "a `char` that is signed on one platform only: -1 and 255",
    "nan-sign": "the sign of a NaN: -nan and nan",
}
"""The ways in which an allowance lets numbers differ, each with what it covers."""
CALL_PARTS = ("exit", "stdout", "stderr")
"""What is compared of a run or an exec."""
PARTS = (*CALL_PARTS, "value", "content", "calls")
"""What can differ: also the value or the content of a check, and whether and how often a call was
made."""
_ALLOWANCE_KEYS = ("label", "part", "platforms", "reason", "only", "rel", "abs")
FORMS = ("text", "json")
"""As what an output can be compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """A difference that is known and right, for the reason given.

    `label` is a pattern as of file names, for the label with or without its kind (`run: `);
    `part` is one of `PARTS`, or empty for all; `platforms` are those that may differ, empty for
    all. `only` (of `WAYS`), `rel` and `abs` say that only numbers may differ, and how; with none
    of them anything may. `where` is where it is declared, as `multiarch.yaml:7`, if that is known.
    """

    label: str = "*"
    part: str = ""
    platforms: tuple[Platform, ...] = ()
    reason: str
    only: tuple[str, ...] = ()
    rel: float = 0.0
    abs: float = 0.0
    where: str = field(default="", compare=False)

    def covers(self, label: str, part: str, *platforms: Platform) -> bool:
        """Whether it is about a difference between these platforms, if that is as it may be."""
        return (
            self.names(label)
            and self.part in ("", part)
            and (not self.platforms or any(each in self.platforms for each in platforms))
        )

    def names(self, label: str) -> bool:
        """Whether its pattern fits a label."""
        short = label.partition(": ")[2]
        return fnmatch.fnmatchcase(label, self.label) or (
            bool(short) and fnmatch.fnmatchcase(short, self.label)
        )

    def to_mapping(self) -> dict[str, Any]:
        """Give the JSON form, which is also how a configuration file writes it."""
        return {
            "label": self.label,
            "part": self.part,
            "platforms": [str(each) for each in self.platforms],
            "reason": self.reason,
            **({"only": list(self.only)} if self.only else {}),
            **({"rel": self.rel} if self.rel else {}),
            **({"abs": self.abs} if self.abs else {}),
        }

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any]) -> Allowance:
        """Read what `to_mapping` gave, with `where` if it is there."""
        fields = dict(document)
        where = str(fields.pop("where", ""))
        return replace(allow(**fields), where=where)


def allow(
    label: str = "*",
    *,
    part: str | None = None,
    platforms: str | Platform | Iterable[str | Platform] = (),
    only: str | Iterable[str] = (),
    rel: float = 0.0,
    abs: float = 0.0,
    reason: str,
) -> Allowance:
    """Declare a difference: `parity(allow=allow("app mean *", reason="FMA on arm64"))`.

    `label` is a pattern as of file names (`*`, `?`, `[...]`) for what was called or checked;
    `part` one of `exit`, `stdout`, `stderr`, `value`, `content`, `calls`, all if left out;
    `platforms` those that may differ from the others, all if left out. The reason is printed in the
    summary.

    `only`, `rel` and `abs` narrow it to numbers, in outputs, files and values: `only` names the
    ways in which they may differ (`char`, `nan-sign`, `page-size`, `word-size`), `rel` and `abs`
    are a tolerance. What differs otherwise stays a difference.

    Raises:
        UsageError: there is no reason, or an argument is wrong.
    """
    if not _is_text(reason):
        raise UsageError(
            "allow: a difference is allowed for a reason, and there is none",
            cure='say why it is right: allow(..., reason="FMA on arm64")',
        )
    if not _is_text(label):
        raise UsageError(f"allow: label={label!r}", cure="give a pattern such as 'app mean *'")
    if part and part not in PARTS:
        raise _refuse("allow: part", part, PARTS)
    listed = [platforms] if isinstance(platforms, (str, Platform)) else list(platforms)
    parsed = tuple(Platform.parse(p) if isinstance(p, str) else p for p in listed)
    ways = (only,) if isinstance(only, str) else tuple(only)
    for way in ways:
        if way not in WAYS:
            raise _refuse("allow: only", way, tuple(WAYS))
    check_tolerances(rel, abs, what="allow")
    return Allowance(
        label=label,
        part=part or "",
        platforms=parsed,
        reason=reason.strip(),
        only=ways,
        rel=float(rel),
        abs=float(abs),
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """Which outputs are JSON, and how much values may differ: as in `core.value`.

    `without` are the paths of members that are left out, of values of the test's own too.
    """

    forms: Mapping[str, str] = field(default_factory=dict)
    rel: float = 0.0
    abs: float = 0.0
    unordered: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ParityRules:
    """The `parity` mark of a test, completed by the settings.

    `parts` are what is compared of calls; what `parity.check` observes is compared unless
    `is_off`. `structure` says as what outputs are compared, `stateless` that a shared container's
    history does not matter. Functions do not travel: of `ignore` and `normalizers` only their
    `names` do.
    """

    parts: tuple[str, ...] = CALL_PARTS
    is_off: bool = False
    ignore: tuple[re.Pattern[str], ...] = ()
    normalizers: tuple[Normalizer, ...] = ()
    allowances: tuple[Allowance, ...] = ()
    stateless: bool = False
    names: tuple[str, ...] = ()
    structure: Structure = Structure()

    def to_mapping(self) -> dict[str, Any]:
        """Give the JSON form; what is at its default is left out."""
        document: dict[str, Any] = {}
        if self.parts != CALL_PARTS:
            document["parts"] = list(self.parts)
        if self.is_off:
            document["is_off"] = True
        if self.allowances:
            document["allowances"] = [
                each.to_mapping() | ({"where": each.where} if each.where else {})
                for each in self.allowances
            ]
        if self.stateless:
            document["stateless"] = True
        if self.names:
            document["names"] = list(self.names)
        return document

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any]) -> ParityRules:
        """Read what `to_mapping` gave: rules to judge by, not to normalize by."""
        return cls(
            parts=tuple(map(str, document.get("parts", CALL_PARTS))),
            is_off=bool(document.get("is_off")),
            allowances=tuple(map(Allowance.from_mapping, document.get("allowances", ()))),
            stateless=bool(document.get("stateless")),
            names=tuple(map(str, document.get("names", ()))),
        )


def make_rules(
    *,
    compare: object = "all",
    ignore: Iterable[object] = (),
    normalize: Iterable[object] = (),
    allow: Iterable[object] = (),
    stateless: bool = False,
    stdout: str = "text",
    stderr: str = "text",
    rel: float = 0.0,
    abs: float = 0.0,
    unordered: object = False,
    named: Mapping[str, TextFunction] = BUILT_IN,
) -> ParityRules:
    """Read the arguments of the `parity` mark; `named` are the normalizers that have names.

    Raises:
        UsageError: one of them is wrong.
    """
    parts, is_off = _parse_compare(compare)
    normalizers = parse_normalizers(normalize, named=named)
    given = tuple(ignore)
    without = tuple(each for each in given if isinstance(each, str) and _is_path(each))
    patterns = tuple(compile_pattern(p, what="ignore") for p in given if p not in without)
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
        structure=replace(
            make_structure({"stdout": stdout, "stderr": stderr}, rel, abs, unordered),
            without=without,
        ),
    )


def _is_path(text: str) -> bool:
    """Whether it is the path of a member of a value; as an expression it would fit nothing."""
    return text.startswith(("$.", "$["))


def make_structure(
    forms: Mapping[str, str], rel: float, abs: float, unordered: object, *, what: str = "parity"
) -> Structure:
    """Say as what outputs are compared, by `FORMS`, and with what tolerance.

    Raises:
        UsageError: an argument is wrong, or there is nothing that a tolerance is for.
    """
    for name, form in forms.items():
        if form not in FORMS:
            raise _refuse(f"{what}: {name}", form, FORMS)
    check_tolerances(rel, abs, what=what)
    paths = parse_unordered(unordered, what=what)
    structured = {name: form for name, form in forms.items() if form != "text"}
    if (rel or abs or paths) and not structured:
        raise UsageError(
            f"{what}: rel=, abs= and unordered= are for what is compared by value",
            cure='say that it is JSON: parity(stdout="json", rel=1e-9), or json=True for a file',
        )
    return Structure(forms=structured, rel=float(rel), abs=float(abs), unordered=paths)


def _parse_compare(value: object) -> tuple[tuple[str, ...], bool]:
    if value == "all":
        return CALL_PARTS, False
    if value == "nothing":
        return (), True
    wanted = (value,) if isinstance(value, str) else value
    if not isinstance(wanted, (tuple, list, set, frozenset)) or not wanted:
        raise UsageError(
            f"parity: compare={value!r}",
            cure=f"valid are 'all', 'nothing', or some of {', '.join(map(repr, CALL_PARTS))}",
        )
    for each in wanted:
        if each not in CALL_PARTS:
            raise _refuse("parity: compare", each, ("all", "nothing", *CALL_PARTS))
    return tuple(part for part in CALL_PARTS if part in wanted), False


def _refuse(what: str, value: object, valid: tuple[str, ...]) -> UsageError:
    near = difflib.get_close_matches(str(value), valid, n=1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    return UsageError(
        f"{what}={value!r} is unknown", cure=f"{meant}valid are {', '.join(map(repr, valid))}"
    )


def _parse_allowance(value: object) -> Allowance:
    if isinstance(value, Allowance):
        return value
    if isinstance(value, Mapping):
        unknown = sorted(map(str, value.keys() - set(_ALLOWANCE_KEYS)))
        if unknown:
            raise _refuse("allow", unknown[0], _ALLOWANCE_KEYS)
        return allow(**{"reason": "", **value})
    raise UsageError(
        f"parity: allow={value!r}",
        cure='write pytest_multiarch.allow("label pattern", reason="...")',
    )
