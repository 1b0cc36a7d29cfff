"""One-line wordings of members and verdicts, for summaries and messages."""

from __future__ import annotations

import textwrap
from collections import Counter
from typing import TYPE_CHECKING

from pytest_multiarch.core.diagnosis import Cause
from pytest_multiarch.core.member import Member, Outcome
from pytest_multiarch.core.parity import Difference, Verdict, VerdictKind
from pytest_multiarch.reports.diff import clean, cut

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_multiarch.core.comparison import Finding
    from pytest_multiarch.core.diagnosis import Diagnosis
    from pytest_multiarch.core.merging import ForeignFailure
    from pytest_multiarch.core.platform import Platform

KIND_WORDS = {
    VerdictKind.DIVERGED: "diverged",
    VerdictKind.FAILED_APART: "failed on some platforms",
    VerdictKind.FAILED: "failed wherever they ran",
    VerdictKind.NOT_COMPARED: "not compared",
    VerdictKind.ONE_PLATFORM: "declared for one platform only",
    VerdictKind.EQUAL: "equal",
}
"""The words for verdicts, in the order in which a summary has them."""

_OUTCOME_WORDS = {
    Outcome.SKIPPED: "was skipped",
    Outcome.XFAILED: "failed as expected",
    Outcome.NOT_RUN: "did not run",
    Outcome.CRASHED: "crashed its worker",
    Outcome.ERROR: "had an error",
}
_PART_WORDS = {"exit": "exit code", "value": "value", "calls": "number of calls"}


def count(number: int, noun: str) -> str:
    """Give a number of things: `1 test`, `2 tests`."""
    return f"{number} {noun}{'s' if number != 1 else ''}"


def count_verdicts(verdicts: tuple[Verdict, ...]) -> str:
    """Count groups by what became of them, the gravest first."""
    counts = Counter(each.kind for each in verdicts)
    words = ", ".join(f"{counts[kind]} {word}" for kind, word in KIND_WORDS.items() if counts[kind])
    return f"{count(len(verdicts), 'group')} of platforms{f': {words}' if words else ''}"


def name_platforms(platforms: Iterable[Platform]) -> str:
    """List platforms."""
    return ", ".join(map(name_platform, platforms))


def name_platform(platform: Platform) -> str:
    """Name a platform, as hostile as an image may have made it up."""
    return cut(clean(str(platform)), 48)


def name_member(member: Member) -> str:
    """Name a member by its platform and how that was executed."""
    way = f" ({clean(str(member.execution))})" if member.execution else ""
    return f"{member.platform}{way}"


def name_difference(difference: Difference | Finding | Diagnosis) -> str:
    """Name what differed: `stdout of "app char"`."""
    label = difference.label
    if difference.kind != "check":
        label = label.removeprefix(f"{difference.kind}: ")
    part = _PART_WORDS.get(difference.part, difference.part)
    number = f", call {difference.number}" if difference.number > 1 else ""
    if difference.part == "calls":
        part, number = "number of calls", ""
    return f'{part} of "{cut(clean(label), 120)}"{number}'


def describe_member_outcome(member: Member) -> str:
    """Say how a member ended, with its reason."""
    word = _OUTCOME_WORDS.get(member.outcome, member.outcome.value)
    return f"{member.platform} {word}{_explain(member.reason)}"


def describe_failure(member: Member, verdict: Verdict | None = None) -> str:
    """Say where a test failed, and why: of its body and its teardown what failed first.

    `verdict` is of its group: the diagnosis is in it.
    """
    if member.outcome.is_failure:
        word = _OUTCOME_WORDS.get(member.outcome, member.outcome.value)
        why = ""
        if verdict is not None and member in verdict.members:
            why = _word_failures(verdict, {member.platform})
        return f"{word} on {name_member(member)}{_explain(member.reason)}{why}"
    return f"failed in its teardown on {name_member(member)}{_explain(member.teardown_error)}"


def describe_foreign_failure(failure: ForeignFailure) -> str:
    """Say why a test that does not run on platforms failed."""
    return f"{failure.outcome}{_explain(failure.reason)}"


def _explain(reason: str) -> str:
    """Give the first line of a reason."""
    line = cut(clean(reason.lstrip().partition("\n")[0]), 200)
    return f": {line}" if line else ""


def describe_not_compared(verdict: Verdict) -> str:
    """Say in one line why a group was not compared."""
    return f"{clean(verdict.group)}: {explain_not_compared(verdict)}"


def explain_not_compared(verdict: Verdict) -> str:
    """Say why nothing of a group was compared."""
    if verdict.kind is VerdictKind.ONE_PLATFORM:
        return f"declared for {name_platforms(verdict.declared)} only"
    whys = []
    if verdict.not_selected:
        whys.append(f"{name_platforms(verdict.not_selected)} not selected")
    whys += [describe_member_outcome(m) for m in verdict.members if not m.outcome.is_comparable]
    known = {m.platform for m in verdict.members} | set(verdict.not_selected)
    whys += name_emulated(verdict)
    missing = [each for each in verdict.declared if each not in known]
    whys += [f"{name_platforms(missing)} did not run"] if missing else []
    return "; ".join([*whys, *map(clean, verdict.notes)])


def name_emulated(verdict: Verdict) -> Iterator[str]:
    """Say what is proven to be the emulator's doing, and how."""
    for difference in verdict.emulated:
        found = next((each for each in verdict.diagnoses if each.is_about(difference)), None)
        why = f": {cut(clean(found.evidence[0]), 300)}" if found and found.evidence else ""
        where = name_platforms(difference.others)
        yield f"{name_difference(difference)} on {where}, diagnosis: emulator (proven){why}"


def word_diagnoses(diagnoses: Iterable[Diagnosis]) -> str:
    """Give diagnoses in a few words, after what they are about; nothing if there are none."""
    words = ", ".join(dict.fromkeys(map(str, diagnoses)))
    return f"; diagnosis: {words}" if words else ""


def _word_failures(verdict: Verdict, platforms: set[Platform]) -> str:
    """Give what is known of why tests failed; that nothing is known says no more than they do."""
    return word_diagnoses(
        each
        for each in verdict.diagnoses
        if each.platform in platforms and each.cause is not Cause.UNCONFIRMED
    )


def explain_failed_apart(verdict: Verdict) -> str:
    """Say where a test passed and where it failed."""
    passed = ", ".join(name_member(m) for m in verdict.members if m.outcome.is_comparable)
    failed = ", ".join(name_member(m) for m in verdict.members if m.outcome.is_failure)
    platforms = {each.platform for each in verdict.members if each.outcome.is_failure}
    why = _word_failures(verdict, platforms)
    return f"passed on {passed}; failed on {failed}{why}"


def name_size(size: int) -> str:
    """Give bytes as people read them: `12.3 MB`."""
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} B"


def shorten_digest(digest: str) -> str:
    """Give as much of a digest as tells it from others: `12ab34cd56ef`."""
    return digest.partition(":")[2][:12]


def lay_out(label: str, text: str, *, width: int, indent: int = 0) -> list[str]:
    """Put a text beside a label of that width, in as many lines as it needs."""
    first, *others = wrap(text, width=80 - indent - width) or [""]
    lines = [f"{label:{width}}{first}".rstrip(), *(" " * width + each for each in others)]
    return [" " * indent + each for each in lines]


def wrap(text: str, *, indent: int = 0, hanging: int = 0, width: int = 80) -> list[str]:
    """Break a text into lines; words stay whole, `hanging` is for the second line and on."""
    first, others = " " * indent, " " * (indent + hanging)
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )
