"""A started container, as tests use it: calls and their history, ports, logs, files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.core.call import Call, FileToCopy
from pytest_multiarch.core.errors import (
    ContainerError,
    EngineGoneError,
    NotReadyError,
    UsageError,
    WrongArchitectureError,
)
from pytest_multiarch.core.wait import PortWait, parse_wait
from pytest_multiarch.run.container import Container, ContainerSettings
from pytest_multiarch.run.session import Session
from tests.fake_engine import (
    AMD64,
    Ending,
    FakeEngine,
    FakeImage,
    File,
    Link,
    make_elf,
    make_variant,
    start_container,
)

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_multiarch.run.calls import CallSeen

SHARED = ContainerSettings(scope="session")


class Recorder:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.seen: list[CallSeen] = []

    def record_call(self, seen: CallSeen) -> None:
        """Keep it."""
        self.seen.append(seen)


class Sharing:
    """A session whose tests share a container."""

    def __init__(self, engine: FakeEngine | None = None, **commands: Ending) -> None:
        self.engine = engine or FakeEngine()
        endings = {"": Ending(exit_code=None), **commands}
        self.variant = make_variant(self.engine, FakeImage(platform=AMD64, commands=endings))
        self.session = Session(self.variant.node)
        self.recorder = Recorder()

    def open(self, settings: ContainerSettings = SHARED) -> Container:
        """Give the container to the next test."""
        return self.session.open_container(self.variant, settings, recorder=self.recorder)


# Starting and ending


def test_a_tests_own_container_is_removed_after_it() -> None:
    sharing, settings = Sharing(), ContainerSettings()
    container = sharing.open(settings)
    sharing.session.close_container(container, settings)
    assert not sharing.engine.containers


@pytest.mark.parametrize("error", [EngineGoneError("gone"), KeyboardInterrupt()])
@pytest.mark.parametrize("method", ["put_files", "start_container", "inspect_container"])
@pytest.mark.parametrize("scope", ["function", "session"])
def test_nothing_is_left_of_a_failed_start(scope: str, method: str, error: BaseException) -> None:
    sharing = Sharing()
    sharing.engine.fail[method] = [error]
    call = Call(files=(FileToCopy(path="/x", content=b""),))
    with pytest.raises(type(error)):
        sharing.open(ContainerSettings(call=call, scope=scope))
    assert not sharing.engine.containers


def test_a_foreign_main_program_is_not_started() -> None:
    engine = FakeEngine()
    image = FakeImage(platform=AMD64, files={"/srv": make_elf("arm64")})
    with pytest.raises(WrongArchitectureError):
        start_container(engine, image, call=Call(argv=("/srv",)))
    assert engine.count("start_container") == 0
    assert not engine.containers


def test_a_container_without_a_wait_that_failed_at_once() -> None:
    ending = Ending(err=b"no config\n", exit_code=78)
    with pytest.raises(ContainerError, match="ended with exit code 78") as caught:
        start_container(FakeEngine(), FakeImage(platform=AMD64, commands={"": ending}))
    assert "no config" in caught.value.what


# Shared containers


def test_a_shared_container_stays_and_is_given_again() -> None:
    sharing = Sharing()
    first = sharing.open()
    sharing.session.close_container(first, SHARED)
    assert sharing.open().id == first.id
    sharing.session.close()
    assert not sharing.engine.containers


def test_other_settings_get_a_container_of_their_own() -> None:
    sharing = Sharing()
    ids = {sharing.open().id}
    for call in (
        Call(argv=("x",)),
        Call(env={"A": "1"}),
        Call(files=(FileToCopy(path="/x", content=b"1"),)),
        Call(files=(FileToCopy(path="/x", content=b"2"),)),
        Call(files=(FileToCopy(path="/x", content=b"2", mode=0o755),)),
    ):
        image = sharing.engine.variants["app:1", AMD64]
        image.commands["x"] = Ending(exit_code=None)
        ids.add(sharing.open(ContainerSettings(call=call, scope="session")).id)
    assert len(ids) == 6


def test_the_order_of_the_environment_does_not_matter() -> None:
    sharing = Sharing()
    settings = [
        ContainerSettings(call=Call(env=env), scope="session")
        for env in ({"A": "1", "B": "2"}, {"B": "2", "A": "1"})
    ]
    assert sharing.open(settings[0]).id == sharing.open(settings[1]).id


def test_a_shared_container_that_does_not_start_is_tried_once() -> None:
    sharing = Sharing(x=Ending(exit_code=1))
    settings = ContainerSettings(call=Call(argv=("x",)), scope="session")
    for _ in range(3):
        with pytest.raises(ContainerError, match="exit code 1"):
            sharing.open(settings)
    assert sharing.engine.count("start_container") == 1


def test_a_shared_container_that_died_is_said_once_and_replaced() -> None:
    sharing = Sharing()
    first = sharing.open()
    sharing.engine.containers[first.id].ending = Ending(exit_code=139)
    with pytest.raises(ContainerError, match="ended with exit code 139"):
        sharing.open()
    assert sharing.open().id != first.id
    assert len(sharing.engine.containers) == 1


def history(sharing: Sharing) -> list[str]:
    return [each.history for each in sharing.recorder.seen]


def test_history_is_the_same_for_the_same_calls() -> None:
    ours, theirs = Sharing(), Sharing()
    for sharing in (ours, theirs):
        sharing.open().exec("a")
        sharing.open().exec("b", observe=False)
        sharing.open().exec("c")
    assert history(ours) == history(theirs)
    assert len(set(history(ours))) == 3
    assert history(ours)[0] == "", "nothing was asked of it before"


@pytest.mark.parametrize(
    "difference",
    [{"stdin": b"1"}, {"env": {"A": "1"}}, {"user": "app"}, {"workdir": "/"}],
    ids=lambda each: next(iter(each)),
)
def test_history_tells_calls_apart(difference: dict[str, Any]) -> None:
    ours, theirs = Sharing(), Sharing()
    ours.open().exec("a")
    theirs.open().exec("a", **difference)
    for sharing in (ours, theirs):
        sharing.open().exec("b")
    assert history(ours)[1] != history(theirs)[1]


def test_history_knows_what_was_copied_in() -> None:
    ours, theirs = Sharing(), Sharing()
    ours.open().copy_in(b"1", "/x")
    theirs.open().copy_in(b"2", "/x")
    for sharing in (ours, theirs):
        sharing.open().exec("b")
    assert history(ours) != history(theirs)


def test_polls_are_neither_observed_nor_part_of_the_history() -> None:
    """How often a wait asks is chance."""
    sharing = Sharing()
    asked: list[int] = []

    def is_there(container: Container) -> bool:
        container.exec("ask")
        asked.append(1)
        return len(asked) > 2

    container = sharing.open()
    container.wait_until(is_there)
    container.exec("a")
    assert [each.call.argv for each in sharing.recorder.seen] == [("a",)]
    assert history(sharing) == [""]


def test_a_tests_own_container_has_no_history() -> None:
    sharing = Sharing()
    container = sharing.open(ContainerSettings())
    container.exec("a")
    container.exec("b")
    assert history(sharing) == ["", ""]


@pytest.mark.parametrize("ahead_s", [-3600.0, 0.0, 3600.0])
def test_logs_of_a_shared_container_are_since_the_test_began_by_the_nodes_clock(
    ahead_s: float,
) -> None:
    engine = FakeEngine()
    engine.clock_ahead_s = ahead_s
    sharing = Sharing(engine)
    container = sharing.open()
    asked: list[float | None] = []
    engine.read_logs = (  # type: ignore[method-assign]
        lambda container_id, *, tail=None, since_s=None: asked.append(since_s) or (b"", b"")
    )
    container.logs()
    assert asked[0] is not None
    assert asked[0] == pytest.approx(engine.now_s, abs=1)
    assert asked[0] <= engine.now_s, "rather too early than too late"


# Ports


def test_an_address_is_the_engines_host_and_the_published_port() -> None:
    engine = FakeEngine()
    engine.ports = {80: ("127.0.0.1", 49153)}
    container = start_container(engine, ports=(80,), waits=parse_wait(lambda c: True))
    assert container.address(80) == ("127.0.0.1", 49153)


def test_a_port_that_is_not_published() -> None:
    with pytest.raises(UsageError, match="published: none") as caught:
        start_container(FakeEngine()).address(80)
    assert "container(ports=[80])" in caught.value.cure


def test_a_published_port_of_a_container_that_has_ended() -> None:
    """An engine forgets the ports then; the mark is not to blame."""
    ending = Ending(err=b"no licence\n", exit_code=1)
    image = FakeImage(platform=AMD64, commands={"": ending})
    with pytest.raises(NotReadyError, match="ended with exit code 1") as caught:
        start_container(FakeEngine(), image, ports=(80,), waits=(PortWait(80),))
    assert "no licence" in caught.value.what


def test_addresses_are_known_to_be_the_containers_own() -> None:
    engine, recorder = FakeEngine(), Recorder()
    engine.ports = {80: ("127.0.0.1", 49153)}
    waits = parse_wait(lambda c: True)
    start_container(engine, ports=(80,), waits=waits, recorder=recorder).exec("a")
    assert recorder.seen[0].known["127.0.0.1:49153"] == "<address>"
    assert recorder.seen[0].known["172.17.0.2"] == "<container-ip>"


# Files


def container_with(files: dict[str, File]) -> Container:
    return start_container(FakeEngine(), FakeImage(platform=AMD64, files=files))


def test_content_goes_in_and_out() -> None:
    container = container_with({})
    container.copy_in(b"\x00\xff", "/data/x")
    assert container.copy_out("/data/x") == b"\x00\xff"


def test_a_file_keeps_its_mode_unless_told(tmp_path: Path) -> None:
    source = tmp_path / "tool"
    source.write_bytes(b"#!/bin/sh\n")
    source.chmod(0o751)
    container = container_with({})
    put: list[FileToCopy] = []
    container._started.node.engine.put_files = (  # type: ignore[method-assign]
        lambda container_id, files: put.extend(files)
    )
    container.copy_in(source, "/a")
    container.copy_in(str(source), "/b", mode=0)
    container.copy_in(source, "/folder/")
    assert [(each.path, each.mode) for each in put] == [
        ("/a", 0o751), ("/b", 0), ("/folder/tool", 0o751)
    ]  # fmt: skip


def test_a_folder_goes_in_with_all_that_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "x").write_bytes(b"1")
    container = container_with({})
    container.copy_in(tmp_path, "/in")
    assert container.copy_out("/in/a/b/x") == b"1"


def test_a_folder_comes_out(tmp_path: Path) -> None:
    container_with({"/out/a/x": b"1", "/out/y": b"2"}).copy_out("/out", tmp_path / "here")
    assert (tmp_path / "here/out/a/x").read_bytes() == b"1"
    assert (tmp_path / "here/out/y").read_bytes() == b"2"


def test_a_link_is_followed() -> None:
    files: dict[str, File] = {"/etc/os": Link(target="../usr/os"), "/usr/os": b"debian"}
    assert container_with(files).copy_out("/etc/os") == b"debian"


def test_what_a_link_points_to_comes_out_under_the_links_name(tmp_path: Path) -> None:
    files: dict[str, File] = {"/current": Link(target="/v1"), "/v1/x": b"1"}
    container_with(files).copy_out("/current", tmp_path)
    assert (tmp_path / "current/x").read_bytes() == b"1"


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    container = container_with({"/out/evil": Link(target="/etc/passwd")})
    with pytest.raises(ContainerError, match="not unpacked here"):
        container.copy_out("/out", tmp_path)
    assert not (tmp_path / "out" / "evil").exists()


@pytest.mark.parametrize("path", ["/nosuch", "/folder"])
def test_what_is_no_file(path: str) -> None:
    with pytest.raises(ContainerError):
        container_with({"/folder/x": b""}).copy_out(path)


def test_a_file_that_cannot_be_read_here(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        container_with({}).copy_in(missing, "/x")


@pytest.mark.parametrize("path", ["x", "", "./x"])
def test_paths_in_a_container_are_absolute(path: str) -> None:
    container = container_with({})
    with pytest.raises(UsageError, match="not absolute"):
        container.copy_in(b"", path)
    with pytest.raises(UsageError, match="not absolute"):
        container.copy_out(path)


def test_exec_needs_a_command() -> None:
    with pytest.raises(UsageError, match="exec needs a command"):
        container_with({}).exec()


def test_a_removed_container() -> None:
    container = container_with({})
    container.remove()
    container.remove()
    with pytest.raises(ContainerError, match="it was removed"):
        container.exec("a")
