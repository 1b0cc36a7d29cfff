"""Removes what a session made, by its label, with nothing but the standard library.

It runs in the watchdog's process, which has to start in milliseconds and must not depend on what
the test process has loaded.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import subprocess
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from pytest_multiarch.engine.endpoint import Endpoint
from pytest_multiarch.engine.sessions import IMAGE_NAMES, SESSION_LABEL, SessionLabels, find_stale

_TIMEOUT_S = 60.0


class Sweeper:
    """A client of one engine that can list by label, and remove."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def sweep(self, session_id: str) -> int:
        """Remove all that carries a session's label; give how many things there were.

        Raises:
            OSError, http.client.HTTPException: the engine does not answer.
        """
        containers, networks, images = self._list_all(f"{SESSION_LABEL}={session_id}")
        images = [each for each in images if _read_session(each) == session_id]
        for container in containers:
            self._ask("DELETE", f"/containers/{container['Id']}", {"force": "1", "v": "1"})
        for network in networks:
            self._ask("DELETE", f"/networks/{network['Id']}")
        for image in images:
            for name in image.get("RepoTags") or (image["Id"],):
                self._ask("DELETE", f"/images/{quote(name, safe='/:@')}", {"force": "1"})
        return len(containers) + len(networks) + len(images)

    def sweep_stale(self, here: SessionLabels) -> frozenset[str]:
        """Remove what sessions left that are certainly over, as seen from `here`; give them."""
        things = [thing for things in self._list_all(SESSION_LABEL) for thing in things]
        stale = find_stale((thing.get("Labels") or {} for thing in things), here=here)
        for session_id in stale:
            self.sweep(session_id)
        return stale

    def _list_all(self, label: str) -> tuple[list[Any], list[Any], list[Any]]:
        """List containers and networks with a label, and the images of all sessions."""
        labelled = {"filters": json.dumps({"label": [label]}), "all": "1"}
        named = {"filters": json.dumps({"reference": [IMAGE_NAMES]})}
        return (
            self._ask("GET", "/containers/json", labelled) or [],
            self._ask("GET", "/networks", labelled) or [],
            self._ask("GET", "/images/json", named) or [],
        )

    def _ask(self, method: str, path: str, query: Mapping[str, str] | None = None) -> Any:
        """Make one request; an answer of 400 or more, as for what is gone already, gives None."""
        connection = open_connection(self._endpoint)
        try:
            connection.request(method, f"{path}?{urlencode(query)}" if query else path)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        return json.loads(body) if body and response.status < 400 else None


def _read_session(thing: Mapping[str, Any]) -> str:
    return str((thing.get("Labels") or {}).get(SESSION_LABEL, ""))


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a socket that is made elsewhere."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_S)
        self._endpoint = endpoint

    def connect(self) -> None:
        if self._endpoint.scheme == "ssh":
            self.sock = _dial_ssh(self._endpoint.url)
        else:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_TIMEOUT_S)
        if self._endpoint.scheme == "unix":
            self.sock.connect(self._endpoint.socket_path)


def open_connection(endpoint: Endpoint) -> http.client.HTTPConnection:
    """Make a connection to an engine, opened with the first request.

    Raises:
        OSError: the endpoint is of a kind that only a library can speak to (`npipe://`).
    """
    if endpoint.scheme in ("unix", "ssh"):
        return _SocketConnection(endpoint)
    address = urlsplit(endpoint.url)
    if endpoint.scheme not in ("tcp", "http", "https") or not address.hostname:
        raise OSError(f"cannot speak to {endpoint.url}")
    if endpoint.tls is None and endpoint.scheme != "https":
        port = address.port or 2375
        return http.client.HTTPConnection(address.hostname, port, timeout=_TIMEOUT_S)
    return http.client.HTTPSConnection(
        address.hostname,
        address.port or 2376,
        timeout=_TIMEOUT_S,
        context=_build_tls_context(endpoint),
    )


def _build_tls_context(endpoint: Endpoint) -> ssl.SSLContext:
    tls = endpoint.tls
    context = ssl.create_default_context(cafile=tls.ca if tls and tls.ca else None)
    if tls and tls.cert and tls.key:
        context.load_cert_chain(tls.cert, tls.key)
    if tls and not tls.is_verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _dial_ssh(url: str) -> socket.socket:
    """Connect as the docker command does: over ssh, with docker's own relay at the other end."""
    address = urlsplit(url)
    user = ["-l", address.username] if address.username else []
    port = ["-p", str(address.port)] if address.port else []
    ours, theirs = socket.socketpair()
    with theirs:
        subprocess.Popen(
            ["ssh", "-o", "BatchMode=yes", *user, *port, "--", address.hostname or "",
             "docker", "system", "dial-stdio"],
            stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=subprocess.DEVNULL,
        )  # fmt: skip
    return ours
