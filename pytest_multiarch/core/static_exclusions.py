"""What variants of one image rightly have different: left out of static parity by default.

Each line was seen in images that people publish. What is in no table here is compared, once each
platform's own names (`core/names.py`) are taken for the same.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_multiarch.core.path_pattern import translate_path_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable

# Build arguments that became variables; what each platform downloaded.
_ENV_NAMES = re.compile(
    r"(?:TARGET|BUILD)(?:PLATFORM|ARCH|VARIANT|OS)"
    r"|GO(?:ARM|ARM64|AMD64|386|MIPS|MIPS64|PPC64|RISCV64)"
    r"|(?:.*_)?(?:SHA(?:1|224|256|384|512)?(?:SUMS?)?|MD5(?:SUM)?|CHECKSUM|DIGEST)(?:_.*)?",
    re.IGNORECASE,
)

# When, where and on top of which manifest a platform was built. Not the revision: variants of one
# image are built from the same.
_LABEL_NAMES = re.compile(
    r"org\.opencontainers\.image\.(?:created|base\.digest)"
    r"|(?:.*[._-])?(?:build[._-]?(?:date|time|host|id|number|url)|created(?:[._-]?at)?)",
    re.IGNORECASE,
)

_TIMESTAMP = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)? ?(?:Z|UTC|[+-]\d\d:?\d\d)?"
)

_PATHS = (
    # Filled in by the engine, or while something runs.
    "/.dockerenv", "/dev/**", "/proc/**", "/run/.containerenv", "/run/secrets/**", "/sys/**",
    "/tmp/*/**", "/var/tmp/*/**",  # noqa: S108
    "/etc/hostname", "/etc/hosts", "/etc/mtab", "/etc/resolv.conf",
    "/etc/machine-id", "/var/lib/dbus/machine-id",
    # Caches, logs, and backups of user databases.
    "/etc/.pwd.lock", "/etc/ld.so.cache", "/etc/group-", "/etc/gshadow-", "/etc/passwd-",
    "/etc/shadow-", "/etc/subgid-", "/etc/subuid-", "/root/.cache/**", "/var/cache/**",
    "/var/log/**", "**/__pycache__/**", "**/*.pyc", "**/gconv-modules.cache", "**/mime.cache",
    "**/icon-theme.cache", "**/gschemas.compiled", "**/giomodule.cache", "**/loaders.cache",
    # The records of package managers; packages are compared as such.
    "/etc/alternatives/README", "/lib/apk/**", "/usr/lib/apk/db/**", "/usr/lib/rpm/platform/**",
    "/usr/lib/sysimage/**", "/var/lib/apt/**", "/var/lib/dnf/**", "/var/lib/dpkg/**",
    "/var/lib/rpm/**", "/var/lib/yum/**", "/var/lib/zypp/**", "/usr/lib/.build-id/**",
    # Documentation, with change logs of rebuilds for one architecture.
    "/usr/share/doc/**", "/usr/share/info/dir", "/usr/share/lintian/**",
    # Folders and links that only some architectures have for their loaders and libraries.
    "/lib32", "/lib64", "/libo32", "/libx32",
    "/usr/lib32", "/usr/lib64", "/usr/libo32", "/usr/libx32",
    # Names of `setarch`, by which it runs programs of the machine's other architectures.
    "/usr/bin/i386", "/usr/bin/x86_64", "/usr/bin/ppc32", "/usr/bin/s390",
    "/usr/share/man/**/man8/i386.8*", "/usr/share/man/**/man8/x86_64.8*",
)  # fmt: skip

# Files that are there on all platforms, with different content.
_CONTENTS = (
    # Written for one architecture by a build: objects, libraries, headers, what names them.
    "**/*.a", "**/*.o", "**/*.bc", "**/*.la", "**/*.pc", "**/*.rlib", "**/*.syso",
    "/usr/include/**", "/usr/local/include/**", "**/_sysconfigdata_*.py", "**/config.gypi",
    "**/Makefile", "**/Makefile.global", "**/*.dist-info/RECORD", "**/*.dist-info/WHEEL",
    "**/.package-lock.json",
    "/usr/bin/bashbug", "/usr/bin/ldd", "/bin/ldd",
    # Other mirrors and repositories (`ports.ubuntu.com`), `/etc/apk/arch`.
    "/etc/apk/arch", "/etc/apt/sources.list", "/etc/apt/sources.list.d/**",
    # With the day or the second of the build in them.
    "/etc/shadow", "**/cacerts", "/etc/pki/ca-trust/extracted/**",
    # In the byte order of the machine.
    "/usr/lib/locale/**",
)  # fmt: skip

# Of these, GCC and the C library have none on some architectures.
_RUNTIMES = r"lib(?:quadmath|itm|asan|hwasan|lsan|tsan|ubsan|mvec|cc1|x32gcc)"
_RUNTIME_PACKAGES = re.compile(_RUNTIMES + r"[-0-9.a-z]*")


def _join(patterns: Iterable[str], *more: str) -> re.Pattern[str]:
    return re.compile("|".join([*map(translate_path_pattern, patterns), *more]), re.DOTALL)


_PATH = _join(_PATHS, rf".*/{_RUNTIMES}\.so[.0-9]*")
_CONTENT = _join(_CONTENTS)


def is_env_left_out(name: str) -> bool:
    """Tell whether a variable of the environment is not compared."""
    return bool(_ENV_NAMES.fullmatch(name))


def is_label_left_out(name: str) -> bool:
    """Tell whether a label is not compared."""
    return bool(_LABEL_NAMES.fullmatch(name))


def mask_times(text: str) -> str:
    """Give a text without the points in time that it names; a date alone stays."""
    return _TIMESTAMP.sub("<time>", text)


def is_path_left_out(path: str) -> bool:
    """Tell whether a path is not compared at all."""
    return bool(_PATH.fullmatch(path))


def is_content_left_out(path: str) -> bool:
    """Tell whether a file has to be there, with any content."""
    return bool(_CONTENT.fullmatch(path))


def is_package_left_out(name: str) -> bool:
    """Tell whether a package may be missing on some platforms."""
    return bool(_RUNTIME_PACKAGES.fullmatch(name))
