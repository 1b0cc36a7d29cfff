"""What engines and registries say, turned into errors with a cure.

Engines say the same thing differently in every version and store; the phrasings here are those
of dockerd 20.10 to 29 with either image store, containerd, podman, runc and crun.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.errors import (
    ContainerError,
    EngineError,
    ImageAccessError,
    ImageError,
    ImageNotFoundError,
    MultiarchError,
    PlatformMissingError,
    ProgramNotFoundError,
)
from pytest_multiarch.core.reference import DEFAULT_REGISTRY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_multiarch.core.platform import Platform

_PLATFORM_MISSING = re.compile(
    r"no matching manifest for"
    r"|no match for platform in manifest"
    r"|no image found in (image index|manifest list) for"
    r"|was found but (its platform \([^)]*\) )?does not (match|provide)"
    r"|no suitable export target found",
    re.IGNORECASE,
)
_RATE_LIMITED = re.compile(r"toomanyrequests|too many requests|pull rate limit", re.IGNORECASE)
_ACCESS_DENIED = re.compile(
    r"pull access denied|access to the resource is denied|unauthorized|authentication required"
    r"|insufficient_scope|authorization failed|no basic auth credentials|\bdenied\b"
    r"|40[13] (unauthorized|forbidden)",
    re.IGNORECASE,
)
_UNREACHABLE = re.compile(
    r"connection refused|no such host|i/o timeout|dial tcp|tls: |x509|server gave http response"
    r"|network is unreachable|no route to host|deadline exceeded|connection reset|unexpected eof",
    re.IGNORECASE,
)
_NOT_FOUND = re.compile(
    r"manifest unknown|name unknown|no such image|not found|unknown image|image not known",
    re.IGNORECASE,
)
_PROGRAM = re.compile(
    r'exec: \\?"(?P<runc>(?:[^"\\]|\\.)*?)\\?": '
    r"(?P<why>executable file not found|stat |.*permission denied|.*is a directory"
    r"|.*no such file or directory)"
    r"|executable file `(?P<crun>[^`]*)` not found",
    re.IGNORECASE | re.DOTALL,
)


def explain_pull_failure(
    text: str, *, reference: str, registry: str, platform: Platform | None, node: str
) -> MultiarchError:
    """Turn an engine's words on a failed pull into an error of the right kind."""
    if _PLATFORM_MISSING.search(text):
        return PlatformMissingError(
            f"{reference} has no variant for {platform or 'the engine itself'}: {text}",
            cure=f"see which platforms it has: docker buildx imagetools inspect {reference}",
        )
    if _RATE_LIMITED.search(text):
        return explain_rate_limit(text, reference=reference, registry=registry)
    if _ACCESS_DENIED.search(text):
        return explain_denied(text, reference=reference, registry=registry)
    if _NOT_FOUND.search(text) and not _UNREACHABLE.search(text):
        return explain_not_found(text, reference=reference)
    if _UNREACHABLE.search(text):
        return EngineError(
            f"{node} could not pull {reference}: {text}",
            cure=f"check that {registry} can be reached from the engine; a registry without TLS "
            "has to be listed in the engine's insecure-registries",
        )
    return ImageError(f"{node} could not pull {reference}: {text}")


def explain_not_found(text: str, *, reference: str) -> ImageNotFoundError:
    """Say that nobody has the image."""
    return ImageNotFoundError(
        f"{reference} does not exist: {text}",
        cure="check the name and the tag; an image built locally has to be in this engine "
        f"(docker image inspect {reference})",
    )


def explain_denied(
    text: str, *, reference: str, registry: str, problem: str = ""
) -> ImageAccessError:
    """Say that the registry refuses; `problem` is why no credentials were found, if known."""
    hint = f" ({problem})" if problem else ""
    return ImageAccessError(
        f"{registry} refuses {reference}: {text}{hint}",
        cure=f"run `{write_login(registry)}`, or check the name: registries also answer so for "
        "a repository that does not exist",
    )


def explain_rate_limit(text: str, *, reference: str, registry: str) -> ImageAccessError:
    """Say that the registry limits pulls."""
    return ImageAccessError(
        f"{registry} limits how often it is asked, and refuses {reference}: {text}",
        cure=f"run `{write_login(registry)}` for a higher limit, wait, or use a mirror",
    )


def write_login(registry: str) -> str:
    """Write the command that logs in to a registry."""
    return "docker login" if registry == DEFAULT_REGISTRY else f"docker login {registry}"


