"""Services beside a container, and networks of their own, on an engine in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch import service, source
from pytest_multiarch.core.errors import (
    EngineError,
    MultiarchError,
    NotReadyError,
    PlatformMissingError,
    UsageError,
)
from pytest_multiarch.core.reference import ImageReference
from pytest_multiarch.run.session import Session
from pytest_multiarch.run.settings import read_settings
from tests.fake_engine import (
    AMD64,
    ARM64,
    LABEL,
    Ending,
    FakeEngine,
    FakeImage,
    make_elf,
    make_node,
)

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_multiarch.run.calls import CallSeen
    from pytest_multiarch.run.container import Container
    from pytest_multiarch.run.variant import Variant

RUNS = {"": Ending(exit_code=None, out=b"up\n")}
HELLO = Ending(out=b"pytest-multiarch probe", exit_code=None)


class Notes:
    """A recorder that keeps what it is told."""

    def __init__(self) -> None:
        self.calls: list[CallSeen] = []
        self.containers: list[Container] = []
        self.env: dict[str, str] = {}

    def record_call(self, seen: CallSeen) -> None:
        """Keep it."""
        self.calls.append(seen)

    def note_env(self, env: dict[str, str]) -> None:
        """Keep it."""
        self.env |= env

    def note_container(self, container: Container) -> None:
        """Keep it."""
        self.containers.append(container)


class Bench:
    """A session on an engine that has `app:1`, for two platforms, and `db:1`."""

    def __init__(self, *, db: dict[str, Ending] | None = None) -> None:
        self.engine = FakeEngine()
        self.notes = Notes()
        for name, commands in (("app:1", dict(RUNS)), ("db:1", dict(RUNS | (db or {})))):
            self.engine.add(
                name,
                FakeImage(platform=AMD64, commands=commands),
                FakeImage(platform=ARM64, commands=commands),
            )
        probe = FakeImage(
            platform=ARM64,
            commands={"/probe": HELLO},
            files={"/probe": make_elf("arm64")},
        )
        self.engine.process_lists[ARM64] = ("/usr/bin/qemu-aarch64 /probe",)
        self.node = make_node(self.engine, probes={ARM64: probe})
        self.session = Session(self.node)

    def open_variant(self, **options: Any) -> Variant:
        """Give the variant of `app:1` for arm64."""
        return self.session.open_variant(
            ImageReference.parse("app:1"), ARM64, recorder=self.notes, **options
        )

    def open_container(self, **arguments: Any) -> Container:
        """Start a container as a mark would."""
        settings = read_settings("mark", **arguments)
        return self.session.open_container(self.open_variant(), settings, recorder=self.notes)

    def name_left(self) -> list[str]:
        """Name what there is on the engine."""
        return [e.spec.image for e in self.engine.containers.values()] + [*self.engine.networks]


def test_services_come_first_natively_and_go_last() -> None:
    bench = Bench()
    services = {"db": service("db:1", env={"A": "1"}), "cache": service("db:1", platform="same")}
    container = bench.open_container(with_=services, network_aliases=["web"])
    started = list(bench.engine.containers.values())[-3:]
    network = container.network
    assert network is not None
    assert [each.spec.aliases for each in started] == [("db",), ("cache",), ("web",)]
    assert {each.spec.network for each in started} == {network.name}
    assert [each.image.platform for each in started] == [AMD64, ARM64, ARM64]
    assert [str(each.platform) for each in container.services.values()] == [
        "linux/amd64",
        "linux/arm64",
    ]
    assert container.services["db"].execution.kind.value == "native"
    assert started[0].spec.env == {"A": "1"}
    assert bench.engine.networks == {network.name: {LABEL: "s1"}}
    assert all(each.spec.labels[LABEL] == "s1" for each in started)
    container.remove()
    assert bench.name_left() == []
    container.remove()


def test_only_the_container_under_test_is_observed() -> None:
    bench = Bench()
    container = bench.open_container(with_={"db": service("db:1")})
    container.services["db"].exec("x")
    container.exec("y")
    assert [each.call.argv for each in bench.notes.calls] == [("y",)]


def test_what_a_network_alone_has_is_masked() -> None:
    bench = Bench()
    secret = service("db:1", env={"PASSWORD": "topsecret"})
    container = bench.open_container(with_={"db": secret})
    container.exec("y")
    known = bench.notes.calls[0].known
    network = container.network
    assert network is not None
    assert known[network.name] == "<network>"
    assert known[container.services["db"].id] == "<db>"
    assert known[container.id] == "<container>"
    assert known["topsecret"] == "<PASSWORD>"


@pytest.mark.parametrize(
    ("ending", "arguments", "word"),
    [
        (Ending(exit_code=3, out=b"no disk\n"), {"wait": "never"}, "ended with exit code 3"),
        (Ending(exit_code=None), {"wait": "never", "timeout": 0.05}, "not ready within 0.05 s"),
    ],
)
def test_a_service_that_is_not_ready(ending: Ending, arguments: Any, word: str) -> None:
    """It is named; nothing is left, and the container under test was never made."""
    bench = Bench(db={"": ending})
    with pytest.raises(NotReadyError) as caught:
        bench.open_container(with_={"db": service("db:1", **arguments)})
    assert caught.value.what.startswith("service 'db' (db:1 on linux/amd64): ")
    assert word in str(caught.value)
    assert bench.name_left() == []


def test_a_container_that_is_not_ready_has_its_services_quoted() -> None:
    bench = Bench(db={"": Ending(exit_code=None, out=b"disk is full\n")})
    with pytest.raises(NotReadyError) as caught:
        bench.open_container(wait="never", timeout=0.05, with_={"db": service("db:1")})
    assert "service 'db' (db:1 on linux/amd64):" in str(caught.value)
    assert "disk is full" in str(caught.value)
    assert bench.name_left() == []


def test_an_image_that_lacks_the_native_platform() -> None:
    bench = Bench()
    bench.engine.add("foreign:1", FakeImage(platform=ARM64, commands=dict(RUNS)))
    with pytest.raises(PlatformMissingError) as caught:
        bench.open_container(with_={"db": service("foreign:1")})
    assert "service 'db' (foreign:1 on linux/amd64)" in str(caught.value)
    assert 'platform="same"' in caught.value.cure
    bench.open_container(with_={"db": service("foreign:1", platform="same")}).remove()
    bench.open_container(with_={"db": service("foreign:1", platform="linux/arm64")}).remove()
    assert bench.name_left() == []


def test_an_image_that_is_named_otherwise_for_the_test() -> None:
    """As --multiarch-image OLD=NEW does."""
    bench = Bench()
    named: list[str] = []

    def name_image(name: str) -> ImageReference:
        named.append(name)
        return ImageReference.parse("db:1")

    variant = bench.open_variant(name_image=name_image)
    with variant.container(with_={"db": service("old:1")}) as container:
        assert container.services["db"].variant.reference.text == "db:1"
    assert named == ["old:1"]


def test_what_fails_midway_leaves_nothing() -> None:
    bench = Bench()
    bench.open_variant()
    bench.engine.fail["start_container"] = [EngineError("a")]
    with pytest.raises(EngineError, match="service 'db'"):
        bench.open_container(with_={"db": service("db:1")})
    bench.engine.fail["create_network"] = [EngineError("b")]
    with pytest.raises(EngineError, match="b"):
        bench.open_container(with_={"db": service("db:1")})
    assert bench.name_left() == []


def test_a_shared_container_shares_its_services() -> None:
    bench = Bench()
    one = bench.open_container(scope="session", with_={"db": service("db:1")})
    two = bench.open_container(scope="session", with_={"db": service("db:1")})
    other = bench.open_container(scope="session", with_={"db": service("db:1", user="x")})
    assert one.services["db"].id == two.services["db"].id != other.services["db"].id
    bench.session.close()
    assert bench.name_left() == []


def test_a_shared_service_that_has_ended_is_said_once() -> None:
    bench = Bench()
    one = bench.open_container(scope="session", with_={"db": service("db:1")})
    bench.engine.containers[one.services["db"].id].ending = Ending(exit_code=9)
    with pytest.raises(MultiarchError, match=r"service 'db': .*exit code 9"):
        bench.open_container(scope="session", with_={"db": service("db:1")})
    two = bench.open_container(scope="session", with_={"db": service("db:1")})
    assert two.id != one.id


def test_a_network_of_a_fixture() -> None:
    bench = Bench()
    variant = bench.open_variant()
    with variant.network({"db": service("db:1")}) as network:
        assert list(network.services) == ["db"]
        with variant.service("db:1", name="cache", network=network) as cache:
            assert cache.name == "cache"
            assert cache.network is network
            assert list(network.services) == ["db", "cache"]
            variant.run("x", network=network)
            with variant.container(network=network, network_aliases="web") as container:
                assert set(container.services) == {"db", "cache"}
                container.exec("z")
        assert list(network.services) == ["db"]
        assert len(bench.name_left()) == 2
    assert bench.name_left() == []
    seen = bench.notes.calls[0]
    assert seen.call.network == network.name
    assert seen.call.describe().network == ""
    assert seen.call.describe().services == ("db", "cache")
    assert seen.known[network.name] == "<network>"
    assert {each.name for each in bench.notes.containers} == {"db", "cache", ""}


def test_one_name_on_a_network_is_one_service() -> None:
    bench = Bench()
    with bench.open_variant().network({"db": service("db:1")}) as network:
        second = bench.open_variant().service("db:1", name="db", network=network)
        with pytest.raises(UsageError, match="service 'db' on this network already"), second:
            pass
        assert list(network.services) == ["db"]
    assert bench.name_left() == []


def test_values_are_known_before_a_log_could_show_them() -> None:
    bench = Bench(db={"": Ending(exit_code=1)})
    own = service("db:1", env={"A": "1"}, wait="never")
    variant = bench.open_variant()
    with pytest.raises(NotReadyError), variant.network({"db": own}):
        pass
    assert bench.notes.env == {"A": "1"}
    with pytest.raises(NotReadyError), variant.container(env={"B": "2"}, with_={"db": own}):
        pass
    alone = variant.service("db:1", name="x", env={"C": "3"}, wait="never")
    with pytest.raises(NotReadyError), alone:
        pass
    assert bench.notes.env == {"A": "1", "B": "2", "C": "3"}


def test_a_service_without_a_network() -> None:
    bench = Bench()
    bench.engine.ports = {5432: ("127.0.0.1", 40000)}
    with bench.open_variant().service("db:1", name="db", ports=5432, wait="up") as db:
        assert db.address(5432) == ("127.0.0.1", 40000)
        assert db.network is None
        with pytest.raises(UsageError) as caught:
            db.address(80)
        assert "port 80 of service 'db' is not published" in caught.value.what
        assert caught.value.cure == "write service(..., ports=[80])"
        assert db.services == {}
        with pytest.raises(KeyError, match="no service 'web' beside it; there is none"):
            db.services["web"]
    assert bench.name_left() == []


def test_logs_are_there_after_a_failure_within() -> None:
    bench = Bench()
    variant = bench.open_variant()
    with (
        pytest.raises(ZeroDivisionError),
        variant.network({"db": service("db:1")}) as network,
        variant.container(network=network),
    ):
        raise ZeroDivisionError
    assert bench.name_left() == []
    assert [each.logs().stdout for each in bench.notes.containers] == ["up\n", "up\n"]


def test_ports_that_are_waited_for_are_published() -> None:
    settings = service("db:1", wait=[5432, "http://:80/x"], ports=[1]).settle("db")
    assert settings.container.ports == (1, 5432, 80)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"with_": {"db": "postgres"}}, ["with_= is a mapping", "service("]),
        ({"with_": ["db"]}, ["with_= is a mapping"]),
        ({"with_": {"My DB": service("db:1")}}, ["service 'My DB'", "lower-case"]),
        ({"with_": {"db": service("Not An Image")}}, ["service 'db'", "Not An Image"]),
        ({"with_": {"db": service("db:1", platform="nativ")}}, ["service 'db'", "'nativ'"]),
        ({"with_": {"db": service("db:1", env={"A": 1})}}, ["'A'"]),
        ({"with_": {"db": service("db:1", ports=["x"])}}, ["service 'db'", "'x'"]),
        ({"with_": {"db": service("db:1", mem_limit="x")}}, ["service 'db': mem_limit='x'"]),
        ({"with_": {"db": service("db:1")}, "network": "mine"}, ["network of its own"]),
        ({"network_aliases": "x"}, ["there is none"]),
        ({"network": 5}, ["network=5 is no network"]),
        ({"read_only": True, "files": {"/x": b""}}, ["read-only", "volumes="]),
        ({"volumes": [("/no/such/path", "/x")]}, ["'/no/such/path' is not there", "tmpfs="]),
    ],
)
def test_what_is_wrong_is_said(arguments: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        read_settings("mark", **arguments)
    assert [word for word in words if word not in str(caught.value)] == []


def test_mounts_are_refused_where_the_engine_is_elsewhere(tmp_path: Path) -> None:
    bench = Bench()
    variant = bench.open_variant()
    variant.run("x", volumes=[(tmp_path, "/x")])
    (bind,) = bench.notes.calls[-1].call.options.volumes
    assert bind.source == str(tmp_path)
    bench.engine.address = "ssh://me@arm-1"
    with pytest.raises(UsageError) as caught:
        variant.run("x", volumes=[(tmp_path, "/x")])
    assert f"{tmp_path}, which is on this machine" in caught.value.what
    assert "ssh://me@arm-1" in caught.value.what
    assert "files=" in caught.value.cure


def test_options_reach_the_engine_and_the_summary() -> None:
    bench = Bench()
    variant = bench.open_variant()
    variant.run("x", mem_limit="64m", hostname="h")
    seen = bench.notes.calls[-1]
    assert seen.call.options.mem_limit == 64 << 20
    assert seen.call.describe().options == ("--memory", "67108864", "--hostname", "h")
    with variant.container(cap_drop=["ALL"]) as container:
        spec = bench.engine.containers[container.id].spec
        assert spec.options.cap_drop == ("ALL",)


def test_options_tell_shared_containers_apart() -> None:
    bench = Bench()
    one = bench.open_container(scope="session", mem_limit="64m")
    two = bench.open_container(scope="session", mem_limit="65m")
    assert one.id != two.id


def test_folders_keep_modes_and_owners(tmp_path: Path) -> None:
    bench = Bench()
    (tmp_path / "sub" / "empty").mkdir(parents=True, mode=0o700)
    (tmp_path / "sub" / "key").write_text("k")
    (tmp_path / "sub" / "key").chmod(0o600)
    (tmp_path / "sub").chmod(0o750)
    (tmp_path / "link").symlink_to(tmp_path / "sub", target_is_directory=True)
    given = source(tmp_path, uid=999, gid=998, folder_mode=0o711)
    bench.open_variant().run("x", files={"/in": given, "/plain": tmp_path / "sub"})
    found = {
        each.path: (each.is_folder, each.mode, each.uid, each.gid) for each in bench.engine.put
    }
    assert found == {
        "/in": (True, 0o711, 999, 998),
        "/in/sub": (True, 0o711, 999, 998),
        "/in/sub/empty": (True, 0o711, 999, 998),
        "/in/sub/key": (False, 0o600, 999, 998),
        "/plain": (True, 0o750, 0, 0),
        "/plain/empty": (True, 0o700, 0, 0),
        "/plain/key": (False, 0o600, 0, 0),
    }


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"mode": "644"}, "mode='644'"),
        ({"mode": 0o10000}, "mode="),
        ({"uid": "postgres"}, "not a name"),
        ({"gid": -1}, "gid=-1"),
        ({"uid": None}, "uid=None"),
    ],
)
def test_a_source_is_checked(arguments: Any, word: str) -> None:
    with pytest.raises(UsageError) as caught:
        source(b"", **arguments)
    assert word in str(caught.value)
