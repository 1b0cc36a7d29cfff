"""Records on disk: one JSON document, and the journal that a run keeps until it has ended.

Both hold a member's JSON text on a line of its own. It is passed on as it is, from journal to
document to merged document; reading keeps it as text until somebody looks at what was observed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from contextlib import contextmanager, suppress
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_multiarch.core.errors import MultiarchError, RecordError
from pytest_multiarch.core.inspected import lay_over
from pytest_multiarch.core.member import Member
from pytest_multiarch.core.record import (
    FORMAT,
    VERSION,
    IdleGroup,
    Record,
    Run,
    describe_overhead,
)
from pytest_multiarch.core.value import check_canonical
from pytest_multiarch.core.written import WrittenObservations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

SCHEMA = "record.schema.json"
RUNS_LIMIT = 10_000
"""How many runs one record may be of: each has more to it than its text shows."""
JOURNAL_SUFFIX = ".partial.jsonl"
_ENCODE = json.JSONEncoder(separators=(",", ":")).encode
_STREAMS = ("stdout", "stderr", "content")
_OBSERVATIONS = '"observations":'


def read_schema() -> str:
    """Give the JSON Schema of records, as text."""
    return resources.files(__package__).joinpath(SCHEMA).read_text(encoding="utf-8")


def name_journal(path: Path) -> Path:
    """Give where the journal of a record stands while its run lasts."""
    return path.with_name(path.name + JOURNAL_SUFFIX)


@cache
def _compile(part: str) -> Callable[[Any], Any]:
    """Give a function that checks a part of a record: a `member`, a `run`, an `idle` group."""
    import fastjsonschema

    definitions = json.loads(read_schema())["definitions"]
    # Of a reference fastjsonschema makes a call, which takes as long as what it checks.
    inlined = _inline_references(definitions[part], definitions)
    check: Callable[[Any], Any] = fastjsonschema.compile(inlined)
    return check


def _inline_references(schema: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_inline_references(each, definitions) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/definitions/")
        return _inline_references(definitions[name], definitions)
    return {key: _inline_references(each, definitions) for key, each in schema.items()}


def read_record(path: Path) -> Record:
    """Read a record, or the journal of a run that did not come to its end.

    Raises:
        RecordError: it cannot be read, is damaged, or is no record of a version that is known.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _explain_unreadable(path, error) from None
    if not data:
        raise _refuse(path, "it is empty")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refuse(path, f"byte {error.start} is not UTF-8") from None
    first, _, rest = text.partition("\n")
    parts = _Parts(path)
    try:
        if '"journal"' in first and parts.is_journal(json.loads(first)):
            _read_journal(rest, parts)
        else:
            _read_document(text, data, parts)
        return parts.to_record()
    except (json.JSONDecodeError, _BrokenError) as error:
        raise _refuse(path, str(error)) from None
    except RecursionError:
        raise _refuse(path, "it is nested too deeply") from None
    except ValueError:  # Python reads integers of up to 4300 digits
        raise _refuse(path, "it holds a number of too many digits") from None


def _explain_unreadable(path: Path, error: OSError) -> RecordError:
    journal = name_journal(path)
    if isinstance(error, FileNotFoundError) and journal.is_file():
        return RecordError(
            f"{path} is not there, but its journal is: the run was killed, or is still going on",
            cure=f"give {journal} in its place to use what was learned so far",
        )
    return RecordError(f"{path}: {error.strerror}", cure="give a file of --multiarch-record")


def _refuse(path: Path, why: str) -> RecordError:
    return RecordError(
        f"{path} is no usable record: {why}",
        cure="record again with pytest --multiarch-record=FILE, and pass the file on as it is",
    )


class _BrokenError(Exception):
    """What is wrong with a file, for the message about it."""


