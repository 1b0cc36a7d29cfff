"""How a node executes a platform: decided from evidence that the node gave.

The client's own machine is no evidence: Docker Desktop and remote engines run on another kernel.
`uname -m` inside a container is none either, QEMU fakes it.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from pytest_multiarch.core.errors import PlatformUnavailableError

if TYPE_CHECKING:
    from pytest_multiarch.core.errors import MultiarchError
    from pytest_multiarch.core.platform import Platform


class ExecutionKind(Enum):
    """The ways a node can execute a variant; the values are what reports show."""

    NATIVE = "native"
    QEMU = "qemu"
    ROSETTA = "rosetta"
    EMULATED = "emulated"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """How a platform is executed, by which emulator version, and how that is known.

    `note` says what is not as configured: that the platform's own node is down, or emulates it.
    """

    kind: ExecutionKind
    version: str = ""
    evidence: tuple[str, ...] = ()
    note: str = ""

    @property
    def is_emulated(self) -> bool:
        return self.kind in (ExecutionKind.QEMU, ExecutionKind.ROSETTA, ExecutionKind.EMULATED)

    @property
    def is_available(self) -> bool:
        return self.kind is not ExecutionKind.UNAVAILABLE

    def __str__(self) -> str:
        return f"{self.kind.value} {self.version}".strip()

    def to_mapping(self) -> dict[str, object]:
        """Give the JSON form."""
        note = {"note": self.note} if self.note else {}
        evidence = list(self.evidence)
        return {"kind": self.kind.value, "version": self.version, "evidence": evidence, **note}

    @classmethod
    def from_mapping(cls, document: dict[str, object]) -> Execution:
        """Read what `to_mapping` gave."""
        evidence = document.get("evidence")
        return cls(
            kind=ExecutionKind(document["kind"]),
            version=str(document.get("version", "")),
            evidence=tuple(map(str, evidence)) if isinstance(evidence, list) else (),
            note=str(document.get("note", "")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeOutcome:
    """What became of a probe: a tiny static program of one platform, run in a container.

    `said_hello`: it printed its line, so the node can execute the platform.
    `command_line`: the host's view of its process 1 while it ran, empty if it never ran.
    `emulator_version`: what the emulator printed when asked, empty if it was not asked.
    `error`: the engine's or the kernel's words when it did not run.
    """

    said_hello: bool
    command_line: str = ""
    emulator_version: str = ""
    error: str = ""


_VERSION = re.compile(r"version\s+([0-9][0-9A-Za-z.+~-]*)")


def classify_probe(outcome: ProbeOutcome, *, program: str) -> Execution:
    """Decide how a probe was executed; `program` is the path it was started by.

    A native process is listed as itself; an emulated one as the emulator, followed by the
    program: `/usr/bin/qemu-aarch64-static /probe`, `/usr/libexec/qemu-binfmt/aarch64-binfmt-P
    /probe /probe`, `/run/rosetta/rosetta /probe /probe`.
    """
    if not outcome.said_hello:
        return Execution(
            kind=ExecutionKind.UNAVAILABLE,
            evidence=(f"a probe program did not run: {outcome.error or 'it printed nothing'}",),
        )
    first = outcome.command_line.split(" ", 1)[0]
    seen = f"process 1 of a probe container is {outcome.command_line!r} on the node"
    if first == program:
        return Execution(kind=ExecutionKind.NATIVE, evidence=(seen,))
    if not first:
        return Execution(
            kind=ExecutionKind.EMULATED,
            evidence=("a probe program ran, but the node did not show its process",),
        )
    kind = classify_interpreter(first)
    version = read_emulator_version(outcome.emulator_version)
    evidence = (seen, outcome.emulator_version.partition("\n")[0]) if version else (seen,)
    return Execution(kind=kind, version=version, evidence=evidence)


def read_emulator_version(printed: str) -> str:
    """Find the version in what an emulator prints when asked; empty if there is none."""
    match = _VERSION.search(printed)
    return match.group(1) if match else ""


def classify_interpreter(path: str) -> ExecutionKind:
    """Tell an emulator by the path of its binary."""
    name = posixpath.basename(path)
    if "rosetta" in path:
        return ExecutionKind.ROSETTA
    if "qemu" in path or name.endswith(("-binfmt", "-binfmt-P")):
        return ExecutionKind.QEMU
    return ExecutionKind.EMULATED


NO_PROBE = "pytest-multiarch has no probe program for it"
"""The evidence where nobody can tell how a platform would run."""


def explain_unavailable(
    platform: Platform, execution: Execution, *, node: str
) -> PlatformUnavailableError:
    """Say why a platform cannot run, and the command that adds it."""
    why = "; ".join(execution.evidence)
    if NO_PROBE in why:
        return PlatformUnavailableError(
            f"{platform} cannot be tested on {node}: {why}",
            cure=f"take {platform} out of the platforms mark, or skip it with "
            "--multiarch-unavailable=skip",
        )
    return PlatformUnavailableError(
        f"{platform} cannot run on {node}: {why}",
        cure="add an emulator: docker run --privileged --rm tonistiigi/binfmt "
        f"--install {_binfmt_name(platform)} (Debian, Ubuntu: apt-get install qemu-user-static "
        "binfmt-support), or skip such platforms with --multiarch-unavailable=skip",
    )


def explain_node_down(
    platform: Platform, error: MultiarchError, *, origin: str
) -> PlatformUnavailableError:
    """Say that a platform's own node cannot run it, and what mends that."""
    return PlatformUnavailableError(
        f"{platform} is unavailable, since its node is: {error.what}",
        cure=f"start the engine there, or mend {origin} (`pytest-multiarch doctor` looks at it); "
        "`fallback: emulate` there has the platform emulated meanwhile, "
        "--multiarch-unavailable=skip has it skipped",
    )


def _binfmt_name(platform: Platform) -> str:
    return "arm" if platform.architecture == "arm" else platform.architecture
