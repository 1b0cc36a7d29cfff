"""One Docker-compatible engine behind the `Engine` protocol."""

from __future__ import annotations

import base64
import contextlib
import json
import math
import time
from collections import deque
from functools import cached_property
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from pytest_multiarch.core.errors import ContainerError, EngineError, EngineGoneError
from pytest_multiarch.core.index import parse_image_config
from pytest_multiarch.core.ports import ignore_bytes
from pytest_multiarch.engine.archive import (
    build_archive,
    list_parents,
    normalize_path,
    read_first_file,
)
from pytest_multiarch.engine.attachment import FrameParser
from pytest_multiarch.engine.connection import (
    REQUEST_TIMEOUT_S,
    STREAM_TIMEOUT_S,
    Connection,
    EngineRefusedError,
    hang_up,
    is_timeout,
)
from pytest_multiarch.engine.containers import (
    build_create_document,
    list_dropped_limits,
    parse_state,
    read_path_stat,
)
from pytest_multiarch.engine.credentials import find_credentials
from pytest_multiarch.engine.facts import parse_facts
from pytest_multiarch.engine.image_source import open_engine_image
from pytest_multiarch.engine.images import ImageStore
from pytest_multiarch.engine.messages import (
    explain_create_failure,
    explain_dropped_limits,
    explain_exec_failure,
    explain_network_failure,
    explain_start_failure,
)
from pytest_multiarch.engine.transport import find_ssh_host

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_multiarch.core.call import FileToCopy
    from pytest_multiarch.core.container_options import ContainerOptions
    from pytest_multiarch.core.index import ImageConfig
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.ports import (
        Attachment,
        ByteStream,
        ContainerSpec,
        ContainerState,
        EngineFacts,
        ExecSpec,
        ImageSizes,
        ImageSource,
        LocalImage,
        PathStat,
        TellBytes,
    )
    from pytest_multiarch.engine.endpoint import Endpoint
    from pytest_multiarch.engine.variant_places import EnginePlace

_LOG_LIMIT = 1024 * 1024
_EXEC_SETTLE_S = 10.0
_REMOVE_SETTLE_S = 10.0
_STAT_SETTLE_S = 2.0
_SHORTEST_PAUSE_S = 0.01
_LONGEST_PAUSE_S = 0.25
_IMPROPER = "container state improper"
"""Podman's words for what cannot be done to a container as it is now."""
_CHUNK = 64 * 1024


def open_engine(endpoint: Endpoint, credentials_environ: Mapping[str, str]) -> DockerEngine:
    """Connect to an engine; `credentials_environ` says where the user's registry logins are.

    Raises:
        EngineError: no engine answers at the endpoint, or none that is recent enough.
    """
    return DockerEngine(Connection(endpoint), credentials_environ)


