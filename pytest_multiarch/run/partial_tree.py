"""Those files of a variant that somebody asks for, read from a container that is never started.

For images of which an export would take long: an engine hashes all of one, at 40 MB/s.
"""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_multiarch.core.elf import list_needed_libraries
from pytest_multiarch.core.errors import ContainerError, EngineError, EngineGoneError, ImageError
from pytest_multiarch.core.filetree import FileEntry, FileKind
from pytest_multiarch.core.manifest import StoredLayer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.core.ports import ByteStream, Engine, LayerReader, PathStat

_MOST_LINKS = 40
FOLDER_LIMIT = 512 * 1024 * 1024
"""How much of a folder is read, in bytes: programs are small, what lies beside them may not be."""

_PROGRAM_LIMIT = 32 * 1024 * 1024


class PartialTree:
    """Looks up paths as a `FileTree` does, each once.

    `unread` are paths of which nothing is known, `notes` say what was not read, and why.
    """

    def __init__(
        self,
        engine: Engine,
        container_id: str,
        read_layer: LayerReader,
        *,
        file_limit: int = FOLDER_LIMIT,
    ) -> None:
        """`file_limit`: larger files are not read, in bytes."""
        self._engine = engine
        self._id = container_id
        self._file_limit = file_limit
        self._libraries: dict[str, tuple[str, ...]] = {}
        self.unread: set[str] = set()
        self._read_layer = read_layer
        self._entries: dict[str, FileEntry | None] = {"/": FileEntry("/", FileKind.FOLDER)}
        self._listed: set[str] = set()
        self.notes: list[str] = []

    def __iter__(self) -> Iterator[FileEntry]:
        """Give what was looked up so far."""
        return (each for each in self._entries.values() if each is not None)

    def find(self, path: str) -> FileEntry | None:
        """Give a path itself, its parents' links followed."""
        folder, name = posixpath.split(posixpath.normpath(path))
        if not name:
            return self._entries["/"]
        real = self._resolve(folder)
        return None if real is None else self._look_up(posixpath.join(real, name))

    def follow(self, path: str) -> FileEntry | None:
        """Give what a path leads to; None if nothing, or a loop."""
        for _ in range(_MOST_LINKS):
            entry = self.find(path)
            if entry is None or entry.kind is not FileKind.LINK:
                return entry
            path = posixpath.join(posixpath.dirname(entry.path), entry.target)
        return None

    def list_folder(self, path: str) -> tuple[FileEntry, ...]:
        """Give what is in a folder; nothing where there is none."""
        folder = self.follow(path)
        if folder is None or folder.kind is not FileKind.FOLDER:
            return ()
        if folder.path == "/":
            return self._refuse_root()
        if folder.path not in self._listed:
            self._listed.add(folder.path)
            for entry in self._read(folder.path):
                if posixpath.dirname(entry.path) == folder.path and entry.path != folder.path:
                    self._entries.setdefault(entry.path, entry)
        return tuple(
            each for each in self if posixpath.dirname(each.path) == folder.path != each.path
        )

    def read_libraries(self, program: FileEntry) -> tuple[str, ...]:
        """Read with what libraries a program is linked; nothing where that cannot be read."""
        if program.path not in self._libraries:
            self._libraries[program.path] = self._read_libraries(program)
        return self._libraries[program.path]

    def _read_libraries(self, program: FileEntry) -> tuple[str, ...]:
        if program.size > _PROGRAM_LIMIT:
            return ()
        try:
            content = self._engine.read_head(self._id, program.path, size=_PROGRAM_LIMIT)
        except ContainerError:
            return ()
        return list_needed_libraries(content)

    def _refuse_root(self) -> tuple[FileEntry, ...]:
        """Leave the root out, of which an engine gives no less than the whole image."""
        note = "PATH leads to /, of which no programs were looked for"
        if note not in self.notes:
            self.notes.append(note)
        return ()

    def _resolve(self, folder: str) -> str | None:
        """Give the folder that a path leads to, without links."""
        found = self.follow(folder) if folder != "/" else self._entries["/"]
        return found.path if found is not None and found.kind is FileKind.FOLDER else None

    def _look_up(self, path: str) -> FileEntry | None:
        if path not in self._entries and posixpath.dirname(path) not in self._listed:
            self._entries[path] = self._fetch(path)
        return self._entries.get(path)

    def _fetch(self, path: str) -> FileEntry | None:
        stat = self._stat(path)
        if stat is None:
            return None
        if stat.link_target:
            return FileEntry(path, FileKind.LINK, target=stat.link_target)
        if stat.is_directory:
            return FileEntry(path, FileKind.FOLDER, mode=stat.mode)
        if stat.size > self._file_limit:
            self.unread.add(path)
            self.notes.append(f"{path} was not read: it holds {stat.size // 1024**2} MB")
            return FileEntry(path, FileKind.FILE, mode=stat.mode, size=stat.size)
        return next((each for each in self._read(path) if each.path == path), None)

    def _stat(self, path: str) -> PathStat | None:
        try:
            return self._engine.stat_path(self._id, path)
        except EngineGoneError:
            raise
        except EngineError:
            self.unread.add(path)
            return None  # a loop of links, a file taken for a folder: engines answer 500

    def _read(self, path: str) -> tuple[FileEntry, ...]:
        """Read a file, or a folder with all that is in it; engines name both without parents."""
        parent = posixpath.dirname(path)
        try:
            with self._engine.open_archive(self._id, path) as stream:
                layer = self._read_layer(StoredLayer(digest=""), _Bounded(stream))
        except (ContainerError, ImageError) as error:
            self.unread.add(path)
            self.notes.append(f"{path} was not read: {error.headline}")
            return ()
        return tuple(_move(each, parent) for each in layer.entries)


class _Bounded:
    """A stream that is given up once it is too long."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._left = FOLDER_LIMIT

    def read(self, size: int, /) -> bytes:
        """Read on.

        Raises:
            ImageError: more is there than is read.
        """
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise ImageError(f"it holds more than {FOLDER_LIMIT // 1024**2} MB")
        return data


def _move(entry: FileEntry, parent: str) -> FileEntry:
    return replace(entry, path=posixpath.join(parent, entry.path.lstrip("/")))
