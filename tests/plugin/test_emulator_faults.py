"""Known faults of an emulator stand in the report of the test that showed one, and the summary."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Run

CRASHES = """
@pytest.mark.image("sample")
def test_x(variant):
    assert variant.run("crash").exit_code == 0
"""
DIVERGES = """
@pytest.mark.image("sample")
def test_x(variant):
    variant.run("crash")
"""
NAME = "old QEMU on a new kernel"
TEST = "test_a.py::test_x*linux/arm64?"


def test_a_failed_test_says_what_is_known(run_fake: Run) -> None:
    result = run_fake(CRASHES)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*- known of the emulator on linux/arm64 (qemu*) -*",
            f"{NAME}: QEMU before 8.1 crashes at random *",
            "  cure: install a newer QEMU: *",
            "  source: https://*",
            "*= platforms =*",
            "known of the emulator:",
            f"  {NAME} on linux/arm64 (qemu 7.2), 1 test:",
            f"    {TEST}: QEMU *",
        ]
    )
    assert result.stdout.str().count("known of the emulator on") == 1


def test_a_divergence_says_what_is_known(run_fake: Run) -> None:
    result = run_fake(DIVERGES)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        ["+ 139 *", "known of the emulator on linux/arm64 (qemu*):", f"  {NAME}: *"]
    )


def test_a_test_that_passed_says_nothing(run_fake: Run) -> None:
    source = """
    @pytest.mark.image("sample")
    @pytest.mark.parity(compare="nothing")
    def test_x(variant):
        variant.run("crash")
    """
    result = run_fake(source)
    result.assert_outcomes(passed=2)
    result.stdout.no_fnmatch_line("*known of the emulator*")


def test_a_test_of_all_variants_says_what_is_known(run_fake: Run) -> None:
    source = """
    @pytest.mark.image("sample")
    def test_x(variants):
        for each in variants.values():
            each.run("crash")
    """
    result = run_fake(source)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["known of the emulator on linux/arm64 (qemu*):"])


def test_an_error_that_quotes_the_emulator_is_read(run_fake: Run) -> None:
    source = """
    from pytest_multiarch.core.errors import ContainerError

    @pytest.mark.image("sample")
    def test_x(variant):
        variant.run("echo", "x")
        if variant.execution.is_emulated:
            raise ContainerError("the container has ended\\nqemu: Unsupported syscall: 389")
    """
    result = run_fake(source)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["unsupported system call: *", "known of the emulator:"])


def test_it_is_recorded_and_survives_workers_and_a_merge(run_fake: Run, tmp_path: Path) -> None:
    record = tmp_path / "r.json"
    run_fake(CRASHES, "-n", "1", "--multiarch-record", str(record))
    members = json.loads(record.read_text())["members"]
    assert [each.get("faults") for each in members] == [None, [NAME]]
    result = run_fake(None, "--multiarch-merge", str(record))
    result.stdout.fnmatch_lines(["*known of the emulator*"])
