"""Publish what was tested: push it under its digests, read it back, and only then set the tag.

Whatever goes wrong before the tag is set leaves it as it was: until then everything has only a
digest for a name.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pytest_multiarch.core.digest import verify_digest
from pytest_multiarch.core.errors import (
    EngineError,
    ImageError,
    ImageNotFoundError,
    MultiarchError,
    WrongArchitectureError,
)
from pytest_multiarch.core.image_document import Descriptor, parse_document, read_text
from pytest_multiarch.core.index import (
    INDEX_MEDIA_TYPES,
    MANIFEST_MEDIA_TYPES,
    parse_image_config,
)
from pytest_multiarch.core.manifest import is_index_document, parse_config_digest
from pytest_multiarch.core.published_index import (
    IndexPart,
    PublishedIndex,
    SourceIndex,
    assemble_index,
    list_blobs,
)
from pytest_multiarch.core.publishing import Publication, PublishedVariant, Refusal
from pytest_multiarch.run.progress import ShowProgress, show_nothing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.ports import (
        ByteStream,
        ContentSource,
        FoundVariant,
        PushTarget,
        TellBytes,
        VariantPlace,
    )
    from pytest_multiarch.core.publishing import PublishPlan, TestedVariant


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishTools:
    """What publishing needs of the outside. `engine` is None where there is none.

    `engine_problem` says why there is none. `own_nodes` are those of single platforms.
    """

    target: PushTarget
    registry: VariantPlace
    engine: VariantPlace | None = None
    own_nodes: Mapping[Platform, VariantPlace] = field(default_factory=dict)
    engine_problem: str = ""
    show_progress: ShowProgress = show_nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    """A manifest to be sent, and the blobs that it is made of."""

    manifest: Descriptor
    data: bytes = field(repr=False)
    blobs: tuple[Descriptor, ...]

    @property
    def size(self) -> int:
        return len(self.data) + sum(each.size for each in self.blobs)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A tested variant with all that belongs to it."""

    tested: TestedVariant
    place: VariantPlace
    content: ContentSource
    variant: _Item
    attestations: tuple[_Item, ...] = ()
    part: IndexPart
    notes: tuple[str, ...] = ()

    @property
    def items(self) -> tuple[_Item, ...]:
        return (self.variant, *self.attestations)


def publish(
    plan: PublishPlan,
    tools: PublishTools,
    *,
    allows_moved: bool = False,
    is_dry_run: bool = False,
) -> Publication:
    """Push the variants of a plan and their index, verify them, and set the tag.

    A plan with refusals, or variants whose name has moved since the test (unless `allows_moved`),
    push nothing. A dry run looks at everything and pushes nothing.

    Raises:
        ImageError: a tested variant is nowhere to be found, or is not what the record says.
        EngineError, ImageAccessError: a registry or an engine cannot be reached, or refuses.
    """
    target = tools.target
    outcome = Publication(tag=target.name, notes=plan.notes, refusals=plan.refusals)
    if plan.refusals:
        return outcome
    previous = target.read_tag()
    finder = _Finder(tools)
    found = tuple(map(finder.find, plan.variants))
    refusals, moved = _look_for_moves(found, tools.registry, allows_moved)
    notes = (*plan.notes, *(note for each in found for note in each.notes), *moved)
    index = assemble_index([each.part for each in found])
    outcome = replace(
        outcome,
        digest=index.digest,
        previous=previous,
        is_as_tested=index.is_as_tested
        and all(each.tested.index in ("", index.digest) for each in found),
        variants=tuple(_describe(each, sent=0) for each in found),
        refusals=refusals,
        notes=notes,
    )
    if refusals:
        return outcome
    target.check_access()
    sender = _Sender(tools, is_dry_run=is_dry_run)
    sent = tuple(_describe(each, sent=sender.send(each)) for each in found)
    outcome = replace(outcome, variants=sent)
    if is_dry_run:
        return outcome
    _verify(target, found, index)
    _set_tag(target, index, previous)
    return replace(outcome, is_done=True)


def _describe(found: _Found, *, sent: int) -> PublishedVariant:
    return PublishedVariant(
        tested=found.tested,
        digest=found.variant.manifest.digest,
        config_digest=found.variant.blobs[0].digest,
        source=found.content.name if found.content.repository[0] else found.place.name,
        attestations=tuple(each.manifest.digest for each in found.attestations),
        size=sum(each.size for each in found.items),
        sent=sent,
    )


