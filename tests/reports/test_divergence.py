"""A divergence reads at a glance: what, where, on which platforms, and how to see it again."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_multiarch.core.call import CallSummary
from pytest_multiarch.core.execution import Execution, ExecutionKind
from pytest_multiarch.core.member import VariantIdentity
from pytest_multiarch.core.observation import Observation
from pytest_multiarch.core.parity import Verdict, VerdictKind, compare_group
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.rules import allow, make_rules
from pytest_multiarch.reports.divergence import render_divergence
from tests.samples import AMD64, ARM7, ARM64, PIN, S390X, check, make_member, observe

Seen = Observation | list[Observation]


def judge(*rows: tuple[Platform, Seen], **fields: Any) -> Verdict:
    declared = tuple(platform for platform, _ in rows)
    return compare_group(
        make_member(
            platform,
            *(seen if isinstance(seen, list) else [seen]),
            declared=declared,
            **fields,
        )
        for platform, seen in rows
    )


def render(ours: Seen, theirs: Seen, **fields: Any) -> list[str]:
    verdict = judge((AMD64, ours), (ARM64, theirs), **fields)
    assert verdict.kind is VerdictKind.DIVERGED
    return render_divergence(verdict)[1].split("\n")


def run(out: str | bytes, platform: Platform = AMD64, **options: Any) -> Observation:
    return observe(out, **{"platform": platform, "argv": ("app", "char"), **options})


def test_the_whole_text_of_a_divergence() -> None:
    verdict = judge((AMD64, run("-1\n")), (ARM64, run("255\n", ARM64)))
    headline, text = render_divergence(verdict)
    assert headline == 'linux/arm64 differs from linux/amd64 (baseline): stdout of "app char"'
    assert (
        text
        == f"""\
{headline}

stdout of "app char"
--- linux/amd64 (native), the baseline
+++ linux/arm64 (qemu 7.2.22)
@@ line 1 @@
- -1
+ 255
  ^

by hand:
  docker run --rm --platform linux/amd64 {PIN} app char
  docker run --rm --platform linux/arm64 {PIN} app char

