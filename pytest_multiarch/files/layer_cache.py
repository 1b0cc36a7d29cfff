"""What was read of images, kept in a folder of the user's across sessions.

A layer never changes, so what is kept of it is right for ever; it is thrown away when nobody has
asked for it in two months, or when all of it is too much. Whatever is wrong with the folder, or
with a file in it, counts as nothing kept.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
import tempfile
import time
import zlib
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.layer_document import read_layer_document, write_layer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_multiarch.core.audit import AuditReport
    from pytest_multiarch.core.filetree import Layer

FORMAT = 1
"""To be raised whenever something else is read of layers, or judged of them."""
KEPT_S = 60 * 24 * 3600.0
KEPT_SIZE = 500 * 1024 * 1024
_PRUNED = "pruned"
_PRUNE_EVERY_S = 24 * 3600.0
_DOCUMENT_LIMIT = 512 * 1024 * 1024
_DIGEST_SIZE = 32
_CACHES = {"darwin": ("Library", "Caches"), "win32": ("AppData", "Local")}


def find_cache_folder(environ: Mapping[str, str], *, system: str = sys.platform) -> Path | None:
    """Give where what was read is kept, as each system has it; None if there is no home."""
    home = environ.get("HOME", "") or environ.get("USERPROFILE", "")
    cache = Path(environ.get("XDG_CACHE_HOME", ""))
    if not cache.is_absolute():  # then it is to be ignored, as its specification has it
        cache = Path(home, *_CACHES.get(system, (".cache",)))
        if system == "win32" and environ.get("LOCALAPPDATA"):
            cache = Path(environ["LOCALAPPDATA"])
    return cache / "pytest-multiarch" / "layers" if cache.is_absolute() else None


class LayerCache:
    """Keeps layers and audits in a folder; safe with several processes. An `ImageCache`."""

    def __init__(self, folder: Path | None) -> None:
        self._path = folder

    def find(self, diff_id: str) -> Layer | None:
        """Give what is kept of a layer; None if nothing is, or it cannot be read."""
        document = self._read("layer", diff_id)
        try:
            return None if document is None else read_layer_document(document)
        except (LookupError, TypeError, ValueError, AttributeError):
            return None

    def keep(self, layer: Layer) -> None:
        """Keep a layer, by its diff id."""
        if layer.diff_id:
            self._write("layer", layer.diff_id, write_layer(layer))

    def find_report(self, name: str) -> AuditReport | None:
        """Give the audit that is kept under a name; None if there is none."""
        from pytest_multiarch.core.inspected import read_audit

        document = self._read("audit", name)
        try:
            return None if document is None else read_audit(document["platform"], document["audit"])
        except (LookupError, TypeError, ValueError, AttributeError):
            return None

    def keep_report(self, name: str, report: AuditReport) -> None:
        """Keep an audit."""
        from pytest_multiarch.core.inspected import write_audit

        document = {"platform": str(report.platform), "audit": write_audit(report)}
        self._write("audit", name, document)

    @cached_property
    def _folder(self) -> Path | None:
        """The folder, made if need be; None if it is not the user's alone."""
        if self._path is None:
            return None
        try:
            self._path.parent.parent.mkdir(parents=True, exist_ok=True)
            for each in (self._path.parent, self._path):
                each.mkdir(mode=0o700, exist_ok=True)
                if not _is_private(each):
                    return None
        except OSError:
            return None
        return self._path

    @cached_property
    def _magic(self) -> bytes:
        from importlib.metadata import version

        return f"pytest-multiarch {version('pytest-multiarch')} cache {FORMAT}\n".encode()

    def _locate(self, kind: str, name: str) -> Path | None:
        key = hashlib.sha256(f"{kind} {name}".encode("utf-8", "surrogatepass")).hexdigest()
        return None if self._folder is None else self._folder / f"{key}.{kind}"

    def _read(self, kind: str, name: str) -> Any:
        """Give the document that is kept under a name, None if there is none that is whole."""
        path = self._locate(kind, name)
        if path is None:
            return None
        try:
            data = path.read_bytes()
        except OSError:
            return None
        with suppress(OSError):
            os.utime(path)  # it was asked for: `_prune` goes by this
        start = len(self._magic) + _DIGEST_SIZE
        digest, packed = data[start - _DIGEST_SIZE : start], data[start:]
        if not data.startswith(self._magic) or hashlib.sha256(packed).digest() != digest:
            return None
        try:
            unpacked = zlib.decompressobj().decompress(packed, _DOCUMENT_LIMIT)
            kept = json.loads(unpacked)
            return kept["document"] if kept["name"] == name else None
        except (zlib.error, ValueError, LookupError, TypeError, RecursionError):
            return None

    def _write(self, kind: str, name: str, document: Mapping[str, Any]) -> None:
        path = self._locate(kind, name)
        if path is None:
            return
        text = json.dumps({"name": name, "document": document}, separators=(",", ":"))
        packed = zlib.compress(text.encode("ascii"), level=1)
        with suppress(OSError):
            _replace(path, self._magic + hashlib.sha256(packed).digest() + packed)
            self._prune(path.parent)

    def _prune(self, folder: Path) -> None:
        """Remove what nobody asked for in a long time, and the oldest of what is too much."""
        now_s = time.time()
        stamp = folder / _PRUNED
        if stamp.exists() and now_s - stamp.stat().st_mtime < _PRUNE_EVERY_S:
            return
        stamp.touch()
        left = KEPT_SIZE
        for used_s, size, path in sorted(_list_files(folder), reverse=True):
            left -= size
            if path != stamp and (left < 0 or now_s - used_s > KEPT_S):
                with suppress(OSError):
                    path.unlink()


def _is_private(folder: Path) -> bool:
    """Tell whether nobody but the user can write to a folder."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        return False
    if sys.platform == "win32":
        return True  # it is in the user's profile, and modes tell nothing
    return found.st_uid == os.getuid() and not found.st_mode & 0o022


def _list_files(folder: Path) -> list[tuple[float, int, Path]]:
    """Give (time of last use, size, path) of each file."""
    found = []
    with os.scandir(folder) as entries:
        for each in entries:
            with suppress(OSError):
                about = each.stat(follow_symlinks=False)
                found.append((about.st_mtime, about.st_size, Path(each.path)))
    return found


def _replace(path: Path, data: bytes) -> None:
    """Put a file in place once it is whole."""
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".new")
    beside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        beside.replace(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
