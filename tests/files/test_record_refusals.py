"""What is no record, or was made to do harm: a clear error, in bounded time and memory."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_multiarch.core.errors import RecordError
from pytest_multiarch.files.record_file import read_record
from tests.files.sample_records import (
    HOSTILE,
    SMALL,
    load_document,
    put,
    save,
    try_to_read,
    write_journal,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


# What is no record


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (b"<testsuites/>", "line 1 column 1"),
        (b"\x89PNG\r\n\x1a\n", "byte 0 is not UTF-8"),
        (b"\xff\xfe{\x00}\x00", "byte 0 is not UTF-8"),
        (b"{}", "does not say that it is one"),
        (b"[]", "expected '{'"),
        (b"null", "expected '{'"),
        (b'{"version": 1, "members": []}', "does not say that it is one"),
        (b'{"format": "pytest-multiarch record", "version": "1"}', "does not say that it is one"),
        (b'{"format": "pytest-multiarch record", "version": 1}', "it has no runs"),
        (b'{"format": "pytest-multiarch record", "version": 1} x', "more after its end"),
        (b'{"format": "pytest-multiarch record", "version": 1, "runs": {}}', r"expected '\['"),
        (b'{"journal": true}\n', "does not say that it is one"),
        (b'{"format": "pytest-multiarch record", "version": 1, "journal": true}\n', "run: "),
    ],
)
def test_other_files_are_refused(refuse: Callable[..., str], content: bytes, why: str) -> None:
    assert re.search(why, refuse(content))


def test_a_truncated_document_is_refused_wherever_it_was_cut(tmp_path: Path) -> None:
    whole = save(tmp_path / "r.json").read_bytes()
    path = tmp_path / "cut.json"
    for size in range(len(whole) - 1):  # the last byte ends the last line
        path.write_bytes(whole[:size])
        assert not try_to_read(path)[0], size


def test_a_changed_document_is_refused_wherever_it_was_changed(tmp_path: Path) -> None:
    whole = save(tmp_path / "r.json").read_bytes()
    end = whole.rindex(b'"sha256":"')
    path = tmp_path / "changed.json"
    for at in (*range(end), end + 10, end + 73):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert not try_to_read(path)[0], at


@pytest.mark.parametrize(
    ("version", "cure"), [(2, "pip install --upgrade"), (0, "record again"), (10**400, "upgrade")]
)
@pytest.mark.parametrize("is_journal", [False, True], ids=["document", "journal"])
def test_another_schema_version_is_named_and_mended(
    refuse: Callable[..., str], version: int, cure: str, is_journal: bool
) -> None:
    """Whatever else is in it may have another form."""
    head = {"format": "pytest-multiarch record", "version": version}
    head |= {"journal": True} if is_journal else {"members": {"other": "form"}}
    message = refuse(f"{json.dumps(head)}\n")
    assert f"schema version {version}" in message
    assert "reads version 1" in message
    assert cure in message


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="Is a directory"):
        read_record(tmp_path)


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "r.json")
    path.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # root may read anything
    try:
        with pytest.raises(RecordError, match="Permission denied"):
            read_record(path)
    finally:
        os.seteuid(user)


def test_where_there_is_none_its_journal_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="No such file"):
        read_record(tmp_path / "r.json")
    journal = write_journal(tmp_path / "r.json")
    with pytest.raises(RecordError) as caught:
        read_record(tmp_path / "r.json")
    assert f"give {journal} in its place" in caught.value.cure


# What somebody made to do harm


def test_texts_of_any_kind_are_read_as_they_are(tmp_path: Path) -> None:
    """Control sequences, characters that XML and UTF-8 cannot hold: cleaned where shown."""
    members = [replace(each, reason=HOSTILE, group=HOSTILE) for each in SMALL.members]
    found = read_record(save(tmp_path / "r.json", replace(SMALL, members=tuple(members))))
    assert (found.members[0].group, found.members[0].reason) == (HOSTILE, HOSTILE)


def test_messages_hold_no_control_sequences(
    refuse: Callable[..., str], rich: dict[str, Any]
) -> None:
    for place in (
        ("runs", 0, "machine", HOSTILE), ("runs", 0, HOSTILE), ("members", 0, HOSTILE),
        ("runs", 0, "ended"), ("members", 0, "platform"), ("members", 0, "rules", HOSTILE),
    ):  # fmt: skip
        value = 1 if place[-1] == HOSTILE else f"{HOSTILE}/x"
        message = refuse(put(rich, place, value)).replace("\n", "")
        assert message.isprintable(), (place, message)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "9" * 400, "9" * 5000])
@pytest.mark.parametrize(
    "place",
    [
        ("runs", 0, "started_at_s"), ("members", 0, "inside_s"), ("members", 0, "attempt"),
        ("members", 0, "observations", 0, "exit_code"),
        ("members", 0, "observations", 0, "timings", "create_s"),
        ("members", 0, "observations", 0, "stdout", "size"),
        ("members", 0, "observations", 3, "value", "rel"),
    ],
    ids=lambda place: place[-1],
)  # fmt: skip
def test_numbers_out_of_bounds_are_refused(
    refuse: Callable[..., str], rich: dict[str, Any], place: tuple[Any, ...], number: str
) -> None:
    refuse(json.dumps(put(rich, place, "HERE")).replace('"HERE"', number))


@pytest.mark.parametrize("bracket", ["[", '{"x":'])
@pytest.mark.parametrize("place", [(), ("more",), ("verdicts",), ("members",), ("runs", 0, "job")])
def test_deep_nesting_is_refused(
    refuse: Callable[..., str], rich: dict[str, Any], place: tuple[Any, ...], bracket: str
) -> None:
    refuse(json.dumps(put(rich, place, "HERE")).replace('"HERE"', bracket * 100_000))


@pytest.mark.parametrize("depth", [101, 102, 900, 100_000])
@pytest.mark.parametrize("part", ["json", "normalized"])
def test_a_value_may_be_as_deep_as_a_test_may_make_it(
    tmp_path: Path, rich: dict[str, Any], part: str, depth: int
) -> None:
    value = "[" * depth + "]" * depth
    path = tmp_path / "deep.json"
    path.write_text(json.dumps(put(rich, ("members", 0, "observations", 3, "value", part), value)))
    is_read, why = try_to_read(path)
    assert is_read == (depth == 101)
    assert is_read or "nested deeper than 100 levels" in why


@pytest.mark.parametrize("value", ["", "[1", "{'a': 1}", "9" * 5000, "[] []", "\x1b"])
def test_a_value_that_is_no_json_is_refused(
    refuse: Callable[..., str], rich: dict[str, Any], value: str
) -> None:
    changed = put(rich, ("members", 0, "observations", 3, "value", "json"), value)
    assert "the value of 'n' cannot be read" in refuse(changed)


def test_keys_given_twice_are_no_way_around_the_checks(tmp_path: Path) -> None:
    """The text that is passed on is the one that was checked, or it is found out when read."""
    text = json.dumps(load_document(folder=tmp_path))
    path = tmp_path / "twice.json"
    path.write_text(text.replace('"observations"', '"observations": [{}], "observations"'))
    assert read_record(path) == SMALL
    path.write_text(text.replace('"observations"', '"observations": [{}], "observ\\u0061tions"'))
    (member,) = read_record(path).members
    with pytest.raises(RecordError, match="damaged"):
        tuple(member.observations)


MEASURE = """
    import sys, time
    from pathlib import Path
    from pytest_multiarch.core.errors import RecordError
    from pytest_multiarch.files.record_file import read_record

    begun = time.process_time()
    try:
        read_record(Path(sys.argv[1]))
        print("read")
    except RecordError as error:
        print("refused:", ascii(str(error)[:500]))
    status = Path("/proc/self/status").read_text()  # `ru_maxrss` counts the parent's too
    peak = int(status.partition("VmHWM:")[2].split()[0]) // 1024
    print(round(time.process_time() - begun), peak)
