"""Normalizers cover what their names say, and nothing that could be a real difference."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.normalize import (
    BUILT_IN,
    NORMALIZERS,
    apply_normalizers,
    compile_pattern,
    normalize_text,
    parse_normalizers,
)


def normalize(text: str, *values: object, **options: Any) -> str:
    normalizers = parse_normalizers(values)
    return normalize_text(text, **{"known": {}, "normalizers": normalizers, **options}).text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b(Bplain\x1b7", "plain"),
        ("a\x1b[2K\r\nb", "a\nb"),
        ("a\r\nb\r\n", "a\nb\n"),
        ("a  \n\tb\t \nc ", "a\n\tb\nc"),
        ("a\rb", "a\rb"),
        ("[31m", "[31m"),
        ("no newline", "no newline"),
    ],
)
def test_what_always_holds(text: str, kept: str) -> None:
    assert normalize(text) == kept


def test_a_missing_newline_at_the_end_stays_a_difference() -> None:
    assert normalize("x\n") != normalize("x")


def test_an_escape_that_never_ends_swallows_nothing() -> None:
    assert normalize("a\x1b]0;never ended\nresult 1\n") == "a\x1b]0;never ended\nresult 1\n"
    assert normalize("\x1bPdata 1\n") != normalize("\x1bPdata 2\n")


def test_the_emulator_may_speak_in_the_middle_of_a_line() -> None:
    crash = "partialqemu: uncaught target signal 11 (Segmentation fault) - core dumped\n"
    assert normalize_text(crash, known={}, strips_emulator=True).text == "partial"


def test_the_address_beside_a_containers_own_name_is_its_own() -> None:
    text = "10.210.0.3\t0123456789ab\n10.1.1.1\tdatabase\n"
    known = {"0123456789ab": "<container>"}
    assert normalize(text, known=known) == "<container-ip>\t<container>\n10.1.1.1\tdatabase\n"


def test_known_strings_are_replaced_as_whole_words() -> None:
    known = {"0123456789ab": "<container>", "172.17.0.2": "<ip>"}
    text = "0123456789ab 172.17.0.2:80 x0123456789abc 172.17.0.22"
    assert normalize(text, known=known) == "<container> <ip>:80 x0123456789abc 172.17.0.22"


def test_the_longest_known_string_wins() -> None:
    known = {"ab": "<short>", "ab-cd": "<long>"}
    assert normalize("ab-cd ab", known=known) == "<long> <short>"


@pytest.mark.parametrize("worker", ["", "popen-gw3/"])
def test_folders_of_pytest_s_own_are_masked_up_to_the_test_s(worker: str) -> None:
    path = f"/tmp/pytest-of-me/pytest-12/{worker}test_x_linux_arm64_0/data.txt"
    assert normalize(f"cat {path}") == "cat <tmp_path>/data.txt"


@pytest.mark.parametrize(
    "line",
    [
        "qemu: Unsupported syscall: 435",
        "qemu: uncaught target signal 11 (Segmentation fault) - core dumped",
        "qemu-aarch64: Could not open '/lib/ld-linux-aarch64.so.1': No such file or directory",
        "qemu-aarch64-static: QEMU internal SIGSEGV {code=MAPERR, addr=0x20}",
        "Unsupported syscall: 425",
        "Unknown QEMU_IFLA_INFO_KIND ipip",
        "Unsupported ioctl: cmd=0x5413",
        "<jemalloc>: MADV_DONTNEED does not work (memset will be used instead)",
        "<jemalloc>: (This is the expected behaviour if you are running under QEMU)",
        "Unimplemented syscall number 282",
    ],
)
def test_the_emulator_s_own_lines_are_left_out_and_counted(line: str) -> None:
    text = f"before\n{line}\nafter\n"
    found = normalize_text(text, known={}, strips_emulator=True)
    assert (found.text, found.emulator_lines) == ("before\nafter\n", 1)


def test_natively_and_on_stdout_nothing_is_the_emulator_s() -> None:
    assert normalize("qemu: hello\n") == "qemu: hello\n"


@pytest.mark.parametrize("line", ["my qemu: x", "qemu is here", "Unknown option", "qemu:x"])
def test_lines_of_the_program_s_own_stay(line: str) -> None:
    found = normalize_text(f"{line}\n", known={}, strips_emulator=True)
    assert found.text == f"{line}\n"


COVERED = [
    ("timestamps", "at 2026-11-23T09:15:00Z.", "at <timestamp>."),
    ("timestamps", "2026-11-23 09:15:00.123456 +0100 x", "<timestamp> x"),
    ("timestamps", "2026-11-23 09:15 up", "<timestamp> up"),
    ("timestamps", "[2026/11/23 09:15:00] x", "[<timestamp>] x"),
    ("timestamps", "Mon, 23 Nov 2026 09:15:00 GMT", "<timestamp>"),
    ("timestamps", "Mon Nov 23 09:15:00 UTC 2026", "<timestamp>"),
    ("timestamps", "Nov  3 09:15:00 host app", "<timestamp> host app"),
    ("timestamps", "1:M 23 Nov 2026 09:15:00.123 * Ready", "1:M <timestamp> * Ready"),
    ("timestamps", "[23/Nov/2026:09:15:00 +0000]", "[<timestamp>]"),
    ("timestamps", "20261123T091500Z", "<timestamp>"),
    ("timestamps", "at 09:15:00.5", "at <timestamp>"),
    ("dates", "built 2026-11-23", "built <date>"),
    ("dates", "built Nov 23 2026, 3 Nov 2026", "built <date>, <date>"),
    ("epochs", "now 1763889300", "now <epoch>"),
    ("epochs", "now 1763889300123", "now <epoch>"),
    ("epochs", "now 1763889300.25", "now <epoch>"),
    ("durations", "took 12 ms", "took <duration>"),
    ("durations", "took 0.3s, 1m2.5s and 3 seconds", "took <duration>, <duration> and <duration>"),
    ("durations", "real 0m0.123s", "real <duration>"),
    ("durations", "12\u00b5s", "<duration>"),
    ("pids", "pid 12, pid=13 PID: 14", "pid <pid>, pid=<pid> PID: <pid>"),
    ("pids", "sshd[123]: hello", "sshd[<pid>]: hello"),
    ("pids", "7:M 23 Nov", "<pid>:M 23 Nov"),
    ("addresses", "at 0x7ffd12345678", "at <address>"),
    ("addresses", "at 0x0000555555554000", "at <address>"),
    ("addresses", "at 0x10bd0", "at <address>"),
    ("temp-paths", "/tmp/tmp.Ab3dE6gH/x", "/tmp/<temp>/x"),
    ("temp-paths", "/tmp/tmpab12cd34", "/tmp/<temp>"),
    ("temp-paths", "/tmp/ccXa83kd.o", "/tmp/<temp>.o"),
    ("temp-paths", "/var/tmp/app-aB3dE6/log", "/var/tmp/<temp>/log"),
    ("temp-paths", "/tmp/go-build123456789/b001", "/tmp/<temp>/b001"),
    ("ports", "on 127.0.0.1:49153", "on 127.0.0.1:<port>"),
    ("ports", "localhost:8080 [::]:8080 *:8080", "localhost:<port> [::]:<port> *:<port>"),
    ("ports", "listening on port 40123", "listening on port <port>"),
    ("ips", "from 10.0.0.17.", "from <ip>."),
    ("uuids", "id 123e4567-e89b-12d3-a456-426614174000", "id <uuid>"),
    ("hex-ids", "commit 9fceb02d0ae598e95dc970b74767f19372d61af8", "commit <id>"),
    ("hex-ids", "container 0123456789ab", "container <id>"),
    ("spaces", "a   b\t c", "a b c"),
    ("line-order", "b\na\nc\n", "a\nb\nc\n"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "expected"), COVERED)
def test_a_normalizer_covers(name: str, text: str, expected: str) -> None:
    assert normalize(text, name) == expected


KEPT = [
    ("timestamps", "version 2026.11.23"),
    ("timestamps", "built 2026-11-23"),
    ("timestamps", "ratio 16:9, 12:34"),
    ("timestamps", "mac 02:42:ac:11:00:02"),
    ("timestamps", "mac 02:42:11:11:00:02"),
    ("timestamps", "2026-13-45 09:15:00"[:10]),
    ("timestamps", "1763889300"),
    ("dates", "2026-13-45"),
    ("dates", "version 2026.11"),
    ("dates", "1-2-3"),
    ("epochs", "2147483647"),
    ("epochs", "-2147483648"),
    ("epochs", "1234567890"),
    ("epochs", "-1763889300"),
    ("epochs", "17638893001"),
    ("durations", "12 files"),
    ("durations", "5 m long, v1.2s0"),
    ("durations", "12 msgs"),
    ("durations", "answer 42"),
    ("pids", "rapid 12"),
    ("pids", "array[3] = 7"),
    ("pids", "12:30 o'clock"),
    ("addresses", "flags 0x1f, 0x00000001, 0xffff"),
    ("addresses", "0x1234567890abcdef0"),
    ("temp-paths", "/tmp/app.sock"),
    ("temp-paths", "/tmp/report.json"),
    ("temp-paths", "/tmp/session-store"),
    ("temp-paths", "/srv/tmp/tmpab12cd34"),
    ("temp-paths", "/run/redis/redis.sock"),
    ("ports", "localhost:80"),
    ("ports", "version 1.2:8080"),
    ("ports", "ports 8080"),
    ("ports", "lines 40123"),
    ("ips", "version 1.2.3"),
    ("ips", "version 1.2.3.4.5"),
    ("ips", "300.1.1.1"),
    ("uuids", "123e4567-e89b-12d3-a456"),
    ("hex-ids", "123456789012"),
    ("hex-ids", "deadbeefcafe"),
    ("hex-ids", "0123456789abc"),
]


@pytest.mark.parametrize(("name", "text"), KEPT)
def test_a_normalizer_leaves(name: str, text: str) -> None:
    assert normalize(text, name) == text


def test_every_normalizer_has_both_directions_tested() -> None:
    both = {name for name, *_ in COVERED} & ({name for name, _ in KEPT} | {"spaces", "line-order"})
    assert both == set(NORMALIZERS)


def test_lines_in_which_a_pattern_is_found_are_left_out() -> None:
    ignore = (compile_pattern("^Date:", what="ignore"), re.compile("sec$"))
    text = "Date: x\nkept Date:\n12 sec\n12 secs\nDate: last"
    assert normalize(text, ignore=ignore) == "kept Date:\n12 secs\n"


def test_an_expression_is_replaced_by_dots_or_by_what_is_given() -> None:
    assert normalize("build 12", r"build \d+") == "<...>"
    assert normalize("build 12", (r"(build) \d+", r"\1 N")) == "build N"
    assert normalize("build 12", re.compile(r"\d+")) == "build <...>"
    assert normalize("build 12", "re:build") == "<...> 12"


def test_a_function_is_a_normalizer() -> None:
    assert normalize("Abc", str.lower) == "abc"


def test_names_that_plugins_add_are_known() -> None:
    (found,) = parse_normalizers(["shout"], named={"shout": str.upper})
    assert (found.name, found.function("a")) == ("shout", "A")


def test_normalizers_apply_in_their_order() -> None:
    normalizers = parse_normalizers([("a", "b"), ("b", "c")])
    assert apply_normalizers("a", normalizers) == "c"


def test_a_typo_names_the_nearest_and_all_that_are_valid() -> None:
    with pytest.raises(UsageError) as caught:
        parse_normalizers(["timestamp"], named={**BUILT_IN, "shout": str.upper})
    assert "did you mean 'timestamps'?" in caught.value.cure
    assert "shout" in caught.value.cure
    assert "re:timestamp" in caught.value.cure


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("(", "is not a regular expression"),
        (("(", "x"), "is not a regular expression"),
        ((r"a", r"\9"), "does not fit"),
        (r"\d*", "matches nothing at all"),
        (re.compile(b"a"), "is not a regular expression for text"),
        (12, "is no normalizer"),
        (("a", "b", "c"), "is no normalizer"),
    ],
)
def test_what_is_no_normalizer_is_refused(value: object, words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        parse_normalizers([value])


def test_a_function_that_returns_no_text_is_named() -> None:
    def broken(text: str) -> Any:
        return None

    with pytest.raises(UsageError, match="normalizer broken gave None"):
        normalize("x", broken)


@given(st.text(alphabet=st.sampled_from("a1 :-./[]x0\x1b\n\r\t\udc80Tpid"), max_size=60))
def test_normalizing_twice_changes_nothing_more(text: str) -> None:
    once = normalize(text)
    assert "\x1b" in once or normalize(once) == once


@pytest.mark.parametrize("name", [*NORMALIZERS, None])
@pytest.mark.parametrize("piece", [" ", "1", "a", "\x1b]", "0x0", "1:", "/tmp/a.", "-", "1.", "\t"])
def test_normalizing_takes_linear_time(name: str | None, piece: str) -> None:
    """Much of one thing over and over, what backtracking patterns choke on."""
    text = piece * (200_000 // len(piece))
    begun = time.process_time()
    normalize(text, *([name] if name else []), strips_emulator=True)
    assert time.process_time() - begun < 1
