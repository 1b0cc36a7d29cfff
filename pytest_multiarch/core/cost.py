"""What a piece of work cost on one platform of a test: the `overhead` entries of a record."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from pytest_multiarch.core.budget import Budget
from pytest_multiarch.core.by_platform import ByPlatform
from pytest_multiarch.core.execution import Execution
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.statistics import Interval, Ratio, Samples, summarize

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_multiarch.core.statistics import Summary

CostKind = Literal["command", "callable", "start"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlCost:
    """What of an emulated platform's ratio is the emulator's doing, and what is not.

    The control is the baseline's own variant under an emulator of the same architecture.
    `emulator` is its time to the native baseline's, `architecture` the emulated platform's to its.
    Of a platform that ran natively on a node of its own, it is the same variant, emulated on the
    default node: `emulator` is its time to the native one's, `architecture` that one's to the
    baseline's; two machines are part of both.
    `samples_s` are the control's, round by round. `note` says how far the emulator reached.
    """

    emulator: Ratio
    architecture: Ratio
    execution: Execution
    samples_s: tuple[float, ...]
    note: str = ""

    def to_mapping(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {
            "emulator": _write_ratio(self.emulator),
            "architecture": _write_ratio(self.architecture),
            "execution": self.execution.to_mapping(),
            "samples_s": list(self.samples_s),
            "note": self.note,
        }

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any]) -> ControlCost:
        """Read what `to_mapping` gave."""
        samples_s = tuple(document["samples_s"])
        return cls(
            emulator=_read_ratio(document["emulator"], len(samples_s)),
            architecture=_read_ratio(document["architecture"], len(samples_s)),
            execution=Execution.from_mapping(document["execution"]),
            samples_s=samples_s,
            note=document.get("note", ""),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformCost:
    """One piece of work on one platform, measured in turns with the others of its test.

    `label` names it within the test, `what` is the command or the callable. `samples_s` has the
    wall time of each round, in seconds: the median of its `runs`. `planned` is how many rounds
    there were to be, `failure` why there are fewer. `user_s` and `system_s` are the medians of the
    CPU times, None for a callable. `ratio` is to the `baseline`, None on the baseline itself and
    where there is nothing to divide. `control_note` says why there is no `control`.

    `start_s` is the time from creating the container to being ready; `size` and `unpacked` are the
    image's, in bytes, in the registry and on the node's disk; 0 where nobody told.
    `steps_s` are the parts of a cold start. `warnings` say why the samples should not be trusted,
    `machine` on what they were taken.
    """

    label: str
    what: str
    kind: CostKind = "command"
    platform: Platform
    execution: Execution
    baseline: Platform
    planned: int
    runs: int = 1
    samples_s: tuple[float, ...] = ()
    user_s: float | None = None
    system_s: float | None = None
    ratio: Ratio | None = None
    control: ControlCost | None = None
    control_note: str = ""
    start_s: float | None = None
    size: int = 0
    unpacked: int = 0
    steps_s: Mapping[str, float] = field(default_factory=dict)
    budget: Budget | None = None
    warnings: tuple[str, ...] = ()
    machine: Mapping[str, str] = field(default_factory=dict)
    failure: str = ""

    @property
    def rounds(self) -> int:
        return len(self.samples_s)

    @property
    def is_baseline(self) -> bool:
        return self.platform == self.baseline

    @property
    def summary(self) -> Summary | None:
        """Median, spread and fastest of the samples; None where there are none."""
        if not self.samples_s:
            return None
        return summarize(Samples(name=str(self.platform), times_s=self.samples_s))

    @property
    def median_s(self) -> float:
        """The median of the rounds; 0 where there are none."""
        return self.summary.median_s if self.summary else 0.0

    @property
    def spread(self) -> float:
        """The interquartile range as a part of the median."""
        return self.summary.spread if self.summary else 0.0

    def hide(self, change: Callable[[str], str]) -> PlatformCost:
        """Give it with all text that a user or a program wrote changed."""
        return replace(
            self,
            label=change(self.label),
            what=change(self.what),
            control_note=change(self.control_note),
            warnings=tuple(map(change, self.warnings)),
            failure=change(self.failure),
        )

    def to_mapping(self) -> dict[str, Any]:
        """Give the JSON form; what is empty is left out."""
        document: dict[str, Any] = {
            "label": self.label,
            "what": self.what,
            "kind": self.kind,
            "platform": str(self.platform),
            "execution": self.execution.to_mapping(),
            "baseline": str(self.baseline),
            "planned": self.planned,
            "runs": self.runs,
            "samples_s": list(self.samples_s),
            "user_s": self.user_s,
            "system_s": self.system_s,
            **_write_ratio(self.ratio),
            "control": self.control.to_mapping() if self.control else None,
            "control_note": self.control_note,
            "start_s": self.start_s,
            "size": self.size,
            "unpacked": self.unpacked,
            "steps_s": dict(self.steps_s),
            "budget": self.budget.to_mapping() if self.budget else None,
            "warnings": list(self.warnings),
            "machine": dict(self.machine),
            "failure": self.failure,
        }
        return {name: value for name, value in document.items() if value not in (None, "", [], {})}

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any]) -> PlatformCost:
        """Read what `to_mapping` gave."""
        fields = {name: value for name, value in document.items() if name != "ci95"}
        fields["platform"] = Platform.parse(fields["platform"])
        fields["baseline"] = Platform.parse(fields["baseline"])
        fields["execution"] = Execution.from_mapping(fields["execution"])
        fields["samples_s"] = tuple(fields.get("samples_s", ()))
        if "ratio" in fields:
            fields["ratio"] = _read_ratio(document, len(fields["samples_s"]))
        if "control" in fields:
            fields["control"] = ControlCost.from_mapping(fields["control"])
        if "budget" in fields:
            fields["budget"] = Budget.from_mapping(fields["budget"])
        fields["warnings"] = tuple(fields.get("warnings", ()))
        return cls(**fields)


class Overhead:
    """What one measurement came to on all platforms; printed, it is a table.

    `platforms` takes a platform, also as it is written: `overhead.platforms["linux/arm64"].ratio`.
    """

    def __init__(self, costs: tuple[PlatformCost, ...]) -> None:
        self.costs = costs
        self.platforms = ByPlatform({each.platform: each for each in costs})

    @property
    def label(self) -> str:
        return self.costs[0].label

    @property
    def what(self) -> str:
        """The command, or the callable's name."""
        return self.costs[0].what

    @property
    def baseline(self) -> Platform:
        return self.costs[0].baseline

    def __repr__(self) -> str:
        return f"<Overhead\n{self}>"

    def __str__(self) -> str:
        from pytest_multiarch.core.cost_table import tabulate_costs

        return "\n".join(tabulate_costs(self.costs))


def _write_ratio(ratio: Ratio | None) -> dict[str, Any]:
    if ratio is None:
        return {}
    interval = ratio.interval
    return {"ratio": ratio.value, "ci95": [interval.low, interval.high] if interval else None}


def _read_ratio(document: Mapping[str, Any], rounds: int) -> Ratio:
    ends = document.get("ci95")
    interval = Interval(low=ends[0], high=ends[1]) if ends else None
    return Ratio(value=document["ratio"], interval=interval, rounds=rounds)
