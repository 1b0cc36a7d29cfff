"""Whole groups are compared: what diverges, what is excused, what cannot be compared."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_multiarch.core.member import Member
from pytest_multiarch.core.observation import Observation
from pytest_multiarch.core.parity import Verdict, VerdictKind, choose_baseline, compare_group
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.rules import allow, make_rules
from tests.samples import AMD64, ARM7, ARM64, NATIVE, QEMU, S390X, check, make_member, observe


def compare(ours: list[Observation], theirs: list[Observation], **fields: Any) -> Verdict:
    return compare_group(
        [make_member(AMD64, *ours, **fields), make_member(ARM64, *theirs, **fields)]
    )


def runs(*outs: str, platform: Platform = AMD64, **options: Any) -> list[Observation]:
    return [observe(out, platform=platform, **options) for out in outs]


def found(verdict: Verdict) -> list[tuple[str, str, int]]:
    return [(each.label, each.part, each.number) for each in verdict.differences]


# What differs


def test_members_that_did_the_same_are_equal() -> None:
    verdict = compare(runs("on x86_64\n"), runs("on aarch64\n", platform=ARM64))
    assert verdict.kind is VerdictKind.EQUAL
    assert (verdict.pairs, verdict.differences) == (1, ())


def test_each_part_that_differs_is_a_difference() -> None:
    verdict = compare(
        [observe("a", "b", exit_code=0)], [observe("x", "y", exit_code=1, platform=ARM64)]
    )
    assert verdict.kind is VerdictKind.DIVERGED
    assert found(verdict) == [("run: app", part, 1) for part in ("exit", "stdout", "stderr")]


def test_a_difference_holds_what_each_platform_saw_the_baseline_first() -> None:
    (difference,) = compare(runs("-1"), runs("255", platform=ARM64)).differences
    assert list(difference.seen) == [AMD64, ARM64]
    assert difference.others == (ARM64,)


def test_platforms_that_agree_with_the_baseline_are_not_in_it() -> None:
    declared = (AMD64, ARM64, S390X)
    members = [
        make_member(AMD64, *runs("1"), declared=declared),
        make_member(ARM64, *runs("1", platform=ARM64), declared=declared),
        make_member(S390X, *runs("2", platform=S390X), declared=declared),
    ]
    verdict = compare_group(members)
    assert [each.others for each in verdict.differences] == [(S390X,)]
    assert verdict.list_deviating() == ("test_app.py::test_x[linux/s390x]",)
    assert len(verdict.list_node_ids()) == 3


def test_platforms_that_deviate_each_in_its_own_way_are_in_one_difference() -> None:
    declared = (AMD64, ARM64, S390X)
    members = [
        make_member(platform, *runs(text, platform=platform), declared=declared)
        for platform, text in ((AMD64, "1"), (ARM64, "2"), (S390X, "3"))
    ]
    (difference,) = compare_group(members).differences
    assert difference.others == (ARM64, S390X)


def test_values_are_compared_with_their_tolerance() -> None:
    assert compare([check("n", 1.0, rel=0.1)], [check("n", 1.05, rel=0.1)]).pairs == 1
    assert found(compare([check("n", 1)], [check("n", 2)])) == [("n", "value", 1)]


def test_a_check_and_a_run_of_one_label_are_two_things() -> None:
    both = [observe("x", label="n"), check("n", 1)]
    assert compare(both, both).pairs == 2


# Labels and calls


def test_labels_are_compared_each_on_its_own_in_any_order() -> None:
    a, b = observe("1", argv=("a",)), observe("2", argv=("b",))
    assert compare([a, b], [b, a]).kind is VerdictKind.EQUAL


def test_calls_of_one_label_are_compared_in_order() -> None:
    verdict = compare(runs("1", "2", "3"), runs("1", "X", "3", platform=ARM64))
    assert found(verdict) == [("run: app", "stdout", 2)]


def test_identical_calls_in_a_row_count_as_one() -> None:
    polled = runs("no", "no", "no", "yes", platform=ARM64)
    assert compare(runs("no", "yes"), polled).kind is VerdictKind.EQUAL


def test_identical_calls_with_another_between_do_not() -> None:
    verdict = compare(runs("1", "2", "1"), runs("1", "2", platform=ARM64))
    assert found(verdict) == [("run: app", "calls", 3)]
    assert verdict.differences[0].counts == {AMD64: 3, ARM64: 2}


def test_a_call_that_only_one_made_is_a_difference() -> None:
    verdict = compare([*runs("1"), check("n", 1)], runs("1", platform=ARM64))
    (difference,) = verdict.differences
    assert (difference.label, difference.part) == ("n", "calls")
    assert difference.seen[ARM64] is None


def test_the_platforms_own_names_in_a_command_are_no_other_command() -> None:
    ours = observe("x", argv=("cat", "/usr/lib/x86_64-linux-gnu/x"))
    theirs = observe("x", argv=("cat", "/usr/lib/aarch64-linux-gnu/x"), platform=ARM64)
    assert compare([ours], [theirs]).pairs == 1


def test_a_command_that_names_one_architecture_everywhere_is_one_command() -> None:
    argv = ("test", "aarch64", "x86_64")
    ours, theirs = observe("x", argv=argv), observe("x", argv=argv, platform=ARM64)
    verdict = compare([ours], [theirs])
    assert (verdict.kind, verdict.pairs) == (VerdictKind.EQUAL, 1)


def test_differences_come_in_the_order_of_the_calls() -> None:
    words = ("z", "a", "m")
    ours = [observe("1", argv=(word,)) for word in words]
    theirs = [observe("2", argv=(word,), platform=ARM64) for word in reversed(words)]
    assert [label for label, *_ in found(compare(ours, theirs))] == ["run: z", "run: a", "run: m"]


# What is not compared


def test_parts_that_the_rules_leave_out_are_not_compared() -> None:
    rules = make_rules(compare=["exit"])
    verdict = compare(runs("1"), runs("2", platform=ARM64), rules=rules)
    assert (verdict.kind, verdict.pairs) == (VerdictKind.EQUAL, 1)


def test_with_nothing_compared_members_are_equal_in_outcome_only() -> None:
    rules = make_rules(compare="nothing")
    verdict = compare([check("n", 1)], [check("n", 2)], rules=rules)
    assert (verdict.kind, verdict.is_unobserved) == (VerdictKind.EQUAL, True)


def test_with_nothing_observed_too() -> None:
    assert compare([], []).is_unobserved


def test_a_shared_container_s_calls_are_compared_where_it_had_seen_the_same() -> None:
    ours, theirs = runs("1", history="h"), runs("2", history="h", platform=ARM64)
    assert compare(ours, theirs).kind is VerdictKind.DIVERGED


@pytest.mark.parametrize("history", ["other", None])
def test_and_not_where_it_had_not_and_that_is_said(history: str | None) -> None:
    ours = [*runs("1", history="h"), check("n", 1)]
    theirs = [*runs("2", history=history, platform=ARM64), check("n", 1)]
    verdict = compare(ours, theirs)
    assert (verdict.kind, verdict.pairs) == (VerdictKind.EQUAL, 1)
    assert verdict.notes[0].startswith("run: app: ")


def test_a_group_of_which_nothing_could_be_compared_is_not_equal() -> None:
    ours, theirs = runs("1", history="h"), runs("1", history="other", platform=ARM64)
    verdict = compare(ours, theirs)
    assert verdict.kind is VerdictKind.NOT_COMPARED
    assert verdict.is_vacuous


def test_unless_the_mark_says_that_it_has_no_state() -> None:
    ours, theirs = runs("1", history="h"), runs("2", history="other", platform=ARM64)
    rules = make_rules(stateless=True)
    assert compare(ours, theirs, rules=rules).kind is VerdictKind.DIVERGED


# Allowances


def test_an_allowed_difference_is_listed_with_its_reason_and_does_not_diverge() -> None:
    allowance = allow("app", part="stdout", reason="char")
    rules = make_rules(allow=[allowance])
    verdict = compare(runs("-1"), runs("255", platform=ARM64), rules=rules)
    assert verdict.kind is VerdictKind.EQUAL
    assert [(each.platform, each.allowance) for each in verdict.allowed] == [(ARM64, allowance)]
    assert verdict.stale == ()


def test_an_allowance_covers_its_platforms_only() -> None:
    declared = (AMD64, ARM64, S390X)
    rules = make_rules(allow=[allow(platforms="linux/arm64", reason="char")])
    members = [
        make_member(platform, *runs(text, platform=platform), declared=declared, rules=rules)
        for platform, text in ((AMD64, "1"), (ARM64, "2"), (S390X, "2"))
    ]
    verdict = compare_group(members)
    assert [each.others for each in verdict.differences] == [(S390X,)]
    assert [each.platform for each in verdict.allowed] == [ARM64]


def test_an_allowance_that_names_the_baseline_covers_all_others() -> None:
    rules = make_rules(allow=[allow(platforms="linux/amd64", reason="x87")])
    verdict = compare(runs("1"), runs("2", platform=ARM64), rules=rules)
    assert verdict.kind is VerdictKind.EQUAL


def test_an_allowance_of_one_member_s_own_mark_counts() -> None:
    rules = make_rules(allow=[allow(reason="char")])
    members = [
        make_member(AMD64, *runs("1")),
        make_member(ARM64, *runs("2", platform=ARM64), rules=rules),
    ]
    assert compare_group(members).kind is VerdictKind.EQUAL


def test_an_allowance_of_what_is_equal_is_stale() -> None:
    allowance = allow("app", reason="was fixed")
    rules = make_rules(allow=[allowance])
    assert compare(runs("1"), runs("1", platform=ARM64), rules=rules).stale == (allowance,)


def test_an_allowance_of_what_this_test_does_not_call_is_not() -> None:
    rules = make_rules(allow=[allow("other", reason="r"), allow(platforms="s390x", reason="r")])
    assert compare(runs("1"), runs("1", platform=ARM64), rules=rules).stale == ()


# Outcomes


@pytest.mark.parametrize("outcome", ["failed", "error", "crashed"])
def test_a_member_that_failed_where_another_passed_is_no_second_failure(outcome: str) -> None:
    members = [make_member(AMD64, *runs("1")), make_member(ARM64, outcome=outcome)]
    verdict = compare_group(members)
    assert verdict.kind is VerdictKind.FAILED_APART
    assert verdict.differences == ()


def test_failed_everywhere_is_failed() -> None:
    members = [make_member(each, outcome="failed") for each in (AMD64, ARM64)]
    assert compare_group(members).kind is VerdictKind.FAILED


def test_what_the_others_did_differently_diverges_all_the_same() -> None:
    declared = (AMD64, ARM64, S390X)
    members = [
        make_member(AMD64, *runs("1"), declared=declared),
        make_member(ARM64, *runs("2", platform=ARM64), declared=declared),
        make_member(S390X, outcome="failed", declared=declared),
    ]
    assert compare_group(members).kind is VerdictKind.DIVERGED


@pytest.mark.parametrize("outcome", ["skipped", "xfailed", "not-run"])
def test_with_one_member_left_nothing_is_compared(outcome: str) -> None:
    verdict = compare_group([make_member(AMD64, *runs("1")), make_member(ARM64, outcome=outcome)])
    assert verdict.kind is VerdictKind.NOT_COMPARED
    assert verdict.is_vacuous == (outcome != "xfailed")


def test_an_expected_failure_excuses_no_other_member() -> None:
    declared = (AMD64, ARM64, S390X)
    members = [
        make_member(AMD64, declared=declared),
        make_member(ARM64, outcome="xfailed", declared=declared),
        make_member(S390X, outcome="skipped", declared=declared),
    ]
    assert compare_group(members).is_vacuous


def test_two_comparable_members_of_three_are_compared() -> None:
    declared = (AMD64, ARM64, S390X)
    members = [
        make_member(AMD64, *runs("1"), declared=declared),
        make_member(ARM64, *runs("2", platform=ARM64), declared=declared),
        make_member(S390X, outcome="skipped", declared=declared),
    ]
    assert compare_group(members).kind is VerdictKind.DIVERGED


def test_a_member_expected_to_fail_may_also_differ() -> None:
    members = [
        make_member(AMD64, *runs("1")),
        make_member(ARM64, *runs("2", platform=ARM64), outcome="xpassed", reason="known char"),
    ]
    verdict = compare_group(members)
    assert verdict.kind is VerdictKind.EQUAL
    assert [each.allowance.reason for each in verdict.allowed] == ["expected to fail: known char"]


def test_equally_many_calls_are_compared_one_to_one() -> None:
    """Calls with other input on stdin look alike, and are no repeats."""
    verdict = compare_group(
        [make_member(AMD64, *runs("x", "x", "y")), make_member(ARM64, *runs("x", "y", "y"))]
    )
    assert [(each.part, each.number) for each in verdict.differences] == [("stdout", 2)]


def test_platforms_that_were_not_selected_are_known() -> None:
    verdict = compare_group([make_member(AMD64, selected=(AMD64,))])
    assert verdict.kind is VerdictKind.NOT_COMPARED
    assert verdict.not_selected == (ARM64,)
    assert verdict.is_vacuous


def test_a_test_declared_for_one_platform_has_nothing_to_compare() -> None:
    verdict = compare_group([make_member(AMD64, *runs("1"), declared=(AMD64,))])
    assert verdict.kind is VerdictKind.ONE_PLATFORM
    assert not verdict.is_vacuous


def test_and_its_failure_is_a_failure() -> None:
    verdict = compare_group([make_member(AMD64, outcome="failed", declared=(AMD64,))])
    assert verdict.kind is VerdictKind.FAILED


def test_of_several_attempts_the_last_one_is_compared() -> None:
    members = [
        make_member(AMD64, *runs("1")),
        make_member(ARM64, *runs("2", platform=ARM64), attempt=1),
        make_member(ARM64, *runs("1", platform=ARM64), attempt=2),
    ]
    assert compare_group(members).kind is VerdictKind.EQUAL


# Baseline


def members_of(*platforms: Platform, **fields: Any) -> list[Member]:
    return [make_member(each, declared=platforms, **fields) for each in platforms]


def test_the_baseline_is_the_mark_s() -> None:
    assert choose_baseline(members_of(AMD64, ARM64, baseline=ARM64)).platform == ARM64


def test_else_the_first_declared_native_one() -> None:
    assert choose_baseline(members_of(ARM64, S390X, AMD64)).platform == AMD64


def test_else_the_first_declared() -> None:
    assert choose_baseline(members_of(S390X, ARM64, ARM7)).platform == S390X


def test_a_baseline_that_cannot_be_compared_gives_way_to_the_next() -> None:
    declared = (AMD64, ARM64, S390X)
    members = [
        make_member(AMD64, outcome="skipped", declared=declared, baseline=AMD64),
        make_member(ARM64, declared=declared, baseline=AMD64, execution=QEMU),
        make_member(S390X, declared=declared, baseline=AMD64, execution=NATIVE),
    ]
    assert compare_group(members).baseline == S390X


# Properties

texts = st.sampled_from(["1", "2", "on x86_64", "on aarch64", "on s390x"])
calls = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), texts, st.sampled_from(["", "h"])), max_size=5
)
groups = st.lists(
    st.tuples(
        st.sampled_from([AMD64, ARM64, S390X]),
        st.sampled_from(["passed", "passed", "passed", "failed", "skipped", "xfailed"]),
        st.integers(1, 2),
        calls,
    ),
    min_size=1,
    max_size=6,
)


def build(rows: list[Any]) -> list[Member]:
    declared = (AMD64, ARM64, S390X)
    return [
        make_member(
            platform,
            *(observe(t, argv=(word,), platform=platform, history=h) for word, t, h in made),
            outcome=outcome,
            attempt=attempt,
            declared=declared,
        )
        for platform, outcome, attempt, made in rows
    ]


@given(groups, st.randoms(use_true_random=False))
def test_the_order_of_members_says_nothing(rows: list[Any], chance: random.Random) -> None:
    members = build(rows)
    shuffled = members[:]
    chance.shuffle(shuffled)
    assert compare_group(members) == compare_group(shuffled)


@given(groups)
def test_comparing_again_or_with_duplicates_changes_nothing(rows: list[Any]) -> None:
    members = build(rows)
    verdict = compare_group(members)
    assert compare_group([*members, *members]) == verdict
    assert compare_group(verdict.members) == verdict


@given(groups)
def test_members_survive_the_journey_with_their_verdict(rows: list[Any]) -> None:
    members = build(rows)
    travelled = [Member.from_mapping(each.to_mapping()) for each in members]
    assert compare_group(travelled) == compare_group(members)


@given(calls)
def test_a_platform_that_did_what_the_other_did_is_equal(made: list[Any]) -> None:
    ours = [observe(text, argv=(word,), history=h) for word, text, h in made]
    theirs = [observe(text, argv=(word,), history=h, platform=ARM64) for word, text, h in made]
    assert compare(ours, theirs).kind is VerdictKind.EQUAL
