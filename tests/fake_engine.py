"""An engine and a registry in memory: images with indexes, containers that do as scripted."""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import posixpath
import struct
import tarfile
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.call import FileToCopy
from pytest_multiarch.core.errors import (
    ContainerError,
    EngineError,
    ImageNotFoundError,
    PlatformMissingError,
)
from pytest_multiarch.core.index import ImageConfig, ImageIndex, IndexEntry
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.ports import (
    ContainerSpec,
    ContainerState,
    EngineFacts,
    ExecSpec,
    ImageSizes,
    LocalImage,
    Manifest,
    PathStat,
    StreamName,
)
from pytest_multiarch.core.reference import ImageReference
from pytest_multiarch.run.container import Container, ContainerSettings
from pytest_multiarch.run.detect import ProbeImage
from pytest_multiarch.run.node import Node
from pytest_multiarch.run.resolve import PullPolicy
from pytest_multiarch.run.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pytest_multiarch.core.ports import TellBytes
    from pytest_multiarch.run.calls import Recorder
    from pytest_multiarch.run.variant import Variant

AMD64 = Platform.parse("linux/amd64")
ARM64 = Platform.parse("linux/arm64")
I386 = Platform.parse("linux/386")
S390X = Platform.parse("linux/s390x")
_ELF_MACHINES = {"amd64": (62, 2, 1), "arm64": (183, 2, 1), "386": (3, 1, 1), "s390x": (22, 2, 2)}
LABEL = "org.pytest-multiarch.session"


def make_digest(text: str) -> str:
    """Give a digest that is different for each text."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def make_elf(architecture: str) -> bytes:
    """Give the header of a program for an architecture."""
    machine, bits, order = _ELF_MACHINES[architecture]
    head = b"\x7fELF" + bytes([bits, order, 1]) + bytes(9)
    head += struct.pack(f"{'<' if order == 1 else '>'}HH", 2, machine)
    return head.ljust(64, b"\0")


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What a main process or an exec does: prints, takes its time, ends (or goes on for None)."""

    out: bytes = b""
    err: bytes = b""
    exit_code: int | None = 0
    takes_s: float = 0.0
    echoes_stdin: bool = False


@dataclass(frozen=True, kw_only=True)
class Link:
    """A symbolic link in an image."""

    target: str


File = bytes | Link


@dataclass(kw_only=True)
class FakeImage:
    """The variant of an image: its files (all of them programs) and what its commands do."""

    platform: Platform
    files: dict[str, File] = field(default_factory=dict)
    config: ImageConfig | None = None
    commands: dict[str, Ending] = field(default_factory=dict)

    @property
    def image_config(self) -> ImageConfig:
        return self.config or ImageConfig(platform=self.platform, digest=self.config_digest)

    @property
    def config_digest(self) -> str:
        return make_digest(f"config {self.platform}")

    @property
    def digest(self) -> str:
        return make_digest(f"manifest {self.platform}")


@dataclass(kw_only=True)
class FakeContainer:
    """A container, with the time it was started at."""

    id: str
    spec: ContainerSpec
    image: FakeImage
    files: dict[str, File]
    started_at_s: float | None = None
    ending: Ending = field(default_factory=Ending)
    log: list[tuple[StreamName, bytes]] = field(default_factory=list)

    def is_running(self, now_s: float) -> bool:
        if self.started_at_s is None:
            return False
        ends_at_s = self.started_at_s + self.ending.takes_s
        return self.ending.exit_code is None or now_s < ends_at_s


