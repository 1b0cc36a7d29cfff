"""Repeats: a test's call made again, to learn what varies and whose doing a difference is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.observation import Observation
from pytest_multiarch.core.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_multiarch.core.observation import ObservationKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeats:
    """What one call of a member did when it was made again.

    The call is `number` (from 1) of those with its `kind` and `label`, as in `Difference`.
    `platform` is the variant's. With `is_control` the variant of a native platform ran under the
    emulator, and `is_whole_tree` says whether that reached what the program started too.
    `observations` are normalised by the test's own rules, one for each time. `problem` says why
    there are none, or fewer than asked for, and is empty if there is none. `unended` counts the
    times that the call did not end by its deadline, of which there is no observation.
    `static_causes` say in what the variant differs from that of another platform, by that one, in
    what the call comes to: its files, programs, libraries and settings.
    """

    label: str
    kind: ObservationKind
    number: int
    platform: Platform
    is_control: bool = False
    is_whole_tree: bool = True
    observations: tuple[Observation, ...] = ()
    problem: str = ""
    unended: int = 0
    static_causes: Mapping[Platform, tuple[str, ...]] = field(default_factory=dict)

    def to_mapping(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {
            "label": self.label,
            "kind": self.kind,
            "number": self.number,
            "platform": str(self.platform),
            "is_control": self.is_control,
            "is_whole_tree": self.is_whole_tree,
            "observations": [each.to_mapping() for each in self.observations],
            "problem": self.problem,
            **({"unended": self.unended} if self.unended else {}),
            **(
                {"static_causes": {str(each): list(said) for each, said in causes.items()}}
                if (causes := self.static_causes)
                else {}
            ),
        }

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any]) -> Repeats:
        """Read what `to_mapping` gave."""
        fields = dict(document)
        fields["platform"] = Platform.parse(fields["platform"])
        fields["observations"] = tuple(map(Observation.from_mapping, fields["observations"]))
        causes = fields.get("static_causes", {})
        fields["static_causes"] = {Platform.parse(e): tuple(said) for e, said in causes.items()}
        return cls(**fields)
