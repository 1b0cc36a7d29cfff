"""What a record says of where it was made: machine, CI job, versions, commit. No secrets."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_JOBS = {
    "GITHUB_ACTIONS": ("GitHub Actions", "GITHUB_JOB", "GITHUB_RUN_ID"),
    "GITLAB_CI": ("GitLab CI", "CI_JOB_NAME", "CI_JOB_ID"),
}
"""By the variable that tells a CI service: its name, and the variables of a job's name and id."""
_COMMITS = ("GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT", "BUILD_SOURCEVERSION")


def describe_surroundings(root: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    """Give the fields of a run that are known before the first test."""
    return {
        "machine": describe_machine(),
        "job": _describe_job(environ),
        "versions": {
            "pytest-multiarch": metadata.version("pytest-multiarch"),
            "pytest": pytest.__version__,
            "python": platform.python_version(),
        },
        **_find_commit(root, environ),
    }


def describe_machine() -> dict[str, str]:
    """Give what is known of the machine that this process runs on."""
    system = platform.uname()
    return {
        "host": system.node,
        "system": f"{system.system} {system.release}",
        "architecture": system.machine,
        "cpu": _name_cpu(),
        "cpus": str(os.cpu_count() or ""),
    }


def _name_cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            lines = (line.partition(":") for line in file)
            return next((v.strip() for k, _, v in lines if k.strip() in ("model name", "cpu")), "")
    except OSError:
        return platform.processor()


def _describe_job(environ: Mapping[str, str]) -> dict[str, str]:
    for variable, (service, name, number) in _JOBS.items():
        if environ.get(variable):
            return {
                "service": service,
                "name": environ.get(name, ""),
                "id": environ.get(number, ""),
            }
    return {}


def _find_commit(root: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Give the commit of the working tree, and where in it the root folder of the tests is.

    A CI service also names the commit where there is no git.
    """
    command = ["git", "-C", str(root), "rev-parse", "HEAD", "--show-prefix"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        if found.returncode == 0:
            commit, _, prefix = found.stdout.partition("\n")
            return {"commit": commit, "root": prefix.rstrip("\n")}
    except (OSError, subprocess.TimeoutExpired):
        pass
    return {"commit": next((environ[name] for name in _COMMITS if environ.get(name)), "")}
