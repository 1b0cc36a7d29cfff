"""The examples, run as `make demo` runs them: what passes, what diverges, and what is said."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from tests.e2e.conftest import forget_image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.known_engines import KnownEngines

ROOT = Path(__file__).resolve().parents[1]
IMAGE = "multiarch-demo:1"
PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/s390x")

pytestmark = pytest.mark.needs_engine("main")


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """A finished run of all examples; `statuses` are by file and name of the test."""

    exit_code: int
    output: str
    statuses: dict[tuple[str, str], str]


@pytest.fixture(scope="module")
def demo_image(engines: KnownEngines) -> Iterator[None]:
    """The image of the examples; removed afterwards if it was not there before."""
    was_there = IMAGE in engines.run_docker(
        "main", "images", "--format", "{{.Repository}}:{{.Tag}}"
    )
    environ = {
        **engines.make_environ("main"),
        "PYTHON": sys.executable,
        "DOCKER": engines.docker,
    }
    subprocess.run([ROOT / "examples" / "image" / "build"], check=True, env=environ, timeout=300)
    yield
    if not was_there:
        engines.run_docker("main", "rmi", "--force", IMAGE)


@pytest.fixture(scope="module")
def demo(engines: KnownEngines, demo_image: None, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """Run all examples once."""
    junit = tmp_path_factory.mktemp("examples") / "junit.xml"
    command = [sys.executable, "-m", "pytest", "examples", "-rA", f"--junitxml={junit}"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "--color=no"],
        check=False, cwd=ROOT, capture_output=True, text=True, timeout=300,
        env=make_terminal_environ(engines),
    )  # fmt: skip
    return Demo(
        exit_code=done.returncode,
        output=done.stdout,
        statuses={
            (each.get("classname", ""), each.get("name", "")): read_status(each)
            for each in ET.parse(junit).iter("testcase")
        },
    )


def make_terminal_environ(engines: KnownEngines) -> dict[str, str]:
    """Make the environment of a person at a terminal of 80 columns, also where this runs in CI.

    In CI pytest does not shorten its lines, and the plugin writes for the CI service.
    """
    service = ("CI", "BUILD_NUMBER", "GITHUB_ACTIONS", "GITLAB_CI")
    environ = {k: v for k, v in engines.make_environ("main").items() if k not in service}
    return {**environ, "COLUMNS": "80"}


def read_status(case: ET.Element) -> str:
    """Give how a test ended: `passed`, `failure`, `error` or `skipped`."""
    tags = [each.tag for each in case if each.tag in ("failure", "error", "skipped")]
    return tags[0] if tags else "passed"


def list_names(demo: Demo, file: str, status: str) -> list[str]:
    """List the tests of a file that ended so."""
    return [
        name for (owner, name), ended in demo.statuses.items() if (owner, ended) == (file, status)
    ]


def test_the_application_passes_everywhere(demo: Demo) -> None:
    names = list_names(demo, "test_app", "passed")
    assert [name for name in names if name.startswith("test_version")] == [
        f"test_version[{platform}]" for platform in PLATFORMS
    ]
    assert len(names) == sum(owner == "test_app" for owner, _ in demo.statuses) == 25


def test_what_differs_passes_on_each_platform(demo: Demo) -> None:
    expected = [f"test_char[{platform}]" for platform in PLATFORMS]
    assert list_names(demo, "test_differs", "passed") == expected


def test_one_divergence_is_the_only_failure(demo: Demo) -> None:
    assert demo.exit_code == 1
    assert re.findall(r"^DIVERGED (\S+)", demo.output, re.MULTILINE) == [
        "examples/test_differs.py::test_char"
    ]
    assert list_names(demo, "test_differs", "failure") == ["test_char"]
    assert "1 failed, 38 passed" in demo.output


def test_the_image_is_in_order(demo: Demo) -> None:
    """Every file of it was looked at; nothing of that differs, or is missing."""
    assert len(list_names(demo, "test_image", "passed")) == 2 * len(PLATFORMS)
    assert "IMAGE" not in demo.output
    assert "not looked at in images" not in demo.output


def test_the_divergence_shows_what_differs(demo: Demo) -> None:
    assert "- char is signed: -1" in demo.output
    assert "+ char is unsigned: 255" in demo.output


def mask(line: str) -> str:
    """Leave out what is another in every run or on another machine."""
    line = re.sub(r"native|qemu [\d.]+|rosetta|emulated", "<execution>", line)
    line = re.sub(r"diagnosis: \w+( \(\w+\))?$", "diagnosis: <cause>", line)
    line = re.sub(r"@sha256:[0-9a-f]{4}([0-9a-f]{60}|\.\.\.)", "@sha256:...", line)
    line = re.sub(r"^=+", "=", line)
    line = re.sub(r"( +x)? [\d.]+s?( \(\d:\d\d:\d\d\))? *=*$", "", line)
    return re.sub(r" +", " ", line).strip()


def test_the_readme_shows_what_is_printed(demo: Demo) -> None:
    """But for lines that it leaves out."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```text\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    shown = [mask(line) for block in blocks for line in block.splitlines() if line.strip(" .")]
    printed = set(map(mask, demo.output.splitlines()))
    assert len(shown) > 20
    assert [line for line in shown if line not in printed] == []


def test_the_summary_says_how_each_platform_ran(demo: Demo) -> None:
    """At least one natively, and at least one under an emulator, on whatever machine this is."""
    rows = dict(
        re.findall(r"^(linux/\S+) +(native|qemu|rosetta|emulated)\b", demo.output, re.MULTILINE)
    )
    assert set(rows) == set(PLATFORMS)
    assert "native" in rows.values()
    assert set(rows.values()) > {"native"}


def test_the_summary_says_what_emulation_costs(demo: Demo) -> None:
    assert list_names(demo, "test_speed", "passed") == ["test_work"]
    assert re.search(r"^ +linux/arm64 .* x [\d.]+ +[\d.]+ to [\d.]+$", demo.output, re.MULTILINE)


def test_an_image_that_is_built_for_its_tests(engines: KnownEngines, demo_image: None) -> None:
    docker = Path(engines.docker)
    environ = make_terminal_environ(engines)
    if docker.is_absolute():
        environ["PATH"] = f"{docker.parent}:{environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "examples/build", "-p", "no:cacheprovider"],
        check=False, cwd=ROOT, capture_output=True, text=True, timeout=300, env=environ,
    )  # fmt: skip
    forget_image(engines, "multiarch-build/build")
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
    assert re.search(
        r"^  multiarch-build/build:\w+ from build/Dockerfile", done.stdout, re.MULTILINE
    )


def test_the_examples_can_be_collected_without_an_engine() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "examples", "--collect-only", "-q"],
        check=False, cwd=ROOT, capture_output=True, text=True, timeout=60,
        env={"PATH": "/nowhere", "DOCKER_HOST": "unix:///nowhere/docker.sock"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "test_app.py::test_version[linux/s390x]" in done.stdout
