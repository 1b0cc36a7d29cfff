"""Connections to an engine with nothing but the standard library.

For the watchdog, which has to start in milliseconds, and for the streams of processes, which need
a socket of their own of which one direction can be ended.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import ssl
import subprocess
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pytest_multiarch.engine.endpoint import Endpoint

_RELAY = ("docker", "system", "dial-stdio")
_TIMEOUT_S = 60.0
_CONNECT_TIMEOUT_S = 15.0
"""How long a machine may take to say that it is there; one that is off says nothing."""
_CHUNK = 64 * 1024


def open_connection(endpoint: Endpoint) -> http.client.HTTPConnection:
    """Make an HTTP connection to an engine, opened with the first request."""
    return _EngineConnection(endpoint)


class _EngineConnection(http.client.HTTPConnection):
    """HTTP over whatever socket leads to an endpoint."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__("localhost")
        self._endpoint = endpoint

    def connect(self) -> None:
        self.sock = open_socket(self._endpoint)


def open_socket(endpoint: Endpoint) -> Any:
    """Open a connection to an engine: a socket, or what behaves like one as far as HTTP needs it.

    Raises:
        OSError: nobody answers, or it is a kind of endpoint that sockets do not reach (`npipe://`).
    """
    if endpoint.scheme == "unix":
        return _open_unix_socket(endpoint.socket_path)
    if endpoint.scheme == "ssh":
        return _dial_ssh(endpoint.url)
    if endpoint.scheme not in ("tcp", "http", "https"):
        raise OSError(f"{endpoint.scheme}:// is not supported; use unix://, tcp:// or ssh://")
    address = urlsplit(endpoint.url)
    has_tls = endpoint.tls is not None or endpoint.scheme == "https"
    port = address.port or (2376 if has_tls else 2375)
    sock = socket.create_connection((endpoint.host, port), timeout=_CONNECT_TIMEOUT_S)
    sock.settimeout(_TIMEOUT_S)
    return TlsStream(sock, _build_context(endpoint), endpoint.host) if has_tls else sock


def _open_unix_socket(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(_TIMEOUT_S)
    try:
        sock.connect(path)
    except OSError:
        sock.close()
        raise
    return sock


def _build_context(endpoint: Endpoint) -> ssl.SSLContext:
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
    ours, theirs = socket.socketpair()
    with theirs:
        subprocess.Popen(
            build_ssh_command(url, *_RELAY),
            stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=subprocess.DEVNULL,
        )  # fmt: skip
    ours.settimeout(_TIMEOUT_S)
    return ours


def build_ssh_command(url: str, *command: str) -> list[str]:
    """Give the command line by which ssh has a command executed where an `ssh://` URL says."""
    address = urlsplit(url)
    user = ["-l", address.username] if address.username else []
    port = ["-p", str(address.port)] if address.port else []
    options = ["-o", "BatchMode=yes", "-o", f"ConnectTimeout={_CONNECT_TIMEOUT_S:.0f}"]
    return ["ssh", *options, *user, *port, "--", address.hostname or "", *command]


def explain_ssh_failure(url: str) -> str:
    """Give the last line that ssh, or docker at the other end, says against a connection.

    Empty if there is none. It dials once more, since the words of the first time went by.
    """
    try:
        done = subprocess.run(
            build_ssh_command(url, *_RELAY),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=2 * _CONNECT_TIMEOUT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return lines[-1] if done.returncode and lines else ""


def find_ssh_host(url: str) -> str:
    """Give the name or address that ssh connects to: the URL may have an alias of ssh's own."""
    address = urlsplit(url).hostname or ""
    try:
        done = subprocess.run(
            ["ssh", "-G", "--", address], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=_CONNECT_TIMEOUT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return address
    words = (line.split(" ", 1) for line in done.stdout.splitlines())
    return next((each[1] for each in words if each[0] == "hostname" and len(each) > 1), address)


class TlsStream:
    """TLS over a socket, of which one direction can be ended while the other goes on.

    `ssl.SSLSocket` cannot do that: its `shutdown` takes the encryption off, and its `unwrap` loses
    what arrives meanwhile. Waiting, or not, is as the socket below is set to.
    """

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, host: str) -> None:
        """Shake hands with the other side, which has to be `host`."""
        self._sock = sock
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._unsent = b""
        self._plain = bytearray()
        try:
            self._shake_hands()
        except BaseException:
            sock.close()
            raise

    def _shake_hands(self) -> None:
        while not self._try_to_shake_hands():
            self._flush()
            self._fill()
        self._flush()

    def _try_to_shake_hands(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def recv(self, size: int) -> bytes:
        """Give what is there, nothing at the end."""
        while not self._plain:
            data = self._read(size)
            if data is not None:
                return data
            # The other side may not be able to take any more before we have read.
            with contextlib.suppress(BlockingIOError):
                self._flush()
            self._fill()
        piece = bytes(self._plain[:size])
        del self._plain[:size]
        return piece

    def _read(self, size: int) -> bytes | None:
        """Decrypt what has come in; None if that is less than a record."""
        try:
            return self._tls.read(size)
        except ssl.SSLWantReadError:
            return None
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    def send(self, data: bytes | memoryview) -> int:
        """Send some of it; give how much."""
        self._flush()
        sent = self._tls.write(data[:_CHUNK])
        with contextlib.suppress(BlockingIOError):
            self._flush()  # it is encrypted and kept; the next call goes on with it
        return sent

    def sendall(self, data: bytes) -> None:
        """Send all of it; for a socket that waits."""
        view = memoryview(data)
        while view:
            view = view[self.send(view) :]
        self._flush()

    def end_writing(self) -> None:
        """Say that no more will be sent. Raises `BlockingIOError` while earlier data is unsent."""
        self._flush()
        # OpenSSL must find nothing to read while it says so, or it takes the stream for broken.
        while piece := self._read(_CHUNK):
            self._plain += piece
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()  # raises, since the other side's end has not come yet
        self._flush()

    def _flush(self) -> None:
        self._unsent += self._outgoing.read()
        while self._unsent:
            self._unsent = self._unsent[self._sock.send(self._unsent) :]

    def _fill(self) -> None:
        data = self._sock.recv(_CHUNK)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def makefile(self, mode: str = "rb", buffering: int = -1) -> io.BufferedReader:  # noqa: ARG002
        """Give what `http.client` reads an answer from."""
        return io.BufferedReader(_Reader(self))

    def fileno(self) -> int:
        """The descriptor of the socket below, to wait for."""
        return self._sock.fileno()

    def setblocking(self, flag: bool) -> None:
        """Say whether to wait."""
        self._sock.setblocking(flag)

    def settimeout(self, timeout_s: float | None) -> None:
        """Say how long to wait."""
        self._sock.settimeout(timeout_s)

    def shutdown(self, how: int) -> None:
        """End the socket below, for every process that has it."""
        self._sock.shutdown(how)

    def close(self) -> None:
        """Close the socket below."""
        self._sock.close()


class _Reader(io.RawIOBase):
    """The reading side of a `TlsStream` as a file; closing it leaves the stream open."""

    def __init__(self, stream: TlsStream) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        try:
            data = self._stream.recv(len(buffer))
        except BlockingIOError:
            return None
        buffer[: len(data)] = data
        return len(data)
