"""The engines and images that tests run on: private ones of `scripts/engine`, or the user's own.

`needs_engine("main")` marks a test that talks to an engine; "classic", "middle" and "oldest" are
other versions and stores, "node" is reached by TLS and ssh too, "podman" and "podman-rootless" are
Podman, "registry" is the registry beside them. With nothing but a user's own Docker, what needs
more than `main` is deselected and named at the end, unless MULTIARCH_REQUIRE_ALL is set; so are
those of "node" and Podman where the machine lacks their programs (sshd, openssl, podman). What is
not deselected fails where its engine is not there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from filelock import FileLock

from tests.known_engines import ROOT, KnownEngines, find_engines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REQUIRE_ALL_VARIABLE = "MULTIARCH_REQUIRE_ALL"
CACHE_VARIABLE = "XDG_CACHE_HOME"
_CACHE_OF_IMAGES = {CACHE_VARIABLE: os.environ.get(CACHE_VARIABLE, "")}
MEASURED = "measured"
"""The property by which a test has a figure shown at the end of the run."""
_FIXTURES_OF_MAIN = {"main", "main_bench"}
LEFT_OUT = pytest.StashKey[list[str]]()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what reaches the engine `main` by a fixture."""
    if _FIXTURES_OF_MAIN & set(getattr(item, "fixturenames", ())):
        item.add_marker(pytest.mark.needs_engine("main"))


def list_needed_engines(item: pytest.Item) -> list[str]:
    """Give the names in a test's `needs_engine` marks."""
    return [name for mark in item.iter_markers("needs_engine") for name in mark.args]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what a user's own Docker does not offer."""
    needed = {item: list_needed_engines(item) for item in items}
    if os.environ.get(REQUIRE_ALL_VARIABLE) or not any(needed.values()):
        return
    engines = find_engines()
    if not engines.is_users_own and not engines.has("oldest"):
        return
    left_out = [item for item in items if any(map(engines.lacks, needed[item]))]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        config.stash[LEFT_OUT] = [item.nodeid for item in left_out]
        items[:] = [item for item in items if item not in left_out]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Show what tests measured, and name what was left out."""
    measured = [
        f"{report.nodeid}: {value}"
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
        if name == MEASURED
    ]
    if measured:
        terminalreporter.section("measured")
        for line in measured:
            terminalreporter.write_line(line)
    left_out = config.stash.get(LEFT_OUT, [])
    if left_out:
        terminalreporter.section("left out: what this machine has no engine for")
        for node_id in left_out:
            terminalreporter.write_line(node_id)
        terminalreporter.write_line("scripts/engine up --all (Debian, Ubuntu) has what they need")


@pytest.fixture(autouse=True)
def _leave_ci_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what these tests run from telling the CI job around them of it."""
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITLAB_CI"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what these tests read of images apart from what the user's own runs keep."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def engines() -> KnownEngines:
    """All engines that there are."""
    return find_engines()


@pytest.fixture(autouse=True)
def _require_engines(request: pytest.FixtureRequest) -> None:
    """Fail a test whose engine is not there."""
    needed = list_needed_engines(request.node)
    if not needed:
        return
    there: KnownEngines = request.getfixturevalue("engines")
    missing = [name for name in needed if not there.has(name)]
    if missing:
        pytest.fail(
            f"no engine {', '.join(missing)}; scripts/engine up --all brings them up",
            pytrace=False,
        )


@pytest.fixture(scope="session")
def images(engines: KnownEngines, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The sample images on engine `main`, built if need be: references by short name."""
    return _build_images(engines, tmp_path_factory)


@pytest.fixture(scope="session")
def registry_images(
    engines: KnownEngines, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, str]:
    """The sample images in the registry, pushed if need be: references by short name."""
    return _build_images(engines, tmp_path_factory, registry=engines.registry)


def _build_images(
    engines: KnownEngines, tmp_path_factory: pytest.TempPathFactory, *, registry: str = ""
) -> dict[str, str]:
    """Build once per run, whichever of its workers comes first."""
    folder = tmp_path_factory.getbasetemp()
    shared = folder.parent if os.environ.get("PYTEST_XDIST_WORKER") else folder
    done = shared / f"images{'-registry' if registry else ''}.json"
    with FileLock(f"{done}.lock"):
        if not done.exists():
            push = ["--push", registry] if registry else []
            command: list[Any] = [sys.executable, ROOT / "tests" / "images" / "build.py", *push]
            built = subprocess.run(
                [*command, "--docker", engines.docker],
                check=False, capture_output=True, text=True, timeout=1800,
                env={**engines.make_environ("main"), **_CACHE_OF_IMAGES},
            )  # fmt: skip
            if built.returncode:
                pytest.fail(f"the sample images were not built:\n{built.stderr}", pytrace=False)
            done.write_text(json.dumps(built.stdout.split()))
    references = json.loads(done.read_text())
    return {each.rsplit("/", 1)[1].split(":")[0]: each for each in references}
