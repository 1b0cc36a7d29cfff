"""What looking at an image came to, and whether that is good. Nothing was executed for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_multiarch.core.static_parity import StaticDifference, StaticPart

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_multiarch.core.audit import AuditReport, FileFinding
    from pytest_multiarch.core.execution import Execution
    from pytest_multiarch.core.index_checks import IndexFinding
    from pytest_multiarch.core.manifest import EntryDocument, IndexDocument, VariantManifest
    from pytest_multiarch.core.platform import Platform

CLEAN = 0
FOUND = 1
UNSEEN = 2
_BASE_NAME = "org.opencontainers.image.base.name"
_COMPRESSIONS = ("gzip", "zstd")


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectedVariant:
    """One entry of an index, and what was learned of it.

    `system` is what its os-release calls it (`Debian GNU/Linux 12 (bookworm)`), empty if it has
    none. `unpacked` is the size of its layers' archives, in bytes.
    `execution` is a forecast, None where no engine was asked. `problem` says why its files were
    not looked at, empty if they were; then there is an audit.
    """

    entry: EntryDocument
    manifest: VariantManifest | None = None
    audit: AuditReport | None = None
    system: str = ""
    unpacked: int = 0
    execution: Execution | None = None
    problem: str = ""

    @property
    def platform(self) -> Platform | None:
        """What its entry says, else its config; None if neither is known."""
        if self.entry.platform is not None or self.manifest is None:
            return self.entry.platform
        return self.manifest.platform

    @property
    def created(self) -> str:
        """When it was built, as its config says: `2026-08-01T12:00:00Z`."""
        found = self.manifest.document.get("created") if self.manifest else ""
        return found if isinstance(found, str) else ""

    @property
    def layers(self) -> Mapping[str, int]:
        """The stored size of each of its layers by digest; one that it has twice is stored once."""
        return {each.digest: each.size for each in self.manifest.layers} if self.manifest else {}

    @property
    def open_findings(self) -> tuple[FileFinding, ...]:
        """The findings of its audit that nothing allows."""
        return self.audit.open_findings if self.audit else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Bytes of the layers of several variants: each variant by itself, and stored together."""

    apart: int
    together: int

    @property
    def shared(self) -> int:
        """What is stored once and used by several."""
        return self.apart - self.together


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What looking at an image came to.

    `source` says where it was read. `variants` are those that were asked for. `differences` are of
    all parts, allowed ones among them; only those of the `deciding` parts are findings. `notes`
    say what else a reader has to know.
    """

    reference: str
    source: str
    index: IndexDocument
    variants: tuple[InspectedVariant, ...] = ()
    required: tuple[Platform, ...] = ()
    index_findings: tuple[IndexFinding, ...] = ()
    baseline: Platform | None = None
    differences: tuple[StaticDifference, ...] = ()
    deciding: frozenset[StaticPart] = frozenset({StaticPart.CONFIG})
    notes: tuple[str, ...] = ()

    @property
    def unseen(self) -> tuple[InspectedVariant, ...]:
        """The variants whose files could not be looked at."""
        return tuple(each for each in self.variants if each.problem)

    @property
    def deciding_differences(self) -> tuple[StaticDifference, ...]:
        """The differences that nothing allows, of the parts that decide."""
        return tuple(
            each for each in self.differences if each.part in self.deciding and not each.allowed
        )

    @property
    def count(self) -> int:
        """How many findings there are."""
        files = sum(len(each.open_findings) for each in self.variants)
        return len(self.index_findings) + files + len(self.deciding_differences)

    @property
    def status(self) -> int:
        """The exit status: what was found counts before what could not be looked at."""
        if self.count:
            return FOUND
        return UNSEEN if self.unseen or not self.variants else CLEAN

    @property
    def base_name(self) -> str:
        """The image it was built from, as its annotations say; empty if none does."""
        manifests = [each.manifest.annotations for each in self.variants if each.manifest]
        entries = [each.entry.annotations for each in self.variants]
        found = (each.get(_BASE_NAME) for each in (self.index.annotations, *entries, *manifests))
        return next(filter(None, found), "")

    @property
    def systems(self) -> Mapping[str, tuple[InspectedVariant, ...]]:
        """The variants by what their os-release calls them."""
        seen = [each for each in self.variants if not each.problem]
        names = dict.fromkeys(each.system for each in seen)
        return {name: tuple(each for each in seen if each.system == name) for name in names}

    @property
    def is_compressed(self) -> bool:
        """Whether stored sizes are what a pull transfers: some engines keep layers unpacked."""
        types = [
            layer.media_type for v in self.variants if v.manifest for layer in v.manifest.layers
        ]
        return not types or any(each.endswith(_COMPRESSIONS) for each in types)

    def measure_stored(self) -> Sizes:
        """Add up the layers as they are stored."""
        together = {k: size for each in self.variants for k, size in each.layers.items()}
        apart = sum(sum(each.layers.values()) for each in self.variants)
        return Sizes(apart=apart, together=sum(together.values()))

    def measure_shared(self, variant: InspectedVariant) -> int:
        """Add up the stored bytes of a variant's layers that another variant has too."""
        others = {digest for each in self.variants if each is not variant for digest in each.layers}
        return sum(size for digest, size in variant.layers.items() if digest in others)


def read_system(release: str) -> str:
    """Give the name in the text of an os-release file; empty if it has none (os-release(5))."""
    found = dict(line.partition("=")[::2] for line in release.splitlines() if "=" in line)
    name = found.get("PRETTY_NAME") or found.get("NAME") or ""
    return name.strip().strip("\"'")
