"""Containers on every engine: streams, ends, states, files, execs."""

from __future__ import annotations

import contextlib
import io
import tarfile
import time
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.core.call import FileToCopy
from pytest_multiarch.core.errors import (
    ContainerError,
    ImageNotFoundError,
    PlatformMissingError,
    ProgramNotFoundError,
)
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.ports import Attachment, ContainerSpec, ExecSpec
from pytest_multiarch.run.explain import explain_last_words
from tests.engine.conftest import TEST_LABEL, Bench, read_all
from tests.engine.sample_images import AMD64, ARM64

if TYPE_CHECKING:
    from collections.abc import Iterator

UNTIL_KILLED = ("sleep", "1000")


@pytest.fixture
def running(bench: Bench) -> Iterator[str]:
    container_id = bench.start("say", "up", *UNTIL_KILLED)
    yield container_id
    bench.engine.remove_container(container_id)


def execute(bench: Bench, container_id: str, *argv: str, **spec: object) -> tuple[int, bytes]:
    spec = ExecSpec(argv=argv, **spec)
    exec_id, attachment = bench.engine.start_exec(container_id, spec)
    with contextlib.closing(attachment):
        out, _ = read_all(attachment)
    return bench.engine.read_exec_exit_code(exec_id), out


def test_streams_are_separate_and_the_exit_code_is_the_programs(bench: Bench) -> None:
    ran = bench.run("say", "to stdout", "err", "to stderr", "exit", "3")
    assert (ran.code, ran.out, ran.err) == (3, b"to stdout\n", b"to stderr\n")


@pytest.mark.parametrize("platform", [AMD64, ARM64], ids=str)
def test_both_platforms_run(bench: Bench, platform: Platform) -> None:
    assert bench.run("say", "hi", platform=platform).out == b"hi\n"


def test_stdin_is_given_whole_and_then_closed(bench: Bench) -> None:
    assert bench.run("count", stdin=bytes(range(256)) * 8192).out == b"2097152\n"


def test_binary_stdin_comes_back_byte_for_byte(bench: Bench) -> None:
    data = bytes(range(256)) * 4096
    assert bench.run("cat", stdin=data).out == data


def test_empty_stdin_ends_at_once(bench: Bench) -> None:
    assert bench.run("count", stdin=b"").out == b"0\n"


def test_stdin_that_nobody_reads_is_no_error(bench: Bench) -> None:
    ran = bench.run("exit", "7", stdin=b"x" * 4_000_000)
    assert ran.code == 7


def test_arguments_pass_unchanged(bench: Bench) -> None:
    ran = bench.run("args", "a b", "", "$HOME", "'", "\N{SNOWMAN}")
    assert ran.out.decode() == "a b\n\n$HOME\n'\n\N{SNOWMAN}\n"


def test_environment_user_and_folder(bench: Bench) -> None:
    ran = bench.run("env", "NAME", "id", "pwd", env={"NAME": "a=b"}, user="1234", workdir="/w")
    assert ran.out == b"a=b\n1234\n/w\n"


def test_an_empty_entrypoint_takes_the_image_s_away(bench: Bench) -> None:
    assert bench.run("/probe", "say", "hi", entrypoint=()).out == b"hi\n"


def test_no_entrypoint_keeps_the_image_s(bench: Bench) -> None:
    assert bench.run("say", "hi", entrypoint=None).out == b"hi\n"


def test_a_deadline_holds_while_nothing_is_printed(bench: Bench) -> None:
    container_id = bench.create(*UNTIL_KILLED)
    attachment = bench.engine.attach(container_id, has_stdin=False)
    bench.engine.start_container(container_id)
    start = time.monotonic()
    with contextlib.closing(attachment), pytest.raises(TimeoutError):
        attachment.read(deadline=start + 0.3)
    bench.engine.remove_container(container_id)
    assert 0.3 <= time.monotonic() - start < 5


