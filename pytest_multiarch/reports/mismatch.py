"""What stands in the way of comparing runs, as a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_multiarch.reports.diff import clean, cut

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_multiarch.core.merging import Mismatch, MismatchKind

_MOST_SHOWN = 5
_MOST_RUNS = 4
_WHATS = {
    "commit": "the commit is not the same",
    "tests": "the text of {what} is not the same",
    "image": "{what} is not the same image",
}


def explain_mismatches(mismatches: Iterable[Mismatch]) -> str:
    """Say what runs disagree about, and which of them have what; one mismatch at least."""
    given = tuple(mismatches)
    lines = ["the records do not belong together:"]
    for each in given[:_MOST_SHOWN]:
        what = _WHATS[each.kind.value].format(what=cut(clean(each.what), 200))
        lines.append(f"  {what}:")
        lines += [f"    {_shorten(value)} in {_list(runs)}" for value, runs in each.runs.items()]
    left = len(given) - _MOST_SHOWN
    return "\n".join([*lines, *([f"  ... and {left} more"] if left > 0 else [])])


def name_overrides(mismatches: Iterable[Mismatch], option: str) -> str:
    """Give the options that have the runs compared all the same."""
    kinds: dict[MismatchKind, None] = dict.fromkeys(each.kind for each in mismatches)
    options = " ".join(f"{option} {kind.value}" for kind in kinds)
    return (
        f"give records of the same commit, tests and images; {options} compares them all the same"
    )


def _shorten(value: str) -> str:
    """Give of a digest or a commit what tells it from others."""
    algorithm, colon, digest = value.rpartition(":")
    return clean(f"{algorithm}{colon}{digest[:16]}")[:100]


def _list(runs: tuple[str, ...]) -> str:
    names = [cut(clean(each), 120) for each in runs[:_MOST_RUNS]]
    left = len(runs) - _MOST_RUNS
    return ", ".join([*names, *([f"{left} more"] if left > 0 else [])])
