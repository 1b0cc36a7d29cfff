"""What tests pass to calls, checked and read before anything is started."""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.call import FileToCopy
from pytest_multiarch.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

FileSource = bytes | str | Path
"""Content, or a file or folder of this machine."""


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
    source: FileSource, path: str, *, mode: int | None = None, what: str = "files"
) -> tuple[FileToCopy, ...]:
    """Read what is to be put into a container: content as given, a file, or a folder's files.

    A `path` that ends with a slash is a folder, into which a file goes under its own name. Files
    keep their mode; content that is a script or an ELF program is made executable.

    Raises:
        UsageError: the source is not there or cannot be read, or `path` is not absolute.
    """
    check_path(path, what=what)
    if isinstance(source, bytes):
        if path.endswith("/"):
            raise UsageError(f"{what}: {path!r} is a folder", cure=f"write '{path}NAME'")
        kept = 0o755 if source.startswith((b"#!", b"\x7fELF")) else 0o644
        return (FileToCopy(path=path, content=source, mode=kept if mode is None else mode),)
    if not isinstance(source, (str, Path)):
        raise UsageError(
            f"{what}: {type(source).__name__} is neither content nor a path",
            cure="give a path of this machine, or the content itself as bytes",
        )
    root = Path(source)
    try:
        return tuple(_read_tree(root, path, mode))
    except OSError as error:
        raise UsageError(
            f"{what}: {str(error.filename or root)!r} cannot be read: {error.strerror}",
            cure="give a path of this machine, or the content itself as bytes",
        ) from None


def _read_tree(root: Path, path: str, mode: int | None) -> list[FileToCopy]:
    if not root.is_dir():
        target = posixpath.join(path, root.name) if path.endswith("/") else path
        return [_read_file(root, target, mode)]
    return [
        _read_file(each, posixpath.join(path, each.relative_to(root).as_posix()), mode)
        for each in sorted(root.rglob("*"))
        if each.is_file()
    ]


def _read_file(source: Path, path: str, mode: int | None) -> FileToCopy:
    kept = source.stat().st_mode & 0o7777
    return FileToCopy(path=path, content=source.read_bytes(), mode=kept if mode is None else mode)
