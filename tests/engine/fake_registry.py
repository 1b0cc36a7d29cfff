"""A registry in this process that misbehaves as told, and remembers how it was asked."""

from __future__ import annotations

import base64
import contextlib
import json
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Answer:
    """What to answer under a path."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    @property
    def authorization(self) -> str:
        return self.headers.get("Authorization", "")


class FakeRegistry:
    """Answers as `answers` says, by path, or method and path.

    Lets in who shows what `required` is, if it is set.
    """

    def __init__(self, certificate: Path | None = None) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[Asked] = []
        self.required = ""
        self.challenge = ""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._make_handler())
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def add(self, path: str, document: Any, media_type: str = "application/json") -> bytes:
        """Answer with a document; gives its bytes."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.answers[path] = Answer(body, headers={"Content-Type": media_type})
        return body

    def require_basic(self, username: str, password: str) -> None:
        """Let in who knows the password."""
        pair = base64.b64encode(f"{username}:{password}".encode()).decode()
        self.required, self.challenge = f"Basic {pair}", 'Basic realm="x"'

    def require_token(self, token: str) -> None:
        """Let in who shows a token, which is to be had at `/token`."""
        self.required = f"Bearer {token}"
        self.challenge = f'Bearer realm="http://{self.address}/token",service="s"'
        self.add("/token", {"token": token})

    def close(self) -> None:
        """End."""
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        is_let_in = not self.required or asked.authorization == self.required
        if asked.path.startswith("/v2/") and not is_let_in:
            errors = {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}
            body = json.dumps(errors).encode()
            return Answer(body, 401, {"WWW-Authenticate": self.challenge})
        if asked.path == "/v2/":
            return Answer(b"{}")
        absent = {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}
        of_method = self.answers.get(f"{asked.method} {asked.path}")
        return of_method or self.answers.get(asked.path, Answer(json.dumps(absent).encode(), 404))

    def _make_handler(self) -> type[BaseHTTPRequestHandler]:
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                url = urlsplit(self.path)
                size = int(self.headers.get("Content-Length") or 0)
                answer = registry._answer(
                    Asked(
                        self.command,
                        url.path,
                        parse_qs(url.query),
                        dict(self.headers),
                        self.rfile.read(size),
                    )
                )
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                if self.command != "HEAD":
                    with contextlib.suppress(OSError):  # the client has heard enough
                        self.wfile.write(answer.body)

            do_POST = do_HEAD = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler
