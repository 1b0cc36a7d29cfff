"""The audit: whether the files of a variant are for its platform. Nothing is executed for it.

It tells of what cannot run, and of what runs by accident only. What real images have and nobody
minds is no finding: scripts on PATH whose interpreter is not installed, links that lead nowhere,
programs of Windows and macOS that wait in a folder, code for GPUs and for BPF.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from pytest_multiarch.core.elf import ElfFile
from pytest_multiarch.core.filetree import FileKind, ForeignFormat
from pytest_multiarch.core.fitting import (
    describe_header,
    describe_loader,
    describe_platform,
    is_for_no_host,
    is_foreign,
    is_other_abi,
    is_soft_float,
    lacks_loader,
)
from pytest_multiarch.core.names import list_loaders
from pytest_multiarch.core.path_pattern import compile_path_pattern
from pytest_multiarch.core.reached import list_reached
from pytest_multiarch.core.shown_text import show_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_multiarch.core.elf import ElfHeader
    from pytest_multiarch.core.filetree import FileEntry
    from pytest_multiarch.core.index import ImageConfig
    from pytest_multiarch.core.manifest import StoredLayer
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.reached import Files, Reached

_MOST_SHOWN = 5


class AuditScope(Enum):
    """What is looked at; the values are what users write.

    `PROGRAM`: what entrypoint, command and the folders of PATH reach, with interpreters and
    loaders. `IMAGE`: every file.
    """

    PROGRAM = "program"
    IMAGE = "image"
    OFF = "off"


class FindingKind(Enum):
    """What is wrong with a file; the values are in records and JSON."""

    WRONG_ARCHITECTURE = "wrong-architecture"
    """An ELF file for another platform, in what the image starts or has on PATH."""
    WRONG_ABI = "wrong-abi"
    """The right machine, another ABI: x32, armel in armhf."""
    MISSING_LOADER = "missing-loader"
    """A program whose ELF interpreter is not there: `exec ...: no such file or directory`."""
    MISSING_INTERPRETER = "missing-interpreter"
    """A script whose `#!` names what is not there."""
    OTHER_SYSTEM = "other-system"
    """A program of macOS or Windows in what the image starts or has on PATH."""
    STRAY = "stray"
    """An ELF file for another platform, elsewhere in the image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFinding:
    """One file that is wrong.

    `found` and `expected` are phrases: `arm64 (64-bit, little endian)`. `layer` is the digest of
    the layer that it came with, `instruction` the Dockerfile line of that, both empty where not
    known. `started_by` says how the image comes to it (`entrypoint`, `PATH`, `loader of /bin/sh`).
    `allowed` is the reason why it may be, empty if none was given.
    """

    kind: FindingKind
    path: str
    found: str
    expected: str
    layer: str = ""
    instruction: str = ""
    started_by: str = ""
    allowed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathAllowance:
    """Files that may be for another platform, and why; `path` is a pattern: `/opt/qemu/**`."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What an audit of one variant came to.

    `files` and `programs` count what was looked at, `notes` say what was not and why.
    """

    platform: Platform
    scope: AuditScope
    findings: tuple[FileFinding, ...] = ()
    files: int = 0
    programs: int = 0
    notes: tuple[str, ...] = ()

    @property
    def open_findings(self) -> tuple[FileFinding, ...]:
        """The findings that nothing allows."""
        return tuple(each for each in self.findings if not each.allowed)


def audit_tree(
    tree: Files,
    config: ImageConfig,
    platform: Platform,
    *,
    scope: AuditScope,
    allow: Sequence[PathAllowance] = (),
    layers: Sequence[StoredLayer] = (),
) -> AuditReport:
    """Look at the files of a variant; `layers` tell where each comes from.

    The platform is that of the index's entry: what a config says of itself may be wrong.
    """
    if scope is AuditScope.OFF:
        return AuditReport(platform=platform, scope=scope)
    if platform.os != "linux":
        note = f"not audited: only Linux variants are, not those for {platform.os}"
        return AuditReport(platform=platform, scope=scope, notes=(note,))
    auditor = _Auditor(tree, platform, layers)
    auditor.look_at_reached(config)
    if scope is AuditScope.IMAGE:
        auditor.look_at_all()
    report = AuditReport(
        platform=platform,
        scope=scope,
        findings=tuple(auditor.findings.values()),
        files=len(auditor.seen),
        programs=auditor.programs,
        notes=(*tree.notes, *auditor.notes),
    )
    return allow_findings(report, allow)


