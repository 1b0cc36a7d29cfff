"""Every message verbatim, as engines, registries, runtimes and builders print it."""

from __future__ import annotations

import pytest

from pytest_multiarch.core.errors import (
    ContainerError,
    EngineError,
    ImageAccessError,
    ImageError,
    ImageNotFoundError,
    MultiarchError,
    PlatformMissingError,
    PlatformUnavailableError,
    ProgramNotFoundError,
    UsageError,
    WrongArchitectureError,
)
from pytest_multiarch.core.known_message import Occasion, Stage, show_original
from pytest_multiarch.core.known_messages import KNOWN_MESSAGES, find_known, find_last_words

DIGEST = "sha256:" + "a" * 64
FOUND = "image with reference x:1 was found"
HUB = "https://registry-1.docker.io/v2"
OCCASION = Occasion(reference="x:1", platform="linux/arm64", registry="x.org", node="unix:///n")

Row = tuple[str, Stage, type[MultiarchError], str]
PLATFORM: list[Row] = [
    ("platform not in the index", Stage.PULL, PlatformMissingError, text)
    for text in (
        "no matching manifest for linux/arm64/v8 in the manifest list entries",
        "no match for platform in manifest: not found",
        (
            "no matching manifest for linux/riscv64 in the manifest list entries: "
            "no match for platform in manifest: not found"
        ),
        f"no match for platform in manifest {DIGEST}: not found",
        (
            "choosing an image from manifest list docker://x/y:1: no image found in image "
            'index for architecture "arm64", variant "", OS "linux"'
        ),
        'no image found in manifest list for architecture "arm64", variant "", OS "linux"',
    )
]
NOT_HERE: list[Row] = [
    ("platform not on the engine", stage, PlatformMissingError, text)
    for stage, text in (
        (
            Stage.CREATE,
            (
                f"{FOUND} but does not match the specified platform: wanted linux/arm64, "
                "actual: linux/amd64"
            ),
        ),
        (
            Stage.CREATE,
            f"{FOUND} but does not match the specified platform: wanted linux/arm64, actual: nil",
        ),
        (
            Stage.CREATE,
            (
                f"{FOUND} but its platform (linux/amd64) does not match the specified platform "
                "(linux/arm64)"
            ),
        ),
        (Stage.CREATE, f"{FOUND} but does not provide the specified platform (linux/arm64)"),
        (Stage.CREATE, f"{FOUND} but does not provide any platform"),
        (
            Stage.REQUEST,
            (
                f"no suitable export target found: {FOUND} but does not provide the specified "
                "platform (linux/arm64)"
            ),
        ),
        (Stage.REQUEST, "no suitable export target found for platform linux/riscv64"),
    )
]
BAD_PLATFORM: list[Row] = [
    ("bad platform", Stage.PULL, UsageError, text)
    for text in (
        '"foo": unknown operating system or architecture: invalid argument',
        (
            '"x y" is an invalid component of "linux/x y": platform specifier component must match '
            '"^[A-Za-z0-9_.-]+$": invalid argument'
        ),
        (
            '"x y" is an invalid OS component of "x y/amd64": OSAndVersion specifier component '
            "must match"
        ),
        '"linux/*": wildcards not yet supported: invalid argument',
        '"a/b/c/d": cannot parse platform specifier: invalid argument',
        "error parsing specified platform: x",
        "invalid platform: x",
    )
]
REGISTRY: list[Row] = [
    *(
        ("access denied", Stage.PULL, ImageAccessError, text)
        for text in (
            "pull access denied for x/y, repository does not exist or may require 'docker login'",
            (
                "pull access denied for x, repository does not exist or may require "
                "'docker login': denied: requested access to the resource is denied"
            ),
            (
                "pull access denied, repository does not exist or may require authorization: "
                "server message: insufficient_scope: authorization failed"
            ),
            "unauthorized: authentication required",
            "Get https://1.dkr.ecr.eu-west-1.amazonaws.com/v2/x: no basic auth credentials",
            "unexpected status from HEAD request to https://x/v2/y/manifests/1: 403 Forbidden",
        )
    ),
    *(
        ("rate limit", Stage.PULL, ImageAccessError, text)
        for text in (
            (
                "toomanyrequests: You have reached your unauthenticated pull rate limit. "
                "https://www.docker.com/increase-rate-limit"
            ),
            "toomanyrequests: You have reached your pull rate limit.",
            "429 Too Many Requests - Server message: toomanyrequests",
        )
    ),
    *(
        ("image absent", Stage.PULL, ImageNotFoundError, text)
        for text in (
            "manifest for x/y:1 not found: manifest unknown: manifest unknown",
            "manifest unknown: manifest unknown",
            'failed to resolve reference "x/y:1": x/y:1: not found',
            "repository x/y not found",
            "repository name not known to registry: name unknown",
        )
    ),
    *(
        ("registry unreachable", Stage.PULL, EngineError, text)
        for text in (
            'Get "https://x:5000/v2/": dial tcp 127.0.0.1:1: connect: connection refused',
            (
                f'failed to resolve reference "docker.io/x:1": failed to do request: Head "{HUB}'
                '/library/x/manifests/1": dial tcp: lookup registry-1.docker.io: no such host'
            ),
            'Get "https://x/v2/": http: server gave HTTP response to HTTPS client',
            'Get "https://x/v2/": x509: certificate signed by unknown authority',
            'Get "https://x/v2/": context deadline exceeded',
        )
    ),
]
OTHERS: list[Row] = [
    ("several platforms at once", Stage.PULL, UsageError, "multiple platforms is not supported"),
    ("digest kept already", Stage.PULL, ImageError, f"Cannot overwrite digest {DIGEST}"),
    ("digest kept already", Stage.PULL, ImageError, f"cannot overwrite digest {DIGEST}"),
    (
        "archive of several platforms on the classic store",
        Stage.LOAD,
        ImageError,
        "open /var/lib/docker/tmp/docker-import-4078439294/repositories: no such file or directory",
    ),
    (
        "archive of several platforms on the classic store",
        Stage.LOAD,
        ImageError,
        "open /var/lib/docker/tmp/docker-import-930075426/blobs/json: no such file or directory",
    ),
    (
        "archive of several platforms on the classic store",
        Stage.LOAD,
        ImageError,
        "cannot load a manifest list",
    ),
    ("archive without the platform", Stage.LOAD, ImageError, "image might be filtered out"),
    ("image not on the engine", Stage.CREATE, ImageNotFoundError, "No such image: x:1"),
    ("image not on the engine", Stage.CREATE, ImageNotFoundError, "x:1: image not known"),
    (
        "image not on the engine",
        Stage.CREATE,
        ImageNotFoundError,
        f"content digest {DIGEST}: not found",
    ),
    (
        "no such user",
        Stage.START,
        ContainerError,
        "unable to find user me: no matching entries in passwd file",
    ),
    ("no such network", Stage.START, ContainerError, "network nowhere not found"),
    (
        "no such source",
        Stage.CREATE,
        ContainerError,
        'invalid mount config for type "bind": bind source path does not exist: /data',
    ),
    (
        "no such source",
        Stage.START,
        ContainerError,
        "statfs /data: no such file or directory",
    ),
    (
        "no subnet left",
        Stage.CREATE,
        ContainerError,
        (
            "could not find an available, non-overlapping IPv4 address pool among the defaults to "
            "assign to the network"
        ),
    ),
    (
        "no subnet left",
        Stage.CREATE,
        ContainerError,
        "all predefined address pools have been fully subnetted",
    ),
    (
        "relative folder",
        Stage.CREATE,
        ContainerError,
        "the working directory 'x' is invalid, it needs to be an absolute path",
    ),
    (
        "program refused at start",
        Stage.START,
        WrongArchitectureError,
        (
            "OCI runtime exec failed: exec failed: unable to start container process: exec "
            "/bin/sh: exec format error: unknown"
        ),
    ),
]
BUILD: list[Row] = [
    *(
        ("build for several platforms on the classic store", Stage.BUILD, ImageError, text)
        for text in (
            "ERROR: docker exporter does not currently support exporting manifest lists",
            (
                "docker exporter does not support exporting manifest lists, use the oci exporter "
                "instead"
            ),
            (
                "multiple platforms feature is currently not supported for docker driver. Please "
                'switch to a different driver (eg. "docker buildx create --use")'
            ),
            (
                "Multi-platform build is not supported for the docker driver.\nSwitch to a "
                "different driver, or turn on the containerd image store, and try again."
            ),
        )
    ),
    (
        "cache export on the classic store",
        Stage.BUILD,
        ImageError,
        "ERROR: failed to build: Cache export is not supported for the docker driver.",
    ),
    (
        "build without an emulator",
        Stage.BUILD,
        PlatformUnavailableError,
        "no support for running processes with linux/amd64/v4 platform, supported: linux/amd64",
    ),
    (
        "build without an emulator",
        Stage.BUILD,
        PlatformUnavailableError,
        ".buildkit_qemu_emulator: Could not open '/lib/ld-linux-aarch64.so.1'",
    ),
    (
        "build step of another architecture",
        Stage.BUILD,
        WrongArchitectureError,
        "exec /bin/sh: exec format error",
    ),
    (
        "build step failed",
        Stage.BUILD,
        ImageError,
        (
            'failed to solve: process "/bin/sh -c apt-get update" did not complete successfully: '
            "exit code: 100"
        ),
    ),
    (
        "other platform fetched",
        Stage.BUILD,
        WrongArchitectureError,
        (
            'InvalidBaseImagePlatform: Base image x was pulled with platform "linux/amd64", '
            'expected "linux/arm64" for current build'
        ),
    ),
    (
        "platform not in the index",
        Stage.BUILD,
        PlatformMissingError,
        (
            "failed to solve: x:1: failed to resolve source metadata for docker.io/library/x:1: no "
            f"match for platform in manifest {DIGEST}: not found"
        ),
    ),
    (
        "image absent",
        Stage.BUILD,
        ImageNotFoundError,
        (
            "failed to solve: x:1: failed to resolve source metadata for docker.io/library/x:1: "
            "docker.io/library/x:1: not found"
        ),
    ),
    (
        "build failed",
        Stage.BUILD,
        ImageError,
        "failed to solve: dockerfile parse error on line 1: unknown instruction: FORM",
    ),
]
SAID = [*PLATFORM, *NOT_HERE, *BAD_PLATFORM, *REGISTRY, *OTHERS, *BUILD]

