"""Proposals: what to add to a test so that what varies by itself is quiet in the next run."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from pytest_multiarch.core.names import texts_agree
from pytest_multiarch.core.normalize import BUILT_IN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_multiarch.core.observation import Observation
    from pytest_multiarch.core.platform import Platform

_MOST_TOGETHER = 3


def propose(
    part: str,
    ours: Sequence[Observation],
    theirs: Sequence[Observation],
    platforms: tuple[Platform, Platform],
) -> tuple[str, ...]:
    """Propose the line that makes observations equal: as few named normalizers as do it."""
    streams = [[each.find_stream(part) for each in side] for side in (ours, theirs)]
    one, other = ([s.excerpt.head for s in side if s is not None] for side in streams)
    if not one or not other:
        return ()
    names = find_normalizers(one, other, platforms)
    if names:
        listed = ", ".join(f'"{each}"' for each in names)
        return (f"@pytest.mark.parity(normalize=[{listed}])",)
    return ()


def find_normalizers(
    ours: Sequence[str], theirs: Sequence[str], platforms: tuple[Platform, Platform]
) -> tuple[str, ...]:
    """Find the smallest set of named normalizers that makes texts equal; empty if there is none."""
    texts = [*ours, *theirs]
    useful = [n for n, change in BUILT_IN.items() if any(change(text) != text for text in texts)]
    for number in range(1, _MOST_TOGETHER + 1):
        for names in combinations(useful, number):
            changed = [_apply(text, names) for text in texts]
            first, home = changed[0], platforms[0]
            at_home, away = changed[1 : len(ours)], changed[len(ours) :]
            if all(first == each for each in at_home) and all(
                texts_agree(first, each, home, platforms[1]) for each in away
            ):
                return names
    return ()


def _apply(text: str, names: tuple[str, ...]) -> str:
    for name in names:
        text = BUILT_IN[name](text)
    return text