def explain_create_failure(
    text: str, status: int, *, reference: str, platform: Platform | None, has_image: bool
) -> MultiarchError:
    """Turn an engine's refusal to create a container into an error of the right kind.

    `has_image`: the engine knows the name all the same. Docker 26 with the containerd store says
    only `No such image` of an image that lacks the platform.
    """
    if _PLATFORM_MISSING.search(text) or (status == 404 and has_image and platform):
        return PlatformMissingError(
            f"the engine has {reference}, but not for {platform}: {text}",
            cure=f"docker pull --platform {platform} {reference}",
        )
    if status == 404 and _NOT_FOUND.search(text):
        return explain_not_found(text, reference=reference)
    what = f"a container of {reference} could not be created: {text}"
    return ContainerError(what, cure=_find_setting_cure(text))


# What an engine says of a wrong setting, and what to do about it.
_SETTING_CURES = (
    (r"unable to find (?:user|group)", "name one that the image has, or numbers: user='1000:1000'"),
    (r"network \S+ not found", "make it with docker network create, or leave network= out"),
    (r"needs to be an absolute path", "workdir= starts with a slash"),
)


def _find_setting_cure(text: str) -> str:
    return next((cure for pattern, cure in _SETTING_CURES if re.search(pattern, text)), "")


def explain_start_failure(text: str) -> ContainerError:
    """Turn a runtime's refusal to start a program into an error of the right kind."""
    found = _PROGRAM.search(text)
    if found is None:
        what = f"the container could not be started: {text}"
        return ContainerError(what, cure=_find_setting_cure(text))
    program = found.group("runc") or found.group("crun") or ""
    return explain_missing_program(program, why=_describe_program(found))


def explain_exec_failure(document: Mapping[str, Any]) -> ProgramNotFoundError | None:
    """Tell from an exec's inspection whether its program never started.

    The engine reports that in the output only, with exit code 126 or 127, which a program can
    do as well; but what never started has no process id.
    """
    if document.get("ExitCode") not in (126, 127) or document.get("Pid"):
        return None
    program = str((document.get("ProcessConfig") or {}).get("entrypoint") or "")
    # Docker before 28 says 126 for a missing program too.
    is_missing = document["ExitCode"] == 127
    why = "is not in the image" if is_missing else "is not in the image, or not executable"
    return explain_missing_program(program, why=why)


def _describe_program(found: re.Match[str]) -> str:
    why = (found.group("why") or "").lower()
    if "permission denied" in why:
        return "is not executable (permission denied)"
    if "is a directory" in why:
        return "is a folder"
    return "is not in the image"


def explain_missing_program(program: str, *, why: str) -> ProgramNotFoundError:
    """Say that a program is missing, with a hint when several words were given as one."""
    words = _split(program)
    if len(words) > 1:
        cure = f"words are separate arguments: write {', '.join(map(repr, words))}"
    else:
        cure = (
            "give a path, or a name that is on the image's PATH; the image's entrypoint comes "
            "before the command unless entrypoint= says otherwise"
        )
    return ProgramNotFoundError(f"the program {program!r} {why}", cure=cure)


def _split(program: str) -> list[str]:
    try:
        return shlex.split(program)
    except ValueError:
        return program.split()


def explain_unreachable(address: str, origin: str, error: BaseException) -> EngineError:
    """Say that no engine answers, why, and what to do about it."""
    if isinstance(next(_walk_os_errors(error), None), PermissionError):
        return EngineError(
            f"no permission to use the engine at {address} (from {origin})",
            cure="join the docker group (sudo usermod -aG docker $USER, then log in again), "
            "or set DOCKER_HOST to an engine of your own",
        )
    return EngineError(
        f"no Docker engine answers at {address} (from {origin}): {describe_cause(error)}",
        cure="start Docker, or set DOCKER_HOST or DOCKER_CONTEXT to an engine that runs",
    )


def explain_unreachable_registry(registry: str, error: BaseException) -> EngineError:
    """Say that a registry does not answer from here."""
    return EngineError(
        f"the registry {registry} cannot be reached from here: {describe_cause(error)}",
        cure="check the name, the network and the proxy settings; a registry without TLS has to be "
        "listed in the engine's insecure-registries",
    )


def describe_cause(error: BaseException) -> str:
    """Say in the system's words what is behind an error of requests or urllib3."""
    cause = next(_walk_os_errors(error), None)
    return str(error) if cause is None else cause.strerror or str(cause)


def _walk_os_errors(error: BaseException) -> Iterator[OSError]:
    """Find the errors of the system inside requests' and urllib3's wrappings, innermost first."""
    inner = [each for each in error.args if isinstance(each, BaseException)]
    inner += [each for each in (error.__cause__, error.__context__) if each is not None]
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):
        inner.append(reason)
    for each in inner:
        yield from _walk_os_errors(each)
    if isinstance(error, OSError) and error.errno is not None:
        yield error
