"""`docker buildx`, asked what it is. The docker command is run as the user has it."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.checkup import Builder, Buildx

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PATIENCE_S = 30.0
"""It asks every builder, also those that nobody has started."""


def read_buildx(environ: Mapping[str, str]) -> Buildx:
    """Ask for the version and the builders."""
    try:
        version = _run(["docker", "buildx", "version"], environ)
    except FileNotFoundError:
        return Buildx(problem="there is no docker command on PATH")
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return Buildx(problem=f"docker buildx does not work: {_describe(error)}")
    words = version.split()
    version = words[1].removeprefix("v") if len(words) > 1 else version
    try:
        listed = _run(["docker", "buildx", "ls", "--format", "{{json .}}"], environ)
        return Buildx(version=version, builders=_parse(listed))
    except (OSError, ValueError, TypeError, subprocess.SubprocessError) as error:
        return Buildx(version=version, problem=f"it does not list its builders: {_describe(error)}")


def _run(command: Sequence[str], environ: Mapping[str, str]) -> str:
    done = subprocess.run(
        command,
        capture_output=True,
        env=dict(environ),
        timeout=_PATIENCE_S,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise ValueError(done.stderr.strip()[:200] or f"exit code {done.returncode}")
    return done.stdout


def _describe(error: Exception) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return f"no answer within {_PATIENCE_S:.0f} s"
    return str(error).partition("\n")[0]


def _parse(text: str) -> tuple[Builder, ...]:
    """Read one JSON object a line, as buildx 0.13 and later write it.

    The builder of the current context is listed twice where `DOCKER_HOST` is set.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    return tuple(dict.fromkeys(_parse_builder(json.loads(line)) for line in lines))


def _parse_builder(document: Any) -> Builder:
    if not isinstance(document, dict):
        raise TypeError("it lists something that is no builder")
    nodes = [each for each in document.get("Nodes") or () if isinstance(each, dict)]
    platforms = (str(name) for node in nodes for name in node.get("Platforms") or ())
    return Builder(
        name=str(document.get("Name", "")),
        driver=str(document.get("Driver", "")),
        is_current=bool(document.get("Current")),
        platforms=tuple(dict.fromkeys(platforms)),
    )
