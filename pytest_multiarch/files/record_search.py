"""Finding records: the files that were named, and those in the folders that were."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_multiarch.core.errors import RecordError
from pytest_multiarch.core.record import FORMAT
from pytest_multiarch.files.record_file import JOURNAL_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_HEAD_SIZE = 4096


def find_records(given: Iterable[Path]) -> tuple[Path, ...]:
    """Give the files of records and journals, each once.

    A file counts as it is named. Of a folder, which artifacts of CI jobs often come in, those
    files below count that say of themselves that they are records.

    Raises:
        RecordError: a folder holds none, or cannot be read.
    """
    found: dict[Path, Path] = {}
    for path in given:
        for each in _list_records(path) if path.is_dir() else (path,):
            found.setdefault(each.resolve(), each)
    return tuple(found.values())


def _list_records(folder: Path) -> Iterator[Path]:
    try:
        files = sorted(each for each in folder.rglob("*") if _is_named_as_record(each))
        records = [each for each in files if _says_it_is_record(each)]
    except OSError as error:
        raise RecordError(
            f"{folder} cannot be searched for records: {error.filename}: {error.strerror}",
            cure="give the files of records",
        ) from None
    if not records:
        raise RecordError(
            f"{folder} holds no record: none of its {len(files)} files named *.json or "
            f"*{JOURNAL_SUFFIX} says that it is one",
            cure="give the files that pytest --multiarch-record=FILE wrote, or their folder",
        )
    yield from records


def _is_named_as_record(path: Path) -> bool:
    return path.name.endswith((".json", JOURNAL_SUFFIX)) and path.is_file()


def _says_it_is_record(path: Path) -> bool:
    with path.open("rb") as file:
        return f'"{FORMAT}"'.encode() in file.read(_HEAD_SIZE)
