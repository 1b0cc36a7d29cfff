"""The names that architectures go by, found in text and aligned between platforms.

What a program prints often holds the name of the architecture it runs on, in one of a dozen
spellings. Such a difference is none, but only where each platform printed its *own* name:
`aarch64` on arm64 against `x86_64` on amd64 agree, `x86_64` on arm64 against `amd64` does not.

So names are aligned, not destroyed. Every text is split by one pattern, the same on all platforms,
into a skeleton and a sequence of names; two texts agree if their skeletons are equal and their
names agree pair by pair. A text that lists architectures (`amd64 arm64 s390x`) or counts 386 things
is then equal to itself on every platform.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_multiarch.core.platform import Platform

MARK = "\ud800"
"""Stands for a name in a skeleton. No decoded output holds it: UTF-8 has no surrogates, and
`surrogateescape` uses only U+DC80 to U+DCFF."""

PLACEHOLDER = "<arch>"
"""Stands for a platform's own name where a text is shown or keyed with its names masked."""

_MAX_PADDING = 64

# Keyed by architecture (any variant) or architecture/variant. Sources: `uname -m` (Linux, QEMU's
# cpu_to_uts_machine), GOARCH, dpkg, rpm and apk architectures, Docker's per-architecture
# organisations (`arm32v7/`), os.arch of Java, process.arch of Node, ARCH of Rust and Zig,
# `file` and `readelf -h`.
_NAMES: dict[str, tuple[str, ...]] = {
    "386": (
        "386",
        "i386",
        "i486",
        "i586",
        "i686",
        "x86",
        "ia32",
        "intel 80386",
        "intel i386",
    ),
    "amd64": ("amd64", "x86_64", "x86-64", "x64", "advanced micro devices x86-64"),
    "amd64/v2": ("amd64/v2", "amd64v2", "x86_64_v2", "x86-64-v2"),
    "amd64/v3": ("amd64/v3", "amd64v3", "x86_64_v3", "x86-64-v3"),
    "amd64/v4": ("amd64/v4", "amd64v4", "x86_64_v4", "x86-64-v4"),
    "arm": ("arm", "armv8l"),
    "arm/v5": (
        "arm/v5",
        "arm32v5",
        "armel",
        "armv5",
        "armv5te",
        "armv5tel",
        "armv6l",
        "armv7l",
    ),
    "arm/v6": (
        "arm/v6",
        "arm32v6",
        "armel",
        "armhf",
        "armv6",
        "armv6l",
        "armv6hl",
        "armv7l",
    ),
    "arm/v7": (
        "arm/v7",
        "arm32v7",
        "armhf",
        "armv7",
        "armv7a",
        "armv7l",
        "armv7hl",
        "armv7hnl",
    ),
    "arm/v8": ("arm/v8", "arm32v8", "armhf", "armv7l"),
    "arm64": (
        "arm64",
        "aarch64",
        "arm64/v8",
        "arm64v8",
        "armv8",
        "armv8-a",
        "arm aarch64",
    ),
    "loong64": ("loong64", "loongarch64"),
    "mips": ("mips",),
    "mips64": ("mips64",),
    "mips64le": ("mips64le", "mips64el", "mips64"),
    "mipsle": ("mipsle", "mipsel", "mips"),
    "ppc64": ("ppc64", "powerpc64"),
    "ppc64le": ("ppc64le", "ppc64el", "powerpc64le", "powerpc64", "ppc64"),
    "riscv64": ("riscv64", "riscv64gc", "risc-v 64"),
    "s390x": ("s390x",),
}

