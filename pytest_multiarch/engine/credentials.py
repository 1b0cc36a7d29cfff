"""The user's registry credentials, from where `docker login` keeps them.

The environment's `DOCKER_AUTH_CONFIG` (JSON as in `config.json`) comes first, then the credential
helpers of `config.json`, then its `auths`. Format: docker CLI's `cli/config/configfile` and
docker-credential-helpers' protocol.
"""

from __future__ import annotations

import base64
import binascii
import json
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.checkup import Login
from pytest_multiarch.core.errors import EngineError
from pytest_multiarch.core.reference import DEFAULT_REGISTRY
from pytest_multiarch.engine.endpoint import read_docker_config

if TYPE_CHECKING:
    from collections.abc import Mapping

_HUB_KEY = "https://index.docker.io/v1/"
_HUB_NAMES = (DEFAULT_REGISTRY, "index.docker.io", "registry-1.docker.io")
_HELPER_TIMEOUT_S = 30.0
_TOKEN_USER = "<token>"  # noqa: S105 (what helpers write where the secret is a token)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A user and password, or an identity token (OAuth2 refresh token) instead."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)

    def encode_header(self) -> str:
        """Encode for an engine's `X-Registry-Auth` header."""
        if self.identity_token:
            document = {"identitytoken": self.identity_token}
        else:
            document = {"username": self.username, "password": self.password}
        return base64.urlsafe_b64encode(json.dumps(document).encode()).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialsLookup:
    """What was found for a registry; `problem` says why a helper or a file gave nothing.

    A problem alone is no error: most images are public. It is told when the registry refuses.
    """

    credentials: Credentials | None = None
    problem: str = ""


def find_credentials(environ: Mapping[str, str], registry: str) -> CredentialsLookup:
    """Look up what the user has for a registry host; `docker.io` for Docker Hub."""
    problems: list[str] = []
    for load in (_read_environ_config, read_docker_config):
        try:
            config = load(environ)
        except EngineError as error:
            problems.append(str(error.what))
            continue
        lookup = _search_config(config, environ, registry)
        if lookup.credentials is not None:
            return lookup
        if lookup.problem:
            problems.append(lookup.problem)
    return CredentialsLookup(problem="; ".join(problems))


def read_logins(environ: Mapping[str, str]) -> tuple[Login, ...]:
    """List the registries that the user has credentials for, or a problem with, sorted.

    A problem that concerns no registry in particular has an empty name.
    """
    registries: set[str] = set()
    logins = []
    for load in (_read_environ_config, read_docker_config):
        try:
            registries |= _list_registries(load(environ), environ)
        except EngineError as error:
            logins.append(Login(registry="", problem=error.what))
    for registry in sorted(registries):
        lookup = find_credentials(environ, registry)
        # Docker Desktop leaves an empty entry of what was logged out of.
        if lookup.credentials or lookup.problem:
            logins.append(Login(registry=registry, problem=lookup.problem))
    return tuple(logins)


def _list_registries(config: Mapping[str, Any], environ: Mapping[str, str]) -> set[str]:
    keys: set[str] = set()
    for section in ("auths", "credHelpers"):
        entries = config.get(section)
        keys.update(entries if isinstance(entries, dict) else ())
    if store := str(config.get("credsStore") or ""):
        keys |= _list_helper(store, environ)
    return set(map(_name_registry, keys))


def _list_helper(helper: str, environ: Mapping[str, str]) -> set[str]:
    """Ask a helper for which hosts it has something.

    Raises:
        EngineError: it cannot be run, or says nothing of use.
    """
    try:
        return set(map(str, json.loads(_call_helper(helper, "list", b"", environ))))
    except _NothingStoredError:
        return set()
    except (OSError, ValueError, TypeError, subprocess.SubprocessError) as error:
        raise EngineError(f"docker-credential-{helper} failed: {error}") from None


def _name_registry(key: str) -> str:
    host = _strip_url(key)
    return DEFAULT_REGISTRY if host in _HUB_NAMES else host