class FakeAttachment:
    """Gives pieces one after the other, then waits for the end."""

    def __init__(self, ending: Callable[[], Ending], *, on_close: Callable[[], None]) -> None:
        self._find_ending = ending
        self._on_close = on_close
        self._stdin = b""
        self._pieces: list[tuple[StreamName, bytes]] | None = None
        self._ends_at_s = 0.0

    def send(self, data: bytes) -> None:
        """Take all of stdin."""
        self._stdin += data

    def write(self, data: bytes) -> None:
        """Take some of stdin."""
        self._stdin += data

    def read(self, *, deadline: float | None) -> tuple[StreamName, bytes] | None:
        """Give the next piece."""
        ending = self._find_ending()
        if self._pieces is None:
            out = self._stdin if ending.echoes_stdin else ending.out
            starts = range(0, len(out), 65536)
            pieces: list[tuple[StreamName, bytes]] = [
                ("stdout", out[s : s + 65536]) for s in starts
            ]
            self._pieces = [*pieces, ("stderr", ending.err)] if ending.err else pieces
            self._ends_at_s = time.monotonic() + ending.takes_s
        if self._pieces:
            return self._pieces.pop(0)
        never = ending.exit_code is None
        if deadline is not None and (never or self._ends_at_s > deadline):
            time.sleep(max(deadline - time.monotonic(), 0))
            raise TimeoutError
        time.sleep(max(self._ends_at_s - time.monotonic(), 0))
        return None

    def close(self) -> None:
        """Note that it was closed."""
        self._on_close()


