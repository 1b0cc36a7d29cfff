"""The Docker that a user already has: found as the docker command finds it, never changed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import Any

from private_engine.platform_probe import list_platforms


def ask_docker(docker: str, *argv: str) -> Any:
    """Return the JSON that a docker command prints, or None if it fails."""
    try:
        done = subprocess.run(
            [docker, *argv, "--format", "{{json .}}"], check=False, capture_output=True, text=True,
            timeout=20,
        )  # fmt: skip
        return json.loads(done.stdout) if done.returncode == 0 else None
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def read_store(info: dict[str, Any]) -> str:
    """Return `containerd` for the containerd image store, else the name of the storage driver."""
    rows = info.get("DriverStatus") or []
    is_containerd = any("io.containerd.snapshotter" in str(row) for row in rows)
    return "containerd" if is_containerd else str(info.get("Driver"))


def find_user_docker() -> dict[str, Any] | None:
    """Describe the engine that the user's docker command reaches, or return None.

    DOCKER_HOST counts, then the current context. `platforms` are those that programs really ran
    on just now.
    """
    docker = shutil.which("docker")
    if docker is None:
        return None
    version, info = ask_docker(docker, "version"), ask_docker(docker, "info")
    if not (version and version.get("Server") and info):
        return None
    context = ask_docker(docker, "context", "inspect") or {}
    host = os.environ.get("DOCKER_HOST") or context["Endpoints"]["docker"]["Host"]
    return {
        "docker": docker,
        "host": host,
        "store": read_store(info),
        "version": version["Server"]["Version"],
        "api": version["Server"]["ApiVersion"],
        "owner": "user",
        "platforms": list_platforms(docker, os.environ),
    }
