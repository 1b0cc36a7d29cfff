"""A web service on two platforms, with its database where BENCHMARK_DATABASE says."""

from __future__ import annotations

import json
import os
import urllib.request

import pytest

from pytest_multiarch import service

DATABASE = service(
    os.environ["BENCHMARK_POSTGRES"],
    platform=os.environ["BENCHMARK_DATABASE"],
    env={"POSTGRES_USER": "notes", "POSTGRES_PASSWORD": "secret"},
    wait="ready to accept connections",
)
NOTES = 20


@pytest.mark.image(os.environ["BENCHMARK_WEB"])
@pytest.mark.platforms("linux/amd64", "linux/arm64")
@pytest.mark.container(
    env={"DATABASE_URL": "postgresql://notes:secret@db/notes"},
    ports=8080,
    wait="http://:8080/health",
    with_={"db": DATABASE},
)
def test_notes(container, parity):
    """Twenty notes are written and read back."""
    database = container.services["db"].execution
    is_same = os.environ["BENCHMARK_DATABASE"] == "same"
    assert database.is_emulated == (is_same and container.execution.is_emulated)
    host, port = container.address(8080)
    url = f"http://{host}:{port}/notes"
    for number in range(NOTES):
        body = json.dumps({"text": f"note {number}"}).encode()
        urllib.request.urlopen(url, body).close()
    with urllib.request.urlopen(url) as answer:
        notes = json.load(answer)
    assert len(notes) == NOTES
    parity.check("notes", notes)
