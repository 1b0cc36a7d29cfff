"""Containers in the engine's own documents: what is sent to create one, what inspecting gives."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.ports import ContainerSpec, ContainerState, PathStat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_multiarch.core.container_options import ContainerOptions

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)\Z")
# Go's os.FileMode, as X-Docker-Container-Path-Stat carries it.
_GO_DIRECTORY = 1 << 31
_GO_LINK = 1 << 27
_GO_SPECIAL = ((1 << 23, 0o4000), (1 << 22, 0o2000), (1 << 20, 0o1000))


def build_create_document(spec: ContainerSpec) -> dict[str, Any]:
    """Write the body of `POST /containers/create`."""
    ports = [f"{port}/tcp" for port in spec.ports]
    host: dict[str, Any] = {
        # As `docker run -p PORT`: on all addresses, a free port of the engine's choice.
        "PortBindings": {port: [{"HostIp": "", "HostPort": ""}] for port in ports},
        "NetworkMode": spec.network or "default",
    }
    if spec.init is not None:
        host["Init"] = spec.init
    if spec.security:
        host["SecurityOpt"] = list(spec.security)
    host |= _build_options(spec.options)
    document: dict[str, Any] = {
        "Image": spec.image,
        "Env": [f"{name}={value}" for name, value in spec.env.items()],
        "User": spec.user,
        "WorkingDir": spec.workdir,
        "ExposedPorts": {port: {} for port in ports},
        "Labels": {**dict(spec.options.labels), **spec.labels},
        "AttachStdin": spec.has_stdin,
        "OpenStdin": spec.has_stdin,
        "StdinOnce": spec.has_stdin,
        "AttachStdout": True,
        "AttachStderr": True,
        "HostConfig": host,
    }
    if spec.options.hostname:
        document["Hostname"] = spec.options.hostname
    if spec.network and spec.aliases:
        endpoint = {"Aliases": list(spec.aliases)}
        document["NetworkingConfig"] = {"EndpointsConfig": {spec.network: endpoint}}
    if spec.argv:
        document["Cmd"] = list(spec.argv)
    if spec.entrypoint is not None:
        # An empty list would mean the image's own; one empty word means none.
        document["Entrypoint"] = list(spec.entrypoint) or [""]
    return document


def _build_options(options: ContainerOptions) -> dict[str, Any]:
    """Write options as fields of `HostConfig`; what is at its default is left to the engine."""
    fields: dict[str, Any] = {
        # Not `Binds`, for which an engine makes a folder where the source is missing.
        "Mounts": [
            {"Type": "bind", "Source": each.source, "Target": each.target, "ReadOnly": True}
            for each in options.volumes
        ],
        "Tmpfs": dict(options.tmpfs),
        "Ulimits": [
            {"Name": each.name, "Soft": each.soft, "Hard": each.hard} for each in options.ulimits
        ],
        "Memory": options.mem_limit,
        "NanoCpus": options.nano_cpus,
        "CapAdd": list(options.cap_add),
        "CapDrop": list(options.cap_drop),
        "ShmSize": options.shm_size,
        "ReadonlyRootfs": options.read_only,
    }
    return {name: value for name, value in fields.items() if value}


def list_dropped_limits(options: ContainerOptions, document: Mapping[str, Any]) -> list[str]:
    """List the limits, as options are called, that an engine left out of a container it made.

    `document` is the answer of `GET /containers/{id}/json`. Engines leave out what their kernel
    cannot do: Docker warns of it, Podman says nothing.
    """
    host: Mapping[str, Any] = document.get("HostConfig") or {}
    # Podman writes RLIMIT_NOFILE.
    names = {str(e["Name"]).lower().removeprefix("rlimit_") for e in host.get("Ulimits") or ()}
    dropped = {
        "mem_limit": options.mem_limit and not host.get("Memory"),
        "nano_cpus": options.nano_cpus and not host.get("NanoCpus"),
        "ulimits": not names.issuperset(each.name for each in options.ulimits),
    }
    return [name for name, is_dropped in dropped.items() if is_dropped]


def parse_state(document: Mapping[str, Any], *, host: str) -> ContainerState:
    """Read the answer of `GET /containers/{id}/json`; `host` is where ports are reached."""
    state: Mapping[str, Any] = document.get("State") or {}
    network: Mapping[str, Any] = document.get("NetworkSettings") or {}
    finished_at_s = parse_time(str(state.get("FinishedAt") or ""))
    is_running = bool(state.get("Running"))
    has_ended = not is_running and finished_at_s is not None
    return ContainerState(
        id=str(document["Id"]),
        image=str(document.get("Image") or ""),
        manifest_digest=str((document.get("ImageManifestDescriptor") or {}).get("digest") or ""),
        is_running=is_running,
        exit_code=int(state.get("ExitCode") or 0) if has_ended else None,
        error=_describe_error(state),
        health=str((state.get("Health") or {}).get("Status") or ""),
        hostname=str((document.get("Config") or {}).get("Hostname") or ""),
        ip_address=_find_ip_address(network),
        ports=_read_ports(network, host),
        started_at_s=parse_time(str(state.get("StartedAt") or "")),
        finished_at_s=finished_at_s,
    )


def _describe_error(state: Mapping[str, Any]) -> str:
    error = str(state.get("Error") or "")
    if state.get("OOMKilled"):
        return f"killed, since it ran out of memory; {error}" if error else "killed: out of memory"
    return error


def _find_ip_address(network: Mapping[str, Any]) -> str:
    addresses = [network.get("IPAddress")]
    addresses += [each.get("IPAddress") for each in (network.get("Networks") or {}).values()]
    return next((str(address) for address in addresses if address), "")


def _read_ports(network: Mapping[str, Any], host: str) -> dict[int, tuple[str, int]]:
    ports = {}
    for name, bindings in (network.get("Ports") or {}).items():
        number, _, protocol = name.partition("/")
        # An IPv6 binding may have another port; `host` is reached by IPv4 first.
        by_family = sorted(bindings or (), key=lambda each: ":" in each.get("HostIp", ""))
        if protocol == "tcp" and by_family:
            ports[int(number)] = (host, int(by_family[0]["HostPort"]))
    return ports


def parse_time(text: str) -> float | None:
    """Read a time as Go writes it, in seconds since 1970; None for Go's zero time."""
    match = _TIME.match(text)
    if match is None or text.startswith("0001-"):
        return None
    whole, fraction, zone = match.groups()
    zone = "+00:00" if zone == "Z" else zone
    return datetime.fromisoformat(f"{whole}{zone}").timestamp() + float(fraction or 0)


def read_path_stat(document: Mapping[str, Any]) -> PathStat:
    """Read the header `X-Docker-Container-Path-Stat`, decoded."""
    mode = int(document["mode"])
    special = sum(ours for theirs, ours in _GO_SPECIAL if mode & theirs)
    return PathStat(
        mode=mode & 0o777 | special,
        size=int(document["size"]),
        # Podman names the target of what is no link too: the path itself.
        link_target=str(document.get("linkTarget") or "") if mode & _GO_LINK else "",
        is_directory=bool(mode & _GO_DIRECTORY),
    )
