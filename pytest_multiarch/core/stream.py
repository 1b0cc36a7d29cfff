"""One output stream as it is kept for comparing: digests, names, and bounded excerpts.

Streams of any size compare exactly by digest; what is kept beside it is for people, and for later
looks at what a mask covered.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.names import (
    has_more_names,
    mask_own_names,
    sequences_agree,
    split_names,
)
from pytest_multiarch.core.value import ObservedValue, lay_out, values_agree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_multiarch.core.call import Output
    from pytest_multiarch.core.platform import Platform

WHOLE_LIMIT = 64 * 1024
"""Up to how many characters a text is kept whole."""
END_LIMIT = 16 * 1024
"""How many characters of a longer text are kept of each end."""
BLOCK_SIZE = 64 * 1024
"""How many characters of a longer text have a digest of their own."""
NAMES_LIMIT = 4096
"""How many architecture names of a text are kept; beyond it the own names are masked."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A text, or both its ends; `gap` is how many characters between them are not kept.

    Of an output that is not whole there is no end, and `gap` is in bytes.
    """

    head: str
    gap: int = 0
    tail: str = ""

    @classmethod
    def of(cls, text: str, *, whole_limit: int = WHOLE_LIMIT) -> Excerpt:
        """Keep a text whole up to a limit, else a quarter of the limit from each end."""
        if len(text) <= whole_limit:
            return cls(text)
        end = whole_limit // 4
        return cls(text[:end], len(text) - 2 * end, text[len(text) - end :])

    @property
    def is_whole(self) -> bool:
        return not self.gap

    @property
    def cost(self) -> int:
        """How many bytes it takes on a report, as ASCII JSON, roughly."""
        return sum(len(each.encode("ascii", "backslashreplace")) for each in (self.head, self.tail))

    def shrink(self, whole_limit: int) -> Excerpt:
        """Keep less of it."""
        end = whole_limit // 4
        if self.is_whole:
            return Excerpt.of(self.head, whole_limit=whole_limit)
        if len(self.head) <= end:
            return self
        cut = len(self.head) - end + len(self.tail) - min(end, len(self.tail))
        return Excerpt(self.head[:end], self.gap + cut, self.tail[max(len(self.tail) - end, 0) :])

    def map(self, change: Callable[[str], str]) -> Excerpt:
        """Give it with its texts changed."""
        return Excerpt(change(self.head), self.gap, change(self.tail))

    def to_json(self) -> Any:
        """Give the JSON form: the text itself if it is whole."""
        return self.head if self.is_whole else [self.head, self.gap, self.tail]

    @classmethod
    def from_json(cls, document: Any) -> Excerpt:
        """Read what `to_json` gave."""
        if isinstance(document, str):
            return cls(document)
        head, gap, tail = document
        return cls(str(head), int(gap), str(tail))


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a long text: the digest of its skeleton, and how many lines end in it."""

    sha256: str
    lines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedStream:
    """What is known of one output stream after it was normalized.

    `size` and `sha256` are of the exact bytes. `is_whole` is False where the output was beyond
    what is kept in memory: it then has no normalized form and is compared by its bytes alone.
    `skeleton_sha256` and `names` are of the normalized text taken apart; `names` is None, and
    `skeleton_sha256` that of the text with the platform's own names masked, where there are more
    than `NAMES_LIMIT` of them. `excerpt` is of the normalized text, `raw` of the text as it came,
    None where that is the same. `blocks` only where the excerpt is not whole.
    `emulator_lines` counts the lines that the emulator wrote into the stream. `value` is what it
    says where it is to be compared by value; then `excerpt` is that value, laid out.
    """

    size: int
    sha256: str
    skeleton_sha256: str
    names: tuple[str, ...] | None = ()
    is_whole: bool = True
    excerpt: Excerpt = field(default=Excerpt(""), repr=False)
    raw: Excerpt | None = field(default=None, repr=False)
    blocks: tuple[Block, ...] = field(default=(), repr=False)
    emulator_lines: int = 0
    value: ObservedValue | None = None

    @property
    def cost(self) -> int:
        """How many bytes its excerpts and names take on a report, roughly."""
        names = sum(map(len, self.names or ())) + 4 * len(self.names or ())
        return self.excerpt.cost + (self.raw.cost if self.raw else 0) + names

    def shrink(self, whole_limit: int) -> ObservedStream:
        """Keep smaller excerpts; equality is not affected."""
        raw = None if self.raw is None else self.raw.shrink(whole_limit)
        return replace(self, excerpt=self.excerpt.shrink(whole_limit), raw=raw)

    def map_shown(self, change: Callable[[str], str]) -> ObservedStream:
        """Change the texts that are shown; equality is not affected."""
        raw = None if self.raw is None else self.raw.map(change)
        value = None if self.value is None else self.value.map_texts(change)
        return replace(self, excerpt=self.excerpt.map(change), raw=raw, value=value)

    def to_mapping(self) -> dict[str, object]:
        """Give the JSON form, without what is as usual."""
        document: dict[str, object] = {"size": self.size, "sha256": self.sha256}
        if self.skeleton_sha256 != self.sha256:
            document["skeleton"] = self.skeleton_sha256
        if self.names != ():
            document["names"] = None if self.names is None else list(self.names)
        document["text"] = self.excerpt.to_json()
        if not self.is_whole:
            document["whole"] = False
        if self.raw is not None:
            document["raw"] = self.raw.to_json()
        if self.blocks:
            document["blocks"] = [[each.sha256, each.lines] for each in self.blocks]
        if self.emulator_lines:
            document["emulator_lines"] = self.emulator_lines
        if self.value is not None:
            document["value"] = self.value.to_mapping()
        return document

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any]) -> ObservedStream:
        """Read what `to_mapping` gave."""
        names = document.get("names", ())
        raw, value = document.get("raw"), document.get("value")
        return cls(
            size=int(document["size"]),
            sha256=str(document["sha256"]),
            skeleton_sha256=str(document.get("skeleton", document["sha256"])),
            names=None if names is None else tuple(map(str, names)),
            is_whole=bool(document.get("whole", True)),
            excerpt=Excerpt.from_json(document["text"]),
            raw=None if raw is None else Excerpt.from_json(raw),
            blocks=tuple(Block(str(sha), int(lines)) for sha, lines in document.get("blocks", ())),
            emulator_lines=int(document.get("emulator_lines", 0)),
            value=None if value is None else ObservedValue.from_mapping(value),
        )


