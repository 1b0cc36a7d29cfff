"""What was learned of images without running them, as records hold it, and what that comes to.

In a record it is tables of tables, so that what several processes and runs learned of one image
is laid over each other, in whichever order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.audit import AuditReport, AuditScope, FileFinding, FindingKind
from pytest_multiarch.core.index_checks import IndexFinding, IndexProblem
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.static_parity import (
    StaticAllowance,
    StaticDifference,
    StaticPart,
    compare_configs,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_multiarch.core.member import Member


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """What one process learned of one image.

    `configs` are those of `static_parity.describe_config`, empty where configs are not to be
    compared. `differences` are of files and packages, allowed ones among them. `notes` say what
    could not be looked at, and why.
    """

    configs: Mapping[Platform, Mapping[str, Any]] = field(default_factory=dict)
    index: tuple[IndexFinding, ...] = ()
    differences: tuple[StaticDifference, ...] = ()
    audits: tuple[AuditReport, ...] = ()
    allow: tuple[StaticAllowance, ...] = ()
    notes: tuple[str, ...] = ()

    def to_mapping(self) -> dict[str, Any]:
        """Give the JSON form, in which everything is a table; empty ones are left out."""
        tables: dict[str, Any] = {
            "configs": {str(platform): each for platform, each in self.configs.items()},
            "index": {
                f"{each.problem.value} {each.subject}": write_index(each) for each in self.index
            },
            "differences": {_name(each): write_difference(each) for each in self.differences},
            "audits": {str(each.platform): write_audit(each) for each in self.audits},
            "allow": {_name_allowance(each): _write_allowance(each) for each in self.allow},
            "notes": dict.fromkeys(self.notes, ""),
        }
        return {name: table for name, table in tables.items() if table}


def _name(difference: StaticDifference) -> str:
    return f"{difference.part.value} {difference.subject} {difference.aspect}"


def _name_allowance(allowance: StaticAllowance) -> str:
    part = allowance.part.value if allowance.part else "*"
    return f"{part} {allowance.subject} {','.join(map(str, allowance.platforms))}"


def lay_over(known: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Lay what was learned later over what is known; tables grow."""
    for name, value in more.items():
        there = known.get(name)
        if isinstance(there, dict) and isinstance(value, dict):
            lay_over(there, value)
        else:
            known[name] = value


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageVerdict:
    """What looking at one image came to.

    `place` is the test that it is reported beside. `platforms` are those whose configs were
    compared; `differences` of all kinds, allowed ones among them.
    """

    reference: str
    place: str = ""
    platforms: tuple[Platform, ...] = ()
    index: tuple[IndexFinding, ...] = ()
    differences: tuple[StaticDifference, ...] = ()
    audits: tuple[AuditReport, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The id under which it is reported: `tests/test_app.py::image[app:1]`."""
        path = self.place.partition("::")[0]
        return f"{path}::image[{self.reference}]" if path else f"image[{self.reference}]"

    @property
    def open_differences(self) -> tuple[StaticDifference, ...]:
        """The differences that nothing allows."""
        return tuple(each for each in self.differences if not each.allowed)

    @property
    def is_failure(self) -> bool:
        return bool(self.index or self.open_differences)


def judge_images(
    tables: Iterable[Mapping[str, Mapping[str, Any]]], members: Iterable[Member]
) -> tuple[ImageVerdict, ...]:
    """Give what is known of each image, from what several runs learned, by reference.

    It is reported beside the first test, by id, that ran the image.
    """
    images: dict[str, dict[str, Any]] = {}
    for table in tables:
        lay_over(images, _copy(table))
    places: dict[str, str] = {}
    for member in members:
        if member.variant is not None:
            reference = member.variant.reference
            places[reference] = min(places.get(reference, member.node_id), member.node_id)
    return tuple(
        _judge_image(reference, images[reference], places.get(reference, ""))
        for reference in sorted(images)
    )


def _copy(table: Any) -> Any:
    return {key: _copy(each) for key, each in table.items()} if isinstance(table, dict) else table


def _judge_image(reference: str, found: Mapping[str, Any], place: str) -> ImageVerdict:
    configs = {Platform.parse(key): each for key, each in found.get("configs", {}).items()}
    platforms = tuple(sorted(configs))
    allow = tuple(map(_read_allowance, found.get("allow", {}).values()))
    differing: tuple[StaticDifference, ...] = ()
    if len(platforms) > 1:
        differing = compare_configs(configs, baseline=platforms[0], allow=allow)
    return ImageVerdict(
        reference=reference,
        place=place,
        platforms=platforms,
        index=tuple(map(_read_index, found.get("index", {}).values())),
        differences=(*differing, *map(_read_difference, found.get("differences", {}).values())),
        audits=tuple(read_audit(*each) for each in sorted(found.get("audits", {}).items())),
        notes=tuple(found.get("notes", {})),
    )


def write_index(finding: IndexFinding) -> dict[str, Any]:
    """Give the JSON form of a finding about an index."""
    return {
        "problem": finding.problem.value,
        "subject": finding.subject,
        "what": finding.what,
        "cure": finding.cure,
    }


def _read_index(document: Mapping[str, Any]) -> IndexFinding:
    return IndexFinding(**{**document, "problem": IndexProblem(document["problem"])})


def write_difference(difference: StaticDifference) -> dict[str, Any]:
    """Give the JSON form of a difference."""
    return {
        "part": difference.part.value,
        "subject": difference.subject,
        "aspect": difference.aspect,
        "values": {str(platform): each for platform, each in difference.values.items()},
        "allowed": difference.allowed,
    }


def _read_difference(document: Mapping[str, Any]) -> StaticDifference:
    values = {Platform.parse(key): each for key, each in document["values"].items()}
    return StaticDifference(**{**document, "part": StaticPart(document["part"]), "values": values})


def write_audit(report: AuditReport) -> dict[str, Any]:
    """Give the JSON form of an audit."""
    findings = [
        {
            "kind": each.kind.value,
            "path": each.path,
            "found": each.found,
            "expected": each.expected,
            "layer": each.layer,
            "instruction": each.instruction,
            "started_by": each.started_by,
            "allowed": each.allowed,
        }
        for each in report.findings
    ]
    return {
        "scope": report.scope.value,
        "files": report.files,
        "programs": report.programs,
        "findings": findings,
        "notes": list(report.notes),
    }


def read_audit(platform: str, document: Mapping[str, Any]) -> AuditReport:
    """Give the audit back of which `write_audit` gave the JSON form."""
    findings = tuple(
        FileFinding(**{**each, "kind": FindingKind(each["kind"])}) for each in document["findings"]
    )
    return AuditReport(
        platform=Platform.parse(platform),
        scope=AuditScope(document["scope"]),
        findings=findings,
        files=document["files"],
        programs=document["programs"],
        notes=tuple(document["notes"]),
    )


def _write_allowance(allowance: StaticAllowance) -> dict[str, Any]:
    return {
        "subject": allowance.subject,
        "reason": allowance.reason,
        "part": allowance.part.value if allowance.part else "",
        "platforms": [str(each) for each in allowance.platforms],
    }


def _read_allowance(document: Mapping[str, Any]) -> StaticAllowance:
    return StaticAllowance(
        subject=document["subject"],
        reason=document["reason"],
        part=StaticPart(document["part"]) if document["part"] else None,
        platforms=tuple(map(Platform.parse, document["platforms"])),
    )
