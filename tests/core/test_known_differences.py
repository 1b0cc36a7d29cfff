"""Allowances that say how numbers may differ: they excuse that, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.observation import Observation
from pytest_multiarch.core.parity import Verdict, VerdictKind, compare_group, list_stale
from pytest_multiarch.core.rules import WAYS, Allowance, ParityRules, allow, make_rules
from tests.samples import AMD64, ARM64, check, make_member, observe


def judge(ours: Observation, theirs: Observation, allowance: Allowance) -> Verdict:
    rules = ParityRules(allowances=(allowance,))
    return compare_group(
        [make_member(AMD64, ours, rules=rules), make_member(ARM64, theirs, rules=rules)]
    )


def is_excused(ours: Any, theirs: Any, **options: Any) -> bool:
    allowance = allow(reason="known", **options)
    if isinstance(ours, str):
        one, two = observe(ours, label="x"), observe(theirs, platform=ARM64, label="x")
    else:
        one, two = check("x", ours), check("x", theirs)
    verdict = judge(one, two, allowance)
    assert verdict.kind in (VerdictKind.EQUAL, VerdictKind.DIVERGED)
    assert bool(verdict.allowed) == (verdict.kind is VerdictKind.EQUAL)
    return verdict.kind is VerdictKind.EQUAL


@pytest.mark.parametrize(
    ("way", "ours", "theirs"),
    [
        ("word-size", "sizeof long 8\n", "sizeof long 4\n"),
        ("word-size", "bits=64", "bits=32"),
        ("word-size", "max: 9223372036854775807", "max: 2147483647"),
        ("word-size", "min: -9223372036854775808", "min: -2147483648"),
        ("word-size", "ULONG_MAX 18446744073709551615", "ULONG_MAX 4294967295"),
        ("word-size", "ULONG_MAX 0xffffffffffffffff", "ULONG_MAX 0xffffffff"),
        ("word-size", "struct: 24 bytes", "struct: 12 bytes"),
        ("word-size", "size      8|", "size      4|"),
        ("word-size", "n        9223372036854775807|", "n        2147483647|"),
        ("page-size", "page 4096, stack 8192", "page 65536, stack 131072"),
        ("page-size", "PAGESIZE=0x1000", "PAGESIZE=0x4000"),
        ("char", "c = -1\n", "c = 255\n"),
        ("char", "[-128, 1]", "[128, 1]"),
        ("nan-sign", "0/0 = -nan\n", "0/0 = nan\n"),
        ("nan-sign", "-NaN 1.5", "NaN 1.5"),
        ("char", {"c": [-1, 2]}, {"c": [255, 2]}),
        ("char", {"c": "value -3"}, {"c": "value 253"}),
        ("word-size", {"long": 8}, {"long": 4}),
    ],
)
def test_numbers_may_differ_in_a_way(way: str, ours: Any, theirs: Any) -> None:
    assert is_excused(ours, theirs, only=way)
    assert is_excused(theirs, ours, only=[way])
    for other in WAYS.keys() - {way}:
        assert not is_excused(ours, theirs, only=other)


@pytest.mark.parametrize(
    ("way", "ours", "theirs"),
    [
        ("word-size", "sizeof long 8", "sizeof int 4"),
        ("word-size", "size 8", "size 5"),
        ("word-size", "size 6", "size 3"),
        ("word-size", "count 8192000", "count 4096000"),
        ("word-size", "size 8\n", "size 4\nmore\n"),
        ("word-size", "size 8", "size 4 4"),
        ("word-size", "v8", "v4"),
        ("word-size", "size 0", "size 4"),
        ("word-size", "8.0", "4.0"),
        ("page-size", "page 4096", "page 5000"),
        ("page-size", "page 4096, used 8192", "page 65536, used 8192x"),
        ("char", "c = -1", "c = 254"),
        ("char", "c = -200", "c = 56"),
        ("char", "c = -1", "d = 255"),
        ("char", "c = -1.0", "c = 255.0"),
        ("nan-sign", "nan", "1.5"),
        ("nan-sign", "nan", "banana"),
        ("char", {"c": -1}, {"c": "255"}),
        ("char", {"c": -1}, {}),
        ("char", {"c": -1}, {"c": True}),
    ],
)
def test_what_differs_in_another_way_stays_a_difference(way: str, ours: Any, theirs: Any) -> None:
    assert not is_excused(ours, theirs, only=way)


@pytest.mark.parametrize(
    ("ours", "theirs", "options", "expected"),
    [
        ("mean 0.30000000000000004\n", "mean 0.30000000000000010\n", {"rel": 1e-12}, True),
        ("mean 0.30000000000000004\n", "mean 0.31\n", {"rel": 1e-12}, False),
        ("t 1e10 x", "t 1.0000000001e10 x", {"rel": 1e-6}, True),
        ("at -0.001", "at 0.001", {"abs": 0.01}, True),
        ("mean 1.0 of a", "mean 1.0000001 of b", {"rel": 1e-3}, False),
        ("nan", "1.0", {"abs": 1e9}, False),
        ("n 1.0 c -1", "n 1.0000001 c 255", {"rel": 1e-3, "only": "char"}, True),
        ({"m": [1.0, {"x": 2.0}]}, {"m": [1.0 + 1e-12, {"x": 2.0}]}, {"rel": 1e-9}, True),
        ({"m": 1.0}, {"m": 1.1}, {"rel": 1e-9}, False),
        ("x86_64 has 1.0", "aarch64 has 1.0000001", {"rel": 1e-3}, True),
        ("x86_64 has 1.0", "i686 has 1.0000001", {"rel": 1e-3}, False),
    ],
)
def test_numbers_may_differ_by_a_tolerance(
    ours: Any, theirs: Any, options: dict[str, Any], expected: bool
) -> None:
    assert is_excused(ours, theirs, **options) is expected


def test_an_exit_code_or_a_missing_call_is_no_number() -> None:
    one = observe("", label="x", exit_code=4)
    assert judge(
        one, observe("", label="x", exit_code=8), allow(only="word-size", reason="r")
    ).differences
    none = make_member(ARM64, rules=ParityRules(allowances=(allow(rel=1.0, reason="r"),)))
    assert compare_group([make_member(AMD64, one), none]).differences


def test_an_output_that_is_not_kept_whole_is_not_excused() -> None:
    filler = "same line\n" * 20_000
    assert not is_excused(f"c -1\n{filler}", f"c 255\n{filler}", only="char")


def test_bytes_are_not_excused() -> None:
    assert not is_excused("\0c -1", "\0c 255", only="char")


def test_json_by_value_is_excused() -> None:
    structure = make_rules(stdout="json").structure
    one = observe('{"c": -1, "d": 1}', label="x", structure=structure)
    two = observe('{"d": 1, "c": 255}', label="x", structure=structure, platform=ARM64)
    assert judge(one, two, allow(only="char", reason="r")).kind is VerdictKind.EQUAL
    assert judge(one, two, allow(only="word-size", reason="r")).kind is VerdictKind.DIVERGED


def test_an_allowance_travels() -> None:
    rules = ParityRules(
        allowances=(
            allow("x", only=["char"], rel=1e-9, abs=1e-12, reason="r"),
            Allowance(label="y", reason="r", where="multiarch.yaml:3"),
        )
    )
    found = ParityRules.from_mapping(rules.to_mapping())
    assert found == rules
    assert [each.where for each in found.allowances] == ["", "multiarch.yaml:3"]


@pytest.mark.parametrize(
    ("options", "words"),
    [({"only": "wordsize"}, "did you mean 'word-size'"), ({"rel": -1}, "is not a tolerance")],
)
def test_wrong_arguments_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        allow(reason="r", **options)


# Stale


def test_an_allowance_that_some_group_needs_is_not_stale() -> None:
    allowance = Allowance(label="x", reason="r", where="multiarch.yaml:3")
    needed = judge(observe("1", label="x"), observe("2", label="x"), allowance)
    equal = judge(observe("1", label="x"), observe("1", label="x"), allowance)
    assert list_stale([needed, equal]) == ()
    (stale,) = list_stale([equal, equal])
    assert (stale.origin, stale.was_compared) == ("multiarch.yaml:3", True)
    (of_mark,) = list_stale([judge(check("x", 1), check("x", 1), allow("x", reason="r"))])
    assert of_mark.origin == "test_app.py::test_x"


def test_an_allowance_of_nothing_is_stale_in_a_whole_run_only() -> None:
    allowance = allow("renamed", reason="r")
    verdict = judge(observe("1", label="x"), observe("1", label="x"), allowance)
    assert list_stale([verdict]) == ()
    (stale,) = list_stale([verdict], is_whole=True)
    assert not stale.was_compared


def test_an_allowance_that_is_too_narrow_is_stale() -> None:
    verdict = judge(check("x", 1.0), check("x", 1.5), allow("x", rel=1e-9, reason="r"))
    assert verdict.kind is VerdictKind.DIVERGED
    assert len(list_stale([verdict])) == 1
