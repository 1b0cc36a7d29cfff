"""Real servers through testcontainers' classes and their Python clients, on two platforms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.e2e.suite import Finished, Suite

pytestmark = pytest.mark.needs_engine("main")

SERVERS = """
    import os
    import psycopg, pytest
    from testcontainers.core.config import testcontainers_config
    from testcontainers.postgres import PostgresContainer
    from testcontainers.redis import RedisContainer

    pytestmark = pytest.mark.platforms("linux/amd64", "linux/arm64")
    ENVIRON = dict(os.environ)
    testcontainers_config.ryuk_disabled  # looked up when it is first asked for
    CONFIG = dict(vars(testcontainers_config))

    @pytest.fixture(scope="module")
    def redis(shared_variant):
        with shared_variant.testcontainer(RedisContainer) as server:
            yield server

    @pytest.mark.image("{redis}")
    class TestRedis:
        def test_sets_and_gets(self, redis, parity):
            with redis.get_client() as client:
                assert client.set("key", "value")
                assert client.get("key") == b"value"
                parity.check("version", client.info("server")["redis_version"])
                parity.check("bits", client.info("server")["arch_bits"])

        def test_is_shared(self, redis):
            with redis.get_client() as client:
                assert client.get("key") == b"value"

        def test_own_container(self, variant, platform):
            with variant.testcontainer(RedisContainer, port=6379) as server:
                exit_code, output = server.exec(["uname", "-m"])
                names = {{"amd64": b"x86_64", "arm64": b"aarch64"}}
                assert output.strip() == names[platform.architecture]

    @pytest.fixture(scope="module")
    def postgres(shared_variant):
        with shared_variant.testcontainer(
            PostgresContainer, username="me", password="secret-3141", dbname="shop", driver=None
        ) as server:
            yield server

    @pytest.mark.image("{postgres}")
    class TestPostgres:
        def test_sums(self, postgres, parity):
            with psycopg.connect(postgres.get_connection_url()) as connection:
                connection.execute("create table item (price double precision)")
                connection.execute("insert into item values (0.1), (0.2), (0.3)")
                total, = connection.execute("select sum(price) from item").fetchone()
                parity.check("total", total)
                names = connection.execute("select current_user, current_database()").fetchone()
                assert names == ("me", "shop")

        def test_orders(self, postgres, parity):
            with psycopg.connect(postgres.get_connection_url()) as connection:
                words = "(values ('b'), ('A'), ('a'), ('_')) as words(word)"
                rows = connection.execute(f"select word from {{words}} order by word").fetchall()
                parity.check("order", [word for word, in rows])

    def test_environment_is_untouched():
        names = (ENVIRON.keys() | os.environ.keys()) - {{"PYTEST_CURRENT_TEST"}}
        assert [name for name in names if ENVIRON.get(name) != os.environ.get(name)] == []
        assert dict(vars(testcontainers_config)) == CONFIG
"""
TESTS = (
    "test_sets_and_gets", "test_is_shared", "test_own_container", "test_sums", "test_orders",
)  # fmt: skip


@pytest.fixture(scope="module")
def served(make_suite: Callable[..., Suite], images: Mapping[str, str]) -> tuple[Suite, Finished]:
    """One run with Redis and PostgreSQL."""
    suite = make_suite()
    suite.write("test_it.py", SERVERS.format(**images))
    return suite, suite.run("-v")


@pytest.mark.parametrize("name", TESTS)
def test_server(served: tuple[Suite, Finished], name: str) -> None:
    """The servers answer their clients natively and emulated, and alike."""
    for platform in ("linux/amd64", "linux/arm64"):
        assert served[1].cases[f"{name}[{platform}]"].message == ""
    assert name not in served[1].cases, served[1].cases[name].message


def test_environment_is_untouched(served: tuple[Suite, Finished]) -> None:
    """Neither the environment nor testcontainers' own configuration is changed."""
    assert served[1].cases["test_environment_is_untouched"].message == ""


def test_nothing_is_left(served: tuple[Suite, Finished]) -> None:
    """No container is left, and none of testcontainers' reaper has been started."""
    suite, _ = served
    assert suite.list_left_behind() == []
    assert suite.list_watchdogs() == []
