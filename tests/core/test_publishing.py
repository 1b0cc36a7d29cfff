"""What of a record may be published, and why not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_multiarch.core.audit import AuditReport, AuditScope, FileFinding, FindingKind
from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.inspected import Inspected
from pytest_multiarch.core.member import Member, VariantIdentity
from pytest_multiarch.core.publishing import PublishPlan, plan_publication
from pytest_multiarch.core.record import IdleGroup, Record, Run
from tests.samples import AMD64, ARM64, NATIVE, QEMU, S390X, make_member, observe

DIGESTS = {AMD64: "sha256:" + "a" * 64, ARM64: "sha256:" + "b" * 64, S390X: "sha256:" + "c" * 64}
INDEX = "sha256:" + "1" * 64


def identify(platform: Any, *, reference: str = "app:1", **fields: Any) -> VariantIdentity:
    digest = DIGESTS[platform]
    return VariantIdentity(
        **{
            "reference": reference,
            "kind": "manifest",
            "digest": digest,
            "config_digest": digest.replace("sha256:", "sha256:f")[:71],
            "pin": f"app@{digest}",
            "index": INDEX,
            **fields,
        }
    )


def member(platform: Any, out: str = "1", **fields: Any) -> Member:
    return make_member(platform, observe(out), **{"variant": identify(platform), **fields})


def audit(*platforms: Any, findings: tuple[FileFinding, ...] = ()) -> dict[str, Any]:
    reports = tuple(
        AuditReport(platform=each, scope=AuditScope.PROGRAM, findings=findings)
        for each in platforms
    )
    return Inspected(audits=reports).to_mapping()


def make_record(*members: Member, **fields: Any) -> Record:
    """Make a record of one run of these, in which all their images were audited."""
    members = members or (member(AMD64), member(ARM64))
    platforms: dict[str, list[Any]] = {}
    for each in members:
        if each.variant:
            platforms.setdefault(each.variant.reference, []).append(each.platform)
    idle = fields.pop("idle", ())
    run = Run(
        **{
            "id": "r1",
            "ended": "complete",
            "tests": len(members),
            "inspected": {name: audit(*found) for name, found in platforms.items()},
            **fields,
        }
    )
    return Record(runs=(run,), members=members, idle=idle)


def plan(record: Record | None = None, **options: Any) -> PublishPlan:
    return plan_publication(record or make_record(), **options)


def refuse(record: Record, **options: Any) -> str:
    """Give the one reason why a record is refused."""
    (refusal,) = plan(record, **options).refusals
    assert refusal.cure
    return refusal.what


def test_what_passed_on_all_platforms_is_published() -> None:
    found = plan()
    assert not found.refusals
    assert found.image == "app:1"
    assert [each.platform for each in found.variants] == [AMD64, ARM64]
    assert [each.digest for each in found.variants] == [DIGESTS[AMD64], DIGESTS[ARM64]]
    assert [each.tests for each in found.variants] == [1, 1]
    assert [each.is_native for each in found.variants] == [True, False]
    assert all(each.came_from_registry and each.index == INDEX for each in found.variants)


def test_emulated_platforms_are_said() -> None:
    assert plan().notes == ("linux/arm64 was tested only under emulation (qemu 7.2.22)",)


def test_emulation_can_be_refused() -> None:
    what = refuse(make_record(), requires_native=True)
    assert what.startswith("linux/arm64 was tested only under emulation (qemu 7.2.22)")


def test_a_native_run_beside_an_emulated_one_suffices() -> None:
    native = member(ARM64, execution=NATIVE, run="r2")
    record = make_record(member(AMD64), member(ARM64), native)
    record = replace(record, runs=(*record.runs, Run(id="r2", ended="complete", tests=1)))
    assert not plan(record, requires_native=True).refusals


def test_a_native_run_that_failed_does_not() -> None:
    native = member(ARM64, execution=NATIVE, outcome="failed")
    what = plan(make_record(member(AMD64), native), requires_native=True).refusals[0].what
    assert what == "tests failed: test_app.py::test_x[linux/arm64]"


def test_a_divergence() -> None:
    record = make_record(member(AMD64), member(ARM64, "2"))
    whats = [each.what for each in plan(record).refusals]
    assert whats == ["the platforms diverged in test_app.py::test_x"]


def test_a_failed_test() -> None:
    record = make_record(member(AMD64), member(ARM64, outcome="failed"))
    whats = [each.what for each in plan(record).refusals]
    assert whats[0] == "tests failed: test_app.py::test_x[linux/arm64]"


def test_a_failed_teardown() -> None:
    record = make_record(member(AMD64), member(ARM64, teardown_error="oops"))
    assert plan(record).refusals[0].what.startswith("tests failed")


def test_a_failed_test_that_runs_on_no_platform() -> None:
    record = make_record(failures={"test_b.py::test_y": {"outcome": "failed", "reason": "x"}})
    assert refuse(record) == "tests that do not run on platforms failed: test_b.py::test_y"


@pytest.mark.parametrize(
    ("ended", "how"), [("interrupted", "was interrupted"), ("", "was killed, or still goes on")]
)
def test_a_run_that_did_not_end(ended: str, how: str) -> None:
    assert how in refuse(make_record(ended=ended))


def test_a_declared_platform_that_was_not_tested() -> None:
    platforms = (AMD64, ARM64, S390X)
    record = make_record(member(AMD64, declared=platforms), member(ARM64, declared=platforms))
    whats = [each.what for each in plan(record).refusals]
    assert whats == [
        "linux/s390x was not tested by test_app.py::test_x, which declare it",
        "linux/s390x is required, and it was not tested",
    ]


def test_a_group_that_ran_on_no_platform() -> None:
    idle = IdleGroup(group="test_app.py::test_z", run="r1", declared=(ARM64,))
    what = refuse(make_record(idle=(idle,)))
    assert what == "linux/arm64 was not tested by test_app.py::test_z, which declare it"


def test_a_required_platform() -> None:
    what = refuse(make_record(), required=(AMD64, S390X))
    assert what == "linux/s390x is required, and it was not tested"


def test_a_platform_on_which_all_was_skipped() -> None:
    record = make_record(member(AMD64), member(ARM64, outcome="skipped"))
    whats = [each.what for each in plan(record).refusals]
    assert "linux/arm64 is required, and no test passed on it" in whats


def test_platforms_that_were_never_compared() -> None:
    one = member(AMD64, group="g1", declared=(AMD64,))
    other = member(ARM64, group="g2", declared=(ARM64,))
    whats = [each.what for each in plan(make_record(one, other)).refusals]
    assert whats == [
        "nothing of linux/amd64 was compared with another platform",
        "nothing of linux/arm64 was compared with another platform",
    ]


def test_one_platform_needs_no_comparison() -> None:
    assert not plan(make_record(member(AMD64, declared=(AMD64,)))).refusals


def test_a_group_that_was_not_compared_is_said_and_strictly_refused() -> None:
    skipped = member(ARM64, group="g2", outcome="skipped")
    record = make_record(member(AMD64), member(ARM64), member(AMD64, group="g2"), skipped)
    assert "not compared: g2" in plan(record).notes
    assert refuse(record, is_strict=True) == "nothing could be compared in g2"


def test_files_that_were_not_audited() -> None:
    record = make_record(inspected={"app:1": audit(AMD64)})
    assert refuse(record) == "the files of linux/arm64 were not audited"


def test_files_for_another_platform() -> None:
    finding = FileFinding(
        kind=FindingKind.WRONG_ARCHITECTURE, path="/bin/app", found="amd64", expected="arm64"
    )
    tables = audit(AMD64)
    tables["audits"] |= audit(ARM64, findings=(finding,))["audits"]
    record = make_record(inspected={"app:1": tables})
    assert refuse(record) == "linux/arm64 holds files that are wrong for it: /bin/app (amd64)"
    allowed = replace(finding, allowed="it is what we ship")
    tables["audits"] |= audit(ARM64, findings=(allowed,))["audits"]
    assert not plan(record).refusals


def test_different_images_of_one_platform() -> None:
    other = identify(ARM64, digest="sha256:" + "d" * 64, config_digest="sha256:" + "e" * 64)
    members = (member(AMD64), member(ARM64), member(AMD64, group="g2"))
    record = make_record(*members, member(ARM64, group="g2", variant=other))
    whats = [each.what for each in plan(record).refusals]
    assert any(each.startswith("tests of linux/arm64 ran on different images") for each in whats)


def test_a_manifest_and_its_config_are_one_image() -> None:
    known = identify(ARM64)
    config = replace(known, kind="config", digest=known.config_digest, index="")
    members = (member(AMD64), member(ARM64), member(AMD64, group="g2"))
    record = make_record(*members, member(ARM64, group="g2", variant=config))
    found = plan(record)
    assert not found.refusals
    assert found.variants[1].digest == DIGESTS[ARM64]


def test_several_images() -> None:
    other = {p: identify(p, reference="db:1") for p in (AMD64, ARM64)}
    members = (
        *(member(p) for p in other),
        *(member(p, group="g2", variant=other[p]) for p in other),
    )
    record = make_record(*members)
    with pytest.raises(UsageError, match="several images: app:1, db:1"):
        plan(record)
    assert plan(record, image="db:1").image == "db:1"
    with pytest.raises(UsageError, match="not of web:1"):
        plan(record, image="web:1")


def test_no_test_on_any_image() -> None:
    record = make_record(make_member(AMD64, variant=None, declared=(AMD64,)))
    assert "says of no image" in refuse(record)


def test_platforms_of_the_index_that_were_not_tested_are_left_out() -> None:
    platforms = {str(each): DIGESTS[each] for each in DIGESTS}
    record = make_record(images={"app:1": {"digest": INDEX, "platforms": platforms}})
    assert "not tested, and left out: linux/s390x" in plan(record).notes


def test_runs_that_disagree() -> None:
    record = make_record(commit="aaa")
    record = replace(record, runs=(*record.runs, Run(id="r2", ended="complete", commit="bbb")))
    assert refuse(record).startswith("the runs disagree about the commit: aaa in")


def test_hostile_text_is_shown_as_data() -> None:
    record = make_record(member(AMD64), member(ARM64, "2", group="g\x1b[31m\n"))
    assert all("\x1b" not in each.what for each in plan(record).refusals)


def test_emulated_twins_count_for_nothing_when_the_native_run_failed() -> None:
    record = make_record(
        member(AMD64),
        member(ARM64, execution=QEMU),
        member(ARM64, execution=NATIVE, outcome="failed"),
    )
    assert plan(record).refusals
