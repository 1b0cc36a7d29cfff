"""What is behind a reference: an index of variants, or a single image.

Read from the JSON documents of the OCI image specification and of Docker's schema 2.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.errors import ImageError, PlatformMissingError
from pytest_multiarch.core.image_document import (
    parse_descriptor,
    read_number,
    read_object,
    read_objects,
    read_platform,
    read_text,
    read_texts,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_multiarch.core.platform import Platform

INDEX_MEDIA_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFEST_MEDIA_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEntry:
    """One variant of an index; attestations are not entries."""

    platform: Platform
    digest: str
    media_type: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageIndex:
    """The variants behind a reference.

    `digest` is the index's own, or the manifest's where the reference is a single image
    (`is_single`), which then is the only entry.
    """

    digest: str
    entries: tuple[IndexEntry, ...]
    is_single: bool = False

    @property
    def platforms(self) -> tuple[Platform, ...]:
        return tuple(entry.platform for entry in self.entries)

    def select(self, platform: Platform, *, reference: str) -> IndexEntry:
        """Pick the platform's entry, strictly: no fallback to another variant or word size.

        Engines fall back silently (arm64 to arm/v7, amd64 to 386), so that a test would run
        something else than it says.

        Raises:
            PlatformMissingError: no entry has exactly this platform.
        """
        for entry in self.entries:
            if entry.platform == platform:
                return entry
        raise explain_missing_platform(reference, platform, self)


def explain_missing_platform(
    reference: str, platform: Platform, index: ImageIndex
) -> PlatformMissingError:
    """Say which platforms the image has, and what to do about the missing one."""
    has = ", ".join(str(each) for each in index.platforms) or "none at all"
    kind = "is a single image, not an index; it is for" if index.is_single else "has"
    error = PlatformMissingError(
        f"{reference} has no variant for {platform}: it {kind} {has}",
        cure=f"build it for {platform} too (docker buildx build --platform "
        f"{','.join(str(each) for each in (*index.platforms, platform))} ...), "
        f"or take {platform} out of the platforms mark",
    )
    error.is_of_image = True
    return error


def parse_index(document: Mapping[str, Any], *, digest: str) -> ImageIndex:
    """Read an image index or manifest list.

    Raises:
        ImageError: the document is not one.
    """
    manifests = document.get("manifests")
    if not isinstance(manifests, list):
        raise ImageError(f"{digest} is not an image index: it has no list of manifests")
    what = f"the index {digest}"
    found = [each for each in manifests if isinstance(each, dict)]
    variants = [each for each in found if not is_attestation(each, what=what)]
    return ImageIndex(digest=digest, entries=tuple(_parse_entry(each, what) for each in variants))


def _parse_entry(document: Mapping[str, Any], what: str) -> IndexEntry:
    said = parse_descriptor(document, what=what)
    return IndexEntry(
        platform=said.platform or read_platform({}, what=what),
        digest=said.digest,
        media_type=said.media_type,
        size=said.size,
    )


def measure_variant(manifest: Mapping[str, Any], *, manifest_size: int, what: str) -> int:
    """Give the bytes that a variant takes in a registry: its manifest, config and layers."""
    parts = _list_parts(manifest, what)
    return manifest_size + sum(read_number(each, "size", what=what) for each in parts)


def list_blobs(manifest: Mapping[str, Any], *, what: str) -> tuple[str, ...]:
    """Give the digests of what a variant is made of: its config and layers."""
    return tuple(read_text(each, "digest", what=what) for each in _list_parts(manifest, what))


def _list_parts(manifest: Mapping[str, Any], what: str) -> tuple[Mapping[str, Any], ...]:
    config = read_object(manifest, "config", what=what)
    return (config, *read_objects(manifest, "layers", what=what))


def is_attestation(entry: Mapping[str, Any], *, what: str = "an index") -> bool:
    """Tell BuildKit's attestation entries, which no platform can run, from variants."""
    platform = read_object(entry, "platform", what=what)
    annotations = read_object(entry, "annotations", what=what)
    return (
        platform.get("architecture") == "unknown"
        or "vnd.docker.reference.type" in annotations
        or entry.get("Kind") == "attestation"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """What an image's config says of itself, as far as running it needs.

    `env` is the image's own environment; its values are for looking up PATH and are not shown.
    `digest` is the config's, empty where an engine does not tell it. `settings` is the `config`
    object of the document as it was parsed, `diff_ids` those of the layers, the base first.
    """

    platform: Platform
    digest: str = ""
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: tuple[str, ...] = field(default=(), repr=False)
    user: str = ""
    workdir: str = ""
    exposed_ports: tuple[str, ...] = ()
    healthcheck: HealthCheck | None = None
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
    diff_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """An image's HEALTHCHECK; times in seconds, Docker's defaults where it gives none."""

    interval_s: float = 30.0
    timeout_s: float = 30.0
    start_period_s: float = 0.0
    retries: int = 3

    @property
    def budget_s(self) -> float:
        """How long the engine itself may take until it calls the container unhealthy."""
        return self.start_period_s + self.retries * (self.interval_s + self.timeout_s)


def parse_image_config(document: Mapping[str, Any], *, digest: str = "") -> ImageConfig:
    """Read an OCI image config, or an engine's image inspect, which spells it with capitals.

    Raises:
        ImageError: a field is of another type than it has to be.
    """
    what = f"the config {digest}".rstrip()
    lower = {key.lower(): value for key, value in document.items()}
    config = read_object(lower, "config", what=what)
    rootfs = read_object(lower, "rootfs", what=what)
    return ImageConfig(
        platform=read_platform(lower, what=what),
        digest=digest,
        entrypoint=read_texts(config, "Entrypoint", what=what),
        cmd=read_texts(config, "Cmd", what=what),
        env=read_texts(config, "Env", what=what),
        user=read_text(config, "User", what=what),
        workdir=read_text(config, "WorkingDir", what=what),
        exposed_ports=tuple(sorted(read_object(config, "ExposedPorts", what=what))),
        healthcheck=_parse_healthcheck(read_object(config, "Healthcheck", what=what), what),
        settings=config,
        diff_ids=read_texts(rootfs, "Layers" if "Layers" in rootfs else "diff_ids", what=what),
    )


def _parse_healthcheck(document: Mapping[str, Any], what: str) -> HealthCheck | None:
    test = read_texts(document, "Test", what=what)
    if not test or test[0] == "NONE":
        return None
    default = HealthCheck()

    def read_s(key: str) -> float:
        return read_number(document, key, what=what) / 1e9

    return HealthCheck(
        interval_s=read_s("Interval") or default.interval_s,
        timeout_s=read_s("Timeout") or default.timeout_s,
        start_period_s=read_s("StartPeriod"),
        retries=read_number(document, "Retries", what=what) or default.retries,
    )
