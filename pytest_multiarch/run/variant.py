"""One variant of an image on its node, as tests use it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_multiarch.core.call import Call, RunResult, check_argv
from pytest_multiarch.core.image_rules import AuditRules, make_audit_rules
from pytest_multiarch.run.arguments import (
    FileSource,
    check_env,
    check_stdin,
    check_timeout,
    read_files,
)
from pytest_multiarch.run.calls import CallSeen, Recorder, find_random_crashes, run_once

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_multiarch.core.audit import AuditReport
    from pytest_multiarch.core.execution import Execution
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.variant import ResolvedVariant
    from pytest_multiarch.run.node import Node

T = TypeVar("T")
__all__ = ["FileSource", "Variant", "check_env"]


class Variant:
    """The image of one platform: what tests run.

    `platform`, `reference`, `digest` (of `kind`: manifest or config), `config_digest` and
    `execution` say exactly what runs, and how.
    """

    def __init__(
        self,
        node: Node,
        resolved: ResolvedVariant,
        execution: Execution,
        *,
        recorder: Recorder | None = None,
    ) -> None:
        self.node = node
        self.resolved = resolved
        self.execution = execution
        self._recorder = recorder

    @property
    def platform(self) -> Platform:
        return self.resolved.platform

    @property
    def reference(self) -> str:
        """The image as the test names it."""
        return self.resolved.reference.text

    @property
    def digest(self) -> str:
        return self.resolved.digest

    @property
    def kind(self) -> str:
        """What `digest` is of: `manifest`, or `config` where the engine keeps no manifest."""
        return self.resolved.kind

    @property
    def config_digest(self) -> str:
        return self.resolved.config_digest

    def audit(self, *, scope: str = "image", allow: Mapping[str, str] | None = None) -> AuditReport:
        """Look whether the variant's files are for its platform; nothing is run for it.

        `scope` is `image` for all its files, or `program` for what it starts and has on PATH.
        `allow` maps patterns of paths to reasons: `{"/opt/qemu/**": "the emulator itself"}`.
        `report.open_findings` are the files that are wrong and not allowed.

        Raises:
            UsageError: an argument is wrong.
            ImageError, EngineError: the image cannot be read.
        """
        rules = make_audit_rules(AuditRules(), scope=scope, allow=allow or {})
        return self.node.auditor.audit(self.resolved, rules.scope, rules.allow)

    def __repr__(self) -> str:
        return f"<variant {self.resolved.pin} for {self.platform}, {self.execution}>"

    def run(
        self,
        *argv: str,
        env: Mapping[str, str] | None = None,
        stdin: bytes | str | None = None,
        user: str = "",
        workdir: str = "",
        files: Mapping[str, FileSource] | None = None,
        network: str = "",
        init: bool | None = None,
        entrypoint: str | Sequence[str] | None = None,
        timeout: float | None = None,
        observe: bool = True,
        label: str | None = None,
    ) -> RunResult:
        """Run a command in a fresh container, which is removed afterwards.

        The image's entrypoint is honoured, as with `docker run`; `entrypoint=` replaces it, and
        `""` drops it. `files` maps a path in the container to content (bytes) or to a file or
        folder of this machine. `timeout` is in seconds; without it the default holds, stretched
        under emulation. `label` names the observation; without it the command does. What shows a
        crash of the emulator that is known to come and go is run once more; the summary says so.

        Raises:
            WrongArchitectureError: the program is for another architecture.
            ProgramNotFoundError: the image has no such program.
            DeadlineError: it did not end in time.
        """
        call = Call(
            argv=check_argv(argv, what="run"),
            entrypoint=_parse_entrypoint(entrypoint),
            env=check_env(env),
            stdin=check_stdin(stdin),
            user=user,
            workdir=workdir,
            files=tuple(
                file for path, source in (files or {}).items() for file in read_files(source, path)
            ),
            network=network,
            init=init,
            timeout_s=check_timeout(timeout),
        )
        result, known = run_once(self.node, self.resolved, self.execution, call)
        crashes = find_random_crashes(result)
        if crashes:
            result, known = run_once(self.node, self.resolved, self.execution, call)
        if self._recorder is not None:
            self._recorder.record_call(
                CallSeen(
                    kind="run",
                    call=call,
                    result=result,
                    variant=self.resolved,
                    label=label,
                    known=known,
                    is_observed=observe,
                    crashes=crashes,
                )
            )
        return result

    @contextmanager
    def testcontainer(self, factory: type[T], *args: Any, **kwargs: Any) -> Iterator[T]:
        """Start any testcontainers class on exactly this variant, and remove it at the end.

        `factory` is called with the image and what else is given, as usual:

            with variant.testcontainer(PostgresContainer, username="me") as postgres: ...

        Only the class's own methods are used; what it does is not observed.
        """
        self.node.watch()
        with self.node.tools.open_testcontainer(
            self.node, self.resolved, factory, args, kwargs
        ) as container:
            yield container


def _parse_entrypoint(value: str | Sequence[str] | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    return (value,) if isinstance(value, str) else check_argv(tuple(value), what="entrypoint")
