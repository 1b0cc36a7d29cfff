"""What the plugin keeps on pytest's objects: typed stash keys, and nothing else anywhere."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from pytest_multiarch.core.observation import Observation
from pytest_multiarch.core.parity import ParityRules
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.settings import Settings
from pytest_multiarch.plugin.marks import MarkReader
from pytest_multiarch.run.container import Container
from pytest_multiarch.run.session import Session
from pytest_multiarch.run.variant import Variant


@dataclass(slots=True)
class PluginState:
    """One pytest process's part of a run."""

    settings: Settings
    run_id: str
    worker: str
    marks: MarkReader = field(default_factory=MarkReader)
    session: Session | None = None
    selected: set[Platform] = field(default_factory=set)
    explained: dict[str, str] = field(default_factory=dict)
    """Causes of errors that were explained in full, and the test that had them first."""


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


@dataclass(slots=True, kw_only=True)
class Membership:
    """Which group a collected test belongs to."""

    group: str
    platform: Platform
    declared: tuple[Platform, ...]
    baseline: Platform | None
    selected: dict[Platform, str]
    """Platforms of the group that run, with the ids of their tests; shared by its members."""


@dataclass(slots=True)
class Trace:
    """What one attempt of one test did so far."""

    rules: ParityRules
    variants: dict[Platform, Variant] = field(default_factory=dict)
    containers: list[Container] = field(default_factory=list)
    observations: dict[Platform, list[Observation]] = field(default_factory=dict)


STATE = pytest.StashKey[PluginState]()
MEMBERSHIP = pytest.StashKey[Membership]()
TRACE = pytest.StashKey[Trace]()
