"""What is looked at in an image before it runs, and what may be as it is: declared by users."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.audit import AuditScope, PathAllowance
from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.static_parity import StaticAllowance, StaticPart

if TYPE_CHECKING:
    from collections.abc import Sequence

SCOPES = tuple(each.value for each in AuditScope)
PARTS = tuple(each.value for each in StaticPart)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRules:
    """How far the files of a variant are audited, and which may be for another platform."""

    scope: AuditScope = AuditScope.PROGRAM
    allow: tuple[PathAllowance, ...] = ()

    def to_mapping(self) -> dict[str, Any]:
        """Give the JSON form, as a configuration file writes it."""
        allow = [{"path": each.path, "reason": each.reason} for each in self.allow]
        return {"scope": self.scope.value, **({"allow": allow} if allow else {})}


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRules:
    """Platforms that an index must have."""

    required: tuple[Platform, ...] = ()

    def to_mapping(self) -> dict[str, Any]:
        """Give the JSON form, as a configuration file writes it."""
        return {"required": [str(each) for each in self.required]}


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticRules:
    """What of an image's variants is compared without running them, and what may differ."""

    parts: tuple[StaticPart, ...] = (StaticPart.CONFIG,)
    allow: tuple[StaticAllowance, ...] = ()

    def to_mapping(self) -> dict[str, Any]:
        """Give the JSON form, as a configuration file writes it."""
        allow = [
            {
                "subject": each.subject,
                **({"part": each.part.value} if each.part else {}),
                **({"platforms": [str(one) for one in each.platforms]} if each.platforms else {}),
                "reason": each.reason,
            }
            for each in self.allow
        ]
        parts = {each.value: each in self.parts for each in StaticPart}
        return {**parts, **({"allow": allow} if allow else {})}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRules:
    """All that is declared for the image of a test."""

    audit: AuditRules = AuditRules()
    index: IndexRules = IndexRules()
    static_parity: StaticRules = StaticRules()


def make_audit_rules(
    defaults: AuditRules, *, scope: object = None, allow: object = ()
) -> AuditRules:
    """Read `audit(scope=, allow=)` on top of what is configured.

    `allow` maps patterns of paths to reasons: `{"/opt/qemu/**": "the emulator itself"}`.

    Raises:
        UsageError: an argument is wrong.
    """
    if scope is not None and scope not in SCOPES:
        raise _refuse("audit: scope", scope, SCOPES)
    chosen = defaults.scope if scope is None else AuditScope(scope)
    return AuditRules(scope=chosen, allow=(*defaults.allow, *_read_paths(allow)))


def _read_paths(value: object) -> Iterable[PathAllowance]:
    if not value:
        return
    if not isinstance(value, Mapping) or not all(map(_is_text, (*value, *value.values()))):
        raise UsageError(
            f"audit: allow={value!r} is no mapping from patterns of paths to reasons",
            cure='write for example allow={"/opt/qemu/**": "the emulator is what we ship"}',
        )
    for path, reason in value.items():
        yield PathAllowance(path=path, reason=reason)


def make_index_rules(defaults: IndexRules, *, required: object = ()) -> IndexRules:
    """Read `index(required=)` on top of what is configured.

    Raises:
        UsageError: a platform is wrong.
    """
    listed = [required] if isinstance(required, (str, Platform)) else required
    if not isinstance(listed, Iterable):
        raise UsageError(
            f"index: required={required!r} is no list of platforms",
            cure='write for example required=["linux/amd64", "linux/arm64"]',
        )
    parsed = (Platform.parse(p) if isinstance(p, str) else p for p in listed)
    return IndexRules(required=tuple(dict.fromkeys((*defaults.required, *parsed))))


def make_static_rules(
    defaults: StaticRules,
    *,
    config: bool = True,
    tree: bool = True,
    packages: bool = True,
    allow: Sequence[StaticAllowance] | StaticAllowance = (),
) -> StaticRules:
    """Read `static_parity(config=, tree=, packages=, allow=)`; all of it is compared by default.

    Raises:
        UsageError: an argument is wrong.
    """
    chosen = {StaticPart.CONFIG: config, StaticPart.TREE: tree, StaticPart.PACKAGES: packages}
    for part, is_on in chosen.items():
        if not isinstance(is_on, bool):
            raise UsageError(f"static_parity: {part.value}={is_on!r} is neither True nor False")
    listed = [allow] if isinstance(allow, StaticAllowance) else list(allow)
    for each in listed:
        if not isinstance(each, StaticAllowance):
            raise UsageError(
                f"static_parity: allow={each!r} is no allowance",
                cure='write for example allow=allow_static("/etc/app.conf", reason="...")',
            )
    parts = tuple(part for part, is_on in chosen.items() if is_on)
    return StaticRules(parts=parts, allow=(*defaults.allow, *listed))


def allow_static(
    subject: str = "*",
    *,
    part: str | None = None,
    platforms: str | Platform | Iterable[str | Platform] = (),
    reason: str,
) -> StaticAllowance:
    """Declare a difference between variants: `allow_static("Env LANG", reason="no locales there")`.

    `subject` is a pattern as of file names for what differs (`/etc/**`, `Env *`,
    `openssl (dpkg)`), `part` one of `config`, `tree`, `packages`, all if left out; `platforms`
    those that may differ, all if left out.

    Raises:
        UsageError: there is no reason, or an argument is wrong.
    """
    if not _is_text(reason) or not _is_text(subject):
        raise UsageError(
            "allow_static: a difference is allowed by what it is, for a reason",
            cure='write for example allow_static("Env LANG", reason="no locales on arm/v7")',
        )
    if part and part not in PARTS:
        raise _refuse("allow_static: part", part, PARTS)
    listed = [platforms] if isinstance(platforms, (str, Platform)) else list(platforms)
    parsed = tuple(Platform.parse(p) if isinstance(p, str) else p for p in listed)
    chosen = StaticPart(part) if part else None
    return StaticAllowance(subject=subject, reason=reason.strip(), part=chosen, platforms=parsed)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _refuse(what: str, value: object, valid: Iterable[str]) -> UsageError:
    return UsageError(f"{what}={value!r}", cure=f"valid are {', '.join(map(repr, valid))}")
