"""Output streams compare exactly, whatever their size; what is kept of them is bounded."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_multiarch.core.names import mask_own_names
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.stream import (
    NAMES_LIMIT,
    WHOLE_LIMIT,
    Excerpt,
    ObservedStream,
    decode_output,
    encode_output,
    locate_difference,
    observe_beginning,
    observe_stream,
    streams_agree,
)
from tests.samples import AMD64, ARM64, make_output

contents = st.lists(
    st.sampled_from([b"a", b"\n", b"x86_64", b"aarch64", b" ", b"\xff", b"\xc3\xa9", b"\0"]),
    max_size=10,
).map(b"".join)


def stream(data: bytes | str, platform: Platform = AMD64, **options: int) -> ObservedStream:
    data = data.encode() if isinstance(data, str) else data
    output = make_output(data, **options)
    if not output.is_whole:
        return observe_beginning(output)
    return observe_stream(output, decode_output(output.head), platform)


def agree(ours: bytes | str, theirs: bytes | str) -> bool:
    return streams_agree(stream(ours), stream(theirs, ARM64), AMD64, ARM64)


def test_own_names_agree_and_bytes_do() -> None:
    assert agree("on x86_64\n", "on aarch64\n")
    assert agree(b"\xff\xfe", b"\xff\xfe")


def test_bytes_that_cannot_be_decoded_differ_as_bytes() -> None:
    assert not agree(b"\xff", b"\xfe")
    assert not agree(b"\xff", "\ufffd")


def test_text_in_another_encoding_is_another_output() -> None:
    assert not agree("\u00e9".encode(), "\u00e9".encode("latin-1"))


def test_one_character_in_many_megabytes_is_found() -> None:
    ours = "line of text\n" * 200_000
    assert not agree(ours, ours[:1_300_000] + "X" + ours[1_300_001:])
    assert agree(ours, ours)


def test_output_beyond_the_limit_is_compared_by_its_bytes() -> None:
    ours, same = stream(b"x" * 100 + b"1", kept=10), stream(b"x" * 100 + b"1", ARM64, kept=10)
    other = stream(b"x" * 100 + b"2", ARM64, kept=10)
    assert not ours.is_whole
    assert streams_agree(ours, same, AMD64, ARM64)
    assert not streams_agree(ours, other, AMD64, ARM64)


def test_very_many_names_are_compared_masked() -> None:
    number = NAMES_LIMIT + 1
    ours, theirs = stream("x86_64,\n" * number), stream("aarch64,\n" * number, ARM64)
    assert ours.names is None
    assert streams_agree(ours, theirs, AMD64, ARM64)
    foreign = stream("amd64,\n" * number, ARM64)
    assert not streams_agree(ours, foreign, AMD64, ARM64)


def test_what_was_masked_is_kept_beside_it() -> None:
    output = make_output(b"at 12:00\n")
    found = observe_stream(output, "at <time>\n", AMD64)
    assert (found.excerpt.head, found.raw) == ("at <time>\n", Excerpt("at 12:00\n"))


def test_a_stream_that_normalizing_left_alone_is_kept_once() -> None:
    assert stream("plain\n").raw is None


def test_a_long_text_is_kept_at_both_ends_and_its_size_is_known() -> None:
    found = stream("a" * (WHOLE_LIMIT + 1))
    excerpt = found.excerpt
    assert not excerpt.is_whole
    assert len(excerpt.head) + excerpt.gap + len(excerpt.tail) == WHOLE_LIMIT + 1
    assert found.cost < WHOLE_LIMIT


def test_the_first_difference_of_long_texts_is_located_by_lines() -> None:
    lines = [f"line {number} on x86_64\n" for number in range(20_000)]
    others = [f"line {number} on aarch64\n" for number in range(20_000)]
    others[15_000] = "line X on aarch64\n"
    place = locate_difference(stream("".join(lines)), stream("".join(others), ARM64))
    assert place is not None
    assert place[0] <= 15_001 <= place[1]


def test_short_texts_are_not_located() -> None:
    assert locate_difference(stream("a"), stream("b")) is None


def test_shrinking_keeps_equality() -> None:
    found = stream("x86_64 " * 3000)
    small = found.shrink(100)
    assert small.cost < found.cost
    assert streams_agree(small, stream("aarch64 " * 3000, ARM64), AMD64, ARM64)


@given(st.text(max_size=300), st.integers(0, 100), st.integers(0, 100))
def test_an_excerpt_accounts_for_every_character(text: str, limit: int, smaller: int) -> None:
    for excerpt in (
        Excerpt.of(text, whole_limit=limit),
        Excerpt.of(text, whole_limit=limit).shrink(smaller),
    ):
        assert len(excerpt.head) + excerpt.gap + len(excerpt.tail) == len(text)
        assert text.startswith(excerpt.head)
        assert text.endswith(excerpt.tail)
        assert Excerpt.from_json(json.loads(json.dumps(excerpt.to_json()))) == excerpt


@given(st.binary(max_size=100))
def test_decoding_is_reversible(data: bytes) -> None:
    assert encode_output(decode_output(data)) == data


@given(contents, contents)
def test_agreement_is_reflexive_and_symmetric(ours: bytes, theirs: bytes) -> None:
    assert agree(ours, ours)
    a, b = stream(ours), stream(theirs, ARM64)
    assert streams_agree(a, b, AMD64, ARM64) == streams_agree(b, a, ARM64, AMD64)


@given(contents)
def test_a_stream_with_own_names_replaced_agrees(data: bytes) -> None:
    text = decode_output(data)
    other = encode_output(mask_own_names(text, AMD64, placeholder="aarch64"))
    assert agree(data, other)


@given(contents)
def test_round_trip_through_ascii_json(data: bytes) -> None:
    for found in (stream(data), stream(data, kept=3), stream(data * 20_000)):
        text = json.dumps(found.to_mapping())
        assert text.isascii()
        assert ObservedStream.from_mapping(json.loads(text)) == found


def test_usual_output_takes_little_room() -> None:
    assert len(json.dumps(stream("ok\n").to_mapping())) < 120


@pytest.mark.parametrize("data", [b"", b"\n", b"\0"])
def test_edges(data: bytes) -> None:
    assert agree(data, data)
