"""How a divergence reads: what differed, where first, and how to see it again by hand."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace

from pytest_multiarch.core.call import CallSummary
from pytest_multiarch.core.observation import Observation, find_differing_parts
from pytest_multiarch.core.parity import Difference, Verdict
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.rules import CALL_PARTS
from pytest_multiarch.core.stream import ObservedStream, encode_output, locate_difference
from pytest_multiarch.core.value import ObservedValue, find_mismatch
from pytest_multiarch.reports.diff import (
    Side,
    clean,
    cut,
    diff_bytes,
    diff_texts,
    is_binary,
)
from pytest_multiarch.reports.wording import (
    describe_member_outcome,
    describe_not_compared,
    name_difference,
    name_member,
    name_platforms,
)

__all__ = ["describe_not_compared", "render_divergence"]

_MOST_WHOLE = 3
_MOST_LISTED = 20
_MOST_MISSING_LINES = 8
_STDERR_LINES = 3
# Signal numbers of Linux on all architectures of interest but MIPS, where 7, 10 and 12 differ.
_SIGNALS = {
    4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL",
    11: "SIGSEGV", 13: "SIGPIPE", 15: "SIGTERM", 31: "SIGSYS",
}  # fmt: skip


def render_divergence(verdict: Verdict) -> tuple[str, str]:
    """Give the headline of a divergence, and its whole text, of lines that fit 80 columns.

    Only commands and ids, which are to be copied, may be longer.
    """
    headline = _make_headline(verdict)
    lines = [headline, ""]
    for difference in verdict.differences[:_MOST_WHOLE]:
        lines += [*_describe(difference, verdict), ""]
    rest = verdict.differences[_MOST_WHOLE:]
    if rest:
        lines += [f"and {len(rest)} more:"]
        lines += [
            f"  {cut(f'{name_difference(each)}: {name_platforms(each.others)}')}"
            for each in rest[:_MOST_LISTED]
        ]
        lines += [f"  ... {len(rest) - _MOST_LISTED} more"] if len(rest) > _MOST_LISTED else []
        lines += [""]
    lines += _describe_others(verdict)
    lines += _name_images(verdict)
    lines += _repeat_by_hand(verdict.differences)
    lines += ["members:", f"  pytest {shlex.join(map(clean, verdict.list_node_ids()))}"]
    return headline, "\n".join(lines)


def _make_headline(verdict: Verdict) -> str:
    platforms = dict.fromkeys(p for each in verdict.differences for p in each.others)
    verb = "differs" if len(platforms) == 1 else "differ"
    more = len(verdict.differences) - 1
    return (
        f"{name_platforms(platforms)} {verb} from {verdict.baseline} (baseline): "
        f"{name_difference(verdict.differences[0])}{f', and {more} more' if more else ''}"
    )


def _describe(difference: Difference, verdict: Verdict) -> Iterator[str]:
    """Describe one difference, once for each way in which platforms deviate."""
    yield name_difference(difference)
    for platforms in _group_alike(difference):
        seen = difference.seen[platforms[0]]
        yield f"--- {_name_side(difference, verdict, difference.baseline)}, the baseline"
        for platform in platforms:
            yield f"+++ {_name_side(difference, verdict, platform)}"
        yield from _show(difference, platforms[0], seen)


def _group_alike(difference: Difference) -> list[list[Platform]]:
    """Put platforms that deviate in the same way together."""
    groups: list[list[Platform]] = []
    for platform in difference.others:
        for group in groups:
            if _deviate_alike(difference, group[0], platform):
                group.append(platform)
                break
        else:
            groups.append([platform])
    return groups


def _deviate_alike(difference: Difference, one: Platform, other: Platform) -> bool:
    if difference.part == "calls":
        return difference.counts.get(one) == difference.counts.get(other)
    ours, theirs = difference.seen[one], difference.seen[other]
    if ours is None or theirs is None:
        return ours is theirs
    return difference.part not in find_differing_parts(ours, theirs, one, other, parts=CALL_PARTS)


def _name_side(difference: Difference, verdict: Verdict, platform: Platform) -> str:
    name = name_member(verdict.find_member(platform))
    seen = difference.seen[platform]
    stream = seen.find_stream(difference.part) if seen else None
    if stream is not None and stream.emulator_lines:
        count = stream.emulator_lines
        name += f", {count} line{'s' if count > 1 else ''} of the emulator's left out"
    return name


def _show(difference: Difference, platform: Platform, seen: Observation | None) -> Iterator[str]:
    baseline = difference.seen[difference.baseline]
    if difference.part == "calls":
        for sign, each in (("-", difference.baseline), ("+", platform)):
            count = difference.counts.get(each, 0)
            yield f"{sign} {count or 'no'} call{'s' if count != 1 else ''}"
        return
    if baseline is None or seen is None:
        return
    if difference.part == "exit":
        yield from _show_exit_codes(baseline, seen)
    elif baseline.value is not None and seen.value is not None:
        yield from _show_values(baseline.value, seen.value, difference.baseline, platform)
    ours, theirs = (each.find_stream(difference.part) for each in (baseline, seen))
    if ours is not None and theirs is not None:
        yield from _show_streams(ours, theirs, difference.baseline, platform)


def _show_exit_codes(ours: Observation, theirs: Observation) -> Iterator[str]:
    yield f"- {_name_exit_code(ours.exit_code)}"
    yield f"+ {_name_exit_code(theirs.exit_code)}"
    for sign, each, other in (("-", ours, theirs), ("+", theirs, ours)):
        last = _read_end(each)
        if last and last != _read_end(other):
            yield f"  the end of its stderr ({sign}):"
            yield from (f"    {cut(clean(line), 74)}" for line in last)


def _read_end(observation: Observation) -> list[str]:
    """Give the last lines of stderr as it came: the emulator's own may say why."""
    stream = observation.stderr
    if stream is None:
        return []
    excerpt = stream.raw or stream.excerpt
    return (excerpt.tail or excerpt.head).rstrip("\n").split("\n")[-_STDERR_LINES:]


