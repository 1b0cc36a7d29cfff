"""A socket in front of an engine's: it sees what is asked, and can go away."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_REQUEST = re.compile(rb"^(GET|HEAD|POST|PUT|DELETE) (\S+) HTTP/1\.1\r$", re.MULTILINE)


class EngineProxy:
    """Passes every connection on, and notes the requests that come in.

    `on_request` is called with each one, `POST /v1.51/containers/create?...`, once the engine
    behind has it.
    """

    def __init__(self, path: Path, behind: str) -> None:
        self._path = path
        self._behind = behind
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self.requests: list[str] = []
        self.on_request: Callable[[str], None] = lambda _: None

    def __enter__(self) -> Self:
        self.restore()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()

    def list_requests(self, pattern: str) -> list[str]:
        """Give the requests that match a regular expression."""
        return [each for each in self.requests if re.search(pattern, each)]

    def restore(self) -> None:
        """Listen."""
        self._path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self._path))
        self._listener.listen(64)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """Go away, in the middle of whatever is under way."""
        with self._lock:
            self._path.unlink(missing_ok=True)
            if self._listener is not None:
                self._listener.shutdown(socket.SHUT_RDWR)
                self._listener.close()
                self._listener = None
            for each in self._open:
                _hang_up(each)
            self._open.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            engine = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            engine.connect(self._behind)
            with self._lock:
                self._open += [client, engine]
            for source, target in ((client, engine), (engine, client)):
                relay = self._listen_in if source is client else _pass_on
                threading.Thread(target=_relay, args=(source, target, relay), daemon=True).start()

    def _listen_in(self, target: socket.socket, data: bytes) -> None:
        _pass_on(target, data)
        for method, path in _REQUEST.findall(data):
            request = f"{method.decode()} {path.decode()}"
            self.requests.append(request)
            self.on_request(request)


def _pass_on(target: socket.socket, data: bytes) -> None:
    target.sendall(data)


def _relay(
    source: socket.socket,
    target: socket.socket,
    handle: Callable[[socket.socket, bytes], None],
) -> None:
    try:
        while data := source.recv(64 * 1024):
            handle(target, data)
        target.shutdown(socket.SHUT_WR)  # one side may end while the other goes on
    except OSError:
        _hang_up(source)
        _hang_up(target)


def _hang_up(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
