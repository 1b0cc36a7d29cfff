"""How a divergence reads: what differed, where first, and how to see it again by hand."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_multiarch.core.names import texts_agree
from pytest_multiarch.core.observation import Observation, find_differing_parts
from pytest_multiarch.core.rules import CALL_PARTS
from pytest_multiarch.core.stream import ObservedStream, locate_byte, locate_difference
from pytest_multiarch.core.value import ObservedValue, list_mismatches
from pytest_multiarch.reports.diagnosis import (
    describe_diagnoses,
    describe_unstable,
    find_diagnoses,
    find_failure_diagnoses,
)
from pytest_multiarch.reports.diff import (
    WIDTH,
    Side,
    clean,
    cut,
    diff_bytes,
    diff_texts,
    find_kept_bytes,
    is_binary,
)
from pytest_multiarch.reports.emulator_faults import describe_members_faults, find_suspicious
from pytest_multiarch.reports.wording import (
    describe_member_outcome,
    describe_not_compared,
    name_difference,
    name_emulated,
    name_member,
    name_platforms,
    word_diagnoses,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_multiarch.core.call import CallSummary
    from pytest_multiarch.core.parity import Difference, Verdict
    from pytest_multiarch.core.platform import Platform

__all__ = ["describe_not_compared", "render_divergence"]

_MOST_WHOLE = 3
_MOST_LISTED = 20
_MOST_MISSING_LINES = 8
MOST_MISMATCHES = 5
_STDERR_LINES = 3
_LAST_LINES = 20
# Signal numbers of Linux on all architectures of interest but MIPS, where 7, 10 and 12 differ.
_SIGNALS = {
    4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL",
    11: "SIGSEGV", 13: "SIGPIPE", 15: "SIGTERM", 31: "SIGSYS",
}  # fmt: skip


def render_divergence(verdict: Verdict, *, locate: Callable[[str], str] = str) -> tuple[str, str]:
    """Give the headline of a divergence, and its whole text, of lines that fit 80 columns.

    Only commands and ids, which are to be copied, may be longer. `locate` makes a test's id one
    that can be given to pytest where the reader is: ids start at pytest's root folder.
    """
    headline = make_headline(verdict)
    lines = [headline, ""]
    for difference in verdict.differences[:_MOST_WHOLE]:
        lines += [*_describe(difference, verdict), ""]
    rest = verdict.differences[_MOST_WHOLE:]
    if rest:
        lines += [f"and {len(rest)} more:"]
        lines += [f"  {cut(_name_briefly(each, verdict))}" for each in rest[:_MOST_LISTED]]
        lines += [f"  ... {len(rest) - _MOST_LISTED} more"] if len(rest) > _MOST_LISTED else []
        lines += [""]
    lines += describe_others(verdict)
    lines += _describe_faults(verdict)
    lines += _name_images(verdict)
    lines += repeat_by_hand(verdict.differences)
    node_ids = [clean(locate(each)) for each in verdict.list_node_ids()]
    lines += ["members:", f"  pytest {shlex.join(node_ids)}"]
    return headline, "\n".join(lines)


def _name_briefly(difference: Difference, verdict: Verdict) -> str:
    why = word_diagnoses(find_diagnoses(verdict, difference))
    return f"{name_difference(difference)}: {name_platforms(difference.others)}{why}"


def make_headline(verdict: Verdict) -> str:
    platforms = dict.fromkeys(p for each in verdict.differences for p in each.others)
    verb = "differs" if len(platforms) == 1 else "differ"
    more = len(verdict.differences) - 1
    found = (d for each in verdict.differences for d in find_diagnoses(verdict, each))
    return (
        f"{name_platforms(platforms)} {verb} from {verdict.baseline} (baseline): "
        f"{name_difference(verdict.differences[0])}{f', and {more} more' if more else ''}"
        f"{word_diagnoses(found)}"
    )


def _describe(difference: Difference, verdict: Verdict) -> Iterator[str]:
    """Describe one difference, once for each way in which platforms deviate."""
    yield name_difference(difference)
    for platforms in group_alike(difference):
        seen = difference.seen[platforms[0]]
        yield f"--- {_name_side(difference, verdict, difference.baseline)}, the baseline"
        for platform in platforms:
            yield f"+++ {_name_side(difference, verdict, platform)}"
        yield from _show(difference, platforms[0], seen)
    yield from describe_diagnoses(find_diagnoses(verdict, difference))


def group_alike(difference: Difference) -> list[list[Platform]]:
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
    yield f"- {name_exit_code(ours.exit_code)}"
    yield f"+ {name_exit_code(theirs.exit_code)}"
    ends = read_end(ours), read_end(theirs)
    for sign, end in zip("-+", ends, strict=True):
        if end and ends[0] != ends[1]:
            yield f"  its stderr ends with ({sign}):"
            yield from (f"    {cut(clean(line), WIDTH - 2)}" for line in end)


def read_end(observation: Observation) -> list[str]:
    """Give the last lines of stderr as it came: the emulator's own may say why."""
    if observation.stderr is None:
        return []
    excerpt = observation.stderr.raw or observation.stderr.excerpt
    text = (excerpt.tail or excerpt.head).rstrip()
    return text.split("\n")[-_STDERR_LINES:] if text else []