"""


HEAD = '"format": "pytest-multiarch record", "version": 1'


@pytest.mark.parametrize(
    ("start", "unit", "end", "becomes"),
    [
        (f'{{{HEAD}, "members": [{{"reason": "', "x", '"}]}', "refused"),
        (f'{{{HEAD}, "runs": [], "members": [], "more": "', "x", '"}', "read"),
        (f'{{{HEAD}, "runs": [], "members": [], "more": "', "\\u00e9", '"}', "read"),
        (f'{{{HEAD}, "more": "', "x", "", "refused"),
        ("{", " ", "}", "refused"),
        (f'{{{HEAD}, "runs": [', '{"id":"x"},', '{"id":"x"}]}', "refused"),
        (f'{{{HEAD}, "members": [', "0,", "0]}", "refused"),
        (f'{{{HEAD}, "journal": true}}\n', "\n", "", "refused"),
        (f'{{{HEAD}, "journal": true}}\n', '{"run":{"job":{"N":"x"}}}\n', "", "refused"),
        ("", "\0", "", "refused"),
    ],
    ids=[
        "text",
        "unread",
        "escapes",
        "no-end",
        "spaces",
        "runs",
        "items",
        "lines",
        "notes",
        "zeros",
    ],
)
def test_a_huge_file_takes_bounded_time_and_memory(
    tmp_path: Path, start: str, unit: str, end: str, becomes: str
) -> None:
    """Of 100 MB: ten times that at most, and little more time than it takes to look at it."""
    path = tmp_path / "huge"
    megabytes = 20 if "N" in unit else 100
    with path.open("w") as file:
        file.write(start)
        for number in range(megabytes):
            file.write(unit.replace("N", str(number)) * (1_000_000 // len(unit)))
        file.write(end)
    command = [sys.executable, "-c", textwrap.dedent(MEASURE), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    path.unlink()
    cpu_s, peak_mb = map(int, done.stdout.split()[-2:])
    assert becomes in done.stdout
    assert (cpu_s < 20, peak_mb < 1000) == (True, True), done.stdout


@settings(deadline=None)
@given(at=st.integers(0, 3000), cut=st.integers(0, 40), put_in=st.binary(max_size=20))
@example(at=0, cut=3000, put_in=b"")
def test_no_other_exception_comes_of_any_bytes(
    tmp_path_factory: pytest.TempPathFactory, at: int, cut: int, put_in: bytes
) -> None:
    folder = tmp_path_factory.getbasetemp()
    path = save(folder / "spoilt.json")
    data = path.read_bytes()
    data = data[: data.rindex(b',\n"sha256"')] + b"}"
    path.write_bytes(data[:at] + put_in + data[at + cut :])
    try_to_read(path)
