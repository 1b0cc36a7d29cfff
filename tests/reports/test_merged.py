"""Merged records as text: verdicts first, then what is missing, the runs, and the result last."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_multiarch.core.member import Member
from pytest_multiarch.core.merging import judge_record
from pytest_multiarch.core.record import IdleGroup, Record, Run
from pytest_multiarch.reports.merged import render_merged, render_overview
from tests.samples import AMD64, ARM64, NATIVE, QEMU, S390X, check, make_member, observe

BOX = {"host": "box", "system": "Linux 6.1", "architecture": "x86_64", "cpu": "Xeon", "cpus": "4"}
ARM_BOX = {"host": "arm", "cpu": "Neoverse-N2"}
NODE = {
    "product": "Docker", "version": "27.1", "platform": "linux/amd64", "kernel": "6.1.0",
}  # fmt: skip
R1 = Run(id="r1", ended="complete", job={"name": "build"}, machine=BOX, nodes={"unix:///d": NODE})


def render(*members: Member, is_strict: bool = False, **fields: Any) -> list[str]:
    record = Record(members=members, **{"runs": (R1,), **fields})
    return list(render_merged(judge_record(record, is_strict=is_strict)))


def read_section(lines: list[str], title: str) -> list[str]:
    """Give the lines that are indented under a title."""
    start = lines.index(f"{title}:") + 1
    end = next(n for n in range(start, len(lines)) if not lines[n].startswith("  "))
    return [line[2:] for line in lines[start:end]]


def run_both_ways(emulated: Run, **fields: Any) -> list[str]:
    """Run a test on arm64 natively in one run, and emulated in another."""
    return render(
        make_member(ARM64, run="r1", execution=QEMU, declared=(ARM64,), inside_s=6.0),
        make_member(ARM64, run="r2", execution=NATIVE, declared=(ARM64,), inside_s=1.5),
        runs=(R1, emulated),
        **fields,
    )


def test_parity() -> None:
    lines = render(make_member(AMD64, observe("1")), make_member(ARM64, observe("1")))
    assert lines == [
        "1 group of platforms: 1 equal",
        "linux/amd64  native       1 test",
        "linux/arm64  qemu 7.2.22  1 test",
        "",
        "runs:",
        (
            "  build on box: 1 test on linux/amd64 native, 1 test on linux/arm64 qemu 7.2.22; "
            "Linux 6.1, x86_64, Xeon, 4 CPUs; node unix:///d (Docker 27.1, linux/amd64, "
            "kernel 6.1.0)"
        ),
        "",
        "parity: 1 group of platforms: 1 equal",
    ]


def test_a_divergence_is_shown_in_full() -> None:
    lines = render(make_member(AMD64, observe("1")), make_member(ARM64, observe("2")))
    start = next(n for n, line in enumerate(lines) if " DIVERGED test_app.py::test_x _" in line)
    headline = (
        'linux/arm64 differs from linux/amd64 (baseline): stdout of "app"; diagnosis: unconfirmed'
    )
    assert lines[start + 1] == headline
    assert "- 1" in lines[start:]
    assert lines[-1] == "diverged: 1 group diverged"


def test_an_overview_leaves_out_what_failures_show() -> None:
    record = Record(members=(make_member(AMD64, observe("1")), make_member(ARM64, observe("2"))))
    lines = list(render_overview(judge_record(record)))
    assert lines[0] == "1 group of platforms: 1 diverged"
    assert not any("baseline" in line for line in lines)


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"outcome": "failed"}, "failed on linux/arm64 (qemu 7.2.22): no\\x1b"),
        ({"outcome": "error"}, "had an error on linux/arm64 (qemu 7.2.22): no\\x1b"),
        ({"outcome": "crashed"}, "crashed its worker on linux/arm64 (qemu 7.2.22): no\\x1b"),
        ({"reason": "", "teardown_error": "left\nhere"},
         "failed in its teardown on linux/arm64 (qemu 7.2.22): left"),
    ],
)  # fmt: skip
def test_failures_say_where_why_and_in_which_run(fields: dict[str, Any], line: str) -> None:
    lines = render(make_member(AMD64), make_member(ARM64, **{"reason": "no\x1b\nmore", **fields}))
    assert read_section(lines, "failed") == [
        f"test_app.py::test_x[linux/arm64] {line} (run: build on box)"
    ]
    assert lines[-1].startswith("failed: 1 test failed")


def test_a_test_of_all_variants_fails_once() -> None:
    fields = {"node_id": "t.py::test_x", "outcome": "failed", "reason": "why"}
    lines = render(make_member(AMD64, **fields), make_member(ARM64, **fields))
    assert read_section(lines, "failed") == [
        (
            "t.py::test_x failed on linux/amd64 (native): why, and so on linux/arm64 "
            "(run: build on box)"
        )
    ]


def test_what_is_missing() -> None:
    members = [
        make_member(AMD64, selected=(AMD64,), declared=(AMD64, ARM64, S390X)),
        make_member(ARM64, run="r2", selected=(ARM64,), declared=(AMD64, ARM64, S390X)),
    ]
    idle = IdleGroup(group="t.py::test_y", run="r1", declared=(S390X,))
    runs = (R1, Run(id="r2", ended="interrupted", job={"name": "test-arm"}))
    lines = render(*members, idle=(idle,), runs=runs)
    assert read_section(lines, "declared, and no job ran anything on it") == [
        "linux/s390x (2 groups)"
    ]
    assert read_section(lines, "groups without all their platforms") == [
        "test_app.py::test_x: no job ran linux/s390x"
    ]
    assert read_section(lines, "ran on no platform") == ["t.py::test_y: declared for linux/s390x"]
    assert read_section(lines, "did not come to their end") == ["test-arm: interrupted"]
    assert lines[-1] == (
        "incomplete: 1 group without all its platforms, 1 test ran on no platform, "
        "1 run was interrupted, nothing ran on linux/s390x"
    )


def test_several_groups_that_lack_platforms() -> None:
    alone = {"selected": (AMD64,), "declared": (AMD64, ARM64)}
    members = make_member(AMD64, group="a", **alone), make_member(AMD64, group="b", **alone)
    assert "2 groups without all their platforms" in render(*members)[-1]


def test_no_test_at_all_is_no_parity() -> None:
    assert render()[-1] == "incomplete: no test ran"


def test_strict_says_what_could_not_be_compared() -> None:
    members = [
        make_member(AMD64),
        make_member(ARM64, outcome="skipped", reason="no time"),
        make_member(ARM64, group="y", declared=(ARM64,)),
    ]
    assert render(*members)[-1].startswith("parity: 2 groups of platforms: 1 not compared")
    assert render(*members, is_strict=True)[-1] == "not compared: 1 group could not be compared"


def test_runs_of_one_name_are_told_apart() -> None:
    runs = tuple(Run(id=f"{n}" * 32, ended="complete", machine={"host": "box"}) for n in (1, 2))
    lines = render(make_member(AMD64, run="1" * 32), make_member(ARM64, run="2" * 32), runs=runs)
    names = [line.partition(":")[0] for line in read_section([*lines, ""], "runs")]
    assert names == ["box (11111111)", "box (22222222)"]


def test_cost_of_emulation_names_the_machines() -> None:
    lines = run_both_ways(Run(id="r2", ended="complete", machine=ARM_BOX))
    assert read_section(lines, "cost of emulation") == [
        (
            "linux/arm64, 1 test: 6.00 s emulated (qemu 7.2.22) on box (Xeon), 1.50 s native on "
            "arm (Neoverse-N2): 4.0 times; not the same machine, which is part of it"
        )
    ]


def test_cost_of_emulation_on_one_machine() -> None:
    lines = run_both_ways(Run(id="r2", ended="complete", machine=BOX))
    (line,) = read_section(lines, "cost of emulation")
    assert line.endswith("on box (Xeon): 4.0 times; the same machine")


def test_cost_of_emulation_on_a_node_elsewhere() -> None:
    """The machine that asked is not the one that ran."""
    lines = render(
        make_member(ARM64, run="r1", declared=(ARM64,), inside_s=6.0),
        make_member(
            ARM64, run="r1", declared=(ARM64,), inside_s=1.5, execution=NATIVE, node="ssh://arm"
        ),
    )
    (line,) = read_section(lines, "cost of emulation")
    assert "1.50 s native on ssh://arm, asked from box (Xeon): 4.0 times; not the same" in line


def test_no_cost_of_emulation_without_times() -> None:
    lines = render(
        make_member(ARM64, run="r1", declared=(ARM64,)),
        make_member(ARM64, run="r2", declared=(ARM64,), execution=NATIVE),
    )
    assert "cost of emulation:" not in lines


def test_twins_that_differ_are_named() -> None:
    lines = render(
        make_member(ARM64, check("n", 1), run="r1", declared=(ARM64,)),
        make_member(ARM64, check("n", 2), run="r2", declared=(ARM64,), execution=NATIVE),
        runs=(R1, Run(id="r2", ended="complete", machine=ARM_BOX)),
    )
    assert read_section(lines, "not the same native and emulated") == [
        'test_app.py::test_x[linux/arm64]: value of "n" (runs: arm and build on box)'
    ]


def test_twins_that_ended_differently_are_named() -> None:
    lines = render(
        make_member(ARM64, run="r1", declared=(ARM64,), outcome="failed", reason="why"),
        make_member(ARM64, run="r2", declared=(ARM64,), execution=NATIVE),
        runs=(R1, Run(id="r2", ended="complete", machine=ARM_BOX)),
    )
    assert read_section(lines, "not the same native and emulated") == [
        (
            "test_app.py::test_x[linux/arm64]: native linux/arm64 passed; "
            "emulated linux/arm64 failed: why (runs: arm and build on box)"
        )
    ]
    assert lines[-1] == "failed: 1 test failed"


def test_nothing_from_outside_reaches_a_terminal_as_it_is() -> None:
    bad = "x\x1b[31m\x07\udcff\r\n"
    output = bad.encode("utf-8", "surrogateescape")
    lines = render(
        make_member(AMD64, observe(output), group=bad, node_id=bad, run="r1"),
        make_member(ARM64, observe("2"), group=bad, node_id=bad, run="r1"),
        make_member(S390X, outcome="failed", reason=bad, group=bad, node_id=bad, run=bad),
        runs=(Run(id="r1", machine={"host": bad, "cpu": bad}, nodes={bad: {"version": bad}}),),
        idle=(IdleGroup(group=f"{bad}2", run="r1", declared=(AMD64,)),),
    )
    assert all(character.isprintable() for line in lines for character in line)
