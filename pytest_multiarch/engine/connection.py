"""HTTP to one engine. The only place that imports docker-py.

docker-py brings the transports (unix, tcp, TLS, named pipes, ssh). Its own methods are not used:
they take errors inside a 200 stream for success, tell `ImageNotFound` by phrasings that engines
no longer use, and lose bytes of a hijacked connection that came with its headers.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import ssl
from collections.abc import Iterator, Mapping
from typing import Any, cast

import docker
import requests
import urllib3
from docker.tls import TLSConfig
from requests.adapters import HTTPAdapter

from pytest_multiarch.core.errors import EngineError, EngineGoneError
from pytest_multiarch.engine.attachment import SocketAttachment
from pytest_multiarch.engine.endpoint import Endpoint
from pytest_multiarch.engine.messages import describe_cause, explain_unreachable

_NEWEST_API = (1, 51)
"""The newest API that this was tried with; newer engines still speak it."""
_OLDEST_API = (1, 41)
"""Docker 20.10; `platform` at create came with it."""
_POOL_SIZE = 64
_CONNECT_TIMEOUT_S = 30.0
REQUEST_TIMEOUT_S = 120.0
STREAM_TIMEOUT_S = 900.0
"""How long a pull, a load or an export may be silent: engines unpack large layers silently."""

_TRANSPORT_ERRORS = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    docker.errors.DockerException,
    OSError,
)


CLIENT_ERRORS = (docker.errors.DockerException, requests.RequestException)
"""What docker-py's own client raises."""


class EngineRefusedError(EngineError):
    """An answer with an HTTP status of 400 or more; `text` is the engine's own message."""

    def __init__(self, what: str, *, cure: str = "", status: int = 0, text: str = "") -> None:
        super().__init__(what, cure=cure)
        self.status = status
        self.text = text


class Connection:
    """Requests to one engine, from several threads at once.

    Every method raises `EngineGoneError` once the engine stops answering, and `EngineRefusedError`
    for an answer of 400 or more; nothing of requests or docker-py comes through.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        """Connect, and settle on a version of the API.

        Raises:
            EngineError: no engine answers, or none that is recent enough.
        """
        self.endpoint = endpoint
        try:
            self._session = _open_session(endpoint)
            response = self._session.get(
                f"{self._session.base_url}/version", timeout=_CONNECT_TIMEOUT_S
            )
            document = response.json()
            self.version: Mapping[str, Any] = document
            offered = parse_version(document["ApiVersion"])
        except (*_TRANSPORT_ERRORS, ValueError, KeyError, TypeError) as error:
            raise explain_unreachable(endpoint.url, endpoint.origin, error) from error
        self.api_version = _choose_version(endpoint, offered, document)
        self._base = f"{self._session.base_url}/v{self.api_version[0]}.{self.api_version[1]}"

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        document: Any = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = REQUEST_TIMEOUT_S,
        is_stream: bool = False,
    ) -> requests.Response:
        """Make a request; a stream is to be closed by the caller, or read through `guard`."""
        with self.guard():
            response: requests.Response = self._session.request(
                method,
                self._base + path,
                params=params,
                json=document,
                data=body,
                headers=headers,
                timeout=(_CONNECT_TIMEOUT_S, timeout_s),
                stream=is_stream,
            )
            if response.status_code >= 400:
                raise self._refuse(response)
        return response

    def read_json(self, path: str, *, params: Mapping[str, Any] | None = None) -> Any:
        """Get a JSON document."""
        return self.parse_json(self.request("GET", path, params=params))

    def parse_json(self, response: requests.Response) -> Any:
        """Read an answer as JSON; something else than an engine may be answering."""
        try:
            return response.json()
        except ValueError as error:
            raise EngineError(
                f"{self.endpoint.url} answered with something that is not JSON: {error}",
                cure="check that DOCKER_HOST names a Docker engine",
            ) from error

    def read_json_lines(self, response: requests.Response) -> Iterator[dict[str, Any]]:
        """Read a stream of JSON documents, one a line, and close it."""
        with contextlib.closing(response), self.guard():
            for line in response.iter_lines(chunk_size=None):
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

    def read_chunks(self, response: requests.Response) -> Iterator[bytes]:
        """Read a stream of bytes, and close it."""
        with contextlib.closing(response), self.guard():
            yield from response.iter_content(64 * 1024)

    def hijack(
        self, path: str, *, params: Mapping[str, Any] | None = None, document: Any = None
    ) -> SocketAttachment:
        """Make a request that turns its connection into the streams of a process."""
        response = self.request(
            "POST",
            path,
            params=params,
            document=document,
            headers={"Connection": "Upgrade", "Upgrade": "tcp"},
            is_stream=True,
        )
        with self.guard():
            # http.client reads headers through a buffer; what came right behind them is in it.
            buffered = cast("Any", response.raw)._fp.fp  # noqa: SLF001
            sock = buffered.raw._sock  # noqa: SLF001
            sock.setblocking(False)
            try:
                received = buffered.peek() or b""
                received = buffered.read1(len(received)) if received else b""
            except (BlockingIOError, ssl.SSLWantReadError):
                received = b""
        return SocketAttachment(
            sock, received=received, node=self.endpoint.url, release=response.close
        )

    @contextlib.contextmanager
    def guard(self) -> Iterator[None]:
        """Turn the errors of the transport into ours, around the reading of a stream too."""
        try:
            yield
        except EngineError:
            raise
        except _TRANSPORT_ERRORS as error:
            if _is_timeout(error):
                raise EngineGoneError(
                    f"{self.endpoint.url} did not answer in time",
                    cure="look at the engine's own log (journalctl -u docker)",
                ) from error
            raise EngineGoneError(
                f"{self.endpoint.url} stopped answering: {describe_cause(error)}",
                cure="look at the engine's own log (journalctl -u docker)",
            ) from error

    def _refuse(self, response: requests.Response) -> EngineRefusedError:
        with contextlib.closing(response):
            text = response.content[:100_000].decode("utf-8", "replace").strip()
        try:
            text = str(json.loads(text)["message"])
        except (ValueError, KeyError, TypeError):
            text = text or response.reason
        return EngineRefusedError(
            f"{self.endpoint.url} refused: {text}", status=response.status_code, text=text
        )

    def close(self) -> None:
        """Let go of all connections."""
        self._session.close()


def is_timeout(error: BaseException) -> bool:
    """Tell an error of ours that came of an engine's silence."""
    return error.__cause__ is not None and _is_timeout(error.__cause__)


