"""A plugin for the suites in these tests: variants that run scripts of Python, without an engine.

`variant.run("echo", text)` prints the text, `"machine"` the platform's own name, `"bits"` another
digit on each platform, `"flood"` a megabyte; `"crash"` crashes on arm64, under QEMU.
`"spend", "1", "12"` takes 1 s on amd64 and 12 s on the others, by its result; so does
`overhead.measure("spend", "1", "12", "8")`, and 8 s in the control run. There `1:2` is 1 s and 2 s
by turns, and `fail` fails in the third round.

`"noise"` prints another number each time, `"emulator"` shows that it runs under one, and `"slow"`
is `"bits"`, which takes 1 s when it is made again. All are made again in here too.

Images named `missing` lack arm64, on `unavailable` arm64 cannot be run, on `lazy` it is found
missing when something is run. The arm64 variant of `wrong` holds a program for amd64, that of
`unlike` has another config, `short` lacks an entry, and `closed` cannot be looked at.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_multiarch.core.audit import AuditReport, AuditScope, FileFinding, FindingKind
from pytest_multiarch.core.build import Build, BuildSpec, PlatformBuild
from pytest_multiarch.core.call import Call, Output, RunResult, Timings
from pytest_multiarch.core.errors import (
    MeasurementError,
    PlatformMissingError,
    PlatformUnavailableError,
    UsageError,
)
from pytest_multiarch.core.execution import Execution, ExecutionKind
from pytest_multiarch.core.filetree import FileTree
from pytest_multiarch.core.image_rules import ImageRules
from pytest_multiarch.core.index import ImageConfig
from pytest_multiarch.core.index_checks import IndexFinding, IndexProblem
from pytest_multiarch.core.inspected import Inspected
from pytest_multiarch.core.overhead import Measurement, Sample
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.ports import EngineFacts, ImageSizes
from pytest_multiarch.core.reference import ImageReference
from pytest_multiarch.core.static_parity import StaticPart, describe_config
from pytest_multiarch.core.variant import ResolvedVariant
from pytest_multiarch.plugin.state import STATE
from pytest_multiarch.run import replay
from pytest_multiarch.run.calls import CallSeen, Recorder, name_values
from pytest_multiarch.run.control import ControlWay
from pytest_multiarch.run.measure import Plan, measure_subjects
from pytest_multiarch.run.network import NameImage
from pytest_multiarch.run.variant import Variant

__name__ = "pytest_multiarch.fake"  # its frames are to count as the package's own
CRASHED = "qemu: uncaught target signal 11 (Segmentation fault) - core dumped\n"
RANDOM = random.SystemRandom()
SLOW_S = 1.0
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
        is_crash = argv[0] == "crash" and self.platform.architecture == "arm64"
        result = RunResult(
            exit_code=139 if is_crash else 0,
            out=make_output(self._print(*argv)),
            err=make_output(CRASHED if is_crash else ""),
            wall_s=0.25,
            timings=Timings(inside_s=self._spend(*argv)),
            platform=self.platform,
            execution=self.execution,
            command=call.describe(),
        )
        if self._recorder is not None:
            self._recorder.record_call(
                CallSeen(
                    kind="run", call=call, result=result, variant=self.resolved,
                    label=options.get("label"),
                    known=name_values(call.env), is_observed=options.get("observe", True),
                )
            )  # fmt: skip
        return result

    def _spend(self, program: str, *words: str) -> float:
        if program != "spend":
            return 0.125
        return float(words[self.platform.architecture != "amd64"])

    def _print(self, program: str, *words: str) -> str:
        match program:
            case "spend" | "crash":
                return ""
            case "echo":
                return f"{' '.join(words)}\n"
            case "machine":
                return f"{MACHINES[self.platform.architecture]}\n"
            case "bits":
                return f"bits: {8 if self.platform.architecture == 'amd64' else 7}\n"
            case "flood":
                return "x" * 1_000_000
            case "noise":
                return f"n {RANDOM.randrange(1000, 10_000)}\n"
            case "emulator":
                return f"threads: {1 + self.execution.is_emulated}\n"
            case "slow":
                time.sleep(SLOW_S if self._recorder is None else 0.0)
                return f"bits: {8 if self.platform.architecture == 'amd64' else 7}\n"
        raise AssertionError(f"no script {program}")


def make_output(text: str) -> Output:
    """Make what an output stream would be."""
    data = text.encode("utf-8", "surrogateescape")
    return Output(size=len(data), sha256=hashlib.sha256(data).hexdigest(), head=data)


class FakeContainer:
    """A container in which nothing is."""

    def __init__(self, variant: Any, *, is_control: bool = False) -> None:
        self.platform = variant.platform
        self.execution = variant.execution
        self.is_control = is_control
        self.started = self
        self.note = ""

    def launch(self, call: Call) -> None:
        """Refuse a script."""
        if call.argv[0] == "script":
            raise UsageError("a control run of 'script' is not possible: it is a script")

    def logs(self, *, tail: int | None = None) -> Any:
        """Give nothing."""
        return SimpleNamespace(stdout="", stderr="")

    def remove(self) -> None:
        """Note it for a test of the clean-up."""
        REMOVED.append(self.platform)


REMOVED: list[Platform] = []
REMOVED_CONTROLS: list[str] = []


class FakeSubject:
    """Takes the times that the command says."""

    def __init__(self, container: FakeContainer, words: tuple[str, ...]) -> None:
        self.platform = container.platform
        self.execution = container.execution
        self.is_control = container.is_control
        place = 2 if self.is_control else int(self.platform.architecture != "amd64")
        self._word = words[min(place, len(words) - 1)]
        self._round = 0

    def run(self, runs: int, *, is_warmup: bool) -> tuple[Sample, ...]:
        """Take the next time."""
        self._round += not is_warmup
        if self._word in ("fail", "fail-later"):
            is_early = self.is_control and self._word == "fail"
            if self._round > 2 or is_early:
                raise MeasurementError("fake: it failed", cure="do not")
            return (Sample(wall_s=1.0),) * runs
        times = [float(each) for each in self._word.split(":")]
        noise = 1 + 0.001 * (self._round * 7 % 5)
        wall_s = times[self._round % len(times)] * noise
        return (Sample(wall_s=wall_s, user_s=wall_s / 2, system_s=0.01, exit_code=0),) * runs


class FakeBench:
    """Measures what was made up."""

    def start_idle(self, variant: Variant) -> Any:
        """Start nothing."""
        return FakeContainer(variant)

    def start_control(self, variant: Variant, *, is_allowed: bool) -> Any:
        """Start nothing, emulated."""
        control = FakeContainer(variant, is_control=True)
        control.execution = Execution(kind=ExecutionKind.QEMU, version="7.2")
        control.note = "" if is_allowed else "whole process trees need --multiarch-control"
        return control

    def start_twin(self, variant: Variant) -> Any:
        """No platform has a node of its own."""
        del variant

    def put_files(self, started: Any, files: Any) -> None:
        """Put them nowhere."""

    def measure_command(
        self, containers: Any, call: Call, *, plan: Plan, allowed: Any, controls: Any
    ) -> Measurement:
        """Measure `spend`."""
        del allowed
        subjects = [FakeSubject(each, call.argv[1:]) for each in (*containers, *controls)]
        return measure_subjects(" ".join(call.argv), subjects, plan, 0.0)

    def measure_callable(self, containers: Any, function: Any, *, plan: Plan, what: str) -> Any:
        """Have the callable say what it takes."""
        subjects = [FakeSubject(each, (str(function(each)),)) for each in containers]
        return measure_subjects(what, subjects, plan, 0.0)

    def measure_starts(self, variants: Any, settings: Any, *, plan: Plan, what: str) -> Any:
        """Take half a second, and two."""
        del settings
        subjects = [FakeSubject(FakeContainer(each), ("0.5", "2")) for each in variants]
        return measure_subjects(what, subjects, plan, 0.0)

    def fetch_again(self, variant: Variant) -> dict[str, float]:
        """Fetch in a second, unless it is arm64's."""
        if variant.platform.architecture == "arm64":
            raise UsageError("fake: it was there before")
        return {"fetch": 1.0, "unpack": 0.25}

    def read_sizes(self, variant: Variant) -> ImageSizes:
        """Give some."""
        del variant
        return ImageSizes(content=1_000_000, unpacked=3_000_000)


