"""A socket in front of an engine's: it sees what is asked, and can go away."""

from __future__ import annotations

import contextlib
import re
import selectors
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
        self._threads: list[threading.Thread] = []
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
        self._start(self._accept, self._listener)

    def cut(self) -> None:
        """Go away, in the middle of whatever is under way."""
        self._path.unlink(missing_ok=True)
        with self._lock:
            for each in (*self._open, self._listener):
                if each is not None:
                    with contextlib.suppress(OSError):
                        each.shutdown(socket.SHUT_RDWR)
        while self._threads:
            self._threads.pop().join(timeout=10)

    def _start(self, target: Callable[[socket.socket], None], each: socket.socket) -> None:
        thread = threading.Thread(target=target, args=(each,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with listener, contextlib.suppress(OSError):
            while True:
                self._start(self._serve, listener.accept()[0])

    def _serve(self, client: socket.socket) -> None:
        """Pass on what both sides send, until one hangs up or both have ended."""
        with client, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as engine:
            engine.connect(self._behind)
            with self._lock:
                self._open += [client, engine]
            with contextlib.suppress(OSError):
                self._relay(client, engine)
            with self._lock:
                self._open = [each for each in self._open if each not in (client, engine)]

    def _relay(self, client: socket.socket, engine: socket.socket) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ, engine)
            selector.register(engine, selectors.EVENT_READ, client)
            while selector.get_map():
                for key, _ in selector.select():
                    data = key.fileobj.recv(64 * 1024)
                    if not data:  # one side may end while the other goes on
                        selector.unregister(key.fileobj)
                        key.data.shutdown(socket.SHUT_WR)
                        continue
                    key.data.sendall(data)
                    if key.fileobj is client:
                        self._note(data)

    def _note(self, data: bytes) -> None:
        for method, path in _REQUEST.findall(data):
            request = f"{method.decode()} {path.decode()}"
            self.requests.append(request)
            self.on_request(request)
