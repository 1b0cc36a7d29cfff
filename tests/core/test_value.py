"""Values of a test's own: compared as JSON, by value, with a declared tolerance."""

from __future__ import annotations

import enum
import itertools
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
    lay_out,
    leave_out,
    list_mismatches,
    observe_value,
    read_document,
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


def agree(ours: Any, theirs: Any, **tolerances: Any) -> bool:
    a, b = observe(ours, **tolerances), observe(theirs, **tolerances)
    return values_agree(a, b, AMD64, ARM64)


def mismatch(ours: Any, theirs: Any, **tolerances: Any) -> Mismatch | None:
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


@pytest.mark.parametrize(
    ("ours", "theirs", "unordered", "equal"),
    [
        ([1, 2, 3], [3, 1, 2], True, True),
        ([1, 2, 2], [2, 1, 1], True, False),
        ([1, 2], [1, 2, 2], True, False),
        ([[1, 2], [3]], [[3], [2, 1]], True, True),
        ({"a": [1, 2], "b": [1, 2]}, {"a": [2, 1], "b": [1, 2]}, "$.a", True),
        ({"a": [1, 2], "b": [1, 2]}, {"a": [1, 2], "b": [2, 1]}, "$.a", False),
        ({"r": [{"t": [1, 2]}]}, {"r": [{"t": [2, 1]}]}, "$.r[*].t", True),
        ({"r": {"x": [1, 2]}}, {"r": {"x": [2, 1]}}, ["$.r.*"], True),
        ({"a b": {"x": [1, 2]}}, {"a b": {"x": [2, 1]}}, "$.*.x", True),
        ([1, 2], [2, 1], "$", True),
        (["x86_64", "b"], ["b", "aarch64"], True, True),
        ([1, 1.0], [1.0, 1], True, True),
        ([1], [1.0], True, False),
        ([True], [1], True, False),
    ],
)
def test_lists_without_an_order(ours: Any, theirs: Any, unordered: Any, equal: bool) -> None:
    assert agree(ours, theirs, unordered=unordered) is equal
    assert agree(theirs, ours, unordered=unordered) is equal or "x86_64" in str(ours)


def test_a_tolerance_finds_its_partners_in_any_order() -> None:
    # greedily, 1.0 would take 1.05, and leave 1.1 without a partner
    ours, theirs = [1.0, 1.1], [1.05, 0.95]
    assert agree(ours, theirs, unordered=True, abs=0.06)
    assert not agree(ours, theirs, unordered=True, abs=0.04)
    many = [float(number) for number in range(1000)]
    assert agree(many, [each + 1e-9 for each in reversed(many)], unordered=True, abs=1e-6)
    assert not agree(many, [each + 1e-3 for each in reversed(many)], unordered=True, abs=1e-6)


def test_what_has_no_counterpart_is_named() -> None:
    found = mismatch({"t": ["a", "b"]}, {"t": ["c", "a"]}, unordered=True)
    assert found == Mismatch("$.t[1]", '"b"', '"c"')
    assert mismatch([1, 2], [2], unordered=True) == Mismatch("$[0]", "1", None)
    deep = mismatch([{"a": 1, "b": 2}, 0], [0, {"a": 1, "b": 3}], unordered=True)
    assert deep == Mismatch("$[0].b", "2", "3")


def test_a_set_has_no_order() -> None:
    assert agree({"tags": {"x", "y"}}, {"tags": ["y", "x"]}) is False  # one side is a list
    ours, theirs = observe({"t": {"b", "x86_64"}}), observe({"t": {"aarch64", "b"}})
    assert values_agree(ours, theirs, AMD64, ARM64)
    assert agree(frozenset({1.0, 2.0}), {2.0 + 1e-12, 1.0}, rel=1e-9)
    assert not agree({1, 2}, {1, 3})
    assert agree([{(2, 1)}, {3}], [{(2, 1)}, {3}])


def test_bytes_within_a_value_are_their_digest() -> None:
    assert agree({"a": b"\x00\xff"}, {"a": bytearray(b"\x00\xff")})
    found = mismatch({"a": b"\x00"}, {"a": b"\x01"})
    assert found is not None
    assert found == Mismatch("$.a.bytes.begins", '"00"', '"01"')


@pytest.mark.parametrize("unordered", ["tags", ["$.a", "b"], 3, None, [1]])
def test_what_is_no_path_is_refused(unordered: Any) -> None:
    with pytest.raises(UsageError, match="unordered="):
        observe([1], unordered=unordered)


def test_several_differences_are_listed() -> None:
    ours, theirs = observe({"a": 1, "b": [1, 2], "c": 0}), observe({"a": 2, "b": [1, 3], "c": 0})
    found = list_mismatches(ours, theirs, AMD64, ARM64, most=9)
    assert [each.path for each in found] == ["$.a", "$.b[1]"]
    assert len(list_mismatches(ours, theirs, AMD64, ARM64, most=1)) == 1


def test_members_are_left_out_by_their_path() -> None:
    value = {"t": 1, "rows": [{"t": 2, "n": 3}, {"n": 4}], "a b": {"t": 5}}
    assert leave_out(value, ("$.t", "$.rows[*].t", '$["a b"]')) == {"rows": [{"n": 3}, {"n": 4}]}
    assert leave_out(value, ("$.rows[0]",))["rows"] == [{"n": 4}]
    assert leave_out(value, ()) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"b": 1, "a": [true, null]}\n', {"b": 1, "a": [True, None]}),
        ("3", 3),
        ('{"a": 1}\n\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
        ("[NaN, Infinity]", None),
    ],
)
def test_documents(text: str, value: Any) -> None:
    found = read_document(text)
    assert value is None or found == value


@pytest.mark.parametrize(
    "text", ["", "\n", "text", "{", '{"a": 1, "a": 2}', '{"a": 1}\nlog line\n', "[" * 100_000]
)
def test_what_is_no_document(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        read_document(text)


@given(documents)
def test_a_value_laid_out_reads_back(value: Any) -> None:
    text = lay_out(json.loads(observe(value).canonical))
    text.encode("utf-8", "surrogateescape")
    assert agree(json.loads(text), value)


@given(st.lists(documents, max_size=6), st.randoms(use_true_random=False))
def test_a_list_without_an_order_equals_any_shuffle(values: list[Any], random: Any) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)
    assert agree(values, shuffled, unordered=True)
    assert agree(values, shuffled, unordered=True, rel=1e-9)


@given(
    st.lists(st.floats(-10, 10), max_size=4),
    st.lists(st.floats(-10, 10), max_size=4),
    st.floats(0, 3),
)
def test_pairing_agrees_with_trying_every_order(
    ours: list[float], theirs: list[float], tolerance: float
) -> None:
    found = agree(ours, theirs, unordered=True, abs=tolerance)
    assert found == (
        len(ours) == len(theirs)
        and any(agree(ours, list(each), abs=tolerance) for each in itertools.permutations(theirs))
    )
