"""Looks at an engine and the machine in front of it; what cannot be looked at is a finding too."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from pytest_multiarch.core import checks
from pytest_multiarch.core.checkup import Check, Checkup, Outlook
from pytest_multiarch.core.emulators import EmulatorTable, forecast_execution
from pytest_multiarch.core.errors import EngineError, EngineGoneError, MultiarchError
from pytest_multiarch.core.execution import NO_PROBE, Execution, ExecutionKind
from pytest_multiarch.run.detect import ProbeImage, detect_by_probe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pytest_multiarch.core.checkup import Buildx, Login, Machine
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.ports import Engine, EngineFacts
    from pytest_multiarch.run.node import Watchdog


class DoctorTools(Protocol):
    """What a checkup needs of the engine room, handed in by a shell."""

    def open_engine(self) -> tuple[Engine, str]:
        """Connect to the engine; say where it was found."""

    def open_node(self, platform: Platform) -> tuple[Engine, Callable[[], Watchdog]]:
        """Connect to a platform's own node; give also what starts its watchdog."""

    def find_other_engines(self) -> tuple[EngineFacts, ...]:
        """Find engines that answer in other places of this machine."""

    def read_machine(self) -> Machine:
        """Describe this machine."""

    def read_emulators(self) -> EmulatorTable:
        """Read what is registered with this machine's kernel."""

    def read_disk_space(self, folder: str) -> tuple[int, int] | None:
        """Give the free bytes and all bytes of a folder's disk; None if there is no such folder."""

    def read_buildx(self) -> Buildx:
        """Ask `docker buildx` what it is."""

    def read_logins(self) -> tuple[Login, ...]:
        """List the registries that there are credentials for."""

    def build_probe(
        self, platforms: Iterable[Platform], labels: Mapping[str, str]
    ) -> tuple[bytes, list[ProbeImage]]:
        """Build a loadable archive of probe images; platforms without a probe are left out."""

    def start_watchdog(self) -> Watchdog:
        """Start the process that cleans up if this one is killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: which platforms, which of them have to run, and whether to try them.

    `nodes` are the platforms with a node of their own, and whether they may be emulated while it
    is down. `settings` is what was found of the project's configuration. What is started is
    removed by its session, which `labels` carry.
    """

    platforms: tuple[Platform, ...]
    required: frozenset[Platform] = frozenset()
    is_to_try: bool = False
    nodes: Mapping[Platform, bool] = field(default_factory=dict)
    settings: Check
    versions: Mapping[str, str]
    session_id: str = ""
    labels: Mapping[str, str]


def check_up(tools: DoctorTools, question: Question) -> Checkup:
    """Look at everything, with an engine or without."""
    of_default = _leave_to_default(question)
    machine = tools.read_machine()
    try:
        engine, origin = tools.open_engine()
    except EngineError as error:
        found = _look_without_engine(tools, of_default, machine, error)
    else:
        try:
            found = _look_at_engine(tools, of_default, machine, engine, origin)
        finally:
            engine.close()
    looked = [_look_at_node(tools, question, each) for each in question.nodes]
    return replace(
        found,
        checks=(*found.checks, *(check for check, _ in looked)),
        outlooks=(*found.outlooks, *(outlook for _, outlook in looked if outlook)),
    )


def _leave_to_default(question: Question) -> Question:
    """Leave out the platforms that have a node of their own, unless they may do without."""
    own = {platform for platform, may_emulate in question.nodes.items() if not may_emulate}
    return replace(
        question,
        platforms=tuple(each for each in question.platforms if each not in question.nodes),
        required=question.required - own,
    )


def _look_at_node(
    tools: DoctorTools, question: Question, platform: Platform
) -> tuple[Check, Outlook | None]:
    """Look at a platform's own node, and how it would run it."""
    is_required = platform in question.required
    try:
        engine, start_watchdog = tools.open_node(platform)
    except EngineError as error:
        may_emulate = question.nodes[platform]
        return checks.check_node_failure(platform, error, may_emulate=may_emulate), None
    with contextlib.closing(engine):
        facts = engine.read_facts()
        tried = (
            _try_platforms(tools, replace(question, platforms=(platform,)), engine, start_watchdog)
            if question.is_to_try
            else {}
        )
        outlook = Outlook(
            platform=platform,
            execution=tried.get(platform) or forecast_execution(platform, facts.platform, None),
            is_tried=platform in tried,
            is_required=is_required,
            node=facts.node,
        )
        return checks.check_node(platform, facts), outlook


