"""The ELF check: programs found as the runtime finds them, whatever leads to them."""

from __future__ import annotations

import pytest

from pytest_multiarch.core.errors import EngineError, EngineGoneError, WrongArchitectureError
from pytest_multiarch.core.index import ImageConfig
from pytest_multiarch.core.platform import Platform
from tests.fake_engine import (
    AMD64,
    ARM64,
    S390X,
    Ending,
    FakeEngine,
    FakeImage,
    File,
    Link,
    make_elf,
    make_variant,
    start_container,
)

OURS, FOREIGN = make_elf("amd64"), make_elf("arm64")


def run(
    *argv: str,
    files: dict[str, File],
    env: tuple[str, ...] = (),
    workdir: str = "",
    entrypoint: tuple[str, ...] = (),
    platform: Platform = AMD64,
) -> FakeEngine:
    """Run a command in an image for amd64 with these files."""
    engine = FakeEngine(platform=platform)
    config = ImageConfig(platform=platform, env=env, workdir=workdir, entrypoint=entrypoint)
    variant = make_variant(engine, FakeImage(platform=platform, files=files, config=config))
    variant.run(*argv)
    return engine


@pytest.mark.parametrize(
    ("argv", "files"),
    [
        pytest.param(["app"], {"/usr/bin/app": FOREIGN}, id="PATH"),
        pytest.param(["/app"], {"/app": FOREIGN}, id="absolute"),
        pytest.param(["./app"], {"/srv/app": FOREIGN}, id="relative"),
        pytest.param(
            ["app"], {"/bin/app": Link(target="../opt/app"), "/opt/app": FOREIGN}, id="link"
        ),
        pytest.param(
            ["/a"], {"/a": Link(target="b"), "/b": Link(target="/c"), "/c": FOREIGN}, id="chain"
        ),
        pytest.param(["/x.sh"], {"/x.sh": b"#!/bin/sh -e\n", "/bin/sh": FOREIGN}, id="shebang"),
        pytest.param(
            ["/x.py"],
            {
                "/x.py": b"#!/usr/bin/env python3\n",
                "/usr/bin/env": OURS,
                "/usr/bin/python3": FOREIGN,
            },
            id="env",
        ),
        pytest.param(
            ["/x.py"],
            {"/x.py": b"#!/usr/bin/env -S python3 -u\n", "/usr/bin/python3": FOREIGN},
            id="env -S",
        ),
        pytest.param(
            ["/x.py"],
            {"/x.py": b"#!/usr/bin/env python3\n", "/usr/bin/env": FOREIGN},
            id="env itself",
        ),
        pytest.param(["sh", "-c", "app"], {"/bin/sh": OURS, "/bin/app": FOREIGN}, id="shell"),
        pytest.param(["tini", "--", "app"], {"/bin/tini": OURS, "/bin/app": FOREIGN}, id="tini"),
    ],
)
def test_a_foreign_program_is_found(argv: list[str], files: dict[str, File]) -> None:
    with pytest.raises(WrongArchitectureError, match="arm64"):
        run(*argv, files=files, workdir="/srv")


@pytest.mark.parametrize(
    ("argv", "files"),
    [
        pytest.param(["app"], {"/bin/app": OURS}, id="ours"),
        pytest.param(["app"], {"/usr/bin/app": OURS, "/bin/app": FOREIGN}, id="PATH has an order"),
        pytest.param(["cat", "/foreign"], {"/bin/cat": OURS, "/foreign": FOREIGN}, id="data"),
        pytest.param(
            ["/x.sh", "/foreign"],
            {"/x.sh": b"#!/bin/sh\n", "/bin/sh": OURS, "/foreign": FOREIGN},
            id="data of a script",
        ),
        pytest.param(["/loop"], {"/loop": Link(target="/loop")}, id="loop of links"),
        pytest.param(["/gone"], {"/gone": Link(target="/nowhere")}, id="dangling link"),
        pytest.param(["nosuch"], {}, id="missing"),
        pytest.param(["/folder"], {"/folder/file": FOREIGN}, id="folder"),
        pytest.param(["/x"], {"/x": b"#!/x\n"}, id="its own interpreter"),
        pytest.param(["/short"], {"/short": FOREIGN[:30]}, id="truncated"),
    ],
)
def test_what_is_no_foreign_program_passes(argv: list[str], files: dict[str, File]) -> None:
    assert run(*argv, files=files).count("start_container") == 1