class FakeEngine:
    """An `Engine` in memory.

    `images` maps names to variants; `pulled` of them are there before any pull. With the classic
    store a name holds its first variant. `fail` maps names of methods to errors that they raise,
    once each; `calls` counts them all. `clock_ahead_s` sets the node's clock.
    """

    address = "unix:///fake.sock"
    host = "127.0.0.1"

    def __init__(
        self,
        *,
        has_containerd_store: bool = True,
        platform: Platform = AMD64,
        registry: FakeRegistry | None = None,
    ) -> None:
        self.facts = EngineFacts(
            node=self.address,
            engine_id="fake",
            version="28.5",
            api_version=(1, 51),
            platform=platform,
            kernel="6",
            has_containerd_store=has_containerd_store,
        )
        self.registry = registry
        self.local: dict[str, LocalImage] = {}
        self.variants: dict[tuple[str, Platform | None], FakeImage] = {}
        self.containers: dict[str, FakeContainer] = {}
        self.removed: list[str] = []
        self.pulls: list[str] = []
        self.loaded = 0
        self.calls: list[str] = []
        self.fail: dict[str, list[BaseException]] = {}
        self.execs: dict[str, Ending] = {}
        self.missing_execs: set[str] = set()
        self.process_lists: dict[Platform, tuple[str, ...]] = {}
        self.ports: dict[int, tuple[str, int]] = {}
        self.health = ""
        self.clock_ahead_s = 0.0
        self.open_attachments = 0
        self.is_closed = False
        self._lock = threading.Lock()
        self._count = itertools.count()

    # What tests set up

    def add(self, name: str, *variants: FakeImage, missing: Iterable[Platform] = ()) -> LocalImage:
        """Have images under a name, as built here: an index, or on the classic store the first."""
        if not self.facts.has_containerd_store:
            first = variants[0]
            config = replace(first.image_config, digest=first.config_digest)
            local = LocalImage(id=first.config_digest, config=config, unpacked_size=3_000_000)
            variants = variants[:1]
        else:
            entries = tuple(IndexEntry(platform=e.platform, digest=e.digest) for e in variants)
            index = ImageIndex(digest=make_digest(f"index {name}"), entries=entries)
            there = tuple(e.platform for e in variants if e.platform not in set(missing))
            sizes = {each.digest: 1_000_000 + number for number, each in enumerate(variants)}
            local = LocalImage(id=index.digest, index=index, available=there, sizes=sizes)
        for each in (name, local.id):
            self.local[each] = local
            for variant in variants:
                self.variants[each, variant.platform] = variant
                self.variants.setdefault((each, None), variant)
        return local

    def note(self, name: str) -> None:
        """Count a call, and fail it if it is to fail."""
        with self._lock:
            self.calls.append(name)
            errors = self.fail.get(name, [])
            error = errors.pop(0) if errors else None
        if error is not None:
            raise error

    def count(self, name: str) -> int:
        """Tell how often a method was called."""
        return self.calls.count(name)

    @property
    def now_s(self) -> float:
        return time.time() + self.clock_ahead_s

    # The protocol

    def read_facts(self) -> EngineFacts:
        """Give the facts."""
        return self.facts

    def find_image(self, reference: str) -> LocalImage | None:
        """Look in what was added and pulled."""
        self.note("find_image")
        return self.local.get(reference)

    def read_variant_config(self, image_id: str, platform: Platform) -> ImageConfig | None:
        """Give the config, without a digest."""
        self.note("read_variant_config")
        found = self.variants.get((image_id, platform))
        return None if found is None else replace(found.image_config, digest="")

    def read_image_blobs(self, image_id: str, digests: Iterable[str]) -> Mapping[str, bytes]:
        """Give nothing: an export of which a part is missing."""
        self.note("read_image_blobs")
        return {}

    def read_image_sizes(self, image_id: str, digest: str) -> ImageSizes:
        """Tell nothing of the content, as the classic store does."""
        self.note("read_image_sizes")
        return ImageSizes(unpacked=3_000_000)

    def pull(self, reference: str, platform: Platform | None, *, tell: TellBytes) -> None:
        """Take a pinned variant from the registry."""
        self.note("pull")
        tell(1, 2)
        with self._lock:
            self.pulls.append(reference)
        assert self.registry is not None
        parsed = ImageReference.parse(reference)
        variant = self.registry.find_variant(parsed.digest)
        local = LocalImage(id=variant.config_digest, repo_digests=(reference,))
        self.local[reference] = local
        self.variants[reference, None] = variant
        self.variants[reference, variant.platform] = variant

    def load_image(self, archive: bytes) -> None:
        """Count."""
        self.note("load_image")
        self.loaded += 1

    def remove_image(self, reference: str) -> None:
        """Forget a name."""
        self.local.pop(reference, None)

    def create_container(self, spec: ContainerSpec) -> str:
        """Make one of the variant that the engine would choose."""
        self.note("create_container")
        image = self.variants.get((spec.image, spec.platform))
        if image is None:
            raise PlatformMissingError(f"no {spec.image} for {spec.platform}")
        with self._lock:
            text = f"{len(self.calls)} {next(self._count)}"
            container_id = hashlib.sha256(text.encode()).hexdigest()
            self.containers[container_id] = FakeContainer(
                id=container_id, spec=spec, image=image, files=dict(image.files)
            )
        return container_id

    def attach(self, container_id: str, *, has_stdin: bool) -> FakeAttachment:
        """Connect to the scripted output."""
        self.note("attach")
        container = self._find(container_id)
        return self._open(lambda: container.ending)

    def _open(self, ending: Callable[[], Ending]) -> FakeAttachment:
        def close() -> None:
            self.open_attachments -= 1

        self.open_attachments += 1
        return FakeAttachment(ending, on_close=close)

    def _find(self, container_id: str) -> FakeContainer:
        if container_id not in self.containers:
            raise ContainerError(f"container {container_id[:12]}: no such container")
        return self.containers[container_id]

    def start_container(self, container_id: str) -> None:
        """Begin with what its first words are scripted to do."""
        self.note("start_container")
        container = self._find(container_id)
        config, spec = container.image.image_config, container.spec
        words = (*(spec.entrypoint or config.entrypoint), *(spec.argv or config.cmd))
        container.ending = container.image.commands.get(" ".join(words), Ending())
        container.log += [("stdout", container.ending.out), ("stderr", container.ending.err)]
        container.started_at_s = self.now_s

    def wait_container(self, container_id: str, *, timeout_s: float) -> int:
        """Give the scripted code."""
        self.note("wait_container")
        code = self._find(container_id).ending.exit_code
        if code is None:
            raise TimeoutError
        return code

    def inspect_container(self, container_id: str) -> ContainerState:
        """Tell how it stands."""
        self.note("inspect_container")
        container = self._find(container_id)
        is_running = container.is_running(self.now_s)
        has_ended = container.started_at_s is not None and not is_running
        return ContainerState(
            id=container_id,
            image=container.spec.image,
            manifest_digest="",
            is_running=is_running,
            exit_code=container.ending.exit_code if has_ended else None,
            error="",
            health=self.health,
            hostname=container_id[:12],
            ip_address="172.17.0.2",
            ports=self.ports if is_running else {},
            started_at_s=container.started_at_s,
            finished_at_s=self.now_s if has_ended else None,
        )

    def remove_container(self, container_id: str) -> None:
        """Remove it."""
        self.note("remove_container")
        with self._lock:
            if self.containers.pop(container_id, None) is not None:
                self.removed.append(container_id)

    def stop_container(self, container_id: str, *, timeout_s: float) -> None:
        """End it."""
        self._find(container_id).ending = Ending(exit_code=143)

    def read_logs(
        self, container_id: str, *, tail: int | None = None, since_s: float | None = None
    ) -> tuple[bytes, bytes]:
        """Give all that was printed, or what was since the last start if asked by time."""
        self.note("read_logs")
        container = self._find(container_id)
        if since_s is not None and since_s > (container.started_at_s or 0):
            return b"", b""
        streams: dict[str, bytes] = {"stdout": b"", "stderr": b""}
        for name, data in container.log:
            streams[name] += data
        return streams["stdout"], streams["stderr"]

    def list_processes(self, container_id: str) -> tuple[str, ...]:
        """Give what the node shows of a platform's processes."""
        self.note("list_processes")
        return self.process_lists.get(self._find(container_id).image.platform, ())

    def stat_path(self, container_id: str, path: str) -> PathStat | None:
        """Look among the files; folders are what files lie in."""
        self.note("stat_path")
        files, path = self._find(container_id).files, posixpath.normpath(path)
        found = files.get(path)
        if found is None:
            is_folder = any(each.startswith(f"{path.rstrip('/')}/") for each in files)
            return (
                PathStat(mode=0o755, size=0, link_target="", is_directory=True)
                if is_folder
                else None
            )
        if isinstance(found, Link):
            return PathStat(mode=0o777, size=1, link_target=found.target, is_directory=False)
        return PathStat(mode=0o755, size=len(found), link_target="", is_directory=False)

    def read_head(self, container_id: str, path: str, *, size: int) -> bytes:
        """Read a file's first bytes."""
        self.note("read_head")
        content = self._find(container_id).files[posixpath.normpath(path)]
        assert isinstance(content, bytes)
        return content[:size]

    def put_files(self, container_id: str, files: Iterable[FileToCopy]) -> None:
        """Put files in."""
        self.note("put_files")
        self._find(container_id).files.update({each.path: each.content for each in files})

    def put_archive(self, container_id: str, folder: str, archive: bytes) -> None:
        """Count."""
        self.note("put_archive")

    @contextlib.contextmanager
    def open_archive(self, container_id: str, path: str) -> Iterator[io.BytesIO]:
        """Pack a file, a link or a folder, to be read as it comes."""
        yield io.BytesIO(self.read_archive(container_id, path))

    def read_archive(self, container_id: str, path: str) -> bytes:
        """Pack a file, a link or a folder."""
        self.note("read_archive")
        files, path = self._find(container_id).files, posixpath.normpath(path)
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            inside = [each for each in files if each == path or each.startswith(f"{path}/")]
            if not inside:
                raise ContainerError(f"no {path}")
            if path not in files:
                folder = tarfile.TarInfo(posixpath.basename(path))
                folder.type, folder.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(folder)
            for each in inside:
                entry = tarfile.TarInfo(each.removeprefix(path.rpartition("/")[0]).lstrip("/"))
                content = files[each]
                if isinstance(content, Link):
                    entry.type, entry.linkname = tarfile.SYMTYPE, content.target
                    tar.addfile(entry)
                else:
                    entry.size = len(content)
                    tar.addfile(entry, io.BytesIO(content))
        return buffer.getvalue()

    def start_exec(self, container_id: str, spec: ExecSpec) -> tuple[str, FakeAttachment]:
        """Begin what the words are scripted to do."""
        self.note("start_exec")
        container = self._find(container_id)
        if not container.is_running(self.now_s):
            raise ContainerError(f"container {container_id} is not running")
        words = " ".join(spec.argv)
        ending = container.image.commands.get(words, Ending())
        exec_id = f"{words}-{len(self.calls)}"
        self.execs[exec_id] = ending
        return exec_id, self._open(lambda: ending)

    def read_exec_exit_code(self, exec_id: str) -> int:
        """Give the scripted code."""
        self.note("read_exec_exit_code")
        return self.execs[exec_id].exit_code or 0

    def remove_labelled(self, label: str, value: str) -> int:
        """Remove the containers with a label."""
        self.note("remove_labelled")
        found = [e.id for e in self.containers.values() if e.spec.labels.get(label) == value]
        for each in found:
            self.remove_container(each)
        return len(found)

    def close(self) -> None:
        """Note it."""
        self.is_closed = True


