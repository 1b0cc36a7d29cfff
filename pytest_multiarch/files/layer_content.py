"""The few files of a layer whose content tells of the image: package databases, its release."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from pytest_multiarch.core.errors import ImageError
from pytest_multiarch.core.packages import parse_apk_installed, parse_dpkg_status

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_multiarch.core.packages import Package

_TEXTS = frozenset({"/etc/os-release", "/usr/lib/os-release"})
_TEXT_LIMIT = 64 * 1024
_DPKG = "/var/lib/dpkg/status"
_DPKG_FOLDER = "/var/lib/dpkg/status.d"  # one file for each package: distroless images
_APK = frozenset({"/lib/apk/db/installed", "/usr/lib/apk/db/installed"})
_RPM_FOLDERS = frozenset({"/var/lib/rpm", "/usr/lib/sysimage/rpm"})
_RPM_UNREAD = {"Packages": "Berkeley DB", "Packages.db": "ndb"}
_BEGINNINGS = ("/var/lib/", "/usr/lib/", "/lib/apk/", "/etc/os-")
_DATABASES_LIMIT = 16 * 1024 * 1024
"""How many bytes of databases are read of one layer, together."""


class ContentKeeper:
    """Reads what tells of an image, as it is come by, and says what it did not read."""

    def __init__(self) -> None:
        self.packages: dict[str, tuple[Package, ...]] = {}
        self.texts: dict[str, str] = {}
        self.notes: list[str] = []
        self._left = _DATABASES_LIMIT

    def wants(self, path: str, size: int) -> bool:
        """Tell whether the content of a file is to be given to `keep`."""
        if not path.startswith(_BEGINNINGS):
            return False
        if path in _TEXTS:
            return self._is_within(path, size, _TEXT_LIMIT)
        folder, name = posixpath.split(path)
        if folder in _RPM_FOLDERS and name in _RPM_UNREAD:
            self.notes.append(f"{path} was not read: rpm's database is {_RPM_UNREAD[name]}")
            return False
        if _choose_parser(path) is None or not self._is_within(path, size, self._left):
            return False
        self._left -= size
        return True

    def keep(self, path: str, content: bytes) -> None:
        """Take in the content of a file."""
        parse = _choose_parser(path)
        if parse is None:
            self.texts[path] = content.decode("utf-8", "replace")
            return
        try:
            self.packages[path] = parse(content)
        except ImageError as error:
            self.notes.append(f"{path} was not read: {error.headline}")

    def _is_within(self, path: str, size: int, limit: int) -> bool:
        if size > limit:
            self.notes.append(f"{path} was not read: it has {size:,} bytes")
        return size <= limit


def _choose_parser(path: str) -> Callable[[bytes], tuple[Package, ...]] | None:
    if path in _APK:
        return lambda content: parse_apk_installed(content.decode("utf-8", "replace"))
    folder, name = posixpath.split(path)
    if path == _DPKG or (folder == _DPKG_FOLDER and not name.endswith(".md5sums")):
        return lambda content: parse_dpkg_status(content.decode("utf-8", "replace"))
    if folder in _RPM_FOLDERS and name == "rpmdb.sqlite":
        return _read_rpm
    return None


def _read_rpm(content: bytes) -> tuple[Package, ...]:
    from pytest_multiarch.files.rpm_database import read_rpm_database

    return read_rpm_database(content)
