"""A registry over HTTP, with answers that a real one gives only where something is wrong."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"


class FakeRegistry:
    """Holds indexes, manifests and configs, and no layers."""

    def __init__(self) -> None:
        self._answers: dict[str, tuple[str, bytes]] = {}
        self._refusal = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _make_handler(self))
        self.address = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def refuse_with(self, status: int) -> None:
        """Answer everything with a refusal, as to someone who has not logged in."""
        self._refusal = status

    def add_index(self, repository: str, tag: str, architectures: Mapping[str, str]) -> None:
        """Add an image: of each platform in its index, the architecture that its config says."""
        entries = []
        for platform, architecture in architectures.items():
            config = self._add_blob(
                repository, {"os": "linux", "architecture": architecture, "config": {}}
            )
            manifest = {
                "schemaVersion": 2,
                "mediaType": _MANIFEST,
                "config": {"mediaType": _CONFIG, "digest": config, "size": 1},
                "layers": [],
                "annotations": {"platform": platform},
            }
            digest, size = self._add_manifest(repository, None, _MANIFEST, manifest)
            system, named = platform.split("/")
            described = {"os": system, "architecture": named}
            entries.append(
                {"mediaType": _MANIFEST, "digest": digest, "size": size, "platform": described}
            )
        index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": entries}
        self._add_manifest(repository, tag, _INDEX, index)

    def _add_manifest(
        self, repository: str, tag: str | None, media_type: str, document: Any
    ) -> tuple[str, int]:
        body = json.dumps(document).encode()
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        for name in filter(None, (tag, digest)):
            self._answers[f"/v2/{repository}/manifests/{name}"] = (media_type, body)
        return digest, len(body)

    def _add_blob(self, repository: str, document: Any) -> str:
        body = json.dumps(document).encode()
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        self._answers[f"/v2/{repository}/blobs/{digest}"] = ("application/octet-stream", body)
        return digest

    def find_answer(self, path: str) -> tuple[int, str, bytes]:
        """Give status, media type and body of the answer to a path."""
        if self._refusal:
            return self._refusal, "application/json", _describe_error("DENIED", "access is denied")
        if path == "/v2/":
            return 200, "application/json", b"{}"
        if path not in self._answers:
            error = _describe_error("MANIFEST_UNKNOWN", "manifest unknown")
            return 404, "application/json", error
        return (200, *self._answers[path])


def _make_handler(registry: FakeRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, media_type, body = registry.find_answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            if status == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="private"')
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    return Handler


def _describe_error(code: str, message: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()
