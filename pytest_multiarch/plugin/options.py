"""Command-line options, and the settings they make together with the configuration file."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.settings import Settings

MARKS = (
    "platforms(*platforms, baseline=None): run the test on each of these platforms and compare",
    "image(reference): the image whose variants the test runs",
    (
        "container(*command, env=, ports=, wait=, scope=, init=, entrypoint=, user=, workdir=, "
        "network=, files=, timeout=): how the `container` fixture starts its container"
    ),
    "overhead(max=None, min=None): how much longer than the baseline a platform may take",
    (
        "parity(compare=, ignore=, normalize=, allow=, stateless=, stdout=, stderr=, rel=, abs=, "
        "unordered=): what is compared across platforms and as what, and what may differ"
    ),
    (
        "audit(scope=, allow=): whether the image's files are for its platform: of what it starts "
        "('program', the default), of all ('image'), or not looked at ('off')"
    ),
    "index(required=): platforms that the image must have",
    (
        "static_parity(config=, tree=, packages=, allow=): compare the image's variants without "
        "running them, and what may differ"
    ),
)
_SERVICES = {"github": "GITHUB_ACTIONS", "gitlab": "GITLAB_CI"}
"""CI services, and the variables that are `true` in their jobs."""
_PARSED_OPTIONS = ("--multiarch-platforms", "--multiarch-image")


def add_options(parser: pytest.Parser) -> None:
    """Add every `--multiarch-*` option."""
    group = parser.getgroup("multiarch", "container tests on several platforms")
    group.addoption(
        "--multiarch-platforms",
        action="append",
        default=[],
        metavar="PLATFORM,...",
        help="run only these of the platforms that tests declare or that are configured; the "
        "platforms of tests that declare none, if one of these is not configured (repeatable)",
    )
    group.addoption(
        "--multiarch-select-only",
        action="store_true",
        help="have --multiarch-platforms select only, also where one of its platforms is not "
        "configured: what is configured stays the platforms of tests that declare none",
    )
    group.addoption(
        "--multiarch-image",
        action="append",
        default=[],
        metavar="REF|NAME|OLD=NEW",
        help="the image of tests that name none; NAME selects one of the configured images; "
        "OLD=NEW runs NEW wherever OLD is named (repeatable)",
    )
    group.addoption(
        "--multiarch-parity",
        choices=("fail", "report", "off"),
        default="fail",
        help="what a difference between platforms does: fail (default), only be reported, or "
        "off: nothing is compared",
    )
    group.addoption(
        "--multiarch-strict",
        action="store_true",
        help="fail also where nothing could be compared",
    )
    group.addoption(
        "--multiarch-unavailable",
        choices=("error", "skip"),
        default="error",
        help="what a platform that cannot run here is: an error (default), or a skip",
    )
    group.addoption(
        "--multiarch-pull",
        choices=("missing", "always", "never"),
        default="missing",
        help="when images are pulled (default: missing)",
    )
    group.addoption(
        "--multiarch-audit",
        choices=("program", "image", "off"),
        help="before an image's first test, see whether its files are for its platform: what it "
        "starts and has on PATH (program, the default), every file (image), or off",
    )
    group.addoption(
        "--multiarch-record",
        metavar="FILE",
        type=_read_file_name,
        help="write down everything that the run learns, for `pytest-multiarch merge` and "
        "`report`; while it lasts, and if it is killed, in FILE.partial.jsonl",
    )
    group.addoption(
        "--multiarch-report",
        action="append",
        default=[],
        metavar="FORMAT=FILE",
        help="write what the run came to: html, markdown, junit, codequality (of GitLab), badge "
        "(SVG), or a format of another plugin (repeatable)",
    )
    group.addoption(
        "--multiarch-html",
        metavar="FILE",
        type=_read_file_name,
        help="write one HTML page of what the run came to, as --multiarch-report html=FILE does",
    )
    group.addoption(
        "--multiarch-ci",
        choices=("auto", "github", "gitlab", "off"),
        default="auto",
        help="the CI service that is told what the run came to: on GitHub a step summary, "
        "annotations at the tests and groups in the log, on GitLab groups; auto (default) finds "
        "it in the environment",
    )
    group.addoption(
        "--multiarch-control",
        action="store_true",
        help="let control runs, which tell the emulator's cost from the architecture's, reach all "
        "that a command starts: takes containers without a seccomp profile, and Linux 6.7",
    )
    group.addoption(
        "--multiarch-replay",
        type=_read_seconds,
        metavar="SECONDS",
        help="where platforms differ, make the calls of that test again for at most so long, to "
        "tell why; 0 for not at all (default: 10)",
    )
    group.addoption(
        "--multiarch-repeat",
        type=_read_count,
        metavar="N",
        help="make each call N more times when its test has ended, and record what they did: a "
        "merge of records, which can't make calls, tells by that why platforms differ",
    )
    group.addoption(
        "--multiarch-unstable",
        choices=("report", "fail"),
        help="what a difference does in what varies by itself: only be reported (default), or fail",
    )
    group.addoption(
        "--multiarch-durations",
        type=_read_count,
        metavar="N",
        help="list the N slowest tests under emulation, 0 for all (default: 3)",
    )
    group.addoption(
        "--multiarch-compare",
        metavar="RECORD",
        help="print how the overhead changed since an earlier run; RECORD is a file, or a folder "
        "of them",
    )
    group.addoption(
        "--multiarch-compare-fail",
        action="append",
        default=[],
        metavar="ratio:N%%|ratio:N",
        help="with --multiarch-compare: fail where a ratio is greater than before by a part of "
        "itself (ratio:20%%) or by a number (ratio:0.5) (repeatable)",
    )
    group.addoption(
        "--multiarch-merge",
        nargs="+",
        metavar="RECORD",
        help="collect no tests: judge what separate runs recorded, each group of platforms as a "
        "test; a RECORD is a file, or a folder of them",
    )
    group.addoption(
        "--multiarch-ignore-mismatch",
        action="append",
        default=[],
        choices=("commit", "tests", "image"),
        help="with --multiarch-merge, compare also runs of another commit, of other files of "
        "tests, or of other images (repeatable)",
    )
    group.addoption(
        "--multiarch-blame",
        choices=("group", "members"),
        default="group",
        help="report a divergence as a test of its own (default), or on the tests of the "
        "platforms that differ, for tools that know only collected tests",
    )
    group.addoption(
        "--multiarch-collected",
        metavar="FILE",
        help="write the collected groups of platforms to FILE as JSON, for pytest-multiarch matrix",
    )


def _read_count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number")
    return int(text)


def _read_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return seconds


def _read_file_name(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("the name of the file is empty")
    return text


def needs_comparing(config: pytest.Config) -> bool:
    """Whether the run is compared with an earlier one.

    Raises:
        pytest.UsageError: a limit is given, and nothing to compare with.
    """
    record = config.getoption("--multiarch-compare")
    if config.getoption("--multiarch-compare-fail") and not record:
        raise pytest.UsageError(
            "pytest-multiarch: --multiarch-compare-fail: there is nothing to compare with\n"
            "give the record of an earlier run: --multiarch-compare=FILE"
        )
    return bool(record) and not config.option.collectonly


def needs_record(config: pytest.Config) -> bool:
    """Whether the run is recorded in any case: for a file, or for reports that are made of it."""
    return bool(config.getoption("--multiarch-record") or list_reports(config))


def keeps_record(config: pytest.Config) -> bool:
    """Whether the run is recorded once one of our tests runs."""
    return needs_record(config) or tells_github(config)


def find_service(config: pytest.Config) -> str:
    """Give the CI service whose job this is, `off` for none."""
    choice: str = config.getoption("--multiarch-ci")
    if choice != "auto":
        return choice
    return next((name for name, key in _SERVICES.items() if os.environ.get(key) == "true"), "off")


def tells_github(config: pytest.Config) -> bool:
    """Whether GitHub is told what the run comes to; where nothing is compared, that is nothing."""
    return find_service(config) == "github" and config.getoption("--multiarch-parity") != "off"


def list_reports(config: pytest.Config) -> tuple[str, ...]:
    """Give the reports that are asked for, each as FORMAT=FILE."""
    html = config.getoption("--multiarch-html")
    return (*config.getoption("--multiarch-report"), *([f"html={html}"] if html else []))


def needs_check(config: pytest.Config) -> bool:
    """Whether anything is set that could be wrong: an option, or a configuration file."""
    pyproject = config.rootpath / "pyproject.toml"
    return (
        any(config.getoption(name) for name in _PARSED_OPTIONS)
        or (config.rootpath / "multiarch.yaml").is_file()
        or (pyproject.is_file() and b"pytest-multiarch" in pyproject.read_bytes())
    )


def read_settings(config: pytest.Config) -> Settings:
    """Read the settings of a run.

    Raises:
        pytest.UsageError: an option or the configuration file is wrong.
    """
    from pytest_multiarch.core.errors import UsageError
    from pytest_multiarch.core.settings import merge_settings
    from pytest_multiarch.files.config_file import read_config_file

    try:
        return merge_settings(
            read_config_file(config.rootpath),
            platforms=_parse_platforms(config.getoption("--multiarch-platforms")),
            selects_only=config.getoption("--multiarch-select-only"),
            images=config.getoption("--multiarch-image"),
            audit_scope=config.getoption("--multiarch-audit"),
            parity=config.getoption("--multiarch-parity"),
            unavailable=config.getoption("--multiarch-unavailable"),
            pull=config.getoption("--multiarch-pull"),
            blame=config.getoption("--multiarch-blame"),
            strict=config.getoption("--multiarch-strict"),
            control=config.getoption("--multiarch-control"),
            replay=config.getoption("--multiarch-replay"),
            repeat=config.getoption("--multiarch-repeat"),
            unstable=config.getoption("--multiarch-unstable"),
        )
    except UsageError as error:
        raise pytest.UsageError(f"pytest-multiarch: {error}") from None


def _parse_platforms(values: list[str]) -> tuple[Platform, ...]:
    from pytest_multiarch.core.errors import UsageError
    from pytest_multiarch.core.platform import Platform

    words = [word for value in values for word in value.split(",") if word.strip()]
    if values and not words:
        raise UsageError("--multiarch-platforms names no platform")
    try:
        return tuple(dict.fromkeys(Platform.parse(word) for word in words))
    except UsageError as error:
        raise UsageError(f"--multiarch-platforms: {error.what}", cure=error.cure) from None
