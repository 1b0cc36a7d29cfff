"""Observations: what a test saw on one platform, in a form that travels and compares.

Everything is JSON of ASCII, since report plugins and xdist pass on no more. What a call was given
(environment values, stdin, files) is not in it.
"""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from pytest_multiarch.core.call import CallSummary, Output, RunResult, Timings
from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.names import split_names
from pytest_multiarch.core.normalize import (
    Normalizer,
    apply_normalizers,
    hide_values,
    mask_known,
    normalize_text,
)
from pytest_multiarch.core.rules import Structure
from pytest_multiarch.core.stream import (
    WHOLE_LIMIT,
    ObservedStream,
    decode_output,
    observe_beginning,
    observe_bytes,
    observe_document,
    observe_stream,
    streams_agree,
)
from pytest_multiarch.core.value import (
    ObservedValue,
    leave_out,
    map_texts,
    observe_value,
    read_document,
    values_agree,
)

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable, Mapping

    from pytest_multiarch.core.platform import Platform

ObservationKind = Literal["run", "exec", "check"]

MEMBER_LIMIT = 1024 * 1024
"""How many bytes of excerpts one member may put on its reports, roughly."""
_LABEL_LIMIT = 200
_UNSTRUCTURED = Structure()


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One recorded fact of a test.

    A call (`run` or `exec`) has `exit_code`, `stdout`, `stderr`, `command` and `pin`, the image
    as one would name it to repeat the call. A `check` has `value`, `content`, or both: `content`
    is that of a file, or bytes. `history` digests the calls
    that a shared container had seen before, empty for a fresh one, None if that is not known.
    """

    label: str
    kind: ObservationKind
    exit_code: int | None = None
    stdout: ObservedStream | None = None
    stderr: ObservedStream | None = None
    command: CallSummary | None = None
    pin: str = ""
    value: ObservedValue | None = None
    content: ObservedStream | None = None
    history: str | None = ""
    timings: Timings | None = None
    wall_s: float = 0.0

    @property
    def streams(self) -> tuple[ObservedStream, ...]:
        """The output streams it has, or the content."""
        streams = (self.stdout, self.stderr, self.content)
        return tuple(each for each in streams if each is not None)

    def find_stream(self, part: str) -> ObservedStream | None:
        """Give the stream that a part (`stdout`, `stderr`, `content`) is about."""
        streams = {"stdout": self.stdout, "stderr": self.stderr, "content": self.content}
        return streams.get(part)

    def shrink(self, whole_limit: int) -> Observation:
        """Keep smaller excerpts; equality is not affected."""
        return replace(
            self,
            stdout=self.stdout.shrink(whole_limit) if self.stdout else None,
            stderr=self.stderr.shrink(whole_limit) if self.stderr else None,
            content=self.content.shrink(whole_limit) if self.content else None,
        )

    def hide(self, values: Mapping[str, str]) -> Observation:
        """Give what may be shown: without values that may be secrets."""
        if not values:
            return self

        def change(text: str) -> str:
            return hide_values(text, values)

        return replace(
            self,
            label=change(self.label),
            stdout=self.stdout.map_shown(change) if self.stdout else None,
            stderr=self.stderr.map_shown(change) if self.stderr else None,
            content=self.content.map_shown(change) if self.content else None,
            command=self.command.map_words(change) if self.command else None,
            value=self.value.map_texts(change) if self.value else None,
        )

    def to_mapping(self) -> dict[str, Any]:
        """Give the JSON form; what is at its default is left out."""
        document: dict[str, Any] = {"label": self.label, "kind": self.kind}
        if self.exit_code is not None:
            document["exit_code"] = self.exit_code
        for name in ("stdout", "stderr", "value", "content"):
            part = getattr(self, name)
            if part is not None:
                document[name] = part.to_mapping()
        if self.command is not None:
            document["command"] = _write_fields(self.command, CallSummary())
        if self.history != "":
            document["history"] = self.history
        if self.timings is not None:
            timings = _write_fields(self.timings, Timings())
            document["timings"] = {name: round(value, 6) for name, value in timings.items()}
        document |= {"pin": self.pin} if self.pin else {}
        return document | ({"wall_s": round(self.wall_s, 6)} if self.wall_s else {})

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any]) -> Observation:
        """Read what `to_mapping` gave."""
        stdout, stderr, value = (document.get(name) for name in ("stdout", "stderr", "value"))
        content = document.get("content")
        timings, command = document.get("timings"), document.get("command")
        return cls(
            label=str(document["label"]),
            kind=document["kind"],
            exit_code=document.get("exit_code"),
            stdout=None if stdout is None else ObservedStream.from_mapping(stdout),
            stderr=None if stderr is None else ObservedStream.from_mapping(stderr),
            command=None if command is None else _read_command(command),
            pin=str(document.get("pin", "")),
            value=None if value is None else ObservedValue.from_mapping(value),
            content=None if content is None else ObservedStream.from_mapping(content),
            history=document.get("history", ""),
            timings=None if timings is None else Timings(**timings),
            wall_s=float(document.get("wall_s", 0.0)),
        )


def _write_fields(value: Any, default: Any) -> dict[str, Any]:
    """Give the fields that are not at their default; `asdict` would copy deeply, and slowly."""
    written = ((name, getattr(value, name)) for name in value.__slots__)
    return {name: found for name, found in written if found != getattr(default, name)}


def _read_command(document: Mapping[str, Any]) -> CallSummary:
    fields: dict[str, Any] = dict(document)
    for name in ("argv", "env_names", "files", "entrypoint"):
        if name in fields:
            fields[name] = tuple(fields[name])
    return CallSummary(**fields)


def make_observation(
    result: RunResult,
    *,
    kind: Literal["run", "exec"],
    label: str | None,
    known: Mapping[str, str],
    pin: str,
    history: str | None,
    ignore: tuple[re.Pattern[str], ...] = (),
    normalizers: tuple[Normalizer, ...] = (),
    structure: Structure = _UNSTRUCTURED,
) -> Observation:
    """Observe a call; the label is the user's, or made of the call.

    `known` maps exact strings that this container alone has to what they stand for; `ignore`,
    `normalizers` and `structure` are the test's own.
    """

    def observe(output: Output, name: str, *, strips_emulator: bool = False) -> ObservedStream:
        if not output.is_whole:
            return observe_beginning(output, mask=lambda text: mask_known(text, known))
        text = decode_output(output.head)
        if structure.forms.get(name) == "json":

            def change(part: str) -> str:
                return normalize_text(part, known=known, normalizers=normalizers).text

            observed = observe_json(output, structure, result.platform, known, change)
            if observed is not None:
                return observed
        normalized = normalize_text(
            text,
            known=known,
            ignore=ignore,
            normalizers=normalizers,
            strips_emulator=strips_emulator,
        )
        lines = normalized.emulator_lines
        raw = mask_known(text, known)  # values of environment variables are among the known
        return observe_stream(
            output, normalized.text, result.platform, raw=raw, emulator_lines=lines
        )

    return Observation(
        label=label or make_label(kind, result.command, known=known),
        kind=kind,
        exit_code=result.exit_code,
        stdout=observe(result.out, "stdout"),
        stderr=observe(result.err, "stderr", strips_emulator=result.execution.is_emulated),
        command=result.command,
        pin=pin,
        history=history,
        timings=result.timings,
        wall_s=result.wall_s,
    )


def observe_json(
    output: Output,
    structure: Structure,
    platform: Platform,
    known: Mapping[str, str],
    normalize: Callable[[str], str],
) -> ObservedStream | None:
    """Observe an output that is JSON by its value; None if it is none."""

    def mask(text: str) -> str:
        return mask_known(text, known)

    text = decode_output(output.head)
    try:
        document = leave_out(map_texts(read_document(text), mask), structure.without)
    except ValueError:
        return None
    value = None
    try:
        value = observe_value(
            document,
            what="the output",
            rel=structure.rel,
            abs=structure.abs,
            unordered=structure.unordered,
            normalize=normalize,
        )
    except UsageError:  # too large: the order of keys does not count all the same
        document = map_texts(document, normalize)
    return observe_document(output, document, platform, raw=mask(text), value=value)


def make_label(kind: str, command: CallSummary, *, known: Mapping[str, str]) -> str:
    """Name a call by what was asked: the same on all platforms for one call in a test.

    Known strings and pytest's folders are masked, since tests pass them as arguments; the
    platforms' own names are left for comparing. Environment values are not in it.
    """
    words = [shlex.join(command.argv) if command.argv else "(the image's command)"]
    if command.entrypoint is not None:
        words.append(f"entrypoint={shlex.join(command.entrypoint)!r}")
    words += [f"user={command.user}"] if command.user else []
    words += [f"workdir={command.workdir}"] if command.workdir else []
    words += [f"network={command.network}"] if command.network else []
    words += ["init"] if command.init else []
    words += [f"env={','.join(command.env_names)}"] if command.env_names else []
    words += [f"files={','.join(command.files)}"] if command.files else []
    words += ["stdin"] if command.has_stdin else []
    return _shorten(f"{kind}: {mask_known(' '.join(words), known)}")


def _shorten(label: str) -> str:
    if len(label) <= _LABEL_LIMIT:
        return label
    skeleton = split_names(label).skeleton.encode("utf-8", "surrogatepass")
    return f"{label[:_LABEL_LIMIT]}... [{hashlib.sha256(skeleton).hexdigest()[:8]}]"


def is_label(value: object) -> bool:
    """Tell whether a user's label is one: text that is not empty."""
    return isinstance(value, str) and bool(value.strip())


