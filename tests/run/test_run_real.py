"""Runs, execs and containers on every engine: what holds must hold on all of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.core.call import OUTPUT_LIMIT, Call
from pytest_multiarch.core.errors import (
    ContainerError,
    DeadlineError,
    NotReadyError,
    PlatformMissingError,
    ProgramNotFoundError,
    WrongArchitectureError,
)
from pytest_multiarch.core.execution import ExecutionKind
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.wait import healthy, parse_wait

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.run.conftest import RealEngine

SLEEP = Call(argv=("app", "sleep", "1000"))


# On every engine


def check_platform(engine: RealEngine, platform: str, kind: ExecutionKind, char: str) -> None:
    variant = engine.open_variant("sample", platform)
    assert variant.run("app", "char").stdout == f"{char}\n"
    assert variant.execution.kind is kind
    assert bool(variant.execution.version) == (kind is ExecutionKind.QEMU)
    assert variant.kind == "manifest"


def test_a_variant_runs_as_its_platform_does(real: RealEngine) -> None:
    check_platform(real, "linux/amd64", ExecutionKind.NATIVE, "-1")
    check_platform(real, "linux/arm64", ExecutionKind.QEMU, "255")


def test_streams_exit_code_and_stdin(real: RealEngine) -> None:
    data = bytes(range(256)) * 1000
    result = real.open_variant("sample").run("sh", "-c", "cat; echo warn >&2; exit 3", stdin=data)
    assert (result.exit_code, result.stdout_bytes, result.stderr) == (3, data, "warn\n")
    assert result.timings.inside_s is not None


def test_amd64_programs_in_an_arm64_entry(real: RealEngine) -> None:
    with pytest.raises(WrongArchitectureError, match="/bin/busybox is amd64"):
        real.open_variant("liar", "linux/arm64").run("ls")
    assert not real.list_left()


def test_a_platform_that_the_index_lacks(real: RealEngine) -> None:
    """Engines would take arm/v7 for arm64, and 386 for amd64."""
    for platform in ("linux/arm64", "linux/amd64"):
        with pytest.raises(PlatformMissingError, match="it has linux/arm/v7, linux/386"):
            real.open_variant("partial", platform)


def test_a_program_that_is_not_there(real: RealEngine) -> None:
    variant = real.open_variant("sample")
    with pytest.raises(ProgramNotFoundError, match="not in the image"):
        variant.run("nosuch")
    container = real.open_container(variant, call=SLEEP)
    with pytest.raises(ProgramNotFoundError, match="executable file not found") as caught:
        container.exec("app char")
    assert "'app', 'char'" in caught.value.cure


def test_what_the_kernel_refuses(real: RealEngine, tmp_path: Path) -> None:
    source = tmp_path / "x"
    source.write_bytes(b"\0no program")
    source.chmod(0o755)
    variant = real.open_variant("sample")
    with pytest.raises(WrongArchitectureError, match="kernel refused"):
        variant.run("/x", files={"/x": source})
    container = real.open_container(variant, call=SLEEP)
    container.copy_in(source, "/x")
    with pytest.raises(WrongArchitectureError, match="kernel refused"):
        container.exec("/x")


def test_a_program_that_is_a_loop_of_links(real: RealEngine) -> None:
    container = real.open_container(real.open_variant("sample"), call=SLEEP)
    container.exec("ln", "-s", "/loop", "/loop")
    with pytest.raises(ProgramNotFoundError, match="too many levels"):
        container.exec("/loop")


@pytest.mark.parametrize("platform", ["linux/amd64", "linux/arm64"])
def test_a_container(real: RealEngine, platform: str) -> None:
    variant = real.open_variant("sample", platform)
    call = Call(argv=("sh", "-c", "echo Ready; exec app sleep 1000"))
    container = real.open_container(variant, call=call, waits=parse_wait("^Ready$"))
    assert container.exec("app", "--version").stdout == "app 1.4\n"
    container.copy_in(b"1", "/new/folder/x")
    assert container.exec("cat", "/new/folder/x").stdout == "1"
    assert container.copy_out("/etc/passwd").startswith(b"root:")
    assert container.logs().stdout == "Ready\n"
    container.remove()
    assert not real.list_left()


def test_a_container_that_ends_at_once(real: RealEngine) -> None:
    call = Call(argv=("sh", "-c", "echo no licence >&2; exit 7"))
    with pytest.raises(NotReadyError, match="ended with exit code 7") as caught:
        real.open_container(
            real.open_variant("sample"), call=call, ports=(80,), waits=parse_wait(80)
        )
    assert "no licence" in caught.value.what
    assert not real.list_left()


def test_an_exec_in_a_container_that_has_ended(real: RealEngine) -> None:
    container = real.open_container(real.open_variant("sample"), call=SLEEP)
    container._started.node.engine.stop_container(container.id, timeout_s=0)
    with pytest.raises(ContainerError, match="ended with exit code 137"):
        container.exec("app", "--version")


@pytest.mark.needs_engine("classic", "middle", "oldest", "registry")
def test_all_engines_resolve_to_the_same_identity(
    open_real: Callable[[str], RealEngine],
) -> None:
    """Whichever store keeps it."""
    variants = [
        open_real(name).open_variant("entry", "linux/arm64")
        for name in ("classic", "middle", "oldest")
    ]
    assert len({each.digest for each in variants}) == 1
    assert len({each.config_digest for each in variants}) == 1


# On the newest


on_main = pytest.mark.needs_engine("main")


@on_main
@pytest.mark.parametrize(
    ("platform", "kind", "char"),
    [("linux/386", ExecutionKind.NATIVE, "-1"), ("linux/s390x", ExecutionKind.QEMU, "255")],
)
def test_other_platforms(main: RealEngine, platform: str, kind: ExecutionKind, char: str) -> None:
    check_platform(main, platform, kind, char)


@on_main
def test_a_deadline_kills(main: RealEngine) -> None:
    with pytest.raises(DeadlineError, match=r"'app sleep 1000' did not end within 0.5 s"):
        main.open_variant("sample").run("app", "sleep", "1000", timeout=0.5)
    assert not main.list_left()


@on_main
def test_options_of_a_run(main: RealEngine) -> None:
    variant = main.open_variant("sample")
    script = "id -u; pwd; echo $A; cat /in/x; ls /sys/class/net; cat /proc/1/comm"
    result = variant.run(
        "sh", "-c", script, user="app", workdir="/tmp", env={"A": "1"}, files={"/in/x": b"x\n"},
        network="none", init=True,
    )  # fmt: skip
    assert result.stdout.split() == ["1000", "/tmp", "1", "x", "lo", "docker-init"]


@on_main
def test_entrypoint_and_command_of_the_image(main: RealEngine) -> None:
    variant = main.open_variant("entry")
    assert variant.run().stdout.startswith('{"items": 100')
    assert variant.run("--version").stdout == "app 1.4\n"
    assert variant.run("-c", "echo hi", entrypoint="sh").stdout == "hi\n"
    assert variant.run("echo", "hi", entrypoint="").stdout == "hi\n"


@on_main
def test_an_image_without_shell(main: RealEngine) -> None:
    assert main.open_variant("scratch", "linux/arm64").run("/app", "--version").exit_code == 0


@on_main
def test_more_output_than_is_kept(main: RealEngine) -> None:
    result = main.open_variant("sample").run("app", "flood", "40")
    assert result.out.size == 40 * 1024 * 1024
    assert len(result.out.head) == OUTPUT_LIMIT


@on_main
def test_eight_threads_on_two_platforms(main: RealEngine) -> None:
    variants = [main.open_variant("sample", each) for each in ("linux/amd64", "linux/arm64")]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda n: variants[n % 2].run("echo", str(n)).stdout, range(8)))
    assert results == [f"{n}\n" for n in range(8)]
    assert not main.list_left()


@on_main
def test_a_healthcheck(main: RealEngine) -> None:
    variant = main.open_variant("health")
    container = main.open_container(variant)
    container.wait_until(healthy(), timeout=1)
    with pytest.raises(NotReadyError, match="has no HEALTHCHECK"):
        main.open_container(main.open_variant("sample"), call=SLEEP, waits=(healthy(),))


@on_main
def test_a_port_and_http(main: RealEngine) -> None:
    script = "sleep 0.5; mkdir /www; echo hi > /www/index.html; exec httpd -f -p 80 -h /www"
    container = main.open_container(
        main.open_variant("sample"),
        call=Call(argv=("sh", "-c", script)),
        ports=(80,),
        waits=parse_wait([80, "http://:80/"]),
    )
    with pytest.raises(NotReadyError, match="it answers 404"):
        container.wait_until("http://:80/nosuch", timeout=0.2)


@on_main
def test_a_port_on_which_nothing_listens(main: RealEngine) -> None:
    container = main.open_container(
        main.open_variant("sample"), call=SLEEP, ports=(80,), waits=parse_wait(lambda c: True)
    )
    with pytest.raises(NotReadyError, match="waited for port 80"):
        container.wait_until(80, timeout=0.5)


@on_main
def test_folders_and_links_come_out(main: RealEngine, tmp_path: Path) -> None:
    container = main.open_container(main.open_variant("sample"), call=SLEEP)
    container.exec(
        "sh", "-c", "mkdir -p /v1/a; echo 1 > /v1/a/x; ln -s v1 /current; ln -s a/x /v1/l"
    )
    container.copy_out("/current", tmp_path)
    assert (tmp_path / "current/a/x").read_text() == "1\n"
    assert (tmp_path / "current/l").read_text() == "1\n"
    assert container.copy_out("/current/l") == b"1\n"


@on_main
def test_logs_of_a_shared_container_begin_with_the_test(main: RealEngine) -> None:
    variant = main.open_variant("sample")
    script = "mkfifo /pipe; echo first; cat /pipe; sleep 1000"
    call = Call(argv=("sh", "-c", script))
    first = main.open_container(variant, call=call, scope="session", waits=parse_wait("first"))
    second = main.open_container(variant, call=call, scope="session", waits=parse_wait("first"))
    assert second.id == first.id
    second.exec("sh", "-c", "echo second > /pipe")
    second.wait_until("second", timeout=5)
    assert second.logs().stdout == "second\n"


@on_main
def test_an_unknown_platform_of_the_node(main: RealEngine) -> None:
    execution = main.node.detect_execution(Platform.parse("linux/mips"))
    assert execution.kind is ExecutionKind.UNAVAILABLE
