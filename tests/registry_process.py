"""Real registries of a test's own: open, with passwords, or with tokens of a token server."""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from pathlib import Path

USER, PASSWORD = "ann", "hunter2"
# bcrypt of the password, which is all that the registry understands
_HTPASSWD = f"{USER}:$2b$04$OEbDY6P3QaEDb5f04g1JxedajLvUKj3zL62VMmu3Ri2IbDr/6I/Oa\n"
_SERVICE, _ISSUER = "registry", "tests"
_ACCEPT = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json"


class RegistryProcess:
    """A registry on loopback; `auth` is empty, `password` or `token`."""

    def __init__(self, program: str, folder: Path, *, auth: str = "") -> None:
        self._program = program
        self._folder = folder
        self.auth = auth
        folder.mkdir(parents=True, exist_ok=True)
        self._port = find_free_port()
        self._tokens = TokenServer(folder) if auth == "token" else None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._tokens is not None:
            self._tokens.close()

    def start(self) -> None:
        """Start it; what it had before it still has."""
        config: dict[str, Any] = {
            "version": "0.1",
            "log": {"level": "error"},
            "storage": {
                "filesystem": {"rootdirectory": str(self._folder / "data")},
                "delete": {"enabled": True},
            },
            "http": {"addr": self.address, "secret": "test"},
        }
        if self.auth == "password":
            (self._folder / "htpasswd").write_text(_HTPASSWD)
            path = str(self._folder / "htpasswd")
            config["auth"] = {"htpasswd": {"realm": "test", "path": path}}
        if self._tokens is not None:
            config["auth"] = {"token": self._tokens.describe()}
        (self._folder / "config.yml").write_text(json.dumps(config))  # YAML is JSON, and more
        self._process = subprocess.Popen(
            [self._program, "serve", str(self._folder / "config.yml")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 20
        while not can_connect(self._port):
            assert self._process.poll() is None, "the registry ended at once"
            assert time.monotonic() < deadline, "the registry does not start"
            time.sleep(0.05)

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def read_tag(self, name: str) -> str:
        """Give the digest of what `repository:tag` names, empty for nothing; past all auth."""
        repository, _, tag = name.rpartition(":")
        folder = self._folder / "data/docker/registry/v2/repositories" / repository
        link = folder / "_manifests/tags" / tag / "current/link"
        return link.read_text().strip() if link.exists() else ""

    def read_document(self, name: str, digest: str) -> dict[str, Any]:
        """Read a manifest or an index of an open registry."""
        status, data = fetch(f"http://{self.address}/v2/{name}/manifests/{digest}")
        assert status == 200, data
        document: dict[str, Any] = json.loads(data)
        return document


def fetch(url: str) -> tuple[int, bytes]:
    """Get a URL, past all proxies."""
    request = urllib.request.Request(url, headers={"Accept": _ACCEPT})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def find_free_port() -> int:
    """Give a port of loopback that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def can_connect(port: int) -> bool:
    """Tell whether somebody listens on a port of loopback."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


class TokenServer:
    """Gives tokens as the registry's specification says (`docs/spec/auth/jwt.md`).

    Who knows the password may push and pull, everybody else may pull.
    """

    def __init__(self, folder: Path) -> None:
        self._key, self._certificate = folder / "token.key", folder / "token.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=tests",
             "-days", "2", "-keyout", self._key, "-out", self._certificate],
            check=True, capture_output=True,
        )  # fmt: skip
        self.asked: list[dict[str, list[str]]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._make_handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()

    def describe(self) -> dict[str, str]:
        """Give the registry's configuration."""
        return {
            "realm": f"http://127.0.0.1:{self._server.server_address[1]}/token",
            "service": _SERVICE,
            "issuer": _ISSUER,
            "rootcertbundle": str(self._certificate),
        }

    def _answer(self, query: dict[str, list[str]], authorization: str) -> tuple[int, bytes]:
        self.asked.append(query)
        pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if authorization and authorization != f"Basic {pair}":
            return 401, b'{"details": "incorrect username or password"}'
        granted = {"pull", "push", "delete"} if authorization else {"pull"}
        access = []
        for scope in query.get("scope", []):
            kind, name, actions = scope.split(":")
            allowed = [each for each in actions.split(",") if each in granted]
            access.append({"type": kind, "name": name, "actions": allowed})
        return 200, json.dumps({"token": self._sign(access), "expires_in": 60}).encode()

    def _sign(self, access: list[dict[str, Any]]) -> str:
        lines = self._certificate.read_text().splitlines()
        der = "".join(line for line in lines if "CERTIFICATE" not in line)
        now = int(time.time())
        claims = {
            "iss": _ISSUER, "sub": USER, "aud": _SERVICE, "iat": now, "nbf": now - 5,
            "exp": now + 60, "jti": secrets.token_hex(8), "access": access,
        }  # fmt: skip
        head = {"typ": "JWT", "alg": "RS256", "x5c": [der]}
        text = ".".join(encode(json.dumps(each).encode()) for each in (head, claims))
        signed = subprocess.run(
            ["openssl", "dgst", "-sha256", "-sign", self._key],
            input=text.encode(), check=True, capture_output=True,
        )  # fmt: skip
        return f"{text}.{encode(signed.stdout)}"

    def _make_handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)
                status, body = server._answer(query, self.headers.get("Authorization", ""))
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler


def encode(data: bytes) -> str:
    """Encode as a token wants it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class DyingFront:
    """Stands in front of a registry, and dies at a request: from there on nobody answers.

    It dies at the first request of the `method` whose path has `part` in it; where `is_late`, the
    registry still gets that one, and its answer is lost.
    """

    def __init__(self, address: str, method: str, part: str, *, is_late: bool = False) -> None:
        self._behind = address
        self._method, self._part, self._is_late = method, part, is_late
        self.is_dead = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._make_handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _forward(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        request = urllib.request.Request(
            f"http://{self._behind}{path}", method=method, data=body or None, headers=headers
        )
        try:
            with opener.open(request, timeout=30) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read()

    def _make_handler(self) -> type[BaseHTTPRequestHandler]:
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                is_last = self.command == front._method and front._part in self.path
                if front.is_dead or (is_last and not front._is_late):
                    front.is_dead = True
                    self._hang_up()
                    return
                size = int(self.headers.get("Content-Length") or 0)
                headers = {k: v for k, v in self.headers.items() if k.lower() != "host"}
                body = self.rfile.read(size)
                status, found, data = front._forward(self.command, self.path, headers, body)
                if is_last:
                    front.is_dead = True
                    self._hang_up()
                    return
                self.send_response(status)
                for name, value in found.items():
                    if name.lower() not in ("date", "server", "transfer-encoding", "connection"):
                        self.send_header(name, value.replace(front._behind, front.address))
                if "Content-Length" not in found:
                    self.send_header("Content-Length", "0")
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

            def _hang_up(self) -> None:
                self.close_connection = True
                with contextlib.suppress(OSError):
                    self.connection.shutdown(socket.SHUT_RDWR)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler
