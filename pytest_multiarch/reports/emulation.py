"""What emulation cost, as tests say that ran natively in one job and emulated in another."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from pytest_multiarch.core.merging import name_runs
from pytest_multiarch.reports.diff import clean, cut
from pytest_multiarch.reports.wording import count, describe_member_outcome, name_difference

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_multiarch.core.member import Member
    from pytest_multiarch.core.merging import Judgement, Twins
    from pytest_multiarch.core.record import Record

_MOST_RUNS = 4


def describe_costs(judgement: Judgement) -> Iterator[str]:
    """Say for each platform and emulator how long its tests took inside their containers.

    The two sums are from the same tests. Where they are from two machines, it says so: then the
    ratio is that of the machines too.
    """
    pairs: dict[tuple[str, str], list[Twins]] = defaultdict(list)
    for twins in judgement.twins:
        if twins.ratio is not None:
            pairs[str(twins.native.platform), str(twins.emulated.execution)].append(twins)
    for (platform, emulator), several in sorted(pairs.items()):
        native_s = sum(each.native.inside_s for each in several)
        emulated_s = sum(each.emulated.inside_s for each in several)
        places = [
            _list_places(judgement.record, members)
            for members in ([t.emulated for t in several], [t.native for t in several])
        ]
        is_one = places[0] == places[1] and len(places[0]) == 1
        note = "the same machine" if is_one else "not the same machine, which is part of it"
        yield (
            f"{platform}, {count(len(several), 'test')}: {_format(emulated_s)} emulated "
            f"({clean(emulator)}) on {_join(places[0])}, {_format(native_s)} native on "
            f"{_join(places[1])}: {emulated_s / native_s:.1f} times; {note}"
        )


def _format(seconds: float) -> str:
    return f"{seconds:,.2f} s" if seconds >= 0.1 else f"{seconds * 1000:,.2f} ms"


def _list_places(record: Record, members: Iterable[Member]) -> list[str]:
    """Name the machines, and the nodes where these are others, on which members ran."""
    runs = {each.id: each for each in record.runs}
    places: dict[str, None] = {}
    for run_id, node in dict.fromkeys((each.run, each.node) for each in members):
        machine = runs[run_id].machine if run_id in runs else {}
        host, cpu = machine.get("host", ""), machine.get("cpu") or machine.get("architecture", "")
        place = f"{host} ({cpu})" if host and cpu else host or cpu or f"run {run_id[:8]}"
        is_here = not node or node.startswith(("unix:", "npipe:"))
        places[cut(clean(place if is_here else f"{node}, asked from {place}"), 200)] = None
    return list(places)


def _join(places: list[str]) -> str:
    left = len(places) - _MOST_RUNS
    return " and ".join([*places[:_MOST_RUNS], *([f"{left} more"] if left > 0 else [])])


def describe_unlike_twins(judgement: Judgement) -> Iterator[str]:
    """List the tests that did one thing natively and another emulated."""
    names = name_runs(judgement.record.runs)
    for twins in judgement.twins:
        if twins.is_alike:
            continue
        native, emulated = twins.native, twins.emulated
        runs = " and ".join(clean(names.get(m.run, m.run)) for m in (native, emulated))
        if twins.findings:
            what = "; ".join(name_difference(each) for each in twins.findings[:3])
            more = len(twins.findings) - 3
            what += f"; and {more} more" if more > 0 else ""
        else:
            what = f"native {describe_member_outcome(native)}; "
            what += f"emulated {describe_member_outcome(emulated)}"
        why = twins.diagnosis
        told = f"; diagnosis: {why}: {'; '.join(why.evidence)}" if why else ""
        yield f"{clean(native.node_id)}: {what} (runs: {runs}){told}"
