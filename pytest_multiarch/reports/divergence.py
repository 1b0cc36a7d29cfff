"""How a divergence reads: what differed, where first, and how to see it again by hand."""

from __future__ import annotations

import difflib
import json
import shlex
from collections.abc import Iterator

from pytest_multiarch.core.member import Member, Outcome
from pytest_multiarch.core.names import texts_agree
from pytest_multiarch.core.observation import Observation, ObservedStream, find_value_difference
from pytest_multiarch.core.parity import Difference, Verdict, VerdictKind
from pytest_multiarch.core.platform import Platform

_MOST_WHOLE = 3
_MOST_DIFF_LINES = 40
_MOST_DIFFED_LINES = 2000
_WIDTH = 100
_PART_NAMES = {"exit": "exit code", "value": "value", "calls": "number of calls", "label": "call"}


def render_divergence(verdict: Verdict) -> tuple[str, str]:
    """Give the headline of a divergence, and its whole text."""
    lines = [_make_headline(verdict), ""]
    for difference in verdict.differences[:_MOST_WHOLE]:
        lines += [*_describe(difference, verdict), ""]
    rest = verdict.differences[_MOST_WHOLE:]
    if rest:
        lines += [f"and {len(rest)} more:", *(f"  {_name(each)}" for each in rest), ""]
    lines += _describe_others(verdict)
    lines += [*_name_images(verdict), *_repeat_by_hand(verdict)]
    lines += ["run the group again:", f"  pytest {shlex.join(verdict.list_node_ids())}"]
    return lines[0], "\n".join(lines)


def _make_headline(verdict: Verdict) -> str:
    platforms = dict.fromkeys(p for each in verdict.differences for p in each.others)
    verb = "differs" if len(platforms) == 1 else "differ"
    return (
        f"{', '.join(map(str, platforms))} {verb} from {verdict.baseline}: "
        f"{_name(verdict.differences[0])}"
    )


def _name(difference: Difference) -> str:
    part = _PART_NAMES.get(difference.part, difference.part)
    number = f" (call {difference.number})" if difference.number > 1 else ""
    label = clean(difference.label)
    return f"{part} of {label[:160]}{number}"


def _describe(difference: Difference, verdict: Verdict) -> Iterator[str]:
    baseline, *others = difference.seen.items()
    yield _name(difference)
    for text, platforms in _group_alike(difference, others):
        ours = _show_platform(verdict, baseline[0], is_baseline=True)
        theirs = ", ".join(_show_platform(verdict, each) for each in platforms)
        if difference.part in ("exit", "label", "calls"):
            yield f"  {ours}: {_tell(difference, baseline[1], verdict, baseline[0])}"
            yield f"  {theirs}: {text}"
        elif difference.part == "value":
            pair = (baseline[0], platforms[0])
            yield from _diff_values(baseline[1], difference.seen[pair[1]], ours, theirs, pair)
        else:
            yield from _diff_streams(
                _get_stream(baseline[1], difference.part),
                _get_stream(difference.seen[platforms[0]], difference.part),
                ours,
                theirs,
            )


def _group_alike(
    difference: Difference, others: list[tuple[Platform, Observation | None]]
) -> list[tuple[str, list[Platform]]]:
    """Put platforms that deviate in the same way together."""
    alike: dict[str, list[Platform]] = {}
    for platform, seen in others:
        alike.setdefault(_tell(difference, seen), []).append(platform)
    return list(alike.items())


def _tell(
    difference: Difference,
    seen: Observation | None,
    verdict: Verdict | None = None,
    platform: Platform | None = None,
) -> str:
    if seen is None:
        return "did not make this call"
    match difference.part:
        case "exit":
            return str(seen.exit_code)
        case "label":
            return "made this call"
        case "calls":
            if verdict is None or platform is None:
                return "made another number of calls"
            calls = verdict.find_member(platform).observations
            return f"{sum(each.label == difference.label for each in calls)} calls"
        case "value":
            return json.dumps(seen.value)
        case _:
            return _get_stream(seen, difference.part).sha256


