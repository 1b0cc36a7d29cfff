"""Judged records as JUnit XML, in the form in which pytest writes one process's run.

A failure has the names, the element and the message that it has there, so that whatever reads
pytest's reports (CI services, dashboards) knows a test again. pytest's rules that are followed
here are those of `_pytest/junitxml.py`, family xunit2. But for properties: the schema by which
Jenkins' xUnit plugin checks files, junit-10.xsd, has none of test cases. They are lines of the
output instead, as Testmo and others read them: https://github.com/testmoapp/junitxml
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Literal
from xml.etree import ElementTree as ET

from pytest_multiarch.core.cost_table import describe_ratio
from pytest_multiarch.core.member import Outcome
from pytest_multiarch.core.parity import VerdictKind
from pytest_multiarch.reports.diagnosis import describe_diagnoses, find_failure_diagnoses
from pytest_multiarch.reports.divergence import render_divergence
from pytest_multiarch.reports.images import render_image
from pytest_multiarch.reports.overhead import render_over_budget, render_undecided
from pytest_multiarch.reports.speed import list_pairs
from pytest_multiarch.reports.wording import describe_not_compared, explain_not_compared

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_multiarch.core.budgets import JudgedBudget
    from pytest_multiarch.core.inspected import ImageVerdict
    from pytest_multiarch.core.member import Member
    from pytest_multiarch.core.merging import ForeignFailure, Judgement
    from pytest_multiarch.core.parity import Verdict
    from pytest_multiarch.core.platform import Platform

_MESSAGE_LIMIT = 500
_TEXT_LIMIT = 20_000
_ILLEGAL = re.compile("[^\t\n\r\u0020-\u007e\u0080-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LAST_YEAR_S = 253_402_300_799  # the end of 9999, where datetime ends


@dataclass(frozen=True, slots=True)
class _Mark:
    """A child of a test case that says how it ended."""

    tag: Literal["failure", "error", "skipped"]
    message: str
    text: str
    kind: str = ""


@dataclass(slots=True)
class _Case:
    """A test case; `node_id` is pytest's."""

    node_id: str
    duration_s: float = 0.0
    properties: tuple[tuple[str, str], ...] = ()
    marks: list[_Mark] = field(default_factory=list)


def render_junit(judgement: Judgement) -> str:
    """Give an XML document: a test case for each member, and one for each verdict that fails.

    The verdict on a test that has all its variants at once stands on the test itself.
    """
    cases = [case for verdict in judgement.verdicts for case in _list_cases(verdict, judgement)]
    cases += [_make_twin_case(each) for each in judgement.failed_twins]
    cases += [
        _Case(node_id, marks=[_describe_foreign(each)])
        for node_id, each in judgement.foreign_failures.items()
    ]
    cases += [_Case(each.name, marks=[_describe_image(each)]) for each in judgement.wrong_images]
    marks = [mark.tag for case in cases for mark in case.marks]
    suite = ET.Element(
        "testsuite",
        name="pytest",
        errors=str(marks.count("error")),
        failures=str(marks.count("failure")),
        skipped=str(marks.count("skipped")),
        tests=str(len(cases)),
        time=f"{max(0.0, sum(each.duration_s for each in cases)):.3f}",  # the schema has no sign
        timestamp=_name_start(judgement),
    )
    suite.extend(map(_render_case, cases))
    root = ET.Element("testsuites", name="pytest tests")
    root.append(suite)
    return f'<?xml version="1.0" encoding="utf-8"?>{ET.tostring(root, encoding="unicode")}\n'


def _name_start(judgement: Judgement) -> str:
    starts = [run.started_at_s for run in judgement.record.runs if run.started_at_s > 0]
    start_s = min(starts, default=0.0)
    return datetime.fromtimestamp(min(start_s, _LAST_YEAR_S), tz=timezone.utc).isoformat()


