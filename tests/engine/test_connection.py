"""Engines that are not there, are something else, or go away."""

from __future__ import annotations

import contextlib
import errno
import json
import select
import socket
import ssl
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.core.errors import EngineError, EngineGoneError
from pytest_multiarch.engine.connection import EngineRefusedError
from pytest_multiarch.engine.docker_api import open_engine
from pytest_multiarch.engine.endpoint import Endpoint, TlsFiles
from pytest_multiarch.engine.sweeper import Sweeper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.engine.conftest import Bench


def test_no_engine_names_the_address_and_the_cure(tmp_path: Path) -> None:
    endpoint = Endpoint(url=f"unix://{tmp_path}/absent.sock", origin="DOCKER_HOST")
    with pytest.raises(EngineError) as caught:
        open_engine(endpoint, {})
    assert f"{tmp_path}/absent.sock (from DOCKER_HOST): No such file" in caught.value.what
    assert "start Docker" in caught.value.cure


def test_a_port_where_nobody_listens_is_no_engine() -> None:
    with pytest.raises(EngineError, match="Connection refused"):
        open_engine(Endpoint(url="tcp://127.0.0.1:1", origin="DOCKER_HOST"), {})


class Impostor:
    """A socket that answers each request with the same, or hangs up."""

    def __init__(self, path: Path) -> None:
        self.endpoint = Endpoint(url=f"unix://{path}", origin="a test")
        self.answers: list[bytes] = []
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), connection:
                connection.recv(65536)
                if self.answers:
                    connection.sendall(self.answers.pop(0))

    def add(self, document: object, status: str = "200 OK") -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        self.answers.append(head.encode() + body)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def impostor(tmp_path: Path) -> Iterator[Impostor]:
    impostor = Impostor(tmp_path / "x.sock")
    yield impostor
    impostor.close()


VERSION = {"Version": "28.5.2", "ApiVersion": "1.51", "MinAPIVersion": "1.24"}


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}"])
def test_something_else_at_the_address_is_no_engine(impostor: Impostor, body: bytes) -> None:
    impostor.add(body)
    with pytest.raises(EngineError, match="no Docker engine answers"):
        open_engine(impostor.endpoint, {})


def test_an_engine_that_wants_tls_says_so_itself(impostor: Impostor) -> None:
    impostor.add(b"Client sent an HTTP request to an HTTPS server.\n", "400 Bad Request")
    with pytest.raises(EngineError, match="it answers 400: Client sent an HTTP request to an"):
        open_engine(impostor.endpoint, {})


def test_an_engine_that_is_too_old_is_told(impostor: Impostor) -> None:
    impostor.add({"Version": "19.03", "ApiVersion": "1.40"})
    with pytest.raises(EngineError, match=r"19\.03, with API 1\.40"):
        open_engine(impostor.endpoint, {})


@pytest.mark.parametrize(
    ("version", "least", "expected"),
    [("1.41", "1.12", (1, 41)), ("1.99", "1.44", (1, 51)), ("1.99", "1.60", (1, 60))],
)
def test_the_newest_version_that_both_know_is_used(
    impostor: Impostor, version: str, least: str, expected: tuple[int, int]
) -> None:
    impostor.add({**VERSION, "ApiVersion": version, "MinAPIVersion": least})
    impostor.add({"ID": "x"})
    assert open_engine(impostor.endpoint, {}).read_facts().api_version == expected


def test_a_refusal_carries_the_engine_s_words(impostor: Impostor) -> None:
    impostor.add(VERSION)
    impostor.add({"message": "not today"}, "403 Forbidden")
    with pytest.raises(EngineRefusedError, match="refused: not today"):
        open_engine(impostor.endpoint, {})


def test_an_engine_that_hangs_up_is_gone(impostor: Impostor) -> None:
    impostor.add(VERSION)
    impostor.add({"ID": "x"})
    engine = open_engine(impostor.endpoint, {})
    with pytest.raises(EngineGoneError, match="stopped answering"):
        engine.find_image("x")


