"""What each check says of what was found, and what it tells to do about it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_multiarch.core import checks
from pytest_multiarch.core.checkup import Builder, Buildx, CheckState, Login, Machine, Outlook
from pytest_multiarch.core.emulators import EmulatorTable, forecast_execution, parse_emulator
from pytest_multiarch.core.errors import EngineError, UsageError
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.ports import EngineFacts

AMD64 = Platform.parse("linux/amd64")
ARM64 = Platform.parse("linux/arm64")
FACTS = EngineFacts(
    node="unix:///n",
    engine_id="id",
    version="28.5.2",
    api_version=(1, 51),
    platform=AMD64,
    kernel="6.1",
    has_containerd_store=True,
    memory_size=8 * 10**9,
    data_root="/data",
)
MACHINE = Machine(platform=AMD64, kernel="6.1", memory_size=8 * 10**9, page_size=4096)
ENTRY = (
    "enabled\ninterpreter /usr/bin/qemu-aarch64\nflags: {flags}\noffset 0\n"
    "magic 7f454c460201010000000000000000000200b700\n"
)
OK, WARNING, PROBLEM = CheckState


def make_table(flags: str = "POCF") -> EmulatorTable:
    emulator = parse_emulator("qemu-aarch64", ENTRY.format(flags=flags))
    assert emulator is not None
    return EmulatorTable(is_mounted=True, emulators=(replace(emulator, version="8.2.0"),))


def look_ahead(table: EmulatorTable | None, *, is_required: bool = False) -> list[Outlook]:
    return [
        Outlook(
            platform=each,
            execution=forecast_execution(each, AMD64, table),
            is_required=is_required,
        )
        for each in (AMD64, ARM64)
    ]


def test_an_engine_is_named_with_its_place() -> None:
    check = checks.check_engine(FACTS, "DOCKER_HOST")
    assert check.state is OK
    assert check.found == "Docker 28.5.2, API 1.51, at unix:///n (from DOCKER_HOST)"


def test_no_engine_is_a_problem_with_the_errors_own_cure() -> None:
    check = checks.check_engine_failure(EngineError("none answers", cure="start it"), ())
    assert (check.state, check.found, check.cure) == (PROBLEM, "none answers", "start it")


def test_another_engine_that_answers_is_the_cure() -> None:
    check = checks.check_engine_failure(EngineError("none answers", cure="start it"), (FACTS,))
    assert check.cure == "Docker 28.5.2 answers at unix:///n: export DOCKER_HOST=unix:///n"


def test_a_kernel_is_shared_only_by_all_signs() -> None:
    assert MACHINE.shares_kernel(FACTS)
    assert not MACHINE.shares_kernel(replace(FACTS, kernel="6.2"))
    assert not MACHINE.shares_kernel(replace(FACTS, memory_size=4 * 10**9))
    assert not replace(MACHINE, platform=Platform("darwin", "arm64", "")).shares_kernel(FACTS)


def test_docker_desktop_is_another_machine() -> None:
    mac = Machine(platform=Platform("darwin", "arm64", ""), kernel="24.1")
    check = checks.check_machine(mac, replace(FACTS, platform=ARM64, kernel="6.10-linuxkit"))
    assert "here: darwin/arm64, kernel 24.1; the engine: linux/arm64" in check.found
    assert "another machine" in check.found


def test_the_classic_store_is_a_warning() -> None:
    check = checks.check_image_store(replace(FACTS, has_containerd_store=False))
    assert check.state is WARNING
    assert "containerd-snapshotter" in check.cure


def test_podman_has_a_store_of_its_own() -> None:
    podman = replace(FACTS, has_containerd_store=False, product="Podman")
    assert checks.check_image_store(podman).state is OK


def test_emulators_are_listed_with_version_and_flags() -> None:
    check = checks.check_emulators(make_table())
    assert (check.state, check.found) == (OK, "1 registered: qemu 8.2.0, flags POCF")


@pytest.mark.parametrize(
    ("flags", "state", "expected"),
    [
        ("POC", PROBLEM, "without F: containers do not find the emulator"),
        ("POF", WARNING, "without C: setuid programs (sudo, su) get no privileges"),
        ("OCF", WARNING, "without P: programs see their path as their name (argv[0])"),
    ],
)
def test_a_missing_flag_says_what_it_breaks(flags: str, state: CheckState, expected: str) -> None:
    check = checks.check_emulators(make_table(flags))
    assert check.state is state
    assert expected in check.found
    assert "--uninstall 'qemu-*'" in check.cure


@pytest.mark.parametrize(
    ("table", "state", "cure"),
    [
        (None, OK, ""),
        (EmulatorTable(is_mounted=False), WARNING, "sudo mount -t binfmt_misc"),
        (EmulatorTable(is_mounted=True, is_enabled=False), PROBLEM, "echo 1 | sudo tee"),
        (EmulatorTable(is_mounted=True), WARNING, "tonistiigi/binfmt --install all"),
    ],
)
def test_no_emulators(table: EmulatorTable | None, state: CheckState, cure: str) -> None:
    check = checks.check_emulators(table)
    assert check.state is state
    assert check.cure.startswith(cure) or cure in check.cure


def test_platforms_that_run_are_counted() -> None:
    check = checks.check_platforms(look_ahead(make_table()), "unix:///n")
    assert (check.state, check.found) == (OK, "2 of 2 run here")


def test_a_required_platform_that_cannot_run_is_a_problem() -> None:
    table = EmulatorTable(is_mounted=True)
    check = checks.check_platforms(look_ahead(table, is_required=True), "unix:///n")
    assert check.state is PROBLEM
    assert check.found.startswith("linux/arm64 cannot run on unix:///n: no emulator for it")
    assert "--install arm64" in check.cure


def test_nothing_foreign_is_a_warning_where_nobody_asked() -> None:
    check = checks.check_platforms(look_ahead(EmulatorTable(is_mounted=True)), "unix:///n")
    assert (check.state, check.found) == (WARNING, "1 of 2 run here")


@pytest.mark.parametrize(("is_required", "state"), [(True, WARNING), (False, OK)])
def test_what_cannot_be_forecast_is_to_be_tried(is_required: bool, state: CheckState) -> None:
    check = checks.check_platforms(look_ahead(None, is_required=is_required), "unix:///n")
    assert check.state is state
    assert "linux/arm64" in check.found
    assert "--try" in check.found + check.cure


@pytest.mark.parametrize(
    ("free", "state"), [(50 * 10**9, OK), (2 * 10**9, WARNING), (10**8, PROBLEM)]
)
def test_disk_space(free: int, state: CheckState) -> None:
    check = checks.check_disk(FACTS, (free, 100 * 10**9))
    assert check.state is state
    assert f"{free / 1e9:.1f} of 100 GB free at /data" in check.found
    assert bool(check.cure) is (state is not OK)


def test_disk_space_of_another_machine_is_not_known() -> None:
    check = checks.check_disk(FACTS, None)
    assert (check.state, check.found) == (OK, "/data is not to be seen from here")


@pytest.mark.parametrize(("size", "state"), [(4096, OK), (65536, WARNING)])
def test_page_size(size: int, state: CheckState) -> None:
    assert checks.check_page_size(replace(MACHINE, page_size=size)).state is state


def test_a_builders_list_is_said_to_be_no_evidence() -> None:
    platforms = ("linux/amd64", "linux/amd64/v2", "linux/arm64")
    builder = Builder(name="b", driver="docker", is_current=True, platforms=platforms)
    check = checks.check_buildx(Buildx(version="0.29.1", builders=(builder,)))
    assert check.state is OK
    assert check.found == (
        "0.29.1; b*: linux/amd64, linux/arm64 (listed by BuildKit at its start: no evidence)"
    )


def test_without_buildx_nothing_is_wrong_with_testing() -> None:
    check = checks.check_buildx(Buildx(problem="there is no docker command on PATH"))
    assert check.state is WARNING
    assert "testing does not" in check.found


def test_a_default_platform_decides_nothing_here() -> None:
    machine = replace(MACHINE, environ={"DOCKER_DEFAULT_PLATFORM": "linux/arm64"})
    check = checks.check_environ(machine)
    assert check.state is WARNING
    assert "DOCKER_DEFAULT_PLATFORM=linux/arm64 decides for docker run" in check.found
    assert check.cure == "unset DOCKER_DEFAULT_PLATFORM"


def test_a_broken_helper_is_a_problem_once() -> None:
    broken = "docker-credential-x failed: no such file"
    logins = (
        Login(registry="", problem=broken),
        Login(registry="a.io", problem=broken),
        Login(registry="b.io"),
    )
    check = checks.check_logins(logins)
    assert check.state is PROBLEM
    assert check.found == f"credentials for b.io; {broken}"


def test_a_configuration_that_cannot_be_read_is_a_problem() -> None:
    check = checks.check_settings("/x", UsageError("multiarch.yaml:3: no such key", cure="drop it"))
    assert (check.state, check.cure) == (PROBLEM, "drop it")
