"""What the report of a failed test shows: its error, the logs of its containers, known faults."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pytest_multiarch.core.errors import (
    MultiarchError,
)
from pytest_multiarch.core.normalize import hide_values
from pytest_multiarch.reports.job_log import JobLog
from pytest_multiarch.run.calls import name_values
from pytest_multiarch.run.container import Container
from pytest_multiarch.run.network import Network

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    import pytest

    from pytest_multiarch.plugin.trace import Trace
    from pytest_multiarch.run.container import Logs


_PACKAGE = __name__.partition(".")[0]
_CALLED = frozenset({"urllib3", "docker", "testcontainers"})
_LOG_LINES = 200
_LOG_CHARACTERS = 20_000


def list_wider_containers(item: pytest.Item) -> list[Container]:
    """List what fixtures wider than the test have started for it."""
    found: list[Container] = []
    for value in getattr(item, "funcargs", {}).values():
        if isinstance(value, Network):
            found += value.services.values()
        elif isinstance(value, Container):
            found.append(value)
    return found


def attach_logs(
    report: pytest.TestReport, trace: Trace, containers: Iterable[Container], service: str
) -> None:
    log = JobLog(service)
    # A service stands on its network too, and a fixture of the test's own is no wider one.
    beside = (one for each in containers for one in (each, *each.services.values()))
    for container in {each.started.id: each for each in beside}.values():
        what = f"service {container.name}" if container.name else "container"
        where = f"on {container.platform} ({container.execution})"
        secrets = trace.secrets | name_values(container.started.settings.call.env)
        try:
            logs = container.logs(tail=_LOG_LINES)
        except MultiarchError as error:
            report.sections.append((f"{what} log {where}", error.headline))
            continue
        if container.execution.is_emulated:
            _note_faults_in(logs, container, trace)
        for name, text in (("stdout", logs.stdout), ("stderr", logs.stderr)):
            if text.strip():
                shown = log.quote(hide_values(text[-_LOG_CHARACTERS:], secrets))
                report.sections.append((f"{what} {name} {where}", shown))


def _note_faults_in(logs: Logs, container: Container, trace: Trace) -> None:
    from pytest_multiarch.core.emulator_faults import find_faults

    faults = find_faults(*logs, execution=container.execution, platform=container.platform)
    trace.note_faults(container.platform, faults)


def note_faults_of(error: MultiarchError, trace: Trace) -> None:
    """Find the emulator's faults in an error, which quotes what a container printed last."""
    emulated = [each for each in trace.variants.values() if each.execution.is_emulated]
    if len(trace.variants) != 1 or not emulated:
        return
    from pytest_multiarch.core.emulator_faults import find_faults

    (variant,) = emulated
    faults = find_faults(str(error), execution=variant.execution, platform=variant.platform)
    trace.note_faults(variant.platform, faults)


def attach_faults(report: pytest.TestReport, trace: Trace) -> None:
    for platform, names in trace.faults.items():
        from pytest_multiarch.core.emulator_faults import find_named_faults
        from pytest_multiarch.reports.emulator_faults import describe_faults

        variant = trace.variants.get(platform)
        how = f" ({variant.execution})" if variant is not None else ""
        text = "\n".join(describe_faults(find_named_faults(names)))
        report.sections.append((f"known of the emulator on {platform}{how}", text))


def trim_traceback(error: MultiarchError) -> None:
    """Cut the frames of this package, and of what it called, off the end of a traceback."""
    kept: list[TracebackType] = []
    frame = error.__traceback__
    while frame is not None:
        kept.append(frame)
        frame = frame.tb_next
    reaches_us = any(_name_package(each) == _PACKAGE for each in kept[1:])
    while len(kept) > 1 and reaches_us and _is_inner(kept[-1]):
        kept.pop()
    if kept:
        kept[-1].tb_next = None
    error.__suppress_context__ = True
    if isinstance(error.__cause__, MultiarchError):
        trim_traceback(error.__cause__)


def _is_inner(traceback: TracebackType) -> bool:
    name = _name_package(traceback)
    return name == _PACKAGE or name in _CALLED or name in sys.stdlib_module_names


def _name_package(traceback: TracebackType) -> str:
    return str(traceback.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
