"""A case by plain `docker run` or `docker exec`, as a shell script would do it."""

from __future__ import annotations

import subprocess
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_multiarch.core.platform import Platform
from pytest_multiarch.engine.emulator import find_emulator

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from benchmarks.verdicts.case import Case

LONGEST_S = 20
"""What crashes under QEMU as the first process of a container never ends."""
TIMED_OUT = -1
EMULATOR = "/qemu-of-the-baseline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What a call did."""

    exit_code: int
    stdout: bytes
    stderr: bytes

    def show(self) -> str:
        """Return it in one line, not longer than a screen is wide."""
        text = f"{self.exit_code} {self.stdout!r}"
        return (text + (f" stderr {self.stderr!r}" if self.stderr else ""))[:160]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainDocker:
    """The docker command, the environment that it needs, and the images by their short names."""

    images: Mapping[str, str]
    docker: str = "docker"
    environment: Mapping[str, str] = field(default_factory=dict)

    def call(self, case: Case, platform: str) -> Output:
        """Run a case on one platform."""
        options = [f"--env={name}={value}" for name, value in case.env]
        image = self.images[case.image]
        if case.via == "run":
            options += ["--rm", "--interactive", f"--platform={platform}"]
            name = f"multiarch-verdicts-{uuid.uuid4()}"
            command = ["run", *options, f"--name={name}", image, *case.argv]
            return self._ask(command, case.stdin, container=name)
        idle = ["run", "--detach", f"--platform={platform}", image, "/bin/idle"]
        container = self._ask(idle).stdout.decode().strip()
        try:
            return self._ask(["exec", "--interactive", *options, container, *case.argv], case.stdin)
        finally:
            self._ask(["rm", "--force", container])

    def call_under_emulator(self, case: Case, emulator: str) -> Output:
        """Run a case on the baseline's platform, its first program under QEMU."""
        options = [f"--env={name}={value}" for name, value in case.env]
        program, *arguments = case.argv
        path = program if program.startswith("/") else f"/usr/bin/{program}"
        command = [EMULATOR, path, *arguments]
        create = ["create", "--interactive", f"--platform={case.platforms[0]}", *options]
        container = self._ask([*create, self.images[case.image], *command]).stdout.decode().strip()
        try:
            self._ask(["cp", emulator, f"{container}:{EMULATOR}"])
            start = ["start", "--attach", "--interactive", container]
            return self._ask(start, case.stdin, container=container)
        finally:
            self._ask(["rm", "--force", container])

    def call_everywhere(
        self, cases: Iterable[Case], *, times: int = 1
    ) -> dict[tuple[str, str], list[Output]]:
        """Run cases on all of their platforms, two at a time: outputs by case and platform."""
        jobs = [(case, platform) for case in cases for platform in case.platforms] * times
        found: dict[tuple[str, str], list[Output]] = {}
        with ThreadPoolExecutor(2) as pool:
            for (case, platform), output in zip(
                jobs, pool.map(lambda job: self.call(*job), jobs), strict=True
            ):
                found.setdefault((case.name, platform), []).append(output)
        return found

    def _ask(self, argv: list[str], stdin: str = "", *, container: str = "") -> Output:
        environment = dict(self.environment) or None
        try:
            done = subprocess.run(
                [self.docker, *argv], check=False, capture_output=True, input=stdin.encode(),
                env=environment, timeout=LONGEST_S if container else None,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            removal = [self.docker, "rm", "--force", container]
            subprocess.run(removal, check=False, capture_output=True, env=environment)
            output = (error.stdout or b"", error.stderr or b"")
            return Output(exit_code=TIMED_OUT, stdout=output[0], stderr=output[1])
        if done.returncode == 125:  # of docker itself
            raise RuntimeError(f"docker {' '.join(argv)}: {done.stderr.decode()}")
        return Output(exit_code=done.returncode, stdout=done.stdout, stderr=done.stderr)


def find_emulator_of(platform: str) -> str:
    """Return the path of the QEMU that emulates a platform."""
    return find_emulator(Platform.parse(platform)).path
