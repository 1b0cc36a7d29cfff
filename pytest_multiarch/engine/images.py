"""Images of one engine: looked up, pulled, loaded, removed."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from pytest_multiarch.core.errors import ImageAccessError, ImageError, UsageError
from pytest_multiarch.core.image_document import parse_document, read_text
from pytest_multiarch.core.index import (
    ImageConfig,
    ImageIndex,
    IndexEntry,
    is_attestation,
    list_blobs,
    measure_variant,
    parse_image_config,
    parse_index,
)
from pytest_multiarch.core.manifest import parse_config_digest
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.ports import ImageSizes, LocalImage, ignore_bytes
from pytest_multiarch.core.reference import ImageReference
from pytest_multiarch.engine.connection import (
    STREAM_TIMEOUT_S,
    Connection,
    EngineRefusedError,
)
from pytest_multiarch.engine.image_export import ImageExports, write_platform
from pytest_multiarch.engine.messages import (
    explain_denied,
    explain_load_failure,
    explain_pull_failure,
    explain_pull_warning,
)
from pytest_multiarch.engine.sessions import IMAGE_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping

    import urllib3

    from pytest_multiarch.core.ports import TellBytes
    from pytest_multiarch.engine.credentials import Credentials, CredentialsLookup

_API_WITH_MANIFESTS = (1, 48)
_API_WITH_PLATFORM = (1, 49)
_LIST_TRIES = 10


class ImageStore:
    """The images of one engine, whichever of Docker's stores keeps them."""

    def __init__(
        self,
        connection: Connection,
        *,
        has_containerd_store: bool,
        find_credentials: Callable[[str], CredentialsLookup],
    ) -> None:
        self._connection = connection
        self.has_containerd_store = has_containerd_store
        self._find_credentials = find_credentials
        self.exports = ImageExports(connection, has_containerd_store=has_containerd_store)

    def find(self, reference: str) -> LocalImage | None:
        """Look an image up by name, digest or id; None if the engine has none of that name."""
        document = self.inspect(reference)
        if document is None:
            return None
        digests = tuple(map(str, document.get("RepoDigests") or ()))
        image_id = str(document["Id"])
        if not self.has_containerd_store:
            config = parse_image_config(document, digest=image_id)
            return LocalImage(
                id=image_id,
                repo_digests=digests,
                config=config,
                unpacked_size=int(document.get("Size") or 0),
            )
        if document.get("Manifests"):
            index, available = _read_manifests(document)
            sizes = _read_sizes(document)
        else:
            try:
                index, available = self._read_exported_index(image_id)
                sizes = dict(self._measure_exported(image_id, index))
            except EngineRefusedError:
                # Docker 26 cannot export what was pulled without the node's own platform; where
                # it came from then tells what it is.
                return LocalImage(id=image_id, repo_digests=digests)
        return LocalImage(
            id=image_id, repo_digests=digests, index=index, available=available, sizes=sizes
        )

    def inspect(self, reference: str) -> Mapping[str, Any] | None:
        """Give what the engine says of an image, with `Manifests` where it can tell of them."""
        has_manifests = (
            self.has_containerd_store and self._connection.api_version >= _API_WITH_MANIFESTS
        )
        return self._inspect(reference, {"manifests": "1"} if has_manifests else None)

    def _inspect(
        self, reference: str, params: Mapping[str, str] | None
    ) -> Mapping[str, Any] | None:
        try:
            path = f"/images/{_quote(reference)}/json"
            return cast("Mapping[str, Any]", self._connection.read_json(path, params=params))
        except EngineRefusedError as error:
            # Podman says 500 of one that is being removed.
            if error.status == 404 or error.text.endswith("image not known"):
                return None
            raise

    def has(self, reference: str) -> bool:
        """Tell whether the engine knows the name."""
        return self._inspect(reference, None) is not None

    def read_variant_config(self, image_id: str, platform: Platform) -> ImageConfig | None:
        """Read a variant's config, without its digest; None if the engine cannot tell it.

        Costs milliseconds, where an export costs seconds for each 100 MB.
        """
        if not self.has_containerd_store or self._connection.api_version < _API_WITH_PLATFORM:
            return None
        document = self._inspect(image_id, {"platform": write_platform(platform)})
        return None if document is None else parse_image_config(document)

    def read_sizes(self, image_id: str, digest: str) -> ImageSizes:
        """Give what a variant takes: of the containerd store Docker tells since 28, unpacked only
        what has been run; the classic store has no content as it was fetched."""
        if not self.has_containerd_store:
            document = self._inspect(image_id, None) or {}
            return ImageSizes(unpacked=int(document.get("Size") or 0))
        document = self.inspect(image_id) or {}
        for each in document.get("Manifests") or ():
            if (each.get("Descriptor") or {}).get("digest") == digest:
                unpacked = ((each.get("ImageData") or {}).get("Size") or {}).get("Unpacked")
                content = (each.get("Size") or {}).get("Content")
                return ImageSizes(content=int(content or 0), unpacked=int(unpacked or 0))
        return ImageSizes()

    def _read_exported_index(self, image_id: str) -> tuple[ImageIndex, tuple[Platform, ...]]:
        """Find the index of an image on a containerd store that cannot be asked for it.

        `image_id` is the digest of the index, or of the manifest of a single image. A child is
        available if the export holds its manifest and all that this names: a build leaves the
        manifests alone of base images that it looked up.
        """
        held = self.exports.read_all_documents(image_id)
        data = self._read_exported(image_id, image_id)
        document = parse_document(data, what=f"{image_id} on {self._connection.endpoint.url}")
        if document.get("manifests"):
            index = parse_index(document, digest=image_id)
            manifests = self.exports.read_documents(image_id, [e.digest for e in index.entries])
            whole = {digest for digest, data in manifests.items() if _is_whole(data, held, digest)}
            return index, tuple(e.platform for e in index.entries if e.digest in whole)
        config_digest = parse_config_digest(document, digest=image_id)
        config = parse_document(
            self._read_exported(image_id, config_digest), what=f"the config of {image_id}"
        )
        entry = IndexEntry(
            platform=parse_image_config(config).platform,
            digest=image_id,
            media_type=read_text(document, "mediaType", what=image_id),
            size=len(data),
        )
        index = ImageIndex(digest=image_id, entries=(entry,), is_single=True)
        return index, index.platforms

    def _measure_exported(self, image_id: str, index: ImageIndex) -> Iterator[tuple[str, int]]:
        found = self.exports.read_documents(image_id, [each.digest for each in index.entries])
        for digest, data in found.items():
            what = f"{digest} on {self._connection.endpoint.url}"
            document = parse_document(data, what=what)
            yield digest, measure_variant(document, manifest_size=len(data), what=what)

    def _read_exported(self, image_id: str, digest: str) -> bytes:
        found = self.exports.read_documents(image_id, [digest])
        if digest not in found:
            raise ImageError(
                f"{self._connection.endpoint.url} does not export {digest}, which the image "
                "refers to",
                cure="pull or load the image again",
            )
        return found[digest]

    def pull(
        self, reference: str, platform: Platform | None, *, tell: TellBytes = ignore_bytes
    ) -> None:
        """Fetch an image with the user's credentials."""
        parsed = ImageReference.parse(reference)
        if parsed.is_local_id:
            raise UsageError(
                f"{reference} is an id, which no registry knows", cure="name the image instead"
            )
        lookup = self._find_credentials(parsed.registry)
        warnings: list[str] = []
        text = self._request_pull(parsed, platform, lookup.credentials, tell, warnings)
        if not text:
            _check_warnings(warnings, parsed, platform)
            return
        failure = explain_pull_failure(
            text,
            reference=reference,
            registry=parsed.registry,
            platform=platform,
            node=self._connection.endpoint.url,
        )
        if isinstance(failure, ImageAccessError) and lookup.problem:
            failure = explain_denied(
                text, reference=reference, registry=parsed.registry, problem=lookup.problem
            )
        raise failure

    def _request_pull(
        self,
        reference: ImageReference,
        platform: Platform | None,
        credentials: Credentials | None,
        tell: TellBytes,
        warnings: list[str],
    ) -> str:
        """Have the engine pull; give its words if that failed, and collect its warnings."""
        layers = _LayerBytes(tell)

        def take_in(line: Mapping[str, Any]) -> None:
            layers.take_in(line)
            said = str(line.get("status") or line.get("stream") or "")
            if said.startswith("WARNING"):
                warnings.append(said)

        params = {"fromImage": reference.name, "tag": reference.locator}
        if platform is not None:
            params["platform"] = str(platform)
        headers = {"X-Registry-Auth": credentials.encode_header()} if credentials else {}
        try:
            response = self._connection.request(
                "POST",
                "/images/create",
                params=params,
                headers=headers,
                timeout_s=STREAM_TIMEOUT_S,
                is_stream=True,
            )
            return self._find_stream_error(response, take_in)
        except EngineRefusedError as error:
            return error.text

    def _find_stream_error(
        self,
        response: urllib3.BaseHTTPResponse,
        take_in: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> str:
        """Read a progress stream to its end; engines put errors into it, after a status of 200."""
        text = ""
        for line in self._connection.read_json_lines(response):
            if take_in is not None:
                take_in(line)
            detail = line.get("errorDetail")
            if isinstance(detail, dict) and detail.get("message"):
                text = str(detail["message"])
            elif line.get("error"):
                text = str(line["error"])
        return text

    def load(self, archive: bytes) -> None:
        """Load a `docker save` archive."""
        response = self._connection.request(
            "POST",
            "/images/load",
            params={"quiet": "1"},
            body=archive,
            headers={"Content-Type": "application/x-tar"},
            timeout_s=STREAM_TIMEOUT_S,
            is_stream=True,
        )
        if text := self._find_stream_error(response):
            raise explain_load_failure(text, node=self._connection.endpoint.url)

    def remove(self, reference: str) -> None:
        """Remove a name, and the image with its last name; an absent one is no error."""
        try:
            self._connection.request(
                "DELETE", f"/images/{_quote(reference)}", params={"force": "1"}
            )
        except EngineRefusedError as error:
            if error.status != 404:
                raise

    def remove_labelled(self, label: str, value: str) -> int:
        """Remove the names of the images of ours that carry a label; give how many."""
        found = self._list(json.dumps({"reference": [IMAGE_NAMES]}))
        labelled = [each for each in found if (each.get("Labels") or {}).get(label) == value]
        names = [name for image in labelled for name in (image.get("RepoTags") or (image["Id"],))]
        for name in names:
            self.remove(name)
        return len(names)

    def _list(self, filters: str) -> list[dict[str, Any]]:
        for _ in range(_LIST_TRIES - 1):
            try:
                return self._list_once(filters)
            except EngineRefusedError:
                # Engines stumble over an image that somebody removes at the same time.
                time.sleep(0.2)
        return self._list_once(filters)

    def _list_once(self, filters: str) -> list[dict[str, Any]]:
        found = self._connection.read_json("/images/json", params={"filters": filters})
        return cast("list[dict[str, Any]]", found)


def _check_warnings(
    warnings: Iterable[str], reference: ImageReference, platform: Platform | None
) -> None:
    """Take an engine's warning that it fetched another platform for the error that it is."""
    for warning in warnings:
        error = platform and explain_pull_warning(
            warning, reference=str(reference), platform=platform
        )
        if error:
            raise error


class _LayerBytes:
    """Adds up what an engine says of the layers that it fetches."""

    def __init__(self, tell: TellBytes) -> None:
        self._tell = tell
        self._layers: dict[str, tuple[int, int]] = {}

    def take_in(self, line: Mapping[str, Any]) -> None:
        """Take in a line of a progress stream."""
        detail, layer, status = (line.get(key) for key in ("progressDetail", "id", "status"))
        if not isinstance(layer, str):
            return
        if status == "Downloading" and isinstance(detail, dict):
            done, total = detail.get("current"), detail.get("total")
            if isinstance(done, int):
                self._layers[layer] = done, max(total if isinstance(total, int) else 0, done)
                self._tell_all()
        elif status == "Download complete" and layer in self._layers:
            size = self._layers[layer][1]
            self._layers[layer] = size, size
        elif status == "Extracting":  # the longer part of many pulls
            self._tell_all()

    def _tell_all(self) -> None:
        fetched = sum(done for done, _ in self._layers.values())
        self._tell(fetched, sum(size for _, size in self._layers.values()))


def _quote(reference: str) -> str:
    return quote(reference, safe="/:@")


def _is_whole(manifest: bytes, held: Container[str], digest: str) -> bool:
    """Tell whether an export holds what a variant is made of."""
    named = list_blobs(parse_document(manifest, what=digest), what=digest)
    return digest in held and all(each in held for each in named)


def _read_manifests(document: Mapping[str, Any]) -> tuple[ImageIndex, tuple[Platform, ...]]:
    """Read the answer to `?manifests=1`."""
    variants = [each for each in document["Manifests"] if not is_attestation(each)]
    entries = tuple(map(_read_manifest_summary, variants))
    digest = str(document["Id"])
    index = ImageIndex(
        digest=digest,
        entries=entries,
        is_single=len(entries) == 1 and entries[0].digest == digest,
    )
    available = tuple(
        entry.platform
        for entry, each in zip(entries, variants, strict=True)
        if each.get("Available")
    )
    return index, available


def _read_sizes(document: Mapping[str, Any]) -> dict[str, int]:
    """Give the size of each variant whose content is there: its manifest, config and layers."""
    return {
        _read_manifest_summary(each).digest: int((each.get("Size") or {}).get("Content") or 0)
        for each in document["Manifests"]
        if each.get("Available")
    }


def _read_manifest_summary(summary: Mapping[str, Any]) -> IndexEntry:
    descriptor = summary.get("Descriptor") or {}
    # An index says the platform in its own words; that of a single image is in its config.
    platform = descriptor.get("platform") or summary.get("ImageData", {}).get("Platform") or {}
    return IndexEntry(
        platform=Platform.of_image(
            str(platform.get("os", "")),
            str(platform.get("architecture", "unknown")),
            str(platform.get("variant", "")),
        ),
        digest=str(descriptor.get("digest") or summary.get("ID", "")),
        media_type=str(descriptor.get("mediaType", "")),
        size=int(descriptor.get("size", 0)),
    )
