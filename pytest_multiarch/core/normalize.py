"""What of an output is no difference: normalizers, pure functions from text to text.

Some hold always, since no reader would call such a thing a difference (`DEFAULTS`). Others are
asked for by name, since they hide what may be one (`NORMALIZERS`); each is as narrow as its name
allows. Architecture names are not normalized but aligned, see `core.names`. Text is decoded with
`surrogateescape`, so nothing of the bytes is lost.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pytest_multiarch.core.errors import UsageError

TextFunction = Callable[[str], str]

DEFAULTS: Mapping[str, str] = {
    "control-sequences": "colours, cursor movements, window titles and other terminal control",
    "crlf": "CR LF is LF",
    "trailing-space": "spaces and tabs at the end of a line",
    "container-ids": "the container's own id, host name and IP address, in place of each a word",
    "temporary folders": "the folders that pytest makes for tests (`pytest-of-NAME/pytest-N/...`)",
    "emulator-lines": "on stderr under emulation: lines of QEMU's and Rosetta's own, counted",
    "architecture names": "each platform's own (x86_64 on amd64, aarch64 on arm64), name by name",
}
"""What always holds, each with what it covers."""

_CRLF = re.compile(r"\r+\n")
_CONTROL = re.compile(
    r"\x1b\][^\x00-\x1f\x7f]*(?:\x07|\x1b\\)"  # OSC: window titles, links
    r"|\x1b[PX^_][^\x00-\x1f\x7f]*\x1b\\"  # DCS, SOS, PM, APC
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b[ -/]*[0-OQ-WYZ\\`-~]"  # others, but not the start of one that never ends
)
# /etc/hosts names the address of a container that may have lost it by now.
_OWN_ADDRESS = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?=[ \t]+<container>)")
_PYTEST_FOLDER = re.compile(
    r"/[^\s:'\"]{0,200}?/pytest-of-[^/\s]+/pytest-\d+(?:/popen-gw\d+)?/[^/\s:'\"]+"
)
# Messages of QEMU's linux-user (syscall.c, signal.c, main.c), of jemalloc about QEMU, of Rosetta.
_EMULATOR_LINE = re.compile(
    r"qemu: uncaught target signal \d+ \([^)\n]*\) - [^\n]*(?:\n|\Z)"  # also after a partial line
    r"|^(?:qemu: [^\n]*|qemu-[a-z0-9_]+(?:-static)?: [^\n]*"
    r"|Unsupported syscall: \d+[^\n]*|Unsupported (?:ioctl|ancillary data|setsockopt)\b[^\n]*"
    r"|Unknown (?:host |target )?QEMU_\w+[^\n]*"
    r"|<jemalloc>: MADV_DONTNEED does not work[^\n]*"
    r"|<jemalloc>: \(This is the expected behaviour if you are running under QEMU\)"
    r"|Unimplemented syscall number \d+|rosetta error: [^\n]*)(?:\n|\Z)",
    re.MULTILINE,
)

_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_ISO_DAY = r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
_CLOCK = r"(?:[01]?\d|2[0-3]):[0-5]\d:[0-6]\d(?:[.,]\d+)?"
_HOUR = r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-6]\d(?:[.,]\d+)?)?"
_ZONE = r"(?: ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d)\b)?"
_UNIT = (
    r"(?:ns|us|\u00b5s|\u03bcs|ms|s|secs?|seconds?|milliseconds?|microseconds?|nanoseconds?"
    r"|mins?|minutes?|hours?)"
)
_TIMESTAMP = (
    rf"\b(?:{_ISO_DAY}|\d{{4}}/\d\d/\d\d)[T ]{_HOUR}{_ZONE}"
    r"|\b\d{8}T\d{6}Z?\b"
    rf"|\b(?:{_DAY},? )?\d\d? {_MONTH} \d{{4}} {_CLOCK}{_ZONE}"
    rf"|\b(?:{_DAY} )?{_MONTH} [ \d]\d {_HOUR}(?: (?:[A-Z]{{3,4}} )?\d{{4}})?\b"
    rf"|\b\d\d/{_MONTH}/\d{{4}}:{_CLOCK}{_ZONE}"
    rf"|(?<![\w:.]){_CLOCK}(?![\w:])"
)
_RANDOM_NAME = (
    r"(?:tmp[._-]?[A-Za-z0-9_]{6,12}|cc[A-Za-z0-9]{6}(?=\.)"
    r"|[A-Za-z_.-]*?[._-](?=[A-Za-z]*\d|[a-z]*[A-Z])[A-Za-z0-9]{6,12}|[A-Za-z_.-]*\d{7,20})"
)
# name: (what it covers, pattern, replacement); `keep` is what stays of a match.
_PATTERNS: dict[str, tuple[str, str, str]] = {
    "timestamps": (
        "dates with a time of day, and times of day with seconds, in the usual spellings",
        _TIMESTAMP,
        "<timestamp>",
    ),
    "dates": (
        "days: 2026-11-23, 23 Nov 2026, Nov 23 2026",
        rf"\b{_ISO_DAY}\b|\b\d\d? {_MONTH} \d{{4}}\b|\b{_MONTH} [ \d]?\d,? \d{{4}}\b",
        "<date>",
    ),
    "epochs": (
        "seconds or milliseconds since 1970, from 2020 to 2033",
        r"(?<![\w.-])1[6-9]\d{8}(?:\d{3})?(?:\.\d+)?(?![\w.])",
        "<epoch>",
    ),
    "durations": (
        "numbers with a unit of time: 12 ms, 0.3s, 1m2.5s",
        rf"(?<![\w.])(?:\d+h)?(?:\d+m)?\d+(?:\.\d+)? ?{_UNIT}\b",
        "<duration>",
    ),
    "pids": (
        "process ids: pid 12, name[12]:, and 12:M at the start of Redis's lines",
        (
            r"(?P<keep>\b[Pp]?(?:pid|PID)[ =:]{1,2})\d+\b"
            r"|(?P<name>(?<=\w)\[)\d+(?=\]:)|^\d+(?=:[A-Z] )"
        ),
        r"\g<keep>\g<name><pid>",
    ),
    "addresses": (
        "addresses in memory: 0x and at least five digits after leading zeros",
        r"\b0x(?=[0-9a-fA-F]{5,16}\b)0*[1-9a-fA-F][0-9a-fA-F]{4,15}\b",
        "<address>",
    ),
    "temp-paths": (
        "names that are made up at random, below /tmp, /var/tmp, /dev/shm and /run",
        rf"(?P<keep>(?<![\w.])(?:/var/tmp|/tmp|/dev/shm|/run)/){_RANDOM_NAME}(?![A-Za-z0-9_])",
        r"\g<keep><temp>",
    ),
    "ports": (
        "port numbers from 1024 on, after a host or the word port",
        (
            r"(?P<keep>(?:\b(?:\d{1,3}\.){3}\d{1,3}|\blocalhost|\]|\*):|\b[Pp]ort(?:=|: ?| ))"
            r"(?:102[4-9]|10[3-9]\d|1[1-9]\d\d|[2-9]\d{3}|[1-6]\d{4})\b"
        ),
        r"\g<keep><port>",
    ),
    "ips": (
        "IPv4 addresses",
        r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?!\w|\.\d)",
        "<ip>",
    ),
    "uuids": (
        "UUIDs",
        r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b",
        "<uuid>",
    ),
    "hex-ids": (
        "hexadecimal ids of 12, 16, 24, 32, 40 or 64 digits with both letters and digits",
        (
            r"\b(?=[a-f]*\d)(?=\d*[a-f])"
            r"(?:[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32}|[0-9a-f]{24}|[0-9a-f]{16}|[0-9a-f]{12})\b"
        ),
        "<id>",
    ),
    "spaces": ("runs of spaces and tabs within a line count as one space", r"[ \t]+", " "),
}
_LINE_ORDER = "line-order"

NORMALIZERS: Mapping[str, str] = {
    **{name: row[0] for name, row in _PATTERNS.items()},
    _LINE_ORDER: "the order of lines does not count: they are sorted",
}
"""The normalizers to be asked for by name, each with what it covers."""


def _make_replacer(pattern: str, replacement: str) -> TextFunction:
    # `re` compiles a pattern when it is first used, and remembers it.
    return lambda text: re.sub(pattern, replacement, text, flags=re.MULTILINE)


def _sort_lines(text: str) -> str:
    end = "\n" if text.endswith("\n") else ""
    return "\n".join(sorted(text.removesuffix("\n").split("\n"))) + end


BUILT_IN: Mapping[str, TextFunction] = {
    **{name: _make_replacer(row[1], row[2]) for name, row in _PATTERNS.items()},
    _LINE_ORDER: _sort_lines,
}
"""What each of `NORMALIZERS` does."""


@dataclass(frozen=True, slots=True)
class Normalizer:
    """A named text function; the name goes into records and messages.

    `written` is a regular expression, its flags and what replaces its matches, if it is one.
    """

    name: str
    function: TextFunction
    written: tuple[str, int, str] | None = None


def parse_normalizers(
    values: Iterable[object], *, named: Mapping[str, TextFunction] = BUILT_IN
) -> tuple[Normalizer, ...]:
    """Read what `normalize=` lists: names, regular expressions, pairs, callables.

    A text is a name if it looks like one (lower-case words with hyphens), else a regular
    expression, whose matches are replaced by `<...>`; `re:` before it says so in any case.
    `("pattern", "replacement")` says what by. `named` are the names that there are.

    Raises:
        UsageError: an unknown name, or a broken expression.
    """
    return tuple(_parse_normalizer(value, named) for value in values)


def _parse_normalizer(value: object, named: Mapping[str, TextFunction]) -> Normalizer:
    match value:
        case Normalizer():
            return value
        case str() if value in named:
            return Normalizer(value, named[value])
        case str() if re.fullmatch(r"[a-z]+(-[a-z]+)*", value):
            raise _refuse_name(value, tuple(named))
        case str() | re.Pattern():
            return _make_replacing(value, "<...>")
        case (str() | re.Pattern() as pattern, str() as replacement):
            return _make_replacing(pattern, replacement)
        case _ if callable(value):
            return Normalizer(getattr(value, "__name__", "a callable"), value)
    raise UsageError(
        f"normalize: {value!r} is no normalizer",
        cure="give a name, a regular expression, a pair of expression and replacement, or a "
        "function from text to text",
    )


def _make_replacing(pattern: str | re.Pattern[str], replacement: str) -> Normalizer:
    compiled = compile_pattern(pattern, what="normalize")
    if compiled.match(""):
        raise UsageError(
            f"normalize: {compiled.pattern!r} matches nothing at all, everywhere",
            cure="write + in place of *",
        )
    try:
        compiled.sub(replacement, "")  # reads the replacement, even where nothing matches
    except (re.error, IndexError) as error:
        raise UsageError(
            f"normalize: the replacement {replacement!r} does not fit {compiled.pattern!r}: {error}"
        ) from None
    return Normalizer(
        f"re:{compiled.pattern}",
        lambda text: compiled.sub(replacement, text),
        (compiled.pattern, compiled.flags, replacement),
    )


def compile_pattern(pattern: object, *, what: str) -> re.Pattern[str]:
    """Compile a user's regular expression; `^` and `$` match at each line.

    Raises:
        UsageError: it is none.
    """
    if isinstance(pattern, re.Pattern) and isinstance(pattern.pattern, str):
        return pattern
    if not isinstance(pattern, str):
        raise UsageError(f"{what}: {pattern!r} is not a regular expression for text")
    try:
        return re.compile(pattern.removeprefix("re:"), re.MULTILINE)
    except re.error as error:
        raise UsageError(f"{what}: {pattern!r} is not a regular expression: {error}") from None


def _refuse_name(name: str, known: tuple[str, ...]) -> UsageError:
    near = difflib.get_close_matches(name, known, n=1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    return UsageError(
        f"normalize: there is no normalizer {name!r}",
        cure=f"{meant}there are {', '.join(sorted(known))}; an expression that looks like a name "
        f"is written 're:{name}'",
    )


@dataclass(frozen=True, slots=True)
class NormalizedText:
    """A text with what is no difference replaced, and how many of the emulator's lines went."""

    text: str
    emulator_lines: int = 0


