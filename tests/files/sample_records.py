"""Records with all that there can be in them, on disk and as JSON, and ways to spoil them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.errors import RecordError
from pytest_multiarch.core.member import VariantIdentity
from pytest_multiarch.core.merging import find_mismatches, judge_record, merge_records
from pytest_multiarch.core.parity import compare_group
from pytest_multiarch.core.record import IdleGroup, Record, Run, describe_verdict
from pytest_multiarch.core.rules import ParityRules, allow
from pytest_multiarch.files.record_file import Journal, name_journal, read_record, write_record
from tests.samples import AMD64, ARM64, PIN, check, make_member, observe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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
            rules=ParityRules(
                parts=("exit",),
                is_off=True,
                allowances=(allow("x*", part="exit", platforms="arm64", reason="r"),),
                stateless=True,
                names=("dates",),
            ),
            worker="gw1",
            node="unix:///d.sock",
            attempt=2,
            duration_s=1.5,
            inside_s=0.5,
        ),
        make_member(ARM64, check("n", 2), outcome="failed"),
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


def list_names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


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


def list_places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """List the paths of all values in a document."""
    yield path
    if isinstance(value, (dict, list)):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from list_places(each, (*path, key))


def put(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Give a copy with another value at a path; `...` takes out what is there."""
    if not path:
        return {} if value is ... else value
    copy = document.copy()
    if value is ... and len(path) == 1:
        del copy[path[0]]
    else:
        inner = copy[path[0]] if len(path) > 1 else None
        copy[path[0]] = put(inner, path[1:], value)
    return copy


def shorten(record: Record) -> Record:
    """Leave the long outputs out."""
    first, *others = record.members
    kept = (*SEEN[:3], SEEN[5])
    return replace(record, members=(replace(first, observations=kept), *others))


def try_to_read(path: Path) -> tuple[bool, str]:
    """Read a record and use all that is in it, as a merge does."""
    try:
        record = merge_records([read_record(path)])
    except RecordError as error:
        return False, str(error)
    find_mismatches(record)
    judge_record(record)
    for member in record.members:
        tuple(member.observations)
    return True, ""