class FakeRegistry:
    """A `Registry` in memory: indexes by `name:tag` and `name@digest`."""

    def __init__(self) -> None:
        self.indexes: dict[str, ImageIndex] = {}
        self.variants: dict[str, FakeImage] = {}
        self.error: Exception | None = None
        self.reads = 0

    def add(self, name: str, *variants: FakeImage) -> ImageIndex:
        """Have an index under a tag, and under its digest."""
        entries = tuple(IndexEntry(platform=e.platform, digest=e.digest) for e in variants)
        index = ImageIndex(digest=make_digest(f"index {name}"), entries=entries)
        self.indexes[name] = index
        self.indexes[f"{name.rpartition(':')[0]}@{index.digest}"] = index
        for each, entry in zip(variants, entries, strict=True):
            self.variants[each.digest] = each
            self.indexes[f"{name.rpartition(':')[0]}@{each.digest}"] = ImageIndex(
                digest=each.digest, entries=(entry,), is_single=True
            )
        return index

    def find_variant(self, digest: str) -> FakeImage:
        """Find a variant by its manifest's digest."""
        if digest not in self.variants:
            raise ImageNotFoundError(f"{digest}: manifest unknown")
        return self.variants[digest]

    def read_index(self, reference: ImageReference) -> ImageIndex:
        """Give an index."""
        self._answer()
        if reference.text not in self.indexes:
            raise ImageNotFoundError(f"{reference}: manifest unknown")
        return self.indexes[reference.text]

    def read_manifest(self, reference: ImageReference, digest: str) -> Manifest:
        """Give a manifest."""
        self._answer()
        variant = self.find_variant(digest)
        return Manifest(digest=digest, config_digest=variant.config_digest)

    def read_config(self, reference: ImageReference, manifest: Manifest) -> ImageConfig:
        """Give a config."""
        self._answer()
        return replace(
            self.find_variant(manifest.digest).image_config, digest=manifest.config_digest
        )

    def _answer(self) -> None:
        self.reads += 1
        if self.error is not None:
            raise self.error