def _name_exit_code(code: int | None) -> str:
    if code is not None and code - 128 in _SIGNALS:
        return f"{code} (128 + {code - 128}, {_SIGNALS[code - 128]})"
    return str(code)


def _show_values(
    ours: ObservedValue, theirs: ObservedValue, our_platform: Platform, their_platform: Platform
) -> Iterator[str]:
    found = find_mismatch(ours, theirs, our_platform, their_platform)
    if found is None:
        return
    if found.path:
        yield cut(f"@@ first at {clean(found.path)} @@")
    for sign, member in (("-", found.ours), ("+", found.theirs)):
        yield f"{sign} {'(nothing there)' if member is None else cut(clean(member), 300)}"
    tolerances = ("rel", min(ours.rel, theirs.rel)), ("abs", min(ours.abs, theirs.abs))
    beyond = [f"{name}={tolerance:g}" for name, tolerance in tolerances if tolerance]
    if beyond:
        yield f"  beyond the tolerance, {', '.join(beyond)}"


def _show_streams(
    ours: ObservedStream,
    theirs: ObservedStream,
    our_platform: Platform,
    their_platform: Platform,
) -> Iterator[str]:
    if not ours.is_whole or not theirs.is_whole:
        yield "  too large to be kept: compared byte for byte, nothing normalized"
        yield from (f"{sign} {_measure(each)}" for sign, each in (("-", ours), ("+", theirs)))
    if not ours.size or not theirs.size:
        yield from _show_one_sided(ours, theirs)
    elif is_binary(ours.excerpt.head) or is_binary(theirs.excerpt.head):
        yield from (f"{sign} {_measure(each)}" for sign, each in (("-", ours), ("+", theirs)))
        yield from diff_bytes(*(encode_output((s.raw or s.excerpt).head) for s in (ours, theirs)))
    else:
        yield from _show_texts(ours, theirs, our_platform, their_platform)