def _read_environ_config(environ: Mapping[str, str]) -> dict[str, Any]:
    text = environ.get("DOCKER_AUTH_CONFIG", "")
    try:
        document = json.loads(text or "{}")
    except ValueError as error:
        raise EngineError(f"DOCKER_AUTH_CONFIG is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise EngineError("DOCKER_AUTH_CONFIG is not a JSON object")
    return document


def _search_config(
    config: Mapping[str, Any], environ: Mapping[str, str], registry: str
) -> CredentialsLookup:
    problem = ""
    if helper := _choose_helper(config, registry):
        try:
            if found := _ask_helper(helper, environ, registry):
                return CredentialsLookup(credentials=found)
        except (OSError, ValueError, AttributeError, subprocess.SubprocessError) as error:
            problem = f"docker-credential-{helper} failed: {error}"
    try:
        found = _find_in_auths(config, registry)
    except ValueError as error:
        return CredentialsLookup(problem=f"the credentials for {registry}: {error}")
    return CredentialsLookup(credentials=found, problem="" if found else problem)


def _choose_helper(config: Mapping[str, Any], registry: str) -> str:
    helpers = config.get("credHelpers")
    for key in _list_keys(registry):
        if isinstance(helpers, dict) and helpers.get(key):
            return str(helpers[key])
    return str(config.get("credsStore") or "")


def _ask_helper(helper: str, environ: Mapping[str, str], registry: str) -> Credentials | None:
    key = _HUB_KEY if registry == DEFAULT_REGISTRY else registry
    try:
        document = json.loads(_call_helper(helper, "get", key.encode(), environ))
    except _NothingStoredError:
        return None
    username, secret = str(document.get("Username") or ""), str(document.get("Secret") or "")
    if username == _TOKEN_USER:
        return Credentials(identity_token=secret)
    return Credentials(username=username, password=secret) if secret else None


class _NothingStoredError(ValueError):
    """A helper has nothing for the host."""


def _call_helper(helper: str, action: str, data: bytes, environ: Mapping[str, str]) -> bytes:
    done = subprocess.run(
        [f"docker-credential-{helper}", action],
        input=data,
        capture_output=True,
        env=dict(environ),
        timeout=_HELPER_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        # Helpers tell "none stored" only by this text, on stdout.
        said = (done.stdout + done.stderr).decode("utf-8", "replace").strip()
        kind = _NothingStoredError if "not found" in said.lower() else ValueError
        raise kind(said[:200] or f"exit code {done.returncode}")
    return done.stdout


def _find_in_auths(config: Mapping[str, Any], registry: str) -> Credentials | None:
    auths = config.get("auths")
    if not isinstance(auths, dict):
        return None
    keys = _list_keys(registry)
    entry = next((auths[key] for key in keys if key in auths), None)
    if entry is None:
        entry = next((auths[key] for key in auths if _strip_url(key) in keys), None)
    return _read_entry(entry) if isinstance(entry, dict) else None


def _read_entry(entry: Mapping[str, Any]) -> Credentials | None:
    if token := entry.get("identitytoken"):
        return Credentials(identity_token=str(token))
    if entry.get("username") and entry.get("password"):
        return Credentials(username=str(entry["username"]), password=str(entry["password"]))
    encoded = str(entry.get("auth") or "")
    if not encoded:
        return None
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("its `auth` is not base64 of user:password") from None
    username, colon, password = text.rstrip("\0").partition(":")
    if not colon:
        raise ValueError("its `auth` is not base64 of user:password")
    return Credentials(username=username, password=password)


def _list_keys(registry: str) -> tuple[str, ...]:
    if registry == DEFAULT_REGISTRY:
        return (_HUB_KEY, *_HUB_NAMES)
    return (registry, f"https://{registry}", f"http://{registry}")


def _strip_url(key: str) -> str:
    """Reduce `https://host/v1/`, as old logins wrote it, to the host."""
    return key.removeprefix("https://").removeprefix("http://").partition("/")[0]
