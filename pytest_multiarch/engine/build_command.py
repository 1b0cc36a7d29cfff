"""`docker buildx build`, run as a command: it finds builders, logins and secrets as users do."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.build import BuilderFacts, BuildFinding
from pytest_multiarch.core.build_checks import make_finding
from pytest_multiarch.core.build_log import BuildLog
from pytest_multiarch.core.errors import BuildError, DeadlineError, EngineError, UsageError
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.secret_text import hide_secret
from pytest_multiarch.engine.endpoint import write_connection

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_multiarch.core.build import BuildRequest
    from pytest_multiarch.core.ports import TellBuild
    from pytest_multiarch.engine.endpoint import Endpoint

BUILD_DEADLINE_S = 4 * 3600.0
"""A build under emulation can take hours."""
_PATIENCE_S = 60.0
_CHECK_PATIENCE_S = 120.0
_START_PATIENCE_S = 600.0
"""The machines of a builder may have to pull an image first."""
_TERM_PATIENCE_S = 10.0
_OLDEST = (0, 13)
"""The first buildx that writes its record as JSON."""
_OLDEST_CHECK = (0, 15)
_NO_CHECKS = "unsupported request frontend.lint"
_LONGEST_SECRET = 64 * 1024
_INSTALL_CURE = (
    "install buildx: the package docker-buildx-plugin (Docker's own repository) or docker-buildx "
    "(Debian, Ubuntu); docker buildx version shows whether it is found"
)


class BuildxBuilder:
    """Builds with buildx, in the environment of the user."""

    def __init__(self, environ: Mapping[str, str], *, endpoint: Endpoint | None = None) -> None:
        """`endpoint` is where to build; None for where the user's docker command does."""
        self._environ = dict(environ)
        self._docker = ["docker"]
        if endpoint is not None:
            self._docker += write_connection(endpoint)
            self._environ.pop("BUILDX_BUILDER", None)  # it is one of the default engine
        self._version: tuple[int, ...] = ()
        self._facts: BuilderFacts | None = None

    def describe(self) -> BuilderFacts:
        """Ask buildx for its version, and for the builder that is in use."""
        if self._facts is None:
            try:
                version = self._ask_version()
                self._facts = self._find_builder(version)
            except subprocess.TimeoutExpired:
                raise BuildError(
                    f"docker buildx gave no answer within {_PATIENCE_S:.0f} s",
                    cure="docker buildx ls shows which builder does not answer: remove it with "
                    "docker buildx rm",
                ) from None
            except OSError as error:
                raise BuildError(
                    f"the docker command cannot be run: {error.strerror}", cure=_INSTALL_CURE
                ) from None
        return self._facts

    def _ask_version(self) -> str:
        try:
            done = self._run([*self._docker, "buildx", "version"], _PATIENCE_S)
        except FileNotFoundError:
            raise BuildError(
                "there is nothing to build with: no docker command is on PATH",
                cure=f"install the docker command, and {_INSTALL_CURE}",
            ) from None
        words = done.stdout.split()
        if done.returncode or len(words) < 2:
            why = done.stderr.strip().partition("\n")[0][:200] or f"exit code {done.returncode}"
            raise BuildError(
                f"there is nothing to build with: docker buildx does not work: {why}",
                cure=_INSTALL_CURE,
            )
        version = words[1].removeprefix("v")
        self._version = _parse_version(version)
        if self._version < _OLDEST:
            raise BuildError(
                f"docker buildx is {version}, which does not tell what it builds",
                cure="update buildx to 0.13 or later",
            )
        return version

    def _find_builder(self, version: str) -> BuilderFacts:
        """Find the builder in use; one that is not started has no platforms before it is."""
        found = self._list_builder(version)
        if found.driver != "docker" and len(found.machines) < found.nodes:
            command = [*self._docker, "buildx", "inspect", "--bootstrap", found.name]
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._run(command, _START_PATIENCE_S)  # the build says why, if it fails
            found = self._list_builder(version)
        return found

    def _list_builder(self, version: str) -> BuilderFacts:
        done = self._run([*self._docker, "buildx", "ls", "--format", "{{json .}}"], _PATIENCE_S)
        wanted = self._environ.get("BUILDX_BUILDER", "")
        for line in done.stdout.splitlines():
            with contextlib.suppress(ValueError, TypeError, AttributeError):
                found = json.loads(line)
                if found["Name"] == wanted if wanted else found.get("Current"):
                    return BuilderFacts(
                        name=str(found["Name"]),
                        driver=str(found.get("Driver", "")),
                        version=version,
                        machines=tuple(_list_machines(found)),
                        nodes=len(found.get("Nodes") or ()),
                    )
        return BuilderFacts(name=wanted or "default", driver="docker", version=version)

    def read_dockerfile(self, request: BuildRequest) -> str:
        """Read the Dockerfile."""
        context, path = Path(request.spec.context), Path(request.spec.dockerfile)
        if not context.is_dir():
            raise BuildError(
                f"there is no folder {context} to build from",
                cure="the context is relative to the file that it is written in",
            )
        try:
            return path.read_text("utf-8", errors="replace")
        except OSError as error:
            raise BuildError(
                f"the Dockerfile {path} cannot be read: {error.strerror}",
                cure="dockerfile= is relative to the context; Dockerfile is the default",
            ) from None

    def check(self, request: BuildRequest) -> tuple[BuildFinding, ...]:
        """Have BuildKit check the Dockerfile."""
        version = self.describe().version
        if self._version < _OLDEST_CHECK:
            raise EngineError(f"buildx {version} has no checks", cure="update it to 0.15 or later")
        command = [*self._docker, "buildx", "build", "--call=check,format=json"]
        command += [*self._list_options(request), request.spec.context]
        try:
            done = self._run(command, _CHECK_PATIENCE_S)
            document = json.loads(done.stdout)
            warnings = document.get("warnings") or ()
            return tuple(make_finding(each) for each in warnings)
        except subprocess.TimeoutExpired:
            why = f"no answer within {_CHECK_PATIENCE_S:.0f} s"
        except (ValueError, AttributeError, TypeError, KeyError):
            lines = done.stderr.strip().splitlines()
            why = lines[-1][:200] if lines else f"exit code {done.returncode}"
            if _NO_CHECKS in done.stderr:
                why = "that of this engine has no checks; newer ones have"
        raise EngineError(f"BuildKit did not check the Dockerfile: {why}")

    def build(self, request: BuildRequest, tell: TellBuild) -> BuildLog:
        """Run the build to its end."""
        facts = self.describe()
        cache_from, cache_to = request.spec.name_cache(request.only)
        command = [*self._docker, "buildx", "build", "--progress=rawjson", "--load"]
        command += ["--tag", request.name]
        command += [f"--cache-from={each}" for each in cache_from]
        command += [f"--cache-to={each}" for each in cache_to]
        command += [f"--builder={facts.name}"] if self._environ.get("BUILDX_BUILDER") else []
        command += [f"--platform={','.join(map(str, request.platforms))}"]
        command += [*self._list_options(request), request.spec.context]
        log = BuildLog(request.platforms)
        with _start(command, self._environ) as process:
            is_late = threading.Event()

            def stop() -> None:
                is_late.set()
                _end(process)

            timer = threading.Timer(BUILD_DEADLINE_S, stop)
            timer.daemon = True
            timer.start()
            try:
                assert process.stderr is not None
                for line in process.stderr:
                    log.take(line)
                    tell(log)
                log.exit_code = process.wait()
            finally:
                timer.cancel()
        if is_late.is_set():
            raise DeadlineError(
                f"{request.spec.title} was not built within {BUILD_DEADLINE_S:.0f} s",
                cure="build what is slow natively, or on a builder with a native machine: docker "
                "buildx create --append",
            )
        return log

    def _list_options(self, request: BuildRequest) -> Iterator[str]:
        spec = request.spec
        yield f"--file={spec.dockerfile}"
        if spec.target:
            yield f"--target={spec.target}"
        for name, value in spec.list_args(request.only).items():
            yield f"--build-arg={name}={value}"
        for secret in spec.secrets:
            yield f"--secret={secret}"

    def list_hidden(self, request: BuildRequest) -> tuple[str, ...]:
        """Read the values of secrets where buildx would, and of arguments named like some."""
        found = []
        for secret in request.spec.secrets:
            fields = dict(part.partition("=")[::2] for part in secret.split(","))
            name = fields.get("env") or ("" if "src" in fields else fields["id"])
            value = self._environ.get(name, "") if name else _read_file(fields["src"])
            found += [each.strip() for each in (value, *value.splitlines()) if each.strip()]
        own = [pair for _, args in request.spec.platform_args for pair in args]
        args = (*request.spec.args, *own)
        found += [value for name, value in args if value and hide_secret(name, value) != value]
        return tuple(dict.fromkeys(found))

    def _run(self, command: Sequence[str], patience_s: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            env=self._environ,
            timeout=patience_s,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )


@contextlib.contextmanager
def _start(command: Sequence[str], environ: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Start a build, and end it on the way out of an error (Ctrl-C among them).

    Should this process be killed, it ends too: it cannot write what it does any more.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=dict(environ),
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _end(process)
        if process.stderr is not None:
            process.stderr.close()


def _end(process: subprocess.Popen[str]) -> None:
    """Ask a build to stop, so that it has BuildKit stop too."""
    if process.poll() is not None:
        return
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_TERM_PATIENCE_S)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _read_file(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            return file.read(_LONGEST_SECRET).decode("utf-8", "replace")
    except OSError:
        return ""


def _list_machines(document: Mapping[str, Any]) -> Iterator[Platform]:
    """Give each node's first platform: BuildKit lists its own before those it emulates."""
    for node in document.get("Nodes") or ():
        for text in (node.get("Platforms") or ())[:1]:
            with contextlib.suppress(UsageError):
                yield Platform.parse(str(text).partition(" ")[0].rstrip("*"))


def _parse_version(text: str) -> tuple[int, ...]:
    numbers = text.partition("+")[0].partition("-")[0].split(".")
    return tuple(int(each) for each in numbers if each.isdigit())
