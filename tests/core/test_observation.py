"""Observations: labels that are the same on all platforms, and a form that travels."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_multiarch.core.call import CallSummary
from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.normalize import parse_normalizers
from pytest_multiarch.core.observation import (
    MEMBER_LIMIT,
    Observation,
    find_differing_parts,
    fit_observations,
    make_check,
    make_label,
)
from pytest_multiarch.core.rules import CALL_PARTS
from tests.samples import AMD64, ARM64, NATIVE, QEMU, check, observe


def label(*argv: str, known: dict[str, str] | None = None, **fields: Any) -> str:
    return make_label("run", CallSummary(argv=argv, **fields), known=known or {})


def differ(ours: Observation, theirs: Observation) -> tuple[str, ...]:
    return find_differing_parts(ours, theirs, AMD64, ARM64, parts=CALL_PARTS)


def test_a_call_is_named_by_its_words() -> None:
    assert label("app", "--version") == "run: app --version"
    assert label("sh", "-c", "echo 'a b'") == """run: sh -c 'echo '"'"'a b'"'"''"""
    assert label() == "run: (the image's command)"


def test_what_else_makes_it_another_call_is_in_its_name_but_no_value() -> None:
    name = label(
        "app",
        entrypoint=("/bin/tool", "-x"),
        user="nobody",
        workdir="/srv",
        network="none",
        init=True,
        env_names=("A", "B"),
        files=("/etc/app.conf",),
        has_stdin=True,
    )
    assert name == (
        "run: app entrypoint='/bin/tool -x' user=nobody workdir=/srv network=none init "
        "env=A,B files=/etc/app.conf stdin"
    )


def test_known_strings_and_pytest_s_folders_are_masked() -> None:
    found = label("cat", "/tmp/pytest-of-me/pytest-3/test_x0/in", "0123456789ab",
                  known={"0123456789ab": "<container>"})  # fmt: skip
    assert found == "run: cat <tmp_path>/in <container>"


def test_a_long_command_is_shortened_and_still_told_apart() -> None:
    one, other = label("sh", "-c", "x" * 1000 + "1"), label("sh", "-c", "x" * 1000 + "2")
    assert len(one) < 250
    assert one != other


def test_a_user_s_own_label_is_taken_as_it_is() -> None:
    assert observe("x", label="mine").label == "mine"


def test_exit_code_and_both_streams_are_compared_each_for_itself() -> None:
    ours = observe("a", "b", exit_code=0)
    assert differ(ours, observe("a", "b", platform=ARM64)) == ()
    assert differ(ours, observe("x", "b", exit_code=3, platform=ARM64)) == ("exit", "stdout")
    assert differ(ours, observe("a", "y", platform=ARM64)) == ("stderr",)


def test_only_the_parts_asked_for_are_compared() -> None:
    ours, theirs = observe("a", "b"), observe("x", "y", exit_code=1, platform=ARM64)
    assert find_differing_parts(ours, theirs, AMD64, ARM64, parts=["stderr"]) == ("stderr",)


def test_the_emulator_s_lines_on_stderr_are_counted_and_kept_in_the_raw_text() -> None:
    line = "qemu: Unsupported syscall: 435\n"
    found = observe("x", f"{line}mine\n", platform=ARM64, execution=QEMU)
    assert found.stderr is not None
    assert found.stderr.emulator_lines == 1
    assert found.stderr.excerpt.head == "mine\n"
    assert found.stderr.raw is not None
    assert found.stderr.raw.head.startswith("qemu: ")
    assert differ(observe("x", "mine\n"), found) == ()


def test_natively_nothing_is_stripped() -> None:
    found = observe("x", "qemu: mine\n", execution=NATIVE)
    assert found.stderr is not None
    assert found.stderr.emulator_lines == 0


def test_normalizers_of_the_test_are_applied_to_both_streams() -> None:
    normalizers = parse_normalizers(["uuids"])
    one, other = (f"{digit * 8}-0000-0000-0000-000000000000\n" for digit in ("a", "b"))
    ours = observe(one, one, normalizers=normalizers)
    assert differ(ours, observe(other, other, normalizers=normalizers, platform=ARM64)) == ()


def test_a_check_is_compared_by_value() -> None:
    assert differ(check("n", 1), check("n", 1)) == ()
    assert differ(check("n", 1), check("n", 2)) == ("value",)
    assert differ(check("n", 1.0, rel=0.1), check("n", 1.05, rel=0.1)) == ()


def test_texts_of_a_check_are_normalized_too_when_asked() -> None:
    normalizers = parse_normalizers(["dates"])
    ours, theirs = (
        make_check("built", {"on": day}, normalizers=normalizers)
        for day in ("2026-11-23", "2026-11-24")
    )
    assert differ(ours, theirs) == ()


@pytest.mark.parametrize("name", ["", " ", None, 3])
def test_a_check_needs_a_label(name: Any) -> None:
    with pytest.raises(UsageError, match="the label is"):
        make_check(name, 1)


def test_what_json_cannot_hold_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match=r"parity.check\('n'\): \$: JSON cannot hold a complex"):
        make_check("n", 1j)


@pytest.mark.parametrize(
    "found",
    [
        observe(b"out \x80", "err", exit_code=3, platform=ARM64, history=None),
        observe(b"\xff\x00", argv=(), entrypoint=(), env_names=("A",), has_stdin=True, init=True),
        observe("x", kind="exec", history="abc", entrypoint=("/x", "y"), files=("/f",)),
        observe("y" * 100, kept=10),
        check("n", {"a": [1, None, float("nan")]}, rel=0.5),
    ],
    ids=["surrogates", "binary", "exec", "too large", "check"],
)  # fmt: skip
def test_round_trip_through_ascii_json(found: Observation) -> None:
    text = json.dumps(found.to_mapping(), allow_nan=False)
    assert text.isascii()
    assert Observation.from_mapping(json.loads(text)) == found


def test_no_value_of_the_environment_is_in_it() -> None:
    found = observe("x", env_names=("TOKEN",))
    assert "TOKEN" in json.dumps(found.to_mapping())
    assert found.command is not None
    assert not hasattr(found.command, "env")


def test_a_usual_observation_takes_little_room() -> None:
    assert len(json.dumps(observe("app 1.4\n").to_mapping())) < 600


def test_a_member_s_excerpts_are_bounded_and_compare_as_before() -> None:
    texts = [f"{number} " * 10_000 for number in range(300)]
    observations = [observe(text, text) for text in texts]
    fitting = fit_observations(observations)
    assert sum(s.cost for each in fitting for s in each.streams) <= MEMBER_LIMIT
    assert all(differ(a, b) == () for a, b in zip(observations, fitting, strict=True))


def test_a_member_s_binary_output_is_bounded_as_it_is_written() -> None:
    observations = [observe(bytes([0xFF]) * 60_000 + bytes([n])) for n in range(10)]
    text = json.dumps([each.to_mapping() for each in fit_observations(observations)])
    assert len(text) < 2 * MEMBER_LIMIT


def test_what_fits_stays_as_it_is() -> None:
    observations = [observe("x"), check("n", 1)]
    assert fit_observations(observations) == observations
