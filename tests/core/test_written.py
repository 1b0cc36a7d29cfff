"""Observations as text: read only when somebody looks, and compared at sight where that is safe."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_multiarch.core.errors import RecordError
from pytest_multiarch.core.normalize import BUILT_IN, parse_normalizers
from pytest_multiarch.core.observation import Observation
from pytest_multiarch.core.parity import Verdict, compare_group
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.rules import ParityRules, allow, make_rules
from pytest_multiarch.core.written import WrittenObservations
from tests.samples import AMD64, ARM64, check, make_member, observe

TIMES = parse_normalizers(["timestamps"], named=BUILT_IN)
OWN = {AMD64: "x86_64", ARM64: "aarch64"}
SEEN = [
    observe("on x86_64\n", "warning\n", exit_code=3, kind="exec", history="abc"),
    observe(b"\xff\x00 \x1b[31m", kept=None),
    observe("x" * 100_000, known={"x": "<x>"}),
    observe("a flood", kept=3),
    check("n", {"rows": [1, 2.5, None, "caf\u00e9 \ud800"]}, rel=0.1),
]


def write(*observations: Observation) -> WrittenObservations:
    return WrittenObservations.write(observations)


# What they are


def test_they_are_what_was_written() -> None:
    written = write(*SEEN)
    assert tuple(written) == tuple(SEEN)
    assert (len(written), written[1], written[:2]) == (5, SEEN[1], tuple(SEEN[:2]))


def test_the_text_is_ascii_json_on_one_line() -> None:
    text = write(*SEEN).text
    assert text.isascii()
    assert "\n" not in text
    assert [Observation.from_mapping(each) for each in json.loads(text)] == SEEN


def test_they_equal_the_same_in_another_form() -> None:
    text = write(*SEEN).text
    assert write(*SEEN) == tuple(SEEN)
    assert write(*SEEN) == WrittenObservations(json.dumps(json.loads(text), indent=1))
    assert write(*SEEN) != write(*SEEN[1:])


def test_a_text_of_something_else_is_refused() -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        WrittenObservations('[{"label": "x"}]')


def test_two_arrays_in_the_text_are_an_error_for_users() -> None:
    """So it stands in a file where a key is given twice, once with its letters escaped."""
    written = WrittenObservations('[],"more":[]', [])
    with pytest.raises(RecordError, match="damaged"):
        tuple(written)


def test_what_is_forgotten_leaves_what_the_summary_counts() -> None:
    seen = replace(SEEN[0], stderr=replace(SEEN[0].stderr, emulator_lines=2))
    kept = write(seen, *SEEN[1:]).forget()
    assert (tuple(kept), kept.emulator_lines, kept.fingerprint) == ((), 2, None)


# The fingerprint


@pytest.mark.parametrize(
    "other",
    [
        observe("a", "b", label="other"),
        observe("a", "b", label="l", kind="exec"),
        observe("a", "b", label="l", exit_code=1),
        observe("c", "b", label="l"),
        observe("a", "c", label="l"),
        observe("a", "b", label="l", history="h"),
        check("l", "a"),
    ],
    ids=["label", "kind", "exit", "stdout", "stderr", "history", "check"],
)
def test_what_differs_shows(other: Observation) -> None:
    assert write(observe("a", "b", label="l")).fingerprint != write(other).fingerprint


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (replace(observe("a", pin="x"), wall_s=1.0), observe("a", pin="y", platform=ARM64)),
        (
            observe("at 2024-01-01T10:00:00Z", normalizers=TIMES),
            observe("at 2024-01-02T11:00:00Z", normalizers=TIMES, platform=ARM64),
        ),
        (check("n", 1.5, rel=0.1), check("n", 1.5, rel=0.2)),
    ],
    ids=["place and time", "normalized", "tolerance"],
)
def test_what_is_equal_on_all_platforms_is_equal_at_sight(
    one: Observation, other: Observation
) -> None:
    assert write(one).fingerprint == write(other).fingerprint


def test_calls_of_unknown_history_are_not_equal_to_anything() -> None:
    assert write(observe("a", history=None)).fingerprint is None


# Property: it never hides what the full comparison finds

TEXTS = st.sampled_from(
    ["", "a\n", "b\n", "on {own}\n", "on x86_64\n", "in x86_64\n", "on riscv64\n", "in riscv64\n",
     "on aarch64 and {own}\n", "2024-01-01T10:00:00Z", "2024-01-02T10:00:00Z", "\\ud800", "\ud800"]
)  # fmt: skip
VALUES = st.sampled_from(
    [
        1,
        1.0,
        True,
        None,
        float("nan"),
        1.05,
        "x86_64",
        "{own}",
        "a",
        [1, [2]],
        {"{own}": 1, "b": []},
    ]
)
CALLS = st.fixed_dictionaries(
    {"out": TEXTS, "err": TEXTS},
    optional={
        "exit_code": st.sampled_from([0, 1]),
        "kept": st.sampled_from([None, 1]),
        "kind": st.sampled_from(["run", "exec"]),
        "label": st.sampled_from(["l", "m", "on {own}"]),
        "history": st.sampled_from(["", "h", None]),
        "normalizers": st.just(TIMES),
        "known": st.just({"a": "<known>"}),
        "argv": st.sampled_from([("app",), ("app", "{own}"), ("app", "aarch64")]),
    },
)
CHECKS = st.fixed_dictionaries(
    {"label": st.sampled_from(["l", "on {own}"]), "value": VALUES},
    optional={"rel": st.sampled_from([0.0, 0.1]), "normalizers": st.just(TIMES)},
)
SPECS = st.lists(st.one_of(CALLS, CHECKS), max_size=4)
RULES = st.builds(
    make_rules,
    compare=st.sampled_from(["all", "exit", "nothing", ["stdout", "stderr"]]),
    allow=st.lists(
        st.builds(allow, st.sampled_from(["*", "l", "on *"]), reason=st.just("r")), max_size=1
    ),
    stateless=st.booleans(),
)


def observe_spec(spec: dict[str, Any], platform: Platform) -> Observation:
    filled = fill(spec, OWN[platform])
    if "value" in filled:
        return check(filled.pop("label"), filled.pop("value"), **filled)
    out, err = (filled.pop(name).encode("utf-8", "surrogatepass") for name in ("out", "err"))
    return observe(out, err, platform=platform, **filled)


def fill(value: Any, own: str) -> Any:
    """Put the platform's own name where one belongs."""
    if isinstance(value, str):
        return value.replace("{own}", own)
    if isinstance(value, dict):
        return {fill(key, own): fill(each, own) for key, each in value.items()}
    if isinstance(value, (list, tuple)) and value is not TIMES:
        return type(value)(fill(each, own) for each in value)
    return value


