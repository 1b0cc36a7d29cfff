"""What tests pass to calls, checked and read before anything is started."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.call import FileToCopy
from pytest_multiarch.core.container_options import parse_options
from pytest_multiarch.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.core.container_options import ContainerOptions

_LARGEST_MODE = 0o7777
_LARGEST_ID = 2**32 - 2


@dataclass(frozen=True, slots=True)
class Source:
    """What is put into a container, with the mode and the owner that it has there."""

    content: bytes | str | Path = field(repr=False)
    mode: int | None = None
    folder_mode: int | None = None
    uid: int = 0
    gid: int = 0


FileSource = bytes | str | Path | Source
"""Content, or a file or folder of this machine."""


def source(
    content: bytes | str | Path,
    *,
    mode: int | None = None,
    folder_mode: int | None = None,
    uid: int = 0,
    gid: int = 0,
) -> Source:
    """Say what is put into a container, and whose it is there: `source("key", uid=999)`.

    `content` is bytes, or a path of this machine. Files and folders keep their modes unless
    `mode` and `folder_mode` are given; owner and group are numbers, root's by default.

    Raises:
        UsageError: a mode or an owner is no number that there can be.
    """
    for name, value, largest in (
        ("mode", mode, _LARGEST_MODE),
        ("folder_mode", folder_mode, _LARGEST_MODE),
        ("uid", uid, _LARGEST_ID),
        ("gid", gid, _LARGEST_ID),
    ):
        if value is None and name in ("mode", "folder_mode"):
            continue
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= largest:
            hint = "write for example 0o640" if "mode" in name else "give the number, not a name"
            raise UsageError(f"{name}={value!r} is not a number up to {largest:#o}", cure=hint)
    return Source(content, mode, folder_mode, uid, gid)


def place_sources(arguments: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Have relative paths in `files=` and `volumes=` start at a folder."""

    def place(path: object) -> object:
        if isinstance(path, Source):
            return replace(path, content=place(path.content))  # type: ignore[arg-type]
        return folder / path if isinstance(path, (str, Path)) else path

    placed = dict(arguments)
    if isinstance(placed.get("files"), Mapping):
        placed["files"] = {path: place(each) for path, each in placed["files"].items()}
    volumes = placed.get("volumes")
    if isinstance(volumes, Mapping):
        placed["volumes"] = {str(place(path)): how for path, how in volumes.items()}
    elif isinstance(volumes, (list, tuple)):
        placed["volumes"] = [
            (place(each[0]), *each[1:]) if isinstance(each, (list, tuple)) and each else each
            for each in volumes
        ]
    return placed


def read_options(arguments: Mapping[str, Any], *, what: str) -> ContainerOptions:
    """Read the options of a container, whose mounts have to be there.

    Raises:
        UsageError: one is unknown or wrong, or a source is not there.
    """
    options = parse_options(arguments, what=what)
    volumes = []
    for each in options.volumes:
        path = Path(each.source).absolute()
        if not path.exists():
            raise UsageError(
                f"{what}: volumes: {each.source!r} is not there",
                cure="give a file or folder of this machine; for scratch space use tmpfs=",
            )
        volumes.append(replace(each, source=str(path)))
    return replace(options, volumes=tuple(volumes))


def check_env(env: Mapping[Any, Any] | None) -> dict[str, str]:
    """Check environment variables: text to text.

    Raises:
        UsageError: a name or a value is something else; values are not shown.
    """
    for name, value in (env or {}).items():
        if not isinstance(name, str) or not name or "=" in name or "\0" in name:
            raise UsageError(f"env: {name!r} is not the name of an environment variable")
        if not isinstance(value, str):
            raise UsageError(
                f"env: the value of {name!r} is {type(value).__name__}, not text",
                cure=f"write env={{{name!r}: str(...)}}",
            )
        if "\0" in value:
            raise UsageError(
                f"env: the value of {name!r} holds a NUL, which no program can be given"
            )
    return dict(env or {})