def normalize_text(
    text: str,
    *,
    known: Mapping[str, str],
    ignore: tuple[re.Pattern[str], ...] = (),
    normalizers: tuple[Normalizer, ...] = (),
    strips_emulator: bool = False,
) -> NormalizedText:
    """Apply what always holds, then what was asked for.

    `known` maps exact strings of one container (its id, its host name) to what they stand for.
    `ignore` are patterns: lines in which one is found are left out. `strips_emulator` is for the
    stderr of emulated programs, into which QEMU writes too. Takes time linear in the text, but
    for patterns of the user's own.
    """
    text = remove_controls(text)
    text = _CRLF.sub("\n", text) if "\r\n" in text else text
    emulator_lines = 0
    if strips_emulator:
        text, emulator_lines = _EMULATOR_LINE.subn("", text)
    if ignore:
        text = _leave_out(text, ignore)
    text = apply_normalizers(mask_known(text, known), normalizers)
    return NormalizedText(_strip_lines(text), emulator_lines)


def apply_normalizers(text: str, normalizers: tuple[Normalizer, ...]) -> str:
    """Apply normalizers in their order.

    Raises:
        UsageError: a function of the user's own gives something else than text.
    """
    for normalizer in normalizers:
        text = normalizer.function(text)
        if not isinstance(text, str):
            raise UsageError(
                f"normalizer {normalizer.name} gave {text!r}", cure="it has to return the text"
            )
    return text


