"""Options of containers as tests write them, and what they become."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_multiarch.core.container_options import (
    OPTION_NAMES,
    Bind,
    ContainerOptions,
    OptionArguments,
    Ulimit,
    parse_options,
)
from pytest_multiarch.core.errors import UsageError


def parse(**arguments: Any) -> ContainerOptions:
    """Read options."""
    return parse_options(arguments, what="run")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, ContainerOptions()),
        ({"volumes": [("/a", "/b")]}, ContainerOptions(volumes=(Bind(source="/a", target="/b"),))),
        (
            {"volumes": [("/a", "/b", "ro")]},
            ContainerOptions(volumes=(Bind(source="/a", target="/b"),)),
        ),
        (
            {"volumes": {"/a": {"bind": "/b", "mode": "ro"}}},
            ContainerOptions(volumes=(Bind(source="/a", target="/b"),)),
        ),
        (
            {"tmpfs": {"/tmp": "size=64m", "/run": ""}},
            ContainerOptions(tmpfs=(("/run", ""), ("/tmp", "size=64m"))),
        ),
        (
            {"ulimits": {"nofile": 64, "core": (0, -1)}},
            ContainerOptions(
                ulimits=(
                    Ulimit(name="nofile", soft=64, hard=64),
                    Ulimit(name="core", soft=0, hard=-1),
                )
            ),
        ),
        (
            {"ulimits": [{"Name": "nproc", "Soft": 5, "Hard": 9}]},
            ContainerOptions(ulimits=(Ulimit(name="nproc", soft=5, hard=9),)),
        ),
        ({"mem_limit": "64m"}, ContainerOptions(mem_limit=64 << 20)),
        ({"mem_limit": 10_000_000}, ContainerOptions(mem_limit=10_000_000)),
        ({"shm_size": "1G"}, ContainerOptions(shm_size=1 << 30)),
        ({"nano_cpus": 500_000_000}, ContainerOptions(nano_cpus=500_000_000)),
        (
            {"cap_add": ["net_admin"], "cap_drop": "ALL"},
            ContainerOptions(cap_add=("NET_ADMIN",), cap_drop=("ALL",)),
        ),
        ({"cap_add": ["CAP_NET_RAW"]}, ContainerOptions(cap_add=("NET_RAW",))),
        ({"read_only": True}, ContainerOptions(read_only=True)),
        ({"labels": {"b": "2", "a": "1"}}, ContainerOptions(labels=(("a", "1"), ("b", "2")))),
        ({"hostname": "web-1.local"}, ContainerOptions(hostname="web-1.local")),
        ({"mem_limit": None, "tmpfs": None}, ContainerOptions()),
    ],
)
def test_what_is_understood(arguments: dict[str, Any], expected: ContainerOptions) -> None:
    assert parse(**arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"volumes": ["/a:/b"]}, ["volumes=['/a:/b']", '[("data", "/data")]']),
        ({"volumes": [("/a", "b")]}, ["'b' is not absolute", "'/b'"]),
        ({"volumes": [("/a", "/b", "rw")]}, ["'rw' is not supported", "read-only", "copy_out"]),
        ({"volumes": {"/a": {"bind": "/b", "mode": "rw"}}}, ["'rw' is not supported"]),
        ({"volumes": {"/a": "/b"}}, ["a volume is"]),
        ({"tmpfs": ["/tmp"]}, ["mapping", "size=64m"]),
        ({"tmpfs": {"tmp": ""}}, ["'tmp' is not absolute"]),
        ({"tmpfs": {"/tmp": 64}}, ["64 is not text"]),
        ({"ulimits": {"files": 1}}, ["'files' is no limit", "nofile"]),
        ({"ulimits": {"nofile": "many"}}, ["nofile is no number"]),
        ({"ulimits": {"nofile": (9, 5)}}, ["above the hard one"]),
        ({"ulimits": {"nofile": (-1, 5)}}, ["above the hard one"]),
        ({"ulimits": 5}, ["is no limit"]),
        ({"mem_limit": "lots"}, ["mem_limit='lots'", "64m"]),
        ({"mem_limit": 0}, ["no size"]),
        ({"mem_limit": True}, ["no size"]),
        ({"mem_limit": "5m"}, ["no less than 6m"]),
        ({"shm_size": -1}, ["no size"]),
        ({"nano_cpus": 0.5}, ["billionths", "500_000_000"]),
        ({"nano_cpus": 2}, ["billionths"]),
        ({"cap_add": ["no-such"]}, ["'no-such' is no capability"]),
        ({"cap_drop": [1]}, ["1 is no capability"]),
        ({"read_only": "yes"}, ["True or False"]),
        ({"labels": {"a": 1}}, ["from text to text"]),
        ({"labels": {"org.pytest-multiarch.session": "x"}}, ["label of pytest-multiarch"]),
        ({"hostname": "a b"}, ["no host name"]),
        ({"cpus": 1}, ["run has no argument 'cpus'", "nano_cpus"]),
    ],
)
def test_what_is_wrong_is_said(arguments: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        parse(**arguments)
    assert "run" in caught.value.what
    assert [word for word in words if word not in str(caught.value)] == []


def test_the_docker_command_for_them() -> None:
    options = parse(
        volumes=[("/a", "/b")], tmpfs={"/t": "size=1m", "/u": ""}, ulimits={"nofile": 5},
        mem_limit="8m", nano_cpus=1_500_000_000, cap_add="SYS_PTRACE", cap_drop=["ALL"],
        shm_size="1m", read_only=True, labels={"a": "b"}, hostname="h",
    )  # fmt: skip
    assert options.to_words() == (
        "--mount", "type=bind,src=/a,dst=/b,ro", "--tmpfs", "/t:size=1m", "--tmpfs", "/u",
        "--ulimit", "nofile=5:5", "--memory", "8388608", "--cpus", "1.5", "--cap-add", "SYS_PTRACE",
        "--cap-drop", "ALL", "--shm-size", "1048576", "--read-only", "--label", "a=b",
        "--hostname", "h",
    )  # fmt: skip
    assert ContainerOptions().to_words() == ()


def test_every_option_can_be_written() -> None:
    assert tuple(OptionArguments.__annotations__) == OPTION_NAMES
