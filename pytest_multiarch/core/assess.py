"""From the runs of a measurement to what the work cost on each platform."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_multiarch.core.cost import ControlCost, CostKind, Overhead, PlatformCost
from pytest_multiarch.core.noise import describe_noise
from pytest_multiarch.core.ports import ImageSizes
from pytest_multiarch.core.statistics import Samples, measure_ratio, summarize

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_multiarch.core.budget import Budget
    from pytest_multiarch.core.overhead import Measurement, PlatformSamples, Sample
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.statistics import Ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What is known of a measurement besides its samples; of images and starts by platform.

    `load` is the machine's load when measuring began and `cores` its number of cores, None where
    that is not the machine of the node. `control_note` says how far the
    control run reached, or why there is none; `twin_notes` where platforms with a node of their
    own were emulated beside it, or why they were not.
    """

    label: str
    kind: CostKind
    baseline: Platform
    budgets: Mapping[Platform, Budget] = field(default_factory=dict)
    starts_s: Mapping[Platform, float] = field(default_factory=dict)
    steps_s: Mapping[Platform, Mapping[str, float]] = field(default_factory=dict)
    sizes: Mapping[Platform, ImageSizes] = field(default_factory=dict)
    control_note: str = ""
    twin_notes: Mapping[Platform, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    machines: Mapping[Platform, Mapping[str, str]] = field(default_factory=dict)
    load: float | None = None
    cores: int | None = None


def assess(measurement: Measurement, given: Circumstances) -> Overhead:
    """Divide the times of each platform by the baseline's, and say how far they can be trusted."""
    own = [each for each in measurement.platforms if not each.is_control]
    emulated = {each.platform: each for each in measurement.platforms if each.is_control}
    control = emulated.get(given.baseline)
    base = next((each for each in own if each.platform == given.baseline), None)
    warnings = (*given.notes, *_list_apart(own, given), *_find_noise(own, given))
    costs = []
    for each in own:
        sizes = given.sizes.get(each.platform, ImageSizes())
        split = None
        if base is not None and control is not None and each.execution.is_emulated:
            split = _split_ratio(control, base, _divide(each, control), given.control_note)
        elif base is not None and each is not base and each.platform in emulated:
            twin = emulated[each.platform]
            note = given.twin_notes.get(each.platform, "")
            split = _split_ratio(twin, each, _divide(each, base), note)
        costs.append(
            PlatformCost(
                label=given.label,
                what=measurement.what,
                kind=given.kind,
                platform=each.platform,
                execution=each.execution,
                baseline=given.baseline,
                planned=measurement.rounds,
                runs=measurement.runs,
                samples_s=each.walls_s,
                user_s=_find_median(each, "user_s"),
                system_s=_find_median(each, "system_s"),
                ratio=None if base is None or each is base else _divide(each, base),
                control=split,
                control_note=""
                if split
                else given.twin_notes.get(each.platform, "") or given.control_note,
                start_s=given.starts_s.get(each.platform),
                size=sizes.content,
                unpacked=sizes.unpacked,
                steps_s=given.steps_s.get(each.platform, {}),
                budget=None if each is base and len(own) > 1 else given.budgets.get(each.platform),
                warnings=warnings,
                machine=given.machines.get(each.platform, {}),
                failure=measurement.explain_failure(),
            )
        )
    return Overhead(tuple(costs))


def _list_apart(own: Iterable[PlatformSamples], given: Circumstances) -> Iterator[str]:
    """Say which ratios are of two nodes, whose machines may differ."""
    nodes = {each: machine.get("node", "") for each, machine in given.machines.items()}
    base = nodes.get(given.baseline, "")
    for each in own:
        node = nodes.get(each.platform, "")
        if base and node and node != base:
            yield (
                f"{each.platform} was measured on {node}, {given.baseline} on {base}: the machines "
                "are part of the ratio"
            )


def _divide(one: PlatformSamples, base: PlatformSamples) -> Ratio | None:
    if not one.rounds or not base.rounds:
        return None
    return measure_ratio(_name_samples(one), _name_samples(base))


def _name_samples(one: PlatformSamples) -> Samples:
    return Samples(name=str(one.platform), times_s=one.walls_s)


def _split_ratio(
    emulated: PlatformSamples,
    native: PlatformSamples,
    other: Ratio | None,
    note: str,
) -> ControlCost | None:
    """Tell what emulating the same programs costs; `other` is the architecture's part."""
    emulator = _divide(emulated, native)
    if emulator is None or other is None:
        return None
    return ControlCost(
        emulator=emulator,
        architecture=other,
        execution=emulated.execution,
        samples_s=emulated.walls_s,
        note=note,
    )


def _find_median(one: PlatformSamples, name: str) -> float | None:
    runs: Iterable[Sample] = (sample for each in one.rounds for sample in each)
    times = [time for time in (getattr(each, name) for each in runs) if time is not None]
    return statistics.median(times) if times else None


def _find_noise(own: list[PlatformSamples], given: Circumstances) -> tuple[str, ...]:
    summaries = {str(each.platform): summarize(_name_samples(each)) for each in own if each.rounds}
    return describe_noise(summaries, load=given.load, cores=given.cores)
