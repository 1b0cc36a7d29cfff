"""Records on disk: what is written is read, and what is no record is refused in words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_multiarch.core.errors import RecordError
from pytest_multiarch.core.member import Member, VariantIdentity
from pytest_multiarch.core.merging import find_mismatches, judge_record, merge_records
from pytest_multiarch.core.parity import compare_group
from pytest_multiarch.core.record import IdleGroup, Record, Run, describe_verdict
from pytest_multiarch.core.rules import allow, make_rules
from pytest_multiarch.files.record_file import (
    Journal,
    name_journal,
    read_record,
    read_schema,
    replace_file,
    write_record,
)
from tests.samples import AMD64, ARM64, PIN, check, make_member, observe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOSTILE = "\x1b[31mred\x1b[0m \x00 \ufffe \ud800 </script> | ``` \u202e \r\n"
SEEN = (
    observe("on x86_64\n", "qemu: note\n", exit_code=3, kind="exec", history="abc"),
    observe(b"\xff\x00 \x1b[31m", argv=("a b", "--c"), env_names=("A",), files=("/f",), user="u"),
    observe("a flood", kept=3, entrypoint=("x",), has_stdin=True, workdir="/w", network="n"),
    observe("x86_64\n" * 5000, history=None, init=True),
    observe("long line\n" * 9000),
    check("n", {"rows": [1, float("nan"), None, "caf\u00e9"]}, rel=0.1, abs=0.5),
)
VARIANT = VariantIdentity(
    reference="app:1", kind="manifest", digest="sha256:a", config_digest="sha256:b", pin=PIN,
    index="sha256:c",
)  # fmt: skip
FULL = Record(
    runs=(
        Run(
            id="r1",
            started_at_s=1.5,
            ended_at_s=2.5,
            ended="complete",
            exit_status=1,
            tests=2,
            commit="c",
            machine={"host": "h", "cpu": HOSTILE},
            job={"name": "amd64"},
            versions={"pytest": "9"},
            sources={"test_app.py": "d"},
            images={"app:1": {"digest": "sha256:c", "platforms": {"linux/amd64": "sha256:a"}}},
            nodes={"unix:///d.sock": {"version": "28"}},
        ),
        Run(id="r2"),
    ),
    members=(
        make_member(
            AMD64,
            *SEEN,
            variant=VARIANT,
            baseline=AMD64,
            reason=HOSTILE,
            rules=make_rules(compare="exit", allow=[allow("x*", platforms="arm64", reason="r")]),
            worker="gw1",
            node="unix:///d.sock",
            attempt=2,
            duration_s=1.5,
            inside_s=0.5,
        ),
        make_member(ARM64, check("n", 2), outcome="failed", rules=make_rules(stateless=True)),
        make_member(ARM64, group=HOSTILE, outcome="not-run", run="r2"),
    ),
    idle=(IdleGroup(group="g", run="r2", declared=(AMD64, ARM64), selected=(AMD64,)),),
)
SMALL = Record(
    runs=(Run(id="r1", ended="complete", tests=1),),
    members=(make_member(AMD64, observe("a"), check("n", [1, "x"])),),
)


def describe(record: Record) -> list[dict[str, Any]]:
    return [describe_verdict(compare_group(each)) for each in record.list_groups().values()]


def save(path: Path, record: Record = SMALL) -> Path:
    write_record(path, record, describe(record))
    return path


def load_document(record: Record = SMALL, *, folder: Path) -> dict[str, Any]:
    """Give a record as JSON that can be changed: without its checksum."""
    document: dict[str, Any] = json.loads(save(folder / "r.json", record).read_text())
    del document["sha256"]
    return document


def write_journal(path: Path, record: Record = SMALL) -> Path:
    """Write what is on disk while a run lasts."""
    journal = Journal(path)
    for run in record.runs[:1]:
        journal.add_run({"id": run.id})
    for member in record.members:
        journal.add_member(member)
    journal.add_idle(record.idle)
    journal.close()
    return name_journal(path)


@pytest.fixture
def refuse(tmp_path: Path) -> Callable[..., str]:
    """Check that a file of this content is refused, with a cure, and give the message."""

    def check_refused(content: str | bytes | dict[str, Any]) -> str:
        path = tmp_path / "bad.json"
        if isinstance(content, dict):
            content = json.dumps(content)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        with pytest.raises(RecordError) as caught:
            read_record(path)
        assert str(path) in str(caught.value)
        assert caught.value.cure
        assert len(str(caught.value)) < 2000
        return str(caught.value)

    return check_refused


# Documents


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert read_record(save(tmp_path / "r.json", FULL)) == FULL


def test_an_empty_record_is_one(tmp_path: Path) -> None:
    assert read_record(save(tmp_path / "r.json", Record())) == Record()


def test_a_document_is_ascii_json_with_a_member_on_each_line(tmp_path: Path) -> None:
    data = save(tmp_path / "r.json", FULL).read_bytes()
    assert data.isascii()
    assert len(json.loads(data)["members"]) == 3
    assert data.count(b'\n{"group":"test_app.py::test_x","platform"') == 2


def test_it_says_whether_it_is_complete(tmp_path: Path) -> None:
    assert json.loads(save(tmp_path / "a.json").read_text())["complete"] is True
    assert json.loads(save(tmp_path / "b.json", FULL).read_text())["complete"] is False


def test_reading_and_writing_again_changes_no_byte(tmp_path: Path) -> None:
    path = save(tmp_path / "r.json", FULL)
    assert save(tmp_path / "again.json", read_record(path)).read_bytes() == path.read_bytes()


def test_merging_gives_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{each.id}.json", split_off(each)) for each in FULL.runs]
    records = [read_record(path) for path in (*paths, save(tmp_path / "small.json"))]
    forth = save(tmp_path / "forth.json", merge_records(records))
    back = save(tmp_path / "back.json", merge_records(records[::-1]))
    assert forth.read_bytes() == back.read_bytes()


def split_off(run: Run) -> Record:
    return Record(
        runs=(run,),
        members=tuple(each for each in FULL.members if each.run == run.id),
        idle=tuple(each for each in FULL.idle if each.run == run.id),
    )


@pytest.mark.parametrize("indent", [None, 2], ids=["one line", "pretty"])
def test_other_programs_may_write_it_their_way(tmp_path: Path, indent: int | None) -> None:
    """Another order of keys, white space, letters that are not ASCII: it is JSON."""
    document = load_document(FULL, folder=tmp_path)
    for order in (1, -1):
        path = tmp_path / "other.json"
        path.write_bytes(
            json.dumps(reorder(document, order), indent=indent, ensure_ascii=False).encode(
                "utf-8", "surrogatepass"
            ).replace(b"\xed\xa0\x80", rb"\ud800")
        )  # fmt: skip
        found = read_record(path)
        assert found == FULL
        assert read_record(save(tmp_path / "again.json", found)) == FULL


def reorder(value: Any, order: int) -> Any:
    if isinstance(value, dict):
        return {key: reorder(value[key], order) for key in list(value)[::order]}
    return [reorder(each, order) for each in value] if isinstance(value, list) else value


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = save(tmp_path / "r.json")
    before = path.read_bytes()

    def fail() -> Iterator[dict[str, Any]]:
        yield {}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_record(path, FULL, fail())
    assert (path.read_bytes(), os.listdir(tmp_path)) == (before, ["r.json"])


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(RecordError, match=r"file/r\.json cannot be written: Not a directory"),
        replace_file(tmp_path / "file" / "r.json"),
    ):
        pass


# The schema


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(json.loads(read_schema()))


@pytest.mark.parametrize("record", [FULL, SMALL, Record()], ids=["full", "small", "empty"])
def test_what_the_program_writes_is_as_the_schema_says(tmp_path: Path, record: Record) -> None:
    document = json.loads(save(tmp_path / "r.json", record).read_text())
    jsonschema.Draft7Validator(json.loads(read_schema())).validate(document)


def list_places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """List the paths of all values in a document."""
    yield path
    inner: Any = value.items() if isinstance(value, dict) else enumerate(value)
    if isinstance(value, (dict, list)):
        for key, each in inner:
            yield from list_places(each, (*path, key))


def put(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Give a copy with another value at a path; `...` takes out what is there."""
    if not path:
        return value
    copy = document.copy()
    if value is ... and len(path) == 1:
        del copy[path[0]]
    else:
        copy[path[0]] = put(copy[path[0]], path[1:], value)
    return copy


