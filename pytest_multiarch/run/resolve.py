"""From a reference and a platform to a pinned variant that the node has.

What an engine has under a name wins, as with `docker run`; what is missing comes from the same
index, so that all platforms of a session are variants of one image even if its tag moves.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, cast

from pytest_multiarch.core.errors import (
    EngineError,
    EngineGoneError,
    ImageAccessError,
    ImageError,
    ImageNotFoundError,
    MultiarchError,
    PlatformMissingError,
    UsageError,
    WrongArchitectureError,
)
from pytest_multiarch.core.index import ImageConfig, ImageIndex, parse_image_config
from pytest_multiarch.core.reference import ImageReference
from pytest_multiarch.core.variant import ResolvedVariant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.ports import Engine, LocalImage, Registry, TellBytes


class PullPolicy(Enum):
    """When an image is fetched; the words are those of `docker run --pull`."""

    MISSING = "missing"
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """Where the variants of a reference come from: the engine, a registry, or both."""

    reference: ImageReference
    local: LocalImage | None
    remote: ImageIndex | None
    problem: str = ""
    """Why the registry could not tell of the other platforms of a local image."""


class Resolver:
    """Resolves references on one node, each once."""

    def __init__(
        self,
        engine: Engine,
        open_registry: Callable[[], Registry],
        *,
        pull: PullPolicy,
        lock_pull: Callable[[str], AbstractContextManager[None]],
        show_progress: Callable[[str], AbstractContextManager[TellBytes]],
    ) -> None:
        self._engine = engine
        self._open_registry = open_registry
        self._pull = pull
        self._lock_pull = lock_pull
        self._show_progress = show_progress
        self._lock = threading.RLock()
        self._registry: Registry | None = None
        self._pulled: set[str] = set()
        self._sources: dict[str, _Source] = {}
        self._variants: dict[tuple[str, Platform], ResolvedVariant | MultiarchError] = {}
        self._built: dict[str, dict[Platform, str]] = {}

    def note_built(self, reference: ImageReference, ids: Mapping[Platform, str]) -> None:
        """Have a reference stand for what this run built: the engine's ids, by platform."""
        with self._lock:
            self._built.setdefault(reference.text, {}).update(ids)

    def resolve(self, reference: ImageReference, platform: Platform) -> ResolvedVariant:
        """Give the platform's variant, on the node and checked.

        Raises:
            ImageError: there is no such image or variant, or it is not what its entry says;
                the same error again each time it is asked for.
            EngineError: the engine refuses, or the registry cannot be reached; remembered too,
                since each attempt may take its whole deadline.
            EngineGoneError: the engine stopped answering; it is asked again next time.
        """
        key = (reference.text, platform)
        with self._lock:
            if key not in self._variants:
                try:
                    built = self._built.get(reference.text)
                    self._variants[key] = (
                        self._resolve(self._find_source(reference), platform)
                        if built is None
                        else self._resolve_built(reference, platform, built)
                    )
                except EngineGoneError:
                    raise
                except MultiarchError as error:
                    self._variants[key] = error
            found = self._variants[key]
            if reference.text in self._built and isinstance(found, ResolvedVariant):
                found = self._variants[key] = self._follow_built(reference, found)
        if isinstance(found, MultiarchError):
            raise found.with_traceback(None)
        return found

    def _resolve_built(
        self, reference: ImageReference, platform: Platform, ids: Mapping[Platform, str]
    ) -> ResolvedVariant:
        """Take what was built, whatever the policy of pulling: no registry can have it."""
        if platform not in ids:
            raise PlatformMissingError(
                f"{reference} was not built for {platform}",
                cure="a platform is built if a test of the session needs it",
            )
        local = self._engine.find_image(ids[platform])
        if local is None:
            raise ImageNotFoundError(
                f"{reference} for {platform} is gone from {self._engine.address}",
                cure="it was built again or removed during the run; build it in one run at a time",
            )
        if local.index is None:
            return _resolve_single(
                reference, local, platform, problem="built for another", engine=self._engine
            )
        return self._resolve_in_store(reference, local, local.index, platform)

    def _follow_built(self, reference: ImageReference, found: ResolvedVariant) -> ResolvedVariant:
        """Take the same variant from under the name, should another run have built it again.

        With nothing changed the index is another all the same: provenance has times in it.
        """
        if found.kind != "manifest" or self._engine.find_image(found.create_image) is not None:
            return found
        again = self._engine.find_image(reference.text)
        entries = again.index.entries if again is not None and again.index is not None else ()
        if again is None or found.digest not in [each.digest for each in entries]:
            return found
        self._built[reference.text][found.platform] = again.id
        return replace(found, create_image=again.id)

    def _find_source(self, reference: ImageReference) -> _Source:
        if reference.text not in self._sources:
            self._sources[reference.text] = self._look_up(reference)
        return self._sources[reference.text]

    def _look_up(self, reference: ImageReference) -> _Source:
        local = None
        if self._pull is not PullPolicy.ALWAYS or reference.is_local_id:
            local = self._engine.find_image(reference.text)
        if local is not None:
            remote, problem = self._find_origin(reference, local)
            return _Source(reference=reference, local=local, remote=remote, problem=problem)
        if self._pull is PullPolicy.NEVER or reference.is_local_id:
            raise ImageNotFoundError(
                f"{reference} is not on {self._engine.address}",
                cure="build or load it there"
                + ("" if reference.is_local_id else ", or allow pulling: --multiarch-pull=missing"),
            )
        return _Source(reference=reference, local=None, remote=self._read_remote(reference))

    def _find_origin(
        self, reference: ImageReference, local: LocalImage
    ) -> tuple[ImageIndex | None, str]:
        """Find the index that a classic store's single variant came from, if it was pulled.

        Else say why not; the image's own platform still runs, from the store.
        """
        if local.index is not None:
            return None, ""
        if self._pull is PullPolicy.NEVER:
            return None, "--multiarch-pull=never"
        single: ImageIndex | None = None
        for pin in local.repo_digests:
            origin = ImageReference.parse(pin)
            if (origin.registry, origin.repository) != (reference.registry, reference.repository):
                continue
            try:
                index = self.registry.read_index(origin)
            except (ImageError, EngineError) as error:
                return None, error.headline
            # An image that was also pulled by its own digest has that among them.
            if not index.is_single:
                return index, ""
            single = index
        if single is not None:
            return single, ""
        return None, "it was built or loaded here, so that no registry has the rest"

    def _read_remote(self, reference: ImageReference) -> ImageIndex:
        try:
            return self.registry.read_index(reference)
        except ImageNotFoundError as error:
            raise ImageNotFoundError(
                f"{reference} is neither on {self._engine.address} nor in its registry: "
                f"{error.what}",
                cure=error.cure or "check the name and the tag, or build and load it first",
            ) from None
        except EngineError as error:
            raise EngineError(
                f"{reference} is not on {self._engine.address}, and {error.what}",
                cure=f"check the name and the tag, build or load the image first, or {error.cure}",
            ) from None

    @property
    def registry(self) -> Registry:
        """The registry client, made when it is first needed."""
        if self._registry is None:
            self._registry = self._open_registry()
        return self._registry

    def _resolve(self, source: _Source, platform: Platform) -> ResolvedVariant:
        if source.remote is not None:
            return self._resolve_remote(source.reference, source.remote, platform)
        local = cast("LocalImage", source.local)  # a source has the one or the other
        if local.index is None:
            return _resolve_single(
                source.reference, local, platform, problem=source.problem, engine=self._engine
            )
        return self._resolve_in_store(source.reference, local, local.index, platform)

    def _resolve_remote(
        self, reference: ImageReference, index: ImageIndex, platform: Platform
    ) -> ResolvedVariant:
        entry = index.select(platform, reference=reference.text)
        manifest = self.registry.read_manifest(reference, entry.digest)
        config = self.registry.read_config(reference, manifest)
        _check_config(reference, platform, config)
        pin = reference.pin(entry.digest)
        self._fetch(reference, pin, platform)
        return ResolvedVariant(
            reference=reference,
            platform=platform,
            kind="manifest",
            digest=entry.digest,
            config_digest=manifest.config_digest,
            config=config,
            create_image=pin,
            create_platform=self._platform_to_create(platform),
            index=None if index.is_single else index,
            size=manifest.size,
        )

    def _fetch(self, reference: ImageReference, pin: str, platform: Platform) -> None:
        if self._engine.find_image(pin) is not None:
            return
        if self._pull is PullPolicy.NEVER:
            raise ImageNotFoundError(
                f"{pin} is not on {self._engine.address}",
                cure="allow pulling: --multiarch-pull=missing",
            )
        with self._lock_pull(pin):
            if self._engine.find_image(pin) is None:
                with self._show_progress(f"pulling {reference} for {platform}") as tell:
                    self._engine.pull(pin, platform, tell=tell)
                self._pulled.add(pin)

    def fetch_again(self, variant: ResolvedVariant) -> dict[str, float]:
        """Remove a variant that was pulled here and pull it again; give the parts, in seconds.

        What comes after the last byte that the engine tells of is unpacking; of a small image it
        tells nothing, and all is `pull`.

        Raises:
            UsageError: it was on the engine before, and may be somebody else's.
            EngineError: the engine does not let it go.
        """
        pin, platform = variant.create_image, variant.platform
        if pin not in self._pulled:
            raise UsageError(
                f"{variant.reference} was on {self._engine.address} before this session",
                cure=f"remove it before: docker image rm {variant.reference}",
            )
        last_s = 0.0

        def note(done: int, total: int) -> None:
            nonlocal last_s
            last_s = time.perf_counter()
            tell(done, total)

        with self._lock_pull(pin), self._show_progress(f"pulling {pin} for {platform}") as tell:
            self._engine.remove_image(pin)
            begun_s = time.perf_counter()
            self._engine.pull(pin, platform, tell=note)
            ended_s = time.perf_counter()
        if not last_s:
            return {"pull": ended_s - begun_s}
        return {"fetch": last_s - begun_s, "unpack": ended_s - last_s}

    def _platform_to_create(self, platform: Platform) -> Platform | None:
        """The classic store knows the pinned variant by its digest alone, and old engines compare
        the platform's spelling."""
        return platform if self._engine.read_facts().has_containerd_store else None

    def _resolve_in_store(
        self, reference: ImageReference, local: LocalImage, index: ImageIndex, platform: Platform
    ) -> ResolvedVariant:
        entry = index.select(platform, reference=reference.text)
        if platform not in local.available:
            return self._complete_from_registry(reference, index, platform)
        config = self._engine.read_variant_config(local.id, platform)
        if config is None:
            config = self._export_config(reference, local, entry.digest)
        _check_config(reference, platform, config)
        return ResolvedVariant(
            reference=reference,
            platform=platform,
            kind="manifest",
            digest=entry.digest,
            config_digest=config.digest,
            config=config,
            create_image=local.id,
            create_platform=platform,
            index=None if index.is_single else index,
            size=local.sizes.get(entry.digest, 0),
        )

    def _export_config(
        self, reference: ImageReference, local: LocalImage, manifest_digest: str
    ) -> ImageConfig:
        manifest = self._read_exported(reference, local, manifest_digest)
        digest = str(manifest["config"]["digest"])
        return parse_image_config(self._read_exported(reference, local, digest), digest=digest)

    def _read_exported(
        self, reference: ImageReference, local: LocalImage, digest: str
    ) -> dict[str, Any]:
        blobs = self._engine.read_image_blobs(local.id, [digest])
        if digest not in blobs:
            raise ImageError(
                f"{reference}: {self._engine.address} does not export {digest}, which its index "
                "names",
                cure="pull or load the image again",
            )
        document: dict[str, Any] = json.loads(blobs[digest])
        return document

    def _complete_from_registry(
        self, reference: ImageReference, index: ImageIndex, platform: Platform
    ) -> ResolvedVariant:
        """The tag was pulled for other platforms: fetch this one from the same index."""
        if self._pull is PullPolicy.NEVER or reference.is_local_id:
            reason = (
                "an id says no registry to get it from"
                if reference.is_local_id
                else "pulling is not allowed (--multiarch-pull=never)"
            )
            raise self._explain_absent(reference, platform, reason)
        try:
            return self._resolve_remote(reference, index, platform)
        except (ImageNotFoundError, ImageAccessError) as error:
            raise self._explain_absent(reference, platform, error.what) from None

    def _explain_absent(
        self, reference: ImageReference, platform: Platform, reason: str
    ) -> PlatformMissingError:
        pull = (
            "" if reference.is_local_id else f"docker pull --platform {platform} {reference}, or "
        )
        return PlatformMissingError(
            f"{reference} on {self._engine.address} lists {platform} but lacks it: {reason}",
            cure=f"{pull}build it again for {platform} too",
        )


