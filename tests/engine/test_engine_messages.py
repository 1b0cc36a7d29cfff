"""The messages that can be had here, from real engines: what they say today is what is known."""

from __future__ import annotations

import json
import os
import secrets
import struct
import subprocess
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.core.call import FileToCopy
from pytest_multiarch.core.errors import (
    ImageError,
    PlatformMissingError,
    ProgramNotFoundError,
    UsageError,
    WrongArchitectureError,
)
from pytest_multiarch.core.known_message import Stage
from pytest_multiarch.core.known_messages import find_known
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.ports import ContainerSpec, ExecSpec
from pytest_multiarch.engine.connection import EngineRefusedError
from pytest_multiarch.engine.probe import build_probe_archive, name_probe_image
from pytest_multiarch.run.explain import explain_last_words
from tests.engine.conftest import Bench, read_all
from tests.engine.sample_images import (
    AMD64,
    ARM64,
    MANIFEST_TYPE,
    SampleIndex,
    SampleVariant,
    build_tar,
    send,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.known_engines import KnownEngines

S390X = Platform.parse("linux/s390x")
MACHINES = {AMD64: 62, ARM64: 183}
CONTAINERD = ["main", "middle"]
CLASSIC = ["classic", "oldest"]

needs_registry = pytest.mark.needs_engine("registry")


def on_engines(*names: str) -> pytest.MarkDecorator:
    """Parametrize by engines."""
    marked = [pytest.param(name, marks=pytest.mark.needs_engine(name)) for name in names]
    return pytest.mark.parametrize("name", marked)


def make_dynamic_program(platform: Platform) -> bytes:
    """Make a program that names a loader which no image has."""
    loader = b"/lib/ld-nowhere.so.1\0"
    head = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    head += struct.pack(
        "<HHIQQQIHHHHHH", 2, MACHINES[platform], 1, 0x400000, 64, 0, 0, 64, 56, 2, 0, 0, 0
    )
    at, size = 64 + 2 * 56, 64 + 2 * 56 + len(loader)
    interp = struct.pack("<IIQQQQQQ", 3, 4, at, 0x400000 + at, 0, len(loader), len(loader), 1)
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0, size, size, 0x1000)
    return head + interp + load + loader


@pytest.fixture
def make_image(bench: Bench) -> Iterator[Callable[[Platform, bytes], str]]:
    """Load an image that holds one program; gives its name."""
    names: list[str] = []

    def make(platform: Platform, program: bytes) -> str:
        nonce = secrets.token_hex(6)
        archive = build_probe_archive(
            [platform], session_id=nonce, labels=bench.labels, read_program=lambda _: program
        )
        bench.engine.load_image(archive)
        names.append(name_probe_image(nonce, platform))
        return names[-1]

    yield make
    for name in names:
        bench.engine.remove_image(name)


def run_image(bench: Bench, image: str, platform: Platform, **spec: object) -> tuple[int, bytes]:
    """Run an image's program; gives the exit code and all it printed."""
    has_store = bench.engine.read_facts().has_containerd_store
    container_id = bench.engine.create_container(
        ContainerSpec(
            image=image,
            platform=platform if has_store else None,
            labels=bench.labels,
            **spec,
        )
    )
    bench.engine.start_container(container_id)
    code = bench.engine.wait_container(container_id, timeout_s=30)
    out, err = bench.engine.read_logs(container_id)
    bench.engine.remove_container(container_id)
    return code, out + err


@pytest.mark.parametrize("platform", [AMD64, ARM64], ids=str)
@pytest.mark.parametrize("init", [False, True])
def test_a_missing_loader(
    bench: Bench, make_image: Callable[[Platform, bytes], str], platform: Platform, init: bool
) -> None:
    """Natively the runtime says so, under emulation QEMU."""
    image = make_image(platform, make_dynamic_program(platform))
    code, output = run_image(bench, image, platform, init=init)
    error = explain_last_words(code, output, platform)
    assert type(error) is ProgramNotFoundError, (code, output)