class _Finder:
    """Finds tested variants, in the place that they came from first."""

    def __init__(self, tools: PublishTools) -> None:
        self._tools = tools

    def find(self, tested: TestedVariant) -> _Found:
        registry = self._tools.registry
        own = self._tools.own_nodes.get(tested.platform)
        engines = [each for each in (own, self._tools.engine) if each is not None]
        places = [registry, *engines] if tested.came_from_registry else [*engines, registry]
        problems: list[MultiarchError] = []
        for place in places:
            try:
                return self._take(tested, place, place.find(tested))
            except (ImageError, EngineError) as error:
                problems.append(error)
        reasons = [*_tell_rebuilt(tested, engines), *(each.headline for each in problems)]
        if self._tools.engine is None and self._tools.engine_problem:
            reasons.append(f"no engine was asked: {self._tools.engine_problem}")
        # That nobody could look is another thing than that it is nowhere.
        kind = EngineError if isinstance(problems[0], EngineError) else ImageNotFoundError
        raise kind(
            f"the variant of {tested.platform} that was tested, {tested.digest}, cannot be had: "
            f"{'; '.join(reasons)}",
            cure="publish on the machine that has it, or push it where this machine can read it, "
            "and test that; what was built anew has to be tested anew",
        )

    def _take(self, tested: TestedVariant, place: VariantPlace, found: FoundVariant) -> _Found:
        content = found.content
        variant = _read_item(content, found.digest)
        _check_identity(tested, content, variant)
        source = _read_source(content, found.index, variant.manifest.digest)
        entries = source.find_attestations(variant.manifest.digest) if source else ()
        attestations, notes = [], []
        kept = []
        for entry in entries:
            digest = str(entry["digest"])
            try:
                attestations.append(_read_item(content, digest))
                kept.append(entry)
            except ImageNotFoundError:
                notes.append(
                    f"the attestation {digest} of {tested.platform} is left out: {place.name} "
                    "does not have it"
                )
        part = IndexPart(
            platform=tested.platform,
            manifest=variant.manifest,
            source=source,
            attestations=tuple(kept),
        )
        return _Found(
            tested=tested,
            place=place,
            content=content,
            variant=variant,
            attestations=tuple(attestations),
            part=part,
            notes=tuple(notes),
        )


def _tell_rebuilt(tested: TestedVariant, engines: Iterable[VariantPlace]) -> Iterator[str]:
    """Say of which engine's image the tested variant is gone since it was made anew."""
    for engine in engines:
        with contextlib.suppress(ImageError, EngineError):
            current = engine.read_current(tested)
            if current is not None and current != tested.digest:
                now = f"is {current}" if current else f"has no {tested.platform}"
                yield f"{tested.reference} was built again since the test, and {now} by now"


def _read_item(content: ContentSource, digest: str) -> _Item:
    data = content.read_document("manifests", digest)
    what = f"{digest} in {content.name}"
    verify_digest(data, digest, where=content.name)
    document = parse_document(data, what=what)
    if is_index_document(document, what=what):
        raise ImageError(f"{what} is an index, expected the manifest of one image")
    default = MANIFEST_MEDIA_TYPES[0]
    manifest = Descriptor(
        digest=digest,
        media_type=read_text(document, "mediaType", what=what) or default,
        size=len(data),
    )
    return _Item(manifest=manifest, data=data, blobs=list_blobs(document, what=what))


def _check_identity(tested: TestedVariant, content: ContentSource, variant: _Item) -> None:
    """Hold what was found against what was tested: its digests, and what it is for."""
    digest = variant.manifest.digest
    document = parse_document(variant.data, what=digest)
    config_digest = parse_config_digest(document, digest=digest)
    expected = tested.digest if tested.kind == "config" else tested.config_digest
    is_other = tested.kind == "manifest" and digest != tested.digest
    if is_other or (expected and config_digest != expected):
        raise ImageError(
            f"{content.name} has another image for {tested.platform} than was tested: "
            f"{digest} with the config {config_digest}",
            cure="test it, and publish the record of that",
        )
    data = content.read_document("blobs", config_digest)
    verify_digest(data, config_digest, where=content.name)
    config = parse_image_config(
        parse_document(data, what=f"the config {config_digest}"), digest=config_digest
    )
    if config.platform != tested.platform:
        raise WrongArchitectureError(
            f"{tested.digest} was tested as {tested.platform} and says it is for {config.platform}",
            cure="build it anew for its platform, and test that",
        )


def _read_source(content: ContentSource, digest: str, variant: str) -> SourceIndex | None:
    """Read the index that a variant was found by; None if it is no longer there, or not of it."""
    if not digest or digest == variant:
        return None
    try:
        data = content.read_document("manifests", digest)
    except ImageNotFoundError:
        return None
    what = f"the index {digest}"
    document = parse_document(data, what=what)
    if not is_index_document(document, what=what):
        return None
    media_type = read_text(document, "mediaType", what=what) or INDEX_MEDIA_TYPES[0]
    source = SourceIndex(digest=digest, media_type=media_type, data=data, document=document)
    return source if source.find_entry(variant) else None


def _look_for_moves(
    found: Iterable[_Found], registry: VariantPlace, allows_moved: bool
) -> tuple[tuple[Refusal, ...], tuple[str, ...]]:
    """Tell of names that now stand for something else than was tested."""
    refusals, notes = [], []
    for each in found:
        tested = each.tested
        # What an engine pulled for the test it keeps, whatever becomes of the name.
        place = registry if tested.came_from_registry else each.place
        try:
            current = place.read_current(tested)
        except (ImageError, EngineError):
            if place is each.place:
                raise
            continue
        if current is None or current == tested.digest:
            continue
        now = f"is {current}" if current else "is not there"
        what = (
            f"{tested.reference} has moved since the test: its variant for {tested.platform} now "
            f"{now} in {place.name}, and {tested.digest} was tested"
        )
        if allows_moved:
            notes.append(f"{what}; what was tested is published")
        else:
            refusals.append(
                Refusal(
                    what=what,
                    cure="test what is there now, or publish what was tested all the same: "
                    "--allow-moved",
                )
            )
    return tuple(refusals), tuple(notes)