def test_a_deadline_holds_while_output_keeps_coming(bench: Bench) -> None:
    container_id = bench.create("flood", "99999999999")
    attachment = bench.engine.attach(container_id, has_stdin=False)
    bench.engine.start_container(container_id)
    deadline = time.monotonic() + 0.5
    with contextlib.closing(attachment), pytest.raises(TimeoutError):
        read_until(attachment, deadline)
    bench.engine.remove_container(container_id)


def read_until(attachment: Attachment, deadline: float) -> None:
    while attachment.read(deadline=deadline):
        pass


def test_waiting_gives_up_in_time(bench: Bench, running: str) -> None:
    with pytest.raises(TimeoutError):
        bench.engine.wait_container(running, timeout_s=0.3)


def test_a_missing_program_is_said(bench: Bench) -> None:
    with pytest.raises(ProgramNotFoundError, match="'nonesuch' is not in the image"):
        bench.run("x", entrypoint=("nonesuch",))


def test_words_in_one_argument_get_a_hint(bench: Bench) -> None:
    with pytest.raises(ProgramNotFoundError) as caught:
        bench.run(entrypoint=("redis-cli ping",))
    assert "'redis-cli', 'ping'" in caught.value.cure


def test_a_program_that_cannot_be_executed_is_said(bench: Bench) -> None:
    container_id = bench.create(entrypoint=("/data",))
    bench.engine.put_files(container_id, [FileToCopy(path="/data", content=b"no program")])
    with pytest.raises(ProgramNotFoundError, match="permission denied"):
        bench.engine.start_container(container_id)
    bench.engine.remove_container(container_id)


def test_a_missing_user_is_no_missing_program(bench: Bench) -> None:
    with pytest.raises(ContainerError) as caught:
        bench.run("say", "hi", user="nobody-here")
    assert not isinstance(caught.value, ProgramNotFoundError)


def test_an_unknown_image_is_not_found(bench: Bench) -> None:
    with pytest.raises(ImageNotFoundError, match="multiarch-tests/absent"):
        bench.engine.create_container(
            ContainerSpec(image="multiarch-tests/absent:1", platform=AMD64)
        )


def test_an_image_without_the_platform_is_told_from_an_absent_one(bench: Bench) -> None:
    spec = ContainerSpec(image=bench.name_actor(AMD64), platform=Platform.parse("s390x"))
    with pytest.raises(PlatformMissingError, match="linux/s390x"):
        bench.engine.create_container(spec)


def test_the_state_of_a_container_that_was_never_started(bench: Bench) -> None:
    container_id = bench.create("say", "hi")
    state = bench.engine.inspect_container(container_id)
    bench.engine.remove_container(container_id)
    assert (state.is_running, state.exit_code, state.started_at_s) == (False, None, None)


def test_the_state_of_a_container_that_ended(bench: Bench) -> None:
    container_id = bench.start("exit", "5")
    bench.engine.wait_container(container_id, timeout_s=30)
    state = bench.engine.inspect_container(container_id)
    bench.engine.remove_container(container_id)
    assert (state.is_running, state.exit_code) == (False, 5)
    # Docker 26 notes the start of a short program after its end.
    assert abs(state.finished_at_s - state.started_at_s) < 30
    assert abs(state.finished_at_s - time.time()) < 60
    assert state.hostname == container_id[:12]


def test_published_ports_are_told(bench: Bench) -> None:
    container_id = bench.start(*UNTIL_KILLED, ports=(8080,))
    state = bench.engine.inspect_container(container_id)
    bench.engine.remove_container(container_id)
    host, port = state.ports[8080]
    assert host == bench.engine.host
    assert port > 0


def test_a_removed_container_cannot_be_inspected(bench: Bench) -> None:
    container_id = bench.create("say", "hi")
    bench.engine.remove_container(container_id)
    bench.engine.remove_container(container_id)
    with pytest.raises(ContainerError, match=container_id[:12]):
        bench.engine.inspect_container(container_id)