def decode_output(data: bytes) -> str:
    """Decode output reversibly: undecodable bytes become lone surrogates."""
    return data.decode("utf-8", "surrogateescape")


def encode_output(text: str) -> bytes:
    """Give back the bytes of `decode_output`; a half of a cut character stays what it was."""
    return text.encode("utf-8", "surrogateescape")


def observe_stream(
    output: Output,
    normalized: str,
    platform: Platform,
    *,
    raw: str | None = None,
    emulator_lines: int = 0,
    value: ObservedValue | None = None,
) -> ObservedStream:
    """Take down a whole output and its normalized text, printed on a platform.

    `raw` is the text to show of the output itself, if it holds what must not be shown. `value` is
    what the output says, if it is to be compared by value.
    """
    raw = decode_output(output.head) if raw is None else raw
    skeleton, names = _take_apart(normalized, platform)
    return ObservedStream(
        size=output.size,
        sha256=output.sha256,
        skeleton_sha256=digest_text(skeleton),
        names=names,
        excerpt=Excerpt.of(normalized),
        raw=None if raw == normalized else Excerpt.of(raw),
        blocks=_digest_blocks(skeleton),
        emulator_lines=emulator_lines,
        value=value,
    )


def _take_apart(text: str, platform: Platform) -> tuple[str, tuple[str, ...] | None]:
    if has_more_names(text, NAMES_LIMIT):
        return mask_own_names(text, platform), None
    split = split_names(text)
    return split.skeleton, split.names


def observe_beginning(output: Output, *, mask: Callable[[str], str] = str) -> ObservedStream:
    """Take down an output of which only the first bytes were kept; `mask` hides what must be."""
    head = output.head[:END_LIMIT]
    return ObservedStream(
        size=output.size,
        sha256=output.sha256,
        skeleton_sha256=output.sha256,
        is_whole=False,
        excerpt=Excerpt(mask(decode_output(head)), output.size - len(head)),
    )