def _leave_out(text: str, ignore: tuple[re.Pattern[str], ...]) -> str:
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    return "".join(
        line for line in lines if not any(p.search(line.removesuffix("\n")) for p in ignore)
    )


def _strip_lines(text: str) -> str:
    if " \n" not in text and "\t\n" not in text and not text.endswith((" ", "\t")):
        return text
    *lines, last = text.split("\n")
    # What stood before a carriage return may leave it at the end of its line.
    return "\n".join((*(line.rstrip(" \t\r") for line in lines), last.rstrip(" \t")))


def remove_controls(text: str) -> str:
    """Remove colours, movements of the cursor, and what else a terminal takes for a command."""
    return _CONTROL.sub("", text) if "\x1b" in text else text


def hide_values(text: str, values: Mapping[str, str]) -> str:
    """Replace values wherever they stand in a text, also as Python and JSON escape them."""
    forms = {
        form: shown
        for value, shown in values.items()
        for form in (value, repr(value)[1:-1], json.dumps(value)[1:-1])
    }
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, forms[form])
    return text


def mask_known(text: str, known: Mapping[str, str]) -> str:
    """Replace known strings where they stand as whole words, and folders of pytest's own."""
    if "/pytest-of-" in text:
        text = _PYTEST_FOLDER.sub("<tmp_path>", text)
    present = [each for each in known if each and each in text]
    if not present:
        return text
    longest_first = "|".join(map(re.escape, sorted(present, key=len, reverse=True)))
    pattern = re.compile(rf"(?<![A-Za-z0-9])(?:{longest_first})(?![A-Za-z0-9])")
    return _OWN_ADDRESS.sub("<container-ip>", pattern.sub(lambda match: known[match[0]], text))


def get_pattern(name: str) -> str:
    """Give the regular expression of one of `NORMALIZERS` that has one."""
    return _PATTERNS[name][1]