# Names of files that every dynamically linked program has to do with, by architecture.
_LOADERS: dict[str, tuple[str, ...]] = {
    "386": ("/lib/ld-linux.so.2", "/lib/ld-musl-i386.so.1"),
    "amd64": ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-musl-x86_64.so.1"),
    "arm/v5": ("/lib/ld-linux.so.3", "/lib/ld-musl-arm.so.1"),
    "arm/v6": (
        "/lib/ld-linux-armhf.so.3",
        "/lib/ld-linux.so.3",
        "/lib/ld-musl-armhf.so.1",
    ),
    "arm/v7": ("/lib/ld-linux-armhf.so.3", "/lib/ld-musl-armhf.so.1"),
    "arm/v8": ("/lib/ld-linux-armhf.so.3", "/lib/ld-musl-armhf.so.1"),
    "arm64": ("/lib/ld-linux-aarch64.so.1", "/lib/ld-musl-aarch64.so.1"),
    "loong64": (
        "/lib64/ld-linux-loongarch-lp64d.so.1",
        "/lib/ld-musl-loongarch64.so.1",
    ),
    "mips64le": ("/lib64/ld.so.1", "/lib/ld-musl-mips64el.so.1"),
    "ppc64le": ("/lib64/ld64.so.2", "/lib/ld-musl-powerpc64le.so.1"),
    "riscv64": ("/lib/ld-linux-riscv64-lp64d.so.1", "/lib/ld-musl-riscv64.so.1"),
    "s390x": ("/lib/ld64.so.1", "/lib/ld-musl-s390x.so.1"),
}
_VDSOS = {
    "386": "linux-gate.so.1",
    "ppc64le": "linux-vdso64.so.1",
    "s390x": "linux-vdso64.so.1",
}
_ABIS: dict[str, tuple[str, ...]] = {
    "arm/v5": ("eabi",),
    "arm/v6": ("eabi", "eabihf"),
    "arm/v7": ("eabihf",),
    "arm/v8": ("eabihf",),
    "mips64le": ("abi64",),
}
"""What a triple ends with; nothing on the others: `x86_64-linux-gnux32` is not amd64's."""


def _list_files() -> dict[str, frozenset[str]]:
    """Give each architecture's loaders, with and without their folder, and its vDSO."""
    return {
        key: frozenset(
            [_VDSOS.get(key, "linux-vdso.so.1")]
            + [form for path in paths for form in (f"/usr{path}", path, path.rpartition("/")[2])]
        )
        for key, paths in _LOADERS.items()
    }


_NAMES_OF = {key: frozenset(names) for key, names in _NAMES.items()}
_FILES_OF = _list_files()
_TRIPLE = r"(?:-(?:[a-z0-9]+-)?linux(?:-(?:gnu|musl|uclibc))?-?(?:eabi(?:hf)?|abi64)?)?"
_PARTS = re.compile(
    r"(?P<arch>.*?)(?:-(?:(?P<vendor>[a-z][a-z0-9]*)-)?linux(?:-(?P<libc>gnu|musl|uclibc))?"
    r"-?(?P<abi>eabi(?:hf)?|abi64)?)?"
)


def _compile_pattern() -> re.Pattern[str]:
    """Compile the one pattern that finds all names of all platforms, longest first.

    It starts with a set of characters, and looks at the left boundary only after one of them:
    the regex engine then skips forward, where a leading lookbehind is tried at every character.
    """
    tails = {name: _TRIPLE for names in _NAMES.values() for name in names}
    tails |= {name: "" for names in _FILES_OF.values() for name in names}
    by_first: dict[str, list[str]] = {}
    for name in sorted(tails, key=lambda each: (-len(each), each)):
        by_first.setdefault(name[0], []).append(re.escape(name[1:]) + tails[name])
    first = "".join(sorted({*by_first, *(letter.upper() for letter in by_first)}))
    groups = "|".join(f"(?<={key})(?:{'|'.join(rests)})" for key, rests in by_first.items())
    return re.compile(
        rf"[{re.escape(first)}](?<![a-z0-9].)(?:{groups})(?![a-z0-9])",
        re.IGNORECASE | re.ASCII,
    )


_PATTERN = _compile_pattern()


@dataclass(frozen=True, slots=True)
class SplitText:
    """A text taken apart: the names in it, and all else with a `MARK` in place of each name.

    A name keeps the spaces around it, so that a column padded to a width can be aligned.
    """

    skeleton: str
    names: tuple[str, ...]


def split_names(text: str) -> SplitText:
    """Take a text apart into its skeleton and the architecture names in it."""
    pieces: list[str] = []
    names: list[str] = []
    end = 0
    for match in _PATTERN.finditer(text):
        start = _skip_spaces(text, match.start(), end, step=-1)
        pieces.append(text[end:start])
        end = _skip_spaces(text, match.end(), len(text), step=1)
        names.append(text[start:end])
    return SplitText(MARK.join([*pieces, text[end:]]), tuple(names))