class _Parts:
    """The parts of a record as they are found, in whatever order."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._members: list[Member] = []
        self._runs: list[Run] = []
        self._idle: list[IdleGroup] = []
        self._fields: dict[str, Any] = {}
        self._problem: Exception | None = None

    def is_journal(self, head: Any) -> bool:
        """Take in the first line of a journal, if it is one."""
        if not isinstance(head, dict) or head.get("journal") is not True:
            return False
        self._fields = {**head, "runs": True, "members": True}
        self._check_version()
        return True

    def take_field(self, name: str, value: Any) -> None:
        """Take in a field of the document.

        Raises:
            RecordError: another version wrote it, so nothing else can be expected of it.
        """
        self._fields[name] = value
        if self._knows_version:
            self._check_version()

    @property
    def _knows_version(self) -> bool:
        return {"format", "version"} <= self._fields.keys()

    def take(self, part: str, document: Any, text: str = "") -> None:
        """Take in a part.

        Raises:
            _BrokenError: it is wrong; but not before it is known which version wrote it.
        """
        if self._problem is not None:
            return
        try:
            _check(part, document)
            if part == "member":
                self._members.append(_make_member(document, text))
            elif part == "run":
                self._runs.append(Run.from_mapping(document))
                if len(self._runs) > RUNS_LIMIT:
                    raise _BrokenError(f"there are more than {RUNS_LIMIT}")
            else:
                self._idle.append(IdleGroup.from_mapping(document))
        except (_BrokenError, MultiarchError) as error:
            where = f"{part} {len(self._members) + 1}: " if part == "member" else f"{part}: "
            self._problem = _BrokenError(f"{where}{error}")
            if self._knows_version:
                raise self._problem from None

    def to_record(self) -> Record:
        """Give the record.

        Raises:
            RecordError: another version wrote it.
            _BrokenError: a part of it is wrong.
        """
        self._check_version()
        if self._problem is not None:
            raise self._problem
        for name in ("runs", "members"):
            if name not in self._fields:
                raise _BrokenError(f"it has no {name}")
        return Record(runs=tuple(self._runs), members=tuple(self._members), idle=tuple(self._idle))

    def _check_version(self) -> None:
        version = self._fields.get("version")
        if self._fields.get("format") != FORMAT or type(version) is not int:
            raise _BrokenError(f"it does not say that it is one (format: {FORMAT!r})")
        if version > VERSION:
            raise RecordError(
                f"{self._path} has schema version {version}, and this pytest-multiarch reads "
                f"version {VERSION}",
                cure="upgrade here to the version that wrote it: pip install --upgrade "
                "pytest-multiarch",
            )
        if version < VERSION:
            raise RecordError(
                f"{self._path} has schema version {version}, and this pytest-multiarch reads "
                f"version {VERSION}",
                cure="record again with the version that is installed here",
            )


def _check(part: str, document: Any) -> None:
    import fastjsonschema

    try:
        _compile(part)(document)
    except fastjsonschema.JsonSchemaValueException as error:
        # Its name for the whole is `data`; the value itself can be of any size.
        where, _, must = error.message.removeprefix("data").removeprefix(".").partition(" must ")
        raise _BrokenError(_escape(f"{where[:200] or 'it'} must {must[:200]}")) from None


def _escape(text: str) -> str:
    """Make a text of a stranger's fit for a terminal."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def _make_member(document: dict[str, Any], text: str) -> Member:
    """Make a member whose observations are kept as text, if they stand at its end."""
    seen = document["observations"]
    for each in seen:
        for holder in (each, *(each[name] for name in _STREAMS if name in each)):
            if "value" in holder:
                _check_value(each["label"], holder["value"])
    is_last = next(reversed(document)) == "observations" and text.isascii()
    start = text.rfind(_OBSERVATIONS) if is_last else -1
    written = text[start + len(_OBSERVATIONS) : -1] if start >= 0 else _ENCODE(seen)
    return Member.from_mapping({**document, "observations": WrittenObservations(written, seen)})


def _check_value(label: str, value: dict[str, Any]) -> None:
    """Check that the value of a check can be read when it is compared."""
    try:
        check_canonical(value["json"])
        if "normalized" in value:
            check_canonical(value["normalized"])
    except ValueError as error:
        what = _escape(label[:200])
        raise _BrokenError(f"the value of {what!r} cannot be read: {error}") from None


def _read_document(text: str, data: bytes, parts: _Parts) -> None:
    scanner = _Scanner(text)
    scanner.expect("{")
    if scanner.accept("}"):
        return
    while True:
        key_at = scanner.skip()
        key = scanner.read_value()
        scanner.expect(":")
        if key in _LISTS:
            parts.take_field(key, True)
            for document, written in scanner.read_items():
                parts.take(_LISTS[key], document, written)
        else:
            value = scanner.read_value()
            if key in _FIELDS:
                parts.take_field(key, value)
            elif key == "sha256":
                _check_sum(value, text, data, key_at)
        if not scanner.accept(","):
            scanner.expect("}")
            scanner.expect_end()
            return


