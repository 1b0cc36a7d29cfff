"""HTTP to one engine.

docker-py is not used for it: it takes errors inside a 200 stream for success, tells
`ImageNotFound` by phrasings that engines no longer use, loses bytes of a hijacked connection that
came with its headers, leaves a socket open where no engine answers, and loads in 150 ms.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import json
import os
import re
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import urllib3

from pytest_multiarch.core.errors import EngineError, EngineGoneError
from pytest_multiarch.core.known_message import Occasion, Stage
from pytest_multiarch.core.known_messages import find_known
from pytest_multiarch.engine.attachment import SocketAttachment
from pytest_multiarch.engine.messages import describe_cause, explain_unreachable
from pytest_multiarch.engine.transport import (
    explain_ssh_failure,
    open_connection,
    open_socket,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_multiarch.engine.endpoint import Endpoint

_NEWEST_API = (1, 51)
"""The newest API that this was tried with; newer engines still speak it."""
_OLDEST_API = (1, 41)
"""Docker 20.10; `platform` at create came with it."""
_POOL_SIZE = 64
_CONNECT_TIMEOUT_S = 30.0
REQUEST_TIMEOUT_S = 120.0
STREAM_TIMEOUT_S = 900.0
"""How long a pull, a load or an export may be silent: engines unpack large layers silently."""
_TRANSPORT_ERRORS = (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)


class EngineRefusedError(EngineError):
    """An answer with an HTTP status of 400 or more; `text` is the engine's own message."""

    def __init__(self, what: str, *, cure: str = "", status: int = 0, text: str = "") -> None:
        super().__init__(what, cure=cure)
        self.status = status
        self.text = text


class Connection:
    """Requests to one engine, from several threads at once.

    Every method raises `EngineGoneError` once the engine stops answering, and
    `EngineRefusedError` for an answer of 400 or more; nothing of urllib3 comes through.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        """Connect, and settle on a version of the API.

        Raises:
            EngineError: no engine answers, or none that is recent enough.
        """
        self.endpoint = endpoint
        self._pool = _EnginePool(endpoint)
        said = ""
        try:
            response = self._send("GET", "/version", timeout_s=_CONNECT_TIMEOUT_S)
            said = _quote_answer(response)
            document = json.loads(response.data)
            self.version: Mapping[str, Any] = document
            offered = parse_version(document["ApiVersion"])
        except (*_TRANSPORT_ERRORS, ValueError, KeyError, TypeError) as error:
            said = said or (explain_ssh_failure(endpoint.url) if endpoint.scheme == "ssh" else "")
            raise explain_unreachable(endpoint.url, endpoint.origin, error, said=said) from error
        self.api_version = _choose_version(endpoint, offered, document)
        self._prefix = f"/v{self.api_version[0]}.{self.api_version[1]}"

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        document: Any = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = REQUEST_TIMEOUT_S,
        is_stream: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        """Make a request; a stream is to be read within `guard`, and closed by the caller."""
        headers = dict(headers or {})
        if document is not None:
            body = json.dumps(document).encode()
            headers["Content-Type"] = "application/json"
        url = self._prefix + path + (f"?{urlencode(params)}" if params else "")
        with self.guard():
            response = self._send(
                method, url, body=body, headers=headers, timeout_s=timeout_s, is_stream=is_stream
            )
            if response.status >= 400:
                with contextlib.closing(response):
                    raise self._refuse(response.status, response.data, response.reason or "")
        return response

    def _send(
        self,
        method: str,
        url: str,
        *,
        timeout_s: float,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        is_stream: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        return self._pool.urlopen(
            method,
            url,
            body=body,
            headers=headers,
            timeout=urllib3.Timeout(connect=_CONNECT_TIMEOUT_S, read=timeout_s),
            retries=False,
            preload_content=not is_stream,
        )

    def read_json(self, path: str, *, params: Mapping[str, str] | None = None) -> Any:
        """Get a JSON document."""
        return self.parse_json(self.request("GET", path, params=params))

    def parse_json(self, response: urllib3.BaseHTTPResponse) -> Any:
        """Read an answer as JSON; something else than an engine may be answering."""
        try:
            return json.loads(response.data)
        except ValueError as error:
            raise EngineError(
                f"{self.endpoint.url} answered with something that is not JSON: {error}",
                cure="check that DOCKER_HOST names a Docker engine",
            ) from error

    def read_json_lines(self, response: urllib3.BaseHTTPResponse) -> Iterator[dict[str, Any]]:
        """Read a stream of JSON documents, one a line, and close it."""
        with hang_up(response), self.guard():
            for line in response:
                if line.strip():
                    yield self._parse_line(line)

    def _parse_line(self, line: bytes) -> dict[str, Any]:
        try:
            document = json.loads(line)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise EngineError(f"{self.endpoint.url} sent {line[:200]!r}, expected a JSON object")
        return document

    def read_chunks(self, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        """Read a stream of bytes, and close it."""
        with hang_up(response), self.guard():
            yield from response.stream(64 * 1024)

    def hijack(
        self, path: str, *, params: Mapping[str, str] | None = None, document: Any = None
    ) -> SocketAttachment:
        """Make a request that turns its connection into the streams of a process."""
        headers = {"Connection": "Upgrade", "Upgrade": "tcp", "Content-Type": "application/json"}
        url = self._prefix + path + (f"?{urlencode(params)}" if params else "")
        body = None if document is None else json.dumps(document)
        with self.guard():
            connection = open_connection(self.endpoint)
            connection.request("POST", url, body=body, headers=headers)
            response = connection.getresponse()
            if response.status != http.HTTPStatus.SWITCHING_PROTOCOLS:
                with contextlib.closing(connection):
                    raise self._refuse(response.status, response.read(), response.reason)
            # The answer is read through a buffer; what came right behind its headers is in it.
            connection.sock.setblocking(False)
            received = response.fp.peek()
        return SocketAttachment(
            connection.sock, received=received, node=self.endpoint.url, release=response.close
        )

    @contextlib.contextmanager
    def guard(self) -> Iterator[None]:
        """Turn the errors of the transport into ours, around the reading of a stream too."""
        try:
            yield
        except _TRANSPORT_ERRORS as error:
            is_silent = _is_timeout(error)
            what = "did not answer in time" if is_silent else "stopped answering"
            why = "" if is_silent else f": {describe_cause(error)}"
            raise EngineGoneError(
                f"{self.endpoint.url} {what}{why}",
                cure="look at the engine's own log"
                f"{'' if self.endpoint.is_local else ' on that machine'} (journalctl -u docker)",
            ) from error

    def _refuse(self, status: int, body: bytes, reason: str) -> EngineRefusedError:
        text = body[:100_000].decode("utf-8", "replace").strip()
        try:
            text = str(json.loads(text)["message"])
        except (ValueError, KeyError, TypeError):
            text = text or reason
        known = find_known(text, Stage.REQUEST)
        return EngineRefusedError(
            f"{self.endpoint.url} refused: {text}",
            cure=known.explain(text, Occasion()).cure if known else "",
            status=status,
            text=text,
        )

    def close(self) -> None:
        """Let go of all connections."""
        self._pool.close()


def _quote_answer(response: urllib3.BaseHTTPResponse) -> str:
    """Say what something answers that is no engine, or wants TLS; empty for an engine's answer."""
    if response.status == http.HTTPStatus.OK:
        return ""
    text = response.data.decode("utf-8", "replace").strip()
    return f"it answers {response.status}: {text or response.reason}"


