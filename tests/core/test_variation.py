"""What varies by itself is learned from one platform, and asked of another."""

from __future__ import annotations

import random
import string
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pytest_multiarch.core.variation import Variation, learn_text
from tests.noisy_outputs import PRINTERS
from tests.samples import AMD64, ARM64, S390X

if TYPE_CHECKING:
    from collections.abc import Sequence


def fits(ours: Sequence[str], theirs: Sequence[str]) -> bool:
    return learn_text(ours, AMD64).find_unlike(theirs, ARM64) is None


def explain(ours: Sequence[str], theirs: Sequence[str]) -> str:
    unlike = learn_text(ours, AMD64).find_unlike(theirs, ARM64)
    assert unlike is not None
    return unlike.reason


# What is only noise


@pytest.mark.parametrize("name", PRINTERS)
@pytest.mark.parametrize("seed", range(8))
def test_noise_of_a_program_is_no_difference(name: str, seed: int) -> None:
    source = random.Random(f"{name} {seed}")
    ours = [PRINTERS[name](source, False) for _ in range(5)]
    theirs = [PRINTERS[name](source, True) for _ in range(5)]
    assume_varying = len(set(ours)) > 1
    assert assume_varying
    unlike = learn_text(ours, AMD64).find_unlike(theirs, ARM64)
    assert unlike is None, (unlike, ours, theirs)


@pytest.mark.parametrize("name", PRINTERS)
def test_what_varies_is_shown_and_short(name: str) -> None:
    source = random.Random(name)
    learned = learn_text([PRINTERS[name](source, False) for _ in range(5)], AMD64)
    assert learned.how
    assert 1 <= len(learned.show()) <= 4


def test_a_part_that_varies_is_marked() -> None:
    learned = learn_text(["seed 17 of 3\nend\n", "seed 4711 of 3\nend\n"], AMD64)
    assert learned.show() == ("line 1: seed <number> of 3",)


def test_a_byte_of_a_dump_that_had_no_letter_so_far_is_one_all_the_same() -> None:
    """Two digits come in one of three draws, so five times in a row in one of a hundred columns."""
    ours = [" 3a a9 74 62\n", " 71 0f 12 9b\n", " c4 d0 55 7e\n"]
    assert fits(ours, [" a2 75 7a 66\n", " 00 b1 ff c0\n"])
    assert learn_text(ours, AMD64).show() == ("line 1:  <hex> <hex> <hex> <hex>",)
    # Not where only one other part looks so, nor where a number is wider.
    assert not fits(["3a 74\n", "0f 12\n", "d0 55\n"], ["a2 7a\n"])
    assert not fits(["3a a9 740\n", "0f 9b 121\n", "d0 7e 556\n"], ["a2 75 7a0\n"])


def test_own_names_of_platforms_agree_beside_what_varies() -> None:
    ours = [f"x86_64 pid {n}\n" for n in (11, 12, 13)]
    assert fits(ours, [f"aarch64 pid {n}\n" for n in (21, 22)])
    assert not fits(ours, [f"s390x pid {n}\n" for n in (21, 22)])
    assert not fits(ours, [f"x86_64 pid {n}x\n" for n in (21, 22)])


def test_a_random_number_may_be_a_name_of_an_architecture() -> None:
    assert fits(["n 17\n", "n 386\n", "n 412\n"], ["n 386\n", "n 99\n"])
    assert fits(["n 17\n", "n 318\n", "n 412\n"], ["n 386\n", "n 99\n"])


def test_bars_may_be_longer_shorter_or_none() -> None:
    ours = [f"<=  4 ms {n:3d} {'#' * n}".rstrip() + "\n" for n in (4, 11, 0, 18, 7)]
    assert fits(ours, [f"<=  4 ms {n:3d} {'#' * n}\n" for n in (1, 19, 6)])
    assert not fits(ours, [f"<=  4 ms {n:3d} {'*' * n}\n" for n in (1, 19, 6)])
    assert not fits(ours, [f"<=  4 s {n:3d} {'#' * n}\n" for n in (1, 19, 6)])


def test_a_line_that_is_drawn_anew_may_be_so_more_or_less_often() -> None:
    def draw(number: int, end: str = "done\n") -> str:
        bars = [f"[{'=' * n}>{' ' * (40 - n)}] {3 * n}%" for n in range(number)]
        return "\r".join([*bars, end])

    ours = [draw(n) for n in (9, 14, 22, 31, 12)]
    assert fits(ours, [draw(n) for n in (7, 25, 5)])
    assert not fits(ours, [draw(n, "failed\n") for n in (7, 25, 5)])
    assert not fits(ours, [draw(n).replace("\r", "\n") for n in (9, 14, 22)])


# What is a difference in spite of noise


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (["t {} max 2038-01-19\n"], ["t {} max 1901-12-13\n"]),
        (["p {} at 0x7fff0000\n"], ["p {} at 0xffff0000\n"]),
        (["pid {}\nsum 4294967295\n"], ["pid {}\nsum -1\n"]),
        (["pid {}, ok\n"], ["pid {}, failed\n"]),
        (["pid {}\n"], ["pid {}\nwarning: unaligned access\n"]),
        (["pid {}\nwarning\n"], ["pid {}\n"]),
        (["n {}\n"], ["n -{}\n"]),
        (["n {}\n"], ["n nan\n"]),
        (["n {}\n"], ["n {}.5\n"]),
        (["n {}\n"], ["n \n"]),
        (["n {}\n"], ["n {}000000000\n"]),
        (["{} {}\n"], ["{}\n"]),
        (["v 1.2.3 {}\n"], ["v 1.2.4 {}\n"]),
    ],
)
def test_a_constant_part_that_differs_beside_noise_is_a_difference(
    ours: list[str], theirs: list[str]
) -> None:
    numbers = (1013, 2477, 3911, 5003, 6871)
    one = [form.format(n, n + 7) for form in ours for n in numbers]
    other = [form.format(n + 31, n + 5) for form in theirs for n in numbers]
    assert fits(one, [form.format(n + 31, n + 5) for form in ours for n in numbers])
    assert not fits(one, other)


def test_what_is_constant_and_looks_like_a_time_is_compared_by_value() -> None:
    ours = ["built 2026-11-29 12:00:00\n"] * 4
    assert not fits(ours, ["built 2026-11-29 12:00:01\n"] * 4)


def test_a_race_that_one_platform_alone_shows_is_a_difference() -> None:
    assert not fits(["count 1000\n"] * 5, ["count 1000\n", "count 997\n", "count 1000\n"])


def test_a_time_is_written_in_the_same_way() -> None:
    ours = ["at 2026-11-29 12:00:01\n", "at 2026-11-29 12:00:07\n"]
    assert fits(ours, ["at 2026-11-30 13:10:59\n"])
    assert not fits(ours, ["at 29/Nov/2026:12:00:03\n"])
    assert not fits(ours, ["at 1970-01-01\n"])


def test_a_number_that_is_padded_stays_so() -> None:
    ours = ["id 000123\n", "id 000999\n", "id 012345\n"]
    assert fits(ours, ["id 000777\n"])
    assert not fits(ours, ["id 777\n"])


def test_a_word_that_never_came_is_a_difference_where_words_are_few() -> None:
    ours = [f"state: {word}\n" for word in ("ok", "retry", "ok", "ok", "retry")]
    assert fits(ours, ["state: retry\n", "state: ok\n"])
    assert not fits(ours, ["state: failed\n", "state: failed\n"])
    assert "'failed', which never came" in explain(ours, ["state: failed\n", "state: failed\n"])


def test_one_random_id_again_and_again_is_a_difference() -> None:
    ours = [f"{n:032x}"[:8] + f"-{n:04x}-4000-8000-{n:012x}\n" for n in (11, 270, 399, 4711)]
    assert not fits(ours, [ours[0]] * 4)
    assert "always" in explain(ours, [ours[0]] * 4)
    assert fits(ours, ours[1:])


def test_lines_in_any_order_are_the_same_lines() -> None:
    ours = ["a 1\nb 2\nc 3\n", "b 2\na 1\nc 3\n", "c 3\nb 2\na 1\n"]
    assert fits(ours, ["b 2\nc 3\na 1\n"])
    assert not fits(ours, ["b 2\nc 3\na 2\n"])
    assert not fits(ours, ["b 2\nc 3\n"])
    assert not fits(ours, ["b 2\nc 3\na 1\na 1\n"])


def test_lines_that_have_a_place_keep_it_beside_lines_that_have_none() -> None:
    ours = ["start:\nx 1\nx 2\nthe end.\n", "start:\nx 2\nx 1\nthe end.\n"]
    assert fits(ours, ["start:\nx 1\nx 2\nthe end.\n"])
    assert not fits(ours, ["x 1\nstart:\nx 2\nthe end.\n"])


def test_items_in_any_order_are_the_same_items() -> None:
    ours = ["{'fig', 'pear', 'kiwi'}\n", "{'kiwi', 'pear', 'fig'}\n", "{'pear', 'kiwi', 'fig'}\n"]
    assert fits(ours, ["{'fig', 'kiwi', 'pear'}\n"])
    assert not fits(ours, ["{'fig', 'kiwi', 'plum'}\n"])
    assert not fits(ours, ["{'fig', 'kiwi'}\n"])


def test_a_line_that_comes_more_or_less_often_may_come_more_often() -> None:
    ours = ["wait\nready\n", "wait\nwait\nready\n"]
    assert fits(ours, ["wait\nwait\nwait\nwait\nready\n"])
    assert not fits(ours, ["ready\n"])
    assert not fits(ours, ["wait\nwait\nready\nready\n"])
    assert not fits(ours, ["wait\nfailed\n"])


def test_a_line_that_comes_once_or_more_may_be_absent_by_chance_and_not_always() -> None:
    ours = [number * "wait\n" + "ready\n" for number in (3, 1, 1, 6, 2)]
    others = [number * "wait\n" + "ready\n" for number in (0, 1, 0, 4, 2)]
    assert fits(ours, others)
    assert not fits(ours, ["ready\n"] * 5)
    assert not fits(ours, ["ready\n"] * 4 + ["wait\nready\n"])


def test_a_line_that_comes_sometimes_may_come_or_not() -> None:
    ours = ["warning: slow\nresult 42\n", "result 42\n", "warning: slow\nresult 42\n"]
    assert fits(ours, ["result 42\n", "warning: slow\nresult 42\n"])
    assert not fits(ours, ["result 41\n"])


def test_between_random_tokens_a_constant_word_counts() -> None:
    source = random.Random(7)

    def token() -> str:
        return "".join(source.choice(string.ascii_letters + "+/") for _ in range(12))

    ours = [f"{token()} user root {token()}\n" for _ in range(5)]
    assert fits(ours, [f"{token()} user root {token()}\n" for _ in range(5)])
    assert not fits(ours, [f"{token()} user guest {token()}\n" for _ in range(5)])


def test_lines_that_differ_are_told_by_number() -> None:
    ours = ["a\nb 1\nc\n", "a\nb 2\nc\n"]
    unlike = learn_text(ours, AMD64).find_unlike(["x\nb 3\ny\n"], ARM64)
    assert unlike is not None
    assert unlike.lines == (0, 2)
    assert unlike.reason == "line 1 is always the same on linux/amd64"


# Properties

WORDS = st.text(string.ascii_lowercase, min_size=3, max_size=8)
NOISE = st.sampled_from(
    [
        lambda r: str(r.randrange(10**6)),
        lambda r: f"{r.random():.4f}",
        lambda r: f"{r.getrandbits(64):016x}",
        lambda r: f"0x{r.getrandbits(40):x}",
        lambda r: f"{r.uniform(1, 90):.1f} ms",
        lambda r: f"2026-11-29 12:34:{r.randrange(60):02}",
    ]
)
PARTS = st.lists(st.one_of(WORDS, NOISE), min_size=2, max_size=8)
SEPARATORS = st.sampled_from([" ", ": ", "\n", ", "])


@given(parts=PARTS, separator=SEPARATORS, seed=st.integers(0, 10**9), data=st.data())
@settings(max_examples=300, deadline=None)
def test_no_difference_in_a_constant_part_is_ever_called_noise(
    parts: list[object], separator: str, seed: int, data: st.DataObject
) -> None:
    constant = [at for at, part in enumerate(parts) if isinstance(part, str)]
    assume(constant)
    source = random.Random(seed)

    def make(given: list[object]) -> str:
        return separator.join(p if isinstance(p, str) else p(source) for p in given) + "\n"  # type: ignore[operator]

    ours = [make(parts) for _ in range(4)]
    at = data.draw(st.sampled_from(constant))
    other = data.draw(WORDS)
    assume(other not in parts)
    changed = [*parts[:at], other, *parts[at + 1 :]]
    assert not fits(ours, [make(changed) for _ in range(4)])
    assert not fits(ours, [make(parts), make(changed), make(parts)])


@given(lines=st.lists(st.text(max_size=30), min_size=1, max_size=6), number=st.integers(1, 5))
@settings(max_examples=200, deadline=None)
def test_what_was_learned_fits_what_it_was_learned_from(lines: list[str], number: int) -> None:
    ours = lines * number
    assert learn_text(ours, AMD64).find_unlike(ours, AMD64) is None or _is_random_again(ours)


def _is_random_again(ours: list[str]) -> bool:
    learned = learn_text(ours, AMD64)
    return all(learned.find_unlike([each], AMD64) is None for each in ours)


@given(text=st.text(max_size=60), other=st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_what_never_varies_agrees_with_itself_alone(text: str, other: str) -> None:
    learned = learn_text([text, text, text], S390X)
    assert learned == Variation(samples=(text, text, text), platform=S390X)
    assert (learned.find_unlike([other], S390X) is None) is (text == other)