class FakeWatchdog:
    """Notes that it was let go."""

    def __init__(self) -> None:
        self.is_stopped = False

    def stop(self) -> None:
        """Let go."""
        self.is_stopped = True


@dataclass(kw_only=True)
class FakeTools:
    """The tools of a node with a fake engine; probes exist for `probed` platforms."""

    engine: FakeEngine
    registry: FakeRegistry = field(default_factory=FakeRegistry)
    engine_error: EngineError | None = None
    probes: dict[Platform, FakeImage] = field(default_factory=dict)
    watchdogs: list[FakeWatchdog] = field(default_factory=list)
    locked: list[str] = field(default_factory=list)
    progress: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    opened: int = 0

    def open_engine(self) -> FakeEngine:
        """Give the engine."""
        self.opened += 1
        if self.engine_error is not None:
            raise self.engine_error
        return self.engine

    def open_registry(self, facts: EngineFacts) -> FakeRegistry:
        """Give the registry."""
        return self.registry

    def build_probe(
        self, platforms: Iterable[Platform], labels: Mapping[str, str]
    ) -> tuple[bytes, list[ProbeImage]]:
        """Have probe images in the engine."""
        images = []
        for platform in platforms:
            if platform in self.probes:
                name = f"probe:{platform.slug}"
                for key in (platform, None):
                    self.engine.variants[name, key] = self.probes[platform]
                images.append(ProbeImage(name=name, platform=platform))
        return b"archive", images

    def start_watchdog(self) -> FakeWatchdog:
        """Start one."""
        self.watchdogs.append(FakeWatchdog())
        return self.watchdogs[-1]

    @contextlib.contextmanager
    def show_progress(self, task: str, *, unit: str = "") -> Iterator[TellBytes]:
        """Note what is told of a task."""
        del unit
        steps = self.progress.setdefault(task, [])
        yield lambda done, total: steps.append((done, total))

    @contextlib.contextmanager
    def lock_pull(self, engine_id: str, pin: str) -> Iterator[None]:
        """Note the lock."""
        self.locked.append(pin)
        yield

    @contextlib.contextmanager
    def lock_machine(self, *, timeout_s: float | None = None) -> Iterator[None]:
        """Note the lock."""
        del timeout_s
        self.locked.append("measure")
        yield

    def read_program(self, name: str, platform: Platform) -> bytes | None:
        """Give the header of a program, for platforms that have probes."""
        return make_elf(platform.architecture) if platform in self.probes else None

    def find_emulator(self, platform: Platform) -> FileToCopy:
        """Give the header of one."""
        return FileToCopy(path="/usr/bin/qemu", content=make_elf(platform.architecture))

    @contextlib.contextmanager
    def open_testcontainer(
        self, node: Any, variant: Any, factory: Any, args: Any, kwargs: Any
    ) -> Iterator[Any]:
        """Call the factory."""
        yield factory(variant.reference.text, *args, **kwargs)

    def adapt_wait_strategy(self, strategy: Any, container: Any) -> Callable[[], None]:
        """Wait by the strategy's own method."""
        return lambda: strategy.wait_until_ready(container)


