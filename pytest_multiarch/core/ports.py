"""Protocols through which the use cases reach the outside.

Every method that talks to an engine raises `EngineError` (or `EngineGoneError` once it stopped
answering), and what else its docstring names; nothing of Docker's own client comes through.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from pytest_multiarch.core.container_options import ContainerOptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from pytest_multiarch.core.audit import AuditReport
    from pytest_multiarch.core.build import BuilderFacts, BuildFinding, BuildRequest
    from pytest_multiarch.core.build_log import BuildLog
    from pytest_multiarch.core.call import FileToCopy
    from pytest_multiarch.core.filetree import Layer
    from pytest_multiarch.core.image_reader import DocumentKind
    from pytest_multiarch.core.index import ImageConfig, ImageIndex
    from pytest_multiarch.core.manifest import (
        EntryDocument,
        IndexDocument,
        StoredLayer,
        VariantManifest,
    )
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.publishing import TestedVariant
    from pytest_multiarch.core.reference import ImageReference

StreamName = Literal["stdout", "stderr"]
TellBytes = Callable[[int, int], None]
"""Told while something large is fetched: how many bytes are there, and of how many."""
TellRounds = Callable[[int, int], None]
"""Told while something is measured: how many rounds are made, and of how many; 0 if unknown."""


TellPlatform = Callable[["Platform", int, int, str], None]
"""Told while something is made for several platforms: which, steps done, of how many, at what."""
TellBuild = Callable[["BuildLog"], None]
"""Told while an image is built, whenever the builder has said something."""


def ignore_bytes(done: int, total: int) -> None:
    """Tell nobody."""
    del done, total


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFacts:
    """What a node says of itself."""

    node: str
    """Its address, for messages: `unix:///var/run/docker.sock`."""
    engine_id: str
    """Its own lasting id; two addresses of one engine have the same."""
    version: str
    api_version: tuple[int, int]
    platform: Platform
    """Of the node's kernel, not of the client."""
    kernel: str
    has_containerd_store: bool
    insecure_registries: tuple[str, ...] = ()
    """Hosts (and CIDR blocks) that it speaks plain HTTP to; loopback need not be listed."""
    product: str = "Docker"
    memory_size: int = 0
    """Of the node's machine, in bytes; 0 if it does not tell."""
    data_root: str = ""
    """The folder on the node in which it keeps images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalImage:
    """An image as an engine has it under a name.

    `index` is what the containerd store keeps, with the platforms whose content is there in
    `available`. The classic store keeps one variant: `index` is None and `config` says which.
    `id` can be given to `create_container` and, unlike the name, does not move.
    `repo_digests`: `name@sha256:...` of what was pulled; empty if it was built locally. `sizes` are
    in bytes, compressed, by the digest of a variant's manifest; the classic store keeps layers
    unpacked, and knows the `unpacked_size` only.
    """

    id: str
    repo_digests: tuple[str, ...] = ()
    index: ImageIndex | None = None
    available: tuple[Platform, ...] = ()
    config: ImageConfig | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    unpacked_size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The manifest of one variant, as far as running needs it.

    `size` is what all of the variant takes in the registry, in bytes, compressed.
    """

    digest: str
    config_digest: str
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSizes:
    """What a variant takes on a node, in bytes: its content as fetched, and unpacked; 0 untold."""

    content: int = 0
    unpacked: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """What to create. `platform` is passed on where `image` can be several variants.

    `aliases` are the names that it has on `network`, beside its own.
    """

    image: str
    platform: Platform | None
    argv: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    user: str = ""
    workdir: str = ""
    network: str = ""
    aliases: tuple[str, ...] = ()
    init: bool | None = None
    options: ContainerOptions = field(default_factory=ContainerOptions)
    ports: tuple[int, ...] = ()
    """Container ports, each published on a free host port."""
    has_stdin: bool = False
    security: tuple[str, ...] = ()
    """As `docker run --security-opt` takes them; what they loosen is the user's choice."""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecSpec:
    """What to execute in a running container."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    user: str = ""
    workdir: str = ""
    has_stdin: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerState:
    """A container as inspected.

    `manifest_digest` is the variant that the engine chose, where it tells (API >= 1.48,
    containerd store). `started_at_s` and `finished_at_s` are seconds of the node's clock since
    1970, None if it did not come to that. `ports`: container port to (address, host port).
    """

    id: str
    image: str
    manifest_digest: str
    is_running: bool
    exit_code: int | None
    error: str
    health: str
    hostname: str
    ip_address: str
    ports: Mapping[int, tuple[str, int]]
    started_at_s: float | None
    finished_at_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PathStat:
    """A path in a container, not followed if it is a link; `link_target` empty if it is none."""

    mode: int
    size: int
    link_target: str
    is_directory: bool


class Attachment(Protocol):
    """The streams of a container's main process, or of an exec."""

    def send(self, data: bytes) -> None:
        """Give the rest of stdin, then close it; returns at once, a thread does the writing."""

    def write(self, data: bytes) -> None:
        """Give some of stdin, which stays open; what the other side cannot take yet is kept."""

    def read(self, *, deadline: float | None) -> tuple[StreamName, bytes] | None:
        """Give the next bytes, at most 64 KiB or so, or None at the end of both streams.

        `deadline` is on `time.monotonic`'s clock. Raises `TimeoutError` once it has passed.
        """

    def close(self) -> None:
        """Let go of the connection; safe to call twice."""


