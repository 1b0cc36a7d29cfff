"""Records of separate jobs become one, in any order, and are judged as one process would."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_multiarch.core.member import Member, Outcome, VariantIdentity
from pytest_multiarch.core.merging import (
    Judgement,
    MismatchKind,
    Twins,
    find_mismatches,
    is_failure,
    judge_record,
    list_missing,
    merge_records,
)
from pytest_multiarch.core.parity import VerdictKind, compare_group
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.record import IdleGroup, Record, Run
from pytest_multiarch.core.written import WrittenObservations
from tests.repeated import repeat, see
from tests.samples import AMD64, ARM64, NATIVE, PIN, QEMU, S390X, check, make_member, observe

if TYPE_CHECKING:
    from pytest_multiarch.core.execution import Execution

INDEX = "sha256:1111"


def make_run(name: str, **fields: Any) -> Run:
    return Run(**{"id": name, "ended": "complete", "ended_at_s": 2.0, "tests": 1, **fields})


def make_record(*members: Member, idle: tuple[IdleGroup, ...] = (), **fields: Any) -> Record:
    """Make a record of the runs that its members name."""
    names = dict.fromkeys((*(m.run for m in members), *(i.run for i in idle)))
    runs = tuple(make_run(name, **fields) for name in names)
    return Record(runs=runs, members=members, idle=idle)


def make_idle(group: str = "g", run: str = "r1") -> IdleGroup:
    return IdleGroup(group=group, run=run, declared=(AMD64, ARM64))


def judge(*members: Member, **fields: Any) -> Judgement:
    return judge_record(merge_records([make_record(*members, **fields)]))


def identify(digest: str, *, kind: str = "manifest") -> VariantIdentity:
    return VariantIdentity(
        reference="app:1", kind=kind, digest=digest, config_digest=digest, pin=PIN, index=INDEX
    )


# Laws of merging

GROUPS = ("test_a.py::test_a", "test_a.py::test_b")
RUNS = {
    name: Run(
        id=name,
        started_at_s=float(number),
        ended_at_s=9.0,
        ended="complete" if number % 2 else "interrupted",
        tests=3,
        commit=f"c{number}",
    )
    for number, name in enumerate(("r1", "r2", "r3"))
}
IDLE_RUN = Run(id="r4", started_at_s=4.0, ended="complete")
SEEN = st.lists(
    st.sampled_from(
        [
            observe("-1\n", argv=("char",)),
            observe("255\n", argv=("char",)),
            observe("on x86_64\n"),
            observe("on aarch64\n"),
            check("mean", 1.5, rel=0.1),
            check("mean", 1.6, rel=0.1),
        ]
    ),
    max_size=2,
).map(WrittenObservations.write)


@st.composite
def draw_member(draw: st.DrawFn) -> Member:
    platform = draw(st.sampled_from([AMD64, ARM64, S390X]))
    group = draw(st.sampled_from(GROUPS))
    return Member(
        group=group,
        platform=platform,
        node_id=f"{group}[{platform}]",
        run=draw(st.sampled_from(list(RUNS))),
        attempt=draw(st.integers(1, 2)),
        declared=draw(st.sampled_from([(AMD64, ARM64), (ARM64, AMD64, S390X)])),
        selected=(platform,),
        baseline=draw(st.sampled_from([None, ARM64])),
        outcome=draw(st.sampled_from(list(Outcome))),
        reason=draw(st.sampled_from(["", "why"])),
        execution=draw(st.sampled_from([None, NATIVE, QEMU])),
        started_at_s=draw(st.sampled_from([1.0, 2.0])),
        observations=draw(SEEN),
    )


@st.composite
def draw_record(draw: st.DrawFn) -> Record:
    members = tuple(draw(st.lists(draw_member(), max_size=5)))
    idle = tuple(
        draw(st.lists(st.builds(make_idle, st.sampled_from((*GROUPS, "i")), st.just("r4"))))
    )
    names = dict.fromkeys(each.run for each in members)
    return Record(
        runs=(*(RUNS[name] for name in names), *([IDLE_RUN] if idle else [])),
        members=members,
        idle=idle,
    )


RECORDS = st.lists(draw_record(), min_size=1, max_size=4)


@given(RECORDS, st.randoms(use_true_random=False))
def test_merging_is_commutative(records: list[Record], random: Any) -> None:
    shuffled = random.sample(records, len(records))
    assert merge_records(shuffled) == merge_records(records)


@given(RECORDS, RECORDS)
def test_merging_is_associative(some: list[Record], more: list[Record]) -> None:
    whole = merge_records([*some, *more])
    assert merge_records([merge_records(some), *more]) == whole
    assert merge_records([merge_records(some), merge_records(more)]) == whole


@given(RECORDS)
def test_merging_is_idempotent(records: list[Record]) -> None:
    once = merge_records(records)
    assert merge_records([once]) == once
    assert merge_records([once, once]) == once
    assert merge_records([once, *records]) == once


@given(RECORDS)
def test_the_verdicts_are_those_of_all_members_together(records: list[Record]) -> None:
    groups: dict[str, list[Member]] = {}
    for member in itertools.chain.from_iterable(each.members for each in records):
        groups.setdefault(member.group, []).append(member)
    together = tuple(compare_group(groups[name]) for name in sorted(groups))
    merged = judge_record(merge_records(records))
    assert _list_facts(merged.verdicts) == _list_facts(together)


def _list_facts(verdicts: Any) -> list[Any]:
    return [
        (v.group, v.kind, v.members, v.compared, v.pairs, v.differences, v.allowed, v.notes)
        for v in verdicts
    ]


# What is kept


def test_groups_are_completed_by_members_of_other_records() -> None:
    merged = merge_records(
        [make_record(make_member(AMD64, run="a")), make_record(make_member(ARM64, run="b"))]
    )
    (verdict,) = judge_record(merged).verdicts
    assert verdict.kind is VerdictKind.EQUAL
    assert [each.id for each in merged.runs] == ["a", "b"]


def test_a_run_of_which_nothing_counts_any_more_is_dropped() -> None:
    """So a job that was interrupted and started again leaves a complete record."""
    first = make_record(make_member(run="a", started_at_s=1.0), ended="interrupted")
    second = make_record(make_member(run="b", started_at_s=2.0))
    merged = merge_records([first, second])
    assert [each.id for each in merged.runs] == ["b"]
    assert judge_record(merged).interrupted == ()


@pytest.mark.parametrize("execution", [NATIVE, QEMU], ids=["native", "emulated"])
def test_what_ran_replaces_what_did_not_however_it_ran(execution: Execution) -> None:
    stopped = make_member(ARM64, outcome="not-run", run="a")
    ran = make_member(ARM64, execution=execution, run="b", started_at_s=0.5)
    merged = merge_records([make_record(stopped, ended="interrupted"), make_record(ran)])
    assert (merged.members, [each.id for each in merged.runs]) == ((ran,), ["b"])


def test_a_run_that_had_no_tests_is_kept() -> None:
    empty = Record(runs=(make_run("a", tests=0, ended="interrupted"),))
    assert merge_records([empty, make_record(make_member(run="b"))]).runs[0] == empty.runs[0]


def test_a_run_that_alone_knows_of_a_group_is_kept() -> None:
    old = make_record(make_member(run="a", started_at_s=1.0), idle=(make_idle("h", "a"),))
    new = make_record(make_member(run="b", started_at_s=2.0))
    assert [each.id for each in merge_records([old, new]).runs] == ["a", "b"]


@pytest.mark.parametrize("order", [1, -1], ids=["forth", "back"])
def test_of_one_run_what_knows_most_counts(order: int) -> None:
    """The journal of a run that was still going on, and its record."""
    early = make_record(make_member(run="a"), ended="", ended_at_s=0.0)
    late = make_record(make_member(run="a"), tests=2)
    assert merge_records([early, late][::order]).runs == late.runs


def test_a_group_that_ran_elsewhere_is_not_idle() -> None:
    member = make_member(group="g", run="b")
    one = make_record(idle=(make_idle("g"), make_idle("h")))
    assert merge_records([one, make_record(member)]).idle == (make_idle("h"),)


# Runs that say nothing about each other


def test_runs_of_one_commit_belong_together() -> None:
    merged = merge_records([make_record(make_member(run=r), commit="c") for r in "ab"])
    assert find_mismatches(merged) == ()


def test_another_commit_is_a_mismatch() -> None:
    one = make_record(make_member(AMD64, run="a"), commit="c1", job={"name": "amd"})
    two = make_record(make_member(ARM64, run="b"), commit="c2", machine={"host": "pi"})
    (found,) = find_mismatches(merge_records([one, two]))
    assert found.kind is MismatchKind.COMMIT
    assert found.runs == {"c1": ("amd",), "c2": ("pi",)}


def test_another_root_folder_is_a_mismatch() -> None:
    """Ids start there: two of one name are two tests."""
    one = replace(make_record(make_member(AMD64, run="a"), commit="c").runs[0], root="app/")
    two = replace(make_record(make_member(ARM64, run="b"), commit="c").runs[0], root="")
    (found,) = find_mismatches(Record(runs=(one, two)))
    assert (found.kind, set(found.runs)) == (MismatchKind.TESTS, {"/app/", "/"})


def test_a_commit_that_is_not_known_is_no_mismatch() -> None:
    one = make_record(make_member(AMD64, run="a"), commit="c1")
    two = make_record(make_member(ARM64, run="b"), commit="")
    assert find_mismatches(merge_records([one, two])) == ()


def test_another_text_of_a_common_test_file_is_a_mismatch() -> None:
    one = make_record(make_member(AMD64, run="a"), sources={"test_a.py": "1", "test_b.py": "1"})
    two = make_record(make_member(ARM64, run="b"), sources={"test_a.py": "2", "test_c.py": "3"})
    (found,) = find_mismatches(merge_records([one, two]))
    assert (found.kind, found.what) == (MismatchKind.TESTS, "test_a.py")
    assert found.runs == {"1": ("a",), "2": ("b",)}


def offer(platform: Platform, digest: str) -> dict[str, Any]:
    """Give the images of a run that read an index."""
    return {"app:1": {"digest": INDEX, "platforms": {str(platform): digest}}}


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"variant": identify("x")}, {"variant": identify("y")}),
        ({"images": offer(AMD64, "x")}, {"images": offer(AMD64, "y")}),
        ({"images": offer(AMD64, "x")}, {"variant": identify("y")}),
    ],
    ids=["ran", "offered", "offered and ran"],
)
def test_another_image_under_one_name_is_a_mismatch(
    one: dict[str, Any], two: dict[str, Any]
) -> None:
    records = [
        make_record(
            make_member(group=name, run=name, variant=given.get("variant")),
            images=given.get("images", {}),
        )
        for name, given in (("a", one), ("b", two))
    ]
    (found,) = find_mismatches(merge_records(records))
    assert (found.kind, found.what) == (MismatchKind.IMAGE, "app:1 for linux/amd64")
    assert found.runs == {"x": ("a",), "y": ("b",)}


def test_another_image_is_shown_for_a_platform_that_ran() -> None:
    """An index lists many platforms: of those that differ, one that tests are about is named."""
    one, two = (
        make_record(
            make_member(ARM64, group=run, run=run, variant=identify(digest)),
            images={
                "app:1": {
                    "digest": INDEX,
                    "platforms": {"linux/386": digest, "linux/arm64": digest},
                }
            },
        )
        for run, digest in (("a", "x"), ("b", "y"))
    )
    (found,) = find_mismatches(merge_records([one, two]))
    assert found.what == "app:1 for linux/arm64"


@pytest.mark.parametrize(
    "second",
    [
        make_member(ARM64, group="h", run="b", variant=identify("y")),
        make_member(AMD64, group="h", run="b", variant=identify("y", kind="config")),
        make_member(AMD64, group="h", run="b", variant=replace(identify("y"), reference="other")),
    ],
    ids=["another platform", "built on the spot", "another name"],
)
def test_what_cannot_be_compared_is_no_other_image(second: Member) -> None:
    """Images built in two jobs have digests of their own: nobody can tell that they differ."""
    first = make_member(AMD64, group="g", run="a", variant=identify("x"))
    assert find_mismatches(merge_records([make_record(first), make_record(second)])) == ()


def test_a_run_that_counts_no_more_is_no_mismatch() -> None:
    old = make_record(make_member(run="a", started_at_s=1.0), commit="c1")
    new = make_record(make_member(run="b", started_at_s=2.0), commit="c2")
    assert find_mismatches(merge_records([old, new])) == ()


# The judgement


def test_all_platforms_ran_and_did_the_same() -> None:
    found = judge(make_member(AMD64), make_member(ARM64))
    assert (found.has_failed, found.is_complete, found.twins) == (False, True, ())


def test_a_divergence_is_a_failure() -> None:
    found = judge(make_member(AMD64, check("n", 1)), make_member(ARM64, check("n", 2)))
    assert (found.has_failed, found.is_complete) == (True, True)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_test_that_failed_is_a_failure(outcome: Outcome) -> None:
    found = judge(make_member(AMD64), make_member(ARM64, outcome=outcome))
    assert found.has_failed == (outcome in (Outcome.FAILED, Outcome.ERROR, Outcome.CRASHED))
    assert is_failure(found.verdicts[0]) == found.has_failed


def test_a_platform_on_which_no_job_ran_is_missing() -> None:
    found = judge(make_member(AMD64))
    assert (found.untested, found.is_complete) == ((ARM64,), False)
    assert [list_missing(each) for each in found.incomplete] == [(ARM64,)]


def test_a_platform_that_ran_other_tests_is_missing_from_the_group_alone() -> None:
    other = (make_member(AMD64, group="g"), make_member(ARM64, group="g"))
    found = judge(make_member(AMD64), *other)
    assert (found.untested, len(found.incomplete), found.is_complete) == ((), 1, False)


def test_a_skip_is_no_gap_and_a_member_that_was_never_reached_is() -> None:
    skipped, stopped = (make_member(ARM64, outcome=each) for each in ("skipped", "not-run"))
    assert judge(make_member(AMD64), skipped).incomplete == ()
    assert len(judge(make_member(AMD64), stopped).incomplete) == 1


def test_a_group_that_ran_nowhere_is_idle_once() -> None:
    idle = (make_idle("g", "r1"), make_idle("g", "r2"))
    found = judge(make_member(AMD64), make_member(ARM64), idle=idle)
    assert ([each.group for each in found.idle], found.is_complete) == (["g"], False)


@pytest.mark.parametrize("ended", ["", "interrupted"])
def test_a_run_that_did_not_end_leaves_it_incomplete(ended: str) -> None:
    found = judge(make_member(AMD64), make_member(ARM64), ended=ended)
    assert ([each.id for each in found.interrupted], found.is_complete) == (["r1"], False)


# Twins: native in one job, emulated in another


def pair(
    native: tuple[Any, ...] = (), emulated: tuple[Any, ...] = (), **fields: Any
) -> tuple[Member, Member]:
    return (
        make_member(ARM64, *native, execution=NATIVE, run="a", inside_s=0.5),
        make_member(ARM64, *emulated, execution=QEMU, run="b", **{"inside_s": 2.0, **fields}),
    )


def find_twins(*members: Member) -> Twins:
    (twins,) = judge(*members).twins
    return twins


def test_a_test_that_ran_both_ways_has_twins() -> None:
    native, emulated = pair()
    found = find_twins(native, emulated)
    assert (found.native, found.emulated) == (native, emulated)
    assert (found.is_alike, found.ratio) == (True, 4.0)


def test_twins_that_did_not_do_the_same_are_not_alike() -> None:
    assert not find_twins(*pair((check("n", 1),), (check("n", 2),))).is_alike


def test_what_one_variant_does_emulated_only_is_put_down_to_the_emulator() -> None:
    """Not where they are of two variants, or alike."""
    native, emulated = pair((check("n", 1),), (check("n", 2),), variant=identify("x"))
    same = replace(native, variant=identify("x"))
    assert str(find_twins(same, emulated).diagnosis) == "emulator (likely)"
    assert find_twins(replace(native, variant=identify("y")), emulated).diagnosis is None
    assert find_twins(same, replace(emulated, observations=same.observations)).diagnosis is None


def test_what_varies_by_itself_makes_no_twins_unlike() -> None:
    outputs = {(AMD64, NATIVE): "12", (ARM64, NATIVE): "15", (ARM64, QEMU): "17"}
    members = [
        make_member(
            platform, see(f"pid {number}", platform), execution=execution, run=str(execution),
            repeats=[repeat(platform, *(f"pid {number}{each}" for each in "1234"))],
        )
        for (platform, execution), number in outputs.items()
    ]  # fmt: skip
    found = judge(*members)
    assert found.verdicts[0].unstable
    assert found.twins[0].is_alike


def test_without_times_there_is_no_ratio() -> None:
    assert find_twins(*pair(inside_s=0.0)).ratio is None


def test_the_group_is_judged_by_its_native_twin() -> None:
    members = pair((check("n", 1),), (check("n", 2),))
    (verdict,) = judge(make_member(AMD64, check("n", 1)), *members).verdicts
    assert verdict.kind is VerdictKind.EQUAL


def test_a_twin_that_failed_emulated_is_a_failure() -> None:
    members = pair(outcome="failed")
    found = judge(make_member(AMD64), *members)
    assert (found.failed_twins, found.has_failed) == (members[1:], True)


@pytest.mark.parametrize(
    "second",
    [
        make_member(ARM64, execution=NATIVE, run="b"),
        make_member(ARM64, execution=QEMU, run="b", outcome="skipped"),
        make_member(ARM64, execution=QEMU, run="b", group="other"),
        make_member(ARM64, execution=None, run="b"),
    ],
    ids=["native too", "skipped", "another test", "no container"],
)
def test_what_makes_no_twins(second: Member) -> None:
    first = make_member(ARM64, execution=NATIVE, run="a")
    assert judge(first, second).twins == ()
