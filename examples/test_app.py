"""A group of tests that pass: the program does the same on every platform.

multiarch.yaml says which image, and which platforms. No engine is needed to see the tests:

    pytest examples --collect-only
"""

from __future__ import annotations

import json

import pytest


def test_version(variant):
    """`variant` is the image of one platform; `run` runs a command in a fresh container."""
    result = variant.run("app", "--version")
    assert result.exit_code == 0
    assert result.stdout == "app 1.4\n"


def test_own_names_are_no_difference(variant):
    """It prints `amd64`, `arm64`, ...; each platform may name itself, and nobody else."""
    variant.run("app", "arch")


def test_report(variant, parity):
    """Only what matters is observed here: a number, with a tolerance."""
    report = json.loads(variant.run("app", "report", observe=False).stdout)
    parity.check("total", report["total"])
    parity.check("mean", report["mean"], rel=1e-9)


@pytest.mark.parametrize("words", [("one",), ("two words", "three")])
def test_arguments(variant, words):
    """Other parameters go along: each of these two is a group of its own."""
    assert variant.run("app", "args", *words).stdout.splitlines() == list(words)


@pytest.mark.container("app", "serve", wait="^ready$")
def test_service(container):
    """`container` is started, ready when its log says so, and removed afterwards."""
    container.copy_in(b"hello\n", "/tmp/greeting")
    result = container.exec("app", "cat", "/tmp/greeting")
    assert result.stdout == "hello\n"


def test_all_at_once(variants):
    """`variants` has all platforms in one test."""
    printed = {variant.run("app", "--version").stdout for variant in variants.values()}
    assert len(printed) == 1
