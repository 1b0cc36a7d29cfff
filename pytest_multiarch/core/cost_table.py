"""What a measurement came to as lines of text, which fit 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_multiarch.core.cost import PlatformCost
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.statistics import Ratio

_PLACE = ("host", "cpu")
_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
_SIZES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def tabulate_costs(
    costs: Sequence[PlatformCost],
    native: Mapping[Platform, PlatformCost] | None = None,
    *,
    is_whole: bool = False,
) -> Iterator[str]:
    """Give a line for each platform, and what there is to say of it below.

    `native` are measurements of the same work on the platforms' own hardware, in other runs; they
    tell more of the emulator than a control. `is_whole`: with what is known of starts and images.
    """
    rows = [_list_cells(each) for each in costs]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cost, row in zip(costs, rows, strict=True):
        cells = (f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
        twin = (native or {}).get(cost.platform)
        yield from (f"  {line}" for line in _list_details(cost, twin))
        if is_whole and describe_image(cost):
            yield f"  {describe_image(cost)}"


def describe_control(cost: PlatformCost) -> str:
    """Say what of a ratio is the emulator's and what the architecture's; empty if unknown."""
    control = cost.control
    if control is None:
        return ""
    if not cost.execution.is_emulated:
        return (
            f"emulated on another node ({control.execution}) "
            f"{name_ratio(control.emulator.value)}{_show_interval(control.emulator)} of that"
        )
    return (
        f"emulator {name_ratio(control.emulator.value)}{_show_interval(control.emulator)}, "
        f"architecture {name_ratio(control.architecture.value)}"
        f"{_show_interval(control.architecture)}"
    )


def describe_image(cost: PlatformCost) -> str:
    """Say how long a container took to start, and how large the image is; empty if unknown."""
    parts = [f"start {name_time(cost.start_s)}" if cost.start_s else ""]
    parts += [f"image {name_size(cost.size)}" if cost.size else ""]
    parts += [f"unpacked {name_size(cost.unpacked)}" if cost.unpacked else ""]
    return ", ".join(filter(None, parts))


def describe_ratio(cost: PlatformCost) -> str:
    """Write a ratio for a machine to read first: `12.42 (12.1 to 12.8) sha256sum /data`."""
    assert cost.ratio is not None
    interval = name_interval(cost.ratio)
    shown = f" ({interval})" if interval else ""
    return f"{cost.ratio.value:.2f}{shown} {cost.label}"


def name_ratio(value: float) -> str:
    """Write a ratio with three digits: `x 12.4`."""
    return f"x {value:,.0f}" if value >= 100 else f"x {value:#.3g}".rstrip(".")


def name_interval(ratio: Ratio) -> str:
    """Write the interval of a ratio: `12.1 to 12.8`; empty if it has none."""
    if ratio.interval is None:
        return ""
    return f"{_round(ratio.interval.low)} to {_round(ratio.interval.high)}"


def name_time(seconds: float) -> str:
    """Write a time with three digits: `1.27 s`, `102 ms`."""
    scale, unit = next((each for each in _UNITS if seconds >= each[0]), _UNITS[-1])
    value = seconds / scale
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:#.3g} {unit}"


def name_size(size: int) -> str:
    """Write a size with three digits: `4.21 MB`."""
    scale, unit = next((each for each in _SIZES if size >= each[0]), (1, "bytes"))
    return f"{size / scale:#.3g} {unit}" if scale > 1 else f"{size} {unit}"


def _list_cells(cost: PlatformCost) -> tuple[str, ...]:
    if not cost.samples_s:
        return str(cost.platform), str(cost.execution), "no samples", "", ""
    ratio = name_ratio(cost.ratio.value) if cost.ratio else ""
    interval = name_interval(cost.ratio) if cost.ratio else ""
    time = f"{name_time(cost.median_s)} ±{cost.spread / 2:.0%}"
    return str(cost.platform), str(cost.execution), time, ratio, interval


def _list_details(cost: PlatformCost, native: PlatformCost | None) -> Iterator[str]:
    control = describe_control(cost)
    if native is not None:
        yield _compare_native(cost, native)
    elif control:
        yield control
    if cost.steps_s:
        yield ", ".join(f"{name} {name_time(time)}" for name, time in cost.steps_s.items())


def _compare_native(cost: PlatformCost, native: PlatformCost) -> str:
    """Divide times of two runs, and say so: without turns there is no interval."""
    places = [tuple(each.machine.get(name, "") for name in _PLACE) for each in (cost, native)]
    ratio = name_ratio(cost.median_s / native.median_s)
    where = native.machine.get("host") or "another machine"
    text = f"natively {name_time(native.median_s)} on {where}: emulated {ratio}"
    if places[0] == places[1] and places[0][0]:
        return f"{text}, in another run"
    return f"{text}; not the same machine, which is part of it"


def _show_interval(ratio: Ratio) -> str:
    return f" ({name_interval(ratio)})" if ratio.interval else ""


def _round(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}".rstrip(".")