def _resolve_single(
    reference: ImageReference,
    local: LocalImage,
    platform: Platform,
    *,
    problem: str,
    engine: Engine,
) -> ResolvedVariant:
    config = local.config
    if config is None:
        raise ImageError(f"{reference}: the engine does not say what the image is for")
    if config.platform != platform:
        is_podman = engine.read_facts().product == "Podman"
        store = "Podman" if is_podman else "the classic image store"
        build = (
            "turn on Docker's containerd image store and build with docker buildx build "
            "--platform ... --load, or "
        )
        raise PlatformMissingError(
            f"{reference} on this engine is for {config.platform} only; there is no {platform}: "
            f"{store} keeps one platform under a name, and the others cannot be had: {problem}",
            cure=f"{'' if is_podman else build}push the image to a registry",
        )
    return ResolvedVariant(
        reference=reference,
        platform=platform,
        kind="config",
        digest=local.id,
        config_digest=local.id,
        config=replace(config, digest=local.id),
        create_image=local.id,
        create_platform=None,
        unpacked_size=local.unpacked_size,
    )


def _check_config(reference: ImageReference, platform: Platform, config: ImageConfig) -> None:
    if config.platform != platform:
        error = WrongArchitectureError(
            f"{reference}: the entry for {platform} holds an image that says it is for "
            f"{config.platform}",
            cure="rebuild that entry; the index is shown by docker buildx imagetools inspect "
            f"{reference}",
        )
        error.is_of_image = True
        raise error
