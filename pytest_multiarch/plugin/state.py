"""What the plugin keeps on pytest's objects: typed stash keys, and nothing else anywhere."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.core.platform import Platform

if TYPE_CHECKING:
    from pytest_multiarch.core.call import Call
    from pytest_multiarch.core.errors import MultiarchError
    from pytest_multiarch.core.observation import Observation
    from pytest_multiarch.core.rules import ParityRules
    from pytest_multiarch.core.settings import Settings
    from pytest_multiarch.plugin.marks import Declarations
    from pytest_multiarch.run.container import Container
    from pytest_multiarch.run.session import Session
    from pytest_multiarch.run.variant import Variant


@dataclass(slots=True, kw_only=True)
class PluginState:
    """One pytest process's part of a run.

    `run_id` is the same in all workers of a run. `selected` are the platforms that tests of this
    process will run on. `explained` maps causes of errors to the test that had them first.
    """

    settings: Settings
    declared: Declarations
    run_id: str
    worker: str
    session: Session | None = None
    selected: set[Platform] = field(default_factory=set)
    explained: dict[str, str] = field(default_factory=dict)

    def explain(self, error: MultiarchError, node_id: str) -> str:
        """Give an error's message: whole for the first test that has it, a line for the others."""
        first = self.explained.setdefault(error.what, node_id)
        if first == node_id:
            return str(error)
        return f"{error.headline}\n(the same as in {first}, where the cure is)"


@dataclass(frozen=True, slots=True)
class PlatformParam:
    """The value a test is parametrized by.

    Equal values share wider fixtures, so everything that decides their image is in it.
    """

    platform: Platform
    image: str = ""
    image_fixture: str = ""

    def __repr__(self) -> str:
        return str(self.platform)


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """Which group a collected test belongs to.

    `selected` maps the platforms of the group that will run to their tests' ids; its members
    share it.
    """

    group: str
    platform: Platform
    declared: tuple[Platform, ...]
    baseline: Platform | None
    selected: dict[Platform, str]


@dataclass(slots=True, kw_only=True)
class Trace:
    """What one attempt of one test did so far.

    `platforms` are the one platform of a parametrized test, or all of a test with `variants`.
    `calls` are kept in this process only, never reported: they hold what secrets a test passes.
    """

    platforms: tuple[Platform, ...]
    rules: ParityRules
    is_observed: bool
    started_at_s: float
    variants: dict[Platform, Variant] = field(default_factory=dict)
    containers: list[Container] = field(default_factory=list)
    observations: dict[Platform, list[Observation]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    inside_s: dict[Platform, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, platform: Platform, observation: Observation) -> None:
        """Take an observation down; tests may observe from several threads."""
        with self._lock:
            self.observations.setdefault(platform, []).append(observation)

    def note_call(self, platform: Platform, call: Call, inside_s: float | None) -> None:
        """Take a call down, and the time that it took in its container."""
        with self._lock:
            self.calls.append(call)
            self.inside_s[platform] = self.inside_s.get(platform, 0.0) + (inside_s or 0.0)


STATE = pytest.StashKey[PluginState]()
MEMBERSHIP = pytest.StashKey[Membership]()
TRACE = pytest.StashKey[Trace]()
