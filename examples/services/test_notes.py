"""A web service and its database: the service is tested on each platform, the database is not.

The images are not published; put your own in their place:

    pytest examples/services --multiarch-image ghcr.io/acme/notes:1.4=my/app:dev
"""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest

from pytest_multiarch import service

HERE = Path(__file__).parent
POSTGRES = service(
    "postgres:16",
    env={"POSTGRES_USER": "notes", "POSTGRES_PASSWORD": "secret"},
    wait=5432,
)
URL = {"DATABASE_URL": "postgresql://notes:secret@db/notes"}


def ask(container, path, **body):
    """Ask the web service; with a body it is a POST."""
    host, port = container.address(8080)
    data = json.dumps(body).encode() if body else None
    with urllib.request.urlopen(f"http://{host}:{port}{path}", data) as answer:
        return json.load(answer)


@pytest.mark.container(env=URL, ports=8080, wait="http://:8080/health", with_={"db": POSTGRES})
def test_notes(container, parity):
    """The database is started first, natively, and found as `db`."""
    assert ask(container, "/notes", text="größer") == {"id": 1}
    parity.check("notes", ask(container, "/notes"))
    database = container.services["db"]
    assert not database.execution.is_emulated
    rows = database.exec("psql", "-U", "notes", "-Atc", "SELECT text FROM notes")
    assert rows.stdout == "größer\n"


@pytest.fixture(scope="module")
def network(shared_variant):
    """One database for all tests of the module, for each platform."""
    with shared_variant.network({"db": POSTGRES}) as network:
        yield network


@pytest.mark.parametrize("query", ["SHOW server_encoding", "SELECT 1"])
def test_on_one_database(variant, network, query):
    """Containers that come and go on one network."""
    program = """if True:
        import os, psycopg2, sys
        cursor = psycopg2.connect(os.environ["DATABASE_URL"]).cursor()
        cursor.execute(sys.argv[1])
        print(cursor.fetchall())
        """
    result = variant.run("python3.11", "-c", program, query, env=URL, network=network)
    assert result.exit_code == 0


def test_compose(variant, parity):
    """The compose file as it is, but for the service `web`, which runs the variant."""
    with variant.compose(
        HERE / "compose.yaml", service="web", wait="http://:8080/health"
    ) as container:
        ask(container, "/notes", text="one")
        parity.check("notes", ask(container, "/notes"))