def test_the_program_behind_an_entrypoint_script() -> None:
    """It almost always ends in `exec "$@"`."""
    files: dict[str, File] = {"/e.sh": b"#!/bin/sh\n", "/bin/sh": OURS, "/bin/app": FOREIGN}
    with pytest.raises(WrongArchitectureError, match="/bin/app is arm64"):
        run("app", files=files, entrypoint=("/e.sh", "--fast"))


def test_the_program_behind_a_launcher_and_an_entrypoint_script() -> None:
    files: dict[str, File] = {
        "/tini": OURS, "/e.sh": b"#!/bin/sh\n", "/bin/sh": OURS, "/bin/app": FOREIGN
    }  # fmt: skip
    with pytest.raises(WrongArchitectureError, match="/bin/app is arm64"):
        run("app", files=files, entrypoint=("/tini", "--", "/e.sh"))


def test_path_of_the_image() -> None:
    files: dict[str, File] = {"/a/app": OURS, "/b/app": FOREIGN}
    run("app", files=files, env=("PATH=/a:/b",))
    with pytest.raises(WrongArchitectureError, match="/b/app"):
        run("app", files=files, env=("PATH=/b:/a",))


def test_path_of_the_call_wins() -> None:
    image = FakeImage(platform=AMD64, files={"/bin/app": OURS, "/b/app": FOREIGN})
    with pytest.raises(WrongArchitectureError, match="/b/app"):
        make_variant(FakeEngine(), image).run("app", env={"PATH": "/b"})


def test_386_in_amd64_runs_on_every_amd64() -> None:
    run("app", files={"/bin/app": make_elf("386")})


def test_amd64_in_386_does_not() -> None:
    with pytest.raises(WrongArchitectureError):
        run("app", files={"/bin/app": OURS}, platform=Platform.parse("386"))


def test_big_endian_headers_are_read() -> None:
    with pytest.raises(WrongArchitectureError, match="s390x"):
        run("app", files={"/bin/app": make_elf("s390x")})
    run("app", files={"/bin/app": make_elf("s390x")}, platform=S390X)


def test_the_message_says_what_to_do() -> None:
    with pytest.raises(WrongArchitectureError) as caught:
        run("/app", files={"/app": OURS}, platform=ARM64)
    assert "app:1: the variant for linux/arm64 holds a program for another" in caught.value.what
    assert "/app is amd64 (64-bit, little endian)" in caught.value.what
    assert "build that file for linux/arm64" in caught.value.cure


def test_nothing_runs_and_nothing_is_left_after_a_finding() -> None:
    engine = FakeEngine()
    variant = make_variant(engine, FakeImage(platform=AMD64, files={"/app": FOREIGN}))
    for _ in range(2):
        with pytest.raises(WrongArchitectureError):
            variant.run("/app")
    assert engine.count("start_container") == 0
    assert not engine.containers
    assert engine.count("read_head") == 1, "a program is read once"


def test_a_program_that_the_call_brings_is_checked() -> None:
    engine = FakeEngine()
    variant = make_variant(engine)
    variant.run("/tool", files={"/tool": OURS})
    with pytest.raises(WrongArchitectureError):
        variant.run("/tool", files={"/tool": FOREIGN})


def test_a_program_copied_into_a_container_is_checked() -> None:
    engine = FakeEngine()
    image = FakeImage(platform=AMD64, files={"/app": OURS}, commands={"": Ending(exit_code=None)})
    container = start_container(engine, image)
    container.exec("/app")
    container.copy_in(FOREIGN, "/app")
    with pytest.raises(WrongArchitectureError):
        container.exec("/app")


def test_an_engine_that_cannot_stat_a_path_is_not_in_the_way() -> None:
    """Engines answer 500 where links form a loop, or a file is taken for a folder."""
    engine = FakeEngine()
    variant = make_variant(engine)
    engine.fail["stat_path"] = [EngineError("Internal Server Error")]
    assert variant.run("/loop").exit_code == 0


def test_an_engine_that_is_gone_is_not_taken_for_a_missing_program() -> None:
    engine = FakeEngine()
    variant = make_variant(engine)
    engine.fail["stat_path"] = [EngineGoneError("gone")]
    with pytest.raises(EngineGoneError):
        variant.run("/app")