_FIELDS = ("format", "version")
_LISTS = {"members": "member", "runs": "run", "idle": "idle"}


def _check_sum(value: Any, text: str, data: bytes, end: int) -> None:
    body = data[:end] if text.isascii() else text[:end].encode("utf-8")
    if hashlib.sha256(body).hexdigest() != value:
        raise _BrokenError("it was changed or damaged after it was written: its sha256 differs")


class _Scanner:
    """Reads a JSON text value by value, so that a large list need not be held as a whole."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._decode = json.JSONDecoder(parse_constant=_refuse_constant).raw_decode

    def skip(self) -> int:
        """Skip white space, and give the place."""
        found = _WHITE_SPACE.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return self._at

    def accept(self, character: str) -> bool:
        """Pass a character, if it is there."""
        at = self.skip()
        if self._text[at : at + 1] != character:
            return False
        self._at = at + 1
        return True

    def expect(self, character: str) -> None:
        """Pass a character."""
        if not self.accept(character):
            raise json.JSONDecodeError(f"expected {character!r}", self._text, self._at)

    def expect_end(self) -> None:
        """Find nothing more."""
        if self.skip() != len(self._text):
            raise json.JSONDecodeError("more after its end", self._text, self._at)

    def read_value(self) -> Any:
        """Read one value."""
        value, self._at = self._decode(self._text, self.skip())
        return value

    def read_items(self) -> Iterator[tuple[Any, str]]:
        """Read a list item by item, each with its text."""
        self.expect("[")
        if self.accept("]"):
            return
        while True:
            start = self.skip()
            value = self.read_value()
            yield value, self._text[start : self._at]
            if not self.accept(","):
                self.expect("]")
                return


_WHITE_SPACE = re.compile(r"[ \t\n\r]*")
_WHOLE_LINE = re.compile(r"([^\n]*)\n")


def _refuse_constant(name: str) -> NoReturn:
    raise _BrokenError(f"{name} is not JSON")


def _read_journal(text: str, parts: _Parts) -> None:
    """Read a journal. Of a member's attempts the last counts; a line without an end was cut off."""
    run: dict[str, Any] = {}
    idle: list[Any] = []
    members: dict[tuple[Any, ...], tuple[Any, str]] = {}
    for number, found in enumerate(_WHOLE_LINE.finditer(text), start=2):
        line = found[1].strip()
        try:
            document = json.loads(line, parse_constant=_refuse_constant)
        except json.JSONDecodeError as error:
            raise _BrokenError(f"line {number}: {error.msg}") from None
        if not isinstance(document, dict) or len(document) != 1:
            raise _BrokenError(f"line {number} is not a part of a record")
        ((part, content),) = document.items()
        if part == "member":
            _check(part, content)
            key = content["group"], content["platform"]
            members[key] = content, line[len('{"member":') : -1].rstrip()
        elif part == "run" and isinstance(content, dict):
            lay_over(run, content)
        elif part == "idle" and isinstance(content, list):
            idle = content
        else:
            raise _BrokenError(f"line {number}: {str(part)[:40]!r} is not a part of a record")
    run.setdefault("tests", len(members))
    parts.take("run", run)
    for content, written in members.values():
        parts.take("member", content, written)
    for each in idle:
        parts.take("idle", each)