def name_exit_code(code: int | None) -> str:
    if code is not None and code - 128 in _SIGNALS:
        return f"{code} (128 + {code - 128}, {_SIGNALS[code - 128]})"
    return str(code)


def _show_values(
    ours: ObservedValue, theirs: ObservedValue, our_platform: Platform, their_platform: Platform
) -> Iterator[str]:
    found = list_mismatches(ours, theirs, our_platform, their_platform, most=MOST_MISMATCHES + 1)
    for each in found[:MOST_MISMATCHES]:
        if each.path != "$" or len(found) > 1:
            yield cut(f"@@ at {clean(each.path)} @@")
        for sign, member in (("-", each.ours), ("+", each.theirs)):
            yield f"{sign} {'(nothing there)' if member is None else cut(clean(member), 300)}"
    if len(found) > MOST_MISMATCHES:
        yield "  ... and more"
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
    if ours.value is not None and theirs.value is not None:
        yield from _show_values(ours.value, theirs.value, our_platform, their_platform)
        return
    if not ours.is_whole or not theirs.is_whole:
        yield "  too large to be kept: compared byte for byte, nothing normalized"
    if is_blank(ours) or is_blank(theirs):
        yield from _show_one_sided(ours, theirs)
    elif is_binary(ours.excerpt.head) or is_binary(theirs.excerpt.head):
        yield from _measure(ours, theirs)
        yield from _show_bytes(ours, theirs)
    elif ours.excerpt.is_whole and theirs.excerpt.is_whole:
        yield from diff_texts(
            Side(ours.excerpt.head, our_platform), Side(theirs.excerpt.head, their_platform)
        )
    else:
        yield from _show_ends(ours, theirs, our_platform, their_platform)


def _show_bytes(ours: ObservedStream, theirs: ObservedStream) -> Iterator[str]:
    kept = find_kept_bytes(ours, theirs)
    if kept is not None:
        one, two, offset = kept
        yield from diff_bytes(one, two, offset=offset)
    elif (place := locate_byte(ours, theirs)) is not None:
        yield f"  first different between bytes {place[0]:,} and {place[1]:,}, which are not kept"


def _measure(ours: ObservedStream, theirs: ObservedStream) -> Iterator[str]:
    for sign, stream in (("-", ours), ("+", theirs)):
        yield f"{sign} {stream.size:,} bytes, sha256 {stream.sha256[:16]}"


def is_blank(stream: ObservedStream) -> bool:
    return stream.excerpt.is_whole and not stream.excerpt.head


def _show_one_sided(ours: ObservedStream, theirs: ObservedStream) -> Iterator[str]:
    """Show an output of which the other side has nothing at all."""
    for sign, stream in (("-", ours), ("+", theirs)):
        if is_blank(stream):
            yield f"{sign} (nothing)"
            continue
        lines = stream.excerpt.head.removesuffix("\n").split("\n")
        yield from (f"{sign} {cut(clean(line))}" for line in lines[:_MOST_MISSING_LINES])
        if len(lines) > _MOST_MISSING_LINES or stream.excerpt.gap:
            yield f"{sign} ... {stream.size:,} bytes in all"


