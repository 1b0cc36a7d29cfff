"""Installed packages, read from the databases of dpkg, apk and rpm."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """An installed package; `manager` is `dpkg`, `apk` or `rpm`."""

    manager: str
    name: str
    version: str
    architecture: str = ""
