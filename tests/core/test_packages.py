"""The package databases of dpkg and apk."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_multiarch.core.packages import Package, parse_apk_installed, parse_dpkg_status

STATUS = """\
Package: libc6
Status: install ok installed
Architecture: arm64
Multi-Arch: same
Version: 2.36-9+deb12u10
Description: GNU C Library
 Version: 0 in a description is not the version
 .
 It goes on.

Package: removed
Status: deinstall ok config-files
Version: 1

Package: adduser
Status: install ok installed
Version: 3.134
Architecture: all
"""

INSTALLED = """\
C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=
P:alpine-baselayout
V:3.6.5-r0
A:aarch64
T:Alpine base dir structure
F:etc
R:motd

P:musl
V:1.2.5-r1
A:aarch64

"""


def test_dpkg_status() -> None:
    """Installed packages are given in order, removed ones are not."""
    assert parse_dpkg_status(STATUS) == (
        Package("dpkg", "adduser", "3.134", "all"),
        Package("dpkg", "libc6", "2.36-9+deb12u10", "arm64"),
    )


def test_distroless_status_has_no_status_field() -> None:
    status = "Package: tzdata\nVersion: 2024a-0+deb12u1\nArchitecture: all"
    assert parse_dpkg_status(status) == (Package("dpkg", "tzdata", "2024a-0+deb12u1", "all"),)


def test_apk_installed() -> None:
    assert parse_apk_installed(INSTALLED) == (
        Package("apk", "alpine-baselayout", "3.6.5-r0", "aarch64"),
        Package("apk", "musl", "1.2.5-r1", "aarch64"),
    )


@given(st.text(alphabet="PVA: \n\tackgeStusVrionh.1"))
def test_any_text_is_read(text: str) -> None:
    """What is no database has no packages, and is no error."""
    assert all(each.name for each in (*parse_dpkg_status(text), *parse_apk_installed(text)))