class DockerEngine:
    """An `Engine` over its HTTP API, 1.41 (Docker 20.10) or newer."""

    def __init__(self, connection: Connection, credentials_environ: Mapping[str, str]) -> None:
        self._connection = connection
        info = connection.read_json("/info")
        self._facts = parse_facts(
            info, connection.version, node=self.address, api_version=connection.api_version
        )
        self._is_podman = self._facts.product == "Podman"
        self._images = ImageStore(
            connection,
            has_containerd_store=self._facts.has_containerd_store,
            find_credentials=lambda registry: find_credentials(credentials_environ, registry),
        )

    @property
    def address(self) -> str:
        """The endpoint, for messages."""
        return self._connection.endpoint.url

    @cached_property
    def host(self) -> str:
        """The name or address under which published ports are reached from here."""
        endpoint = self._connection.endpoint
        return find_ssh_host(endpoint.url) if endpoint.scheme == "ssh" else endpoint.host

    def read_facts(self) -> EngineFacts:
        """Give what the node said of itself when it was connected to."""
        return self._facts

    # Images

    def find_image(self, reference: str) -> LocalImage | None:
        """Look an image up by name, digest or id."""
        return self._images.find(reference)

    def has_image(self, reference: str) -> bool:
        """Tell whether the engine has an image of that name; cheaper than `find_image`."""
        return self._images.has(reference)

    def read_variant_config(self, image_id: str, platform: Platform) -> ImageConfig | None:
        """Read the config of a variant, without its digest; None if the engine cannot tell it."""
        return self._images.read_variant_config(image_id, platform)

    def read_image_blobs(self, image_id: str, digests: Iterable[str]) -> Mapping[str, bytes]:
        """Read small JSON documents of an image it has, by digest, from an export."""
        return self._images.exports.read_documents(image_id, digests)

    def open_image(self, reference: str) -> ImageSource:
        """Open an image that it has, to be read without being run.

        Raises:
            ImageNotFoundError: it has none of that name, digest or id.
        """
        return open_engine_image(self._images, reference, address=self.address)

    def open_place(self) -> EnginePlace:
        """Give its images as a place in which tested variants are looked up; to be closed."""
        from pytest_multiarch.engine.variant_places import EnginePlace

        return EnginePlace(self._images, address=self.address)

    def read_image_sizes(self, image_id: str, digest: str) -> ImageSizes:
        """Give what an image's variant takes, as far as the engine tells."""
        return self._images.read_sizes(image_id, digest)

    def pull(
        self, reference: str, platform: Platform | None, *, tell: TellBytes = ignore_bytes
    ) -> None:
        """Fetch an image, with the user's credentials."""
        self._images.pull(reference, platform, tell=tell)

    def load_image(self, archive: bytes) -> None:
        """Load a `docker save` archive."""
        self._images.load(archive)

    def remove_image(self, reference: str) -> None:
        """Remove a name, and the image with its last name."""
        self._images.remove(reference)

    # Networks

    def create_network(self, name: str, *, labels: Mapping[str, str]) -> None:
        """Make a bridge network of its own."""
        document = {"Name": name, "Driver": "bridge", "Labels": dict(labels)}
        try:
            self._connection.request("POST", "/networks/create", document=document)
        except EngineRefusedError as error:
            raise explain_network_failure(error.text) from None

    def remove_network(self, name: str) -> None:
        """Remove a network; an absent one is no error."""
        self._remove("networks", name)

    # Containers

    def create_container(self, spec: ContainerSpec) -> str:
        """Create, and give the id."""
        params = {} if spec.platform is None else {"platform": str(spec.platform)}
        if self._is_podman and spec.platform is not None:
            self._refuse_other_platform(spec.image, spec.platform)
        try:
            response = self._connection.request(
                "POST",
                "/containers/create",
                params=params,
                document=build_create_document(spec),
            )
        except EngineRefusedError as error:
            raise explain_create_failure(
                error.text,
                reference=spec.image,
                platform=spec.platform,
                has_image=error.status == 404 and self._images.has(spec.image),
            ) from None
        container_id = str(self._connection.parse_json(response)["Id"])
        if spec.options.has_limits:
            self._require_limits(container_id, spec.options)
        return container_id

    def _require_limits(self, container_id: str, options: ContainerOptions) -> None:
        """Refuse a container that was made without its limits, and remove it.

        Raises:
            ContainerError: the engine left some out.
        """
        document = self._connection.read_json(f"/containers/{container_id}/json")
        if dropped := list_dropped_limits(options, document):
            self.remove_container(container_id)
            raise explain_dropped_limits(dropped, self._facts)

    def _refuse_other_platform(self, image: str, platform: Platform) -> None:
        """Say what Docker would: Podman only warns, and runs the platform that is there.

        Raises:
            PlatformMissingError: the image on the engine is for another platform.
        """
        document = self._images.inspect(image)
        found = platform if document is None else parse_image_config(document).platform
        if found != platform:
            raise explain_create_failure(
                f"image with reference {image} was found but its platform ({found}) does not match "
                f"the specified platform ({platform})",
                reference=image,
                platform=platform,
                has_image=True,
            )

    def attach(self, container_id: str, *, has_stdin: bool) -> Attachment:
        """Connect to the main process's streams."""
        params = {"stream": "1", "stdout": "1", "stderr": "1", "stdin": "1" if has_stdin else "0"}
        try:
            return self._connection.hijack(f"/containers/{container_id}/attach", params=params)
        except EngineRefusedError as error:
            # Podman has the runtime make the container already here.
            if self._is_podman and error.text.startswith("preparing container"):
                raise explain_start_failure(error.text) from None
            with self._about(container_id):
                raise

    def start_container(self, container_id: str) -> None:
        """Start it."""
        try:
            self._connection.request("POST", f"/containers/{container_id}/start")
        except EngineRefusedError as error:
            raise explain_start_failure(error.text) from None

    def wait_container(self, container_id: str, *, timeout_s: float) -> int:
        """Wait for the end and give the exit code."""
        if self._is_podman:
            return self._poll_end(container_id, timeout_s)
        try:
            with self._about(container_id):
                response = self._connection.request(
                    "POST", f"/containers/{container_id}/wait", timeout_s=timeout_s
                )
        except EngineGoneError as error:
            if is_timeout(error):
                raise TimeoutError from None
            raise
        return int(self._connection.parse_json(response)["StatusCode"])

    def _poll_end(self, container_id: str, timeout_s: float) -> int:
        """Look until it has ended; Podman's own wait looks only every 250 ms."""
        deadline, pause_s = time.monotonic() + timeout_s, _SHORTEST_PAUSE_S
        while (exit_code := self.inspect_container(container_id).exit_code) is None:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            time.sleep(min(pause_s, left_s))
            pause_s = min(1.5 * pause_s, _LONGEST_PAUSE_S)
        return exit_code

    def inspect_container(self, container_id: str) -> ContainerState:
        """Look at it."""
        with self._about(container_id):
            document = self._connection.read_json(f"/containers/{container_id}/json")
        return parse_state(document, host=self.host)

    def remove_container(self, container_id: str) -> None:
        """Kill and remove it with its anonymous volumes."""
        deadline = time.monotonic() + _REMOVE_SETTLE_S
        while True:
            try:
                self._connection.request(
                    "DELETE", f"/containers/{container_id}", params={"force": "1", "v": "1"}
                )
            except EngineRefusedError as error:
                # Podman stumbles over a container that ends at this moment.
                if _IMPROPER in error.text and time.monotonic() < deadline:
                    time.sleep(0.05)
                    continue
                # 409: somebody else is removing it at this moment.
                if error.status not in (404, 409):
                    raise
            return

    def stop_container(self, container_id: str, *, timeout_s: float) -> None:
        """Ask it to end, kill it after `timeout_s`."""
        with self._about(container_id):
            self._connection.request(
                "POST",
                f"/containers/{container_id}/stop",
                params={"t": str(math.ceil(timeout_s))},
                timeout_s=timeout_s + REQUEST_TIMEOUT_S,
            )

    def read_logs(
        self, container_id: str, *, tail: int | None = None, since_s: float | None = None
    ) -> tuple[bytes, bytes]:
        """Give (stdout, stderr) so far, of each at most the last 1 MiB."""
        params = {"stdout": "1", "stderr": "1"}
        if tail is not None:
            params["tail"] = str(tail)
        if since_s is not None:
            params["since"] = f"{since_s:.9f}"
        with self._about(container_id):
            response = self._connection.request(
                "GET", f"/containers/{container_id}/logs", params=params, is_stream=True
            )
        parser = FrameParser()
        kept = {"stdout": _Tail(), "stderr": _Tail()}
        for chunk in self._connection.read_chunks(response):
            for stream, piece in parser.feed(chunk):
                kept[stream].add(piece)
        return kept["stdout"].join(), kept["stderr"].join()

    def list_processes(self, container_id: str) -> tuple[str, ...]:
        """Give the command lines of its processes as the node sees them, process 1 first."""
        # Podman has the container's own `ps` asked by default, if it has one.
        params, title = ({"ps_args": "hpid,args"}, "HPID") if self._is_podman else (None, "PID")
        with self._about(container_id):
            state = self._connection.read_json(f"/containers/{container_id}/json")["State"]
            table = self._connection.read_json(f"/containers/{container_id}/top", params=params)
        column = table["Titles"].index(title)
        first = str(state.get("Pid"))
        rows = sorted(table["Processes"] or (), key=lambda row: row[column] != first)
        return tuple(str(row[-1]) for row in rows)

    # Files

    def stat_path(self, container_id: str, path: str) -> PathStat | None:
        """Look at a path in a container; None if there is no such path."""
        deadline = time.monotonic() + _STAT_SETTLE_S
        while True:
            try:
                response = self._connection.request(
                    "HEAD", f"/containers/{container_id}/archive", params={"path": path}
                )
                break
            except EngineRefusedError as error:
                # Podman stumbles over a container that ends at this moment.
                if self._is_podman and error.status == 500 and time.monotonic() < deadline:
                    time.sleep(0.05)
                    continue
                if error.status != 404:
                    raise
                # An answer to HEAD does not say what is missing.
                self.inspect_container(container_id)
                return None
        encoded = response.headers["X-Docker-Container-Path-Stat"]
        return read_path_stat(json.loads(base64.b64decode(encoded)))

    def read_head(self, container_id: str, path: str, *, size: int) -> bytes:
        """Read the first bytes of a regular file in a container."""
        with self._about(container_id):
            response = self._connection.request(
                "GET",
                f"/containers/{container_id}/archive",
                params={"path": path},
                is_stream=True,
            )
        with hang_up(response), self._connection.guard():
            head = read_first_file(cast("BinaryIO", response), size=size)
        if head is None:
            raise ContainerError(f"{path} in the container is not a regular file")
        return head

    def put_files(self, container_id: str, files: Iterable[FileToCopy]) -> None:
        """Put files in, making missing folders; a folder that is there stays as it is."""
        files = tuple(files)
        own = {normalize_path(each.path) for each in files if each.is_folder}
        folders = {folder for file in files for folder in list_parents(file.path)} | own
        missing: list[str] = []
        for folder in sorted(folders):
            is_under_missing = any(folder.startswith(f"{each}/") for each in missing)
            if is_under_missing or self.stat_path(container_id, folder) is None:
                missing.append(folder)
        put = (e for e in files if not e.is_folder or normalize_path(e.path) in missing)
        made = (each for each in missing if each not in own)
        self.put_archive(container_id, "/", build_archive(put, made))

    def put_archive(self, container_id: str, folder: str, archive: bytes) -> None:
        """Unpack a tar archive into an existing folder."""
        with self._about(container_id):
            self._connection.request(
                "PUT",
                f"/containers/{container_id}/archive",
                params={"path": folder, "noOverwriteDirNonDir": "true"},
                body=archive,
                headers={"Content-Type": "application/x-tar"},
                timeout_s=STREAM_TIMEOUT_S,
            )

    @contextlib.contextmanager
    def open_archive(self, container_id: str, path: str) -> Iterator[ByteStream]:
        """Give a path, file or folder, as a tar archive that is read as it comes."""
        with self._about(container_id):
            response = self._connection.request(
                "GET",
                f"/containers/{container_id}/archive",
                params={"path": path},
                timeout_s=STREAM_TIMEOUT_S,
                is_stream=True,
            )
        with hang_up(response), self._connection.guard():
            yield cast("ByteStream", response)

    def read_archive(self, container_id: str, path: str) -> bytes:
        """Give a path, file or folder, as a tar archive."""
        with self.open_archive(container_id, path) as stream:
            return b"".join(iter(lambda: stream.read(_CHUNK), b""))

    # Execs

    def start_exec(self, container_id: str, spec: ExecSpec) -> tuple[str, Attachment]:
        """Execute a program in a running container; give the exec's id and its streams."""
        document = {
            "Cmd": list(spec.argv),
            "Env": [f"{name}={value}" for name, value in spec.env.items()],
            "User": spec.user,
            "WorkingDir": spec.workdir,
            "AttachStdin": spec.has_stdin,
            "AttachStdout": True,
            "AttachStderr": True,
        }
        with self._about(container_id):
            response = self._connection.request(
                "POST", f"/containers/{container_id}/exec", document=document
            )
            exec_id = str(self._connection.parse_json(response)["Id"])
            attachment = self._connection.hijack(
                f"/exec/{exec_id}/start", document={"Detach": False, "Tty": False}
            )
        return exec_id, attachment

    def read_exec_exit_code(self, exec_id: str) -> int:
        """Give the exit code of an exec whose streams have ended.

        Raises:
            ProgramNotFoundError: the runtime could not find or execute the program.
        """
        deadline = time.monotonic() + _EXEC_SETTLE_S
        while True:
            document = self._connection.read_json(f"/exec/{exec_id}/json")
            # The streams end a moment before the engine has taken note of the end.
            if not document.get("Running") and document.get("ExitCode") is not None:
                break
            if time.monotonic() > deadline:
                raise EngineError(
                    f"{self.address} does not tell how an exec ended, {_EXEC_SETTLE_S:.0f} s "
                    "after its output did"
                )
            time.sleep(0.005)
        # Podman forgets the process id; its runtime's words stand in the output.
        failure = None if self._is_podman else explain_exec_failure(document)
        if failure is not None:
            raise failure
        return int(document["ExitCode"])

    # All

    def remove_labelled(self, label: str, value: str) -> int:
        """Remove every container, network, volume and image name of ours that has a label."""
        filters = json.dumps({"label": [f"{label}={value}"]})
        containers = self._connection.read_json(
            "/containers/json", params={"all": "1", "filters": filters}
        )
        for container in containers:
            self.remove_container(container["Id"])
        networks = self._connection.read_json("/networks", params={"filters": filters})
        for network in networks:
            self._remove("networks", network["Id"])
        found = self._connection.read_json("/volumes", params={"filters": filters})
        volumes = found.get("Volumes") or ()
        for volume in volumes:
            self._remove("volumes", volume["Name"])
        images = self._images.remove_labelled(label, value)
        return len(containers) + len(networks) + len(volumes) + images

    def _remove(self, kind: str, name: str) -> None:
        try:
            self._connection.request("DELETE", f"/{kind}/{name}")
        except EngineRefusedError as error:
            if error.status != 404:
                raise

    @contextlib.contextmanager
    def _about(self, container_id: str) -> Any:
        """Turn a refusal that concerns a container into a `ContainerError`."""
        try:
            yield
        except EngineRefusedError as error:
            # Podman says 500 of an exec in a container that does not run.
            if error.status in (404, 409) or _IMPROPER in error.text:
                raise ContainerError(f"container {container_id[:12]}: {error.text}") from None
            raise

    def close(self) -> None:
        """Let go of all connections."""
        self._connection.close()


class _Tail:
    """The last bytes of a stream, at most `_LOG_LIMIT`."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._size = 0

    def add(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._size += len(piece)
        while self._size - len(self._pieces[0]) >= _LOG_LIMIT:
            self._size -= len(self._pieces.popleft())

    def join(self) -> bytes:
        return b"".join(self._pieces)[-_LOG_LIMIT:]
