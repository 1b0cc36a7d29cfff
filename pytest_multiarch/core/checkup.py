"""What is looked at of an engine and the machine in front of it, and what was found."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_multiarch.core.emulators import Emulator
    from pytest_multiarch.core.execution import Execution
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.ports import EngineFacts

CHECKUP_VERSION = 1
"""Of the JSON form; counted up when a key changes its meaning or goes."""


class CheckState(Enum):
    """How a check came out, gravest last."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at: what was found, and if it is not right, what mends it."""

    name: str
    state: CheckState
    found: str
    cure: str = ""

    def to_mapping(self) -> dict[str, str]:
        """Give the JSON form."""
        return {
            "name": self.name,
            "state": self.state.value,
            "found": self.found,
            "cure": self.cure,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The machine that the command runs on, which need not be the engine's.

    Sizes in bytes, 0 where the system does not tell. `environ` are the variables that matter to
    engines or emulators, and are no secrets.
    """

    platform: Platform
    kernel: str
    memory_size: int = 0
    page_size: int = 0
    environ: Mapping[str, str] = field(default_factory=dict)

    def shares_kernel(self, facts: EngineFacts) -> bool:
        """Tell whether an engine runs on this machine's kernel, so that what is seen here counts.

        A socket says nothing: Docker Desktop's is local, and its engine in a virtual machine.
        """
        is_alike = self.platform.os == facts.platform.os and self.kernel == facts.kernel
        return is_alike and self.memory_size == facts.memory_size

    def to_mapping(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {
            "platform": str(self.platform),
            "kernel": self.kernel,
            "page_size": self.page_size,
            "environ": dict(self.environ),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Builder:
    """A builder of buildx, with the platforms that BuildKit listed when it was started."""

    name: str
    driver: str
    is_current: bool
    platforms: tuple[str, ...]

    def to_mapping(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {
            "name": self.name,
            "driver": self.driver,
            "is_current": self.is_current,
            "platforms": list(self.platforms),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Buildx:
    """The docker command's build plugin; `problem` says why it cannot be asked, if so."""

    version: str = ""
    builders: tuple[Builder, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A registry host for which there are, or should be, credentials; never these themselves."""

    registry: str
    problem: str = ""

    def to_mapping(self) -> dict[str, str]:
        """Give the JSON form."""
        return {"registry": self.registry, "problem": self.problem}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a platform does on the engine.

    `execution` is None where only a container would show it. `is_tried`: a container did.
    `is_required`: somebody asked for the platform. `node` is where the platform has a node of its
    own, empty for the default one.
    """

    platform: Platform
    execution: Execution | None
    is_tried: bool = False
    is_required: bool = False
    emulator: Emulator | None = None
    node: str = ""

    def to_mapping(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {
            "platform": str(self.platform),
            "execution": self.execution.to_mapping() if self.execution else None,
            "is_tried": self.is_tried,
            "is_required": self.is_required,
            "flags": self.emulator.flags if self.emulator else "",
            **({"node": self.node} if self.node else {}),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkup:
    """All that was found; `facts` is None where no engine answers."""

    versions: Mapping[str, str]
    machine: Machine
    facts: EngineFacts | None
    checks: tuple[Check, ...]
    outlooks: tuple[Outlook, ...]
    emulators: tuple[Emulator, ...] = ()
    buildx: Buildx = Buildx()
    logins: tuple[Login, ...] = ()

    @property
    def state(self) -> CheckState:
        """The gravest state of any check."""
        order = list(CheckState)
        return max((each.state for each in self.checks), key=order.index, default=CheckState.OK)

    def to_mapping(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {
            "version": CHECKUP_VERSION,
            "state": self.state.value,
            "versions": dict(self.versions),
            "engine": _describe_engine(self.facts, self.machine) if self.facts else None,
            "machine": self.machine.to_mapping(),
            "checks": [each.to_mapping() for each in self.checks],
            "platforms": [each.to_mapping() for each in self.outlooks],
            "emulators": [_describe_emulator(each) for each in self.emulators],
            "buildx": {
                "version": self.buildx.version,
                "builders": [each.to_mapping() for each in self.buildx.builders],
            },
            "logins": [each.to_mapping() for each in self.logins],
        }


def _describe_engine(facts: EngineFacts, machine: Machine) -> dict[str, Any]:
    return {
        "address": facts.node,
        "product": facts.product,
        "version": facts.version,
        "api_version": ".".join(map(str, facts.api_version)),
        "platform": str(facts.platform),
        "kernel": facts.kernel,
        "shares_kernel": machine.shares_kernel(facts),
        "image_store": "containerd" if facts.has_containerd_store else "classic",
        "data_root": facts.data_root,
    }


def _describe_emulator(emulator: Emulator) -> dict[str, Any]:
    return {
        "name": emulator.name,
        "interpreter": emulator.interpreter,
        "version": emulator.version,
        "flags": emulator.flags,
        "is_enabled": emulator.is_enabled,
    }
