"""Which words of a command line are programs."""

from __future__ import annotations

import pytest

from pytest_multiarch.core.command import find_env_program, find_started


@pytest.mark.parametrize(
    ("words", "started"),
    [
        (["app", "sh", "-c", "x"], ()),
        (["tini", "--", "/entry.sh", "serve"], ("/entry.sh", "serve")),
        (["/usr/bin/tini", "-g", "app"], ("app",)),
        (["dumb-init", "app"], ("app",)),
        (["env", "-i", "A=b", "app", "x"], ("app", "x")),
        (["gosu", "postgres", "postgres", "-D"], ("postgres", "-D")),
        (["timeout", "5", "app"], ("app",)),
        (["sh", "/entry.sh", "serve"], ("/entry.sh", "serve")),
        (["sh", "-c", "app --port 80"], ("app", "--port", "80")),
        (["/bin/sh", "-c", "cd /srv && exec ./app"], ("./app",)),
        (["sh", "-ec", "set -e\necho 'a;b'; A=1 app"], ("app",)),
        (["bash", "-lc", "app | tee log"], ("app",)),
        (["sh", "-c", "# start\napp"], ("app",)),
    ],
)
def test_finds_what_is_started(words: list[str], started: tuple[str, ...]) -> None:
    assert find_started(words) == started


@pytest.mark.parametrize(
    "script",
    ["$APP x", "`which app`", "A=$(uname); $A", "echo 'open", "", "cd /x || app", "echo only"],
)
def test_a_script_that_does_not_tell_its_program(script: str) -> None:
    assert find_started(["sh", "-c", script]) == ()


def test_a_program_behind_a_condition_is_not_taken_for_one_that_runs() -> None:
    """Scripts choose between programs of several architectures like that."""
    assert find_started(["sh", "-c", "[ $(uname -m) = x86_64 ] && /opt/amd64/app"])[0] == "["


@pytest.mark.parametrize(
    ("argument", "program"),
    [
        ("python3", "python3"),
        ("-S python3 -u", "python3"),
        ("-S A=1 python3", "python3"),
        ("-vS python3", "python3"),
        ("--split-string=python3 -u", "python3"),
        ("-i", ""),
    ],
)
def test_program_of_an_env_line(argument: str, program: str) -> None:
    assert find_env_program(argument) == program
