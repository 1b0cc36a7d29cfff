"""Whether an index is what its readers need: no platform missing, none twice, none mislabelled."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

from pytest_multiarch.core.shown_text import show_text

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

    from pytest_multiarch.core.index import ImageConfig
    from pytest_multiarch.core.manifest import EntryDocument, IndexDocument
    from pytest_multiarch.core.platform import Platform

_Key = TypeVar("_Key", bound="Hashable")
_ZSTD = "io.github.containers.compression.zstd"
"""Marks a second entry for a platform, with the same files compressed by zstd (`podman push`)."""


class IndexProblem(Enum):
    """What is wrong with an index; the values are in records and JSON."""

    MISSING = "missing-platform"
    DUPLICATE = "duplicate-platform"
    SAME_DIGEST = "same-digest"
    CONFIG_DISAGREES = "config-disagrees"
    NO_PLATFORM = "no-platform"
    MIXED_MEDIA_TYPES = "mixed-media-types"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexFinding:
    """One thing that is wrong with an index: what, and what mends it."""

    problem: IndexProblem
    subject: str
    what: str
    cure: str


def check_index(
    index: IndexDocument,
    configs: Mapping[str, ImageConfig],
    *,
    required: Sequence[Platform] = (),
) -> tuple[IndexFinding, ...]:
    """Check an index; `configs` are those that are known, by the digest of their entry.

    Attestations count for nothing. A single image is an index of one, whose config says what it
    is for.
    """
    return (
        *_find_missing(index, configs, required),
        *_find_duplicates(index),
        *_find_same_digests(index),
        *_find_disagreeing(index, configs),
        *_find_nameless(index),
        *_find_mixed_types(index),
    )


def _find_missing(
    index: IndexDocument, configs: Mapping[str, ImageConfig], required: Iterable[Platform]
) -> Iterator[IndexFinding]:
    there = []
    for entry in index.variants:
        config = configs.get(entry.digest)
        platform = entry.platform or (config.platform if config else None)
        there += [platform] if platform else []
    has = _list(there) or "none"
    kind = "a single image, not an index" if index.is_single else "an index"
    for platform in dict.fromkeys(required):
        if platform not in there:
            seen = ", as far as can be seen here" if index.is_partial else ""
            yield IndexFinding(
                problem=IndexProblem.MISSING,
                subject=str(platform),
                what=f"{platform} is required and missing: it is {kind} with {has}{seen}",
                cure="build it too (docker buildx build --platform "
                f"{_list(dict.fromkeys((*there, platform)), ',')} ...), or take it out of what "
                "is required",
            )


def _find_duplicates(index: IndexDocument) -> Iterator[IndexFinding]:
    """Find platforms with two entries; those of Windows differ in their version."""
    named = [
        ((each.platform, _ZSTD in each.annotations), each)
        for each in index.variants
        if each.platform and each.platform.os != "windows"
    ]
    for (platform, _), entries in _group(named).items():
        digests = list(dict.fromkeys(each.digest for each in entries))
        if len(entries) > 1:
            others = f"the same digest {digests[0]}" if len(digests) == 1 else " and ".join(digests)
            yield IndexFinding(
                problem=IndexProblem.DUPLICATE,
                subject=str(platform),
                what=f"{platform} has {len(entries)} entries, of which engines take any one: "
                f"{others}",
                cure="make the index anew with one entry for each platform (docker buildx "
                "imagetools create --tag IMAGE IMAGE@DIGEST ...)",
            )


def _find_same_digests(index: IndexDocument) -> Iterator[IndexFinding]:
    named = [(each.digest, each) for each in index.variants if each.platform]
    for digest, entries in _group(named).items():
        platforms = list(dict.fromkeys(each.platform for each in entries if each.platform))
        if len(platforms) > 1:
            yield IndexFinding(
                problem=IndexProblem.SAME_DIGEST,
                subject=_list(platforms),
                what=f"{_list(platforms)} are one and the same image, {digest}: it can be for one "
                "of them at most",
                cure="build each platform for itself; a build without --platform gives every job "
                "the image of its own machine",
            )


def _find_disagreeing(
    index: IndexDocument, configs: Mapping[str, ImageConfig]
) -> Iterator[IndexFinding]:
    for entry in index.variants:
        config = configs.get(entry.digest)
        if config is not None and entry.platform and config.platform != entry.platform:
            says = show_text(str(config.platform))
            yield IndexFinding(
                problem=IndexProblem.CONFIG_DISAGREES,
                subject=str(entry.platform),
                what=f"the entry for {entry.platform} holds an image whose config says {says} "
                f"({entry.digest})",
                cure=f"build it with --platform {entry.platform}; if its files are right, the "
                "config is not: engines choose by the one, and check the other",
            )


def _find_nameless(index: IndexDocument) -> Iterator[IndexFinding]:
    for entry in index.variants:
        if entry.platform is None and not index.is_single:
            yield IndexFinding(
                problem=IndexProblem.NO_PLATFORM,
                subject=entry.digest,
                what=f"the entry {entry.digest} says no platform: engines pass it over",
                cure="add it with its platform (docker manifest annotate, or docker buildx "
                "imagetools create)",
            )


def _find_mixed_types(index: IndexDocument) -> Iterator[IndexFinding]:
    types = dict.fromkeys(each.media_type for each in index.variants if each.media_type)
    if not index.is_single and index.media_type:
        types = {index.media_type: None, **types}
    families = {".docker." in each for each in types}
    if len(families) > 1:
        yield IndexFinding(
            problem=IndexProblem.MIXED_MEDIA_TYPES,
            subject="media types",
            what="media types of Docker and of OCI in one index, which some registries and clients "
            f"refuse: {', '.join(map(show_text, types))}",
            cure="make all of one kind: docker buildx build --output "
            "type=image,oci-mediatypes=true,push=true",
        )


def _group(
    pairs: Iterable[tuple[_Key, EntryDocument]],
) -> dict[_Key, list[EntryDocument]]:
    groups: dict[_Key, list[EntryDocument]] = {}
    for key, entry in pairs:
        groups.setdefault(key, []).append(entry)
    return groups


def _list(platforms: Iterable[Platform], between: str = ", ") -> str:
    return between.join(show_text(str(each)) for each in platforms)