def make_check(
    label: str,
    value: object,
    *,
    rel: float = 0.0,
    abs: float = 0.0,
    unordered: object = False,
    without: tuple[str, ...] = (),
    normalizers: tuple[Normalizer, ...] = (),
) -> Observation:
    """Observe a value of the test's own; `normalizers` are applied to the texts in it.

    `without` are paths of members to leave out.

    Raises:
        UsageError: JSON cannot hold the value, or a tolerance is wrong.
    """
    if not is_label(label):
        raise UsageError(
            f"parity.check: the label is {label!r}",
            cure='name what is checked: parity.check("total", value)',
        )
    if isinstance(value, (bytes, bytearray, memoryview)):
        return Observation(label=label, kind="check", content=observe_bytes(bytes(value)))
    observed = observe_value(
        value,
        what=f"parity.check({label!r})",
        rel=rel,
        abs=abs,
        unordered=unordered,
        without=without,
        normalize=(lambda text: apply_normalizers(text, normalizers)) if normalizers else None,
    )
    return Observation(label=label, kind="check", value=observed)


def find_differing_parts(
    ours: Observation,
    theirs: Observation,
    our_platform: Platform,
    their_platform: Platform,
    *,
    parts: Iterable[str],
) -> tuple[str, ...]:
    """Give the parts in which two observations of one kind differ: of `parts`, or of a check."""
    if ours.kind == "check" and (ours.value is None) != (theirs.value is None):
        return ("value",)
    differing = ["exit"] if "exit" in parts and ours.exit_code != theirs.exit_code else []
    if ours.value is not None and theirs.value is not None:
        agree = values_agree(ours.value, theirs.value, our_platform, their_platform)
        differing += [] if agree else ["value"]
    for part in ("stdout", "stderr", "content"):
        one, two = ours.find_stream(part), theirs.find_stream(part)
        if (part in parts or part == "content") and one is not None and two is not None:
            agree = streams_agree(one, two, our_platform, their_platform)
            differing += [] if agree else [part]
    return tuple(differing)


def fit_observations(observations: Iterable[Observation]) -> list[Observation]:
    """Shorten excerpts until a member's observations fit on a report; digests stay exact."""
    fitting = list(observations)
    limit = WHOLE_LIMIT
    while limit and sum(s.cost for each in fitting for s in each.streams) > MEMBER_LIMIT:
        limit = limit // 2 if limit > 64 else 0
        fitting = [each.shrink(limit) for each in fitting]
    return fitting