def test_an_engine_that_resets_a_new_connection_is_gone(
    impostor: Impostor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """urllib3 asks for the answer all the same."""
    impostor.add(VERSION)
    impostor.add({"ID": "x"})
    engine = open_engine(impostor.endpoint, {})

    def reset(endpoint: Endpoint) -> None:
        raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")

    monkeypatch.setattr("pytest_multiarch.engine.connection.open_socket", reset)
    with pytest.raises(EngineGoneError, match="stopped answering: Connection reset by peer"):
        engine.find_image("x")


def test_an_engine_that_hangs_up_within_an_answer_is_gone(impostor: Impostor) -> None:
    impostor.add(VERSION)
    impostor.add({"ID": "x"})
    engine = open_engine(impostor.endpoint, {})
    impostor.answers.append(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    with pytest.raises(EngineGoneError):
        engine.find_image("x")


def test_a_pull_that_breaks_off_is_an_engine_error(impostor: Impostor) -> None:
    impostor.add(VERSION)
    impostor.add({"ID": "x"})
    engine = open_engine(impostor.endpoint, {})
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    impostor.answers.append(head + b'10\r\n{"status": "ok"}\r\n')
    with pytest.raises(EngineGoneError):
        engine.pull("x:1", None)


def test_an_error_within_a_successful_pull_is_an_error(impostor: Impostor) -> None:
    impostor.add(VERSION)
    impostor.add({"ID": "x"})
    engine = open_engine(impostor.endpoint, {})
    impostor.add(b'{"status":"Pulling"}\r\n{"errorDetail":{"message":"manifest unknown"}}\r\n')
    with pytest.raises(Exception, match="x:1 does not exist: manifest unknown"):
        engine.pull("x:1", None)


def test_a_pull_tells_what_is_fetched_and_goes_on_telling_while_it_is_unpacked(
    impostor: Impostor,
) -> None:
    impostor.add(VERSION)
    impostor.add({"ID": "x"})
    engine = open_engine(impostor.endpoint, {})
    lines = [
        {"status": "Downloading", "id": "a", "progressDetail": {"current": 5, "total": 10}},
        {"status": "Downloading", "id": "b", "progressDetail": {"current": 2, "total": 2}},
        {"status": "Verifying Checksum", "id": "b", "progressDetail": {}},
        {"status": "Download complete", "id": "a", "progressDetail": {}},
        {"status": "Extracting", "id": "a", "progressDetail": {"current": 1, "units": "s"}},
    ]
    impostor.add("\r\n".join(map(json.dumps, lines)).encode())
    told: list[tuple[int, int]] = []
    engine.pull("x:1", None, tell=lambda done, total: told.append((done, total)))
    assert told == [(5, 10), (7, 12), (12, 12)]


class TlsRelay:
    """A port with TLS that leads to an engine's socket."""

    def __init__(self, certificate: Path, socket_path: str) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._behind = socket_path
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._relay_one, args=(accepted,), daemon=True).start()

    def _relay_one(self, accepted: socket.socket) -> None:
        with contextlib.suppress(OSError), accepted:
            self._relay(accepted)

    def _relay(self, accepted: socket.socket) -> None:
        with (
            self._context.wrap_socket(accepted, server_side=True) as front,
            socket.socket(socket.AF_UNIX) as behind,
        ):
            behind.connect(self._behind)
            ends = {front: behind, behind: front}
            sources = [front, behind]
            while behind in sources:
                ready = [front] if front in sources and front.pending() else []
                for source in ready or select.select(sources, [], [])[0]:
                    data = source.recv(65536)
                    if data:
                        ends[source].sendall(data)
                        continue
                    sources.remove(source)
                    if source is front:
                        behind.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._listener.close()


@pytest.mark.needs_engine("main")
def test_an_engine_behind_tls_is_used_like_any_other(
    open_bench: Callable[[str], Bench], certificate: Path
) -> None:
    bench = open_bench("main")
    if not bench.endpoint.socket_path:
        pytest.skip("this engine is not behind a socket file")
    relay = TlsRelay(certificate, bench.endpoint.socket_path)
    endpoint = Endpoint(
        url=f"tcp://localhost:{relay.port}", tls=TlsFiles(ca=str(certificate)), origin="a test"
    )
    behind_tls = replace(bench, engine=open_engine(endpoint, {}), endpoint=endpoint)
    ran = behind_tls.run("say", "first", "count", "exit", "3", stdin=b"x" * 200_000)
    assert Sweeper(endpoint).sweep("nobody's") == 0
    behind_tls.engine.close()
    relay.close()
    assert (ran.code, ran.out) == (3, b"first\n200000\n")


@pytest.mark.needs_engine("main")
def test_a_certificate_that_is_not_trusted_is_refused(
    open_bench: Callable[[str], Bench], certificate: Path
) -> None:
    relay = TlsRelay(certificate, open_bench("main").endpoint.socket_path)
    endpoint = Endpoint(url=f"tcp://localhost:{relay.port}", tls=TlsFiles(), origin="a test")
    with pytest.raises(EngineError, match="certificate verify failed"):
        open_engine(endpoint, {})
    relay.close()
