"""What engines, registries, runtimes and builders say, and what that means here: one table.

They say the same thing differently in every version and image store. The phrasings are those of
dockerd 19.03 to 29 with either store, containerd, podman and skopeo, runc and crun, QEMU, buildx
and BuildKit. The first row that fits counts, so that what is special comes before what is general.
"""

from __future__ import annotations

import re

from pytest_multiarch.core.errors import (
    ContainerError,
    EngineError,
    ImageAccessError,
    ImageError,
    ImageNotFoundError,
    PlatformMissingError,
    PlatformUnavailableError,
    ProgramNotFoundError,
    UsageError,
    WrongArchitectureError,
)
from pytest_multiarch.core.known_message import KnownMessage, Stage


def find_known(text: str, stage: Stage) -> KnownMessage | None:
    """Find the row for what was said at a stage; None if it is not known."""
    fitting = (each for each in KNOWN_MESSAGES if stage in each.stages)
    return next((each for each in fitting if each.pattern.search(text)), None)


def find_last_words(output: str, exit_code: int | None) -> KnownMessage | None:
    """Find the row for all that a container or an exec printed before it ended."""
    output = output.strip()
    fitting = (each for each in KNOWN_MESSAGES if exit_code in each.exit_codes)
    return next((each for each in fitting if each.pattern.fullmatch(output)), None)