def parse_version(text: str) -> tuple[int, int]:
    """Read `1.48`."""
    match = re.match(r"(\d+)\.(\d+)", text)
    if match is None:
        raise ValueError(f"{text!r} is not a version")
    return int(match.group(1)), int(match.group(2))


def _is_timeout(error: BaseException) -> bool:
    # While a body is read, requests gives a ConnectionError around urllib3's timeout.
    inner = error.args[0] if error.args else None
    return isinstance(
        error, (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)
    ) or isinstance(inner, urllib3.exceptions.TimeoutError)


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


def _open_session(endpoint: Endpoint) -> docker.APIClient:
    session = docker.APIClient(
        base_url=endpoint.url,
        version=f"{_OLDEST_API[0]}.{_OLDEST_API[1]}",  # not used; "auto" would ask at once
        tls=_build_tls(endpoint),
        max_pool_size=_POOL_SIZE,
    )
    # Asked for gzip, the engine compresses what comes out of a container, on the same machine.
    session.headers["Accept-Encoding"] = "identity"
    # Proxies and .netrc are for the world outside.
    session.trust_env = not endpoint.is_local
    if endpoint.scheme in ("tcp", "http", "https"):
        adapter = HTTPAdapter(pool_maxsize=_POOL_SIZE)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
    return session


def open_docker_client(endpoint: Endpoint, api_version: tuple[int, int]) -> docker.DockerClient:
    """Make a client of docker-py's own, for a library that is built on it."""
    major, minor = api_version
    return docker.DockerClient(
        base_url=endpoint.url, version=f"{major}.{minor}", tls=_build_tls(endpoint)
    )


def explain_client_error(error: Exception) -> str:
    """Give the engine's words in an error of docker-py's own client, else the cause."""
    explanation = getattr(error, "explanation", None)
    return str(explanation) if explanation else describe_cause(error)


def _build_tls(endpoint: Endpoint) -> TLSConfig | bool:
    tls = endpoint.tls
    if tls is None:
        return False
    return TLSConfig(
        client_cert=(tls.cert, tls.key) if tls.cert and tls.key else None,
        ca_cert=tls.ca or None,
        verify=tls.is_verified,
    )
