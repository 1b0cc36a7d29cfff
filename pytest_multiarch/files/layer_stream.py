"""The bytes of a layer on their way: unpacked, counted, bounded, and held against its digests."""

from __future__ import annotations

import hashlib
import threading
from queue import Queue
from typing import TYPE_CHECKING, Protocol

from pytest_multiarch.core.digest import is_digest
from pytest_multiarch.files.archive_error import ArchiveError
from pytest_multiarch.files.compression import tell_compression, unpack

if TYPE_CHECKING:
    from pytest_multiarch.core.manifest import StoredLayer
    from pytest_multiarch.core.ports import ByteStream

_HEAD_SIZE = 512
_HASHED_AT_ONCE = 4 * 1024 * 1024
_GIB = 1024**3
UNPACKED_LIMIT = 128 * _GIB
BOMB_SIZE = 4 * _GIB
BOMB_RATIO = 500
"""What unpacks to more than `BOMB_SIZE` and to so many times its size is taken for a bomb."""


class Hash(Protocol):
    """As `hashlib` makes them."""

    def update(self, data: bytes, /) -> None:
        """Take in more."""

    def hexdigest(self) -> str:
        """Give the digest so far."""


class LayerStream:
    """What a layer holds, unpacked block by block; to be closed.

    Hashing has a thread of its own: OpenSSL lets go of the interpreter meanwhile.
    """

    def __init__(self, stored: StoredLayer, stream: ByteStream) -> None:
        self._stored = stored
        self._stream = stream
        self._stored_hash = _make_hash(stored.digest) if stored.digest else None
        self._archive_hash = _make_hash(stored.diff_id)
        self._stored_size = 0
        self.size = 0
        self._head = self._gather(_HEAD_SIZE)
        self.compression = tell_compression(self._head)
        self._blocks = unpack(self.compression, self._read)
        self._hashing = _HashingThread()

    def close(self) -> None:
        """End the thread; safe to call twice."""
        self._hashing.close()

    def read_block(self) -> bytes:
        """Give the next bytes, none at the end.

        Raises:
            ArchiveError: it is broken, cut short, or more than is read.
        """
        block = next(self._blocks, b"")
        if block:
            self.size += len(block)
            self._refuse_bomb()
            self._hashing.update(self._archive_hash, block)
        return block

    def finish(self) -> str:
        """Read what is left, verify both digests, and give the diff id.

        Raises:
            ArchiveError: the bytes are others than those that a digest was made of.
        """
        while self.read_block():
            pass
        self._hashing.close()
        if self._stored_hash is not None:
            self._verify(self._stored_hash, self._stored.digest, "stored")
        if self._stored.diff_id:
            self._verify(self._archive_hash, self._stored.diff_id, "unpacked")
            return self._stored.diff_id
        return f"sha256:{self._archive_hash.hexdigest()}"

    def _read(self, size: int) -> bytes:
        data, self._head = self._head + self._gather(size - len(self._head)), b""
        self._stored_size += len(data)
        if self._stored_hash is not None and data:
            self._hashing.update(self._stored_hash, data)
        return data

    def _gather(self, size: int) -> bytes:
        """Give so many stored bytes, fewer at the end only: what is small is slow to pass on."""
        parts = []
        while size > 0 and (part := self._stream.read(size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _refuse_bomb(self) -> None:
        is_bomb = self.size > BOMB_SIZE and self.size > BOMB_RATIO * self._stored_size
        if is_bomb or self.size > UNPACKED_LIMIT:
            raise ArchiveError(
                f"it unpacks to more than {self.size // _GIB} GiB, of {self._stored_size:,} bytes "
                f"so far; no more than {UNPACKED_LIMIT // _GIB} GiB are read, nor more than "
                f"{BOMB_SIZE // _GIB} GiB of {BOMB_RATIO} times the stored size",
                cure="leave large files of nothing but zeros out of the image",
            )

    def _verify(self, found: Hash, digest: str, what: str) -> None:
        algorithm = digest.partition(":")[0]
        if f"{algorithm}:{found.hexdigest()}" != digest:
            raise ArchiveError(
                f"its content is not what its digest says: {what}, it is "
                f"{algorithm}:{found.hexdigest()}, and should be {digest}"
            )


def _make_hash(digest: str) -> Hash:
    """Make the hash to verify a digest with; SHA-256 where there is none.

    Raises:
        ArchiveError: the digest cannot be verified.
    """
    if digest and not is_digest(digest):
        raise ArchiveError(
            "its digest is neither SHA-256 nor SHA-512, so its content cannot be verified",
            cure="build the image anew",
        )
    return hashlib.new(digest.partition(":")[0] or "sha256")


class _HashingThread:
    """Takes blocks into hashes in a thread, several at once: changing threads is slow."""

    def __init__(self) -> None:
        self._queue: Queue[tuple[Hash, bytes] | None] = Queue(maxsize=2)
        self._waiting: dict[Hash, list[bytes]] = {}
        self._sizes: dict[Hash, int] = {}
        self._thread = threading.Thread(target=self._work, name="layer-hashing", daemon=True)
        self._thread.start()

    def update(self, target: Hash, block: bytes) -> None:
        """Have a block taken in, after those before."""
        self._waiting.setdefault(target, []).append(block)
        self._sizes[target] = self._sizes.get(target, 0) + len(block)
        if self._sizes[target] >= _HASHED_AT_ONCE:
            self._pass_on(target)

    def close(self) -> None:
        """Wait until all is taken in, and end; safe to call twice."""
        if self._thread.is_alive():
            for target in self._waiting:
                self._pass_on(target)
            self._queue.put(None)
            self._thread.join()

    def _pass_on(self, target: Hash) -> None:
        self._queue.put((target, b"".join(self._waiting[target])))
        self._waiting[target] = []
        self._sizes[target] = 0

    def _work(self) -> None:
        while (task := self._queue.get()) is not None:
            target, data = task
            target.update(data)