class Engine(Protocol):
    """One node. Methods may be called from several threads at once."""

    @property
    def address(self) -> str:
        """The endpoint, for messages."""

    @property
    def host(self) -> str:
        """The name or address under which published ports are reached from here."""

    def read_facts(self) -> EngineFacts:
        """Ask the node what it is; asked once, then remembered."""

    # Images

    def find_image(self, reference: str) -> LocalImage | None:
        """Look an image up by name, digest or id; None if the engine has none of that name."""

    def read_variant_config(self, image_id: str, platform: Platform) -> ImageConfig | None:
        """Read the config of an image's variant, without the config's own digest.

        None if the engine cannot be asked for it (API < 1.49, or the classic store); the
        documents of an export then tell, which is slow for large images.
        """

    def read_image_sizes(self, image_id: str, digest: str) -> ImageSizes:
        """Give what an image's variant takes, as far as the engine tells; `digest` is its own."""

    def read_image_blobs(self, image_id: str, digests: Iterable[str]) -> Mapping[str, bytes]:
        """Read small JSON documents (indexes, manifests, configs) of an image it has, by digest.

        For the containerd store, which keeps them but does not serve them: they are taken from
        an export, which is read only as far as needed. Content is verified against the digest;
        a digest that is not found is left out.
        """

    def pull(
        self, reference: str, platform: Platform | None, *, tell: TellBytes = ignore_bytes
    ) -> None:
        """Fetch an image, with the user's credentials, so that `find_image` finds it.

        Raises:
            ImageNotFoundError, ImageAccessError, PlatformMissingError: as the registry says.
        """

    def load_image(self, archive: bytes) -> None:
        """Load a `docker save` archive."""

    def remove_image(self, reference: str) -> None:
        """Remove a name, and the image with its last name; an absent one is no error."""

    def open_image(self, reference: str) -> ImageSource:
        """Give an image that it has, by name, digest or id, as something that can be read.

        Raises:
            ImageNotFoundError: it has none of that name.
        """

    # Networks

    def create_network(self, name: str, *, labels: Mapping[str, str]) -> None:
        """Make a network of its own, on which containers find each other by their aliases."""

    def remove_network(self, name: str) -> None:
        """Remove one that no container is on any more; an absent one is no error."""

    # Containers

    def create_container(self, spec: ContainerSpec) -> str:
        """Create, and give the id.

        Raises:
            ImageNotFoundError, PlatformMissingError: the engine has no such image or variant.
        """

    def attach(self, container_id: str, *, has_stdin: bool) -> Attachment:
        """Connect to the main process's streams, from its first byte if called before start."""

    def start_container(self, container_id: str) -> None:
        """Start it.

        Raises:
            ProgramNotFoundError: the runtime could not find or execute the program.
            ContainerError: it refused for another reason (a port taken, a bad network).
        """

    def wait_container(self, container_id: str, *, timeout_s: float) -> int:
        """Wait for the end and give the exit code. Raises `TimeoutError`."""

    def inspect_container(self, container_id: str) -> ContainerState:
        """Look at it. Raises `ContainerError` if there is no such container (any more)."""

    def remove_container(self, container_id: str) -> None:
        """Kill and remove it with its anonymous volumes; an absent one is no error."""

    def stop_container(self, container_id: str, *, timeout_s: float) -> None:
        """Ask it to end, kill it after `timeout_s`."""

    def read_logs(
        self, container_id: str, *, tail: int | None = None, since_s: float | None = None
    ) -> tuple[bytes, bytes]:
        """Give (stdout, stderr) so far; the last `tail` lines, since a time of the node's clock.

        Bounded: of each stream at most the last 1 MiB is kept.
        """

    def list_processes(self, container_id: str) -> tuple[str, ...]:
        """Give the command lines of its processes as the node sees them, process 1 first."""

    def stat_path(self, container_id: str, path: str) -> PathStat | None:
        """Look at a path in a container, started or not; None if there is no such path."""

    def read_head(self, container_id: str, path: str, *, size: int) -> bytes:
        """Read the first bytes of a regular file in a container, started or not."""

    def put_files(self, container_id: str, files: Iterable[FileToCopy]) -> None:
        """Put files in, making missing folders."""

    def put_archive(self, container_id: str, folder: str, archive: bytes) -> None:
        """Unpack a tar archive into an existing folder."""

    def open_archive(self, container_id: str, path: str) -> AbstractContextManager[ByteStream]:
        """Give a path, file or folder, as a tar archive that is read as it comes, or in part.

        The container need not have been started. Raises `ContainerError` if absent.
        """

    def read_archive(self, container_id: str, path: str) -> bytes:
        """Give a path, file or folder, as a tar archive. Raises `ContainerError` if absent."""

    def start_exec(self, container_id: str, spec: ExecSpec) -> tuple[str, Attachment]:
        """Execute a program in a running container; give the exec's id and its streams.

        Raises:
            ContainerError: the container is not running.
        """

    def read_exec_exit_code(self, exec_id: str) -> int:
        """Give the exit code of an exec whose streams have ended."""

    def remove_labelled(self, label: str, value: str) -> int:
        """Remove all containers, networks, volumes and image names with a label; give how many."""

    def close(self) -> None:
        """Let go of all connections."""