def check_stdin(stdin: object) -> bytes | None:
    """Give what is sent to stdin as bytes; text is sent as UTF-8.

    Raises:
        UsageError: it is neither text nor bytes.
    """
    if stdin is None or isinstance(stdin, bytes):
        return stdin
    if not isinstance(stdin, str):
        raise UsageError(
            f"stdin is {type(stdin).__name__}, neither text nor bytes",
            cure="pass its content, for example path.read_bytes()",
        )
    return stdin.encode("utf-8", "surrogateescape")


def check_timeout(timeout: object) -> float | None:
    """Check a deadline: a positive number of seconds, or None for the default.

    Raises:
        UsageError: it is something else.
    """
    if timeout is None:
        return None
    # NaN is not greater than 0.
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0:
        raise UsageError(
            f"timeout={timeout!r} is not a positive number of seconds",
            cure="write timeout=SECONDS, or leave it out for the default",
        )
    return float(timeout)


def check_path(path: object, *, what: str) -> str:
    """Check that a path in a container is absolute.

    Raises:
        UsageError: it is not.
    """
    if not isinstance(path, str) or not path.startswith("/"):
        raise UsageError(f"{what}: {path!r} is not absolute", cure=f"write '/{path}'")
    return path


def read_files(
    source: FileSource,
    path: str,
    *,
    mode: int | None = None,
    uid: int = 0,
    gid: int = 0,
    what: str = "files",
) -> tuple[FileToCopy, ...]:
    """Read what is to be put into a container: content as given, a file, or a folder with all.

    A `path` that ends with a slash is a folder, into which a file goes under its own name. Files
    and folders keep their modes; content that is a script or an ELF program is made executable.

    Raises:
        UsageError: the source is not there or cannot be read, or `path` is not absolute.
    """
    check_path(path, what=what)
    given = source if isinstance(source, Source) else Source(source, mode=mode, uid=uid, gid=gid)
    content = given.content
    if isinstance(content, bytes):
        if path.endswith("/"):
            raise UsageError(f"{what}: {path!r} is a folder", cure=f"write '{path}NAME'")
        kept = 0o755 if content.startswith((b"#!", b"\x7fELF")) else 0o644
        return (_make_file(path, content, given, kept),)
    if not isinstance(content, (str, Path)):
        raise UsageError(
            f"{what}: {type(content).__name__} is neither content nor a path",
            cure="give a path of this machine, or the content itself as bytes",
        )
    root = Path(content)
    try:
        return tuple(_read_tree(root, path, given))
    except OSError as error:
        raise UsageError(
            f"{what}: {str(error.filename or root)!r} cannot be read: {error.strerror}",
            cure="give a path of this machine, or the content itself as bytes",
        ) from None


def _read_tree(root: Path, path: str, given: Source) -> Iterator[FileToCopy]:
    if not root.is_dir():
        target = posixpath.join(path, root.name) if path.endswith("/") else path
        yield _read_file(root, target, given)
        return
    yield _read_folder(root, path.rstrip("/") or "/", given)
    for each in sorted(root.rglob("*")):
        target = posixpath.join(path, each.relative_to(root).as_posix())
        if each.is_dir() and not each.is_symlink():
            yield _read_folder(each, target, given)
        elif each.is_file():
            yield _read_file(each, target, given)


def _read_folder(folder: Path, path: str, given: Source) -> FileToCopy:
    kept = folder.stat().st_mode & _LARGEST_MODE
    mode = kept if given.folder_mode is None else given.folder_mode
    return FileToCopy(path=path, mode=mode, uid=given.uid, gid=given.gid, is_folder=True)


def _read_file(file: Path, path: str, given: Source) -> FileToCopy:
    return _make_file(path, file.read_bytes(), given, file.stat().st_mode & _LARGEST_MODE)


def _make_file(path: str, content: bytes, given: Source, kept: int) -> FileToCopy:
    mode = kept if given.mode is None else given.mode
    return FileToCopy(path=path, content=content, mode=mode, uid=given.uid, gid=given.gid)
