"""What of an output is no difference: normalizers, pure functions from text to text.

Some hold always, since no reader would call such a thing a difference. Others are asked for by
name, since they hide what may be one. Architecture names are not normalized but aligned, see
`core.names`. Text is UTF-8 decoded with `surrogateescape`, so nothing of the bytes is lost.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pytest_multiarch.core.errors import UsageError

TextFunction = Callable[[str], str]

_CONTROL = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC: window titles, links
    r"|\x1b[PX^_].*?\x1b\\"  # DCS, SOS, PM, APC
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b[ -/]*[0-~]",
    re.DOTALL,
)
_TRAILING = re.compile(r"[ \t]+(?=\n|\Z)")
_PYTEST_TMP = re.compile(r"/[^\s:'\"]*?/pytest-of-[^/\s]+/pytest-\d+(?:/popen-gw\d+)?/[^/\s:'\"]+")
_EMULATOR_LINE = re.compile(
    r"^(?:qemu: [^\n]*|qemu-[a-z0-9_]+(?:-static)?: [^\n]*|Unsupported syscall: \d+"
    r"|Unknown QEMU_\w+[^\n]*|Unknown host QEMU_\w+[^\n]*|Unsupported (?:ioctl|ancillary data)[^\n]*"
    r"|<jemalloc>: MADV_DONTNEED does not work[^\n]*|<jemalloc>: \(This is the expected behaviour "
    r"if you are running under QEMU\)|Unimplemented syscall number \d+|rosetta error: [^\n]*)\n?",
    re.MULTILINE,
)

_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d+)?"
_ZONE = r"(?: ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d))?"
_PATTERNS: dict[str, tuple[str, str, str]] = {
    "timestamps": (
        "dates with a time of day, and times of day, in the usual spellings",
        rf"\b\d{{4}}[-/]\d\d[-/]\d\d[T ]{_CLOCK}{_ZONE}"
        rf"|\b{_DAY},? \d\d? {_MONTH} \d{{4}} {_CLOCK}{_ZONE}"
        rf"|\b(?:{_DAY} )?{_MONTH} [ \d]\d {_CLOCK}(?: (?:[A-Z]{{3,4}} )?\d{{4}})?\b"
        rf"|\b\d\d? {_MONTH} \d{{4}} {_CLOCK}{_ZONE}"
        rf"|\b\d\d/{_MONTH}/\d{{4}}:{_CLOCK}{_ZONE}"
        rf"|(?<![\d:.]){_CLOCK}(?![\d:])",
        "<timestamp>",
    ),
    "dates": (
        "days: 2026-11-23, 23 Nov 2026, Nov 23 2026",
        rf"\b\d{{4}}-\d\d-\d\d\b|\b\d\d? {_MONTH} \d{{4}}\b|\b{_MONTH} \d\d?,? \d{{4}}\b",
        "<date>",
    ),
    "epochs": (
        "seconds or milliseconds since 1970, of this decade and the next",
        r"(?<![\w.])(?:1[6-9]|2[0-2])\d{8}(?:\d{3})?(?:\.\d+)?(?![\w.])",
        "<epoch>",
    ),
    "durations": (
        "numbers with a unit of time: 12 ms, 0.3s, 1m2.5s",
        r"(?<![\w.])(?:\d+h)?(?:\d+m)?\d+(?:\.\d+)? ?"
        r"(?:ns|us|\u00b5s|\u03bcs|ms|s|secs?|seconds?|milliseconds?|microseconds?|nanoseconds?"
        r"|mins?|minutes?)\b",
        "<duration>",
    ),
    "pids": (
        "process ids: pid 12, name[12]:, 12:M at the start of Redis's lines",
        r"(?i:\bpid[ =:]+)\d+|(?<=\w)\[\d+\](?=[: ])|^\d+(?=:[A-Z] )",
        "<pid>",
    ),
    "addresses": ("addresses in memory: 0x7ffd12345678", r"\b0x[0-9a-fA-F]{6,16}\b", "<address>"),
    "temp-paths": (
        "paths of temporary files below /tmp, /var/tmp and /var/folders",
        r"(?<![\w.])(?:/var)?/tmp/[^\s:'\",;)]+|/var/folders/[^\s:'\",;)]+",
        "<temp-path>",
    ),
    "ports": (
        "port numbers from 1024 on, after a host or the word port",
        r"(?:(?<=\d\.\d:)|(?<=\d\.\d\d:)|(?<=\d\.\d\d\d:)|(?<=localhost:)|(?<=\]:)|(?<=[*]:)"
        r"|(?i:(?<=\bport )|(?<=\bport=)|(?<=\bport: )))"
        r"(?:102[4-9]|10[3-9]\d|1[1-9]\d\d|[2-9]\d{3}|[1-6]\d{4})\b",
        "<port>",
    ),
    "ips": ("IPv4 addresses", r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\d)", "<ip>"),
    "uuids": (
        "UUIDs",
        r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b",
        "<uuid>",
    ),
    "hex-ids": (
        "hexadecimal ids of 12, 32, 40 or 64 digits",
        r"\b(?:[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32}|[0-9a-f]{12})\b",
        "<id>",
    ),
}


@dataclass(frozen=True, slots=True)
class Normalizer:
    """A named text function; the name goes into records and messages."""

    name: str
    function: TextFunction


def _make_named(name: str) -> Normalizer:
    _, pattern, replacement = _PATTERNS[name]
    compiled = re.compile(pattern, re.MULTILINE)
    return Normalizer(name, lambda text: compiled.sub(replacement, text))


NORMALIZERS: Mapping[str, str] = {name: row[0] for name, row in _PATTERNS.items()}
"""The normalizers to be asked for by name, each with what it replaces."""


def parse_normalizers(
    values: Iterable[object], *, extra: Mapping[str, TextFunction]
) -> tuple[Normalizer, ...]:
    """Read what `normalize=` lists: names, regular expressions, pairs, callables.

    A text is a name if it looks like one (lower-case words with hyphens), else a regular
    expression whose matches are replaced by `<...>`. `("pattern", "replacement")` says what by.
    `extra` are names that plugins add.

    Raises:
        UsageError: an unknown name, or a broken expression.
    """
    return tuple(_parse_normalizer(value, extra) for value in values)


def _parse_normalizer(value: object, extra: Mapping[str, TextFunction]) -> Normalizer:
    match value:
        case Normalizer():
            return value
        case str() if value in extra:
            return Normalizer(value, extra[value])
        case str() if value in _PATTERNS:
            return _make_named(value)
        case str() if re.fullmatch(r"[a-z]+(-[a-z]+)*", value):
            raise _refuse_name(value, (*_PATTERNS, *extra))
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
    return Normalizer(f"re:{compiled.pattern}", lambda text: compiled.sub(replacement, text))


def compile_pattern(pattern: object, *, what: str) -> re.Pattern[str]:
    """Compile a user's regular expression; `^` and `$` match at each line.

    Raises:
        UsageError: it is none.
    """
    if isinstance(pattern, re.Pattern):
        return pattern
    if not isinstance(pattern, str):
        raise UsageError(f"{what}: {pattern!r} is not a regular expression")
    try:
        return re.compile(pattern, re.MULTILINE)
    except re.error as error:
        raise UsageError(f"{what}: {pattern!r} is not a regular expression: {error}") from None


def _refuse_name(name: str, known: tuple[str, ...]) -> UsageError:
    near = difflib.get_close_matches(name, known, n=1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    return UsageError(
        f"normalize: there is no normalizer {name!r}",
        cure=f"{meant}there are {', '.join(sorted(known))}; an expression that looks like a name "
        "is written with re.compile(...)",
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
    `ignore` are patterns of lines to leave out. `strips_emulator` is for the stderr of emulated
    programs, into which QEMU writes too.
    """
    text = text.replace("\r\n", "\n")
    text = _CONTROL.sub("", text) if "\x1b" in text else text
    emulator_lines = 0
    if strips_emulator:
        text, emulator_lines = _EMULATOR_LINE.subn("", text)
    if ignore:
        lines = text.splitlines(keepends=True)
        text = "".join(each for each in lines if not any(p.search(each) for p in ignore))
    text = mask_known(text, known)
    for normalizer in normalizers:
        text = normalizer.function(text)
    return NormalizedText(_TRAILING.sub("", text), emulator_lines)


def mask_known(text: str, known: Mapping[str, str]) -> str:
    """Replace known strings where they stand as whole words, and folders of pytest's own."""
    if "/pytest-of-" in text:
        text = _PYTEST_TMP.sub("<tmp_path>", text)
    present = [each for each in known if each and each in text]
    if not present:
        return text
    longest_first = "|".join(map(re.escape, sorted(present, key=len, reverse=True)))
    pattern = re.compile(rf"(?<![A-Za-z0-9])(?:{longest_first})(?![A-Za-z0-9])")
    return pattern.sub(lambda match: known[match[0]], text)
