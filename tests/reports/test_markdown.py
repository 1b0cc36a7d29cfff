"""Markdown of judged records: what stands where, and that nothing in it is more than text."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pytest_multiarch.core.execution import Execution, ExecutionKind
from pytest_multiarch.core.member import Member
from pytest_multiarch.core.merging import judge_record
from pytest_multiarch.core.record import IdleGroup, Record, Run
from pytest_multiarch.reports.markdown import render_markdown, write_block, write_code
from tests.samples import AMD64, ARM64, NATIVE, S390X, make_member, observe

RUN = Run(id="r1", ended="complete", machine={"host": "box"}, job={"name": "build"})


def render(*members: Member, is_strict: bool = False, **fields: Any) -> str:
    record = Record(members=members, **{"runs": (RUN,), **fields})
    return render_markdown(judge_record(record, is_strict=is_strict))


def read_section(text: str, title: str) -> str:
    """Give what stands under a title."""
    return re.search(rf"^### {title}\n\n(.*?)(?=\n\n?### |\Z)", text, re.MULTILINE | re.DOTALL)[1]


def test_parity() -> None:
    text = render(make_member(AMD64, observe("1")), make_member(ARM64, observe("1")))
    assert text.startswith(
        "## Platforms: parity\n"
        "\n"
        "1 group of platforms: 1 equal.\n"
        "\n"
        "| platform | executed | tests | failed | time |\n"
        "|---|---|---:|---:|---:|\n"
        "| `linux/amd64` | `native` | 1 | 0 |  |\n"
        "| `linux/arm64` | `qemu 7.2.22` | 1 | 0 |  |\n"
    )


def test_times_are_those_of_the_baseline_times_so_much() -> None:
    ours, theirs = make_member(AMD64, inside_s=1.0), make_member(ARM64, inside_s=4.1)
    assert "| `linux/arm64` | `qemu 7.2.22` | 1 | 0 | x 4.1 |\n" in render(ours, theirs)


def test_a_star_says_that_times_are_of_two_runs() -> None:
    ours = make_member(AMD64, inside_s=1.0, run="other")
    text = render(ours, make_member(ARM64, inside_s=4.1))
    assert "| x 4.1 \\* |\n" in text
    assert "\n\\* partly from separate runs" in text


@pytest.mark.parametrize(
    ("members", "title"),
    [
        ([make_member(AMD64, observe("1")), make_member(ARM64, observe("2"))], "diverged"),
        ([make_member(AMD64), make_member(ARM64, outcome="failed")], "failed"),
        ([make_member(AMD64), make_member(ARM64, teardown_error="left")], "failed"),
        ([make_member(AMD64), make_member(ARM64, outcome="skipped")], "not compared"),
        ([make_member(AMD64, group="a"), make_member(ARM64, group="a"),
          make_member(AMD64, group="b", declared=(AMD64,)),
          make_member(AMD64, group="c", declared=(AMD64, S390X), outcome="xfailed")],
         "incomplete"),
        ([], "incomplete"),
    ],
)  # fmt: skip
def test_the_title_says_the_gravest(members: list[Member], title: str) -> None:
    assert render(*members, is_strict=True).splitlines()[0] == f"## Platforms: {title}"


def test_a_divergence_is_shown_in_full() -> None:
    text = render(make_member(AMD64, observe("1")), make_member(ARM64, observe("2")))
    assert "\n#### `test_app.py::test_x`\n\n```diff\nlinux/arm64 differs from" in text
    assert "\n- 1\n" in text


def test_failures_say_why_and_in_which_run() -> None:
    text = render(make_member(AMD64), make_member(ARM64, outcome="failed", reason="no `x`\nmore"))
    assert read_section(text, "Failed") == (
        "- `` test_app.py::test_x[linux/arm64] failed on linux/arm64 (qemu 7.2.22): no `x` "
        "(run: build on box) ``"
    )


def test_what_is_missing() -> None:
    idle = IdleGroup(group="t.py::test_y", run="r1", declared=(AMD64, S390X))
    killed = Run(id="r2", machine={"host": "gone"})
    text = render(make_member(AMD64, selected=(AMD64,)), idle=(idle,), runs=(RUN, killed))
    assert text.splitlines()[2] == (
        "1 group without all its platforms, 1 test ran on no platform, 1 run was interrupted, "
        "nothing ran on linux/arm64, linux/s390x."
    )
    assert read_section(text, "Not compared") == (
        "- `test_app.py::test_x: linux/arm64 not selected`"
    )
    assert read_section(text, "Ran on no platform") == (
        "- `t.py::test_y: declared for linux/amd64, linux/s390x`"
    )
    assert read_section(text, "Did not come to their end") == "- `gone: killed, or still going`"


def test_a_fence_is_longer_than_any_run_of_backticks() -> None:
    assert list(write_block("a\n````\nb", "diff")) == ["`````diff", "a", "````", "b", "`````"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a | <b> *c*", "`a | <b> *c*`"),
        ("a`b", "`` a`b ``"),
        ("``", "``` `` ```"),
        ("", "`  `"),
        ("a\nb\x1b[31m", "`a\\nb\\x1b[31m`"),
    ],
)
def test_code_is_text_whatever_it_holds(text: str, code: str) -> None:
    assert write_code(text) == code


def test_nothing_from_outside_ends_a_cell_of_the_table() -> None:
    emulator = Execution(kind=ExecutionKind.QEMU, version="7|8")
    text = render(make_member(ARM64, execution=emulator, declared=(ARM64,)))
    assert "| `linux/arm64` | `qemu 7\\|8` | 1 | 0 |" in text


HOSTILE = "x\x1b[31m\n```\n# <script>alert(1)</script> @all"


def test_outside_text_stands_in_code_only() -> None:
    text = render(
        make_member(AMD64, observe(HOSTILE), group=HOSTILE, node_id=HOSTILE),
        make_member(ARM64, observe("2"), group=HOSTILE, node_id=HOSTILE),
        make_member(S390X, outcome="failed", reason=HOSTILE, group=HOSTILE, node_id=HOSTILE),
        runs=(Run(id="r1", machine={"host": HOSTILE}, job={"name": HOSTILE}),),
    )
    outside = re.sub(r"^(`{3,})diff\n.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    outside = re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", outside)
    assert "\x1b" not in text
    assert "<script" in text
    assert not re.search(r"<|@|`|alert", outside)


def test_many_divergences_fit_a_summary() -> None:
    members = [
        make_member(platform, observe(f"{value}\n" * 30), group=f"t.py::test_{n}")
        for n in range(1500)
        for value, platform in enumerate((AMD64, ARM64))
    ]
    text = render(*members)
    assert 300_000 < len(text) < 1_000_000
    assert "and without room for what differs:" in text


def test_twins_say_what_emulation_costs() -> None:
    members = [
        make_member(ARM64, run="r1", execution=NATIVE, inside_s=0.5, declared=(ARM64,)),
        make_member(ARM64, run="r2", inside_s=4.0, declared=(ARM64,)),
    ]
    text = render(*members, runs=(RUN, Run(id="r2", ended="complete", machine={"host": "other"})))
    assert read_section(text, "Cost of emulation") == (
        "- `linux/arm64, 1 test: 4.00 s emulated (qemu 7.2.22) on other, 0.50 s native on box: "
        "8.0 times; not the same machine, which is part of it`"
    )