class _Sender:
    """Sends what the target lacks, each thing once."""

    def __init__(self, tools: PublishTools, *, is_dry_run: bool) -> None:
        self._tools = tools
        self._target = tools.target
        self._is_dry_run = is_dry_run
        self._there: set[str] = set()

    def send(self, found: _Found) -> int:
        """Send a variant with its attestations: blobs, then manifests; give the bytes sent."""
        blobs = {each.digest: each for item in found.items for each in item.blobs}
        missing = {
            digest: each
            for digest, each in blobs.items()
            if digest not in self._there and not self._is_there(digest, found.content)
        }
        total = sum(each.size for each in missing.values())
        if not self._is_dry_run:
            task = f"pushing {found.tested.platform} to {self._target.name}"
            with self._tools.show_progress(task) as tell:
                self._send_blobs(found.content, missing, tell, total)
            for item in (*found.attestations, found.variant):
                manifest = item.manifest
                self._target.put_manifest(manifest.digest, manifest.media_type, item.data)
        self._there |= blobs.keys()
        return total

    def _is_there(self, digest: str, content: ContentSource) -> bool:
        if self._target.has_blob(digest):
            return True
        registry, repository = content.repository
        can_mount = registry and (registry, repository) != self._target.repository
        if not can_mount or registry != self._target.repository[0] or self._is_dry_run:
            return False
        return self._target.mount_blob(digest, repository)

    def _send_blobs(
        self,
        content: ContentSource,
        missing: Mapping[str, Descriptor],
        tell: TellBytes,
        total: int,
    ) -> None:
        left = dict(missing)
        done = 0
        for digest, stream in content.stream_blobs(tuple(missing)):
            blob = left.pop(digest)
            told = _TellingStream(stream, tell, done, total)
            self._target.put_blob(digest, blob.size, told)
            done += blob.size
        if left:
            raise ImageNotFoundError(
                f"{content.name} does not have {', '.join(left)}, which a tested variant is made "
                "of",
                cure="build or pull the image again, and test that",
            )


class _TellingStream:
    """A stream that tells how far all of a task is."""

    def __init__(self, stream: ByteStream, tell: TellBytes, done: int, total: int) -> None:
        self._stream = stream
        self._tell = tell
        self._done = done
        self._total = total

    def read(self, size: int, /) -> bytes:
        """Give at most `size` bytes, none at the end."""
        data = self._stream.read(size)
        self._done += len(data)
        self._tell(self._done, self._total)
        return data


def _verify(target: PushTarget, found: Sequence[_Found], index: PublishedIndex) -> None:
    """Send the index under its digest, and read all of it back from the registry."""
    target.put_manifest(index.digest, index.media_type, index.data)
    manifests = {i.manifest.digest: i.data for each in found for i in each.items}
    for digest, data in {index.digest: index.data, **manifests}.items():
        if target.read_manifest(digest) != data:
            raise _explain_other(target, digest)
    for digest in dict.fromkeys(b.digest for each in found for i in each.items for b in i.blobs):
        if not target.has_blob(digest):
            raise EngineError(
                f"the registry {target.repository[0]} took {digest} and does not have it",
                cure=_untouched(target),
            )


def _explain_other(target: PushTarget, digest: str) -> ImageError:
    return ImageError(
        f"the registry {target.repository[0]} gives something else back for {digest} than was sent",
        cure=_untouched(target),
    )


def _untouched(target: PushTarget) -> str:
    return f"the tag {target.name} was left as it was; ask who runs the registry"


def _set_tag(target: PushTarget, index: PublishedIndex, previous: str) -> None:
    try:
        target.put_tag(index.media_type, index.data)
    except EngineError as error:
        raise EngineError(
            f"{error.what}; {_describe_tag(target, index, previous)}", cure=error.cure
        ) from None
    found = target.read_tag()
    if found != index.digest:
        raise ImageError(
            f"{target.name} was set to {index.digest}, and the registry says that it is "
            f"{found or 'not there'}",
            cure="somebody else may have pushed at the same time: see which it is to be, and "
            "publish again",
        )


def _describe_tag(target: PushTarget, index: PublishedIndex, previous: str) -> str:
    """Say what a tag names after it could not be said whether it was set."""
    try:
        found = target.read_tag()
    except (ImageError, EngineError):
        return f"whether the tag {target.name} was set cannot be told"
    if found == index.digest:
        return f"the tag {target.name} is set all the same"
    if found == previous:
        return f"the tag {target.name} is as it was"
    return f"the tag {target.name} now names {found or 'nothing'}"
