"""Where the engine is: `DOCKER_HOST`, the docker context, or the default socket.

The rules are the docker CLI's (`cli/command/cli.go`, `resolveContextName`). Only the standard
library is used here, since the watchdog needs it in a process that starts in milliseconds.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pytest_multiarch.core.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_multiarch.core.settings import NodeSettings, NodeTls

_DEFAULT_SOCKET = "/var/run/docker.sock"
_DEFAULT_PIPE = "npipe:////./pipe/docker_engine"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Paths of PEM files; an empty one is not used."""

    ca: str = ""
    cert: str = ""
    key: str = ""
    is_verified: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """How an engine is reached.

    `url` is `unix:///path`, `tcp://host:port`, `ssh://user@host` or `npipe:////./pipe/name`.
    `origin` says for messages where it was found. `api_version` is what `DOCKER_API_VERSION`
    asks for, empty to negotiate.
    """

    url: str
    tls: TlsFiles | None = None
    api_version: str = ""
    origin: str = ""

    @property
    def scheme(self) -> str:
        return self.url.partition("://")[0]

    @property
    def socket_path(self) -> str:
        """The path of a `unix://` endpoint, empty for others."""
        return self.url.removeprefix("unix://") if self.scheme == "unix" else ""

    @property
    def host(self) -> str:
        """The name or address under which ports published by the engine are reached from here."""
        if self.scheme in ("unix", "npipe"):
            return "127.0.0.1"
        return urlsplit(self.url).hostname or "127.0.0.1"

    @property
    def is_local(self) -> bool:
        """Whether no network, and so no proxy, lies between."""
        return self.scheme in ("unix", "npipe") or is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address can only mean this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def find_endpoint(environ: Mapping[str, str]) -> Endpoint:
    """Find the engine that the docker command would use in this environment.

    Raises:
        EngineError: a context is named that does not exist, or its file cannot be read.
    """
    api_version = environ.get("DOCKER_API_VERSION", "")
    if host := environ.get("DOCKER_HOST", ""):
        return Endpoint(
            url=_complete_url(host),
            tls=_find_environ_tls(environ),
            api_version=api_version,
            origin="DOCKER_HOST",
        )
    name = environ.get("DOCKER_CONTEXT", "")
    origin = "DOCKER_CONTEXT"
    if not name:
        name = str(read_docker_config(environ).get("currentContext") or "")
        origin = f"currentContext in {find_docker_config_folder(environ) / 'config.json'}"
    if name and name != "default":
        return _read_context(environ, name, origin=origin, api_version=api_version)
    return Endpoint(url=_find_default(environ), api_version=api_version, origin="the default")


def find_node_endpoint(
    node: NodeSettings, environ: Mapping[str, str], *, folder: Path, origin: str
) -> Endpoint:
    """Find the engine that a configured node is; paths of `tls` are relative to `folder`.

    `DOCKER_API_VERSION`, `DOCKER_TLS_VERIFY` and the like are of the default engine, not of this.

    Raises:
        EngineError: its context does not exist or cannot be read, or a TLS file is missing.
    """
    if node.context:
        return _read_context(environ, node.context, origin=origin, api_version="")
    tls = None if node.tls is None else _find_node_tls(node.tls, folder, origin=origin)
    return Endpoint(url=node.host, tls=tls, origin=origin)


def _find_node_tls(tls: NodeTls, folder: Path, *, origin: str) -> TlsFiles:
    folder = folder.absolute()
    if tls.folder:
        found = _find_tls(folder / tls.folder, is_verified=tls.verify)
        if not found.ca and not found.cert:
            raise EngineError(
                f"there is neither ca.pem nor cert.pem in {folder / tls.folder}, which {origin} "
                "names",
                cure="put the node's ca.pem, cert.pem and key.pem there, or mend tls:",
            )
        return found
    paths = {name: getattr(tls, name) for name in ("ca", "cert", "key")}
    files = {name: str(folder / path) if path else "" for name, path in paths.items()}
    for path in filter(None, files.values()):
        if not Path(path).is_file():
            raise EngineError(f"there is no {path}, which {origin} names", cure="mend tls:")
    return TlsFiles(**files, is_verified=tls.verify)


def find_docker_config_folder(environ: Mapping[str, str]) -> Path:
    """Give the folder of the docker command's own settings: `DOCKER_CONFIG`, else `~/.docker`."""
    if folder := environ.get("DOCKER_CONFIG", ""):
        return Path(folder)
    return _find_home(environ) / ".docker"


