"""Files copied out of a container, as observations: one by its content, several as a tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.filetree import FileEntry, FileKind
from pytest_multiarch.core.names import mask_own_names
from pytest_multiarch.core.normalize import normalize_text
from pytest_multiarch.core.observation import Observation, is_label, observe_json
from pytest_multiarch.core.path_pattern import compile_path_pattern
from pytest_multiarch.core.stream import (
    ObservedStream,
    decode_output,
    digest_text,
    observe_bytes,
    observe_cut_bytes,
    observe_stream,
)
from pytest_multiarch.core.value import observe_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_multiarch.core.call import Output
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.rules import ParityRules, Structure

_ELF = b"\x7fELF"


@dataclass(frozen=True, slots=True)
class CopiedFile:
    """A file, folder or link; the `path` of its entry starts at what was named, itself empty.

    `content` is that of a file, None for all else.
    """

    entry: FileEntry
    content: Output | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where files are from: what of their texts is no difference, as for the calls of a test.

    `known` maps strings that this container alone has to what they stand for; `history` digests
    what a shared container had been asked before, empty for a fresh one.
    """

    platform: Platform
    rules: ParityRules
    known: Mapping[str, str]
    history: str = ""

    def normalize(self, text: str) -> str:
        """Replace what is no difference."""
        return normalize_text(
            text, known=self.known, ignore=self.rules.ignore, normalizers=self.rules.normalizers
        ).text


def observe_file(
    file: CopiedFile, where: Surroundings, *, label: str, structure: Structure
) -> Observation:
    """Observe a file: its mode, its owner, its content.

    Text is normalized as an output is, or compared as JSON if `structure` says so of `content`;
    bytes are compared as such.

    Raises:
        UsageError: it is no regular file, or the label is none.
    """
    _check_label(label, "check_file")
    if file.content is None:
        raise UsageError(
            f"parity.check_file: {label} is a {file.entry.kind.value}",
            cure="name a file, or use parity.check_tree(container, path)",
        )
    facts = {"mode": f"{file.entry.mode:04o}", "owner": _name_owner(file.entry)}
    return Observation(
        label=label,
        kind="check",
        value=observe_value(facts, what="parity.check_file"),
        content=_observe_content(file.content, where, structure),
        history=where.history,
    )


def _observe_content(content: Output, where: Surroundings, structure: Structure) -> ObservedStream:
    if not content.is_whole:
        return observe_cut_bytes(content)
    text = _read_text(content.head)
    if text is None:
        return observe_bytes(content.head)
    if structure.forms.get("content") == "json":
        observed = observe_json(content, structure, where.platform, where.known, where.normalize)
        if observed is not None:
            return observed
    return observe_stream(content, where.normalize(text), where.platform)


def _read_text(data: bytes) -> str | None:
    """Decode a file; None if it is no text."""
    if b"\0" in data:
        return None
    try:
        data.decode()
    except UnicodeDecodeError:
        return None
    return decode_output(data)


def observe_tree(
    files: Iterable[CopiedFile], where: Surroundings, *, label: str, ignore: Iterable[str] = ()
) -> Observation:
    """Observe what is in a folder: paths, kinds, modes, owners, targets of links, digests.

    Paths and texts may hold the platform's own names. Of programs (ELF) the content is left out:
    it is for one architecture. `ignore` are patterns of paths below the folder.

    Raises:
        UsageError: there are too many files, or the label is none.
    """
    _check_label(label, "check_tree")
    patterns = [compile_path_pattern(each) for each in ignore]
    tree: dict[str, Any] = {}
    for file in files:
        path = file.entry.path
        if not any(p.fullmatch(path) or p.fullmatch(f"/{path}") for p in patterns):
            tree[path or "."] = _describe(file, where)
    try:
        value = observe_value(tree, what=f"parity.check_tree({label!r})")
    except UsageError as error:
        raise UsageError(
            f"{error.what}: {len(tree)} files",
            cure='name a smaller folder, or leave files out: ignore=["cache/**"]',
        ) from None
    return Observation(label=label, kind="check", value=value, history=where.history)


def _describe(file: CopiedFile, where: Surroundings) -> dict[str, Any]:
    entry = file.entry
    if entry.kind is FileKind.LINK:
        return {"kind": "link", "target": entry.target}
    described: dict[str, Any] = {
        "kind": entry.kind.value,
        "mode": f"{entry.mode:04o}",
        "owner": _name_owner(entry),
    }
    if file.content is None:
        return described
    if file.content.head.startswith(_ELF):
        return described | {"content": "a program (ELF), for one architecture"}
    text = _read_text(file.content.head) if file.content.is_whole else None
    masked = "" if text is None else mask_own_names(where.normalize(text), where.platform)
    content = {
        "size": file.content.size,
        "sha256": file.content.sha256,
        "masked": "" if text is None else digest_text(masked),
    }
    return described | {"content": content}


def _name_owner(entry: FileEntry) -> str:
    return f"{entry.uid}:{entry.gid}"


def _check_label(label: str, what: str) -> None:
    if not is_label(label):
        raise UsageError(
            f"parity.{what}: the label is {label!r}", cure='give a name: label="report"'
        )
