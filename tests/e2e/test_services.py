"""A web service and its database, on networks of their own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.e2e.suite import Suite, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

pytestmark = pytest.mark.needs_engine("main")

HEAD = """
    import json, urllib.request
    import pytest
    from pytest_multiarch import service

    DB = service(
        "{postgres}",
        env={{"POSTGRES_PASSWORD": "s3cret-pw", "POSTGRES_USER": "notes"}},
        wait="ready to accept connections",
    )
    URL = {{"DATABASE_URL": "postgresql://notes:s3cret-pw@db/notes"}}

    pytestmark = [
        pytest.mark.image("{web}"),
        pytest.mark.platforms("linux/amd64", "linux/arm64"),
    ]

    def ask(container, path, **body):
        host, port = container.address(8080)
        data = json.dumps(body).encode() if body else None
        with urllib.request.urlopen(f"http://{{host}}:{{port}}{{path}}", data) as answer:
            return json.load(answer)
"""
NOTES = (
    HEAD
    + """
    @pytest.mark.container(env=URL, ports=[8080], wait="http://:8080/health", with_={{"db": DB}})
    def test_notes(container, parity):
        assert ask(container, "/notes", text="f\\u00fcnf")["id"] == 1
        parity.check("notes", ask(container, "/notes"))
        machines = ask(container, "/machines")
        print("machines", machines["web"], machines["database"].split()[3])
        rows = container.services["db"].exec("psql", "-U", "notes", "-Atc", "SELECT text FROM notes")
        assert rows.stdout == "f\\u00fcnf\\n"
        assert str(container.services["db"].platform) == "linux/amd64"
        container.exec("sh", "-c", "cat /etc/hosts | wc -l; echo $DATABASE_URL")
"""
)


@pytest.fixture
def names(images: Mapping[str, str]) -> dict[str, str]:
    """The images, as the suites are written with them."""
    return {name: images[name] for name in ("web", "postgres", "sample")}


def test_a_web_service_and_its_database(suite: Suite, names: dict[str, str]) -> None:
    """The web service on each platform, the database natively on both: equal."""
    suite.write("test_it.py", NOTES.format(**names))
    finished = suite.run("-v", "-s")
    assert finished.exit_code == 0, finished.output
    seen = dict(re.findall(r"machines (x86_64|aarch64) (\S+)", finished.output))
    assert set(seen) == {"x86_64", "aarch64"}, finished.output
    assert len(set(seen.values())) == 1
    assert "1 group of platforms: 1 equal" in finished.output
    assert suite.list_left_behind() == []
