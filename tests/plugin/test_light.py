"""Installed and unused, the plugin costs nothing; loading it imports no third-party module."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from .conftest import HEAD

LIST_MODULES = """
import atexit, json, sys
def write():
    with open("modules.json", "w") as file:
        json.dump(sorted(sys.modules), file)
atexit.register(write)
def test_x(): pass
"""


def list_modules(pytester: pytest.Pytester, source: str, *options: str) -> set[str]:
    """Give what a process has imported that ran a suite with no plugin but ours."""
    pytester.path.joinpath("test_a.py").write_text(source)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "pytest_multiarch.plugin.entry", *options],
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return set(json.loads(pytester.path.joinpath("modules.json").read_text()))


def find_strangers(modules: set[str]) -> set[str]:
    """Give the third-party packages among modules."""
    allowed = {"pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments", "py"}
    tops = {name.partition(".")[0] for name in modules}
    return {
        name
        for name in tops - allowed - set(sys.stdlib_module_names)
        if not name.startswith(("_", "test_", "pytest_multiarch", "sitecustomize"))
    }


def test_unused_plugin_imports_little_of_itself(pytester: pytest.Pytester) -> None:
    modules = list_modules(pytester, LIST_MODULES)
    assert {name for name in modules if name.startswith("pytest_multiarch.")} == {
        f"pytest_multiarch.plugin{name}"
        for name in (
            "", ".builtin", ".collection", ".emitter", ".entry", ".fixtures", ".hookspecs",
            ".judge", ".options", ".reports", ".state",
        )
    }  # fmt: skip


def test_unused_plugin_imports_no_third_party_module(pytester: pytest.Pytester) -> None:
    assert find_strangers(list_modules(pytester, LIST_MODULES)) == set()


def test_a_pyproject_of_others_is_not_parsed(pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml("[tool.other]\nx = 1\n")
    modules = list_modules(pytester, LIST_MODULES)
    assert not {name for name in modules if name.startswith("pytest_multiarch.core")}


def test_tests_without_containers_import_no_third_party_module(pytester: pytest.Pytester) -> None:
    source = f"{HEAD}\n{LIST_MODULES}\ndef test_y(platform, parity): parity.check('one', 1)\n"
    assert find_strangers(list_modules(pytester, source)) == set()


def test_collecting_container_tests_imports_no_third_party_module(
    pytester: pytest.Pytester,
) -> None:
    source = f"""{HEAD}\n{LIST_MODULES}
@pytest.mark.image("app:1")
@pytest.mark.container("sleep", "9", wait="ready")
def test_y(container, variant, parity): pass
"""
    assert find_strangers(list_modules(pytester, source, "--collect-only")) == set()
