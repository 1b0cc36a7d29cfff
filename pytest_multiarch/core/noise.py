"""Whether a machine was quiet enough to measure on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_multiarch.core.statistics import Summary

_MOST_SPREAD = 0.1


def describe_noise(
    summaries: Mapping[str, Summary], *, load: float | None = None, cores: int | None = None
) -> tuple[str, ...]:
    """Say why a measurement should not be trusted: one line for each reason, none if all is well.

    `summaries` are by platform. `load` is the load average of the last minute when measuring
    began, `cores` how many cores the node has; None where the node does not tell.
    """
    reasons = []
    if load is not None and cores is not None and load > max(cores - 1, 0.5):
        reasons.append(
            f"the machine was busy: a load of {load:.1f} on {cores} "
            f"{'core' if cores == 1 else 'cores'} when measuring began; "
            "a measurement needs a core of its own"
        )
    spread, name = max(((each.spread, name) for name, each in summaries.items()), default=(0, ""))
    if spread > _MOST_SPREAD:
        reasons.append(
            f"samples vary: the middle half of those of {name} spans {spread:.0%} of their median; "
            "stop other work on the machine, or give each round more of its own"
        )
    return tuple(reasons)
