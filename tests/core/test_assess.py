"""From runs to what the work cost on each platform."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_multiarch.core.assess import Circumstances, assess
from pytest_multiarch.core.budget import Budget
from pytest_multiarch.core.cost import Overhead, PlatformCost
from pytest_multiarch.core.cost_table import name_ratio, name_size, name_time, tabulate_costs
from pytest_multiarch.core.errors import MeasurementError
from pytest_multiarch.core.execution import Execution, ExecutionKind
from pytest_multiarch.core.overhead import Measurement, PlatformSamples, Sample
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.ports import ImageSizes

AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")
NATIVE, QEMU = Execution(kind=ExecutionKind.NATIVE), Execution(kind=ExecutionKind.QEMU)
GIVEN = Circumstances(label="work", kind="command", baseline=AMD64)


def take(
    platform: Platform, wall_s: float, *, rounds: int = 5, is_control: bool = False
) -> PlatformSamples:
    is_native = platform is AMD64 and not is_control
    return PlatformSamples(
        platform=platform,
        execution=NATIVE if is_native else QEMU,
        is_control=is_control,
        rounds=((Sample(wall_s=wall_s, user_s=wall_s / 2, system_s=0.5),),) * rounds,
    )


def measure(*platforms: PlatformSamples, failure: MeasurementError | None = None) -> Measurement:
    return Measurement(
        what="work", rounds=5, runs=1, platforms=platforms, measuring_s=1.0, failure=failure
    )


def test_each_platform_is_divided_by_the_baseline() -> None:
    found = assess(measure(take(AMD64, 2.0), take(ARM64, 24.0)), GIVEN)
    base, other = found.costs
    assert (base.ratio, base.is_baseline) == (None, True)
    assert other.ratio is not None
    assert other.ratio.value == pytest.approx(12)
    assert (other.median_s, other.user_s, other.system_s) == (24.0, 12.0, 0.5)


def test_the_control_splits_the_ratio_of_what_is_emulated() -> None:
    control = take(AMD64, 16.0, is_control=True)
    found = assess(measure(take(AMD64, 2.0), take(ARM64, 24.0), control), GIVEN)
    assert [str(each.platform) for each in found.costs] == ["linux/amd64", "linux/arm64"]
    split = found.platforms["linux/arm64"].control
    assert split is not None
    assert split.emulator.value == pytest.approx(8)
    assert split.architecture.value == pytest.approx(1.5)
    assert found.platforms[AMD64].control is None


def test_without_the_baseline_there_is_no_ratio() -> None:
    given = Circumstances(
        label="work", kind="command", baseline=ARM64, budgets={ARM64: Budget(max=2)}
    )
    (cost,) = assess(measure(take(ARM64, 1.0)), given).costs
    assert (cost.ratio, cost.budget) == (None, Budget(max=2))


def test_a_failure_before_the_first_round_leaves_no_ratio() -> None:
    failure = MeasurementError("it broke", cure="mend it")
    found = assess(
        measure(take(AMD64, 1.0, rounds=0), take(ARM64, 1.0, rounds=0), failure=failure), GIVEN
    )
    assert {each.failure for each in found.costs} == {"it broke"}
    assert [each.ratio for each in found.costs] == [None, None]
    assert "no samples" in str(found)


def test_a_busy_machine_is_said() -> None:
    given = Circumstances(label="work", kind="command", baseline=AMD64, load=4.0, cores=2)
    (cost,) = assess(measure(take(AMD64, 1.0)), given).costs
    assert "a load of 4.0 on 2 cores" in cost.warnings[0]


def test_a_cost_reads_as_it_was_written() -> None:
    control = take(AMD64, 16.0, is_control=True)
    found = assess(measure(take(AMD64, 2.0), take(ARM64, 24.0), control), GIVEN)
    for each in found.costs:
        assert PlatformCost.from_mapping(each.to_mapping()) == each


def test_the_table() -> None:
    control = take(AMD64, 16.0, is_control=True)
    found = assess(measure(take(AMD64, 2.0), take(ARM64, 24.0), control), GIVEN)
    assert str(found).splitlines() == [
        "linux/amd64  native  2.00 s ±0%",
        "linux/arm64  qemu    24.0 s ±0%  x 12.0  12.0 to 12.0",
        "  emulator x 8.00 (8.00 to 8.00), architecture x 1.50 (1.50 to 1.50)",
    ]
    assert repr(found) == f"<Overhead\n{found}>"


def test_the_whole_table_has_starts_and_sizes() -> None:
    given = Circumstances(
        label="work", kind="command", baseline=AMD64, starts_s={AMD64: 0.2},
        sizes={AMD64: ImageSizes(content=4_210_000, unpacked=9_000_000)},
    )  # fmt: skip
    costs = assess(measure(take(AMD64, 2.0)), given).costs
    assert [*tabulate_costs(costs, is_whole=True)][1] == (
        "  start 200 ms, image 4.21 MB, unpacked 9.00 MB"
    )


def test_a_native_run_elsewhere_takes_the_place_of_the_control() -> None:
    control = take(AMD64, 16.0, is_control=True)
    found = assess(measure(take(AMD64, 2.0), take(ARM64, 24.0), control), GIVEN)
    native = replace(found.costs[1], samples_s=(3.0,) * 5, machine={"host": "arm", "cpu": "N1"})
    assert [*tabulate_costs(found.costs, {ARM64: native})][2] == (
        "  natively 3.00 s on arm: emulated x 8.00; not the same machine, which is part of it"
    )


def test_a_platform_is_found_as_it_is_written() -> None:
    found = Overhead(assess(measure(take(ARM64, 1.0)), GIVEN).costs)
    assert found.platforms["aarch64"] is found.platforms[ARM64]
    with pytest.raises(KeyError):
        found.platforms["linux/amd64"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(12.34, "12.3 s"), (0.1024, "102 ms"), (0.0012, "1.20 ms"), (4.2e-5, "42.0 µs"),
     (1e-8, "0.0100 µs"), (1234.0, "1,234 s")],
)  # fmt: skip
def test_times(seconds: float, text: str) -> None:
    assert name_time(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.962, "x 0.962"), (1.0, "x 1.00"), (12.44, "x 12.4"), (1234.5, "x 1,234")]
)
def test_ratios(value: float, text: str) -> None:
    assert name_ratio(value) == text


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 bytes"), (999, "999 bytes"), (4_210_000, "4.21 MB")]
)
def test_sizes(size: int, text: str) -> None:
    assert name_size(size) == text


def test_a_platform_with_a_node_of_its_own_is_compared_with_its_emulation() -> None:
    native = take(ARM64, 3.0)
    native = replace(native, execution=Execution(kind=ExecutionKind.NATIVE))
    twin = replace(take(ARM64, 24.0, is_control=True), execution=Execution(kind=ExecutionKind.QEMU))
    given = replace(
        GIVEN,
        machines={AMD64: {"node": "unix:///here"}, ARM64: {"node": "tcp://pi:2376"}},
        twin_notes={ARM64: "two machines"},
    )
    found = assess(measure(take(AMD64, 2.0), native, twin), given)
    cost = found.platforms[ARM64]
    assert cost.control is not None
    assert (round(cost.control.emulator.value, 6), cost.control.note) == (8, "two machines")
    assert cost.warnings[0] == (
        "linux/arm64 was measured on tcp://pi:2376, linux/amd64 on unix:///here: the machines are "
        "part of the ratio"
    )
    assert cost.machine == {"node": "tcp://pi:2376"}
    assert str(found).splitlines()[2] == (
        "  emulated on another node (qemu) x 8.00 (8.00 to 8.00) of that"
    )
    assert PlatformCost.from_mapping(cost.to_mapping()) == cost
