"""Whether an index is what its readers need: no platform missing, none twice, none mislabelled."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class IndexProblem(Enum):
    """What is wrong with an index; the values are in records and JSON."""

    MISSING = "missing-platform"
    DUPLICATE = "duplicate-platform"
    SAME_DIGEST = "same-digest"
    CONFIG_DISAGREES = "config-disagrees"
    NO_PLATFORM = "no-platform"
    MIXED_MEDIA_TYPES = "mixed-media-types"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexFinding:
    """One thing that is wrong with an index: what, and what mends it."""

    problem: IndexProblem
    subject: str
    what: str
    cure: str