class FakeSession:
    """Opens fake variants: amd64 is native, all else is emulated."""

    bench = FakeBench()

    def open_container(self, variant: Variant, settings: Any, *, recorder: Any) -> Any:
        """Start nothing."""
        del settings, recorder
        return FakeContainer(variant)

    def close_container(self, container: Any, settings: Any) -> None:
        """Remove nothing."""
        del settings
        container.remove()

    def open_variant(
        self,
        reference: ImageReference,
        platform: Platform,
        *,
        recorder: Recorder | None,
        name_image: NameImage = ImageReference.parse,
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
        node: Any = SimpleNamespace(
            name="fake",
            engine=SimpleNamespace(read_facts=lambda: FACTS),
            remove_quietly=REMOVED_CONTROLS.append,
            auditor=SimpleNamespace(open_files=lambda resolved: nullcontext(FileTree())),
        )
        version = "" if kind is ExecutionKind.NATIVE else "7.2"
        execution = Execution(kind=kind, version=version)
        return FakeVariant(node, resolved, execution, recorder=recorder)

    def build(
        self, spec: BuildSpec, platform: Platform, platforms: Iterable[Platform]
    ) -> tuple[ImageReference, Build]:
        """Build nothing, in as many steps as platforms are wanted; each has a node of its own."""
        built = PlatformBuild(name=spec.name, steps=len(tuple(platforms)), wall_s=1.0)
        build = Build(
            name=spec.name,
            dockerfile=spec.title,
            node=f"fake://{platform.architecture}",
            platforms={platform: built},
        )
        return ImageReference.parse(spec.name), build

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

    def lock_machine(self, *, timeout_s: float) -> Any:
        """Lock nothing."""
        del timeout_s
        return nullcontext()

    def remove_all(self) -> None:
        """Remove nothing."""

    def close(self) -> None:
        """Do nothing: nothing is there."""


def run_again(node: Any, resolved: ResolvedVariant, execution: Execution, call: Call) -> Any:
    """Make a call again, as `run.calls.run_once`."""
    return FakeVariant(node, resolved, execution).run(*call.argv), {}


class FakeControl:
    """Makes calls of a variant under an emulator."""

    way = ControlWay.FIRST

    def __init__(self, node: Any, resolved: ResolvedVariant, call: Call, **options: Any) -> None:
        del call, options
        self.started = SimpleNamespace(id="control", node=node)
        self._resolved = resolved

    def run(self, call: Call) -> Any:
        """Make a call."""
        execution = Execution(kind=ExecutionKind.QEMU, version="7.2")
        return run_again(self.started.node, self._resolved, execution, call)


REPLACED = {"run_once": run_again, "start_control": FakeControl}
REAL = {name: getattr(replay, name) for name in REPLACED}


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Put the session where the plugin looks for one."""
    config.stash[STATE].session = FakeSession()  # type: ignore[assignment]
    for name, function in REPLACED.items():
        setattr(replay, name, function)


def pytest_unconfigure() -> None:
    """Leave no trace in a process that runs other suites."""
    for name, function in REAL.items():
        setattr(replay, name, function)