def test_stopping_kills_after_the_time_given(bench: Bench, running: str) -> None:
    bench.engine.stop_container(running, timeout_s=0.5)
    assert not bench.engine.inspect_container(running).is_running


def test_logs_are_kept_by_stream(bench: Bench) -> None:
    container_id = bench.start("say", "a", "err", "b", "say", "c")
    bench.engine.wait_container(container_id, timeout_s=30)
    whole = bench.engine.read_logs(container_id)
    last = bench.engine.read_logs(container_id, tail=1)
    later = bench.engine.read_logs(container_id, since_s=time.time() + 3600)
    bench.engine.remove_container(container_id)
    assert whole == (b"a\nc\n", b"b\n")
    assert b"".join(last) in (b"c\n", b"b\n")  # the streams have no common order
    assert later == (b"", b"")


def test_long_logs_are_kept_at_their_end(bench: Bench) -> None:
    container_id = bench.start("flood", "3000000", "say", "the end")
    bench.engine.wait_container(container_id, timeout_s=60)
    out, _ = bench.engine.read_logs(container_id)
    bench.engine.remove_container(container_id)
    assert len(out) == 1024 * 1024
    assert out.endswith(b"the end\n")


def test_processes_are_listed_as_the_node_sees_them(bench: Bench, running: str) -> None:
    assert bench.engine.list_processes(running)[0].startswith("/probe say up")


def test_emulation_shows_in_the_list_of_processes(bench: Bench) -> None:
    container_id = bench.start(*UNTIL_KILLED, platform=ARM64)
    first = bench.engine.list_processes(container_id)[0]
    bench.engine.remove_container(container_id)
    assert "/probe" in first
    assert not first.startswith("/probe")


@pytest.mark.parametrize("is_started", [False, True])
def test_files_are_seen_in_a_container(bench: Bench, is_started: bool) -> None:
    container_id = (bench.start if is_started else bench.create)(*UNTIL_KILLED)
    stat = bench.engine.stat_path(container_id, "/probe")
    folder = bench.engine.stat_path(container_id, "/")
    absent = bench.engine.stat_path(container_id, "/no/such/path")
    head = bench.engine.read_head(container_id, "/probe", size=4)
    bench.engine.remove_container(container_id)
    assert (stat.mode, stat.is_directory, stat.link_target) == (0o755, False, "")
    assert folder.is_directory
    assert absent is None
    assert head == b"\x7fELF"


def test_looking_for_a_path_in_no_container_is_an_error(bench: Bench) -> None:
    with pytest.raises(ContainerError):
        bench.engine.stat_path("0" * 64, "/probe")


def test_a_folder_has_no_head(bench: Bench, running: str) -> None:
    with pytest.raises(ContainerError, match="not a regular file"):
        bench.engine.read_head(running, "/dev", size=4)


def test_links_are_not_followed(bench: Bench, running: str) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "probe"
        archive.addfile(link)
    bench.engine.put_archive(running, "/", buffer.getvalue())
    assert bench.engine.stat_path(running, "/link").link_target == "/probe"


def test_files_are_put_in_with_the_folders_they_need(bench: Bench) -> None:
    container_id = bench.create("show", "/etc/a/b.txt", "show", "/tmp/new")
    files = [
        FileToCopy(path="/etc/a/b.txt", content=b"first\n", mode=0o600),
        FileToCopy(path="tmp/new", content=b"second\n"),
    ]
    bench.engine.put_files(container_id, files)
    attachment = bench.engine.attach(container_id, has_stdin=False)
    with contextlib.closing(attachment):
        bench.engine.start_container(container_id)
        out, _ = read_all(attachment)
    stat = bench.engine.stat_path(container_id, "/etc/a/b.txt")
    made = bench.engine.stat_path(container_id, "/etc/a")
    bench.engine.remove_container(container_id)
    assert out == b"first\nsecond\n"
    assert (stat.mode, made.mode) == (0o600, 0o755)