@pytest.mark.parametrize("init", [False, True])
def test_a_missing_interpreter_of_a_script(
    bench: Bench, make_image: Callable[[Platform, bytes], str], init: bool
) -> None:
    code, output = run_image(bench, make_image(AMD64, b"#!/nowhere/sh\n"), AMD64, init=init)
    error = explain_last_words(code, output, AMD64)
    assert type(error) is ProgramNotFoundError, (code, output)


def test_a_program_that_the_kernel_refuses(
    bench: Bench, make_image: Callable[[Platform, bytes], str]
) -> None:
    code, output = run_image(bench, make_image(AMD64, b"no program"), AMD64)
    error = explain_last_words(code, output, AMD64)
    assert type(error) is WrongArchitectureError, (code, output)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"no program", WrongArchitectureError),
        (make_dynamic_program(AMD64), ProgramNotFoundError),
        (make_dynamic_program(ARM64), ProgramNotFoundError),
    ],
    ids=["no program", "no loader", "no emulated loader"],
)
def test_the_same_in_an_exec(bench: Bench, content: bytes, kind: type[Exception]) -> None:
    container_id = bench.start("sleep", "60")
    bench.engine.put_files(container_id, [FileToCopy(path="/x", content=content, mode=0o755)])
    exec_id, streams = bench.engine.start_exec(container_id, ExecSpec(argv=("/x",)))
    output = b"".join(read_all(streams))
    streams.close()
    code = bench.engine.read_exec_exit_code(exec_id)
    bench.engine.remove_container(container_id)
    assert type(explain_last_words(code, output, AMD64)) is kind, (code, output)


# Images


@pytest.fixture
def pushed(bench: Bench, engines: KnownEngines) -> Iterator[str]:
    """An index for two platforms in the registry; what engines made of it is removed."""
    nonce = secrets.token_hex(6)
    variants = tuple(
        SampleVariant.build(each, {"nonce": nonce.encode()}) for each in (AMD64, ARM64)
    )
    SampleIndex(f"multiarch-tests/{nonce}", variants).push(engines.registry, "1")
    yield f"{engines.registry}/multiarch-tests/{nonce}:1"
    for image in bench.engine._images._list("{}"):
        names = (image.get("RepoTags") or []) + (image.get("RepoDigests") or [])
        if any(nonce in name for name in names):
            bench.engine.remove_image(image["Id"])


@needs_registry
def test_a_platform_that_the_index_lacks(bench: Bench, pushed: str) -> None:
    with pytest.raises(
        PlatformMissingError, match=r"has no variant for linux/s390x: .*no (match|image)"
    ):
        bench.engine.pull(pushed, S390X)


@needs_registry
@pytest.mark.parametrize("platform", ["foo", "x y", "*"])
def test_a_platform_that_no_engine_knows(bench: Bench, pushed: str, platform: str) -> None:
    wrong = Platform("", platform, "") if platform == "foo" else Platform("linux", platform, "")
    if bench.engine.read_facts().product == "Podman":  # it takes any word for a platform
        with pytest.raises(PlatformMissingError):
            bench.engine.pull(pushed, wrong)
        return
    with pytest.raises(UsageError, match="does not know"):
        bench.engine.pull(pushed, wrong)


@needs_registry
def test_a_local_image_of_another_platform(bench: Bench, pushed: str) -> None:
    bench.engine.pull(pushed, ARM64)
    with pytest.raises(PlatformMissingError, match="but not for linux/amd64"):
        bench.engine.create_container(
            ContainerSpec(image=pushed, platform=AMD64, argv=("/x",), labels=bench.labels)
        )


@on_engines(*CLASSIC)
def test_an_archive_of_several_platforms_on_the_classic_store(
    open_bench: Callable[[str], Bench], name: str
) -> None:
    variants = tuple(SampleVariant.build(each, {"x": b""}) for each in (AMD64, ARM64))
    archive = SampleIndex("multiarch-tests/x", variants).to_archive("multiarch-tests/x:1")
    with pytest.raises(ImageError, match="cannot load an archive of several platforms") as caught:
        open_bench(name).engine.load_image(archive)
    assert "containerd-snapshotter" in caught.value.cure


