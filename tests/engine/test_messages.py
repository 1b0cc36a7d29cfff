"""What engines say, in the words of every version, turned into errors with a cure."""

from __future__ import annotations

import pytest

from pytest_multiarch.core.errors import (
    ContainerError,
    EngineError,
    ImageAccessError,
    ImageError,
    ImageNotFoundError,
    PlatformMissingError,
    ProgramNotFoundError,
)
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.engine.messages import (
    explain_create_failure,
    explain_exec_failure,
    explain_pull_failure,
    explain_start_failure,
    explain_unreachable,
)

S390X = Platform.parse("s390x")
FOUND = "image with reference x was found"
ANY = "sha256:" + "a" * 64
PLATFORM_MISSING = [
    "no matching manifest for linux/s390x in the manifest list entries",
    "no match for platform in manifest: not found",
    "no matching manifest for linux/s390x in the manifest list entries: no match: not found",
    f"no match for platform in manifest {ANY}: not found",
    'no image found in image index for architecture "s390x", variant "", OS "linux"',
    'no image found in manifest list for architecture "s390x", variant "", OS "linux"',
]
ABSENT = [
    "manifest for x/y:1 not found: manifest unknown: manifest unknown",
    "manifest unknown: manifest unknown",
    'failed to resolve reference "x/y:1": x/y:1: not found',
    "repository x/y not found",
]
DENIED = [
    "pull access denied for x/y, repository does not exist or may require 'docker login'",
    "denied: requested access to the resource is denied",
    "pull access denied, repository does not exist or may require authorization",
    "server message: insufficient_scope: authorization failed",
    "unauthorized: authentication required",
    "Get https://x/v2/: no basic auth credentials",
    "unexpected status from HEAD request to https://x/v2/y/manifests/1: 403 Forbidden",
]
UNREACHABLE = [
    'Get "https://x:5000/v2/": dial tcp 127.0.0.1:1: connect: connection refused',
    'Get "https://x/v2/": dial tcp: lookup x: no such host',
    'Get "https://x/v2/": http: server gave HTTP response to HTTPS client',
    'Get "https://x/v2/": x509: certificate signed by unknown authority',
]


def explain_pull(text: str) -> Exception:
    return explain_pull_failure(
        text, reference="x/y:1", registry="x.org", platform=S390X, node="unix:///n"
    )


@pytest.mark.parametrize(
    ("text", "kind"),
    [(text, PlatformMissingError) for text in PLATFORM_MISSING]
    + [(text, ImageNotFoundError) for text in ABSENT]
    + [(text, ImageAccessError) for text in DENIED]
    + [(text, EngineError) for text in UNREACHABLE]
    + [("toomanyrequests: You have reached your unauthenticated pull rate limit", ImageAccessError)]
    + [("something new", ImageError)],
)
def test_a_failed_pull_is_of_the_right_kind(text: str, kind: type[Exception]) -> None:
    error = explain_pull(text)
    assert type(error) is kind
    assert text in str(error)
    assert "x/y:1" in str(error)


def test_a_refusal_names_the_login_command() -> None:
    assert "`docker login x.org`" in explain_pull(DENIED[0]).cure


@pytest.mark.parametrize(
    "text",
    [
        f"{FOUND} but its platform (linux/amd64) does not match the specified platform (x)",
        f"{FOUND} but does not match the specified platform: wanted linux/s390x, actual: x",
        f"{FOUND} but does not provide the specified platform (linux/s390x)",
    ],
)
def test_a_local_image_of_another_platform_is_told(text: str) -> None:
    error = explain_create_failure(text, 404, reference="x", platform=S390X, has_image=False)
    assert type(error) is PlatformMissingError
    assert "docker pull --platform linux/s390x x" in error.cure


@pytest.mark.parametrize(
    ("has_image", "kind"), [(True, PlatformMissingError), (False, ImageNotFoundError)]
)
def test_docker_26_says_the_same_of_both(has_image: bool, kind: type[Exception]) -> None:
    text = "No such image: x"
    error = explain_create_failure(text, 404, reference="x", platform=S390X, has_image=has_image)
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
