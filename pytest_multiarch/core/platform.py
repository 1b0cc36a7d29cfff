"""Platforms: one normal form for `os/arch[/variant]`, the same on every machine.

The rules are containerd's (`containerd/platforms`, `database.go` and `compare.go`), with two
differences on purpose: a single token never takes the local machine's OS or architecture, and
unknown names are refused, since `linux/foo` would only fail much later.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from pytest_multiarch.core.errors import UsageError

_ALIASES = {
    "i386": ("386", ""),
    "i486": ("386", ""),
    "i586": ("386", ""),
    "i686": ("386", ""),
    "x86": ("386", ""),
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "x64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armv7": ("arm", "v7"),
    "armv7l": ("arm", "v7"),
    "armv6": ("arm", "v6"),
    "armv6l": ("arm", "v6"),
    "armv8": ("arm64", ""),
    "armel": ("arm", "v6"),
    "ppc64el": ("ppc64le", ""),
    "powerpc64le": ("ppc64le", ""),
    "loongarch64": ("loong64", ""),
    "mips64el": ("mips64le", ""),
}
_VARIANTS = {
    "amd64": ("", "v2", "v3", "v4"),
    "arm": ("v5", "v6", "v7", "v8"),
    "arm64": (
        "",
        *(f"v8.{minor}" for minor in range(1, 9)),
        "v9",
        *(f"v9.{minor}" for minor in range(1, 8)),
    ),
}
_ARCHITECTURES = (
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle",
    "ppc64", "ppc64le", "riscv64", "s390x", "wasm",
)  # fmt: skip
_SYSTEMS = ("linux", "windows", "darwin", "freebsd", "wasip1")
COMMON_PLATFORMS = (
    "linux/amd64", "linux/arm64", "linux/arm/v7", "linux/arm/v6", "linux/386",
    "linux/ppc64le", "linux/s390x", "linux/riscv64",
)  # fmt: skip
_COMPONENT = re.compile(r"[a-z0-9_.-]+\Z")


@dataclass(frozen=True, slots=True, order=True)
class Platform:
    """An OCI platform in normal form; `str()` gives `os/arch[/variant]`."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Read a platform as people write it: aliases and any case are understood.

        >>> str(Platform.parse("ARM64/v8")), str(Platform.parse("linux/armhf"))
        ('linux/arm64', 'linux/arm/v7')

        Raises:
            UsageError: the text names no platform; the nearest spelling is in the cure.
        """
        parts = text.strip().lower().split("/")
        if not all(_COMPONENT.match(part) for part in parts) or len(parts) > 3:
            raise _refuse(text)
        system = "darwin" if parts[0] == "macos" else parts[0]
        if system in _SYSTEMS:
            parts = parts[1:]
        elif len(parts) == 3:
            raise _refuse(text)
        else:
            system = "linux"
        if not parts:
            raise _refuse(text)
        architecture, implied = _ALIASES.get(parts[0], (parts[0], ""))
        variant = _normalize_variant(architecture, parts[1] if len(parts) > 1 else implied)
        platform = cls(system, architecture, variant)
        if architecture not in _ARCHITECTURES or not platform._has_known_variant():
            raise _refuse(text)
        return platform

    @classmethod
    def of_image(cls, os: str, architecture: str, variant: str = "") -> Platform:
        """Normalize what an index entry or an image config says; unknown names stay as they are."""
        name, implied = _ALIASES.get(architecture.lower(), (architecture.lower(), ""))
        system = os.lower() or "linux"
        return cls(system, name, _normalize_variant(name, variant.lower() or implied))

    @property
    def slug(self) -> str:
        """The platform as one word that is safe in file, container and tag names."""
        return str(self).replace("/", "-")

    def _has_known_variant(self) -> bool:
        return self.variant in _VARIANTS.get(self.architecture, ("",))

    def __str__(self) -> str:
        tail = f"/{self.variant}" if self.variant else ""
        return f"{self.os}/{self.architecture}{tail}"


def _normalize_variant(architecture: str, variant: str) -> str:
    if variant and variant[0].isdigit():
        variant = f"v{variant}"
    match architecture:
        case "arm":
            return {"": "v7", "v7.0": "v7"}.get(variant, variant)
        case "arm64":
            return {"v8": "", "v8.0": "", "v9.0": "v9"}.get(variant, variant)
        case "amd64":
            return "" if variant == "v1" else variant
        case _:
            return variant


def _refuse(text: str) -> UsageError:
    known = [f"{os}/{arch}" for os in ("linux", "windows") for arch in _ARCHITECTURES]
    spellings = [*COMMON_PLATFORMS, *known, *_ARCHITECTURES, *_ALIASES]
    near = difflib.get_close_matches(text.strip().lower(), spellings, n=1, cutoff=0.5)
    meant = f"did you mean {near[0]!r}? " if near else ""
    return UsageError(
        f"{text!r} is not a platform",
        cure=f"{meant}a platform is os/arch[/variant], for example {', '.join(COMMON_PLATFORMS)}",
    )