REFUSED = ("program refused", WrongArchitectureError)
NO_LOADER = ("loader missing", ProgramNotFoundError)
NO_EMULATED_LOADER = ("loader missing under emulation", ProgramNotFoundError)
LAST_WORDS = [
    (*REFUSED, 1, "exec /bin/sh: exec format error\n"),
    (*REFUSED, 255, "exec /bin/sh: exec format error"),
    (*REFUSED, 1, 'standard_init_linux.go:178: exec user process caused "exec format error"\n'),
    (*REFUSED, 1, "standard_init_linux.go:228: exec user process caused: exec format error\n"),
    (*REFUSED, 1, "[FATAL tini (7)] exec sh failed: Exec format error\n"),
    (
        *REFUSED,
        126,
        '{"msg":"exec container process `/bin/sh`: Exec format error","level":"error","time":"t"}',
    ),
    (*REFUSED, 126, "OCI runtime exec failed: exec failed: /x: exec format error: unknown\n"),
    (*NO_LOADER, 1, "exec /probe: no such file or directory\n"),
    (*NO_LOADER, 255, "exec /probe: no such file or directory\n"),
    (
        *NO_LOADER,
        1,
        "standard_init_linux.go:228: exec user process caused: no such file or directory\n",
    ),
    (
        *NO_LOADER,
        1,
        'standard_init_linux.go:178: exec user process caused "no such file or directory"\n',
    ),
    (*NO_LOADER, 127, "[FATAL tini (7)] exec /probe failed: No such file or directory\n"),
    (
        *NO_LOADER,
        127,
        (
            '{"msg":"exec container process (missing dynamic library?) `/app`: No such file or '
            'directory","level":"error","time":"t"}\n'
        ),
    ),
    (
        *NO_EMULATED_LOADER,
        255,
        "aarch64-binfmt-P: Could not open '/lib/ld-linux-aarch64.so.1': No such file or directory",
    ),
    (
        *NO_EMULATED_LOADER,
        255,
        (
            "qemu-aarch64-static: Could not open '/lib/ld-musl-aarch64.so.1': No such file or "
            "directory\n"
        ),
    ),
    (
        *NO_EMULATED_LOADER,
        133,
        "rosetta error: failed to open elf at /lib64/ld-linux-x86-64.so.2\n Trace/breakpoint trap",
    ),
]


