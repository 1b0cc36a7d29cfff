"""The JSON form of a layer: in columns, which take less room and time than a list of objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.elf import ElfFile, ElfHeader
from pytest_multiarch.core.filetree import (
    FileEntry,
    FileKind,
    ForeignFormat,
    Layer,
    Script,
)
from pytest_multiarch.core.packages import Package

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_multiarch.core.filetree import Program

_KINDS = tuple(FileKind)


def write_layer(layer: Layer) -> dict[str, Any]:
    """Give the JSON form of a layer."""
    programs = {each.program: 0 for each in layer.entries if each.program is not None}
    numbers: dict[Program | None, int] = {each: i for i, each in enumerate(programs)}
    numbers[None] = -1
    kinds = {kind: number for number, kind in enumerate(_KINDS)}
    return {
        "digest": layer.digest,
        "diff_id": layer.diff_id,
        "size": layer.size,
        "compression": layer.compression,
        "columns": [
            [each.path for each in layer.entries],
            [kinds[each.kind] for each in layer.entries],
            [each.mode for each in layer.entries],
            [each.uid for each in layer.entries],
            [each.gid for each in layer.entries],
            [each.size for each in layer.entries],
            [each.target for each in layer.entries],
            [each.digest for each in layer.entries],
            [numbers[each.program] for each in layer.entries],
        ],
        "programs": [_write_program(each) for each in programs],
        "hard_links": layer.hard_links,
        "whiteouts": layer.whiteouts,
        "opaque": layer.opaque,
        "packages": {
            path: [[each.manager, each.name, each.version, each.architecture] for each in packages]
            for path, packages in layer.packages.items()
        },
        "texts": dict(layer.texts),
        "notes": layer.notes,
    }


def read_layer_document(document: Mapping[str, Any]) -> Layer:
    """Give the layer back of which `write_layer` gave the JSON form.

    Raises:
        KeyError, TypeError, ValueError, IndexError: it is none.
    """
    programs = [*map(_read_program, document["programs"]), None]
    paths, kinds, *middle, numbers = document["columns"]
    rows = zip(
        paths,
        [_KINDS[each] for each in kinds],
        *middle,
        [programs[each] for each in numbers],
        strict=True,
    )
    return Layer(
        digest=document["digest"],
        diff_id=document["diff_id"],
        size=document["size"],
        compression=document["compression"],
        entries=tuple(FileEntry(*row) for row in rows),
        hard_links=tuple((path, target) for path, target in document["hard_links"]),
        whiteouts=tuple(document["whiteouts"]),
        opaque=tuple(document["opaque"]),
        packages={
            path: tuple(Package(*each) for each in packages)
            for path, packages in document["packages"].items()
        },
        texts=document["texts"],
        notes=tuple(document["notes"]),
    )


def _write_program(program: Program) -> list[Any]:
    match program:
        case ElfFile(header, loader, is_program):
            words = [header.machine, header.is_64bit, header.is_little_endian, header.flags]
            return ["elf", *words, loader, is_program]
        case Script(interpreter, argument):
            return ["script", interpreter, argument]
        case ForeignFormat(name):
            return ["foreign", name]


def _read_program(row: list[Any]) -> Program:
    match row:
        case ["elf", machine, is_64bit, is_little_endian, flags, loader, is_program]:
            header = ElfHeader(
                machine=machine,
                is_64bit=is_64bit,
                is_little_endian=is_little_endian,
                flags=flags,
            )
            return ElfFile(header, loader, is_program)
        case ["script", interpreter, argument]:
            return Script(interpreter, argument)
        case ["foreign", name]:
            return ForeignFormat(name)
        case _:
            raise ValueError(f"no program: {row!r}")
