"""`docker compose`, by testcontainers' class, on one engine.

The class takes the engine, the project's name and much else from the environment, which is the
process's own; here they are on the command line, and the rest of it is what a node was given.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testcontainers.compose import DockerCompose

from pytest_multiarch.core.errors import ContainerError, DeadlineError, UsageError
from pytest_multiarch.engine.endpoint import write_connection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_multiarch.core.compose import ComposeOrder
    from pytest_multiarch.engine.endpoint import Endpoint

_TIMEOUT_S = 600.0
"""How long one command may take: it may pull and build."""
_QUOTED_LINES = 20
_ABSENT = re.compile(
    r"unknown command: docker compose|is not a docker command|unknown (?:shorthand )?flag",
    re.IGNORECASE,
)
_DECIDING = ("DOCKER_DEFAULT_PLATFORM", "DOCKER_HOST", "DOCKER_CONTEXT", "COMPOSE_PROJECT_NAME")
_INSTALL = (
    "install Docker's compose plugin: docker-compose-plugin of Docker's packages, docker-compose "
    "of Debian 13 or docker-compose-v2 of Ubuntu"
)


class ComposeRun:
    """One compose file, started once as a project of its own."""

    def __init__(
        self, order: ComposeOrder, *, name: str, endpoint: Endpoint, environ: Mapping[str, str]
    ) -> None:
        """
        Raises:
            UsageError: the file is not there, or no docker command is.
        """
        path = Path(order.path)
        if not path.is_file():
            raise UsageError(f"compose: {order.path} is no file", cure="give a compose file's path")
        docker = shutil.which("docker", path=environ.get("PATH"))
        if docker is None:
            raise UsageError("compose: there is no docker command on PATH", cure=_INSTALL)
        self.name = name
        self._order = order
        self._folder = tempfile.TemporaryDirectory(prefix="pytest-multiarch-")
        self._override = Path(self._folder.name) / "override.yaml"
        self._command = [docker, *write_connection(endpoint), "compose", "--project-name", name]
        self._environ = {k: v for k, v in environ.items() if k not in _DECIDING}

    def read_config(self) -> dict[str, Any]:
        """Read the file as Docker Compose does, with variables and included files.

        Raises:
            ContainerError: it cannot be read.
        """
        compose = self._make([self._order.path])
        command = [*compose.docker_compose_command(), "config", "--format", "json"]
        document: dict[str, Any] = json.loads(compose.run(command))
        return document

    def create(self, override: str) -> dict[str, str]:
        """Create all containers, unstarted; give their ids by service.

        Raises:
            ContainerError: one cannot be; an image cannot be pulled or built.
        """
        self._override.write_text(override, encoding="utf-8")
        compose = self._make_whole()
        services = self._order.services
        compose.run([*compose.docker_compose_command(), "create", *services])
        found = compose.get_containers(include_all=True)
        ids = {str(each.Service): str(each.ID) for each in reversed(found)}
        if self._order.service not in ids:
            raise UsageError(
                f"compose: the service {self._order.service!r} is not started",
                cure="add it to services=, or its profile to profiles=",
            )
        return ids

    def start(self) -> None:
        """Start them, in the order that the file demands.

        Raises:
            ContainerError: one could not be started, or one that others wait for failed.
        """
        self._make_whole().start()

    def remove(self) -> None:
        """Remove containers, networks and volumes of the project; safe to call twice."""
        compose = self._make_whole()
        try:
            if self._override.exists():
                # Not by `down` alone, which waits 10 s for what does not heed SIGTERM.
                compose.run([*compose.docker_compose_command(), "kill"], check=False)
                compose.stop()
        finally:
            self._folder.cleanup()

    def _make_whole(self) -> _Compose:
        return self._make([self._order.path, str(self._override)])

    def _make(self, files: list[str]) -> _Compose:
        order = self._order
        compose = _Compose(
            context=str(Path(order.path).parent),
            compose_file_name=files,
            env_file=list(order.env_files) or None,
            profiles=list(order.profiles) or None,
            services=list(order.services) or None,
            wait=False,
        )
        compose.command, compose.environ = self._command, self._environ
        compose.path = order.path
        return compose


class _Compose(DockerCompose):
    """testcontainers' class, with the engine on the command line and errors that tell."""

    command: list[str]
    environ: Mapping[str, str]
    path: str

    def docker_compose_command(self) -> list[str]:
        return self.compose_command_property

    @property
    def compose_command_property(self) -> list[str]:
        options = [("-f", each) for each in self.compose_file_name or ()]
        options += [("--profile", each) for each in self.profiles or ()]
        options += [("--env-file", each) for each in self.env_file or ()]
        return [*self.command, *(word for option in options for word in option)]

    def stop(self, down: bool = True) -> None:
        """Take all of the project down, whichever services were started."""
        del down
        self.run([*self.compose_command_property, "down", "--volumes", "--remove-orphans"])

    def run(self, command: list[str], *, check: bool = True) -> bytes:
        """Run a command and give its stdout.

        Raises:
            UsageError: there is no `docker compose`.
            ContainerError: it failed.
        """
        stdout: bytes = self._run_command(command, check=check).stdout
        return stdout

    def _run_command(
        self, cmd: str | list[str], context: str | None = None, *, check: bool = True
    ) -> subprocess.CompletedProcess[bytes]:
        what = f"docker compose {_name_command(cmd)} of {self.path}"
        try:
            done = subprocess.run(
                cmd, check=False, capture_output=True, stdin=subprocess.DEVNULL,
                cwd=context or str(self.context), env=dict(self.environ), timeout=_TIMEOUT_S,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise DeadlineError(
                f"{what} did not end within {_TIMEOUT_S:g} s",
                cure="pull and build its images before the tests",
            ) from None
        if check and done.returncode:
            text = done.stderr.decode("utf-8", "backslashreplace")
            if _ABSENT.search(text):
                raise UsageError(f"{what}: there is no docker compose", cure=_INSTALL)
            lines = "\n".join(f"  {each}" for each in text.strip().splitlines()[-_QUOTED_LINES:])
            raise ContainerError(
                f"{what} ended with {done.returncode}:\n{lines}",
                cure=f"see it alone: docker compose -f {self.path} up",
            )
        return done


def _name_command(command: str | list[str]) -> str:
    known = ("config", "create", "up", "down", "ps", "kill")
    return next((word for word in command if word in known), "")
