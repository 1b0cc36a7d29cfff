"""Builders of the driver docker-container: one machine, and one with a machine for each platform.

Their containers lead to the BuildKit of engine `main` (`guide_builder.py`). The machine that has
linux/arm64 says so of itself only: what runs there is emulated all the same.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import forget_image
from tests.e2e.guide_builder import Relay, build_bridge
from tests.e2e.test_build import EMULATED, TESTS, prepare, read_build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.e2e.suite import Suite

pytestmark = pytest.mark.needs_engine("main", "registry")


@pytest.fixture
def create(
    suite: Suite, registry_images: Mapping[str, str], tmp_path: Path
) -> Iterator[Callable[..., None]]:
    """Add a machine to the builder that the suite takes; nobody has started it."""
    engines, host = suite.engines, suite.engines.by_name["main"].host
    suite.environ |= {"BUILDX_CONFIG": str(tmp_path / "buildx"), "BUILDX_BUILDER": "farm"}

    def run(*argv: str) -> None:
        command = [engines.docker, "buildx", *argv]
        subprocess.run(command, check=True, env=suite.environ, capture_output=True, timeout=120)

    with Relay(host.removeprefix("unix://")) as relay:
        base = registry_images["sample"]
        bridge = build_bridge(engines, tmp_path / "bridge", base=base, port=relay.port)
        options = f"image={bridge},network=host"

        def create(*arguments: str) -> None:
            driver = ("--driver", "docker-container", "--driver-opt", options)
            run("create", "--name", "farm", *driver, *arguments)

        yield create
        run("rm", "farm")
        engines.run_docker("main", "image", "rm", "--force", bridge)


def test_a_builder_of_one_machine(
    suite: Suite, create: Callable[..., None], registry_images: Mapping[str, str]
) -> None:
    create("--node", f"farm-{os.getpid()}")
    salt = os.urandom(8).hex()
    config = f"build: {{context: app, args: {{SALT: {salt}}}}}"
    prepare(suite, EMULATED.format(base=registry_images["sample"]), TESTS, config)
    done = suite.run("--multiarch-record=record.json", timeout_s=400)
    assert done.exit_code == 0, done.output
    build = read_build(suite)
    assert (build["builder"], build["driver"]) == ("farm", "docker-container")
    amd64, arm64 = build["platforms"]["linux/amd64"], build["platforms"]["linux/arm64"]
    assert amd64["name"] == arm64["name"] == build["name"]
    assert (amd64["emulated"], arm64["is_native"], arm64["steps"]) == ([], False, 3)
    assert 'RUN sleep 1; echo "$SALT" > /etc/salt' in [each["step"] for each in arm64["emulated"]]
    assert "(farm, docker-container)" in " ".join(done.output.split())
    forget_image(suite.engines, build["name"])


def test_a_builder_with_a_machine_for_each_platform(
    suite: Suite,
    create: Callable[..., None],
    registry_images: Mapping[str, str],
    tmp_path: Path,
) -> None:
    """buildx cannot load what several machines built: each platform is loaded on its own."""
    second = tmp_path / "second.sock"
    second.symlink_to(suite.engines.by_name["main"].host.removeprefix("unix://"))
    create("--node", f"amd-{os.getpid()}", "--platform=linux/amd64")
    create("--append", "--node", f"arm-{os.getpid()}", "--platform=linux/arm64", f"unix://{second}")
    salt = os.urandom(8).hex()
    config = f"build: {{context: app, args: {{SALT: {salt}}}}}"
    prepare(suite, EMULATED.format(base=registry_images["sample"]), TESTS, config)
    done = suite.run("--multiarch-record=record.json", timeout_s=400)
    assert done.exit_code == 0, done.output
    build = read_build(suite)
    names = [each["name"] for each in build["platforms"].values()]
    assert names == [f"{build['name']}-amd64", f"{build['name']}-arm64"]
    assert build["platforms"]["linux/arm64"]["is_native"]
    assert [each["steps"] for each in build["platforms"].values()] == [3, 3]
    tag = registry_images["sample"].replace("/sample:1", f"/farm:{salt}")
    program = Path(sys.executable).with_name("pytest-multiarch")
    published = subprocess.run(
        [program, "publish", "record.json", "--tag", tag],
        cwd=suite.folder, env=suite.environ, capture_output=True, text=True, timeout=200,
        check=False,
    )  # fmt: skip
    assert published.returncode == 0, published.stdout + published.stderr
    shown = suite.engines.run_docker("main", "buildx", "imagetools", "inspect", "--raw", tag)
    entries = {each["digest"]: each["platform"] for each in json.loads(shown)["manifests"]}
    for platform, each in build["platforms"].items():
        os_, architecture = platform.split("/")
        assert entries[each["digest"]] == {"architecture": architecture, "os": os_}
    for name in names:
        forget_image(suite.engines, name)
