"""Variants of one image compared without running them: configs, files, packages."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_multiarch.core.platform import Platform


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

    `subject` is a pattern as of file names, all if `*`; `part` and `platforms` narrow it.
    """

    subject: str
    reason: str
    part: StaticPart | None = None
    platforms: tuple[Platform, ...] = ()
