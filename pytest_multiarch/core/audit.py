"""The audit: whether the files of a variant are for its platform. Nothing is executed for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_multiarch.core.platform import Platform


class AuditScope(Enum):
    """What is looked at; the values are what users write.

    `PROGRAM`: what entrypoint, command and the folders of PATH reach, with interpreters and
    loaders. `IMAGE`: every file.
    """

    PROGRAM = "program"
    IMAGE = "image"
    OFF = "off"


class FindingKind(Enum):
    """What is wrong with a file; the values are in records and JSON."""

    WRONG_ARCHITECTURE = "wrong-architecture"
    """An ELF file for another platform, in what the image starts or has on PATH."""
    WRONG_ABI = "wrong-abi"
    """The right machine, another ABI: x32, armel in armhf."""
    MISSING_LOADER = "missing-loader"
    """A program whose ELF interpreter is not there: `exec ...: no such file or directory`."""
    MISSING_INTERPRETER = "missing-interpreter"
    """A script whose `#!` names what is not there."""
    OTHER_SYSTEM = "other-system"
    """A program of macOS or Windows in what the image starts or has on PATH."""
    STRAY = "stray"
    """An ELF file for another platform, elsewhere in the image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFinding:
    """One file that is wrong.

    `found` and `expected` are phrases: `arm64 (64-bit, little endian)`. `layer` is the digest of
    the layer that it came with, `instruction` the Dockerfile line of that, both empty where not
    known. `started_by` says how the image comes to it (`entrypoint`, `PATH`, `loader of /bin/sh`).
    `allowed` is the reason why it may be, empty if none was given.
    """

    kind: FindingKind
    path: str
    found: str
    expected: str
    layer: str = ""
    instruction: str = ""
    started_by: str = ""
    allowed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathAllowance:
    """Files that may be for another platform, and why; `path` is a pattern: `/opt/qemu/**`."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What an audit of one variant came to.

    `files` and `programs` count what was looked at, `notes` say what was not and why.
    """

    platform: Platform
    scope: AuditScope
    findings: tuple[FileFinding, ...] = ()
    files: int = 0
    programs: int = 0
    notes: tuple[str, ...] = ()

    @property
    def open_findings(self) -> tuple[FileFinding, ...]:
        """The findings that nothing allows."""
        return tuple(each for each in self.findings if not each.allowed)
