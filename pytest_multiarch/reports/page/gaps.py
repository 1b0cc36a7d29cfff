"""What was not compared and why, what was allowed to differ, and what else there is to note."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_multiarch.core.merging import name_runs
from pytest_multiarch.core.parity import VerdictKind, list_stale
from pytest_multiarch.reports.page.cases import bound_texts
from pytest_multiarch.reports.page.panels import name_bounded
from pytest_multiarch.reports.page.text import make_anchor, shorten, show
from pytest_multiarch.reports.wording import explain_not_compared, name_platforms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_multiarch.core.merging import Judgement
    from pytest_multiarch.core.parity import Verdict
    from pytest_multiarch.core.rules import Allowance

_MOST_TESTS = 100
_MOST_REASONS = 100
_COMPARABLE = (VerdictKind.EQUAL, VerdictKind.DIVERGED, VerdictKind.NOT_COMPARED)


@dataclass(frozen=True, slots=True)
class TestLink:
    """A test by name; the anchor of its row is empty where it has none."""

    __test__ = False  # pytest would collect it by its name

    name: str
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Reason:
    """Tests that have one thing in common; of very many, not all are listed."""

    text: str
    number: int
    tests: tuple[TestLink, ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """A kind of thing to know, its reasons, and a line on what it means."""

    title: str
    reasons: tuple[Reason, ...]
    hint: str = ""


def list_beside(judgement: Judgement) -> tuple[TestLink, ...]:
    """List what fails a run and is no verdict on a test, with where on the page it is."""
    broken, wrong = judgement.broken_budgets, judgement.wrong_images
    row = make_anchor(broken[0].member.group) if broken else ""
    found = (
        (len(broken), "budget", "did not hold", row),
        (len(wrong), "image", f"{'is' if len(wrong) == 1 else 'are'} not in order", "images"),
        (len(judgement.foreign_failures), "other test", "failed", "gaps"),
    )
    return tuple(
        TestLink(f"{_count(number, noun)} {what}", anchor)
        for number, noun, what, anchor in found
        if number
    )


def list_gaps(judgement: Judgement) -> tuple[Gap, ...]:
    """List what was not compared, and why."""
    gaps = (
        Gap(
            "Nothing ran on",
            _list_untested(judgement),
            "Declared by tests, and not run by any job: these platforms are as good as untested.",
        ),
        Gap("Failed, and does not run on platforms", _list_foreign(judgement)),
        Gap("Runs that did not come to their end", _list_interrupted(judgement)),
        Gap("Not compared", _group_reasons(judgement.verdicts, VerdictKind.NOT_COMPARED)),
        Gap("Compared without some platforms", _list_partly(judgement.verdicts)),
        Gap("Declared for one platform only", _list_single(judgement.verdicts)),
        Gap("Ran on no platform", _list_idle(judgement)),
        Gap("Calls that were not compared", _list_calls(judgement.verdicts)),
    )
    return tuple(each for each in gaps if each.reasons)


def list_allowed(judgement: Judgement) -> tuple[Gap, ...]:
    """List the differences that are allowed, and the allowances that nothing needs."""
    verdicts = judgement.verdicts
    allowed = (
        (f"{each.platform}: {show(each.allowance.reason)}", verdict, name_bounded(each.difference))
        for verdict in verdicts
        for each in verdict.allowed
    )
    unneeded = {each.allowance for each in list_stale(verdicts)}
    stale = (
        (f"{show(each.label)}: {show(each.reason)}{_name_place(each)}", verdict, "")
        for verdict in verdicts
        for each in verdict.stale
        if each in unneeded
    )
    gaps = (
        Gap("Allowed to differ", _join(allowed)),
        Gap("Allowed to differ, and equal", _join(stale), "Nothing needs these: take them out."),
    )
    return tuple(each for each in gaps if each.reasons)


def _name_place(allowance: Allowance) -> str:
    return f" ({show(allowance.where)})" if allowance.where else ""


def list_notes(judgement: Judgement) -> tuple[Gap, ...]:
    """List retries, and what the emulator wrote into outputs."""
    retried = (
        (f"attempt {member.attempt} on {member.platform}", verdict, "")
        for verdict in judgement.verdicts
        for member in verdict.members
        if member.attempt > 1
    )
    stripped = (
        (f"on {member.platform}", verdict, _count(member.emulator_lines, "line"))
        for verdict in judgement.verdicts
        for member in verdict.members
        if member.emulator_lines
    )
    gaps = (
        Gap("Run again; the last attempt counts", _join(retried)),
        Gap("Lines of the emulator's own, left out of stderr", _join(stripped)),
    )
    return tuple(each for each in gaps if each.reasons)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' if number != 1 else ''}"


def _join(found: Iterable[tuple[str, Verdict, str]]) -> tuple[Reason, ...]:
    """Put tests with one reason together; a detail follows a test's name."""
    by_reason: dict[str, list[TestLink]] = {}
    counts: Counter[str] = Counter()
    for text, verdict, detail in found:
        counts[text] += 1
        tests = by_reason.setdefault(text, [])
        if len(tests) < _MOST_TESTS:
            name = show(verdict.group)
            link = TestLink(f"{name}: {detail}" if detail else name, make_anchor(verdict.group))
            tests.append(link)
    reasons = (Reason(text, counts[text], tuple(tests)) for text, tests in by_reason.items())
    ordered = sorted(reasons, key=lambda each: -each.number)
    left = ordered[_MOST_REASONS:]
    rest = Reason(f"{len(left)} other reasons", sum(each.number for each in left), ())
    return (*ordered[:_MOST_REASONS], *((rest,) if left else ()))