FOREIGN = (
    None, True, 0, -1, 1.5, 10**30, 1e300, "", "x", "linux/foo", "x" * 3_000_000, [], [1], ["x"],
    {}, {"x": 1}, {"json": "[", "x": "y"}, ...,
)  # fmt: skip
FREE = ("complete", "verdicts")
"""What the program itself never reads."""


def test_the_reader_accepts_what_the_schema_accepts(tmp_path: Path) -> None:
    """Whatever stands in the place of any value; what the schema cannot say is refused besides."""
    document = load_document(FULL, folder=tmp_path)
    validator = jsonschema.Draft7Validator(json.loads(read_schema()))
    path = tmp_path / "changed.json"
    checked = 0
    for place in list_places(document):
        if len(place) > 4 and place[1] > 0 and place[0] == "members":
            continue  # the first member has all there is
        for value in FOREIGN if len(place) < 7 else FOREIGN[:8]:
            changed = {} if not place and value is ... else put(document, place, value)
            path.write_text(json.dumps(changed))
            is_read, why = try_to_read(path)
            checked += 1
            if place[:1] in [(name,) for name in FREE]:
                assert is_read, (place, value, why)
            elif is_read or "is not a platform" not in why and "cannot be read" not in why:
                is_valid = validator.is_valid(changed)
                assert is_read == is_valid, (place, str(value)[:50], why)
    assert checked > 1000


def try_to_read(path: Path) -> tuple[bool, str]:
    """Read a record to its end, as a merge does."""
    try:
        record = merge_records([read_record(path)])
    except RecordError as error:
        return False, str(error)
    find_mismatches(record)
    judge_record(record)
    for member in record.members:
        tuple(member.observations)
    return True, ""