def _measure(stream: ObservedStream) -> str:
    return f"{stream.size:,} bytes, sha256 {stream.sha256[:16]}"


def _show_one_sided(ours: ObservedStream, theirs: ObservedStream) -> Iterator[str]:
    """Show an output of which the other side has nothing at all."""
    for sign, stream in (("-", ours), ("+", theirs)):
        if not stream.size:
            yield f"{sign} (nothing)"
            continue
        text = (stream.raw or stream.excerpt).head
        lines = text.removesuffix("\n").split("\n")
        yield from (f"{sign} {cut(clean(line))}" for line in lines[:_MOST_MISSING_LINES])
        if len(lines) > _MOST_MISSING_LINES or stream.excerpt.gap:
            yield f"{sign} ... {stream.size:,} bytes in all"


def _show_texts(
    ours: ObservedStream,
    theirs: ObservedStream,
    our_platform: Platform,
    their_platform: Platform,
) -> Iterator[str]:
    a, b = ours.excerpt, theirs.excerpt
    if a.is_whole and b.is_whole:
        yield from diff_texts(Side(a.head, our_platform), Side(b.head, their_platform))
        return
    place = locate_difference(ours, theirs)
    shortest = min(len(a.head), len(b.head))
    heads = Side(a.head[:shortest], our_platform), Side(b.head[:shortest], their_platform)
    shown = list(diff_texts(*heads))
    if any(line.startswith(("-", "+")) for line in shown):
        yield from shown
        return
    if place is not None and place[1] > place[0]:
        yield f"  the first difference is between lines {place[0]:,} and {place[1]:,},"
        yield "  beyond what is kept of so long an output"
    for sign, stream in (("-", ours), ("+", theirs)):
        yield f"{sign} {_measure(stream)}"
    if a.tail and b.tail and a.tail != b.tail:
        yield "  their last lines:"
        tails = (text.tail[-2000:].partition("\n")[2] for text in (a, b))
        left, right = tails
        yield from diff_texts(Side(left, our_platform), Side(right, their_platform))


def _describe_others(verdict: Verdict) -> list[str]:
    deviating = {platform for each in verdict.differences for platform in each.others}
    equal = [m.platform for m in verdict.compared[1:] if m.platform not in deviating]
    lines = [f"the same as the baseline: {name_platforms(equal)}"] if equal else []
    out = [m for m in verdict.members if m not in verdict.compared]
    lines += [f"not compared: {describe_member_outcome(each)}" for each in out]
    if verdict.not_selected:
        lines.append(f"not selected: {name_platforms(verdict.not_selected)}")
    lines += [
        f"allowed: {name_difference(each.difference)} on {each.platform}: "
        f"{clean(each.allowance.reason)}"
        for each in verdict.allowed
    ]
    lines += [f"not compared: {clean(note)}" for note in verdict.notes]
    return [*lines, ""] if lines else []


def _name_images(verdict: Verdict) -> list[str]:
    lines: list[str] = []
    for member in verdict.compared:
        if member.variant is not None:
            lines = lines or [f"variants of {clean(member.variant.reference)}:"]
            lines.append(f"  {member.platform}: {member.variant.kind} {member.variant.digest}")
    return [*lines, ""] if lines else []


def _repeat_by_hand(differences: tuple[Difference, ...]) -> list[str]:
    """Give the commands that repeat the first call that can be repeated."""
    for difference in differences:
        lines = [
            f"  {clean(_write_command(platform, seen.command, seen))}"
            for platform, seen in difference.seen.items()
            if seen is not None and seen.command is not None
        ]
        if lines:
            is_exec = difference.kind == "exec"
            note = " (in a fresh container; the test's was running)" if is_exec else ""
            return [f"by hand{note}:", *lines, ""]
    return []


def _write_command(platform: Platform, command: CallSummary, observation: Observation) -> str:
    if observation.kind == "exec":
        command = replace(command, entrypoint=command.argv[:1], argv=command.argv[1:])
    return command.to_shell(platform=platform, image=observation.pin or "IMAGE")
