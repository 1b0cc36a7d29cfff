"""What engines say, where more than their words counts. The words: core/test_known_messages.py."""

from __future__ import annotations

import pytest

from pytest_multiarch.core.errors import (
    ContainerError,
    ImageError,
    ImageNotFoundError,
    PlatformMissingError,
    ProgramNotFoundError,
    WrongArchitectureError,
)
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.engine.messages import (
    explain_create_failure,
    explain_denied,
    explain_exec_failure,
    explain_pull_failure,
    explain_pull_warning,
    explain_start_failure,
    explain_unreachable,
)

S390X = Platform.parse("s390x")
DENIED = "denied: requested access to the resource is denied"


def explain_pull(text: str) -> Exception:
    return explain_pull_failure(
        text, reference="x/y:1", registry="x.org", platform=S390X, node="unix:///n"
    )


def test_what_nobody_knows_is_passed_on() -> None:
    error = explain_pull("something new")
    assert type(error) is ImageError
    assert str(error) == "unix:///n could not pull x/y:1: something new"


def test_a_refusal_names_the_login_command() -> None:
    assert "`docker login x.org`" in explain_pull(DENIED).cure


def test_a_problem_with_the_logins_is_told_with_the_refusal() -> None:
    error = explain_denied(DENIED, reference="x/y:1", registry="x.org", problem="no helper")
    assert error.what == f"x.org refuses x/y:1: {DENIED} (no helper)"


@pytest.mark.parametrize(
    "text",
    [
        (
            "WARNING: Pulled image with specified platform (linux/s390x), but the resulting "
            "image's configured platform (linux/amd64) does not match."
        ),
        (
            "WARNING: image with reference x:1 was found but its platform (linux/amd64) does not "
            "match the specified platform (linux/s390x)"
        ),
        "WARNING: image platform (linux/amd64) does not match the expected platform (linux/s390x)",
        (
            "WARNING: image platform ({amd64 linux  [] }) does not match the expected platform "
            "({s390x linux  [] })"
        ),
    ],
)
def test_a_warning_of_another_platform_is_an_error(text: str) -> None:
    error = explain_pull_warning(text, reference="x:1", platform=S390X)
    assert type(error) is WrongArchitectureError
    assert error.what.startswith(
        "asked for linux/s390x of x:1, the engine fetched an image that says it is for "
        "linux/amd64: WARNING"
    )


@pytest.mark.parametrize(
    "text",
    [
        (
            "WARNING: Pulled image with specified platform (linux/arm/v7), but the resulting "
            "image's configured platform (linux/arm) does not match."
        ),
        "WARNING: image platform ({arm linux  [] v7}) does not match the expected platform ({})",
        "WARNING: something else",
    ],
)
def test_a_warning_of_the_same_platform_is_none(text: str) -> None:
    platform = Platform.parse("linux/arm/v7")
    assert explain_pull_warning(text, reference="x:1", platform=platform) is None


@pytest.mark.parametrize(
    ("has_image", "kind"), [(True, PlatformMissingError), (False, ImageNotFoundError)]
)
def test_docker_26_says_the_same_of_both(has_image: bool, kind: type[Exception]) -> None:
    text = "No such image: x"
    error = explain_create_failure(text, reference="x", platform=S390X, has_image=has_image)
    assert type(error) is kind


RUNC = "failed to create task for container: failed to create shim task: OCI runtime create failed"


@pytest.mark.parametrize(
    ("text", "program", "why"),
    [
        (f'{RUNC}: exec: "app": executable file not found in $PATH', "'app'", "not in the image"),
        (
            f'{RUNC}: exec: "/x/app": stat /x/app: no such file or directory: unknown',
            "'/x/app'",
            "not in the image",
        ),
        (
            'starting container process caused: exec: "/data": permission denied: unknown',
            "'/data'",
            "not executable",
        ),
        (f'{RUNC}: exec: "/etc": is a directory: unknown', "'/etc'", "is a folder"),
        ("crun: executable file `app` not found in $PATH", "'app'", "not in the image"),
    ],
)
def test_a_missing_program_is_told_by_its_name(text: str, program: str, why: str) -> None:
    error = explain_start_failure(text)
    assert type(error) is ProgramNotFoundError
    assert program in error.what
    assert why in error.what


@pytest.mark.parametrize(
    "text",
    [
        f'{RUNC}: chdir to cwd ("/gone") set in config.json failed: no such file or directory',
        "Bind for 0.0.0.0:80 failed: port is already allocated",
        "unable to find user me: no matching entries in passwd file",
    ],
)
def test_other_refusals_are_not_taken_for_missing_programs(text: str) -> None:
    error = explain_start_failure(text)
    assert type(error) is ContainerError
    assert text in error.what


def test_words_in_one_argument_get_a_hint() -> None:
    error = explain_start_failure('exec: "redis-cli -p 1 ping": executable file not found in $PATH')
    assert error.cure == "words are separate arguments: write 'redis-cli', '-p', '1', 'ping'"


def test_a_network_that_is_missing_is_no_missing_platform() -> None:
    text = "network nowhere not found"
    error = explain_create_failure(text, reference="x", platform=S390X, has_image=True)
    assert type(error) is ContainerError
    assert "docker network create" in error.cure


def test_an_exec_that_ran_is_not_taken_for_a_missing_program() -> None:
    assert explain_exec_failure({"ExitCode": 127, "Pid": 4711}) is None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (FileNotFoundError(2, "No such file or directory"), "No such file or directory"),
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (PermissionError(13, "Permission denied"), "docker group"),
    ],
)
def test_an_unreachable_engine_is_explained(error: OSError, expected: str) -> None:
    wrapped = RuntimeError("Connection aborted.", error)
    text = str(explain_unreachable("unix:///n", "DOCKER_HOST", wrapped))
    assert expected in text
    assert "unix:///n" in text
    assert "DOCKER_HOST" in text
