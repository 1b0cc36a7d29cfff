"""How many rounds a measurement has, and who goes first in each."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, TypeVar

from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.signed_rank import FEWEST_VALUES
from pytest_multiarch.core.statistics import check_time

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")

FEWEST_ROUNDS = FEWEST_VALUES
"""With fewer rounds a ratio has no interval."""
USUAL_ROUNDS = 7
MOST_ROUNDS = 1000
"""An interval looks at each pair of rounds: with 1,000 it takes half a second and 20 MB."""


def plan_rounds(round_s: float, *, rounds: int | None = None, budget_s: float = 10.0) -> int:
    """Decide how many rounds to measure, before the first.

    `round_s` is what a round of all platforms took in the warm-up. As many rounds as fit into
    `budget_s` seconds, but 5 at least and 7 at most; `rounds` is what the user asked for, and
    overrules that. Since the number does not depend on what is measured, no interval has to be
    corrected for stopping when it looks well.

    Raises:
        UsageError: `rounds` is no whole number from 1 to 1,000, or `budget_s` is not above 0.
        MeasurementError: `round_s` is no time.
    """
    if rounds is not None:
        if not _is_count(rounds):
            raise UsageError(
                f"rounds={rounds!r} is not a whole number of at least 1",
                cure=f"leave it out, or give {FEWEST_ROUNDS} or more: with fewer a ratio has no "
                "interval, and no budget can be judged",
            )
        if rounds > MOST_ROUNDS:
            raise UsageError(
                f"rounds={rounds} is more than {MOST_ROUNDS:,}",
                cure="give fewer rounds of more work",
            )
        return rounds
    if not budget_s > 0:
        raise UsageError(
            f"budget_s={budget_s!r} is not above 0", cure="give the seconds to measure for"
        )
    check_time(round_s, "a round of the warm-up")
    return int(max(FEWEST_ROUNDS, min(USUAL_ROUNDS, budget_s // round_s)))


def order_round(subjects: Sequence[T], number: int, *, seed: str) -> tuple[T, ...]:
    """Decide in which order platforms take turns in round `number`.

    Each order is drawn on its own, from `seed`, the number and nothing else: of any two platforms
    each is as likely as the other to go first. So whatever the machine does meanwhile makes either
    look worse with equal chance, which is all that the interval of their ratio assumes.

    Where the same platform always goes first, all that gets slower during a measurement makes the
    other look worse. Where they go forwards and backwards in turn, the same drift makes the
    interval too wide: neighbouring rounds lean to opposite sides.
    """
    places = sorted(range(len(subjects)), key=lambda place: _draw(f"{seed} {number} {place}"))
    return tuple(subjects[place] for place in places)


def _draw(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
