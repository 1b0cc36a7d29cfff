"""Suites to run the plugin on: most need no container, since `parity.check` observes anything."""

from __future__ import annotations

import importlib
import pkgutil
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

import pytest_multiarch

# pytester unloads what an inner run imports: loaded here, it is loaded once.
importlib.import_module("fastjsonschema")
for _package in ("cli", "core", "files", "plugin", "reports", "run"):
    for _found in pkgutil.iter_modules([str(Path(pytest_multiarch.__file__).parent / _package)]):
        importlib.import_module(f"pytest_multiarch.{_package}.{_found.name}")

HEAD = """
import pytest
pytestmark = pytest.mark.platforms("linux/amd64", "linux/arm64")
"""
Run = Callable[..., pytest.RunResult]


@pytest.fixture(autouse=True)
def _use_fake_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let inner runs find the plugin `fake_session`, and no engine."""
    folder = str(Path(__file__).parent)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", folder)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)


@pytest.fixture
def run(pytester: pytest.Pytester) -> Run:
    """Run a suite: `run(source, *options)` writes the source to `test_a.py` under a head that
    names two platforms; with `-n` in a process of its own."""

    def run_suite(source: str | None, *options: str, head: str = HEAD) -> pytest.RunResult:
        if source is not None:
            pytester.path.joinpath("test_a.py").write_text(head + textwrap.dedent(source))
        args = ["-p", "no:hypothesispytest", "-p", "no:randomly", *options]
        if "-n" in options:
            return pytester.runpytest_subprocess(*args, timeout=60)
        return pytester.runpytest_inprocess(*args)

    return run_suite


@pytest.fixture
def run_fake(run: Run) -> Run:
    """As `run`, with variants that need no engine."""

    def run_suite(source: str | None, *options: str, head: str = HEAD) -> pytest.RunResult:
        return run(source, "-p", "fake_session", *options, head=head)

    return run_suite


@pytest.fixture(autouse=True)
def _off_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """On CI pytest shows whole messages in its short summary, and wider lines."""
    for name in ("CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)
