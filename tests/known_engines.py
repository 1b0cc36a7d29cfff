"""The engines that tests run on: private ones of `scripts/engine`, or the user's own Docker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[1]
OF_THE_MACHINE = ("node", "podman", "podman-rootless")
"""Engines that need programs which the machine may lack: sshd, openssl, podman."""
WAYS = ("tcp", "tls", "ssh", "ssh_alias", "ssh_bin")
STATUS_VARIABLE = "PYTEST_MULTIARCH_ENGINES"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownEngine:
    """One engine of those that tests run on."""

    name: str
    host: str
    store: str
    version: str
    api: str
    ways: Mapping[str, str] = field(default_factory=dict)
    """How else it is reached, of engine `node`: `tcp` with the files in the folder `tls`; `ssh`,
    and `ssh_alias`, by the `ssh` in the folder `ssh_bin`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownEngines:
    """All engines that there are, and the docker command that reaches them."""

    by_name: Mapping[str, KnownEngine]
    registry: str = ""
    registry_program: str = ""
    docker: str = "docker"
    docker_config: str = ""
    is_users_own: bool = False
    environ: Mapping[str, str] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        """Tell whether there is an engine of that name, or, for "registry", a registry."""
        return bool(self.registry) if name == "registry" else name in self.by_name

    def lacks(self, name: str) -> bool:
        """Tell whether there is none, though there are all that can be brought up here."""
        is_expected = not self.is_users_own and name not in OF_THE_MACHINE
        return not is_expected and not self.has(name)

    def make_environ(self, name: str) -> dict[str, str]:
        """Give the environment in which docker and docker-py use an engine."""
        environ = {**self.environ, "DOCKER_HOST": self.by_name[name].host}
        if self.docker_config:
            environ["DOCKER_CONFIG"] = self.docker_config
        return environ

    def run_docker(self, engine: str, *argv: str, check: bool = True) -> str:
        """Run a docker command on an engine and give its stdout."""
        done = subprocess.run(
            [self.docker, *argv], check=False, capture_output=True, text=True, timeout=300,
            env=self.make_environ(engine),
        )  # fmt: skip
        if check and done.returncode:
            raise AssertionError(f"docker {' '.join(argv)}: {done.stderr}")
        return done.stdout


def find_engines() -> KnownEngines:
    """Read what `scripts/engine status --json` says, or the variable in its place."""
    text = os.environ.get(STATUS_VARIABLE) or ask_engine_script()
    status = json.loads(text if text.lstrip().startswith("{") else Path(text).read_text())
    keys = ("host", "store", "version", "api")
    by_name = {
        name: KnownEngine(
            name=name,
            **{key: each[key] for key in keys},
            ways={key: each[key] for key in WAYS if key in each},
        )
        for name, each in status["engines"].items()
    }
    owners = {each["owner"] for each in status["engines"].values()}
    return KnownEngines(
        by_name=by_name,
        registry=status["registry"] or "",
        registry_program=status.get("registry_program") or "",
        docker=status["docker"] or "docker",
        docker_config=status["docker_config"] or "",
        is_users_own=owners == {"user"},
        environ={
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("GITHUB_", "GITLAB_"))
        },
    )


def ask_engine_script() -> str:
    """Have the script look for engines."""
    command = [sys.executable, ROOT / "scripts" / "engine", "status", "--json"]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
