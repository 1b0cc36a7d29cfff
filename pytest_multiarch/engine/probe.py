"""Probe images: one tiny program per platform, to see how a node executes it.

They are built in memory and loaded, so that no registry is needed, and carry the session's labels
and name, so that they go the way of everything else that a session makes.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

from pytest_multiarch import native

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_multiarch.core.platform import Platform

PROBE_PATH = "/probe"
_CREATED = "2001-09-09T01:46:40Z"


def name_probe_image(session_id: str, platform: Platform) -> str:
    """Give the name under which a session's probe of a platform is loaded."""
    return f"pytest-multiarch/probe:{session_id}-{platform.slug}"


def build_probes(
    platforms: Iterable[Platform], *, session_id: str, labels: Mapping[str, str]
) -> tuple[bytes, list[tuple[str, Platform]]]:
    """Build an archive of probe images, and give their names, for platforms that have a probe."""
    programs = {each: native.read_program("probe", each.slug) for each in platforms}
    known = {platform: binary for platform, binary in programs.items() if binary}
    archive = build_probe_archive(
        known, session_id=session_id, labels=labels, read_program=known.__getitem__
    )
    return archive, [(name_probe_image(session_id, each), each) for each in known]


def build_probe_archive(
    platforms: Iterable[Platform],
    *,
    session_id: str,
    labels: Mapping[str, str],
    read_program: Callable[[Platform], bytes],
) -> bytes:
    """Build a `docker save` archive with one image for each platform.

    Each has one layer that holds `/probe`, which is also its command. `read_program` gives the
    executable. The format is `manifest.json` alone, which every Docker and both stores load.
    """
    entries: dict[str, bytes] = {}
    manifest = []
    for platform in platforms:
        layer = _build_layer(read_program(platform))
        config = json.dumps(_build_config(platform, layer, labels)).encode()
        layer_name, config_name = _name_blob(layer), _name_blob(config)
        entries |= {layer_name: layer, config_name: config}
        tag = name_probe_image(session_id, platform)
        manifest.append({"Config": config_name, "RepoTags": [tag], "Layers": [layer_name]})
    return _build_tar({**entries, "manifest.json": json.dumps(manifest).encode()})


def _build_layer(program: bytes) -> bytes:
    return _build_tar({PROBE_PATH.lstrip("/"): program}, mode=0o755)


def _build_config(platform: Platform, layer: bytes, labels: Mapping[str, str]) -> dict[str, Any]:
    config: dict[str, Any] = {
        "os": platform.os,
        "architecture": platform.architecture,
        "created": _CREATED,
        "config": {"Entrypoint": [PROBE_PATH], "Labels": dict(labels)},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        "history": [{"created": _CREATED, "created_by": "pytest-multiarch"}],
    }
    if platform.variant:
        config["variant"] = platform.variant
    return config


def _name_blob(content: bytes) -> str:
    return f"blobs/sha256/{hashlib.sha256(content).hexdigest()}"


def _build_tar(files: Mapping[str, bytes], *, mode: int = 0o644) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = mode
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