@pytest.mark.parametrize(("name", "stage", "kind", "text"), SAID)
def test_a_message_is_recognized(
    name: str, stage: Stage, kind: type[MultiarchError], text: str
) -> None:
    known = find_known(text, stage)
    assert known is not None
    assert known.name == name
    error = known.explain(text, OCCASION)
    assert type(error) is kind
    assert text in error.what
    assert error.cure


@pytest.mark.parametrize(("name", "stage", "kind", "text"), SAID)
def test_case_does_not_matter(
    name: str, stage: Stage, kind: type[MultiarchError], text: str
) -> None:
    known = find_known(text.swapcase(), stage)
    assert known is not None
    assert known.name == name


@pytest.mark.parametrize(("name", "kind", "exit_code", "output"), LAST_WORDS)
def test_last_words_are_recognized(
    name: str, kind: type[MultiarchError], exit_code: int, output: str
) -> None:
    known = find_last_words(output, exit_code)
    assert known is not None
    assert known.name == name
    error = known.explain(output, OCCASION)
    assert type(error) is kind
    assert error.what.startswith("linux/arm64: ")
    assert output.strip() in error.what


@pytest.mark.parametrize(
    ("output", "exit_code"),
    [
        ("exec /app: exec format error\n", 0),
        ("exec /app: exec format error\nand more\n", 1),
        ("result\nexec /app: exec format error\n", 1),
        ("sh: exec: line 1: /app: not found\n", 127),
        ("exec app: no such file or directory\n", 1),
        ("cat: /x: No such file or directory\n", 1),
        ("qemu-img: Could not open '/x.qcow2': No such file or directory\nusage\n", 1),
        ("fork/exec /app: exec format error", 1),
    ],
)
def test_a_programs_own_words_are_its_own(output: str, exit_code: int) -> None:
    assert find_last_words(output, exit_code) is None


def test_every_row_is_heard_in_these_tests() -> None:
    heard = {name for name, *_ in SAID} | {name for name, *_ in LAST_WORDS}
    assert {each.name for each in KNOWN_MESSAGES} == heard


def test_a_message_of_another_stage_means_nothing() -> None:
    assert find_known("network nowhere not found", Stage.REQUEST) is None


def test_what_is_not_known_stands_as_a_placeholder() -> None:
    known = find_known("no suitable export target found", Stage.REQUEST)
    assert known is not None
    assert known.explain("x", Occasion()).cure == "docker pull --platform PLATFORM IMAGE"


def test_braces_of_others_are_no_templates() -> None:
    known = find_known("no matching manifest for {node} {x}", Stage.PULL)
    assert known is not None
    error = known.explain("no matching manifest for {node} {x}", Occasion(reference="{login}"))
    assert error.what == (
        "{login} has no variant for PLATFORM: no matching manifest for {node} {x}"
    )


def test_the_original_is_bounded_and_without_control_characters() -> None:
    assert show_original("a\x1b[31mb\nc\r\n") == "a\\x1b[31mb\nc"
    assert len(show_original("x" * 100_000)) == 2000
