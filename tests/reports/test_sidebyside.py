"""Two columns: what differs inside a line is marked, own names are not, work is bounded."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_multiarch.core.names import texts_agree
from pytest_multiarch.reports.diff import Side
from pytest_multiarch.reports.sidebyside import LINE_LIMIT, Cell, Row, align_bytes, align_texts
from tests.samples import AMD64, ARM64


def draw(cell: Cell | None) -> str:
    """Write a cell as text, what is marked in brackets."""
    if cell is None:
        return ""
    pieces = (f"[{p.text}]" if p.is_marked else p.text for p in cell.pieces)
    return f"{cell.label}: {''.join(pieces)}"


def align(ours: str, theirs: str) -> list[Row]:
    return list(align_texts(Side(ours, AMD64), Side(theirs, ARM64)))


def draw_changes(ours: str, theirs: str) -> list[tuple[str, str]]:
    rows = align(ours, theirs)
    return [(draw(row.ours), draw(row.theirs)) for row in rows if row.is_changed]


@pytest.mark.parametrize(
    ("ours", "theirs", "left", "right"),
    [
        ("char -1\n", "char 255\n", "1: char [-1]", "1: char [255]"),
        ("mean 0.30004\n", "mean 0.30010\n", "1: mean 0.300[04]", "1: mean 0.300[10]"),
        ("a b c d\n", "a c d\n", "1: a [b ]c d", "1: a c d"),
        ("end\n", "end \n", "1: end", "1: end[ ]"),
        ("x\ty\n", "x y\n", "1: x[\\t]y", "1: x[ ]y"),
    ],
)
def test_the_difference_inside_a_line_is_marked(
    ours: str, theirs: str, left: str, right: str
) -> None:
    assert draw_changes(ours, theirs) == [(left, right)]


def test_own_names_are_shown_and_not_marked() -> None:
    rows = align("x86_64 is -1\nx86_64\n", "aarch64 is 255\naarch64\n")
    assert [(draw(r.ours), draw(r.theirs)) for r in rows] == [
        ("1: x86_64 is [-1]", "1: aarch64 is [255]"),
        ("2: x86_64", "2: aarch64"),
    ]


def test_a_foreign_name_is_marked() -> None:
    assert draw_changes("built for x86_64\n", "built for amd64\n") == [
        ("1: built for [x86_64]", "1: built for [amd64]")
    ]


def test_own_names_of_another_form_are_marked() -> None:
    assert draw_changes("x86_64-linux-gnu\n", "aarch64-linux-musl\n") == [
        ("1: [x86_64-linux-gnu]", "1: [aarch64-linux-musl]")
    ]


def test_lines_keep_their_numbers_and_neighbours() -> None:
    same = "".join(f"line {n}\n" for n in range(1, 101))
    rows = align(same + "old\n" + same, same + "new\nmore\n" + same)
    assert [row.note for row in rows if row.note] == ["97 equal lines", "97 equal lines"]
    assert (draw(rows[1].ours), draw(rows[1].theirs)) == ("98: line 98", "98: line 98")
    assert draw_changes(same + "old\n", same + "new\nmore\n") == [
        ("101: [old]", "101: [new]"),
        ("", "102: [more]"),
    ]


def test_a_missing_newline_at_the_end_is_a_line() -> None:
    assert draw_changes("a\n", "a") == [("", "2: [\\ no newline at the end]")]


def test_a_long_line_is_shown_around_its_difference() -> None:
    ((ours, theirs),) = draw_changes("x" * 5000 + " a" + "y" * 9000, "x" * 5000 + " b" + "y" * 9000)
    assert ours.startswith("1: (4,941 characters) …xxx")
    assert "[ay" in ours or "[a]" in ours
    assert ours.endswith("more characters)")
    assert len(theirs) < LINE_LIMIT + 100


def test_more_lines_than_fit_are_counted() -> None:
    ours, theirs = ("".join(f"{word} {n}\n" for n in range(500)) for word in ("one", "two"))
    assert align(ours, theirs)[-1].note == "440 more lines, not shown"


def test_bytes_are_shown_in_hexadecimal_with_what_differs_marked() -> None:
    same = bytes(range(64))
    rows = list(align_bytes(same + b"\x00A", same + b"\xffA"))
    assert rows[0].note == "48 equal bytes"
    assert draw(rows[2].ours) == "40: [00] 41  .A"
    assert draw(rows[2].theirs) == "40: [ff] 41  .A"


def test_bytes_that_end_sooner() -> None:
    rows = list(align_bytes(b"ab", b"abc"))
    assert (draw(rows[0].ours), draw(rows[0].theirs)) == ("0: 61 62  ab", "0: 61 62 [63]  abc")


words = st.text(
    alphabet=st.sampled_from("ab1 .\n\x1b\u202e\udc80é"), max_size=60
) | st.sampled_from(["x86_64\n", "aarch64\n", "amd64 x\n", "   arm64\n"])
texts = st.lists(words, max_size=4).map("".join)


@given(texts, texts)
def test_whatever_differs_shows_and_is_safe(ours: str, theirs: str) -> None:
    rows = align(ours, theirs)
    cells = [cell for row in rows for cell in (row.ours, row.theirs) if cell]
    assert all(piece.text.isprintable() for cell in cells for piece in cell.pieces)
    changed = [row for row in rows if row.is_changed]
    if not texts_agree(ours, theirs, AMD64, ARM64):
        assert changed
    for row in changed:
        pieces = [piece for cell in (row.ours, row.theirs) if cell for piece in cell.pieces]
        assert not pieces or any(each.is_marked for each in pieces)


@pytest.mark.parametrize("alphabet", ["a", "ab", "ab ", "a\n", "ab \n", "a1.\n"])
def test_hostile_texts_take_bounded_time(alphabet: str) -> None:
    chance = random.Random(1)
    ours, theirs = ("".join(chance.choices(alphabet, k=64 * 1024)) for _ in range(2))
    begun = time.process_time()
    rows = align(ours, theirs)
    assert time.process_time() - begun < 5
    assert len(rows) < 80