def test_putting_files_leaves_existing_folders_as_they_are(bench: Bench) -> None:
    container_id = bench.create("say", "hi")
    folder = tarfile.TarInfo("tmp")
    folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(folder)
    bench.engine.put_archive(container_id, "/", buffer.getvalue())
    bench.engine.put_files(container_id, [FileToCopy(path="/tmp/x", content=b"")])
    stat = bench.engine.stat_path(container_id, "/tmp")
    bench.engine.remove_container(container_id)
    assert stat.mode == 0o1777


def test_a_path_is_given_as_an_archive(bench: Bench, running: str) -> None:
    archive = bench.engine.read_archive(running, "/probe")
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        assert opened.getnames() == ["probe"]


def test_an_absent_path_gives_no_archive(bench: Bench, running: str) -> None:
    with pytest.raises(ContainerError):
        bench.engine.read_archive(running, "/absent")


def test_exec_gives_output_and_exit_code(bench: Bench, running: str) -> None:
    assert execute(bench, running, "/probe", "say", "hi", "exit", "4") == (4, b"hi\n")


def test_exec_takes_environment_user_and_folder(bench: Bench, running: str) -> None:
    code, out = execute(
        bench, running, "/probe", "env", "A", "id", "pwd", env={"A": "b"}, user="7", workdir="/dev"
    )
    assert (code, out) == (0, b"b\n7\n/dev\n")


def test_exec_takes_stdin(bench: Bench, running: str) -> None:
    spec = ExecSpec(argv=("/probe", "count"), has_stdin=True)
    exec_id, attachment = bench.engine.start_exec(running, spec)
    with contextlib.closing(attachment):
        attachment.send(b"x" * 1_000_000)
        out, _ = read_all(attachment)
    assert (bench.engine.read_exec_exit_code(exec_id), out) == (0, b"1000000\n")


def test_quick_execs_lose_no_output(bench: Bench, running: str) -> None:
    outputs = {execute(bench, running, "/probe", "say", "hi") for _ in range(20)}
    assert outputs == {(0, b"hi\n")}


def test_exec_of_a_missing_program_is_said(bench: Bench, running: str) -> None:
    if bench.engine.read_facts().product == "Podman":  # its runtime's words stand in the output
        exec_id, attachment = bench.engine.start_exec(running, ExecSpec(argv=("redis-cli ping",)))
        with contextlib.closing(attachment):
            output = b"".join(read_all(attachment))
        code = bench.engine.read_exec_exit_code(exec_id)
        assert type(explain_last_words(code, output, AMD64)) is ProgramNotFoundError
        return
    with pytest.raises(
        ProgramNotFoundError, match="'redis-cli ping' is not in the image"
    ) as caught:
        execute(bench, running, "redis-cli ping")
    assert "'redis-cli', 'ping'" in caught.value.cure


@pytest.mark.parametrize("code", [126, 127])
def test_a_program_may_end_with_the_shell_s_codes(bench: Bench, running: str, code: int) -> None:
    assert execute(bench, running, "/probe", "exit", str(code)) == (code, b"")


def test_exec_in_a_container_that_ended_is_an_error(bench: Bench) -> None:
    container_id = bench.start("exit", "0")
    bench.engine.wait_container(container_id, timeout_s=30)
    with pytest.raises(ContainerError, match=r"not running|on running containers"):
        execute(bench, container_id, "/probe", "say", "hi")
    bench.engine.remove_container(container_id)


def test_what_is_labelled_is_removed_and_nothing_else(bench: Bench) -> None:
    kept = bench.start(*UNTIL_KILLED)
    label = {TEST_LABEL: f"{bench.nonce}-sweep"}
    gone = bench.start(*UNTIL_KILLED, labels=label)
    assert bench.engine.remove_labelled(TEST_LABEL, label[TEST_LABEL]) == 1
    with pytest.raises(ContainerError):
        bench.engine.inspect_container(gone)
    assert bench.engine.inspect_container(kept).is_running
    bench.engine.remove_container(kept)
