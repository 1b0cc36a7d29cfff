"""Diagnoses in lines: why platforms differ, how that is known, and what makes it quiet."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_multiarch.core.parity import VerdictKind
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.reports.diff import clean, cut
from pytest_multiarch.reports.wording import name_difference, wrap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_multiarch.core.diagnosis import Diagnosis
    from pytest_multiarch.core.member import Member
    from pytest_multiarch.core.parity import Difference, Verdict

_EVIDENCE_WIDTH = 300
_SOMEWHERE = "\0"
_NOWHERE = Platform("", "")


def find_diagnoses(verdict: Verdict, difference: Difference) -> tuple[Diagnosis, ...]:
    """Give the diagnoses of a difference, one for each of its platforms."""
    return tuple(each for each in verdict.diagnoses if each.is_about(difference))


def find_failure_diagnoses(verdict: Verdict, members: Iterable[Member]) -> tuple[Diagnosis, ...]:
    """Give the diagnoses of members that failed where others passed."""
    failed = {each.platform for each in members if each.outcome.is_failure}
    return tuple(each for each in verdict.diagnoses if each.platform in failed)


def describe_diagnoses(diagnoses: Iterable[Diagnosis], *, is_named: bool = False) -> Iterator[str]:
    """Give diagnoses with all their evidence, in lines that fit 80 columns; what is so on several
    platforms is said once.

    `is_named`: each says by which call it is known.
    """
    for where, each, evidence in _join_alike(diagnoses):
        yield from wrap(f"diagnosis on {where}: {each}", hanging=2)
        if is_named and each.label:
            yield from wrap(f"by the {name_difference(each)}:", indent=2, hanging=2)
        for sentence in evidence:
            yield from wrap(f"- {_show(sentence)}", indent=2, hanging=2)
        for line in each.proposals:
            yield "  to make it quiet, add:"
            yield f"    {clean(line)}"


def _join_alike(diagnoses: Iterable[Diagnosis]) -> Iterator[tuple[str, Diagnosis, tuple[str, ...]]]:
    """Put together what differs in nothing but the platform, also within its evidence."""
    alike: dict[Diagnosis, list[Diagnosis]] = {}
    for each in diagnoses:
        alike.setdefault(_forget_platform(each), []).append(each)
    for form, several in alike.items():
        where = ", ".join(str(each.platform) for each in several)
        yield where, several[0], tuple(each.replace(_SOMEWHERE, where) for each in form.evidence)


def _forget_platform(diagnosis: Diagnosis) -> Diagnosis:
    own = re.compile(rf"{re.escape(str(diagnosis.platform))}(?![\w/])")
    evidence = tuple(own.sub(_SOMEWHERE, each) for each in diagnosis.evidence)
    return replace(diagnosis, platform=_NOWHERE, evidence=evidence)


def _show(sentence: str) -> str:
    return cut(clean(sentence), _EVIDENCE_WIDTH)


def list_evidence(diagnoses: Iterable[Diagnosis]) -> Iterator[str]:
    """Give the evidence of diagnoses and what to add, a line each, for a page."""
    given = tuple(_join_alike(diagnoses))
    several = len({where for where, *_ in given}) > 1
    told: dict[str, None] = {}
    for where, each, evidence in given:
        for sentence in evidence:
            told[f"{where}: {_show(sentence)}" if several else _show(sentence)] = None
        for line in each.proposals:
            told[f"to make it quiet, add {clean(line)}"] = None
    yield from told


def describe_unstable(verdict: Verdict) -> Iterator[str]:
    """Say of each thing that varies by itself how it does, and the line that makes it quiet."""
    for difference in verdict.unstable:
        found = find_diagnoses(verdict, difference)
        shown = found[0].evidence[2:3] if found else ()
        how = f" ({_show(shown[0])})" if shown else ""
        lines = dict.fromkeys(line for each in found for line in each.proposals)
        cure = f"; to make it quiet, add {clean(' or '.join(lines))}" if lines else ""
        yield f"{name_difference(difference)} varies by itself{how}{cure}"


def list_diagnosed(verdicts: Iterable[Verdict]) -> Iterator[tuple[str, str]]:
    """Give groups that diverged, each with its diagnoses in a few words."""
    for verdict in verdicts:
        if verdict.kind is not VerdictKind.DIVERGED:
            continue
        words: dict[str, dict[str, None]] = {}
        for difference in verdict.differences:
            for each in find_diagnoses(verdict, difference):
                words.setdefault(str(each), {})[str(each.platform)] = None
        told = [f"{word} on {', '.join(where)}" for word, where in words.items()]
        if told:
            yield clean(verdict.group), "; ".join(told)


def list_unstable(verdicts: Iterable[Verdict]) -> Iterator[tuple[str, str]]:
    """Give groups of which something varies by itself, how it does, and what makes it quiet."""
    for verdict in verdicts:
        yield from ((clean(verdict.group), text) for text in describe_unstable(verdict))
