"""Records on disk: what is written is read, journals too, and the schema says what it is."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from pytest_multiarch.core.errors import RecordError
from pytest_multiarch.core.merging import merge_records
from pytest_multiarch.core.record import Record, Run
from pytest_multiarch.files.record_file import (
    Journal,
    name_journal,
    read_record,
    read_schema,
    replace_file,
    write_record,
)
from tests.files.sample_records import (
    FULL,
    SMALL,
    list_names,
    list_places,
    load_document,
    put,
    save,
    try_to_read,
    write_journal,
)
from tests.samples import AMD64, ARM64, make_member

if TYPE_CHECKING:
    from collections.abc import Iterator


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


@pytest.mark.parametrize("order", [1, -1], ids=["same order", "other order"])
@pytest.mark.parametrize("indent", [None, 2], ids=["one line", "pretty"])
def test_other_programs_may_write_it_their_way(
    tmp_path: Path, indent: int | None, order: int
) -> None:
    """Another order of keys, white space, letters that are not ASCII: it is the same JSON."""
    document = reorder(load_document(FULL, folder=tmp_path), order)
    text = json.dumps(document, indent=indent, ensure_ascii=False)
    path = tmp_path / "other.json"
    path.write_text("".join(ascii(c)[1:-1] if "\ud800" <= c <= "\udfff" else c for c in text))
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
    assert (path.read_bytes(), list_names(tmp_path)) == (before, ["r.json"])


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(RecordError, match=r"file/r\.json cannot be written: "),
        replace_file(tmp_path / "file" / "r.json"),
    ):
        pass


def test_what_a_link_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text("old")
    link = tmp_path / "link.json"
    link.symlink_to("real.json")
    save(link)
    assert link.is_symlink()
    assert read_record(tmp_path / "real.json") == SMALL


def test_a_pipe_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with replace_file(pipe) as write:
        write(b"text")
    assert os.read(reader, 100) == b"text"
    os.close(reader)
    assert pipe.is_fifo()


# The schema


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(json.loads(read_schema()))


@pytest.mark.parametrize("record", [FULL, SMALL, Record()], ids=["full", "small", "empty"])
def test_what_the_program_writes_is_as_the_schema_says(tmp_path: Path, record: Record) -> None:
    document = json.loads(save(tmp_path / "r.json", record).read_text())
    jsonschema.Draft7Validator(json.loads(read_schema())).validate(document)


FOREIGN = (
    None, True, 0, -1, 1.5, 10**30, "", "x", "linux/foo", [], [1], {}, {"x": 1}, ...,
)  # fmt: skip
UNREAD = ("complete", "verdicts")
"""What is for other programs, and never read here."""
BESIDES = ("is not a platform", "cannot be read", "a difference is allowed for a reason", "label=")
"""What the schema cannot say."""


@pytest.mark.parametrize("part", ["format", "version", "runs", "idle", "members", "verdicts"])
def test_the_reader_accepts_what_the_schema_accepts(
    tmp_path: Path, rich: dict[str, Any], part: str
) -> None:
    """Whatever stands in the place of any value; of a list the first item has all there is."""
    validator = jsonschema.Draft7Validator(json.loads(read_schema()))
    path = tmp_path / "changed.json"
    places = list_places(rich[part], (part,))
    for place in (each for each in places if each[1:2] in ((), (0,))):
        for value in FOREIGN:
            changed = put(rich, place, value)
            path.write_text(json.dumps(changed))
            is_read, why = try_to_read(path)
            if not any(each in why for each in BESIDES):
                expected = part in UNREAD or validator.is_valid(changed)
                assert is_read == expected, (place, value, why)


def test_the_schema_closes_every_part_that_is_read() -> None:
    """A name that is misspelt, or of a newer version, is not passed over."""
    schema = json.loads(read_schema())["definitions"]
    parts = [each for place in list_places(schema) for each in [look_up(schema, place)]]
    objects = [each for each in parts if isinstance(each, dict) and "properties" in each]
    assert len(objects) > 8
    assert [each for each in objects if each.get("additionalProperties") is not False] == []


def look_up(value: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        value = value[key]
    return value


# Journals


def test_a_journal_is_a_record_of_a_run_without_an_end(tmp_path: Path) -> None:
    found = read_record(write_journal(tmp_path / "r.json", FULL))
    assert found.members == FULL.members
    assert found.idle == FULL.idle
    assert [(each.id, each.ended, each.tests) for each in found.runs] == [("r1", "", 3)]


def test_the_last_attempt_of_a_member_counts(tmp_path: Path) -> None:
    attempts = [make_member(outcome="failed"), make_member(attempt=2), make_member(ARM64)]
    found = read_record(write_journal(tmp_path / "r.json", replace(SMALL, members=attempts)))
    assert found.members == tuple(attempts[1:])


def test_what_is_noted_of_a_run_grows(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "r.json")
    journal.add_run({"id": "r1", "sources": {"a": "1"}, "commit": "c"})
    journal.add_run({"sources": {"b": "2"}, "ended": "complete"})
    (run,) = read_record(name_journal(journal.path)).runs
    assert run == Run(id="r1", sources={"a": "1", "b": "2"}, commit="c", ended="complete")
    journal.close()


def test_each_part_is_on_disk_as_soon_as_it_is_noted(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "r.json")
    journal.add_run({"id": "r1"})
    for count in (1, 2):
        journal.add_member(make_member((AMD64, ARM64)[count - 1]))
        assert len(read_record(name_journal(journal.path)).members) == count
    journal.close()


def test_cut_off_anywhere_a_journal_holds_what_was_whole(tmp_path: Path) -> None:
    """A process that is killed, a disk that is full."""
    record = replace(SMALL, members=FULL.members[1:])
    whole = write_journal(tmp_path / "r.json", record).read_bytes()
    path = tmp_path / "cut.jsonl"
    counts = []
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        is_read, why = try_to_read(path)
        if is_read:
            counts.append(len(read_record(path).members))
            assert whole[:size].count(b"\n") >= 2
        else:
            assert whole[:size].count(b"\n") < 2, why
    assert (counts == sorted(counts), set(counts)) == (True, {0, 1, 2})


def test_a_broken_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = write_journal(tmp_path / "r.json")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:2], lines[2][:40] + "\n", *lines[3:]]))
    with pytest.raises(RecordError, match="line 3: "):
        read_record(path)


@pytest.mark.parametrize(
    "line",
    ["[]", "{}", "1", '{"x": 1}', '{"member": 1}', '{"run": []}', '{"idle": {}}', '{"a":1,"b":2}'],
)
def test_a_line_of_something_else_is_refused(tmp_path: Path, line: str) -> None:
    path = write_journal(tmp_path / "r.json")
    path.write_text(f"{path.read_text()}{line}\n")
    with pytest.raises(RecordError, match="no usable record"):
        read_record(path)


def test_ends_of_lines_may_have_been_changed(tmp_path: Path) -> None:
    path = write_journal(tmp_path / "r.json")
    text = path.read_text().replace('{"member":', '{ "member": ')
    path.write_text(text, newline="\r\n")
    found = read_record(path)
    assert found.members == SMALL.members
    assert read_record(save(tmp_path / "again.json", found)) == found


def test_at_the_end_it_becomes_the_document(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "new" / "r.json")
    journal.add_run(SMALL.runs[0].to_mapping())
    journal.add_member(SMALL.members[0])
    journal.finish([])
    assert list_names(tmp_path / "new") == ["r.json"]
    assert read_record(journal.path) == SMALL


def test_two_runs_cannot_write_one_record(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "r.json")
    journal.add_run({"id": "r1"})
    with pytest.raises(RecordError, match="another run is writing it right now"):
        Journal(tmp_path / "r.json")
    assert read_record(name_journal(journal.path)).runs[0].id == "r1"
    journal.close()


def test_what_a_killed_run_left_is_replaced(tmp_path: Path) -> None:
    path = write_journal(tmp_path / "r.json", FULL)
    journal = Journal(tmp_path / "r.json")
    journal.add_run({"id": "r9"})
    assert read_record(path) == Record(runs=(Run(id="r9"),))
    journal.close()


def test_no_earlier_record_stands_for_a_run_that_is_killed(tmp_path: Path) -> None:
    path = save(tmp_path / "r.json")
    Journal(path).close()
    with pytest.raises(RecordError, match="is not there, but its journal is"):
        read_record(path)


def test_a_record_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="it is a folder"):
        Journal(tmp_path)
