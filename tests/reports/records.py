"""Records of any size, made through the code that makes them in a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pytest_multiarch.core.assess import Circumstances, assess
from pytest_multiarch.core.audit import AuditReport, AuditScope, FileFinding, FindingKind
from pytest_multiarch.core.budget import Budget
from pytest_multiarch.core.cost import PlatformCost
from pytest_multiarch.core.execution import Execution, ExecutionKind
from pytest_multiarch.core.index_checks import IndexFinding, IndexProblem
from pytest_multiarch.core.inspected import Inspected
from pytest_multiarch.core.member import Member, VariantIdentity
from pytest_multiarch.core.merging import Judgement, judge_record, merge_records
from pytest_multiarch.core.observation import Observation
from pytest_multiarch.core.overhead import Measurement, PlatformSamples, Sample
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.record import IdleGroup, Record, Run
from pytest_multiarch.core.rules import ParityRules, allow, make_rules
from pytest_multiarch.core.written import WrittenObservations
from tests.samples import AMD64, ARM7, ARM64, QEMU, S390X, check, make_member, observe

PLATFORMS = (AMD64, ARM64, ARM7, S390X)
RISCV64 = Platform.parse("linux/riscv64")
REFERENCE = "ghcr.io/acme/app:1.4"
QEMU_SEEN = replace(
    QEMU,
    evidence=(
        "process 1 of a probe container is '/usr/bin/qemu-aarch64-static /probe' on the node",
        "qemu-aarch64 version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u19)",
    ),
)
NATIVE_SEEN = Execution(
    kind=ExecutionKind.NATIVE, evidence=("process 1 of a probe container is '/probe' on the node",)
)
RUN = Run(
    id="5f0e61b2c3d4",
    started_at_s=1_795_430_400.0,
    ended_at_s=1_795_430_532.4,
    ended="complete",
    exit_status=1,
    tests=192,
    commit="9b1c0ffee5d1d4a5f6b7c8d9e0f1a2b3c4d5e6f7",
    root="tests/",
    machine={
        "host": "runner-7",
        "system": "Linux 6.18.5",
        "architecture": "x86_64",
        "cpu": "AMD EPYC 7763 64-Core Processor",
        "cpus": "4",
    },
    job={"service": "GitHub Actions", "name": "platforms", "id": "1207334"},
    versions={"pytest-multiarch": "0.1.0", "pytest": "8.4.2", "python": "3.11.7"},
    nodes={
        "unix:///var/run/docker.sock": {
            "product": "Docker Engine", "version": "28.5.2", "platform": "linux/amd64",
            "kernel": "6.18.5", "store": "containerd",
        }
    },
)  # fmt: skip


def make_large_record(tests: int, *, diverged: int = 0) -> Record:
    """Make a record of many tests on four platforms, of which the first diverge."""
    ours, theirs = (
        [written(p, "same\n" * 20, run_argv("report"), 0.2) for p in PLATFORMS],
        [written(p, f"value {number}\n" * 20, run_argv("report"), 0.2)
         for number, p in enumerate(PLATFORMS)],
    )  # fmt: skip
    members = [
        member
        for number in range(tests)
        for member in make_group(
            f"tests/api/test_module_{number // 40}.py::test_behaviour_{number:04}[case]",
            theirs if number < diverged else ours,
        )
    ]
    return Record(runs=(RUN,), members=tuple(members))


def make_sample_record() -> Record:
    """Make a record in which there is one of everything, among tests that are equal."""
    looked_at = replace(RUN, inspected={REFERENCE: _make_inspected().to_mapping()})
    return Record(
        runs=(
            looked_at,
            replace(RUN, id="77aa", ended="", job={"name": "nightly"}, commit=RUN.commit),
        ),
        members=tuple(_list_sample_members()),
        idle=(IdleGroup(group="tests/test_gpu.py::test_cuda", run=RUN.id, declared=(RISCV64,)),),
    )


def judge_sample() -> Judgement:
    """Judge the sample record, its duplicates resolved."""
    return judge_record(merge_records([make_sample_record()]))


def run_argv(*argv: str) -> tuple[str, ...]:
    return ("app", *argv)


def seen(platform: Platform, out: str | bytes, argv: tuple[str, ...], err: str = "") -> Observation:
    return observe(out, err, platform=platform, argv=argv, pin=f"{REFERENCE}@sha256:{'ab' * 32}")


def written(platform: Platform, out: str, argv: tuple[str, ...], inside_s: float) -> Member:
    observations = WrittenObservations.write([seen(platform, out, argv)])
    return make_sample_member(platform, inside_s=inside_s, observations=observations)


def make_sample_member(platform: Platform, *observations: Observation, **fields: object) -> Member:
    digest = f"sha256:{PLATFORMS.index(platform) + 1:x}{'7e' * 31}f"
    variant = VariantIdentity(
        reference=REFERENCE, kind="manifest", digest=digest, config_digest=digest,
        pin=f"{REFERENCE}@{digest}", index=f"sha256:{'c4' * 32}",
    )  # fmt: skip
    execution = NATIVE_SEEN if platform == AMD64 else QEMU_SEEN
    is_skipped = fields.get("outcome") in ("skipped", "not-run")
    defaults = {
        "run": RUN.id,
        "declared": PLATFORMS,
        "variant": None if is_skipped else variant,
        "execution": None if is_skipped else execution,
        "inside_s": 0.2 if platform == AMD64 else 1.7,
    }
    return make_member(platform, *observations, **{**defaults, **fields})  # type: ignore[arg-type]


def _measure(platform: Platform) -> tuple[PlatformCost, ...]:
    """Give what was measured on a platform; arm64 is beyond its budget."""
    walls_s = {AMD64: 0.02, ARM64: 0.21, ARM7: 0.09, S390X: 0.4}
    samples = (
        PlatformSamples(
            platform=each,
            execution=NATIVE_SEEN if each == AMD64 else QEMU_SEEN,
            rounds=tuple((Sample(wall_s=wall_s * (1 + number / 20)),) for number in range(7)),
        )
        for each, wall_s in walls_s.items()
    )
    measured = Measurement(
        what="app hash", rounds=7, runs=1, platforms=tuple(samples), measuring_s=1.0
    )
    budgets = {ARM64: Budget(max=5.0), S390X: Budget(max=50.0)}
    given = Circumstances(
        label="app hash", kind="command", baseline=AMD64, budgets=budgets, load=4.2, cores=2
    )
    return tuple(each for each in assess(measured, given).costs if each.platform == platform)


def _make_inspected() -> Inspected:
    """Give an image with a program for another platform, configs that differ, and an index."""
    finding = FileFinding(
        kind=FindingKind.WRONG_ARCHITECTURE,
        path="/usr/local/bin/app-with-a-long-name",
        found="amd64",
        expected="arm64",
        started_by="the entrypoint",
        instruction="COPY bin/ /usr/local/bin/ # buildkit",
    )
    audits = (
        AuditReport(
            platform=each,
            scope=AuditScope.PROGRAM,
            files=1234,
            programs=56,
            findings=(finding,) if each == ARM64 else (),
        )
        for each in PLATFORMS
    )
    return Inspected(
        configs={each: {"User": "root" if each == S390X else "app"} for each in PLATFORMS},
        index=(
            IndexFinding(
                problem=IndexProblem.MISSING,
                subject="linux/386",
                what="it lacks linux/386",
                cure="build it for linux/386 too",
            ),
        ),
        audits=tuple(audits),
    )


def make_group(group: str, members: list[Member]) -> Iterator[Member]:
    yield from (replace(m, group=group, node_id=f"{group}[{m.platform}]") for m in members)


def _list_sample_members() -> Iterator[Member]:
    yield from _list_diverging()
    yield from _list_failing()
    yield from _list_uncompared()
    for number in range(38):
        name = ("version", "help", "locale", "arguments", "serves", "upgrade")[number % 6]
        group = f"tests/test_{('cli', 'api', 'storage')[number % 3]}.py::test_{name}[{number}]"
        times = (0.1, 0.4 + number / 20, 0.9 + number / 10, 2.0)
        yield from make_group(
            group,
            [written(p, "app 1.4\n", run_argv(name), t)
             for p, t in zip(PLATFORMS, times, strict=True)],
        )  # fmt: skip


def _list_diverging() -> Iterator[Member]:
    lines = [f"sample {number:02}: 0.{number * 7919 % 10**6:06}" for number in range(30)]
    exact, fused = "0.30000000000000004", "0.30000000000000010"
    means = {AMD64: exact, ARM64: fused, ARM7: fused, S390X: exact}
    members = []
    for platform in PLATFORMS:
        body = "\n".join([*lines[:14], f"mean {means[platform]}", *lines[14:], ""])
        names = {AMD64: "x86_64", ARM64: "aarch64", ARM7: "armv7l", S390X: "s390x"}
        out = f"report of {names[platform]}\nchar {-1 if platform == AMD64 else 255}\n{body}"
        members.append(make_sample_member(platform, seen(platform, out, run_argv("report"))))
    yield from make_group("tests/test_numbers.py::test_report", members)
    crash = "qemu: uncaught target signal 11 (Segmentation fault) - core dumped\n"
    yield from make_group(
        "tests/test_numbers.py::test_hash[large]",
        [
            make_sample_member(
                p,
                observe("ok\n" if p != S390X else "", "" if p != S390X else crash, platform=p,
                        argv=run_argv("hash", "--all"), exit_code=0 if p != S390X else 139),
                check("total", {"sum": 3 if p != S390X else 5, "unit": "bytes"}),
            )
            for p in PLATFORMS
        ],
    )  # fmt: skip


def _list_failing() -> Iterator[Member]:
    reason = "assert result.exit_code == 0\nE       assert 127 == 0\nE        +  where 127 = Run"
    yield from make_group(
        "tests/test_cli.py::test_plugin_is_found",
        [make_sample_member(p) for p in (AMD64, ARM64, ARM7)]
        + [make_sample_member(S390X, outcome="failed", reason=reason)],
    )
    yield from make_group(
        "tests/test_cli.py::test_removed_option",
        [make_sample_member(p, outcome="failed", reason="assert 1 == 2") for p in PLATFORMS],
    )


def _list_uncompared() -> Iterator[Member]:
    declared = (*PLATFORMS, RISCV64)
    for number in range(3):
        yield from make_group(
            f"tests/test_jit.py::test_jit[{number}]",
            [
                make_sample_member(p, selected=(AMD64, ARM64), declared=declared, **fields)
                for p, fields in (
                    (AMD64, {}), (ARM64, {"outcome": "skipped", "reason": "no JIT under QEMU"}),
                )
            ],
        )  # fmt: skip
    yield from make_group(
        "tests/test_jit.py::test_only_here", [make_sample_member(AMD64, declared=(AMD64,))]
    )
    rules: ParityRules = make_rules(allow=[allow("app mean *", reason="FMA on arm64")])
    yield from make_group(
        "tests/test_numbers.py::test_mean",
        [
            make_sample_member(
                p, seen(p, f"{0.1 if p != ARM64 else 0.2}\n", run_argv("mean", "x")), rules=rules,
                attempt=2 if p == ARM7 else 1,
            )
            for p in PLATFORMS
        ],
    )  # fmt: skip
    yield from make_group(
        "tests/test_cli.py::test_nothing_observed",
        [make_sample_member(p, overhead=_measure(p)) for p in PLATFORMS],
    )
    native = Execution(kind=ExecutionKind.NATIVE, evidence=("seen",))
    yield from make_group(
        "tests/test_cli.py::test_version[0]",
        [
            make_sample_member(
                ARM64, seen(ARM64, "app 1.4\n", run_argv("version")), run="77aa",
                execution=native, inside_s=0.15,
            )
        ],
    )  # fmt: skip
