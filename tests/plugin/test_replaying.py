"""Verdicts that wait: what is made again meanwhile, and when they are settled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .conftest import Run

SUITE = """
pytestmark += [pytest.mark.image("app:1")]

def test_bits(variant): variant.run("bits")
def test_noise(variant): variant.run("noise")
def test_emulator(variant): variant.run("emulator")
def test_fails(variant): assert variant.run("emulator").stdout == "threads: 1\\n"
def test_at_once(variants):
    for each in variants.values():
        each.run("emulator")
def test_noise_at_once(variants):
    for each in variants.values():
        each.run("noise")
def test_equal(variant): variant.run("machine")
def test_value(variant, parity): parity.check("bits", 8 if variant.execution.is_emulated else 4)
"""
HEAD = "import pytest\npytestmark = [pytest.mark.platforms('linux/amd64', 'linux/arm64')]\n"
VERDICTS = {
    "test_bits": ("diverged", "image"),
    "test_noise": ("equal", "unstable"),
    "test_emulator": ("not-compared", "emulator"),
    "test_fails": ("failed-apart", "emulator"),
    "test_at_once": ("not-compared", "emulator"),
    "test_noise_at_once": ("equal", "unstable"),
    "test_equal": ("equal", ""),
    "test_value": ("diverged", "unconfirmed"),
}


def read_verdicts(path: Path) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for each in json.loads(path.read_text())["verdicts"]:
        causes = ", ".join(sorted({one["cause"] for one in each["diagnoses"]}))
        found[each["group"].partition("::")[2]] = each["verdict"], causes
    return found


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["lone", "xdist"])
def test_verdicts_are_settled_by_what_calls_did_again(
    pytester: pytest.Pytester, run_fake: Run, options: tuple[str, ...]
) -> None:
    result = run_fake(SUITE, "--multiarch-record=r.json", *options, head=HEAD)
    assert read_verdicts(pytester.path / "r.json") == VERDICTS
    result.assert_outcomes(passed=13, failed=3)
    result.stdout.fnmatch_lines(["*diagnosis on linux/arm64: emulator (proven)*"])


BESIDE = """
pytestmark += [pytest.mark.image("app:1")]

def test_both(variant, parity):
    variant.run("bits")
    parity.check("own", 8 if variant.execution.is_emulated else 4)
def test_both_at_once(variants, parity):
    for each in variants.values():
        each.run("bits")
        parity.check("own", 8 if each.execution.is_emulated else 4, platform=each.platform)
def test_values_at_once(variants, parity):
    for each in variants.values():
        parity.check("own", 8 if each.execution.is_emulated else 4, platform=each.platform)
"""


def test_a_value_that_differs_costs_a_call_beside_it_no_evidence(
    pytester: pytest.Pytester, run_fake: Run
) -> None:
    run_fake(BESIDE, "--multiarch-record=r.json", head=HEAD)
    both = "diverged", "image, unconfirmed"
    assert read_verdicts(pytester.path / "r.json") == {
        "test_both": both,
        "test_both_at_once": both,
        "test_values_at_once": ("diverged", "unconfirmed"),
    }


def test_a_merge_settles_by_the_same_evidence(pytester: pytest.Pytester, run_fake: Run) -> None:
    run_fake(SUITE, "--multiarch-record=r.json", head=HEAD)
    merged = run_fake(None, "--multiarch-merge=r.json")
    merged.stdout.fnmatch_lines(["DIVERGED test_a.py::test_bits*", "DIVERGED *::test_value*"])
    merged.stdout.no_fnmatch_line("DIVERGED*test_noise*")
    assert pytester.path.joinpath("r.json").stat().st_mode & 0o077 in (0o044, 0o000)


def test_secrets_and_stdin_are_on_no_record(pytester: pytest.Pytester, run_fake: Run) -> None:
    source = """
    pytestmark += [pytest.mark.image("app:1")]
    def test_x(variant): variant.run("bits", env={"TOKEN": "hunter22"}, stdin="s3cretstdin")
    """
    for options in ((), ("-n", "2")):
        run_fake(source, "--multiarch-record=r.json", "-v", *options, head=HEAD)
        text = pytester.path.joinpath("r.json").read_text()
        assert '"repeats"' in text
        assert "hunter22" not in text
        assert "s3cretstdin" not in text


def test_nothing_is_made_again_when_it_is_off(pytester: pytest.Pytester, run_fake: Run) -> None:
    result = run_fake(SUITE, "--multiarch-replay=0", "--multiarch-record=r.json", head=HEAD)
    found = read_verdicts(pytester.path / "r.json")
    assert found["test_noise"] == ("diverged", "unconfirmed")
    assert found["test_at_once"] == ("diverged", "unconfirmed")
    result.stdout.fnmatch_lines(["*--multiarch-replay=0*"])


@pytest.mark.parametrize("where", ["option", "key"])
def test_unstable_can_be_a_failure(pytester: pytest.Pytester, run_fake: Run, where: str) -> None:
    options = ["--multiarch-unstable=fail"] if where == "option" else []
    if where == "key":
        pytester.path.joinpath("multiarch.yaml").write_text("unstable: fail\n")
    result = run_fake(SUITE, "-k", "noise", *options, head=HEAD)
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["*unstable*"])


def test_strict_fails_what_is_proven_to_be_the_emulators(run_fake: Run) -> None:
    result = run_fake(SUITE, "-k", "emulator", "--multiarch-strict", head=HEAD)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["UNCOMPARED *test_emulator*"])


SLOW = """
pytestmark += [pytest.mark.image("app:1")]

