"""What engines and registries say, turned into errors with a cure.

The phrasings, and what they mean, are the table in `core/known_messages.py`; here is what also
takes an answer's status, or the name of a program in it.
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
    ProgramNotFoundError,
    WrongArchitectureError,
)
from pytest_multiarch.core.known_message import Occasion, Stage, show_original
from pytest_multiarch.core.known_messages import KNOWN_MESSAGES, find_known
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.reference import DEFAULT_REGISTRY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_multiarch.core.ports import EngineFacts

_PROGRAM = re.compile(
    r'exec: \\?"(?P<runc>(?:[^"\\]|\\.)*?)\\?": '
    r"(?P<why>executable file not found|stat |.*permission denied|.*is a directory"
    r"|.*no such file or directory)"
    r"|executable file `(?P<crun>[^`]*)` not found",
    re.IGNORECASE | re.DOTALL,
)
# dockerd, podman, and podman before 4.4, which writes `{amd64 linux  [] }`.
_OTHER_PLATFORM = re.compile(
    r"(?:resulting image's configured platform|image platform|was found but its platform) "
    r"\((?:(?P<text>\w+/[^)]+)"
    r"|\{(?P<architecture>\w+) (?P<os>\w+) [^\[]*\[\] ?(?P<variant>\w*)\})\) does not match",
    re.IGNORECASE,
)


def explain_pull_failure(
    text: str, *, reference: str, registry: str, platform: Platform | None, node: str
) -> MultiarchError:
    """Turn an engine's words on a failed pull into an error of the right kind."""
    occasion = Occasion(
        reference=reference,
        registry=registry,
        platform=str(platform or "the engine itself"),
        node=node,
    )
    if known := find_known(text, Stage.PULL):
        return known.explain(text, occasion)
    return ImageError(f"{node} could not pull {reference}: {show_original(text)}")


def explain_pull_warning(text: str, *, reference: str, platform: Platform) -> MultiarchError | None:
    """Tell from an engine's warning that it fetched another platform, and called that a success.

    Engines warn of `linux/arm` for `linux/arm/v7` too: what is the same here is no mismatch.
    """
    found = _OTHER_PLATFORM.search(text)
    if found is None or _read_platform(found) == platform:
        return None
    return WrongArchitectureError(
        f"asked for {platform} of {reference}, the engine fetched an image that says it is for "
        f"{_read_platform(found)}: {show_original(text)}",
        cure=f"see what it holds: pytest-multiarch inspect {reference}",
    )


def _read_platform(found: re.Match[str]) -> Platform:
    if found["text"] is not None:
        system, _, rest = found["text"].partition("/")
        return Platform.of_image(system, *rest.split("/", 1))
    return Platform.of_image(found["os"], found["architecture"], found["variant"] or "")


def explain_not_found(text: str, *, reference: str) -> MultiarchError:
    """Say that nobody has the image."""
    return _explain_as("image absent", text, Occasion(reference=reference))


def explain_denied(
    text: str, *, reference: str, registry: str, problem: str = ""
) -> MultiarchError:
    """Say that the registry refuses; `problem` is why no credentials were found, if known."""
    hint = f" ({problem})" if problem else ""
    occasion = Occasion(reference=reference, registry=registry)
    return _explain_as("access denied", f"{text}{hint}", occasion)


def explain_push_denied(
    text: str, *, reference: str, registry: str, has_login: bool, problem: str = ""
) -> ImageAccessError:
    """Say that the registry lets one not push; `has_login`: credentials for it were found."""
    hint = f" ({problem})" if problem else ""
    login = f"docker login {registry}" if registry != DEFAULT_REGISTRY else "docker login"
    if has_login:
        what = f"{registry} rejects the login that is stored for it, or does not let it push to"
        cure = (
            f"log in anew with an account, or a token, that may push there: {login} (in GitHub "
            "Actions: permissions: packages: write)"
        )
    else:
        what = f"no login for {registry} is stored, and without one it lets nobody push to"
        cure = f"log in with an account that may push there: {login}"
    return ImageAccessError(
        f"{what} {reference}: {show_original(text)}{hint}", cure=f"{cure}; the tag is as it was"
    )


def explain_rate_limit(text: str, *, reference: str, registry: str) -> MultiarchError:
    """Say that the registry limits pulls."""
    return _explain_as("rate limit", text, Occasion(reference=reference, registry=registry))


def _explain_as(name: str, text: str, occasion: Occasion) -> MultiarchError:
    """Explain what an HTTP status has told already, whatever the words are."""
    known = next(each for each in KNOWN_MESSAGES if each.name == name)
    return known.explain(text, occasion)


def explain_create_failure(
    text: str, *, reference: str, platform: Platform | None, has_image: bool
) -> MultiarchError:
    """Turn an engine's refusal to create a container into an error of the right kind.

    `has_image`: the engine knows the name all the same. Docker 26 with the containerd store says
    only `No such image` of an image that lacks the platform.
    """
    occasion = Occasion(reference=reference, platform=str(platform or "the engine itself"))
    known = find_known(text, Stage.CREATE)
    if known is None:
        return ContainerError(
            f"a container of {reference} could not be created: {show_original(text)}"
        )
    if known.error is ImageNotFoundError and has_image and platform:
        return _explain_as("platform not on the engine", text, occasion)
    return known.explain(text, occasion)


def explain_load_failure(text: str, *, node: str) -> MultiarchError:
    """Turn an engine's words on an archive that it did not load into an error."""
    if known := find_known(text, Stage.LOAD):
        return known.explain(text, Occasion(node=node))
    return ImageError(f"{node} could not load an image: {show_original(text)}")


def explain_network_failure(text: str) -> MultiarchError:
    """Turn an engine's refusal to make a network into an error."""
    if known := find_known(text, Stage.CREATE):
        return known.explain(text, Occasion())
    return ContainerError(f"a network could not be made: {show_original(text)}")


def explain_dropped_limits(names: Iterable[str], facts: EngineFacts) -> ContainerError:
    """Say that an engine made a container without some limits."""
    why = (
        "a rootless Podman sets limits only on a machine with cgroups v2"
        if facts.product == "Podman"
        else "`docker info` there warns of what its kernel lacks; a Raspberry Pi needs "
        "cgroup_enable=memory in its cmdline.txt"
    )
    return ContainerError(
        f"{facts.node} makes containers without {' and '.join(names)}",
        cure=f"{why}; else leave them out",
    )


def explain_start_failure(text: str) -> MultiarchError:
    """Turn a runtime's refusal to start a program into an error of the right kind."""
    if found := _PROGRAM.search(text):
        program = found.group("runc") or found.group("crun") or ""
        return explain_missing_program(program, why=_describe_program(found))
    if known := find_known(text, Stage.START):
        return known.explain(text, Occasion())
    return ContainerError(f"the container could not be started: {show_original(text)}")


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


def explain_unreachable(
    address: str, origin: str, error: BaseException, *, said: str = ""
) -> EngineError:
    """Say that no engine answers, why, and what to do about it; `said` is by the way to it."""
    if isinstance(next(_walk_os_errors(error), None), PermissionError):
        return EngineError(
            f"no permission to use the engine at {address} (from {origin})",
            cure="join the docker group (sudo usermod -aG docker $USER, then log in again), "
            "or set DOCKER_HOST to an engine of your own",
        )
    return EngineError(
        f"no Docker engine answers at {address} (from {origin}): "
        f"{show_original(said) if said else describe_cause(error)}",
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