def _show_ends(
    ours: ObservedStream,
    theirs: ObservedStream,
    our_platform: Platform,
    their_platform: Platform,
) -> Iterator[str]:
    """Show what differs at the beginning of long outputs, else where it does and their ends."""

    def differ(one: str, other: str) -> bool:
        return not texts_agree(one, other, our_platform, their_platform)

    def diff(one: str, other: str) -> list[str]:
        return list(diff_texts(Side(one, our_platform), Side(other, their_platform)))

    ours_head, theirs_head = cut_alike(ours.excerpt.head, theirs.excerpt.head)
    if differ(ours_head, theirs_head):
        yield from diff(ours_head, theirs_head)
        return
    place = locate_difference(ours, theirs)
    if place is not None:
        yield f"  first different between lines {place[0]:,} and {place[1]:,}, which are not kept"
    yield from _measure(ours, theirs)
    one, other = (each.excerpt.tail.split("\n")[1:][-_LAST_LINES:] for each in (ours, theirs))
    lines = min(len(one), len(other))
    ours_tail, theirs_tail = ("\n".join(each[len(each) - lines :]) for each in (one, other))
    if differ(ours_tail, theirs_tail):
        yield "  at their ends:"
        yield from diff(ours_tail, theirs_tail)[1:]


def cut_alike(ours: str, theirs: str) -> tuple[str, str]:
    """Cut two beginnings to as many whole lines, or characters, as both have."""
    number = min(ours.count("\n"), theirs.count("\n"))
    if not number:
        size = min(len(ours), len(theirs))
        return ours[:size] + "\n", theirs[:size] + "\n"
    one, other = ("\n".join([*each.split("\n")[:number], ""]) for each in (ours, theirs))
    return one, other


def describe_others(verdict: Verdict) -> list[str]:
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
    lines += [f"not compared: {each}" for each in name_emulated(verdict)]
    lines += [f"unstable: {each}" for each in describe_unstable(verdict)]
    out_failed = find_failure_diagnoses(verdict, out)
    lines += describe_diagnoses(out_failed, is_named=True)
    return [*lines, ""] if lines else []


def _describe_faults(verdict: Verdict) -> list[str]:
    lines = list(describe_members_faults(find_suspicious(verdict)))
    return [*lines, ""] if lines else []


def _name_images(verdict: Verdict) -> list[str]:
    """Name the variants where no command does it by digest."""
    variants = {m.platform: m.variant for m in verdict.compared if m.variant is not None}
    is_named = any(each.command for d in verdict.differences for each in d.seen.values() if each)
    if is_named and all("@" in each.pin for each in variants.values()):
        return []
    references = ", ".join(dict.fromkeys(clean(each.reference) for each in variants.values()))
    lines = [
        f"  {platform}: {each.kind} {clean(each.digest)}" for platform, each in variants.items()
    ]
    return [f"variants of {references}:", *lines, ""] if lines else []


def repeat_by_hand(differences: tuple[Difference, ...]) -> list[str]:
    """Give the commands that repeat the first call that can be repeated."""
    for difference in differences:
        lines = [
            f"  {clean(_write_command(platform, seen.command, seen))}"
            for platform, seen in difference.seen.items()
            if seen is not None and seen.command is not None
        ]
        if lines:
            notes = "; ".join(_list_omissions(difference))
            return [f"by hand ({notes}):" if notes else "by hand:", *lines, ""]
    return []


def _list_omissions(difference: Difference) -> Iterator[str]:
    """Say what a command by hand lacks of the call."""
    if difference.kind == "exec":
        yield "in a fresh container; the test's was running"
    commands = [each.command for each in difference.seen.values() if each and each.command]
    if any(each.files for each in commands):
        files = dict.fromkeys(file for each in commands for file in each.files)
        yield f"the test also put in {clean(', '.join(files))}"
    if any(each.has_stdin for each in commands):
        yield "the test also gave stdin"
    if any(each.services for each in commands):
        names = dict.fromkeys(name for each in commands for name in each.services)
        yield f"the test also had {clean(', '.join(names))} on its network"


def _write_command(platform: Platform, command: CallSummary, observation: Observation) -> str:
    if observation.kind == "exec":
        command = replace(command, entrypoint=command.argv[:1], argv=command.argv[1:])
    return command.to_shell(platform=platform, image=observation.pin or "IMAGE")
