"""Small results, observations and members, as tests of comparing and reporting need them."""

from __future__ import annotations

import hashlib
from typing import Any

from pytest_multiarch.core.call import CallSummary, Output, RunResult, Timings
from pytest_multiarch.core.execution import Execution, ExecutionKind
from pytest_multiarch.core.member import Member, Outcome
from pytest_multiarch.core.observation import Observation, make_check, make_observation
from pytest_multiarch.core.platform import Platform

AMD64 = Platform.parse("linux/amd64")
ARM64 = Platform.parse("linux/arm64")
ARM7 = Platform.parse("linux/arm/v7")
S390X = Platform.parse("linux/s390x")
NATIVE = Execution(kind=ExecutionKind.NATIVE, evidence=("seen",))
QEMU = Execution(kind=ExecutionKind.QEMU, version="7.2.22", evidence=("seen",))
PIN = "ghcr.io/acme/app@sha256:" + "ab" * 32


def make_output(data: bytes, *, kept: int | None = None) -> Output:
    head = data if kept is None else data[:kept]
    return Output(size=len(data), sha256=hashlib.sha256(data).hexdigest(), head=head)


def make_result(
    out: str | bytes = b"",
    err: str | bytes = b"",
    *,
    exit_code: int = 0,
    argv: tuple[str, ...] = ("app",),
    platform: Platform = AMD64,
    execution: Execution | None = None,
    kept: int | None = None,
    **command: Any,
) -> RunResult:
    out, err = (each.encode() if isinstance(each, str) else each for each in (out, err))
    return RunResult(
        exit_code=exit_code,
        out=make_output(out, kept=kept),
        err=make_output(err, kept=kept),
        wall_s=0.5,
        timings=Timings(create_s=0.1, inside_s=0.2),
        platform=platform,
        execution=execution or (NATIVE if platform == AMD64 else QEMU),
        command=CallSummary(argv=argv, **command),
    )


def observe(
    out: str | bytes = b"", err: str | bytes = b"", *, label: str | None = None, **options: Any
) -> Observation:
    """Observe a run that printed this; options are `make_result`'s or `make_observation`'s."""
    names = ("kind", "known", "pin", "history", "ignore", "normalizers", "structure")
    own = {name: options.pop(name) for name in names if name in options}
    result = make_result(out, err, **options)
    return make_observation(
        result, label=label, **{"kind": "run", "known": {}, "pin": PIN, "history": "", **own}
    )


def check(label: str, value: object, **options: Any) -> Observation:
    return make_check(label, value, **options)


def make_member(
    platform: Platform = AMD64,
    *observations: Observation,
    outcome: Outcome | str = Outcome.PASSED,
    declared: tuple[Platform, ...] = (AMD64, ARM64),
    **fields: Any,
) -> Member:
    ran = Outcome(outcome) is not Outcome.NOT_RUN
    execution = (NATIVE if platform == AMD64 else QEMU) if ran else None
    return Member(
        **{
            "group": "test_app.py::test_x",
            "platform": platform,
            "node_id": f"test_app.py::test_x[{platform}]",
            "run": "r1",
            "declared": declared,
            "selected": declared,
            "outcome": Outcome(outcome),
            "execution": execution,
            "observations": observations,
            "started_at_s": 1.0,
            **fields,
        }
    )