def test_1(variant): variant.run("slow")
def test_2(variant): variant.run("machine")
def test_3(variant): variant.run("machine")
"""


def test_a_run_goes_on_while_a_verdict_waits(run_fake: Run) -> None:
    """`-x` has nothing to stop for before it is settled, and then the run is over."""
    result = run_fake(SLOW, "-x", head=HEAD)
    result.assert_outcomes(passed=6, failed=1)
    result.stdout.fnmatch_lines(["*......*", "*replaying 1 verdict:*"])


def test_an_interrupted_run_settles_at_once(pytester: pytest.Pytester, run_fake: Run) -> None:
    source = SLOW + "def test_4(): raise KeyboardInterrupt\n"
    pytester.path.joinpath("test_a.py").write_text(HEAD + source)
    options = ("-p", "fake_session", "-p", "no:hypothesispytest", "--multiarch-record=r.json")
    result = pytester.runpytest_subprocess(*options, timeout=60)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert read_verdicts(pytester.path / "r.json")["test_1"] == ("diverged", "unconfirmed")
    result.stdout.fnmatch_lines(["*the run was interrupted*"])


def test_the_time_of_a_group_is_bounded(pytester: pytest.Pytester, run_fake: Run) -> None:
    run_fake(SLOW, "--multiarch-replay=0.5", "--multiarch-record=r.json", head=HEAD)
    record: dict[str, Any] = json.loads(pytester.path.joinpath("r.json").read_text())
    repeats = [each for member in record["members"] for each in member.get("repeats", ())]
    assert {each["problem"] for each in repeats} >= {"the 0.5 s for making calls again were over"}


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["lone", "xdist"])
def test_jobs_repeat_their_calls_for_a_merge(
    pytester: pytest.Pytester, run_fake: Run, options: tuple[str, ...]
) -> None:
    for name in ("amd64", "arm64"):
        run_fake(
            SUITE, f"--multiarch-platforms=linux/{name}", f"--multiarch-record={name}.json",
            "--multiarch-repeat=4", "-k", "not at_once", *options, head=HEAD,
        )  # fmt: skip
    merged = run_fake(None, "--multiarch-merge", "amd64.json", "arm64.json")
    merged.stdout.fnmatch_lines(["DIVERGED test_a.py::test_bits*"])
    merged.stdout.no_fnmatch_line("DIVERGED*test_noise*")
    merged.stdout.no_fnmatch_line("DIVERGED*test_emulator*")


def test_without_evidence_a_merged_difference_is_unconfirmed(
    pytester: pytest.Pytester, run_fake: Run
) -> None:
    for name in ("amd64", "arm64"):
        run_fake(
            SUITE, f"--multiarch-platforms=linux/{name}", f"--multiarch-record={name}.json",
            head=HEAD,
        )  # fmt: skip
    merged = run_fake(None, "--multiarch-merge", "amd64.json", "arm64.json", "-k", "test_noise")
    merged.stdout.fnmatch_lines(["*diagnosis: unconfirmed*"])
    del pytester


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--multiarch-replay=soon", "'soon' is no number of seconds"),
        ("--multiarch-replay=-1", "'-1' is no number of seconds"),
        ("--multiarch-repeat=x", "'x' is no whole number"),
        ("--multiarch-unstable=maybe", "invalid choice: 'maybe'"),
    ],
)
def test_a_bad_option_is_a_usage_error(run_fake: Run, option: str, says: str) -> None:
    result = run_fake(SUITE, option, head=HEAD)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{says}*"])
