"""One registry host: where it answers, with or without TLS, and how it lets one in."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import re
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import requests
import urllib3
from requests.auth import AuthBase, HTTPBasicAuth

from pytest_multiarch.core.reference import DEFAULT_REGISTRY
from pytest_multiarch.engine.endpoint import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_multiarch.engine.credentials import CredentialsLookup

_HUB = "registry-1.docker.io"
_TIMEOUT_S = (10.0, 60.0)
_LONG_TIMEOUT_S = (10.0, 300.0)
"""To take in a large blob, a registry needs a while after its last byte."""
_TOKEN_LIMIT = 1024 * 1024
_MOST_REDIRECTS = 5
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
        self._session.max_redirects = _MOST_REDIRECTS
        self._tokens: dict[tuple[str, ...], tuple[str, float]] = {}

    def get(self, repository: str, path: str, *, accept: str) -> requests.Response:
        """Get something of a repository; the caller reads and closes the answer."""
        return self.send(
            "GET",
            self.locate(repository, path),
            scopes=(f"repository:{repository}:pull",),
            headers={"Accept": accept},
            timeout_s=_TIMEOUT_S,
        )

    def locate(self, repository: str, path: str) -> str:
        """Give the URL of something of a repository."""
        if not self._base:
            self._find_base()
        return f"{self._base}/v2/{repository}/{path}"

    def resolve(self, url: str, location: str) -> str:
        """Give the URL that an answer from `url` sends one to.

        Raises:
            requests.RequestException: what would be sent there would go unencrypted.
        """
        found = urljoin(url, location)
        if url.startswith("https:") and not found.startswith("https:"):
            raise requests.exceptions.InvalidURL(
                f"it asks for content to be sent unencrypted, to {_strip_query(found)!r}"
            )
        return found

    def send(
        self,
        method: str,
        url: str,
        *,
        scopes: Sequence[str],
        headers: Mapping[str, str],
        body: Any = None,
        timeout_s: tuple[float, float] = _LONG_TIMEOUT_S,
    ) -> requests.Response:
        """Send a request; the caller reads and closes the answer.

        `scopes` are what a token has to be good for. Redirects are followed for what is read
        alone. A `body` that is not bytes can be sent once.
        """

        def ask() -> requests.Response:
            # Credentials are for the registry's own address alone.
            is_own = url.startswith(f"{self._base}/")
            with _allow_insecure():
                return self._session.request(
                    method,
                    url,
                    headers=dict(headers),
                    data=body,
                    auth=self._authorize(scopes) if is_own else _NoAuth(),
                    stream=True,
                    timeout=timeout_s,
                    allow_redirects=method in ("GET", "HEAD"),
                )

        response = ask()
        is_again = body is None or isinstance(body, bytes)
        if response.status_code == 401 and is_again and response.headers.get("WWW-Authenticate"):
            # The token ran out, or this repository asks for more than /v2/ did.
            response.close()
            self._challenge = response.headers["WWW-Authenticate"]
            self._tokens.pop(tuple(scopes), None)
            response = ask()
        return response

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
                with (
                    _allow_insecure(),
                    self._session.get(
                        f"{base}/v2/", auth=_NoAuth(), timeout=_TIMEOUT_S, stream=True
                    ) as response,
                ):
                    status, headers = response.status_code, response.headers
            except requests.ConnectionError:
                if scheme == schemes[-1]:
                    raise
                continue
            # Plain HTTP to a TLS port: servers in Go and nginx answer 400.
            if status != 400 or scheme == schemes[-1]:
                self._base = base
                self._challenge = headers.get("WWW-Authenticate", "")
                return

    def _authorize(self, scopes: Sequence[str]) -> AuthBase:
        kind, _, parameters = self._challenge.partition(" ")
        if kind.lower() == "bearer":
            fields = dict(_CHALLENGE.findall(parameters))
            return _BearerAuth(self._get_token(tuple(scopes), fields))
        credentials = self.lookup.credentials
        if kind.lower() == "basic" and credentials is not None:
            return HTTPBasicAuth(credentials.username, credentials.password)
        return _NoAuth()

    def _get_token(self, scopes: tuple[str, ...], challenge: Mapping[str, str]) -> str:
        token, end = self._tokens.get(scopes, ("", 0.0))
        if time.monotonic() < end:
            return token
        with self._ask_token(scopes, challenge) as response:
            if response.status_code >= 400:
                return ""  # the registry itself then says why, and we with it
            document = _read_token(response)
        token = str(document.get("token") or document.get("access_token") or "")
        life_s = _read_life(document.get("expires_in"))
        self._tokens[scopes] = (token, time.monotonic() + life_s * 0.9)
        return token

    def _ask_token(
        self, scopes: tuple[str, ...], challenge: Mapping[str, str]
    ) -> requests.Response:
        realm = challenge.get("realm", "")
        if self._base.startswith("https:") and not realm.startswith("https:"):
            raise requests.exceptions.InvalidURL(
                f"it asks for credentials to be sent unencrypted, to {realm!r}"
            )
        fields: dict[str, Any] = {
            "service": challenge.get("service", ""),
            "scope": list(scopes),
        }
        credentials = self.lookup.credentials
        if credentials is not None and credentials.identity_token:
            fields |= {
                "scope": " ".join(scopes),
                "grant_type": "refresh_token",
                "refresh_token": credentials.identity_token,
                "client_id": _CLIENT_ID,
            }
            return self._session.post(
                realm, data=fields, auth=_NoAuth(), timeout=_TIMEOUT_S, stream=True
            )
        auth: AuthBase = _NoAuth()
        if credentials is not None:
            auth = HTTPBasicAuth(credentials.username, credentials.password)
        return self._session.get(realm, params=fields, auth=auth, timeout=_TIMEOUT_S, stream=True)


def _read_token(response: requests.Response) -> Mapping[str, Any]:
    """Read what a token server answers; some else's answer may be of any size and kind."""
    data = b""
    for chunk in response.raw.stream(_TOKEN_LIMIT, decode_content=False):
        data += chunk
        if len(data) > _TOKEN_LIMIT:
            raise requests.exceptions.ContentDecodingError("its token server's answer has no end")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise requests.exceptions.ContentDecodingError("its token server gives no token")
    return document


def _read_life(value: object) -> float:
    """Give how long a token holds, in seconds."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and value else _TOKEN_LIFE_S  # type: ignore[arg-type]


def _strip_query(url: str) -> str:
    """Leave out of a URL what may be a secret."""
    return url.partition("?")[0]


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
