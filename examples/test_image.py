"""The image itself, looked at before anything of it runs.

Much of that happens without a mark: see "An image before it runs" in docs/guide.md. These marks ask
for all of it. What is wrong with the image is one failure of its own, `IMAGE`, beside the tests.
"""

from __future__ import annotations

import pytest

pytestmark = [
    pytest.mark.audit(scope="image"),
    pytest.mark.index(required=["linux/amd64", "linux/arm64", "linux/arm/v7", "linux/s390x"]),
    pytest.mark.static_parity,
]


def test_starts(variant):
    """By then index, config and files of all variants have been looked at."""
    assert variant.run("app", "--version").exit_code == 0


def test_every_file_is_for_the_platform(variant):
    """`audit` gives the report: what was looked at, and what is for another platform."""
    report = variant.audit()
    assert report.programs > 0
    assert not report.open_findings
