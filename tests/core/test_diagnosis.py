"""Whose doing a difference is: by what calls did when they were made again."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_multiarch.core.diagnosis import Cause, Diagnosis, diagnose
from pytest_multiarch.core.member import Member, Refusal
from pytest_multiarch.core.parity import Verdict, VerdictKind, compare_group
from pytest_multiarch.core.record import describe_verdict
from pytest_multiarch.core.repeats import Repeats
from pytest_multiarch.core.settling import list_questions
from tests.repeated import control, judge, repeat, see
from tests.samples import AMD64, ARM64, NATIVE, QEMU, S390X, check, make_member

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_multiarch.core.observation import Observation


def name(verdict: Verdict) -> list[str]:
    return [str(each) for each in verdict.diagnoses]


# Noise


def test_what_varies_by_itself_alike_is_no_difference_but_unstable() -> None:
    verdict = judge(["pid 7\n", "pid 8\n", "pid 12\n"], ["pid 9\n", "pid 7\n"])
    assert verdict.kind is VerdictKind.EQUAL
    assert verdict.differences == ()
    assert [(each.part, each.others) for each in verdict.unstable] == [("stdout", (ARM64,))]
    (diagnosis,) = verdict.diagnoses
    assert diagnosis == Diagnosis(
        platform=ARM64,
        cause=Cause.UNSTABLE,
        evidence=(
            "linux/amd64, 3 runs: it varies by itself (parts of lines)",
            "linux/arm64, 2 runs: in the same way",
            "line 1: pid <number>",
        ),
        proposals=('@pytest.mark.parity(normalize=["pids"])',),
        label="run: app",
        kind="run",
        part="stdout",
    )


def test_what_is_unstable_can_be_made_a_failure() -> None:
    verdict = judge(["pid 7\n", "pid 8\n"], ["pid 9\n"], fails_unstable=True)
    assert verdict.kind is VerdictKind.DIVERGED
    assert (len(verdict.differences), verdict.unstable) == (1, ())
    assert name(verdict) == ["unstable"]


def test_without_repeats_of_the_baseline_nothing_is_known() -> None:
    verdict = judge(["pid 7\n"], ["pid 9\n", "pid 10\n"], control("pid 3\n"))
    assert verdict.kind is VerdictKind.DIVERGED
    assert name(verdict) == ["unconfirmed"]
    assert verdict.diagnoses[0].evidence == (
        "the call was not made again (--multiarch-repeat 3 has every job do so)",
    )


def test_why_there_are_no_repeats_is_said() -> None:
    verdict = judge(["1"], ["2"], repeat(AMD64, problem="the image is gone"))
    assert verdict.diagnoses[0].evidence == ("the call could not be made again: the image is gone",)


def test_exit_codes_may_vary_but_for_signals() -> None:
    assert judge([0, 1, 0, 1], [1, 0]).kind is VerdictKind.EQUAL
    assert judge([0, 1, 0, 1], [2, 2]).kind is VerdictKind.DIVERGED
    assert judge([0, 17, 204, 99], [45, 3]).kind is VerdictKind.EQUAL
    # Of four codes the baseline's five runs may well have missed one.
    assert judge([2, 2, 3, 1, 3], [0, 3, 2, 0, 1]).kind is VerdictKind.EQUAL
    assert judge([2, 2, 3, 1, 3], [0, 0, 2, 0, 0]).kind is VerdictKind.DIVERGED
    assert judge([2, 2, 2, 2, 2], [0, 2, 2, 2, 2]).kind is VerdictKind.DIVERGED
    assert judge([0, 17, 204, 99], [139, 3]).kind is VerdictKind.DIVERGED


def test_a_difference_of_one_platform_stays_where_another_is_only_noise() -> None:
    declared = (AMD64, ARM64, S390X)
    members = [
        make_member(platform, see(made, platform), declared=declared)
        for platform, made in ((AMD64, "t 1\n"), (ARM64, "t 2\n"), (S390X, "x 2\n"))
    ]
    repeats = [repeat(AMD64, "t 7\n", "t 5\n"), repeat(ARM64, "t 3\n"), repeat(S390X, "x 9\n")]
    verdict = diagnose(compare_group(members), repeats)
    assert [each.others for each in verdict.differences] == [(S390X,)]
    assert [each.others for each in verdict.unstable] == [(ARM64,)]
    assert name(verdict) == ["unstable", "unconfirmed"]


def test_a_race_that_only_the_other_platform_shows_stays_a_divergence() -> None:
    verdict = judge(["10\n"] * 4, ["9\n", "10\n", "10\n", "10\n"], control("10\n", "10\n"))
    assert verdict.kind is VerdictKind.DIVERGED
    assert name(verdict) == ["image (likely)"]
    assert "linux/arm64, 4 runs: differs from linux/amd64 1 time" in verdict.diagnoses[0].evidence


@given(
    ours=st.lists(st.text("ab1 \n", max_size=6), min_size=1, max_size=1),
    theirs=st.lists(st.text("ab1 \n", max_size=6), min_size=1, max_size=4),
    number=st.integers(2, 5),
)
def test_a_baseline_that_never_varies_has_nothing_unstable(
    ours: list[str], theirs: list[str], number: int
) -> None:
    verdict = judge(ours * number, theirs)
    assert verdict.unstable == ()
    assert all(each.cause is Cause.UNCONFIRMED for each in verdict.diagnoses)


# The emulator


def test_what_the_native_variant_does_emulated_too_is_the_emulators() -> None:
    verdict = judge(["1\n"] * 3, ["2\n"] * 3, control("2\n", "2\n"))
    assert verdict.kind is VerdictKind.NOT_COMPARED
    assert verdict.is_vacuous
    assert verdict.differences == ()
    assert [(each.part, each.others) for each in verdict.emulated] == [("stdout", (ARM64,))]
    (diagnosis,) = verdict.diagnoses
    assert str(diagnosis) == "emulator (proven)"
    assert diagnosis.evidence == (
        "linux/amd64's own variant under the emulator (2 runs) does the same",
        "linux/amd64, 3 runs: the same every time",
        "linux/arm64, 3 runs: differs from linux/amd64 every time",
    )


def test_a_crash_of_both_under_the_emulator_takes_its_outputs_along() -> None:
    verdict = judge(
        [("all of it\n", 0)] * 3,
        [("all\n", 139)] * 3,
        control(("all o\n", 139), ("", 139)),
    )
    assert verdict.kind is VerdictKind.NOT_COMPARED
    assert name(verdict) == ["emulator (proven)", "emulator (proven)"]
    assert verdict.diagnoses[1].evidence[0] == ("the emulator ended the program, see its exit code")


def test_the_emulators_own_program_is_no_difference_to_the_control() -> None:
    verdict = judge(
        ["exe /bin/app\n"] * 3,
        ["exe /usr/bin/qemu-aarch64-static\n"] * 3,
        control("exe /.multiarch/qemu-x86_64-static\n", "exe /.multiarch/qemu-x86_64-static\n"),
    )
    assert name(verdict) == ["emulator (proven)"]


def test_what_the_control_does_not_do_is_the_images_but_only_likely() -> None:
    verdict = judge(["1\n"] * 3, ["2\n"] * 3, control("1\n", "1\n"))
    assert verdict.kind is VerdictKind.DIVERGED
    assert name(verdict) == ["image (likely)"]
    assert verdict.diagnoses[0].evidence[:2] == (
        "linux/amd64's own variant under the emulator (2 runs) does not do it",
        "this control says nothing of what is special to emulating linux/arm64",
    )


def test_each_deviation_has_to_be_one_of_the_controls() -> None:
    verdict = judge(["a\n"] * 3, ["c\n", "b\n", "c\n"], control("b\n", "b\n"))
    assert name(verdict) == ["emulator (likely)"]
    assert name(judge([0] * 3, [139, 0, 132], control(139, 0))) == ["emulator (likely)"]
    assert name(judge([0] * 3, [139, 0, 139], control(139, 0))) == ["emulator (proven)"]


def test_what_varies_under_the_emulator_alone_is_its_doing() -> None:
    def print_lines(*order: int) -> str:
        return "".join(f"thread {number} done\n" for number in order)

    verdict = judge(
        [print_lines(1, 2, 3, 4)] * 4,
        [print_lines(2, 1, 3, 4), print_lines(1, 2, 3, 4), print_lines(1, 2, 4, 3)],
        control(print_lines(1, 2, 3, 4), print_lines(1, 3, 2, 4)),
    )
    assert name(verdict) == ["emulator (proven)"]


def test_a_control_that_differs_in_another_way_proves_nothing() -> None:
    verdict = judge(["1\n"] * 3, ["2\n"] * 3, control("3\n", "3\n"))
    assert verdict.kind is VerdictKind.DIVERGED
    assert name(verdict) == ["emulator (likely)"]


def test_lines_that_the_control_does_not_explain_are_the_images() -> None:
    verdict = judge(
        ["a\nb\npid 1\n", "a\nb\npid 2\n"],
        ["x\ny\npid 3\n", "x\ny\npid 4\n"],
        control("x\nb\npid 5\n", "x\nb\npid 6\n"),
    )
    assert name(verdict) == ["image (likely)"]
    assert verdict.diagnoses[0].evidence[0] == (
        "linux/amd64's own variant under the emulator (2 runs) does the same in line 1, "
        "not in line 2"
    )


def test_lines_that_the_control_explains_beside_noise_are_the_emulators() -> None:
    verdict = judge(
        ["cpu Intel\npid 1\n", "cpu Intel\npid 2\n", "cpu Intel\npid 5\n"],
        ["cpu unknown\npid 3\n", "cpu unknown\npid 4\n"],
        control("cpu unknown\npid 55\n"),
    )
    assert name(verdict) == ["emulator (proven)"]


def test_without_a_control_the_reason_is_said() -> None:
    refused = repeat(AMD64, is_control=True, problem="the engine allows no control run")
    verdict = judge(["1"] * 3, ["2"] * 3, refused)
    assert name(verdict) == ["unconfirmed"]
    assert verdict.diagnoses[0].evidence[0] == "the engine allows no control run"


CAUSE = "what the call comes to differs in the images: /etc/app.conf"
DIFFERS = repeat(ARM64, static_causes={AMD64: (CAUSE,)})


def test_what_differs_in_the_images_proves_what_the_control_does_not_do() -> None:
    verdict = judge(["1\n"] * 3, ["2\n"] * 3, control("1\n", "1\n"), DIFFERS)
    assert verdict.kind is VerdictKind.DIVERGED
    assert name(verdict) == ["image (proven)"]
    assert verdict.diagnoses[0].evidence[:3] == (
        "linux/amd64's own variant under the emulator (2 runs) does not do it",
        "this control says nothing of what is special to emulating linux/arm64",
        CAUSE,
    )


@pytest.mark.parametrize(
    ("ours", "theirs", "controlled", "found"),
    [
        (["1\n"] * 3, ["2\n"] * 3, control("2\n", "2\n"), "emulator (proven)"),
        (["a\n"] * 3, ["c\n", "b\n", "c\n"], control("b\n", "b\n"), "emulator (likely)"),
        (["1\n"] * 3, ["2\n"] * 3, control(problem="not allowed"), "image (likely)"),
        (["a\nb\n"] * 2, ["x\ny\n"] * 2, control("x\nb\n", "x\nb\n"), "image (likely)"),
        (["1\n", "2\n", "3\n"], ["4\n", "1\n"], control("5\n"), "unstable"),
    ],
)
def test_what_differs_in_the_images_proves_nothing_else(
    ours: list[str], theirs: list[str], controlled: Repeats, found: str
) -> None:
    assert name(judge(ours, theirs, controlled, DIFFERS)) == [found]


def test_what_differs_from_another_image_than_the_baselines_says_nothing() -> None:
    other = repeat(ARM64, static_causes={S390X: (CAUSE,)})
    assert name(judge(["1"] * 3, ["2"] * 3, control("1", "1"), other)) == ["image (likely)"]


def test_of_a_shell_alone_the_control_says_nothing() -> None:
    options = {"argv": ("sh", "-c", "app | sort")}
    label = "run: sh -c 'app | sort'"
    members = [make_member(p, see(m, p, **options)) for p, m in ((AMD64, "1"), (ARM64, "2"))]
    repeats = [
        repeat(AMD64, "1", "1", label=label, options=options),
        repeat(ARM64, "2", label=label, options=options),
        control("1", label=label, is_whole_tree=False, options=options),
    ]
    verdict = diagnose(compare_group(members), repeats)
    assert name(verdict) == ["unconfirmed"]
    assert "only sh itself was emulated" in verdict.diagnoses[0].evidence[1]
    whole = [*repeats[:2], control("1", label=label, options=options)]
    assert name(diagnose(compare_group(members), whole)) == ["image (likely)"]


# Native runs


def test_two_native_runs_that_differ_prove_that_it_is_the_image() -> None:
    native = {ARM64: {"execution": NATIVE}}
    verdict = judge(["1"] * 3, ["2"] * 3, members=native)
    assert name(verdict) == ["image (proven)"]
    assert verdict.kind is VerdictKind.DIVERGED


def test_two_native_runs_can_be_noise_too() -> None:
    native = {ARM64: {"execution": NATIVE}}
    assert judge(["1 s", "3 s"], ["2 s"], members=native).kind is VerdictKind.EQUAL


def test_an_emulated_baseline_is_judged_by_a_control_of_the_native_side() -> None:
    members = {AMD64: {"execution": QEMU, "baseline": AMD64}, ARM64: {"execution": NATIVE}}
    other = repeat(ARM64, "1", "1", is_control=True)
    verdict = judge(["1"] * 3, ["2"] * 3, other, members=members)
    assert verdict.baseline == AMD64
    assert name(verdict) == ["emulator (proven)"]


def test_of_two_emulated_platforms_nothing_is_known() -> None:
    verdict = judge(["1"] * 3, ["2"] * 3, members={AMD64: {"execution": QEMU}})
    assert name(verdict) == ["unconfirmed"]
    assert verdict.diagnoses[0].evidence[0] == (
        "neither platform ran natively, so there is no control"
    )


# Faults of emulators


@dataclass(frozen=True)
class Fault:
    name: str = "a JIT crash"
    says: str = "QEMU 7.2 does that"
    is_random: bool = False
    is_general: bool = False


def show_faults(*faults: Fault) -> Any:
    def find(member: Member, observation: Observation | None) -> Iterable[Fault]:
        assert member.is_emulated
        code = 139 if observation is None else observation.exit_code
        return faults if code == 139 else ()

    return find


def test_a_known_fault_is_blamed_on_the_emulator_without_proof() -> None:
    verdict = judge([0] * 3, [139] * 3, find_faults=show_faults(Fault()))
    assert name(verdict) == ["emulator (likely)"]
    assert verdict.diagnoses[0].evidence[1] == (
        "signs of a known fault, a JIT crash: QEMU 7.2 does that"
    )


def test_a_crash_that_any_program_can_have_is_not_blamed() -> None:
    verdict = judge([0] * 3, [139] * 3, find_faults=show_faults(Fault(is_general=True)))
    assert name(verdict) == ["unconfirmed"]
    assert "signs of a known fault" in verdict.diagnoses[0].evidence[1]


def test_a_fault_that_comes_and_goes_never_turns_a_verdict_green() -> None:
    find = show_faults(Fault(is_random=True))
    verdict = judge([0] * 4, [139, 0, 0, 0], control(0, 0), find_faults=find)
    assert verdict.kind is VerdictKind.DIVERGED
    assert name(verdict) == ["emulator (likely)"]
    assert "it comes and goes" in verdict.diagnoses[0].evidence[1]
    assert (
        verdict.diagnoses[0].evidence[-1] == "linux/arm64, 4 runs: differs from linux/amd64 1 time"
    )


def test_a_fault_that_comes_and_goes_is_not_one_that_comes_every_time() -> None:
    find = show_faults(Fault(is_random=True))
    verdict = judge([0] * 4, [139] * 4, control(0, 0), find_faults=find)
    assert name(verdict) == ["image (likely)"]
    assert verdict.diagnoses[0].evidence[2] == (
        "signs of a known fault, a JIT crash: QEMU 7.2 does that; it comes and goes, and this came "
        "every time"
    )


def test_the_same_fault_of_the_control_is_proof() -> None:
    def find(member: Member, observation: Observation | None) -> Iterable[Fault]:
        return (Fault(),) if observation is not None and observation.exit_code else ()

    verdict = judge([0] * 3, [139] * 3, control(132, 0), find_faults=find)
    assert name(verdict) == ["emulator (proven)"]


# What cannot be made again


def test_a_value_of_the_tests_own_is_unconfirmed() -> None:
    members = [make_member(AMD64, check("n", 1)), make_member(ARM64, check("n", 2))]
    verdict = diagnose(compare_group(members), ())
    assert name(verdict) == ["unconfirmed"]
    assert "cannot be made again" in verdict.diagnoses[0].evidence[0]


def test_how_often_a_call_is_made_is_unconfirmed() -> None:
    members = [make_member(AMD64, see("1"), see("2")), make_member(ARM64, see("1", ARM64))]
    verdict = diagnose(compare_group(members), ())
    assert [(each.part, str(each)) for each in verdict.diagnoses] == [("calls", "unconfirmed")]


def test_an_output_that_was_not_kept_whole_is_never_called_unstable() -> None:
    big = [f"{n}\n" + "x" * 70_000 for n in range(6)]
    verdict = judge(big[:3], big[3:], control(big[0]))
    assert verdict.kind is VerdictKind.DIVERGED
    assert "it was too long to be kept, so nobody knows" in verdict.diagnoses[0].evidence


def test_the_second_call_is_judged_by_its_own_repeats() -> None:
    members = [
        make_member(platform, see("same", platform), see(second, platform))
        for platform, second in ((AMD64, "pid 1"), (ARM64, "pid 2"))
    ]
    repeats = [repeat(AMD64, "pid 4", "pid 8", number=2), repeat(ARM64, "pid 4", number=2)]
    assert diagnose(compare_group(members), repeats).kind is VerdictKind.EQUAL
    wrong = [replace(each, number=1) for each in repeats]
    assert name(diagnose(compare_group(members), wrong)) == ["unconfirmed"]


def test_a_verdict_without_a_difference_stays_as_it_is() -> None:
    verdict = compare_group([make_member(AMD64, see("1")), make_member(ARM64, see("1", ARM64))])
    assert diagnose(verdict, [repeat(AMD64, "2")]) is verdict


# Members that failed


def fail(*observations: Observation, **fields: Any) -> Member:
    return make_member(ARM64, *observations, **{"outcome": "failed", **fields})


def test_a_member_that_failed_is_diagnosed_by_its_calls() -> None:
    members = [make_member(AMD64, see(0)), fail(see(139, ARM64))]
    repeats = [repeat(AMD64, 0, 0), repeat(ARM64, 139), control(139, 139)]
    verdict = diagnose(compare_group(members), repeats)
    assert verdict.kind is VerdictKind.FAILED_APART
    (diagnosis,) = verdict.diagnoses
    assert (str(diagnosis), diagnosis.part) == ("emulator (proven)", "exit")


def test_an_image_that_was_refused_is_why_its_member_failed() -> None:
    members = [make_member(AMD64, see("1")), fail(refusal=Refusal.IMAGE)]
    verdict = compare_group(members)
    assert list_questions(verdict) == ()
    (diagnosis,) = diagnose(verdict, ()).diagnoses
    assert (str(diagnosis), diagnosis.label) == ("image (proven)", "")
    assert diagnosis.evidence == ("its image, or a program of it, was refused, as its error says",)


def test_what_an_error_says_is_not_diagnosed_anew() -> None:
    """The image could not be built, the platform is unavailable: nothing is to be found out."""
    verdict = compare_group([make_member(AMD64, see("1")), fail(refusal=Refusal.OTHER)])
    assert list_questions(verdict) == ()
    assert diagnose(verdict, ()).diagnoses == ()


def test_the_last_call_that_differs_tells_why_a_member_failed() -> None:
    members = [
        make_member(AMD64, see("1", label="a"), see("1", label="b"), see("1", label="c")),
        fail(see("2", ARM64, label="a"), see("2", ARM64, label="b")),
    ]
    repeats = [
        each
        for label, made in (("a", "2"), ("b", "1"))
        for each in (
            repeat(AMD64, "1", "1", label=label),
            repeat(ARM64, "2", label=label),
            control(made, label=label),
        )
    ]
    (diagnosis,) = diagnose(compare_group(members), repeats).diagnoses
    assert (diagnosis.label, str(diagnosis)) == ("b", "image (likely)")


def test_a_member_may_have_failed_by_what_varies_by_itself() -> None:
    members = [make_member(AMD64, see("took 3 ms")), fail(see("took 33 ms", ARM64))]
    repeats = [repeat(AMD64, "took 2 ms", "took 4 ms"), repeat(ARM64, "took 30 ms")]
    assert name(diagnose(compare_group(members), repeats)) == ["unstable"]


def test_a_member_whose_calls_were_the_same_failed_by_itself() -> None:
    members = [make_member(AMD64, see("1")), fail(see("1", ARM64))]
    (diagnosis,) = diagnose(compare_group(members), ()).diagnoses
    assert (str(diagnosis), diagnosis.label) == ("unconfirmed", "")
    assert diagnosis.evidence == ("nothing that it recorded differs from the baseline",)


def test_a_member_that_did_not_come_to_a_call_says_so() -> None:
    members = [make_member(AMD64, see("1", label="start")), fail(outcome="error")]
    (diagnosis,) = diagnose(compare_group(members), ()).diagnoses
    assert str(diagnosis) == "unconfirmed"
    assert diagnosis.evidence == ('it did not come to "start", which the baseline made',)


def test_a_call_that_does_not_end_under_the_emulator_anywhere_is_its_doing() -> None:
    members = [make_member(AMD64, see("1")), fail(outcome="error", reason="no end after 60 s")]
    stuck = control(unended=2, problem="it did not end")
    (diagnosis,) = diagnose(compare_group(members), [stuck]).diagnoses
    assert str(diagnosis) == "emulator (proven)"


def test_a_call_that_ends_under_the_emulator_and_not_on_the_platform_is_likely_the_images() -> None:
    late = fail(outcome="error", reason="'app' did not end within 3 s")
    members = [make_member(AMD64, see("1")), late]
    (diagnosis,) = diagnose(compare_group(members), [control("1")]).diagnoses
    assert str(diagnosis) == "image (likely)"
    assert "did not end by its deadline" in diagnosis.evidence[0]


def test_a_call_that_was_not_begun_is_blamed_on_nobody() -> None:
    members = [make_member(AMD64, see("1")), fail(outcome="error", reason="KeyError: 'x'")]
    (diagnosis,) = diagnose(compare_group(members), [control("1")]).diagnoses
    assert str(diagnosis) == "unconfirmed"


def test_a_call_that_did_not_end_comes_before_what_varies() -> None:
    ours = make_member(AMD64, see("pid 1", label="a"), see("1"))
    late = fail(see("pid 2", ARM64, label="a"), reason="'app' did not end within 3 s")
    repeats = [
        repeat(AMD64, "pid 5", "pid 9", label="a"),
        repeat(ARM64, "pid 7", label="a"),
        control(unended=2),
    ]
    (diagnosis,) = diagnose(compare_group([ours, late]), repeats).diagnoses
    assert str(diagnosis) == "emulator (proven)"


def test_a_fault_that_a_member_shows_as_a_whole_counts() -> None:
    members = [make_member(AMD64, see("1")), fail(see("1", ARM64), reason="qemu: ...")]
    verdict = diagnose(compare_group(members), (), find_faults=show_faults(Fault()))
    assert name(verdict) == ["emulator (likely)"]
    assert verdict.kind is VerdictKind.FAILED_APART


def test_a_failed_member_beside_a_divergence_that_proves_nothing_stays_a_failure() -> None:
    declared = (AMD64, ARM64, S390X)
    members = [
        make_member(AMD64, see("pid 1"), declared=declared),
        make_member(ARM64, see("pid 2", ARM64), declared=declared),
        make_member(S390X, see("pid 3", S390X), declared=declared, outcome="failed"),
    ]
    repeats = [repeat(AMD64, "pid 5", "pid 9"), repeat(ARM64, "pid 7")]
    verdict = diagnose(compare_group(members), repeats)
    assert verdict.kind is VerdictKind.FAILED_APART
    assert name(verdict) == ["unstable", "unstable"]


# For records


def test_evidence_in_any_order_gives_the_same_verdict() -> None:
    own = [repeat(ARM64, "2", "2"), control("2"), repeat(AMD64, "1")]
    verdict = compare_group([make_member(AMD64, see("1")), make_member(ARM64, see("2", ARM64))])
    assert diagnose(verdict, own) == diagnose(verdict, own[::-1])


def test_repeats_come_back_from_their_json() -> None:
    repeats = control("1\n", ("2", 3), is_whole_tree=False, unended=1, problem="no time")
    for each in (repeats, DIFFERS):
        assert Repeats.from_mapping(json.loads(json.dumps(each.to_mapping()))) == each


def test_a_verdicts_json_has_its_diagnoses() -> None:
    document = describe_verdict(judge(["1\n"] * 3, ["2\n"] * 3, control("2\n")))
    assert document["verdict"] == "not-compared"
    assert document["differences"] == []
    assert [each["part"] for each in document["emulated"]] == ["stdout"]
    (diagnosis,) = document["diagnoses"]
    assert json.loads(json.dumps(diagnosis)) == diagnosis
    assert {key: diagnosis[key] for key in ("platform", "cause", "certainty", "label")} == {
        "platform": "linux/arm64",
        "cause": "emulator",
        "certainty": "proven",
        "label": "run: app",
    }


@pytest.mark.parametrize(
    ("cause", "is_proven", "shown"),
    [
        (Cause.IMAGE, True, "image (proven)"),
        (Cause.EMULATOR, False, "emulator (likely)"),
        (Cause.UNSTABLE, False, "unstable"),
        (Cause.UNCONFIRMED, False, "unconfirmed"),
    ],
)
def test_a_diagnosis_reads_as_a_word_or_two(cause: Cause, is_proven: bool, shown: str) -> None:
    assert str(Diagnosis(platform=ARM64, cause=cause, is_proven=is_proven)) == shown