def _get_stream(observation: Observation | None, part: str) -> ObservedStream:
    assert observation is not None
    stream = observation.stdout if part == "stdout" else observation.stderr
    assert stream is not None
    return stream


def _show_platform(verdict: Verdict, platform: Platform, *, is_baseline: bool = False) -> str:
    execution = verdict.find_member(platform).execution
    notes = [str(execution)] if execution else []
    notes += ["baseline"] if is_baseline else []
    return f"{platform} ({', '.join(notes)})" if notes else str(platform)


def _diff_values(
    ours: Observation | None,
    theirs: Observation | None,
    one: str,
    two: str,
    platforms: tuple[Platform, Platform],
) -> Iterator[str]:
    assert ours is not None and theirs is not None
    path = find_value_difference(
        ours.value,
        theirs.value,
        rel=max(ours.rel, theirs.rel),
        abs=max(ours.abs, theirs.abs),
        texts_agree=lambda one, other: texts_agree(one, other, *platforms),
    )
    a, b = (json.dumps(each.value, indent=1, sort_keys=True) for each in (ours, theirs))
    if "\n" not in a and "\n" not in b:
        yield f"  {one}: {_cut(a)}"
        yield f"  {two}: {_cut(b)}"
        return
    if path not in (None, "."):
        yield f"  first at {path}"
    yield from _diff_text(a, b, one, two)


def _diff_streams(ours: ObservedStream, theirs: ObservedStream, one: str, two: str) -> Iterator[str]:
    for stream, other, where in ((ours, theirs, one), (theirs, ours, two)):
        if stream.size == 0 and other.size:
            yield f"  {where}: nothing at all; the other wrote {other.size} bytes:"
            yield from (f"    {_cut(clean(x))}" for x in other.head.splitlines()[:8])
            return
    if not (ours.is_normalized and theirs.is_normalized):
        yield f"  {one}: {ours.size} bytes, sha256 {ours.sha256[:16]}"
        yield f"  {two}: {theirs.size} bytes, sha256 {theirs.sha256[:16]}"
        yield "  too large to be kept: compared byte for byte, nothing normalized"
    if ours.head == theirs.head and not (ours.is_whole and theirs.is_whole):
        yield f"  the first {len(ours.head)} characters are equal; what differs lies beyond"
        if ours.tail and theirs.tail and ours.tail != theirs.tail:
            yield from _diff_text(ours.tail, theirs.tail, one, two)
        return
    yield from _diff_text(ours.head, theirs.head, one, two)


def _diff_text(ours: str, theirs: str, one: str, two: str) -> Iterator[str]:
    a, b = (clean(each).split("\n")[:_MOST_DIFFED_LINES] for each in (ours, theirs))
    position = next(
        (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b))
    )
    yield f"  - {one}"
    yield f"  + {two}"
    if position < len(a) and position < len(b):
        yield from _point_at(a[position], b[position], position + 1)
        if len(a) == len(b) and a[position + 1 :] == b[position + 1 :]:
            return
    # What comes before the first difference is equal; diffing only what follows is linear there.
    start = max(position - 2, 0)
    diff = difflib.unified_diff(a[start : start + 400], b[start : start + 400], n=2, lineterm="")
    shown = [line for line in list(diff)[2:] if not line.startswith("@@")]
    yield from (f"  {line[:1]} {_cut(line[1:])}".rstrip() for line in shown[:_MOST_DIFF_LINES])
    if len(shown) > _MOST_DIFF_LINES:
        yield f"  ... {len(shown) - _MOST_DIFF_LINES} more lines"


