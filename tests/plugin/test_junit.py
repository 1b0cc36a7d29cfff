"""The JUnit file that pytest itself writes, with our tests and verdicts in it."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from tests.reports.junit_schema import list_errors

from .conftest import Run

HEAD = """
import pytest
pytestmark = [pytest.mark.platforms("linux/amd64", "linux/arm64"), pytest.mark.image("app:1")]
"""
SUITE = r"""
HOSTILE = "\x00\x1b[31m\x7f\udcff\ufffe\u202e<b>&]]>"

def test_equal(variant): variant.run("machine")
def test_diverges(variant): variant.run("bits")
def test_all(variants): [each.run("bits") for each in variants.values()]
def test_hostile(variant, platform, parity):
    variant.run("echo", HOSTILE * 10_000)
    parity.check(HOSTILE, [HOSTILE, platform.architecture == "amd64"])
def test_fails(variant, platform): assert str(platform) == "linux/amd64", HOSTILE * 10
def test_skipped(variant): pytest.skip("why")
"""


@pytest.fixture
def suites(run_fake: Run, pytester: pytest.Pytester) -> ET.Element:
    run_fake(SUITE, "--junitxml=out.xml", "--multiarch-strict", head=HEAD)
    return ET.parse(pytester.path / "out.xml").getroot()


def test_it_is_valid_but_for_properties_of_tests(suites: ET.Element) -> None:
    """The schema has none, and pytest writes them all the same."""
    cases = list(suites.iter("testcase"))
    for case in cases:
        for properties in case.findall("properties"):
            case.remove(properties)
    assert len(cases) == 14
    assert list_errors(suites) == []


def test_divergences_are_failures_named_by_their_groups(suites: ET.Element) -> None:
    names = [
        case.get("name")
        for case in suites.iter("testcase")
        for failure in case.findall("failure")
        if "differs from" in failure.get("message", "")
    ]
    assert sorted(names) == ["test_all", "test_diverges", "test_hostile"]
