"""The matrix of a page: a row for each test, what needs attention first, a column a platform."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_multiarch.core.parity import Verdict, VerdictKind
from pytest_multiarch.reports.account import describe_budget
from pytest_multiarch.reports.page.cases import Case, CaseMaker, bound_texts
from pytest_multiarch.reports.page.text import make_anchor, shorten, show
from pytest_multiarch.reports.wording import KIND_WORDS, explain_not_compared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_multiarch.core.member import Member
    from pytest_multiarch.core.merging import Judgement
    from pytest_multiarch.core.platform import Platform

_SHORT_WORDS = {
    VerdictKind.FAILED_APART: "failed on some",
    VerdictKind.FAILED: "failed on all",
    VerdictKind.ONE_PLATFORM: "one platform",
}
_PLACE_LIMIT = 1500
DIFFERS = "differs"
_END_ORDER = (DIFFERS, "failed", "error", "crashed", "passed")


@dataclass(frozen=True, slots=True)
class Tally:
    """How often a word holds; `name` is its class on the page."""

    name: str
    word: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A platform: how it was executed, on how many tests, and how they ended."""

    platform: str
    execution: str
    is_emulated: bool
    is_baseline: bool
    tests: int
    ends: tuple[Tally, ...]


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """How a test ended on a platform: an outcome's name, in words, and whether it differs too."""

    name: str
    word: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixRow:
    """A test: where it stands, its name, verdict, and cells in the order of the columns.

    `broken` are the budgets of time that did not hold, a line each.
    """

    anchor: str
    place: str
    name: str
    verdict: str
    word: str
    cells: tuple[MatrixCell, ...]
    why: str = ""
    broken: tuple[str, ...] = ()
    case: Case | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """All tests on all platforms, and how many there are of each verdict and outcome."""

    columns: tuple[Column, ...]
    rows: tuple[MatrixRow, ...]
    verdicts: tuple[Tally, ...]
    outcomes: tuple[Tally, ...]
    unobserved: int


def view_matrix(judgement: Judgement) -> Matrix:
    """Arrange the tests of a record."""
    platforms = _list_platforms(judgement)
    broken: dict[str, list[str]] = {}
    for each in judgement.broken_budgets:
        text = show(describe_budget(each, with_group=False), 600)
        broken.setdefault(each.member.group, []).append(text)
    verdicts = sorted(
        judgement.verdicts,
        key=lambda each: (_rank_verdict(each, is_broken=each.group in broken), each.group),
    )
    cases = CaseMaker()
    rows = tuple(
        replace(_make_row(each, platforms, cases), broken=tuple(broken.get(each.group, ())))
        for each in verdicts
    )
    kinds = Counter(each.kind for each in verdicts)
    names = Counter((cell.name, cell.word) for row in rows for cell in row.cells if cell.word)
    return Matrix(
        columns=_make_columns(judgement, platforms, rows),
        rows=rows,
        verdicts=tuple(
            Tally(kind.value, _name_kind(kind), kinds[kind]) for kind in KIND_WORDS if kinds[kind]
        ),
        outcomes=tuple(Tally(name, word, n) for (name, word), n in names.most_common()),
        unobserved=sum(each.is_unobserved for each in verdicts),
    )


def _rank_verdict(verdict: Verdict, *, is_broken: bool) -> int:
    """Rank by gravity; what fails in a teardown or a budget alone is equal, and a failure too."""
    kinds = tuple(KIND_WORDS)
    rank = kinds.index(verdict.kind)
    has_failed = is_broken or any(each.has_failed for each in verdict.members)
    return min(rank, kinds.index(VerdictKind.FAILED)) if has_failed else rank


def _name_kind(kind: VerdictKind) -> str:
    return _SHORT_WORDS.get(kind, KIND_WORDS[kind])


def _list_platforms(judgement: Judgement) -> tuple[Platform, ...]:
    """Give every platform that is declared, in the order of the longest declaration."""
    declared = {each.declared: None for each in judgement.verdicts}
    declared |= {each.declared: None for each in judgement.idle}
    longest_first = sorted(declared, key=lambda each: (-len(each), each))
    return tuple(dict.fromkeys(platform for each in longest_first for platform in each))


def _make_row(verdict: Verdict, platforms: Sequence[Platform], cases: CaseMaker) -> MatrixRow:
    members = {each.platform: each for each in verdict.members}
    deviating = {platform for each in verdict.differences for platform in each.others}
    declared, skipped = set(verdict.declared), set(verdict.not_selected)
    place, separator, name = shorten(verdict.group, _PLACE_LIMIT).rpartition("::")
    return MatrixRow(
        anchor=make_anchor(verdict.group),
        place=show(f"{place}{separator}"),
        name=show(name),
        verdict=verdict.kind.value,
        word="equal in outcome" if verdict.is_unobserved else _name_kind(verdict.kind),
        cells=tuple(
            _view_member(members[each], is_deviating=each in deviating)
            if each in members
            else _view_absent(is_declared=each in declared, is_selected=each not in skipped)
            for each in platforms
        ),
        why=_explain(verdict),
        case=cases.make(verdict),
    )


def _view_member(member: Member, *, is_deviating: bool) -> MatrixCell:
    if is_deviating:
        return MatrixCell(DIFFERS, DIFFERS)
    if member.teardown_error and not member.outcome.is_failure:
        return MatrixCell("error", "teardown failed")
    return MatrixCell(member.outcome.value, member.outcome.value.replace("-", " "))


def _view_absent(*, is_declared: bool, is_selected: bool) -> MatrixCell:
    if not is_declared:
        return MatrixCell("undeclared", "not declared")
    return (
        MatrixCell("not-run", "not run")
        if is_selected
        else MatrixCell("unselected", "not selected")
    )


def _explain(verdict: Verdict) -> str:
    """Say why a test was not compared, or without which platforms, or what it was excused."""
    if verdict.kind is VerdictKind.NOT_COMPARED:
        return shorten(explain_not_compared(bound_texts(verdict)), 600)
    if verdict.kind is VerdictKind.EQUAL and verdict.allowed:
        reasons = dict.fromkeys(show(each.allowance.reason) for each in verdict.allowed)
        return shorten(f"differences are allowed: {'; '.join(reasons)}", 600)
    return ""


def _make_columns(
    judgement: Judgement, platforms: Sequence[Platform], rows: Sequence[MatrixRow]
) -> tuple[Column, ...]:
    ways: dict[Platform, dict[str, bool]] = {each: {} for each in platforms}
    tests: Counter[Platform] = Counter()
    for member in judgement.members:
        tests[member.platform] += 1
        if member.execution is not None:
            way = show(str(member.execution), 60)
            ways.setdefault(member.platform, {})[way] = member.is_emulated
    baselines = {each.baseline for each in judgement.verdicts if each.baseline}
    return tuple(
        Column(
            platform=str(platform),
            execution=", ".join(ways[platform]) or "nothing ran",
            is_emulated=any(ways[platform].values()),
            is_baseline=baselines == {platform},
            tests=tests[platform],
            ends=_count_ends([row.cells[at] for row in rows]),
        )
        for at, platform in enumerate(platforms)
    )


def _count_ends(cells: Sequence[MatrixCell]) -> tuple[Tally, ...]:
    ends = Counter((each.name, each.word) for each in cells if each.name != "undeclared")
    ordered = sorted(ends.items(), key=lambda each: (_rank(each[0][0]), each[0]))
    return tuple(Tally(name, word, number) for (name, word), number in ordered)


def _rank(name: str) -> int:
    return _END_ORDER.index(name) if name in _END_ORDER else len(_END_ORDER)