def describe(verdict: Verdict) -> tuple[Any, ...]:
    return (
        verdict.kind, verdict.baseline, verdict.pairs, verdict.differences, verdict.allowed,
        verdict.stale, verdict.notes,
    )  # fmt: skip


@given(ours=SPECS, theirs=st.one_of(st.none(), SPECS), rules=st.tuples(RULES, RULES))
@example(ours=[{"out": "on {own}\n", "err": ""}], theirs=None, rules=(ParityRules(),) * 2)
@example(
    ours=[{"out": "on s390x\n", "err": ""}],
    theirs=[{"out": "on ppc64le\n", "err": ""}],
    rules=(ParityRules(),) * 2,
)
@example(
    ours=[{"out": "on s390x\n", "err": ""}],
    theirs=[{"out": "in s390x\n", "err": ""}],
    rules=(ParityRules(),) * 2,
)
def test_comparing_at_sight_gives_the_verdict_of_the_full_comparison(
    ours: list[dict[str, Any]],
    theirs: list[dict[str, Any]] | None,
    rules: tuple[ParityRules, ParityRules],
) -> None:
    """Members that made the same calls, or others; own names, tolerances, histories, rules."""
    members = []
    for platform, specs, of_one in zip((AMD64, ARM64), (ours, theirs or ours), rules, strict=True):
        seen = [observe_spec(spec, platform) for spec in specs]
        members.append(make_member(platform, *seen, rules=of_one))
    written = [replace(each, observations=write(*each.observations)) for each in members]
    assert describe(compare_group(written)) == describe(compare_group(members))


@given(ours=SPECS, theirs=st.one_of(st.none(), SPECS))
def test_equal_fingerprints_are_equal_observations(
    ours: list[dict[str, Any]], theirs: list[dict[str, Any]] | None
) -> None:
    """Whatever the platforms: all is compared, and nothing is found."""
    one = [observe_spec(spec, AMD64) for spec in ours]
    other = [observe_spec(spec, ARM64) for spec in (theirs or ours)]
    fingerprint = write(*one).fingerprint
    if fingerprint is None or fingerprint != write(*other).fingerprint:
        return
    verdict = compare_group([make_member(AMD64, *one), make_member(ARM64, *other)])
    assert (verdict.differences, verdict.notes, verdict.pairs) == ((), (), len(one))
