"""The corpus of verdicts is well formed, and its runner counts right."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.verdicts.case import BASELINE, PLATFORMS, Case
from benchmarks.verdicts.judge import Judgement, compare_plainly, count, mark, read_judgements
from benchmarks.verdicts.plain import Output
from benchmarks.verdicts.run import SETS, write_test
from benchmarks.verdicts.truth import find_flaws

CORPUS = Path(__file__).resolve().parents[2] / "benchmarks" / "verdicts"
THERE = [name for name in SETS if (CORPUS / name / "cases.py").exists()]
LEAST = {"differs": 20, "noisy": 20, "emulator": 8}

ARM64, S390X = "linux/arm64", "linux/s390x"
DIFFERS = Case(
    name="sign", truth="differs", why="char", argv=("/bin/sign",), platforms_off=(ARM64,),
    platforms=(BASELINE, ARM64, S390X),
)  # fmt: skip
NOISY = replace(DIFFERS, name="clock", truth="noisy", platforms_off=())
EMULATED = replace(DIFFERS, name="trace", truth="emulator", platforms_off=(ARM64, S390X))


def load(name: str) -> tuple[Case, ...]:
    return importlib.import_module(f"benchmarks.verdicts.{name}.cases").CASES


@pytest.mark.parametrize("name", THERE)
def test_each_case_is_well_formed(name):
    cases = load(name)
    assert len({case.name for case in cases}) == len(cases)
    for case in cases:
        assert case.name.isidentifier(), case.name
        assert case.why.strip(), case.name
        assert case.platforms[0] == BASELINE, case.name
        assert set(case.platforms) <= set(PLATFORMS), case.name
        assert set(case.platforms_off) <= set(case.platforms[1:]), case.name
        assert bool(case.platforms_off) == (case.truth != "noisy"), case.name
        if case.image == "programs":
            folder, program = case.argv[0].rsplit("/", 1)
            assert folder == "/bin", case.name
            assert (CORPUS / name / f"{program}.c").is_file(), case.name


@pytest.mark.parametrize("name", THERE)
def test_no_program_is_without_a_case(name):
    used = {case.argv[0].rsplit("/", 1)[-1] for case in load(name) if case.image == "programs"}
    assert used == {source.stem for source in (CORPUS / name).glob("*.c")}


def test_the_first_set_is_large_enough_and_gives_each_case_its_own_reason():
    cases = load("first")
    for truth, least in LEAST.items():
        assert sum(case.truth == truth for case in cases) >= least
    assert len({case.why for case in cases}) == len(cases)
    assert {case.image for case in cases} == {"programs", "tools"}
    assert {case.via for case in cases} == {"run", "exec"}


def test_a_test_is_written_as_a_user_would():
    case = replace(DIFFERS, env=(("TZ", "UTC"),), stdin="a\n", via="exec", asserts=True)
    source = write_test(case, {"programs": "corpus:1"})
    assert source == (
        "@pytest.mark.image('corpus:1')\n"
        "@pytest.mark.platforms('linux/amd64', 'linux/arm64', 'linux/s390x')\n"
        '@pytest.mark.container("/bin/idle")\n'
        "def test_sign(container):\n"
        "    result = container.exec('/bin/sign', env={'TZ': 'UTC'}, stdin='a\\n')\n"
        "    assert result.exit_code == 0\n"
    )


def judge(kind: str, *off: str, **causes: str) -> Judgement:
    by_platform = {f"linux/{name}": frozenset({cause}) for name, cause in causes.items()}
    return Judgement(kind=kind, off=frozenset(off), causes=by_platform)


@pytest.mark.parametrize(
    ("case", "judgement", "numbers"),
    [
        (DIFFERS, judge("diverged", ARM64), (True, None, True)),
        (DIFFERS, judge("diverged", ARM64, arm64="image"), (True, None, True)),
        (DIFFERS, judge("diverged", ARM64, arm64="emulator"), (True, None, False)),
        (DIFFERS, judge("diverged", S390X), (False, None, False)),
        (DIFFERS, judge("equal"), (False, None, False)),
        (DIFFERS, judge("not-compared", ARM64, arm64="emulator"), (False, None, False)),
        (NOISY, judge("equal", arm64="unstable"), (None, False, None)),
        (NOISY, judge("diverged", ARM64), (None, True, None)),
        (NOISY, judge("failed-apart", ARM64), (None, True, None)),
        (EMULATED, judge("not-compared", arm64="emulator", s390x="emulator"), (None, None, True)),
        (EMULATED, judge("diverged", ARM64, arm64="emulator"), (None, None, False)),
        (EMULATED, judge("diverged", ARM64, S390X), (None, None, False)),
        (EMULATED, judge("equal"), (None, None, True)),
        (EMULATED, judge("absent"), (None, None, False)),
    ],
)
def test_a_judgement_beside_the_truth(case, judgement, numbers):
    marked = mark(case, judgement)
    assert (marked.is_found, marked.is_false_alarm, marked.is_blame_right) == numbers
    is_right = False not in numbers[::2] and not marked.is_false_alarm
    assert (not marked.problems) == is_right


def test_platforms_that_are_the_same_and_said_to_differ_are_named():
    marked = mark(DIFFERS, judge("diverged", ARM64, S390X))
    assert marked.is_found
    assert marked.problems == ("linux/s390x too, which is the same",)


def test_numbers_are_counted_by_truth():
    marks = [
        mark(DIFFERS, judge("diverged", ARM64)),
        mark(DIFFERS, judge("equal")),
        mark(NOISY, judge("diverged", ARM64)),
        mark(EMULATED, judge("diverged", ARM64)),
    ]
    assert count(marks) == {
        "divergences found": (1, 2),
        "false alarms": (1, 1),
        "blame right": (1, 3),
    }


def write_verdict(group: str, kind: str, off: list[str], **more: object) -> dict[str, object]:
    differences = [{"label": "x", "platforms": off}] if off else []
    return {
        "group": group,
        "verdict": kind,
        "baseline": BASELINE,
        "differences": differences,
        **more,
    }


def write_member(group: str, platform: str, outcome: str) -> dict[str, str]:
    return {"group": group, "platform": platform, "outcome": outcome}


def test_a_record_with_diagnoses_and_one_without_are_read():
    diagnosis = {"platform": ARM64, "cause": "emulator", "evidence": ["it does it too"]}
    record = {
        "members": [
            write_member("t.py::test_b", BASELINE, "failed"),
            write_member("t.py::test_b", ARM64, "passed"),
            write_member("t.py::test_c", BASELINE, "passed"),
            write_member("t.py::test_c", ARM64, "failed"),
        ],
        "verdicts": [
            write_verdict("t.py::test_a", "diverged", [ARM64], diagnoses=[diagnosis], unstable=[]),
            write_verdict("t.py::test_b", "failed-apart", []),
            write_verdict("t.py::test_c", "failed-apart", []),
        ],
    }
    read = read_judgements(record)
    assert read["a"].off == {ARM64}
    assert read["a"].causes == {ARM64: {"emulator"}}
    assert read["a"].texts == (f"{ARM64}: emulator: it does it too",)
    assert read["b"].off == {ARM64}
    assert read["c"].off == {ARM64}
    assert not read["b"].causes


def give(text: bytes) -> Output:
    return Output(exit_code=0, stdout=text, stderr=b"")


def test_a_script_with_diff_goes_by_bytes():
    outputs = {BASELINE: give(b"a"), ARM64: give(b"b"), S390X: give(b"a")}
    assert compare_plainly(DIFFERS, outputs) == judge("diverged", ARM64)
    assert compare_plainly(DIFFERS, dict.fromkeys(outputs, give(b"a"))) == judge("equal")


@pytest.mark.parametrize(
    ("case", "runs", "control", "flaws"),
    [
        (DIFFERS, (b"aa", b"bb", b"aa"), b"", []),
        (DIFFERS, (b"aa", b"bc", b"aa"), b"", []),
        (DIFFERS, (b"aa", b"aa", b"aa"), b"", ["differs on none"]),
        (DIFFERS, (b"ab", b"cc", b"aa"), b"", ["linux/amd64 varies"]),
        (NOISY, (b"ab", b"bc", b"cd"), b"", []),
        (NOISY, (b"aa", b"bc", b"cd"), b"", ["linux/amd64 is the same in each run"]),
        (EMULATED, (b"aa", b"bb", b"bb"), b"bb", []),
        (EMULATED, (b"aa", b"bb", b"cc"), b"bb",
         ["linux/s390x does not do what linux/amd64 does under QEMU"]),
    ],
)  # fmt: skip
def test_the_truth_is_checked(case, runs, control, flaws):
    outputs = {
        platform: [give(bytes([letter])) for letter in text]
        for platform, text in zip(case.platforms, runs, strict=True)
    }
    shown = [give(bytes([letter])) for letter in control]
    assert find_flaws(case, outputs, shown, "") == flaws


def test_the_truth_may_lie_in_a_part_of_what_varies():
    outputs = {
        BASELINE: [give(b"12:00 level 1"), give(b"12:01 level 1")],
        ARM64: [give(b"12:02 level 2"), give(b"12:03 level 2")],
        S390X: [give(b"12:04 level 1"), give(b"12:05 level 1")],
    }
    assert find_flaws(DIFFERS, outputs, [], r"level (\d)") == []
    assert find_flaws(DIFFERS, outputs, [], "") == [f"{BASELINE} varies"]
