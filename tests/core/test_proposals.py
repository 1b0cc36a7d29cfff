"""What is proposed makes the next run quiet, and hides as little as can be."""

from __future__ import annotations

import ast
import random
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.core.learning import Learned
from pytest_multiarch.core.observation import find_differing_parts
from pytest_multiarch.core.proposals import find_normalizers, propose, propose_parts
from pytest_multiarch.core.rules import make_rules
from tests.noisy_outputs import PRINTERS
from tests.samples import AMD64, ARM64, observe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_multiarch.core.observation import Observation

BOTH = AMD64, ARM64


def print_often(name: str, *, is_emulated: bool, seed: int = 1) -> list[bytes]:
    source = random.Random(f"{name} {is_emulated} {seed}")
    texts = [PRINTERS[name](source, is_emulated) for _ in range(5)]
    return [text.encode("utf-8", "surrogateescape") for text in texts]


def propose_for(ours: Sequence[str | bytes], theirs: Sequence[str | bytes]) -> str:
    learned = Learned.learn("stdout", map(observe, ours), AMD64)
    others = [observe(each, platform=ARM64) for each in theirs]
    assert learned.find_unlike(others, ARM64) is None
    (line,) = learned.propose(others, ARM64)
    return line


def read_mark(line: str) -> dict[str, Any]:
    """Read the arguments of a proposed mark as Python does."""
    call = ast.parse(line.removeprefix("@"), mode="eval").body
    assert isinstance(call, ast.Call)
    assert ast.unparse(call.func) == "pytest.mark.parity"
    return {str(each.arg): ast.literal_eval(each.value) for each in call.keywords}


@pytest.mark.parametrize("name", PRINTERS)
def test_a_proposal_makes_what_was_seen_equal(name: str) -> None:
    ours, theirs = (print_often(name, is_emulated=each) for each in (False, True))
    rules = make_rules(**read_mark(propose_for(ours, theirs)))

    def look(text: bytes, platform: Any) -> Observation:
        return observe(text, platform=platform, ignore=rules.ignore, normalizers=rules.normalizers)

    first = look(ours[0], AMD64)
    for each in theirs:
        other = look(each, ARM64)
        assert not find_differing_parts(first, other, *BOTH, parts=rules.parts)


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("a time", 'normalize=["timestamps"]'),
        ("a pid", 'normalize=["pids"]'),
        ("a UUID", 'normalize=["uuids"]'),
        ("a temporary file", 'normalize=["temp-paths"]'),
        ("bash's time", 'normalize=["durations"]'),
        ("an address", 'normalize=["addresses"]'),
        ("threads", 'normalize=["timestamps", "durations", "line-order"]'),
        ("Base64", r'normalize=[r"token: [\w+/=-]+"]'),
        ("a signed number", r'normalize=[r"n=-?\d+"]'),
        ("seconds it took", r'normalize=[r"elapsed: \d+\.\d+"]'),
        ("a set", 'compare=["exit", "stderr"]'),
        ("polling", 'compare=["exit", "stderr"]'),
    ],
)
def test_what_is_proposed_is_as_narrow_as_can_be(name: str, argument: str) -> None:
    ours, theirs = (print_often(name, is_emulated=each) for each in (False, True))
    assert propose_for(ours, theirs) == f"@pytest.mark.parity({argument})"


def test_named_normalizers_go_with_expressions() -> None:
    line = propose_for(
        [f"{n} took {n} ms (seed {n * 7})\n" for n in (3, 17, 40)],
        [f"{n} took {n} ms (seed {n * 7})\n" for n in (5, 88)],
    )
    assert line == r'@pytest.mark.parity(normalize=[r"^\d+", "durations", r"\(seed \d+"])'


def test_as_few_normalizers_as_do_it_are_found() -> None:
    ours = ["2026-11-29 12:00:01 pid 7\n", "2026-11-29 12:00:02 pid 8\n"]
    assert find_normalizers(ours, ["2026-11-29 12:00:09 pid 9\n"], BOTH) == ("timestamps", "pids")
    assert find_normalizers(ours, ["2026-11-29 12:00:09 pid x\n"], BOTH) == ()
    assert find_normalizers(["pid 7 on x86_64"], ["pid 8 on aarch64"], BOTH) == ("pids",)


def test_without_anything_that_helps_the_other_parts_are_proposed() -> None:
    assert propose("stderr", ["a"], ["b"], BOTH) == (
        '@pytest.mark.parity(compare=["exit", "stdout"])',
    )
    assert propose_parts("exit") == ('@pytest.mark.parity(compare=["stdout", "stderr"])',)