def read_docker_config(environ: Mapping[str, str]) -> dict[str, Any]:
    """Read the docker command's `config.json`; empty if there is none.

    Raises:
        EngineError: the file is there and is not a JSON object.
    """
    file = find_docker_config_folder(environ) / "config.json"
    try:
        document = json.loads(file.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise EngineError(
            f"{file} cannot be read: {error}", cure="mend it, or point DOCKER_CONFIG elsewhere"
        ) from error
    if not isinstance(document, dict):
        raise EngineError(
            f"{file} holds {type(document).__name__}, expected a JSON object",
            cure="mend it, or point DOCKER_CONFIG elsewhere",
        )
    return document


def _find_home(environ: Mapping[str, str]) -> Path:
    home = environ.get("HOME", "") or environ.get("USERPROFILE", "")
    return Path(home) if home else Path.home()


def _complete_url(host: str) -> str:
    if "://" in host:
        return host
    return f"unix://{host}" if host.startswith("/") else f"tcp://{host}"


def _find_environ_tls(environ: Mapping[str, str]) -> TlsFiles | None:
    # The CLI takes any non-empty value of these as "yes", also "0".
    is_verified = bool(environ.get("DOCKER_TLS_VERIFY", ""))
    if not is_verified and not environ.get("DOCKER_TLS", ""):
        return None
    folder = Path(environ.get("DOCKER_CERT_PATH", "") or find_docker_config_folder(environ))
    return _find_tls(folder, is_verified=is_verified)


def _find_tls(folder: Path, *, is_verified: bool) -> TlsFiles:
    folder = folder.absolute()  # the watchdog works in another folder
    files = {
        name: str(folder / f"{name}.pem") if (folder / f"{name}.pem").is_file() else ""
        for name in ("ca", "cert", "key")
    }
    return TlsFiles(ca=files["ca"], cert=files["cert"], key=files["key"], is_verified=is_verified)


def _read_context(
    environ: Mapping[str, str], name: str, *, origin: str, api_version: str
) -> Endpoint:
    folder = find_docker_config_folder(environ) / "contexts"
    digest = hashlib.sha256(name.encode()).hexdigest()
    file = folder / "meta" / digest / "meta.json"
    try:
        document = json.loads(file.read_text("utf-8"))
        endpoint = document["Endpoints"]["docker"]
        url = _complete_url(endpoint["Host"])
    except (FileNotFoundError, NotADirectoryError):
        known = ", ".join(("default", *_list_contexts(folder)))
        raise EngineError(
            f"there is no docker context {name!r}, which {origin} names; there are: {known}",
            cure="set DOCKER_CONTEXT to one of them, or run `docker context use default`",
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(
            f"the docker context {name!r} cannot be read from {file}: {error!r}",
            cure=f"make it anew with `docker context create {name} --docker host=...`",
        ) from error
    tls_folder = folder / "tls" / digest / "docker"
    has_tls = tls_folder.is_dir() or bool(endpoint.get("SkipTLSVerify"))
    return Endpoint(
        url=url,
        tls=_find_tls(tls_folder, is_verified=not endpoint.get("SkipTLSVerify"))
        if has_tls
        else None,
        api_version=api_version,
        origin=f"the docker context {name!r}",
    )


def _list_contexts(folder: Path) -> list[str]:
    names = map(_read_context_name, (folder / "meta").glob("*/meta.json"))
    return sorted(name for name in names if name)


def _read_context_name(file: Path) -> str:
    try:
        return str(json.loads(file.read_text("utf-8"))["Name"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _find_default(environ: Mapping[str, str]) -> str:
    if sys.platform == "win32":
        return _DEFAULT_PIPE
    sockets = _list_default_sockets(environ)
    found = next((path for path in sockets if _is_there(path)), _DEFAULT_SOCKET)
    return f"unix://{found}"


def _is_there(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:  # in a folder that this user may not look into
        return False


def _list_default_sockets(environ: Mapping[str, str]) -> list[str]:
    home = _find_home(environ)
    sockets = [_DEFAULT_SOCKET]
    if runtime := environ.get("XDG_RUNTIME_DIR", ""):
        sockets.append(f"{runtime}/docker.sock")  # rootless dockerd
    sockets.append(str(home / ".docker" / "run" / "docker.sock"))  # Docker Desktop on macOS
    sockets.append(str(home / ".docker" / "desktop" / "docker.sock"))  # and on Linux
    return [*sockets, *_list_podman_sockets(environ)]


def _list_podman_sockets(environ: Mapping[str, str]) -> list[str]:
    """List where Podman's service listens: this user's, where there is one, before root's."""
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    return [f"{folder}/podman/podman.sock" for folder in (runtime, "/run") if folder]


def list_other_endpoints(environ: Mapping[str, str], chosen: str) -> tuple[Endpoint, ...]:
    """List the sockets on this machine, beside the URL that is chosen, at which an engine may be.

    Those of the default, of Podman, and of docker contexts.
    """
    sockets = [f"unix://{path}" for path in _list_default_sockets(environ)]
    found = {url: Endpoint(url=url, origin="its usual place") for url in sockets}
    for name in _list_contexts(find_docker_config_folder(environ) / "contexts"):
        with contextlib.suppress(EngineError):
            endpoint = _read_context(environ, name, origin="", api_version="")
            found.setdefault(endpoint.url, endpoint)
    return tuple(
        each
        for url, each in found.items()
        if url != chosen and each.socket_path and _is_there(each.socket_path)
    )


def write_connection(endpoint: Endpoint) -> list[str]:
    """Write options of the docker command that name an engine."""
    words = ["--host", endpoint.url]
    tls = endpoint.tls
    if tls is None:
        return words
    words += ["--tlsverify" if tls.is_verified else "--tls"]
    for option, path in (("--tlscacert", tls.ca), ("--tlscert", tls.cert), ("--tlskey", tls.key)):
        words += [option, path] if path else []
    return words
