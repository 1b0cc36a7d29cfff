"""A compose file as Docker Compose reads it, and what is laid over it to run one variant."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.call import Call
from pytest_multiarch.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_multiarch.core.variant import ResolvedVariant

_RESET = "no build"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeOrder:
    """Which compose file is started, and which of its services is under test.

    Paths are absolute. `env_files`, `profiles` and `services` are as the options of
    `docker compose`; no services means all.
    """

    path: str
    service: str
    env_files: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    services: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeService:
    """What a compose file says of the service under test, as far as it is needed here."""

    call: Call
    ports: tuple[int, ...]


def read_service(document: Mapping[str, Any], name: str) -> ComposeService:
    """Read a service of the document that `docker compose config --format json` prints.

    Raises:
        UsageError: there is none of that name.
    """
    services: Mapping[str, Any] = document.get("services") or {}
    if name not in services:
        raise UsageError(
            f"the compose file has no service {name!r}",
            cure=f"it has {', '.join(services) or 'none'}",
        )
    service: Mapping[str, Any] = services[name] or {}
    entrypoint = service.get("entrypoint")
    env = service.get("environment") or {}
    call = Call(
        argv=tuple(map(_unescape, service.get("command") or ())),
        entrypoint=None if entrypoint is None else tuple(map(_unescape, entrypoint)),
        env={key: _unescape(value) for key, value in env.items() if value is not None},
        user=str(service.get("user") or ""),
        workdir=str(service.get("working_dir") or ""),
    )
    ports = [each for each in service.get("ports") or () if each.get("protocol") == "tcp"]
    return ComposeService(call=call, ports=tuple(int(each["target"]) for each in ports))


def list_images(document: Mapping[str, Any], name: str) -> dict[str, str]:
    """Give the images of the services beside one, by service; those that are built have none."""
    services: Mapping[str, Any] = document.get("services") or {}
    return {
        other: str(service["image"])
        for other, service in services.items()
        if other != name and (service or {}).get("image") and not service.get("build")
    }


def list_local_mounts(document: Mapping[str, Any], folder: str) -> list[tuple[str, str]]:
    """Give services and what they mount of this machine: below the compose file's own folder, and
    files that are secrets or configs. What else they mount may be meant to be the engine's.
    """
    found = []
    for name, service in (document.get("services") or {}).items():
        given = service or {}
        sources = [e["source"] for e in given.get("volumes") or () if e.get("type") == "bind"]
        found += [(name, each) for each in sources if f"{each}/".startswith(f"{folder}/")]
        for kind in ("secrets", "configs"):
            known = document.get(kind) or {}
            files = [known.get(e["source"], {}).get("file") for e in given.get(kind) or ()]
            found += [(name, file) for file in files if file]
    return found


def _unescape(text: object) -> str:
    """A dollar sign is written twice, since one would begin a variable."""
    return str(text).replace("$$", "$")


def write_override(
    document: Mapping[str, Any],
    name: str,
    variant: ResolvedVariant,
    labels: Mapping[str, str],
    *,
    images: Mapping[str, str],
) -> str:
    """Write a second compose file: the service runs the variant, and everything has the labels.

    `images` are those of other services that are another in this session, by service.
    What is `external` belongs to somebody else, and gets none. YAML in flow style, with a tag
    that has the service's `build` forgotten.
    """
    own = {key: value.replace("$", "$$") for key, value in labels.items()}
    override: dict[str, Any] = {
        kind: {
            each: {"labels": own}
            for each, what in (document.get(kind) or {}).items()
            if not (what or {}).get("external")
        }
        for kind in ("services", "networks", "volumes")
    }
    for other, image in images.items():
        override["services"][other]["image"] = image
    override["services"][name] |= {
        "image": variant.create_image,
        "pull_policy": "never",
        "build": _RESET,
    }
    if variant.create_platform is not None:
        override["services"][name]["platform"] = str(variant.create_platform)
    else:
        override["services"][name]["platform"] = str(variant.platform)
    return json.dumps(override, indent=1).replace(f'"{_RESET}"', "!reset null")