def _point_at(ours: str, theirs: str, line: int) -> Iterator[str]:
    column = next(
        (i for i, (x, y) in enumerate(zip(ours, theirs, strict=False)) if x != y),
        min(len(ours), len(theirs)),
    )
    start = max(column - _WIDTH // 2, 0)
    lead = "..." if start else ""
    yield f"  line {line}, first different at column {column + 1}:"
    for sign, text in (("-", ours), ("+", theirs)):
        more = "..." if len(text) > start + _WIDTH else ""
        yield f"  {sign} {lead}{text[start : start + _WIDTH]}{more}"
    yield f"    {' ' * (len(lead) + column - start)}^"


def clean(text: str) -> str:
    """Make text safe to show: control characters and undecodable bytes are spelled out."""
    return "".join(each if each.isprintable() or each in "\n\t" else _spell(each) for each in text)


def _spell(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _cut(text: str, width: int = 2 * _WIDTH) -> str:
    return text if len(text) <= width else f"{text[:width]}... ({len(text)} characters)"


def _describe_others(verdict: Verdict) -> list[str]:
    equal = [
        str(m.platform)
        for m in verdict.compared[1:]
        if m.node_id not in verdict.list_deviating()
    ]
    lines = [f"the same as the baseline: {', '.join(equal)}"] if equal else []
    for member in verdict.members:
        if member not in verdict.compared:
            lines.append(f"not compared: {describe_member_outcome(member)}")
    lines += [f"not compared: {clean(note)}" for note in verdict.notes]
    return [*lines, ""] if lines else []


def _name_images(verdict: Verdict) -> list[str]:
    lines: list[str] = []
    for member in verdict.compared:
        if member.variant is not None:
            lines = lines or [f"the variants of {member.variant.reference}:"]
            lines.append(f"  {member.platform}: {member.variant.kind} {member.variant.digest}")
    return [*lines, ""] if lines else []


def _repeat_by_hand(verdict: Verdict) -> list[str]:
    difference = verdict.differences[0]
    lines = []
    for platform, seen in difference.seen.items():
        if seen is not None and seen.command is not None:
            command = seen.command.to_shell(platform=platform, image=seen.pin)
            lines.append(f"  {clean(command)}")
    return ["by hand:", *lines, ""] if lines else []


def describe_member_outcome(member: Member) -> str:
    """Say how a member ended, with its reason."""
    reason = f": {clean(member.reason)[:200]}" if member.reason else ""
    ways = {
        Outcome.SKIPPED: "was skipped",
        Outcome.XFAILED: "failed as expected",
        Outcome.NOT_RUN: "did not run",
        Outcome.CRASHED: "crashed its worker",
        Outcome.ERROR: "had an error",
    }
    return f"{member.platform} {ways.get(member.outcome, member.outcome.value)}{reason}"


def describe_not_compared(verdict: Verdict) -> str:
    """Say in one line why a group was not compared."""
    first = verdict.members[0]
    if len(first.declared) == 1:
        why = f"declared for {first.declared[0]} only"
    else:
        missing = [p for p in first.declared if p not in first.selected]
        whys = [f"{', '.join(map(str, missing))} not selected"] if missing else []
        whys += [
            describe_member_outcome(m) for m in verdict.members if not m.outcome.is_comparable
        ]
        why = "; ".join(whys)
    return f"{verdict.group}: {why}"


def describe_failed_apart(verdict: Verdict) -> str:
    """Say in one line where a test passed and where it failed."""
    passed = ", ".join(str(m.platform) for m in verdict.members if m.outcome.is_comparable)
    failed = ", ".join(
        f"{m.platform} ({m.execution})" if m.execution else str(m.platform)
        for m in verdict.members
        if m.outcome.is_failure
    )
    return f"{verdict.group}: passed on {passed}; failed on {failed}"


def describe_kind(verdict: Verdict) -> str:
    """Give the word for a verdict in a summary."""
    return {
        VerdictKind.EQUAL: "equal",
        VerdictKind.DIVERGED: "diverged",
        VerdictKind.FAILED_APART: "failed on some platforms",
        VerdictKind.FAILED: "failed on all platforms",
        VerdictKind.NOT_COMPARED: "not compared",
    }[verdict.kind]