@on_engines(*CONTAINERD)
def test_an_archive_without_the_engines_platform(
    open_bench: Callable[[str], Bench], name: str
) -> None:
    with pytest.raises(ImageError, match="found no image for its own platform"):
        open_bench(name).engine.load_image(build_tar({"manifest.json": b"[]"}))


@pytest.mark.needs_engine("classic")
def test_an_export_for_a_platform_that_is_not_there(open_bench: Callable[[str], Bench]) -> None:
    bench = open_bench("classic")
    platform = json.dumps({"os": "linux", "architecture": "s390x"})
    with pytest.raises(EngineRefusedError, match="no suitable export target") as caught:
        bench.engine._connection.request(
            "GET", f"/images/{bench.name_actor()}/get", params={"platform": platform}
        )
    assert caught.value.cure == "docker pull --platform PLATFORM IMAGE"


# Builds


def build(engines: KnownEngines, name: str, folder: Path, dockerfile: str, *options: str) -> str:
    """Have a build fail; gives what was said."""
    (folder / "Dockerfile").write_text(dockerfile)
    done = subprocess.run(
        [engines.docker, "buildx", "build", *options, folder],
        check=False, capture_output=True, text=True, timeout=120,
        env={**os.environ, **engines.make_environ(name)},
    )  # fmt: skip
    assert done.returncode
    return done.stderr


def name_row(text: str) -> str:
    """Name what a failed build said."""
    known = find_known(text, Stage.BUILD)
    return known.name if known else ""


@pytest.mark.needs_engine("classic")
def test_a_build_for_several_platforms_on_the_classic_store(
    engines: KnownEngines, tmp_path: Path
) -> None:
    said = build(
        engines, "classic", tmp_path, "FROM scratch\nLABEL a=b\n",
        "--platform=linux/amd64,linux/arm64", "--load",
    )  # fmt: skip
    assert name_row(said) == "build for several platforms on the classic store"


@needs_registry
@pytest.mark.needs_engine("main")
@pytest.mark.parametrize(
    ("step", "row"),
    [('RUN ["sh", "-c", "exit 3"]', "build step failed"), ("FORM x", "build failed")],
)
def test_a_step_that_fails(
    engines: KnownEngines, registry_images: dict[str, str], tmp_path: Path, step: str, row: str
) -> None:
    dockerfile = f"FROM {registry_images['sample']}\n{step}\n"
    assert name_row(build(engines, "main", tmp_path, dockerfile)) == row


@needs_registry
@pytest.mark.needs_engine("main")
def test_a_base_image_without_the_platform(
    engines: KnownEngines, registry_images: dict[str, str], tmp_path: Path
) -> None:
    dockerfile = f"FROM {registry_images['sample']}\nLABEL a=b\n"
    said = build(engines, "main", tmp_path, dockerfile, "--platform=linux/mips64")
    assert name_row(said) == "platform not in the index"


@needs_registry
@pytest.mark.needs_engine("classic")
def test_an_image_that_is_for_another_platform_than_asked(
    open_bench: Callable[[str], Bench], engines: KnownEngines
) -> None:
    """The engine warns in the stream of a pull, and calls it a success."""
    bench = open_bench("classic")
    nonce = secrets.token_hex(6)
    only = SampleVariant.build(ARM64, {"nonce": nonce.encode()})
    SampleIndex(f"multiarch-tests/{nonce}", (only,)).push(engines.registry, "1")
    url = f"http://{engines.registry}/v2/multiarch-tests/{nonce}/manifests/single"
    send("PUT", url, only.blobs[only.manifest_digest], MANIFEST_TYPE).close()
    reference = f"{engines.registry}/multiarch-tests/{nonce}:single"
    try:
        with pytest.raises(WrongArchitectureError, match="says it is for linux/arm64: WARNING"):
            bench.engine.pull(reference, AMD64)
    finally:
        bench.engine.remove_image(reference)
