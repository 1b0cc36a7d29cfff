"""What is behind a row of the page: why a test diverged or failed, within a bound for all."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_multiarch.core.parity import VerdictKind
from pytest_multiarch.reports.diagnosis import list_evidence
from pytest_multiarch.reports.divergence import describe_others, make_headline, repeat_by_hand
from pytest_multiarch.reports.emulator_faults import list_faults
from pytest_multiarch.reports.page.panels import (
    DifferenceView,
    SideView,
    name_bounded,
    view_difference,
    view_side,
)
from pytest_multiarch.reports.page.text import BLOCK_LIMIT, shorten, show, show_block
from pytest_multiarch.reports.wording import name_platforms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.core.member import Member
    from pytest_multiarch.core.parity import AllowedDifference, Difference, Verdict

DETAIL_LIMIT = 2_000_000
"""How many characters the details of all tests take together, roughly."""
_MOST_WHOLE = 4
_MOST_LISTED = 20
_MOST_NOTES = 20
_MOST_EVIDENCE = 20
_ID_LIMIT = 2000
_COMMANDS_LIMIT = 20_000


@dataclass(frozen=True, slots=True)
class Failure:
    """A member that failed: where, how, and what pytest said."""

    side: SideView
    what: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What there is to know of one test that did not go well.

    `more` are differences by name alone. `diagnosis` says why it diverged, and `evidence` how that
    is known. `by_hand` are the commands that repeat the call, after a line that says what they
    lack of it; `rerun` is the command that repeats the tests. `is_short`: its differences are left
    out, since the page has no room for them.
    """

    headline: str
    differences: tuple[DifferenceView, ...] = ()
    more: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    diagnosis: str = ""
    evidence: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    by_hand: tuple[str, ...] = ()
    rerun: str = ""
    is_short: bool = False

    @property
    def cost(self) -> int:
        """How many characters it takes on the page, roughly."""
        panels = sum(panel.cost for each in self.differences for panel in each.panels)
        return 800 + panels + sum(len(each.text) for each in self.failures)


@dataclass(slots=True)
class CaseMaker:
    """Makes the cases of a page, gravest first, until the room for details is used up."""

    room: int = DETAIL_LIMIT

    def make(self, verdict: Verdict) -> Case | None:
        """Make the case of a test; None where there is nothing to say."""
        failures = [each for each in verdict.members if each.has_failed]
        if verdict.kind is not VerdictKind.DIVERGED and not failures and not verdict.diagnoses:
            return None
        case = _make_case(verdict, failures, is_short=self.room <= 0)
        self.room -= case.cost
        return case


def _make_case(verdict: Verdict, failures: list[Member], *, is_short: bool) -> Case:
    differences = verdict.differences[: 0 if is_short else _MOST_WHOLE]
    rest = verdict.differences[len(differences) :]
    more = [f"{name_bounded(d)}: {name_platforms(d.others)}" for d in rest[:_MOST_LISTED]]
    more += [f"and {len(rest) - _MOST_LISTED} more"] if len(rest) > _MOST_LISTED else []
    limit = BLOCK_LIMIT // 10 if is_short else BLOCK_LIMIT
    ids = shlex.join(shorten(each, _ID_LIMIT) for each in verdict.list_node_ids())
    evidence = tuple(list_evidence(verdict.diagnoses))
    by_hand = repeat_by_hand(tuple(filter(_is_short_enough, differences)))
    return Case(
        headline=_word_headline(verdict, failures),
        differences=tuple(view_difference(each, verdict) for each in differences),
        more=tuple(more),
        failures=tuple(_view_failure(each, limit) for each in failures),
        diagnosis=", ".join(dict.fromkeys(map(str, verdict.diagnoses))),
        evidence=tuple(shorten(each, BLOCK_LIMIT) for each in evidence[:_MOST_EVIDENCE]),
        notes=(*_list_notes(verdict), *_list_faults(verdict)),
        by_hand=tuple(show(each.strip(), _ID_LIMIT) for each in by_hand if each),
        rerun=f"pytest {show(ids, 4 * _ID_LIMIT)}",
        is_short=is_short and bool(verdict.differences),
    )


def _word_headline(verdict: Verdict, failures: list[Member]) -> str:
    """Say in a line what happened; labels of any length are bounded."""
    if verdict.kind is VerdictKind.DIVERGED:
        first = verdict.differences[0]
        bounded = replace(first, label=shorten(first.label))
        return make_headline(replace(verdict, differences=(bounded, *verdict.differences[1:])))
    failed = name_platforms(each.platform for each in failures)
    passed = name_platforms(m.platform for m in verdict.members if m.outcome.is_comparable)
    if verdict.kind is VerdictKind.FAILED_APART:
        return f"failed on {failed}, passed on {passed}"
    return f"failed on {failed}" if failures else _word_quiet(verdict)


def _word_quiet(verdict: Verdict) -> str:
    """Say what there was that is no failure."""
    first = (*verdict.emulated, *verdict.unstable)[0]
    verb = "is the emulator's doing" if verdict.emulated else "varies by itself"
    more = len(verdict.emulated) + len(verdict.unstable) - 1
    return f"{name_bounded(first)} {verb}{f', and {more} more' if more else ''}"


def _view_failure(member: Member, limit: int) -> Failure:
    word = member.outcome.value if member.outcome.is_failure else "failed in its teardown"
    text = member.reason if member.outcome.is_failure else ""
    whole = "\n\n".join(
        show_block(each, limit) for each in (text, member.teardown_error) if each.strip()
    )
    return Failure(view_side(member), word, whole)


def _list_notes(verdict: Verdict) -> tuple[str, ...]:
    """Say what became of the platforms that do not differ."""
    if verdict.kind is not VerdictKind.DIVERGED:
        return ()
    lines = describe_others(bound_texts(verdict))
    return tuple(shorten(each, BLOCK_LIMIT) for each in lines[:_MOST_NOTES] if each)


def _list_faults(verdict: Verdict) -> Iterator[str]:
    """Say what is known of an emulator where a platform showed the signs."""
    for text in list_faults([verdict]):
        yield shorten(f"known of the emulator: {text}", BLOCK_LIMIT)


def bound_texts(verdict: Verdict) -> Verdict:
    """Give a verdict whose reasons, notes and labels are short enough to be worded."""
    return replace(
        verdict,
        members=tuple(map(_bound_member, verdict.members)),
        compared=tuple(map(_bound_member, verdict.compared)),
        notes=tuple(shorten(each, BLOCK_LIMIT) for each in verdict.notes[:_MOST_NOTES]),
        allowed=tuple(map(_bound_allowed, verdict.allowed[:_MOST_NOTES])),
    )


def _bound_member(member: Member) -> Member:
    if len(member.reason) <= BLOCK_LIMIT:
        return member
    return replace(member, reason=shorten(member.reason.lstrip(), BLOCK_LIMIT))


def _bound_allowed(allowed: AllowedDifference) -> AllowedDifference:
    difference = replace(allowed.difference, label=shorten(allowed.difference.label))
    allowance = replace(allowed.allowance, reason=shorten(allowed.allowance.reason))
    return replace(allowed, difference=difference, allowance=allowance)


def _is_short_enough(difference: Difference) -> bool:
    """Whether the commands of its calls can be shown."""
    commands = [each.command for each in difference.seen.values() if each and each.command]
    words = [word for each in commands for word in (*each.argv, *(each.entrypoint or ()))]
    words += [name for each in commands for name in (*each.env_names, *each.files, *each.options)]
    return sum(map(len, words)) <= _COMMANDS_LIMIT