def make_node(engine: FakeEngine, *, pull: str = "missing", **tools: Any) -> Node:
    """Make a node on a fake engine; its tools are in `node.tools`."""
    registry = engine.registry or FakeRegistry()
    engine.registry = registry
    return Node(
        FakeTools(engine=engine, registry=registry, **tools),
        session_id="s1",
        labels={LABEL: "s1"},
        pull=PullPolicy(pull),
    )


def make_variant(
    engine: FakeEngine, image: FakeImage | None = None, *, recorder: Recorder | None = None
) -> Variant:
    """Give a variant of an image that runs natively, resolved on a node of its own."""
    image = image or FakeImage(platform=AMD64)
    engine.add("app:1", image)
    session = Session(make_node(engine))
    return session.open_variant(ImageReference.parse("app:1"), image.platform, recorder=recorder)


def start_container(
    engine: FakeEngine,
    image: FakeImage | None = None,
    *,
    recorder: Recorder | None = None,
    **settings: Any,
) -> Container:
    """Start a container of an image whose main command goes on for ever, unless scripted."""
    image = image or FakeImage(platform=AMD64)
    image.commands.setdefault("", Ending(exit_code=None))
    variant = make_variant(engine, image)
    session = Session(variant.node)
    return session.open_container(variant, ContainerSettings(**settings), recorder=recorder)
