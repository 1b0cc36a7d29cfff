"""Installed packages, read from the databases of dpkg, apk and rpm."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_DPKG_FIELD = re.compile(
    r"^(Package|Status|Version|Architecture):[ \t]*(.*?)[ \t\r]*$", re.MULTILINE
)
_APK_FIELD = re.compile(r"^([PVA]):(.*?)\r?$", re.MULTILINE)
_BLANK_LINE = re.compile(r"\n[ \t\r]*\n")
_NOT_INSTALLED = frozenset({"not-installed", "config-files"})


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """An installed package; `manager` is `dpkg`, `apk` or `rpm`."""

    manager: str
    name: str
    version: str
    architecture: str = ""


def parse_dpkg_status(text: str) -> tuple[Package, ...]:
    """Read dpkg's `status`, or a file of `status.d` of images that have no dpkg.

    Packages that are removed, of which only the configuration is left, are left out. What is no
    paragraph of a package is passed over.
    """
    packages = []
    for fields in _list_paragraphs(text, _DPKG_FIELD):
        state = fields.get("Status", "").split()[-1:]
        if fields.get("Package") and not _NOT_INSTALLED.intersection(state):
            packages.append(
                Package(
                    "dpkg",
                    fields["Package"],
                    fields.get("Version", ""),
                    fields.get("Architecture", ""),
                )
            )
    return tuple(sorted(packages))


def parse_apk_installed(text: str) -> tuple[Package, ...]:
    """Read apk's `installed`; what is no paragraph of a package is passed over."""
    return tuple(
        sorted(
            Package("apk", fields["P"], fields.get("V", ""), fields.get("A", ""))
            for fields in _list_paragraphs(text, _APK_FIELD)
            if fields.get("P")
        )
    )


def _list_paragraphs(text: str, field: re.Pattern[str]) -> Iterator[dict[str, str]]:
    """Give the wanted fields of each paragraph; of a field that comes twice, the first."""
    for paragraph in _BLANK_LINE.split(text):
        fields: dict[str, str] = {}
        for name, value in field.findall(paragraph):
            fields.setdefault(name, value)
        yield fields
