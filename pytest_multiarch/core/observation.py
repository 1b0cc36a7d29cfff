"""Observations: what a test saw on one platform, in a form that travels and compares.

A stream keeps its raw digest, the digest of what is compared, and excerpts to show; raw equality
always suffices. Everything is JSON of ASCII, since report plugins and xdist pass on no more.
"""

from __future__ import annotations

import hashlib
import json
import math
import operator
import shlex
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from pytest_multiarch.core.call import CallSummary, Output, RunResult
from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.names import SplitText, mask_own_names, sequences_agree, split_names
from pytest_multiarch.core.normalize import Normalizer, mask_known, normalize_text
from pytest_multiarch.core.platform import Platform

EXCERPT_LIMIT = 64 * 1024
"""Text up to this many characters travels whole; of longer text, head and tail."""

_EDGE = 16 * 1024
_MOST_NAMES = 4096
MEMBER_LIMIT = 1024 * 1024
"""About how many characters of excerpts one test may put on its report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedStream:
    """One output stream of a call.

    `sha256` is of the raw bytes, `skeleton` of the normalized text with architecture names taken
    out, which are in `names`. `is_normalized` is False where the output was too large to be kept:
    then only raw bytes are compared. `head` is the normalized text, whole if `tail` is None; `raw`
    is the text as printed where normalizing changed it and it is short enough.
    """

    size: int
    sha256: str
    skeleton: str = ""
    names: tuple[str, ...] = ()
    is_normalized: bool = True
    head: str = ""
    tail: str | None = None
    raw: str | None = None
    emulator_lines: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether `head` is all of the normalized text."""
        return self.tail is None

    def shrink(self, limit: int) -> ObservedStream:
        """Give the stream with shorter excerpts; what is compared stays."""
        if self.is_whole and len(self.head) <= 2 * limit and self.raw is None:
            return self
        text = self.head
        tail = text[-limit:] if self.tail is None else self.tail[-limit:]
        cut = self.tail is not None or len(text) > 2 * limit
        return replace(
            self, head=text[:limit] if cut else text, tail=tail if cut else None, raw=None
        )

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any]) -> ObservedStream:
        """Read the JSON form."""
        return cls(**{**document, "names": tuple(document.get("names", ()))})


