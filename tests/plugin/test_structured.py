"""Marks that say as what outputs are compared, and allowances that a whole run no longer needs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from .conftest import Run

JSON = """
import json

@pytest.mark.image("sample")
@pytest.mark.parity(stdout="json", rel=1e-9, unordered="$.tags", ignore=["$.pid"])
def test_x(variant, platform):
    is_arm = platform.architecture == "arm64"
    value = {"mean": 1 + is_arm * 1e-12, "tags": [2, 1] if is_arm else [1, 2], "pid": int(is_arm)}
    value["price"] = 1 + is_arm * PRICE
    items = list(value.items())
    variant.run("echo", json.dumps(dict(reversed(items) if is_arm else items)), label="report")
"""


def test_an_output_that_is_json_is_compared_by_value(run_fake: Run) -> None:
    run_fake(JSON.replace("PRICE", "0")).assert_outcomes(passed=2)
    result = run_fake(JSON.replace("PRICE", "1"))
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(['stdout of "report"', "@@ at $.price @@", "- 1", "+ 2"])
    result.stdout.no_fnmatch_line("*$.mean*")


def test_bytes_and_sets_are_values(run: Run) -> None:
    source = """
    def test_x(platform, parity):
        is_arm = platform.architecture == "arm64"
        parity.check("set", {"b", "a"})
        parity.check("list", [2, 1] if is_arm else [1, 2], unordered=True)
        parity.check("bytes", b"\\x00" * 20 + (b"\\x01" if is_arm else b"\\x02"))
    """
    result = run(source)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        ['content of "bytes"', "- 21 bytes, sha256 *", "@@ byte 20 (0x14) @@"]
    )


def test_wrong_marks_are_errors_of_collection(run: Run) -> None:
    result = run("@pytest.mark.parity(rel=1e-9)\ndef test_x(variant): ...\n")
    assert result.ret == 2
    result.stdout.fnmatch_lines(["*are for what is compared by value*", "*stdout=?json?*"])


SUITE = """
def test_x(platform, parity):
    parity.check("c", -1 if platform.architecture == "amd64" else VALUE)
"""


def configure(pytester: pytest.Pytester, text: str) -> None:
    pytester.path.joinpath("multiarch.yaml").write_text(text)


def test_a_configured_allowance_says_how_numbers_differ(
    run: Run, pytester: pytest.Pytester
) -> None:
    configure(pytester, "allow:\n  - {label: c, only: [char], reason: char is unsigned}\n")
    result = run(SUITE.replace("VALUE", "255"))
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["allowed to differ:", "*: char is unsigned"])
    run(SUITE.replace("VALUE", "254")).assert_outcomes(passed=2, failed=1)


def test_a_tolerance_is_configured(run: Run, pytester: pytest.Pytester) -> None:
    configure(pytester, "allow:\n- {label: c, rel: 1e-3, platforms: linux/arm64, reason: FMA}\n")
    run(SUITE.replace("VALUE", "-1.0001")).assert_outcomes(passed=2)
    run(SUITE.replace("VALUE", "-1.1")).assert_outcomes(passed=2, failed=1)


def test_a_stale_allowance_says_where_it_is_declared(run: Run, pytester: pytest.Pytester) -> None:
    configure(
        pytester,
        "allow:\n  - {label: c, reason: old}\n  - {label: d, reason: needed}\n"
        "  - {label: renamed, reason: gone}\n",
    )
    source = """
    def test_x(platform, parity):
        parity.check("c", 1)
        parity.check("d", 1)

    def test_y(platform, parity):
        parity.check("d", platform.architecture)
        parity.check("d", platform.architecture == "arm64")
    """
    result = run(source)
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(
        [
            "allowed to differ, and equal (take it out):",
            "  c: old (multiarch.yaml:2)",
            "allowed to differ, and nothing of that name was compared (take it out):",
            "  renamed: gone (multiarch.yaml:4)",
        ]
    )
    result.stdout.no_fnmatch_line("  d: needed*")
    narrowed = run(None, "-k", "test_y")
    narrowed.stdout.no_fnmatch_line("*nothing of that name*")


def test_where_it_is_declared_is_recorded(
    run: Run, pytester: pytest.Pytester, tmp_path: Path
) -> None:
    configure(pytester, "allow: [{label: c, only: [char], reason: r}]\n")
    record = tmp_path / "r.json"
    run(SUITE.replace("VALUE", "255"), "--multiarch-record", str(record))
    members = json.loads(record.read_text())["members"]
    (allowance,) = members[0]["rules"]["allowances"]
    assert allowance["where"] == "multiarch.yaml:1"
    assert allowance["only"] == ["char"]
    run(None, "--multiarch-merge", str(record)).assert_outcomes(passed=1)
