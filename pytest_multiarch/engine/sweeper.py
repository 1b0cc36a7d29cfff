"""Removes what a session made, by its label, with nothing but the standard library.

It runs in the watchdog's process, which has to start in milliseconds and must not depend on what
the test process has loaded.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from pytest_multiarch.engine.sessions import (
    IMAGE_NAMES,
    SESSION_LABEL,
    SessionLabels,
    find_stale,
)
from pytest_multiarch.engine.transport import open_connection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_multiarch.engine.endpoint import Endpoint


class Sweeper:
    """A client of one engine that can list by label, and remove."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def sweep(self, session_id: str) -> int:
        """Remove all that carries a session's label; give how many things there were.

        Raises:
            OSError, http.client.HTTPException: the engine does not answer.
        """
        containers, networks, volumes, images = self._list_all(f"{SESSION_LABEL}={session_id}")
        images = [each for each in images if _read_session(each) == session_id]
        for container in containers:
            self._ask("DELETE", f"/containers/{container['Id']}", {"force": "1", "v": "1"})
        for network in networks:
            self._ask("DELETE", f"/networks/{network['Id']}")
        for volume in volumes:
            self._ask("DELETE", f"/volumes/{volume['Name']}", {"force": "1"})
        for image in images:
            for name in image.get("RepoTags") or (image["Id"],):
                self._ask("DELETE", f"/images/{quote(name, safe='/:@')}", {"force": "1"})
        return len(containers) + len(networks) + len(volumes) + len(images)

    def sweep_stale(self, here: SessionLabels) -> frozenset[str]:
        """Remove what sessions left that are certainly over, as seen from `here`; give them."""
        things = [thing for things in self._list_all(SESSION_LABEL) for thing in things]
        stale = find_stale((thing.get("Labels") or {} for thing in things), here=here)
        for session_id in stale:
            self.sweep(session_id)
        return stale

    def _list_all(self, label: str) -> tuple[list[Any], list[Any], list[Any], list[Any]]:
        """List containers, networks and volumes with a label, and the images of all sessions."""
        labelled = {"filters": json.dumps({"label": [label]}), "all": "1"}
        named = {"filters": json.dumps({"reference": [IMAGE_NAMES]})}
        return (
            self._ask("GET", "/containers/json", labelled) or [],
            self._ask("GET", "/networks", labelled) or [],
            (self._ask("GET", "/volumes", labelled) or {}).get("Volumes") or [],
            self._ask("GET", "/images/json", named) or [],
        )

    def _ask(self, method: str, path: str, query: Mapping[str, str] | None = None) -> Any:
        """Make one request; an answer of 400 or more, as for what is gone already, gives None."""
        connection = open_connection(self._endpoint)
        try:
            connection.request(method, f"{path}?{urlencode(query)}" if query else path)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        return json.loads(body) if body and response.status < 400 else None


def _read_session(thing: Mapping[str, Any]) -> str:
    return str((thing.get("Labels") or {}).get(SESSION_LABEL, ""))