def _phrasings(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_EMULATOR_CURE = (
    "add an emulator: docker run --privileged --rm tonistiigi/binfmt --install all "
    "(pytest-multiarch doctor says what there is)"
)
_STORE_CURE = (
    'turn on Docker\'s containerd image store ({{"features": {{"containerd-snapshotter": true}}}} '
    "in /etc/docker/daemon.json)"
)
# Podman's own words after those of its runtime, in the output of an exec.
_PODMAN = r"(\nError: read unixpacket [^\n]*)?"
# runc before 1.2 and tini end with 1, later runc with 255, crun and the docker command with 126.
_REFUSED_CODES = (1, 126, 255)

KNOWN_MESSAGES = (
    # The platform
    KnownMessage(
        name="bad platform",
        stages=(Stage.PULL, Stage.CREATE, Stage.REQUEST, Stage.LOAD, Stage.BUILD),
        pattern=_phrasings(
            r"unknown operating system or architecture",
            r"is an invalid (OS )?component of",
            r"wildcards not yet supported",
            r"cannot parse platform specifier",
            r"error parsing specified platform",
            r"invalid platform:",
        ),
        error=UsageError,
        meaning="{node} does not know {platform} for a platform",
        cure="a platform is os/arch[/variant], for example linux/arm64 or linux/arm/v7",
    ),
    KnownMessage(
        name="several platforms at once",
        stages=(Stage.PULL,),
        pattern=_phrasings(r"multiple platforms is not supported"),
        error=UsageError,
        meaning="{node} pulls one platform at a time",
        cure="docker pull --platform {platform} {reference}, once for each platform",
    ),
    KnownMessage(
        name="other platform fetched",
        stages=(Stage.BUILD,),
        pattern=_phrasings(r"InvalidBaseImagePlatform|base image \S+ was pulled with platform"),
        error=WrongArchitectureError,
        meaning="the base image is for another platform than the one that is built",
        cure="take a base image that has the platform, or FROM it by its tag instead of the "
        "digest of one variant",
    ),
    KnownMessage(
        name="platform not in the index",
        stages=(Stage.PULL, Stage.BUILD),
        pattern=_phrasings(
            r"no matching manifest for",
            r"no match for platform in manifest",
            r"no image found in (image index|manifest list) for",
        ),
        error=PlatformMissingError,
        meaning="{reference} has no variant for {platform}",
        cure="see which platforms it has: pytest-multiarch inspect {reference}",
    ),
    KnownMessage(
        name="platform not on the engine",
        stages=(Stage.PULL, Stage.CREATE, Stage.REQUEST),
        pattern=_phrasings(
            r"was found but (its platform \([^)]*\) )?does not (match|provide)",
            r"no suitable export target found",
        ),
        error=PlatformMissingError,
        meaning="the engine has {reference}, but not for {platform}",
        cure="docker pull --platform {platform} {reference}",
    ),
    KnownMessage(
        name="digest kept already",
        stages=(Stage.PULL,),
        pattern=_phrasings(r"cannot overwrite digest"),
        error=ImageError,
        meaning="{node} has {reference} for another platform, and its classic image store keeps "
        "one under the digest of an index",
        cure="docker image rm {reference}, or " + _STORE_CURE,
    ),
    # Building, loading
    KnownMessage(
        name="build for several platforms on the classic store",
        stages=(Stage.BUILD,),
        pattern=_phrasings(
            r"docker exporter does not (currently )?support exporting manifest lists",
            r"multiple platforms feature is currently not supported for docker driver",
            r"multi-platform build is not supported for the docker driver",
        ),
        error=ImageError,
        meaning="the engine's image store keeps one platform under a name, and takes no build for "
        "several",
        cure=_STORE_CURE + ", or build with `docker buildx create --use` and --push to a registry",
    ),
    KnownMessage(
        name="cache export on the classic store",
        stages=(Stage.BUILD,),
        pattern=_phrasings(r"cache export (is|feature is currently) not supported for"),
        error=ImageError,
        meaning="the builder cannot export its cache",
        cure="leave cache_to out, " + _STORE_CURE + ", or take a builder that can: docker buildx "
        "create --use",
    ),
    KnownMessage(
        name="archive of several platforms on the classic store",
        stages=(Stage.LOAD,),
        pattern=_phrasings(
            r"cannot load (a )?manifest list",
            r"docker-import-\d+/(repositories|blobs/json): no such file",
        ),
        error=ImageError,
        meaning="{node} cannot load an archive of several platforms",
        cure=_STORE_CURE + ", or save and load one platform: docker save --platform {platform}",
    ),
    KnownMessage(
        name="archive without the platform",
        stages=(Stage.LOAD,),
        pattern=_phrasings(r"image might be filtered out"),
        error=ImageError,
        meaning="{node} found no image for its own platform in the archive",
        cure="name the one that is in it: docker load --platform {platform}",
    ),
    KnownMessage(
        name="build without an emulator",
        stages=(Stage.BUILD,),
        pattern=_phrasings(
            r"no support for running processes with \S+ platform", r"\.buildkit_qemu_emulator"
        ),
        error=PlatformUnavailableError,
        meaning="the engine's kernel has no emulator for what a build step runs",
        cure=_EMULATOR_CURE,
    ),
    KnownMessage(
        name="build step of another architecture",
        stages=(Stage.BUILD,),
        pattern=_phrasings(r"exec format error"),
        error=WrongArchitectureError,
        meaning="a build step ran a program that the kernel refused",
        cure="the base image may hold another architecture than it says (pytest-multiarch inspect "
        "shows it), or the kernel has no emulator: " + _EMULATOR_CURE,
    ),
    KnownMessage(
        name="build step failed",
        stages=(Stage.BUILD,),
        pattern=_phrasings(r"process \"[^\n]*\" did not complete successfully: exit code: \d+"),
        error=ImageError,
        meaning="a RUN step of the build failed",
        cure="its own output is above; on an emulated platform only, it may be the emulator: "
        "try the step on native hardware",
    ),
    # Registries
    KnownMessage(
        name="rate limit",
        stages=(Stage.PULL, Stage.BUILD),
        pattern=_phrasings(r"toomanyrequests", r"too many requests", r"pull rate limit"),
        error=ImageAccessError,
        meaning="{registry} limits how often it is asked, and refuses {reference}",
        cure="run `{login}` for a higher limit, wait, or use a mirror",
    ),
    KnownMessage(
        name="access denied",
        stages=(Stage.PULL, Stage.BUILD),
        pattern=_phrasings(
            r"pull access denied",
            r"access to the resource is denied",
            r"unauthorized",
            r"authentication required",
            r"insufficient_scope",
            r"authorization failed",
            r"no basic auth credentials",
            r"\bdenied\b",
            r"403 forbidden",
        ),
        error=ImageAccessError,
        meaning="{registry} refuses {reference}",
        cure="run `{login}`, or check the name: registries also answer so for a repository that "
        "does not exist",
    ),
    KnownMessage(
        name="registry unreachable",
        stages=(Stage.PULL, Stage.BUILD),
        pattern=_phrasings(
            r"connection refused",
            r"no such host",
            r"i/o timeout",
            r"dial tcp",
            r"tls: ",
            r"x509",
            r"server gave http response",
            r"network is unreachable",
            r"no route to host",
            r"deadline exceeded",
            r"connection reset",
            r"unexpected eof",
        ),
        error=EngineError,
        meaning="{node} could not pull {reference}",
        cure="check that {registry} can be reached from the engine; a registry without TLS has to "
        "be listed in the engine's insecure-registries",
    ),
    KnownMessage(
        name="image absent",
        stages=(Stage.PULL, Stage.BUILD),
        pattern=_phrasings(
            r"manifest unknown",
            r"name unknown",
            r"no such image",
            r"not found",
            r"unknown image",
            r"image not known",
        ),
        error=ImageNotFoundError,
        meaning="{reference} does not exist",
        cure="check the name and the tag; an image built locally has to be in this engine "
        "(docker image inspect {reference})",
    ),
    KnownMessage(
        name="build failed",
        stages=(Stage.BUILD,),
        pattern=_phrasings(r"failed to solve"),
        error=ImageError,
        meaning="BuildKit could not build the image",
        cure="mend the Dockerfile; where it has a line, it is above",
    ),
    # Containers
    KnownMessage(
        name="program refused at start",
        stages=(Stage.START,),
        pattern=_phrasings(r"exec format error"),
        error=WrongArchitectureError,
        meaning="the kernel refused the program",
        cure="it is for another architecture (pytest-multiarch inspect shows it), a script without "
        "a #! line, or the node has no emulator: see pytest-multiarch doctor",
    ),
    KnownMessage(
        name="no such user",
        stages=(Stage.CREATE, Stage.START),
        pattern=_phrasings(r"unable to find (?:user|group)"),
        error=ContainerError,
        meaning="the container has a setting that cannot be",
        cure="name one that the image has, or numbers: user='1000:1000'",
    ),
    KnownMessage(
        name="no such network",
        stages=(Stage.CREATE, Stage.START),
        pattern=_phrasings(r"network \S+ not found"),
        error=ContainerError,
        meaning="the container has a setting that cannot be",
        cure="make it with docker network create, or leave network= out",
    ),
    KnownMessage(
        name="no such source",
        stages=(Stage.CREATE, Stage.START),
        pattern=_phrasings(
            r"bind source path does not exist", r"statfs \S+: no such file or directory"
        ),
        error=ContainerError,
        meaning="the engine does not see what volumes= mounts",
        cure="it runs where the test's files are not (another machine, a virtual machine that does "
        "not share the folder): put them in with files=",
    ),
    KnownMessage(
        name="no subnet left",
        stages=(Stage.CREATE,),
        pattern=_phrasings(r"non-overlapping IPv4 address pool", r"fully subnetted"),
        error=ContainerError,
        meaning="the engine has no room for another network",
        cure="remove networks that nobody uses: docker network prune; or give the engine more "
        "with default-address-pools in its daemon.json",
    ),
    KnownMessage(
        name="relative folder",
        stages=(Stage.CREATE, Stage.START),
        pattern=_phrasings(r"needs to be an absolute path"),
        error=ContainerError,
        meaning="the container has a setting that cannot be",
        cure="workdir= starts with a slash",
    ),
    KnownMessage(
        name="image not on the engine",
        stages=(Stage.CREATE,),
        pattern=_phrasings(r"no such image", r"image not known", r"content digest \S+: not found"),
        error=ImageNotFoundError,
        meaning="{reference} is not on the engine",
        cure="check the name and the tag: docker image inspect {reference}",
    ),
    # What stands in a container's output in the program's place: runc, runc before 1.1, tini
    # (init=True), crun
    KnownMessage(
        name="program refused",
        stages=(Stage.OUTPUT,),
        pattern=_phrasings(
            r"exec [^\n]*: exec format error",
            r"standard_init_linux\.go:\d+: exec user process caused[^\n]*exec format error\"?",
            r"\[FATAL tini \(\d+\)\] exec [^\n]* failed: exec format error",
            r"ERROR \(catatonit:\d+\): failed to exec pid1: exec format error",
            r"[^\n]*exec container process[^\n]*exec format error[^\n]*",
            r"OCI runtime exec failed: [^\n]*exec format error[^\n]*",
        ),
        exit_codes=_REFUSED_CODES,
        error=WrongArchitectureError,
        meaning="{platform}: the kernel refused the program",
        cure="its ELF header, if it has one, is right: it is a script without a #! line, an empty "
        "or truncated file, or the node's emulator was taken away during the run "
        "(pytest-multiarch doctor shows what is registered)",
    ),
    KnownMessage(
        name="loader missing under emulation",
        stages=(Stage.OUTPUT,),
        pattern=_phrasings(
            r"\S*(?:qemu|binfmt)\S*: could not open '/[^'\n]*': no such file or directory",
            r"rosetta error: failed to open elf at /[^\n]*(?:\n[^\n]*)?",
        ),
        exit_codes=(1, 133, 255),
        error=ProgramNotFoundError,
        meaning="{platform}: the image lacks the loader that the program names",
        cure="it was linked for another C library than the image has (glibc: /lib/ld-linux-*, "
        "musl: /lib/ld-musl-*), or for another architecture: install that library, or link it "
        "statically",
    ),
    KnownMessage(
        name="loader missing",
        stages=(Stage.OUTPUT,),
        pattern=_phrasings(
            r"exec /[^\n]*: no such file or directory",
            r"standard_init_linux\.go:\d+: exec user process caused[^\n]*"
            r"no such file or directory\"?",
            r"\[FATAL tini \(\d+\)\] exec /[^\n]* failed: no such file or directory",
            r"ERROR \(catatonit:\d+\): failed to exec pid1: no such file or directory",
            r"[^\n]*exec container process \(missing dynamic library\?\)[^\n]*",
            rf"Error: [^\n]*runtime attempted to invoke a command that was not found{_PODMAN}",
            rf"Error: [^\n]*exec: [^\n]*permission denied[^\n]*: OCI permission denied{_PODMAN}",
        ),
        exit_codes=(*_REFUSED_CODES, 127),
        error=ProgramNotFoundError,
        meaning="{platform}: the program, or what loads it, is not in the image",
        cure="if the program is there: its loader is not (it was linked for another C library, "
        "glibc or musl), or not the interpreter of its #! line (a line that ends in CRLF names "
        "another one), or the kernel's emulator lacks the flag F (pytest-multiarch doctor)",
    ),
)