members:
  pytest 'test_app.py::test_x[linux/amd64]' 'test_app.py::test_x[linux/arm64]'"""
    )


def test_platforms_that_deviate_alike_share_one_diff() -> None:
    verdict = judge(
        (AMD64, run("on x86_64: 1\n")),
        (ARM64, run("on aarch64: 2\n", ARM64)),
        (S390X, run("on s390x: 2\n", S390X)),
        (ARM7, run("on armv7l: 3\n", ARM7)),
    )
    lines = render_divergence(verdict)[1].split("\n")
    assert lines.count("--- linux/amd64 (native), the baseline") == 2
    arm64 = lines.index("+++ linux/arm64 (qemu 7.2.22)")
    assert lines[arm64 + 1] == "+++ linux/s390x (qemu 7.2.22)"


def test_platforms_that_agree_with_the_baseline_are_named() -> None:
    verdict = judge((AMD64, run("1")), (ARM64, run("2", ARM64)), (S390X, run("1", S390X)))
    assert "the same as the baseline: linux/s390x" in render_divergence(verdict)[1]


def test_an_exit_code_by_a_signal_names_it_and_shows_what_the_emulator_said() -> None:
    line = "qemu: uncaught target signal 11 (Segmentation fault) - core dumped"
    lines = render(run("", exit_code=0), run("", ARM64, exit_code=139, err=f"{line}\n"))
    at = lines.index("- 0")
    assert lines[at : at + 4] == [
        "- 0",
        "+ 139 (128 + 11, SIGSEGV)",
        "  its stderr ends with (+):",
        f"    {line}",
    ]


def test_lines_of_the_emulator_that_were_left_out_are_counted() -> None:
    lines = render(run("", err="a\n"), run("", ARM64, err="b\nqemu: Unsupported syscall: 1\n"))
    assert "+++ linux/arm64 (qemu 7.2.22), 1 line of the emulator's left out" in lines
    assert not [line for line in lines if "Unsupported syscall" in line]


def test_an_output_that_one_side_has_not() -> None:
    lines = render(run("1\n2\n"), run("", ARM64))
    at = lines.index("- 1")
    assert lines[at : at + 3] == ["- 1", "- 2", "+ (nothing)"]


def test_binary_output_is_shown_as_bytes() -> None:
    lines = render(run(b"\x00\x01\x02"), run(b"\x00\xff\x02", ARM64))
    assert "@@ byte 1 (0x1) @@" in lines
    assert "- 3 bytes, sha256 ae4b3280e56e2faf" in lines


def test_a_value_is_shown_where_it_differs_with_its_tolerance() -> None:
    ours, theirs = (check("total", {"rows": [{"n": n}]}, rel=1e-9) for n in (1.0, 1.5))
    lines = render(ours, theirs)
    assert lines[2] == 'value of "total"'
    assert lines[5:9] == [
        "@@ at $.rows[0].n @@",
        "- 1.0",
        "+ 1.5",
        "  beyond the tolerance, rel=1e-09",
    ]


def test_a_member_that_one_value_has_not() -> None:
    assert "+ (nothing there)" in render(check("n", {"a": 1}), check("n", {}))


def test_a_call_that_one_made_more_often() -> None:
    lines = render([run("1"), run("2")], [run("1", ARM64)])
    assert lines[2] == 'number of calls of "app char"'
    assert lines[5:7] == ["- 2 calls", "+ 1 call"]


def test_a_call_that_one_did_not_make() -> None:
    lines = render(run("1"), [])
    assert lines[5:7] == ["- 1 call", "+ no calls"]


def test_a_later_call_of_one_label_is_numbered() -> None:
    headline = render([run("1"), run("2")], [run("1", ARM64), run("3", ARM64)])[0]
    assert headline.endswith('stdout of "app char", call 2')


def test_a_difference_far_into_a_long_output_is_located() -> None:
    ours = [f"line {n} on x86_64\n" for n in range(20_000)]
    theirs = [f"line {n} on aarch64\n" for n in range(20_000)]
    theirs[10_000] = "other\n"
    lines = render(run("".join(ours)), run("".join(theirs), ARM64))
    (located,) = (line for line in lines if "first different between lines" in line)
    low, high = (int(word.strip(",").replace(",", "")) for word in located.split()[4:7:2])
    assert low <= 10_001 <= high
    assert not [line for line in lines if line.startswith("- line")]


def test_a_difference_at_the_start_of_a_long_output_is_shown() -> None:
    ours = "1\n" + "x\n" * 100_000
    assert "- 1" in render(run(ours), run(ours.replace("1", "2"), ARM64))


def test_a_difference_at_the_end_of_a_long_output_is_shown() -> None:
    ours = "x\n" * 100_000
    lines = render(run(ours + "1\n"), run(ours + "2\n", ARM64))
    assert "  at their ends:" in lines
    assert "- 1" in lines


def test_output_beyond_what_is_kept_says_how_it_was_compared() -> None:
    lines = render(run("x" * 99 + "1", kept=9), run("x" * 99 + "2", ARM64, kept=9))
    assert "  too large to be kept: compared byte for byte, nothing normalized" in lines
    assert len([line for line in lines if "100 bytes, sha256" in line]) == 2


def test_of_many_differences_three_are_whole_and_the_rest_a_line_each() -> None:
    ours = [run("1", label=f"l{n}") for n in range(40)]
    theirs = [run("2", ARM64, label=f"l{n}") for n in range(40)]
    lines = render(ours, theirs)
    assert lines[0].endswith('stdout of "l0", and 39 more')
    assert len([line for line in lines if line.startswith("@@")]) == 3
    assert "and 37 more:" in lines
    assert '  stdout of "l3": linux/arm64' in lines
    assert "  ... 17 more" in lines


def test_an_exec_is_repeated_in_a_fresh_container() -> None:
    lines = render(
        run("1", kind="exec", argv=("redis-cli", "ping")),
        run("2", ARM64, kind="exec", argv=("redis-cli", "ping")),
    )
    at = lines.index("by hand (in a fresh container; the test's was running):")
    assert lines[at + 1].endswith(f"--entrypoint redis-cli {PIN} ping")


def test_environment_is_passed_by_name() -> None:
    lines = render(run("1", env_names=("TOKEN",)), run("2", ARM64, env_names=("TOKEN",)))
    assert [line for line in lines if " -e TOKEN " in line]


def test_checks_alone_name_the_variants() -> None:
    variant = VariantIdentity(
        reference="app:1", kind="config", digest="sha256:d", config_digest="sha256:d", pin="app:1"
    )
    lines = render(check("n", 1), check("n", 2), variant=variant)
    assert "by hand:" not in lines
    at = lines.index("variants of app:1:")
    assert lines[at + 1] == "  linux/amd64: config sha256:d"


def test_members_that_were_not_compared_and_allowed_differences_are_named() -> None:
    rules = make_rules(allow=[allow("app", part="stderr", reason="noise")])
    declared = (AMD64, ARM64, S390X)
    members = [
        make_member(AMD64, observe("1", "a"), declared=declared, rules=rules),
        make_member(ARM64, observe("2", "b", platform=ARM64), declared=declared, rules=rules),
        make_member(S390X, outcome="skipped", reason="no time", declared=declared),
    ]
    text = render_divergence(compare_group(members))[1]
    assert "not compared: linux/s390x was skipped: no time" in text
    assert 'allowed: stderr of "app" on linux/arm64: noise' in text


def test_a_divergence_from_a_foreign_name_says_so() -> None:
    lines = render(run("x86_64\n"), run("amd64\n", ARM64))
    assert "  amd64 is not a name of linux/arm64's own" in lines


hostile = st.text(alphabet=st.sampled_from("ab\n\x1b[]\x00\u202e\udc80 '\"`$\r\t"), max_size=30)


@given(hostile, hostile, hostile)
def test_outside_text_is_shown_safely(ours: str, theirs: str, label: str) -> None:
    """Whatever a container prints, or a test is called, no control character gets out."""
    name = label or "x"
    group = f"test_x.py::test[{label}]"
    rows = [
        make_member(AMD64, observe(encode(ours), label=name), group=group, node_id=group),
        make_member(
            ARM64, observe(encode(theirs), label=name, platform=ARM64), group=group, node_id=group
        ),
    ]
    verdict = compare_group(rows)
    if verdict.kind is not VerdictKind.DIVERGED:
        return
    headline, text = render_divergence(verdict)
    assert headline.isprintable()
    assert all(line.isprintable() for line in text.split("\n"))


@given(hostile, hostile)
def test_what_a_node_says_of_itself_is_shown_safely(version: str, digest: str) -> None:
    """Records come from other machines."""
    execution = Execution(kind=ExecutionKind.QEMU, version=version)
    variant = VariantIdentity(
        reference=digest, kind="config", digest=digest, config_digest="", pin=""
    )
    members = [
        make_member(p, check("n", n), execution=execution, variant=variant)
        for n, p in enumerate((AMD64, ARM64))
    ]
    text = render_divergence(compare_group(members))[1]
    assert all(line.isprintable() for line in text.split("\n"))


def encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def test_lines_fit_80_columns_but_for_what_is_copied() -> None:
    ours, theirs = "a" * 500 + "\n" + "b" * 500, "a" * 500 + "\n" + "c" * 500
    lines = render(run(ours), run(theirs, ARM64))
    shown = [line for line in lines[1:] if "docker run" not in line and "pytest " not in line]
    assert max(map(len, shown)) <= 80


def test_the_command_for_the_members_is_ready_for_a_shell() -> None:
    line = render(run("1"), run("2", ARM64))[-1]
    assert shlex.split(line) == [
        "pytest",
        "test_app.py::test_x[linux/amd64]",
        "test_app.py::test_x[linux/arm64]",
    ]


def test_ids_can_be_made_to_fit_where_the_reader_is() -> None:
    verdict = judge((AMD64, run("1")), (ARM64, run("2", ARM64)))
    text = render_divergence(verdict, locate=lambda node_id: f"tests/{node_id}")[1]
    assert "'tests/test_app.py::test_x[linux/arm64]'" in text


@pytest.mark.parametrize("code", [1, 127, 129])
def test_other_exit_codes_are_plain(code: int) -> None:
    assert f"+ {code}" in render(run("", exit_code=0), run("", ARM64, exit_code=code))


def test_a_command_by_hand_can_be_pasted_into_a_shell() -> None:
    """What cannot be shown as it is would be another command."""
    words = "printf", "%s", "it's\ntwo \\n lines", "\x1b[0m\u202e\udcff\ud800\x01b"
    ours, theirs = run("1\n"), run("2\n", ARM64)
    command = CallSummary(argv=words)
    lines = render(replace(ours, command=command), replace(theirs, command=command))
    line = lines[lines.index("by hand:") + 1]
    shell = line[line.index("printf") :]
    done = subprocess.run(["bash", "-c", shell], capture_output=True, check=True)
    assert done.stdout == b"it's\ntwo \\n lines\x1b[0m\xe2\x80\xae\xff\xed\xa0\x80\x01b"


def test_a_command_by_hand_says_what_it_lacks() -> None:
    command = CallSummary(argv=("app",), files=("/etc/app.conf",), has_stdin=True)
    ours, theirs = run("1\n"), run("2\n", ARM64)
    lines = render(replace(ours, command=command), replace(theirs, command=command))
    assert "by hand (the test also put in /etc/app.conf; the test also gave stdin):" in lines
