"""A message of an engine, a registry, a runtime or a builder that is known, and what it means."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from pytest_multiarch.core.reference import DEFAULT_REGISTRY

if TYPE_CHECKING:
    import re

    from pytest_multiarch.core.errors import MultiarchError

_MOST_SHOWN = 2000


class Stage(Enum):
    """At which step something is said."""

    PULL = "pull"
    CREATE = "create"
    START = "start"
    OUTPUT = "output"
    """Of a container or an exec: runtimes and emulators write into it in the program's place."""
    LOAD = "load"
    REQUEST = "request"
    """Any other request of an engine, such as an export."""
    BUILD = "build"


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What was being done; what is not known stands as a placeholder."""

    reference: str = "IMAGE"
    platform: str = "PLATFORM"
    registry: str = "REGISTRY"
    node: str = "the engine"

    @property
    def login(self) -> str:
        """The command that logs in to the registry."""
        is_default = self.registry == DEFAULT_REGISTRY
        return "docker login" if is_default else f"docker login {self.registry}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownMessage:
    """A row: its phrasings, at which stages they are heard, what they mean, and what mends it.

    `meaning` and `cure` are templates with the fields of an `Occasion`. Output is matched as a
    whole, and only where the container ended with one of `exit_codes`.
    """

    name: str
    stages: tuple[Stage, ...]
    pattern: re.Pattern[str]
    error: type[MultiarchError]
    meaning: str
    cure: str
    exit_codes: tuple[int, ...] = ()

    def explain(self, text: str, occasion: Occasion) -> MultiarchError:
        """Say what it means; the original follows."""
        meaning = self.meaning.format(**_list_fields(occasion))
        return self.error(
            f"{meaning}: {show_original(text)}", cure=self.cure.format(**_list_fields(occasion))
        )


def _list_fields(occasion: Occasion) -> dict[str, str]:
    return {
        "reference": occasion.reference,
        "platform": occasion.platform,
        "registry": occasion.registry,
        "node": occasion.node,
        "login": occasion.login,
    }


def show_original(text: str) -> str:
    """Make what somebody else wrote fit for a message: bounded, without control characters."""
    shown = text.strip()[:_MOST_SHOWN]
    return "".join(
        each if each.isprintable() or each == "\n" else f"\\x{ord(each):02x}" for each in shown
    )