def _group_reasons(verdicts: Iterable[Verdict], kind: VerdictKind) -> tuple[Reason, ...]:
    return _join((_explain(each), each, "") for each in verdicts if each.kind is kind)


def _explain(verdict: Verdict) -> str:
    return shorten(explain_not_compared(bound_texts(verdict)), 600)


def _list_partly(verdicts: Iterable[Verdict]) -> tuple[Reason, ...]:
    partly = (
        each
        for each in verdicts
        if each.kind in (VerdictKind.EQUAL, VerdictKind.DIVERGED)
        and len(each.compared) < len(each.declared)
    )
    return _join((_explain(each), each, "") for each in partly)


def _list_single(verdicts: Iterable[Verdict]) -> tuple[Reason, ...]:
    single = (each for each in verdicts if each.kind is VerdictKind.ONE_PLATFORM)
    return _join((name_platforms(each.declared), each, "") for each in single)


def _list_calls(verdicts: Iterable[Verdict]) -> tuple[Reason, ...]:
    return _join(
        (show(note.partition(": ")[2] or note), each, show(note.partition(": ")[0]))
        for each in verdicts
        if each.kind in _COMPARABLE
        for note in each.notes
    )


def _list_untested(judgement: Judgement) -> tuple[Reason, ...]:
    counts = Counter(platform for each in judgement.verdicts for platform in each.declared)
    counts.update(platform for each in judgement.idle for platform in each.declared)
    return tuple(Reason(str(each), counts[each], ()) for each in judgement.untested)


def _list_idle(judgement: Judgement) -> tuple[Reason, ...]:
    by_platforms: dict[str, list[str]] = {}
    for each in judgement.idle:
        text = f"declared for {name_platforms(each.declared)}"
        by_platforms.setdefault(text, []).append(each.group)
    return tuple(
        Reason(text, len(groups), tuple(TestLink(show(each)) for each in groups[:_MOST_TESTS]))
        for text, groups in by_platforms.items()
    )


def _list_foreign(judgement: Judgement) -> tuple[Reason, ...]:
    by_reason: dict[str, list[str]] = {}
    for node_id, failure in judgement.foreign_failures.items():
        by_reason.setdefault(failure.reason.partition("\n")[0], []).append(node_id)
    reasons = (
        Reason(show(shorten(text)), len(tests), tuple(map(_link_name, tests[:_MOST_TESTS])))
        for text, tests in by_reason.items()
    )
    return tuple(itertools.islice(reasons, _MOST_REASONS))


def _link_name(node_id: str) -> TestLink:
    return TestLink(show(shorten(node_id)))


def _list_interrupted(judgement: Judgement) -> tuple[Reason, ...]:
    return tuple(_explain_interrupted(judgement))


def _explain_interrupted(judgement: Judgement) -> Iterator[Reason]:
    names = name_runs(judgement.record.runs)
    for each in judgement.interrupted:
        how = "interrupted" if each.ended else "killed, or still going"
        yield Reason(f"{show(names[each.id])}: {how}", each.tests, ())
