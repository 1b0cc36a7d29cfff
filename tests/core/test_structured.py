"""Outputs and files that are compared as what they are: JSON by value, bytes by digest, trees."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_multiarch.core.copied_file import (
    CopiedFile,
    Surroundings,
    observe_file,
    observe_tree,
)
from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.filetree import FileEntry, FileKind
from pytest_multiarch.core.normalize import parse_normalizers
from pytest_multiarch.core.observation import Observation, find_differing_parts
from pytest_multiarch.core.parity import VerdictKind, compare_group
from pytest_multiarch.core.rules import CALL_PARTS, ParityRules, Structure, make_rules
from pytest_multiarch.core.written import WrittenObservations
from pytest_multiarch.reports.divergence import render_divergence
from tests.samples import AMD64, ARM64, check, make_member, make_output, observe


def differ(ours: Observation, theirs: Observation) -> tuple[str, ...]:
    parts = find_differing_parts(ours, theirs, AMD64, ARM64, parts=CALL_PARTS)
    travelled = [Observation.from_mapping(json.loads(json.dumps(each.to_mapping())))
                 for each in (ours, theirs)]  # fmt: skip
    assert find_differing_parts(*travelled, AMD64, ARM64, parts=CALL_PARTS) == parts
    return parts


def show(ours: Observation, theirs: Observation) -> list[str]:
    verdict = compare_group([make_member(AMD64, ours), make_member(ARM64, theirs)])
    assert verdict.kind is VerdictKind.DIVERGED
    return render_divergence(verdict)[1].splitlines()


def see(value: Any, platform: Any = AMD64, **options: Any) -> Observation:
    rules = make_rules(**{"stdout": "json", **options})
    text = value if isinstance(value, str) else json.dumps(value)
    return observe(
        text,
        platform=platform,
        label="x",
        structure=rules.structure,
        normalizers=rules.normalizers,
        ignore=rules.ignore,
    )


# JSON


def test_json_is_compared_by_value() -> None:
    assert differ(see('{"a": 1, "b": 2.0}'), see('{ "b":2.0,\n"a":1}\n', ARM64)) == ()
    assert differ(see({"a": 1}), see({"a": 2}, ARM64)) == ("stdout",)
    assert differ(see({"arch": "x86_64"}), see({"arch": "aarch64"}, ARM64)) == ()


def test_numbers_of_json_have_a_tolerance() -> None:
    ours, theirs = {"m": [0.1, 1]}, {"m": [0.1 + 1e-12, 1]}
    assert differ(see(ours, rel=1e-9), see(theirs, ARM64, rel=1e-9)) == ()
    assert differ(see(ours), see(theirs, ARM64)) == ("stdout",)


def test_order_of_lists_counts_unless_told() -> None:
    ours, theirs = {"t": [1, 2]}, {"t": [2, 1]}
    assert differ(see(ours), see(theirs, ARM64)) == ("stdout",)
    assert differ(see(ours, unordered="$.t"), see(theirs, ARM64, unordered="$.t")) == ()


def test_members_are_ignored_by_path_and_texts_normalized() -> None:
    options: dict[str, Any] = {"ignore": ["$.pid"], "normalize": ["timestamps"]}
    ours = see({"pid": 1, "at": "2026-01-01 10:00:00"}, **options)
    theirs = see({"pid": 2, "at": "2026-01-02 11:00:00"}, ARM64, **options)
    assert differ(ours, theirs) == ()


def test_what_is_no_json_is_compared_as_text() -> None:
    assert differ(see("app 1.4\n"), see("app 1.4\n", ARM64)) == ()
    assert differ(see("app 1.4\n"), see("{}", ARM64)) == ("stdout",)
    assert "- app 1.4" in show(see("app 1.4\n"), see("app 1.5\n", ARM64))


def test_json_too_large_for_a_value_has_no_order_of_keys() -> None:
    ours = {str(number): "x" * 100 for number in range(4000)}
    theirs = dict(reversed(ours.items()))
    assert differ(see(ours), see(theirs, ARM64)) == ()
    assert differ(see(ours), see({**theirs, "7": "y"}, ARM64)) == ("stdout",)


def test_a_secret_in_json_is_masked() -> None:
    found = observe(
        json.dumps({"password": "hunter22", "n": 1}),
        known={"hunter22": "<$PASSWORD>"},
        structure=make_rules(stdout="json").structure,
    )
    assert "hunter22" not in json.dumps(found.to_mapping())


def test_a_difference_in_json_is_shown_by_its_path() -> None:
    ours = {"items": [{"price": 1}, {"price": 2}], "n": "a"}
    theirs = {"items": [{"price": 1}, {"price": 3}], "n": "b"}
    lines = show(see(ours), see(theirs, ARM64))
    at = lines.index("@@ at $.items[1].price @@")
    assert lines[at : at + 6] == [
        "@@ at $.items[1].price @@", "- 2", "+ 3", "@@ at $.n @@", '- "a"', '+ "b"',
    ]  # fmt: skip


def test_many_differences_are_cut() -> None:
    lines = show(see(list(range(20))), see(list(range(1, 21)), ARM64))
    assert sum(line.startswith("@@ at ") for line in lines) == 5
    assert "  ... and more" in lines


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"stdout": "jsno"}, "stdout='jsno' is unknown"),
        ({"rel": 1e-9}, "are for what is compared by value"),
        ({"stdout": "json", "rel": -1}, "is not a tolerance"),
        ({"stdout": "json", "unordered": "tags"}, "unordered='tags'"),
    ],
)
def test_wrong_rules_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        make_rules(**options)


# Bytes


def test_bytes_are_compared_as_such() -> None:
    assert differ(check("b", b"x86_64\r\n"), check("b", b"x86_64\r\n")) == ()
    assert differ(check("b", b"x86_64"), check("b", b"aarch64")) == ("content",)
    assert differ(check("b", b"a\r\n"), check("b", b"a\n")) == ("content",)
    assert differ(check("b", b""), check("b", "")) == ("value",)


def test_bytes_show_sizes_digests_and_the_first_difference() -> None:
    data = bytes(range(200))
    lines = show(check("b", data), check("b", data[:150] + b"\xff" + data[151:]))
    assert 'content of "b"' in lines
    assert any(line.startswith("- 200 bytes, sha256 ") for line in lines)
    assert "@@ byte 150 (0x96) @@" in lines
    assert "- 00000090  90 91 92 93 94 95 96 97 98 99 9a 9b 9c 9d 9e 9f  ................" in lines


@pytest.mark.parametrize(
    ("at", "line"),
    [
        (100, "@@ byte 100 (0x64) @@"),
        (299_990, "@@ byte 299,990 (0x493d6) @@"),
        (150_000, "  first different between bytes 131,072 and 196,608, which are not kept"),
    ],
)
def test_large_bytes_are_located(at: int, line: str) -> None:
    data = bytearray(b"\x00\x01\x02\x03" * 75_000)
    ours = check("b", bytes(data))
    data[at] ^= 0xFF
    theirs = check("b", bytes(data))
    assert differ(ours, theirs) == ("content",)
    assert line in show(ours, theirs)


def test_equal_bytes_are_equal_at_sight() -> None:
    one, two = (WrittenObservations.write([check("b", data)]) for data in (b"1", b"2"))
    assert one.fingerprint != two.fingerprint
    assert one.fingerprint == WrittenObservations.write([check("b", b"1")]).fingerprint


# Files and trees

PLAIN = Structure()


def around(platform: Any = AMD64, **rules: Any) -> Surroundings:
    return Surroundings(platform=platform, rules=ParityRules(**rules), known={"abc123": "<id>"})


def make_file(path: str, data: bytes, **options: Any) -> CopiedFile:
    entry = FileEntry(path, FileKind.FILE, **{"mode": 0o644, "size": len(data), **options})
    return CopiedFile(entry, make_output(data))


def see_file(
    data: bytes, platform: Any = AMD64, structure: Structure = PLAIN, **o: Any
) -> Observation:
    return observe_file(make_file("", data, **o), around(platform), label="/f", structure=structure)


def test_a_file_is_its_content_mode_and_owner() -> None:
    assert differ(see_file(b"a"), see_file(b"a", ARM64)) == ()
    assert differ(see_file(b"a"), see_file(b"b", ARM64)) == ("content",)
    assert differ(see_file(b"a"), see_file(b"b", ARM64, mode=0o755)) == ("value", "content")
    assert differ(see_file(b"a"), see_file(b"a", ARM64, uid=7)) == ("value",)


def test_text_is_normalized_and_bytes_are_not() -> None:
    assert differ(see_file(b"on x86_64 abc123\r\n"), see_file(b"on aarch64 abc123\n", ARM64)) == ()
    assert differ(see_file(b"\0x86_64"), see_file(b"\0aarch64", ARM64)) == ("content",)
    assert differ(see_file(b"\xffx86_64"), see_file(b"\xffaarch64", ARM64)) == ("content",)
    names = parse_normalizers(["timestamps"])
    one, two = (
        observe_file(make_file("", text), around(p, normalizers=names), label="x", structure=PLAIN)
        for p, text in ((AMD64, b"at 10:00:00\n"), (ARM64, b"at 11:00:00\n"))
    )
    assert differ(one, two) == ()


def test_a_file_may_be_json() -> None:
    structure = Structure(forms={"content": "json"}, rel=1e-9)
    ours, theirs = b'{"a": 1.0, "b": 2}', b'{"b": 2, "a": 1.0000000000001}'
    assert differ(see_file(ours, AMD64, structure), see_file(theirs, ARM64, structure)) == ()
    assert differ(see_file(ours), see_file(theirs, ARM64)) == ("content",)


def test_a_file_of_which_not_all_was_kept_is_compared_by_its_digest() -> None:
    entry = FileEntry("", FileKind.FILE, mode=0o644)
    one, two = (
        observe_file(
            CopiedFile(entry, make_output(b"a" * 50_000 + end, kept=40_000)),
            around(), label="x", structure=PLAIN,
        )
        for end in (b"1", b"2")
    )  # fmt: skip
    assert differ(one, one) == ()
    assert differ(one, two) == ("content",)


def test_a_folder_is_no_file() -> None:
    with pytest.raises(UsageError, match="/f is a folder"):
        observe_file(
            CopiedFile(FileEntry("", FileKind.FOLDER)), around(), label="/f", structure=PLAIN
        )


def see_tree(*files: CopiedFile, platform: Any = AMD64, **options: Any) -> Observation:
    top = CopiedFile(FileEntry("", FileKind.FOLDER, mode=0o755))
    return observe_tree([top, *files], around(platform), label="/out", **options)


def link(path: str, target: str) -> CopiedFile:
    return CopiedFile(FileEntry(path, FileKind.LINK, mode=0o777, target=target))


def test_a_tree_is_paths_modes_owners_targets_and_contents() -> None:
    ours = see_tree(make_file("a", b"1"), link("b", "a"))
    assert differ(ours, see_tree(link("b", "a"), make_file("a", b"1"), platform=ARM64)) == ()
    for other, path in [
        ([make_file("a", b"2"), link("b", "a")], "$.a.content"),
        ([make_file("a", b"1", mode=0o600), link("b", "a")], "$.a.mode"),
        ([make_file("a", b"1", gid=5), link("b", "a")], "$.a.owner"),
        ([make_file("a", b"1"), link("b", "c")], "$.b.target"),
        ([make_file("a", b"1")], "$.b"),
        ([make_file("a", b"1"), link("b", "a"), make_file("c/d.txt", b"")], '$["c/d.txt"]'),
    ]:
        theirs = see_tree(*other, platform=ARM64)
        assert differ(ours, theirs) == ("value",)
        assert f"@@ at {path} @@" in show(ours, theirs)


def test_a_content_is_shown_by_size_and_digest() -> None:
    lines = show(see_tree(make_file("a", b"1")), see_tree(make_file("a", b"22"), platform=ARM64))
    at = lines.index("@@ at $.a.content @@")
    assert lines[at + 1] == "- 1 bytes, sha256 6b86b273ff34fce1"
    assert lines[at + 2].startswith("+ 2 bytes, sha256 ")


def test_names_of_the_platform_are_its_own_in_paths_and_texts() -> None:
    ours = see_tree(make_file("lib/x86_64-linux-gnu/info", b"built for x86_64\n"))
    theirs = see_tree(
        make_file("lib/aarch64-linux-gnu/info", b"built for aarch64\n"), platform=ARM64
    )
    assert differ(ours, theirs) == ()
    same = b"supports x86_64 and aarch64\n"
    assert (
        differ(see_tree(make_file("a", same)), see_tree(make_file("a", same), platform=ARM64)) == ()
    )
    foreign = see_tree(make_file("a", b"x86_64\n"), platform=ARM64)
    assert differ(see_tree(make_file("a", b"amd64\n")), foreign) == ("value",)


def test_programs_may_have_any_content_but_not_any_mode() -> None:
    ours = see_tree(make_file("app", b"\x7fELF\x02amd64"))
    assert differ(ours, see_tree(make_file("app", b"\x7fELF\x02arm64"), platform=ARM64)) == ()
    other = see_tree(make_file("app", b"\x7fELF\x02", mode=0o755), platform=ARM64)
    assert differ(ours, other) == ("value",)
    assert differ(ours, see_tree(make_file("app", b"#!/bin/sh"), platform=ARM64)) == ("value",)


def test_paths_are_left_out_by_pattern() -> None:
    files = make_file("cache/x", b"1"), make_file("a/b.pyc", b"2"), make_file("c", b"3")
    found = see_tree(*files, ignore=["cache/**", "**/*.pyc"])
    assert found.value is not None
    assert list(found.value.read()) == [".", "c"]


def test_too_many_files_are_refused() -> None:
    files = [make_file(f"file{number}", b"1") for number in range(3000)]
    with pytest.raises(UsageError, match=r"3001 files\nname a smaller folder"):
        see_tree(*files)