def observe_document(
    output: Output, document: Any, platform: Platform, *, raw: str, value: ObservedValue | None
) -> ObservedStream:
    """Take down an output that is JSON; `value` is None where it is too large for one."""
    text = lay_out(document if value is None else value.read())
    return observe_stream(output, text, platform, raw=raw, value=value)


def observe_bytes(data: bytes) -> ObservedStream:
    """Take down bytes that are compared as such: nothing in them is normalized or masked."""
    digest = hashlib.sha256(data).hexdigest()
    excerpt = Excerpt(decode_output(data))
    if len(data) > WHOLE_LIMIT:
        head, tail = decode_output(data[:END_LIMIT]), decode_output(data[-END_LIMIT:])
        excerpt = Excerpt(head, len(data) - 2 * END_LIMIT, tail)
    return ObservedStream(
        size=len(data),
        sha256=digest,
        skeleton_sha256=digest,
        excerpt=excerpt,
        blocks=_digest_byte_blocks(data),
    )


def observe_cut_bytes(output: Output) -> ObservedStream:
    """Take down bytes of which only the first were kept in memory."""
    head = decode_output(output.head[:END_LIMIT])
    return ObservedStream(
        size=output.size,
        sha256=output.sha256,
        skeleton_sha256=output.sha256,
        is_whole=False,
        excerpt=Excerpt(head, output.size - END_LIMIT),
        blocks=_digest_byte_blocks(output.head),
    )


def _digest_byte_blocks(data: bytes) -> tuple[Block, ...]:
    if len(data) <= WHOLE_LIMIT:
        return ()
    blocks = (data[start : start + BLOCK_SIZE] for start in range(0, len(data), BLOCK_SIZE))
    return tuple(Block(hashlib.sha256(each).hexdigest()[:16], each.count(b"\n")) for each in blocks)


def digest_text(text: str) -> str:
    """Give the SHA-256 of a text, lone surrogates included."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _digest_blocks(text: str) -> tuple[Block, ...]:
    if len(text) <= WHOLE_LIMIT:
        return ()
    blocks = (text[start : start + BLOCK_SIZE] for start in range(0, len(text), BLOCK_SIZE))
    return tuple(Block(digest_text(block)[:16], block.count("\n")) for block in blocks)


def streams_agree(
    ours: ObservedStream,
    theirs: ObservedStream,
    our_platform: Platform,
    their_platform: Platform,
) -> bool:
    """Tell whether two streams are equal: in bytes, by value, or normalized but for own names."""
    if (ours.size, ours.sha256) == (theirs.size, theirs.sha256):
        return True
    if ours.value is not None and theirs.value is not None:
        return values_agree(ours.value, theirs.value, our_platform, their_platform)
    if not (ours.is_whole and theirs.is_whole):
        return False
    if ours.skeleton_sha256 != theirs.skeleton_sha256:
        return False
    if ours.names is None or theirs.names is None:
        return ours.names is theirs.names
    return sequences_agree(ours.names, theirs.names, our_platform, their_platform)


def locate_byte(ours: ObservedStream, theirs: ObservedStream) -> tuple[int, int] | None:
    """Give the offsets between which two long contents of bytes differ first; None if short."""
    pairs = zip(ours.blocks, theirs.blocks, strict=False)
    same = sum(1 for _ in takewhile(lambda pair: pair[0].sha256 == pair[1].sha256, pairs))
    if not ours.blocks or not theirs.blocks:
        return None
    start = same * BLOCK_SIZE
    return start, min(start + BLOCK_SIZE, max(ours.size, theirs.size))


def locate_difference(ours: ObservedStream, theirs: ObservedStream) -> tuple[int, int] | None:
    """Give the lines, counted from 1, between which two long streams differ first.

    None where the streams are too short to have blocks, or differ only at a name.
    """
    line = 1
    pairs = list(zip(ours.blocks, theirs.blocks, strict=False))
    for ours_block, theirs_block in pairs:
        if ours_block.sha256 != theirs_block.sha256:
            return line, line + max(ours_block.lines, theirs_block.lines)
        line += ours_block.lines
    if len(ours.blocks) != len(theirs.blocks) and pairs:
        return line, line
    return None
