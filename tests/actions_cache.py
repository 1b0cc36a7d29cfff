"""The cache service of GitHub Actions, as far as BuildKit's `type=gha` asks it (its version 1).

Entries are looked up by the longest key that begins as asked, reserved, sent in pieces, and
committed, as the open clients of that service do.
"""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, urlsplit

_PATH = "/_apis/artifactcache"


@dataclass
class _Entry:
    key: str
    data: bytearray = field(default_factory=bytearray)
    is_committed: bool = False


class ActionsCache:
    """Serves on a port of loopback; `entries` are what was kept, numbered from 1."""

    def __init__(self) -> None:
        self.entries: list[_Entry] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _make_handler(self))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def make_environ(self) -> dict[str, str]:
        """Give what a job of GitHub Actions has in its environment."""
        scopes = json.dumps([{"Scope": "refs/heads/main", "Permission": 3}])
        claims = {"ac": scopes, "nbf": 0, "exp": 4_000_000_000}
        parts = (json.dumps({"alg": "none"}), json.dumps(claims), "signature")
        words = [base64.urlsafe_b64encode(each.encode()).decode().rstrip("=") for each in parts]
        return {"ACTIONS_CACHE_URL": f"{self.url}/", "ACTIONS_RUNTIME_TOKEN": ".".join(words)}

    def get(self, path: str) -> _Entry:
        """Give the entry whose number ends a path."""
        return self.entries[int(path.rpartition("/")[2]) - 1]

    def find(self, prefix: str) -> int | None:
        """Give the number of the newest entry whose key begins so."""
        found = (
            number
            for number, each in enumerate(self.entries, start=1)
            if each.is_committed and each.key.startswith(prefix)
        )
        return max(found, default=None)


def _make_handler(cache: ActionsCache) -> type[BaseHTTPRequestHandler]:  # noqa: C901
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            if asked.path.startswith("/blob/"):
                self._send_blob(bytes(cache.get(asked.path).data))
                return
            keys = parse_qs(asked.query).get("keys", [""])[0].split(",")
            number = next((n for key in keys for n in [cache.find(key)] if n is not None), None)
            if number is None:
                self._answer(204)
                return
            place = f"{cache.url}/blob/{number}"
            key = cache.get(place).key
            self._answer(200, {"cacheKey": key, "scope": "main", "archiveLocation": place})

        def do_POST(self) -> None:
            document = json.loads(self._read() or b"{}")
            if self.path == f"{_PATH}/caches":
                cache.entries.append(_Entry(key=document["key"]))
                self._answer(201, {"cacheId": len(cache.entries)})
                return
            cache.get(self.path).is_committed = True
            self._answer(204)

        def do_PATCH(self) -> None:
            entry, data = cache.get(self.path), self._read()
            first = int(self.headers["Content-Range"].partition(" ")[2].partition("-")[0])
            entry.data += bytes(max(0, first + len(data) - len(entry.data)))
            entry.data[first : first + len(data)] = data
            self._answer(204)

        def _read(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            data = b""
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return data

        def _send_blob(self, data: bytes) -> None:
            asked = self.headers.get("Range", "")
            first, _, last = asked.removeprefix("bytes=").partition("-")
            piece = data[int(first or 0) : int(last) + 1 if last else None]
            self.send_response(206 if asked else 200)
            if asked:
                start = int(first or 0)
                end = start + len(piece) - 1
                self.send_header("Content-Range", f"bytes {start}-{end}/{len(data)}")
            self.send_header("Content-Length", str(len(piece)))
            self.end_headers()
            self.wfile.write(piece)

        def _answer(self, status: int, document: object = None) -> None:
            data = b"" if document is None else json.dumps(document).encode()
            self.send_response(status)
            if status != 204:
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