class Registry(Protocol):
    """Registries, read directly: engines do not tell which variants an index has."""

    def read_index(self, reference: ImageReference) -> ImageIndex:
        """Read what is behind a reference: an index, or a single image as an index of one.

        Raises:
            ImageNotFoundError, ImageAccessError: as the registry says.
            EngineError: the registry cannot be reached from here.
        """

    def read_manifest(self, reference: ImageReference, digest: str) -> Manifest:
        """Read one variant's manifest by its digest."""

    def read_config(self, reference: ImageReference, manifest: Manifest) -> ImageConfig:
        """Read one variant's config."""


class ByteStream(Protocol):
    """Bytes as they come."""

    def read(self, size: int, /) -> bytes:
        """Give at most `size` bytes, none at the end."""


class ContentSource(Protocol):
    """The content of an image somewhere, by digest, as it is stored."""

    @property
    def name(self) -> str:
        """The image and where it is, for messages."""

    @property
    def repository(self) -> tuple[str, str]:
        """The registry and the repository it is in; empty if it is in none."""

    def read_document(self, kind: DocumentKind, digest: str) -> bytes:
        """Read an index, a manifest (`manifests`) or a config (`blobs`), verified.

        Raises:
            ImageNotFoundError: it is not there.
        """

    def stream_blobs(self, digests: Iterable[str]) -> Iterator[tuple[str, ByteStream]]:
        """Give blobs, unverified, in whichever order; one that is not there is left out.

        Each stream is read, or left, before the next is asked for.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundVariant:
    """A tested variant where it was found.

    `digest` is that of its manifest; `index` that of the index which names it there, empty if
    none is known.
    """

    digest: str
    content: ContentSource
    index: str = ""


class VariantPlace(Protocol):
    """A registry or an engine, in which tested variants are looked up by their digests."""

    @property
    def name(self) -> str:
        """What it is, for messages."""

    def find(self, tested: TestedVariant) -> FoundVariant:
        """Find a variant by its identity, never by a name alone.

        Raises:
            ImageError: it is not there, or something else is.
            EngineError: it cannot be reached.
        """

    def read_current(self, tested: TestedVariant) -> str | None:
        """Give the digest, of the kind of `tested`, that the tested name now has for its platform.

        Empty if it has none for the platform, None if there is no such name.
        """


class PushTarget(Protocol):
    """One tag of a repository, to be published.

    Raises:
        ImageAccessError: the registry does not let one push.
        EngineError: it cannot be reached, breaks off, or refuses for another reason.
    """

    @property
    def name(self) -> str:
        """The tag, as the user wrote it."""

    @property
    def repository(self) -> tuple[str, str]:
        """The registry and the repository."""

    def pin(self, digest: str) -> str:
        """Name exactly one manifest of the repository."""

    def read_tag(self) -> str:
        """Give the digest of what the tag names now; empty for nothing."""

    def check_access(self) -> None:
        """Find out whether one may push, before anything is sent."""

    def has_blob(self, digest: str) -> bool:
        """Tell whether the repository has a blob."""

    def mount_blob(self, digest: str, repository: str) -> bool:
        """Take a blob over from another repository of the registry; tell whether that worked."""

    def put_blob(self, digest: str, size: int, stream: ByteStream) -> None:
        """Send a blob.

        Raises:
            ImageError: the stream is not what the digest and the size (bytes) say.
        """

    def put_manifest(self, digest: str, media_type: str, data: bytes) -> None:
        """Send a manifest or an index under its digest; no tag names it by that."""

    def read_manifest(self, digest: str) -> bytes:
        """Read back what is under a digest, from the registry itself, and verified.

        Raises:
            ImageError: it is not there, or something else is.
        """

    def put_tag(self, media_type: str, data: bytes) -> None:
        """Have the tag name a manifest or an index that was sent before."""


class ImageSource(Protocol):
    """One image somewhere it can be read without being run: a registry, an engine, a folder, a tar.

    Every document is verified against its digest as it is read.

    Raises:
        ImageError: what is there is no image, or other content than its digest says.
        EngineError: a registry or an engine cannot be reached, or refuses.
    """

    @property
    def name(self) -> str:
        """The image and where it is, for messages: `app:1 in the OCI layout ./out`."""

    def read_index(self) -> IndexDocument:
        """Read the index, or the single image as an index of one; read once, then remembered."""

    def read_variant(self, entry: EntryDocument) -> VariantManifest:
        """Read a variant's manifest and config; read once, then remembered.

        Raises:
            ImageNotFoundError: its content is not there, though the index names it.
        """

    def open_layers(
        self, manifest: VariantManifest, layers: Iterable[StoredLayer]
    ) -> Iterator[tuple[StoredLayer, ByteStream]]:
        """Give those layers of a variant as they are stored, unverified, in whichever order.

        Each stream is read, or left, before the next is asked for. A layer that is not there is
        left out.
        """


class LayerReader(Protocol):
    """Reads what a layer holds, from its bytes as they are stored."""

    def __call__(self, stored: StoredLayer, stream: ByteStream) -> Layer:
        """Read it to its end, in bounded memory, and verify both its digests.

        Raises:
            ImageError: it is broken, cut short, larger than is read, or not what its digest says.
        """


class ImageCache(Protocol):
    """Keeps what was read of images across sessions; one that cannot be used keeps nothing."""

    def find(self, diff_id: str) -> Layer | None:
        """Give what is kept of a layer; None if nothing is, or it cannot be read."""

    def keep(self, layer: Layer) -> None:
        """Keep a layer, by its diff id."""

    def find_report(self, name: str) -> AuditReport | None:
        """Give the audit that is kept under a name; None if there is none."""

    def keep_report(self, name: str, report: AuditReport) -> None:
        """Keep an audit."""


class ImageBuilder(Protocol):
    """Builds images from Dockerfiles, and loads them into the engine.

    Every method raises `BuildError` where there is nothing to build with.
    """

    def describe(self) -> BuilderFacts:
        """Say what builds."""

    def read_dockerfile(self, request: BuildRequest) -> str:
        """Give the text of the Dockerfile.

        Raises:
            BuildError: there is no such context or Dockerfile.
        """

    def check(self, request: BuildRequest) -> tuple[BuildFinding, ...]:
        """Give what the builder itself finds wrong with the Dockerfile, without building.

        Raises:
            EngineError: it cannot check, or not this Dockerfile.
        """

    def build(self, request: BuildRequest, tell: TellBuild) -> BuildLog:
        """Build and load, and give the record of it, also if it failed (`exit_code`).

        Raises:
            DeadlineError: it took too long.
        """

    def list_hidden(self, request: BuildRequest) -> tuple[str, ...]:
        """Give what must not be shown of what a build prints: the values of secrets."""
