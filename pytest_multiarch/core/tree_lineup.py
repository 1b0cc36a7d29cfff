"""The file trees of several platforms, lined up path by path.

A path that holds its platform's own names (`/usr/lib/aarch64-linux-gnu/libc.so.6`) stands beside
the other platforms' counterparts. What is in such a path was built for one architecture: it has to
be there, with any content.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_multiarch.core.elf import ElfFile
from pytest_multiarch.core.filetree import FileKind, ForeignFormat, Script
from pytest_multiarch.core.names import PLACEHOLDER, mask_own_names
from pytest_multiarch.core.static_exclusions import is_content_left_out, is_path_left_out

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_multiarch.core.filetree import FileEntry
    from pytest_multiarch.core.platform import Platform

_Line = tuple["FileEntry | None", ...]


@dataclass(frozen=True, slots=True)
class TreeAspect:
    """An aspect of a path that is to agree between platforms: a value for each, None if missing.

    `shown` are phrases for the values, where they are not themselves fit for showing.
    """

    path: str
    name: str
    values: tuple[str | None, ...]
    shown: tuple[str, ...] = ()


def line_up_trees(
    trees: Sequence[Iterable[FileEntry]], platforms: Sequence[Platform]
) -> Iterator[TreeAspect]:
    """Give aspects in which trees may not agree, path by path; those of whole folders once.

    A path is called as on the first platform that has it.
    """
    tables = [_index(tree, platform) for tree, platform in zip(trees, platforms, strict=True)]
    keys = sorted({key for table in tables for key in table})
    lines = {key: tuple(table.get(key) for table in tables) for key in keys}
    counts = _count_missing(lines)
    for key, line in lines.items():
        if None in line:
            if key in counts:
                yield _describe_missing(line, counts[key])
        else:
            yield from _describe_entries([each for each in line if each], key)


def _index(tree: Iterable[FileEntry], platform: Platform) -> dict[str, FileEntry]:
    """Give what is compared of a tree, by its path with the platform's own names masked."""
    table: dict[str, FileEntry] = {}
    for entry in tree:
        if entry.path == "/" or is_path_left_out(entry.path):
            continue
        key = mask_own_names(entry.path, platform)
        # Two names of one platform side by side: `/usr/bin/amd64` and `/usr/bin/x86_64`.
        table[entry.path if key in table else key] = entry
    return table


def _count_missing(lines: dict[str, _Line]) -> dict[str, int]:
    """Give the topmost paths that platforms lack, and of how many paths below the same is true."""
    top: dict[str, str] = {}
    counts: dict[str, int] = {}
    for key, line in lines.items():
        if None not in line:
            continue
        parent = posixpath.dirname(key)
        is_same = parent in top and _list_lacking(lines[parent]) == _list_lacking(line)
        top[key] = top[parent] if is_same else key
        counts[top[key]] = counts.get(top[key], -1) + 1
    return counts


def _list_lacking(line: _Line) -> list[bool]:
    return [each is None for each in line]


def _describe_missing(line: _Line, below: int) -> TreeAspect:
    path = next(each.path for each in line if each)
    return TreeAspect(
        path,
        "missing",
        tuple(None if each is None else "there" for each in line),
        tuple(_describe_entry(each, below) if each else "missing" for each in line),
    )


def _describe_entry(entry: FileEntry, below: int = 0) -> str:
    if isinstance(entry.program, ElfFile):
        return f"ELF file, {entry.program.header.label}"
    match entry.kind:
        case FileKind.FILE:
            return f"file, {entry.size:,} bytes"
        case FileKind.LINK:
            return f"link to {entry.target}"
        case FileKind.FOLDER if below:
            return f"folder, with {below:,} {'entry' if below == 1 else 'entries'} below"
        case _:
            return str(entry.kind.value)


def _describe_entries(entries: Sequence[FileEntry], key: str) -> Iterator[TreeAspect]:
    """Give the aspects of a path that all platforms have; of different things only the kind."""
    path = entries[0].path
    kinds = tuple(_name_kind(each) for each in entries)
    if len(set(kinds)) > 1:
        yield TreeAspect(path, "kind", kinds)
        return
    if entries[0].kind is FileKind.LINK:
        if key != PLACEHOLDER:  # else loaders, whose links lead elsewhere on each platform
            yield TreeAspect(path, "target", tuple(each.target for each in entries))
        return
    yield from _describe_numbers(entries)
    digests = tuple(each.digest for each in entries)
    is_data = kinds[0] in ("file", "script") and all(digests)
    if is_data and len(set(digests)) > 1 and _has_one_content(path, key):
        shown = (f"{each.size:,} bytes, sha256 {each.digest[:8]}" for each in entries)
        yield TreeAspect(path, "content", digests, tuple(shown))


def _describe_numbers(entries: Sequence[FileEntry]) -> Iterator[TreeAspect]:
    first, *others = entries
    if any(each.mode != first.mode for each in others):
        yield TreeAspect(first.path, "mode", tuple(f"{each.mode:04o}" for each in entries))
    if any((each.uid, each.gid) != (first.uid, first.gid) for each in others):
        owners = tuple(f"{each.uid}:{each.gid}" for each in entries)
        yield TreeAspect(first.path, "owner", owners)


def _has_one_content(path: str, key: str) -> bool:
    return PLACEHOLDER not in key and not is_content_left_out(path)


def _name_kind(entry: FileEntry) -> str:
    """Give what a path is. A script may stand for a program: that is a difference."""
    match entry.program:
        case ElfFile():
            return "ELF file"
        case Script() if entry.is_executable:
            return "script"
        case ForeignFormat(name=name):
            return f"{name} file"
        case _:
            return str(entry.kind.value)
