"""What the IMAGE of a command line names: files, an image in the engine, or one in a registry."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_multiarch.core.errors import EngineError, ImageError, ImageNotFoundError
from pytest_multiarch.core.reference import ImageReference
from pytest_multiarch.run.completed_source import CompletedSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_multiarch.core.ports import ImageSource
    from pytest_multiarch.engine.docker_api import DockerEngine

_FILES = ("oci:", "oci-archive:", "docker-archive:")
_REGISTRY = "docker://"
_ENGINE = "docker-daemon:"
_ARCHIVES = (".tar", ".tar.gz", ".tgz")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedImage:
    """An image that can be read, and the engine, None if there is none or none is to be asked.

    `engine_problem` says why there is none.
    """

    source: ImageSource
    engine: DockerEngine | None = None
    engine_problem: str = ""


@contextlib.contextmanager
def open_image_source(
    text: str, environ: Mapping[str, str], *, no_engine: bool = False
) -> Iterator[OpenedImage]:
    """Open what a text names.

    A folder in the OCI layout, or an archive, that exists; `oci:FOLDER`, `oci-archive:FILE` and
    `docker-archive:FILE`, with `:NAME` behind it where it holds several images; `docker://REF` in
    a registry, `docker-daemon:REF` in the engine; else a reference: what the engine has under a
    name wins, and variants that it lacks come from the registry, as in tests. Neither files nor
    registries need an engine.

    Raises:
        ImageError, UsageError: there is no such image, or it cannot be read.
        EngineError: the engine, where only it can have the image, or the registry does not answer.
    """
    engine, problem = (None, "") if no_engine else try_engine(environ)
    with contextlib.closing(engine) if engine else contextlib.nullcontext():
        source = _open_files(text) or _open_named(text, environ, engine, problem)
        yield OpenedImage(source=source, engine=engine, engine_problem=problem)


def try_engine(environ: Mapping[str, str]) -> tuple[DockerEngine | None, str]:
    """Connect to the engine; else say why there is none."""
    from pytest_multiarch.engine.docker_api import open_engine
    from pytest_multiarch.engine.endpoint import find_endpoint

    try:
        return open_engine(find_endpoint(environ), environ), ""
    except EngineError as error:
        return None, error.headline


def _open_files(text: str) -> ImageSource | None:
    """Open a folder or an archive; None if the text names none."""
    kind = next((each for each in _FILES if text.startswith(each)), "")
    path, image = _find_path(text.removeprefix(kind))
    if path is not None and path.is_dir() and (kind == "oci:" or (not kind and _is_layout(path))):
        from pytest_multiarch.files.image_files import FolderFiles
        from pytest_multiarch.files.oci_layout import OciLayoutSource

        return OciLayoutSource(FolderFiles(path), image=image)
    if path is not None and path.is_file() and kind != "oci:":
        from pytest_multiarch.files.docker_archive import is_archive, open_archive

        # A file of a project may be called as its image is.
        if kind or _is_path(text) or is_archive(path):
            return open_archive(path, image=image)
    if not kind:
        return None
    expected = "a folder in the OCI layout" if kind == "oci:" else "an archive"
    what = "does not exist" if path is None else "is something else"
    raise ImageNotFoundError(
        f"what {text} names {what}; expected {expected}",
        cure="check the path; a folder is oci:FOLDER, an archive docker-archive:FILE",
    )


def _find_path(text: str) -> tuple[Path | None, str]:
    """Split `PATH:NAME` at the first colon before which there is something: paths may have some."""
    colons = [position for position, letter in enumerate(text) if letter == ":" and position]
    for end in (len(text), *colons):
        with contextlib.suppress(OSError):  # too long for a path
            if Path(text[:end]).exists():
                return Path(text[:end]), text[end + 1 :]
    return None, ""


def _is_layout(folder: Path) -> bool:
    from pytest_multiarch.files.oci_layout import MARKER

    return (folder / MARKER).is_file()


def _is_path(text: str) -> bool:
    """Tell what can only be meant as a path."""
    return text.startswith((".", "/", "~")) or text.endswith(_ARCHIVES)


def _open_named(
    text: str, environ: Mapping[str, str], engine: DockerEngine | None, problem: str
) -> ImageSource:
    """Open what a reference names, in the engine or in a registry."""
    scheme = next((each for each in (_REGISTRY, _ENGINE) if text.startswith(each)), "")
    reference = ImageReference.parse(text[len(scheme) :]) if scheme else _parse_reference(text)
    if scheme == _ENGINE and engine is None:
        raise EngineError(
            f"{text} is to be read from an engine, and there is none: {problem or '--no-engine'}",
            cure=f"name it {_REGISTRY}{reference} to look in the registry",
        )
    if engine is not None and scheme == _ENGINE:
        return engine.open_image(reference.text)
    if engine is not None and not scheme and engine.has_image(reference.text):
        near = engine.open_image(reference.text)
        if reference.is_local_id:
            return near
        return CompletedSource(near, lambda: _open_registry(reference, environ, engine))
    if reference.is_local_id:
        raise ImageNotFoundError(
            f"{reference} is an id, which no registry knows; "
            + (f"it is not on {engine.address}" if engine else f"no engine was asked: {problem}"),
            cure="name the image instead",
        )
    source = _open_registry(reference, environ, engine)
    if not scheme:
        reason = f"{reference} is not on {engine.address}" if engine else problem
        _check_index(source, text, reason)
    return source


def _check_index(source: ImageSource, text: str, reason: str) -> None:
    """Read the index; an error says too why it was not read from an engine, nor from a file."""
    try:
        source.read_index()
    except (ImageError, EngineError) as error:
        what = f"{reason}, and {error.what}" if reason else error.what
        path, _ = _find_path(text)
        cures = [_explain_unread(path), error.cure] if path is not None else [error.cure]
        raise type(error)(what, cure="\n".join(cures)) from None


def _explain_unread(path: Path) -> str:
    """Say why what is there under the name of an image was not taken for the image."""
    if path.is_dir():
        lacks = "holds no oci-layout, so that it is no folder in the OCI layout"
    else:
        lacks = "is no tar archive" if path.stat().st_size else "is empty"
    kind = "folder" if path.is_dir() else "file"
    return f"if the {kind} {path} was meant: it {lacks}; make it anew"


def _parse_reference(text: str) -> ImageReference:
    """Read a reference, but not what can only be meant as a path, of something that is absent."""
    if _is_path(text):
        raise ImageNotFoundError(
            f"there is no file or folder {text}",
            cure="name an archive of docker save, a folder in the OCI layout, or an image; what "
            f"only looks like a file is {_REGISTRY}{text}",
        )
    return ImageReference.parse(text)


def _open_registry(
    reference: ImageReference, environ: Mapping[str, str], engine: DockerEngine | None
) -> ImageSource:
    from pytest_multiarch.engine.registry import RegistryClient
    from pytest_multiarch.engine.registry_source import RegistrySource

    insecure = engine.read_facts().insecure_registries if engine else ()
    return RegistrySource(RegistryClient(environ, insecure=insecure), reference)
