"""What is behind a reference: an index of variants, or a single image.

Read from the JSON documents of the OCI image specification and of Docker's schema 2.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.errors import ImageError, PlatformMissingError
from pytest_multiarch.core.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    return PlatformMissingError(
        f"{reference} has no variant for {platform}: it {kind} {has}",
        cure=f"build it for {platform} too (docker buildx build --platform "
        f"{','.join(str(each) for each in (*index.platforms, platform))} ...), "
        f"or take {platform} out of the platforms mark",
    )


def parse_index(document: Mapping[str, Any], *, digest: str) -> ImageIndex:
    """Read an image index or manifest list.

    Raises:
        ImageError: the document is not one.
    """
    manifests = document.get("manifests")
    if not isinstance(manifests, list):
        raise ImageError(f"{digest} is not an image index: it has no list of manifests")
    entries = tuple(
        IndexEntry(
            platform=_parse_platform(entry.get("platform") or {}),
            digest=str(entry.get("digest", "")),
            media_type=str(entry.get("mediaType", "")),
            size=int(entry.get("size", 0)),
        )
        for entry in manifests
        if isinstance(entry, dict) and not is_attestation(entry)
    )
    return ImageIndex(digest=digest, entries=entries)


def is_attestation(entry: Mapping[str, Any]) -> bool:
    """Tell BuildKit's attestation entries, which no platform can run, from variants."""
    platform = entry.get("platform") or {}
    annotations = entry.get("annotations") or {}
    return (
        platform.get("architecture") == "unknown"
        or "vnd.docker.reference.type" in annotations
        or entry.get("Kind") == "attestation"
    )


def _parse_platform(document: Mapping[str, Any]) -> Platform:
    return Platform.of_image(
        str(document.get("os", "")),
        str(document.get("architecture", "unknown")),
        str(document.get("variant", "")),
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
    """Read an OCI image config, or an engine's image inspect, which spells it with capitals."""
    lower = {key.lower(): value for key, value in document.items()}
    config: Mapping[str, Any] = lower.get("config") or {}
    return ImageConfig(
        platform=Platform.of_image(
            str(lower.get("os") or ""),
            str(lower.get("architecture") or "unknown"),
            str(lower.get("variant") or ""),
        ),
        digest=digest,
        entrypoint=_strings(config.get("Entrypoint")),
        cmd=_strings(config.get("Cmd")),
        env=_strings(config.get("Env")),
        user=str(config.get("User") or ""),
        workdir=str(config.get("WorkingDir") or ""),
        exposed_ports=tuple(sorted(config.get("ExposedPorts") or {})),
        healthcheck=_parse_healthcheck(config.get("Healthcheck")),
        settings=config,
        diff_ids=_parse_diff_ids(lower.get("rootfs")),
    )


def _parse_diff_ids(document: Any) -> tuple[str, ...]:
    """Read `rootfs` of a config, or `RootFS` of an engine's image inspect."""
    if not isinstance(document, dict):
        return ()
    return _strings(document.get("diff_ids") or document.get("Layers"))


def _strings(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(str(each) for each in value or ())


def _parse_healthcheck(document: Mapping[str, Any] | None) -> HealthCheck | None:
    if not document or not document.get("Test") or document["Test"][0] == "NONE":
        return None
    default = HealthCheck()
    return HealthCheck(
        interval_s=(document.get("Interval") or 0) / 1e9 or default.interval_s,
        timeout_s=(document.get("Timeout") or 0) / 1e9 or default.timeout_s,
        start_period_s=(document.get("StartPeriod") or 0) / 1e9,
        retries=document.get("Retries") or default.retries,
    )
