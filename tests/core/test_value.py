"""Values of a test's own: compared as JSON, by value, with a declared tolerance."""

from __future__ import annotations

import enum
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.value import (
    Mismatch,
    ObservedValue,
    find_mismatch,
    observe_value,
    values_agree,
)
from tests.samples import AMD64, ARM64

documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=10,
)


def observe(value: Any, **options: Any) -> ObservedValue:
    return observe_value(value, what="parity.check('x')", **options)


def agree(ours: Any, theirs: Any, **tolerances: float) -> bool:
    a, b = observe(ours, **tolerances), observe(theirs, **tolerances)
    return values_agree(a, b, AMD64, ARM64)


def mismatch(ours: Any, theirs: Any, **tolerances: float) -> Mismatch | None:
    a, b = observe(ours, **tolerances), observe(theirs, **tolerances)
    return find_mismatch(a, b, AMD64, ARM64)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (math.nan, math.nan),
        ([math.nan], [math.nan]),
        (math.inf, math.inf),
        ((1, 2), [1, 2]),
        ("on x86_64", "on aarch64"),
        ({"arch": "amd64"}, {"arch": "arm64"}),
        ({"x86_64": 3}, {"aarch64": 3}),
        ("\udc80", "\udc80"),
        (-0.0, 0.0),
    ],
)
def test_equal(ours: Any, theirs: Any) -> None:
    assert agree(ours, theirs)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (1, 1.0),
        (1, True),
        (0, False),
        (0.0, False),
        (None, False),
        ("1", 1),
        (1.0, 1.0000000001),
        (math.nan, 1.0),
        (math.inf, -math.inf),
        ([1, 2], [2, 1]),
        ([1], [1, 2]),
        ({"a": None}, {}),
        ([], {}),
        ("x86_64", "x86"),
        ({"x86_64": 3}, {"aarch64": 4}),
        ("", None),
    ],
)
def test_different(ours: Any, theirs: Any) -> None:
    assert not agree(ours, theirs)


@pytest.mark.parametrize(
    ("ours", "theirs", "tolerances", "equal"),
    [
        (1.0, 1.0 + 1e-10, {"rel": 1e-9}, True),
        (1.0, 1.0 + 1e-8, {"rel": 1e-9}, False),
        (0.0, 1e-12, {"abs": 1e-9}, True),
        (3, 3.0000001, {"rel": 1e-6}, True),
        (100, 101, {"abs": 1.0}, True),
        ({"a": [1.0]}, {"a": [1.05]}, {"rel": 0.1}, True),
        (True, 1, {"rel": 0.1}, False),
        ("1.0", "1.01", {"rel": 0.1}, False),
        (math.nan, math.nan, {"rel": 0.1}, True),
        (math.inf, 1e308, {"rel": 0.1}, False),
        (10**400, 10**400 + 1, {"rel": 0.1}, False),
        (10**400, 10**400, {"rel": 0.1}, True),
    ],
)
def test_tolerance(ours: Any, theirs: Any, tolerances: dict[str, float], equal: bool) -> None:
    assert agree(ours, theirs, **tolerances) is equal
    assert agree(theirs, ours, **tolerances) is equal


def test_of_two_tolerances_the_smaller_holds() -> None:
    wide, narrow = observe(1.0, rel=0.5), observe(1.1, rel=0.01)
    assert not values_agree(wide, narrow, AMD64, ARM64)


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (1, 2, Mismatch("$", "1", "2")),
        ({"rows": [1, {"name": "a"}]}, {"rows": [1, {"name": "b"}]},
         Mismatch("$.rows[1].name", '"a"', '"b"')),
        ([1], [1, 2], Mismatch("$[1]", None, "2")),
        ({"a.b": 1}, {"a.b": 2}, Mismatch('$["a.b"]', "1", "2")),
        ({"a": None}, {}, Mismatch("$.a", "null", None)),
        ({"x86_64": 3}, {"aarch64": 4}, Mismatch("$.x86_64", "3", "4")),
        (1, 1, None),
    ],
)  # fmt: skip
def test_the_first_difference_is_named_by_its_path(
    ours: Any, theirs: Any, expected: Mismatch | None
) -> None:
    assert mismatch(ours, theirs) == expected


class Colour(enum.IntEnum):
    RED = 1


class Word(str):
    __slots__ = ()


def test_subclasses_of_plain_types_are_their_base() -> None:
    assert agree(Colour.RED, 1)
    assert agree(Word("a"), "a")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1j, r"parity.check\('x'\): \$: JSON cannot hold a complex\npass text"),
        (object(), "JSON cannot hold an object"),
        ({"a": [0, 1j]}, r"parity.check\('x'\): \$.a\[1\]: JSON cannot hold a complex"),
        ({1: 2}, r"JSON keys are text, found 1\nwrite str\(1\)"),
        ("x" * 300_000, "has 300002 characters as JSON"),
    ],
)
def test_what_json_cannot_hold_is_refused_with_its_path(value: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        observe(value)


def test_a_value_that_holds_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(UsageError, match="nested deeper than 100 levels"):
        observe(endless)


@pytest.mark.parametrize("tolerance", [-1, math.nan, math.inf, "1", None, True])
def test_what_is_no_tolerance_is_refused(tolerance: Any) -> None:
    with pytest.raises(UsageError, match="is not a tolerance"):
        observe(1.0, rel=tolerance)


def test_texts_in_a_value_are_normalized_and_the_value_itself_is_kept() -> None:
    found = observe({"at": "12:00", "n": 12}, normalize=lambda text: text.replace("12:00", "<t>"))
    assert found.read() == {"at": "<t>", "n": 12}
    assert json.loads(found.canonical) == {"at": "12:00", "n": 12}


@given(documents)
def test_every_value_equals_itself(value: Any) -> None:
    assert agree(value, value)
    assert mismatch(value, value) is None
    assert agree(value, value, rel=1e-6)


@given(documents, documents)
def test_equality_is_symmetric(ours: Any, theirs: Any) -> None:
    assert agree(ours, theirs) == agree(theirs, ours)


@given(documents)
def test_round_trip_through_strict_ascii_json(value: Any) -> None:
    found = observe(value, rel=0.5)
    text = json.dumps(found.to_mapping(), allow_nan=False)
    assert text.isascii()
    assert ObservedValue.from_mapping(json.loads(text)) == found