def streams_agree(
    ours: ObservedStream, theirs: ObservedStream, our_platform: Platform, their_platform: Platform
) -> bool:
    """Tell whether two streams are the same but for what is no difference."""
    if ours.sha256 == theirs.sha256:
        return True
    if not (ours.is_normalized and theirs.is_normalized):
        return False
    return ours.skeleton == theirs.skeleton and sequences_agree(
        ours.names, theirs.names, our_platform, their_platform
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One recorded fact of a test.

    `kind` is `run`, `exec` or `check`. A call has `exit_code`, `stdout`, `stderr`, `command` and
    `pin`, the image as one would name it to repeat the call; a check has `value`, with tolerances.
    `history` digests the calls that a shared container had seen before, empty for a fresh one.
    """

    label: str
    kind: str
    exit_code: int | None = None
    stdout: ObservedStream | None = None
    stderr: ObservedStream | None = None
    command: CallSummary | None = None
    pin: str = ""
    value: Any = None
    rel: float = 0.0
    abs: float = 0.0
    history: str = ""
    wall_s: float = 0.0

    def to_mapping(self) -> dict[str, Any]:
        """Give the JSON form; what is empty is left out."""
        document = asdict(self)
        kept = {k: v for k, v in document.items() if v not in (None, "", 0.0) or k == "label"}
        if self.kind == "check":
            kept["value"] = self.value
        return kept

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any]) -> Observation:
        """Read what `to_mapping` gave."""
        fields = dict(document)
        for name in ("stdout", "stderr"):
            if fields.get(name) is not None:
                fields[name] = ObservedStream.from_mapping(fields[name])
        if fields.get("command") is not None:
            fields["command"] = _read_command(fields["command"])
        return cls(**fields)

    def shrink(self, limit: int) -> Observation:
        """Give the observation with shorter excerpts."""
        return replace(
            self,
            stdout=self.stdout.shrink(limit) if self.stdout else None,
            stderr=self.stderr.shrink(limit) if self.stderr else None,
        )

    @property
    def excerpt_size(self) -> int:
        """How many characters of excerpts it carries."""
        streams = [each for each in (self.stdout, self.stderr) if each is not None]
        return sum(len(s.head) + len(s.tail or "") + len(s.raw or "") for s in streams)


def _read_command(document: Mapping[str, Any]) -> CallSummary:
    fields = dict(document)
    for name in ("argv", "env_names", "files"):
        fields[name] = tuple(fields.get(name, ()))
    if fields.get("entrypoint") is not None:
        fields["entrypoint"] = tuple(fields["entrypoint"])
    return CallSummary(**fields)


def make_observation(
    result: RunResult,
    *,
    kind: str,
    label: str | None,
    known: Mapping[str, str],
    pin: str,
    history: str,
    ignore: tuple[Any, ...] = (),
    normalizers: tuple[Normalizer, ...] = (),
) -> Observation:
    """Observe a call; the label is the user's, or made of the call."""
    is_emulated = result.execution.is_emulated
    streams = {
        name: _observe_stream(
            output,
            result.platform,
            known=known,
            ignore=ignore,
            normalizers=normalizers,
            strips_emulator=is_emulated and name == "stderr",
        )
        for name, output in (("stdout", result.out), ("stderr", result.err))
    }
    return Observation(
        label=label or make_label(kind, result.command, known=known, platform=result.platform),
        kind=kind,
        exit_code=result.exit_code,
        stdout=streams["stdout"],
        stderr=streams["stderr"],
        command=result.command,
        pin=pin,
        history=history,
        wall_s=result.wall_s,
    )


def _observe_stream(output: Output, platform: Platform, **options: Any) -> ObservedStream:
    text = output.head.decode("utf-8", "surrogateescape")
    if not output.is_whole:
        return ObservedStream(
            size=output.size,
            sha256=output.sha256,
            is_normalized=False,
            head=text[:_EDGE],
            tail="",
        )
    normalized = normalize_text(text, **options)
    shown = normalized.text
    split = split_names(shown)
    if len(split.names) > _MOST_NAMES:
        split = SplitText(mask_own_names(shown, platform), ())
    is_short = len(shown) <= EXCERPT_LIMIT
    return ObservedStream(
        size=output.size,
        sha256=output.sha256,
        skeleton=_digest(split.skeleton),
        names=split.names,
        head=shown if is_short else shown[:_EDGE],
        tail=None if is_short else shown[-_EDGE:],
        raw=text if text != shown and len(text) <= EXCERPT_LIMIT else None,
        emulator_lines=normalized.emulator_lines,
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def make_label(
    kind: str, command: CallSummary, *, known: Mapping[str, str], platform: Platform
) -> str:
    """Name a call by what was asked: equal on all platforms for one call in a test.

    The platform's own names, known strings and pytest's folders are masked, since tests pass
    them as arguments.
    """
    words = [shlex.join(command.argv) if command.argv else "(the image's command)"]
    if command.entrypoint is not None:
        words.append(f"entrypoint={shlex.join(command.entrypoint)!r}")
    words += [f"user={command.user}"] if command.user else []
    words += [f"workdir={command.workdir}"] if command.workdir else []
    words += [f"env={','.join(command.env_names)}"] if command.env_names else []
    return f"{kind}: {mask_own_names(mask_known(' '.join(words), known), platform)}"


def make_check(label: str, value: object, *, rel: float = 0.0, abs: float = 0.0) -> Observation:
    """Observe a value of the test's own.

    Raises:
        UsageError: JSON cannot hold the value, or a tolerance is negative.
    """
    for name, tolerance in (("rel", rel), ("abs", abs)):
        if not isinstance(tolerance, (int, float)) or not tolerance >= 0:
            raise UsageError(f"parity.check({label!r}): {name}={tolerance!r} is no tolerance")
    try:
        plain = json.loads(json.dumps(value))
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(
            f"parity.check({label!r}): the value cannot be compared: {error}",
            cure="give numbers, text, None, lists and dictionaries with text keys; for bytes give "
            "a digest or .hex()",
        ) from None
    return Observation(label=label, kind="check", value=plain, rel=rel, abs=abs)


def find_value_difference(
    ours: Any,
    theirs: Any,
    *,
    rel: float,
    abs: float,
    texts_agree: Callable[[str, str], bool] = operator.eq,
    path: str = "",
) -> str | None:
    """Give the path to the first difference of two JSON values (`.items[3].price`), or None.

    Numbers of different kinds differ (1, 1.0, True), NaN equals NaN, and the order of keys says
    nothing. `texts_agree` may let texts pass that are the platforms' own names.
    """
    options: Any = {"rel": rel, "abs": abs, "texts_agree": texts_agree}
    if isinstance(ours, float) and isinstance(theirs, float):
        return None if _floats_agree(ours, theirs, rel, abs) else path or "."
    if type(ours) is not type(theirs):
        return path or "."
    if isinstance(ours, dict):
        for key in sorted(ours.keys() | theirs.keys()):
            if key not in ours or key not in theirs:
                return f"{path}.{key}"
            found = find_value_difference(ours[key], theirs[key], **options, path=f"{path}.{key}")
            if found is not None:
                return found
        return None
    if isinstance(ours, list):
        for position, (one, other) in enumerate(zip(ours, theirs, strict=False)):
            found = find_value_difference(one, other, **options, path=f"{path}[{position}]")
            if found is not None:
                return found
        return None if len(ours) == len(theirs) else f"{path}[{min(len(ours), len(theirs))}]"
    if isinstance(ours, int) and not isinstance(ours, bool) and (rel or abs):
        return None if _floats_agree(ours, theirs, rel, abs) else path or "."
    if isinstance(ours, str):
        return None if texts_agree(ours, theirs) else path or "."
    return None if ours == theirs else path or "."


def _floats_agree(ours: float, theirs: float, rel: float, abs: float) -> bool:
    if math.isnan(ours) or math.isnan(theirs):
        return math.isnan(ours) and math.isnan(theirs)
    return ours == theirs or math.isclose(ours, theirs, rel_tol=min(rel, 1.0), abs_tol=abs)


def fit_observations(observations: list[Observation]) -> list[Observation]:
    """Shorten excerpts until a member's observations fit on a report; digests stay exact."""
    limit = _EDGE
    while sum(each.excerpt_size for each in observations) > MEMBER_LIMIT and limit >= 16:
        observations = [each.shrink(limit) for each in observations]
        limit //= 4
    return observations