def has_more_names(text: str, number: int) -> bool:
    """Tell whether a text has more names than a number, without counting all of them."""
    return next(islice(_PATTERN.finditer(text), number, None), None) is not None


def _skip_spaces(text: str, at: int, limit: int, *, step: int) -> int:
    for _ in range(_MAX_PADDING):
        if at == limit or text[at if step > 0 else at - 1] != " ":
            break
        at += step
    return at


def mask_own_names(text: str, platform: Platform, *, placeholder: str = PLACEHOLDER) -> str:
    """Replace the platform's own names, and only those; spaces stay as they are."""
    known: dict[str, str] = {}

    def mask(match: re.Match[str]) -> str:
        name = match[0]
        if name not in known:
            known[name] = placeholder if is_own_name(name, platform) else name
        return known[name]

    return _PATTERN.sub(mask, text)


def is_own_name(name: str, platform: Platform) -> bool:
    """Tell whether a name, in any case, is one that the platform itself goes by."""
    lower = name.lower()
    keys = (platform.architecture, f"{platform.architecture}/{platform.variant}")
    if any(lower in _FILES_OF.get(key, ()) for key in keys):
        return True
    parts = _PARTS.fullmatch(lower)
    if parts is None or not any(parts["arch"] in _NAMES_OF.get(key, ()) for key in keys):
        return False
    abis = next((_ABIS[key] for key in keys if key in _ABIS), ())
    return parts["abi"] is None or parts["abi"] in abis


def list_loaders(platform: Platform) -> tuple[str, ...]:
    """Give the paths of the loaders that a platform's dynamically linked programs ask for."""
    keys = (platform.architecture, f"{platform.architecture}/{platform.variant}")
    return tuple(path for key in keys for path in _LOADERS.get(key, ()))


def names_agree(ours: str, theirs: str, our_platform: Platform, their_platform: Platform) -> bool:
    """Tell whether two names mean the same: the same name, or each platform's own.

    Own names agree only in the same form: a `musl` triple is not a `gnu` triple's counterpart.
    The spaces around them have to be equal, or to fill a column of the same width.
    """
    a, b = ours.strip(" ").lower(), theirs.strip(" ").lower()
    is_padded_alike = len(ours) == len(theirs) or _measure_padding(ours) == _measure_padding(theirs)
    if a == b:
        return _measure_padding(ours) == _measure_padding(theirs)
    return (
        is_padded_alike
        and _read_form(a) == _read_form(b)
        and is_own_name(a, our_platform)
        and is_own_name(b, their_platform)
    )


def _measure_padding(name: str) -> tuple[int, int]:
    left = len(name) - len(name.lstrip(" "))
    return left, len(name) - len(name.rstrip(" "))


def _read_form(name: str) -> tuple[str, ...]:
    """Give what of a name is not the architecture: the kind of file, or a triple's other parts."""
    if ".so." in name:
        libc = next((kind for kind in ("musl", "vdso", "gate") if kind in name), "gnu")
        place = ("/usr" if name.startswith("/usr") else "/") if "/" in name else ""
        return ("file", place, "vdso" if libc == "gate" else libc)
    parts = _PARTS.fullmatch(name)
    if parts is None or parts["arch"] == name:
        return ()
    # config.guess says "pc" for x86, "ibm" for s390x, and "unknown" for all else.
    vendor = "unknown" if parts["vendor"] in ("pc", "ibm") else parts["vendor"] or ""
    return ("triple", vendor, parts["libc"] or "")


def texts_agree(
    ours: str | SplitText,
    theirs: str | SplitText,
    our_platform: Platform,
    their_platform: Platform,
) -> bool:
    """Tell whether two texts are equal but for the platforms' own names."""
    if ours == theirs:
        return True
    a = split_names(ours) if isinstance(ours, str) else ours
    b = split_names(theirs) if isinstance(theirs, str) else theirs
    return a.skeleton == b.skeleton and sequences_agree(
        a.names, b.names, our_platform, their_platform
    )


def sequences_agree(
    ours: tuple[str, ...],
    theirs: tuple[str, ...],
    our_platform: Platform,
    their_platform: Platform,
) -> bool:
    """Tell whether the names of two texts agree pair by pair."""
    return len(ours) == len(theirs) and all(
        a == b or names_agree(a, b, our_platform, their_platform)
        for a, b in zip(ours, theirs, strict=True)
    )
