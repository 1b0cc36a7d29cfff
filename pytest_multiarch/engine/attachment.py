"""The streams of a container's main process or of an exec, over one hijacked connection.

Docker multiplexes stdout and stderr in frames: one byte for the stream, three of zero, four of
length (big endian), then the bytes (Engine API, "Attach to a container", stream format).
"""

from __future__ import annotations

import contextlib
import select
import selectors
import socket
import time
from collections import deque
from typing import TYPE_CHECKING

from pytest_multiarch.core.errors import EngineGoneError
from pytest_multiarch.engine.transport import TlsStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_multiarch.core.ports import StreamName

_UNIX = getattr(socket, "AF_UNIX", None)
_CHUNK = 64 * 1024
_STREAMS: dict[int, StreamName] = {0: "stdout", 1: "stdout", 2: "stderr"}
# select.select fails for descriptors above 1023, which large suites reach.
_SELECTOR = selectors.PollSelector if hasattr(select, "poll") else selectors.SelectSelector


class FrameParser:
    """Split a multiplexed stream into pieces, however its bytes arrive.

    Keeps no more than a frame's header; neighbours of the same stream come out as one piece.
    """

    def __init__(self) -> None:
        self._header = b""
        self._left = 0
        self._stream: StreamName = "stdout"

    @property
    def is_between_frames(self) -> bool:
        """Whether the stream may end here."""
        return not self._left and not self._header

    def feed(self, data: bytes) -> list[tuple[StreamName, bytes]]:
        """Take the next bytes and give the pieces that are complete with them."""
        runs: list[tuple[StreamName, list[memoryview]]] = []
        view = memoryview(data)
        while view:
            if not self._left:
                view = self._read_header(view)
                continue
            piece, view = view[: self._left], view[self._left :]
            self._left -= len(piece)
            if not runs or runs[-1][0] != self._stream:
                runs.append((self._stream, []))
            runs[-1][1].append(piece)
        return [(stream, b"".join(parts)) for stream, parts in runs]

    def _read_header(self, view: memoryview) -> memoryview:
        missing = 8 - len(self._header)
        self._header += view[:missing]
        if len(self._header) == 8:
            self._stream = _STREAMS.get(self._header[0], "stderr")
            self._left = int.from_bytes(self._header[4:], "big")
            self._header = b""
        return view[missing:]


class SocketAttachment:
    """An `Attachment` over a socket.

    Reading and writing share one thread: bytes of stdin are written whenever the socket takes
    them, in `send` and while `read` waits. That way a TLS connection, which two threads must not
    use at once, works like any other.
    """

    def __init__(
        self,
        sock: socket.socket | TlsStream,
        *,
        received: bytes,
        node: str,
        release: Callable[[], None],
    ) -> None:
        """Take over a socket; `received` was read from it already, `release` lets it go."""
        self._sock = sock
        self._node = node
        self._release = release
        self._parser = FrameParser()
        self._pieces = deque(self._parser.feed(received))
        self._to_send = memoryview(b"")
        self._has_to_end = False
        self._has_written = False
        self._is_closed = False
        sock.setblocking(False)
        self._selector = _SELECTOR()
        self._selector.register(sock, selectors.EVENT_READ)

    def send(self, data: bytes) -> None:
        """Give the rest of stdin, then close it."""
        self._has_to_end = True
        self.write(data)

    def write(self, data: bytes) -> None:
        """Give some of stdin, which stays open."""
        self._to_send = memoryview(bytes(self._to_send) + data)
        self._has_written = True
        self._write()

    def read(self, *, deadline: float | None) -> tuple[StreamName, bytes] | None:
        """Give the next bytes, or None at the end of both streams."""
        if deadline is not None and time.monotonic() >= deadline:
            raise TimeoutError  # even while output keeps coming
        while not self._pieces:
            data = self._receive()
            if data is None:
                self._wait(deadline)
            elif data:
                self._pieces.extend(self._parser.feed(data))
            elif self._parser.is_between_frames:
                return None
            else:
                raise EngineGoneError(f"{self._node} broke off in the middle of some output")
        return self._pieces.popleft()

    def close(self) -> None:
        """Let go of the connection; safe to call twice."""
        if self._is_closed:
            return
        self._is_closed = True
        self._selector.close()
        with contextlib.suppress(OSError):
            self._sock.close()
        self._release()

    def _receive(self) -> bytes | None:
        """Give what is there, nothing at the end, None if it would have to wait."""
        try:
            return self._sock.recv(_CHUNK)
        except BlockingIOError:
            return None
        except OSError as error:
            if self._is_stdin_unread(error):
                return b""
            raise EngineGoneError(
                f"the connection to {self._node} broke while output was read: {error}"
            ) from error

    def _is_stdin_unread(self, error: OSError) -> bool:
        """Tell an end from a break: Podman closes with stdin unread, of which a socket complains.

        That of a file does so once all that was sent has been read.
        """
        is_file = isinstance(self._sock, socket.socket) and self._sock.family == _UNIX
        return is_file and self._has_written and isinstance(error, ConnectionResetError)

    def _wait(self, deadline: float | None) -> None:
        events = selectors.EVENT_READ
        if self._to_send or self._has_to_end:
            events |= selectors.EVENT_WRITE
        self._selector.modify(self._sock, events)
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError
        for _, ready in self._selector.select(left):
            if ready & selectors.EVENT_WRITE:
                self._write()

    def _write(self) -> None:
        try:
            while self._to_send:
                sent = self._sock.send(self._to_send[:_CHUNK])
                self._to_send = self._to_send[sent:]
            if self._has_to_end:
                _end_writing(self._sock)
        except BlockingIOError:
            return
        except OSError:
            pass  # the program ended without reading its stdin; that is its right
        self._to_send = memoryview(b"")
        self._has_to_end = False


def _end_writing(sock: socket.socket | TlsStream) -> None:
    if isinstance(sock, TlsStream):
        sock.end_writing()
    else:
        sock.shutdown(socket.SHUT_WR)