class Journal:
    """What a run has learned so far, each part on disk as soon as it is known.

    It is locked as long as the run lasts, so that two runs cannot write one record.
    """

    def __init__(self, path: Path) -> None:
        """Start the journal of the record at `path`; what a killed run left there is replaced.

        The record of an earlier run is removed: should this one be killed, nobody must take the
        other for its own.

        Raises:
            RecordError: the file cannot be written, or another run is writing it.
        """
        self.path = path
        self._journal = name_journal(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._journal.open("a+", encoding="ascii")
        except OSError as error:
            raise RecordError(
                f"the record {path} cannot be written: {error.strerror}",
                cure="give --multiarch-record a file in a folder that can be written to",
            ) from None
        if path.is_dir() or not _lock(self._file.fileno()):
            self._file.close()
            why = "it is a folder" if path.is_dir() else "another run is writing it right now"
            raise RecordError(
                f"the record {path} cannot be written: {why}",
                cure="give each run a --multiarch-record=FILE of its own",
            )
        self._file.seek(0)
        self._file.truncate()
        self._remove_record()
        self._write(_ENCODE({"format": FORMAT, "version": VERSION, "journal": True}))

    def _remove_record(self) -> None:
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            self._file.close()
            raise RecordError(
                f"the record {self.path} cannot be replaced: {error.strerror}",
                cure="give --multiarch-record a file that can be replaced",
            ) from None

    def add_run(self, fields: Mapping[str, Any]) -> None:
        """Note facts of the run; those that were noted before stay, tables grow."""
        self._write(_ENCODE({"run": fields}))

    def add_member(self, member: Member) -> None:
        """Note a member; a later attempt of it replaces it."""
        self._write(f'{{"member":{member.to_json()}}}')

    def add_idle(self, groups: Iterable[IdleGroup]) -> None:
        """Note the groups that ran on no platform."""
        self._write(_ENCODE({"idle": [each.to_mapping() for each in groups]}))

    def finish(self, verdicts: Iterable[Mapping[str, Any]]) -> None:
        """Make the document of it, and remove it."""
        record = read_record(self._journal)
        write_record(self.path, record, verdicts)
        self.close()
        with suppress(OSError):
            self._journal.unlink()

    def close(self) -> None:
        """Leave it as it is; what a full disk has no room for is lost."""
        with suppress(OSError):
            self._file.close()

    def _write(self, line: str) -> None:
        self._file.write(f"{line}\n")
        self._file.flush()


def _lock(descriptor: int) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def write_record(path: Path, record: Record, verdicts: Iterable[Mapping[str, Any]]) -> None:
    """Write a record as one document: all of it, or nothing.

    Raises:
        RecordError: it cannot be written.
    """
    with replace_file(path) as write:
        dump_record(write, record, verdicts)


def dump_record(
    write: Callable[[bytes], object], record: Record, verdicts: Iterable[Mapping[str, Any]]
) -> None:
    """Write a record as one document, piece by piece, its checksum last."""
    digest = hashlib.sha256()
    for piece in _list_pieces(record, verdicts):
        data = piece.encode("ascii")
        digest.update(data)
        write(data)
    write(f'"sha256":"{digest.hexdigest()}"\n}}\n'.encode("ascii"))


def _list_pieces(record: Record, verdicts: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    is_complete = all(run.is_complete for run in record.runs)
    yield f'{{\n"format":"{FORMAT}",\n"version":{VERSION},\n"complete":{_ENCODE(is_complete)},\n'
    yield from _list_items("runs", (_ENCODE(each.to_mapping()) for each in record.runs))
    yield from _list_items("idle", (_ENCODE(each.to_mapping()) for each in record.idle))
    yield from _list_items("members", (each.to_json() for each in record.members))
    yield from _list_items("verdicts", map(_ENCODE, verdicts))
    measured = (each for each in record.list_groups().values() if any(map(_has_cost, each)))
    yield from _list_items("overhead", map(_ENCODE, describe_overhead(measured)))


def _has_cost(member: Member) -> bool:
    return bool(member.overhead or member.budget)


def _list_items(name: str, items: Iterable[str]) -> Iterator[str]:
    yield f'"{name}":['
    for number, item in enumerate(items):
        yield f"{',' if number else ''}\n{item}"
    yield "],\n"


@contextmanager
def replace_file(path: Path) -> Iterator[Callable[[bytes], object]]:
    """Write a file beside its place, and put it there once it is whole.

    What a link leads to is replaced. A pipe or a device (/dev/stdout) is written to as it is.

    Raises:
        RecordError: it cannot be written.
    """
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            with path.open("wb") as stream:
                yield stream.write
            return
        path = path.resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name[:100]}.{os.getpid()}")
        try:
            with beside.open("wb") as file:
                yield file.write
            beside.replace(path)
        except BaseException:
            with suppress(OSError):
                beside.unlink()
            raise
    except OSError as error:
        raise RecordError(
            f"{path} cannot be written: {error.strerror}", cure="give a file that can be written"
        ) from None