def _list_cases(verdict: Verdict, judgement: Judgement) -> Iterator[_Case]:
    by_test: dict[str, list[Member]] = {}
    for member in verdict.members:
        by_test.setdefault(member.node_id, []).append(member)
    failure = _judge(verdict, judgement)
    ratios = {
        each.other.platform: each.ratio for each in list_pairs([verdict]) if each.is_of_platforms
    }
    for node_id, members in by_test.items():
        case = _Case(
            node_id,
            duration_s=max(each.duration_s for each in members),
            properties=(
                *(p for m in members for p in _list_properties(m, ratios)),
                *_list_causes(verdict, members),
            ),
        )
        is_judged = node_id == verdict.group
        why = "\n".join(describe_diagnoses(find_failure_diagnoses(verdict, members), is_named=True))
        yield from _finish_case(case, members, failure if is_judged else None, why)
    if failure is not None and verdict.group not in by_test:
        yield _Case(verdict.group, marks=[failure])


def _judge(verdict: Verdict, judgement: Judgement) -> _Mark | None:
    """Give the failure that a verdict is, if it is one.

    On a test that has all its variants it is an exception, whose name pytest puts first.
    """
    is_spread = verdict.members[0].node_id == verdict.group
    if verdict.kind is VerdictKind.DIVERGED:
        headline, text = render_divergence(verdict)
        return _fail(f"DivergedError: {text}" if is_spread else headline, text)
    broken = [each for each in judgement.broken_budgets if each.member.group == verdict.group]
    if broken:
        return _describe_budgets(broken, is_spread=is_spread)
    if judgement.is_strict and verdict.is_vacuous:
        if is_spread:
            return _fail(f"UncomparedError: {describe_not_compared(verdict)}")
        why = explain_not_compared(verdict)
        return _fail(why, f"{why}\nno record has another platform of it")
    return None


def _describe_budgets(broken: list[JudgedBudget], *, is_spread: bool) -> _Mark:
    exceeded = [each for each in broken if each.is_exceeded]
    headline, text = render_over_budget(exceeded) if exceeded else render_undecided(broken)
    name = "OverBudgetError" if exceeded else "UndecidedError"
    return _fail(f"{name}: {text}" if is_spread else headline, text)


def _fail(message: str, text: str = "") -> _Mark:
    return _Mark("failure", _shorten(message), text or message)


def _finish_case(
    case: _Case, members: list[Member], verdict: _Mark | None, why: str = ""
) -> Iterator[_Case]:
    """Mark the case of a test; if its call and its teardown failed it is two, as pytest does.

    `why` is the diagnosis of a test that failed.
    """
    mark = _describe_outcome(members)
    if mark is not None and mark.tag != "skipped" and why:
        mark = replace(mark, text=f"{mark.text}\n\n{why}")
    mark = mark or verdict
    if mark is not None:
        case.marks.append(mark)
    yield case
    teardown_error = next((m.teardown_error for m in members if m.teardown_error), "")
    if teardown_error:
        error = _make_error("teardown", teardown_error)
        if mark is not None and mark.tag == "failure":
            yield _Case(case.node_id, marks=[error])
        else:
            case.marks.append(error)


def _describe_foreign(failure: ForeignFailure) -> _Mark:
    if failure.outcome == "error":
        return _make_error("setup", failure.reason)
    return _fail(failure.reason)


def _describe_image(verdict: ImageVerdict) -> _Mark:
    text = render_image(verdict)
    return _fail(text.partition("\n")[0], text)


def _describe_outcome(members: Iterable[Member]) -> _Mark | None:
    """Say how a test ended; one with several members failed if any of them did."""
    marks = [_describe_member(each) for each in members]
    failures = [each for each in marks if each is not None and each.tag != "skipped"]
    return next(iter(failures), marks[0] if all(marks) else None)


def _describe_member(member: Member) -> _Mark | None:
    reason = member.reason
    match member.outcome:
        case Outcome.FAILED:
            return _fail(reason or "failed")
        case Outcome.ERROR | Outcome.CRASHED:
            return _make_error("setup", reason)
        case Outcome.SKIPPED:
            return _Mark("skipped", reason, reason, kind="pytest.skip")
        case Outcome.XFAILED:
            return _Mark("skipped", reason.removeprefix("reason: "), "", kind="pytest.xfail")
        case Outcome.NOT_RUN:
            return _Mark("skipped", "did not run", "", kind="pytest.skip")
        case _:
            return None