def allow_findings(report: AuditReport, allow: Sequence[PathAllowance]) -> AuditReport:
    """Give a report with the findings that are allowed marked so; the first allowance counts."""
    patterns = [(compile_path_pattern(each.path), each.reason) for each in allow]
    findings = []
    for finding in report.findings:
        reasons = [reason for pattern, reason in patterns if pattern.fullmatch(finding.path)]
        findings.append(replace(finding, allowed=reasons[0]) if reasons else finding)
    return replace(report, findings=tuple(findings))


class _Auditor:
    def __init__(self, tree: Files, platform: Platform, layers: Sequence[StoredLayer]) -> None:
        self._tree = tree
        self._platform = platform
        self._layers = layers
        self.seen: set[str] = set()
        self.programs = 0
        self.findings: dict[tuple[FindingKind, str], FileFinding] = {}
        self.notes: list[str] = []

    def look_at_reached(self, config: ImageConfig) -> None:
        """Look at what the image starts, then at what is on its PATH."""
        for reached in list_reached(self._tree, config):
            if reached.entry is None:
                self._tell_of_missing(reached)
            else:
                self._look_at_program(reached.entry, reached.by, is_started=reached.is_started)

    def look_at_all(self) -> None:
        """Look at every ELF file, programs and libraries alike."""
        for entry in self._tree:
            if entry.kind is not FileKind.FILE or not self._is_new(entry):
                continue
            program = entry.program
            if isinstance(program, ElfFile) and self._is_stray(program.header):
                self._add(FindingKind.STRAY, entry, found=describe_header(program.header))

    def _is_stray(self, header: ElfHeader) -> bool:
        is_wrong = is_foreign(header, self._platform) or is_other_abi(header, self._platform)
        return is_wrong and not is_for_no_host(header)

    def _is_new(self, entry: FileEntry) -> bool:
        if entry.path in self.seen:
            return False
        self.seen.add(entry.path)
        self.programs += entry.program is not None
        return True

    def _look_at_program(self, entry: FileEntry, by: str, *, is_started: bool) -> None:
        if not self._is_new(entry):
            return
        program = entry.program
        if isinstance(program, ElfFile):
            self._look_at_elf(entry, program, by, is_started=is_started)
        elif isinstance(program, ForeignFormat) and (is_started or not _is_named_so(entry)):
            self._add(FindingKind.OTHER_SYSTEM, entry, found=f"{program.name} file", by=by)

    def _look_at_elf(self, entry: FileEntry, elf: ElfFile, by: str, *, is_started: bool) -> None:
        header = elf.header
        if is_other_abi(header, self._platform):
            self._add(FindingKind.WRONG_ABI, entry, found=describe_header(header), by=by)
        elif is_foreign(header, self._platform):
            self._add(FindingKind.WRONG_ARCHITECTURE, entry, found=describe_header(header), by=by)
        elif elf.loader.startswith("/"):  # else static, or looked up in the current folder
            loader = self._tree.follow(elf.loader)
            if loader is not None:
                by = f"loader of {entry.path}"
                self._look_at_program(loader, by, is_started=is_started)
            elif is_started or lacks_loader(elf, self._platform):
                self._tell_of_loader(entry, elf, by)

    def _tell_of_loader(self, entry: FileEntry, elf: ElfFile, by: str) -> None:
        known = list_loaders(self._platform)
        there = [describe_loader(each) for each in known if self._tree.follow(each)]
        is_soft = is_soft_float(elf, self._platform)
        self._add(
            FindingKind.WRONG_ABI if is_soft else FindingKind.MISSING_LOADER,
            entry,
            found=f"{'armel, ' * is_soft}started by {describe_loader(elf.loader)}, which is not "
            "there",
            expected=f"{' or '.join(there)}, which the image has"
            if there
            else "a static program, for the image has no loader",
            by=by,
        )

    def _tell_of_missing(self, reached: Reached) -> None:
        script = reached.script
        if script is None:
            self.notes.append(f"{reached.by}: {reached.word} is not in the image")
        elif reached.is_started:
            name = repr(reached.word) if reached.word.endswith("\r") else reached.word
            self._add(
                FindingKind.MISSING_INTERPRETER,
                script,
                found=f"started by {name}, which is not there",
                expected="an interpreter that the image has",
                by=reached.by,
            )

    def _add(
        self, kind: FindingKind, entry: FileEntry, *, found: str, expected: str = "", by: str = ""
    ) -> None:
        stored = None
        if 0 <= entry.layer < len(self._layers):
            stored = self._layers[entry.layer]
        finding = FileFinding(
            kind=kind,
            path=entry.path,
            found=found,
            expected=expected or describe_platform(self._platform),
            layer=stored.digest if stored else "",
            instruction=stored.instruction if stored else "",
            started_by=by,
        )
        self.findings.setdefault((kind, entry.path), finding)


