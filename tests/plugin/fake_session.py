"""A plugin for the suites in these tests: variants that run scripts of Python, without an engine.

`variant.run("echo", text)` prints the text, `"machine"` the platform's own name, `"bits"` another
digit on each platform, `"flood"` a megabyte. Images named `missing` lack arm64, on `unavailable`
arm64 cannot be run, on `lazy` it is found missing when something is run. The arm64 variant of
`wrong` holds a program for amd64, that of `unlike` has another config, `short` lacks an entry, and
`closed` cannot be looked at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_multiarch.core.audit import AuditReport, AuditScope, FileFinding, FindingKind
from pytest_multiarch.core.call import Call, Output, RunResult, Timings
from pytest_multiarch.core.errors import PlatformMissingError, PlatformUnavailableError
from pytest_multiarch.core.execution import Execution, ExecutionKind
from pytest_multiarch.core.image_rules import ImageRules
from pytest_multiarch.core.index import ImageConfig
from pytest_multiarch.core.index_checks import IndexFinding, IndexProblem
from pytest_multiarch.core.inspected import Inspected
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.ports import EngineFacts
from pytest_multiarch.core.reference import ImageReference
from pytest_multiarch.core.static_parity import StaticPart, describe_config
from pytest_multiarch.core.variant import ResolvedVariant
from pytest_multiarch.plugin.state import STATE
from pytest_multiarch.run.calls import CallSeen, Recorder, name_values
from pytest_multiarch.run.variant import Variant

__name__ = "pytest_multiarch.fake"  # its frames are to count as the package's own
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
FINDING = FileFinding(
    kind=FindingKind.WRONG_ARCHITECTURE, path="/bin/app", found="amd64", expected="arm64"
)
LACKS = IndexFinding(
    problem=IndexProblem.MISSING, subject="linux/386", what="it lacks linux/386", cure="build it"
)
LACKING = "fake: the image has no linux/arm64"
CURE = "push one"
FACTS = EngineFacts(
    node="fake",
    engine_id="fake",
    version="1.0",
    api_version=(1, 47),
    platform=Platform.parse("linux/amd64"),
    kernel="6.1",
    has_containerd_store=True,
)


class FakeVariant(Variant):
    """A variant whose programs are in here."""

    def run(self, *argv: str, **options: Any) -> RunResult:
        """Run a script."""
        if "lazy" in self.reference and self.platform.architecture == "arm64":
            raise PlatformMissingError(LACKING, cure=CURE)
        call = Call(
            argv=argv, env=options.get("env", {}), stdin=(options.get("stdin") or "").encode()
        )
        result = RunResult(
            exit_code=0,
            out=make_output(self._print(*argv)),
            err=make_output(""),
            wall_s=0.25,
            timings=Timings(inside_s=0.125),
            platform=self.platform,
            execution=self.execution,
            command=call.describe(),
        )
        if self._recorder is not None:
            self._recorder.record_call(
                CallSeen(
                    kind="run", call=call, result=result, variant=self.resolved, label=None,
                    known=name_values(call.env), is_observed=options.get("observe", True),
                )
            )  # fmt: skip
        return result

    def _print(self, program: str, *words: str) -> str:
        match program:
            case "echo":
                return f"{' '.join(words)}\n"
            case "machine":
                return f"{MACHINES[self.platform.architecture]}\n"
            case "bits":
                return f"bits: {8 if self.platform.architecture == 'amd64' else 7}\n"
            case "flood":
                return "x" * 1_000_000
        raise AssertionError(f"no script {program}")


def make_output(text: str) -> Output:
    """Make what an output stream would be."""
    data = text.encode("utf-8", "surrogateescape")
    return Output(size=len(data), sha256=hashlib.sha256(data).hexdigest(), head=data)


class FakeSession:
    """Opens fake variants: amd64 is native, all else is emulated."""

    def open_variant(
        self, reference: ImageReference, platform: Platform, *, recorder: Recorder | None
    ) -> Variant:
        """Give a variant, or the error that the image's name says."""
        is_foreign = platform.architecture == "arm64"
        if is_foreign and "missing" in reference.text:
            raise PlatformMissingError(LACKING, cure=CURE)
        if is_foreign and "unavailable" in reference.text:
            raise PlatformUnavailableError("fake: linux/arm64 cannot be run", cure="add QEMU")
        kind = ExecutionKind.NATIVE if platform.architecture == "amd64" else ExecutionKind.QEMU
        digest = f"sha256:{hashlib.sha256(f'{reference} {platform}'.encode()).hexdigest()}"
        resolved = ResolvedVariant(
            reference=reference,
            platform=platform,
            kind="manifest",
            digest=digest,
            config_digest=digest,
            config=ImageConfig(platform=platform),
            create_image=str(reference.pin(digest)),
            create_platform=platform,
        )
        node: Any = SimpleNamespace(name="fake", engine=SimpleNamespace(read_facts=lambda: FACTS))
        version = "" if kind is ExecutionKind.NATIVE else "7.2"
        execution = Execution(kind=kind, version=version)
        return FakeVariant(node, resolved, execution, recorder=recorder)

    def look_first(
        self, variant: Variant, rules: ImageRules, platforms: Sequence[Platform]
    ) -> Inspected:
        """Give what the image's name says."""
        name, platform = variant.reference, variant.platform
        is_foreign = platform.architecture == "arm64"
        report = AuditReport(platform=platform, scope=rules.audit.scope, files=1, programs=1)
        if "wrong" in name and is_foreign:
            reason = next((each.reason for each in rules.audit.allow), "")
            report = replace(report, findings=(replace(FINDING, allowed=reason),))
        word = "arm" if "unlike" in name and is_foreign else "all"
        configs = {platform: describe_config({"User": word})}
        lacks = "short" in name and Platform.parse("linux/386") in rules.index.required
        return Inspected(
            configs=configs if StaticPart.CONFIG in rules.static_parity.parts else {},
            allow=rules.static_parity.allow,
            index=(LACKS,) if lacks else (),
            audits=(report,) if rules.audit.scope is not AuditScope.OFF else (),
            notes=("nobody may look",) if "closed" in name else (),
        )

    def close(self) -> None:
        """Do nothing: nothing is there."""


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Put the session where the plugin looks for one."""
    config.stash[STATE].session = FakeSession()  # type: ignore[assignment]
