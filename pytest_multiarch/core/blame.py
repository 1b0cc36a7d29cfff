"""Blame: whose doing a difference is, by what a call did when it was made again.

Three things look alike: the variants really behave differently, the emulator did it, or the program
varies by itself. What varies on the baseline by itself is learned from its repeats
(`core.learning`), and no difference if it varies in the same way elsewhere. What is left is the
emulator's if the native side's own variant does it too once it is emulated (the control).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from pytest_multiarch.core.learning import Learned, lines_agree, shares_deviation

if TYPE_CHECKING:
    from pytest_multiarch.core.member import Member
    from pytest_multiarch.core.observation import Observation
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.repeats import Repeats
    from pytest_multiarch.core.variation import Unlike


_MANY = 3


class Cause(Enum):
    """Whose doing a difference is; the values are what users read.

    `UNSTABLE`: the program does the same everywhere, and varies by itself. `UNCONFIRMED`: there is
    no evidence, and the diagnosis says why.
    """

    IMAGE = "image"
    EMULATOR = "emulator"
    UNSTABLE = "unstable"
    UNCONFIRMED = "unconfirmed"


class FaultFound(Protocol):
    """A fault of an emulator's of which there are signs.

    `is_general`: any program that crashes by itself shows them too.
    """

    @property
    def name(self) -> str: ...
    @property
    def says(self) -> str: ...
    @property
    def is_random(self) -> bool: ...
    @property
    def is_general(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Side:
    """A member, and what one of its calls did: what the test saw first."""

    member: Member
    made: tuple[Observation, ...]

    @property
    def platform(self) -> Platform:
        return self.member.platform


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What one part of a call did each time on the baseline, on another platform, and as control.

    `problem` says why there is no control. `faults` are those of which the emulated side shows
    signs, `control_faults` names of those of which the control does. `static_causes` say in what
    the two variants differ in what the call comes to. `is_fresh`: nothing was done in its container
    before, so that its files were the image's.
    """

    part: str
    ours: Side
    theirs: Side
    control: tuple[Observation, ...]
    is_whole_tree: bool
    problem: str
    faults: tuple[FaultFound, ...] = ()
    control_faults: frozenset[str] = frozenset()
    static_causes: tuple[str, ...] = ()
    is_fresh: bool = True

    @property
    def is_steady(self) -> bool:
        """Whether the emulated side ended in the same way every time, as no random crash does."""
        side = self.ours if self.ours.member.is_emulated else self.theirs
        return len(side.made) >= _MANY and len({each.exit_code for each in side.made}) == 1

    @property
    def is_known_fault(self) -> bool:
        """Whether there are signs of a fault that is not any crash's, and fits."""
        return any(not e.is_general and not (e.is_random and self.is_steady) for e in self.faults)


@dataclass(frozen=True, slots=True)
class Blame:
    """Whose doing a difference is, whether that is proven, and how it is known.

    `is_partly`: the emulator has a part in it.
    """

    cause: Cause
    is_proven: bool
    evidence: tuple[str, ...]
    proposals: tuple[str, ...] = ()
    is_partly: bool = False


def blame_case(case: Case) -> Blame:
    """Say whose doing a difference is, which is not decided without repeats of the baseline."""
    learned = Learned.learn(case.part, case.ours.made, case.ours.platform)
    unlike = learned.find_unlike(case.theirs.made, case.theirs.platform)
    if unlike is None:
        return _call_unstable(case, learned)
    told = _describe_repeats(case, learned, unlike)
    found = _weigh_static_causes(case, _blame(case))
    faults = tuple(describe_fault(each, is_steady=case.is_steady) for each in case.faults)
    return replace(found, evidence=(*found.evidence, *faults, *told))


def _call_unstable(case: Case, learned: Learned) -> Blame:
    home, other = case.ours, case.theirs
    proposals = learned.propose(other.made, other.platform)
    told = (
        f"{home.platform}, {count_runs(len(home.made))}: it {learned.describe()}",
        f"{other.platform}, {count_runs(len(other.made))}: in the same way",
    )
    return Blame(Cause.UNSTABLE, False, (*told, *learned.show()), proposals)


def _describe_repeats(case: Case, learned: Learned, unlike: Unlike) -> tuple[str, ...]:
    home, other = case.ours, case.theirs
    odd = sum(learned.find_unlike([each], other.platform) is not None for each in other.made)
    times = "every time" if odd in (0, len(other.made)) else f"{odd} time{'s' if odd != 1 else ''}"
    same = "the same every time" if learned.is_constant else f"it {learned.describe()}"
    return (
        f"{home.platform}, {count_runs(len(home.made))}: {same}",
        f"{other.platform}, {count_runs(len(other.made))}: differs from {home.platform} {times}",
        *([unlike.reason] if unlike.reason else []),
    )


def count_runs(number: int) -> str:
    """Give a number of runs."""
    return f"{number} run{'s' if number != 1 else ''}"


def _blame(case: Case) -> Blame:
    """Tell the emulator from the image."""
    ours, theirs = case.ours.member, case.theirs.member
    if ours.is_native and theirs.is_native:
        both = f"{ours.platform} and {theirs.platform} ran natively"
        return Blame(Cause.IMAGE, True, (f"{both}, so no emulator has a part in it",))
    if not ours.is_native and not theirs.is_native:
        return _blame_faults(case, "neither platform ran natively, so there is no control")
    if not case.control:
        return _blame_faults(case, case.problem or "there was no control run")
    native, emulated = (case.ours, case.theirs) if ours.is_native else (case.theirs, case.ours)
    return _compare_control(case, native, emulated)


def _weigh_static_causes(case: Case, found: Blame) -> Blame:
    """Take into account in what the variants differ where the emulator is not to blame.

    That the control did as native and the variants differ in what the call comes to proves it.
    """
    if not case.static_causes or found.cause is Cause.EMULATOR:
        return found
    is_cleared = found.cause is Cause.IMAGE and not found.is_partly and case.is_fresh
    is_proven = found.is_proven or is_cleared
    return Blame(Cause.IMAGE, is_proven, (*found.evidence, *case.static_causes))


def _blame_faults(case: Case, why: str) -> Blame:
    """Blame the emulator for a fault that it is known for; else say why nothing is known."""
    cause = Cause.EMULATOR if case.is_known_fault else Cause.UNCONFIRMED
    return Blame(cause, False, (why,))


def _compare_control(case: Case, native: Side, emulated: Side) -> Blame:
    """Compare what the native side's own variant does under the emulator with both sides."""
    learned = Learned.learn(case.part, native.made, native.platform)
    who = f"{native.platform}'s own variant under the emulator ({count_runs(len(case.control))})"
    odd = [e for e in case.control if learned.find_unlike([e], native.platform) is not None]
    if shares_deviation(learned, case.control, emulated.made, emulated.platform):
        return Blame(Cause.EMULATOR, True, (f"{who} does the same",))
    shared = {each.name for each in case.faults} & case.control_faults
    if odd and shared:
        return Blame(Cause.EMULATOR, True, (f"{who} shows the same fault, {min(shared)}",))
    explained, left = _explain_lines(case, learned, native, emulated)
    if explained and not left:
        return Blame(Cause.EMULATOR, True, (f"{who} does the same in {_name_lines(explained)}",))
    if explained:
        told = f"{who} does the same in {_name_lines(explained)}, not in {_name_lines(left)}"
        return Blame(Cause.IMAGE, False, (told,), is_partly=True)
    if odd:
        told = f"{who} differs from native too, in another way"
        return Blame(Cause.EMULATOR, False, (told,))
    return _clear_emulator(case, emulated, f"{who} does not do it")


def _clear_emulator(case: Case, emulated: Side, told: str) -> Blame:
    """Say what it means that the control did as native."""
    if case.is_known_fault:
        return Blame(Cause.EMULATOR, False, (told,))
    return _blame_image(emulated.made[0], told, emulated.platform, case.is_whole_tree)


def _blame_image(made: Observation, told: str, platform: Platform, is_whole_tree: bool) -> Blame:
    """Blame the image, unless the control did not reach what a call started."""
    starter = _find_starter(made)
    if starter and not is_whole_tree:
        limit = (
            f"only {starter} itself was emulated, not what it started (--multiarch-control has all "
            "of it emulated)"
        )
        return Blame(Cause.UNCONFIRMED, False, (told, limit))
    reach = "" if is_whole_tree else "emulated the first process alone, and "
    limit = f"this control {reach}says nothing of what is special to emulating {platform}"
    return Blame(Cause.IMAGE, False, (told, limit))


def blame_missing(
    made: Observation, control: Repeats, platform: Platform, *, has_no_end: bool
) -> Blame | None:
    """Say whose doing it is that a platform did not make a call, `made` on the baseline.

    `has_no_end`: it began there, and was not over by its deadline. None if the control tells
    nothing.
    """
    who = f"{control.platform}'s own variant"
    if control.unended:
        told = f"{who} does not end by its deadline under the emulator either"
        return Blame(Cause.EMULATOR, True, (told,))
    if not has_no_end or not control.observations:
        return None
    told = f"it did not end by its deadline, and {who} does under the emulator"
    return _blame_image(made, told, platform, control.is_whole_tree)


_STARTERS = ("sh", "bash", "dash", "ash", "busybox", "env", "timeout", "nice", "tini", "xargs")
"""Programs that do little but start others."""


def _find_starter(observation: Observation) -> str:
    """Give the program of a call if it only starts others, else nothing."""
    command = observation.command
    words = ((command.entrypoint or ()) + command.argv) if command else ()
    name = words[0].rpartition("/")[2] if words else ""
    return name if name in _STARTERS else ""


def _explain_lines(
    case: Case, learned: Learned, native: Side, emulated: Side
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Give the lines in which the emulated side differs: those the control explains, and others."""
    unlike = learned.find_unlike(emulated.made, emulated.platform)
    if unlike is None or not unlike.lines:
        return (), ()
    control = learned.find_unlike(case.control, native.platform)
    odd = set(control.lines or ()) if control is not None else set()
    platform = emulated.platform
    explained = tuple(
        line
        for line in unlike.lines
        if line in odd and lines_agree(learned, case.control, emulated.made, platform, line)
    )
    return explained, tuple(each for each in unlike.lines if each not in explained)


def _name_lines(lines: tuple[int, ...]) -> str:
    listed = ", ".join(str(each + 1) for each in lines[:5])
    more = f" and {len(lines) - 5} more" if len(lines) > 5 else ""
    return f"line{'s' if len(lines) > 1 else ''} {listed}{more}"


def describe_fault(fault: FaultFound, *, is_steady: bool = False) -> str:
    """Say what is known of a fault; what mends it stands where faults are explained."""
    chance = "; it comes and goes" if fault.is_random else ""
    chance += ", and this came every time" if chance and is_steady else ""
    return f"signs of a known fault, {fault.name}: {fault.says}{chance}"