def _is_named_so(entry: FileEntry) -> bool:
    """Tell files that say by their names what they are: `mono` and `wine` start them."""
    return entry.path.lower().endswith((".exe", ".dll", ".dylib", ".com", ".sys"))


# What is told of findings

_SENTENCES = {
    FindingKind.WRONG_ARCHITECTURE: "holds a program for another architecture",
    FindingKind.WRONG_ABI: "holds a program for another ABI",
    FindingKind.MISSING_LOADER: "holds a program that cannot start",
    FindingKind.MISSING_INTERPRETER: "holds a script that cannot start",
    FindingKind.OTHER_SYSTEM: "holds a program of another system",
    FindingKind.STRAY: "holds a file for another architecture",
}
_REBUILD = (
    "build that file for {platform} (a COPY from the host or a base image pinned to one platform "
    "is the usual cause); it may run here by accident, and will not on {platform} hardware"
)
_CURES = {
    FindingKind.MISSING_LOADER: "a container that starts it ends with `exec {path}: no such file "
    "or directory`: build it for the C library that the image has, or statically",
    FindingKind.MISSING_INTERPRETER: "a container that starts it ends with `exec {path}: no such "
    "file or directory`: install the interpreter, or mend the script's first line, in which a "
    "carriage return counts",
}


def explain_finding(image: str, platform: Platform, finding: FileFinding) -> tuple[str, str]:
    """Give (what, cure) for one finding."""
    path = show_text(finding.path)
    what = f"{image}: the variant for {platform} {_SENTENCES[finding.kind]}: {path} is "
    what += f"{show_text(finding.found)}; expected: {show_text(finding.expected)}"
    origin = [f"reached by: {show_text(finding.started_by)}"] if finding.started_by else []
    origin += [f"layer: {finding.layer}"] if finding.layer else []
    origin += [f"made by: {show_text(finding.instruction)}"] if finding.instruction else []
    cure = _CURES.get(finding.kind, _REBUILD).format(platform=platform, path=path)
    return "\n  ".join([what, *origin]), cure


def explain_foreign(
    image: str, platform: Platform, path: str, header: ElfHeader
) -> tuple[str, str]:
    """Give (what, cure) for a program that is about to be started, and is for another platform."""
    finding = FileFinding(
        kind=FindingKind.WRONG_ARCHITECTURE,
        path=path,
        found=describe_header(header),
        expected=describe_platform(platform),
    )
    return explain_finding(image, platform, finding)


def explain_audit(image: str, report: AuditReport) -> tuple[str, str]:
    """Give (what, cure) for the findings of a report that nothing allows.

    The first is explained in full, and a few of the others are named.
    """
    first, *others = report.open_findings
    what, cure = explain_finding(image, report.platform, first)
    lines = [f"{show_text(each.path)}: {show_text(each.found)}" for each in others[:_MOST_SHOWN]]
    if len(others) > _MOST_SHOWN:
        lines.append(f"{len(others) - _MOST_SHOWN:,} more")
    what = "\n  and ".join([what, *lines])
    allow = f"pytest.mark.audit(allow={{{first.path!a}: 'why'}}), or audit: in multiarch.yaml"
    return what, f"{cure}\nor, if it belongs there: {allow}"