def _look_without_engine(
    tools: DoctorTools, question: Question, machine: Machine, error: EngineError
) -> Checkup:
    """Say what would hold for an engine on this machine."""
    table = tools.read_emulators() if machine.platform.os == "linux" else None
    found = [
        checks.check_engine_failure(error, tools.find_other_engines()),
        checks.check_machine(machine, None),
        checks.check_emulators(table),
    ]
    outlooks = _look_ahead(question, machine.platform, table) if table else ()
    return _complete(tools, question, machine, found, table=table, outlooks=outlooks)


def _look_at_engine(
    tools: DoctorTools, question: Question, machine: Machine, engine: Engine, origin: str
) -> Checkup:
    facts = engine.read_facts()
    shares_kernel = machine.shares_kernel(facts)
    table = tools.read_emulators() if shares_kernel else None
    tried = (
        _try_platforms(tools, question, engine, tools.start_watchdog) if question.is_to_try else {}
    )
    outlooks = _look_ahead(question, facts.platform, table, tried)
    found = [
        checks.check_engine(facts, origin),
        checks.check_machine(machine, facts),
        checks.check_image_store(facts),
        checks.check_emulators(table),
        checks.check_platforms(outlooks, facts.node),
        checks.check_disk(facts, tools.read_disk_space(facts.data_root) if shares_kernel else None),
    ]
    if shares_kernel:
        found.append(checks.check_page_size(machine))
    return _complete(tools, question, machine, found, facts=facts, table=table, outlooks=outlooks)


def _complete(
    tools: DoctorTools,
    question: Question,
    machine: Machine,
    found: list[Check],
    *,
    facts: EngineFacts | None = None,
    table: EmulatorTable | None = None,
    outlooks: Sequence[Outlook] = (),
) -> Checkup:
    """Add what needs no engine."""
    buildx, logins = tools.read_buildx(), tools.read_logins()
    found += [
        checks.check_buildx(buildx),
        checks.check_logins(logins),
        checks.check_environ(machine),
        question.settings,
    ]
    return Checkup(
        versions=question.versions,
        machine=machine,
        facts=facts,
        checks=tuple(found),
        outlooks=tuple(outlooks),
        emulators=table.emulators if table else (),
        buildx=buildx,
        logins=logins,
    )


def _look_ahead(
    question: Question,
    node_platform: Platform,
    table: EmulatorTable | None,
    tried: Mapping[Platform, Execution] | None = None,
) -> list[Outlook]:
    """Say how each platform runs: what was tried counts, else it is a forecast."""
    tried = tried or {}
    return [
        Outlook(
            platform=each,
            execution=tried.get(each) or forecast_execution(each, node_platform, table),
            is_tried=each in tried,
            is_required=each in question.required,
            emulator=table.find(each) if table else None,
        )
        for each in question.platforms
    ]


def _try_platforms(
    tools: DoctorTools,
    question: Question,
    engine: Engine,
    start_watchdog: Callable[[], Watchdog],
) -> dict[Platform, Execution]:
    """Start a container for each platform; nothing of it stays."""
    archive, images = tools.build_probe(question.platforms, question.labels)
    no_probe = Execution(kind=ExecutionKind.UNAVAILABLE, evidence=(NO_PROBE,))
    tried = dict.fromkeys(question.platforms, no_probe)
    if not images:
        return tried
    watchdog = start_watchdog()
    try:
        engine.load_image(archive)
        labels = dict(question.labels)
        tried |= {each.platform: _try_platform(engine, each, labels) for each in images}
    finally:
        engine.remove_labelled("org.pytest-multiarch.session", question.session_id)
        watchdog.stop()
    return tried


def _try_platform(engine: Engine, image: ProbeImage, labels: dict[str, str]) -> Execution:
    try:
        return detect_by_probe(engine, image, labels)
    except EngineGoneError:
        raise
    except MultiarchError as error:
        return Execution(kind=ExecutionKind.UNAVAILABLE, evidence=(error.headline,))