class _EnginePool(urllib3.HTTPConnectionPool):
    """Connections to an endpoint, kept for the next request."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__("localhost", maxsize=_POOL_SIZE)
        self._endpoint = endpoint

    def _new_conn(self) -> urllib3.connection.HTTPConnection:
        return _PooledConnection(self._endpoint)


class _PooledConnection(urllib3.connection.HTTPConnection):
    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__("localhost")
        self._endpoint = endpoint

    def connect(self) -> None:
        self.sock = open_socket(self._endpoint)

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]
        """Read the answer; urllib3 asks for it even where the request met a closed connection."""
        if self.sock is None:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        return super().getresponse()


@contextlib.contextmanager
def hang_up(response: urllib3.BaseHTTPResponse) -> Iterator[None]:
    """Close a streamed answer at the end of the block, also in the middle of it.

    A child that a test forked holds the same socket: closing ours alone would leave the engine
    waiting for us to read on, with the container locked. An answer that was read to its end has
    given its connection back to the pool.
    """
    try:
        yield
    finally:
        sock = getattr(response.connection, "sock", None)
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        response.close()


def is_timeout(error: BaseException) -> bool:
    """Tell an error of ours that came of an engine's silence."""
    return error.__cause__ is not None and _is_timeout(error.__cause__)


def _is_timeout(error: BaseException) -> bool:
    return isinstance(error, (urllib3.exceptions.TimeoutError, TimeoutError))


def parse_version(text: str) -> tuple[int, int]:
    """Read `1.48`."""
    match = re.match(r"(\d+)\.(\d+)", text)
    if match is None:
        raise ValueError(f"{text!r} is not a version")
    return int(match.group(1)), int(match.group(2))


def _choose_version(
    endpoint: Endpoint, offered: tuple[int, int], document: Mapping[str, Any]
) -> tuple[int, int]:
    if endpoint.api_version:
        try:
            return parse_version(endpoint.api_version)
        except ValueError as error:
            raise EngineError(
                f"DOCKER_API_VERSION: {error}", cure="write it as 1.45, or unset it"
            ) from None
    if offered < _OLDEST_API:
        raise EngineError(
            f"{endpoint.url} is {document.get('Version')}, with API {document['ApiVersion']}",
            cure="Docker 20.10 (API 1.41) is the oldest that can create by platform: update it",
        )
    least = parse_version(str(document.get("MinAPIVersion") or "1.0"))
    return max(min(offered, _NEWEST_API), least)
