"""Learning what one part of a call does: its exit code, or one of its outputs, each time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_multiarch.core.names import texts_agree
from pytest_multiarch.core.observation import find_differing_parts
from pytest_multiarch.core.proposals import propose, propose_parts
from pytest_multiarch.core.shapes import is_likely
from pytest_multiarch.core.variation import Unlike, Variation, learn_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_multiarch.core.observation import Observation
    from pytest_multiarch.core.platform import Platform

_EMULATOR = re.compile(r"[\w/.+-]*(?:\bqemu-[a-z0-9_]+(?:-static)?|/[a-z0-9_]+-binfmt(?:-P)?)\b")
"""The program of an emulator, which is named for the platform."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What a part of a call does on one platform, learned from all times that it was made.

    `variation` is None for exit codes, and for outputs that are too long to have been kept.
    """

    part: str
    made: tuple[Observation, ...]
    platform: Platform
    is_constant: bool
    variation: Variation | None = None

    @classmethod
    def learn(cls, part: str, made: Iterable[Observation], platform: Platform) -> Learned:
        """Learn from what a call did, at least once."""
        given = tuple(made)
        is_constant = all(_agree(part, given[0], each, platform, platform) for each in given)
        variation = None
        texts = read_texts(given, part)
        if part != "exit" and texts is not None:
            variation = learn_text(texts, platform)
        return cls(
            part=part, made=given, platform=platform, is_constant=is_constant, variation=variation
        )

    def describe(self) -> str:
        """Say in a few words how it varies."""
        how = f" ({self.variation.how})" if self.variation and self.variation.how else ""
        return f"varies by itself{how}"

    def show(self) -> tuple[str, ...]:
        """Show what varies, marked."""
        if self.part == "exit":
            codes = sorted({each.exit_code for each in self.made if each.exit_code is not None})
            return (f"exit codes: {', '.join(map(str, codes))}",)
        return self.variation.show() if self.variation is not None else ()

    def propose(self, others: Iterable[Observation], platform: Platform) -> tuple[str, ...]:
        """Propose what to add to a test so that this and what was done elsewhere is the same."""
        ours, theirs = read_texts(self.made, self.part), read_texts(others, self.part)
        if self.variation is None or ours is None or theirs is None:
            return propose_parts(self.part)
        patterns = self.variation.list_patterns()
        return propose(self.part, ours, theirs, (self.platform, platform), patterns)

    def find_unlike(self, others: Iterable[Observation], platform: Platform) -> Unlike | None:
        """Say how what the call did elsewhere is unlike this; None if it varies in the same way."""
        given = tuple(others)
        if self.is_constant and all(
            _agree(self.part, self.made[0], each, self.platform, platform) for each in given
        ):
            return None
        if self.part == "exit":
            return self._compare_codes(given)
        texts = read_texts(given, self.part)
        if self.variation is None or texts is None:
            return Unlike("" if self.is_constant else "it was too long to be kept, so nobody knows")
        return self.variation.find_unlike(texts, platform)

    def _compare_codes(self, others: Sequence[Observation]) -> Unlike | None:
        ours, theirs = ([str(each.exit_code) for each in made] for made in (self.made, others))
        new = [each for each in theirs if each not in ours]
        if is_likely(theirs, ours) and not any(map(_is_of_signal, new)):
            return None
        if self.is_constant:
            return Unlike("")
        return Unlike(f"it is never {new[0] if new else theirs[0]} on {self.platform}")


def _is_of_signal(code: str) -> bool:
    """Whether an exit code says that a program was killed by a signal."""
    return code.isdigit() and 128 < int(code) < 128 + 32


def _agree(
    part: str, one: Observation, other: Observation, platform: Platform, their_platform: Platform
) -> bool:
    return part not in find_differing_parts(one, other, platform, their_platform, parts=(part,))


def read_texts(made: Iterable[Observation], part: str) -> tuple[str, ...] | None:
    """Give outputs as they are compared; None if one was not kept whole."""
    texts = []
    for each in made:
        stream = each.find_stream(part)
        if stream is None or not stream.is_whole or not stream.excerpt.is_whole:
            return None
        texts.append(stream.excerpt.head)
    return tuple(texts)


def shares_deviation(
    native: Learned, control: Sequence[Observation], emulated: Sequence[Observation], at: Platform
) -> bool:
    """Tell whether a control deviates from native as another platform does emulated, `at` which.

    Each deviation of the platform is one of the control's, or they vary alike. The emulator's own
    program, which an output may name, is no difference.
    """
    home, part = native.platform, native.part
    ours = [each for each in control if native.find_unlike([each], home) is not None]
    theirs = [each for each in emulated if native.find_unlike([each], at) is not None]
    if not ours:
        return False
    if theirs and all(any(_agree(part, one, e, home, at) for one in ours) for e in theirs):
        return True
    one, other = read_texts(control, part), read_texts(emulated, part)
    if part == "exit" or one is None or other is None:
        return False
    return _vary_alike(one, other, (home, at))


def lines_agree(
    native: Learned,
    control: Sequence[Observation],
    emulated: Sequence[Observation],
    at: Platform,
    line: int,
) -> bool:
    """Tell whether a line, counted from 0, is on another platform what a control makes of it.

    What it is natively is no deviation.
    """
    texts = [read_texts(each, native.part) for each in (native.made, control, emulated)]
    if any(each is None for each in texts):
        return False
    known, ours, theirs = ([e.split("\n")[line] for e in each or ()] for each in texts)
    home = native.platform
    if all(any(texts_agree(a, b, home, at) for a in (*known, *ours)) for b in theirs):
        return True
    return _vary_alike(ours, theirs, (home, at))


def _vary_alike(
    ours: Sequence[str], theirs: Sequence[str], platforms: tuple[Platform, Platform]
) -> bool:
    learned = learn_text(map(_mask_emulator, ours), platforms[0])
    return learned.find_unlike([*map(_mask_emulator, theirs)], platforms[1]) is None


def _mask_emulator(text: str) -> str:
    return _EMULATOR.sub("<emulator>", text)
