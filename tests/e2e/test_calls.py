"""What `run` and `exec` take, on real containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.e2e.suite import Finished, Suite

pytestmark = pytest.mark.needs_engine("main")

CALLS = """
    import os, pathlib, pytest
    from pytest_multiarch.core.errors import MultiarchError

    pytestmark = [
        pytest.mark.image("{sample}"),
        pytest.mark.platforms("linux/amd64", "linux/arm64"),
    ]

    @pytest.mark.image("{entry}")
    def test_entrypoint_is_honoured(variant):
        assert variant.run().stdout.startswith("{{")
        assert variant.run("args", "a", "b c").stdout == "a\\nb c\\n"

    @pytest.mark.image("{entry}")
    def test_entrypoint_is_replaced(variant):
        assert variant.run("a b", entrypoint="echo").stdout == "a b\\n"
        assert variant.run("b", entrypoint=["echo", "a"]).stdout == "a b\\n"
        assert variant.run("app", "exit", "3", entrypoint="").exit_code == 3

    def test_user(variant):
        assert variant.run("id", "-u", user="1000:1000").stdout == "1000\\n"
        assert variant.run("id", "-un", user="app").stdout == "app\\n"

    def test_workdir(variant):
        assert variant.run("pwd", workdir="/etc").stdout == "/etc\\n"

    def test_env(variant):
        assert variant.run("sh", "-c", "echo $GREETING", env={{"GREETING": "hi"}}).stdout == "hi\\n"

    def test_files(variant, tmp_path):
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "script").write_text("#!/bin/sh\\ncat /a/b/c\\n")
        (tmp_path / "folder" / "script").chmod(0o755)
        files = {{"/a/b/c": b"content", "/opt": tmp_path / "folder"}}
        assert variant.run("/opt/script", files=files).stdout == "content"

    def test_stdin(variant):
        assert variant.run("app", "cat", stdin="grüß\\n").stdout == "grüß\\n"
        big = os.urandom(3_000_000)
        assert variant.run("wc", "-c", stdin=big, observe=False).stdout.strip() == "3000000"

    def test_no_stdin_is_at_its_end(variant):
        assert variant.run("app", "cat").stdout == ""

    def test_binary_output(variant):
        data = bytes(range(256))
        assert variant.run("app", "cat", stdin=data).stdout_bytes == data

    def test_separate_streams(variant):
        result = variant.run("sh", "-c", "echo out; echo err >&2; exit 7")
        assert (result.exit_code, result.stdout, result.stderr) == (7, "out\\n", "err\\n")

    def test_network(variant):
        assert "eth0" not in variant.run("ip", "link", network="none", observe=False).stdout
        assert "eth0" in variant.run("ip", "link", observe=False).stdout

    def test_init(variant):
        assert "init" in variant.run("cat", "/proc/1/comm", init=True, observe=False).stdout
        assert "init" not in variant.run("cat", "/proc/1/comm", init=False, observe=False).stdout

    def test_timeout(variant):
        with pytest.raises(MultiarchError, match="did not end within 1 s"):
            variant.run("app", "sleep", "60", timeout=1)

    def test_timings(variant):
        result = variant.run("app", "sleep", "1")
        # Engines take note of a start a little after it.
        assert 0.5 <= result.timings.inside_s < result.wall_s

    @pytest.mark.container("app", "sleep", "3600")
    def test_exec(container):
        data = bytes(range(256)) * 1000
        assert container.exec("app", "cat", stdin=data).stdout_bytes == data
        assert container.exec("id", "-u", user="1000").stdout == "1000\\n"
        assert container.exec("pwd", workdir="/tmp").stdout == "/tmp\\n"
        assert container.exec("sh", "-c", "echo $A", env={{"A": "b"}}).stdout == "b\\n"
        assert container.exec("sh", "-c", "echo e >&2; exit 4").exit_code == 4

    @pytest.mark.container("app", "sleep", "3600")
    def test_copy(container, tmp_path):
        container.copy_in(b"one", "/deep/er/file")
        assert container.exec("cat", "/deep/er/file").stdout == "one"
        assert container.copy_out("/deep/er/file") == b"one"
        container.copy_out("/deep", tmp_path)
        assert (tmp_path / "deep/er/file").read_bytes() == b"one"
"""
TESTS = (
    "test_entrypoint_is_honoured", "test_entrypoint_is_replaced", "test_user", "test_workdir",
    "test_env", "test_files", "test_stdin", "test_no_stdin_is_at_its_end", "test_binary_output",
    "test_separate_streams", "test_network", "test_init", "test_timeout", "test_timings",
    "test_exec", "test_copy",
)  # fmt: skip


@pytest.fixture(scope="module")
def called(make_suite: Callable[..., Suite], images: Mapping[str, str]) -> tuple[Suite, Finished]:
    """One run of all calls."""
    suite = make_suite()
    suite.write("test_it.py", CALLS.format(**images))
    return suite, suite.run("-v", "-n", "3")


@pytest.mark.parametrize("platform", ["linux/amd64", "linux/arm64"])
@pytest.mark.parametrize("name", TESTS)
def test_call(called: tuple[Suite, Finished], name: str, platform: str) -> None:
    """Each works natively and emulated, and is no difference."""
    _, finished = called
    assert finished.cases[f"{name}[{platform}]"].message == ""
    assert name not in finished.cases, finished.cases[name].message


def test_nothing_else_is_in_the_list(called: tuple[Suite, Finished]) -> None:
    """The list of tests above is complete."""
    assert {name.partition("[")[0] for name in called[1].cases} == set(TESTS)


def test_nothing_is_left(called: tuple[Suite, Finished]) -> None:
    """No container, network, image or process is left."""
    suite, _ = called
    assert suite.list_left_behind() == []
    assert suite.list_watchdogs() == []
