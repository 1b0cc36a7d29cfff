"""The streams of a process, over sockets of every kind."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_multiarch.core.errors import EngineGoneError
from pytest_multiarch.engine.attachment import FrameParser, SocketAttachment
from pytest_multiarch.engine.transport import TlsStream
from tests.engine.conftest import read_all

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def frame(stream: int, data: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


def join(pieces: list[tuple[str, bytes]], stream: str) -> bytes:
    return b"".join(data for name, data in pieces if name == stream)


frames = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40)), max_size=12)


@given(frames, st.lists(st.integers(1, 30), max_size=30))
def test_frames_come_apart_however_the_bytes_arrive(
    sent: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    data = b"".join(frame(stream, body) for stream, body in sent)
    parser = FrameParser()
    pieces = []
    for cut in cuts:
        pieces += parser.feed(data[:cut])
        data = data[cut:]
    pieces += parser.feed(data)
    assert join(pieces, "stdout") == b"".join(body for stream, body in sent if stream == 1)
    assert join(pieces, "stderr") == b"".join(body for stream, body in sent if stream == 2)
    assert parser.is_between_frames


def test_neighbours_of_a_stream_come_as_one_piece() -> None:
    data = frame(1, b"a") * 1000 + frame(2, b"b") + frame(1, b"c")
    assert FrameParser().feed(data) == [
        ("stdout", b"a" * 1000),
        ("stderr", b"b"),
        ("stdout", b"c"),
    ]


@pytest.fixture
def pair() -> Iterator[tuple[SocketAttachment, socket.socket]]:
    """An attachment, and the engine's end of it."""
    ours, theirs = socket.socketpair()
    with theirs, contextlib.closing(attach(ours)) as attachment:
        yield attachment, theirs


def attach(sock: socket.socket | TlsStream, received: bytes = b"") -> SocketAttachment:
    return SocketAttachment(sock, received=received, node="unix:///x", release=lambda: None)


Pair = tuple[SocketAttachment, socket.socket]


def test_bytes_that_came_with_the_headers_are_not_lost() -> None:
    ours, theirs = socket.socketpair()
    with contextlib.closing(attach(ours, frame(1, b"first"))) as attachment:
        theirs.sendall(frame(1, b"second"))
        theirs.close()
        assert read_all(attachment) == (b"firstsecond", b"")


def test_the_end_of_both_streams_is_none(pair: Pair) -> None:
    attachment, theirs = pair
    theirs.close()
    assert attachment.read(deadline=None) is None


def test_a_connection_that_breaks_within_a_frame_is_an_error(pair: Pair) -> None:
    attachment, theirs = pair
    theirs.sendall(frame(1, b"whole")[:-1])
    theirs.close()
    with pytest.raises(EngineGoneError, match="unix:///x"):
        read_all(attachment)


def test_reading_gives_up_at_the_deadline(pair: Pair) -> None:
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        pair[0].read(deadline=start + 0.2)
    assert 0.2 <= time.monotonic() - start < 2


def test_much_stdin_flows_while_much_output_comes(pair: Pair) -> None:
    """Neither side may wait for the other: both have more to say than a socket holds."""
    attachment, theirs = pair
    echo = start_echo(theirs)
    attachment.send(b"x" * 10_000_000)
    out, _ = read_all(attachment)
    echo.join()
    assert len(out) == 10_000_000


def start_echo(sock: socket.socket) -> threading.Thread:
    """Send back in frames what comes, and hang up at its end."""

    def echo() -> None:
        while data := sock.recv(50_000):
            sock.sendall(frame(1, data))
        sock.close()

    thread = threading.Thread(target=echo, daemon=True)
    thread.start()
    return thread


def test_stdin_may_be_refused(pair: Pair) -> None:
    attachment, theirs = pair
    theirs.sendall(frame(1, b"no thanks"))
    theirs.close()
    attachment.send(b"x" * 1_000_000)
    assert read_all(attachment) == (b"no thanks", b"")


def test_closing_twice_lets_go_once() -> None:
    ours, theirs = socket.socketpair()
    released = []
    attachment = SocketAttachment(
        ours, received=b"", node="x", release=lambda: released.append(True)
    )
    attachment.close()
    attachment.close()
    assert released == [True]
    assert theirs.recv(1) == b""
    theirs.close()


@pytest.fixture
def tls_pair(certificate: Path) -> Iterator[Pair]:
    """An attachment over TLS, and the engine's end of it."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    client = ssl.create_default_context(cafile=str(certificate))
    ours, theirs = socket.socketpair()
    wrapped: list[ssl.SSLSocket] = []
    thread = threading.Thread(
        target=lambda: wrapped.append(server.wrap_socket(theirs, server_side=True))
    )
    thread.start()
    stream = TlsStream(ours, client, "localhost")
    thread.join()
    with wrapped[0], contextlib.closing(attach(stream)) as attachment:
        yield attachment, wrapped[0]


def test_stdin_ends_over_tls_while_output_goes_on(tls_pair: Pair) -> None:
    attachment, theirs = tls_pair

    def count() -> None:
        total = 0
        while data := theirs.recv(50_000):
            total += len(data)
        theirs.sendall(frame(1, str(total).encode()))
        theirs.close()

    thread = threading.Thread(target=count, daemon=True)
    thread.start()
    attachment.send(b"x" * 3_000_000)
    out, _ = read_all(attachment)
    thread.join()
    assert out == b"3000000"


def test_much_flows_both_ways_over_tls(tls_pair: Pair) -> None:
    attachment, theirs = tls_pair
    echo = start_echo(theirs)
    attachment.send(b"x" * 3_000_000)
    out, _ = read_all(attachment)
    echo.join()
    assert len(out) == 3_000_000