def _make_error(phase: str, reason: str) -> _Mark:
    return _Mark("error", _shorten(f'failed on {phase} with "{reason}"'), reason)


def _make_twin_case(member: Member) -> _Case:
    """A failure beside a native run that counts must not take that one's name."""
    mark = _describe_member(member) or _make_error("teardown", member.teardown_error)
    return _Case(
        f"{member.node_id} ({member.execution})",
        duration_s=member.duration_s,
        properties=tuple(_list_properties(member, {})),
        marks=[mark],
    )


def _list_properties(member: Member, ratios: Mapping[Platform, float]) -> Iterator[tuple[str, str]]:
    if member.variant is not None:
        yield "multiarch_platform", str(member.platform)
        yield "multiarch_execution", str(member.execution)
        if member.node:
            yield "multiarch_node", member.node
        yield "multiarch_digest", member.variant.digest
        if member.platform in ratios:
            yield "multiarch_ratio", f"{ratios[member.platform]:.2f}"
        for cost in member.overhead:
            if cost.ratio is not None:
                yield "multiarch_ratio", describe_ratio(cost)


def _list_causes(verdict: Verdict, members: Iterable[Member]) -> Iterator[tuple[str, str]]:
    platforms = {each.platform for each in members}
    for cause in dict.fromkeys(str(e) for e in verdict.diagnoses if e.platform in platforms):
        yield "multiarch_diagnosis", cause


def _render_case(case: _Case) -> ET.Element:
    classname, name = _split(case.node_id)
    element = ET.Element(
        "testcase",
        classname=_escape(classname),
        name=_escape(name),
        time=f"{case.duration_s:.3f}",
    )
    for mark in case.marks:
        child = ET.SubElement(element, mark.tag)
        if mark.kind:
            child.set("type", mark.kind)
        child.set("message", _escape(_bound(mark.message)))
        child.text = _escape(_bound(mark.text))
    if case.properties:
        lines = (f"[[PROPERTY|{name}={_join_lines(value)}]]" for name, value in case.properties)
        ET.SubElement(element, "system-out").text = "\n".join(lines)
    return element


def _join_lines(value: str) -> str:
    """Keep a value on the line of its property: the next line could be another one."""
    return _escape(" ".join(_bound(value).split()))


def _split(node_id: str) -> tuple[str, str]:
    """Give the class name and the name of a test; its parameters can hold any character.

    A file that could not be collected has no class name.
    """
    path, _, inside = node_id.partition("::")
    names, bracket, parameters = inside.partition("[")
    parts = [path.removesuffix(".py").replace("/", "."), *names.split("::")]
    if not inside:
        return "", parts[0]
    parts[-1] += bracket + parameters
    return ".".join(parts[:-1]), parts[-1]


def _shorten(message: str) -> str:
    """Keep whole lines of a message while they fit, with a note of what was left out."""
    lines = message.splitlines() or [""]
    kept: list[str] = []
    size = 0
    for line in lines:
        if kept and size + len(line) + 1 > _MESSAGE_LIMIT:
            break
        kept.append(line)
        size += len(line) + 1
    text, left = "\n".join(kept), len(lines) - len(kept)
    is_cut = len(text) > _MESSAGE_LIMIT
    if left:
        note = f"+{left} more line{'s' if left > 1 else ''}"
    elif is_cut:
        note = "truncated"
    else:
        return message
    shown = f"{text[:_MESSAGE_LIMIT]}..." if is_cut else text
    return f"{shown}\n[{note}; full report in element text]"


def _bound(text: str) -> str:
    left = len(text) - _TEXT_LIMIT
    return f"{text[:_TEXT_LIMIT]}\n... {left:,} more characters" if left > 0 else text


def _escape(text: str) -> str:
    """Spell out characters that XML cannot hold, as pytest does: `#x1B`."""
    return _ILLEGAL.sub(lambda match: _spell(ord(match[0])), text)


def _spell(code: int) -> str:
    return f"#x{code:02X}" if code <= 0xFF else f"#x{code:04X}"
