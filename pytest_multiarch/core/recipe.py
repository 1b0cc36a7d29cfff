"""Recipes: what it takes to make a test's calls again. They stay on the machine that made them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from pytest_multiarch.core.call import NETWORK_PREFIX
from pytest_multiarch.core.rules import ParityRules
from pytest_multiarch.core.wait import CallableWait, StrategyWait

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_multiarch.core.call import Call, FileToCopy
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.wait import Wait

MOST_STEPS = 50
"""How many steps of a container are kept: to repeat more of them takes longer than it is worth."""


_NETWORKS_OF_ENGINES = ("", "none", "bridge", "default", "host")


def explain_network(network: str) -> str:
    """Say why what ran in a network cannot be made again; empty if it can."""
    if network in _NETWORKS_OF_ENGINES:
        return ""
    if network.startswith(NETWORK_PREFIX):
        return "it ran beside other containers, in a network of the test's own, and they are gone"
    return f"it ran in the network {network}, whose other containers may not be as they were"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that was done with a running container: a call, files put in, or a wait."""

    call: Call | None = None
    files: tuple[FileToCopy, ...] = ()
    waits: tuple[Wait, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerRecipe:
    """How a container was started, and what was done with it since, in order.

    `problem` says why that is not all that happened to it, and is empty if it is.
    """

    call: Call
    ports: tuple[int, ...] = ()
    waits: tuple[Wait, ...] = ()
    steps: tuple[Step, ...] = ()
    problem: str = ""

    @property
    def has_functions(self) -> bool:
        """Whether it waits by functions or objects of the test's, which stay in its process."""
        waits = (*self.waits, *(wait for step in self.steps for wait in step.waits))
        return any(isinstance(each, (CallableWait, StrategyWait)) for each in waits)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCall:
    """One call that a test made.

    `position` is that of its observation among its member's, None if it was not observed.
    `container` and `step` say where an exec stands in the recipe's containers.
    """

    kind: Literal["run", "exec"]
    call: Call
    position: int | None
    container: int = -1
    step: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What it takes to make the calls of one member again.

    `digest` is the variant's. `rules` have the functions to normalize by. `secrets` map values
    that may be secrets to what they are shown as. `problem` says why nothing can be made again,
    and is empty if there is no such reason.
    """

    platform: Platform
    reference: str
    digest: str
    rules: ParityRules = field(default_factory=ParityRules)
    calls: tuple[RecordedCall, ...] = ()
    containers: tuple[ContainerRecipe, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    problem: str = ""

    def find_call(self, position: int) -> RecordedCall | None:
        """Give the call of an observation; None for what is no call."""
        return next((each for each in self.calls if each.position == position), None)

    def tell_problem(self, position: int) -> str:
        """Say why the call of an observation cannot be made again; empty if it can."""
        found = self.find_call(position)
        if self.problem:
            return self.problem
        if found is None:
            return "it is a value of the test's own, which only the test can make again"
        if found.kind == "run":
            return explain_network(found.call.network)
        container = self.containers[found.container]
        if container.problem:
            return container.problem
        if found.step >= len(container.steps):
            return f"its container had been used more than {MOST_STEPS} times before"
        return ""
