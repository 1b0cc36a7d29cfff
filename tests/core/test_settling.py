"""Which calls a verdict turns on, and how what they did again is taken."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.core.blame import Cause
from pytest_multiarch.core.member import Outcome
from pytest_multiarch.core.observation import make_check
from pytest_multiarch.core.parity import VerdictKind, compare_group
from pytest_multiarch.core.repeats import Repeats
from pytest_multiarch.core.settling import (
    add_repeats,
    gather_repeats,
    judge_group,
    list_own_questions,
    list_questions,
)
from tests.samples import AMD64, ARM64, NATIVE, QEMU, make_member, observe

if TYPE_CHECKING:
    from pytest_multiarch.core.member import Member
    from pytest_multiarch.core.observation import Observation
    from pytest_multiarch.core.platform import Platform


def join(ours: list[Observation], theirs: list[Observation]) -> list[Member]:
    return [
        make_member(AMD64, *ours, execution=NATIVE),
        make_member(ARM64, *theirs, execution=QEMU),
    ]


def see(out: str, platform: Platform = AMD64, **options: object) -> Observation:
    return observe(out, platform=platform, **options)  # type: ignore[arg-type]


def repeat(platform: Platform, *outs: str, is_control: bool = False, code: int = 0) -> Repeats:
    made = tuple(see(each, platform, exit_code=code) for each in outs)
    return Repeats(
        label=made[0].label,
        kind="run",
        number=1,
        platform=platform,
        is_control=is_control,
        observations=made,
    )


def test_questions_are_of_what_differs() -> None:
    same, other = see("same\n", label="same"), see("a\n", label="other")
    verdict = compare_group(join([same, other], [same, see("b\n", ARM64, label="other")]))
    asked = list_questions(verdict)
    assert [(each.platform, each.position, each.label, each.number) for each in asked] == [
        (AMD64, 1, "other", 1),
        (ARM64, 1, "other", 1),
    ]
    assert [each.is_controlled for each in asked] == [True, False]


def test_there_is_no_control_where_all_is_native() -> None:
    ours, theirs = join([see("a\n")], [see("b\n", ARM64)])
    verdict = compare_group([ours, replace(theirs, execution=NATIVE)])
    assert not any(each.is_controlled for each in list_questions(verdict))


def test_a_member_that_failed_is_asked_for_its_calls() -> None:
    ours, theirs = join([see("a\n")], [see("b\n", ARM64)])
    verdict = compare_group([ours, replace(theirs, outcome=Outcome.FAILED)])
    assert verdict.kind is VerdictKind.FAILED_APART
    assert [each.platform for each in list_questions(verdict)] == [AMD64, ARM64]


def test_a_call_that_had_no_end_is_asked_of_the_control_alone() -> None:
    ours, theirs = join([see("a\n", label="x"), see("b\n", label="y")], [see("a\n", label="x")])
    verdict = compare_group([ours, replace(theirs, outcome=Outcome.FAILED)])
    (asked,) = list_questions(verdict)
    assert (asked.label, asked.is_controlled, asked.is_repeated) == ("y", True, False)


def test_all_calls_can_be_asked_for_and_no_checks() -> None:
    seen = [see("a\n"), make_check("total", 1), see("b\n")]
    asked = list_own_questions(AMD64, seen, is_controlled=False)
    assert [(each.position, each.own_number) for each in asked] == [(0, 1), (2, 2)]


def test_repeats_get_the_names_of_the_differences() -> None:
    """A member counts all its calls; a comparison takes identical ones in a row as one."""
    polls = [see("wait\n"), see("wait\n"), see("go\n")]
    verdict = compare_group(join(polls, [see("wait\n", ARM64), see("stop\n", ARM64)]))
    number = {each.platform: each.own_number for each in list_questions(verdict)}
    assert number == {AMD64: 3, ARM64: 2}
    made = replace(repeat(AMD64, "go\n", "go\n"), number=3)
    (found,) = gather_repeats(add_repeats(verdict, [made]))
    assert (found.number, found.platform) == (2, AMD64)


def test_what_lost_its_surroundings_says_nothing() -> None:
    """In the test a server was there; each time afterwards it is not, and both sides fail alike."""
    verdict = compare_group(join([see("1\n")], [see("2\n", ARM64)]))
    gone = [repeat(each, "", "", "", code=7) for each in (AMD64, ARM64)]
    found = gather_repeats(add_repeats(verdict, gone))
    assert all(not each.observations and "is gone" in each.problem for each in found)
    settled = judge_group(
        [replace(m, repeats=(r,)) for m, r in zip(verdict.members, gone, strict=True)]
    )
    assert settled.kind is VerdictKind.DIVERGED
    assert [each.cause for each in settled.diagnoses] == [Cause.UNCONFIRMED]


def test_a_verdict_without_evidence_is_unconfirmed() -> None:
    settled = judge_group(join([see("a\n")], [see("b\n", ARM64)]))
    assert settled.kind is VerdictKind.DIVERGED
    assert [each.cause for each in settled.diagnoses] == [Cause.UNCONFIRMED]


@pytest.mark.parametrize("fails_unstable", [False, True])
def test_noise_is_no_difference_unless_it_shall_be(fails_unstable: bool) -> None:
    ours, theirs = join([see("n 1847\n")], [see("n 9921\n", ARM64)])
    ours = replace(ours, repeats=(repeat(AMD64, "n 3310\n", "n 7746\n", "n 5052\n", "n 8113\n"),))
    theirs = replace(
        theirs, repeats=(repeat(ARM64, "n 6120\n", "n 4471\n", "n 2908\n", "n 1283\n"),)
    )
    settled = judge_group([ours, theirs], fails_unstable=fails_unstable)
    assert settled.kind is (VerdictKind.DIVERGED if fails_unstable else VerdictKind.EQUAL)
    assert [each.cause for each in settled.diagnoses] == [Cause.UNSTABLE]


def test_what_the_control_does_too_is_the_emulators() -> None:
    ours, theirs = join([see("1\n")], [see("2\n", ARM64)])
    ours = replace(
        ours,
        repeats=(
            repeat(AMD64, "1\n", "1\n", "1\n"),
            repeat(AMD64, "2\n", "2\n", is_control=True),
        ),
    )
    theirs = replace(theirs, repeats=(repeat(ARM64, "2\n", "2\n", "2\n"),))
    settled = judge_group([ours, theirs])
    assert settled.kind is VerdictKind.NOT_COMPARED
    assert [str(each) for each in settled.diagnoses] == ["emulator (proven)"]
