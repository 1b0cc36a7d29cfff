"""What the `parity` mark says: what is compared, and what may differ."""

from __future__ import annotations

import json
import re

import pytest

from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.rules import ParityRules, allow, make_rules

AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")


@pytest.mark.parametrize(
    ("compare", "parts", "is_off"),
    [
        ("all", ("exit", "stdout", "stderr"), False),
        ("exit", ("exit",), False),
        (["stdout", "exit"], ("exit", "stdout"), False),
        ({"stderr"}, ("stderr",), False),
        ("nothing", (), True),
    ],
)
def test_compare(compare: object, parts: tuple[str, ...], is_off: bool) -> None:
    rules = make_rules(compare=compare)
    assert (rules.parts, rules.is_off) == (parts, is_off)


@pytest.mark.parametrize("compare", ["", [], None, 3, ["all", "exit"], "stdouts"])
def test_compare_refuses(compare: object) -> None:
    with pytest.raises(UsageError, match="compare"):
        make_rules(compare=compare)


def test_a_typo_names_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        make_rules(compare="stdot")
    assert "did you mean 'stdout'?" in caught.value.cure


@pytest.mark.parametrize("reason", ["", "  ", None])
def test_an_allowance_needs_a_reason(reason: object) -> None:
    with pytest.raises(UsageError, match="for a reason"):
        allow("x", reason=reason)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pattern", "label", "covered"),
    [
        ("*", "run: app", True),
        ("run: app *", "run: app mean", True),
        ("app *", "run: app mean", True),
        ("app", "run: app mean", False),
        ("total", "total", True),
        ("Total", "total", False),
    ],
)
def test_an_allowance_names_labels_with_or_without_their_kind(
    pattern: str, label: str, covered: bool
) -> None:
    assert allow(pattern, reason="r").covers(label, "stdout", AMD64) is covered


def test_an_allowance_is_for_its_part_and_platforms() -> None:
    allowance = allow(part="stdout", platforms="aarch64", reason="r")
    assert allowance.covers("x", "stdout", AMD64, ARM64)
    assert not allowance.covers("x", "stderr", AMD64, ARM64)
    assert not allowance.covers("x", "stdout", AMD64)


def test_configuration_files_write_allowances_as_mappings() -> None:
    mapping = {"label": "app *", "platforms": ["linux/arm64"], "reason": "FMA"}
    (found,) = make_rules(allow=[mapping]).allowances
    assert found == allow("app *", platforms=[ARM64], reason="FMA")


@pytest.mark.parametrize("value", [{"reason": "r", "lable": "x"}, {"label": "x"}, "x", 3])
def test_what_is_no_allowance_is_refused(value: object) -> None:
    with pytest.raises(UsageError, match="allow"):
        make_rules(allow=[value])


@pytest.mark.parametrize(
    "kwargs", [{"stateless": "yes"}, {"ignore": ["("]}, {"normalize": ["timestamp"]}]
)
def test_other_arguments_are_checked_too(kwargs: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        make_rules(**kwargs)  # type: ignore[arg-type]


def test_names_of_what_normalizes_travel_and_functions_do_not() -> None:
    rules = make_rules(normalize=["uuids", (r"\d", "N")], ignore=["^x"], stateless=True)
    read = ParityRules.from_mapping(json.loads(json.dumps(rules.to_mapping())))
    assert read.names == ("uuids", r"re:\d", "ignore:^x")
    assert (read.normalizers, read.ignore, read.stateless) == ((), (), True)


def test_what_judges_survives_the_round_trip() -> None:
    rules = make_rules(compare=["exit"], allow=[allow("a*", platforms=["arm64"], reason="r")])
    assert ParityRules.from_mapping(json.loads(json.dumps(rules.to_mapping()))) == rules


def test_rules_at_their_default_take_no_room() -> None:
    assert make_rules().to_mapping() == {}


def test_ignore_takes_compiled_expressions() -> None:
    pattern = re.compile("x")
    assert make_rules(ignore=[pattern]).ignore == (pattern,)
