"""Diagnosis: why members of a group did not do the same, and by what evidence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_multiarch.core.parity import Verdict
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.repeats import Repeats


class Cause(Enum):
    """Whose doing a difference is; the values are what users read.

    `UNSTABLE`: the program does the same everywhere, and varies by itself. `UNCONFIRMED`: there is
    no evidence, and the diagnosis says why.
    """

    IMAGE = "image"
    EMULATOR = "emulator"
    UNSTABLE = "unstable"
    UNCONFIRMED = "unconfirmed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Why one platform differs from the baseline in one call, or failed where others passed.

    `label`, `kind`, `number` and `part` name the observation as in `Difference`; `label` is empty for a
    member that failed by itself, with no call that tells why. `evidence` are sentences. `proposals`
    are lines that a user can add to the test so that the next run is quiet.
    """

    platform: Platform
    cause: Cause
    is_proven: bool = False
    evidence: tuple[str, ...] = ()
    proposals: tuple[str, ...] = ()
    label: str = ""
    kind: str = ""
    number: int = 1
    part: str = ""


def diagnose(verdict: Verdict, repeats: Iterable[Repeats]) -> Verdict:
    """Settle a verdict by what its calls did when they were made again.

    What proves to be unstable is no difference any more, but `verdict.unstable`; a group of which all
    that is left is proven to be the emulator's doing is not compared. The same evidence gives the
    same verdict, whoever gathered it: the session that ran the tests, or a merge of records.
    """
    raise NotImplementedError
