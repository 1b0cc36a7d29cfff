"""One registry host: where it answers, with or without TLS, and how it lets one in."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import requests
import urllib3
from requests.auth import AuthBase, HTTPBasicAuth

from pytest_multiarch.core.reference import DEFAULT_REGISTRY
from pytest_multiarch.engine.endpoint import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_multiarch.engine.credentials import CredentialsLookup

_HUB = "registry-1.docker.io"
_TIMEOUT_S = (10.0, 60.0)
_CLIENT_ID = "pytest-multiarch"
_TOKEN_LIFE_S = 60.0
"""What a token server means that does not say (distribution's token specification)."""
_CERTIFICATES = Path("/etc/docker/certs.d")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class RegistryHost:
    """Requests to one registry, in the name of whoever `lookup` found."""

    def __init__(
        self, registry: str, *, insecure: Iterable[str], lookup: CredentialsLookup
    ) -> None:
        self.lookup = lookup
        self._address = _HUB if registry == DEFAULT_REGISTRY else registry
        self._is_loopback = is_loopback(_strip_port(self._address))
        self._is_insecure = self._is_loopback or is_listed(self._address, insecure)
        self._session = requests.Session()
        self._session.headers["Accept-Encoding"] = "identity"
        # Proxies are for the world outside; HTTP_PROXY would catch loopback too.
        self._session.trust_env = not self._is_loopback
        self._session.verify = self._choose_verification(registry)
        self._base = ""
        self._challenge = ""
        self._tokens: dict[str, tuple[str, float]] = {}

    def get(self, repository: str, path: str, *, accept: str) -> requests.Response:
        """Get something of a repository; the caller reads and closes the answer."""
        if not self._base:
            self._find_base()
        url = f"{self._base}/v2/{repository}/{path}"
        response = self._get(url, accept, self._authorize(repository))
        if response.status_code == 401 and response.headers.get("WWW-Authenticate"):
            # The token ran out, or this repository asks for more than /v2/ did.
            response.close()
            self._challenge = response.headers["WWW-Authenticate"]
            self._tokens.pop(repository, None)
            response = self._get(url, accept, self._authorize(repository))
        return response

    def _get(self, url: str, accept: str, auth: AuthBase) -> requests.Response:
        with _allow_insecure():
            return self._session.get(
                url, headers={"Accept": accept}, auth=auth, stream=True, timeout=_TIMEOUT_S
            )

    def _choose_verification(self, registry: str) -> bool | str:
        if self._is_insecure:
            return False
        authority = _CERTIFICATES / registry / "ca.crt"  # where engines look for it
        return str(authority) if authority.is_file() else True

    def _find_base(self) -> None:
        schemes: tuple[str, ...] = ("https",)
        if self._is_loopback:
            schemes = ("http", "https")
        elif self._is_insecure:
            schemes = ("https", "http")  # as engines do; credentials rather go encrypted
        for scheme in schemes:
            base = f"{scheme}://{self._address}"
            try:
                with _allow_insecure():
                    response = self._session.get(f"{base}/v2/", auth=_NoAuth(), timeout=_TIMEOUT_S)
            except requests.ConnectionError:
                if scheme == schemes[-1]:
                    raise
                continue
            # Plain HTTP to a TLS port: servers in Go and nginx answer 400.
            if response.status_code != 400 or scheme == schemes[-1]:
                self._base = base
                self._challenge = response.headers.get("WWW-Authenticate", "")
                return

    def _authorize(self, repository: str) -> AuthBase:
        kind, _, parameters = self._challenge.partition(" ")
        if kind.lower() == "bearer":
            fields = dict(_CHALLENGE.findall(parameters))
            return _BearerAuth(self._get_token(repository, fields))
        credentials = self.lookup.credentials
        if kind.lower() == "basic" and credentials is not None:
            return HTTPBasicAuth(credentials.username, credentials.password)
        return _NoAuth()

    def _get_token(self, repository: str, challenge: Mapping[str, str]) -> str:
        token, end = self._tokens.get(repository, ("", 0.0))
        if time.monotonic() < end:
            return token
        response = self._ask_token(repository, challenge)
        if response.status_code >= 400:
            return ""  # the registry itself then says why, and we with it
        document = response.json()
        token = str(document.get("token") or document.get("access_token") or "")
        life_s = float(document.get("expires_in") or _TOKEN_LIFE_S)
        self._tokens[repository] = (token, time.monotonic() + life_s * 0.9)
        return token

    def _ask_token(self, repository: str, challenge: Mapping[str, str]) -> requests.Response:
        realm = challenge.get("realm", "")
        if self._base.startswith("https:") and not realm.startswith("https:"):
            raise requests.exceptions.InvalidURL(
                f"it asks for credentials to be sent unencrypted, to {realm!r}"
            )
        fields = {
            "service": challenge.get("service", ""),
            "scope": f"repository:{repository}:pull",
        }
        credentials = self.lookup.credentials
        if credentials is not None and credentials.identity_token:
            fields |= {
                "grant_type": "refresh_token",
                "refresh_token": credentials.identity_token,
                "client_id": _CLIENT_ID,
            }
            return self._session.post(realm, data=fields, auth=_NoAuth(), timeout=_TIMEOUT_S)
        auth: AuthBase = _NoAuth()
        if credentials is not None:
            auth = HTTPBasicAuth(credentials.username, credentials.password)
        return self._session.get(realm, params=fields, auth=auth, timeout=_TIMEOUT_S)


@contextlib.contextmanager
def _allow_insecure() -> Iterator[None]:
    """Keep urllib3 from warning of what the engine's own settings allow.

    A suite that turns warnings into errors would otherwise fail by it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)
        yield


class _NoAuth(AuthBase):
    """No credentials; without it requests would take some from `~/.netrc`."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class _BearerAuth(_NoAuth):
    """A token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def is_listed(address: str, insecure: Iterable[str]) -> bool:
    """Tell whether a host is among an engine's insecure registries: hosts and CIDR blocks."""
    insecure = tuple(insecure)
    if address in insecure:
        return True
    try:
        ip_address = ipaddress.ip_address(_strip_port(address).strip("[]"))
    except ValueError:
        return False
    return any(ip_address in network for network in _list_networks(insecure))


def _list_networks(
    insecure: Iterable[str],
) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    return [ipaddress.ip_network(each, strict=False) for each in insecure if "/" in each]


def _strip_port(address: str) -> str:
    host, colon, port = address.rpartition(":")
    return host if colon and port.isdigit() else address
