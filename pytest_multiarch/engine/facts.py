"""What an engine says of itself, from `GET /info` and `GET /version`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.ports import EngineFacts

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONTAINERD_STORE = "io.containerd.snapshotter.v1"


def parse_facts(
    info: Mapping[str, Any], version: Mapping[str, Any], *, node: str, api_version: tuple[int, int]
) -> EngineFacts:
    """Read the two documents; `api_version` is the one agreed upon."""
    return EngineFacts(
        node=node,
        engine_id=str(info.get("ID") or node),
        version=str(version.get("Version") or info.get("ServerVersion") or ""),
        api_version=api_version,
        platform=Platform.of_image(
            str(info.get("OSType") or "linux"), str(info.get("Architecture") or "unknown")
        ),
        kernel=str(info.get("KernelVersion") or ""),
        has_containerd_store=_has_containerd_store(info),
        insecure_registries=_list_insecure(info),
        product=_name_product(info, version),
        memory_size=int(info.get("MemTotal") or 0),
        data_root=str(info.get("DockerRootDir") or ""),
    )


def _has_containerd_store(info: Mapping[str, Any]) -> bool:
    pairs = info.get("DriverStatus") or ()
    return any(list(pair) == ["driver-type", _CONTAINERD_STORE] for pair in pairs)


def _list_insecure(info: Mapping[str, Any]) -> tuple[str, ...]:
    config = info.get("RegistryConfig") or {}
    indexes = config.get("IndexConfigs") or {}
    hosts = [str(name) for name, index in indexes.items() if not index.get("Secure", True)]
    return (*hosts, *map(str, config.get("InsecureRegistryCIDRs") or ()))


def _name_product(info: Mapping[str, Any], version: Mapping[str, Any]) -> str:
    components = version.get("Components") or ()
    if any("podman" in str(each.get("Name", "")).lower() for each in components):
        return "Podman"
    system = str(info.get("OperatingSystem") or "")
    return "Docker Desktop" if system.startswith("Docker Desktop") else "Docker"
