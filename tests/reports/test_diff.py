"""Two outputs side by side: what differs is marked, what cannot be shown is spelled out."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_multiarch.reports.diff import WIDTH, Side, clean, cut, diff_bytes, diff_texts, is_binary
from tests.samples import AMD64, ARM64

texts = st.lists(
    st.sampled_from(
        ["a", "b", "x86_64", "aarch64", " ", "\n", "\n", "\x1b[1m", "\udc80", "\u202e"]
    ),
    max_size=12,
).map("".join)


def diff(ours: str, theirs: str) -> list[str]:
    return list(diff_texts(Side(ours, AMD64), Side(theirs, ARM64)))


def test_one_line_is_shown_from_both_sides_with_a_caret() -> None:
    assert diff("char: -1\n", "char: 255\n") == [
        "@@ line 1 @@",
        "- char: -1",
        "+ char: 255",
        "        ^ column 7",
    ]


def test_two_equal_lines_around_a_difference_are_shown() -> None:
    ours = "".join(f"{word}\n" for word in "abcdefg")
    assert diff(ours, ours.replace("d", "D")) == [
        "@@ line 4 @@", "  b", "  c", "- d", "+ D", "  ^", "  e", "  f",
    ]  # fmt: skip


def test_lines_that_differ_by_own_names_only_are_equal() -> None:
    shown = diff("on x86_64\n1\non x86_64\n", "on aarch64\n2\non aarch64\n")
    assert shown == ["@@ line 2 @@", "  on x86_64", "- 1", "+ 2", "  ^", "  on x86_64"]


def test_own_names_before_a_difference_do_not_hide_it() -> None:
    assert diff("on x86_64 at 1\n", "on aarch64 at 2\n") == [
        "@@ line 1 @@",
        "- on x86_64 at 1",
        "               ^",
        "+ on aarch64 at 2",
        "                ^ column 15",
    ]


def test_a_foreign_name_is_called_one() -> None:
    assert diff("on x86_64\n", "on amd64\n")[-2:] == [
        "     ^ column 4",
        "  amd64 is not a name of linux/arm64's own",
    ]


def test_a_long_line_is_shown_around_its_difference() -> None:
    shown = diff("x" * 1000 + "1" + "y" * 1000, "x" * 1000 + "2" + "y" * 1000)
    ours, theirs, caret = shown[1:4]
    assert len(ours) == len(theirs) <= WIDTH + 2
    column = caret.index("^")
    assert (ours[column], theirs[column]) == ("1", "2")
    assert caret.endswith("column 1001")


def test_a_long_line_that_differs_at_its_start_fills_the_width() -> None:
    ours = diff("1" + "x" * 1000, "2" + "x" * 1000)[1]
    assert ours == f"- 1{'x' * (WIDTH - 4)}..."


def test_control_characters_before_a_difference_move_the_caret() -> None:
    ours, theirs, caret = diff("\x07\udc80\t1\n", "\x07\udc80\t2\n")[1:4]
    assert ours == "- \\x07\\x80\\t1"
    assert theirs[caret.index("^")] == "2"


def test_lines_that_only_one_has() -> None:
    assert diff("a\n", "a\nb\n") == ["@@ line 2 @@", "  a", "+ b"]
    assert diff("a\nb\n", "a\n") == ["@@ line 2 @@", "  a", "- b"]


def test_a_missing_newline_at_the_end_is_said() -> None:
    assert diff("a\n", "a") == ["@@ line 2 @@", "  a", "+ \\ no newline at the end"]


def test_and_not_where_both_lack_it() -> None:
    assert diff("a", "b") == ["@@ line 1 @@", "- a", "+ b", "  ^"]


def test_many_different_lines_are_bounded() -> None:
    shown = diff("a\n" * 500, "b\n" * 600)
    assert len(shown) < 60
    assert shown[-1] == "  ... 860 more lines, not shown"


def test_distant_differences_are_both_shown_with_what_is_between_left_out() -> None:
    lines = [f"{n}\n" for n in range(30)]
    others = ["X\n", *lines[1:-1], "Y\n"]
    shown = diff("".join(lines), "".join(others))
    assert "  ... 24 equal lines" in shown
    assert shown[-2:] == ["- 29", "+ Y"]


@pytest.mark.parametrize("lines", [["same\n"], ["0\n", "1\n"], ["x86_64 aarch64\n", "\n"]])
def test_repetitive_text_takes_no_longer(lines: list[str]) -> None:
    ours, theirs = "".join(lines * 50_000), "".join(["first\n", *(lines * 50_000), "last\n"])
    begun = time.process_time()
    diff(ours, theirs)
    assert time.process_time() - begun < 3


@given(texts, texts)
def test_every_line_is_printable_and_fits(ours: str, theirs: str) -> None:
    for line in diff(ours, theirs):
        assert line.isprintable()
        assert len(line) <= 100


@given(texts)
def test_equal_texts_show_no_change(text: str) -> None:
    assert not [line for line in diff(text, text) if line.startswith(("-", "+"))]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain \u00e9 \u4e16", "plain \u00e9 \u4e16"),
        ("\x1b[31m\x00\x7f", "\\x1b[31m\\x00\\x7f"),
        ("\udcff", "\\xff"),
        ("\u202eabc\u200b", "\\u202eabc\\u200b"),
        ("a\tb\r", "a\\tb\\r"),
    ],
)
def test_what_cannot_be_shown_is_spelled_out(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_a_cut_line_says_how_long_it_was() -> None:
    assert cut("x" * 1000, 40) == "x" * 18 + "... (1,000 characters)"
    assert cut("x" * 40, 40) == "x" * 40


@pytest.mark.parametrize(
    ("text", "binary"),
    [
        ("text \u00e9", False),
        ("a\0b", True),
        ("\x7fELF" + "\x02\x01\x01" + "\0" * 9, True),
        ("\udc80" * 20 + "a" * 20, True),
        ("colours \x1b[1m, \0 and \udcff in a text", False),
        ("a\udc80" + "b" * 50, False),
    ],
)
def test_bytes_are_told_from_text(text: str, binary: bool) -> None:
    assert is_binary(text) is binary


def test_bytes_are_shown_in_rows_with_the_first_different_one_marked() -> None:
    shown = list(diff_bytes(bytes(range(40)), bytes([*range(20), 255, *range(21, 40)])))
    assert shown == [
        "@@ byte 20 (0x14) @@",
        "  00000000  00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f  ................",
        "- 00000010  10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e 1f  ................",
        "+ 00000010  10 11 12 13 ff 15 16 17 18 19 1a 1b 1c 1d 1e 1f  ................",
        "                        ^^",
    ]


def test_bytes_that_end_early_say_so() -> None:
    shown = list(diff_bytes(b"a" * 16, b"a" * 17))
    assert shown[2] == "- 00000010  (the end)"
