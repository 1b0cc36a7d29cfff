"""The verdict of a whole record in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_multiarch.core.parity import Verdict, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_multiarch.core.merging import Judgement
    from pytest_multiarch.core.platform import Platform

_MOST_NAMED = 3


def word_headline(judgement: Judgement) -> str:
    """Say what a record comes to: `2 of 48 tests behave differently on linux/arm64`."""
    verdicts = judgement.verdicts
    if not verdicts:
        return "No test ran"
    if judgement.diverged:
        found = {p for v in judgement.diverged for d in v.differences for p in d.others}
        others = _order(found, judgement.diverged)
        share = _name_share(len(judgement.diverged), len(verdicts))
        verb = "behaves" if len(judgement.diverged) == 1 else "behave"
        return f"{share} {verb} differently on {_name_platforms(others)}"
    failed = [each for each in verdicts if any(m.has_failed for m in each.members)]
    if failed or judgement.failed:
        return _word_failed(failed, judgement)
    if judgement.broken_budgets:
        found = {each.platform for each in judgement.broken_budgets}
        groups = {each.member.group for each in judgement.broken_budgets}
        verb = "misses its" if len(groups) == 1 else "miss their"
        where = _name_platforms(_order(found, verdicts))
        return f"{_name_share(len(groups), len(verdicts))} {verb} time budget on {where}"
    foreign = len(judgement.foreign_failures)
    if foreign:
        return f"{foreign:,} test{'s' if foreign != 1 else ''} beside those on platforms failed"
    wrong = judgement.wrong_images
    if wrong:
        names = wrong[0].reference if len(wrong) == 1 else f"{len(wrong)} images"
        return f"{names} {'is' if len(wrong) == 1 else 'are'} not in order"
    return _word_compared(verdicts)


def _word_failed(failed: Sequence[Verdict], judgement: Judgement) -> str:
    count = len(failed) or len({each.group for each in judgement.failed})
    share = _name_share(count, len(judgement.verdicts))
    platforms = _order({each.platform for each in judgement.failed}, judgement.verdicts)
    is_apart = all(each.kind is VerdictKind.FAILED_APART for each in failed)
    where = f" on {_name_platforms(platforms)}{' only' if is_apart else ''}" if platforms else ""
    return f"{share} {'fails' if count == 1 else 'fail'}{where}"


def _word_compared(verdicts: Sequence[Verdict]) -> str:
    equal = [each for each in verdicts if each.kind is VerdictKind.EQUAL]
    if not equal and any(each.emulated for each in verdicts):
        return "Nothing could be compared: what differs is the emulator's doing"
    if not equal:
        return "Nothing was compared: no test ran to its end on two platforms"
    platforms = dict.fromkeys(m.platform for each in equal for m in each.compared)
    where = f"on {_name_platforms(platforms)}"
    if len(equal) < len(verdicts):
        verb = "behaves" if len(equal) == 1 else "behave"
        return f"{_name_share(len(equal), len(verdicts))} {verb} the same {where}"
    if len(equal) == 1:
        return f"The one test behaves the same {where}"
    return f"All {len(equal):,} tests behave the same {where}"


def _order(platforms: set[Platform], verdicts: Iterable[Verdict]) -> list[Platform]:
    """Order platforms as tests declare them."""
    declared = dict.fromkeys(platform for each in verdicts for platform in each.declared)
    return [each for each in declared if each in platforms]


def _name_share(count: int, total: int) -> str:
    return f"{count:,} of {total:,} test{'s' if total != 1 else ''}"


def _name_platforms(platforms: Iterable[Platform]) -> str:
    names = [str(each) for each in dict.fromkeys(platforms)]
    if len(names) > _MOST_NAMED:
        return f"{len(names)} platforms"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
