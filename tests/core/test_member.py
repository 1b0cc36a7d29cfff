"""Members travel as JSON, and of several attempts one counts."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from pytest_multiarch.core.member import Member, Outcome, VariantIdentity, resolve_duplicates
from pytest_multiarch.core.rules import allow, make_rules
from tests.samples import AMD64, ARM64, PIN, S390X, check, make_member, observe

VARIANT = VariantIdentity(
    reference="ghcr.io/acme/app:1", kind="manifest", digest="sha256:a", config_digest="sha256:b",
    pin=PIN,
)  # fmt: skip


@pytest.mark.parametrize(
    "member",
    [
        make_member(),
        make_member(AMD64, outcome="not-run"),
        make_member(
            ARM64,
            observe("x", platform=ARM64),
            check("n", 1.5, rel=0.1),
            baseline=AMD64,
            variant=VARIANT,
            rules=make_rules(compare="exit", allow=[allow("x*", reason="r")], stateless=True),
            outcome="xpassed",
            reason="why",
            attempt=3,
            worker="gw1",
            node="unix:///d.sock",
            duration_s=1.5,
            inside_s=0.25,
        ),
    ],
    ids=["plain", "not run", "full"],
)
def test_round_trip_through_ascii_json(member: Member) -> None:
    text = json.dumps(member.to_mapping(), allow_nan=False)
    assert text.isascii()
    assert Member.from_mapping(json.loads(text)) == member


def test_what_is_left_out_is_at_its_default() -> None:
    found = Member.from_mapping(
        {
            "group": "g",
            "platform": "linux/amd64",
            "node_id": "g[linux/amd64]",
            "declared": ["linux/amd64", "linux/arm64"],
            "selected": {"linux/amd64": "g[linux/amd64]"},
        }
    )
    assert found.selected == (AMD64,)
    assert (found.outcome, found.observations, found.attempt) == (Outcome.NOT_RUN, (), 1)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (
            {"outcome": Outcome.SKIPPED, "started_at_s": 9.0},
            {"outcome": Outcome.FAILED, "started_at_s": 1.0},
        ),
        (
            {"started_at_s": 1.0, "attempt": 2, "run": "z"},
            {"started_at_s": 2.0, "attempt": 1, "run": "a"},
        ),
        ({"attempt": 1, "run": "z"}, {"attempt": 2, "run": "a"}),
        ({"run": "a", "worker": "gw9"}, {"run": "b", "worker": "gw0"}),
        ({"reason": "a"}, {"reason": "b"}),
    ],
    ids=["ran", "start", "attempt", "run", "nothing but content"],
)
def test_the_later_one_counts(earlier: dict[str, Any], later: dict[str, Any]) -> None:
    one, other = make_member(**earlier), make_member(**later)
    assert resolve_duplicates([one, other]) == resolve_duplicates([other, one]) == (other,)


def test_each_platform_of_each_group_keeps_one() -> None:
    members = [
        make_member(platform, group=group, attempt=attempt)
        for platform in (AMD64, ARM64, S390X)
        for group in ("a", "b")
        for attempt in (1, 2)
    ]
    kept = resolve_duplicates(members)
    assert len(kept) == 6
    assert {each.attempt for each in kept} == {2}
    shuffled = [members[i] for i in (7, 3, 11, 0, 5, 9, 1, 2, 10, 4, 8, 6)]
    assert resolve_duplicates(shuffled) == kept


def test_resolving_is_idempotent_and_associative() -> None:
    members = [make_member(run=run, attempt=n) for run, n in itertools.product("abc", (1, 2))]
    whole = resolve_duplicates(members)
    halves = (*resolve_duplicates(members[:3]), *resolve_duplicates(members[3:]))
    assert resolve_duplicates(halves) == whole == resolve_duplicates(whole)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_only_a_body_that_ran_to_its_end_is_comparable(outcome: Outcome) -> None:
    assert outcome.is_comparable == (outcome.value in ("passed", "xpassed"))
    assert outcome.is_failure == (outcome.value in ("failed", "error", "crashed"))
