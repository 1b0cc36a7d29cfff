"""Fields of the JSON documents of images, read with their types checked.

Registries, archives and engines give these documents, and whoever made the image wrote them. A
field that is absent or null has its default; one of another type makes an `ImageError`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.digest import is_digest
from pytest_multiarch.core.errors import ImageError
from pytest_multiarch.core.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Mapping

DOCUMENT_LIMIT = 4 * 1024 * 1024
"""In bytes. No manifest may be larger (OCI distribution specification), and configs are small."""
_SHOWN = 80
_MOST = 2**63 - 1
_NAMES = {dict: "an object", list: "a list", str: "a text", int: "a whole number"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """What one document says of another content; `size` in bytes."""

    digest: str
    media_type: str = ""
    size: int = 0
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: Platform | None = None


def parse_document(data: bytes, *, what: str) -> dict[str, Any]:
    """Read a JSON object; `what` it is goes into messages.

    Raises:
        ImageError: it is none, or is larger than any document of an image.
    """
    document: dict[str, Any] = _parse(data, dict, what)
    return document


def parse_documents(data: bytes, *, what: str) -> tuple[Mapping[str, Any], ...]:
    """Read a JSON list of objects.

    Raises:
        ImageError: it is none, or is larger than any document of an image.
    """
    return read_objects({"list": _parse(data, list, what)}, "list", what=what)


def _parse(data: bytes, kind: type, what: str) -> Any:
    if len(data) > DOCUMENT_LIMIT:
        raise ImageError(f"{what} has {len(data)} bytes; no document of an image is so large")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, kind):
        raise ImageError(f"{what} is not {_NAMES[kind]} in JSON: it begins with {data[:_SHOWN]!r}")
    return document


def read_object(document: Mapping[str, Any], key: str, *, what: str) -> Mapping[str, Any]:
    """Read an object, empty if there is none."""
    value: Mapping[str, Any] = _read(document, key, dict, what) or {}
    return value


def read_list(document: Mapping[str, Any], key: str, *, what: str) -> list[Any]:
    """Read a list, empty if there is none."""
    value: list[Any] = _read(document, key, list, what) or []
    return value


def read_objects(
    document: Mapping[str, Any], key: str, *, what: str
) -> tuple[Mapping[str, Any], ...]:
    """Read a list of objects, empty if there is none."""
    values = read_list(document, key, what=what)
    for value in values:
        _check(value, dict, f"`{key}`", what)
    return tuple(values)


def read_text(document: Mapping[str, Any], key: str, *, what: str) -> str:
    """Read a text, empty if there is none."""
    value: str = _read(document, key, str, what) or ""
    return value


def read_number(document: Mapping[str, Any], key: str, *, what: str) -> int:
    """Read a whole number that is not negative, 0 if there is none."""
    value: int = _read(document, key, int, what) or 0
    if not 0 <= value <= _MOST:
        raise ImageError(f"{what}: `{key}` is {str(value)[:_SHOWN]}, expected 0 to {_MOST}")
    return value


def read_texts(document: Mapping[str, Any], key: str, *, what: str) -> tuple[str, ...]:
    """Read a list of texts, empty if there is none; one text counts as a list of one."""
    value = document.get(key)
    if isinstance(value, str):
        return (value,)
    values = read_list(document, key, what=what)
    for each in values:
        _check(each, str, f"`{key}`", what)
    return tuple(values)


def read_annotations(document: Mapping[str, Any], *, what: str) -> dict[str, str]:
    """Read `annotations`."""
    found = read_object(document, "annotations", what=what)
    return {name: read_text(found, name, what=what) for name in found}


def read_platform(document: Mapping[str, Any], *, what: str) -> Platform:
    """Read the platform in an index entry's `platform`, or in a config."""
    return Platform.of_image(
        read_text(document, "os", what=what),
        read_text(document, "architecture", what=what) or "unknown",
        read_text(document, "variant", what=what),
    )


def read_digest(document: Mapping[str, Any], key: str, *, what: str) -> str:
    """Read a digest, which has to be there."""
    digest = read_text(document, key, what=what)
    if not is_digest(digest):
        raise ImageError(
            f"{what}: `{key}` is {digest[:_SHOWN]!r}, expected sha256: and 64 hexadecimal digits, "
            "or sha512: and 128"
        )
    return digest


def parse_descriptor(document: Mapping[str, Any], *, what: str) -> Descriptor:
    """Read a descriptor."""
    platform = read_object(document, "platform", what=what)
    return Descriptor(
        digest=read_digest(document, "digest", what=what),
        media_type=read_text(document, "mediaType", what=what),
        size=read_number(document, "size", what=what),
        annotations=read_annotations(document, what=what),
        platform=read_platform(platform, what=what) if platform else None,
    )


def _read(document: Mapping[str, Any], key: str, kind: type, what: str) -> Any:
    value = document.get(key)
    if value is not None:
        _check(value, kind, f"`{key}`", what)
    return value


def _check(value: Any, kind: type, name: str, what: str) -> None:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ImageError(
            f"{what}: {name} holds {_NAMES.get(type(value), 'something else')}, "
            f"expected {_NAMES[kind]}",
            cure="what made the image does not keep to its format: build it anew with current "
            "tools",
        )
